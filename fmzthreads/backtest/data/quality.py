"""What is wrong with a series of bars: gaps, duplicates, disorder, impossible prices, zero volumes, outliers, shifted times."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs

from .column_parts import parts_of
from .raw_series import RawSeries

__all__ = ["Finding", "findings_of"]

_MOST_PLACES = 5
_HOUR_MS = 3_600_000
_LARGEST_SHIFT_MS = 14 * _HOUR_MS
_LARGEST_POWER = 1024
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
            *_times(series), _impossible(series), *_volumes(series), _outliers(series), _unaligned(series)
        )
        if finding.count
    ]  # fmt: skip


class _Places:
    """Rows at which something is wrong: how many there are, and the first few.

    Args:
        series: The series.
    """

    def __init__(self, series: RawSeries) -> None:
        self._series = series
        self.count = 0
        self._first: list[int] = []

    def add(self, row: int) -> None:
        """Adds a row, later than those before it."""
        self.count += 1
        if len(self._first) < _MOST_PLACES:
            self._first.append(row)

    def finding(self, kind: str, text: str, *, serious: bool = False) -> Finding:
        """What is wrong there."""
        series = self._series
        places = tuple(f"{series.place(row)}: {series.time[row]} ms" for row in self._first)
        return Finding(kind, self.count, text, places, serious)


def _times(series: RawSeries) -> list[Finding]:
    period = series.period_ms()
    missing = 0
    gaps, twice, back, slips = (_Places(series) for _ in range(4))
    for row, (before, after) in enumerate(_pairs(series.time), 1):
        step = after - before
        if step == period:
            continue
        if step == 0:
            twice.add(row)
        elif step < 0:
            back.add(row)
        else:
            gaps.add(row)
            missing += step // period - 1
        shift = step - period
        if shift and shift % _HOUR_MS == 0 and abs(shift) <= _LARGEST_SHIFT_MS and period < _HOUR_MS:
            slips.add(row)
    whole = len(series) + missing
    return [
        gaps.finding("gaps", f"{missing} bars are missing in {gaps.count} gaps ({missing / whole:.2%} of the time)"),
        twice.finding("duplicates", f"{twice.count} bars have the time of the bar before", serious=True),
        back.finding("disorder", f"{back.count} bars are earlier than the bar before", serious=True),
        slips.finding(
            "time zone",
            f"{slips.count} times the clock jumps by whole hours, as when the time zone or summer time changes",
        ),
    ]


def _impossible(series: RawSeries) -> Finding:
    found = _Places(series)
    for begin, columns in parts_of(series.open, series.high, series.low, series.close):
        for row, (first, high, low, last) in enumerate(zip(*columns, strict=True), begin):
            if not (-math.inf < low <= first <= high < math.inf and low <= last <= high):
                found.add(row)
    return found.finding(
        "prices", f"{found.count} bars do not have finite prices with low <= open, close <= high", serious=True
    )


def _volumes(series: RawSeries) -> list[Finding]:
    zero, wrong = _Places(series), _Places(series)
    for row, volume in enumerate(_each(series.volume)):
        if volume == 0:
            zero.add(row)
        elif not 0 < volume < math.inf:
            wrong.add(row)
    return [
        zero.finding("zero volumes", f"{zero.count} bars have no volume ({zero.count / len(series):.2%})"),
        wrong.finding("volumes", f"{wrong.count} bars have a volume that is negative or not finite", serious=True),
    ]


def _outliers(series: RawSeries) -> Finding:
    """Closes that jump away and back, by far more than usual."""
    most = _OUTLIER * _median(lambda: (move for move in _moves(series.close) if move > 0))
    found = _Places(series)
    before, price = 0.0, 0.0
    for row, (move, (close, after)) in enumerate(zip(_moves(series.close), _pairs(series.close), strict=True)):
        if not close > 0 or (before > most > 0 and move > most and (close > price) != (after > close)):
            found.add(row)
        before, price = move, close
    if not series.close[-1] > 0:
        found.add(len(series) - 1)
    return found.finding(
        "outliers", f"{found.count} closes jump away and back by more than {_OUTLIER:g} times the usual move"
    )


def _moves(close: Any) -> Iterator[float]:
    """How far each price is from the one before, as a logarithm; 0 where one is missing."""
    return itertools.starmap(_move, _pairs(close))


def _move(before: float, after: float) -> float:
    if not (before > 0 and after > 0) or before == after:
        return 0.0
    ratio = after / before
    return abs(math.log(ratio)) if 0 < ratio < math.inf else math.inf


def _median(values: Callable[[], Iterable[float]]) -> float:
    """The median of numbers above 0 without having all of them in memory; 0 without any.

    Args:
        values: Returns them, each time anew: they are counted by size first, and then only those of the sizes in the middle are sorted.
    """
    sizes = Counter(map(_size_of, values()))
    count, passed = sizes.total(), 0
    if not count:
        return 0.0
    middle = {(count - 1) // 2, count // 2}
    wanted: set[tuple[int, int]] = set()
    before = 0
    for size in sorted(sizes):
        if any(passed <= place < passed + sizes[size] for place in middle):
            before = before if wanted else passed
            wanted.add(size)
        passed += sizes[size]
    found = sorted(array("d", (value for value in values() if _size_of(value) in wanted)))
    return math.fsum(found[place - before] for place in middle) / len(middle)


def _size_of(value: float) -> tuple[int, int]:
    """A measure that ascends with a number above 0, of which few exist."""
    if math.isinf(value):
        return _LARGEST_POWER + 1, 0
    share, power = math.frexp(value)
    return power, int(share * 65536)


def _unaligned(series: RawSeries) -> Finding:
    period, found = series.period_ms(), _Places(series)
    offset = series.time[0] % period
    for row, time_ms in enumerate(_each(series.time)):
        if time_ms % period != offset:
            found.add(row)
    return found.finding(
        "unaligned",
        f"{found.count} bars do not begin at a whole multiple of {period / 1000:g} s after the first one",
    )


def _each(column: Any) -> Iterator[Any]:
    return itertools.chain.from_iterable(part for _, (part,) in parts_of(column))


def _pairs(column: Any) -> Iterator[tuple[Any, Any]]:
    """Each two neighbours."""
    return itertools.pairwise(_each(column))
