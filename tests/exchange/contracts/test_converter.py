"""Contracts to coins and back: exact, never more than there is, linear and inverse alike."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.errors import InputError
from fmzthreads.exchange.contracts.converter import Contract, ContractValue
from fmzthreads.structures import Market

VALUES = st.sampled_from(["0.01", "0.1", "0.0001", "1", "10", "100"]).map(Decimal)
STEPS = st.sampled_from(["0.01", "0.1", "1"]).map(Decimal)
PRICES = st.decimals(min_value="0.0001", max_value="1000000", places=4)
COUNTS = st.integers(min_value=0, max_value=10**9)


@settings(deadline=None)
@given(VALUES, st.booleans(), STEPS, COUNTS, PRICES)
def test_contracts_become_coins_and_the_same_contracts_again(
    value: Decimal, linear: bool, step: Decimal, steps: int, price: Decimal
) -> None:
    one = ContractValue(value, linear)
    count = steps * step
    coins = one.coins(count, price)
    back = one.contracts(coins, price, step)
    # A quotient without an end is cut, so that a step may be missing, never one too many.
    assert back == count if linear else count - step <= back <= count


@settings(deadline=None)
@given(VALUES, st.booleans(), STEPS, st.decimals(min_value=0, max_value=10**6, places=8), PRICES)
def test_coins_never_become_more_contracts_than_they_pay_for(
    value: Decimal, linear: bool, step: Decimal, coins: Decimal, price: Decimal
) -> None:
    one = ContractValue(value, linear)
    count = one.contracts(coins, price, step)
    assert count % step == 0
    assert one.coins(count, price) <= coins
    assert coins < one.coins(count + step, price) * (1 + Decimal("1e-40"))


@settings(deadline=None)
@given(VALUES, st.booleans(), COUNTS, PRICES)
def test_a_short_is_the_mirror_of_a_long_and_worth_is_coins_times_price(
    value: Decimal, linear: bool, count: int, price: Decimal
) -> None:
    one, number = ContractValue(value, linear), Decimal(count)
    assert one.coins(number.copy_negate(), price) == one.coins(number, price).copy_negate()
    assert abs(one.quote(number, price) - one.coins(number, price) * price) <= abs(one.quote(number, price)) * Decimal(
        "1e-25"
    )


@pytest.mark.parametrize(
    ("value", "linear", "count", "price", "coins"),
    [
        # Binance's documents of COIN-M trades: one contract of 100 USD at 8800 is 0.01136364 BTC.
        ("100", False, "1", "8800", "0.01136364"),
        # OKX's BTC-USDT-SWAP: 0.01 BTC a contract.
        ("0.01", True, "12.5", "65000", "0.125"),
    ],
)
def test_published_numbers(value: str, linear: bool, count: str, price: str, coins: str) -> None:
    found = ContractValue(Decimal(value), linear).coins(Decimal(count), Decimal(price))
    assert round(found, 8) == Decimal(coins)


def test_an_inverse_contract_needs_a_price_and_a_linear_one_does_not() -> None:
    for work in (ContractValue(Decimal(100), False).coins, ContractValue(Decimal(100), False).contracts):
        with pytest.raises(InputError, match="an inverse contract needs a price above 0, got 0"):
            work(Decimal(1), Decimal(0))
    assert ContractValue(Decimal("0.01"), True).coins(Decimal(3), Decimal(0)) == Decimal("0.03")


def test_the_value_is_read_from_a_market() -> None:
    market = Market(Symbol="BTCUSD_PERP", BaseAsset="BTC", QuoteAsset="USD", CtVal=100.0, CtValCcy="USD")
    assert ContractValue.of(market) == ContractValue(Decimal(100), False)
    market.update(CtVal=0.01, CtValCcy="BTC")
    assert ContractValue.of(market) == ContractValue(Decimal("0.01"), True)
    market.update(CtValCcy="ETH")
    with pytest.raises(InputError, match=r"BTCUSD_PERP has no contract value in BTC or USD, but 0.01 'ETH'"):
        ContractValue.of(market)


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_a_contract_without_a_value_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="the value of a contract must be more than 0"):
        ContractValue(Decimal(value), True)


def test_the_words_of_a_contract_have_no_exponent() -> None:
    contract = Contract(
        symbol="BTC_USD.swap", venue_symbol="BTCUSD_PERP", value=ContractValue(Decimal("100"), False),
        value_currency="USD", margin_currency="BTC",
    )  # fmt: skip
    assert contract.words == "100 USD"
