"""The limiter of one address: requests are counted, wait for their turn, or are refused."""

from __future__ import annotations

import math
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ...clock import Clock, Signal
from ...errors import Banned, RateLimited
from ...fork import after_fork_in_child
from ...http.reply import Headers
from .doors import Doors
from .shared_file import SharedFile
from .table import BLOCKED_UNTIL, IS_BAN, Bucket, LimitTable
from .windows import Mark, Moment, NewestWindows, SlidingWindow

__all__ = ["Claim", "Count", "Limiter", "Ticket"]

Count = tuple[Bucket, tuple[int, ...]]
"""A bucket, and what a request counts in each of its windows."""

_LONGEST_BAN_MS = 4 * 86_400_000  # bans last up to three days; anything longer in a file is damage
_EXTEND_AFTER_S = (
    0.25  # a running request is counted again this often, so that it never drops out of a window before its reply
)


@attrs.define(kw_only=True, eq=False)  # not frozen: that costs microseconds for each request
class Claim:
    """What a request needs before it is sent.

    Attributes:
        counts: What it counts towards.
        patient: Whether it may use only a part of the limits (a read); False for an order, which goes before reads.
        longest_s: The longest that it may wait, in seconds.
        clock: Waits for it; its stop ends the wait.
        server_now: The venue's time of day, in seconds since the epoch.
        margin_s: How wrong that may be, in seconds.
    """

    counts: Sequence[Count]
    patient: bool
    longest_s: float
    clock: Clock
    server_now: Callable[[], float]
    margin_s: float

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.clock.monotonic(), self.server_now(), self.margin_s)


class Ticket:
    """A request that was counted; its methods are the limiter's.

    Attributes:
        waited_s: How long it waited for its turn, in seconds.
    """

    __slots__ = ("at", "claim", "marks", "waited_s")

    def __init__(self, claim: Claim, at: float, marks: list[list[Mark]]) -> None:
        self.claim = claim
        self.at = at
        self.marks = marks
        self.waited_s = 0.0


class _Waiter:
    __slots__ = ("claim", "due", "error", "last", "signal", "ticket")

    def __init__(self, claim: Claim, due: float, last: float) -> None:
        self.claim = claim
        self.due = due
        self.last = last
        self.signal = Signal()
        self.ticket: Ticket | None = None
        self.error: RateLimited | None = None

    def __lt__(self, other: _Waiter) -> bool:
        return self.claim.patient < other.claim.patient  # among equals insort keeps the order of their arrival


