"""What is wrong with a series of bars: gaps, duplicates, disorder, impossible prices, zero volumes, outliers, shifted times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import median

import attrs

from .raw_series import RawSeries

__all__ = ["Finding", "findings_of"]

_MOST_PLACES = 5
_HOUR_MS = 3_600_000
_LARGEST_SHIFT_MS = 14 * _HOUR_MS
_OUTLIER = 20.0
"""How many times the usual size of a move makes an outlier."""


@attrs.frozen
class Finding:
    """One kind of thing that is wrong.

    Attributes:
        kind: Such as ``gaps``.
        count: How many there are.
        text: What it is, with the share.
        places: The first few, in words.
        serious: Whether a backtest refuses such bars.
    """

    kind: str
    count: int
    text: str
    places: tuple[str, ...]
    serious: bool = False


def findings_of(series: RawSeries) -> list[Finding]:
    """Everything that is wrong with a series; empty when nothing is."""
    if not len(series):
        return [Finding("empty", 1, "no bars", (), serious=True)]
    return [
        finding
        for finding in (
            *_times(series), _impossible(series), _zero_volumes(series), _outliers(series), _unaligned(series)
        )
        if finding.count
    ]  # fmt: skip


def _finding(series: RawSeries, kind: str, rows: Sequence[int], text: str, *, serious: bool = False) -> Finding:
    places = tuple(f"{series.place(row)}: {series.time[row]} ms" for row in rows[:_MOST_PLACES])
    return Finding(kind, len(rows), text, places, serious)


def _times(series: RawSeries) -> list[Finding]:
    period = series.period_ms()
    gaps: list[int] = []
    missing = 0
    twice: list[int] = []
    back: list[int] = []
    slips: list[int] = []
    for row, (before, after) in enumerate(series.steps(), 1):
        step = after - before
        if step == period:
            continue
        if step == 0:
            twice.append(row)
        elif step < 0:
            back.append(row)
        else:
            gaps.append(row)
            missing += step // period - 1
        shift = step - period
        if shift and shift % _HOUR_MS == 0 and abs(shift) <= _LARGEST_SHIFT_MS and period < _HOUR_MS:
            slips.append(row)
    whole = len(series) + missing
    return [
        _finding(
            series, "gaps", gaps, f"{missing} bars are missing in {len(gaps)} gaps ({missing / whole:.2%} of the time)"
        ),
        _finding(series, "duplicates", twice, f"{len(twice)} bars have the time of the bar before", serious=True),
        _finding(series, "disorder", back, f"{len(back)} bars are earlier than the bar before", serious=True),
        _finding(
            series,
            "time zone",
            slips,
            f"{len(slips)} times the clock jumps by whole hours, as when the time zone or summer time changes",
        ),
    ]


def _impossible(series: RawSeries) -> Finding:
    rows = [row for row in range(len(series)) if not series.is_bar(row)]
    return _finding(series, "prices", rows, f"{len(rows)} bars do not have low <= open, close <= high", serious=True)


def _zero_volumes(series: RawSeries) -> Finding:
    rows = [row for row, volume in enumerate(series.volume) if not volume > 0]
    return _finding(series, "zero volumes", rows, f"{len(rows)} bars have no volume ({len(rows) / len(series):.2%})")


def _outliers(series: RawSeries) -> Finding:
    """Closes that jump away and back, by far more than usual."""
    close = series.close
    moves = [abs(math.log(b / a)) if a > 0 and b > 0 else 0.0 for a, b in itertools.pairwise(close)]
    usual = median(sorted(move for move in moves if move > 0) or [0.0])
    rows = [
        row
        for row in range(1, len(close) - 1)
        if moves[row - 1] > _OUTLIER * usual > 0
        and moves[row] > _OUTLIER * usual
        and (close[row] > close[row - 1]) != (close[row + 1] > close[row])
    ]
    rows += [row for row, value in enumerate(close) if not value > 0]
    return _finding(
        series,
        "outliers",
        sorted(rows),
        f"{len(rows)} closes jump away and back by more than {_OUTLIER:g} times the usual move",
    )


def _unaligned(series: RawSeries) -> Finding:
    period = series.period_ms()
    offset = series.time[0] % period
    rows = [row for row, time_ms in enumerate(series.time) if time_ms % period != offset]
    return _finding(
        series,
        "unaligned",
        rows,
        f"{len(rows)} bars do not begin at a whole multiple of {period / 1000:g} s after the first one",
    )
