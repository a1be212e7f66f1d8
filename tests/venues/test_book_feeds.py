"""The venues' book streams: where they are, what their messages mean, and whole books against the simulated exchanges."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import BadReply, InputError, NotSupported, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.http.client import HttpOptions
from fmzthreads.net.proxy import parse_proxy
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.events import BookEvent
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.streams.book.rules import BookUpdate, PreviousIdRule, RangeRule
from fmzthreads.streams.book.source import SourceReady, SourceRefused
from fmzthreads.streams.options import read_options
from fmzthreads.structures import Ticker
from fmzthreads.venues.binance import streams as binance_stream
from fmzthreads.venues.binance.venue import Binance
from fmzthreads.venues.okx import streams as okx_stream
from fmzthreads.venues.okx.venue import OKX
from fmzthreads.venues.registry import create_venue
from tests.helpers.book_feeds import PATIENCE_S, binance_source, okx_source
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.threads import no_new_threads


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


# -- where the streams are ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "base", "expected"),
    [
        (Binance, "", "wss://stream.binance.com:9443"),
        (Binance, "https://api3.binance.com", "wss://stream.binance.com:9443"),
        (Binance, "https://data-api.binance.vision", "wss://data-stream.binance.vision"),
        (Binance, "https://demo-api.binance.com", "wss://demo-stream.binance.com"),
        (Binance, "https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
        (Binance, "http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        (Binance, "https://127.0.0.1:8080", "wss://127.0.0.1:8080"),
        (Binance, "http://[::1]:8080", "ws://[::1]:8080"),
        (Binance, "http://gateway:8080/binance/", "ws://gateway:8080/binance"),
        (OKX, "", "wss://ws.okx.com"),
        (OKX, "https://www.okx.com", "wss://ws.okx.com"),
        (OKX, "https://us.okx.com", "wss://wsus.okx.com"),
        (OKX, "https://my.okx.com", "wss://wseea.okx.com"),
        (OKX, "http://localhost:7", "ws://localhost:7"),
    ],
)
def test_the_streams_belong_to_the_rest_base(make: type[Binance | OKX], base: str, expected: str) -> None:
    venue = make(base=base)
    bases = binance_stream.STREAM_BASES if make is Binance else okx_stream.STREAM_BASES
    assert venue.streams.home.base(bases) == expected
    venue.close()


def test_demo_trading_of_okx_has_streams_of_its_own() -> None:
    assert set(okx_stream.DEMO_STREAM_BASES.values()) == {
        "wss://wspap.okx.com",
        "wss://wsuspap.okx.com",
        "wss://wseeapap.okx.com",
    }


@pytest.mark.parametrize("base", ["https://binance.example.com", "https://stream.binance.com.evil.example"])
def test_a_base_whose_streams_are_not_known_is_not_guessed(base: str) -> None:
    venue = Binance(base=base)
    with pytest.raises(
        NotSupported, match=r"stream_base='wss://\.\.\.' or the environment variable FMZ_BINANCE_STREAM_BASE"
    ):
        venue.streams.home.base(binance_stream.STREAM_BASES)
    given = Binance(base=base, stream_base="wss://streams.example.com/x/")
    assert given.streams.home.base(binance_stream.STREAM_BASES) == "wss://streams.example.com/x"
    given.set_base("https://demo-api.binance.com")
    assert given.streams.home.base(binance_stream.STREAM_BASES) == "wss://demo-stream.binance.com"


@pytest.mark.parametrize("bad", ["https://x.example", "wss://", "stream.binance.com", "wss://a/?b=1", 5])
def test_a_stream_base_that_is_none(bad: Any) -> None:
    with pytest.raises(InputError, match="a stream base must be a ws or wss URL such as"):
        OKX(stream_base=bad)


def test_the_stream_base_comes_from_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def base_of(exchange: Exchange) -> str:
        with exchange:
            assert isinstance(exchange.venue, OKX)
            return exchange.venue.streams.home.base({})

    monkeypatch.setenv("FMZ_OKX_STREAM_BASE", "ws://10.0.0.1:9")
    assert base_of(Exchange("OKX", "BTC_USDT")) == "ws://10.0.0.1:9"
    assert base_of(Exchange("OKX", "BTC_USDT", stream_base="ws://10.0.0.2:9")) == "ws://10.0.0.2:9"
    with pytest.raises(UnknownName, match="did you mean 'stream_base'"):
        create_venue("OKX", credentials=None, base="", clock=WallClock(), stream_bse="")


def test_streams_travel_as_the_rest_calls_do() -> None:
    venue = Binance(options=HttpOptions(verify="/etc/own.pem", connect_timeout_ms=1234))

    def dialled(name: str) -> Any:
        return getattr(read_options("wss://a.example/ws", venue.streams.home.options())[1], name)

    assert (dialled("reconnect"), dialled("connect_timeout_s"), dialled("ca_file")) == (True, 1.234, "/etc/own.pem")
    assert not dialled("insecure")
    assert dialled("proxy") is venue.channel.http._settings.proxies
    for text in ("socks5://127.0.0.1:1080", "ip://127.0.0.1", ""):
        venue.set_proxy(text)
        assert dialled("proxy").proxy_for("wss", "a.example", 443) == parse_proxy(text)


# -- what messages mean ------------------------------------------------------------------------------------------------------------


def no_snapshot(levels: int) -> BookUpdate:
    raise AssertionError("not asked for")


def test_binance_messages() -> None:
    source = binance_source(1, no_snapshot)
    assert source.address == "ws://127.0.0.1:1/ws"
    assert isinstance(source.rule, RangeRule)
    event = {"e": "depthUpdate", "E": 7, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1.0", "2.0"]], "a": []}
    update = BookUpdate(snapshot=False, bids=[["1.0", "2.0"]], asks=[], first=1, last=2, time_ms=7)
    assert list(source.read(json.dumps(event))) == [update]
    assert list(source.read(json.dumps(event).encode())) == [update]
    assert list(source.read(json.dumps({"stream": "btcusdt@depth@100ms", "data": event}))) == [update]
    assert binance_stream.read_book_event({**event, "pu": 0}).previous == 0
    assert list(source.read('{"result":null,"id":1}')) == [SourceReady()]
    assert list(source.read('{"result":null,"id":2}')) == [SourceReady()]
    assert list(source.read('{"result":["btcusdt@ticker"],"id":3}')) == []
    assert list(source.read('{"result":null}')) == []
    assert list(source.read('{"error":{"code":2,"msg":"bad"},"id":1}')) == [SourceRefused("2 bad")]
    assert list(source.read('{"code":3,"msg":"bad","id":1}')) == [SourceRefused("3 bad")]
    ticker = {
        "e": "24hrTicker", "E": 9, "s": "BTCUSDT", "c": "5", "o": "4", "h": "6", "l": "3", "b": "4.9", "a": "5.1", "v": "100",
    }  # fmt: skip
    (read,) = source.read(json.dumps(ticker))
    assert read == Ticker(
        Info=ticker, Symbol="BTC_USDT", High=6.0, Low=3.0, Sell=5.1, Buy=4.9, Last=5.0, Open=4.0, Volume=100.0, Time=9, OpenInterest=0.0
    )  # fmt: skip
    assert source.renew() == ()


def test_binance_snapshots() -> None:
    reply = {"lastUpdateId": 5, "bids": [["1", "2"]], "asks": [["3", "4"]]}
    read = binance_stream.read_book_snapshot(reply, 1000)
    assert (read.snapshot, read.last, read.asked, read.bids, read.time_ms) == (True, 5, 1000, [["1", "2"]], 0)
    assert binance_stream.read_book_snapshot({**reply, "E": 8}, 5).time_ms == 8


def test_okx_messages() -> None:
    source = okx_source(1)
    assert source.address == "ws://127.0.0.1:1/ws/v5/public"
    assert isinstance(source.rule, PreviousIdRule)
    arg = {"channel": "books", "instId": "BTC-USDT"}
    row = {"asks": [["2", "1", "0", "1"]], "bids": [], "ts": "7", "checksum": -5, "prevSeqId": 3, "seqId": 4}
    (read,) = source.read(json.dumps({"arg": arg, "action": "update", "data": [row]}))
    assert read == BookUpdate(
        snapshot=False, bids=[], asks=[["2", "1", "0", "1"]], last=4, previous=3, checksum=-5, time_ms=7
    )
    (whole,) = source.read(json.dumps({"arg": arg, "action": "snapshot", "data": [{**row, "prevSeqId": -1}]}))
    assert isinstance(whole, BookUpdate)
    assert whole.snapshot
    assert list(source.read(json.dumps({"event": "subscribe", "arg": arg}))) == [SourceReady()]
    assert list(source.read(json.dumps({"event": "subscribe", "arg": {**arg, "channel": "tickers"}}))) == []
    assert list(source.read('{"event":"notice","code":"64008","msg":"soon closed"}')) == []
    assert list(source.read('{"event":"error","code":"60018","msg":"no"}')) == [SourceRefused("60018 no")]
    assert list(source.read(json.dumps({"arg": {**arg, "instId": "X"}, "action": "update", "data": [row]}))) == []
    assert list(source.read(json.dumps({"arg": {**arg, "channel": "trades"}, "data": [{}]}))) == []
    assert source.snapshot() is None


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "null", '"x"', "[1]", '{"arg":5}', '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":{}}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[5]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"replace","data":[{"asks":[],"bids":[],"ts":"1"}]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","seqId":1}]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[],"bids":[],"ts":"1","checksum":"x"}]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":null,"bids":[],"ts":"1"}]}',
        b"\xff\xfe\x00",
    ],
)  # fmt: skip
def test_messages_that_cannot_be_read_are_named(message: str | bytes) -> None:
    with pytest.raises(BadReply):
        list(okx_source(1).read(message))


# -- against the simulated exchanges -----------------------------------------------------------------------------------------------

Levels = dict[Decimal, Decimal]


class Truth:
    """The simulator's own book at every version, from its own events."""

    def __init__(self, server: SimulatorServer, instrument: str) -> None:
        self.lock = threading.Lock()
        self.events: list[BookEvent] = []
        self.instrument = instrument
        with server.exchange.lock:
            self.stop = server.exchange.subscribe(self._take, (BookEvent,))
            view = server.exchange.depth(instrument, 5000)
        self.first = view.version
        self.bids: Levels = {price: size for price, size, _ in view.bids}
        self.asks: Levels = {price: size for price, size, _ in view.asks}

    def _take(self, event: BookEvent) -> None:
        if event.instrument == self.instrument:
            with self.lock:
                self.events.append(event)

    def at(self, version: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        assert version >= self.first
        with self.lock:
            events = self.events[: bisect_right([event.last_version for event in self.events], version)]
        bids, asks = dict(self.bids), dict(self.asks)
        for event in events:
            if event.last_version > self.first:
                bids.update(event.bids)
                asks.update(event.asks)
        found = []
        for side, falling in ((bids, True), (asks, False)):
            found.append([(float(price), float(side[price])) for price in sorted(side, reverse=falling) if side[price]])
        return found[0], found[1]


class Market:
    """A simulated venue that moves, and an exchange object with a live book of it."""

    def __init__(self, name: str, **options: Any) -> None:
        self.server = SimulatorServer(name, seed=3, step_s=0.03, rate_scale=0, **options)
        self.name = name

    def __enter__(self) -> Market:
        self.server.start()
        title = {"binance": "Binance", "okx": "OKX"}[self.name]
        self.truth = Truth(self.server, "BTC_USDT")
        self.host = MemoryHost(WallClock())
        self.exchange = Exchange(title, "BTC_USDT", base=self.server.base_url, host=self.host)
        self.exchange._core.live.plan = ResyncPlan(pause_s=0.02, longest_pause_s=0.2, answer_s=3.0, calm_s=0.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.exchange.close()
        self.truth.stop()
        self.server.stop()

    def subscribe(self, max_age_ms: float | None = None) -> None:
        done = self.exchange.Subscribe("depth", "", max_age_ms, PATIENCE_S * 1000)
        assert done is True, self.host.errors
        book = self.exchange._core.live._books["BTC_USDT"].feed.book
        self.applied = threading.Semaphore(0)
        apply: Callable[..., bool] = book.apply

        def counted(*args: Any) -> bool:
            try:
                return apply(*args)
            finally:
                self.applied.release()

        book.apply = counted  # type: ignore[method-assign]

    def row(self) -> dict[str, Any]:
        return self.exchange.Subscriptions()[0]

    def follow(self, answers: int) -> None:
        """Compares so many different live answers with the simulator's book at the same version; the venue's may come between."""
        seen: set[int] = set()
        while len(seen) < answers:
            assert self.applied.acquire(timeout=PATIENCE_S), (self.row(), self.host.errors)
            depth = self.exchange.GetDepth()
            assert depth is not None, self.host.errors
            if "Live" not in depth.Info:
                continue
            bids, asks = ([(level.Price, level.Amount) for level in side] for side in (depth.Bids, depth.Asks))
            true = self.truth.at(depth.Info.Sequence)
            assert (bids, asks) == (true[0][:100], true[1][:100])
            seen.add(depth.Info.Sequence)


VENUES = ["binance", "okx"]


@pytest.mark.parametrize("name", VENUES)
def test_the_live_book_is_the_simulators_own_at_the_same_version(name: str) -> None:
    with Market(name) as market:
        market.subscribe()
        first = market.exchange.GetDepth()
        assert first is not None
        assert abs(first.Time - time.time() * 1000) < 60_000
        market.follow(15)
        row = market.row()
        assert (row["State"], row["Gaps"]) == ("live", 0)
        assert market.host.errors == []
        ticker = market.exchange.GetTicker()
        assert ticker is not None
        assert ticker.Buy < ticker.Sell
        assert abs(ticker.Time - time.time() * 1000) < 60_000
        assert ticker.Low <= ticker.Last <= ticker.High


FAULTS = ["ws_skip", "ws_cut", "ws_cut_frame", "ws_close", "ws_garbage", "ws_silent", "ws_no_data"]


@pytest.mark.parametrize(
    ("name", "fault"), [*((name, fault) for name in VENUES for fault in FAULTS), ("okx", "ws_bad_checksum")]
)
def test_a_fault_never_shows_a_wrong_book_and_heals(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (binance_stream, okx_stream):
        monkeypatch.setattr(module, "_WATCH", {**module._WATCH, "silence_ms": 400, "interval": 20})
    with Market(name, streams=StreamSettings(checksums=True)) as market:
        market.subscribe(300)
        market.follow(3)
        feed = market.exchange._core.live._books["BTC_USDT"].feed
        before = feed.stats
        # One message will do (a connection that went silent stays so), but lost messages must not all be tickers.
        market.server.faults.set("*", **{fault: 12 if fault == "ws_no_data" else 1})
        while feed.stats.book.gaps == before.book.gaps:
            market.follow(1)
        market.server.faults.set("*", **{fault: 0})
        market.follow(5)
        after = feed.stats
        assert after.book.resyncs > before.book.resyncs
        assert market.host.errors, "the outage has its line"


def test_a_snapshot_refused_by_rest_is_asked_for_again() -> None:
    with Market("binance") as market:
        market.subscribe()
        market.server.faults.set("/api/v3/depth", error_5xx=3)
        market.server.faults.set("/ws*", ws_skip=1)
        market.follow(10)
        feed = market.exchange._core.live._books["BTC_USDT"].feed
        while feed.stats.book.resyncs == 0:
            market.follow(2)
        assert feed.stats.book.gaps >= 1


@pytest.mark.parametrize("name", VENUES)
def test_reconnecting_is_waited_for_while_the_venue_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (binance_stream, okx_stream):
        monkeypatch.setattr(module, "_WATCH", {**module._WATCH, "interval": 20})
    with Market(name) as market:
        market.subscribe(300)
        market.server.faults.set("*", ws_refuse_s=0.5)
        market.server.faults.set("*", ws_cut=1)
        feed = market.exchange._core.live._books["BTC_USDT"].feed
        while not feed.stats.book.gaps:
            market.follow(1)
        depth = market.exchange.GetDepth()
        assert depth is not None
        market.follow(5)
        assert feed.stats.reconnects >= 1
