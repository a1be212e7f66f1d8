"""How old a book is: ages that count a machine's sleep, and how long a message was under way beyond the usual."""

from __future__ import annotations

from ...clock import Clock

__all__ = ["Transit", "clock_lead", "seconds_since"]

# The two clocks of a machine drift apart by less than this within minutes; what is more, is a sleep or a clock that was set.
_JUMP_S = 0.1

_INFINITE = float("inf")
_FINEST_S = 0.001  # venues tell the time in whole milliseconds


def clock_lead(clock: Clock) -> float:
    """How far the time of day is ahead of the monotonic clock, in seconds; to be noted beside a moment for ``seconds_since``."""
    return clock.now() - clock.monotonic()


def seconds_since(clock: Clock, moment: float, lead: float) -> float:
    """How long ago a moment was, in seconds; never less than it was.

    A monotonic clock may stand still while the machine sleeps (Linux's does), so that a book would be young after a night. The time of
    day goes on: if it has run ahead, the larger answer is given. If it was only set forward, that makes old what is young, until the
    next update; if it was set back, it says nothing.

    Args:
        clock: The clock.
        moment: By ``clock.monotonic()``.
        lead: ``clock_lead`` at about that moment.
    """
    jump = clock_lead(clock) - lead
    elapsed = clock.monotonic() - moment
    return max(0.0, elapsed + jump if jump > _JUMP_S else elapsed)


class Transit:
    """Finds out how late a message is by the venue's own time in it, without knowing the venue's clock.

    Messages that wait where nobody can see them (in the socket, on the way) arrive as if they were new. But the quickest message so far
    shows how far the venue's clock is from ours at the most; whatever one takes longer than that, it is late by. The quickest is
    forgotten after one to two stretches, so that clocks that drift apart make nothing old. Not thread-safe.

    Args:
        stretch_s: The length of a stretch, in seconds.
    """

    def __init__(self, stretch_s: float = 600.0) -> None:
        self._stretch_s = stretch_s
        self.forget()

    def forget(self) -> None:
        """Another connection, and perhaps another server with another clock."""
        self._quickest = self._before = (
            _INFINITE  # arrival minus the venue's time, in this stretch and in the one before
        )
        self._until = -_INFINITE

    def heard(self, time_ms: int, now: float) -> None:
        """Takes note of a message.

        Args:
            time_ms: The venue's time in it, in ms since the epoch; 0 or less where it has none.
            now: The moment at which it was taken, by ``clock.monotonic()``.
        """
        if time_ms <= 0:
            return
        if now >= self._until:
            self._before, self._quickest = self._quickest, _INFINITE
            self._until = now + self._stretch_s
        self._quickest = min(self._quickest, now - time_ms / 1000)

    def late_s(self, time_ms: int, now: float) -> float:
        """How many seconds later than the quickest a message came; 0 where nothing is known."""
        quickest = min(self._quickest, self._before)
        if time_ms <= 0 or quickest == _INFINITE:
            return 0.0
        late_s = now - time_ms / 1000 - quickest
        return late_s if late_s > _FINEST_S else 0.0
