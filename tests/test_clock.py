"""Clocks, signals, deadlines and gates: what wakes, what does not, and that nothing is lost in a race."""

from __future__ import annotations

import threading

import pytest

from fmzthreads.clock import Clock, ManualClock, Signal, Stop, Waker, WallClock
from fmzthreads.deadline import Deadline
from fmzthreads.errors import InputError, StopRequested, TimedOut
from fmzthreads.tasks.gate import HERE, Gate, gated, pass_gate
from tests.helpers.threads import run_in_thread


def test_both_clocks_fill_the_protocol() -> None:
    assert isinstance(WallClock(), Clock)
    assert isinstance(ManualClock(), Clock)


def test_a_waker_rings_once_and_remembers() -> None:
    waker = Waker()
    assert not waker.sleep(0)
    waker.wake()
    waker.wake()
    assert waker.sleep()
    assert not waker.sleep(-1)


def test_a_signal_calls_back_once_and_at_once_when_set() -> None:
    signal, calls = Signal(), []
    token = signal.add(lambda: calls.append("a"))
    signal.add(lambda: calls.append("b"))
    signal.remove(token)
    signal.remove(12345)
    signal.set()
    signal.set()
    assert calls == ["b"]
    signal.add(lambda: calls.append("c"))
    assert calls == ["b", "c"]
    signal.clear()
    assert not signal.is_set()


def test_the_same_callback_may_be_added_twice() -> None:
    signal, calls = Signal(), []

    def call() -> None:
        calls.append(1)

    first, second = signal.add(call), signal.add(call)
    assert first != second
    signal.remove(first)
    signal.set()
    assert calls == [1]


def test_no_wake_up_is_lost_between_look_and_sleep() -> None:
    clock = WallClock()
    for _ in range(2000):
        signal = Signal()
        thread = run_in_thread(signal.set)
        assert clock.wait([signal], 30)
        thread.join()


def test_wait_wakes_on_any_of_several_signals_and_takes_its_callbacks_back() -> None:
    clock, signals = WallClock(), [Signal() for _ in range(3)]
    thread = run_in_thread(signals[2].set)
    assert clock.wait(signals, 30)
    thread.join()
    assert not signals[0]._callbacks
    assert not clock.stop._callbacks


def test_wait_times_out_and_only_looks_at_zero() -> None:
    clock = WallClock()
    assert not clock.wait([Signal()], 0.001)
    assert not clock.wait([Signal()], 0)
    assert not clock.wait([Signal()], -1)


@pytest.mark.parametrize("make", [WallClock, ManualClock])
def test_a_stop_cuts_a_wait_and_a_sleep_short(make: type[WallClock] | type[ManualClock]) -> None:
    for action in ("wait", "sleep"):
        clock = make()
        raised: list[str] = []

        def work(clock: Clock = clock, action: str = action, raised: list[str] = raised) -> None:
            try:
                if action == "wait":
                    clock.wait([Signal()])
                else:
                    clock.sleep(3600)
            except StopRequested as error:
                raised.append(str(error))

        thread = run_in_thread(work)
        clock.stop.request("enough")
        clock.stop.request("a later reason")
        thread.join()
        assert raised == ["enough"]
        with pytest.raises(StopRequested, match="enough"):
            clock.sleep(0)


def test_what_is_done_wins_over_a_stop_that_comes_later_but_not_over_one_before() -> None:
    stop, signal = Stop(), Signal()
    signal.set()
    assert WallClock(stop).wait([signal])
    stop.request()
    with pytest.raises(StopRequested):
        WallClock(stop).wait([signal])


def test_the_manual_clock_wakes_exactly_those_whose_time_has_come() -> None:
    clock, woke = ManualClock(start=100.0), []
    threads = []
    for seconds in (1.0, 2.0, 3.0):

        def work(seconds: float = seconds) -> None:
            clock.sleep(seconds)
            woke.append(seconds)

        threads.append(run_in_thread(work))
    assert clock.wait_for_sleepers(3)
    clock.advance(0.5)
    assert woke == []
    clock.advance(1.6)
    for thread in threads[:2]:
        thread.join()
    assert sorted(woke) == [1.0, 2.0]
    clock.advance(1)
    threads[2].join(30)
    assert sorted(woke) == [1.0, 2.0, 3.0]
    assert clock.now() == pytest.approx(103.1)
    assert clock.monotonic() == pytest.approx(3.1)
    assert clock.now_ns() == 103_100_000_000


