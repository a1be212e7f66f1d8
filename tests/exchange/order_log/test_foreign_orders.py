"""Orders of others are shown with a mark; an order log that cannot be read follows the failure convention."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import OperationFailed, OutcomeUnknown
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.testing import FakeVenue
from tests.helpers.exchange_room import JumpClock, MemoryHost, make


class Desk:
    """Processes of strategies that share an account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = JumpClock()
        self.venue = FakeVenue(clock=self.clock)
        self.files: list[OrderFile] = []

    def process(self, name: str = "mine", *, errors: Any = "raise", pid: int | None = None) -> tuple[Any, MemoryHost]:
        host = MemoryHost(self.clock)
        host.order_log = OrderFile(self.folder / f"{name}.sqlite3", name, self.clock, pid=pid)
        self.files.append(host.order_log)
        return Exchange("Fake", "BTC_USDT", errors=errors, host=host, venue=self.venue, durability="process"), host

    def by_hand(self, key: str = "web_1") -> str:
        return self.venue.place(
            OrderIntent(symbol="BTC_USDT", side="buy", price=Decimal(90), amount=Decimal(1), client_order_id=key)
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for file in made.files:
        file.close()


def marks(exchange: Any) -> dict[str, bool]:
    return {order.Id: order.Foreign for order in exchange.GetOrders()}


def test_orders_of_others_are_marked_in_each_call(desk: Desk) -> None:
    exchange, _ = desk.process()
    other, _ = desk.process("other")
    own, chosen, foreign = exchange.Buy(99, 1), exchange.CreateOrder("", "buy;clOrdId=web_9", 98, 1), desk.by_hand()
    others = other.Buy(97, 1)
    expected = {own: False, chosen: False, foreign: True, others: True}
    assert marks(exchange) == expected
    assert {order.Id: order.Foreign for order in exchange.GetHistoryOrders()} == expected
    assert {order_id: exchange.GetOrder(order_id).Foreign for order_id in expected} == expected
    assert marks(other) == {own: True, chosen: True, foreign: True, others: False}
    # only a foreign order has the key, so that others are as FMZ's are
    assert "Foreign" not in exchange.GetOrder(own)
    assert exchange.GetOrder(foreign)["Foreign"] is True
    assert len(exchange.GetOrders()) == 4


def test_orders_of_earlier_processes_are_the_strategy_s_own(desk: Desk) -> None:
    first, _ = desk.process()
    own, chosen = first.Buy(99, 1), first.CreateOrder("", "buy;clOrdId=web_9", 98, 1)
    first.close()
    second, _ = desk.process()
    assert marks(second) == {own: False, chosen: False}


def test_an_order_on_its_way_with_an_id_of_its_own_is_not_foreign(desk: Desk) -> None:
    exchange, _ = desk.process()
    place = desk.venue.place
    seen: list[dict[str, bool]] = []

    def shown(intent: OrderIntent) -> str:
        order_id = place(intent)
        seen.append(marks(exchange))
        return order_id

    desk.venue.place = shown  # type: ignore[method-assign]
    order_id = exchange.CreateOrder("", "buy;clOrdId=web_9", 98, 1)
    assert seen == [{order_id: False}]


def test_a_young_order_is_looked_for_again_and_an_old_one_is_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, _ = desk.process()
    exchange.Buy(99, 1)
    foreign = desk.by_hand()
    asked: list[list[str]] = []
    recorded = OrderFile.recorded
    monkeypatch.setattr(
        OrderFile, "recorded", lambda self, ids, **which: (asked.append(list(ids)), recorded(self, ids, **which))[1]
    )
    for _ in range(2):
        desk.clock.advance(10)
        assert marks(exchange)[foreign]
    assert asked == [[foreign]] * 2, "another process may still be writing its id"
    desk.clock.advance(61)
    for _ in range(3):
        assert marks(exchange)[foreign]
    assert asked == [[foreign]] * 3


def test_an_unreadable_order_log_fails_no_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, _ = desk.process()
    own, foreign = exchange.Buy(99, 1), desk.by_hand()

    def locked(*_: Any, **__: Any) -> Any:
        raise OperationFailed("the database cannot be used")

    monkeypatch.setattr(OrderFile, "recorded", locked)
    assert marks(exchange) == {own: False, foreign: True}


def test_without_a_log_only_the_process_s_own_are_known() -> None:
    exchange, venue, _ = make()
    other: Any = Exchange("Fake", "BTC_USDT", venue=venue, host=MemoryHost(exchange.clock))
    own, others = exchange.Buy(99, 1), other.Buy(98, 1)
    assert marks(exchange) == {own: False, others: True}


def test_more_orders_than_one_query_takes(desk: Desk) -> None:
    exchange, _ = desk.process()
    ids = [exchange.Buy(99, 1) for _ in range(3)]
    file = desk.files[0]
    file.flush()
    assert file.placed([*(f"x,{n}" for n in range(1200)), *ids]) == set(ids)


@pytest.mark.parametrize("column", ["price = 'dear'", "options = '{'", "amount = NULL", "kind = 'raw'"])
def test_a_row_that_cannot_be_read_is_an_error_line(desk: Desk, column: str) -> None:
    first, _ = desk.process(pid=2**22 + 1)
    desk.venue.fail("place", OutcomeUnknown("lost"))
    desk.venue.fail("order_by_client_id", OperationFailed("late"), always=True)
    with pytest.raises(OutcomeUnknown):
        first.Buy(99, 1)
    desk.files[0].close()
    with closing(sqlite3.connect(desk.files[0].path)) as connection, connection:
        connection.execute(f"UPDATE intents SET {column}")
    second, host = desk.process(errors="log")
    for call in (lambda: second.UnknownOrders(all_runs=True), second.Reconcile, lambda: second.DismissOrder("x")):
        host.errors.clear()
        assert call() is None
        (line,) = host.errors
        assert "holds a row that cannot be read" in line
        assert str(desk.files[0].path) in line
    assert second.Buy(99, 1) is None
    assert "nothing was sent, because the order log cannot be read" in host.errors[-1]
    assert second.UnknownOrders() == []


@pytest.mark.parametrize("what", ["damaged", "a folder", "closed folder"])
def test_a_file_that_cannot_be_read_is_an_error_line(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, host = desk.process(errors="log")
    path = desk.files[0].path
    if what == "a folder":
        path.mkdir()
    elif what == "damaged":
        path.write_bytes(b"not a database, but longer than its head is" * 100)
    else:

        def refused(self: Path, **_: Any) -> bool:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "exists", refused)
    assert exchange.UnknownOrders(all_runs=True) is None
    (line,) = host.errors
    assert line.startswith("UnknownOrders: ")
    assert str(path) in line
    assert exchange.GetLastError() == line
    assert exchange.UnknownOrders() == []
    strict, _ = desk.process()
    with pytest.raises(OperationFailed, match="cannot be"):
        strict.UnknownOrders(all_runs=True)
