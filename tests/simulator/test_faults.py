from __future__ import annotations

import json
import threading

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, UnknownName
from fmzthreads.simulator.faults import FaultPlan, Faults, parse_fault


def test_nothing_is_wrong_at_first() -> None:
    faults = Faults()
    assert faults.plan("/x", places_order=True) == FaultPlan()
    assert faults.counts() == {}
    assert faults.settings() == []


def test_the_next_n_and_then_no_more() -> None:
    faults = Faults()
    faults.set(error_5xx=2)
    assert [faults.plan("/x").status for _ in range(4)] == [503, 503, 0, 0]
    assert faults.counts() == {"error_5xx": 2}
    assert faults.settings() == []


def test_true_is_for_ever_and_false_ends_it() -> None:
    faults = Faults()
    faults.set(rate_limit_429=True)
    plans = [faults.plan("/x") for _ in range(5)]
    assert {(plan.status, plan.retry_after_s) for plan in plans} == {(429, 1)}
    faults.set(rate_limit_429=False)
    assert faults.plan("/x") == FaultPlan()


def test_a_probability_repeats_with_its_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.set(cut_reply=0.3)
        return [faults.plan("/x").cut_reply for _ in range(500)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 100 < sum(struck(1)) < 200


def test_latency_and_jitter() -> None:
    faults = Faults(3)
    faults.set(latency_ms=50, jitter_ms=20)
    delays = [faults.plan("/x").delay_s for _ in range(50)]
    assert all(0.05 <= delay <= 0.07 for delay in delays)
    assert len(set(delays)) > 40


def test_a_pattern_limits_a_fault_to_its_paths() -> None:
    faults = Faults()
    faults.set("/api/v3/order*", latency_ms=100, error_5xx=1)
    faults.set("*", latency_ms=10)
    assert faults.plan("/api/v3/depth").delay_s == 0.01
    plan = faults.plan("/api/v3/order")
    assert (plan.delay_s, plan.status) == (0.1, 503)


def test_a_ban_lasts_its_seconds() -> None:
    clock = ManualClock()
    faults = Faults(clock=clock)
    faults.set(ban_418_s=30)
    assert (faults.plan("/x").status, faults.plan("/x").retry_after_s) == (418, 30)
    clock.advance(20)
    assert faults.plan("/x").retry_after_s == 10
    assert faults.settings() == [{"path": "*", "ban_418_s": 10.0}]
    clock.advance(10)
    assert faults.plan("/x") == FaultPlan()
    faults.set(ban_418_s=30)
    faults.set(ban_418_s=0)
    assert faults.plan("/x").status == 0


def test_only_orders_lose_their_reply() -> None:
    faults = Faults()
    faults.set(lose_order_reply=1)
    assert not faults.plan("/depth").lose_order_reply
    assert faults.plan("/order", places_order=True).lose_order_reply
    assert not faults.plan("/order", places_order=True).lose_order_reply


def test_what_hangs_goes_on_when_released() -> None:
    faults = Faults()
    faults.set(hang=True)
    first, second = faults.plan("/x").hang, faults.plan("/x").hang
    assert first is not None
    assert second is not None
    assert not first.is_set()
    assert faults.release() == 2
    assert first.is_set()
    assert second.is_set()
    third = faults.plan("/x").hang
    assert third is not None
    assert not third.is_set()
    faults.set(hang=False)
    assert third.is_set()
    assert faults.plan("/x").hang is None
    faults.set(hang=1)
    fourth = faults.plan("/x").hang
    faults.clear()
    assert fourth is not None
    assert fourth.is_set()


def test_a_refused_connection_uses_up_nothing_else() -> None:
    faults = Faults()
    faults.set(refuse=1, error_5xx=1)
    assert (faults.plan("/x").refuse, faults.plan("/x").status) == (True, 503)


def test_the_clock_may_be_off_both_ways() -> None:
    faults = Faults()
    assert faults.clock_offset_ms() == 0
    faults.set(clock_offset_ms=-5000)
    assert faults.clock_offset_ms() == -5000
    assert faults.plan("/x") == FaultPlan()
    faults.clear()
    assert faults.clock_offset_ms() == 0


def test_json_there_and_back() -> None:
    faults = Faults()
    faults.apply_json('[{"latency_ms": 5}, {"path": "/a*", "cut_reply": 0.5, "hang": true}]')
    told = json.loads(faults.to_json())
    assert told == {
        "faults": [{"path": "*", "latency_ms": 5}, {"path": "/a*", "cut_reply": 0.5, "hang": True}],
        "injected": {},
    }
    other = Faults()
    other.apply_json(json.dumps(told["faults"]))
    assert other.settings() == faults.settings()
    other.apply_json('{"latency_ms": 0}')
    assert other.settings() == [{"path": "/a*", "cut_reply": 0.5, "hang": True}]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "5",
        '[["latency_ms"]]',
        '{"path": 5, "hang": true}',
        '[{"latency_ms": 5}, {"cut_reply": -1}]',
        '{"refuse": "yes"}',
    ],
)
def test_bad_json_changes_nothing(text: str) -> None:
    faults = Faults()
    with pytest.raises(InputError):
        faults.apply_json(text)
    assert faults.settings() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latency_ms=50", ("latency_ms", 50, "*")),
        ("error_5xx=0.25@/api/v3/order", ("error_5xx", 0.25, "/api/v3/order")),
        ("hang = on", ("hang", True, "*")),
        ("hang=off", ("hang", False, "*")),
        ("cut_reply=1", ("cut_reply", 1, "*")),
        ("cut_reply=1.0", ("cut_reply", True, "*")),
        ("clock_offset_ms=-2000", ("clock_offset_ms", -2000, "*")),
    ],
)
def test_faults_from_the_command_line(text: str, expected: tuple[str, object, str]) -> None:
    got = parse_fault(text)
    assert got == expected
    assert type(got[1]) is type(expected[1])
    Faults().set_text(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("latency", "name=value"), ("latency_ms=fast", "'fast'"), ("latency_ms=-1", "between"), ("latency_ms=on", "must be a number"),
        ("error_5xx=1.5", "probability"), ("error_5xx=-1", "probability"), ("refuse=nan", "nan"), ("latency_ms=inf", "between"), ("latncy_ms=1", "latency_ms"),
    ],
)  # fmt: skip
def test_bad_faults_are_named(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        parse_fault(text)


def test_an_unknown_fault_names_its_neighbours() -> None:
    with pytest.raises(UnknownName, match="'hang'"):
        Faults().set(hangs=True)


@pytest.mark.parametrize("repeat", range(20))
def test_threads_share_the_next_n_exactly(repeat: int) -> None:
    faults, together, struck = Faults(repeat), threading.Barrier(4), []
    faults.set(error_5xx=50)

    def ask() -> None:
        together.wait(60)
        struck.append(sum(faults.plan("/x").status == 503 for _ in range(40)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(struck) == 50
    assert faults.counts() == {"error_5xx": 50}
