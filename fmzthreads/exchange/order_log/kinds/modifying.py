"""How a change of an order is sent once, and how a lost reply is settled by the order's price and amount."""

from __future__ import annotations

from decimal import Decimal

from ....clock import Clock
from ....constants import ORDER_STATE_PENDING
from ....errors import FmzError, OrderNotFound
from ....structures import Order
from ...contracts.intents import ModifyIntent
from ...venue import Venue
from ..intents import IntentLog
from ..lookup import LookupPlan
from .doors import read_order, settling_s
from .sending import NeverArrived, Settling, send_once, told_by_state

__all__ = ["ModifyNeverArrived", "changed_id", "modify_once", "settle_modify"]


class ModifyNeverArrived(NeverArrived):
    """No reply arrived, and the order was then unchanged."""


def modify_once(venue: Venue, intent: ModifyIntent, log: IntentLog, clock: Clock, plan: LookupPlan) -> str:
    """Sends a change of an order once and determines its outcome.

    Args:
        venue: The venue.
        intent: The change.
        log: Records the intent and its fate.
        clock: Waits and measures.
        plan: How an unknown outcome is looked up.

    Returns:
        The order's id, which may be a new one.

    Raises:
        OperationFailed: The order is unchanged; it may be changed again.
        VenueRejected: The venue refused, for example because the order has ended.
        OutcomeUnknown: The outcome could not be determined.
        StopRequested: The strategy is being stopped.
    """
    return send_once(
        venue,
        intent,
        log,
        send=lambda: venue.modify(intent) if intent.terms is None else venue.modify_condition(intent),
        settle=lambda error: settle_modify(venue, intent, clock, plan, error),
        done="modified",
        order_id=intent.order_id,
    )


def changed_id(venue: Venue, intent: ModifyIntent) -> str | None:
    """The id of the order if it has the wanted price and amount; None while it is open without them.

    Raises:
        OrderNotFound: The order has ended without them.
        FmzError: It could not be asked.
    """
    order = read_order(venue, intent.order_id, conditional=intent.terms is not None)
    if _is_as_wanted(order, intent):
        return str(order["Id"])
    if order["Status"] == ORDER_STATE_PENDING:
        return None
    raise OrderNotFound(f"{intent.order_id} has ended; it was not changed")


def _is_as_wanted(order: Order, intent: ModifyIntent) -> bool:
    wanted: list[tuple[Decimal | None, object]] = [(intent.price, order["Price"]), (intent.amount, order["Amount"])]
    if intent.terms is not None:
        condition = order["Condition"] or {}
        wanted = [
            (intent.amount, order["Amount"]),
            (intent.terms.tp_trigger, condition.get("TpTriggerPrice")),
            (intent.terms.sl_trigger, condition.get("SlTriggerPrice")),
        ]
    return all(value is None or found == float(value) for value, found in wanted)


def settle_modify(
    venue: Venue, intent: ModifyIntent, clock: Clock, plan: LookupPlan, cause: FmzError, *, gone_s: float = 0.0
) -> str:
    """Looks up the outcome of a change whose reply is missing: by the state of its order, never by sending it again.

    Args:
        venue: The venue that it was sent to.
        intent: The change.
        clock: Waits and measures.
        plan: How often and how long to query.
        cause: Why the outcome is unknown.
        gone_s: How long ago it was sent, at the latest.

    Returns:
        The order's id.

    Raises:
        ModifyNeverArrived: The order is unchanged.
        OrderNotFound: The order has ended without the change, or the venue does not know it.
        OutcomeUnknown: The queries did not tell.
        StopRequested: The strategy is being stopped.
    """
    late_s = settling_s(venue, intent)
    return Settling(
        settling_s=late_s,
        clock=clock,
        plan=plan,
        query=lambda: changed_id(venue, intent),
        what=f"a change of {intent.order_id}",
        key=intent.client_order_id,
        told=lambda open_still: told_by_state(open_still, "the order is unchanged"),
        absent=lambda: ModifyNeverArrived(
            f"the change did not arrive: {cause}; {intent.order_id} was still unchanged {late_s:g} s later"
        ),
    ).settle(cause, gone_s)
