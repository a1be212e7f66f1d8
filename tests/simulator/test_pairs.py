"""Any pair with a starting price can be traded, with steps that fit its price."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from fmzthreads.errors import FmzError, InputError, UnknownName
from fmzthreads.simulator.pairs import read_pairs
from tests.helpers.simulators import simulator


@pytest.mark.parametrize("venue", ["binance", "okx"])
@pytest.mark.parametrize(
    "text", ["SOL_USDT=150", "DOGE_USDT=0.08", "PEPE_USDT=0.00001", "ETH_BTC=0.05", "BTC_USDT=1e6", "X_Y=1e7"]
)
def test_a_pair_of_any_price_has_a_market(venue: str, text: str) -> None:
    symbol, _, price = text.partition("=")
    with simulator(venue, symbols=[text]) as server:
        assert server.symbols == (symbol,)
        depth = server.exchange.depth(symbol, 200)
        bid, ask = depth.bids[0][0], depth.asks[0][0]
        assert abs(float(bid) / float(price) - 1) < 0.05
        assert 0 < ask - bid < ask / 100
        assert len(depth.bids) >= 40
        assert server.exchange.balances("user")[symbol.partition("_")[0]].free > 0
        assert len(server.exchange.bars(symbol, 3600, 24)) == 24


def test_the_steps_follow_the_price() -> None:
    sol, doge = read_pairs("binance", ["SOL_USDT=150", "DOGE_USDT=0.08"])
    assert (sol.instrument.tick, sol.instrument.step) == (D("0.01"), D("0.0001"))
    assert (doge.instrument.tick, doge.instrument.step) == (D("0.000001"), D(1))
    assert (sol.price, sol.endowment) == (D(150), D(4000))
    bitcoin, ether = read_pairs("okx", ["BTC_USDT=30000", "ETH_USDT"])
    assert (bitcoin.price, bitcoin.instrument.tick, ether.price) == (D(30_000), D("0.1"), D(3000))


def test_a_recording_needs_no_price_for_its_own_pair() -> None:
    assert [pair.instrument.id for pair in read_pairs("binance", ["LTC_USDT", "ETH_USDT"], priced=True)] == [
        "LTC_USDT",
        "ETH_USDT",
    ]
    with pytest.raises(UnknownName):
        read_pairs("binance", ["ETH_USDT", "LTC_USDT"], priced=True)


@pytest.mark.parametrize(
    ("symbols", "kind", "text"),
    [
        (
            ["SOL_USDT"],
            UnknownName,
            "no starting price for 'SOL_USDT' (expected SOL_USDT=PRICE)",
        ),
        (["BTC_USDTT"], UnknownName, "did you mean 'BTC_USDT'"),
        (
            ["SOLUSDT=3"],
            InputError,
            "malformed symbol 'SOLUSDT=3'; expected BASE_QUOTE or BASE_QUOTE=PRICE, such as SOL_USDT=150",
        ),
        (["USDT_USDT=1"], InputError, "malformed symbol"),
        (["SOL_USDT=x"], InputError, "malformed starting price in 'SOL_USDT=x'"),
        (["SOL_USDT=0"], InputError, "expected a number from 0.000001 to 10000000"),
        (["SOL_USDT=nan"], InputError, "malformed starting price"),
        (["BTC_USDT", "BTC_USDT=5"], InputError, "symbol 'BTC_USDT' is given twice"),
        ([], InputError, "no symbols to trade"),
    ],
)
def test_what_a_bad_symbol_gets(symbols: list[str], kind: type[FmzError], text: str) -> None:
    with pytest.raises(kind) as caught:
        read_pairs("binance", symbols)
    assert text in str(caught.value)
