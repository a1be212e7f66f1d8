"""Orders that are changed while they rest: their place in the queue, what they hold, and what is refused."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.events import Event, OrderEvent
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.orders import NewOrder, OrderView, State, TimeInForce
from fmzthreads.simulator.engine.reasons import Reason, Rejected

PAIR = "BTC_USDT"


@pytest.fixture
def exchange() -> SimulatedExchange:
    made = SimulatedExchange(clock=ManualClock())
    for name in ("ann", "bob", "cat"):
        made.create_account(name, balances={"USDT": D(100_000), "BTC": D(10)})
    return made


def limit(exchange: SimulatedExchange, who: str, side: str, price: int, quantity: int, **more: object) -> OrderView:
    return exchange.place(
        who,
        NewOrder(instrument=PAIR, side=side, price=D(price), quantity=D(quantity), **more),  # type: ignore[arg-type]
    )


def makers_of(exchange: SimulatedExchange, quantity: int) -> list[int]:
    """The sellers that a buy meets, in the order in which they give."""
    limit(exchange, "cat", "buy", 20_000, quantity, time_in_force=TimeInForce.IOC)
    return [trade.sell_order_id for trade in exchange.trades(PAIR)]


def test_less_at_the_same_price_keeps_its_place_and_releases_the_difference(exchange: SimulatedExchange) -> None:
    first = limit(exchange, "ann", "sell", 20_000, 3)
    second = limit(exchange, "bob", "sell", 20_000, 1)
    changed = exchange.amend("ann", PAIR, first.order_id, quantity=D(1))
    assert (changed.order_id, changed.quantity, changed.state) == (first.order_id, 1, State.NEW)
    assert (exchange.balances("ann")["BTC"].free, exchange.balances("ann")["BTC"].frozen) == (9, 1)
    assert exchange.depth(PAIR).asks == ((D(20_000), D(2), 2),)
    assert makers_of(exchange, 2) == [first.order_id, second.order_id]


@pytest.mark.parametrize("change", [{"quantity": D(2)}, {"price": D(19_999)}])
def test_more_or_another_price_arrives_anew_and_keeps_its_id(exchange: SimulatedExchange, change: dict[str, D]) -> None:
    first = limit(exchange, "ann", "sell", 20_000, 1)
    second = limit(exchange, "bob", "sell", int(change.get("price", 20_000)), 1)
    changed = exchange.amend("ann", PAIR, first.order_id, **change)
    assert changed.order_id == first.order_id
    assert exchange.depth(PAIR).asks == ((second.price, D(1) + changed.quantity, 2),)  # type: ignore[operator]
    assert makers_of(exchange, 2) == [second.order_id, first.order_id]


def test_an_order_that_goes_away_and_comes_back_stands_once_in_the_queue(exchange: SimulatedExchange) -> None:
    first = limit(exchange, "ann", "sell", 20_000, 1)
    second = limit(exchange, "bob", "sell", 20_000, 1)
    exchange.amend("ann", PAIR, first.order_id, price=D(20_001))
    exchange.amend("ann", PAIR, first.order_id, price=D(20_000))
    assert exchange.depth(PAIR).asks == ((D(20_000), D(2), 2),)
    assert makers_of(exchange, 3) == [second.order_id, first.order_id]


def test_a_changed_price_that_crosses_trades(exchange: SimulatedExchange) -> None:
    limit(exchange, "bob", "buy", 19_000, 1)
    resting = limit(exchange, "ann", "sell", 20_000, 2)
    changed = exchange.amend("ann", PAIR, resting.order_id, price=D(19_000))
    assert (changed.filled, changed.state, changed.average_price) == (1, State.PARTIALLY_FILLED, 19_000)
    assert exchange.supply() == {"USDT": D(300_000), "BTC": D(30)}


def test_a_filled_part_counts_towards_the_new_quantity(exchange: SimulatedExchange) -> None:
    resting = limit(exchange, "ann", "sell", 20_000, 3)
    limit(exchange, "bob", "buy", 20_000, 1)
    changed = exchange.amend("ann", PAIR, resting.order_id, quantity=D(2))
    assert (changed.filled, changed.quantity) == (1, 2)
    assert exchange.balances("ann")["BTC"].frozen == 1
    with pytest.raises(Rejected) as caught:
        exchange.amend("ann", PAIR, resting.order_id, quantity=D(1))
    assert caught.value.reason is Reason.QUANTITY_TOO_SMALL


def test_what_cannot_be_changed_is_refused_and_nothing_changes(exchange: SimulatedExchange) -> None:
    limit(exchange, "bob", "sell", 20_000, 1)
    resting = limit(exchange, "ann", "buy", 19_000, 1, time_in_force=TimeInForce.POST_ONLY)
    before, balances = exchange.order("ann", PAIR, resting.order_id), exchange.balances("ann")
    for reason, change in (
        (Reason.WOULD_TAKE, {"price": D(20_000)}),
        (Reason.INSUFFICIENT_FUNDS, {"quantity": D(9)}),
        (Reason.PRICE_TICK, {"price": D("19000.001")}),
        (Reason.NOTIONAL_TOO_SMALL, {"quantity": D("0.0001")}),
    ):
        with pytest.raises(Rejected) as caught:
            exchange.amend("ann", PAIR, resting.order_id, **change)  # type: ignore[arg-type]
        assert caught.value.reason is reason
    assert (exchange.order("ann", PAIR, resting.order_id), exchange.balances("ann")) == (before, balances)
    exchange.cancel("ann", PAIR, resting.order_id)
    with pytest.raises(Rejected) as caught:
        exchange.amend("ann", PAIR, resting.order_id, quantity=D(2))
    assert caught.value.reason is Reason.ORDER_CLOSED


def test_a_change_is_told_as_one(exchange: SimulatedExchange) -> None:
    resting = limit(exchange, "ann", "sell", 20_000, 3)
    heard: list[Event] = []
    exchange.subscribe(heard.append, (OrderEvent,))
    exchange.amend("ann", PAIR, resting.order_id, quantity=D(2))
    assert [(event.amended, event.order.quantity) for event in heard if isinstance(event, OrderEvent)] == [(True, 2)]
