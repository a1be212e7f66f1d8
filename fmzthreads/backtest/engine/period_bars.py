"""The bars behind ``GetRecords``: of any period, built from the ticks that came, the last one still forming.

Whole base bars are added at once; only the ticks of the current one are looked at. What a strategy gets is a window of the bars, whose records
are built when it looks at them.

Source of the rules: the published engine, github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from ...structures import Record, record_changes
from ...structures.growing import GrowingRecords, window
from ..data import stored_bars
from ..data.column_parts import parts_of
from ..data.stored_bars import StoredBars
from ..nano import ONE
from .bar_block import BarBlock
from .feed import TickFeed
from .ticks import FEW_MS, volume_steps

__all__ = ["BaseBars", "GrowingBars", "PeriodBars", "Values", "bucket", "in_floats"]

_LEAST_STEP = 10  # nano: volumes of records have eight decimals where the market's own step is smaller than 0.00001
_SMALL_STEP = 10_000
_FIELDS = tuple(Record.__annotations__)
_PLACES = {name: place for place, name in enumerate(_FIELDS)}
_TOUCHED = 4096
_MANY = 64
WHOLE = 15
"""The place of a tick that stands for all of a bar's."""


Values = tuple[Any, ...]
"""The values of a record's fields."""


def bucket(time_ms: int, period_ms: int, offset_ms: int) -> int:
    """The start of the bar of a moment.

    Args:
        time_ms: The moment.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars of a day or longer are shifted by (28,800,000: they begin at 16:00 UTC); 0 for none.
    """
    return time_ms - (time_ms + offset_ms) % period_ms


