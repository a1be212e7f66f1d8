from __future__ import annotations

import threading

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import ConnectFailed, RateLimited, StopRequested, UnknownSymbol
from fmzthreads.exchange.market_rules import MarketBook
from tests.helpers.exchange_room import run_threads

MARKETS = {"BTC_USDT": {"TickSize": 0.01}, "ETH_USDT": {"TickSize": 0.1}}


class Source:
    def __init__(self):
        self.calls = 0
        self.error = None
        self.gate = None
        self.entered = threading.Semaphore(0)
        self.lock = threading.Lock()

    def __call__(self):
        with self.lock:
            self.calls += 1
        self.entered.release()
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return MARKETS


def test_fetched_once_and_again_when_old():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, max_age_s=100)
    assert book.rules("BTC_USDT").symbol == "BTC_USDT"
    book.rules("ETH_USDT")
    assert source.calls == 1
    clock.advance(101)
    book.rules("ETH_USDT")
    assert source.calls == 2
    book.forget()
    book.rules("ETH_USDT")
    assert source.calls == 3


def test_an_unknown_symbol_is_named_and_asked_for_rarely():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, miss_age_s=60)
    for _ in range(3):
        with pytest.raises(UnknownSymbol, match=r"'BTC_USDX'.*BTC_USDT"):
            book.rules("BTC_USDX")
    assert source.calls == 1
    clock.advance(61)  # it may have been listed since
    with pytest.raises(UnknownSymbol):
        book.rules("BTC_USDX")
    assert source.calls == 2


def test_a_failure_does_not_stay():
    source = Source()
    book = MarketBook(source, ManualClock())
    source.error = ConnectFailed("refused")
    with pytest.raises(ConnectFailed):
        book.rules("BTC_USDT")
    source.error = None
    assert book.rules("BTC_USDT").symbol == "BTC_USDT"


def test_old_rules_serve_when_they_cannot_be_renewed():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, max_age_s=100)
    before = book.rules("BTC_USDT")
    clock.advance(1000)
    source.error = ConnectFailed("refused")
    assert book.rules("BTC_USDT") is before
    with pytest.raises(ConnectFailed):
        book.rules("NEW_USDT")


def test_many_threads_cause_one_fetch():
    for _ in range(30):
        source = Source()
        source.gate = threading.Event()
        book = MarketBook(source, ManualClock())
        found = []

        def work(index, book=book, found=found, source=source):
            if index == 0:
                source.entered.acquire(timeout=30)
                source.gate.set()
            else:
                found.append(book.rules("BTC_USDT"))

        run_threads(8, work)
        assert source.calls == 1
        assert len(found) == 7


class WaitingClock(ManualClock):
    """Reports each thread that is about to wait."""

    def __init__(self):
        super().__init__()
        self.waiting = threading.Semaphore(0)

    def wait(self, signals, timeout_s=None):
        self.waiting.release()
        return super().wait(signals, timeout_s)


def test_all_who_wait_get_a_copy_of_the_error():
    source, clock = Source(), WaitingClock()
    source.error = RateLimited("slow down", retry_after_s=7, request="GET x", status=429)
    source.gate = threading.Event()
    book = MarketBook(source, clock)
    caught = []

    def work(index):
        if index == 0:
            for _ in range(4):
                assert clock.waiting.acquire(timeout=30)
            source.gate.set()
            return
        with pytest.raises(RateLimited) as failure:
            book.rules("BTC_USDT")
        caught.append(failure.value)

    run_threads(6, work)
    assert source.calls == 1
    assert len({id(error) for error in caught}) == 5
    assert all((e.retry_after_s, e.status, str(e)) == (7, 429, "slow down [GET x]") for e in caught)


def test_a_stop_frees_those_who_wait():
    source = Source()
    source.gate = threading.Event()
    clock = ManualClock()
    book = MarketBook(source, clock)

    def work(index):
        if index == 0:
            book.rules("BTC_USDT")  # flies
        elif index == 1:
            source.entered.acquire(timeout=30)
            clock.stop.request()
            with pytest.raises(StopRequested):
                book.rules("BTC_USDT")
            source.gate.set()

    run_threads(2, work)


def test_whoever_waits_flies_when_the_first_was_interrupted():
    class Interrupted(BaseException):
        pass

    source = Source()
    source.gate = threading.Event()
    source.error = Interrupted()
    book = MarketBook(source, ManualClock())
    found = []

    def work(index):
        if index == 0:
            with pytest.raises(Interrupted):
                book.rules("BTC_USDT")
        else:
            source.entered.acquire(timeout=30)
            source.gate.set()
            while not found:
                try:
                    found.append(book.rules("BTC_USDT"))
                except Interrupted:
                    source.error = None  # this thread was the one that flew; the next attempt lands

    run_threads(2, work)
    assert found[0].symbol == "BTC_USDT"
