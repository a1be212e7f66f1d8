"""How many orders may be sent within a minute."""

from __future__ import annotations

import threading
from collections import deque

from ...clock import Clock
from ...errors import GuardRefused
from ...fork import after_fork_in_child

__all__ = ["OrderRate"]

_WINDOW_S = 60.0


class OrderRate:
    """A sliding window over the orders of the last 60 s; thread-safe.

    Args:
        most: How many there may be.
        clock: Measures.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _sent: looking and counting is one step
        self._sent: deque[float] = deque()

    def take(self) -> None:
        """Counts one order.

        Raises:
            GuardRefused: There were as many as there may be; it is not counted.
        """
        with self._lock:
            now = self._clock.monotonic()
            while self._sent and now - self._sent[0] >= _WINDOW_S:
                self._sent.popleft()
            if len(self._sent) >= self._most:
                wait_s = self._sent[0] + _WINDOW_S - now
                raise GuardRefused(
                    f"the guard orders_per_minute holds: {self._most} orders were sent within 60 s, the next may be sent in {wait_s:.1f} s; "
                    "nothing was sent",
                    guard="orders_per_minute",
                )
            self._sent.append(now)

    @property
    def count(self) -> int:
        """How many were sent within the last 60 s."""
        with self._lock:
            now = self._clock.monotonic()
            return sum(now - then < _WINDOW_S for then in self._sent)
