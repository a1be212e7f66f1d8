"""How an order is sent once, and how an unknown outcome is looked up.

An order is sent once, with a client order id that is made for this intent. If no reply tells its outcome, the venue is queried by that id, a
bounded number of times: the order is found; or the venue, after its settling time, has no such order; or the outcome stays unknown, which
is an error of its own.
"""

from __future__ import annotations

from ...clock import Clock
from ...errors import (
    BadReply,
    ConnectionLost,
    DuplicateOrder,
    FmzError,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
)
from ..contracts.intents import ConditionIntent
from ..venue import OrderIntent, Venue
from .intents import Fate, IntentLog
from .kinds.doors import find_placed, send_order, settling_s
from .lookup import LookupPlan, NoAnswer, look_up

__all__ = ["OrderNeverArrived", "place_once", "settle"]


def place_once(
    venue: Venue,
    intent: OrderIntent | ConditionIntent,
    log: IntentLog,
    clock: Clock,
    plan: LookupPlan,
    *,
    own_client_id: bool = True,
) -> str:
    """Sends an order once and determines its outcome.

    Args:
        venue: The venue.
        intent: The order, or condition order; its client order id must not have been used before.
        log: Records the intent before it is sent, and its fate.
        clock: Waits and measures.
        plan: How an unknown outcome is looked up.
        own_client_id: Whether the client order id was made for this intent, so that "duplicate" can only mean that it arrived. False
            for an id that the user chose.

    Returns:
        The order's id.

    Raises:
        OperationFailed: The venue does not have the order; it may be sent again as a new intent.
        VenueRejected: The venue refused it.
        OutcomeUnknown: The outcome could not be determined; the log keeps the order as unknown.
        StopRequested: The strategy is being stopped; the log says unknown, unless the adapter knows that nothing was sent.
    """
    log.begin(intent)
    key = intent.client_order_id
    fate: Fate = "unknown"  # also if anything unforeseen ends the call after the order may have been sent
    detail = "the call was interrupted"
    order_id = ""
    try:
        try:
            try:
                order_id = send_order(venue, intent)
            except BaseException:
                log.left(key)  # for any reason: if the order was sent, then before now
                raise
        except StopRequested as error:
            if venue.exact_outcomes:
                fate, detail = "refused", f"nothing was sent: {error}"
            raise
        except (OutcomeUnknown, TimedOut, ConnectionLost, BadReply, DuplicateOrder) as error:
            if not _leaves_open(venue, error, own_client_id):
                raise
            detail = str(error)
            order_id = settle(venue, intent, clock, plan, error)
        fate, detail = "placed", ""
        return order_id
    except (OutcomeUnknown, StopRequested):
        raise
    except OrderNeverArrived as error:
        fate, detail = "absent", str(error)
        raise
    except FmzError as error:
        fate, detail = "refused", str(error)
        raise
    finally:
        log.end(key, fate, order_id=order_id, detail=detail)


def _leaves_open(venue: Venue, error: FmzError, own_client_id: bool) -> bool:
    """Whether an order may exist although placing it raised."""
    if isinstance(error, OutcomeUnknown):
        return True
    if isinstance(error, DuplicateOrder):
        # An id that was made for this order cannot have been used by another: it arrived, and something in between sent it twice.
        return own_client_id
    return not venue.exact_outcomes


class OrderNeverArrived(OperationFailed):
    """No reply arrived, and the venue then had no such order."""


def settle(
    venue: Venue,
    intent: OrderIntent | ConditionIntent,
    clock: Clock,
    plan: LookupPlan,
    cause: FmzError,
    *,
    gone_s: float = 0.0,
) -> str:
    """Looks up the outcome of an order whose reply is missing.

    Args:
        venue: The venue that it was sent to.
        intent: The order.
        clock: Waits and measures.
        plan: How often and how long to query.
        cause: Why the outcome is unknown.
        gone_s: How long ago it was sent, at the latest.

    Returns:
        The id of the order, which arrived.

    Raises:
        OperationFailed: The order did not arrive.
        OutcomeUnknown: The queries did not tell.
        StopRequested: The strategy is being stopped.
    """
    key = intent.client_order_id
    late_s = settling_s(venue, intent)

    def _ask_venue() -> str | None:
        try:
            return find_placed(venue, intent).Id
        except OrderNotFound:
            return None

    try:
        order_id = look_up(_ask_venue, clock, plan, late_s, gone_s)
    except NoAnswer as open_still:
        said = f"queried {open_still.attempts} times by client order id {key}, last reply: {open_still.last or f'the venue has no order {key} yet'}"
        raise OutcomeUnknown(
            f"an order was sent and its outcome is unknown: {cause}; {said if venue.finds_client_ids else open_still.last}",
            client_order_id=key,
            request=cause.request,
            code=cause.code,
            status=cause.status,
        ) from cause
    if order_id is None:
        raise OrderNeverArrived(
            f"the order did not arrive: {cause}; queried after {late_s:g} s, the venue has no order {key}"
        ) from cause
    return order_id
