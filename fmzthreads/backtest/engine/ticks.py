"""The ticks of a base bar: when each one comes, its price, and the volume so far.

A bar has 2, 3, 4 or 14 ticks, by its shape. Source: the published engine, github.com/fmzquant/backtest_javascript. All prices and volumes are
in nano.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from ..data.bars import BarSeries
from ..data.fast_numpy import fast_numpy
from ..nano import mul

__all__ = [
    "DOUBLE",
    "EARLY",
    "FEW_MS",
    "FOURTEEN",
    "LATE",
    "MIDDLE",
    "QUADRUPLE",
    "TickPattern",
    "offsets_of",
    "volume_steps",
]

DOUBLE = 0
"""Open and close, which are both extremes."""
MIDDLE = 1
"""Open, the extreme that is not the open, and a close at the open."""
EARLY = 2
"""Open, the extreme that is not the close, and a close at the other one."""
LATE = 3
"""Open at one extreme, the other extreme, close."""
QUADRUPLE = 4
"""Open, both extremes, close."""
FOURTEEN = 5
"""A walk of fourteen prices."""

FEW_MS = 180_000
"""Base bars up to this length have at most four ticks."""

_MANY = 64  # bars, from which on numpy is faster
_THIRTIETHS = (0, 1, 2, 3, 4, 6, 10, 12, 16, 18, 23, 25, 27, 29)
_Q2 = 500_000_000
_Q3 = 750_000_000
_2_5 = 400_000_000
_3_5 = 600_000_000
_2_3 = 666_666_667
_4_15 = 266_666_667


def offsets_of(period_ms: int) -> tuple[tuple[int, ...], ...]:
    """The times of the ticks of each shape, in ms after the start of a bar.

    Args:
        period_ms: The length of a base bar.
    """
    span = period_ms * 29 // 30
    return (
        (0, span),
        (0, span * 2 // 5, span),
        (0, span // 3, span),
        (0, span * 9 // 10, span),
        (0, span * 2 // 5, span * 9 // 10, span),
        tuple(span * k // 30 for k in _THIRTIETHS),
    )


def volume_steps(shape: int, volume: int) -> tuple[int, ...]:
    """The volume so far at each tick of a bar.

    Args:
        shape: The bar's shape.
        volume: The bar's whole volume.
    """
    if shape == DOUBLE:
        return (0, volume)
    if shape < QUADRUPLE:
        return (0, volume // 2, volume)
    if shape == QUADRUPLE:
        return (0, volume // 3, volume // 2, volume)
    part = volume // 14
    return (*(part * k for k in range(13)), volume)


class TickPattern:
    """Computes the shape and the prices of the ticks of each bar of a series.

    Args:
        series: The bars.
        start_ms: The start of the test; longer base bars before it have at most four ticks too.
        price_tick: The step of prices, more than 0; each price is cut down to a multiple of it.

    Attributes:
        open: The columns of the series; ``high``, ``low``, ``close`` alike.
        numpy: The module, where it pays; else None.
        scale: One unit of the series' prices, in nano.
        cut_to: The step that the series' own prices must be cut to, in nano; 0 where all are multiples of it.
    """

    __slots__ = (
        "_exact", "_few", "_start_ms", "_tick", "_time", "close", "cut_to", "high", "low", "numpy", "open", "scale",
    )  # fmt: skip

    def __init__(self, series: BarSeries, start_ms: int, price_tick: int) -> None:
        self._time = series.time
        self.open, self.high, self.low, self.close = series.open, series.high, series.low, series.close
        self.numpy = fast_numpy(len(series))
        self.scale = 10 ** (9 - series.detail.quote_precision)
        self._tick = price_tick
        self._exact = self.scale % price_tick == 0  # the series' own prices need not be cut
        self.cut_to = 0 if self._exact else price_tick
        self._few = series.period_ms <= FEW_MS
        self._start_ms = start_ms

    def shape(self, bar: int) -> int:
        """The shape of a bar, which decides when its ticks come."""
        first, high = self.open[bar], self.high[bar]
        low, last = self.low[bar], self.close[bar]
        if first == high:
            if last == low:
                return DOUBLE
            return MIDDLE if first == last else EARLY if last == high else LATE
        if first == low:
            if last == high:
                return DOUBLE
            return MIDDLE if first == last else EARLY if last == low else LATE
        if last in (low, high):
            return EARLY
        if self._few or self._time[bar] < self._start_ms:
            return QUADRUPLE
        return FOURTEEN

    def shapes(self, begin: int, end: int) -> Sequence[int]:
        """The shapes of the bars from ``begin`` up to, not including, ``end``; as ``shape``, for many at once."""
        first_long = begin if self._few else bisect_left(self._time, self._start_ms, begin, end)
        columns = [column[begin:end] for column in (self.open, self.high, self.low, self.close)]
        found: Sequence[int]
        if self.numpy is not None and end - begin >= _MANY:
            found = _shapes_by(self.numpy, columns, QUADRUPLE if self._few else FOURTEEN)
        else:
            found = _shapes(columns, QUADRUPLE if self._few else FOURTEEN)
        if first_long == begin or FOURTEEN not in found[: first_long - begin]:
            return found
        head = [QUADRUPLE if shape == FOURTEEN else shape for shape in found[: first_long - begin]]
        return [*head, *found[first_long - begin :]]

    def prices(self, bar: int, shape: int) -> tuple[int, ...]:
        """The prices of a bar's ticks."""
        scale, tick = self.scale, self._tick
        first, high = self.open[bar] * scale, self.high[bar] * scale
        low, last = self.low[bar] * scale, self.close[bar] * scale
        exact: tuple[int, ...]
        if shape == DOUBLE:
            exact = (first, last)
        elif shape == EARLY:
            exact = (first, high if last == low else low, last)
        elif shape < QUADRUPLE:
            exact = (first, low if first == high else high, last)
        elif shape == QUADRUPLE:
            exact = (first, high, low, last) if self.high_first(bar) else (first, low, high, last)
        else:
            exact = _walk(first, high, low, last, tick, up=self.high_first(bar))
        if self._exact and shape != FOURTEEN:
            return exact
        return tuple([price - price % tick for price in exact])

    def high_first(self, bar: int) -> bool:
        """Whether the high comes before the low: in a falling bar, and in one that ends where it began after a rising one."""
        first, last = self.open[bar], self.close[bar]
        if first != last:
            return last < first
        return bar > 0 and self.close[bar - 1] > self.open[bar - 1]


