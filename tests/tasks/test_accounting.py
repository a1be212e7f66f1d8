"""Produce and work, for long: four producers, faults, time-outs; every task accounted for, nothing assigned late, no thread left."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fmzthreads.tasks.queue import TaskQueue
from fmzthreads.tasks.shared_context import SharedContext

from ..helpers.tasks import FakeExchange
from ..helpers.threads import PATIENCE_S, no_new_threads, run_in_thread

PRODUCERS = 4


class Watched(dict[str, Any]):
    """An inner context that notices a write outside of a run, or one that goes back in the order of pushes."""

    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self.guard = guard

    def __setitem__(self, key: str, value: Any) -> None:
        self.guard.check(self.get(key), value)
        super().__setitem__(key, value)


class _Guard:
    def __init__(self) -> None:
        self.running = False
        self.thread = threading.current_thread()
        self.writes = 0
        self.wrong: list[str] = []

    def check(self, old: Any, new: Any) -> None:
        self.writes += 1
        if not self.running or threading.current_thread() is not self.thread:
            self.wrong.append(f"{new} was assigned outside of the run")
        if old is not None and new[1] <= old[1]:
            self.wrong.append(f"{new} was assigned after {old}")


def produce_and_work(turns: int) -> None:
    exchanges = [FakeExchange(f"x{i}", faults=0.05, seed=i, workers=16) for i in range(2)]
    guard = _Guard()
    context = [Watched(guard) for _ in exchanges]
    queue = TaskQueue(exchanges, context, max_pending=64)
    # The producers run a turn ahead of the worker, so that pushes and runs overlap.
    tokens = threading.Semaphore(PRODUCERS)
    pushed = threading.Semaphore(0)

    def produce(me: int) -> None:
        for number in range(turns):
            assert tokens.acquire(timeout=PATIENCE_S)
            queue.push(exchange=(number + me) % 2, ret=f"of {me}", param=["Faulty", number])
            pushed.release()

    producers = [run_in_thread(produce, i) for i in range(PRODUCERS)]
    reports = []
    for _ in range(turns):
        tokens.release(PRODUCERS)
        for _ in range(PRODUCERS):
            assert pushed.acquire(timeout=PATIENCE_S)
        guard.running = True
        report = queue.run(timeout_ms=10)
        guard.running = False
        reports.append(report)
        assert all(row.status != "waiting" for row in report)
        assert all(row.bound == row.ok for row in report)
    for producer in producers:
        producer.result()
    while len(queue):
        guard.running = True
        reports.append(queue.run(timeout_ms=10))
        guard.running = False
    for exchange in exchanges:
        exchange.close()
    stats = queue.stats
    late_in_reports = sum(report.late for report in reports)
    assert guard.wrong == []
    assert stats.pushed == turns * PRODUCERS
    assert stats.ok + stats.failed + stats.timed_out + stats.cancelled + stats.not_started == stats.pushed
    assert stats.waiting == stats.running == stats.cancelled == stats.not_started == 0
    assert guard.writes == stats.ok
    # Every call that timed out either never started, or was counted as late when it ended.
    never_started = sum(row.status == "timed out" and not row.late for report in reports for row in report)
    assert stats.late == late_in_reports == stats.timed_out - never_started
    assert sum(exchange.calls for exchange in exchanges) == stats.pushed
    assert stats.failed > 0
    assert stats.timed_out > 0
    print(stats, f"never started {never_started}")


def test_produce_and_work() -> None:
    with no_new_threads():
        produce_and_work(300)


@pytest.mark.stress
def test_produce_and_work_ten_thousand_turns() -> None:
    with no_new_threads():
        produce_and_work(10_000)


def test_background_loop_accounts_for_everything() -> None:
    turns = 400
    with no_new_threads():
        exchanges = [FakeExchange(f"x{i}", faults=0.05, seed=i) for i in range(2)]
        context = SharedContext()
        queue = TaskQueue(exchanges, context, max_pending=16)
        rows: list[Any] = []

        def produce(me: int) -> None:
            for number in range(turns):
                queue.push(exchange=number % 2, ret=f"of {me}", param=["Faulty", number])

        with queue.start(timeout_ms=10, on_report=rows.extend):
            for producer in [run_in_thread(produce, i) for i in range(PRODUCERS)]:
                producer.result(PATIENCE_S * 3)
        stats = queue.stats
        for exchange in exchanges:
            exchange.close()
        assert stats.pushed == len(rows) == turns * PRODUCERS
        assert stats.waiting == stats.running == 0
        assert stats.ok == sum(row.ok for row in rows) > 0
