"""FMZ's symbols and order ids, and ccxt's."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.venues.ccxt.symbols import OrderRef, SymbolTable, fmz_symbol


def market(symbol: str, **more: Any) -> dict[str, Any]:
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    settle = settle.partition("-")[0]
    contract = {"swap": "-" not in symbol, "future": "-" in symbol} if settle else {}
    return {
        "symbol": symbol, "base": base, "quote": quote, "spot": not settle, "settle": settle or None,
        "linear": settle == quote if settle else None, **contract, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC/USDT", "BTC_USDT"),
        ("BTC/USDT:USDT", "BTC_USDT.swap"),
        ("BTC/USD:BTC", "BTC_USD.swap"),
        ("BTC/USDT:USDT-261225", "BTC_USDT.261225"),
        ("kPEPE/USD", "KPEPE_USD"),
        ("A_B/USDT", None),
    ],
)
def test_both_directions(name: str, symbol: str | None) -> None:
    assert fmz_symbol(market(name)) == symbol
    table = SymbolTable("ccxt:x", {name: market(name)})
    assert table.fmz(name) == symbol
    if symbol is not None:
        assert table.market(symbol)["symbol"] == name


def test_what_fmz_has_no_form_for() -> None:
    assert fmz_symbol(market("BTC/USDT:USDT-261225-50000-C", future=False, option=True)) is None
    assert fmz_symbol(market("BTC/USDC:USDT", linear=True)) is None  # settled in a third coin


def test_the_nearest_symbol_is_named_and_one_that_is_not_traded_is_refused() -> None:
    table = SymbolTable("ccxt:x", {"BTC/USDT": market("BTC/USDT"), "ETH/USDT": market("ETH/USDT", active=False)})
    with pytest.raises(errors.UnknownSymbol, match=r"does not list 'BTC_USTD'; did you mean 'BTC_USDT'"):
        table.market("BTC_USTD")
    with pytest.raises(errors.UnknownSymbol):
        table.market("ETH_USDT")


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("BTC/USDT,123", OrderRef("BTC/USDT", "123")),
        ("BTC/USDT:USDT,a-b-c", OrderRef("BTC/USDT:USDT", "a-b-c")),
        ("BTC/USDT,trigger:9", OrderRef("BTC/USDT", "9", trigger=True)),
    ],
)
def test_an_order_id_there_and_back(text: str, ref: OrderRef) -> None:
    assert OrderRef.parse(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    "text", ["", "123", "BTC/USDT", "BTC/USDT,", ",5", "BTCUSDT,5", "BTC/USDT,1,2", "BTC/USDT,a\nb"]
)
def test_what_is_no_order_id(text: str) -> None:
    with pytest.raises(errors.InputError, match="an order id must have the form"):
        OrderRef.parse(text)
