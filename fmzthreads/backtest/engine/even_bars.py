"""Bars of a period that whole base bars make up, where no base bar is missing: which of them a bar consists of is a matter of division.

Nothing is built while time passes. The values of a field are computed when somebody asks for them, and kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ...structures import Record
from ...structures.growing import GrowingRecords, window
from ..nano import ONE
from .feed import TickFeed
from .period_bars import WHOLE, BaseBars, PeriodBars, Values, bucket, in_floats, merged

__all__ = ["EvenBars", "bars_of_period"]

_FIELDS = tuple(Record.__annotations__)
_EXTREMES: dict[str, Any] = {"High": max, "Low": min}
_KEPT = 4096


def bars_of_period(feed: TickFeed, period_ms: int, offset_ms: int) -> PeriodBars:
    """Makes the bars of a symbol and period; see ``PeriodBars``."""
    base_ms = feed.series.period_ms
    if period_ms % base_ms == 0 and BaseBars.fits(feed, offset_ms):
        if period_ms == base_ms:
            return BaseBars(feed, period_ms, offset_ms)
        if feed.is_regular:
            return EvenBars(feed, period_ms, offset_ms)
    return PeriodBars(feed, period_ms, offset_ms)


class EvenBars(BaseBars):
    """Bars of a multiple of the base period. As in ``BaseBars``, the number of a tick tells which bars are final.

    Args:
        feed: The ticks.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars are shifted by; see ``bucket``.
    """

    def __init__(self, feed: TickFeed, period_ms: int, offset_ms: int) -> None:
        super().__init__(feed, period_ms, offset_ms)
        base_ms, begin = feed.series.period_ms, feed.series.time[0]
        self._start = bucket(begin, period_ms, offset_ms)
        self._each = period_ms // base_ms
        self._missing = (begin - self._start) // base_ms  # base bars that the first bar lacks
        # The values that somebody asked for, of the bars from a number on.
        self._known: dict[str, tuple[int, array[Any]]] = {}
        # What the forming bar is made of so far: its first base bar, the base bar after the last one, and the values in nano.
        self._gathered: tuple[int, int, list[int]] = (0, 0, [])

    def bar_of(self, number: int) -> int:
        """The number of the bar that a tick belongs to; -1 before the first tick."""
        return ((number >> 4) + self._missing) // self._each if number >= 0 else -1

    def _begin_of(self, number: int) -> int:
        """The first base bar of a bar."""
        return max(0, number * self._each - self._missing)

    def get_at(self, number: int, cap: int) -> GrowingRecords:
        """Returns the bars up to a tick; see ``GrowingBars.get_at``."""
        closed = ((number >> 4) + self._missing) // self._each
        if number < 0:
            return window(self, 0, 0, 0, 0, [])
        if closed >= self._seen:
            self._seen = closed + 1
            self._first = max(self._first, closed + 1 - cap)
        first = self._first
        return window(self, first, closed - first, number, 1, None)

    def starts(self) -> tuple[int, int]:
        """As in ``GrowingBars``."""
        bar = self._closed_count()
        return self._start + min(bar, 1) * self._period, self._start + bar * self._period

    def final_until(self, number: int, most: int) -> int:
        """Up to which number bars are final, those that come later included."""
        return min(self.bar_of(self._feed.bar_count << 4), most)

    def tip_closes(self, begin: int, end: int) -> Sequence[Any]:
        """None: the ticks of a bar are those of several base bars."""
        return []

    def _closed_count(self) -> int:
        return max(0, self.bar_of(self._feed.number))

    def tips(self, tick: int) -> list[Values]:
        """The bar that was forming at a tick."""
        bar = tick >> 4
        first = self._begin_of(self.bar_of(tick))
        begin, end, known = self._gathered
        if begin != first or not begin < end <= bar:
            start = self._start + self.bar_of(tick) * self._period
            known, end = [start, *self._part(first, tick & 15 if first == bar else WHOLE)], first + 1
        for place in range(end, bar):
            known = merged(known, [known[0], *self._part(place, WHOLE)])
        if bar == first:
            return [in_floats(known)]
        self._gathered = (first, bar, known)
        return [in_floats(merged(known, [known[0], *self._part(bar, tick & 15)]))]

    def _values(self, number: int) -> Values:
        values = [self._computed(field, number, number + 1)[0] for field in _FIELDS[1:]]
        return (self._start + number * self._period, *values)

    def _field(self, field: str, begin: int, end: int) -> list[Any]:
        if field == "Time":
            return [self._start + number * self._period for number in range(begin, end)]
        origin, known = self._known.get(field, (begin, array("d")))
        if not origin <= begin <= origin + len(known):
            origin, known = begin, array("d")
        elif (passed := min(self._first, begin) - origin) > len(known) // 2 + _KEPT:
            del known[:passed]
            origin += passed
        known.extend(self._computed(field, origin + len(known), end))
        self._known[field] = (origin, known)
        return known[begin - origin : end - origin].tolist()

    def _computed(self, field: str, begin: int, end: int) -> list[float]:
        """One field of final bars, as it is in the series."""
        borders = [self._begin_of(number) for number in range(begin, end + 1)]
        if field == "Volume":
            volumes = [[self._volume(bar, WHOLE) for bar in range(*pair)] for pair in pairwise(borders)]
            return [sum(parts) / ONE for parts in volumes]
        if field == "OpenInterest":
            return [self._feed.interest_of((after - 1) << 4) / ONE for after in borders[1:]]
        column, unit = self._prices[field], self._unit
        if field == "Open":
            return [column[bar] / unit for bar in borders[:-1]]
        if field == "Close":
            return [column[after - 1] / unit for after in borders[1:]]
        most = _EXTREMES[field]
        return [most(column[first:after]) / unit for first, after in pairwise(borders)]
