"""How a cancel is sent once, and how a lost reply is settled by the order's state."""

from __future__ import annotations

from ...clock import Clock
from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING
from ...errors import (
    BadReply,
    ConnectionLost,
    FmzError,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
)
from ..venue import Venue
from .intents import CancelIntent, Fate, IntentLog
from .kinds.doors import read_order, send_cancel, settling_s
from .lookup import LookupPlan, NoAnswer, look_up

__all__ = ["CancelNeverArrived", "cancel_once", "end_of", "settle_cancel"]


def end_of(venue: Venue, order_id: str, *, conditional: bool = False) -> int | None:
    """The state in which an order ended, ``ORDER_STATE_CLOSED`` or ``ORDER_STATE_CANCELED``; None while it is open.

    Args:
        venue: The venue.
        order_id: The order.
        conditional: Whether it is a condition order.

    Raises:
        BadReply: The venue gives a state that is neither.
        FmzError: It could not be asked.
    """
    state = read_order(venue, order_id, conditional=conditional)["Status"]
    if state == ORDER_STATE_PENDING:
        return None
    if state not in {ORDER_STATE_CANCELED, ORDER_STATE_CLOSED}:
        raise BadReply(f"the order {order_id} is in a state that is not known ({state!r})")
    return int(state)


class CancelNeverArrived(OperationFailed):
    """No reply arrived, and the order was then still open."""


def cancel_once(venue: Venue, intent: CancelIntent, log: IntentLog, clock: Clock, plan: LookupPlan) -> None:
    """Sends a cancel once and determines its outcome.

    Args:
        venue: The venue.
        intent: The cancel.
        log: Records the intent and its fate.
        clock: Waits and measures.
        plan: How an unknown outcome is looked up.

    Raises:
        OperationFailed: The order is still open; it may be cancelled again.
        VenueRejected: The venue refused, for example because the order has ended.
        OutcomeUnknown: The outcome could not be determined.
        StopRequested: The strategy is being stopped.
    """
    log.begin(intent)
    key = intent.client_order_id
    fate: Fate = "unknown"  # also if anything unforeseen ends the call after the cancel may have been sent
    detail = "the call was interrupted"
    try:
        try:
            try:
                send_cancel(venue, intent.order_id, conditional=intent.conditional)
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
            settle_cancel(venue, intent, clock, plan, error)
        fate, detail = "cancelled", ""
    except (OutcomeUnknown, StopRequested):
        raise
    except CancelNeverArrived as error:
        fate, detail = "absent", str(error)
        raise
    except FmzError as error:
        fate, detail = "refused", str(error)
        raise
    finally:
        log.end(key, fate, order_id=intent.order_id, detail=detail)


def settle_cancel(
    venue: Venue, intent: CancelIntent, clock: Clock, plan: LookupPlan, cause: FmzError, *, gone_s: float = 0.0
) -> None:
    """Looks up the outcome of a cancel whose reply is missing: by the state of its order, never by sending it again.

    Args:
        venue: The venue that it was sent to.
        intent: The cancel.
        clock: Waits and measures.
        plan: How often and how long to query.
        cause: Why the outcome is unknown.
        gone_s: How long ago it was sent, at the latest.

    Raises:
        CancelNeverArrived: The order is still open.
        OrderNotFound: The order was filled, or the venue does not know it.
        OutcomeUnknown: The queries did not tell.
        StopRequested: The strategy is being stopped.
    """
    late_s = settling_s(venue, intent)
    try:
        state = look_up(
            lambda: end_of(venue, intent.order_id, conditional=intent.conditional),
            clock,
            plan,
            late_s,
            gone_s,
        )
    except NoAnswer as open_still:
        if isinstance(open_still.last, OrderNotFound):
            raise open_still.last from cause
        raise OutcomeUnknown(
            f"a cancel of {intent.order_id} was sent and its outcome is unknown: {cause}; queried {open_still.attempts} times, last "
            f"reply: {open_still.last or 'the order is still open'}",
            client_order_id=intent.client_order_id,
            request=cause.request,
            code=cause.code,
            status=cause.status,
        ) from cause
    if state is None:
        raise CancelNeverArrived(
            f"the cancel did not arrive: {cause}; {intent.order_id} was still open {late_s:g} s later"
        ) from cause
    if state != ORDER_STATE_CANCELED:
        raise OrderNotFound(
            f"{intent.order_id} was filled; it had ended when the cancel arrived, or the cancel was lost: {cause}"
        )
