"""Rate limits of a venue: requests held back before a limit is hit, or blocked after.

Limits count per address or per account, but each adapter only sees its own requests, and the totals that the venue's replies report.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import attrs

from ...clock import Clock
from ...errors import Banned, RateLimited
from ...fork import after_fork_in_child
from ...http.reply import Reply
from .ask import Ask

__all__ = ["Doors", "RecentCalls", "WeightWindow"]


@attrs.frozen
class _Block:
    until: float
    banned: bool
    why: str
    code: str


class Doors:
    """Blocks requests that the venue would refuse, until its limit or ban ends.

    Args:
        venue: The venue's name, for messages.
        clock: Our clock.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._lock = threading.Lock()  # guards _blocks
        self._blocks: dict[str, _Block] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; what the venue refuses, it refuses here too."""
        self._lock = threading.Lock()

    def shut(self, door: str, error: RateLimited) -> None:
        """Blocks a group of requests for ``error.retry_after_s`` seconds; the later of two ends counts.

        Args:
            door: The group to block, such as ``"orders"``; ``""`` for all requests.
            error: The venue's refusal.
        """
        until = self._clock.monotonic() + (error.retry_after_s or 0.0)
        block = _Block(until, isinstance(error, Banned), str(error.args[0]), error.code)
        with self._lock:
            known = self._blocks.get(door)
            if known is None or known.until < until:
                self._blocks[door] = block

    def check(self, *doors: str) -> None:
        """Refuses a request that is blocked.

        Args:
            doors: The groups of the request, besides ``""``.

        Raises:
            Banned: The venue has banned this IP address; the message says until when.
            RateLimited: A limit was hit; the message says when the next request may go.
        """
        if not self._blocks:
            return
        now = self._clock.monotonic()
        # A group such as "trade/order:BTC-USDT" is blocked with its endpoint "trade/order".
        doors = (*doors, *(door.partition(":")[0] for door in doors if ":" in door))
        with self._lock:
            for door in [door for door, block in self._blocks.items() if block.until <= now]:
                del self._blocks[door]
            shut = [self._blocks[door] for door in ("", *doors) if door in self._blocks]
        if shut:
            block = max(shut, key=lambda one: one.until)
            left_s = block.until - now
            end = datetime.fromtimestamp(self._clock.now() + left_s, tz=UTC)
            kind = Banned if block.banned else RateLimited
            raise kind(
                f"{self._venue} refuses requests of this kind until {end:%H:%M:%S} UTC ({left_s:.1f} s from now); nothing was sent; "
                f"its reply was: {block.why}",
                retry_after_s=left_s,
                code=block.code,
            )

    def open_all(self) -> None:
        """Ends all blocks (for example when the base URL changes)."""
        with self._lock:
            self._blocks.clear()


class WeightWindow:
    """The request weight used per window, as the venue's reply headers report it.

    Windows are aligned to the venue's clock. Running requests count too, so that many threads together stay within the limit. Only a share
    of it is used, so
    that some is left for other clients at the same IP address, and for orders, which are never held back.

    Args:
        venue: The venue's name, for messages.
        server_now: The venue's time of day, in seconds since the epoch.
        header: The reply header that reports the used weight.
        limit: The weight allowed in a window.
        window_s: Its length in seconds.
        share: The part of the limit that may be used.
    """

    def __init__(
        self,
        venue: str,
        server_now: Callable[[], float],
        *,
        header: str,
        limit: int,
        window_s: float = 60.0,
        share: float = 0.95,
    ) -> None:
        self._header = header
        self._venue = venue
        self._server_now = server_now
        self._window_s = window_s
        self._share = share
        self._lock = threading.Lock()  # guards the fields below
        self.limit = limit
        self._window = 0
        self._used = 0
        self._under_way = 0
        self._sent = 0
        self._last_heard = 0
        self._tickets: dict[int, tuple[int, int]] = {}  # window and weight of each running request
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; requests under way are the parent's."""
        self._lock = threading.Lock()
        self._under_way = 0
        self._tickets = {}

    @property
    def used(self) -> int:
        """The weight used in this window, as last reported; 0 if not reported yet."""
        with self._lock:
            return self._used if self._window == self._now_window() else 0

    def enter(self, ask: Ask) -> int:
        """Counts a running request; one that is not patient is never held back.

        Args:
            ask: The request.

        Returns:
            Its ticket for ``heard`` and ``leave``; ``leave`` must be called for each.

        Raises:
            RateLimited: The limit would be hit; the message says when the next window begins.
        """
        weight = ask.weight
        with self._lock:
            window = self._now_window()
            if window != self._window:
                self._window, self._used = window, 0
            expected = self._used + self._under_way + weight
            if ask.patient and expected > self.limit * self._share:
                left_s = (window + 1) * self._window_s - self._server_now()
                raise RateLimited(
                    f"this request would raise the weight used at {self._venue} to {expected} of {self.limit} in {self._window_s:g} s; "
                    f"nothing was sent, the next window begins in {left_s:.1f} s",
                    retry_after_s=max(0.0, left_s),
                )
            self._under_way += weight
            self._sent += 1
            self._tickets[self._sent] = (window, weight)
            return self._sent

    def heard(self, ticket: int, reply: Reply) -> None:
        """Reads the used weight that a reply reports."""
        text = reply.headers.get(self._header, "")
        if not (text.isascii() and text.isdigit()):
            return
        with self._lock:
            window, _ = self._tickets[ticket]
            # A count from an older window says nothing about this one, and a count older than the last one is out of date.
            if window == self._window and ticket >= self._last_heard:
                self._used, self._last_heard = int(text), ticket

    def leave(self, ticket: int) -> None:
        """Ends the count of ``enter``; called after success and failure."""
        with self._lock:
            _, weight = self._tickets.pop(ticket)
            self._under_way -= weight

    def _now_window(self) -> int:
        return int(self._server_now() // self._window_s)

    def forget(self) -> None:
        """Resets the count (for example when the base URL changes)."""
        with self._lock:
            self._used = 0


class RecentCalls:
    """A sliding-window limit per key; callers are served in order of arrival.

    Args:
        clock: Our clock.
        window_s: The length of the window, in seconds.
    """

    def __init__(self, clock: Clock, window_s: float = 2.0) -> None:
        self._clock = clock
        self._window_s = window_s
        self._lock = threading.Lock()  # guards _turns
        self._turns: dict[str, deque[float]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the calls of the parent count here too."""
        self._lock = threading.Lock()

    def turn(self, key: str, limit: int, longest_wait_s: float) -> float:
        """Reserves the next free slot.

        Args:
            key: The key to count under.
            limit: Calls allowed in a window.
            longest_wait_s: A slot later than this is not reserved.

        Returns:
            Seconds until the slot; 0 for now. If that is more than ``longest_wait_s``, nothing was reserved.
        """
        now = self._clock.monotonic()
        with self._lock:
            turns = self._turns.get(key)
            if turns is None:
                turns = self._turns[key] = deque(maxlen=limit)
            # The deque holds the last `limit` slots: the oldest one determines when the next is free.
            at = max(now, turns[0] + self._window_s) if len(turns) == limit else now
            wait_s = at - now
            if wait_s <= longest_wait_s:
                turns.append(at)
            return wait_s

    def forget(self) -> None:
        """Forgets all calls (for example when the base URL changes)."""
        with self._lock:
            self._turns.clear()
