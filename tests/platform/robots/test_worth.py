"""What robots hold together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.exchange.holdings import HoldingsSample, SeenMoney, SeenPosition
from fmzthreads.platform.robots import worth as module
from fmzthreads.platform.robots.tables import RobotTables
from fmzthreads.platform.robots.worth import FleetWorth, RobotPlace
from fmzthreads.strategy.log.log_database import DatabaseSink


@pytest.fixture
def worths(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorth]:
    monkeypatch.setattr(module, "_LOOK_S", 0.0)
    tables = RobotTables()
    yield FleetWorth(tables)
    tables.close()


class Robots:
    """Robots in a folder, each with samples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, number: int, *, simulated: bool = False) -> RobotPlace:
        return RobotPlace(id=number, database=self.folder / str(number) / "strategy.sqlite3", is_simulated=simulated)

    def sample(self, number: int, time_ms: int, *money: SeenMoney, positions: tuple[SeenPosition, ...] = ()) -> None:
        sink = DatabaseSink(self.place(number).database)
        sink.write([HoldingsSample(time_ms, money, positions)])
        sink.close()


@pytest.fixture
def robots(tmp_path: Path) -> Robots:
    return Robots(tmp_path)


def money(amount: float, time_ms: int, account: str = "Binance:1", currency: str = "USDT", **more: object) -> SeenMoney:
    fields = {"account": account, "wallet": "spot", "currency": currency, "amount": amount, "time_ms": time_ms, **more}
    return SeenMoney(**fields)  # type: ignore[arg-type]


def test_robots_that_never_asked_show_none(worths: FleetWorth, robots: Robots) -> None:
    assert worths.worth([]) == []
    assert worths.worth([robots.place(1)]) == [], "no file"
    robots.sample(1, 1000)
    assert worths.worth([robots.place(1)]) == []


def test_an_account_of_several_robots_counts_once(worths: FleetWorth, robots: Robots) -> None:
    robots.sample(1, 1000, money(10.0, 900))
    robots.sample(2, 2000, money(7.0, 1900), money(5.0, 1900, "OKX:2"))
    (found,) = worths.worth([robots.place(1), robots.place(2)])
    assert (found.currency, found.worth, found.oldest_ms, found.is_simulated) == ("USDT", 12.0, 1900, False)
    assert [(part.money.account, part.robot_id) for part in found.parts] == [("Binance:1", 2), ("OKX:2", 2)]
    assert found.curve[0] == (1000, 10.0)
    assert found.curve[-1] == (2000, 12.0)
    (alone,) = worths.worth([robots.place(1)])
    assert alone.worth == 10.0, "who sees one robot sees what it read"


def test_the_newer_reading_of_an_account_counts_whoever_has_it(worths: FleetWorth, robots: Robots) -> None:
    robots.sample(1, 2000, money(10.0, 1900), money(3.0, 1500, "OKX:2"))
    robots.sample(2, 2000, money(7.0, 900))
    (found,) = worths.worth([robots.place(1), robots.place(2)])
    assert (found.worth, found.oldest_ms) == (13.0, 1500)


def test_a_database_is_read_once_in_a_while(robots: Robots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 1e12)
    tables = RobotTables()
    worths = FleetWorth(tables)
    robots.sample(1, 1000, money(10.0, 900))
    assert [one.worth for one in worths.worth([robots.place(1)])] == [10.0]
    robots.sample(1, 2000, money(20.0, 1900))
    assert [one.worth for one in worths.worth([robots.place(1)])] == [10.0]
    tables.close()


def test_coins_count_in_their_quote_currency_once_a_price_was_seen(worths: FleetWorth, robots: Robots) -> None:
    robots.sample(1, 1000, money(1.0, 900), money(2.0, 900, currency="BTC", quote="USDT"))
    found = {one.currency: one.worth for one in worths.worth([robots.place(1)])}
    assert found == {"USDT": 1.0, "BTC": 2.0}
    robots.sample(1, 2000, money(1.0, 1900), money(2.0, 1900, currency="BTC", quote="USDT", price=50.0))
    assert {one.currency: one.worth for one in worths.worth([robots.place(1)])} == {"USDT": 101.0}
    robots.sample(1, 3000, money(1.0, 2900), money(0.0, 2900, currency="BTC", quote="USDT"))
    assert {one.currency: one.worth for one in worths.worth([robots.place(1)])} == {"USDT": 1.0}


def test_play_money_is_never_added_to_real_money(worths: FleetWorth, robots: Robots) -> None:
    robots.sample(1, 1000, money(1.0, 900))
    robots.sample(2, 1000, money(1_000_000.0, 900, "Binance:9"))
    robots.sample(3, 1000, money(500.0, 900, "paper:Binance:/somewhere"))
    found = worths.worth([robots.place(1), robots.place(2, simulated=True), robots.place(3)])
    assert [(one.is_simulated, one.worth) for one in found] == [(False, 1.0), (True, 1_000_500.0)]


def test_only_the_newest_sample_of_a_robot_counts(worths: FleetWorth, robots: Robots) -> None:
    """A simulated exchange has another account after each start."""
    robots.sample(1, 1000, money(10.0, 900, "Binance:first"))
    assert worths.worth([robots.place(1)])[0].worth == 10.0
    robots.sample(1, 2000, money(11.0, 1900, "Binance:second"))
    (found,) = worths.worth([robots.place(1)])
    assert (found.worth, len(found.parts)) == (11.0, 1)
    assert [value for _, value in found.curve][:: len(found.curve) - 1] == [10.0, 11.0]


