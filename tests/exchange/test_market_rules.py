from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import ConnectFailed, RateLimited, StopRequested, UnknownSymbol
from fmzthreads.exchange.market_rules import MarketBook, MarketRules
from tests.helpers.exchange_room import run_threads

LISTED = ("BTC_USDT", "ETH_USDT")


class Source:
    def __init__(self):
        self.calls = 0
        self.error = None
        self.gate = None
        self.entered = threading.Semaphore(0)
        self.landed = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.tick = Decimal("0.01")

    def __call__(self, symbol):
        try:
            return self._answer(symbol)
        finally:
            self.landed.release()

    def _answer(self, symbol):
        with self.lock:
            self.calls += 1
        self.entered.release()
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error
        if symbol not in LISTED:
            raise UnknownSymbol(f"the venue does not list {symbol!r}")
        return MarketRules(symbol=symbol, tick=self.tick)


def until(condition):
    """Waits for a background thread that has been let go; the suite's time-out bounds it."""
    while not condition():
        threading.Event().wait(0.001)


def test_each_symbol_is_fetched_alone_and_once():
    source = Source()
    book = MarketBook(source, ManualClock())
    for _ in range(3):
        assert book.rules("BTC_USDT").symbol == "BTC_USDT"
        assert book.rules("ETH_USDT").symbol == "ETH_USDT"
    assert source.calls == 2
    book.forget()
    book.rules("ETH_USDT")
    assert source.calls == 3


def test_old_rules_answer_at_once_and_are_renewed_in_the_background():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, max_age_s=100)
    book.rules("BTC_USDT")
    clock.advance(101)
    source.gate, source.tick = threading.Event(), Decimal("0.1")
    for _ in range(5):
        assert book.rules("BTC_USDT").tick == Decimal("0.01")  # the fetch is held: nobody waits for it
    assert source.entered.acquire(timeout=30)
    assert source.entered.acquire(timeout=30)
    source.gate.set()
    until(lambda: book.rules("BTC_USDT").tick == Decimal("0.1"))
    assert source.calls == 2


def test_a_refused_order_makes_the_next_one_wait_for_new_rules():
    source = Source()
    book = MarketBook(source, ManualClock())
    book.rules("BTC_USDT")
    source.tick = Decimal("0.5")
    book.refused("BTC_USDT")
    assert book.rules("BTC_USDT").tick == Decimal("0.5")
    source.error = ConnectFailed("gone")
    book.refused("BTC_USDT")
    assert book.rules("BTC_USDT").tick == Decimal("0.5")  # old rules are better than none


def test_what_is_prefetched_needs_no_further_fetch():
    source = Source()
    source.gate = threading.Event()
    book = MarketBook(source, ManualClock())
    for _ in range(5):
        book.prefetch("BTC_USDT")
    assert source.entered.acquire(timeout=30)
    source.gate.set()
    assert book.rules("BTC_USDT").symbol == "BTC_USDT"
    book.prefetch("BTC_USDT")
    assert source.calls == 1


@pytest.mark.parametrize("error", [ConnectFailed("refused"), StopRequested("stop"), ZeroDivisionError("a fault")])
def test_a_prefetch_that_fails_is_met_by_whoever_needs_the_rules(error):
    clock, source = ManualClock(), Source()
    source.error = error
    book = MarketBook(source, clock, retry_s=30)
    book.prefetch("BTC_USDT")
    assert source.landed.acquire(timeout=30)
    book.prefetch("BTC_USDT")  # not again at once
    until(lambda: not any(thread.name == "rules of BTC_USDT" for thread in threading.enumerate()))
    assert source.calls == 1
    with pytest.raises(type(error)):
        book.rules("BTC_USDT")


def test_repeated_refusals_cause_one_fetch_in_a_while():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, refusal_s=5)
    book.rules("BTC_USDT")
    for _ in range(20):
        book.refused("BTC_USDT")
        book.rules("BTC_USDT")
    assert source.calls == 2  # each costs Binance's weight of 20
    clock.advance(5)
    book.refused("BTC_USDT")
    book.rules("BTC_USDT")
    assert source.calls == 3


def test_orders_do_not_wait_for_rules_again_and_again_while_they_cannot_be_fetched():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, retry_s=30)
    before = book.rules("BTC_USDT")
    source.error = ConnectFailed("gone")
    book.refused("BTC_USDT")
    until(lambda: not any(thread.name == "rules of BTC_USDT" for thread in threading.enumerate()))
    calls = source.calls
    for _ in range(5):
        assert book.rules("BTC_USDT") is before
    assert source.calls == calls + 1
    clock.advance(30)
    source.error, source.tick = None, Decimal("0.5")
    assert book.rules("BTC_USDT").tick == Decimal("0.5")


