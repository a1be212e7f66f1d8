"""The exchange object under contention: what a call works on, whose raw reply it is, and that nothing is lost or mixed up."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import ConnectFailed, StopRequested, VenueUnavailable
from fmzthreads.tasks.events import clock_of
from fmzthreads.tasks.gate import Gate
from fmzthreads.tasks.pool import CallPool
from tests.helpers.exchange_room import make, run_threads

PAIRS = ("BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT")


@pytest.fixture
def parts():
    exchange, venue, host = make(clock=WallClock(), max_workers=8)
    for pair in PAIRS[2:]:
        venue.list_pair(pair)
    yield exchange, venue, host
    venue.heal()
    exchange.close()


def test_a_call_under_way_keeps_its_pair(parts):
    exchange, venue, _ = parts
    for before, after in (("BTC_USDT", "ETH_USDT"), ("ETH_USDT", "BTC_USDT")) * 10:
        exchange.SetCurrency(before)
        hold = venue.hold("ticker")
        handle = exchange.Go("GetTicker")
        assert hold.wait_for_call()
        exchange.SetCurrency(after)
        hold.release()
        assert handle.wait().value.Symbol == before


def test_a_call_in_the_line_keeps_pair_precision_and_rate(parts):
    exchange, venue, _ = parts
    hold = venue.hold("depth", 8)
    blockers = [exchange.Go("GetDepth") for _ in range(8)]  # all workers are taken
    assert all(hold.wait_for_call() for _ in blockers)
    exchange.SetPrecision(1, 1)
    exchange.SetRate(2)
    order = exchange.Go("Buy", 200.56, 1.19)
    exchange.SetCurrency("ETH_USDT")
    exchange.SetPrecision(0, 0)
    exchange.SetRate(4)
    hold.release()
    assert order.wait().ok
    assert (venue.placed[0].symbol, venue.placed[0].price, venue.placed[0].amount) == (
        "BTC_USDT",
        Decimal("100.2"),
        Decimal("1.1"),
    )
    assert all(handle.wait().ok for handle in blockers)


def test_settings_flip_while_thousands_of_calls_run(parts):
    """Each result's symbol is the pair that was set when its call was made."""
    exchange, _, host = parts
    lock = threading.Lock()  # makes "set the pair and start the call" one step, so that the test knows what to expect

    def work(index):
        for turn in range(250):
            pair = PAIRS[(index + turn) % len(PAIRS)]
            with lock:
                exchange.SetCurrency(pair)
                handle = exchange.Go("GetTicker")
            exchange.SetCurrency(PAIRS[turn % len(PAIRS)])
            value, ok = handle.wait()
            assert ok
            assert value.Symbol == pair

    run_threads(8, work)
    assert host.errors == []


def test_a_plain_call_is_of_one_pair_throughout(parts):
    """Without any lock: the symbol, the book and the account of one call never mix two pairs."""
    exchange, _, host = parts
    running = threading.Event()
    running.set()

    def work(index):
        if index == 0:
            try:
                for turn in range(3000):
                    exchange.SetCurrency(PAIRS[turn % len(PAIRS)])
            finally:
                running.clear()
            return
        while running.is_set():
            ticker = exchange.GetTicker()
            assert ticker.Symbol == ticker.Info.symbol
            assert json.loads(exchange.GetRawJSON())["Symbol"] == ticker.Symbol
            order = exchange.GetOrder(exchange.Buy(100, 1))
            assert order.Id.startswith(order.Symbol.replace("_", ""))

    run_threads(5, work)
    assert host.errors == []


def test_each_thread_has_its_own_raw_reply(parts):
    exchange, _, _ = parts

    def work(index):
        pair = PAIRS[index % len(PAIRS)]
        for turn in range(200):
            if turn % 2:
                exchange.GetTicker(pair)
            else:
                assert exchange.Go("GetTicker", pair).wait().ok
            assert json.loads(exchange.GetRawJSON())["Symbol"] == pair

    run_threads(8, work)


def test_the_raw_reply_is_whose_result_was_taken_last(parts):
    exchange, _, _ = parts
    first, second = exchange.Go("GetTicker", "BTC_USDT"), exchange.Go("GetTicker", "ETH_USDT")
    second.wait()
    assert json.loads(exchange.GetRawJSON())["Symbol"] == "ETH_USDT"
    first.wait()
    assert json.loads(exchange.GetRawJSON())["Symbol"] == "BTC_USDT"
    second.wait()  # gives nothing any more, and changes nothing
    assert json.loads(exchange.GetRawJSON())["Symbol"] == "BTC_USDT"


def test_a_call_that_got_no_reply_leaves_the_raw_reply_of_the_one_before(parts):
    exchange, venue, _ = parts
    exchange.GetTicker("ETH_USDT")
    venue.fail("ticker", ConnectFailed("refused"), ConnectFailed("refused"))
    exchange.GetTicker("BTC_USDT")
    assert json.loads(exchange.GetRawJSON())["Symbol"] == "ETH_USDT"
    # Workers that served others before have those replies in their threads; they are not this call's.
    taken = [exchange.Go("GetTicker", "BTC_USDT") for _ in range(32)]
    assert all(handle.wait().ok for handle in taken)
    exchange.GetTicker("ETH_USDT")
    venue.fail("ticker", *[ConnectFailed("refused")] * 32)
    failed = [exchange.Go("GetTicker", "SOL_USDT") for _ in range(32)]
    assert all(handle.wait() == (None, True) for handle in failed)
    assert json.loads(exchange.GetRawJSON())["Symbol"] == "ETH_USDT"


