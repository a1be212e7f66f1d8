"""How many messages one connection may send within a window."""

from __future__ import annotations

import threading
from collections import deque

from ...clock import Clock, Signal
from ...deadline import Deadline
from ...errors import StopRequested

__all__ = ["MessagePace", "RequestPace"]


class RequestPace:
    """When requests may be sent on one connection. Not thread-safe.

    Args:
        most: How many within a window.
        window_s: The length of the window, in seconds.
    """

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._sent: deque[float] = deque(maxlen=most)

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may be sent; 0 for now."""
        if len(self._sent) < self._most:
            return 0.0
        return max(0.0, self._sent[0] + self._window_s - now)

    def sent(self, now: float) -> None:
        """Counts a request."""
        self._sent.append(now)


class MessagePace:
    """Holds back what a script writes faster than the venue takes it.

    Args:
        most: How many messages within a window.
        window_s: The length of the window, in seconds.
        clock: Measures it.
    """

    def __init__(self, most: int, window_s: float, clock: Clock) -> None:
        self._lock = threading.Lock()  # guards _pace
        self._pace = RequestPace(most, window_s)
        self._clock = clock

    def take(self, timeout_s: float, closed: Signal) -> bool:
        """Waits until a message may be sent, and counts it.

        Args:
            timeout_s: The longest to wait, in seconds.
            closed: Ends the wait when set.

        Returns:
            False after the time-out, or when ``closed`` was set. A stop ends the wait with True, so that ``onexit`` can still write.
        """
        deadline = Deadline(self._clock, timeout_s)
        while True:
            with self._lock:
                now = self._clock.monotonic()
                wait_s = self._pace.wait_s(now)
                if wait_s <= 0:
                    self._pace.sent(now)
                    return True
            if wait_s > (deadline.remaining() or 0.0):
                return False
            try:
                if self._clock.wait((closed,), wait_s):
                    return False
            except StopRequested:
                return True