class Limiter:
    """Counts the requests to one address, and lets those wait that would exceed a limit; thread-safe.

    Orders go before reads, and reads in the order of their arrival; one that does not fit into a window does not hold up a smaller one,
    and is the first of the next window.

    Args:
        venue: The venue's name, for messages.
        clock: Our clock.
        file: Where the counts are shared with other processes; None for this process alone.
    """

    def __init__(self, venue: str, clock: Clock, file: SharedFile | None = None) -> None:
        self._venue = venue
        self.doors = Doors(venue, clock)
        self.learned: dict[str, Any] = {}
        """What the adapter learned of the limits, such as the rows that the venue publishes; shared by all its exchange objects."""
        self._lock = threading.Lock()  # guards the fields below, and the table between begin and end
        self._table = LimitTable(file)
        self._line: list[_Waiter] = []  # sorted
        self._running: dict[int, Ticket] = {}  # by id, the one that was counted longest ago first
        self._newest = NewestWindows()  # in which everything in _running is counted
        after_fork_in_child(self._after_fork)

    @property
    def shared(self) -> bool:
        """Whether it counts together with other processes."""
        return self._table.shared

    def share(self, file: SharedFile) -> None:
        """Counts together with other processes from now on."""
        with self._lock:
            self._table = LimitTable(file)

    def _after_fork(self) -> None:
        # The parent's requests are the parent's; what they count stays in the table, where it ends with its window.
        self._lock = threading.Lock()
        self._line, self._running = [], {}

    # --- entering ---

    def enter(self, claim: Claim) -> Ticket:
        """Counts a request, after a wait if necessary.

        Returns:
            Its ticket; ``leave`` must be called with each.

        Raises:
            Banned: This address is banned; nothing was counted.
            RateLimited: It would have to wait for longer than it may, or the venue has just refused such requests; nothing was counted.
            StopRequested: A stop was requested during the wait.
        """
        with self._lock:
            # Only now: a thread that was held up before the lock would not see what has been counted since.
            moment = claim.moment()
            if self._line and any(one.due <= moment.mono_s for one in self._line):
                waiter = self._queue(claim, moment.mono_s, moment)
                self._serve(moment)
            else:
                self._table.begin()
                try:
                    moment = claim.moment()  # the file may have been waited for
                    found = self._try_in_table(claim, moment, claim.longest_s)
                finally:
                    self._table.end()
                if isinstance(found, Ticket):
                    return found
                wait_s, error = found
                if error is not None:
                    raise error
                waiter = self._queue(claim, moment.mono_s + wait_s, moment)
        return self._wait(waiter, moment.mono_s)

    def _queue(self, claim: Claim, due: float, moment: Moment) -> _Waiter:
        waiter = _Waiter(claim, due, moment.mono_s + claim.longest_s)
        insort(self._line, waiter)
        return waiter

    def _wait(self, waiter: _Waiter, since: float) -> Ticket:
        claim = waiter.claim
        try:
            while True:
                with self._lock:
                    if waiter.ticket is None and waiter.error is None:
                        moment = claim.moment()
                        if waiter.due <= moment.mono_s:
                            self._serve(moment)
                    if waiter.ticket is not None:
                        waiter.ticket.waited_s = claim.clock.monotonic() - since
                        return waiter.ticket
                    if waiter.error is not None:
                        raise waiter.error
                    left_s = waiter.due - claim.clock.monotonic()
                claim.clock.wait((waiter.signal,), max(left_s, 0.000_1))
        except BaseException:  # a stop, Ctrl-C or a refusal: the place in the line is given back first
            with self._lock:
                if waiter in self._line:
                    self._line.remove(waiter)
            if waiter.ticket is not None:
                self.leave(waiter.ticket, unsent=True)
            raise

    def _serve(self, moment: Moment) -> None:
        """Lets everybody in line go whose turn has come; called with the lock."""
        self._table.begin()
        try:
            for waiter in list(self._line):
                if waiter.due > moment.mono_s:
                    continue
                found = self._try_in_table(waiter.claim, moment, waiter.last - moment.mono_s)
                if isinstance(found, Ticket):
                    waiter.ticket = found
                elif found[1] is not None:
                    waiter.error = found[1]
                else:
                    waiter.due = moment.mono_s + found[0]
                    continue
                self._line.remove(waiter)
                waiter.signal.set()
        finally:
            self._table.end()

    def _try_in_table(
        self, claim: Claim, moment: Moment, longest_s: float
    ) -> Ticket | tuple[float, RateLimited | None]:
        """Counts a request, or tells how long it has to wait, or why it may not."""
        counts = claim.counts
        if self._running:
            self._extend_running(moment)
        else:
            self._newest.clear()
        if self.doors.are_shut:
            try:
                self.doors.check(*(bucket.door for bucket, _ in counts))
            except RateLimited as error:
                return 0.0, error
        loaded = [self._table.load(bucket) for bucket, _ in counts]
        wait_s, worst, patient = 0.0, None, claim.patient
        for (bucket, amounts), cells in zip(counts, loaded, strict=True):
            if cells[BLOCKED_UNTIL]:
                left_ms = cells[BLOCKED_UNTIL] - moment.mono_s * 1000
                if 0 < left_ms < _LONGEST_BAN_MS:
                    why = "another process of this user was refused"
                    return 0.0, self.doors.refusal(left_ms / 1000, why, banned=bool(cells[IS_BAN]))
            for number, window in enumerate(bucket.windows):
                window_s = window.wait_s(cells, amounts[number], moment, patient=patient)
                if window_s > wait_s:
                    wait_s, worst = window_s, (bucket, number, cells)
        if worst is not None:
            if wait_s <= longest_s:
                return wait_s, None
            return wait_s, self._refusal(claim, worst, wait_s, moment)
        mono_ms = int(moment.mono_s * 1000)
        marks = []
        for (bucket, amounts), cells in zip(counts, loaded, strict=True):
            windows = bucket.windows
            marks.append(
                [window.charge(cells, amount, moment) for window, amount in zip(windows, amounts, strict=True)]
            )
            if windows:
                self._newest.add(windows, marks[-1])
                self._table.save(bucket, cells, mono_ms)
        ticket = Ticket(claim, moment.mono_s, marks)
        self._running[id(ticket)] = ticket
        return ticket

    def _refusal(
        self, claim: Claim, worst: tuple[Bucket, int, list[int]], wait_s: float, moment: Moment
    ) -> RateLimited:
        bucket, number, cells = worst
        window = bucket.windows[number]
        amount = next(amounts[number] for one, amounts in claim.counts if one is bucket)
        expected = window.expected(cells, amount, moment)
        what = f"this request would raise the {window.what} at {self._venue} to {expected} of {window.limit} in {window.length_s:g} s"
        if math.isinf(wait_s):
            return RateLimited(f"{what}, which it alone exceeds; nothing was sent")
        end = "retry" if isinstance(window, SlidingWindow) else "the next window begins"
        return RateLimited(f"{what}; nothing was sent, {end} in {wait_s:.1f} s", retry_after_s=wait_s)

    # --- leaving ---

    def leave(
        self,
        ticket: Ticket,
        *,
        headers: Headers | None = None,
        refund: Sequence[tuple[int, ...]] | None = None,
        unsent: bool = False,
    ) -> None:
        """Ends a request; called once for each ticket.

        Args:
            ticket: Its ticket.
            headers: The headers of its reply, with the venue's own counts; None without a reply.
            refund: What the venue did not count, for each bucket; None for nothing.
            unsent: Whether nothing was sent, so that nothing counts.
        """
        moment = ticket.claim.moment()
        given = unsent or refund is not None
        with self._lock:
            if self._running.pop(id(ticket), None) is None:
                return  # left already, or in the parent of this process
            if not given and self._is_settled(ticket, headers, moment):
                return  # by far the most: the file is left alone
            self._table.begin()
            try:
                self._extend(ticket, moment)
                for place, (bucket, amounts) in enumerate(ticket.claim.counts):
                    if bucket.windows:
                        back = amounts if unsent else refund[place] if refund is not None else ()
                        self._settle(bucket, ticket.marks[place], back, headers, moment)
            finally:
                self._table.end()
            if given and self._line and not self._line[0].claim.patient:
                self._wake_all(moment)  # room came back that an order waits for; reads wait for the next window

    def _is_settled(self, ticket: Ticket, headers: Headers | None, moment: Moment) -> bool:
        for (bucket, _), marks in zip(ticket.claim.counts, ticket.marks, strict=True):
            if not bucket.windows:
                continue
            cells = self._table.last_seen(bucket)
            for window, mark in zip(bucket.windows, marks, strict=True):
                if not window.is_settled(cells, mark, moment, _count_in(headers, window.header)):
                    return False
        return True

    def _settle(
        self, bucket: Bucket, marks: list[Mark], back: Sequence[int], headers: Headers | None, moment: Moment
    ) -> None:
        cells = self._table.load(bucket)
        before = cells.copy()
        for number, window in enumerate(bucket.windows):
            if back and back[number]:
                window.refund(cells, back[number], marks[number])
            count = _count_in(headers, window.header)
            if count >= 0:
                window.heard(cells, count, marks[number])
        if cells != before:
            self._table.save(bucket, cells, int(moment.mono_s * 1000))

    def _extend(self, ticket: Ticket, moment: Moment) -> None:
        """Counts a running request in what has begun since; called with the lock, in the table."""
        ticket.at = moment.mono_s
        for place, (bucket, amounts) in enumerate(ticket.claim.counts):
            if not bucket.windows:
                continue
            old = ticket.marks[place]
            cells = self._table.load(bucket)
            new = [
                window.extend(cells, amount, mark, moment)
                for window, amount, mark in zip(bucket.windows, amounts, old, strict=True)
            ]
            if new != old:
                ticket.marks[place] = new
                self._table.save(bucket, cells, int(moment.mono_s * 1000))

    def _extend_running(self, moment: Moment) -> None:
        if self._newest.has_begun(moment):
            # What is still on its way may be counted in the window that began.
            for ticket in self._running.values():
                self._extend(ticket, moment)
            self._newest.counted(moment)
            return
        while self._running:
            key, ticket = next(iter(self._running.items()))
            if moment.mono_s - ticket.at < min(_EXTEND_AFTER_S, self._shortest_s(ticket) / 8):
                return
            del self._running[key]
            self._running[key] = ticket  # now the one that was counted last
            self._extend(ticket, moment)

    @staticmethod
    def _shortest_s(ticket: Ticket) -> float:
        return min((window.length_s for bucket, _ in ticket.claim.counts for window in bucket.windows), default=1e9)

    def _wake_all(self, moment: Moment) -> None:
        """Lets everybody in line try again: room came back, or requests were blocked."""
        for waiter in self._line:
            waiter.due = moment.mono_s
        if self._line:
            self._serve(moment)

    # --- blocks ---

    def block(self, claim: Claim, door: str, error: RateLimited) -> None:
        """Blocks a group of requests, also those that wait in line, until the venue accepts them again.

        Args:
            claim: The claim of the request that was refused.
            door: The group; empty for all requests to this address.
            error: The venue's refusal.
        """
        self.doors.shut(door, error)
        moment = claim.moment()
        until_ms = int((moment.mono_s + (error.retry_after_s or 0.0)) * 1000)
        with self._lock:
            self._table.begin()
            try:
                for bucket, _ in claim.counts:
                    if bucket.door == door:
                        cells = self._table.load(bucket)
                        if until_ms > cells[BLOCKED_UNTIL]:
                            cells[BLOCKED_UNTIL] = until_ms
                            cells[IS_BAN] = int(isinstance(error, Banned))
                            self._table.save(bucket, cells, int(moment.mono_s * 1000))
            finally:
                self._table.end()
            self._wake_all(moment)

    def cells(self, bucket: Bucket) -> list[int]:
        """A copy of a bucket's cells, to look at."""
        with self._lock:
            self._table.begin()
            try:
                return self._table.load(bucket).copy()
            finally:
                self._table.end()


def _count_in(headers: Headers | None, name: str) -> int:
    """The venue's own count in a reply; -1 for none."""
    if headers is None or not name:
        return -1
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