def test_calls_run_side_by_side(parts):
    exchange, venue, _ = parts
    hold = venue.hold("depth", 8)
    handles = [exchange.Go("GetDepth") for _ in range(8)]
    assert all(hold.wait_for_call() for _ in range(8))  # all eight are on their way at once
    assert not any(handle.done for handle in handles)
    hold.release()
    assert all(handle.wait().ok for handle in handles)


def test_a_hanging_exchange_does_not_hold_up_another(parts):
    slow, slow_venue, _ = parts
    hold = slow_venue.hold("depth", 8)
    handles = [slow.Go("GetDepth") for _ in range(8)]
    assert all(hold.wait_for_call() for _ in range(8))
    other, _, _ = make(clock=WallClock())
    assert other.Go("GetDepth").wait(30_000).ok
    other.close()
    hold.release()
    assert all(handle.wait().ok for handle in handles)


def test_a_worker_that_hangs_counts_against_what_can_start_at_once(parts):
    exchange, venue, _ = parts
    assert exchange.max_concurrency == 8
    hold = venue.hold("depth", 3)
    handles = [exchange.Go("GetDepth") for _ in range(3)]
    assert all(hold.wait_for_call() for _ in range(3))
    assert exchange.max_concurrency == 5
    hold.release()
    assert all(handle.wait().ok for handle in handles)
    assert clock_of([exchange]) is exchange.clock


def test_submit_is_what_the_task_queue_needs(parts):
    exchange, venue, _ = parts
    assert exchange.max_concurrency == 8
    assert exchange.submit("GetTicker", ["ETH_USDT"]).wait().value.Symbol == "ETH_USDT"
    venue.fail("cancel", VenueUnavailable("busy"))
    handle = exchange.submit("CancelOrder", ("X,1",))
    assert handle.wait() == (False, True)
    assert isinstance(handle.error, VenueUnavailable)
    assert handle.name == "CancelOrder"


def test_orders_under_a_gate_are_released_together_though_rules_must_be_fetched(parts):
    """Fetching the trading rules must neither pass the gate nor wait at it."""
    exchange, venue, _ = parts
    for _ in range(20):
        exchange._core.markets.forget()
        gate = Gate(3, 30.0)
        handles = [exchange.submit("Buy", (100, 1), gate=gate) for _ in range(2)]
        other = exchange.submit("GetTicker", (), gate=gate)
        assert all(handle.wait(30_000).value is not None for handle in (*handles, other))
        assert gate.is_open
    assert len(venue.placed) == 40


def test_orders_of_many_threads_are_all_there_once(parts):
    exchange, venue, host = parts
    ids = []

    def work(index):
        for _ in range(50):
            handle = exchange.Go("Buy", 100, 1, index)
            sold = exchange.Sell(101, 1, index)
            ids.extend([handle.wait().value, sold])

    run_threads(8, work)
    assert len(ids) == len(set(ids)) == 800
    assert len(venue.placed) == 800
    assert len({intent.client_order_id for intent in venue.placed}) == 800
    assert {line.order_id for line in host.lines} == set(ids)
    assert venue.calls["rules"] == 1
    assert host.errors == []
    assert exchange.stats == {"intents": 800, "unknown_orders": 0, "unfinished_calls": 0}


def test_one_error_line_a_failed_call(parts):
    exchange, venue, host = parts
    venue.fail("ticker", lambda: ConnectFailed("refused"), always=True)

    def work(index):
        for _ in range(50):
            assert exchange.GetTicker() is None
            assert exchange.Go("GetTicker").wait() == (None, True)

    run_threads(6, work)
    assert len(host.errors) == 600
    assert exchange.GetLastError() == "GetTicker: refused"


def test_a_second_take_is_an_error_line(parts):
    exchange, _, host = parts
    handle = exchange.Go("GetTicker")
    assert handle.wait().ok
    assert handle.wait() == (None, False)
    assert len(host.errors) == 1
    assert "GetTicker" in host.errors[0]


def test_a_stop_ends_a_call_that_is_held(parts):
    exchange, venue, host = parts
    venue.hold("depth")
    handle = exchange.Go("GetDepth")
    host.clock.stop.request("enough")
    with pytest.raises(StopRequested):
        handle.wait()
    assert host.errors == []
    host.clock.stop.clear()


def test_one_pool_is_made_however_many_begin_at_once(monkeypatch):
    made = []
    together = threading.Barrier(2)

    def slow_pool(*args, **options):
        made.append(args)
        try:
            together.wait(0.2)  # a second thread that is making one too would arrive
        except threading.BrokenBarrierError:
            pass
        return CallPool(*args, **options)

    monkeypatch.setattr("fmzthreads.exchange.state.CallPool", slow_pool)
    exchange, _, _ = make(clock=WallClock(), max_workers=2)
    run_threads(6, lambda _: exchange.Go("GetTicker").wait())
    assert len(made) == 1
    exchange.close()
