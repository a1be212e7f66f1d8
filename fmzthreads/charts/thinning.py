"""Thins series for drawing: of each pixel column the first, the lowest, the highest and the last point stay, so that the picture does not change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, TypeVar

__all__ = ["column_ranges", "thin_candles", "thinned"]

T = TypeVar("T", bound=float)


def column_ranges(times: Sequence[float], columns: int, start: int = 0, stop: int | None = None) -> Iterator[range]:
    """The places of the points in each pixel column that has any, from left to right.

    Args:
        times: Ascending.
        columns: How many columns of equal width there are, at least 1.
        start: The place of the first point.
        stop: The place after the last point; None for all.
    """
    stop = len(times) if stop is None else stop
    if stop <= start:
        return
    first, span, end = times[start], times[stop - 1] - times[start], start
    for column in range(1, columns + 1):
        begin = end
        end = stop if column == columns else bisect_left(times, first + span * column / columns, begin, stop)
        if end > begin:
            yield range(begin, end)


def thinned(
    times: Sequence[T],
    values: Sequence[Any],
    columns: int,
    *,
    lows: Sequence[Any] | None = None,
    highs: Sequence[Any] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> tuple[list[T], list[Any]]:
    """The points of a line that can be seen: at most four a column, those that were there, in their order.

    Args:
        times: Ascending.
        values: As many numbers; None is a gap, of which one stays in a column.
        columns: How many columns of pixels the drawing has, at least 1.
        lows: Where the lowest value of a column is looked for, when not in the values themselves: the lows of bars.
        highs: Where the highest one is looked for.
        start: The place of the first point.
        stop: The place after the last point; None for all.

    Returns:
        Times and values; all of them when there are no more than four a column.
    """
    stop = len(times) if stop is None else stop
    if stop - start <= 4 * columns and lows is None and highs is None:
        return list(times[start:stop]), list(values[start:stop])
    out_times: list[T] = []
    out_values: list[Any] = []
    for places in column_ranges(times, columns, start, stop):
        for place, value in _kept(places, values, lows or values, highs or values):
            out_times.append(times[place])
            out_values.append(value)
    return out_times, out_values


def _kept(places: range, values: Sequence[Any], lows: Sequence[Any], highs: Sequence[Any]) -> list[tuple[int, Any]]:
    start, end = places.start, places.stop
    kept = {(start, 1): values[start], (end - 1, 4): values[end - 1]}
    for rank, numbers, best in ((2, lows[start:end], min), (3, highs[start:end], max)):
        if None in numbers:
            known = [number is not None for number in numbers]
            kept.setdefault((start + known.index(False), 1), None)
            if not any(known):
                continue
            extreme = best(compress(numbers, known))
        else:
            extreme = best(numbers)
        place = start + numbers.index(extreme)
        if values[place] != extreme or place not in (start, end - 1):
            kept[place, rank] = extreme
    ordered: list[tuple[int, Any]] = []
    for (place, _), value in sorted(kept.items(), key=lambda item: item[0]):
        if not ordered or ordered[-1] != (place, value):
            ordered.append((place, value))
    return ordered


def thin_candles(times: Sequence[T], candles: Sequence[Sequence[Any]], most: int) -> tuple[list[T], list[list[Any]]]:
    """Candles joined within pixel columns: the first open, the highest high, the lowest low, the last close.

    Args:
        times: Ascending.
        candles: Four columns as long as the times: open, high, low, close.
        most: The most candles that are returned, at least 1.

    Returns:
        Times and the four columns; as they were when there are no more.
    """
    if len(times) <= most:
        return list(times), [list(column) for column in candles]
    out_times: list[T] = []
    out: list[list[Any]] = [[], [], [], []]
    opens, highs, lows, closes = candles
    for places in column_ranges(times, most):
        start, end = places.start, places.stop
        out_times.append(times[start])
        joined = (opens[start], max(highs[start:end]), min(lows[start:end]), closes[end - 1])
        for column, value in zip(out, joined, strict=True):
            column.append(value)
    return out_times, out
