"""The lowest and the highest price of a symbol within any time, without walking all bars again and again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ..data.bars import BarSeries
from ..data.column_parts import passed
from .curves import Curve

__all__ = ["PriceRanges"]

_BLOCK = 1024


class PriceRanges:
    """Lows and highs over time, with those of each block of 1,024 kept.

    Args:
        times: Milliseconds since the epoch, ascending, at least one.
        lows: The lowest price from that time to the next.
        highs: The highest price.
        scale: What the prices are divided by.
        period_ms: How long the price of a time holds; 0 for a moment.
    """

    def __init__(
        self,
        times: Sequence[int],
        lows: Sequence[float],
        highs: Sequence[float],
        *,
        scale: float = 1.0,
        period_ms: int = 0,
    ) -> None:
        self._times, self._lows, self._highs = times, lows, highs
        self._scale, self._period_ms = scale, period_ms
        blocks = range(0, len(times), _BLOCK)
        self._block_lows = [min(lows[place : place + _BLOCK]) for place in blocks]
        self._block_highs = [max(highs[place : place + _BLOCK]) for place in blocks]

    @classmethod
    def of_bars(cls, bars: BarSeries) -> PriceRanges:
        """Those of a series of bars."""
        scale = float(10**bars.detail.quote_precision)
        return cls(bars.time, passed(bars.low), passed(bars.high), scale=scale, period_ms=bars.period_ms)

    @classmethod
    def of_curve(cls, curve: Curve) -> PriceRanges:
        """Those of single prices."""
        return cls(curve.times, curve.values, curve.values)

    def between(self, from_ms: int, to_ms: int) -> tuple[float, float]:
        """The lowest and the highest price of the bars that lie wholly within a time; infinity and its negative where there are none.

        A bar that begins before or ends after it tells nothing of the part within.
        """
        first = bisect_left(self._times, from_ms)
        end = bisect_right(self._times, to_ms - self._period_ms)
        if first >= end:
            return float("inf"), float("-inf")
        low, high = self._edges(first, end)
        return low / self._scale, high / self._scale

    def _edges(self, first: int, end: int) -> tuple[float, float]:
        block, last = -(-first // _BLOCK), end // _BLOCK
        if block >= last:
            return min(self._lows[first:end]), max(self._highs[first:end])
        lows = [*self._lows[first : block * _BLOCK], *self._lows[last * _BLOCK : end], *self._block_lows[block:last]]
        highs = [
            *self._highs[first : block * _BLOCK],
            *self._highs[last * _BLOCK : end],
            *self._block_highs[block:last],
        ]
        return min(lows), max(highs)
