"""What is deleted of the order log, when, and what never is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.database import Database
from fmzthreads.errors import OperationFailed
from fmzthreads.exchange.order_log import OrderFile, pruning
from fmzthreads.exchange.order_log.intents import IntentRecord
from fmzthreads.exchange.order_log.pruning import KEEP_DAYS, Pruning
from fmzthreads.exchange.order_log.rows import SCHEMA
from fmzthreads.exchange.venue import OrderIntent

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


class Log:
    """A file with rows, and the walk through it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock(NOW_S)
        self.database = Database(path, SCHEMA, durable=False)
        self.database.execute("INSERT INTO runs VALUES (1, 'p', 1, 's', 0, 1)")
        self.pruning = Pruning(self.database, self.clock)
        self.count = 0

    def row(self, days: float = KEEP_DAYS + 1, **fields: Any) -> int:
        self.count += 1
        made_at = NOW_S - days * DAY_S
        values = {
            "id": (1 << 32) + self.count, "account": "A", "kind": "order", "symbol": "BTC_USDT", "side": "buy", "price": "1", "amount": "1",
            "client_order_id": f"c{self.count}", "time_in_force": None, "options": None, "order_id": f"o{self.count}", "fate": "placed",
            "detail": "", "made_at": made_at, "left_at": made_at, "settled_at": made_at, "status": None, "deal_amount": None, **fields,
        }  # fmt: skip
        self.database.execute(f"INSERT INTO intents VALUES ({', '.join('?' * len(values))})", list(values.values()))
        self.database.execute(
            "INSERT INTO fills VALUES (?, ?, ?, 't', '1', '1', '0', 'USDT', 0, 0)",
            (values["account"], values["symbol"], f"o{self.count}"),
        )
        return self.count

    def left(self) -> list[int]:
        return [row[0] & 0xFFFFFFFF for row in self.database.execute("SELECT id FROM intents ORDER BY id")]

    def fills(self) -> list[str]:
        return sorted(row[0] for row in self.database.execute("SELECT order_id FROM fills"))

    def walk(self, steps: int = 3) -> None:
        for _ in range(steps):
            self.pruning.step()
            self.clock.advance(1.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "orders.sqlite3")
    yield made
    made.database.close()


OVER: list[dict[str, Any]] = [
    {"fate": "refused"},
    {"fate": "absent"},
    {"kind": "raw", "fate": "refused"},
    {"status": 1},
    {"status": 2},
    {"price": None},
    {"time_in_force": "IOC"},
    {"time_in_force": "fok"},
    {"kind": "cancel", "fate": "refused", "days": 2 * KEEP_DAYS + 1},
    {"kind": "cancel", "fate": "cancelled", "days": 2 * KEEP_DAYS + 1},
]


@pytest.mark.parametrize("fields", OVER)
def test_a_row_that_is_over_is_deleted_with_its_fills_when_it_is_old(log: Log, fields: dict[str, Any]) -> None:
    days = fields.get("days", KEEP_DAYS + 1)
    log.row(**fields)
    young = log.row(**{**fields, "days": days - 2})
    log.row(**{**fields, "settled_at": NOW_S - 60.0})  # it was found out late
    log.walk()
    assert log.left() == [young, young + 1]
    gone = ["o1"] if "kind" not in fields else []
    assert log.fills() == sorted({"o1", "o2", "o3"} - set(gone))


@pytest.mark.parametrize(
    "fields",
    [
        {"fate": "sending", "settled_at": 0.0},
        {"fate": "sending"},
        {"fate": "unknown"},
        {"kind": "raw"},
        {},
        {"status": 0},
        {"status": 3},
        {"time_in_force": "GTC"},
        {"price": None, "options": '{"stopPrice": "1"}'},
        {"time_in_force": "IOC", "options": '{"stopPrice": "1"}'},
        {"price": None, "fate": "unknown"},
        {"kind": "cancel", "fate": "unknown"},
        {"kind": "cancel", "fate": "sending", "price": None},
    ],
)
def test_what_may_be_open_or_is_not_known_is_never_deleted(log: Log, fields: dict[str, Any]) -> None:
    log.row(days=5000, **fields)
    log.walk()
    assert log.left() == [1]
    assert log.fills() == ["o1"]


def test_an_order_that_was_cancelled_is_deleted_and_its_cancel_later(log: Log) -> None:
    log.row()
    log.row(account="B")  # of the same number, elsewhere
    log.database.execute("UPDATE intents SET order_id = 'o1' WHERE account = 'B'")
    log.row(kind="cancel", fate="cancelled", order_id="o1")
    log.row()
    log.row(kind="cancel", fate="refused", order_id="o4")
    log.walk()
    assert log.left() == [2, 3, 4, 5]
    log.clock.advance(KEEP_DAYS * DAY_S)
    log.walk()
    assert log.left() == [2, 4]


def test_it_goes_in_steps_with_pauses_and_round_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_STEP_ROWS", 2)
    for _ in range(5):
        log.row(fate="absent")
    log.pruning.step()
    assert log.left() == [3, 4, 5]
    log.pruning.step()  # no time has passed
    assert log.left() == [3, 4, 5]
    log.clock.advance(1.0)
    log.pruning.step()
    assert log.left() == [5]
    log.walk(4)
    assert log.left() == []
    log.row(fate="absent")
    log.walk(10)
    assert log.left() == [6]
    log.clock.advance(3600.0)
    log.walk()
    assert log.left() == []


def test_every_row_is_reached_wherever_the_walk_begins(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        log.row(fate="absent")
    log.database.execute("INSERT INTO runs VALUES (2, 'q', 1, 's', 0, 1)")
    monkeypatch.setattr("random.choice", lambda runs: runs[-1])
    log.walk()
    assert log.left() == []


def test_a_file_prunes_itself_once_something_was_stored_and_a_failure_is_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    path = tmp_path / "orders.sqlite3"
    file = OrderFile(path, "mine", ManualClock(NOW_S), warn=warnings.append)
    assert file.flush_quietly()
    assert not path.exists()
    intent = OrderIntent(symbol="BTC_USDT", side="buy", price=None, amount=1, client_order_id="c")  # type: ignore[arg-type]
    file.begin(IntentRecord(intent=intent, fate="refused", made_at=1.0, settled_at=1.0), "A")
    real = Pruning.step

    def _fails(_: Pruning) -> None:
        raise OperationFailed("no")

    monkeypatch.setattr(Pruning, "step", _fails)
    assert file.flush_quietly()
    monkeypatch.setattr(Pruning, "step", real)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (1,)
    assert file.flush_quietly()
    file.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)
    assert warnings == []


def test_rows_that_are_kept_hide_none_that_come_after_them(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_STEP_ROWS", 2)
    young = [log.row(days=1) for _ in range(4)]
    for _ in range(2):
        log.row(fate="refused")
    log.walk(steps=6)
    assert log.left() == young


def test_a_file_without_runs_and_orders_has_nothing_to_delete(log: Log) -> None:
    log.database.execute("DELETE FROM runs")
    log.walk()
    assert log.left() == []
