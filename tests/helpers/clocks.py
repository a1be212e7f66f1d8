"""Clocks whose time of day is set, or that sleep with the machine, as a test says."""

from __future__ import annotations

from fmzthreads.clock import ManualClock

__all__ = ["SettableClock"]


class SettableClock(ManualClock):
    """A manual clock whose time of day can be set; its monotonic clock does not notice, as the system's."""

    _ahead_ns = 0

    def now_ns(self) -> int:
        """The time of day as it was set, in nanoseconds since the epoch."""
        return super().now_ns() + self._ahead_ns

    def now(self) -> float:
        """The time of day as it was set, in seconds since the epoch."""
        return self.now_ns() / 1e9

    def set_by(self, seconds: float) -> None:
        """Sets the time of day by so many seconds; also what it looks like when the machine slept for so long."""
        self._ahead_ns += round(seconds * 1e9)
