"""Both venues' book streams, served by hand: a server that speaks their frames, and feeds whose every step a test can wait for."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fmzthreads.clock import Clock, WallClock
from fmzthreads.errors import VenueUnavailable
from fmzthreads.streams.book.feed import BookFeed
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.streams.book.rules import BookUpdate
from fmzthreads.streams.book.source import BookSource, OtherUnread
from fmzthreads.structures import Ticker
from fmzthreads.venues.binance.streams import BinanceBook
from fmzthreads.venues.okx.streams import OKXBook
from tests.helpers.books import Chain
from tests.helpers.ws_server import Peer

__all__ = [
    "PATIENCE_S", "QUICK", "WATCHED", "BinancePeer", "LineHost", "OkxPeer", "Snapshots", "binance_source", "okx_source", "running", "truth_of",
]  # fmt: skip

PATIENCE_S = 60.0
QUICK = ResyncPlan(attempts=3, pause_s=0.01, longest_pause_s=0.02, answer_s=PATIENCE_S, calm_s=0.0)
WATCHED: dict[str, object] = {"reconnect": True, "interval": 5}
# The peers of these tests answer no heartbeat, and send only what the test says: on a busy machine a test may last longer than a venue's
# connection may be silent.
OPTIONS: dict[str, object] = {**WATCHED, "pingInterval": 3_600_000, "silence_ms": 3_600_000}


class LineHost:
    """A wall clock, and lines in a queue."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()
        self.lines: queue.Queue[str] = queue.Queue()

    def error(self, text: str, *, source: str) -> None:
        self.lines.put(text)

    def warning(self, text: str, *, source: str) -> None:
        self.lines.put(text)

    def has_said(self, words: str, within_s: float = 1.0) -> bool:
        """Whether a line with these words comes in so many real seconds; the lines before it are gone."""
        try:
            while words not in self.lines.get(timeout=within_s):
                pass
        except queue.Empty:
            return False
        return True

    def wait_for(self, words: str) -> str:
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            if words in line:
                return line


def _ms(clock: Clock) -> int:
    return max(1, round(clock.now() * 1000))


class BinancePeer:
    """Binance's end of a connection that a feed has made; answers the subscription. Its clock is the time in its messages."""

    def __init__(self, peer: Peer, *, confirm: bool = True, clock: Clock | None = None) -> None:
        self.peer = peer
        self.clock = clock if clock is not None else WallClock()
        self.subscribed: dict[str, Any] = json.loads(peer.read_message())
        if confirm:
            self.send({"result": None, "id": self.subscribed["id"]})

    def send(self, *messages: object) -> None:
        self.peer.text(*(message if isinstance(message, str) else json.dumps(message) for message in messages))

    def delta(self, update: BookUpdate, symbol: str = "BTCUSDT") -> None:
        self.send(
            {
                "e": "depthUpdate", "E": update.time_ms or _ms(self.clock), "s": symbol, "U": update.first, "u": update.last, "b": update.bids, "a": update.asks,
            }
        )  # fmt: skip

    def mark(self, number: int, symbol: str = "BTCUSDT") -> None:
        """A ticker event; a feed hands it on when it has taken all that came before it."""
        fields = dict.fromkeys("hlabcov", "1")
        self.send({"e": "24hrTicker", "E": number, "s": symbol, **fields})


