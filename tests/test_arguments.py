"""Numbers given as arguments: every kind of number counts, text never does."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fmzthreads.arguments import exact_decimal, real_number, whole_number
from fmzthreads.clock import ManualClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import InputError


class Index:
    """A number by its ``__index__`` alone."""

    def __repr__(self) -> str:
        return "Index()"

    def __index__(self) -> int:
        return 5


def numpy_fives() -> list[Any]:
    numpy = pytest.importorskip("numpy")
    kinds = ("int8", "int64", "uint32", "float16", "float32", "float64", "longdouble")
    return [*(getattr(numpy, kind)(5) for kind in kinds), numpy.array(5)]


FIVES = [5, 5.0, Decimal(5), Decimal("5.0"), Fraction(5), Index()]
NOT_NUMBERS = [
    "5", "", b"5", None, True, False, [5], {}, 5j, float("nan"), Decimal("NaN"), Decimal("sNaN"),
]  # fmt: skip


@pytest.mark.parametrize("value", FIVES, ids=repr)
def test_every_kind_of_number_counts(value: Any) -> None:
    found = (whole_number("n", value), real_number("n", value), exact_decimal("n", value))
    assert found == (5, 5.0, Decimal(5))
    assert [type(number) for number in found] == [int, float, Decimal]


def test_numbers_of_numpy_count() -> None:
    for value in numpy_fives():
        found = (whole_number("n", value), real_number("n", value), exact_decimal("n", value))
        assert found == (5, 5.0, Decimal(5)), type(value)
        assert [type(number) for number in found] == [int, float, Decimal]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize("read", [whole_number, real_number, exact_decimal])
def test_anything_else_is_refused_by_name(read: Any, value: Any) -> None:
    with pytest.raises(InputError, match="limit must be"):
        read("limit", value)


def test_numpys_booleans_and_arrays_are_no_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.True_, numpy.array([1, 2]), numpy.str_("5")):
        for read in (whole_number, real_number, exact_decimal):
            with pytest.raises(InputError, match="n must be"):
                read("n", value)


@pytest.mark.parametrize("value", [1.5, Decimal("0.1"), Fraction(1, 3), float("inf"), -1, 11, 10**30])
def test_a_whole_number_in_its_range(value: Any) -> None:
    with pytest.raises(InputError, match="n must be a whole number from 0 to 10, got"):
        whole_number("n", value, most=10)


def test_decimals_are_exact() -> None:
    numpy = pytest.importorskip("numpy")
    assert exact_decimal("n", 0.1) == Decimal("0.1")
    assert exact_decimal("n", numpy.float64(0.1)) == Decimal("0.1")
    assert exact_decimal("n", numpy.float32(0.1)) == Decimal("0.1")
    assert exact_decimal("n", Fraction(1, 8)) == Decimal("0.125")
    assert str(exact_decimal("n", Fraction(2, 3)))[:12] == "0.6666666666"
    for value in (float("inf"), Decimal("-Infinity"), Decimal(11)):
        with pytest.raises(InputError):
            exact_decimal("n", value, most=Decimal(10))


def test_real_numbers_may_be_infinite_and_must_fit_a_float() -> None:
    assert real_number("n", float("inf")) == float("inf")
    with pytest.raises(InputError, match="n must be a number of seconds"):
        real_number("n", 10**400, expected="a number of seconds")


@pytest.mark.parametrize("value", [2, 2.0, Decimal(2), Fraction(2)], ids=repr)
def test_a_deadline_takes_every_number(value: Any) -> None:
    assert Deadline(ManualClock(), value).remaining() == 2.0


@pytest.mark.parametrize("value", ["2", float("nan"), True, b"2"], ids=repr)
def test_a_deadline_takes_nothing_else(value: Any) -> None:
    with pytest.raises(InputError, match="timeout_s must be a number of seconds, or None"):
        Deadline(ManualClock(), value)
