"""Orders that the venue no longer knows: ``Reconcile(fills=True)`` asks about each once, when the answer can be believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL, ORDER_STATE_UNKNOWN
from fmzthreads.errors import OperationFailed, OrderNotFound
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.exchange.venue import OrderFill
from fmzthreads.testing import FakeContractVenue, FakeVenue
from tests.helpers.exchange_room import JumpClock, MemoryHost


class Room:
    """An exchange object with an order log, over a venue that forgets."""

    def __init__(self, folder: Path, venue: Any = None, pair: str = "BTC_USDT") -> None:
        self.path = folder / "orders.sqlite3"
        self.clock = JumpClock()
        self.venue = venue or FakeVenue(clock=self.clock)
        self.host = MemoryHost(self.clock)
        self.host.order_log = OrderFile(self.path, "mine", self.clock)
        self.exchange: Any = Exchange(
            "Fake", pair, errors="raise", host=self.host, venue=self.venue, durability="process"
        )

    def row(self, columns: str = "fate, detail") -> Any:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(f"SELECT {columns} FROM intents").fetchone()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.host.order_log.close()  # type: ignore[union-attr]


def test_an_order_that_the_venue_forgot_is_asked_about_once(room: Room) -> None:
    order_id = room.exchange.Buy(90, 1)
    room.venue.fail("order", OrderNotFound("no such order"), always=True)
    (young,) = room.exchange.Reconcile(fills=True)
    assert (young.fate, young.detail) == ("placed", "no such order")  # too early to be believed
    room.clock.advance(59.9)
    assert [one.fate for one in room.exchange.Reconcile(fills=True)] == ["placed"]
    room.clock.advance(0.2)
    (record,) = room.exchange.Reconcile(fills=True)
    assert (record.fate, record.order_id, record.detail) == ("absent", order_id, "no such order")
    assert room.row("fate, order_id, detail") == ("absent", order_id, "no such order")
    asked = room.venue.calls["order"]
    assert room.exchange.Reconcile(fills=True) == []
    assert room.venue.calls["order"] == asked
    room.venue.heal("order")
    assert not room.exchange.GetOrder(order_id).get("Foreign")  # it is still known as the strategy's


def test_the_venues_own_lifetime_counts_where_it_is_longer(room: Room) -> None:
    room.venue.settling_s = 300.0
    room.exchange.Buy(90, 1)
    room.venue.fail("order", OrderNotFound("no such order"), always=True)
    room.clock.advance(299)
    assert [one.fate for one in room.exchange.Reconcile(fills=True)] == ["placed"]
    room.clock.advance(2)
    assert [one.fate for one in room.exchange.Reconcile(fills=True)] == ["absent"]


def test_another_failure_and_a_clock_that_was_set_back_prove_nothing(room: Room) -> None:
    room.exchange.Buy(90, 1)
    room.clock.advance(1000)
    room.venue.fail("order", OperationFailed("away"))
    assert [(one.fate, one.detail) for one in room.exchange.Reconcile(fills=True)] == [("placed", "away")]
    assert room.row() == ("placed", "")
    room.venue.fail("order", OrderNotFound("no such order"))
    room.clock.now = lambda: 1_500_000_000.0  # type: ignore[method-assign]
    assert [one.fate for one in room.exchange.Reconcile(fills=True)] == ["placed"]


def test_fills_that_were_read_before_stay(room: Room) -> None:
    order_id = room.exchange.Buy(90, 1)
    room.venue.fill(order_id, 0.25)
    fill = OrderFill(
        Info={},
        Id="1",
        Price=Decimal(90),
        Amount=Decimal("0.25"),
        Fee=Decimal(0),
        FeeCurrency="USDT",
        Time=1,
        Maker=True,
    )
    room.venue.fills = lambda order: [fill]
    room.exchange.Reconcile(fills=True)
    room.clock.advance(100)
    room.venue.fail("order", OrderNotFound("no such order"), always=True)
    (record,) = room.exchange.Reconcile(fills=True)
    assert (record.fate, record.deal_amount) == ("absent", Decimal("0.25"))
    with closing(sqlite3.connect(room.path)) as connection:
        assert connection.execute("SELECT count(*) FROM fills").fetchone() == (1,)


def test_a_condition_order_whose_order_was_forgotten_is_asked_about_once(tmp_path: Path) -> None:
    venue = FakeContractVenue()
    room = Room(tmp_path, venue)
    stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 50, "SlOrderPrice": -1}
    placed = room.exchange.CreateConditionOrder("BTC_USDT.swap", "sell", 1, stop)
    read = venue.condition_order

    def _without_child(order_id: str) -> Any:
        order = read(order_id)
        order.update(Status=ORDER_STATE_UNKNOWN, ChildId="BTC_USDT.swap,gone")
        return order

    venue.condition_order = _without_child  # type: ignore[method-assign]
    room.clock.advance(100)
    (record,) = room.exchange.Reconcile(fills=True)
    assert (record.fate, record.order_id) == ("absent", placed)
    assert "gone" in record.detail
    assert room.exchange.Reconcile(fills=True) == []
    room.host.order_log.close()  # type: ignore[union-attr]
