"""The bars behind ``GetRecords`` where ticks are recorded: of any period, the last one still forming."""

from __future__ import annotations

from ..engine.period_bars import GrowingBars, Values, bucket, in_floats
from .recorded_feed import RecordedFeed

__all__ = ["RecordedBars"]


class RecordedBars(GrowingBars):
    """Bars of the last prices of recorded ticks, and of what was traded between them.

    Args:
        feed: The ticks.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars are shifted by; see ``bucket``.
    """

    def __init__(self, feed: RecordedFeed, period_ms: int, offset_ms: int) -> None:
        super().__init__(period_ms, offset_ms)
        self._feed = feed
        self._next = feed.first  # the first tick that was not added

    def _catch_up(self) -> list[Values]:
        feed = self._feed
        for number in range(self._next, feed.number + 1):
            price = feed.price_of(number)
            start = bucket(feed.time_of(number), self._period, self._offset)
            self._merge([start, price, price, price, price, feed.volume_of(number), 0])
        self._next = max(self._next, feed.number + 1)
        return [] if self._forming is None else [in_floats(self._forming)]
