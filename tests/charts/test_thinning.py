from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.charts.thinning import column_ranges, thin_candles, thinned


def test_of_each_column_the_first_lowest_highest_and_last_stay_in_their_order() -> None:
    values = [5, 1, 9, 4, 6, 2, 7, 3, 8, 8, 8, 8]
    times, kept = thinned(list(range(12)), values, 2)
    assert (times, kept) == ([0, 1, 2, 5, 6, 7, 8, 11], [5, 1, 9, 2, 7, 3, 8, 8])


def test_what_fits_stays_as_it_is() -> None:
    assert thinned([1, 2, 3], [7, None, 9], 1) == ([1, 2, 3], [7, None, 9])
    assert thinned([], [], 5) == ([], [])


def test_a_gap_stays_a_gap() -> None:
    values = [1.0] * 10 + [None] * 10 + [2.0] * 10
    _times, kept = thinned(list(range(30)), values, 3)
    assert None in kept
    assert kept[0] == 1
    assert kept[-1] == 2
    only = thinned(list(range(30)), [None] * 30, 3)[1]
    assert set(only) == {None}
    assert len(only) <= 6


def test_lows_and_highs_of_bars_are_looked_for_where_they_are() -> None:
    times, kept = thinned([0, 1, 2, 3], [5, 5, 5, 5], 1, lows=[4, 4, 1, 4], highs=[6, 9, 6, 6])
    assert (times, kept) == ([0, 1, 2, 3], [5, 9, 1, 5])


def test_columns_without_points_are_left_out() -> None:
    assert list(column_ranges([0, 1, 99, 100], 10)) == [range(2), range(2, 4)]
    assert list(column_ranges([5], 3)) == [range(1)]
    assert list(column_ranges([], 3)) == []
    assert list(column_ranges([5, 5, 5], 3)) == [range(3)]


def test_candles_are_joined_within_columns() -> None:
    candles = [[1, 2, 3, 4], [9, 5, 6, 7], [0, 1, 2, 3], [5, 5, 5, 5]]
    times, (opens, highs, lows, closes) = thin_candles([0, 1, 2, 3], candles, 2)
    assert (times, opens, highs, lows, closes) == ([0, 2], [1, 3], [9, 7], [0, 2], [5, 5])
    assert thin_candles([0, 1, 2, 3], candles, 4) == ([0, 1, 2, 3], candles)


def test_arrays_of_millions_are_fast_enough_to_be_thinned() -> None:
    times, values = array("q", range(300_000)), array("q", (n * 7919 % 1009 for n in range(300_000)))
    x, y = thinned(times, values, 1000)
    assert len(x) == len(y) <= 4000
    assert (min(y), max(y)) == (0, 1008)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=80), st.integers(1, 9))
def test_the_picture_does_not_change(values: list[int | None], columns: int) -> None:
    """Each column keeps its extremes, its ends, and whether it has a gap; nothing is invented; time ascends."""
    places = list(range(len(values)))
    times, kept = thinned(places, values, columns)
    assert times == sorted(times)
    assert all(values[time] == value for time, value in zip(times, kept, strict=True))
    if len(values) > 4 * columns:
        assert len(times) <= 5 * columns
    for column in column_ranges(places, columns):
        before = [values[place] for place in column]
        after = [value for time, value in zip(times, kept, strict=True) if time in column]
        assert (after[0], after[-1], None in after) == (before[0], before[-1], None in before)
        numbers, left = ([one for one in some if one is not None] for some in (before, after))
        assert (min(numbers, default=0), max(numbers, default=0)) == (min(left, default=0), max(left, default=0))


@pytest.mark.parametrize("columns", [1, 3])
def test_a_thinned_line_is_not_thinned_again(columns: int) -> None:
    times, values = thinned(list(range(100)), [n * 37 % 101 for n in range(100)], columns)
    assert thinned(times, values, columns) == (times, values)