class GrowingBars:
    """The bars of one symbol and period, whatever its ticks are made from. It is a ``BarHistory``.

    Args:
        period_ms: The length of a bar.
        offset_ms: What the starts of bars are shifted by; see ``bucket``.
    """

    def __init__(self, period_ms: int, offset_ms: int) -> None:
        self._period = period_ms
        self._offset = offset_ms
        # The final bars, a column for each field of a record; of many, those before the number _gone are on disk.
        self._stored: StoredBars | None = None
        self._gone = 0
        self._store_at = 4 * stored_bars.CHUNK
        self._columns: tuple[Any, ...] = (array("q"), *(array("d") for _ in _FIELDS[1:]))
        # The bar so far, of whole base bars: start, open, high, low, close, volume, open interest, in nano; None between bars.
        self._forming: list[int] | None = None
        self._first = 0  # the first final bar that is shown
        self._seen = 0
        self._touched: dict[int, Record] = {}  # the records that somebody looked at
        self._token = record_changes()

    def get_at(self, number: int, cap: int) -> GrowingRecords:
        """As ``get``; a history that needs no more than the number of the current tick has a shorter way.

        Args:
            number: That number.
            cap: As for ``get``.
        """
        return self.get(cap)

    def get(self, cap: int) -> GrowingRecords:
        """Returns the bars up to the current tick, oldest first.

        Args:
            cap: How many bars are kept when a new one comes.
        """
        tips = self._catch_up()
        closed = self._closed_count()
        if closed >= self._store_at:
            self._store(closed, cap)
        total = closed + len(tips)
        if total > self._seen:
            self._seen = total
            if total - self._first > cap:
                self._first = total - cap
        first = self._first
        if first > closed:  # of many short bars in one base bar, only the last ones are kept
            return window(self, closed, 0, 0, total - first, tips[first - closed :])
        return window(self, first, closed - first, 0, len(tips), tips)

    def count(self) -> int:
        """How many bars there are up to the current tick, the forming one included."""
        tips = self._catch_up()
        return self._closed_count() + len(tips)

    def starts(self) -> tuple[int, int]:
        """Where older bars would end, and where the current bar begins.

        Older bars replace the first bar, which may be incomplete, unless it is the current one or all of its ticks are of the current base bar.
        """
        tips = self._catch_up()
        times = [*self._columns[0][:2], *(tip[0] for tip in tips)]
        replaced = len(times) > 1 and (self._columns[0] or self._forming is not None)
        return times[1 if replaced else 0], tips[-1][0]

    def fill(self, older: list[Values]) -> None:
        """Puts older bars, as far as ``starts`` said, before the others; to be called before the first ``get``."""
        if not older:
            return
        tips = self._catch_up()
        if not self._columns[0] and len(tips) > 1:
            self._forming = None
        for place, column in enumerate(self._columns):
            column[:1] = array(column.typecode, [values[place] for values in older])

    # What a window asks for

    def record(self, number: int) -> Record:
        """The bar of a number; the same object each time."""
        found = self._touched.get(number)
        if found is None:
            found = Record(zip(_FIELDS, self._values(number), strict=True))
            self._keep(number, found)
        return found

    def _keep(self, number: int, record: Record) -> None:
        # A bar that was changed by hand stays as it was changed; the others can be built again.
        if len(self._touched) >= max(_TOUCHED, 4 * (self._seen - self._first)) and record_changes() is self._token:
            self._touched.clear()
        self._touched[number] = record

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        """One field of the bars from ``begin`` up to, not including, ``end``; as they are now, if a bar was changed by hand."""
        found = self._field(field, begin, end)
        if self._touched and record_changes() is not self._token:
            touched = self._touched
            for number in range(begin, end):
                record = touched.get(number)
                if record is not None:
                    found[number - begin] = record[field]
        return found

    def final_until(self, number: int, most: int) -> int:
        """Up to which number bars are final: those that were closed."""
        return min(self._closed_count(), most)

    def tips(self, tick: int) -> list[Values]:
        """Never asked for: a window holds the values of its forming bars."""
        raise NotImplementedError

    def tip_value(self, field: str, tick: int) -> Any:
        """Never asked for; see ``tips``."""
        raise NotImplementedError

    def tip_closes(self, begin: int, end: int) -> Sequence[Any]:
        """None: a window holds the values of its forming bars."""
        return []

    def _values(self, number: int) -> Values:
        place = number - self._gone
        if place < 0:
            assert self._stored is not None
            return tuple([self._stored.values(at, number, number + 1)[0] for at in range(len(_FIELDS))])
        return tuple([column[place] for column in self._columns])

    def _field(self, field: str, begin: int, end: int) -> list[Any]:
        column, gone = self._columns[_PLACES[field]], self._gone
        found: list[Any] = column[max(0, begin - gone) : max(0, end - gone)].tolist()
        if begin < gone:
            assert self._stored is not None
            return self._stored.values(_PLACES[field], begin, min(end, gone)) + found
        return found

    # The bars

    def _closed_count(self) -> int:
        return self._gone + len(self._columns[0])

    def _store(self, closed: int, cap: int) -> None:
        """Moves old bars to disk; those that a list can show, and as many before them, stay."""
        chunk = stored_bars.CHUNK
        while len(self._columns[0]) >= 2 * cap + chunk:
            if self._stored is None:
                self._stored = StoredBars()
            self._stored.add(self._columns)
            for column in self._columns:
                del column[:chunk]
            self._gone += chunk
        self._store_at = closed + chunk

    def _catch_up(self) -> list[Values]:
        """Adds what came; returns the bars that the next ticks may still change."""
        raise NotImplementedError

    def _merge(self, more: list[int]) -> None:
        """Adds prices and volume to the bar that begins at their time."""
        forming = self._forming
        if forming is None or forming[0] == more[0]:
            self._forming = more if forming is None else merged(forming, more)
            return
        self._close()
        self._forming = more

    def _close(self) -> None:
        if self._forming is not None:
            for column, value in zip(self._columns, in_floats(self._forming), strict=True):
                column.append(value)
            self._forming = None


