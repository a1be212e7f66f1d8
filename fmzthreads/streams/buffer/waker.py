"""Waiting by a clock that is not the wall clock (a test's, a backtest's)."""

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
        """Wakes the sleeper; again has no effect."""
        self._signal.set()

    def sleep(self, timeout_s: float | None = None) -> bool:
        """Sleeps until woken; False when the clock says that the time is up first."""
        return self._clock.wait((self._signal,), timeout_s)