def test_an_account_with_one_wallet_for_spot_and_contracts_counts_once(worths: FleetWorth, robots: Robots) -> None:
    for exchange in ("OKX", "Binance"):
        robots.sample(
            1, 1000, money(10.0, 900, f"{exchange}:1"), money(12.0, 900, f"{exchange}:1", wallet="futures"), money(3.0, 900, f"{exchange}:2")
        )  # fmt: skip
        (found,) = worths.worth([robots.place(1)])
        assert found.worth == (15.0 if exchange == "OKX" else 25.0)


def test_the_samples_of_so_many_robots_are_remembered(
    worths: FleetWorth, robots: Robots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmzthreads.platform.robots.worth._MOST_ROBOTS", 2)
    for number in (1, 2, 3):
        robots.sample(number, 1000, money(float(number), 900, f"Binance:{number}"))
    assert worths.worth([robots.place(1), robots.place(2)])[0].worth == 3.0
    assert len(worths._known) == 2
    assert worths.worth([robots.place(3)])[0].worth == 3.0
    assert len(worths._known) == 1


def test_a_long_course_is_thinned_and_keeps_its_ends(worths: FleetWorth, robots: Robots) -> None:
    sink = DatabaseSink(robots.place(1).database)
    sink.write([HoldingsSample(1000 + n, (money(float(n), 1000 + n),), ()) for n in range(5000)])
    (found,) = worths.worth([robots.place(1)])
    assert (found.worth, found.curve[-1]) == (4999.0, (5999, 4999.0))
    for n in range(5000, 6000):
        sink.write([HoldingsSample(1000 + n, (money(float(n), 1000 + n),), ())])
        if n % 100 == 0:
            worths.worth([robots.place(1)])
    sink.close()
    (found,) = worths.worth([robots.place(1)])
    assert found.curve[-1] == (6999, 5999.0)
    assert len(found.curve) <= 121
    values = [value for _, value in found.curve]
    assert values == sorted(values)
    assert found.curve[0][1] < 200


def test_a_folder_that_was_put_in_the_place_of_another_is_read_anew(worths: FleetWorth, robots: Robots) -> None:
    for n in range(5):
        robots.sample(1, 1000 + n, money(1.0, 900))
    assert worths.worth([robots.place(1)])[0].worth == 1.0
    with sqlite3.connect(robots.place(1).database) as connection:
        connection.execute("DELETE FROM holding")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'holding'")
    connection.close()
    robots.sample(1, 5000, money(2.0, 4900))
    (found,) = worths.worth([robots.place(1)])
    assert (found.worth, found.curve) == (2.0, [(5000, 2.0)])


def test_a_longer_folder_in_the_place_of_another_is_read_anew(worths: FleetWorth, robots: Robots) -> None:
    """Its rows have greater numbers than those that are known: the known ones must not be taken for its beginning."""
    for n in range(3):
        robots.sample(1, 1000 + n, money(1.0, 900))
    assert worths.worth([robots.place(1)])[0].worth == 1.0
    with sqlite3.connect(robots.place(1).database) as connection:
        connection.execute("DELETE FROM holding")
    connection.close()
    robots.sample(1, 5000, money(2.0, 4900))
    robots.sample(1, 5001, money(2.0, 4900))
    (found,) = worths.worth([robots.place(1)])
    assert (found.worth, found.curve) == (2.0, [(5000, 2.0), (5001, 2.0)])


def test_a_look_without_news_adds_nothing(worths: FleetWorth, robots: Robots) -> None:
    for n in range(3):
        robots.sample(1, 1000 + n, money(1.0, 900))
    for _ in range(5):
        worths.worth([robots.place(1)])
    ((_, samples),) = worths._known.values()
    assert samples.times == (1000, 1001, 1002)


def test_a_database_that_was_mended_is_read_at_once(robots: Robots) -> None:
    tables = RobotTables()
    worths = FleetWorth(tables)
    robots.sample(1, 1000, money(1.0, 900))
    whole = robots.place(1).database.read_bytes()
    robots.place(1).database.write_text("no database " * 100)
    assert worths.worth([robots.place(1)]) == []
    robots.place(1).database.write_bytes(whole)
    assert worths.worth([robots.place(1)])[0].worth == 1.0
    tables.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"money": 3}', '{"money": [[1]], "positions": []}'])
def test_a_damaged_row_is_nothing(worths: FleetWorth, robots: Robots, text: str) -> None:
    robots.sample(1, 1000, money(1.0, 900))
    with sqlite3.connect(robots.place(1).database) as connection:
        connection.execute("UPDATE holding SET data = ?", (text,))
    connection.close()
    assert worths.worth([robots.place(1)]) == []


def test_a_damaged_database_does_not_touch_the_others(worths: FleetWorth, robots: Robots) -> None:
    robots.sample(1, 1000, money(1.0, 900))
    robots.place(2).database.parent.mkdir()
    robots.place(2).database.write_text("no database " * 100)
    assert worths.worth([robots.place(1), robots.place(2)])[0].worth == 1.0
    robots.place(1).database.write_text("no database " * 100)
    assert worths.worth([robots.place(1), robots.place(2)])[0].worth == 1.0, "what is known stays, with its age"


def test_positions_are_those_of_the_newest_sample(worths: FleetWorth, robots: Robots) -> None:
    held = SeenPosition(account="OKX:1", symbol="BTC_USDT.swap", amount=-2.0, price=100.0, profit=3.0, time_ms=900)
    robots.sample(1, 1000, positions=(held,))
    assert worths.positions(robots.place(1).database) == (held,)
    robots.sample(1, 2000)
    assert worths.positions(robots.place(1).database) == ()
