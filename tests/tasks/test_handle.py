"""The handle: FMZ's wait to the letter, and its races."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import InputError, OperationFailed, StopRequested, UnknownName
from fmzthreads.tasks.handle import Handle, WaitResult
from fmzthreads.tasks.pool import CallPool

from ..helpers.tasks import Held
from ..helpers.threads import PATIENCE_S, race, run_in_thread


@pytest.fixture
def pool() -> Iterator[CallPool]:
    made = CallPool("p", max_workers=4)
    yield made
    assert made.shutdown(PATIENCE_S)


@pytest.mark.parametrize("timeout_ms", [None, 0, 5000, 1e9, float("inf")])
def test_wait_gives_the_value_once(pool: CallPool, timeout_ms: float | None) -> None:
    lines: list[str] = []
    handle = pool.start(lambda: 7, name="GetTicker", on_misuse=lines.append)
    result = handle.wait(timeout_ms)
    assert result == (7, True)
    assert isinstance(result, WaitResult)
    assert (result.value, result.ok) == (7, True)
    assert lines == []
    assert handle.wait() == (None, False)
    assert len(lines) == 1
    assert "GetTicker" in lines[0]
    assert handle.wait(-1) == (None, False)
    assert len(lines) == 2


def test_wait_polls_and_may_be_repeated_after_a_time_out(pool: CallPool) -> None:
    call = Held("late")
    handle = pool.start(call)
    assert call.begun.wait(PATIENCE_S)
    assert handle.wait(-1) == (None, False)
    assert handle.wait(-2) == (None, False)
    assert handle.wait(1) == (None, False)
    assert (handle.done, handle.running, handle.finished_at) == (False, True, None)
    call.go.set()
    assert handle.wait(PATIENCE_S * 1000) == ("late", True)
    assert handle.done
    assert handle.taken


def test_the_time_out_is_the_clocks() -> None:
    clock = ManualClock()
    pool = CallPool("p", clock=clock)
    call = Held(1)
    handle = pool.start(call)
    assert call.begun.wait(PATIENCE_S)

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.999)
        assert not handle.done
        clock.advance(0.001)

    assert race(lambda: handle.wait(1000), turn)[0] == (None, False)
    assert clock.monotonic() == 1.0
    call.go.set()
    assert handle.wait() == (1, True)
    assert (handle.started_at, handle.finished_at) == (0.0, 1.0)
    assert pool.shutdown(PATIENCE_S)


@pytest.mark.parametrize("bad", ["100", float("nan"), [1]])
def test_a_time_out_that_is_no_number_is_refused(pool: CallPool, bad: Any) -> None:
    handle = pool.start(lambda: 1)
    with pytest.raises(InputError, match="timeout_ms"):
        handle.wait(bad)
    assert handle.wait() == (1, True)


@pytest.mark.parametrize("failure_value", [None, False])
def test_a_failed_request_is_ok_with_its_failure_value(pool: CallPool, failure_value: Any) -> None:
    handle = pool.start(lambda: 1 // 0, failure_value=failure_value)
    assert handle.wait() == (failure_value, True)
    assert isinstance(handle.error, ZeroDivisionError)
    assert handle.wait() == (None, False)


def test_errors_raise_raises_the_calls_own_error(pool: CallPool) -> None:
    error = OSError("down")
    handle = pool.start(Held_raise(error), errors="raise")
    with pytest.raises(OSError, match="down") as caught:
        handle.wait()
    assert caught.value is error is handle.error
    assert handle.wait() == (None, False)


def Held_raise(error: BaseException) -> Any:
    def call() -> None:
        raise error

    return call


def test_even_a_system_exit_in_a_call_reaches_the_waiter(pool: CallPool) -> None:
    handle = pool.start(Held_raise(SystemExit(3)))
    assert handle.wait(PATIENCE_S * 1000) == (None, True)
    assert isinstance(handle.error, SystemExit)
    assert pool.start(lambda: 1).wait(PATIENCE_S * 1000) == (1, True)


def test_cancel_before_the_start_keeps_the_call_from_running() -> None:
    pool = CallPool("p", max_workers=1)
    first, second = Held(1), Held(2)
    a, b = pool.start(first), pool.start(second)
    assert first.begun.wait(PATIENCE_S)
    assert pool.unfinished == 2
    assert b.cancel()
    assert not b.cancel()
    assert pool.unfinished == 1
    assert (b.done, b.cancelled, b.started_at, b.error) == (True, True, None, None)
    assert b.finished_at is not None
    assert b.wait() == b.wait(-1) == (None, False)
    assert not a.cancel()
    first.go.set()
    assert a.wait() == (1, True)
    assert not a.cancel()
    assert pool.shutdown(PATIENCE_S)
    assert second.runs == 0


def test_a_stop_cuts_a_wait_but_not_the_result() -> None:
    clock = WallClock()
    pool = CallPool("p", clock=clock)
    call = Held(5)
    handle = pool.start(call)
    waiting = threading.Event()

    def wait() -> Any:
        waiting.set()
        with pytest.raises(StopRequested, match="enough"):
            handle.wait()

    def stop() -> None:
        assert waiting.wait(PATIENCE_S)
        clock.stop.request("enough")

    race(wait, stop)
    with pytest.raises(StopRequested):
        handle.wait(-1)
    call.go.set()
    with pytest.raises(StopRequested, match="enough"):
        pool.start(lambda: None)
    assert pool.shutdown(PATIENCE_S)
    assert handle.wait() == (5, True), "a finished call's result is handed out even when stopping"


def test_a_call_that_the_stop_ended_raises_it(pool: CallPool) -> None:
    handle = pool.start(Held_raise(StopRequested("over")))
    with pytest.raises(StopRequested, match="over"):
        handle.wait(PATIENCE_S * 1000)


def test_ctrl_c_interrupts_a_wait(pool: CallPool) -> None:
    call = Held()
    handle = pool.start(call)
    assert call.begun.wait(PATIENCE_S)
    main = threading.main_thread()
    assert threading.current_thread() is main
    interrupter = threading.Timer(0.05, lambda: signal.pthread_kill(main.ident or 0, signal.SIGINT))
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        handle.wait()
    interrupter.join()
    call.go.set()
    assert handle.wait() == (None, True)


def test_on_take_runs_in_the_takers_thread_and_its_error_costs_nothing(
    pool: CallPool, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def take(handle: Handle[int]) -> None:
        seen.append((threading.current_thread(), handle.error))
        raise RuntimeError("a careless callback")

    handle = pool.start(lambda: 3, on_take=take)
    with caplog.at_level(logging.ERROR):
        assert handle.wait() == (3, True)
    assert seen == [(threading.current_thread(), None)]
    assert "careless" in caplog.text
    handle.wait()
    assert len(seen) == 1


def test_callbacks_that_raise_do_not_cost_a_worker(pool: CallPool, caplog: pytest.LogCaptureFixture) -> None:
    def bad(*_: Any) -> None:
        raise RuntimeError("bad callback")

    with caplog.at_level(logging.CRITICAL):
        call = Held(1)
        handle = pool.start(call, on_done=bad)
        handle.add_ready_callback(bad)
        good = threading.Event()
        handle.add_ready_callback(good.set)
        call.go.set()
        assert good.wait(PATIENCE_S)
        assert handle.wait() == (1, True)
        assert pool.start(lambda: 2).wait(PATIENCE_S * 1000) == (2, True)


def test_ready_callbacks(pool: CallPool) -> None:
    call = Held()
    handle = pool.start(call)
    kept, removed = threading.Event(), threading.Event()
    handle.add_ready_callback(kept.set)
    handle.remove_ready_callback(handle.add_ready_callback(removed.set))
    assert not handle.is_ready()
    call.go.set()
    assert kept.wait(PATIENCE_S)
    assert handle.is_ready()
    assert not removed.is_set()
    at_once = threading.Event()
    handle.add_ready_callback(at_once.set)
    assert at_once.is_set()


def test_a_handle_runs_in_the_callers_thread() -> None:
    handle = Handle(lambda a, b: (threading.current_thread(), a + b), (1, 2), clock=ManualClock(5))
    assert not handle.done
    handle.run()
    handle.run()
    assert handle.wait() == ((threading.current_thread(), 3), True)


def test_a_failed_handle_is_reclaimed_without_the_collector(pool: CallPool) -> None:
    class Big:
        pass

    gc.collect()
    gc.disable()
    try:
        big = Big()
        ref = weakref.ref(big)

        def fail(thing: Big) -> None:
            raise OSError("x")

        handle = pool.start(fail, big, errors="raise")
        del big
        with pytest.raises(OSError, match="x"):
            handle.wait()
        handle_ref = weakref.ref(handle)
        del handle
        pool.start(lambda: None).wait()
    finally:
        gc.enable()
    gc.collect()
    assert ref() is None
    assert handle_ref() is None


def test_repr_shows_state_and_no_arguments(pool: CallPool) -> None:
    handle = pool.start(lambda secret: 1 // 0, "s3cret", name="GetAccount")
    handle.wait()
    assert repr(handle) == "<Handle GetAccount: done, ZeroDivisionError, taken>"


# Races, thousands of times


def test_two_takers_one_value(pool: CallPool) -> None:
    for number in range(1000):
        lines: list[str] = []
        handle = pool.start(lambda n=number: n, on_misuse=lines.append)
        results = race(handle.wait, lambda h=handle: h.wait(PATIENCE_S * 1000))
        assert sorted(results, key=lambda r: r.ok) == [(None, False), (number, True)]
        assert len(lines) == 1


def test_wait_against_finish_against_cancel(pool: CallPool) -> None:
    outcomes = set()
    for number in range(2000):
        ran: list[int] = []
        handle: Handle[int] = Handle(lambda ran=ran, n=number: ran.append(1) or n, clock=pool._clock)
        results = race(handle.run, handle.cancel, lambda h=handle, ms=number % 2: h.wait(ms * 5000))
        cancelled, waited = results[1], results[2]
        outcomes.add(cancelled)
        assert handle.done
        if cancelled:
            assert ran == []
            assert waited == (None, False)
            assert handle.started_at is None
        else:
            assert ran == [1]
            assert waited == (number, True)
    assert False in outcomes


def test_wait_against_time_out(pool: CallPool) -> None:
    """Whatever the moment, a time-out loses nothing: the value comes with the first or with the second wait."""
    on_time = 0
    for number in range(1500):
        handle = pool.start(lambda n=number: n)
        first = handle.wait(0.02)
        if first.ok:
            on_time += 1
            assert first == (number, True)
        else:
            assert first == (None, False)
            assert handle.wait() == (number, True)
        assert handle.wait(-1) == (None, False)


def test_cancel_against_a_real_worker() -> None:
    pool = CallPool("p", max_workers=2)
    runs: list[int] = []
    cancelled = 0
    handles = []
    for number in range(3000):
        handle = pool.start(runs.append, number)
        if number % 3:
            cancelled += handle.cancel()
        handles.append(handle)
    for handle in handles:
        assert handle.wait(PATIENCE_S * 1000).ok != handle.cancelled
    assert len(runs) + cancelled == 3000
    assert pool.unfinished == 0
    assert pool.shutdown(PATIENCE_S)


def test_a_call_that_was_left_in_the_parent_says_so_at_once_whatever_another_thread_did() -> None:
    handle = Handle(lambda: 1, clock=WallClock(), name="GetTicker", errors="raise")
    handle._lock.acquire()  # by a thread that does not exist in the child
    handle.left_behind()
    assert handle.done
    assert handle.done_signal.is_set()
    with pytest.raises(OperationFailed, match="GetTicker was started before the fork"):
        handle.wait()
    handle.run()
    assert handle.started_at is None


def test_a_repr_tells_the_state_and_the_error_but_no_argument() -> None:
    def fails(secret: str) -> None:
        raise ValueError(secret)

    good, bad = (
        Handle(lambda _: 1, ("hush",), clock=WallClock(), name="IO"),
        Handle(fails, ("hush",), clock=WallClock()),
    )
    assert repr(good) == "<Handle IO: waiting>"
    good.run()
    assert repr(good) == "<Handle IO: done>"
    good.wait()
    assert repr(good) == "<Handle IO: done, taken>"
    bad.run()
    assert repr(bad) == "<Handle call: done, ValueError>"


def test_after_a_stop_a_call_has_the_permission_of_whoever_made_its_handle() -> None:
    clock = WallClock()
    clock.stop.request("enough")
    with clock.stop.grant().held():
        allowed = Handle(lambda: clock.stop.is_set(), clock=clock)
    stopped = Handle(lambda: clock.stop.is_set(), clock=clock)
    for handle in (allowed, stopped):
        run_in_thread(handle.run).join()
    assert (allowed.wait(), stopped.wait()) == ((False, True), (True, True))


def test_on_done_is_called_once_when_the_call_has_ended_or_was_cancelled() -> None:
    seen: list[tuple[str, bool]] = []

    def note(handle: Handle[Any]) -> None:
        seen.append((handle.name, handle.done))

    Handle(lambda: 1, clock=WallClock(), name="ran", on_done=note).run()
    assert Handle(lambda: 1, clock=WallClock(), name="cancelled", on_done=note).cancel()
    assert seen == [("ran", True), ("cancelled", True)]


def test_a_result_shows_itself_as_a_pair_as_on_fmz() -> None:
    assert str(WaitResult({"Last": 1.0}, True)) == "({'Last': 1.0}, True)"


def test_a_result_has_no_private_fields_and_names_what_is_missing() -> None:
    assert not hasattr(WaitResult(1, True), "_private")
    with pytest.raises(AttributeError) as private:
        _ = WaitResult(1, True)._private
    assert not isinstance(private.value, UnknownName)
    with pytest.raises(UnknownName, match=r"value\.Asks"):
        _ = WaitResult(1, True).Asks
