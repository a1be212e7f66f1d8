"""Older bars that fill up records: of 15 minutes or a day, joined to the period that was asked for."""

from __future__ import annotations

from itertools import pairwise

from ..data.bars import BarSeries
from .period_bars import Values, bucket, in_floats

__all__ = ["DAY_MS", "FILL_FROM_MS", "joined"]

DAY_MS = 86_400_000
FILL_FROM_MS = 900_000
"""Periods of at least this are filled up with older bars."""


def joined(series: BarSeries, period_ms: int, offset_ms: int) -> list[Values]:
    """Bars of a longer period from those that fill up records, as the values of records.

    Args:
        series: The bars.
        period_ms: The length of the new bars.
        offset_ms: See ``bucket``.
    """
    price, amount = 10 ** (9 - series.detail.quote_precision), 10 ** (9 - series.detail.base_precision)
    starts = [bucket(time, period_ms, offset_ms) for time in series.time]
    borders = [i for i, start in enumerate(starts) if not i or start != starts[i - 1]]
    bars = []
    for begin, end in pairwise([*borders, len(starts)]):
        bars.append(
            in_floats([
                starts[begin],
                series.open[begin] * price,
                max(series.high[begin:end]) * price,
                min(series.low[begin:end]) * price,
                series.close[end - 1] * price,
                sum(series.volume[begin:end]) * amount,
                series.position[end - 1] * amount if series.position else 0,
            ])
        )  # fmt: skip
    return bars
