"""How runs and the queue's thread end: time-outs before a start, cuts, Ctrl-C, failed starts, and who is woken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError, StopRequested, UnknownName
from fmzthreads.tasks.gate import Gate
from fmzthreads.tasks.handle import Handle
from fmzthreads.tasks.queue import TaskQueue
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.tasks import FakeExchange
from tests.helpers.threads import PATIENCE_S, run_in_thread

LONG_MS = PATIENCE_S * 2000


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    made = FakeExchange("a")
    yield made
    made.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_run_that_timed_out_starts_nothing_more() -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)

    class Slow(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            clock.advance(0.2)

    queue = TaskQueue([exchange], [Slow()])
    first = queue.push(ret="depth", param=["GetDepth"])
    queue.push(param=["GetDepth"], after=[first])
    report = queue.run(100)
    assert [row.status for row in report] == ["ok", "not started"]
    assert "the run timed out before it could start" in str(report[1].error)
    assert exchange.calls == 1
    exchange.close()


def test_a_call_that_ends_after_a_cut_is_counted_as_late(exchange: FakeExchange) -> None:
    call = exchange.hold("slow", "too late")
    queue = TaskQueue([exchange], context := [{}]).start()
    queue.push(ret="x", param=["Held", "slow"])
    assert call.begun.wait(PATIENCE_S)
    queue.stop(cut=True)
    assert queue.join(LONG_MS)
    call.go.set()
    until(lambda: queue.late)
    assert queue.last_report is not None
    (row,) = queue.last_report
    assert (row.status, row.late, row.value, context) == ("cancelled", True, None, [{}])


def test_a_result_that_waited_for_its_turn_is_not_shown_after_a_cut(exchange: FakeExchange) -> None:
    """The second result for a target waits for the first one's; a cut drops it."""
    first, second = exchange.hold("first", 1), exchange.hold("second", 2)
    queue = TaskQueue([exchange], context := [{}]).start()
    queue.push(ret="x", param=["Held", "first"])
    queue.push(ret="x", param=["Held", "second"])
    queue.push(ret="y", param=["Held", "second"], timeout_ms=LONG_MS)
    assert first.begun.wait(PATIENCE_S)
    assert second.begun.wait(PATIENCE_S)
    second.go.set()
    until(lambda: context[0].get("y"))  # the thread takes the results
    queue.stop(cut=True)
    assert queue.join(LONG_MS)
    assert queue.last_report is not None
    rows = list(queue.last_report)
    assert [row.status for row in rows[:2]] == ["cancelled", "cancelled"]
    assert [row.value for row in rows[:2]] == [None, None]
    assert "x" not in context[0]


class Refusing(FakeExchange):
    """Raises when a call of one method is started."""

    error: BaseException = UnknownName("no")

    def submit(self, method: str, args: Sequence[object], *, gate: Gate | None = None) -> Handle[Any]:
        if method == "Refused":
            raise self.error
        return super().submit(method, args, gate=gate)


def test_a_gated_call_that_cannot_be_started_is_not_waited_for() -> None:
    exchange = Refusing("a")
    queue = TaskQueue([exchange], {}, gate_timeout_ms=LONG_MS)
    queue.push(param=["Gated", 1], gate=True)
    queue.push(param=["Refused"], gate=True)
    report = run_in_thread(queue.run).result()
    assert [row.status for row in report] == ["ok", "failed"]
    exchange.close()


def test_ctrl_c_between_the_starts_releases_those_at_the_gate() -> None:
    exchange = Refusing("a")
    exchange.error = KeyboardInterrupt()
    queue = TaskQueue([exchange], {}, gate_timeout_ms=LONG_MS)
    queue.push(param=["Gated", 1], gate=True)
    queue.push(param=["Refused"], gate=True)
    with pytest.raises(KeyboardInterrupt):
        queue.run()
    exchange.close()  # within its time, which is shorter than the gate's
    assert exchange.passed == []


def test_a_single_gated_task_has_no_gate() -> None:
    gates = []

    class Noting(FakeExchange):
        def submit(self, method: str, args: Sequence[object], *, gate: Gate | None = None) -> Handle[Any]:
            gates.append(gate)
            return super().submit(method, args, gate=gate)

    exchange = Noting("a")
    queue = TaskQueue([exchange], {})
    queue.push(param=["Gated", 1], gate=True)
    assert queue.run().ok
    assert gates == [None]
    exchange.close()


def test_a_push_that_waits_for_room_goes_on_when_the_run_begins(exchange: FakeExchange) -> None:
    call = exchange.hold("slow")
    queue = TaskQueue([exchange], {}, max_pending=1)
    queue.push(param=["Held", "slow"])
    pushing = run_in_thread(lambda: queue.push(param=["GetDepth"]))
    until(lambda: queue._wakers)
    running = run_in_thread(queue.run)
    assert call.begun.wait(PATIENCE_S)
    pushing.result()
    assert not call.go.is_set()
    call.go.set()
    assert running.result().ok
    assert len(queue) == 1


def test_a_cut_of_a_thread_that_has_ended_does_not_cut_the_next_run(exchange: FakeExchange) -> None:
    queue = TaskQueue([exchange], {}).start()
    queue.stop()
    assert queue.join(LONG_MS)
    queue.stop(cut=True)
    queue.push(param=["GetDepth"])
    assert queue.run(LONG_MS).ok


