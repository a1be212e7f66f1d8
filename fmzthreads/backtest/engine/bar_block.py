"""Some bars in a row, decoded for those that look at one tick after the other.

Decoding many bars at once, and reading lists, costs a fraction of reading the columns of a series bar by bar. It gives what ``TickPattern`` gives.
"""

from __future__ import annotations

from .ticks import DOUBLE, EARLY, FOURTEEN, QUADRUPLE, TickPattern

__all__ = ["BarBlock"]


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

    __slots__ = ("_closes", "_highs", "_lows", "_opens", "_pattern", "_scale", "_tick", "begin", "end", "shapes")

    def __init__(self, pattern: TickPattern, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self._pattern = pattern
        self._opens, self._highs, self._lows, self._closes = pattern.columns(begin, end)
        self._scale: int = pattern.scale
        self._tick: int = pattern.cut_to
        self.shapes = pattern.shapes(begin, end)

    def price(self, bar: int, place: int) -> int:
        """The price of a tick, in nano.

        Args:
            bar: The bar.
            place: The tick's place in it.
        """
        at = bar - self.begin
        if not place:
            price = self._opens[at] * self._scale
        else:
            shape = self.shapes[at]
            if shape == FOURTEEN:
                return self._pattern.prices(bar, shape)[place]
            if shape == QUADRUPLE:
                if place == 3:
                    price = self._closes[at]
                else:
                    first, last = self._opens[at], self._closes[at]
                    high_first = last < first if first != last else self._pattern.high_first(bar)
                    price = self._highs[at] if high_first is (place == 1) else self._lows[at]
            elif place == 2 or shape == DOUBLE:
                price = self._closes[at]
            elif shape == EARLY:
                low = self._lows[at]
                price = self._highs[at] if self._closes[at] == low else low
            else:
                high = self._highs[at]
                price = self._lows[at] if self._opens[at] == high else high
            price *= self._scale
        return price - price % self._tick if self._tick else price
