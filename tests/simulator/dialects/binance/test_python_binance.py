"""A second unmodified client: python-binance, which sends orders and cancels in form bodies and always sends its key."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client warns about when it is imported is not ours
    client_module: Any = pytest.importorskip("binance.client")
    exceptions: Any = pytest.importorskip("binance.exceptions")

pytestmark = pytest.mark.usefixtures("own_event_loop")


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with simulator("binance") as running:
        yield running


def connect(server: SimulatorServer, secret: str = "") -> Any:
    addresses = {
        "API_URL": f"{server.base_url}/api",
        "MARGIN_API_URL": f"{server.base_url}/sapi",
        "FUTURES_URL": f"{server.base_url}/fapi",
    }
    made = type("Client", (client_module.Client,), addresses)(server.key, secret or server.secret)
    made.session.trust_env = False
    return made


@pytest.fixture
def client(server: SimulatorServer) -> Iterator[Any]:
    made = connect(server)
    yield made
    made.session.close()


def test_public_data(client: Any) -> None:
    assert client.ping() == {}
    assert client.get_symbol_info("BTCUSDT")["baseAsset"] == "BTC"
    book = client.get_order_book(symbol="BTCUSDT", limit=5)
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
    assert len(client.get_klines(symbol="BTCUSDT", interval="1m", limit=3)) == 3
    assert client.get_orderbook_ticker(symbol="BTCUSDT")["symbol"] == "BTCUSDT"
    assert client.get_recent_trades(symbol="BTCUSDT")
    history = client.get_historical_klines("BTCUSDT", "1h", "6 hours ago UTC")
    assert 5 <= len(history) <= 7


def test_orders_and_account(client: Any) -> None:
    bid = Decimal(client.get_orderbook_ticker(symbol="BTCUSDT")["bidPrice"])
    made = client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price=f"{bid - 400:f}")
    assert made["status"] == "NEW"
    assert [order["orderId"] for order in client.get_open_orders(symbol="BTCUSDT")] == [made["orderId"]]
    assert client.get_order(symbol="BTCUSDT", orderId=made["orderId"])["status"] == "NEW"
    assert Decimal(client.get_asset_balance("USDT")["locked"]) == Decimal(made["price"]) * Decimal("0.01")
    assert client.cancel_order(symbol="BTCUSDT", orderId=made["orderId"])["status"] == "CANCELED"
    taken = client.order_market_sell(symbol="BTCUSDT", quantity="0.01")
    assert taken["status"] == "FILLED"
    assert client.get_my_trades(symbol="BTCUSDT")[-1]["orderId"] == taken["orderId"]
    assert len(client.get_all_orders(symbol="BTCUSDT")) == 2
    assert client.create_test_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01") == {}


def test_errors(client: Any, server: SimulatorServer) -> None:
    for code, order in (
        (-2010, {"side": "SELL", "type": "MARKET", "quantity": "50"}),
        (-1013, {"side": "BUY", "type": "MARKET", "quantity": "0.0000001"}),
        (-1116, {"side": "BUY", "type": "NOTHING", "quantity": "1"}),
    ):
        with pytest.raises(exceptions.BinanceAPIException) as refused:
            client.create_order(symbol="BTCUSDT", **order)
        assert refused.value.code == code
    stranger = connect(server, "wrong")
    with pytest.raises(exceptions.BinanceAPIException) as refused:
        stranger.get_account()
    assert refused.value.code == -1022
    stranger.session.close()
