"""The kill switch: nothing new leaves, what is open is cancelled, and it lasts until it is released."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.clock import Clock, ManualClock
from fmzthreads.errors import GuardRefused, OperationFailed
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.guards.kill_switch import Killed, KillSwitch, read_killed, remove_killed, write_killed
from fmzthreads.structures import Order
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import MemoryHost, make


def place(exchange: Any) -> str:
    order_id = exchange.Buy(90, 1)
    assert isinstance(order_id, str)
    return order_id


def with_switch(switch: KillSwitch) -> tuple[Any, FakeVenue, MemoryHost]:
    host = MemoryHost()
    host.kill_switch = switch
    venue = FakeVenue(clock=host.clock)
    return Exchange("Fake", "BTC_USDT", venue=venue, host=host), venue, host


def test_a_killed_strategy_sends_nothing_and_has_nothing_open() -> None:
    exchange, venue, host = make()
    place(exchange)
    place(exchange)
    report = exchange.Kill("went wild")
    assert report is not None
    assert (report.cancelled, report.kept, report.failed) == (2, 0, ())
    assert exchange.GetOrders() == []
    assert exchange.Buy(90, 1) is None
    assert exchange.GetLastError() == (
        "Buy: the kill switch is set (went wild): nothing was sent; fmzthreads release NAME, or exchange.Release(), ends this"
    )
    assert exchange.IO("api", "POST", "/api/v3/order", "") is None
    assert len(venue.placed) == 2
    assert venue.requests == []
    assert any("went wild" in line and "2 open orders cancelled" in line for line in host.warnings)
    killed = exchange.Killed()
    assert killed is not None
    assert killed.reason == "went wild"
    assert exchange.Release() is True
    assert exchange.Release() is False
    assert exchange.Killed() is None
    place(exchange)


def test_it_holds_for_all_exchange_objects_of_the_strategy() -> None:
    host = MemoryHost()
    venues = [FakeVenue(clock=host.clock) for _ in range(2)]
    first, second = (Exchange("Fake", "BTC_USDT", venue=venue, host=host) for venue in venues)
    place(second)
    report = first.Kill()
    assert report is not None
    assert report.cancelled == 1
    assert second.Buy(90, 1) is None


class ConditionVenue(FakeVenue):
    """A fake venue that also keeps condition orders."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.conditions: dict[str, Order] = {}

    def place_condition(self, intent: ConditionIntent) -> str:
        order_id = f"BTCUSDT,c{len(self.conditions)}"
        self.conditions[order_id] = Order(
            Info={"clientOrderId": intent.client_order_id},
            Symbol=intent.symbol,
            Id=order_id,
            Time=0,
            Type=int(intent.side == "sell"),
            Offset=0,
            Status=0,
        )
        return order_id

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        return [order.copy() for order in self.conditions.values()]

    def cancel_condition(self, order_id: str) -> None:
        del self.conditions[order_id]


def condition(exchange: Any, side: Any) -> str:
    terms = ConditionTerms(kind=2, sl_trigger=Decimal(80))
    orders = exchange._core.orders
    intent = ConditionIntent(
        symbol="BTC_USDT", side=side, amount=Decimal(1), terms=terms, client_order_id=orders.new_id()
    )
    return str(orders.place(intent, own_client_id=True))


def test_orders_of_others_stay_and_protective_ones_only_go_when_asked() -> None:
    host = MemoryHost()
    venue = ConditionVenue(host.clock)
    exchange: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=host)
    own = place(exchange)
    condition(exchange, "buy")
    stop_loss = condition(exchange, "sell")
    elsewhere: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=MemoryHost())
    foreign = place(elsewhere)
    foreign_stop = condition(elsewhere, "sell")
    report = exchange.Kill()
    assert (report.cancelled, report.kept, report.failed) == (2, 1, ())
    assert {order.Id for order in venue.orders()} == {foreign}
    assert set(venue.conditions) == {stop_loss, foreign_stop}
    assert venue.order(own).Status == 2
    with pytest.raises(GuardRefused):
        condition(exchange, "sell")
    report = exchange.Kill(protective=True)
    assert (report.cancelled, report.kept, report.failed) == (1, 0, ())
    assert set(venue.conditions) == {foreign_stop}