class PeriodBars(GrowingBars):
    """The bars of one symbol and period, from the ticks of its base bars.

    Args:
        feed: The ticks.
        period_ms: The length of a bar.
        offset_ms: What the starts of bars are shifted by; see ``bucket``.
    """

    def __init__(self, feed: TickFeed, period_ms: int, offset_ms: int) -> None:
        super().__init__(period_ms, offset_ms)
        self._feed = feed
        self._span = feed.series.period_ms * 29 // 30
        tick = feed.detail.volume_tick
        self._step = _LEAST_STEP if tick <= _SMALL_STEP else tick
        self._bar = 0  # the first base bar that was not added as a whole

    def _catch_up(self) -> list[Values]:
        """Adds what came; returns the bars that the current base bar's ticks may still change."""
        number = self._feed.number
        bar = number >> 4
        if bar < 0:
            return []
        if self._bar < bar:
            self._add_whole(bar)
        place = number & 15
        begin = self._feed.series.time[bar]
        start = begin - (begin + self._offset) % self._period
        if begin + self._span < start + self._period:
            tip = [start, *self._part(bar, place)]
            forming = self._forming
            if forming is None or forming[0] == start:
                return [in_floats(tip if forming is None else merged(forming, tip))]
            self._close()  # all later ticks belong to later bars
            return [in_floats(tip)]
        return self._partial(bar, place)

    def _add_whole(self, until: int) -> None:
        """Adds all ticks of the base bars before ``until``."""
        time, period, offset, span = self._feed.series.time, self._period, self._offset, self._span
        for bar in range(self._bar, until):
            begin = time[bar]
            start = begin - (begin + offset) % period
            if begin + span < start + period:
                self._merge([start, *self._part(bar, WHOLE)])
            else:
                self._merge_ticks(bar, WHOLE)
        self._bar = until

    def _part(self, bar: int, place: int) -> tuple[int, int, int, int, int, int]:
        """Open, high, low, close, volume and open interest of a base bar up to the tick at a place, in nano."""
        feed = self._feed
        series = feed.series
        interest = feed.interest_of(bar << 4) if series.position else 0
        if not place:
            price = feed.price_of(bar << 4)
            return price, price, price, price, 0, interest
        if place == WHOLE and feed.is_in_range:  # the ticks reach both extremes
            unit, tick = feed.price_unit, feed.price_tick
            first, high = series.open[bar] * unit, series.high[bar] * unit
            low, last = series.low[bar] * unit, series.close[bar] * unit
            if unit % tick:
                first, high, low, last = first - first % tick, high - high % tick, low - low % tick, last - last % tick
            return first, high, low, last, self._volume(bar, place), interest
        prices = feed.prices_of(bar)[: place + 1]
        return prices[0], max(prices), min(prices), prices[-1], self._volume(bar, place), interest

    def _volume(self, bar: int, place: int) -> int:
        """The volume of a base bar up to the tick at a place: the increases from tick to tick, each one cut to the step."""
        feed = self._feed
        whole: int = feed.series.volume[bar] * feed.volume_unit
        step, volume, before = self._step, 0, 0
        for so_far in volume_steps(feed.shape_of(bar), whole)[1 : place + 1]:
            more = so_far - before
            volume += more - more % step
            before = so_far
        return volume

    def _merge_ticks(self, bar: int, last: int) -> None:
        """Adds the ticks of a base bar up to a place one by one."""
        feed = self._feed
        interest = feed.interest_of(bar << 4)
        before = 0
        for place, price in enumerate(feed.prices_of(bar)[: last + 1]):
            number = (bar << 4) + place
            so_far = feed.volume_of(number)
            more = so_far - before
            before = so_far
            start = bucket(feed.time_of(number), self._period, self._offset)
            self._merge([start, price, price, price, price, more - more % self._step, interest])

    def _partial(self, bar: int, place: int) -> list[Values]:
        """The bars that the ticks of the current base bar belong to, which are looked at again with the next tick."""
        kept, forming = len(self._columns[0]), self._forming
        self._merge_ticks(bar, place)
        self._close()
        tips = list(zip(*(column[kept:].tolist() for column in self._columns), strict=True))
        for column in self._columns:
            del column[kept:]
        self._forming = forming
        return tips


