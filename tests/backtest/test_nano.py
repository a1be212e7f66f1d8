"""Fixed-point arithmetic with nine decimals, against exact fractions."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.nano import ONE, cut, div, mul, nano, printed, to_float

NUMBERS = st.integers(-(10**18), 10**18)


def _towards_zero(number: Fraction) -> int:
    return int(number)


@given(NUMBERS, NUMBERS)
def test_products_and_quotients_are_cut_towards_zero(a: int, b: int) -> None:
    assert mul(a, b) == _towards_zero(Fraction(a, ONE) * Fraction(b, ONE) * ONE)
    if b:
        assert div(a, b) == _towards_zero(Fraction(a) / Fraction(b) * ONE)


@given(NUMBERS, st.integers(1, 10**12))
def test_a_number_is_cut_to_a_multiple_of_the_step(a: int, step: int) -> None:
    cut_number = cut(a, step)
    assert cut_number % step == 0
    assert 0 <= abs(a) - abs(cut_number) < step
    assert cut(a, 0) == a


def test_rounding_as_the_published_engine_shows_it() -> None:
    assert nano(1 / 7) == 142_857_143
    assert nano(-0.5) == -500_000_000
    assert nano(3) == 3 * ONE
    rows = [
        (100.125, 2, 100.12),
        (100.12500001, 2, 100.13),
        (199.995, 2, 200),
        (1.123455, 5, 1.12346),
        (0.000005, 5, 0.00001),
    ]
    for number, places, expected in rows:
        assert printed(number, places) == nano(expected)
    assert printed(-1, 2) == -ONE
    assert mul(nano(1600.1), nano(1 / 7)) == nano(228.585714514)
    assert to_float(nano(0.1)) == 0.1
