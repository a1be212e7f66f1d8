"""Feeds of several books on one connection: silence, losses, and a book that cannot be restored there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fmzthreads.clock import Clock, ManualClock
from fmzthreads.streams.book import feed as book_feed
from fmzthreads.streams.book.feed import BookFeed
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.streams.book.source import BookSource
from fmzthreads.streams.sharing.shared_streams import SharedStreams
from fmzthreads.venues.okx.streams import OKXBook

from ...helpers.book_feeds import OPTIONS, PATIENCE_S, WATCHED, LineHost, Snapshots, binance_source, truth_of
from ...helpers.books import make_chain
from ...helpers.threads import no_new_threads
from ...helpers.ws_server import Peer, WsServer

CHAIN = make_chain("okx", 4)


class Rig:
    """Feeds that share what they can, and their server."""

    def __init__(self, server: WsServer, table: SharedStreams, clock: Clock | None, plan: ResyncPlan) -> None:
        self.server = server
        self.table = table
        self.host = LineHost(clock)
        self.plan = plan
        self.feeds: list[BookFeed] = []

    def feed(self, source: BookSource) -> BookFeed:
        feed = BookFeed(source, self.host, plan=self.plan, share=True)
        self.feeds.append(feed)
        feed.start()
        return feed

    def okx(self, name: str, **options: object) -> BookFeed:
        base = f"ws://127.0.0.1:{self.server.port}"
        usual = WATCHED if isinstance(self.host.clock, ManualClock) else OPTIONS
        return self.feed(OKXBook(symbol=name, venue_symbol=name, base=base, options={**usual, **options}))

    def wait_live(self, feed: BookFeed) -> None:
        assert self.host.clock.wait((feed.book.live,), PATIENCE_S), feed.stats


PLAN = ResyncPlan(attempts=2, pause_s=0.01, longest_pause_s=0.02, answer_s=PATIENCE_S, calm_s=0.0, jitter=lambda: 1.0)


@contextmanager
def rig(monkeypatch: pytest.MonkeyPatch, *, clock: Clock | None = None, plan: ResyncPlan = PLAN) -> Iterator[Rig]:
    table = SharedStreams()
    monkeypatch.setattr(book_feed, "SHARED_STREAMS", table)
    with no_new_threads(), WsServer() as server:
        made = Rig(server, table, clock, plan)
        try:
            yield made
        finally:
            for feed in made.feeds:
                feed.close(PATIENCE_S)
                assert feed.ended.is_set()
            table.end_idle(made.host.clock, PATIENCE_S)


@contextmanager
def ticking(clock: ManualClock, step_s: float, *, most_s: float) -> Iterator[None]:
    """Meanwhile a thread advances the clock step by step, until it was advanced by ``most_s``."""
    over = threading.Event()

    def tick() -> None:
        for _ in range(round(most_s / step_s)):
            if over.wait(0.005):
                return
            clock.advance(step_s)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def requests(peer: Peer, count: int) -> list[tuple[str, str]]:
    """So many requests, each as its kind and the instruments of it; heartbeats are passed over."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        text = peer.read_message()
        if text != b"ping":
            request: dict[str, Any] = json.loads(text)
            found += [(request["op"], arg["instId"]) for arg in request["args"] if arg["channel"] == "books"]
    return found


def confirm(peer: Peer, name: str) -> None:
    peer.text(json.dumps({"event": "subscribe", "arg": {"channel": "books", "instId": name}, "connId": "a"}))


def push(peer: Peer, name: str, place: int, *, snapshot: bool = True) -> None:
    update = truth_of(CHAIN, place) if snapshot else CHAIN.updates[place]
    row = {
        "asks": update.asks, "bids": update.bids, "ts": "1", "checksum": 0,
        "prevSeqId": update.previous, "seqId": update.last,
    }  # fmt: skip
    action = "snapshot" if snapshot else "update"
    peer.text(json.dumps({"arg": {"channel": "books", "instId": name}, "action": action, "data": [row]}))


def test_a_loss_breaks_all_books_and_each_comes_back_with_its_own_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    with rig(monkeypatch) as made:
        feeds = {name: made.okx(name) for name in ("A", "B")}
        for turn in range(3):
            peer = made.server.peer()
            assert sorted(requests(peer, 2)) == [("subscribe", "A"), ("subscribe", "B")]
            for name, feed in feeds.items():
                confirm(peer, name)
                push(peer, name, turn)
                made.wait_live(feed)
                assert feed.stats.connected
                assert (feed.stats.connections, feed.stats.reconnects) == (1, turn)
            peer.reset()
            for feed in feeds.values():
                while feed.stats.book.gaps <= turn:
                    made.host.clock.sleep(0.001)
        lines = list(made.host.lines.queue)
        assert len(lines) >= 2
        assert all(line.startswith("ws://127.0.0.1") for line in lines), "one line an outage, not one a book"


