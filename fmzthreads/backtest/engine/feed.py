"""One symbol of one exchange: its ticks made from bars on demand.

A tick's number is ``bar * 16 + place`` (``structures.growing.PLACES``): numbers ascend, with gaps. A tick is computed when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from ..data.bars import BarSeries
from ..data.column_checks import has_even_steps, is_nowhere_above
from ..data.column_parts import PassedRows
from ..trading.market import Tick
from .bar_block import BarBlock
from .extremes import BarExtremes
from .tick_cursor import TickCursor
from .ticks import DOUBLE, FEW_MS, QUADRUPLE, TickPattern, offsets_of, volume_steps
from .virtual_time import NEVER, VirtualTime

__all__ = ["TickFeed"]

_new_tick = tuple.__new__
_BLOCK = 1024
_NEAR = 4


class TickFeed(TickCursor):
    """The ticks of one symbol, as orders and market calls see them. It is a ``MarketView``.

    Args:
        series: The bars, history included.
        time: The clock.
        slip_point: Slippage in price ticks.

    Attributes:
        series: The bars.
        price_unit: One unit of the series' prices, in nano.
        volume_unit: One unit of the series' volumes, in nano.
        bar_count: The bars that begin before the end of the test.
        block: The bars around the last look, decoded.
        last_ms: The time of the last tick.
    """

    __slots__ = (
        "_extremes",
        "_in_range",
        "_known_until",
        "_last_place",
        "_moments",
        "_next_ms",
        "_next_row",
        "_offsets",
        "_open",
        "_passed",
        "_quiet",
        "_regular",
        "_regular_bar",
        "_regular_ms",
        "_rows",
        "_rows_from",
        "_rows_number",
        "_time",
        "_uncut",
        "_walked",
        "_walked_prices",
        "bar_count",
        "block",
        "last_ms",
        "pattern",
        "price_unit",
        "series",
        "volume_unit",
    )

    def __init__(self, series: BarSeries, time: VirtualTime, slip_point: int = 0) -> None:
        detail = series.detail
        super().__init__(detail, time, slip_point)
        self.series = series
        self.price_unit: int = 10 ** (9 - detail.quote_precision)
        self.volume_unit: int = 10 ** (9 - detail.base_precision)
        self.pattern = TickPattern(series, time.start_ms, self.price_tick)
        self._time = series.time
        self._open = series.open
        self._in_range: bool | None = None
        # Whether all prices are the series' own: none is cut, and no bar has fourteen ticks.
        self._uncut = series.period_ms <= FEW_MS and not self.price_unit % self.price_tick
        self._passed = PassedRows(series.time)
        self._offsets = offsets_of(series.period_ms)
        self._moments = [(*offsets, series.period_ms) for offsets in self._offsets]
        self._quiet = min(offsets[1] for offsets in self._offsets)  # no bar has a second tick before this
        self._extremes = BarExtremes(series)
        self.block = BarBlock(self.pattern, 0, 0)  # where ticks come from one after the other
        self._known_until = 0  # the bar after those of the block that are not the last one
        # When the ticks of the bars from _rows_from on come, of those of the block that are not the last one.
        self._rows: list[tuple[int, ...]] = []
        self._rows_from = 0
        self._rows_number = -1  # the number before that of their first tick
        count = len(series)
        # Bars without a hole between them need no look at their times.
        self._regular = series.period_ms if has_even_steps(series.time, series.period_ms) else 0
        # A bar that has begun, and its time; of the last look or from before it.
        self._regular_bar = 0
        self._regular_ms: int = series.time[0] if count else 0
        # When the bar after that of the last look begins, and its place in _rows, or one beyond them; NEVER where it must be searched for.
        self._next_ms, self._next_row = NEVER, 0
        self._walked = -1  # the bar whose prices are known
        self._walked_prices: tuple[int, ...] = ()
        self.bar_count = bisect_left(self._time, time.end_ms)
        self._last_place = 0
        self.last_ms = -1
        if self.bar_count:
            last = self.bar_count - 1
            offsets = self._offsets[self.pattern.shape(last)]
            begin = self._time[last]
            self._last_place = bisect_left(offsets, time.end_ms - begin) - 1
            self.last_ms = begin + offsets[self._last_place]
        self._over_ms = min(self.last_ms + series.period_ms, time.end_ms)  # no calls from here on

    @property
    def is_regular(self) -> bool:
        """Whether each bar begins one period after the one before."""
        return bool(self._regular)

    @property
    def is_in_range(self) -> bool:
        """Whether the open and the close of each bar lie within its range."""
        if self._in_range is None:
            lows, highs = self.series.low, self.series.high
            self._in_range = all(
                is_nowhere_above(lows, prices) and is_nowhere_above(prices, highs)
                for prices in (self.series.open, self.series.close)
            )
        return self._in_range

    def __repr__(self) -> str:
        """The symbol and the current tick."""
        return f"<TickFeed {self.detail.symbol}: tick {self.number}>"

    # Which tick is current

    def deliver(self, bit: int) -> int:
        """As ``TickCursor.deliver``, with a short way from a bar to the next one."""
        now = self.time.now_ms
        begin = self._next_ms
        since = now - begin
        if since >= 0:
            try:
                row = self._next_row
                moments = self._rows[row]
                place = 1 if since < moments[1] else bisect_right(moments, since, 2)
                self._until_ms = begin + moments[place]  # IndexError if a whole bar was passed over
            except IndexError:
                self._find(now)
            else:
                self._next_row = row + 1
                self._next_ms = begin + self._regular
                self.number = number = (row << 4) + self._rows_number + place
                if bit == self.flags and number != self.consumed:
                    self.consumed = number
                    return number
        elif now >= self._until_ms:
            self._find(now)
        number = self.number
        flags = self.flags
        if flags and not flags & bit:
            if number < 0:
                number = self._jump()
            self.flags = flags | bit
        else:
            if number == self.consumed:
                number = self._jump()
            self.flags = bit
        self.consumed = number
        return number

    def _find(self, now: int) -> None:
        """As ``_look``, for a call that is given a tick: no tick is current beyond the end."""
        if now >= self._over_ms:
            raise self.time.end()
        self._look(now)

    def _note_bar(self, bar: int, begin: int) -> None:
        """Notes the bar that a look has found."""
        self._regular_bar, self._regular_ms = bar, begin
        row = self._next_row = bar + 1 - self._rows_from
        self._next_ms = begin + self._regular if self._regular and row >= 0 else NEVER

    def _look(self, now: int) -> None:
        """Finds the current tick; in the bar of the last look or the one after it without a search."""
        bar, begin, period = self._regular_bar, self._regular_ms, self._regular
        since = now - begin
        if since >= period:
            bar += 1
            begin += period
            since -= period
        block = self.block
        # The last bar is left out, since not all of its ticks need exist.
        if not 0 <= since < period or not block.begin <= bar < self._known_until:
            self._look_far(now)
            return
        if bar != self._regular_bar:
            self._note_bar(bar, begin)
        moments = self._moments[block.shapes[bar - block.begin]]
        place = bisect_right(moments, since)
        self.number = (bar << 4) + place - 1
        self._until_ms = begin + moments[place]

    def _look_far(self, now: int) -> None:
        """As ``_look``, for a bar of which less is known."""
        period = self._regular
        since = now - self._regular_ms
        if since < 0 or not period or now >= self.time.end_ms:
            self._look_plainly(now)
            return
        steps = since // period
        bar = self._regular_bar + steps
        if bar >= self.bar_count:
            self._look_plainly(now)
            return
        since -= steps * period
        block = self.block
        if not block.begin <= bar < block.end:
            block = self._move_block(bar)
        self._note_bar(bar, self._regular_ms + steps * period)
        moments = self._moments[block.shapes[bar - block.begin]]
        place = bisect_right(moments, since)
        self.number = (bar << 4) + place - 1
        self._until_ms = min(self._regular_ms + moments[place], self._over_ms)

    def _jump(self) -> int:
        """As ``TickCursor._jump``; within a block of bars without holes it also says until when the tick is current."""
        number, block = self.number, self.block
        bar, place = number >> 4, (number & 15) + 1
        if self._regular and block.begin <= bar < self._known_until - 1:
            moments = self._moments[block.shapes[bar - block.begin]]
            number += 1
            if place == len(moments) - 1:  # the next bar's first one
                bar, place = bar + 1, 0
                number = bar << 4
                moments = self._moments[block.shapes[bar - block.begin]]
            begin, time = self._time[bar], self.time
            time.now_ms = max(time.now_ms, begin + moments[place])
            self.number = number
            self._until_ms = begin + moments[place + 1]
            return number
        return super()._jump()

    def _look_plainly(self, now: int) -> None:
        """As ``_look``, for any series and time."""
        times, count = self._time, self.bar_count
        if now >= self.time.end_ms:
            now = self.time.end_ms - 1
        bar = self._bar_at(now)
        if bar < 0:
            self._until_ms = min(times[0] if count else NEVER, self._over_ms)
            return
        self._note_bar(bar, times[bar])
        after = bar + 1
        begin = times[bar]
        since = now - begin
        if since < self._quiet:
            self.number = bar << 4
            until = begin + self._quiet
            # Two bars may overlap when the data are shorter than the period says: the later bar's ticks come first then.
            until = times[after] if after < count and times[after] < until else until
            self._until_ms = min(until, self._over_ms)
            return
        offsets = self._offsets[self.shape_of(bar)]
        place = bisect_right(offsets, since) - 1
        self.number = (bar << 4) + place
        place += 1
        until = begin + offsets[place] if place < len(offsets) else times[after] if after < count else NEVER
        until = times[after] if after < count and times[after] < until else until
        self._until_ms = min(until, self._over_ms)

    def _bar_at(self, now: int) -> int:
        """The bar that has begun last, no earlier one than that of the last look; -1 if none exists."""
        times, count = self._time, self.bar_count
        bar = self.number >> 4
        after = bar + 1
        if after < count and times[after] <= now:
            bar = after
            after += 1
            if after < count and times[after] <= now:
                bar = bisect_right(times, now, after, count) - 1
        return bar

    # What a tick is

    def next_number(self, number: int) -> int:
        """The number of the tick after a tick; -1 if none exists."""
        bar, place = number >> 4, (number & 15) + 1
        if number >= 0:
            last = bar == self.bar_count - 1
            block = self.block
            shape = block.shapes[bar - block.begin] if block.begin <= bar < block.end else self.shape_of(bar)
            offsets = self._offsets[shape]
            if place < len(offsets) and not (last and place > self._last_place):
                after = bar + 1
                if last or self._time[bar] + offsets[place] < self._time[after]:
                    return number + 1
        return (bar + 1) << 4 if bar + 1 < self.bar_count else -1

    def time_of(self, number: int) -> int:
        """When a tick comes."""
        bar, place = number >> 4, number & 15
        begin = self._time[bar]
        if not place:
            return begin
        block = self.block
        shape = block.shapes[bar - block.begin] if block.begin <= bar < block.end else self.shape_of(bar)
        return begin + self._offsets[shape][place]

    def price_of(self, number: int) -> int:
        """The price of a tick, in nano."""
        bar, place = number >> 4, number & 15
        block = self.block
        if block.begin <= bar < block.end:
            return block.price(bar, place)
        if place:
            return self.prices_of(bar)[place]
        price = self._open[bar] * self.price_unit
        return price - price % self.price_tick

    def shape_of(self, bar: int) -> int:
        """The shape of a bar."""
        block = self.block
        if not block.begin <= bar < block.end:
            block = self._move_block(bar)
        return block.shapes[bar - block.begin]

    def _move_block(self, bar: int) -> BarBlock:
        # No more than this one, unless the looks go on from bar to bar.
        size = _BLOCK if 0 <= bar - self.block.end <= _NEAR else 1
        self._passed.at(bar)
        block = self.block = BarBlock(self.pattern, bar, min(bar + size, len(self._time)))
        self._known_until = min(block.end, self.bar_count - 1)
        moments, shapes = self._moments, block.shapes
        self._rows = [moments[shape] for shape in shapes[: max(0, self._known_until - bar)]]
        self._next_row += self._rows_from - bar
        if self._next_row < 0:
            self._next_ms = NEVER
        self._rows_from, self._rows_number = bar, (bar << 4) - 1
        return block

    def prices_of(self, bar: int) -> tuple[int, ...]:
        """The prices of all ticks of a bar, in nano."""
        if bar != self._walked:
            self._walked_prices = self.pattern.prices(bar, self.pattern.shape(bar))
            self._walked = bar
        return self._walked_prices

    def bar_of(self, number: int) -> int:
        """The bar that a tick belongs to."""
        return number >> 4

    def bar_volume(self, bar: int) -> int:
        """The whole volume of a bar, in nano."""
        power: int = 10 ** (9 - self.detail.base_precision)
        return self.series.volume[bar] * power

    def volume_of(self, number: int) -> int:
        """The volume of the bar up to and including a tick, in nano."""
        place = number & 15
        if not place:
            return 0
        bar = number >> 4
        whole: int = self.series.volume[bar] * self.volume_unit
        shape = self.shape_of(bar)
        if shape < QUADRUPLE:  # as volume_steps has it
            return whole // 2 if place == 1 and shape != DOUBLE else whole
        return volume_steps(shape, whole)[place]

    def quote(self, number: int) -> tuple[int, int, int]:
        """Price, volume and time of a tick, as ``price_of``, ``volume_of`` and ``time_of`` have them, in one look."""
        bar, place = number >> 4, number & 15
        block = self.block
        if not block.begin <= bar < block.end:
            block = self._move_block(bar)
        price = block.scaled(bar, place) * self.price_unit if self._uncut else block.price(bar, place)
        begin = self._time[bar]
        if not place:
            return price, 0, begin
        shape = block.shapes[bar - block.begin]
        whole: int = self.series.volume[bar] * self.volume_unit
        if shape < QUADRUPLE:  # as volume_steps has it
            volume = whole // 2 if place == 1 and shape != DOUBLE else whole
        elif shape == QUADRUPLE:
            volume = whole // 3 if place == 1 else whole // 2 if place == 2 else whole
        else:
            volume = volume_steps(shape, whole)[place]
        return price, volume, begin + self._offsets[shape][place]

    def interest_of(self, number: int) -> int:
        """The open interest at a tick, in nano; 0 when the data have none."""
        position = self.series.position
        return position[number >> 4] * self.volume_unit if position else 0

    # What orders see

    def order_tick(self) -> Tick:
        """As ``TickCursor.order_tick``."""
        now = self.time.now_ms
        if now >= self._until_ms:
            self._look(now)
        number = self.number
        if number < 0:
            return super().order_tick()
        self.consumed = number
        if self._uncut and not number & 15:  # the open of a bar, as it is
            bar = number >> 4
            last, time_ms = self._open[bar] * self.price_unit, self._time[bar]
        else:
            last, _, time_ms = self.quote(number)
        return _new_tick(Tick, (number, time_ms, last, last - self.spread, last + self.spread))

    def tick_at(self, number: int) -> Tick:
        """The tick of that number."""
        last = self.price_of(number)
        return Tick(number, self.time_of(number), last, last - self.spread, last + self.spread)

    def number_before(self, time_ms: int) -> int:
        """The number of the latest tick that came before a time; -1 if none exists."""
        bar = bisect_left(self._time, time_ms, 0, self.bar_count) - 1
        if bar < 0:
            return -1
        place = bisect_left(self._offsets[self.pattern.shape(bar)], time_ms - self._time[bar]) - 1
        return (bar << 4) + (min(place, self._last_place) if bar == self.bar_count - 1 else place)

    def first_at_or_below(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose price is ``last`` or less; -1 if none exists."""
        # A price in the series of less than the limit plus one step may be cut to the limit.
        limit = (last + self.price_tick - 1) // self.price_unit
        return self._first(self._extremes.next_low, limit, last, after, until, below=True)

    def first_at_or_above(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose price is ``last`` or more; -1 if none exists."""
        limit = -(-last // self.price_unit)
        return self._first(self._extremes.next_high, limit, last, after, until, below=False)

    def _first(
        self, search: Callable[[int, int, int], int], limit: int, last: int, after: int, until: int, *, below: bool
    ) -> int:
        bar, end = (after + 1) >> 4, (until >> 4) + 1
        while (bar := search(limit, bar, end)) < end:
            number = bar << 4
            for price in self.prices_of(bar):
                if number > until:
                    return -1
                if number > after and (price <= last if below else price >= last):
                    return number
                number += 1
            bar += 1
        return -1
