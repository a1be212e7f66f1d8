"""python-binance, unmodified, trades the simulated contracts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import contract_simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client warns about when it is imported is not ours
    client_module: Any = pytest.importorskip("binance.client")
    exceptions: Any = pytest.importorskip("binance.exceptions")

pytestmark = pytest.mark.usefixtures("own_event_loop")


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture
def client(server: SimulatorServer) -> Iterator[Any]:
    addresses = {
        "API_URL": f"{server.base_url}/api", "FUTURES_URL": f"{server.base_url}/fapi", "FUTURES_COIN_URL": f"{server.base_url}/dapi",
    }  # fmt: skip
    made = type("Client", (client_module.Client,), addresses)(server.key, server.secret)
    made.session.trust_env = False
    yield made
    made.session.close()


def test_usd_margined(client: Any) -> None:
    assert client.futures_exchange_info()["symbols"][0]["symbol"] == "BTCUSDT"
    assert len(client.futures_klines(symbol="BTCUSDT", interval="1m", limit=3)) == 3
    mark = float(client.futures_mark_price(symbol="BTCUSDT")["markPrice"])
    client.futures_change_leverage(symbol="BTCUSDT", leverage=10)
    client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01)
    stop = client.futures_create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_MARKET", quantity=0.01, stopPrice=f"{mark * 0.9:.1f}"
    )
    assert stop["algoStatus"] == "NEW"
    client.futures_cancel_algo_order(algoId=stop["algoId"])
    held = client.futures_position_information(symbol="BTCUSDT")
    assert float(held[0]["positionAmt"]) == 0.01
    client.futures_create_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.01, reduceOnly="true")
    assert client.futures_account()["positions"][0]["positionAmt"] in {"0", "0.000"}
    assert client.futures_account_trades(symbol="BTCUSDT")[-1]["realizedPnl"]
    assert client.futures_account_balance()[0]["asset"] == "USDT"


def test_coin_margined(client: Any) -> None:
    placed = client.futures_coin_create_order(symbol="BTCUSD_PERP", side="BUY", type="MARKET", quantity=10)
    assert client.futures_coin_get_order(symbol="BTCUSD_PERP", orderId=placed["orderId"])["status"] == "FILLED"
    with pytest.raises(exceptions.BinanceAPIException) as caught:  # the client does not know the other door
        client.futures_coin_create_order(
            symbol="BTCUSD_PERP", side="SELL", type="STOP_MARKET", quantity=10, stopPrice=50000
        )
    assert caught.value.code == -4120
    client.futures_coin_create_order(symbol="BTCUSD_PERP", side="SELL", type="MARKET", quantity=10, reduceOnly="true")
    assert client.futures_coin_income_history()
