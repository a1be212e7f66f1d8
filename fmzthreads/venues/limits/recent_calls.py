"""A sliding-window limit of our own, such as the book snapshots of a venue; the venue's limits are beside it."""

from __future__ import annotations

import threading
from collections import deque

from ...clock import Clock
from ...fork import after_fork_in_child

__all__ = ["RecentCalls"]


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
        """In the child of a fork: a new lock; the calls of the parent still count."""
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
