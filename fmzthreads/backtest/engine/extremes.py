"""Finds the first bar of a series that reaches a price, without looking at each one.

Blocks of bars have their extremes computed once, when somebody first looks into them; a search then passes over whole blocks.
"""

from __future__ import annotations

from array import array

from ..data.bars import BarSeries
from ..data.column_parts import PassedRows

__all__ = ["BarExtremes"]

_BLOCK = 256
_NONE = -(2**62)


class BarExtremes:
    """The highest and lowest prices of blocks of bars. Prices are scaled as in the series.

    All four prices of a bar count, so that a bar whose open or close lies beyond its own extremes is found as well.

    Args:
        series: The bars.
    """

    __slots__ = ("_columns", "_highs", "_lows", "_passed", "_size")

    def __init__(self, series: BarSeries) -> None:
        self._columns = (series.open, series.high, series.low, series.close)
        self._passed = PassedRows(series.time)
        self._size = len(series)
        blocks = -(-self._size // _BLOCK)
        self._lows = array("q", [_NONE]) * blocks
        self._highs = array("q", [_NONE]) * blocks

    def next_low(self, price: int, begin: int, end: int) -> int:
        """The first bar from ``begin`` up to, not including, ``end`` that has a price of ``price`` or less; ``end`` if none has."""
        opens, _, lows, closes = self._columns
        bar = begin
        while bar < end:
            block = bar // _BLOCK
            stop = min((block + 1) * _BLOCK, end)
            if self._low_of(block) <= price:
                for at in range(bar, stop):
                    if lows[at] <= price or opens[at] <= price or closes[at] <= price:
                        return at
            bar = stop
        return end

    def next_high(self, price: int, begin: int, end: int) -> int:
        """The first bar from ``begin`` up to, not including, ``end`` that has a price of ``price`` or more; ``end`` if none has."""
        opens, highs, _, closes = self._columns
        bar = begin
        while bar < end:
            block = bar // _BLOCK
            stop = min((block + 1) * _BLOCK, end)
            if self._high_of(block) >= price:
                for at in range(bar, stop):
                    if highs[at] >= price or opens[at] >= price or closes[at] >= price:
                        return at
            bar = stop
        return end

    def _low_of(self, block: int) -> int:
        known = self._lows[block]
        if known == _NONE:
            begin = block * _BLOCK
            end = begin + _BLOCK
            self._passed.at(begin)
            opens, _, lows, closes = self._columns
            known = self._lows[block] = min(*lows[begin:end], *opens[begin:end], *closes[begin:end])
        return known

    def _high_of(self, block: int) -> int:
        known = self._highs[block]
        if known == _NONE:
            begin = block * _BLOCK
            end = begin + _BLOCK
            self._passed.at(begin)
            opens, highs, _, closes = self._columns
            known = self._highs[block] = max(*highs[begin:end], *opens[begin:end], *closes[begin:end])
        return known
