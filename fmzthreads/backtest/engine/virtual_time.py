"""The clock of a backtest: a number that only moves forward, and what is to be called at some of its times."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

__all__ = ["NEVER", "Timers", "VirtualTime"]

NEVER = 2**62
"""A time that does not come."""

_PATIENCE = 100


class Timers:
    """Functions that are called when virtual time reaches a moment, in the thread that lets it pass: by time, then in the order of their making.

    Attributes:
        next_ms: The time of the first one; ``NEVER`` without one.
    """

    def __init__(self) -> None:
        self.next_ms = NEVER
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()

    def add(self, time_ms: int, work: Callable[[], None]) -> None:
        """Adds one; a moment in the past comes at once when time passes next."""
        heapq.heappush(self._due, (time_ms, next(self._count), work))
        self.next_ms = self._due[0][0]

    def take(self, now_ms: int) -> Callable[[], None] | None:
        """Takes out the first one that is due; None when none is."""
        if self.next_ms > now_ms:
            return None
        work = heapq.heappop(self._due)[2]
        self.next_ms = self._due[0][0] if self._due else NEVER
        return work


class VirtualTime:
    """The time of a backtest.

    Attributes:
        now_ms: The time, in milliseconds since the epoch.
        start_ms: Where it starts.
        end_ms: Where it ends; ticks at the end or later do not exist.
        ends: How often the end was raised in the strategy.
        on_stubborn: Called when the strategy goes on after the end was raised a hundred times; None to ignore it.
    """

    __slots__ = ("end_ms", "ends", "now_ms", "on_stubborn", "start_ms")

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.now_ms = start_ms
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.ends = 0
        self.on_stubborn: Callable[[], None] | None = None

    def __repr__(self) -> str:
        """The time and the range."""
        return f"<VirtualTime {self.now_ms} of {self.start_ms} to {self.end_ms}>"

    def end(self) -> EOFError:
        """Stops the clock at the end if it passed it; returns the error to raise."""
        self.now_ms = min(self.now_ms, self.end_ms)
        self.ends += 1
        if self.ends >= _PATIENCE and self.on_stubborn is not None:
            self.on_stubborn()
        return EOFError("EOF")
