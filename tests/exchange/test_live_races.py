"""Subscriptions under attack from many threads: nobody ever reads a book of another symbol, another base or an ended subscription."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from fmzthreads.clock import Clock, ManualClock, Signal, WallClock
from fmzthreads.errors import ConnectFailed, InputError, StopRequested, TimedOut
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.streams.book import feed as feed_module
from fmzthreads.streams.book.book import OrderBook
from fmzthreads.streams.book.feed_stats import FeedStats
from fmzthreads.streams.book.rules import AbsoluteRule, BookRule, BookUpdate
from fmzthreads.streams.book.source import BookSource
from fmzthreads.streams.buffer.buffer import Message
from fmzthreads.tasks.gate import Gate
from fmzthreads.testing import FakeVenue
from tests.helpers.book_feeds import PATIENCE_S
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.threads import no_new_threads

PAIRS = ("AAA_USDT", "BBB_USDT", "CCC_USDT")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


def base_of(number: int) -> str:
    return f"http://127.0.0.1:{number}"


class Source:
    """Where a symbol's book is at one base."""

    def __init__(self, base: str, symbol: str) -> None:
        self.name, self.address = symbol, f"{base}/{symbol}"
        self.rule: BookRule = AbsoluteRule()
        self.options: Mapping[str, object] = {}
        self.price = float(base.rpartition(":")[2]) * 1000 + PAIRS.index(symbol) + 100

    def read(self, message: Message) -> Iterable[object]:
        raise AssertionError("never connected")

    def snapshot(self) -> BookUpdate | None:
        return None

    def renew(self) -> tuple[str, ...]:
        return ()


class Feed:
    """A feed whose book is live as soon as it is started, and says in its prices where it comes from and what of."""

    all: ClassVar[list[Feed]] = []
    live_at_once = True
    before_close: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, source: BookSource, host: Any, **_: object) -> None:
        assert isinstance(source, Source)
        self.source = source
        self.book = OrderBook(source.rule, host.clock, name=source.name)
        self.ended = Signal()
        self.started = self.closed = False
        self.all.append(self)

    def start(self) -> None:
        self.started = True
        if self.live_at_once:
            self.become_live()

    def become_live(self) -> None:
        price = self.source.price
        self.book.apply(BookUpdate(True, [[f"{price}", "1"]], [[f"{price + 0.5}", "1"]]))

    def close(self, timeout_s: float = 5.0) -> None:
        self.before_close()
        self.closed = True
        self.book.lose("the subscription has ended")
        self.ended.set()

    @property
    def stats(self) -> FeedStats:
        counts = dict.fromkeys(
            ("connections", "reconnects", "messages", "unread", "snapshots_asked", "snapshots_failed"), 0
        )
        return FeedStats(book=self.book.stats, connected=True, **counts)

    def current_at(self, time_ms: int) -> float:
        return 0.0


class Venue(FakeVenue):
    """A venue at a base, whose sources can be made to take time, to fail and to be moved while they are made."""

    before_source: Callable[[], object] = staticmethod(lambda: None)

    def book_source(self, symbol: str) -> Source:
        base = self.base()
        self.before_source()
        return Source(base, symbol)


class Room:
    def __init__(self, clock: Clock | None = None) -> None:
        self.host = MemoryHost(clock if clock is not None else WallClock())
        self.venue = Venue(clock=self.host.clock, pairs=PAIRS)
        self.venue.set_base(base_of(1))
        self.exchange = Exchange("Fake", PAIRS[0], venue=self.venue, host=self.host)
        self.live = self.exchange._core.live

    def feed(self, symbol: str = PAIRS[0]) -> Feed:
        feed = self.live._books[symbol].feed
        assert isinstance(feed, Feed)
        return feed

    def check(self) -> None:
        """Nothing that was started is left running outside the table, and what is in it is where the venue is."""
        for symbol, live in self.live._books.items():
            assert live.source.address == f"{self.venue.base()}/{symbol}"
        kept = {id(live.feed) for live in self.live._books.values()}
        for feed in Feed.all:
            assert feed.closed is (feed.started and id(feed) not in kept)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr(feed_module, "BookFeed", Feed)
    monkeypatch.setattr(Feed, "all", [])
    found = Room()
    yield found
    found.exchange.close()
    assert all(feed.closed for feed in Feed.all if feed.started)