def _shapes(columns: list[Any], rest: int) -> list[int]:
    """The shapes of bars; ``rest`` is that of those whose open and close lie between their extremes."""
    return [
        (DOUBLE if last == low else MIDDLE if last == first else EARLY if last == high else LATE)
        if first == high
        else (DOUBLE if last == high else MIDDLE if last == first else EARLY if last == low else LATE)
        if first == low
        else EARLY
        if last == low or last == high  # noqa: PLR1714 (a tuple would be built)
        else rest
        for first, high, low, last in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _shapes_by(numpy: Any, columns: list[Any], rest: int) -> bytes:
    """As ``_shapes``, by numpy: the shapes by which extremes the open and the close are."""
    first, high, low, last = (numpy.frombuffer(column, dtype=numpy.int64) for column in columns)
    kinds = (first == high) * 8 + (first == low) * 4 + (last == high) * 2 + (last == low)
    shapes = [rest, *_BY_EXTREMES[1:]]
    return numpy.array(shapes, dtype=numpy.uint8)[kinds].tobytes()  # type: ignore[no-any-return]


# By 8 (open is the high) + 4 (open is the low) + 2 (close is the high) + 1 (close is the low); the first is not used.
_BY_EXTREMES = (
    -1, EARLY, EARLY, EARLY, LATE, MIDDLE, DOUBLE, DOUBLE, LATE, DOUBLE, MIDDLE, DOUBLE, LATE, DOUBLE, MIDDLE, DOUBLE,
)  # fmt: skip


def _walk(first: int, high: int, low: int, last: int, tick: int, *, up: bool) -> tuple[int, ...]:
    """The fourteen prices, by way of the high first (``up``) or of the low first."""
    size = high - low
    begin = (first, min(first + tick, high), max(first - tick, low))
    if up:
        rise, rest = high - first, last - low
        return (
            *begin,
            first + mul(rise, _Q3),
            first + mul(rise, _Q2),
            high,
            high - size // 3,
            high - mul(size, _4_15),
            high - mul(size, _2_3),
            high - mul(size, _3_5),
            low,
            low + mul(rest, _Q3),
            low + mul(rest, _Q2),
            last,
        )
    fall, rest = first - low, high - last
    return (
        *begin,
        first - mul(fall, _Q3),
        first - mul(fall, _Q2),
        low,
        low + size // 3,
        low + mul(size, _4_15),
        high - size // 3,
        high - mul(size, _2_5),
        high,
        high - mul(rest, _Q3),
        high - mul(rest, _Q2),
        last,
    )
