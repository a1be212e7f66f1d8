"""The task queue: each rule of produce and work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import ConcurrentUse, InputError, StopRequested, TooManyHandles, UnknownName
from fmzthreads.tasks.gather import gather
from fmzthreads.tasks.handle import Handle
from fmzthreads.tasks.queue import TaskQueue
from fmzthreads.tasks.run import Turn
from fmzthreads.tasks.shared_context import SharedContext
from fmzthreads.tasks.task import Task

from ..helpers.tasks import FakeExchange
from ..helpers.threads import PATIENCE_S, no_new_threads, race, run_in_thread


@pytest.fixture
def exchanges() -> Iterator[list[FakeExchange]]:
    with no_new_threads():
        made = [FakeExchange("a"), FakeExchange("b")]
        yield made
        for exchange in made:
            exchange.close()


@pytest.mark.parametrize(
    "context",
    [
        {},
        [],
        [{}, {}],
        [SimpleNamespace(), SimpleNamespace()],
        {0: {}, 1: SimpleNamespace()},
        SharedContext(),
    ],
    ids=["dict", "list", "list of dicts", "list of objects", "mixed", "shared"],
)
def test_results_are_bound_side_by_side(exchanges: list[FakeExchange], context: Any) -> None:
    queue = TaskQueue(exchanges, context)
    queue.push(exchange=0, ret="depth", param=["GetDepth"])
    queue.push({"exchange": 1, "ret": "depth", "param": ["GetDepth", 7]})
    queue.push(Task(exchange=1, ret="again", param="GetDepth"))
    report = queue.run(timeout_ms=60_000)

    def read(exchange: int, name: str) -> Any:
        inner = context[exchange]
        return getattr(inner, name) if isinstance(inner, SimpleNamespace) else inner[name]

    assert read(0, "depth") == ("a", 0)
    assert read(1, "depth") == ("b", 7)
    assert read(1, "again") == ("b", 0)
    assert report.ok
    assert [row.status for row in report] == ["ok"] * 3
    assert all(row.bound and row.finished_at >= row.started_at for row in report)
    assert report.stats == {"ok": 3}
    assert queue.run().stats == {}


def test_a_list_as_inner_container_and_a_function_as_place(exchanges: list[FakeExchange]) -> None:
    context: dict[int, Any] = {0: [None], 1: {}}
    queue = TaskQueue(exchanges, context)
    queue.push(exchange=0, ret=2, param=["GetDepth"])
    queue.push(exchange=1, ret=lambda value, inner: inner.update(got=value), param=["GetDepth"])
    assert queue.run(PATIENCE_S * 1000).ok
    assert context == {0: [None, None, ("a", 0)], 1: {"got": ("b", 0)}}


def test_a_failure_disturbs_nobody_and_assigns_nothing(exchanges: list[FakeExchange]) -> None:
    context = [{"depth": "old", "x": "old"}, {}]
    queue = TaskQueue(exchanges, context)
    queue.push(exchange=0, ret="depth", param=["Fail", "down"])
    queue.push(exchange=0, ret="x", param=["NoSuchMethod"])
    queue.push(exchange=1, ret="depth", param=["GetDepth"])
    report = queue.run(PATIENCE_S * 1000)
    assert [row.status for row in report] == ["failed", "failed", "ok"]
    assert isinstance(report[0].error, OSError)
    assert isinstance(report[1].error, UnknownName)
    assert context == [{"depth": "old", "x": "old"}, {"depth": ("b", 0)}]
    text = str(report)
    assert "2 failed, 1 ok" in text
    assert "OSError: down" in text
    assert "GetDepth -> depth" in text
    assert len(text.splitlines()) == 5


def test_a_binding_that_raises_is_on_its_row(exchanges: list[FakeExchange]) -> None:
    class Frozen:
        __slots__ = ("depth",)

    context = [Frozen(), {}]
    queue = TaskQueue(exchanges, context)
    queue.push(exchange=0, ret="dept", param=["GetDepth"])
    queue.push(exchange=1, ret=lambda value, inner: 1 // 0, param=["GetDepth"])
    queue.push(exchange=1, ret="fine", param=["GetDepth"])
    report = queue.run(PATIENCE_S * 1000)
    assert [(row.status, row.bound) for row in report] == [("failed", False), ("failed", False), ("ok", True)]
    assert isinstance(report[0].error, UnknownName)
    assert "'depth'" in str(report[0].error)
    assert isinstance(report[1].error, ZeroDivisionError)


def test_late_results_are_counted_and_never_assigned() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    call = exchange.hold("slow", "too late")
    context: list[dict[str, Any]] = [{}]
    queue = TaskQueue([exchange], context)
    queue.push(ret="depth", param=["Held", "slow"])

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.1)

    report = race(lambda: queue.run(timeout_ms=100), turn)[0]
    assert [row.status for row in report] == ["timed out"]
    assert (report.late, queue.late) == (0, 0)
    call.go.set()
    exchange.close()
    assert (report.late, queue.late, queue.stats.late) == (1, 1, 1)
    assert context == [{}]
    assert "timed out (late)" in str(report)
    # What it brought (the id of an order, say) is not lost.
    assert report[0].handle is not None
    assert report[0].handle.wait() == ("too late", True)


def test_a_row_that_is_cut_says_whether_the_call_had_begun() -> None:
    clock = WallClock()
    exchange = FakeExchange("a", clock=clock)
    call = exchange.hold("slow", "after all")
    queue = TaskQueue([exchange], [{}])
    first = queue.push(ret="order", param=["Held", "slow"])
    queue.push(ret="other", param=["GetDepth"], after=[first])

    def turn() -> None:
        assert call.begun.wait(PATIENCE_S)
        clock.stop.request("enough")

    def run() -> None:
        with pytest.raises(StopRequested):
            queue.run()

    race(run, turn)
    report = queue.last_report
    assert report is not None
    assert [row.status for row in report] == ["cancelled", "cancelled"]
    assert "had begun" in str(report[0].error)
    assert "had begun" not in str(report[1].error)
    call.go.set()
    assert report[0].handle is not None
    exchange.close()
    assert report[0].handle.wait() == ("after all", True)


def test_a_timed_out_call_that_has_no_worker_never_starts() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock, workers=1)
    slow = exchange.hold("slow")
    queue = TaskQueue([exchange], context := {})
    queue.push(param=["Held", "slow"])
    queue.push(ret="depth", param=["GetDepth"])

    def turn() -> None:
        assert slow.begun.wait(PATIENCE_S)
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.05)

    report = race(lambda: queue.run(50), turn)[0]
    assert [row.status for row in report] == ["timed out", "timed out"]
    exchange.close()
    assert report[0].late
    assert not report[1].late
    assert report[1].started_at is None
    assert queue.late == 1
    assert context == {}


def test_a_negative_time_out_waits_for_nothing(exchanges: list[FakeExchange]) -> None:
    exchanges[0].hold("slow")
    finished: Handle[Any] = Handle(lambda: "at once", clock=WallClock())
    finished.run()
    inline = SimpleNamespace(Go=lambda method: finished)
    queue = TaskQueue([exchanges[0], inline], context := {})
    queue.push(exchange=0, ret="depth", param=["Held", "slow"])
    queue.push(exchange=1, ret="depth", param=["GetDepth"])
    report = queue.run(-1)
    assert [row.status for row in report] == ["timed out", "ok"]
    assert context == {1: {"depth": "at once"}}


def test_an_object_without_submit_is_called_by_go(exchanges: list[FakeExchange]) -> None:
    def go(method: str, *args: Any) -> Any:
        if method == "Wrong":
            return args
        return exchanges[0].submit(method, args)

    queue = TaskQueue([SimpleNamespace(Go=go)], context := {})
    queue.push(ret="depth", param=["GetDepth", 3], gate=True)
    queue.push(ret="depth2", param=["GetDepth", 4], gate=True)
    queue.push(ret="wrong", param=["Wrong"])
    report = queue.run(PATIENCE_S * 1000)
    assert [row.status for row in report] == ["ok", "ok", "failed"]
    assert "expected a Handle" in str(report[2].error)
    assert context[0]["depth"] == ("a", 3)


def test_the_same_target_is_bound_in_the_order_of_pushes(exchanges: list[FakeExchange]) -> None:
    bound: list[Any] = []

    class Noting(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            bound.append(value)
            super().__setitem__(key, value)

    for number in range(50):
        bound.clear()
        exchanges[0].hold("first", "first")
        queue = TaskQueue(exchanges, {0: Noting()})
        queue.push(ret="depth", param=["Held", "first"])
        queue.push(ret="depth", param=["GetDepth", number])
        # The first ends last.
        queue.push(exchange=1, ret=lambda *_: exchanges[0].held["first"].go.set(), param=["GetDepth"])
        assert queue.run(PATIENCE_S * 1000).ok
        assert bound == ["first", ("a", number)]


def test_a_time_out_in_front_does_not_hold_back_what_was_in_time() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    exchange.hold("slow")
    context: dict[int, Any] = {}
    queue = TaskQueue([exchange], context)
    queue.push(ret="depth", param=["Held", "slow"], timeout_ms=10)
    queue.push(ret="depth", param=["GetDepth", 2])

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.01)

    report = race(queue.run, turn)[0]
    assert [row.status for row in report] == ["timed out", "ok"]
    assert context == {0: {"depth": ("a", 2)}}
    exchange.close()


def test_after_waits_for_the_others_and_for_their_binding(exchanges: list[FakeExchange]) -> None:
    context: dict[int, Any] = {}
    queue = TaskQueue(exchanges, context)
    first = queue.push(exchange=0, ret="depth", param=["GetDepth"])
    second = queue.push(
        exchange=1, ret=lambda value, inner: inner.update(saw=context[0]["depth"]), param=["GetDepth"], after=[first]
    )
    third = queue.push(exchange=0, ret="end", param=["GetDepth", 3], after=(first, second))
    report = queue.run(PATIENCE_S * 1000)
    assert report.ok
    assert context == {0: {"depth": ("a", 0), "end": ("a", 3)}, 1: {"saw": ("a", 0)}}
    assert report.of(third).started_at >= report.of(second).finished_at >= report.of(first).finished_at
    with pytest.raises(KeyError):
        report.of(Task(param="x"))


def test_after_a_failure_nothing_starts(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue(exchanges, {})
    failing = queue.push(param=["Fail"])
    next_one = queue.push(ret="x", param=["GetDepth"], after=failing)
    queue.push(ret="y", param=["GetDepth"], after=[next_one])
    queue.push(ret="z", param=["GetDepth"])
    report = queue.run(PATIENCE_S * 1000)
    assert [row.status for row in report] == ["failed", "not started", "not started", "ok"]
    assert "comes after" in str(report[1].error)
    assert exchanges[0].calls == 2


def test_after_a_task_of_another_run(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue(exchanges, {})
    good, bad = queue.push(param=["GetDepth"]), queue.push(param=["Fail"])
    queue.run(PATIENCE_S * 1000)
    queue.push(param=["GetDepth"], after=[good])
    queue.push(param=["GetDepth"], after=[good, bad])
    queue.push(param=["GetDepth"], after=[Task(param="GetDepth")])
    report = queue.run(PATIENCE_S * 1000)
    assert [row.status for row in report] == ["ok", "not started", "not started"]
    assert "earlier run" in str(report[1].error)
    assert "not pushed before" in str(report[2].error)


def test_after_against_the_order_of_pushes_for_one_target(exchanges: list[FakeExchange]) -> None:
    """Bound strictly as pushed, each of these would wait for another for ever: the dependency wins where it must, for x, not for y."""
    for _ in range(20):
        context: dict[int, Any] = {}
        queue = TaskQueue(exchanges, context)
        a1, a2 = Task(ret="x", param=["GetDepth", "a1"]), Task(ret="y", param=["GetDepth", "a2"])
        queue.push(ret="x", param=["GetDepth", "b1"], after=[a2])
        queue.push(ret="y", param=["GetDepth", "b2"], after=[a1])
        queue.push(a1)
        queue.push(a2)
        assert queue.run(PATIENCE_S * 1000).ok
        assert context == {0: {"x": ("a", "b1"), "y": ("a", "a2")}}


def test_what_comes_after_a_call_that_takes_too_long_is_not_started() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    exchange.hold("slow")
    queue = TaskQueue([exchange], {})
    slow = queue.push(param=["Held", "slow"])
    queue.push(param=["GetDepth"], after=[slow])

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(1)

    report = race(lambda: queue.run(1000), turn)[0]
    assert [row.status for row in report] == ["timed out", "not started"]
    exchange.close()
    assert exchange.calls == 1


def test_pushes_while_a_run_is_under_way_belong_to_the_next(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue(exchanges, context := {})
    queue.push(ret=lambda value, inner: queue.push(ret="next", param=["GetDepth"]), param=["GetDepth"])
    assert len(queue.run(PATIENCE_S * 1000)) == 1
    assert len(queue) == 1
    assert context == {0: {}}
    assert queue.run(PATIENCE_S * 1000).ok
    assert context == {0: {"next": ("a", 0)}}


def test_two_runs_at_once_are_refused_naming_both(exchanges: list[FakeExchange]) -> None:
    call = exchanges[0].hold("slow")
    queue = TaskQueue(exchanges, {})
    queue.push(param=["Held", "slow"])

    def second() -> None:
        assert call.begun.wait(PATIENCE_S)
        try:
            with pytest.raises(ConcurrentUse, match=r"'side-0' is running .*'side-1' cannot"):
                queue.run()
            with pytest.raises(ConcurrentUse):
                queue.start()
        finally:
            call.go.set()

    report, _ = race(queue.run, second)
    assert report.ok
    assert queue.run().stats == {}


def test_a_run_from_within_a_binding_is_refused(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue(exchanges, {})
    queue.push(ret=lambda *_: queue.run(), param=["GetDepth"])
    assert isinstance(queue.run(PATIENCE_S * 1000)[0].error, ConcurrentUse)


def test_a_gate_releases_prepared_calls_together(exchanges: list[FakeExchange]) -> None:
    for turn in range(30):
        exchange = exchanges[0]
        exchange.passed.clear()
        exchange.prepared.clear()
        queue = TaskQueue(exchanges, {}, gate_timeout_ms=PATIENCE_S * 1000)
        for number in range(4):
            queue.push(ret=number, param=["Gated", number, turn % 3 == 1 and number == 2], gate=True)
        queue.push(param=["GetDepth"])
        report = queue.run(PATIENCE_S * 1000)
        assert all(prepared == 4 for _, prepared in exchange.passed), "one passed before all were prepared"
        assert len(exchange.passed) == (3 if turn % 3 == 1 else 4)
        assert report.stats["ok"] == len(exchange.passed) + 1
        assert report.start_skew_ms < PATIENCE_S * 1000


def test_more_gated_tasks_than_workers_do_not_block() -> None:
    exchange = FakeExchange("a", workers=2)
    queue = TaskQueue([exchange], {}, gate_timeout_ms=60_000)
    queue.push(param=["GetDepth"])
    for number in range(7):
        queue.push(param=["Gated", number], gate=True)
    assert queue.run(PATIENCE_S * 1000).ok
    exchange.close()


def test_a_gated_call_whose_time_is_up_is_not_sent() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    exchange.hold("slow")
    queue = TaskQueue([exchange], {}, gate_timeout_ms=60_000)
    queue.push(param=["Gated", 1], gate=True)
    queue.push(param=["Held", "slow"], gate=True)

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(1)

    report = race(lambda: queue.run(1000), turn)[0]
    assert [row.status for row in report] == ["timed out", "timed out"]
    exchange.close()
    assert exchange.passed == []
    assert queue.late == 2


def test_a_stop_cuts_a_run_and_is_reported(exchanges: list[FakeExchange]) -> None:
    clock = WallClock()
    call = exchanges[0].hold("slow")
    queue = TaskQueue(exchanges, context := {}, clock=clock)
    queue.push(ret="x", param=["Held", "slow"])
    queue.push(ret="y", param=["GetDepth"], after=[queue.push(ret="z", param=["GetDepth"])])

    def stop() -> None:
        assert call.begun.wait(PATIENCE_S)
        clock.stop.request("enough")

    def run() -> None:
        with pytest.raises(StopRequested, match="enough"):
            queue.run()

    race(run, stop)
    report = queue.last_report
    assert report is not None
    assert report[0].status == "cancelled"
    assert "enough" in str(report[0].error)
    call.go.set()
    exchanges[0].close()
    assert "x" not in context.get(0, {})
    stats = queue.stats
    assert stats.pushed == 3 == stats.ok + stats.cancelled + stats.not_started


def test_the_background_loop(exchanges: list[FakeExchange]) -> None:
    context = SharedContext()
    queue = TaskQueue(exchanges, context)
    threads: set[str] = set()
    queue.start(5000, on_report=lambda report: threads.add(threading.current_thread().name))
    with pytest.raises(ConcurrentUse, match="fmzthreads-tasks"):
        queue.run()
    for number in range(200):
        queue.push(ret="depth", param=["GetDepth", number])
    assert queue.join(PATIENCE_S * 1000)
    assert context[0].depth == ("a", 199)
    queue.stop()
    queue.stop()
    assert queue.join()
    assert threads == {"fmzthreads-tasks"}  # the last report comes after the last task, before the thread ends
    queue.push(ret="depth", param=["GetDepth", "afterwards"])
    assert not queue.join(-1)
    assert queue.run(PATIENCE_S * 1000).ok
    queue.start()
    queue.stop()
    assert queue.join()


def test_stop_cut_abandons_the_run_under_way(exchanges: list[FakeExchange]) -> None:
    call = exchanges[0].hold("slow")
    queue = TaskQueue(exchanges, context := {})
    queue.start()
    queue.push(ret="x", param=["Held", "slow"])
    assert call.begun.wait(PATIENCE_S)
    assert not queue.join(1)
    queue.stop(cut=True)
    assert queue.join(PATIENCE_S * 1000)
    assert queue.stats.cancelled == 1
    assert queue.push(param=["GetDepth"])
    assert queue.run(PATIENCE_S * 1000).ok, "a cut does not outlive the loop"
    call.go.set()
    assert "x" not in context.get(0, {})


def test_the_strategys_stop_ends_the_loop() -> None:
    with no_new_threads():
        exchange = FakeExchange("a")
        queue = TaskQueue([exchange], {})
        queue.start()
        exchange.clock.stop.request()
        assert queue.join(PATIENCE_S * 1000)
        exchange.close()


@pytest.mark.parametrize("seed", range(3))
def test_run_stop_and_push_race(exchanges: list[FakeExchange], seed: int) -> None:
    for _ in range(100):
        queue = TaskQueue(exchanges, {})

        def produce(queue: TaskQueue = queue) -> None:
            for number in range(10):
                queue.push(exchange=number % 2, ret="depth", param=["GetDepth", number])

        def work(queue: TaskQueue = queue) -> None:
            queue.start(5000)
            queue.stop(cut=seed == 1)
            assert queue.join(PATIENCE_S * 1000) in {True, False}
            queue.run(PATIENCE_S * 1000)

        race(produce, work, produce)
        queue.run(PATIENCE_S * 1000)
        stats = queue.stats
        assert stats.pushed == 20 == stats.ok + stats.cancelled
        assert stats.cancelled == 0 or seed == 1


def test_max_pending_blocks_until_a_run_begins(exchanges: list[FakeExchange]) -> None:
    for _ in range(100):
        queue = TaskQueue(exchanges, {}, max_pending=2)
        pushed = threading.Semaphore(0)

        def produce(queue: TaskQueue = queue, pushed: threading.Semaphore = pushed) -> None:
            for _ in range(6):
                queue.push(param=["GetDepth"])
                pushed.release()

        def work(queue: TaskQueue = queue, pushed: threading.Semaphore = pushed) -> int:
            done = 0
            while done < 12:
                assert pushed.acquire(timeout=PATIENCE_S)
                count = len(queue.run(PATIENCE_S * 1000))
                assert count <= 2
                done += count
            return done

        assert race(produce, work, produce)[1] == 12


def test_max_pending_raises_when_told(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue(exchanges, {}, max_pending=1, overflow="raise")
    queue.push(param=["GetDepth"])
    with pytest.raises(TooManyHandles, match="max_pending is 1"):
        queue.push(param=["GetDepth"])
    assert queue.stats.pushed == 1


def test_a_blocked_push_is_cut_by_a_stop(exchanges: list[FakeExchange]) -> None:
    clock = WallClock()
    queue = TaskQueue(exchanges, {}, max_pending=1, clock=clock)
    queue.push(param=["GetDepth"])

    def push() -> None:
        with pytest.raises(StopRequested):
            queue.push(param=["GetDepth"])

    race(push, clock.stop.request)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"exchange": 2, "param": ["GetDepth"]}, "0 to 1"),
        ({"exchange": -1, "param": ["GetDepth"]}, "0 to 1"),
        ({"exchange": "a", "param": ["GetDepth"]}, "'a'"),
        ({"exchange": True, "param": ["GetDepth"]}, "exchange is True"),
        ({"exchange": 0, "prm": ["GetDepth"]}, "did you mean 'param'"),
        ({"exchange": 0}, "needs param"),
        ({"param": []}, "param is"),
        ({"param": [5]}, "param is"),
        ({"param": 5}, "param is 5"),
        ({"param": "GetDepth", "ret": 1.5}, "ret is 1.5"),
        ({"param": "GetDepth", "timeout_ms": "1"}, "got '1' (str)"),
        ({"param": "GetDepth", "timeout_ms": float("nan")}, "got nan (float)"),
        ({"param": "GetDepth", "after": ["x"]}, "after contains 'x'"),
        ({"param": "GetDepth", "after": "x"}, "after is 'x'"),
        ({"param": "GetDepth", "gate": 1}, "gate is 1"),
        (7, "push was given 7"),
    ],
)
def test_bad_tasks_are_refused_when_pushed(exchanges: list[FakeExchange], given: Any, named: str) -> None:
    queue = TaskQueue(exchanges, {})
    with pytest.raises(InputError) as caught:
        queue.push(given)
    assert named in str(caught.value)
    assert len(queue) == 0


def test_a_task_is_frozen_and_shows_no_arguments() -> None:
    task = Task(ret="x", param=["Buy", "secret"])
    assert "secret" not in repr(task)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        task.ret = "y"  # type: ignore[misc]
    with pytest.raises(InputError, match="evolve"):
        TaskQueue([1], {}).push(task, ret="y")


@pytest.mark.parametrize(
    "bad",
    [
        {"exchanges": 5},
        {"exchanges": "ab"},
        {"overflow": "drop"},
        {"max_pending": 0},
        {"max_pending": True},
        {"gate_timeout_ms": 0},
    ],
)
def test_bad_queues_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        TaskQueue(**{"exchanges": [], "context": {}, **bad})


def test_exchanges_by_name(exchanges: list[FakeExchange]) -> None:
    queue = TaskQueue({"left": exchanges[0], "right": exchanges[1]}, context := {})
    queue.push(exchange="right", ret="depth", param=["GetDepth"])
    assert queue.run(PATIENCE_S * 1000).ok
    assert context == {"right": {"depth": ("b", 0)}}
    with pytest.raises(UnknownName, match="'right'"):
        queue.push(exchange="rigth", param=["GetDepth"])


def test_gather(exchanges: list[FakeExchange]) -> None:
    for _ in range(20):
        left, right = gather(exchanges, "Gated", 1, timeout_ms=PATIENCE_S * 1000)
        assert (left, right) == (("a", 1), ("b", 1))
    made = gather([*exchanges, SimpleNamespace(Go=lambda method: None)], "GetDepth")
    assert list(made) == [("a", 0), ("b", 0), None]
    assert not made.ok
    assert made[1] == ("b", 0)
    assert len(made) == 3
    assert made.report[2].status == "failed"
    starts = [row.started_at for row in made.report.rows[:2]]
    ends = [row.finished_at for row in made.report.rows[:2]]
    assert made.start_skew_ms == pytest.approx(1000 * abs(starts[0] - starts[1]))
    assert made.end_skew_ms == pytest.approx(1000 * abs(ends[0] - ends[1]))
    assert "GetDepth" in str(made)


class _Unheard(ManualClock):
    """A clock whose time can pass without waking the threads that sleep on it, as when a thread is woken late."""

    def pass_unheard(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)


def test_a_result_after_its_time_is_not_bound_although_the_run_has_not_noticed_the_time() -> None:
    clock = _Unheard()
    exchange = FakeExchange("a", clock=clock)
    call = exchange.hold("slow", "too late")
    context: list[dict[str, Any]] = [{}]
    queue = TaskQueue([exchange], context)
    queue.push(ret="depth", param=["Held", "slow"])

    def turn() -> None:
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.pass_unheard(0.2)
        call.go.set()

    report = race(lambda: queue.run(timeout_ms=100), turn)[0]
    assert [row.status for row in report] == ["timed out"]
    assert context == [{}]
    assert (report.late, queue.late) == (1, 1)
    exchange.close()


@pytest.mark.parametrize("ret", ["late", None])
def test_a_late_result_does_not_disturb_a_run_that_goes_on(ret: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    late, other = exchange.hold("late", "too late"), exchange.hold("other", "in time")
    context: list[dict[str, Any]] = [{}]
    queue = TaskQueue([exchange], context)
    queue.push(ret=ret, param=["Held", "late"], timeout_ms=100)
    queue.push(ret="other", param=["Held", "other"])
    resolved = threading.Semaphore(0)
    resolve = Turn._resolve

    def _resolve(*args: Any) -> None:
        resolve(*args)
        resolved.release()

    monkeypatch.setattr(Turn, "_resolve", _resolve)

    def turn() -> None:
        assert late.begun.wait(PATIENCE_S)
        assert clock.wait_for_sleepers(1, PATIENCE_S)
        clock.advance(0.2)
        assert resolved.acquire(timeout=PATIENCE_S)  # it has timed out
        late.go.set()
        while not queue.late:
            WallClock().sleep(0.001)
        other.go.set()

    report = race(queue.run, turn)[0]
    assert [row.status for row in report] == ["timed out", "ok"]
    assert context == [{"other": "in time"}]
    exchange.close()


def test_gated_tasks_find_the_free_workers() -> None:
    exchange = FakeExchange("a", workers=2)
    held = exchange.hold("first")
    queue = TaskQueue([exchange], {}, gate_timeout_ms=PATIENCE_S * 2000)
    queue.push(param=["Held", "first"])
    for number in range(2):
        queue.push(param=["Gated", number], gate=True)

    def turn() -> None:
        assert held.begun.wait(PATIENCE_S)
        passed = list(exchange.passed)
        held.go.set()
        assert passed, "the task without a gate was started first, and a gated one waits for its worker"

    assert race(queue.run, turn)[0].ok
    exchange.close()


def test_a_push_by_the_thread_that_runs_the_queue_is_refused_when_there_is_no_room(
    exchanges: list[FakeExchange],
) -> None:
    class Pushing(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            for _ in range(2):
                queue.push(param=["GetDepth"])

    queue = TaskQueue(exchanges, [Pushing()], max_pending=1)
    queue.push(ret="depth", param=["GetDepth"])
    (row,) = run_in_thread(queue.run).result()
    assert isinstance(row.error, TooManyHandles)
    assert len(queue) == 1
