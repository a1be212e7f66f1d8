"""Longer bars from shorter ones."""

from __future__ import annotations

from bisect import bisect_left

from ..config.times import DAY_MS
from .bars import BarSeries
from .column_parts import PassedRows
from .row_spill import RowSpill

__all__ = ["aggregated", "cut_out"]

_DAY_OFFSET_MS = 28_800_000
"""Days begin at 00:00 UTC+8, as on FMZ's data server."""


def cut_out(series: BarSeries, from_ms: int, to_ms: int) -> BarSeries:
    """The bars with ``from_ms <= time < to_ms``; the very series when these are all."""
    first, last = bisect_left(series.time, from_ms), bisect_left(series.time, to_ms)
    if first == 0 and last == len(series):
        return series
    return BarSeries(
        detail=series.detail,
        period_ms=series.period_ms,
        unnamed=series.unnamed,
        time=series.time[first:last],
        open=series.open[first:last],
        high=series.high[first:last],
        low=series.low[first:last],
        close=series.close[first:last],
        volume=series.volume[first:last],
        position=series.position[first:last],
    )


def aggregated(series: BarSeries, period_ms: int, *, day_offset_ms: int = _DAY_OFFSET_MS) -> BarSeries:
    """Bars of a longer period; the first and the last one may be incomplete.

    Args:
        series: Bars of a period that divides ``period_ms``.
        period_ms: The period. Bars begin at its multiples (UTC); those of a day and longer are shifted.
        day_offset_ms: By how much bars of a day and longer begin before the day of UTC.

    Raises:
        OperationFailed: The temporary file of very many bars cannot be written.
    """
    result = BarSeries(detail=series.detail, period_ms=period_ms, unnamed=series.unnamed)
    shift = day_offset_ms if period_ms >= DAY_MS else 0
    times, place, count, passing = series.time, 0, len(series), PassedRows(series.time)
    with RowSpill() as spill:
        while place < count:
            start = (times[place] + shift) // period_ms * period_ms - shift
            end = bisect_left(times, start + period_ms, place, count)
            result.time.append(start)
            result.open.append(series.open[place])
            result.high.append(max(series.high[place:end]))
            result.low.append(min(series.low[place:end]))
            result.close.append(series.close[end - 1])
            result.volume.append(sum(series.volume[place:end]))
            if series.position:
                result.position.append(series.position[end - 1])
            place = end
            if passing.at(place):
                spill.take({"": result})
        spill.finish({"": result})
    return result
