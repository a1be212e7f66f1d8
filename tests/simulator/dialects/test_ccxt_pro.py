"""ccxt.pro, unmodified, over websockets on both venues: only addresses are changed."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.outside_libraries import NOISY_LIBRARY
from tests.helpers.simulators import simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt.pro", reason="ccxt is not installed: pip install 'fmzthreads[ccxt]'")

pytestmark = NOISY_LIBRARY
SYMBOL = "BTC/USDT"
PATIENCE_S = 60.0


@pytest.fixture(params=["binance", "okx"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with simulator(request.param, moving=True, step_s=0.05, rate_scale=1) as running:
        yield running


def binance_client(server: SimulatorServer) -> Any:
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    client = ccxt.binance({"apiKey": server.key, "secret": server.secret, "enableRateLimit": False, "options": options})
    urls = client.urls["api"]
    for name, path in (("public", "/api/v3"), ("private", "/api/v3"), ("v1", "/api/v1"), ("sapi", "/sapi/v1")):
        urls[name] = server.base_url + path
    # It tells spot from swap by "/stream" in the address.
    urls["ws"]["spot"] = f"{server.stream_url}/stream-spot/ws"
    urls["ws"]["ws-api"]["spot"] = f"{server.stream_url}/ws-api/v3"
    return client


def okx_client(server: SimulatorServer) -> Any:
    client = ccxt.okx(
        {"apiKey": server.key, "secret": server.secret, "password": server.passphrase, "enableRateLimit": False}
    )
    client.urls["api"] = {"rest": server.base_url, "ws": f"{server.stream_url}/ws/v5"}
    return client


MAKERS = {"binance": binance_client, "okx": okx_client}


def run(server: SimulatorServer, work: Any) -> Any:
    """Runs ``work(client)`` with a client of its own."""

    async def whole() -> Any:
        client = MAKERS[server.venue](server)
        try:
            return await asyncio.wait_for(work(client), PATIENCE_S * 2)
        finally:
            await client.close()

    return asyncio.run(whole())


def test_books(server: SimulatorServer) -> None:
    async def work(client: Any) -> None:
        for _ in range(10):
            book = await client.watch_order_book(SYMBOL)
            assert book["bids"][0][0] < book["asks"][0][0]
        await asyncio.to_thread(server.driver.stop)
        depth = server.exchange.depth("BTC_USDT", 400)
        own = [[float(price), float(size)] for price, size, _ in depth.bids]
        for _ in range(100):
            if [list(level[:2]) for level in client.orderbooks[SYMBOL]["bids"]] == own:
                return
            await asyncio.sleep(0.05)  # its reader works in this loop
        raise AssertionError("its book is not the exchange's")

    run(server, work)


def test_trades_tickers_and_bars(server: SimulatorServer) -> None:
    async def work(client: Any) -> tuple[Any, Any, Any]:
        return await asyncio.gather(
            client.watch_trades(SYMBOL), client.watch_ticker(SYMBOL), client.watch_ohlcv(SYMBOL, "1m")
        )

    trades, ticker, bars = run(server, work)
    assert trades[-1]["price"] > 0
    assert trades[-1]["side"] in {"buy", "sell"}
    assert ticker["last"] > 0
    assert bars[-1][4] > 0


def test_orders_and_balances(server: SimulatorServer) -> None:
    async def work(client: Any) -> tuple[Any, Any]:
        await client.load_markets()
        price = round((await client.fetch_ticker(SYMBOL))["bid"] * 0.97, 1)
        watching = asyncio.ensure_future(client.watch_orders(SYMBOL))
        balance = asyncio.ensure_future(client.watch_balance())
        while not len(server.site.topics):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)  # it registers its waiters some turns of its loop after the acknowledgement
        made = await client.create_order(SYMBOL, "limit", "buy", 0.01, price)
        orders = await watching
        assert orders[-1]["id"] == made["id"]
        return orders[-1], await balance

    order, balance = run(server, work)
    assert (order["status"], order["side"], order["amount"], order["filled"]) == ("open", "buy", 0.01, 0)
    assert balance["USDT"]["total"] == 1_000_000
