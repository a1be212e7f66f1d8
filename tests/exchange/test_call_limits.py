from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, RateLimited, StopRequested, UnknownName
from fmzthreads.exchange.call_limits import CallLimits, parse_period
from tests.helpers.exchange_room import JumpClock, run_threads

KNOWN = ("GetTicker", "GetDepth", "GetAccount", "GetAssets", "CreateOrder", "Buy", "Sell", "GetOrders")
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def limits(clock=None):
    clock = clock if clock is not None else ManualClock(NOON)
    return CallLimits(clock, KNOWN), clock


def passes(one, name="GetTicker"):
    try:
        one.acquire(name)
    except RateLimited:
        return False
    return True


def count(one, name="GetTicker", most=100):
    done = 0
    while done < most and passes(one, name):
        done += 1
    return done


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("1s", 1),
        ("1m", 60),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("250us", 0.00025),
        ("7ns", 7e-9),
    ],
)
def test_periods(text, seconds):
    assert parse_period(text).length_ns == round(seconds * 1e9)
    assert not parse_period(text).daily


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "s",
        "1 s",
        "-1s",
        "0s",
        "1w",
        "1s;",
        "@8",
        "@2460",
        "@0860",
        "@080060",
        "@08000",
        "@-100",
        "@٠٨٠٠",
        "0.1ns",
        None,
        5,
    ],
)
def test_what_is_no_period(text):
    with pytest.raises(InputError, match="a period must be like"):
        parse_period(text)


def test_a_bucket_starts_full_and_refills():
    one, clock = limits()
    one.set("rate", "GetTicker", 10, "1s")
    assert count(one) == 10
    clock.advance(0.1)
    assert count(one) == 1
    clock.advance(0.35)
    assert count(one) == 3
    clock.advance(100)
    assert count(one) == 10


def test_the_error_is_fmz_s_and_says_when_to_come_back():
    one, clock = limits()
    one.set("rate", "GetTicker", 10, "1s")
    count(one)
    with pytest.raises(RateLimited, match=r"^rate limit exceeded: GetTicker 10/1s$") as caught:
        one.acquire("GetTicker")
    assert caught.value.retry_after_s == pytest.approx(0.1)
    clock.advance(0.1)
    assert passes(one)


def test_a_burst_of_its_own():
    one, clock = limits()
    one.set("rate", "GetTicker", "10/5", "1s")
    assert count(one) == 5
    clock.advance(1)
    assert count(one) == 5
    clock.advance(0.3)
    assert count(one) == 3


def test_less_than_one_call_a_period():
    one, clock = limits()
    one.set("rate", "GetTicker", 0.5, "1s")
    assert count(one) == 1
    clock.advance(1.999999)
    assert count(one) == 0
    clock.advance(0.000001)
    assert count(one) == 1


def test_a_quota_goes_by_windows_of_the_clock():
    one, clock = limits(ManualClock(NOON + 59.5))
    one.set("quota", "GetTicker", 3, "1m")
    assert count(one) == 3
    clock.advance(0.5)
    assert count(one) == 3
    clock.advance(59.999)
    assert count(one) == 0
    clock.advance(0.001)
    assert count(one) == 3


def test_a_day_begins_at_midnight_utc():
    one, clock = limits(ManualClock(NOON))
    one.set("quota", "GetTicker", 2, "1d")
    assert count(one) == 2
    clock.advance(12 * 3600 - 1)
    assert count(one) == 0
    clock.advance(1)
    assert count(one) == 2


@pytest.mark.parametrize("kind", ["rate", "quota"])
@pytest.mark.parametrize(("text", "utc_hour", "second"), [("@0800", 0, 0), ("@2030", 12.5, 0), ("@080015", 0, 15)])
def test_a_daily_reset_is_in_beijing_time(kind, text, utc_hour, second):
    one, clock = limits(ManualClock(NOON))
    one.set(kind, "GetTicker", 2, text)
    assert count(one) == 2
    midnight = NOON + 12 * 3600
    reset = midnight - 24 * 3600 + utc_hour * 3600 + second
    while reset <= NOON:
        reset += 24 * 3600
    clock.advance(reset - NOON - 0.001)
    assert count(one) == 0
    clock.advance(0.001)
    assert count(one) == 2