def test_snapshots_after_a_loss_are_not_asked_for_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    plan = ResyncPlan(pause_s=4.0, jitter=lambda: 1.0, answer_s=1000.0)
    snapshots = Snapshots(make_chain("spot", 5))
    with rig(monkeypatch, clock=clock, plan=plan) as made:
        source = binance_source(made.server.port, snapshots, pingInterval=100_000_000, silence_ms=100_000_000)
        feed = made.feed(source)
        peer = made.server.peer()
        peer.text(json.dumps({"result": None, "id": json.loads(peer.read_message())["id"]}))
        while not feed.book.is_live:
            clock.wait_for_sleepers(1, 0.01)
            clock.advance(0.001)
        snapshots.asked.get(timeout=PATIENCE_S)
        peer.reset()
        while feed.stats.book.gaps == 0 or made.server._peers.empty():
            clock.wait_for_sleepers(1, 0.01)
            clock.advance(0.001)
        peer = made.server.peer()
        began = clock.monotonic()
        peer.text(json.dumps({"result": None, "id": json.loads(peer.read_message())["id"]}))
        while snapshots.asked.empty():
            clock.wait_for_sleepers(1, 0.01)
            clock.advance(0.1)
        assert clock.monotonic() - began >= 3.5, "all books of the connection would ask in the same moment"


def test_a_book_without_data_is_subscribed_to_again_though_its_connection_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    with rig(monkeypatch, clock=clock) as made:
        quiet, busy = made.okx("QUIET"), made.okx("BUSY")
        peer = made.server.peer()
        requests(peer, 2)
        for name, feed in (("QUIET", quiet), ("BUSY", busy)):
            confirm(peer, name)
            push(peer, name, 0)
            while not feed.book.is_live:
                clock.wait_for_sleepers(1, 0.01)
        ticker = {"last": "1", "vol24h": "1", "ts": "1"}
        for turn in range(1, 9):  # 80 s; the limit is 75 s for the connection, and a fifth more for one book
            clock.advance(10)
            push(peer, "BUSY", turn, snapshot=False)
            peer.text(json.dumps({"arg": {"channel": "tickers", "instId": "QUIET"}, "data": [ticker]}))
            while busy.stats.book.updates < turn or quiet.stats.messages < 2 + turn:
                clock.wait_for_sleepers(1, 0.01)
        assert (quiet.stats.book.gaps, busy.stats.book.gaps) == (0, 0)
        clock.advance(11)
        for _ in range(60):  # the feed may have measured its patience before the advance, and begun to sleep after it
            if made.host.has_said("no data for this book for 90 s"):
                break
            clock.advance(1)
        while quiet.stats.book.gaps == 0:
            clock.wait_for_sleepers(1, 0.01)
        push(peer, "BUSY", 9, snapshot=False)
        with ticking(clock, 0.01, most_s=10):
            assert requests(peer, 2) == [("unsubscribe", "QUIET"), ("subscribe", "QUIET")]
        assert busy.stats.book.gaps == 0


def test_a_book_that_cannot_be_restored_moves_to_another_connection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    plan = ResyncPlan(attempts=2, pause_s=0.01, longest_pause_s=0.02, answer_s=5.0, calm_s=0.0, jitter=lambda: 1.0)
    with rig(monkeypatch, clock=clock, plan=plan) as made:
        bad, good = made.okx("BAD"), made.okx("GOOD")
        peer = made.server.peer()
        requests(peer, 2)
        confirm(peer, "GOOD")
        push(peer, "GOOD", 0)
        while not good.book.is_live:
            clock.wait_for_sleepers(1, 0.01)
        while made.server._peers.empty():  # nothing is ever said of the other one
            threading.Event().wait(0.002)
            clock.advance(0.02)
        second = made.server.peer()
        assert requests(second, 1) == [("subscribe", "BAD")]
        confirm(second, "BAD")
        push(second, "BAD", 3)
        while not bad.book.is_live:
            clock.wait_for_sleepers(1, 0.01)
        assert (bad.stats.connections, good.stats.connections) == (2, 1)
        assert requests(peer, 1) == [("unsubscribe", "BAD")]
        assert good.stats.book.gaps == 0


def test_a_refused_book_asks_again_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with rig(monkeypatch) as made:
        feed = made.okx("A")
        peer = made.server.peer()
        for _ in range(3):
            requests(peer, 1)
            text = "Wrong URL or channel:books,instId:A doesn't exist."
            peer.text(json.dumps({"event": "error", "code": "60018", "msg": text, "connId": "a"}))
            assert requests(peer, 1) == [("unsubscribe", "A")]
        assert made.server._peers.empty()
        requests(peer, 1)
        confirm(peer, "A")
        push(peer, "A", 0)
        made.wait_live(feed)


def test_a_feed_without_sharing_has_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with rig(monkeypatch) as made:
        made.okx("A")
        lone = BookFeed(made.feeds[0]._source, made.host, plan=PLAN)
        made.feeds.append(lone)
        lone.start()
        made.server.peer()
        made.server.peer()
        # A connection is entered a moment after the server has accepted it.
        while not next(iter(made.table._streams.values())):
            made.host.clock.sleep(0.001)
        assert len(next(iter(made.table._streams.values()))) == 1