def test_after_a_stop_join_waits_for_the_end_of_the_thread(exchange: FakeExchange) -> None:
    reporting, go = threading.Event(), threading.Event()

    def on_report(_: object) -> None:
        reporting.set()
        assert go.wait(PATIENCE_S)

    queue = TaskQueue([exchange], {}).start(on_report=on_report)
    queue.push(param=["GetDepth"])
    assert reporting.wait(PATIENCE_S)
    queue.stop()
    assert not queue.join(-1)
    go.set()
    assert queue.join(LONG_MS)


def test_an_error_in_the_block_cuts_the_run(exchange: FakeExchange) -> None:
    call = exchange.hold("slow")
    queue = TaskQueue([exchange], {})

    def block() -> None:
        with queue.start():
            queue.push(param=["Held", "slow"])
            assert call.begun.wait(PATIENCE_S)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_in_thread(block).result()
    assert queue.last_report is not None
    assert [row.status for row in queue.last_report] == ["cancelled"]


def test_a_thread_that_cannot_be_started_leaves_the_queue_free(
    exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    queue = TaskQueue([exchange], {})
    queue.push(param=["GetDepth"])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            queue.start()
    assert queue.run(LONG_MS).ok


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_join_raises_what_ended_the_thread_and_the_queue_can_be_started_again(exchange: FakeExchange) -> None:
    def on_report(_: object) -> None:
        raise SystemExit("of the user")

    queue = TaskQueue([exchange], {}).start(on_report=on_report)
    queue.push(param=["GetDepth"])
    until(lambda: queue._runner is None)
    with pytest.raises(SystemExit, match="of the user"):
        queue.join(LONG_MS)
    with queue.start():
        queue.push(param=["GetDepth"])
    assert queue.stats.ok == 2


def test_a_wait_that_timed_out_leaves_nothing_behind(exchange: FakeExchange) -> None:
    call = exchange.hold("slow")
    queue = TaskQueue([exchange], {}).start()
    queue.push(param=["Held", "slow"])
    assert call.begun.wait(PATIENCE_S)
    for _ in range(3):
        assert not queue.join(1)
    assert queue._wakers == []
    call.go.set()
    queue.stop()
    assert queue.join(LONG_MS)


def test_a_cut_run_writes_its_lines_and_that_of_a_late_result(
    exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody gets the report of a run that a stop ends, so its lines are written at once."""
    call = exchange.hold("slow", "too late")
    queue = TaskQueue([exchange], {})
    queue.push(param=["Fail"])
    queue.push(param=["Held", "slow"])
    running = run_in_thread(queue.run)
    assert call.begun.wait(PATIENCE_S)
    until(lambda: exchange.pool.free_workers == 7)
    until(lambda: queue._running == 2)
    exchange.clock.stop.request("enough")
    with pytest.raises(StopRequested):
        running.result()
    before = caplog.text
    call.go.set()
    until(lambda: "its result came late" in caplog.text)
    assert "its result came late" not in before


def test_a_time_out_that_is_no_number_leaves_the_tasks_where_they_are(exchange: FakeExchange) -> None:
    queue = TaskQueue([exchange], [{}])
    queue.push(ret="depth", param=["GetDepth"])
    with pytest.raises(InputError):
        queue.run("soon")  # type: ignore[arg-type]
    with pytest.raises(InputError):
        queue.start("soon")  # type: ignore[arg-type]
    assert queue.stats.waiting == 1
    assert [row.status for row in queue.run(LONG_MS)] == ["ok"]


class Broken(dict[Any, Any]):
    """A context that ends the thread that assigns to it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        raise SystemExit(key)


def test_what_ends_the_queues_thread_is_logged_and_raised_once(
    exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    queue = TaskQueue([exchange], [Broken()]).start()
    queue.push(ret="depth", param=["GetDepth"])
    with pytest.raises(SystemExit):
        queue.join(LONG_MS)
    assert [record.message for record in caplog.records] == ["the task queue's thread ended"]
    queue.start()
    assert queue.join(LONG_MS)
    queue.stop()
    assert queue.join(LONG_MS)


def test_who_waits_for_the_queue_is_woken_when_its_thread_dies_between_two_runs(exchange: FakeExchange) -> None:
    class More(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            queue.push(param=["GetDepth"])  # for the next run, which never begins

    def die(report: object) -> None:
        until(lambda: queue._wakers)
        raise SystemExit

    queue = TaskQueue([exchange], [More()])
    queue.push(ret="depth", param=["GetDepth"])
    queue.start(on_report=die)
    with pytest.raises(SystemExit):
        queue.join(LONG_MS)
    assert queue.stats.waiting == 1


@needs_fork
def test_a_forked_child_has_an_idle_queue_without_the_parents_tasks_and_lock() -> None:
    exchange = FakeExchange("a")
    queue = TaskQueue([exchange], [{}]).start()
    assert queue.join(LONG_MS)
    queue.stop()
    queue.join(LONG_MS)
    queue.push(ret="depth", param=["GetDepth"])

    def child() -> list[int]:
        return [queue.stats.waiting, len(queue.run(1000))]

    with queue._lock:  # as another thread of the parent may have it
        assert in_fork(child) == [0, 0]
    assert len(queue.run(LONG_MS)) == 1
    exchange.close()