def price_of(number: int, symbol: str) -> float:
    return Source(base_of(number), symbol).price


def answer(room: Room, symbol: str = "") -> float | None:
    """The best bid of a live answer; None when the venue was asked."""
    depth = room.exchange.GetDepth(symbol)
    assert depth is not None
    return depth.Bids[0].Price if "Live" in depth.Info else None


# -- one race at a time, made to happen ----------------------------------------------------------------------------------------------


def once(work: Callable[[], object]) -> Callable[[], None]:
    """Does something the first time only."""
    left = [work]

    def run() -> None:
        if left:
            left.pop()()

    return run


def test_a_base_that_is_set_while_a_subscription_is_made_moves_it_too(room: Room) -> None:
    room.venue.before_source = once(lambda: room.exchange.SetBase(base_of(2)))
    assert room.exchange.Subscribe("depth") is True
    assert answer(room) == price_of(2, PAIRS[0])
    room.check()


def test_of_two_bases_set_at_once_the_books_follow_the_one_that_stays(room: Room) -> None:
    for symbol in PAIRS:
        room.exchange.Subscribe("depth", symbol)
    room.venue.before_source = once(lambda: room.exchange.SetBase(base_of(3)))
    assert room.exchange.SetBase(base_of(2))
    assert room.venue.base() == base_of(3)
    for symbol in PAIRS:
        assert answer(room, symbol) == price_of(3, symbol)
    room.check()


