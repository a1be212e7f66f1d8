"""Names: FMZ's that are not built yet say so, and none of them leads to another."""

from __future__ import annotations

import pytest

from fmzthreads import Exchange as RootExchange
from fmzthreads.errors import NotBuiltYet, NotSupported, UnknownName, no_such_name
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.venues import registry
from tests.helpers.exchange_room import make


def test_there_is_one_exchange_class() -> None:
    assert RootExchange is Exchange


def test_other_unknown_methods_name_the_nearest() -> None:
    exchange, _, _ = make()
    with pytest.raises(UnknownName, match="did you mean 'GetDepth'"):
        getattr(exchange, "GetDpth")  # noqa: B009 (an expression alone would look forgotten)
    with pytest.raises(UnknownName, match="did you mean 'GetDepth'"):
        exchange.check_call("GetDpth")
    with pytest.raises(TypeError, match="GetTickers takes 0 arguments, got 1"):
        exchange.check_call("GetTickers", ("x",))
    with pytest.raises(TypeError, match="GetOrder takes 1 argument, got 0"):
        exchange.Go("GetOrder")
    exchange.check_call("GetDepth")


@pytest.mark.parametrize("name", ["Futures_Bibox", "Futures_Anything", "GateIO"])
def test_an_exchange_that_is_not_built_yet_says_so(name: str) -> None:
    with pytest.raises(NotBuiltYet) as caught:
        Exchange(name, "BTC_USDT")
    assert str(caught.value) == f"FMZ has {name}; fmzthreads does not yet"
    assert isinstance(caught.value, NotSupported)


@pytest.mark.parametrize(
    "name",
    ["Binance_Futures", "futures_binance", "BinanceSwap", "OKX_perpetual", "Futures_", "FUTURES_OKX", "OKXFutures"],
)
def test_a_name_that_means_contracts_never_leads_to_spot(name: str) -> None:
    with pytest.raises(NotBuiltYet) as caught:
        Exchange(name, "BTC_USDT")
    assert not any(repr(spot) in str(caught.value) for spot in registry.VENUES)


def test_other_unknown_exchanges_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'Binance'"):
        Exchange("binance", "BTC_USDT")
    with pytest.raises(NotBuiltYet, match="did you mean 'Bitget'"):
        Exchange("bitget", "BTC_USDT")


def test_no_such_name() -> None:
    assert str(no_such_name("no colour", "reed", ["red", "blue"])) == "no colour 'reed'; did you mean 'red'?"
    assert isinstance(no_such_name("no colour", "green", ["red", "blue"], ["green"]), NotBuiltYet)
    assert str(no_such_name("no colour", "qqq", ["red"], ["green"])) == "no colour 'qqq'; valid: 'red'"
