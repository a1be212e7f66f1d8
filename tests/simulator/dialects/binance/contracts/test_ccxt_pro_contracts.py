"""ccxt.pro, unmodified, reads the streams of simulated contracts: only addresses are changed."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.outside_libraries import NOISY_LIBRARY
from tests.helpers.simulators import contract_simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt.pro", reason="ccxt is not installed: pip install 'fmzthreads[ccxt]'")

pytestmark = NOISY_LIBRARY
SYMBOLS = {"binanceusdm": ("BTC/USDT:USDT", 0.01), "binancecoinm": ("BTC/USD:BTC", 10)}
PATIENCE_S = 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contract_simulator(moving=True, step_s=0.1) as running:
        yield running


def connect(server: SimulatorServer, kind: str) -> Any:
    options = {"fetchCurrencies": False, "fetchMargins": False}
    client = getattr(ccxt, kind)(
        {"apiKey": server.key, "secret": server.secret, "enableRateLimit": False, "options": options}
    )
    urls = client.urls["api"]
    for name in list(urls):
        for family in ("fapi", "dapi"):
            if name.startswith(family):
                version = name[-2:].lower() if name[-2:] in {"V2", "V3"} else "v1"
                urls[name] = f"{server.base_url}/{family}/{version}"
    urls["ws"]["linear"] = server.contract_stream_urls["um"] + "/ws"
    urls["ws"]["inverse"] = server.contract_stream_urls["cm"] + "/ws"
    return client


@pytest.mark.parametrize("kind", list(SYMBOLS))
def test_books_trades_and_orders_come_over_the_streams(server: SimulatorServer, kind: str) -> None:
    symbol, amount = SYMBOLS[kind]

    async def _run() -> None:
        client = connect(server, kind)
        try:
            await client.load_markets()
            book = await client.watch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
            assert (await client.watch_trades(symbol))[0]["price"] > 0
            waiting = asyncio.ensure_future(client.watch_orders(symbol))
            while not waiting.done():  # the order that is placed before the stream is open is not told
                await client.create_order(symbol, "market", "buy", amount)
                await asyncio.wait([waiting], timeout=1)
            seen = (await waiting)[0]
            assert (seen["symbol"], seen["side"]) == (symbol, "buy")
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(_run(), PATIENCE_S))
