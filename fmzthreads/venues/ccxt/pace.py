"""The pace of calls, which all threads keep together."""

from __future__ import annotations

import math
import threading

from ...clock import Clock
from ...fork import after_fork_in_child

__all__ = ["CallPace"]


class CallPace:
    """An average number of calls a second, with a second's worth at once.

    Args:
        clock: Our clock.
        burst_s: How far calls may run ahead of the average, in seconds.
    """

    def __init__(self, clock: Clock, burst_s: float = 1.0) -> None:
        self._clock = clock
        self._burst_s = burst_s
        self._lock = threading.Lock()  # guards _free_at
        self._free_at = -math.inf
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the calls of the parent count here too."""
        self._lock = threading.Lock()

    def turn(self, cost_s: float, longest_wait_s: float | None) -> float:
        """Reserves the next turn.

        Args:
            cost_s: How long this call uses the venue's allowance, in seconds.
            longest_wait_s: A later turn is not reserved; None reserves any.

        Returns:
            Seconds until the turn; 0 for now. If that is more than ``longest_wait_s``, nothing was reserved.
        """
        now = self._clock.monotonic()
        with self._lock:
            free_at = max(self._free_at, now - self._burst_s)
            wait_s = max(0.0, free_at - now)
            if longest_wait_s is None or wait_s <= longest_wait_s:
                self._free_at = free_at + cost_s
        return wait_s

    def forget(self) -> None:
        """Forgets all calls (for example when the base URL changes)."""
        with self._lock:
            self._free_at = -math.inf
