"""ccxt's binanceusdm and binancecoinm, unmodified, trade the simulated contracts: only their addresses are changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import contract_simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt")

SYMBOLS = {"binanceusdm": "BTC/USDT:USDT", "binancecoinm": "BTC/USD:BTC"}
AMOUNTS = {"binanceusdm": 0.01, "binancecoinm": 10.0}


def _loopback(value: Any, base: str) -> Any:
    """Every address in ccxt's table, moved to the loopback with its path kept."""
    if isinstance(value, dict):
        return {key: _loopback(entry, base) for key, entry in value.items()}
    return base + "/" + value.split("//", 1)[1].split("/", 1)[1] if "/" in value.split("//", 1)[-1] else base


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture(params=["binanceusdm", "binancecoinm"])
def client(server: SimulatorServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = getattr(ccxt, request.param)({"apiKey": server.key, "secret": server.secret, "enableRateLimit": False})
    made.urls["api"] = _loopback(made.urls["api"], server.base_url)
    made.session.trust_env = False
    made.load_markets()
    yield made
    made.cancel_all_orders(SYMBOLS[request.param])
    for position in made.fetch_positions([SYMBOLS[request.param]]):
        if position["contracts"]:
            way = "sell" if position["side"] == "long" else "buy"
            made.create_order(position["symbol"], "market", way, position["contracts"], None, {"reduceOnly": True})
    made.session.close()


def names(client: Any) -> tuple[str, float, float]:
    """Symbol, a small amount, and the best ask."""
    symbol = SYMBOLS[client.id]
    return symbol, AMOUNTS[client.id], client.fetch_order_book(symbol, 5)["asks"][0][0]


def test_markets_and_public_data(client: Any) -> None:
    symbol, _, ask = names(client)
    market = client.market(symbol)
    assert (market["swap"], market["linear"], market["active"]) == (True, client.id == "binanceusdm", True)
    assert market["contractSize"] == (1 if client.id == "binanceusdm" else 100)
    assert market["precision"]["price"] == 0.1
    ticker = client.fetch_ticker(symbol)
    assert abs(ticker["last"] / ask - 1) < 0.01
    assert client.fetch_trades(symbol, limit=3)[-1]["price"] > 0
    bars = client.fetch_ohlcv(symbol, "1h", limit=3)
    assert len(bars) == 3
    since = client.fetch_ohlcv(symbol, "1h", since=bars[0][0], limit=2)
    assert [bar[0] for bar in since] == [bar[0] for bar in bars[:2]]
    funding = client.fetch_funding_rate(symbol)
    assert abs(funding["markPrice"] / ask - 1) < 0.01
    assert funding["fundingTimestamp"] > 0
    assert client.fetch_leverage_tiers([symbol])[symbol][0]["maxLeverage"] == 125
    assert symbol in client.fetch_bids_asks([symbol])
    assert client.fetch_open_interest(symbol)["openInterestAmount"] > 0


def test_a_position_is_opened_read_and_closed(client: Any) -> None:
    symbol, amount, ask = names(client)
    client.set_leverage(10, symbol)
    before = client.fetch_balance()[client.market(symbol)["settle"]]["total"]
    bought = client.create_order(symbol, "market", "buy", amount)
    assert (bought["status"], bought["filled"]) == ("closed", amount)
    read = client.fetch_order(bought["id"], symbol)
    assert abs(read["average"] / ask - 1) < 0.001
    held = next(position for position in client.fetch_positions([symbol]) if position["contracts"])
    assert (held["side"], held["contracts"], held["marginMode"]) == ("long", amount, "cross")
    assert abs(held["entryPrice"] / ask - 1) < 0.001
    with pytest.raises(ccxt.ExchangeError, match="-2022"):
        client.create_order(symbol, "market", "buy", amount, None, {"reduceOnly": True})
    client.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
    assert not any(position["contracts"] for position in client.fetch_positions([symbol]))
    trades = client.fetch_my_trades(symbol)[-2:]
    realized = float(trades[1]["info"]["realizedPnl"])
    fees = sum(trade["fee"]["cost"] for trade in trades)
    assert realized <= 0 < fees
    after = client.fetch_balance()[client.market(symbol)["settle"]]["total"]
    assert after == pytest.approx(before + realized - fees, abs=1e-9)
    assert {row["info"]["incomeType"] for row in client.fetch_ledger()} >= {"COMMISSION"}


def test_limit_orders_are_placed_changed_listed_and_cancelled(client: Any) -> None:
    symbol, amount, ask = names(client)
    placed = client.create_order(symbol, "limit", "buy", amount, round(ask * 0.97, 1))
    edited = client.edit_order(placed["id"], symbol, "limit", "buy", amount, round(ask * 0.96, 1))
    assert (edited["id"], edited["price"]) == (placed["id"], round(ask * 0.96, 1))
    assert [order["id"] for order in client.fetch_open_orders(symbol)] == [placed["id"]]
    assert client.cancel_order(placed["id"], symbol)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(placed["id"], symbol)
    both = client.create_orders(
        [{"symbol": symbol, "type": "limit", "side": "buy", "amount": amount, "price": round(ask * 0.97, 1)}] * 2
    )
    gone = client.cancel_orders([order["id"] for order in both], symbol)
    assert [order["status"] for order in gone] == ["canceled", "canceled"]
    assert placed["id"] in {order["id"] for order in client.fetch_orders(symbol)}


def test_conditional_orders_live_at_their_own_door(client: Any) -> None:
    symbol, amount, ask = names(client)
    client.create_order(symbol, "market", "buy", amount)
    stop = client.create_order(
        symbol, "market", "sell", amount, None, {"stopLossPrice": round(ask * 0.9, 1), "reduceOnly": True}
    )
    trail = client.create_order(symbol, "market", "sell", amount, None, {"trailingPercent": 5, "reduceOnly": True})
    assert client.fetch_open_orders(symbol) == []
    listed = client.fetch_open_orders(symbol, params={"trigger": True})
    assert [order["id"] for order in listed] == [stop["id"], trail["id"]]
    client.cancel_order(stop["id"], symbol, {"trigger": True})
    assert len(client.fetch_open_orders(symbol, params={"trigger": True})) == 1


def test_settings_of_leverage_margin_and_position_mode(client: Any) -> None:
    symbol = names(client)[0]
    client.set_margin_mode("isolated", symbol)
    client.set_margin_mode("cross", symbol)
    client.set_position_mode(True)
    assert client.fetch_position_mode(symbol)["hedged"]
    client.set_position_mode(False)
    assert client.fetch_trading_fee(symbol)["taker"] == 0.0005
