"""When the accounts are valued: at regular stamps, some of which a jump of the clock makes late or loses.

Source: the published engine, github.com/fmzquant/backtest_javascript. A sleep stops at each stamp. A call that passed stamps takes the first one
of them, late, and then goes on with those that are not over yet; the others are lost.
"""

from __future__ import annotations

from collections.abc import Callable

from .virtual_time import VirtualTime

__all__ = ["SnapshotStamps"]


class SnapshotStamps:
    """The stamps of a backtest.

    Args:
        time: The clock.
        period_ms: The time between two stamps, more than 0.
        take: Values the accounts as of the clock's time, for a stamp.

    Attributes:
        next_ms: The next stamp.
    """

    def __init__(self, time: VirtualTime, period_ms: int, take: Callable[[int], None]) -> None:
        self._time = time
        self._period_ms = period_ms
        self._take = take
        self.next_ms = time.start_ms
        self._last_ms = -1

    def pass_until(self, target_ms: int) -> None:
        """Takes the stamps up to a time; the clock goes to each one that lies ahead of it."""
        time = self._time
        while self.next_ms <= target_ms:
            stamp = self.next_ms
            time.now_ms = max(time.now_ms, stamp)
            self.next_ms = stamp + self._period_ms
            if self.next_ms < time.now_ms:
                over = time.now_ms - time.start_ms
                self.next_ms = time.start_ms + -(-over // self._period_ms) * self._period_ms
            self._last_ms = stamp
            self._take(stamp)

    def finish(self) -> None:
        """Takes the remaining stamps and one at the end; the clock goes to the end."""
        time = self._time
        self.pass_until(time.end_ms)
        time.now_ms = time.end_ms
        if self._last_ms < time.end_ms:
            self._last_ms = time.end_ms
            self._take(time.end_ms)
