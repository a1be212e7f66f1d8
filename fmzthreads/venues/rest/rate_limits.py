"""Staying within a venue's limits: what to hold back before a limit is hit, and silence after it was.

Limits count per address or per account, but each adapter only sees its own requests, and what the venue's replies say of everybody's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import attrs

from ...clock import Clock
from ...errors import Banned, RateLimited
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
    """Remembers that the venue has shut a door, and until when; knocking meanwhile is refused here, without sending anything.

    Args:
        venue: The venue's name, for messages.
        clock: Our clock.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._lock = threading.Lock()  # guards _blocks
        self._blocks: dict[str, _Block] = {}

    def shut(self, door: str, error: RateLimited) -> None:
        """Shuts a door for ``error.retry_after_s`` seconds; of two ends the later one holds.

        Args:
            door: What is shut; ``""`` is everything.
            error: What the venue said.
        """
        until = self._clock.monotonic() + (error.retry_after_s or 0.0)
        block = _Block(until, isinstance(error, Banned), str(error.args[0]), error.code)
        with self._lock:
            known = self._blocks.get(door)
            if known is None or known.until < until:
                self._blocks[door] = block

    def check(self, *doors: str) -> None:
        """Refuses a request that has to go through a door that is shut.

        Args:
            doors: What the request needs besides ``""``.

        Raises:
            Banned: The venue has banned this address; the message says when that ends.
            RateLimited: A limit was hit; the message says when the next request may go.
        """
        if not self._blocks:
            return
        now = self._clock.monotonic()
        # A door such as "trade/order:BTC-USDT" is shut with the whole endpoint too.
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
                f"{self._venue} takes no request of this kind until {end:%H:%M:%S} UTC (for {left_s:.1f} s more), nothing was sent; "
                f"it said: {block.why}",
                retry_after_s=left_s,
                code=block.code,
            )

    def open_all(self) -> None:
        """Forgets all (another base URL, say)."""
        with self._lock:
            self._blocks.clear()


class WeightWindow:
    """The request weight used in windows that are aligned to the venue's clock, as the venue's reply headers report it.

    What is under way counts too, so that many threads together do not run over the edge. Only a share of the limit may be used, so
    that something is left for others behind the same address, and for orders, which are never held back.

    Args:
        venue: The venue's name, for messages.
        server_now: The venue's time of day, in seconds since the epoch.
        header: The header of replies that says how much is used.
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
        self._tickets: dict[int, tuple[int, int]] = {}  # window and weight of each request that is under way

    @property
    def used(self) -> int:
        """The weight used in this window, as last reported; 0 when nothing was heard in it."""
        with self._lock:
            return self._used if self._window == self._now_window() else 0

    def enter(self, ask: Ask) -> int:
        """Counts a request while it is under way; one that is not patient is never held back.

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
                    f"this request would bring the weight used at {self._venue} to {expected} of {self.limit} in {self._window_s:g} s; "
                    f"nothing was sent, the next window begins in {left_s:.1f} s",
                    retry_after_s=max(0.0, left_s),
                )
            self._under_way += weight
            self._sent += 1
            self._tickets[self._sent] = (window, weight)
            return self._sent

    def heard(self, ticket: int, reply: Reply) -> None:
        """Takes the used weight that a reply reports."""
        text = reply.headers.get(self._header, "")
        if not (text.isascii() and text.isdigit()):
            return
        with self._lock:
            window, _ = self._tickets[ticket]
            # A count that was sent in an older window says nothing about this one, and an older count than the last is out of date.
            if window == self._window and ticket >= self._last_heard:
                self._used, self._last_heard = int(text), ticket

    def leave(self, ticket: int) -> None:
        """Ends what ``enter`` counted, however the request ended."""
        with self._lock:
            _, weight = self._tickets.pop(ticket)
            self._under_way -= weight

    def _now_window(self) -> int:
        return int(self._server_now() // self._window_s)

    def forget(self) -> None:
        """Forgets what was used (another base URL, say)."""
        with self._lock:
            self._used = 0


class RecentCalls:
    """At most so many calls in any stretch of time, for each of many keys; callers get their turn in the order they came.

    Args:
        clock: Our clock.
        window_s: The stretch, in seconds.
    """

    def __init__(self, clock: Clock, window_s: float = 2.0) -> None:
        self._clock = clock
        self._window_s = window_s
        self._lock = threading.Lock()  # guards _turns
        self._turns: dict[str, deque[float]] = {}

    def turn(self, key: str, limit: int, longest_wait_s: float) -> float:
        """Takes the next turn.

        Args:
            key: What is limited.
            limit: Calls allowed in a stretch.
            longest_wait_s: If the turn comes later than this, it is not taken.

        Returns:
            Seconds until the turn; 0 for at once. When that is more than ``longest_wait_s``, nothing was taken.
        """
        now = self._clock.monotonic()
        with self._lock:
            turns = self._turns.get(key)
            if turns is None:
                turns = self._turns[key] = deque(maxlen=limit)
            # The deque holds the last `limit` turns: the oldest of them tells when there is room again.
            at = max(now, turns[0] + self._window_s) if len(turns) == limit else now
            wait_s = at - now
            if wait_s <= longest_wait_s:
                turns.append(at)
            return wait_s

    def forget(self) -> None:
        """Forgets all calls (another base URL, say)."""
        with self._lock:
            self._turns.clear()
