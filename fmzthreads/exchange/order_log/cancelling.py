"""How a cancel is sent once, and how a lost reply is settled by the order's state."""

from __future__ import annotations

from ...clock import Clock
from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_CLOSED, ORDER_STATE_PENDING
from ...errors import BadReply, FmzError, OrderNotFound
from ..venue import Venue
from .intents import CancelIntent, IntentLog
from .kinds.doors import read_order, send_cancel, settling_s
from .kinds.sending import NeverArrived, Settling, send_once, told_by_state
from .lookup import LookupPlan

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


class CancelNeverArrived(NeverArrived):
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

    def _send() -> str:
        send_cancel(venue, intent.order_id, conditional=intent.conditional)
        return intent.order_id

    def _settle(error: FmzError) -> str:
        settle_cancel(venue, intent, clock, plan, error)
        return intent.order_id

    send_once(venue, intent, log, send=_send, settle=_settle, done="cancelled", order_id=intent.order_id)


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
    state = Settling(
        settling_s=late_s,
        clock=clock,
        plan=plan,
        query=lambda: end_of(venue, intent.order_id, conditional=intent.conditional),
        what=f"a cancel of {intent.order_id}",
        key=intent.client_order_id,
        told=lambda open_still: told_by_state(open_still, "the order is still open"),
        absent=lambda: CancelNeverArrived(
            f"the cancel did not arrive: {cause}; {intent.order_id} was still open {late_s:g} s later"
        ),
    ).settle(cause, gone_s)
    if state != ORDER_STATE_CANCELED:
        raise OrderNotFound(
            f"{intent.order_id} was filled; it had ended when the cancel arrived, or the cancel was lost: {cause}"
        )
