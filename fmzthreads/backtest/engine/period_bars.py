"""The bars behind ``GetRecords``: of any period, built from the ticks that came, the last one still forming.

Whole base bars are added at once; only the ticks of the current one are looked at. The list that a strategy was given never changes while the
strategy holds it: two lists take turns, and one is brought up to date only when nothing but this file refers to it.

Source of the rules: the published engine, github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

import sys

from ...structures import Record
from ...structures.growing import GrowingRecords
from ..nano import ONE
from .feed import TickFeed
from .ticks import volume_steps

__all__ = ["DAY_MS", "FILL_FROM_MS", "PeriodBars", "bucket", "record_in_nano"]

DAY_MS = 86_400_000
FILL_FROM_MS = 900_000
"""Periods of at least this are filled up with older bars."""

_LEAST_STEP = 10  # nano: volumes of records have eight decimals where the market's own step is smaller than 0.00001
_SMALL_STEP = 10_000
_append = list.append
_extend = list.extend
_pop = list.pop
_delete = list.__delitem__
_getrefcount = sys.getrefcount


def _references() -> int:
    holder = [GrowingRecords()]
    return _getrefcount(holder[0])


# What getrefcount says of a list that only its place in another list refers to; no list passes for free where threads run without the
# global lock, since counts are approximate there.
_FREE = _references() if getattr(sys, "_is_gil_enabled", lambda: True)() else -1


def bucket(time_ms: int, period_ms: int, offset_ms: int) -> int:
    """The start of the bar of a moment.

    Args:
        time_ms: The moment.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars of a day or longer are shifted by (28,800,000: they begin at 16:00 UTC); 0 for none.
    """
    return time_ms - (time_ms + offset_ms) % period_ms


class PeriodBars:
    """The bars of one symbol and period.

    Args:
        feed: The ticks.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars are shifted by; see ``bucket``.
    """

    __slots__ = (
        "_bar",
        "_closed",
        "_dropped",
        "_exact",
        "_feed",
        "_first",
        "_forming",
        "_history",
        "_lists",
        "_offset",
        "_period",
        "_scale",
        "_seen",
        "_span",
        "_step",
        "_turn",
    )

    def __init__(self, feed: TickFeed, period_ms: int, offset_ms: int) -> None:
        self._feed = feed
        self._period = period_ms
        self._offset = offset_ms
        self._span = feed.series.period_ms * 29 // 30
        detail = feed.detail
        self._scale: int = 10**detail.quote_precision
        self._exact = feed.price_tick * self._scale == ONE  # no price is cut
        self._step = _LEAST_STEP if detail.volume_tick <= _SMALL_STEP else detail.volume_tick
        self._bar = 0  # the first base bar that was not added as a whole
        self._closed: list[Record] = []  # the final bars, without the first _dropped ones
        self._dropped = 0
        # The bar so far, of whole base bars: start, open, high, low, close, volume, open interest, in nano; None between bars.
        self._forming: list[int] | None = None
        self._first = 0  # the first final bar that is shown
        self._seen = 0
        self._history = object()
        self._lists = [GrowingRecords((), self._history), GrowingRecords((), self._history)]
        self._turn = 0

    def get(self, cap: int) -> GrowingRecords:
        """Returns the bars up to the current tick, oldest first; the list does not change while somebody holds it.

        Args:
            cap: How many bars are kept when a new one comes.
        """
        forming = self._catch_up()
        total = self._dropped + len(self._closed) + len(forming)
        if total > self._seen:
            self._seen = total
            if total - self._first > cap:
                self._first = total - cap
                self._trim()
        turn = self._turn
        lists = self._lists
        if _getrefcount(lists[turn]) > _FREE:
            turn ^= 1
            if _getrefcount(lists[turn]) > _FREE:
                lists[turn] = GrowingRecords()
        self._turn = turn ^ 1
        shown = lists[turn]
        self._update(shown, forming)
        return shown

    def count(self) -> int:
        """How many bars there are up to the current tick, the forming one included."""
        forming = self._catch_up()
        return self._dropped + len(self._closed) + len(forming)

    def fill(self, older: list[Record]) -> None:
        """Puts older bars in place of the first one, which may be incomplete; to be called before the first ``get``."""
        if older:
            self._closed[:1] = older

    def first_start_ms(self) -> tuple[int, int]:
        """The starts of the bar after the first one, and of the current one; both the same when there is only one."""
        forming = self._catch_up()
        bars = [*self._closed, *forming]
        return bars[min(1, len(bars) - 1)]["Time"], bars[-1]["Time"]

    # The list that is shown

    def _update(self, shown: GrowingRecords, forming: list[Record]) -> None:
        """Brings a list up to date that nobody else holds."""
        closed = self._closed
        end = self._dropped + len(closed)
        missing = end - shown.first - shown.closed
        first = self._first
        if first > end:  # of many short bars in one base bar, only the last ones are kept
            forming = forming[first - end :]
        if shown.history is not self._history or shown.first + shown.closed < first or missing < 0:
            _delete(shown, slice(None))
            _extend(shown, closed[first - self._dropped :])
            shown.history = self._history
        else:
            if len(shown) - shown.closed == 1:
                _pop(shown)
            else:
                _delete(shown, slice(shown.closed, None))
            if missing == 1:
                _append(shown, closed[-1])
            elif missing:
                _extend(shown, closed[-missing:])
            if shown.first < first:
                _delete(shown, slice(0, first - shown.first))
        shown.first = first
        shown.closed = len(shown)
        _extend(shown, forming)

    def _trim(self) -> None:
        """Lets go of bars that are not shown any more, now and then."""
        spare = self._first - self._dropped
        if spare > 1000 and spare * 2 > len(self._closed):
            del self._closed[:spare]
            self._dropped = self._first

    # The bars

    def _catch_up(self) -> list[Record]:
        """Adds what came; returns the bars that the current base bar's ticks may still change."""
        feed = self._feed
        number = feed.number
        bar = number >> 4
        if bar < 0:
            return []
        if self._bar < bar:
            self._add_whole(bar)
        place = number & 15
        if not place and self._forming is None:  # the first tick of a bar that begins with it
            series = feed.series
            begin = series.time[bar]
            price = series.open[bar] / self._scale if self._exact else feed.price_of(number) / ONE
            return [
                Record({
                    "Time": begin - (begin + self._offset) % self._period,
                    "Open": price,
                    "High": price,
                    "Low": price,
                    "Close": price,
                    "Volume": 0.0,
                    "OpenInterest": feed.interest_of(number) / ONE if series.position else 0,
                })
            ]  # fmt: skip
        return self._partial(bar, place)

    def _add_whole(self, until: int) -> None:
        """Adds all ticks of the base bars before ``until``."""
        feed = self._feed
        time, period, offset, span = feed.series.time, self._period, self._offset, self._span
        same = period == feed.series.period_ms
        for bar in range(self._bar, until):
            begin = time[bar]
            start = begin - (begin + offset) % period
            if same and start == begin:
                self._close()
                self._closed.append(self._record_of(bar))
            elif begin + span < start + period:
                self._merge(start, self._whole(bar))
            else:
                self._merge_ticks(bar, len(feed.prices_of(bar)))
        self._bar = until

    def _record_of(self, bar: int) -> Record:
        """The record of a whole base bar."""
        series, scale = self._feed.series, self._scale
        if self._exact:
            first, high, low = series.open[bar], series.high[bar], series.low[bar]
            last = series.close[bar]
            if low <= first <= high and low <= last <= high:
                return Record({
                    "Time": series.time[bar],
                    "Open": first / scale,
                    "High": high / scale,
                    "Low": low / scale,
                    "Close": last / scale,
                    "Volume": self._volume(bar) / ONE,
                    "OpenInterest": self._feed.interest_of(bar << 4) / ONE if series.position else 0,
                })  # fmt: skip
        return record_in_nano(series.time[bar], *self._whole(bar))

    def _whole(self, bar: int) -> tuple[int, int, int, int, int, int]:
        """Open, high, low, close, volume and open interest of a whole base bar."""
        feed = self._feed
        series, tick = feed.series, feed.price_tick
        unit = ONE // self._scale
        first, last = series.open[bar], series.close[bar]
        high, low = max(series.high[bar], first, last) * unit, min(series.low[bar], first, last) * unit
        first *= unit
        last *= unit
        volume, interest = self._volume(bar), feed.interest_of(bar << 4)
        return first - first % tick, high - high % tick, low - low % tick, last - last % tick, volume, interest

    def _volume(self, bar: int) -> int:
        """The volume of a whole base bar: the increases from tick to tick, each one cut to the step."""
        feed = self._feed
        whole: int = feed.series.volume[bar] * 10 ** (9 - feed.detail.base_precision)
        steps = volume_steps(feed.pattern.shape(bar), whole)
        step, volume, before = self._step, 0, 0
        for so_far in steps:
            more = so_far - before
            volume += more - more % step
            before = so_far
        return volume

    def _merge(self, start: int, more: tuple[int, int, int, int, int, int]) -> None:
        """Adds prices and volume to the bar that begins at ``start``."""
        forming = self._forming
        if forming is None or forming[0] != start:
            self._close()
            self._forming = [start, *more]
            return
        _, high, low, last, volume, interest = more
        forming[2] = max(forming[2], high)
        forming[3] = min(forming[3], low)
        forming[4] = last
        forming[5] += volume
        forming[6] = interest

    def _close(self) -> None:
        forming = self._forming
        if forming is not None:
            self._closed.append(record_in_nano(*forming))
            self._forming = None

    def _merge_ticks(self, bar: int, count: int) -> None:
        """Adds the first ``count`` ticks of a base bar one by one."""
        feed = self._feed
        interest = feed.interest_of(bar << 4)
        before = 0
        for place, price in enumerate(feed.prices_of(bar)[:count]):
            number = (bar << 4) + place
            so_far = feed.volume_of(number)
            more = so_far - before
            before = so_far
            start = bucket(feed.time_of(number), self._period, self._offset)
            self._merge(start, (price, price, price, price, more - more % self._step, interest))

    def _partial(self, bar: int, place: int) -> list[Record]:
        """The bars that the ticks of the current base bar belong to, which are looked at again with the next tick."""
        kept, forming = len(self._closed), self._forming
        self._forming = None if forming is None else forming.copy()
        self._merge_ticks(bar, place + 1)
        self._close()
        records = self._closed[kept:]
        del self._closed[kept:]
        self._forming = forming
        return records


def record_in_nano(time_ms: int, first: int, high: int, low: int, last: int, volume: int, interest: int) -> Record:
    """A bar from numbers in nano."""
    return Record({
        "Time": time_ms,
        "Open": first / ONE,
        "High": high / ONE,
        "Low": low / ONE,
        "Close": last / ONE,
        "Volume": volume / ONE,
        "OpenInterest": interest / ONE if interest else 0,
    })  # fmt: skip