class BaseBars(PeriodBars):
    """The bars of the base period: nothing is stored, they are read from the series."""

    def __init__(self, feed: TickFeed, period_ms: int, offset_ms: int) -> None:
        super().__init__(feed, period_ms, offset_ms)
        series = feed.series
        self._unit = ONE // feed.price_unit
        self._price_of = feed.price_of
        self._few = series.period_ms <= FEW_MS
        prices: tuple[array[int], ...] = (series.open, series.high, series.low, series.close)
        self._prices = dict(zip(_FIELDS[1:5], prices, strict=True))
        # The volumes that somebody asked for, of the bars from _volumes_from on.
        self._volumes = array("d")
        self._volumes_from = 0
        # The closes of the bars of a block while they are forming.
        self._tips_of: BarBlock | None = None
        self._tips: Sequence[Any] = []

    @staticmethod
    def fits(feed: TickFeed, offset_ms: int) -> bool:
        """Whether each base bar begins where a bar begins, no price is cut, and open and close lie within each bar's range."""
        series = feed.series
        period = series.period_ms
        if feed.price_tick != feed.price_unit:
            return False
        begins = series.time[:1] if feed.is_regular else series.time
        if any(any((begin + offset_ms) % period for begin in part) for _, (part,) in parts_of(begins)):
            return False
        return feed.is_in_range

    def get(self, cap: int) -> GrowingRecords:
        """Returns the bars up to the current tick; see ``PeriodBars.get``."""
        return self.get_at(self._feed.number, cap)

    def get_at(self, number: int, cap: int) -> GrowingRecords:
        """Returns the bars up to a tick; see ``GrowingBars.get_at``."""
        closed = number >> 4
        first = self._first
        if closed >= self._seen:
            self._seen = closed + 1
            if closed >= first + cap:
                first = self._first = closed + 1 - cap
        elif closed < 0:
            return window(self, 0, 0, 0, 0, [])
        records = GrowingRecords()  # as window does
        records.place = (self, first, closed - first, number, 1, None)
        records.tip_records = None
        return records

    def starts(self) -> tuple[int, int]:
        """As in ``GrowingBars``."""
        bar, times = self._closed_count(), self._feed.series.time
        return times[min(bar, 1)], times[bar]

    def fill(self, older: list[Values]) -> None:
        """Never called: base bars reach back to the beginning of the data."""
        raise NotImplementedError

    def final_until(self, number: int, most: int) -> int:
        """Up to which number bars are final: all are, as the series has them."""
        return min(self._feed.bar_count, most)

    def tips(self, tick: int) -> list[Values]:
        """The bar that was forming at a tick."""
        bar = tick >> 4
        return [in_floats([self._feed.series.time[bar], *self._part(bar, tick & 15)])]

    def tip_value(self, field: str, tick: int) -> Any:
        """One field of the bar that was forming at a tick."""
        if field == "Close":
            bar, block = tick >> 4, self._feed.block
            if self._few and block.begin <= bar < block.end:
                return block.scaled(bar, tick & 15) / self._unit
            return self._price_of(tick) / ONE
        return self.tips(tick)[0][_PLACES[field]]

    def tip_closes(self, begin: int, end: int) -> Sequence[Any]:
        """The closes of bars at each of their ticks; known of those of the current block."""
        block = self._feed.block
        if not self._few or not block.begin <= begin < block.end or block.end - block.begin < _MANY:
            return []
        if block is not self._tips_of:
            self._tips_of, self._tips = block, block.tick_prices(self._unit)
        found = [closes[begin - block.begin : end - block.begin] for closes in self._tips]
        if self._touched and record_changes() is not self._token and not isinstance(found[0], list):
            return [closes.tolist() for closes in found]  # final closes may have been changed by hand
        return found

    def _catch_up(self) -> list[Values]:
        number = self._feed.number
        return [] if number < 0 else self.tips(number)

    def _closed_count(self) -> int:
        return max(0, self._feed.number >> 4)

    def _values(self, number: int) -> Values:
        return in_floats([self._feed.series.time[number], *self._part(number, WHOLE)])

    def _field(self, field: str, begin: int, end: int) -> list[Any]:
        column = self._prices.get(field)
        if column is not None:
            unit = self._unit
            return [price / unit for price in column[begin:end]]
        if field == "Time":
            return self._feed.series.time[begin:end].tolist()
        if field == "Volume":
            return self._volumes_of(begin, end)
        feed = self._feed
        return [feed.interest_of(number << 4) / ONE for number in range(begin, end)]

    def _volumes_of(self, begin: int, end: int) -> list[float]:
        known, origin = self._volumes, self._volumes_from
        if not origin <= begin <= origin + len(known):
            known = self._volumes = array("d")
            origin = self._volumes_from = begin
        elif begin - origin > len(known) // 2 + _TOUCHED:
            del known[: begin - origin]
            origin = self._volumes_from = begin
        for number in range(origin + len(known), end):
            known.append(self._volume(number, WHOLE) / ONE)
        return known[begin - origin : end - origin].tolist()


def merged(before: list[int], more: list[int]) -> list[int]:
    """A bar to which prices and volume of the same time are added; in nano."""
    return [
        before[0],
        before[1],
        max(before[2], more[2]),
        min(before[3], more[3]),
        more[4],
        before[5] + more[5],
        more[6],
    ]


def in_floats(bar: list[int]) -> Values:
    """A bar in nano as the values of a record."""
    start, first, high, low, last, volume, interest = bar
    return start, first / ONE, high / ONE, low / ONE, last / ONE, volume / ONE, interest / ONE
