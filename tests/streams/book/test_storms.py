"""Feeds in lasting trouble, hour after hour on a clock that jumps: how often they ask, subscribe and connect."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from fmzthreads.errors import Banned, FmzError, RateLimited, VenueUnavailable
from fmzthreads.streams.book import feed as book_feed
from fmzthreads.streams.book.feed import BookFeed
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.streams.book.rules import BookRule, BookUpdate, PreviousIdRule, RangeRule
from fmzthreads.streams.book.source import SourceReady
from fmzthreads.streams.buffer.buffer import Message
from tests.helpers.book_feeds import LineHost
from tests.helpers.exchange_room import JumpClock

HOUR_S = 3600.0
BIDS, ASKS = [["99", "1"]], [["101", "1"]]


class Venue:
    """A venue, the connection to it and its book source in one, for one hour and one thread; nothing in it waits for real."""

    def __init__(self, rule: BookRule, patch: pytest.MonkeyPatch) -> None:
        self.clock = JumpClock()
        self.host = LineHost(self.clock)
        self.rule = rule
        self.queue: deque[object] = deque()
        self.snapshots: list[float] = []  # when one was asked for
        self.requests: list[float] = []  # when something was written
        self.connects: list[float] = []  # when a connection was made, by the feed or by Dial
        self.last = 1000
        self.broken: FmzError | None = None
        self.step: Callable[[], Iterable[object]] = tuple
        self.on_subscribe: Callable[[], Iterable[object]] = tuple
        self.cut = False
        self.ended = False
        patch.setattr(book_feed, "Connection", lambda *_: self)
        self.feed = BookFeed(Source(self), self.host, plan=ResyncPlan(jitter=lambda: 1.0))

    def run(self, for_s: float = HOUR_S) -> None:
        self.end = self.clock.monotonic() + for_s
        self.feed._run()

    # -- the connection

    class stats:
        reconnects = 0

    state = "open"

    def open(self) -> None:
        self.connects.append(self.clock.monotonic())
        self.ended = False
        self.queue.clear()
        self.queue.append(SourceReady())
        if not self.rule.buffers:
            self.queue.extend(self.on_subscribe())

    def close(self) -> None:
        self.ended = True

    def is_ready(self) -> bool:
        return bool(self.queue)

    def write(self, message: str) -> int:
        self.requests.append(self.clock.monotonic())
        if message == "subscribe":
            self.queue.extend(self.on_subscribe())
        return len(message)

    def read(self, timeout_ms: float | None) -> object:
        """The next message; or else the time goes on by a tenth of a second, as the stream does."""
        if self.clock.monotonic() >= self.end:
            self.feed.close()
            return ""
        if self.cut and not self.queue:
            self.cut = False
            return ""
        if not self.queue:
            self.clock.advance(0.1 if timeout_ms is None else min(0.1, timeout_ms / 1000))
            self.queue.extend(self.step())
        return self.queue.popleft() if self.queue else None

    def reconnect_as_dial_does(self) -> None:
        """Dial makes a connection again a second after its loss, whatever the feed makes of it."""
        self.cut = True
        self.clock.advance(1.0)

    # -- the source

    def read_message(self, event: object) -> tuple[object, ...]:
        return (event,)

    def snapshot(self) -> BookUpdate | None:
        if not self.rule.buffers:
            return None
        self.snapshots.append(self.clock.monotonic())
        if self.broken is not None:
            raise self.broken
        return self.shot()

    def shot(self, **fields: Any) -> BookUpdate:
        return BookUpdate(**{"snapshot": True, "bids": BIDS, "asks": ASKS, "last": self.last, **fields})

    def delta(self, gap: int = 0) -> BookUpdate:
        before, self.last = self.last, self.last + gap + 1
        return BookUpdate(False, BIDS, (), first=before + gap + 1, last=self.last, previous=before + gap)

    def renew(self) -> tuple[str, ...]:
        return ("unsubscribe", "subscribe")


class Source:
    """What the feed sees of the venue as a source: ``read`` of a source is not ``read`` of a connection."""

    def __init__(self, venue: Venue) -> None:
        self.read: Callable[[Message], Iterable[object]] = venue.read_message
        self.snapshot, self.renew = venue.snapshot, venue.renew
        self.name, self.rule, self.address = "Storm", venue.rule, "ws://127.0.0.1:1"
        self.options: Mapping[str, object] = {}


@pytest.fixture
def spot(monkeypatch: pytest.MonkeyPatch) -> Venue:
    return Venue(RangeRule(), monkeypatch)


@pytest.fixture
def okx(monkeypatch: pytest.MonkeyPatch) -> Venue:
    return Venue(PreviousIdRule(), monkeypatch)


def pauses(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)]


def test_a_gap_after_every_snapshot_costs_two_snapshots_a_minute(spot: Venue) -> None:
    spot.step = lambda: [spot.delta(gap=1)]
    spot.run()
    assert 60 <= len(spot.snapshots) <= HOUR_S / 30 + 15
    assert pauses(spot.snapshots)[-1] >= 29
    assert len(spot.connects) < 50


def test_a_snapshot_that_is_always_older_than_the_stream_is_not_asked_for_in_a_storm(spot: Venue) -> None:
    spot.step = lambda: [spot.delta()]
    stale = spot.shot(last=5)
    spot.shot = lambda **_: stale  # type: ignore[method-assign]
    spot.run()
    assert 60 <= len(spot.snapshots) <= HOUR_S / 30 + 15
    assert not spot.feed.book.is_live
    assert spot.feed.stats.book.updates == 0
    assert spot.host.lines.qsize() <= len(spot.connects), "one outage, one line"


def test_a_book_that_breaks_again_and_again_just_when_it_was_calm_stays_far_below_the_limit(spot: Venue) -> None:
    plan = ResyncPlan()
    broke = [0.0]

    def step() -> list[object]:
        gap = int(spot.clock.monotonic() - broke[0] >= plan.calm_s + 0.5)
        if gap:
            broke[0] = spot.clock.monotonic()
        return [spot.delta(gap)]

    spot.step = step
    spot.run()
    assert 300 <= len(spot.snapshots) <= HOUR_S / plan.calm_s, "weight 50, six times a minute"


@pytest.mark.parametrize("kind", [RateLimited, Banned])
@pytest.mark.parametrize("told_s", [45.0, 86_400.0])
def test_a_venue_that_says_when_to_come_back_is_not_asked_before_and_keeps_its_connection(
    spot: Venue, kind: type[RateLimited], told_s: float
) -> None:
    spot.step = lambda: [spot.delta()]
    spot.broken = kind("too many requests", retry_after_s=told_s)
    spot.run()
    assert min(pauses(spot.snapshots)) >= min(told_s, 60) - 0.2
    assert len(spot.connects) == 1
    assert spot.host.lines.qsize() == 1
    assert spot.feed.book.stats.kept <= 1000, "what waits for a snapshot is bounded"


def test_a_refusal_that_says_nothing_is_paused_for_all_the_same(spot: Venue) -> None:
    spot.broken = RateLimited("too many requests")
    spot.run()
    assert len(spot.snapshots) <= HOUR_S / 30 + 15
    assert len(spot.connects) == 1


def test_a_rest_that_is_down_for_an_hour(spot: Venue) -> None:
    spot.broken = VenueUnavailable("down")
    spot.run()
    assert 60 <= len(spot.snapshots) <= HOUR_S / 30 + 15
    assert len(spot.connects) <= HOUR_S / 150 + 5
    assert spot.host.lines.qsize() == 1


def test_the_first_snapshot_after_a_refusal_makes_the_book_live(spot: Venue) -> None:
    spot.broken = RateLimited("too many requests", retry_after_s=30)

    def step() -> list[object]:
        if len(spot.snapshots) == 3:
            spot.broken = None
        return [spot.delta()]

    spot.step = step
    spot.run()
    assert spot.snapshots[:4] == pytest.approx([0.1, 30.1, 60.1, 90.1], abs=0.5)
    assert len(spot.snapshots) == 4
    assert spot.feed.stats.book.gaps == 1, "the end of the feed"


def test_okx_with_a_gap_after_every_snapshot_stays_below_480_requests_an_hour(okx: Venue) -> None:
    okx.on_subscribe = lambda: [okx.shot()]
    okx.step = lambda: [okx.delta(gap=1)]
    okx.run()
    assert 60 <= len(okx.requests) <= 480
    assert len(okx.connects) <= 60


@pytest.mark.parametrize("dialect", ["spot", "okx"])
@pytest.mark.parametrize("after", ["ready", "live"])
def test_a_venue_that_cuts_every_connection_at_once_is_not_stormed(
    dialect: str, after: str, request: pytest.FixtureRequest
) -> None:
    """Binance bans an address after 300 connections in five minutes, of all books together."""
    venue: Venue = request.getfixturevalue(dialect)

    def step() -> list[object]:
        if after == "live" and not venue.feed.book.is_live:
            return []
        venue.connects.append(venue.clock.monotonic())
        venue.reconnect_as_dial_does()
        return []

    venue.step = step
    venue.on_subscribe = lambda: [venue.shot()] if after == "live" else []
    venue.run()
    assert 60 <= len(venue.connects) <= 2 * (HOUR_S / 30 + 15)
    assert len(venue.snapshots) <= HOUR_S / 30 + 15


def test_books_that_broke_together_do_not_come_back_together(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = []
    for _ in range(20):
        venue = Venue(RangeRule(), monkeypatch)
        venue.feed = BookFeed(Source(venue), venue.host)
        venue.broken = VenueUnavailable("down")
        monkeypatch.setattr(book_feed, "Connection", lambda *_, venue=venue: venue)
        venue.run(120.0)
        moments.append(venue.snapshots[6])
    assert max(moments) - min(moments) > 2
    assert len({round(moment, 1) for moment in moments}) > 5


def test_a_part_of_the_stream_that_ended_unseen_is_noticed(spot: Venue) -> None:
    """Tickers go on, the book does not: never answered from when too old, and made anew after the longest quiet."""
    spot.step = lambda: [("ticker", spot.clock.monotonic())]
    spot.run()
    assert 8 <= len(spot.connects) <= HOUR_S / 300 + 1
    lines = [spot.host.lines.get() for _ in range(spot.host.lines.qsize())]
    assert all("no update confirmed it for 300 s" in line for line in lines[:-1])


def test_a_book_that_is_confirmed_is_left_alone_however_quiet(okx: Venue) -> None:
    said = [0.0]

    def step() -> list[object]:
        now = okx.clock.monotonic()
        if now - said[0] < 60:
            return ["pong"]
        said[0] = now
        return [BookUpdate(False, (), (), last=okx.last, previous=okx.last)]

    okx.on_subscribe = lambda: [okx.shot(previous=-1)]
    okx.step = step
    okx.run()
    assert (len(okx.connects), len(okx.requests), okx.feed.stats.book.gaps) == (1, 0, 1)
    assert okx.host.lines.empty()


def test_a_machine_that_slept_reads_nothing_of_before(spot: Venue) -> None:
    ahead = [0.0]
    now = spot.clock.now
    spot.clock.now = lambda: now() + ahead[0]  # type: ignore[method-assign]
    slept: list[float] = []

    def step() -> list[object]:
        if spot.feed.book.is_live and not slept and spot.clock.monotonic() > 60:
            slept.append(spot.feed.book.age_s)
            ahead[0] = 8 * HOUR_S
            slept.append(spot.feed.book.age_s)
        return [spot.delta()]

    spot.step = step
    spot.run()
    assert slept[1] - slept[0] == pytest.approx(8 * HOUR_S)
    assert len(spot.connects) == 2
    assert "the machine slept for 28800 s" in spot.host.lines.get()


def test_what_waited_while_the_machine_slept_is_not_applied(spot: Venue) -> None:
    ahead = [0.0]
    now = spot.clock.now
    spot.clock.now = lambda: now() + ahead[0]  # type: ignore[method-assign]
    before: list[int] = []

    def step() -> list[object]:
        if not before and spot.clock.monotonic() > 60:
            before.append(spot.feed.stats.book.updates)
            ahead[0] = 6.0
            spot.end = spot.clock.monotonic()  # what is read now is the last
        return [spot.delta()]

    spot.step = step
    spot.run()
    assert spot.feed.stats.book.updates == before[0], "an update from before the sleep was applied"
    assert spot.feed.stats.book.gaps == 1


def test_a_clock_that_drifts_has_not_slept(spot: Venue) -> None:
    """Corrections of the time of day by four seconds, every minute of an hour: each is less than a sleep, their sum is not."""
    ahead = [0.0]
    now = spot.clock.now
    spot.clock.now = lambda: now() + ahead[0]  # type: ignore[method-assign]

    def step() -> list[object]:
        ahead[0] = 4.0 * (spot.clock.monotonic() // 60)
        return [spot.delta()]

    spot.step = step
    spot.run()
    assert (len(spot.connects), spot.feed.stats.book.gaps) == (1, 1)
    assert spot.host.lines.empty()


def test_a_sleep_before_the_connection_breaks_nothing_after_it(spot: Venue) -> None:
    """A sleep while the feed waits to reconnect concerns no message that comes afterwards."""
    ahead = [0.0]
    now = spot.clock.now
    spot.clock.now = lambda: now() + ahead[0]  # type: ignore[method-assign]
    opened = spot.open

    def open_late() -> None:
        ahead[0] += 100.0
        opened()

    spot.open = open_late  # type: ignore[method-assign]
    spot.step = lambda: [spot.delta()]
    spot.run(60.0)
    assert (len(spot.connects), spot.feed.stats.book.gaps) == (1, 1)
    assert spot.host.lines.empty()
