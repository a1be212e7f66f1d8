"""Every field of the messages of the book streams, wrong in every way: the book breaks and says why, or holds readable levels."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import OperationFailed
from fmzthreads.streams.book.feed import BookFeed
from fmzthreads.streams.book.rules import BookUpdate
from fmzthreads.streams.dial import Connection
from fmzthreads.structures import Ticker
from fmzthreads.venues.binance.streams import BINANCE_WIRE
from fmzthreads.venues.okx.streams import OKX_WIRE
from tests.helpers.book_feeds import LineHost, binance_source, okx_source
from tests.helpers.mutations import mutated
from tests.helpers.watchdog import at_once

SAMPLE = 400  # mutations of each venue in the ordinary run
NOW_MS = 1_800_000_000_000
BIDS, ASKS = [["99", "1"], ["98", "2"]], [["101", "1"], ["102", "2"]]
TICKER = {"last": "1", "askPx": "1", "bidPx": "1", "open24h": "1", "high24h": "1", "low24h": "1", "vol24h": "1"}

# After the public pages: "Diff. Depth Stream" and "Individual Symbol Ticker Streams" of Binance, "Order book channel" and "Tickers channel"
# of OKX.
BINANCE: list[dict[str, Any]] = [
    {"e": "depthUpdate", "E": NOW_MS, "s": "BTCUSDT", "U": 101, "u": 102, "b": [["99", "3"]], "a": [["101", "0"]]},
    {"e": "24hrTicker", "E": NOW_MS, "s": "BTCUSDT", **dict.fromkeys("hlabcov", "1")},
    {"stream": "btcusdt@depth", "data": {"e": "depthUpdate", "E": NOW_MS, "s": "BTCUSDT", "U": 101, "u": 102, "b": [], "a": []}},
    {"result": None, "id": 1},
    {"error": {"code": 2, "msg": "Invalid request"}, "id": 1},
]  # fmt: skip
OKX: list[dict[str, Any]] = [
    {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [
        {"bids": BIDS, "asks": ASKS, "ts": str(NOW_MS), "checksum": 0, "prevSeqId": 100, "seqId": 102}]}
    for action in ("update", "snapshot")
] + [
    {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [{**TICKER, "ts": str(NOW_MS)}]},
    {"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}, "connId": "a"},
    {"event": "error", "code": "60012", "msg": "Invalid request", "connId": "a", "id": "1"},
]  # fmt: skip
RAW = [
    "",
    "[]",
    "null",
    "1",
    '"x"',
    "{",
    "\x00",
    '{"e": "depthUpdate", "e": {}}',
    "[" * 100_000,
    "\ufeff{}",
    b"\xff\xfe",
    b"{}",
]


class _Idle:
    """A connection on which no other message waits."""

    def is_ready(self) -> bool:
        return False


def _fetch(_: int) -> BookUpdate:
    raise OperationFailed("not asked here")


class _Venue:
    def __init__(self, name: str) -> None:
        binance = name == "binance"
        self.pushes, self.wire = (BINANCE, BINANCE_WIRE) if binance else (OKX, OKX_WIRE)
        self.make: Callable[[], Any] = (lambda: binance_source(1, _fetch)) if binance else (lambda: okx_source(1))

    def cases(self) -> Iterator[tuple[str, str | bytes]]:
        for push in self.pushes:
            yield from mutated(push)
            text = json.dumps(push)
            for name in push:  # the same name twice: the last one counts, whatever it is
                yield f"{name} twice", text[:-1] + f', "{name}": {{"b": [[]]}}}}'
        for raw in RAW:
            yield f"the whole message is {raw[:20]!r}", raw


@pytest.fixture(params=["binance", "okx"])
def venue(request: pytest.FixtureRequest) -> _Venue:
    return _Venue(request.param)


def _check(venue: _Venue, what: str, message: str | bytes) -> None:
    host, others = LineHost(ManualClock(NOW_MS / 1000)), list[object]()
    feed = BookFeed(venue.make(), host, on_other=others.append)
    shot = BookUpdate(True, BIDS, ASKS, last=100, time_ms=NOW_MS)
    assert feed.book.apply(shot)

    def _run() -> None:
        venue.wire.key_of(message)
        venue.wire.answer(message)
        feed._take(cast("Connection", _Idle()), message)

    at_once(_run, what)
    while not host.lines.empty():
        line = host.lines.get()
        assert 0 < len(line) < 600, what
        line.encode()
    assert all(isinstance(other, Ticker) or getattr(other, "why", "") for other in others), what
    if feed.book.is_live:
        view = feed.book.depth()
        for price, size, *texts in (*view.bids, *view.asks):
            assert 0 < price < float("inf"), what
            assert 0 < size < float("inf"), what
            assert all(
                type(text) in {str, int, float} and set(str(text)) <= set("0123456789.eE+-") for text in texts
            ), what
        assert 0.0 <= view.age_s < 1e9, what
    else:
        assert feed.book.stats.why, what
    assert feed.book.apply(shot._replace(last=2**70)), what  # no message spoils the book for the snapshot that mends it


def test_some_wrong_pushes(venue: _Venue) -> None:
    cases = list(venue.cases())
    sample = random.Random(9).sample(cases, min(SAMPLE, len(cases)))
    for what, message in sample:
        _check(venue, what, message)


@pytest.mark.stress
@pytest.mark.timeout(600)
def test_all_wrong_pushes(venue: _Venue) -> None:
    for what, message in venue.cases():
        _check(venue, what, message)
