"""A waker for clocks other than the wall clock (tests, backtests)."""

from __future__ import annotations

from ...clock import Clock, Signal

__all__ = ["ClockWaker"]


class ClockWaker:
    """A waker whose time-out is measured by a clock other than the wall clock."""

    __slots__ = ("_clock", "_signal")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._signal = Signal()

    def wake(self) -> None:
        """Wakes the sleeper; a second call has no effect."""
        self._signal.set()

    def sleep(self, timeout_s: float | None = None) -> bool:
        """Sleeps until woken; False when the time-out passes first."""
        return self._clock.wait((self._signal,), timeout_s)