def test_a_refusal_during_a_fetch_is_not_answered_by_that_fetch():
    clock, source = WaitingClock(), Source()
    book = MarketBook(source, clock, max_age_s=100)
    book.rules("BTC_USDT")
    assert source.entered.acquire(timeout=30)
    clock.advance(101)
    source.gate = threading.Event()
    book.rules("BTC_USDT")  # starts a fetch, which reads the old rules
    assert source.entered.acquire(timeout=30)
    book.refused("BTC_USDT")
    assert clock.waiting.acquire(timeout=30)  # the fetch of the refusal joined the one under way
    source.gate.set()
    until(lambda: not any(thread.name == "rules of BTC_USDT" for thread in threading.enumerate()))
    source.tick = Decimal("0.5")
    assert book.rules("BTC_USDT").tick == Decimal("0.5")


class LateBook(MarketBook):
    """A thread that found its rules old reaches the fetch only when another thread's has ended."""

    late = True

    def _refresh(self, symbol, known):
        if self.late:
            self.late = False
            super()._refresh(symbol, known)
        return super()._refresh(symbol, known)


@pytest.mark.parametrize("state", ["unknown", "old", "refused"])
def test_who_comes_late_to_a_fetch_takes_its_result(state):
    clock, source = ManualClock(), Source()
    book = LateBook(source, clock, max_age_s=100)
    if state != "unknown":
        book.late = False
        book.rules("BTC_USDT")
        book.late, source.calls = True, 0
    if state == "old":
        clock.advance(101)
        book.rules("BTC_USDT")
    elif state == "refused":
        book.refused("BTC_USDT")
    until(lambda: not any(thread.name == "rules of BTC_USDT" for thread in threading.enumerate()))
    assert book.rules("BTC_USDT").symbol == "BTC_USDT"
    assert source.calls == 1


def test_a_symbol_that_is_delisted_is_refused_at_once_after_a_refusal():
    source = Source()
    book = MarketBook(source, ManualClock())
    book.rules("BTC_USDT")
    source.error = UnknownSymbol("the venue does not list 'BTC_USDT'")
    source.gate = threading.Event()
    book.refused("BTC_USDT")
    source.gate.set()
    with pytest.raises(UnknownSymbol):
        book.rules("BTC_USDT")


def test_a_stop_ends_the_wait_for_refused_rules():
    source = Source()
    book = MarketBook(source, ManualClock())
    book.rules("BTC_USDT")
    source.error = StopRequested("stop")
    book.refused("BTC_USDT")
    with pytest.raises(StopRequested):
        book.rules("BTC_USDT")


def test_a_defect_of_an_adapter_in_the_background_is_logged(caplog):
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, max_age_s=100)
    book.rules("BTC_USDT")
    clock.advance(101)
    source.error = ZeroDivisionError("a fault")
    book.rules("BTC_USDT")
    until(lambda: "ZeroDivisionError" in caplog.text)
    assert "BTC_USDT" in caplog.text


def test_rules_asked_for_after_a_change_of_base_are_not_those_of_an_earlier_fetch():
    source = Source()
    source.gate = threading.Event()
    book = MarketBook(source, ManualClock())
    book.prefetch("BTC_USDT")
    assert source.entered.acquire(timeout=30)
    old, source.gate = source.gate, None
    book.forget()
    source.tick = Decimal("0.5")
    assert book.rules("BTC_USDT").tick == Decimal("0.5")
    source.tick = Decimal("0.01")  # what the earlier fetch brings, late
    old.set()
    until(lambda: not any(thread.name == "rules of BTC_USDT" for thread in threading.enumerate()))
    assert book.rules("BTC_USDT").tick == Decimal("0.5")


def test_markets_that_differ_renew_the_rules():
    source = Source()
    book = MarketBook(source, ManualClock())
    book.rules("BTC_USDT")
    book.compare({"BTC_USDT": {"TickSize": 0.01}})
    assert source.calls == 1
    source.tick = Decimal("0.5")
    book.compare({"BTC_USDT": {"TickSize": 0.5}})
    assert book.rules("BTC_USDT").tick == Decimal("0.5")


def test_an_unknown_symbol_is_asked_for_rarely():
    clock, source = ManualClock(), Source()
    book = MarketBook(source, clock, miss_age_s=60)
    for _ in range(3):
        with pytest.raises(UnknownSymbol, match="'BTC_USDX'"):
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
