"""How an order is sent once, and how an unknown outcome is looked up.

An order is sent once, with a client order id that is made for this intent. If no reply tells its outcome, the venue is queried by that id, a
bounded number of times: the order is found; or the venue, after its settling time, has no such order; or the outcome stays unknown, which
is an error of its own.
"""

from __future__ import annotations

from ...clock import Clock
from ...errors import DuplicateOrder, FmzError, OrderNotFound
from ..contracts.intents import ConditionIntent
from ..venue import OrderIntent, Venue
from .intents import IntentLog
from .kinds.doors import find_placed, send_order, settling_s
from .kinds.sending import NeverArrived, Settling, leaves_open, send_once
from .lookup import LookupPlan, NoAnswer

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
    return send_once(
        venue,
        intent,
        log,
        send=lambda: send_order(venue, intent),
        settle=lambda error: settle(venue, intent, clock, plan, error),
        done="placed",
        # An id that was made for this order cannot have been used by another: it arrived, and something in between sent it twice.
        unsure=lambda at, error: leaves_open(at, error) or (own_client_id and isinstance(error, DuplicateOrder)),
    )


class OrderNeverArrived(NeverArrived):
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
    key, late_s = intent.client_order_id, settling_s(venue, intent)

    def _ask_venue() -> str | None:
        try:
            return find_placed(venue, intent).Id
        except OrderNotFound:
            return None

    def _told(open_still: NoAnswer) -> str:
        if not venue.finds_client_ids:
            return str(open_still.last)
        last = open_still.last or f"the venue has no order {key} yet"
        return f"queried {open_still.attempts} times by client order id {key}, last reply: {last}"

    return Settling(
        settling_s=late_s,
        clock=clock,
        plan=plan,
        query=_ask_venue,
        what="an order",
        key=key,
        told=_told,
        absent=lambda: OrderNeverArrived(
            f"the order did not arrive: {cause}; queried after {late_s:g} s, the venue has no order {key}"
        ),
    ).settle(cause, gone_s)
