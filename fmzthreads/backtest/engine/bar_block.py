"""Some bars in a row whose shapes are known, for those that look at one tick after the other.

Finding the shapes of many bars at once costs a fraction of doing it bar by bar. It gives what ``TickPattern`` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .ticks import DOUBLE, EARLY, FOURTEEN, QUADRUPLE, TickPattern

__all__ = ["BarBlock"]

_EXACT = 2**53  # whole numbers up to here are floats without rounding


class BarBlock:
    """Bars of a series.

    Args:
        pattern: The ticks of the series.
        begin: The first bar.
        end: The bar after the last one.

    Attributes:
        begin: The first bar.
        end: The bar after the last one.
        shapes: The bars' shapes.
    """

    __slots__ = ("_close", "_high", "_low", "_open", "_pattern", "_scale", "_tick", "begin", "end", "shapes")

    def __init__(self, pattern: TickPattern, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self._pattern = pattern
        self._open, self._high, self._low, self._close = pattern.open, pattern.high, pattern.low, pattern.close
        self._scale: int = pattern.scale
        self._tick: int = pattern.cut_to
        self.shapes = pattern.shapes(begin, end)

    def price(self, bar: int, place: int) -> int:
        """The price of a tick, in nano.

        Args:
            bar: The bar.
            place: The tick's place in it.
        """
        if place and self.shapes[bar - self.begin] == FOURTEEN:
            return self._pattern.prices(bar, FOURTEEN)[place]
        price = self.scaled(bar, place) * self._scale
        return price - price % self._tick if self._tick else price

    def scaled(self, bar: int, place: int) -> int:
        """The price of a tick in units of the series, not cut; for bars of at most four ticks.

        Args:
            bar: As for ``price``.
            place: As for ``price``.
        """
        if not place:
            return self._open[bar]
        if place == 3:
            return self._close[bar]
        shape = self.shapes[bar - self.begin]
        if shape == QUADRUPLE:
            first, last = self._open[bar], self._close[bar]
            high_first = last < first if first != last else self._pattern.high_first(bar)
            return self._high[bar] if high_first is (place == 1) else self._low[bar]
        if place == 2 or shape == DOUBLE:
            return self._close[bar]
        if shape == EARLY:
            low = self._low[bar]
            return self._high[bar] if self._close[bar] == low else low
        high = self._high[bar]
        return self._low[bar] if self._open[bar] == high else high

    def tick_prices(self, unit: int) -> Sequence[Any]:
        """For each of the places 0 to 3 the prices that ``scaled`` gives there, divided; for bars of at most four ticks. Lists, or arrays of numpy.

        Args:
            unit: What they are divided by.
        """
        columns = [column[self.begin : self.end] for column in (self._open, self._high, self._low, self._close)]
        numpy = self._pattern.numpy
        if numpy is not None and max(columns[1]) < _EXACT and min(columns[2]) > -_EXACT:
            return self._tick_prices_by(numpy, columns, unit)
        second, third = [], []
        for place, (shape, high, low, last) in enumerate(zip(self.shapes, *columns[1:], strict=True)):
            following = last if shape == DOUBLE else self.scaled(self.begin + place, 1)
            second.append(following)
            third.append(high + low - following if shape == QUADRUPLE else last)
        return [[price / unit for price in prices] for prices in (columns[0], second, third, columns[3])]

    def _tick_prices_by(self, numpy: Any, columns: list[Any], unit: int) -> Sequence[Any]:
        """As ``tick_prices``, by numpy."""
        first, high, low, last = (numpy.frombuffer(column, dtype=numpy.int64) for column in columns)
        shapes = numpy.frombuffer(bytes(self.shapes), dtype=numpy.uint8)
        fourfold = shapes == QUADRUPLE
        high_next = numpy.where(fourfold, last < first, numpy.where(shapes == EARLY, last == low, first != high))
        for place in numpy.flatnonzero(fourfold & (first == last)).tolist():
            high_next[place] = self._pattern.high_first(self.begin + place)
        second = numpy.where(shapes == DOUBLE, last, numpy.where(high_next, high, low))
        third = numpy.where(fourfold, high + low - second, last)
        return [prices / unit for prices in (first, second, third, last)]
