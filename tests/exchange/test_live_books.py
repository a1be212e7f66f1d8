"""Live books behind an exchange object: what answers, what never does, and what is left over."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fmzthreads.clock import Clock, ManualClock, WallClock
from fmzthreads.errors import InputError, NotSupported, StopRequested, TimedOut, UnknownName
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.live_books import LiveBook, LiveBooks
from fmzthreads.strategy.exports import EventLoop
from fmzthreads.streams.book.rules import BookUpdate
from fmzthreads.streams.book.source import BookSource
from fmzthreads.structures import Depth
from fmzthreads.tasks.gate import Gate
from fmzthreads.testing import FakeVenue
from fmzthreads.venues.okx.streams import OKXBook
from tests.helpers.book_feeds import OPTIONS, PATIENCE_S, QUICK, OkxPeer, truth_of
from tests.helpers.books import Chain, make_chain
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import no_new_threads, run_in_thread
from tests.helpers.ws_server import WsServer


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


class StreamingVenue(FakeVenue):
    """The fake venue, whose books also come as OKX's do, from the port that its base names."""

    before_source: Callable[[], object] = staticmethod(lambda: None)

    def book_source(self, symbol: str) -> BookSource:
        self._check(symbol)
        self.before_source()
        base = self.base().replace("http://", "ws://")
        return OKXBook(symbol=symbol, venue_symbol=symbol.replace("_", "-"), base=base, options=OPTIONS)


class Room:
    """An exchange over a streaming venue, and the server that it subscribes at.

    Without a clock of the test's own its books may be a minute old: between an update and its reading a busy machine may pause.
    """

    def __init__(self, server: WsServer, clock: Clock | None = None, **options: Any) -> None:
        self.server = server
        self.host = MemoryHost(clock if clock is not None else WallClock())
        self.venue = StreamingVenue(clock=self.host.clock)
        self.venue.set_base(f"http://127.0.0.1:{server.port}")
        self.exchange = Exchange("Fake", "BTC_USDT", venue=self.venue, host=self.host, **options)
        self.exchange._core.live.plan = QUICK
        self.peer: OkxPeer | None = None  # all books share one connection
        self.max_age_ms = None if clock is not None else PATIENCE_S * 1000

    def book(self, symbol: str = "BTC_USDT") -> Any:
        return self.exchange._core.live._books[symbol].feed.book

    def subscribe(self, chain: Chain, *, place: int = 0, symbol: str = "BTC_USDT") -> OkxPeer:
        """Subscribes, and serves the book as it is after a message of the chain."""
        assert self.exchange.Subscribe("depth", symbol, self.max_age_ms) is True
        if self.peer is None:
            self.peer = OkxPeer(self.server.peer(), self.host.clock)
        else:
            self.peer.next_subscription()
        self.push(self.peer, truth_of(chain, place), symbol=symbol)
        return self.peer

    def push(self, peer: OkxPeer, update: BookUpdate, symbol: str = "BTC_USDT") -> None:
        """Sends an update and waits until the book has taken it."""
        book = self.book(symbol)
        wanted = (update.snapshot, update.last, update.previous)
        done = threading.Event()
        apply: Callable[..., bool] = book.apply

        def applied(*args: Any) -> bool:
            try:
                return apply(*args)
            finally:
                if (args[0].snapshot, args[0].last, args[0].previous) == wanted:
                    done.set()

        book.apply = applied
        peer.push(update, inst=symbol.replace("_", "-"))
        assert done.wait(PATIENCE_S), book.stats
        book.apply = apply


@pytest.fixture
def room() -> Iterator[Room]:
    with WsServer() as server:
        found = Room(server)
        try:
            yield found
        finally:
            found.exchange.close()


def shown(depth: Depth | None) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    assert depth is not None
    bids, asks = ([(level.Price, level.Amount) for level in side] for side in (depth.Bids, depth.Asks))
    return bids, asks


