"""ccxt.pro, unmodified, follows swaps, orders and positions over websockets: only addresses are changed."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.okx_contracts import LINEAR, OkxContracts
from tests.helpers.outside_libraries import NOISY_LIBRARY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ccxt warns about when it is imported is not ours
    ccxt: Any = pytest.importorskip("ccxt.pro", reason="ccxt is not installed: pip install 'fmzthreads[ccxt]'")

pytestmark = NOISY_LIBRARY
SWAP = "BTC/USDT:USDT"
PATIENCE_S = 60.0


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[OkxContracts]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with OkxContracts() as running:
        yield running


async def follow_a_trade(venue: OkxContracts, client: Any) -> tuple[Any, Any, Any, Any]:
    """The book's asks, an order placed by websocket, and what is pushed of it: the order itself and the position."""
    asks = [list(level[:2]) for level in (await client.watch_order_book(SWAP))["asks"]]
    assert await client.watch_positions([SWAP]) == []  # logged in and subscribed
    topics = len(venue.site.topics)
    orders = asyncio.create_task(client.watch_orders(SWAP))
    while len(venue.site.topics) == topics:  # it misses what is pushed before it waits
        await asyncio.sleep(0.02)
    positions = asyncio.create_task(client.watch_positions([SWAP]))
    placed = await client.create_order_ws(SWAP, "limit", "buy", 4, 50_000, {"tdMode": "cross"})
    return asks, placed, (await orders)[-1], (await positions)[-1]


def test_an_order_over_the_websocket_becomes_a_position(venue: OkxContracts) -> None:
    venue.rest(LINEAR, "sell", "50000", "10")

    async def whole() -> tuple[Any, Any, Any, Any]:
        client = ccxt.okx(
            {"apiKey": venue.key, "secret": venue.secret, "password": venue.passphrase, "enableRateLimit": False}
        )
        client.urls["api"] = {"rest": venue.base_url, "ws": f"{venue.stream_url}/ws/v5"}
        try:
            return await asyncio.wait_for(follow_a_trade(venue, client), PATIENCE_S)
        finally:
            await client.close()

    asks, placed, order, position = asyncio.run(whole())
    assert asks == [[50_000.0, 10.0]]
    assert order["id"] == placed["id"]
    assert (order["symbol"], order["filled"], order["average"]) == (SWAP, 4.0, 50_000.0)
    assert (position["symbol"], position["side"], position["marginMode"]) == (SWAP, "long", "cross")
    assert (position["entryPrice"], position["leverage"]) == (50_000.0, 3.0)
