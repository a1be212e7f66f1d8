"""Condition orders: they freeze nothing, trigger once, and say what became of the order that they placed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.conditional.conditions import (
    ConditionEvent,
    ConditionLeg,
    ConditionState,
    ConditionView,
    NewCondition,
    Trail,
    TriggerPrice,
)
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.orders import Finish, NewOrder, State
from fmzthreads.simulator.engine.reasons import Reason, Rejected

BTC = "BTC_USDT"
D = Decimal


class Venue:
    """An exchange with a user and a counterparty, a last price of 100, and what its condition orders told."""

    def __init__(self) -> None:
        self.exchange = SimulatedExchange(clock=ManualClock(1_800_000_000))
        self.user = self.exchange.create_account("user", balances={"USDT": D(1000), "BTC": D(10)})
        self.other = self.exchange.create_account("other", balances={"USDT": D(1_000_000), "BTC": D(1000)})
        self.told: list[ConditionEvent] = []
        self.exchange.subscribe(self._take, (ConditionEvent,))
        self.trade("100")

    def _take(self, event: Any) -> None:
        self.told.append(event)

    def trade(self, price: str, quantity: str = "1") -> None:
        for side in ("sell", "buy"):
            order: Any = {"instrument": BTC, "side": side, "price": D(price), "quantity": D(quantity)}
            self.exchange.place(self.other, NewOrder(**order))

    def rest(self, side: Any, price: str, quantity: str = "1") -> None:
        self.exchange.place(self.other, NewOrder(instrument=BTC, side=side, price=D(price), quantity=D(quantity)))

    def place(self, side: Any, *legs: ConditionLeg, quantity: str = "1", **more: Any) -> ConditionView:
        order = NewOrder(instrument=BTC, side=side, quantity=D(quantity))
        return self.exchange.conditions.place(self.user, NewCondition(order=order, legs=legs, **more))

    def now(self, condition: ConditionView) -> ConditionView:
        return self.exchange.conditions.find(self.user, condition.condition_id)

    def states(self) -> list[ConditionState]:
        return [event.condition.state for event in self.told]


def stop(price: str, limit: str | None = None, **more: Any) -> ConditionLeg:
    return ConditionLeg(name="sl", price=D(price), rising=False, order_price=D(limit) if limit else None, **more)


def gain(price: str, limit: str | None = None) -> ConditionLeg:
    return ConditionLeg(name="tp", price=D(price), rising=True, order_price=D(limit) if limit else None)


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_it_waits_freezes_nothing_and_places_its_order_once(venue: Venue) -> None:
    waiting = venue.place("sell", stop("90", "89"), client_id="mine")
    assert (waiting.state, waiting.placed_last, waiting.order_id) == (ConditionState.WAITING, D(100), None)
    assert venue.exchange.balances(venue.user)["BTC"].frozen == 0
    venue.trade("91")
    assert venue.now(waiting).state is ConditionState.WAITING
    assert venue.exchange.open_orders(venue.user) == []
    venue.trade("90")
    done = venue.now(waiting)
    assert (done.state, done.leg, done.order_price, done.order_quantity) == (
        ConditionState.TRIGGERED, stop("90", "89"), D(89), D(1),
    )  # fmt: skip
    (order,) = venue.exchange.open_orders(venue.user)
    assert (order.order_id, order.price, order.state) == (done.order_id, D(89), State.NEW)
    assert order.extra == {"condition": str(waiting.condition_id), "leg": "sl"}
    venue.trade("80")  # reached again: it has already placed its order
    assert [o.order_id for o in venue.exchange.order_history(venue.user)] == [done.order_id]
    assert venue.states() == [ConditionState.WAITING, ConditionState.TRIGGERED]


def test_its_number_is_no_orders_number(venue: Venue) -> None:
    first = venue.place("sell", stop("90"))
    order = venue.exchange.place(venue.user, NewOrder(instrument=BTC, side="buy", price=D(50), quantity=D(1)))
    second = venue.place("sell", stop("90"))
    assert first.condition_id < order.order_id < second.condition_id
    with pytest.raises(Rejected) as refused:
        venue.exchange.cancel(venue.user, BTC, first.condition_id)
    assert refused.value.reason is Reason.UNKNOWN_ORDER


def test_of_two_legs_the_first_one_reached_drops_the_other(venue: Venue) -> None:
    both = venue.place("sell", gain("110"), stop("90"))
    venue.rest("buy", "85", "5")
    venue.trade("90")
    done = venue.now(both)
    assert (done.state, done.leg, done.order_price) == (ConditionState.TRIGGERED, stop("90"), None)
    venue.trade("120")
    (order,) = venue.exchange.order_history(venue.user)
    assert (order.state, order.average_price, order.extra["leg"]) == (State.FILLED, D(85), "sl")


def test_a_refused_order_is_kept_with_its_reason(venue: Venue) -> None:
    too_much = venue.place("sell", stop("90"), quantity="11")
    venue.trade("90")
    failed = venue.now(too_much)
    assert (failed.state, failed.order_id) == (ConditionState.FAILED, None)
    assert failed.failure is not None
    assert failed.failure.reason is Reason.INSUFFICIENT_FUNDS
    assert venue.exchange.balances(venue.user)["BTC"].total == 10


def test_one_triggers_the_next(venue: Venue) -> None:
    for price in ("80", "70"):
        venue.rest("buy", price)
    first, second = venue.place("sell", stop("90")), venue.place("sell", stop("85"))
    venue.trade("90")
    assert (venue.now(first).state, venue.now(second).state) == (ConditionState.TRIGGERED, ConditionState.TRIGGERED)
    assert [order.average_price for order in venue.exchange.order_history(venue.user)] == [D(80), D(70)]


@pytest.mark.parametrize("trail", [Trail(ratio=D("0.1")), Trail(spread=D(11))])
def test_a_trailing_one_follows_the_best_price(venue: Venue, trail: Trail) -> None:
    trailing = venue.place("sell", trail=trail)
    assert trailing.trail_price == (D(90) if trail.ratio else D(89))
    venue.trade("110")
    assert venue.now(trailing).trail_price == D(99)
    venue.trade("100")
    assert venue.now(trailing).state is ConditionState.WAITING
    venue.rest("buy", "95", "5")
    venue.trade("99")
    done = venue.now(trailing)
    assert (done.state, done.leg, done.order_price) == (ConditionState.TRIGGERED, None, None)
    assert venue.exchange.order_history(venue.user)[0].average_price == D(95)


def test_a_trailing_buy_begins_at_its_activation_price(venue: Venue) -> None:
    trailing = venue.place("buy", trail=Trail(ratio=D("0.1"), activation=D(90)))
    venue.trade("120")
    assert venue.now(trailing).trail_price is None
    venue.trade("80")
    assert venue.now(trailing).trail_price == D(88)
    venue.rest("sell", "89", "5")
    venue.trade("88")
    assert venue.now(trailing).state is ConditionState.TRIGGERED


@pytest.mark.parametrize(
    ("legs", "more", "reason"),
    [
        ((stop("101"),), {}, Reason.WOULD_TRIGGER),
        ((gain("100"),), {}, Reason.WOULD_TRIGGER),
        ((stop("90.001"),), {}, Reason.PRICE_TICK),
        ((stop("90", "89.001"),), {}, Reason.PRICE_TICK),
        ((), {}, Reason.BAD_COMBINATION),
        ((stop("90"),), {"trail": Trail(ratio=D("0.1"))}, Reason.BAD_COMBINATION),
        ((stop("90"),), {"quantity": "0.000001"}, Reason.QUANTITY_TOO_SMALL),
        ((stop("90"),), {"client_id": "taken"}, Reason.DUPLICATE_CLIENT_ID),
    ],
)
def test_what_is_refused_when_it_is_placed(venue: Venue, legs: Any, more: dict[str, Any], reason: Reason) -> None:
    venue.place("sell", stop("50"), client_id="taken")
    with pytest.raises(Rejected) as refused:
        venue.place("sell", *legs, **more)
    assert refused.value.reason is reason
    assert len(venue.exchange.conditions.waiting(venue.user)) == 1


def test_cancelling_and_changing(venue: Venue) -> None:
    waiting = venue.place("sell", stop("90"), client_id="mine")
    conditions = venue.exchange.conditions
    changed = conditions.amend(venue.user, None, "mine", lambda old: attrs.evolve(old, legs=(stop("80"),)))
    assert changed.request.legs == (stop("80"),)
    assert venue.told[-1].amended
    with pytest.raises(Rejected):
        conditions.amend(venue.user, None, "mine", lambda old: attrs.evolve(old, legs=(stop("150"),)))
    venue.trade("90")
    ended = conditions.cancel(venue.user, waiting.condition_id)
    assert (ended.state, ended.finish) == (ConditionState.CANCELED, Finish.USER)
    for again in (
        lambda: conditions.cancel(venue.user, waiting.condition_id),
        lambda: conditions.amend(venue.user, None, "mine", lambda old: old),
    ):
        with pytest.raises(Rejected) as refused:
            again()
        assert refused.value.reason is Reason.ORDER_CLOSED
    venue.trade("80")
    assert venue.exchange.order_history(venue.user) == []
    assert venue.place("sell", stop("70"), client_id="mine").state is ConditionState.WAITING


def test_others_orders_are_unknown(venue: Venue) -> None:
    waiting = venue.place("sell", stop("90"))
    with pytest.raises(Rejected) as refused:
        venue.exchange.conditions.cancel(venue.other, waiting.condition_id)
    assert refused.value.reason is Reason.UNKNOWN_ORDER
    assert venue.exchange.conditions.waiting(venue.other) == []


def test_pages_by_number(venue: Venue) -> None:
    ids = [venue.place("sell", stop("90")).condition_id for _ in range(5)]
    conditions = venue.exchange.conditions

    def _page(**bounds: int) -> list[int]:
        return [view.condition_id for view in conditions.page(venue.user, lambda view: True, **bounds)]

    assert _page() == ids
    assert _page(limit=2) == ids[3:]
    assert _page(below_id=ids[2]) == ids[:2]
    assert _page(from_id=ids[3]) == ids[3:]
    assert conditions.cancel_where(venue.user, lambda request: True, Finish.TIMER) == 5
    assert {view.finish for view in conditions.page(venue.user, lambda view: True)} == {Finish.TIMER}


def test_a_price_of_another_kind_is_asked_of_the_product(venue: Venue) -> None:
    marks = {"price": D(100)}
    venue.exchange.conditions.price_of = lambda market, source: marks["price"]
    waiting = venue.place("sell", stop("90", source=TriggerPrice.MARK))
    venue.trade("80")
    assert venue.now(waiting).state is ConditionState.WAITING
    marks["price"] = D(90)
    venue.trade("100")
    assert venue.now(waiting).state is ConditionState.TRIGGERED


def test_a_whole_position_is_closed_whatever_its_size(venue: Venue) -> None:
    size = {"position": D(0)}
    venue.exchange.conditions.size_of = lambda account, order: size["position"]
    nothing = venue.place("sell", stop("90"), whole_position=True)
    venue.rest("buy", "70", "9")
    venue.trade("90")
    assert venue.now(nothing).state is ConditionState.FAILED
    venue.trade("100")
    size["position"] = D(3)
    closing = venue.place("sell", stop("90"), whole_position=True)
    venue.trade("90")
    assert venue.now(closing).order_quantity == D(3)
