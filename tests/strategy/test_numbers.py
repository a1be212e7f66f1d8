"""FMZ's number helpers against the vectors of its public Python engine."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.errors import InputError
from fmzthreads.strategy.globals import _N, _Cross
from fmzthreads.strategy.numbers import is_refused


@pytest.mark.parametrize(
    ("num", "precision", "expected"),
    [
        (0.29, 2, 0.29),  # a float just below 0.29: without the addition it would become 0.28
        (1.15, 2, 1.15),
        (1.239, 2, 1.23),
        (-1.239, 2, -1.23),
        (-1.15, 2, -1.14),  # the addition's price
        (123.7, 0, 123.0),
        (3.1415926, 4, 3.1415),
        (1300, -3, 1000),
        (-1300, -3, -2000),
        (1359.9, -2, 1300.0),
        (0, 4, 0.0),
        (Decimal("1.23456"), 2, 1.23),
        (1.5, 2.0, 1.5),
        (1e300, 4, 1e300),
    ],
)
def test_n_vectors(num: float, precision: int, expected: float) -> None:
    assert _N(num, precision) == expected


def test_n_types_and_default() -> None:
    assert _N(1.234567) == 1.2345
    assert isinstance(_N(123, 0), float)
    assert isinstance(_N(1300, -3), int)
    assert isinstance(_N(1300.0, -3), float)


@pytest.mark.parametrize("num", [None, "1.5", math.nan, math.inf, [1], b"1"])
def test_n_refuses_what_is_no_number(num: object) -> None:
    with pytest.raises(InputError, match="_N"):
        _N(num)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", [1.5, "2", None, math.nan, 400])
def test_n_refuses_a_precision_that_makes_no_sense(precision: object) -> None:
    with pytest.raises(InputError, match="_N"):
        _N(1.5, precision)  # type: ignore[arg-type]


@given(st.decimals(min_value=0, max_value=100_000, places=4), st.integers(0, 4))
def test_n_keeps_what_a_decimal_cut_keeps(exact: Decimal, places: int) -> None:
    step = Decimal(1).scaleb(-places)
    assert _N(float(exact), places) == float((exact // step) * step)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 8, 8, 9], [2, 3, 4, 5, 6, 7, 7, 7, 7], 3),
        ([2, 3, 4, 5, 6, 7, 7, 7, 7], [1, 2, 3, 4, 5, 6, 8, 8, 9], -3),
        ([1, 2, 3], [3, 2, 1], 1),
        ([5, 6], [1, 2], 2),  # always above: no crossing is looked for
        ([1, 2], [1, 2], 0),
        ([1, 5, 5], [1, 2, 3], 2),
        ([5, None, 5], [1, 1, 1], 1),
        ([5, 5, 5], [1, 1, None], 0),
        ([5.0, 5.0, math.nan], [1, 1, 1], 0),
        ([5.0, math.nan, 5.0], [1, 1, 1], 1),
        ([], [], 0),
    ],
)
def test_cross_vectors(first: list[float], second: list[float], expected: int) -> None:
    result = _Cross(first, second)
    assert result == expected
    assert type(result) is int


def test_cross_refuses_two_lengths() -> None:
    with pytest.raises(InputError, match="2 and 3"):
        _Cross([1, 2], [1, 2, 3])


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, Decimal(0)])
def test_c_refuses(value: object) -> None:
    assert is_refused(value)


@pytest.mark.parametrize("value", ["", [], {}, (), True, 1, -1, 1e-9, math.nan, "0", object(), [0]])
def test_c_accepts(value: object) -> None:
    assert not is_refused(value)


def test_helpers_take_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert _Cross(numpy.array([1.0, 3.0]), numpy.array([2.0, 2.0])) == 1
    assert _N(numpy.float64(1.23456), 2) == 1.23
    assert is_refused(numpy.float64(0))
    assert not is_refused(numpy.array([0.0, 0.0]))