def test_unsubscribing_while_a_base_is_set_leaves_no_subscription(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.exchange.Subscribe("depth")
    said: list[bool | None] = []
    monkeypatch.setattr(
        Feed, "before_close", staticmethod(once(lambda: said.append(room.exchange.Unsubscribe("depth"))))
    )
    room.exchange.SetBase(base_of(2))
    assert said == [True], "there was one all the time"
    assert room.exchange.Subscriptions() == []
    assert answer(room) is None
    room.check()


def test_unsubscribing_while_the_new_source_is_made(room: Room) -> None:
    room.exchange.Subscribe("depth")
    said: list[bool | None] = []
    room.venue.before_source = once(lambda: said.append(room.exchange.Unsubscribe("depth")))
    room.exchange.SetBase(base_of(2))
    assert said == [True]
    assert room.exchange.Subscriptions() == []
    room.check()


def test_closing_while_a_base_is_set_leaves_nothing_and_is_no_error(room: Room) -> None:
    room.exchange.Subscribe("depth")
    room.venue.before_source = once(room.exchange.close)
    assert room.exchange.SetBase(base_of(2))
    assert room.exchange.Subscriptions() == []
    assert room.host.errors == []
    room.check()


def test_a_source_that_cannot_be_made_at_the_new_base_ends_the_book(room: Room) -> None:
    for symbol in PAIRS[:2]:
        room.exchange.Subscribe("depth", symbol)

    def fail() -> None:
        raise ConnectFailed("nobody there")

    room.venue.before_source = once(fail)
    assert room.exchange.SetBase(base_of(2))
    assert [row["Symbol"] for row in room.exchange.Subscriptions()] == [PAIRS[1]]
    assert answer(room, PAIRS[0]) is None
    assert answer(room, PAIRS[1]) == price_of(2, PAIRS[1])
    assert any("the subscription has ended: nobody there" in line for line in room.host.errors)


@pytest.mark.parametrize("error", [StopRequested("stop"), RuntimeError("a bug")])
def test_a_base_that_is_set_during_a_stop_leaves_no_book_of_the_old_one(room: Room, error: Exception) -> None:
    for symbol in PAIRS:
        room.exchange.Subscribe("depth", symbol)

    def fail() -> None:
        raise error

    room.venue.before_source = fail
    with pytest.raises(type(error)):
        room.exchange.SetBase(base_of(2))
    room.venue.before_source = lambda: None
    for symbol in PAIRS:
        assert answer(room, symbol) is None
    assert room.exchange.Subscriptions() == []


def test_waiting_for_a_book_that_is_unsubscribed_from_says_so(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Feed, "live_at_once", False)
    handle = room.exchange.Go("Subscribe", "depth", "", None, PATIENCE_S * 1000)
    while not (room.live._books and room.feed().book.live._callbacks):
        threading.Event().wait(0.001)
    assert room.exchange.Unsubscribe("depth") is True
    assert handle.wait() == (None, True)
    assert "was ended before its book was live" in room.exchange.GetLastError()


def test_waiting_for_a_book_goes_along_when_it_moves(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Feed, "live_at_once", False)
    handle = room.exchange.Go("Subscribe", "depth", "", None, PATIENCE_S * 1000)
    while not (room.live._books and room.feed().book.live._callbacks):
        threading.Event().wait(0.001)
    monkeypatch.setattr(Feed, "live_at_once", True)
    assert room.exchange.SetBase(base_of(2))
    assert handle.wait() == (True, True)
    assert answer(room) == price_of(2, PAIRS[0])


def test_waiting_for_a_feed_that_has_ended_does_not_last(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(feed: Feed) -> None:
        feed.started = True
        feed.ended.set()

    monkeypatch.setattr(Feed, "start", end)
    with pytest.raises(TimedOut):
        room.live.subscribe(PAIRS[0], 5.0, PATIENCE_S)


def test_a_feed_that_has_ended_is_replaced_by_the_next_subscription(room: Room) -> None:
    room.exchange.Subscribe("depth")
    first = room.feed()
    first.close()  # as a stop of the strategy does, which onexit lifts
    assert answer(room) is None
    assert room.exchange.Subscribe("depth") is True
    assert room.feed() is not first
    assert answer(room) == price_of(1, PAIRS[0])


def test_a_thread_that_cannot_be_started_leaves_no_subscription(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(feed: Feed) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Feed, "start", fail)
        with pytest.raises(RuntimeError):
            room.exchange.Subscribe("depth")
        assert room.exchange.Subscriptions() == []
    assert room.exchange.Subscribe("depth") is True
    assert answer(room) == price_of(1, PAIRS[0])
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "start", fail)
        with pytest.raises(RuntimeError):
            room.exchange.SetBase(base_of(2))
    assert room.exchange.Subscriptions() == []
    room.check()


def test_books_that_move_are_ended_side_by_side(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for symbol in PAIRS:
        room.exchange.Subscribe("depth", symbol)
    together = threading.Barrier(len(PAIRS))
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "before_close", staticmethod(lambda: together.wait(PATIENCE_S)))
        room.exchange.SetBase(base_of(2))
    for symbol in PAIRS:
        assert answer(room, symbol) == price_of(2, symbol)
    room.check()


def test_books_are_ended_side_by_side(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may have a reply to wait for: one after the other, twenty books would take a hundred seconds."""
    for symbol in PAIRS:
        room.exchange.Subscribe("depth", symbol)
    together = threading.Barrier(len(PAIRS))
    monkeypatch.setattr(Feed, "before_close", staticmethod(lambda: together.wait(PATIENCE_S)))
    room.exchange.close()
    assert all(feed.closed for feed in Feed.all)


def test_books_are_ended_even_where_no_thread_can_be_had(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for symbol in PAIRS:
        room.exchange.Subscribe("depth", symbol)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        room.live.close()
    assert all(feed.closed for feed in Feed.all)


def test_a_second_subscription_of_a_symbol_is_the_first_one(room: Room) -> None:
    assert room.exchange.Subscribe("depth") is True
    assert room.exchange.Subscribe("depth", PAIRS[0].lower(), 1) is True
    assert len(Feed.all) == 1
    assert len(room.exchange.Subscriptions()) == 1
    assert room.exchange.Unsubscribe("depth") is True
    assert room.exchange.Unsubscribe("depth") is False


def test_an_answer_that_waits_at_a_gate_is_not_of_the_base_before(room: Room) -> None:
    room.exchange.Subscribe("depth")
    gate = Gate(2)
    handle = room.exchange.submit("GetDepth", gate=gate)
    while not gate._held:
        threading.Event().wait(0.001)
    room.exchange.SetBase(base_of(2))
    gate.open()
    value, ok = handle.wait()
    assert ok
    assert "Live" not in value.Info, "the book that it began with has ended"


def test_an_empty_book_and_one_that_shows_too_little_are_not_answered_from(room: Room) -> None:
    room.exchange.Subscribe("depth")
    book = room.feed().book
    book.apply(BookUpdate(True, [], []))
    assert answer(room) is None
    book.apply(BookUpdate(True, [["5", "1"]], []))
    assert answer(room) == 5.0
    assert room.exchange.GetTicker().Info.get("Live") is None  # type: ignore[union-attr]
    bids = [[f"{price}", "1"] for price in range(1000, 0, -1)]
    book.apply(BookUpdate(True, bids, [["2000", "1"]], asked=1000))
    assert answer(room) == 1000.0
    book.apply(BookUpdate(False, [[f"{price}", "0"] for price in range(1000, 50, -1)], []))
    assert len(book.depth().bids) == 50, "there is more behind it that nobody has seen"
    assert answer(room) is None, "REST would show 100"
    assert answer_with_limit(room, 50) == 50.0


def answer_with_limit(room: Room, limit: int) -> float | None:
    depth = room.exchange.GetDepth("", limit)
    assert depth is not None
    return depth.Bids[0].Price if "Live" in depth.Info else None


def test_the_fallback_fails_rather_than_answer_from_an_old_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BookFeed", Feed)
    monkeypatch.setattr(Feed, "all", [])
    clock = ManualClock(1_600_000_000)
    room = Room(clock)
    room.exchange.Subscribe("depth")
    assert answer(room) == price_of(1, PAIRS[0])
    clock.advance(5.1)
    for _ in range(3):
        room.venue.fail("depth", ConnectFailed("down"))
        assert room.exchange.GetDepth() is None
        assert "down" in room.exchange.GetLastError()
    room.venue.fail("ticker", ConnectFailed("down"))
    assert room.exchange.GetTicker() is None
    room.feed().become_live()
    assert answer(room) == price_of(1, PAIRS[0])
    room.exchange.close()


# -- all at once ---------------------------------------------------------------------------------------------------------------------


def do_any(draw: random.Random, exchange: Exchange, symbol: str, *names: str) -> None:
    """One of these calls."""
    calls: dict[str, Callable[[], object]] = {
        "Subscribe": lambda: exchange.Subscribe("depth", symbol),
        "Wait": lambda: exchange.Subscribe("depth", symbol, None, 3000),
        "Unsubscribe": lambda: exchange.Unsubscribe("depth", symbol),
        "SetCurrency": lambda: exchange.SetCurrency(symbol),
        "GetDepth": lambda: exchange.GetDepth(symbol),
        "Subscriptions": exchange.Subscriptions,
    }
    calls[draw.choice(names)]()


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_changes_from_many_threads(room: Room, seed: int) -> None:
    """Whoever is alone with a symbol or with the base sees exactly what was done; everybody else at least something that was true."""
    rounds = 400
    most = [1]

    def setter() -> None:
        for number in range(2, rounds):
            most[0] = number
            room.exchange.SetBase(base_of(number))
            for symbol in PAIRS:
                found = answer(room, symbol)
                assert found in {None, price_of(number, symbol)}, "of a base before, after SetBase had returned"

    def owner(draw: random.Random) -> None:
        symbol = PAIRS[1]
        for _ in range(rounds):
            since = most[0]
            assert room.exchange.Subscribe("depth", symbol) is True
            found = answer(room, symbol)
            assert found is None or found in {
                price_of(number, symbol) for number in range(max(1, since - 1), most[0] + 1)
            }
            if draw.random() < 0.7:
                room.exchange.Unsubscribe("depth", symbol)
                assert answer(room, symbol) is None, "after Unsubscribe"

    def any_thing(draw: random.Random) -> None:
        symbols = (PAIRS[0], PAIRS[2])
        for _ in range(rounds):
            symbol = draw.choice(symbols)
            do_any(draw, room.exchange, symbol, "Subscribe", "Unsubscribe", "SetCurrency", "Subscriptions")
            found = answer(room, symbol)
            assert found is None or (found - 100) % 1000 == PAIRS.index(symbol), "of another symbol"

    def work(index: int) -> None:
        draw = random.Random(seed * 100 + index)
        if index == 0:
            setter()
        elif index == 1:
            owner(draw)
        else:
            any_thing(draw)

    run_threads(6, work)
    room.check()
    assert room.host.errors == []


def test_closing_at_any_moment(room: Room) -> None:
    def work(index: int) -> None:
        draw = random.Random(index)
        for number in range(300):
            symbol = draw.choice(PAIRS)
            if index == 0:
                room.live.close()
            elif index == 1:
                room.exchange.SetBase(base_of(number % 9 + 1))
            else:
                do_any(draw, room.exchange, symbol, "Subscribe", "Unsubscribe", "GetDepth")

    run_threads(5, work)
    room.check()
    room.exchange.close()
    assert room.exchange.Subscriptions() == []
    room.check()
    assert all("was closed while" in line for line in room.host.errors)


# -- over sockets --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OKX", "Binance"])
def test_real_books_come_and_go_between_two_venues(name: str) -> None:
    """Two simulators whose prices differ; subscriptions, moves and a stop from many threads; neither threads nor sockets are left."""
    with (
        SimulatorServer(name.lower(), seed=1, step_s=0.02, rate_scale=0) as one,
        SimulatorServer(name.lower(), seed=2, step_s=0.02, rate_scale=0) as two,
    ):
        host = MemoryHost(WallClock())
        exchange = Exchange(name, "BTC_USDT", base=one.base_url, host=host)
        pairs = ("BTC_USDT", "ETH_USDT")
        middles = {pair: exchange.GetTicker(pair).Last for pair in pairs}  # type: ignore[union-attr]
        answered: list[int] = []

        def work(index: int) -> None:
            draw = random.Random(index)
            try:
                for number in range(100_000):
                    pair = draw.choice(pairs)
                    if index == 0 and number % 7 == 6:
                        exchange.SetBase((one, two)[number % 2].base_url)
                    else:
                        do_any(draw, exchange, pair, "Subscribe", "Unsubscribe", "SetCurrency", "Wait", "Wait")
                    for asked in pairs:
                        depth = exchange.GetDepth(asked)
                        if depth is not None and "Live" in depth.Info:
                            answered.append(index)
                            assert 0.5 < depth.Bids[0].Price / middles[asked] < 2, "of another symbol"
                            assert depth.Bids[0].Price < depth.Asks[0].Price
                    if len(answered) > 150:
                        host.clock.stop.request()
            except StopRequested:
                pass

        run_threads(4, work)
        exchange.close()
        assert len(answered) > 150
        assert exchange.Subscriptions() == []
        assert not [line for line in host.errors if "Error" in line and "closed" not in line]


def test_input_error_is_what_a_closed_exchange_says(room: Room) -> None:
    room.venue.before_source = once(room.exchange.close)
    with pytest.raises(InputError, match="was closed while"):
        room.live.subscribe(PAIRS[0], 5.0)
