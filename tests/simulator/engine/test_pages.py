"""Pages of histories: which orders and fills they hold, and that they cost what the page costs."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.accounts import Execution, OrderRecord
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.orders import NewOrder

PAIR = "BTC_USDT"


@pytest.fixture(scope="module")
def exchange() -> SimulatedExchange:
    """Twenty orders of two pairs: every second fills, every fifth stays open."""
    clock = ManualClock()
    made = SimulatedExchange(clock=clock)
    made.create_account("ann", balances={"USDT": D(10**7), "BTC": D(100), "ETH": D(100)})
    made.create_account("bob", balances={"USDT": D(10**7), "BTC": D(100), "ETH": D(100)})
    for number in range(20):
        pair = PAIR if number % 4 else "ETH_USDT"
        order = NewOrder(instrument=pair, side="buy", price=D(100 + number), quantity=D(1))
        placed = made.place("ann", order)
        if number % 2:
            made.place("bob", NewOrder(instrument=pair, side="sell", price=D(100 + number), quantity=D(1)))
        elif number % 5:
            made.cancel("ann", pair, placed.order_id)
        clock.advance(1)
    return made


def ids(exchange: SimulatedExchange, *instrument: str, **conditions: Any) -> list[int]:
    return [order.order_id for order in exchange.order_history("ann", *instrument, **conditions)]


def test_pages_of_orders_are_cut_by_id_time_state_and_condition(exchange: SimulatedExchange) -> None:
    everything = ids(exchange)
    assert everything == sorted(everything)
    assert len(everything) == 20
    assert ids(exchange, limit=3) == everything[-3:]
    assert ids(exchange, limit=0) == []
    assert ids(exchange, from_id=everything[4], limit=3) == everything[4:7]
    assert ids(exchange, from_id=everything[4], limit=3, newest=True) == everything[-3:]
    assert ids(exchange, below_id=everything[4], limit=3) == everything[1:4]
    assert ids(exchange, limit=2, newest=False) == everything[:2]
    closed = ids(exchange, include_open=False)
    still_open = [order.order_id for order in exchange.open_orders("ann")]
    assert sorted(closed + still_open) == everything
    assert ids(exchange, "ETH_USDT") == everything[::4]
    assert ids(exchange, where=lambda record: not record.done_lots, limit=4) == everything[12::2]
    times = [order.created_ms for order in exchange.order_history("ann")]
    assert ids(exchange, start_ms=times[3], end_ms=times[6]) == everything[3:7]


def test_pages_of_fills_are_cut_by_order_trade_fill_and_time(exchange: SimulatedExchange) -> None:
    fills = exchange.fills("ann")
    assert len(fills) == 10
    assert exchange.fills("ann", limit=2) == fills[-2:]
    assert exchange.fills("ann", limit=2, newest=False) == fills[:2]
    assert exchange.fills("ann", order_id=fills[3].order_id) == [fills[3]]
    assert exchange.fills("ann", order_id=1) == []
    assert exchange.fills("ann", PAIR, from_id=fills[4].trade_id, limit=2) == fills[4:6]
    assert exchange.fills("ann", fill_ids=(fills[2].fill_id, fills[5].fill_id)) == fills[2:5]
    assert exchange.fills("ann", start_ms=fills[3].time_ms, end_ms=fills[6].time_ms, limit=2) == fills[3:5]


def test_a_page_puts_only_its_own_rows_into_decimals(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[object] = []
    for kind in (OrderRecord, Execution):
        view = kind.view

        def _view(self: Any, *arguments: Any, view: Any = view, **named: Any) -> Any:
            rendered.append(type(self))
            return view(self, *arguments, **named)

        monkeypatch.setattr(kind, "view", _view)
    assert len(exchange.order_history("ann", limit=3, where=lambda record: not record.done_lots)) == 3
    assert rendered == [OrderRecord] * 3
    rendered.clear()
    assert len(exchange.fills("ann", limit=2)) == 2
    assert rendered == [Execution] * 2


def test_a_page_of_a_long_history_looks_at_a_few_orders_only() -> None:
    exchange = SimulatedExchange(clock=ManualClock())
    exchange.create_account("ann", balances={"USDT": D(10**7)})
    for _ in range(500):
        order = NewOrder(instrument=PAIR, side="buy", price=D(100), quantity=D(1))
        exchange.cancel("ann", PAIR, exchange.place("ann", order).order_id)
    seen: list[int] = []

    def _look(record: OrderRecord) -> bool:
        seen.append(record.order_id)
        return True

    below = exchange.order_history("ann", limit=1)[0].order_id - 100
    assert len(exchange.order_history("ann", below_id=below, limit=10, where=_look)) == 10
    assert seen == list(range(below - 1, below - 11, -1))
