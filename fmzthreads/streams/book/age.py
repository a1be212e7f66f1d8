"""The age of a book: counts a machine's sleep, and the delay of messages."""

from __future__ import annotations

from ...clock import Clock

__all__ = ["Transit", "clock_lead", "seconds_since"]

# The two clocks of a machine drift apart by less than this within minutes; more means a sleep, or a clock that was set.
_JUMP_S = 0.1

_INFINITE = float("inf")
_FINEST_S = 0.001  # venues tell the time in whole milliseconds


def clock_lead(clock: Clock) -> float:
    """The time of day minus the monotonic clock, in seconds; recorded with a moment for ``seconds_since``."""
    return clock.now() - clock.monotonic()


def seconds_since(clock: Clock, moment: float, lead: float) -> float:
    """Seconds since a moment; never too few.

    A monotonic clock may stop while the machine sleeps (Linux's does), so that a book would be young after a night. The time of day goes
    on: if it has run ahead, the larger value is returned. A clock that was only set forward makes a book look old until its next update;
    a clock that was set back has no effect.

    Args:
        clock: The clock.
        moment: The moment, in ``clock.monotonic()`` seconds.
        lead: ``clock_lead`` at about that moment.
    """
    jump = clock_lead(clock) - lead
    elapsed = clock.monotonic() - moment
    return max(0.0, elapsed + jump if jump > _JUMP_S else elapsed)


class Transit:
    """Estimates the delay of a message from the venue's time in it.

    Messages delayed in a socket or on the network look new when they arrive. The quickest message so far gives the largest possible
    difference between the venue's clock and ours; a message that takes longer is late by the difference. The quickest one is forgotten
    after one to two stretches, so that clock drift does not make messages look late. Not thread-safe.

    Args:
        stretch_s: The length of a stretch, in seconds.
    """

    def __init__(self, stretch_s: float = 600.0) -> None:
        self._stretch_s = stretch_s
        self.forget()

    def forget(self) -> None:
        """Starts over for another connection, whose server may have another clock."""
        self._quickest = self._before = (
            _INFINITE  # arrival minus the venue's time, in this stretch and in the one before
        )
        self._until = -_INFINITE

    def heard(self, time_ms: int, now: float) -> None:
        """Records the times of a message.

        Args:
            time_ms: The venue's time in it, in ms since the epoch; 0 or less if it has none.
            now: When it was read, in ``clock.monotonic()`` seconds.
        """
        if time_ms <= 0:
            return
        if now >= self._until:
            self._before, self._quickest = self._quickest, _INFINITE
            self._until = now + self._stretch_s
        self._quickest = min(self._quickest, now - time_ms / 1000)

    def late_s(self, time_ms: int, now: float) -> float:
        """The delay of a message relative to the quickest, in seconds; 0 if unknown."""
        quickest = min(self._quickest, self._before)
        if time_ms <= 0 or quickest == _INFINITE:
            return 0.0
        late_s = now - time_ms / 1000 - quickest
        return late_s if late_s > _FINEST_S else 0.0