def test_a_small_step_back_gives_no_second_quota():
    class Steppable(ManualClock):
        back_ns = 0

        def now_ns(self):
            return super().now_ns() - self.back_ns

    one, clock = limits(Steppable(NOON + 0.01))
    one.set("quota", "GetTicker", 3, "1m")
    assert count(one) == 3
    clock.back_ns = 20_000_000  # a correction by 20 ms, back over the boundary
    assert count(one) == 0
    clock.back_ns = 3600 * 10**9  # a clock that was an hour wrong
    assert count(one) == 3


def test_names_share_a_rule():
    one, _ = limits()
    one.set("rate", "GetTicker, GetDepth", 3, "1s")
    assert passes(one, "GetTicker")
    assert count(one, "GetDepth") == 2
    assert not passes(one, "GetTicker")


@pytest.mark.parametrize(
    ("ruled", "called"),
    [
        ("CreateOrder", ("Buy", "Sell", "CreateOrder")),
        ("Buy", ("Sell", "CreateOrder")),
        ("GetAssets", ("GetAccount", "GetAssets")),
    ],
)
def test_aliases_are_one_rule(ruled, called):
    one, _ = limits()
    one.set("rate", ruled, len(called), "1s")
    for name in called:
        assert passes(one, name)
    for name in called:
        assert not passes(one, name)


def test_the_star_is_for_those_without_a_rule():
    one, _ = limits()
    one.set("rate", "*", 2, "1s")
    one.set("rate", "GetTicker", 5, "1s")
    assert count(one, "GetTicker") == 5
    assert passes(one, "GetDepth")
    assert passes(one, "IO/api")
    assert not passes(one, "GetOrders")


def test_raw_calls_have_a_rule_of_their_own():
    one, _ = limits()
    one.set("rate", "IO/api", 1, "1s")
    assert count(one, "IO/api") == 1
    assert passes(one, "GetTicker")


@pytest.mark.parametrize("none", [0, -1, "0"])
def test_a_rule_is_deleted(none):
    one, _ = limits()
    one.set("rate", "GetTicker,GetDepth", 1, "1s")
    one.set("rate", "GetTicker", none, "1s")
    assert count(one, "GetTicker") == 100
    assert count(one, "GetDepth") == 1


def test_empty_names_clear_everything():
    one, _ = limits()
    one.set("rate", "GetTicker", 1, "1s")
    one.set("quota", "*", 1, "1s")
    one.set("rate", "")
    assert count(one, "GetTicker") == 100
    assert count(one, "GetDepth") == 100


def test_both_kinds_hold_and_a_refused_call_costs_neither():
    one, clock = limits(ManualClock(NOON))
    one.set("rate", "GetTicker", 2, "1s")
    one.set("quota", "GetTicker", 3, "1m")
    assert count(one) == 2
    clock.advance(1)
    assert count(one) == 1  # the quota ends
    clock.advance(59)  # a new window; the bucket holds 2, and the refused call took none of them
    assert count(one) == 2


def test_delay_waits_for_its_turn():
    clock = JumpClock(NOON)
    one, _ = limits(clock)
    one.set("rate", "GetTicker", 2, "1s", "delay")
    for _ in range(6):
        one.acquire("GetTicker")
    assert clock.slept == pytest.approx([0.5] * 4)
    assert clock.monotonic() == pytest.approx(2.0)


def test_delay_on_a_quota_waits_for_the_window():
    clock = JumpClock(NOON + 15)
    one, _ = limits(clock)
    one.set("quota", "GetTicker", 2, "1m", "delay")
    for _ in range(5):
        one.acquire("GetTicker")
    assert clock.now() == pytest.approx(NOON + 120)


