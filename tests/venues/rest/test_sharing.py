"""What many threads share: one list of symbols, one measurement of the clock, and a gate that preparations do not use up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.tasks.gate import Gate, gated, pass_gate
from fmzthreads.venues.rest import server_time
from fmzthreads.venues.rest.server_time import ServerTime, TimeSample
from tests.helpers.venue_replies import BINANCE_INFO, NOW_S, OKX_INSTRUMENTS, Once, make_binance, make_okx, reply_of

THREADS = 32
GOOD_RTT_S = server_time._GOOD_RTT_S  # tests' own conftest.py makes it longer
BOOK = {"lastUpdateId": 1, "bids": [["4", "1"]], "asks": [["5", "1"]]}
INFO = "GET /api/v3/exchangeInfo"
INSTRUMENTS = "GET /api/v5/public/instruments"


def at_once(call: Callable[[], Any]) -> list[Any]:
    """Runs a call in many threads that start together; exceptions are results."""
    barrier = threading.Barrier(THREADS)

    def one() -> Any:
        barrier.wait(30)
        try:
            return call()
        except Exception as error:  # what a thread raised is what the test looks at
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result(60) for future in [pool.submit(one) for _ in range(THREADS)]]


@pytest.mark.parametrize("name", ["Binance", "OKX"])
def test_threads_that_come_together_share_one_fetch_of_a_symbol(name: str) -> None:
    for _ in range(10):
        make = make_binance if name == "Binance" else make_okx
        venue, http, _ = make({}, clock=WallClock())
        results = at_once(lambda v=venue: v._listing("BTC_USDT").symbol)  # type: ignore[misc]
        assert results == ["BTC_USDT"] * THREADS
        assert http.paths().count(INFO if name == "Binance" else INSTRUMENTS) == 1


@pytest.mark.parametrize("listed", [True, False])
def test_who_comes_late_to_a_fetch_of_a_symbol_takes_its_result(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    venue, http, _ = make_binance({})
    fly = venue.symbols._fly
    name = "BTCUSDT" if listed else "XYZUSDT"

    def _late(*args: Any) -> Any:
        monkeypatch.setattr(venue.symbols, "_fly", fly)
        try:
            venue.symbols.one(name)  # another thread's, which ends before this one has begun
        except errors.UnknownSymbol:
            pass
        return fly(*args)

    monkeypatch.setattr(venue.symbols, "_fly", _late)
    if listed:
        assert venue.symbols.one(name).symbol == "BTC_USDT"
    else:
        with pytest.raises(errors.UnknownSymbol):
            venue.symbols.one(name)
    assert http.paths().count(INFO) == 1


def test_threads_that_come_together_share_one_measurement_of_the_clock() -> None:
    for _ in range(10):
        venue, http, _ = make_binance({"GET /api/v3/account": {"balances": []}}, clock=WallClock(), limited=False)
        assert at_once(venue.assets) == [[]] * THREADS
        assert http.paths().count("GET /api/v3/time") == 1


def test_a_failed_fetch_is_everybodys_failure_and_the_next_one_succeeds() -> None:
    waiting = threading.Semaphore(0)
    release = threading.Event()
    venue, http, _ = make_binance(
        {INFO: errors.ConnectFailed("refused")}, clock=WallClock(), limited=False, credentials=Credentials()
    )

    def hold(_seen: Any) -> None:
        waiting.release()
        release.wait(30)

    http.before = hold
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(venue.rules, "BTC_USDT") for _ in range(THREADS)]
        assert waiting.acquire(timeout=30)
        release.set()
        failures = [future.exception(60) for future in futures]
    assert {type(failure) for failure in failures} == {errors.ConnectFailed}
    assert len({id(failure) for failure in failures}) == THREADS
    http.script.answers[INFO] = BINANCE_INFO
    assert venue.rules("BTC_USDT").tick == Decimal("0.01")


def test_an_old_list_serves_on_when_it_cannot_be_renewed() -> None:
    ticker = {"lastPrice": "5", "volume": "1", "closeTime": 9}
    venue, http, clock = make_binance(
        {
            INFO: [Once(BINANCE_INFO), Once(reply_of("busy", 503))],
            "GET /api/v3/ticker/24hr": [{"symbol": "BTCUSDT", **ticker}, {"symbol": "OLDUSDT", **ticker}],
        }
    )
    assert [one.Symbol for one in venue.tickers()] == ["BTC_USDT"]
    clock.advance(4000)
    assert [one.Symbol for one in venue.tickers()] == ["BTC_USDT"]
    assert http.paths().count(INFO) > 1


def test_a_symbol_that_was_listed_meanwhile_is_found_after_a_minute() -> None:
    more = {
        **OKX_INSTRUMENTS,
        "data": [{**OKX_INSTRUMENTS["data"][1], "instId": "SOL-USDT", "baseCcy": "SOL"}],
    }
    venue, http, clock = make_okx({INSTRUMENTS: {**OKX_INSTRUMENTS, "data": []}})
    for _ in range(3):
        with pytest.raises(errors.UnknownSymbol):
            venue._listing("SOL_USDT")
    asked = http.paths().count(INSTRUMENTS)
    assert asked == 2  # the symbol, and the list that names the nearest
    http.script.answers[INSTRUMENTS] = more
    clock.advance(61)
    assert venue._listing("SOL_USDT").symbol == "SOL_USDT"
    assert http.paths().count(INSTRUMENTS) == asked + 1


def test_a_listing_of_another_base_is_not_taken() -> None:
    venue, http, _ = make_binance({}, credentials=Credentials())

    def elsewhere(seen: Any) -> None:
        if seen.path.endswith("exchangeInfo") and http.base == "https://api.binance.com":
            venue.set_base("http://127.0.0.1:9")  # while the reply of the old base is on its way

    http.before = elsewhere
    venue._listing("BTC_USDT")
    asked = [seen.parts.netloc for seen in http.seen if seen.path.endswith("exchangeInfo")]
    assert asked == ["api.binance.com", "127.0.0.1:9"]


def test_gated_calls_that_share_a_preparation_do_not_wait_for_each_other_in_it() -> None:
    venue, http, _ = make_binance({"GET /api/v3/account": {"balances": []}}, clock=WallClock(), limited=False)
    at_the_gate: list[str] = []

    def arrive(seen: Any) -> None:
        # What the HTTP room does right before it writes.
        pass_gate()
        at_the_gate.append(seen.path)

    http.before = arrive
    for _ in range(10):
        venue.channel.time.forget()
        venue.symbols.forget()
        at_the_gate.clear()
        gate = Gate(THREADS, timeout_s=60)
        opened: list[bool] = []

        def call(gate: Gate = gate, opened: list[bool] = opened) -> None:
            with gated(gate):
                venue.account("BTC_USDT")
            opened.append(gate.is_open)

        at_once(call)
        assert opened == [True] * THREADS
        assert sorted(at_the_gate)[THREADS:] == ["/api/v3/time"]


def sample(clock: ManualClock, ahead_s: float, rtt_s: float = 0.1) -> TimeSample:
    return TimeSample(server_s=clock.now() + ahead_s, received_at=clock.monotonic(), rtt_s=rtt_s)


def test_the_answer_counts_as_made_when_it_arrived() -> None:
    clock = ManualClock(100.0)
    time = ServerTime(clock, lambda: sample(clock, 3.0, 0.4))
    assert (time.known, time.now()) == (False, 100.0)
    time.ready(renew=False)
    assert time.known
    assert time.offset_s == pytest.approx(3.0)
    clock.advance(10)
    assert time.now_ms() == pytest.approx(113_000, abs=1)


def test_a_slow_measurement_is_made_again_and_the_fastest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_time, "_GOOD_RTT_S", GOOD_RTT_S)
    clock = ManualClock(100.0)
    samples = [sample(clock, 9.0, 4.0), sample(clock, 5.0, 0.9), sample(clock, 7.0, 2.0), sample(clock, 1.0)]
    time = ServerTime(clock, lambda: samples.pop(0))
    time.measure()
    assert time.offset_s == pytest.approx(5.0)
    assert len(samples) == 1


def test_an_old_measurement_is_renewed_by_reads_and_may_fail() -> None:
    clock = ManualClock(100.0)
    answers: list[Any] = [sample(clock, 1.0), errors.TimedOut("slow"), sample(clock, 2.0)]

    def ask() -> TimeSample:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    time = ServerTime(clock, ask)
    time.ready(renew=True)
    clock.advance(301)
    time.ready(renew=True)
    assert len(answers) == 1
    assert time.offset_s == pytest.approx(1.0)
    time.ready(renew=True)
    assert len(answers) == 1  # it does not try at every call
    clock.advance(31)
    time.ready(renew=True)
    assert time.offset_s == pytest.approx(2.0)


def test_a_first_measurement_that_fails_is_raised() -> None:
    def ask() -> TimeSample:
        raise errors.ConnectFailed("refused")

    time = ServerTime(ManualClock(NOW_S), ask)
    with pytest.raises(errors.ConnectFailed):
        time.ready(renew=False)


def test_a_measurement_of_another_base_is_not_taken() -> None:
    clock = ManualClock(100.0)

    def ask() -> TimeSample:
        time.forget()  # the base was changed while the reply was on its way
        return sample(clock, 50.0)

    time = ServerTime(clock, ask)
    time.measure()
    assert not time.known


def test_warming_measures_the_clock_and_reads_then_need_nothing_else() -> None:
    venue, http, _ = make_binance({"GET /api/v3/account": {"balances": []}})
    venue.warm(2)
    assert http.paths() == ["GET /api/v3/time"]
    venue.account("BTC_USDT")
    assert http.paths()[1:] == ["GET /api/v3/account"]


def test_the_time_that_a_measurement_took_is_how_wrong_it_may_be() -> None:
    clock = ManualClock(NOW_S)
    time = ServerTime(clock, lambda: TimeSample(server_s=NOW_S, received_at=clock.monotonic(), rtt_s=0.7))
    assert time.error_s == 0.0
    time.measure()
    assert time.error_s == 0.7
