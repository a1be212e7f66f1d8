from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.arguments import exact_decimal
from fmzthreads.errors import InputError
from fmzthreads.exchange.market_rules import MarketRules, cut, plain_text, to_precision

STEPS = st.sampled_from(
    [
        Decimal(text)
        for text in ("1e-8", "0.00001", "0.0001", "0.001", "0.005", "0.01", "0.05", "0.25", "0.5", "1", "3", "10")
    ]
)
NUMBERS = st.one_of(
    st.floats(min_value=1e-9, max_value=1e12, allow_nan=False),
    st.integers(min_value=1, max_value=10**15),
    st.decimals(min_value="1e-12", max_value="1e12", allow_nan=False, allow_infinity=False, places=12),
)


@given(NUMBERS, STEPS)
def test_an_amount_is_cut_to_an_exact_multiple_and_never_up(value, step):
    number = exact_decimal("amount", value)
    result = cut(number, step)
    assert 0 <= result <= number
    assert number - result < step
    assert Fraction(result) % Fraction(step) == 0
    assert cut(result, step) == result


@given(NUMBERS, STEPS)
def test_a_price_is_an_exact_multiple_and_at_most_noise_above(value, step):
    number = exact_decimal("price", value)
    result = cut(number, step, forgive_noise=True)
    assert Fraction(result) % Fraction(step) == 0
    assert Fraction(result) - Fraction(number) <= Fraction(step) / 10**6
    assert Fraction(number) - Fraction(result) < Fraction(step)
    assert cut(result, step, forgive_noise=True) == result


@given(NUMBERS, STEPS, st.booleans())
def test_text_has_no_exponent_and_loses_nothing(value, step, forgive):
    result = cut(exact_decimal("number", value), step, forgive_noise=forgive)
    text = plain_text(result)
    assert set(text) <= set("0123456789.")
    assert not text.startswith(".")
    assert not text.endswith(".")
    assert Decimal(text) == result


@given(st.integers(min_value=1, max_value=10**9), st.sampled_from(["0.01", "0.05", "0.1", "0.0001", "0.00000001"]))
def test_a_price_on_a_tick_stays_whatever_floats_do_to_it(ticks, tick):
    step = Decimal(tick)
    exact = step * ticks
    rules = MarketRules(symbol="A_B", tick=step)
    for noisy in (float(exact), float(step) * ticks, float(exact - step) + float(step)):
        assert rules.cut_price(exact_decimal("price", noisy)) == exact


def test_a_tick_above_is_a_tick_above():
    # In floats this is 64999.990000000005 or the like on some pairs of numbers, and below the tick on others.
    rules = MarketRules(symbol="BTC_USDT", tick=Decimal("0.01"))
    assert 1.1 + 2.2 != 3.3
    assert rules.cut_price(exact_decimal("price", 1.1 + 2.2)) == Decimal("3.3")
    assert 0.7 + 0.1 < 0.8
    assert rules.cut_price(exact_decimal("price", 0.7 + 0.1)) == Decimal("0.8")


def test_an_amount_is_not_forgiven():
    rules = MarketRules(symbol="BTC_USDT", step=Decimal("0.1"))
    assert rules.cut_amount(exact_decimal("amount", 0.7 + 0.1)) == Decimal("0.7")


@pytest.mark.parametrize(
    ("value", "exact"),
    [(0.1, "0.1"), (1e-8, "0.00000001"), (5, "5"), (Decimal("1.230"), "1.23"), (1e22, "10000000000000000000000")],
)
def test_numbers_are_read_by_their_shortest_text(value, exact):
    assert plain_text(exact_decimal("number", value)) == exact


@pytest.mark.parametrize("value", ["1", "", None, True, False, [1], 1j, b"1"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="amount must be a number"):
        exact_decimal("amount", value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("Infinity"), Decimal("sNaN")]
)
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(InputError, match="price must be finite"):
        exact_decimal("price", value)


def test_numbers_of_numpy():
    numpy = pytest.importorskip("numpy")
    assert exact_decimal("n", numpy.float64(0.1)) == Decimal("0.1")
    assert exact_decimal("n", numpy.float32(0.1)) == Decimal("0.1")
    assert exact_decimal("n", numpy.int64(7)) == 7
    with pytest.raises(InputError):
        exact_decimal("n", numpy.float64("nan"))
    with pytest.raises(InputError):
        exact_decimal("n", numpy.bool_(True))


def test_more_digits_than_a_decimal_usually_keeps_are_cut_too():
    nines = Decimal("0.1" + "9" * 40)
    assert cut(nines, Decimal("0.1")) == Decimal("0.1")
    assert cut(Decimal("123456789012345678901234567890.19"), Decimal("0.1")) == Decimal(
        "123456789012345678901234567890.1"
    )


def test_digits_are_dropped():
    assert to_precision(Decimal("1.999"), 2) == Decimal("1.99")
    assert to_precision(Decimal("1.999"), 0) == 1
    assert to_precision(Decimal("1.999"), None) == Decimal("1.999")


def test_rules_from_a_market():
    rules = MarketRules.of(
        "BTC_USDT",
        {
            "TickSize": 0.01,
            "AmountSize": 1e-05,
            "MinQty": 1e-05,
            "MaxQty": 9000.0,
            "MinNotional": 5.0,
            "MaxNotional": 0,
        },
    )
    assert (rules.tick, rules.step, rules.min_amount) == (Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"))
    assert (rules.max_amount, rules.min_notional, rules.max_notional) == (9000, 5, None)


def test_digits_stand_in_for_a_missing_step():
    rules = MarketRules.of("BTC_USDT", {"PricePrecision": 2, "AmountPrecision": 0})
    assert (rules.tick, rules.step) == (Decimal("0.01"), 1)


@pytest.mark.parametrize("nonsense", [None, 0, -1, "", "x", float("nan"), True])
def test_a_limit_that_is_none_limits_nothing(nonsense):
    rules = MarketRules.of("BTC_USDT", {"TickSize": nonsense, "MinQty": nonsense, "MaxQty": nonsense})
    assert rules == MarketRules(symbol="BTC_USDT")
    rules.check_amount(Decimal(10**12))