def test_those_who_wait_are_served_in_order_and_each_sleeps_once():
    clock = ManualClock(NOON)
    one, _ = limits(clock)
    one.set("quota", "GetTicker", 2, "1s", "delay")
    served = []

    def call(index):
        one.acquire("GetTicker")
        served.append((index, clock.now()))

    threads = []
    for index in range(7):
        threads.append(threading.Thread(target=call, args=(index,)))
        threads[-1].start()
        assert clock.wait_for_sleepers(max(0, index - 1))
        if index < 2:
            threads[-1].join(30)
    for expected in (4, 6, 7):
        clock.advance(1)
        for thread in threads[:expected]:
            thread.join(30)
            assert not thread.is_alive()
        assert sum(thread.is_alive() for thread in threads) == 7 - expected
    assert [index for index, _ in sorted(served)] == list(range(7))


def test_places_in_windows_to_come_stay_taken_when_those_windows_come():
    clock = ManualClock(NOON)
    one, _ = limits(clock)
    one.set("quota", "GetTicker", 1, "1s", "delay")
    threads = [threading.Thread(target=one.acquire, args=("GetTicker",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert clock.wait_for_sleepers(3)
    clock.advance(1)
    late = threading.Thread(target=one.acquire, args=("GetTicker",))
    late.start()
    assert clock.wait_for_sleepers(3)
    clock.advance(2.999)  # the third of those who waited went at 3 s; the late one is due at 4 s, not before
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert clock.wait_for_sleepers(1)
    assert late.is_alive()
    clock.advance(0.001)
    late.join(30)
    assert not late.is_alive()


def test_a_stop_interrupts_the_wait_and_gives_the_place_back():
    clock = ManualClock(NOON)
    one, _ = limits(clock)
    one.set("rate", "GetTicker", 1, "1h", "delay")
    one.acquire("GetTicker")
    stopped = threading.Event()

    def call():
        with pytest.raises(StopRequested):
            one.acquire("GetTicker")
        stopped.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert clock.wait_for_sleepers(1)
    clock.stop.request()
    assert stopped.wait(30)
    thread.join(30)
    clock.stop.clear()
    clock.advance(3600)
    one.acquire("GetTicker")  # does not wait: the place of the call that was stopped is free again


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (("rate", "GetTickr", 1, "1s"), UnknownName, "GetTicker"),
        (("rate", "IO", 1, "1s"), UnknownName, "IO/api"),
        (("rate", "GetTicker", 1, "1s", "wait"), UnknownName, "delay"),
        (("rate", "GetTicker", "x", "1s"), InputError, "maxCalls"),
        (("rate", "GetTicker", float("nan"), "1s"), InputError, "maxCalls"),
        (("rate", "GetTicker", float("inf"), "1s"), InputError, "maxCalls"),
        (("rate", "GetTicker", True, "1s"), InputError, "maxCalls"),
        (("rate", "GetTicker", "10/0", "1s"), InputError, "maxCalls"),
        (("quota", "GetTicker", "10/5", "1s"), InputError, "maxCalls"),
        (("quota", "GetTicker", 2.5, "1s"), InputError, "maxCalls"),
        (("rate", "GetTicker", 1, "soon"), InputError, "period"),
        (("rate", 5, 1, "1s"), InputError, "names"),
        (("rate", "GetTicker,,GetDepth", 1, "1s"), UnknownName, "''"),
    ],
)
def test_bad_rules_are_refused_and_change_nothing(args, error, words):
    one, _ = limits()
    one.set("rate", "GetTicker", 3, "1s")
    with pytest.raises(error, match=words):
        one.set(*args)
    assert count(one) == 3


def test_threads_share_a_bucket_exactly():
    for _ in range(20):
        one, clock = limits()
        one.set("rate", "GetTicker,GetDepth", 50, "1s")
        passed = []

        def work(index, one=one, passed=passed):
            passed.append(count(one, ("GetTicker", "GetDepth")[index % 2]))

        run_threads(8, work)
        assert sum(passed) == 50
        clock.advance(0.5)
        assert count(one) == 25


@settings(max_examples=50)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.floats(min_value=0, max_value=3, allow_nan=False), min_size=1, max_size=40),
)
def test_never_more_than_burst_and_refill_allow(rate, burst, pauses):
    one, clock = limits()
    one.set("rate", "GetTicker", f"{rate}/{burst}", "1s")
    times = []
    for pause in pauses:
        clock.advance(pause)
        times += [clock.monotonic()] * count(one)
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6
