"""How a change of an order is sent once, and how a lost reply is settled by the order's price and amount."""

from __future__ import annotations

from decimal import Decimal

from ....clock import Clock
from ....constants import ORDER_STATE_PENDING
from ....errors import (
    BadReply,
    ConnectionLost,
    FmzError,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
)
from ....structures import Order
from ...contracts.intents import ModifyIntent
from ...venue import Venue
from ..intents import Fate, IntentLog
from ..lookup import LookupPlan, NoAnswer, look_up
from .doors import read_order, settling_s

__all__ = ["ModifyNeverArrived", "changed_id", "modify_once", "settle_modify"]


class ModifyNeverArrived(OperationFailed):
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
    log.begin(intent)
    key = intent.client_order_id
    fate: Fate = "unknown"  # also if anything unforeseen ends the call after the change may have been sent
    detail = "the call was interrupted"
    order_id = intent.order_id
    try:
        try:
            try:
                order_id = venue.modify(intent) if intent.terms is None else venue.modify_condition(intent)
            except BaseException:
                log.left(key)  # for any reason: if it was sent, then before now
                raise
        except StopRequested as error:
            if venue.exact_outcomes:
                fate, detail = "refused", f"nothing was sent: {error}"
            raise
        except (OutcomeUnknown, TimedOut, ConnectionLost, BadReply) as error:
            if venue.exact_outcomes and not isinstance(error, OutcomeUnknown):
                raise
            detail = str(error)
            order_id = settle_modify(venue, intent, clock, plan, error)
        fate, detail = "modified", ""
        return order_id
    except (OutcomeUnknown, StopRequested):
        raise
    except ModifyNeverArrived as error:
        fate, detail = "absent", str(error)
        raise
    except FmzError as error:
        fate, detail = "refused", str(error)
        raise
    finally:
        log.end(key, fate, order_id=order_id, detail=detail)


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
    try:
        found = look_up(lambda: changed_id(venue, intent), clock, plan, late_s, gone_s)
    except NoAnswer as open_still:
        if isinstance(open_still.last, OrderNotFound):
            raise open_still.last from cause
        raise OutcomeUnknown(
            f"a change of {intent.order_id} was sent and its outcome is unknown: {cause}; queried {open_still.attempts} times, last "
            f"reply: {open_still.last or 'the order is unchanged'}",
            client_order_id=intent.client_order_id,
            request=cause.request,
            code=cause.code,
            status=cause.status,
        ) from cause
    if found is None:
        raise ModifyNeverArrived(
            f"the change did not arrive: {cause}; {intent.order_id} was still unchanged {late_s:g} s later"
        ) from cause
    return found
