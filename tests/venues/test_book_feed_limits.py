"""Live books under the venues' own rate limits, and beside one another: trouble costs little, and nobody else notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import BadReply, RateLimited
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.streams.book.feed import BookFeed
from fmzthreads.streams.book.resync import ResyncPlan
from fmzthreads.venues.binance.venue import Binance
from tests.helpers.book_feeds import PATIENCE_S
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.threads import no_new_threads

HASTY = ResyncPlan(pause_s=0.01, longest_pause_s=0.02, answer_s=PATIENCE_S, calm_s=0.0)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with no_new_threads():
        yield


class Market:
    """A simulated venue that keeps its limits, and an exchange object whose books are made anew in great haste."""

    def __init__(self, name: str, **options: Any) -> None:
        self.server = SimulatorServer(name.lower(), seed=3, step_s=0.02, **options)
        self.host = MemoryHost(WallClock())
        self.name = name

    def __enter__(self) -> Market:
        self.server.start()
        self.exchange = Exchange(self.name, "BTC_USDT", base=self.server.base_url, host=self.host)
        self.exchange._core.live.plan = HASTY
        return self

    def __exit__(self, *_: object) -> None:
        self.exchange.close()
        self.server.stop()

    def feed(self, symbol: str = "BTC_USDT") -> BookFeed:
        return self.exchange._core.live._books[symbol].feed

    def subscribe(self, symbol: str = "BTC_USDT") -> None:
        done = self.exchange.Subscribe("depth", symbol, PATIENCE_S * 1000, PATIENCE_S * 1000)
        assert done is True, self.host.errors

    def updates(self, symbol: str = "BTC_USDT") -> threading.Semaphore:
        """Released after each update that a book takes."""
        applied, book = threading.Semaphore(0), self.feed(symbol).book
        apply = book.apply

        def counted(*args: Any) -> bool:
            try:
                return apply(*args)
            finally:
                applied.release()

        book.apply = counted  # type: ignore[method-assign,assignment]
        return applied


def is_live(exchange: Exchange, symbol: str = "") -> bool:
    depth = exchange.GetDepth(symbol)
    return depth is not None and "Live" in depth.Info


def test_books_that_break_all_the_time_leave_half_of_the_weight_to_the_strategy() -> None:
    """A weight of 300 a minute is three snapshots for all books together, whatever befalls them, and what is left answers the calls."""
    with Market("Binance", rate_scale=0.05) as market:
        venue = market.exchange.venue
        assert isinstance(venue, Binance)
        market.exchange.GetMarkets()  # from here on the limit that the venue names is known
        turns, turn = threading.Semaphore(0), venue.streams.turns.take
        granted: list[float] = []

        def counted(weight: int, limit: int) -> None:
            try:
                assert (weight, limit) == (50, 300)
                turn(weight, limit)
                granted.append(1)
            finally:
                turns.release()

        venue.streams.turns.take = counted  # type: ignore[method-assign]
        market.server.faults.set("/ws*", ws_skip=0.3)
        for symbol in ("BTC_USDT", "ETH_USDT"):
            assert market.exchange.Subscribe("depth", symbol) is True
        for _ in range(5):  # three that were granted, and one refusal for each book
            assert turns.acquire(timeout=PATIENCE_S)
        assert len(granted) == 3
        assert venue.limits.used(venue.channel.time.now()) <= 3 * 20 + 3 * 50
        for _ in range(10):
            assert market.exchange.GetTicker() is not None
            assert market.exchange.GetDepth("ETH_USDT") is not None
        assert not any("HTTP 429" in line for line in market.host.errors), "the venue never had to refuse"
        for symbol in ("BTC_USDT", "ETH_USDT"):
            assert market.feed(symbol).stats.connections == 1


def test_turns_for_snapshots_come_back_after_a_minute_and_at_another_base() -> None:
    clock = ManualClock(1_600_000_000)
    venue = Binance(clock=clock)
    for _ in range(60):
        venue.streams.turns.take(50, 6000)
    clock.advance(59)
    with pytest.raises(RateLimited, match=r"60 book snapshots .* nothing was sent, retry in 1\.0 s") as told:
        venue.streams.turns.take(50, 6000)
    assert told.value.retry_after_s == pytest.approx(1)
    clock.advance(1)
    venue.streams.turns.take(50, 6000)
    for _ in range(3):
        venue.streams.turns.take(50, 300)
    with pytest.raises(RateLimited):
        venue.streams.turns.take(50, 300)
    venue.set_base("http://127.0.0.1:1")
    venue.streams.turns.take(50, 300)
    venue.streams.turns.take(50, 10)  # never none at all
    venue.close()


def test_a_snapshot_answered_with_429_is_fetched_when_the_venue_says_so() -> None:
    with Market("Binance") as market:
        market.subscribe()
        applied = market.updates()
        feed = market.feed()
        market.server.faults.set("/api/v3/depth", rate_limit_429=1)
        market.server.faults.set("/ws*", ws_skip=1)
        while not feed.stats.book.resyncs:
            assert applied.acquire(timeout=PATIENCE_S), feed.stats
        assert market.server.faults.counts()["rate_limit_429"] == 1
        assert feed.stats.connections == 1
        assert feed.stats.snapshots_asked <= 3
        assert is_live(market.exchange)


def test_a_ban_is_neither_stormed_nor_answered_from_an_old_book() -> None:
    """Lasts as long as the ban: long enough for a busy machine to notice the gap and ask four times within it."""
    with Market("Binance") as market:
        market.subscribe()
        applied = market.updates()
        feed = market.feed()
        market.server.faults.set("/api/v3/depth", ban_418_s=4)
        market.server.faults.set("/ws*", ws_skip=1)
        while not feed.stats.book.gaps:
            assert applied.acquire(timeout=PATIENCE_S)
        refusals = 0
        while not feed.book.is_live:
            if market.exchange.GetDepth() is None:
                refusals += 1
                assert "Live" not in market.exchange.GetRawJSON()
        assert refusals > 3
        assert market.server.faults.counts()["ban_418_s"] <= 3, "of all the calls, only the first ones went out"
        assert feed.stats.connections == 1
        assert is_live(market.exchange)


def test_a_snapshot_that_comes_from_another_base_is_not_taken() -> None:
    with (
        SimulatorServer("binance", seed=3, step_s=0.02, rate_scale=0) as one,
        SimulatorServer("binance", seed=4, step_s=0.02, rate_scale=0) as two,
    ):
        venue = Binance(base=one.base_url)
        source = venue.book_source("BTC_USDT")
        assert source.snapshot().bids
        venue.set_base(two.base_url)
        with pytest.raises(BadReply, match="the base URL changed during"):
            source.snapshot()
        assert venue.book_source("BTC_USDT").snapshot().bids
        venue.close()


def test_a_venue_that_goes_down_is_not_noticed_at_the_other_one() -> None:
    with Market("OKX", rate_scale=0) as steady, Market("Binance", rate_scale=0) as shaky:
        for market in (steady, shaky):
            for symbol in ("BTC_USDT", "ETH_USDT"):
                market.subscribe(symbol)
        applied = steady.updates()
        shaky.server.stop()
        for _ in range(10):
            assert applied.acquire(timeout=PATIENCE_S)
            assert is_live(steady.exchange)
            assert is_live(steady.exchange, "ETH_USDT")
        while shaky.feed().book.is_live:
            assert applied.acquire(timeout=PATIENCE_S)
        assert shaky.exchange.GetDepth() is None, "an error, and not the book of before"
        assert steady.host.errors == []
        for symbol in ("BTC_USDT", "ETH_USDT"):
            assert steady.feed(symbol).stats.book.gaps == 0