def truth(chain: Chain, place: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    bids, asks = ([(float(price), float(size)) for price, size in side] for side in chain.truths[place])
    return bids, asks


CHAIN = make_chain("okx", 1)


# -- answering ---------------------------------------------------------------------------------------------------------------------


def test_the_live_book_answers_without_asking_the_venue(room: Room) -> None:
    peer = room.subscribe(CHAIN)
    for place in (1, 2, 3):
        room.push(peer, CHAIN.updates[place])
        depth = room.exchange.GetDepth()
        assert shown(depth) == truth(CHAIN, place)
    assert depth is not None
    assert depth.Info.Live is True
    assert 0 <= depth.Info.AgeMs < PATIENCE_S * 1000
    assert (depth.Info.Version, depth.Info.Sequence) == (4, CHAIN.updates[3].last)
    assert abs(depth.Time - room.host.clock.now() * 1000) < 60_000
    assert room.venue.calls["depth"] == 0
    depth.Asks.clear()
    depth.Bids[0].Price = -1.0
    assert shown(room.exchange.GetDepth()) == truth(CHAIN, 3), "each answer belongs to its caller"
    assert shown(room.exchange.GetDepth("BTC_USDT", 2)) == tuple(side[:2] for side in truth(CHAIN, 3))
    (row,) = room.exchange.Subscriptions()
    assert (row["Symbol"], row["State"], row["Gaps"], row["Answers"], row["Fallbacks"]) == ("BTC_USDT", "live", 0, 5, 0)


def test_the_live_ticker_has_the_books_best_prices_and_the_streams_statistics(room: Room) -> None:
    peer = room.subscribe(CHAIN)
    assert room.exchange.GetTicker().Info.get("Live") is None, "the stream has sent no statistics yet"  # type: ignore[union-attr]
    row = {
        "last": "100.01",
        "vol24h": "7",
        "high24h": "105",
        "low24h": "95",
        "open24h": "99",
        "bidPx": "1",
        "askPx": "2",
        "ts": str(round(room.host.clock.now() * 1000)),
    }
    peer.send({"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [row]})
    room.push(peer, CHAIN.updates[1])
    ticker = room.exchange.GetTicker()
    assert ticker is not None
    bids, asks = truth(CHAIN, 1)
    assert (ticker.Buy, ticker.Sell) == (bids[0][0], asks[0][0])
    assert (ticker.Last, ticker.High, ticker.Low, ticker.Open, ticker.Volume) == (100.01, 105.0, 95.0, 99.0, 7.0)
    assert (ticker.Symbol, ticker.Info.Live) == ("BTC_USDT", True)
    assert ticker.Time >= int(row["ts"])
    assert room.venue.calls["ticker"] == 1


def test_go_answers_from_the_live_book_behind_a_gate_too(room: Room) -> None:
    peer = room.subscribe(CHAIN)
    assert shown(room.exchange.Go("GetDepth").wait()[0]) == truth(CHAIN, 0)
    gate = Gate(2)
    handle = room.exchange.submit("GetDepth", gate=gate)
    while not gate_is_waited_at(gate):
        room.push(
            peer,
            BookUpdate(snapshot=False, bids=(), asks=(), last=CHAIN.updates[0].last, previous=CHAIN.updates[0].last),
        )
    room.push(peer, CHAIN.updates[1])
    gate.open()
    value, ok = handle.wait()
    assert ok
    assert shown(value) == truth(CHAIN, 1), "the book is read when the gate opens"
    assert room.venue.calls["depth"] == 0


def gate_is_waited_at(gate: Gate) -> bool:
    return bool(gate._held)


def test_the_rate_scales_the_answer_and_not_the_book(room: Room) -> None:
    room.subscribe(CHAIN)
    room.exchange.SetRate(2)
    bids, _ = truth(CHAIN, 0)
    for _ in range(2):
        assert shown(room.exchange.GetDepth())[0][0] == (bids[0][0] * 2, bids[0][1])
    room.exchange.SetRate(1)
    assert shown(room.exchange.GetDepth()) == truth(CHAIN, 0)


def test_subscriptions_belong_to_their_symbol(room: Room) -> None:
    other = make_chain("okx", 2)
    peer = room.subscribe(CHAIN)
    room.exchange.SetCurrency("ETH_USDT")
    assert room.exchange.GetDepth().Info.Symbol == "ETH_USDT"  # type: ignore[union-attr]
    assert room.venue.calls["depth"] == 1
    assert shown(room.exchange.GetDepth("BTC_USDT")) == truth(CHAIN, 0)
    assert room.exchange.Subscribe("depth", "", room.max_age_ms) is True  # the current one
    peer.next_subscription()
    assert peer.subscribed["args"][0]["instId"] == "ETH-USDT"
    room.push(peer, truth_of(other, 4), symbol="ETH_USDT")
    assert shown(room.exchange.GetDepth()) == truth(other, 4)
    assert shown(room.exchange.GetDepth("BTC_USDT")) == truth(CHAIN, 0)
    assert room.exchange.Unsubscribe("depth", "BTC_USDT") is True
    assert shown(room.exchange.GetDepth()) == truth(other, 4)
    assert room.exchange.GetDepth("BTC_USDT").Info.Symbol == "BTC_USDT"  # type: ignore[union-attr]
    assert room.venue.calls["depth"] == 2


def test_one_book_in_trouble_leaves_the_others_of_its_connection_alone(room: Room) -> None:
    """Gaps, garbage and refusals of one symbol, again and again; the other answers with every one of its updates."""
    other = make_chain("okx", 3, 30)
    peer = room.subscribe(other, symbol="ETH_USDT")
    assert room.exchange.Subscribe("depth", "BTC_USDT") is True
    asked: list[str] = []

    def serve() -> None:
        try:
            while True:
                request = peer.next_request()
                asked.append(request["op"])
                assert {arg["instId"] for arg in request["args"]} == {"BTC-USDT"}, (
                    "only what is broken is asked for again"
                )
                if request["op"] == "subscribe" and len(asked) % 4 == 3:
                    text = "Wrong URL or channel:books,instId:BTC-USDT doesn't exist."
                    peer.send({"event": "error", "code": "60018", "msg": text, "id": request["id"]})
                elif request["op"] == "subscribe":
                    peer.send({"event": "subscribe", "arg": request["args"][0], "connId": "a"})
                    peer.push(truth_of(CHAIN, 3))
        except OSError:
            pass  # the test has ended

    serving = run_in_thread(serve)
    book = room.book()
    broken: queue.SimpleQueue[str] = queue.SimpleQueue()
    break_book = book._break
    book._break = lambda why: (break_book(why), broken.put(why))
    troubles: list[Callable[[], object]] = [
        lambda: peer.push(CHAIN.updates[7]),  # a gap
        lambda: peer.send('{"arg":{"channel":"books","instId":"BTC-USDT"},"data":[[['),
        lambda: peer.push(truth_of(CHAIN, 3)._replace(bids=[["1000", "1"]])),  # crossed
    ]
    for place in range(1, 31):
        assert room.host.clock.wait((book.live,), PATIENCE_S), book.stats
        troubles[place % 3]()
        broken.get(timeout=PATIENCE_S)
        room.push(peer, other.updates[place], symbol="ETH_USDT")
        assert shown(room.exchange.GetDepth("ETH_USDT")) == truth(other, place)
    rows = {row["Symbol"]: row for row in room.exchange.Subscriptions()}
    assert (rows["ETH_USDT"]["State"], rows["ETH_USDT"]["Gaps"], rows["ETH_USDT"]["Fallbacks"]) == ("live", 0, 0)
    assert rows["BTC_USDT"]["Gaps"] == 30
    assert room.server._peers.empty(), "one connection for both"
    assert not any("ETH" in line for line in room.host.errors)
    room.exchange.close()
    serving.join()


# -- falling back ------------------------------------------------------------------------------------------------------------------


def asks_the_venue(room: Room, **arguments: Any) -> bool:
    before = room.venue.calls["depth"]
    depth = room.exchange.GetDepth(**arguments)
    assert depth is not None
    asked = room.venue.calls["depth"] == before + 1
    assert asked is ("Live" not in depth.Info)
    if asked:
        assert depth.Bids[0].Price == pytest.approx(99.99), "the venue's own book"
    return asked


def test_the_venue_answers_until_the_book_is_live_and_while_it_is_broken(room: Room) -> None:
    assert room.exchange.Subscribe("depth", "", room.max_age_ms) is True
    assert asks_the_venue(room)
    peer = OkxPeer(room.server.peer())
    assert asks_the_venue(room)
    room.push(peer, truth_of(CHAIN, 0))
    assert not asks_the_venue(room)
    room.push(peer, CHAIN.updates[2])  # a gap
    assert asks_the_venue(room)
    room.push(peer, CHAIN.updates[3])
    assert asks_the_venue(room)
    room.push(peer, truth_of(CHAIN, 5))
    assert not asks_the_venue(room)
    room.push(peer, CHAIN.updates[6]._replace(checksum=1))
    assert asks_the_venue(room)
    (row,) = room.exchange.Subscriptions()
    assert (row["State"], row["Gaps"], row["Resyncs"], row["AgeMs"]) == ("broken", 2, 1, None)
    assert (row["Answers"], row["Fallbacks"]) == (2, 5)
    assert "the book is at" in room.host.errors[0]


def test_a_lost_connection_is_answered_for_by_the_venue(room: Room) -> None:
    peer = room.subscribe(CHAIN)
    lost = threading.Event()
    feed = room.exchange._core.live._books["BTC_USDT"].feed
    forget = feed._on_loss
    assert forget is not None
    feed._on_loss = lambda: (forget(), lost.set())  # type: ignore[func-returns-value]
    peer.peer.reset()
    assert lost.wait(PATIENCE_S)
    assert asks_the_venue(room)
    room.push(OkxPeer(room.server.peer()), truth_of(CHAIN, 7))
    assert shown(room.exchange.GetDepth()) == truth(CHAIN, 7)


def test_a_last_price_that_is_too_old_is_not_told_beside_a_young_book() -> None:
    clock = ManualClock(1_600_000_000)
    row = dict.fromkeys(("last", "vol24h", "high24h", "low24h", "open24h", "bidPx", "askPx"), "9") | {
        "ts": "1600000000000"
    }
    with WsServer() as server:
        room = Room(server, clock)
        try:
            peer = room.subscribe(CHAIN)
            peer.send({"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [row]})
            room.push(peer, CHAIN.updates[1])
            assert room.exchange.GetTicker().Info.get("Live") is True  # type: ignore[union-attr]
            clock.advance(5.1)
            room.push(peer, CHAIN.updates[2])
            assert room.exchange.GetDepth().Info.get("Live") is True  # type: ignore[union-attr]
            assert room.exchange.GetTicker().Info.get("Live") is None  # type: ignore[union-attr]
        finally:
            room.exchange.close()


def test_a_book_that_is_too_old_does_not_answer() -> None:
    clock = ManualClock(1_600_000_000)
    with WsServer() as server:
        room = Room(server, clock)
        try:
            peer = room.subscribe(CHAIN)
            clock.advance(4.9)
            assert not asks_the_venue(room)
            assert room.exchange.GetDepth().Info.AgeMs == pytest.approx(4900)  # type: ignore[union-attr]
            clock.advance(0.2)
            assert asks_the_venue(room), "older than 5 s"
            assert room.exchange.Subscribe("depth", "", 60_000) is True  # the same subscription, with more patience
            assert not asks_the_venue(room)
            room.push(peer, CHAIN.updates[1])
            assert room.exchange.GetDepth().Info.AgeMs == 0  # type: ignore[union-attr]
            assert len(room.exchange.Subscriptions()) == 1
        finally:
            room.exchange.close()


def test_more_levels_than_the_book_has_are_asked_of_the_venue(room: Room) -> None:
    wide = [[f"{10_000 - place}", "1"] for place in range(400)]
    assert room.exchange.Subscribe("depth", "", room.max_age_ms) is True
    peer = OkxPeer(room.server.peer())
    room.push(peer, BookUpdate(snapshot=True, bids=wide, asks=[["10001", "1"]], last=1, previous=-1))
    assert not asks_the_venue(room, limit=400)
    assert asks_the_venue(room, limit=401)
    assert len(room.exchange.GetDepth().Bids) == 100  # type: ignore[union-attr]


# -- subscribing -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("depht",), "no channel 'depht' can be subscribed to; did you mean 'depth'"),
        ((None,), "no channel None"),
        (("depth", "nonsense"), "a symbol must be like"),
        (("depth", "XRP_USDT"), "does not list 'XRP_USDT'"),
        (("depth", "", 0), "max_age_ms must be above 0"),
        (("depth", "", -5), "max_age_ms must be above 0"),
        (("depth", "", "5000"), "max_age_ms must be a number"),
        (("depth", "", 5000, -1), "wait_ms 0 or more"),
        (("depth", "", float("nan")), "max_age_ms must be finite"),
    ],
)
def test_what_cannot_be_subscribed_to_leaves_one_line_and_nothing_else(
    room: Room, arguments: tuple[Any, ...], words: str
) -> None:
    assert room.exchange.Subscribe(*arguments) is None
    assert len(room.host.errors) == 1
    assert words in room.exchange.GetLastError()
    assert room.exchange.Subscriptions() == []


def test_a_venue_without_streams_says_so() -> None:
    venue = FakeVenue()
    with Exchange("Fake", "BTC_USDT", venue=venue, errors="raise") as exchange:
        with pytest.raises(NotSupported, match="Fake does not support Subscribe"):
            exchange.Subscribe("depth")
        with pytest.raises(UnknownName):
            exchange.Unsubscribe("trades")
        assert exchange.Unsubscribe("depth") is False
        assert exchange.GetDepth() is not None


def test_waiting_for_the_book(room: Room) -> None:
    assert room.exchange.Subscribe("depth", "", room.max_age_ms, 30) is None
    assert "is not live after 0.03 s: no snapshot has arrived; the subscription stays" in room.exchange.GetLastError()
    handle = room.exchange.Go("Subscribe", "depth", "", room.max_age_ms, PATIENCE_S * 1000)
    OkxPeer(room.server.peer()).push(truth_of(CHAIN, 0))
    assert handle.wait() == (True, True)
    assert shown(room.exchange.GetDepth()) == truth(CHAIN, 0)
    assert room.exchange.Subscribe("depth", "", None, 1) is True, "it is live already"


def test_a_stop_cuts_the_waiting_short(room: Room) -> None:
    stopper = threading.Timer(0.05, room.host.clock.stop.request)
    stopper.start()
    with pytest.raises(StopRequested):
        room.exchange.Subscribe("depth", "", None, 60_000)
    stopper.join()


def test_a_stop_before_the_waiting_is_told_as_a_stop(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    put = LiveBooks._put

    def _put_and_stop(books: LiveBooks, symbol: str, old: LiveBook | None, new: LiveBook, *count: int) -> bool:
        done = put(books, symbol, old, new, *count)
        room.host.clock.stop.request()
        ended = threading.Event()
        new.feed.ended.add(ended.set)
        assert ended.wait(PATIENCE_S)
        return done

    monkeypatch.setattr(LiveBooks, "_put", _put_and_stop)
    with pytest.raises(StopRequested):
        room.exchange.Subscribe("depth", "", None, 60_000)


def test_raising_errors(room: Room) -> None:
    with Exchange("Fake", "BTC_USDT", venue=room.venue, errors="raise") as exchange:
        with pytest.raises(TimedOut):
            exchange.Subscribe("depth", wait_ms=10)
        with pytest.raises(InputError):
            exchange.Subscribe("depth", max_age_ms=0)


def test_many_threads_subscribe_to_one_book(room: Room) -> None:
    run_threads(8, lambda _: room.exchange.Subscribe("depth"))
    assert len(room.exchange.Subscriptions()) == 1
    OkxPeer(room.server.peer())
    assert room.server._peers.empty(), "one connection"
    counts: list[bool | None] = []
    run_threads(8, lambda _: counts.append(room.exchange.Unsubscribe("depth")))
    assert sorted(map(bool, counts)) == [False] * 7 + [True]


def test_subscribing_and_closing_at_once_leaves_nothing(room: Room) -> None:
    def work(index: int) -> None:
        for _ in range(10):
            if index % 3:
                room.exchange.Subscribe("depth", ("BTC_USDT", "ETH_USDT")[index % 2])
            else:
                room.exchange._core.live.close()

    run_threads(6, work)
    room.exchange.close()
    assert room.exchange.Subscriptions() == []


def test_a_subscription_that_is_being_made_does_not_outlive_the_exchange(room: Room) -> None:
    room.venue.before_source = room.exchange.close
    assert room.exchange.Subscribe("depth") is None
    assert "was closed while BTC_USDT was being subscribed to" in room.exchange.GetLastError()
    assert room.exchange.Subscriptions() == []


def test_another_base_moves_the_book(room: Room) -> None:
    first = room.subscribe(CHAIN)
    with WsServer() as elsewhere:
        assert room.exchange.SetBase(f"http://127.0.0.1:{elsewhere.port}")
        assert first.peer.at_end()
        assert asks_the_venue(room), "what the old place said is forgotten"
        room.push(OkxPeer(elsewhere.peer()), truth_of(CHAIN, 9))
        assert shown(room.exchange.GetDepth()) == truth(CHAIN, 9)
        assert room.exchange.SetBase(f"http://127.0.0.1:{elsewhere.port}")
        assert shown(room.exchange.GetDepth()) == truth(CHAIN, 9), "the same base leaves it alone"
        assert room.exchange.Unsubscribe("depth")


def test_closing_ends_every_book_and_the_venue_goes_on_answering(room: Room) -> None:
    room.subscribe(CHAIN)
    room.exchange.close()
    assert room.exchange.Subscriptions() == []
    assert asks_the_venue(room)


# -- never wrong -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_no_thread_ever_sees_a_book_that_never_was(room: Room, seed: int) -> None:
    """Updates, gaps, wrong checksums and new snapshots at random, while four threads read."""
    chain = make_chain("okx", seed, 120)
    by_id = {update.last: place for place, update in enumerate(chain.updates)}
    peer = room.subscribe(chain)
    done = threading.Event()
    live_answers: list[int] = []

    def drive() -> None:
        try:
            for place in range(1, 121):
                update = chain.updates[place]
                if place % 17 == seed:
                    continue  # lost on the way
                if place % 23 == seed:
                    update = update._replace(checksum=7)
                peer.push(update)
                if place % 10 == seed:
                    peer.push(truth_of(chain, place))
            room.push(peer, truth_of(chain, 120))
        finally:
            done.set()

    def read() -> None:
        count = 0
        while not done.is_set():
            depth = room.exchange.GetDepth()
            assert depth is not None
            if "Live" in depth.Info:
                assert shown(depth) == truth(chain, by_id[depth.Info.Sequence])
                count += 1
            else:
                assert depth.Bids[0].Price == pytest.approx(99.99)
        live_answers.append(count)

    run_threads(5, lambda index: drive() if index == 0 else read())
    assert sum(live_answers) > 0
    assert shown(room.exchange.GetDepth()) == truth(chain, 120)


def test_a_live_book_is_an_event_source_of_its_host(room: Room) -> None:
    room.subscribe(CHAIN)
    room.subscribe(CHAIN, symbol="ETH_USDT")
    assert [(event, index) for _, event, index in room.host.watched] == [("Subscribe", 0)] * 2
    assert [source.book for source, _, _ in room.host.watched] == [room.book(), room.book("ETH_USDT")]


def test_event_loop_wakes_when_a_live_book_changes() -> None:
    with WsServer() as server, quiet_runtime() as runtime:
        venue = StreamingVenue(clock=runtime.clock)
        venue.set_base(f"http://127.0.0.1:{server.port}")
        with Exchange("Fake", "BTC_USDT", venue=venue, host=runtime) as exchange:
            assert EventLoop(-1) is None
            assert exchange.Subscribe("depth") is True
            peer = OkxPeer(server.peer(), runtime.clock)
            for update in (truth_of(CHAIN, 0), CHAIN.updates[1], CHAIN.updates[2]):
                peer.push(update)
                event = EventLoop(PATIENCE_S * 1000)
                assert event is not None
                assert (event["Event"], event["Index"]) == ("Subscribe", 0)
                while EventLoop(-1) is not None:  # a change may come as several messages
                    pass
            assert exchange.Unsubscribe("depth") is True
            assert EventLoop(-1) is None


def test_onexit_subscribes_over_a_connection_of_its_own_after_the_stop(room: Room) -> None:
    chain = CHAIN
    room.subscribe(chain)
    stop = room.host.clock.stop
    stop.request("enough")
    with stop.grant().held():
        room.peer = None
        room.subscribe(chain)
        assert room.host.clock.wait((room.book().live,), PATIENCE_S)
        depth = room.exchange.GetDepth()
        assert depth.Info.Live
        assert room.exchange.Unsubscribe("depth") is True
    with pytest.raises(StopRequested):
        room.exchange.Subscribe("depth", "", None, 60_000)
