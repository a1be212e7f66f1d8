"""python-binance, unmodified, over websockets: only addresses are changed."""

from __future__ import annotations

import asyncio
import queue
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.outside_libraries import NOISY_LIBRARY
from tests.helpers.simulators import simulator
from tests.helpers.threads import no_new_threads
from tests.helpers.ws_clients import top_levels

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it warns about when it is imported is not ours
    binance: Any = pytest.importorskip("binance", reason="python-binance is not installed: pip install python-binance")
    streams: Any = pytest.importorskip("binance.ws.streams")
    reconnecting: Any = pytest.importorskip("binance.ws.reconnecting_websocket")

pytestmark = NOISY_LIBRARY
PATIENCE_S = 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with simulator("binance", moving=True, step_s=0.05, rate_scale=1) as running:
        client = binance.async_client.BaseClient
        monkeypatch.setattr(client, "API_URL", f"{running.base_url}/api")
        monkeypatch.setattr(client, "MARGIN_API_URL", f"{running.base_url}/sapi")
        monkeypatch.setattr(client, "WS_API_URL", f"{running.stream_url}/ws-api/v3")
        monkeypatch.setattr(streams.BinanceSocketManager, "STREAM_URL", f"{running.stream_url}/")
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader looks only so often whether it is to end; the ten seconds that it comes with make a test last as long."""
    monkeypatch.setattr(reconnecting.ReconnectingWebsocket, "TIMEOUT", 1)


async def collect(socket: Any, count: int) -> list[Any]:
    """The next messages of one of its sockets."""
    async with socket as stream:
        return [await asyncio.wait_for(stream.recv(), PATIENCE_S) for _ in range(count)]


async def with_client(server: SimulatorServer, work: Any) -> Any:
    """Runs ``work(client, manager)`` with a client of its own."""
    client = await binance.AsyncClient.create(server.key, server.secret)
    try:
        return await work(client, binance.BinanceSocketManager(client))
    finally:
        await client.close_connection()


def test_market_streams(server: SimulatorServer) -> None:
    async def work(client: Any, manager: Any) -> list[list[Any]]:
        sockets = [
            manager.trade_socket("BTCUSDT"),
            manager.aggtrade_socket("BTCUSDT"),
            manager.kline_socket("BTCUSDT", interval="1m"),
            manager.symbol_ticker_socket("BTCUSDT"),
            manager.symbol_book_ticker_socket("BTCUSDT"),
            manager.depth_socket("BTCUSDT", depth="5", interval=100),
            manager.miniticker_socket(),
            manager.multiplex_socket(["btcusdt@trade", "ethusdt@trade"]),
        ]
        return await asyncio.gather(*(collect(socket, 1) for socket in sockets))

    found = [messages[0] for messages in asyncio.run(with_client(server, work))]
    assert [message.get("e") if isinstance(message, dict) else message[0]["e"] for message in found] == [
        "trade", "aggTrade", "kline", "24hrTicker", None, None, "24hrMiniTicker", None,
    ]  # fmt: skip
    assert set(found[4]) == {"u", "s", "b", "B", "a", "A"}
    assert len(found[5]["bids"]) == 5
    assert found[7]["stream"].endswith("@trade")


@pytest.mark.usefixtures("impatient")
def test_a_depth_cache_keeps_the_exchanges_book(server: SimulatorServer) -> None:
    async def work(client: Any, manager: Any) -> Any:
        kept = binance.DepthCacheManager(client, symbol="BTCUSDT", limit=1000, ws_interval=100)
        async with kept as cache:
            for _ in range(5):
                await asyncio.wait_for(cache.recv(), PATIENCE_S)
            await asyncio.to_thread(server.driver.stop)
            _, own = top_levels(server, "BTC_USDT")

            async def follow() -> None:
                while True:
                    await cache.recv()  # only this changes the cache

            following = asyncio.create_task(follow())
            try:
                for _ in range(1200):
                    book = kept.get_depth_cache()
                    sides = [
                        [(Decimal(str(price)), Decimal(str(size))) for price, size in side]
                        for side in (book.get_bids(), book.get_asks())
                    ]
                    if sides == list(own):
                        return True
                    await asyncio.sleep(0.05)
            finally:
                following.cancel()
        return False

    assert asyncio.run(with_client(server, work))


@pytest.mark.usefixtures("impatient")
def test_user_data(server: SimulatorServer) -> None:
    async def work(client: Any, manager: Any) -> list[Any]:
        async with manager.user_socket() as stream:
            await client.create_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price="50000"
            )
            return [await asyncio.wait_for(stream.recv(), PATIENCE_S) for _ in range(2)]

    events = asyncio.run(with_client(server, work))
    assert [event["e"] for event in events] == ["executionReport", "outboundAccountPosition"]
    assert events[0]["X"] == "NEW"


@pytest.mark.usefixtures("impatient")
def test_calls_of_the_websocket_api(server: SimulatorServer) -> None:
    async def work(client: Any, manager: Any) -> tuple[Any, Any]:
        book = await client.ws_get_order_book(symbol="BTCUSDT", limit=5)
        order = await client.ws_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01)
        return book, order

    book, order = asyncio.run(with_client(server, work))
    assert len(book["bids"]) == 5
    assert order["status"] == "FILLED"


def test_the_threaded_manager(server: SimulatorServer) -> None:
    found: queue.Queue[Any] = queue.Queue()
    with no_new_threads(grace_s=0):
        manager = binance.ThreadedWebsocketManager(api_key=server.key, api_secret=server.secret)
        manager.start()
        try:
            manager.start_trade_socket(callback=found.put, symbol="BTCUSDT")
            assert found.get(timeout=PATIENCE_S)["e"] == "trade"
        finally:
            manager.stop()
            manager.join()
