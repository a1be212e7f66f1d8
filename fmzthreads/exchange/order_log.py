"""The order log: every intent, its fate, and how an unknown outcome is looked up.

An order is sent once, with a client order id that is made for this intent. If no reply tells its outcome, the venue is queried by that id, a
bounded number of times: the order is found; or the venue, after its settling time, has no such order; or the outcome stays unknown, which
is an error of its own.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Literal

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import (
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
    short_repr,
)
from ..fork import after_fork_in_child
from .venue import OrderIntent, Venue

__all__ = [
    "Fate",
    "IntentLog",
    "IntentRecord",
    "LookupPlan",
    "ask_again",
    "new_client_order_id",
    "place_once",
    "settle",
]

Fate = Literal["sending", "placed", "refused", "absent", "unknown"]
"""``sending``: in flight. ``placed``: the venue has the order. ``refused``: it was refused, or never sent. ``absent``: no reply arrived, and
the venue then had no such order. ``unknown``: the outcome could not be determined."""


def new_client_order_id() -> str:
    """Returns an id for one intent: 32 letters and digits, which all venues accept (OKX is the strictest)."""
    return "fz" + os.urandom(15).hex()


@attrs.frozen(kw_only=True)
class IntentRecord:
    """One intent and its fate.

    Attributes:
        intent: The order as it was to be sent.
        fate: Its state or outcome.
        order_id: The venue's id; empty while it is unknown.
        detail: The text of the error, if there was one.
        made_at: When the intent was made, in seconds since the epoch.
        left_at: When the attempt to send it ended, in seconds since the epoch (it was sent earlier, if at all); 0 before.
        settled_at: When its fate was last recorded, in seconds since the epoch; 0 before.
    """

    intent: OrderIntent
    fate: Fate = "sending"
    order_id: str = ""
    detail: str = ""
    made_at: float = 0.0
    left_at: float = 0.0
    settled_at: float = 0.0


class IntentLog:
    """Records intents and their fate; thread-safe.

    Args:
        clock: Tells the time.
        keep: How many settled intents are kept; those in flight or unknown are always kept.
    """

    def __init__(self, clock: Clock, keep: int = 1000) -> None:
        self._clock = clock
        self._keep = keep
        self._lock = threading.Lock()  # guards both maps
        self._open: dict[str, IntentRecord] = {}
        self._settled: OrderedDict[str, IntentRecord] = OrderedDict()
        # When each open intent left (was begun, before that), on the monotonic clock: the time of day may be set meanwhile.
        self._moments: dict[str, float] = {}
        self._opened = clock.monotonic()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: orders that are under way or unknown are the parent's, which settles them."""
        self._lock = threading.Lock()
        self._open = {}
        self._moments = {}

    def begin(self, intent: OrderIntent) -> IntentRecord:
        """Records an intent that is about to be sent.

        Raises:
            DuplicateOrder: An intent with this client order id is in flight or unknown.
        """
        record = IntentRecord(intent=intent, made_at=self._clock.now())
        key = intent.client_order_id
        with self._lock:
            if key in self._open:
                raise DuplicateOrder(
                    f"an order with client order id {short_repr(key)} is in flight or its outcome is unknown"
                )
            self._settled.pop(key, None)
            self._open[key] = record
            self._moments[key] = self._clock.monotonic()
        return record

    def left(self, client_order_id: str) -> None:
        """Records that the attempt to send an intent has ended."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is not None:
                self._open[client_order_id] = attrs.evolve(record, left_at=self._clock.now())
                self._moments[client_order_id] = self._clock.monotonic()

    def gone_s(self, client_order_id: str) -> float:
        """Seconds since the attempt to send an open intent ended, or since this log was made for one that it did not see leave.

        Measured by the monotonic clock, so that setting the time of day changes nothing; a sleep of the machine does not count.
        """
        with self._lock:
            return self._clock.monotonic() - self._moments.get(client_order_id, self._opened)

    def end(self, client_order_id: str, fate: Fate, *, order_id: str = "", detail: str = "") -> IntentRecord | None:
        """Records the fate of an intent; None if no such intent is in flight or unknown."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is None:
                return None
            now = self._clock.now()
            record = attrs.evolve(
                record, fate=fate, order_id=order_id, detail=detail, left_at=record.left_at or now, settled_at=now
            )
            if fate in {"sending", "unknown"}:
                self._open[client_order_id] = record
                return record
            del self._open[client_order_id]
            self._moments.pop(client_order_id, None)
            self._settled[client_order_id] = record
            while len(self._settled) > self._keep:
                self._settled.popitem(last=False)
            return record

    def get(self, client_order_id: str) -> IntentRecord | None:
        """Returns one intent; None if it is not, or no longer, kept."""
        with self._lock:
            return self._open.get(client_order_id) or self._settled.get(client_order_id)

    def unknown(self) -> list[IntentRecord]:
        """Returns the intents whose outcome is unknown, oldest first."""
        with self._lock:
            return [record for record in self._open.values() if record.fate == "unknown"]

    def all(self) -> list[IntentRecord]:
        """Returns all kept intents: the settled ones, oldest first, then those in flight or unknown."""
        with self._lock:
            return [*self._settled.values(), *self._open.values()]


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
    young = log.gone_s(key) < venue.settling_s  # "no such order" cannot be believed yet
    fate: Fate = "unknown"
    order_id = ""
    try:
        order_id = venue.order_by_client_id(record.intent.symbol, key).Id
        fate, detail = "placed", record.detail
    except StopRequested:
        raise
    except OrderNotFound as error:
        fate, detail = "unknown" if young else "absent", str(error)
    except FmzError as error:
        detail = str(error)
    # None: another thread settled it meanwhile, and that result holds.
    return log.end(key, fate, order_id=order_id, detail=detail) or log.get(key) or record
