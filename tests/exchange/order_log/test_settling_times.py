"""How long a lost intent may still be on its way depends on its kind: condition orders may have a time of their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.constants import ORDER_CONDITION_TYPE_SL, ORDER_STATE_PENDING
from fmzthreads.errors import ConnectionLost, OrderNotFound, OutcomeUnknown
from fmzthreads.exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from fmzthreads.exchange.order_log import CancelNeverArrived, IntentLog, LookupPlan, cancel_once, place_once
from fmzthreads.exchange.order_log.intents import CancelIntent, RawIntent
from fmzthreads.exchange.order_log.kinds.doors import settling_s
from fmzthreads.exchange.order_log.outcome import OrderNeverArrived
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.okx.futures.venue import FuturesOKX
from tests.helpers.exchange_room import JumpClock

TERMS = ConditionTerms(kind=ORDER_CONDITION_TYPE_SL, sl_trigger=Decimal(90))
ORDER = OrderIntent(symbol="BTC_USDT", side="buy", price=Decimal(1), amount=Decimal(1), client_order_id="a")
CONDITION = ConditionIntent(symbol="BTC_USDT", side="sell", amount=Decimal(1), terms=TERMS, client_order_id="b")


def change(terms: ConditionTerms | None) -> ModifyIntent:
    return ModifyIntent(
        order_id="1", symbol="BTC_USDT", side="buy", price=None, amount=Decimal(2), client_order_id="c", terms=terms
    )


def cancel(conditional: bool) -> CancelIntent:
    return CancelIntent(order_id="1", symbol="BTC_USDT", client_order_id="d", conditional=conditional)


@pytest.mark.parametrize(
    ("intent", "conditional"),
    [
        (ORDER, False),
        (CONDITION, True),
        (change(None), False),
        (change(TERMS), True),
        (cancel(False), False),
        (cancel(True), True),
        (RawIntent(http_method="POST", resource="/x", sent="", client_order_id="e", symbol=""), False),
    ],
    ids=["order", "condition", "change", "change of a condition", "cancel", "cancel of a condition", "raw"],
)
def test_the_time_is_that_of_the_kind(intent: Any, conditional: bool) -> None:
    venue = FakeVenue(settling_s=2.0)
    assert settling_s(venue, intent) == 2.0
    venue.condition_settling_s = 31.0
    assert settling_s(venue, intent) == (31.0 if conditional else 2.0)


@pytest.mark.parametrize(("intent", "least", "most"), [(ORDER, 2.0, 5.0), (CONDITION, 31.0, 45.0)])
def test_a_lost_order_is_said_not_to_have_arrived_after_its_own_time(intent: Any, least: float, most: float) -> None:
    clock = JumpClock()
    venue: Any = FakeVenue(clock=clock, settling_s=2.0)
    venue.condition_settling_s = 31.0

    def _lose(*_: Any) -> str:
        raise OutcomeUnknown("cut", client_order_id=intent.client_order_id) from ConnectionLost("gone")

    def _none(*_: Any) -> Any:
        raise OrderNotFound("no such order")

    venue.place = venue.place_condition = _lose
    venue.order_by_client_id = venue.condition_by_client_id = _none
    began = clock.monotonic()
    with pytest.raises(OrderNeverArrived, match=f"queried after {least:g} s"):
        place_once(venue, intent, IntentLog(clock), clock, LookupPlan())
    assert least <= clock.monotonic() - began <= most


@pytest.mark.parametrize(("lifetime_ms", "orders_s", "conditions_s"), [(5000, 6.0, 31.0), (40_000, 41.0, 41.0)])
def test_orders_of_okx_contracts_expire_and_condition_orders_do_not(
    lifetime_ms: int, orders_s: float, conditions_s: float
) -> None:
    venue = FuturesOKX(order_lifetime_ms=lifetime_ms)
    assert (venue.settling_s, venue.condition_settling_s) == (orders_s, conditions_s)
    assert settling_s(venue, change(None)) == orders_s
    assert settling_s(venue, change(TERMS)) == conditions_s
    venue.close()


def test_a_lost_cancel_of_a_condition_order_waits_for_the_time_of_condition_orders() -> None:
    clock = JumpClock()
    venue: Any = FakeVenue(clock=clock, settling_s=2.0)
    venue.condition_settling_s = 31.0

    def _lose(_: str) -> None:
        raise OutcomeUnknown("cut") from ConnectionLost("gone")

    venue.cancel_condition = _lose
    venue.condition_order = lambda _: {"Status": ORDER_STATE_PENDING}
    began = clock.monotonic()
    with pytest.raises(CancelNeverArrived, match="still open 31 s later"):
        cancel_once(venue, cancel(True), IntentLog(clock), clock, LookupPlan())
    assert 31 <= clock.monotonic() - began <= 45