def test_changes_of_orders_are_held_back_too() -> None:
    exchange, _, _ = make()
    order_id = place(exchange)
    exchange.Kill()
    change = ModifyIntent(
        order_id=order_id,
        symbol="BTC_USDT",
        side="buy",
        price=Decimal(91),
        amount=None,
        client_order_id="x",
    )
    with pytest.raises(GuardRefused):
        exchange._core.orders.modify(change)


def test_what_cannot_be_cancelled_is_named() -> None:
    exchange, venue, _ = make()
    first, _second = place(exchange), place(exchange)
    venue.fail("cancel", OperationFailed("too busy"))
    report = exchange.Kill()
    assert report is not None
    assert report.cancelled == 1
    assert report.failed == (f"Fake {first}: too busy",)
    venue.fail("orders", OperationFailed("no list"))
    report = exchange.Kill()
    assert report is not None
    assert "no list" in report.words()


def test_an_order_under_way_is_cancelled_too() -> None:
    exchange, venue, _ = make()
    hold = venue.hold("place")
    sender = threading.Thread(target=exchange.Buy, args=(90, 1))
    sender.start()
    assert hold.wait_for_call(60)
    reports: list[Any] = []
    killer = threading.Thread(target=lambda: reports.append(exchange.Kill()))
    killer.start()
    while exchange.Killed() is None:  # it is set before the order is waited for
        killer.join(0.001)
    assert reports == []
    hold.release()
    sender.join(30)
    killer.join(30)
    assert reports[0].cancelled == 1
    assert venue.orders() == []


def test_it_survives_the_process_and_is_seen_by_others(tmp_path: Path) -> None:
    own, everywhere = tmp_path / "run" / "killed.json", tmp_path / "killed.json"
    clock = ManualClock(1000)
    first, _, _ = with_switch(KillSwitch(clock, own, everywhere))
    first.Kill("by hand")
    second, _, _ = with_switch(KillSwitch(clock, own, everywhere))
    assert second.Buy(90, 1) is None
    assert second.Killed() == Killed(reason="by hand", at_s=1000.0)
    assert second.Release()
    place(first)
    write_killed(everywhere, Killed(reason="all"))
    assert first.Buy(90, 1) is None
    assert "fmzthreads release ends this" in first.GetLastError()
    assert first.Release() is False
    assert first.Buy(90, 1) is None
    assert remove_killed(everywhere)
    assert not remove_killed(everywhere)
    place(first)


def test_a_kill_by_another_process_cancels_at_the_next_order(tmp_path: Path) -> None:
    own = tmp_path / "killed.json"
    told: list[str] = []
    done = threading.Event()

    def warn(text: str) -> None:
        told.append(text)
        if "cancelled" in text:
            done.set()

    for _ in range(2):  # each kill anew
        exchange, venue, _ = with_switch(KillSwitch(ManualClock(), own, warn=warn))
        place(exchange)
        write_killed(own, Killed(reason="enough", at_s=5.0))
        assert exchange.Buy(90, 1) is None
        assert exchange.Buy(90, 1) is None
        assert done.wait(60)
        assert venue.orders() == []
        assert told == ["the strategy was killed: enough", "1 open orders cancelled"]
        told.clear()
        done.clear()
        remove_killed(own)


