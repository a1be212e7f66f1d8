"""One time-out for several steps."""

from __future__ import annotations

import math

from .arguments import real_number
from .clock import Clock
from .errors import TimedOut

__all__ = ["MOST_TIMEOUT_MS", "Deadline"]

MOST_TIMEOUT_MS = 1e12
"""The longest time-out of a request (31 years); the system's calls refuse much longer ones."""


class Deadline:
    """The moment by which all of several steps must be done.

    Args:
        clock: Measures it.
        timeout_s: Seconds from now; None for no limit.

    Raises:
        InputError: ``timeout_s`` is not a number.
    """

    __slots__ = ("_at", "_clock", "timeout_s")

    def __init__(self, clock: Clock, timeout_s: float | None = None) -> None:
        if timeout_s is not None and (type(timeout_s) is not float or math.isnan(timeout_s)):
            timeout_s = real_number("timeout_s", timeout_s, expected="a number of seconds, or None")
        self._clock = clock
        self.timeout_s = timeout_s
        self._at = None if timeout_s is None else clock.monotonic() + timeout_s

    def remaining(self) -> float | None:
        """Seconds left, never below 0; None without a limit."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self._at is not None and self._clock.monotonic() >= self._at

    def sooner(self, timeout_s: float | None) -> float | None:
        """The smaller of the remaining time and ``timeout_s``, in seconds; None where neither limits."""
        if self._at is None:
            return timeout_s
        left = self._at - self._clock.monotonic()
        if timeout_s is not None and timeout_s < left:
            return timeout_s
        return left if left > 0.0 else 0.0

    def check(self, doing: str, *, request: str = "") -> None:
        """Raises TimedOut if the deadline has passed.

        Args:
            doing: The step, for the message, such as ``"reading the reply"``.
            request: The request, for the error.

        Raises:
            TimedOut: The deadline has passed.
        """
        if self.expired:
            raise TimedOut(f"timeout after {self.timeout_s:g} s while {doing}", request=request)