class OkxPeer:
    """OKX's end of a connection; confirms the subscription but leaves the snapshot to the test. Its clock is the time in its messages."""

    def __init__(self, peer: Peer, clock: Clock | None = None) -> None:
        self.peer = peer
        self.clock = clock if clock is not None else WallClock()
        self.next_subscription()

    def next_request(self) -> dict[str, Any]:
        """The client's next request; heartbeats are answered."""
        while (text := self.peer.read_message()) == b"ping":
            self.send("pong")
        request: dict[str, Any] = json.loads(text)
        return request

    def next_subscription(self) -> None:
        """Reads requests up to the next subscription, and confirms it."""
        while True:
            self.subscribed = self.next_request()
            if self.subscribed["op"] == "subscribe":
                break
        self.confirm()

    def confirm(self) -> None:
        for arg in self.subscribed["args"]:
            if arg["channel"] == "books":
                self.send({"event": "subscribe", "arg": arg, "connId": "a"})

    def send(self, *messages: object) -> None:
        self.peer.text(*(message if isinstance(message, str) else json.dumps(message) for message in messages))

    def push(self, update: BookUpdate, inst: str = "BTC-USDT") -> None:
        row = {
            "asks": [[*level, "0", "1"] for level in update.asks],
            "bids": [[*level, "0", "1"] for level in update.bids],
            "ts": str(update.time_ms or _ms(self.clock)),
            "checksum": update.checksum or 0,
            "prevSeqId": update.previous,
            "seqId": update.last,
        }
        action = "snapshot" if update.snapshot else "update"
        self.send({"arg": {"channel": "books", "instId": inst}, "action": action, "data": [row]})

    def mark(self, number: int) -> None:
        row = {"last": "1", "vol24h": "1", "ts": str(number)}
        self.send({"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [row]})


class Snapshots:
    """What REST answers: the book after the message that the test has named."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.place = 0
        self.asked: queue.Queue[int] = queue.Queue()
        self.errors: list[VenueUnavailable] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, levels: int) -> BookUpdate:
        self.asked.put(levels)
        assert self.gate.wait(PATIENCE_S)
        if self.errors:
            raise self.errors.pop(0)
        return truth_of(self.chain, self.place)


def binance_source(port: int, fetch: Callable[[int], BookUpdate], **options: object) -> BinanceBook:
    return BinanceBook(
        symbol="BTC_USDT",
        venue_symbol="BTCUSDT",
        base=f"ws://127.0.0.1:{port}",
        options={**OPTIONS, **options},
        fetch=fetch,
    )


def okx_source(port: int, **options: object) -> OKXBook:
    base = f"ws://127.0.0.1:{port}"
    return OKXBook(symbol="BTC_USDT", venue_symbol="BTC-USDT", base=base, options={**OPTIONS, **options})


class Running:
    """A feed at work."""

    def __init__(self, source: BookSource, host: LineHost, plan: ResyncPlan) -> None:
        self.marks: queue.Queue[int] = queue.Queue()
        self.unread: queue.Queue[str] = queue.Queue()
        self.losses: queue.Queue[bool] = queue.Queue()
        self.host = host
        self.feed = BookFeed(source, host, plan=plan, on_other=self._other, on_loss=lambda: self.losses.put(True))
        self.book = self.feed.book

    def _other(self, event: object) -> None:
        if isinstance(event, OtherUnread):
            self.unread.put(event.why)
            return
        assert isinstance(event, Ticker)
        self.marks.put(event.Time)

    def wait_mark(self, number: int) -> None:
        while self.marks.get(timeout=PATIENCE_S) != number:
            pass

    def wait_live(self) -> None:
        assert self.host.clock.wait((self.book.live,), PATIENCE_S), self.book.stats

    def wait_loss(self) -> None:
        self.losses.get(timeout=PATIENCE_S)


@contextmanager
def running(source: BookSource, *, plan: ResyncPlan = QUICK, host: LineHost | None = None) -> Iterator[Running]:
    run = Running(source, host if host is not None else LineHost(), plan)
    run.feed.start()
    try:
        yield run
    finally:
        run.feed.close(PATIENCE_S)
        assert run.feed.ended.is_set(), "the thread of the feed has not ended"


def truth_of(chain: Chain, place: int) -> BookUpdate:
    """A snapshot of a chain's book after one of its messages."""
    bids, asks = chain.truths[place]
    return BookUpdate(snapshot=True, bids=bids, asks=asks, last=chain.updates[place].last, previous=-1)