@pytest.mark.parametrize("protective", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_a_kill_by_another_process_keeps_the_protective_orders_unless_it_says_otherwise(
    protective: bool, asked: bool, tmp_path: Path
) -> None:
    own, done = tmp_path / "killed.json", threading.Event()
    host = MemoryHost()
    switch = host.kill_switch = KillSwitch(
        ManualClock(), own, warn=lambda text: done.set() if "cancelled" in text else None
    )
    venue = ConditionVenue(host.clock)
    exchange: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=host)
    condition(exchange, "buy")
    stop_loss = condition(exchange, "sell")
    write_killed(own, Killed(at_s=5.0, protective=protective))
    if asked:  # the runner asks
        report = switch.answer()
        assert report is not None
        assert (report.cancelled, report.kept) == ((2, 0) if protective else (1, 1))
    else:  # or the next order finds it
        assert exchange.Buy(90, 1) is None
        assert done.wait(60)
    assert set(venue.conditions) == (set() if protective else {stop_loss})


def test_whatever_goes_wrong_with_one_exchange_object_the_orders_of_the_others_are_cancelled() -> None:
    host = MemoryHost()
    venues = [FakeVenue(clock=host.clock) for _ in range(3)]
    made: list[Any] = [Exchange("Fake", "BTC_USDT", venue=venue, host=host) for venue in venues]
    for exchange in made:
        place(exchange)

    def _broken(symbol: str | None = None) -> list[Order]:
        raise RuntimeError("a bug")

    venues[1].orders = _broken  # type: ignore[method-assign]
    report = made[0].Kill()
    assert report.cancelled == 2
    assert [("a bug" in one) for one in report.failed] == [True]


def test_ones_own_kill_cancels_once() -> None:
    exchange, _, host = make()
    acted: list[Killed] = []
    host.kill_switch._act = acted.append  # type: ignore[method-assign]
    exchange.Kill()
    assert exchange.Buy(90, 1) is None
    for thread in threading.enumerate():
        if thread.name == "fmzthreads-kill":
            thread.join(60)
    assert acted == []


def test_ordinary_sales_are_cancelled_too_and_so_are_orders_of_other_symbols() -> None:
    exchange: Any
    exchange, venue, _ = make()
    exchange.Sell(110, 1)
    exchange.CreateOrder("ETH_USDT", "buy", 90, 1)
    venue.lists_all_orders = False
    listed = venue.orders

    def _of_one(symbol: str | None = None) -> list[Order]:
        assert symbol is not None
        return listed(symbol)

    venue.orders = _of_one  # type: ignore[method-assign]
    report = exchange.Kill()
    assert (report.cancelled, report.kept, report.failed) == (2, 0, ())


def test_condition_orders_whose_client_id_the_venue_does_not_tell_are_known_by_their_own_id() -> None:
    host = MemoryHost()
    venue = ConditionVenue(host.clock)
    exchange: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=host)
    condition(exchange, "buy")
    venue.conditions["BTCUSDT,c0"]["Info"] = {}
    venue.conditions["BTCUSDT,c9"] = Order({**venue.conditions["BTCUSDT,c0"], "Id": "BTCUSDT,c9"})
    report = exchange.Kill()
    assert report.cancelled == 1
    assert set(venue.conditions) == {"BTCUSDT,c9"}  # placed by somebody else


def test_a_damaged_or_unreadable_file_kills_all_the_same(tmp_path: Path) -> None:
    own = tmp_path / "killed.json"
    own.write_text("{")
    switch = KillSwitch(ManualClock(), own)
    with pytest.raises(GuardRefused, match="cannot be read"):
        switch.check()
    own.unlink()
    own.mkdir()
    assert read_killed(own) is not None
    with pytest.raises(GuardRefused, match="cannot be read"):
        switch.check()
    with pytest.raises(OperationFailed, match="cannot be removed"):
        switch.release()


def test_a_file_that_cannot_be_written_kills_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    exchange, venue, _ = with_switch(KillSwitch(ManualClock(), tmp_path / "file" / "killed.json"))
    place(exchange)
    assert exchange.Kill() is None
    assert "in this process only; 1 open orders cancelled" in exchange.GetLastError()
    assert venue.orders() == []
    assert exchange.Buy(90, 1) is None
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