def test_the_manual_clock_cannot_go_back_and_has_finite_patience() -> None:
    clock = ManualClock()
    with pytest.raises(InputError, match=r"advance\(-1\)"):
        clock.advance(-1)
    assert not clock.wait_for_sleepers(1, 0.001)
    assert not clock.wait([Signal()], 0)
    clock.sleep(0)


def test_a_signal_wakes_a_sleeper_of_the_manual_clock() -> None:
    clock, signal, got = ManualClock(), Signal(), []
    thread = run_in_thread(lambda: got.append(clock.wait([signal], 5)))
    assert clock.wait_for_sleepers(1)
    signal.set()
    thread.join()
    assert got == [True]
    assert clock._sleepers == []


def test_a_deadline_is_carried_through_steps() -> None:
    clock = ManualClock()
    deadline = Deadline(clock, 1.5)
    assert deadline.remaining() == 1.5
    assert deadline.sooner(1.0) == 1.0
    assert deadline.sooner(None) == 1.5
    clock.advance(1)
    deadline.check("reading")
    assert deadline.sooner(1.0) == 0.5
    clock.advance(1)
    assert deadline.expired
    assert deadline.remaining() == 0.0
    with pytest.raises(TimedOut, match=r"timeout after 1.5 s while reading \[GET x\]"):
        deadline.check("reading", request="GET x")


def test_a_deadline_without_a_limit_never_ends_and_nan_is_refused() -> None:
    clock = ManualClock()
    deadline = Deadline(clock)
    clock.advance(1e9)
    deadline.check("anything")
    assert deadline.remaining() is None
    assert deadline.sooner(2.0) == 2.0
    assert deadline.sooner(None) is None
    assert not deadline.expired
    with pytest.raises(InputError, match="nan"):
        Deadline(clock, float("nan"))


def test_a_gate_releases_all_when_the_last_arrives() -> None:
    for _ in range(300):
        gate, passed = Gate(4), []
        before = threading.Barrier(4)

        def work(gate: Gate = gate, passed: list[int] = passed, before: threading.Barrier = before) -> None:
            before.wait()
            with gated(gate):
                assert HERE.gate is not None
                pass_gate()
                passed.append(1)
                pass_gate()  # a second request of the same call is not held
            assert HERE.gate is None

        threads = [run_in_thread(work) for _ in range(4)]
        for thread in threads:
            thread.join()
        assert passed == [1] * 4
        assert gate.is_open


def test_a_call_that_never_reaches_the_gate_is_counted_out() -> None:
    for _ in range(300):
        gate, passed = Gate(2), []

        def fails(gate: Gate = gate) -> None:
            with pytest.raises(ValueError, match="early"), gated(gate):
                raise ValueError("early")

        def arrives(gate: Gate = gate, passed: list[int] = passed) -> None:
            with gated(gate):
                pass_gate()
                passed.append(1)

        threads = [run_in_thread(fails), run_in_thread(arrives)]
        for thread in threads:
            thread.join()
        assert passed == [1]


def test_a_gate_holds_nobody_longer_than_its_time_out_and_an_open_one_not_at_all() -> None:
    assert not Gate(2, timeout_s=0.001).arrive()
    assert Gate(0).arrive()
    gate = Gate(5)
    gate.open()
    assert gate.arrive()
    pass_gate()  # no gate in this thread: nothing happens


def test_the_main_thread_looks_up_while_it_sleeps_and_sleeps_on() -> None:
    waker = Waker()
    timer = threading.Timer(1.2, waker.wake)
    timer.start()
    assert waker.sleep(30)  # longer than one look
    timer.join()
    again = Waker()
    timer = threading.Timer(1.2, again.wake)
    timer.start()
    assert again.sleep()
    timer.join()
    assert not Waker().sleep(1.05)


