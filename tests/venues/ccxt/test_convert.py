"""ccxt's structures as FMZ's: what the simulators do not have (contracts, condition orders), and fields that are missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_OFFSET_CLOSE,
    ORDER_STATE_CANCELED,
    ORDER_STATE_UNKNOWN,
    PD_SHORT,
)
from fmzthreads.venues.ccxt import convert
from fmzthreads.venues.rest.parsing import Malformed

SWAP = {
    "id": "BTCUSDT", "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT", "contract": True, "linear": True,
    "contractSize": 0.001, "precision": {"price": 0.1, "amount": 1.0}, "limits": {"amount": {"min": 1.0, "max": None}, "cost": {}},
}  # fmt: skip
ORDER = {"id": "1", "side": "sell", "status": "open", "price": 5.0, "amount": 2.0, "filled": 0.0, "timestamp": 7}


def test_a_contract_counts_contracts() -> None:
    market = convert.market_of(SWAP, 4)
    assert (market.CtVal, market.CtValCcy, market.TickSize, market.AmountSize, market.MinQty) == (
        0.001,
        "BTC",
        0.1,
        1,
        1,
    )
    assert "MaxQty" not in market
    inverse = convert.market_of({**SWAP, "linear": False}, 4)
    assert inverse.CtValCcy == "USDT"


@pytest.mark.parametrize(("mode", "tick"), [(4, 2.0), (2, 0.01), (3, None)])
def test_the_three_ways_to_tell_a_precision(mode: int, tick: float | None) -> None:
    market = convert.market_of({**SWAP, "precision": {"price": 2, "amount": None}}, mode)
    assert market.get("TickSize") == tick
    assert "AmountSize" not in market


def test_the_margin_of_a_contract() -> None:
    balance = {"USDT": {"free": 5.0, "used": 1.0, "total": 6.0}, "BTC": {"free": 2.0, "used": 0.0, "total": 2.0}}
    linear = convert.account_of(balance, SWAP)
    assert (linear.Balance, linear.FrozenBalance, linear.Stocks, linear.Equity) == (5, 1, 0, 6)
    inverse = convert.account_of(balance, {**SWAP, "linear": False, "settle": "BTC"})
    assert (inverse.Balance, inverse.Stocks, inverse.Equity) == (0, 2, 2)


def test_a_position_and_a_rate() -> None:
    position = convert.position_of(
        {"side": "short", "contracts": 3.0, "entryPrice": 9.0, "leverage": 5.0, "unrealizedPnl": -1.0}, "BTC_USDT.swap"
    )
    assert (position.Type, position.Amount, position.Price, position.ContractType) == (PD_SHORT, 3, 9, "swap")
    with pytest.raises(Malformed, match="neither long nor short"):
        convert.position_of({"side": None, "contracts": 1.0}, "BTC_USDT.swap")
    rate = convert.funding_of({"fundingRate": 0.0001, "interval": "8h", "fundingTimestamp": 99}, "BTC_USDT.swap")
    assert (rate.Rate, rate.Interval, rate.Time) == (0.0001, 28_800_000, 99)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"takeProfitPrice": 9.0}, ORDER_CONDITION_TYPE_TP),
        ({"stopLossPrice": 3.0}, ORDER_CONDITION_TYPE_SL),
        ({"triggerPrice": 4.0}, ORDER_CONDITION_TYPE_GENERIC),
    ],
)
def test_a_condition_order(fields: dict[str, Any], kind: int) -> None:
    order = convert.order_of({**ORDER, **fields, "reduceOnly": True}, "BTC_USDT.swap", "x,1")
    assert order.Condition.ConditionType == kind
    assert max(order.Condition.TpTriggerPrice, order.Condition.SlTriggerPrice) == max(fields.values())
    assert (order.Offset, order.ContractType) == (ORDER_OFFSET_CLOSE, "swap")


def test_an_order_with_little_in_it() -> None:
    bare = convert.order_of({"id": "1", "side": "buy", "status": None}, "BTC_USDT", "x,1")
    assert (bare.Status, bare.Price, bare.Amount, bare.Time, bare.Condition) == (ORDER_STATE_UNKNOWN, 0, 0, 0, None)
    for word in ("canceled", "expired", "rejected"):
        assert convert.order_of({**ORDER, "status": word}, "BTC_USDT", "x,1").Status == ORDER_STATE_CANCELED
    with pytest.raises(Malformed, match="side"):
        convert.order_of({**ORDER, "side": None}, "BTC_USDT", "x,1")
    filled = convert.order_of({**ORDER, "filled": 2.0, "cost": 10.0}, "BTC_USDT", "x,1")
    assert filled.AvgPrice == 5.0


def test_a_ticker_of_one_side_and_of_none() -> None:
    half = convert.ticker_of({"last": 5.0, "ask": 6.0, "bid": None, "info": {}}, "A_B", 1)
    assert (half.Buy, half.Sell, half.High, half.Low, half.Time) == (5, 6, 6, 5, 1)
    assert convert.ticker_of({"info": {}}, "A_B", 1).Last is None


def test_a_fill_keeps_its_digits() -> None:
    fill = convert.fill_of(
        {
            "id": 3,
            "price": 0.1,
            "amount": 1e-08,
            "timestamp": 5,
            "fee": {"cost": 0.3, "currency": "BNB"},
            "takerOrMaker": "maker",
        }
    )
    assert (fill.Price, fill.Amount, fill.Fee, fill.Maker) == (Decimal("0.1"), Decimal("1E-8"), Decimal("0.3"), True)
    with pytest.raises(Malformed):
        convert.fill_of({"id": 3, "price": None, "amount": 1.0, "timestamp": 5})


def test_a_bar_that_is_incomplete() -> None:
    with pytest.raises(Malformed):
        convert.record_of([1, 2.0, None, 1.0, 1.0, 5.0])
    assert convert.record_of([1, 2.0, 3.0, 1.0, 2.0, None]).Volume == 0
