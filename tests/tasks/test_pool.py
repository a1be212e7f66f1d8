"""The pool: its limits, nesting, gates, warming, its end, and what becomes of calls that nobody waits for."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fmzthreads.clock import WallClock
from fmzthreads.errors import ConcurrentUse, InputError, StopRequested, TooManyHandles
from fmzthreads.tasks.gate import HERE, Gate, pass_gate
from fmzthreads.tasks.pool import CallPool

from ..helpers.shared_data import ROOT
from ..helpers.tasks import Held
from ..helpers.threads import PATIENCE_S, no_new_threads, race


def test_at_most_2000_unfinished() -> None:
    pool = CallPool("p", max_workers=2)
    call = Held()
    handles = [pool.start(call) for _ in range(2000)]
    with pytest.raises(TooManyHandles, match=r"^too many routine wait, max is 2000$"):
        pool.start(call)
    assert handles[-1].cancel()
    handles.append(pool.start(call))
    with pytest.raises(TooManyHandles):
        pool.start(call)
    call.go.set()
    assert all(handle.wait(PATIENCE_S * 1000).ok != handle.cancelled for handle in handles)
    assert pool.start(lambda: 1).wait() == (1, True)
    assert pool.unfinished == 0
    assert pool.shutdown(PATIENCE_S)


def test_the_count_is_down_when_a_handle_says_done() -> None:
    pool = CallPool("p", max_workers=2, max_unfinished=1)
    for number in range(2000):
        assert pool.start(lambda n=number: n).wait() == (number, True)
    assert pool.shutdown(PATIENCE_S)


@pytest.mark.parametrize(
    "bad", [{"max_workers": 0}, {"max_workers": 1.5}, {"max_unfinished": -1}, {"max_workers": True}]
)
def test_limits_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        CallPool("p", **bad)


def test_it_is_bounded_and_stands_on_a_thread_pool_executor() -> None:
    with no_new_threads():
        pool = CallPool("exchange a", max_workers=3)
        assert isinstance(pool._executor, ThreadPoolExecutor)
        call = Held()
        handles = [pool.start(call) for _ in range(20)]
        assert (pool.workers, pool.free_workers) == (3, 0)
        assert len(pool._executor._threads) == 3
        assert all(thread.name.startswith("exchange a") for thread in pool._executor._threads)
        call.go.set()
        for handle in handles:
            assert handle.wait().ok
        assert pool.shutdown(PATIENCE_S)


def test_calls_start_in_the_order_of_their_starts() -> None:
    pool = CallPool("p", max_workers=1)
    first = Held()
    pool.start(first)
    order: list[int] = []
    handles = [pool.start(order.append, number) for number in range(50)]
    first.go.set()
    for handle in handles:
        handle.wait()
    assert order == list(range(50))
    assert pool.shutdown(PATIENCE_S)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_nesting_cannot_deadlock(workers: int) -> None:
    pool = CallPool("p", max_workers=workers)
    other = CallPool("q", max_workers=workers)

    def nest(depth: int) -> int:
        if not depth:
            return 0
        inner = [(pool if (depth + i) % 2 else other).start(nest, depth - 1) for i in range(2)]
        return 1 + max(handle.wait(PATIENCE_S * 1000).value for handle in inner)

    for _ in range(20):
        handles = [pool.start(nest, 5) for _ in range(6)]
        assert [handle.wait(PATIENCE_S * 1000) for handle in handles] == [(5, True)] * 6
    assert pool.shutdown(PATIENCE_S)
    assert other.shutdown(PATIENCE_S)


def test_a_nested_call_in_the_caller_neither_uses_nor_awaits_a_gate() -> None:
    pool = CallPool("p", max_workers=1)
    outer_gate, inner_gate = Gate(2, PATIENCE_S), Gate(2, PATIENCE_S)

    def outer() -> tuple[bool, bool]:
        def inner() -> bool:
            pass_gate()
            return HERE.gate is not None

        return pool.start(inner, gate=inner_gate).wait().value, HERE.gate is not None

    handle = pool.start(outer, gate=outer_gate)
    assert handle.wait(PATIENCE_S * 1000) == ((False, True), True)
    assert not outer_gate.is_open, "the outer call was counted out; the other party is still missing"
    inner_gate.leave()
    assert inner_gate.is_open
    assert pool.shutdown(PATIENCE_S)


def test_a_gate_releases_all_together_even_when_some_fail_or_are_cancelled() -> None:
    for failing in range(4):
        pool, busy = CallPool("p", max_workers=3), CallPool("q", max_workers=1)
        block = Held()
        blocked = busy.start(block)
        gate = Gate(4, None)

        def call(number: int, failing: int = failing, gate: Gate = gate) -> bool:
            if number < failing:
                raise OSError("before its gate")
            pass_gate()
            return gate.is_open

        handles = [pool.start(call, number, gate=gate) for number in range(3)]
        last = busy.start(call, 3, gate=gate)
        assert last.cancel(), "the fourth has no worker yet"
        for number, handle in enumerate(handles):
            assert handle.wait(PATIENCE_S * 1000) == ((None, True) if number < failing else (True, True))
        block.go.set()
        assert blocked.wait().ok
        assert pool.shutdown(PATIENCE_S)
        assert busy.shutdown(PATIENCE_S)


def test_warm_reaches_that_many_different_workers() -> None:
    for _ in range(50):
        pool = CallPool("p", max_workers=8)
        pool.start(lambda: None).wait()
        idents: list[int] = []
        handles = pool.warm(8, lambda idents=idents: idents.append(threading.get_ident()))
        assert all(handle.done and handle.error is None for handle in handles)
        assert len(set(idents)) == len(idents) == 8
        assert pool.shutdown(PATIENCE_S)


def test_warm_reports_errors_and_refuses_what_cannot_be() -> None:
    pool = CallPool("p", max_workers=2)
    assert [type(handle.error) for handle in pool.warm(2, lambda: 1 // 0)] == [ZeroDivisionError] * 2
    for bad in (0, 3):
        with pytest.raises(InputError, match="1 to 2"):
            pool.warm(bad, lambda: None)
    handle = pool.start(lambda: pool.warm(1, lambda: None))
    handle.wait()
    assert isinstance(handle.error, ConcurrentUse)
    assert pool.shutdown(PATIENCE_S)


def test_shutdown_runs_what_was_started_and_refuses_what_comes_after() -> None:
    with no_new_threads():
        pool = CallPool("p", max_workers=2)
        done: list[int] = []
        for number in range(100):
            pool.start(done.append, number)  # nobody keeps these handles: the calls run all the same
        assert pool.shutdown(PATIENCE_S)
        assert sorted(done) == list(range(100))
        assert pool.closed
        with pytest.raises(StopRequested, match="shut down"):
            pool.start(lambda: None)
        assert pool.shutdown(PATIENCE_S)


def test_shutdown_with_a_call_that_hangs() -> None:
    pool = CallPool("p", max_workers=1)
    call = Held()
    hanging = pool.start(call)
    waiting = pool.start(lambda: None)
    assert call.begun.wait(PATIENCE_S)
    assert not pool.shutdown(0.01)
    assert waiting.cancelled
    assert not hanging.done
    call.go.set()
    assert hanging.wait(PATIENCE_S * 1000) == (None, True)
    assert pool.shutdown(PATIENCE_S)


def test_shutdown_can_cancel_what_waits() -> None:
    pool = CallPool("p", max_workers=1)
    call = Held()
    pool.start(call)
    assert call.begun.wait(PATIENCE_S)
    waiting = [pool.start(lambda: None) for _ in range(10)]

    def let_go() -> None:
        assert waiting[-1].wait(PATIENCE_S * 1000) == (None, False)
        call.go.set()

    race(lambda: pool.shutdown(PATIENCE_S, cancel_waiting=True), let_go)
    assert all(handle.cancelled for handle in waiting)


def test_starts_against_shutdown() -> None:
    with no_new_threads():
        for _ in range(100):
            pool = CallPool("p", max_workers=2)
            ran: list[int] = []

            def produce(pool: CallPool = pool, ran: list[int] = ran) -> int:
                started = 0
                try:
                    for _ in range(50):
                        pool.start(ran.append, 1)
                        started += 1
                except StopRequested:
                    pass
                return started

            started, other, ended = race(produce, produce, lambda pool=pool: pool.shutdown(PATIENCE_S))
            assert ended
            assert len(ran) == started + other


def test_a_forgotten_pool_lets_its_threads_go() -> None:
    with no_new_threads():
        pool = CallPool("p")
        pool.start(lambda: None).wait()
        ref = weakref.ref(pool)
        del pool
        for _ in range(1000):
            gc.collect()
            if ref() is None:
                break
        assert ref() is None


def test_a_cancelled_call_leaves_the_line_at_once() -> None:
    pool = CallPool("p", max_workers=1)
    call = Held()
    pool.start(call)
    assert call.begun.wait(PATIENCE_S)
    for _ in range(5000):
        assert pool.start(lambda: None).cancel()
    assert pool.unfinished == 1
    assert len(pool._line) == 0
    assert pool._executor._work_queue.qsize() <= 1
    call.go.set()
    assert pool.shutdown(PATIENCE_S)


def test_without_any_thread_to_be_had_the_caller_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = CallPool("p")

    def refuse(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool._executor, "submit", refuse)
    assert pool.start(threading.get_ident).wait(PATIENCE_S * 1000) == (threading.get_ident(), True)
    monkeypatch.undo()
    other = pool.start(threading.get_ident).wait(PATIENCE_S * 1000)
    assert other.ok
    assert other.value != threading.get_ident()
    assert pool.shutdown(PATIENCE_S)


EXIT = """
import threading
import fmzthreads.tasks.pool as pool_module
from fmzthreads.tasks.pool import CallPool
pool_module._EXIT_GRACE_S = 0.2
pool = CallPool("p", max_workers=2)
pool.start(threading.Event().wait)
pool.start(print, "the last call ran")
"""


def test_a_call_that_hangs_does_not_keep_the_interpreter() -> None:
    ended = subprocess.run([sys.executable, "-c", EXIT], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "the last call ran\n"
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_stop_does_not_keep_calls_from_ending() -> None:
    clock = WallClock()
    pool = CallPool("p", clock=clock)
    done: list[int] = []
    call = Held()
    pool.start(lambda: (call(), done.append(1)))
    clock.stop.request()
    call.go.set()
    assert pool.shutdown(PATIENCE_S)
    assert done == [1]


@pytest.mark.parametrize("queued", [False, True])
def test_a_call_for_which_no_thread_can_be_had_runs_in_the_caller_once(
    queued: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = CallPool("p", max_workers=1)
    submit = pool._executor.submit
    ran: list[str] = []
    later: list[tuple[Any, ...]] = []

    def refuses(*args: Any) -> Any:
        if queued:  # the executor had taken the job before it could not start a thread
            later.append(args)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool._executor, "submit", refuses)
    handle = pool.start(lambda: ran.append(threading.current_thread().name))
    assert handle.done
    assert ran == [threading.current_thread().name]
    assert (pool._jobs, pool.unfinished) == (0, 0)
    monkeypatch.setattr(pool._executor, "submit", submit)
    for job in later:  # the job that is void takes no call from the line
        submit(*job).result(PATIENCE_S)
    assert pool._jobs == 0
    assert pool._void_jobs == (set() if queued else {0})
    assert pool.start(lambda: 7).wait() == (7, True)
    assert pool.shutdown(PATIENCE_S)
