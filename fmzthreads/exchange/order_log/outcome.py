"""How an order is sent once, and how an unknown outcome is looked up.

An order is sent once, with a client order id that is made for this intent. If no reply tells its outcome, the venue is queried by that id, a
bounded number of times: the order is found; or the venue, after its settling time, has no such order; or the outcome stays unknown, which
is an error of its own.
"""

from __future__ import annotations

import attrs

from ...clock import Clock
from ...deadline import Deadline
from ...errors import (
    AuthenticationFailed,
    BadReply,
    ConnectionLost,
    DuplicateOrder,
    FmzError,
    NotSupported,
    OperationFailed,
    OrderNotFound,
    OutcomeUnknown,
    StopRequested,
    TimedOut,
)
from ..venue import OrderIntent, Venue
from .intents import Fate, IntentLog, IntentRecord

__all__ = ["LookupPlan", "OrderNeverArrived", "ask_again", "place_once", "settle"]


@attrs.frozen(kw_only=True)
class LookupPlan:
    """How an unknown outcome is looked up.

    Attributes:
        attempts: The most queries.
        first_pause_s: Seconds before the second query; the pause doubles each time.
        longest_pause_s: The longest pause between two queries, in seconds.
        timeout_s: Seconds after which no further query is sent.
    """

    attempts: int = 8
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0
    timeout_s: float = 15.0


def place_once(
    venue: Venue, intent: OrderIntent, log: IntentLog, clock: Clock, plan: LookupPlan, *, own_client_id: bool = True
) -> str:
    """Sends an order once and determines its outcome.

    Args:
        venue: The venue.
        intent: The order; its client order id must not have been used before.
        log: Records the intent and its fate.
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
                order_id = venue.place(intent)
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


def settle(venue: Venue, intent: OrderIntent, clock: Clock, plan: LookupPlan, cause: FmzError) -> str:
    """Looks up the outcome of an order whose reply is missing.

    Args:
        venue: The venue that it was sent to.
        intent: The order.
        clock: Waits and measures.
        plan: How often and how long to query.
        cause: Why the outcome is unknown.

    Returns:
        The id of the order, which arrived.

    Raises:
        OperationFailed: The order did not arrive.
        OutcomeUnknown: The queries did not tell.
        StopRequested: The strategy is being stopped.
    """
    key = intent.client_order_id
    settling_s = venue.settling_s
    settling = Deadline(clock, settling_s)
    deadline = Deadline(clock, max(plan.timeout_s, settling_s + 0.01))
    pause_s = plan.first_pause_s
    last: FmzError = cause
    attempt = 0
    while attempt < plan.attempts:
        settled = settling.expired  # before the query: a reply formed earlier proves nothing
        attempt += 1
        try:
            return venue.order_by_client_id(intent.symbol, key).Id
        except StopRequested:
            raise
        except OrderNotFound as error:
            last = error
            if settled:
                raise OrderNeverArrived(
                    f"the order did not arrive: {cause}; queried after {settling_s:g} s, the venue has no order {key}"
                ) from cause
        except (NotSupported, AuthenticationFailed) as error:
            last = error
            break
        except FmzError as error:
            last = error
        if deadline.expired or attempt == plan.attempts:
            break
        # The last query waits until the settling time has passed (and a little more); an earlier one could not be believed.
        wait_s = pause_s if attempt < plan.attempts - 1 else max(pause_s, (settling.remaining() or 0.0) + 0.001)
        clock.sleep(deadline.sooner(wait_s) or 0.0)
        pause_s = min(pause_s * 2, plan.longest_pause_s)
    raise OutcomeUnknown(
        f"an order was sent and its outcome is unknown: {cause}; queried {attempt} times by client order id {key}, last reply: {last}",
        client_order_id=key,
        request=cause.request,
        code=cause.code,
        status=cause.status,
    ) from cause


def ask_again(venue: Venue, log: IntentLog) -> list[IntentRecord]:
    """Asks the venue once about each order whose outcome is unknown, and records the answer.

    Args:
        venue: Where the orders were sent.
        log: Where they and their fate are recorded; it measures their age.

    Returns:
        Those that were unknown, with their new fate: ``placed`` with their order id, ``absent``, or ``unknown`` with the reason in
        ``detail``.

    Raises:
        StopRequested: The strategy is being stopped.
    """
    return [_ask(venue, log, record) for record in log.unknown()]


def _ask(venue: Venue, log: IntentLog, record: IntentRecord) -> IntentRecord:
    key = record.intent.client_order_id
    # An order that was delayed before it was sent (by a connection, say) may be in transit long after it was made.
    # "No such order" cannot be believed yet; nor while a thread that was given up may still send it.
    young = log.gone_s(key) < venue.settling_s or record.fate == "sending"
    fate = record.fate
    order_id = ""
    try:
        order_id = venue.order_by_client_id(record.intent.symbol, key).Id
        fate, detail = "placed", record.detail
    except StopRequested:
        raise
    except OrderNotFound as error:
        fate, detail = record.fate if young else "absent", str(error)
    except FmzError as error:
        detail = str(error)
    # None: another thread settled it meanwhile, and that result holds.
    return log.end(key, fate, order_id=order_id, detail=detail) or log.get(key) or record
