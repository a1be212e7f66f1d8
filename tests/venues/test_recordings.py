"""What the adapters read from real replies, against ccxt's reading of the same replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmzthreads.constants import ORDER_TYPE_BUY, ORDER_TYPE_SELL
from fmzthreads.exchange.venue import Venue
from tests.helpers.shared_data import shared_data
from tests.helpers.venue_replies import make_binance, make_okx

PATHS = {
    "binance": {
        "ohlcv": "GET /api/v3/klines",
        "order_book": "GET /api/v3/depth",
        "ticker": "GET /api/v3/ticker/24hr",
        "trades": "GET /api/v3/aggTrades",
    },
    "okx": {
        "ohlcv": "GET /api/v5/market/candles",
        "order_book": "GET /api/v5/market/books",
        "ticker": "GET /api/v5/market/ticker",
        "trades": "GET /api/v5/market/trades",
    },
}
VENUES = ("binance", "okx")


def recorded(name: str, call: str) -> tuple[Venue, Any, Any]:
    found = json.loads(shared_data(f"ccxt-rest/{name}/fetch_{call}_BTC_USDT.json").read_text())
    make = make_binance if name == "binance" else make_okx
    venue, _, _ = make({PATHS[name][call]: found["http_response"]})
    return venue, found["http_response"], found["parsed_response"]


@pytest.mark.parametrize("name", VENUES)
def test_bars(name: str) -> None:
    venue, _, expected = recorded(name, "ohlcv")
    bars = venue.records("BTC_USDT", 3600, 3)
    assert [[b.Time, b.Open, b.High, b.Low, b.Close, b.Volume] for b in bars] == expected


@pytest.mark.parametrize("name", VENUES)
def test_book(name: str) -> None:
    venue, sent, expected = recorded(name, "order_book")
    book = venue.depth("BTC_USDT", 5)
    assert [[level.Price, level.Amount] for level in book.Asks] == [level[:2] for level in expected["asks"]]
    assert [[level.Price, level.Amount] for level in book.Bids] == [level[:2] for level in expected["bids"]]
    if expected["timestamp"] is not None:
        assert book.Time == expected["timestamp"]
    assert book.Info == (sent if name == "binance" else sent["data"][0])


@pytest.mark.parametrize("name", VENUES)
def test_ticker(name: str) -> None:
    venue, sent, expected = recorded(name, "ticker")
    ticker = venue.ticker("BTC_USDT")
    read = (ticker.Last, ticker.Buy, ticker.Sell, ticker.High, ticker.Low, ticker.Open, ticker.Volume, ticker.Time)
    assert read == tuple(
        expected[field] for field in ("last", "bid", "ask", "high", "low", "open", "baseVolume", "timestamp")
    )
    assert ticker.Symbol == "BTC_USDT"
    assert ticker.Info == (sent if name == "binance" else sent["data"][0])


@pytest.mark.parametrize("name", VENUES)
def test_trades(name: str) -> None:
    venue, _, expected = recorded(name, "trades")
    read = [(t.Id, t.Time, t.Price, t.Amount, t.Type) for t in venue.trades("BTC_USDT")]
    sides = {"buy": ORDER_TYPE_BUY, "sell": ORDER_TYPE_SELL}
    assert read == [(t["id"], t["timestamp"], t["price"], t["amount"], sides[t["side"]]) for t in expected]
