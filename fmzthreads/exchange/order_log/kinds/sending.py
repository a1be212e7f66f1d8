"""How an order, a cancel or a change is sent once, and how a lost reply is settled by asking the venue.

What differs between the three is what is sent, what the venue is asked, and the words; the order of steps is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from ....clock import Clock
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
from ...contracts.intents import ConditionIntent, ModifyIntent
from ...venue import OrderIntent, Venue
from ..intents import CancelIntent, Fate, IntentLog
from ..lookup import LookupPlan, NoAnswer, look_up

__all__ = ["NeverArrived", "Settling", "leaves_open", "send_once", "told_by_state"]

T = TypeVar("T")


class NeverArrived(OperationFailed):
    """No reply arrived, and after its settling time the venue shows no effect of what was sent."""


def leaves_open(venue: Venue, error: FmzError) -> bool:
    """Whether what was sent may have arrived although sending it raised."""
    if isinstance(error, OutcomeUnknown):
        return True
    return not venue.exact_outcomes and isinstance(error, (TimedOut, ConnectionLost, BadReply))


def send_once(
    venue: Venue,
    intent: OrderIntent | ConditionIntent | CancelIntent | ModifyIntent,
    log: IntentLog,
    *,
    send: Callable[[], str],
    settle: Callable[[FmzError], str],
    done: Fate,
    order_id: str = "",
    unsure: Callable[[Venue, FmzError], bool] = leaves_open,
) -> str:
    """Sends something once and determines its outcome.

    Args:
        venue: The venue.
        intent: What is sent.
        log: Records the intent before it is sent, and its fate.
        send: Sends it; returns the order's id.
        settle: Looks up the outcome when no reply told it, given the error; returns the order's id, or raises as ``Settling.settle``.
        done: The fate of what has succeeded.
        order_id: The order's id as far as it is known before.
        unsure: Whether an error of ``send`` leaves the outcome open.

    Returns:
        The order's id.

    Raises:
        OperationFailed: Nothing was done; it may be sent again as a new intent.
        VenueRejected: The venue refused.
        OutcomeUnknown: The outcome could not be determined; the log keeps it as unknown.
        StopRequested: The strategy is being stopped; the log says unknown, unless the adapter knows that nothing was sent.
    """
    log.begin(intent)
    key = intent.client_order_id
    fate: Fate = "unknown"  # also if anything unforeseen ends the call after it may have been sent
    detail = "the call was interrupted"
    try:
        try:
            try:
                order_id = send()
            except BaseException:
                log.left(key)  # for any reason: if it was sent, then before now
                raise
        except StopRequested as error:
            if venue.exact_outcomes:
                fate, detail = "refused", f"nothing was sent: {error}"
            raise
        except FmzError as error:
            if not unsure(venue, error):
                raise
            detail = str(error)
            order_id = settle(error)
        fate, detail = done, ""
        return order_id
    except (OutcomeUnknown, StopRequested):
        raise
    except NeverArrived as error:
        fate, detail = "absent", str(error)
        raise
    except FmzError as error:
        fate, detail = "refused", str(error)
        raise
    finally:
        log.end(key, fate, order_id=order_id, detail=detail)


def told_by_state(open_still: NoAnswer, not_yet: str) -> str:
    """What queries of an order's state told: their number, and the last answer (``not_yet`` if it was no error)."""
    return f"queried {open_still.attempts} times, last reply: {open_still.last or not_yet}"


@attrs.frozen(kw_only=True)
class Settling(Generic[T]):
    """How the outcome of something whose reply is missing is looked up: by asking, never by sending it again.

    Attributes:
        settling_s: How long after the loss of its reply it may still be on its way, in seconds; see ``doors.settling_s``.
        clock: Waits and measures.
        plan: How often and how long to query.
        query: Asks once; returns what it found, or None as long as there is no effect. OrderNotFound from it is an answer.
        what: What was sent, such as ``an order``.
        key: The client order id of the intent.
        told: What the queries told, from their number and last answer.
        absent: Makes the error for what never arrived.
    """

    settling_s: float
    clock: Clock
    plan: LookupPlan
    query: Callable[[], T | None]
    what: str
    key: str
    told: Callable[[NoAnswer], str]
    absent: Callable[[], NeverArrived]

    def settle(self, cause: FmzError, gone_s: float) -> T:
        """Asks until the outcome is certain.

        Args:
            cause: Why the outcome is unknown.
            gone_s: How long ago it was sent, at the latest, in seconds.

        Raises:
            NeverArrived: There is no effect of it.
            OrderNotFound: The order has ended without it, or the venue does not know the order.
            OutcomeUnknown: The queries did not tell.
            StopRequested: The strategy is being stopped.
        """
        try:
            found = look_up(self.query, self.clock, self.plan, self.settling_s, gone_s)
        except NoAnswer as open_still:
            if isinstance(open_still.last, OrderNotFound):
                raise open_still.last from cause
            raise OutcomeUnknown(
                f"{self.what} was sent and its outcome is unknown: {cause}; {self.told(open_still)}",
                client_order_id=self.key,
                request=cause.request,
                code=cause.code,
                status=cause.status,
            ) from cause
        if found is None:
            raise self.absent() from cause
        return found