class TestPermission:
    """What may go on after a stop: the thread that holds the stop's newest permission, until it is withdrawn."""

    def test_the_stop_reads_as_not_set_for_who_holds_it_only(self) -> None:
        clock = WallClock()
        clock.stop.request("over")
        with clock.stop.grant().held():
            clock.stop.check()
            clock.sleep(0)
            assert not clock.stop.is_set()
            assert clock.stop.requested
            assert isinstance(run_in_thread(clock.stop.check).error(), StopRequested)
        with pytest.raises(StopRequested, match="over"):
            clock.sleep(0)

    def test_before_a_stop_there_is_none_and_none_is_carried(self) -> None:
        stop = Stop()
        assert stop.permission() is None

        def work() -> None:
            pass

        assert stop.carry(work) is work

    def test_withdrawn_it_ends_the_waits_of_its_holder_with_its_reason(self) -> None:
        clock = ManualClock()
        clock.stop.request("over")
        permission = clock.stop.grant()

        def wait() -> None:
            with permission.held():
                clock.sleep(10)

        waiting = run_in_thread(wait)
        assert clock.wait_for_sleepers()
        permission.withdraw("too long")
        assert str(waiting.error()) == "too long"
        with permission.held(), pytest.raises(StopRequested, match="too long"):
            clock.stop.check()
        assert clock.stop.reason == "over"

    def test_a_callback_added_with_it_waits_for_its_end_and_can_be_removed(self) -> None:
        stop = Stop()
        stop.request("over")
        permission = stop.grant()
        calls: list[str] = []
        with permission.held():
            stop.add(lambda: calls.append("kept"))
            token = stop.add(lambda: calls.append("removed"))
        stop.remove(token)
        assert calls == []
        permission.withdraw("too long")
        assert calls == ["kept"]
        with permission.held():
            assert stop.add(lambda: calls.append("at once")) == 0
        assert calls == ["kept", "at once"]

    def test_a_second_one_ends_the_first(self) -> None:
        stop = Stop()
        stop.request("over")
        first = stop.grant()
        second = stop.grant()
        assert (first.valid, second.valid) == (False, True)
        with first.held():
            assert stop.is_set()
        with second.held():
            assert not stop.is_set()
        first.withdraw("late")
        assert second.valid

    def test_one_that_heeds_requests_ends_with_the_next(self) -> None:
        stop = Stop()
        stop.request("ended")
        permission = stop.grant()
        with permission.held():
            stop.request("again")
            assert not stop.is_set(), "by default it does not heed requests"
            permission.heeds_requests = True
            stop.request("once more")
            with pytest.raises(StopRequested, match="once more"):
                stop.check()
        assert stop.reason == "once more"

    def test_one_of_another_stop_is_none(self) -> None:
        mine, other = Stop(), Stop()
        mine.request("over")
        other.request("over")
        with other.grant().held():
            mine.grant()
            assert mine.is_set()
            assert not other.is_set()

    def test_carried_work_has_it_in_another_thread_and_only_meanwhile(self) -> None:
        stop = Stop()
        stop.request("over")
        seen: list[bool] = []
        with stop.grant().held():
            work = stop.carry(lambda: seen.append(stop.is_set()))

        def in_thread() -> None:
            work()
            seen.append(stop.is_set())

        run_in_thread(in_thread).result()
        assert seen == [False, True]


def test_a_sleeper_wakes_at_the_very_moment_and_the_earliest_first_whoever_gave_up() -> None:
    clock = ManualClock(stop=(stop := Stop()))
    assert clock.stop is stop
    clock._now_ns = clock._start_ns = 0
    signals = {due: Signal() for due in (1.0, 10.0, 2.0, 11.0, 12.0, 3.0)}
    threads = {}
    for number, (due, signal) in enumerate(signals.items(), 1):
        threads[due] = run_in_thread(lambda signal=signal, due=due: clock.wait((signal,), due))
        assert clock.wait_for_sleepers(number, 60.0)
    signals[1.0].set()  # it was the first of the heap
    assert threads[1.0].result() is True
    for due in (2.0, 3.0, 10.0, 11.0, 12.0):
        clock.advance(due - clock.monotonic())
        assert threads[due].result() is False


def test_a_newer_permission_ends_an_earlier_one_and_tells_who_waits_by_it() -> None:
    stop = Stop()
    stop.request("enough")
    first = stop.grant()
    called: list[str] = []
    with first.held():
        assert stop.permission() is first
        stop.add(lambda: called.append("ended"))
        second = stop.grant()
        assert called == ["ended"]
        assert stop.permission() is None
        assert stop.is_set()
    with second.held():
        assert stop.permission() is second
        assert not stop.is_set()
