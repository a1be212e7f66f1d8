"""A task queue swallows nothing: what push refuses, and the error line of each row that nobody looked at."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fmzthreads import Exchange, GetLastError, TaskQueue, gather
from fmzthreads.clock import ManualClock
from fmzthreads.errors import OperationFailed, StopRequested, UnknownName
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.tasks.report import Report
from fmzthreads.testing import FakeVenue

from ..helpers.strategy import quiet_runtime
from ..helpers.tasks import FakeExchange
from ..helpers.threads import PATIENCE_S, run_in_thread


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with quiet_runtime() as made:
        yield made


@pytest.fixture
def exchange(runtime: Runtime) -> Iterator[Exchange]:
    made = Exchange("Fake", "BTC_USDT", venue=FakeVenue())
    yield made
    made.close()


def error_lines(runtime: Runtime) -> list[str]:
    return [line.text for line in runtime.journal.lines("error")]


@pytest.mark.parametrize(
    ("param", "error", "words"),
    [
        (["GetDpth"], UnknownName, "did you mean 'GetDepth'"),
        (["GetDepth", "BTC_USDT", 5, 6], TypeError, "GetDepth takes 0 to 2 arguments, got 3"),
        (["CancelOrder"], TypeError, "CancelOrder takes"),
    ],
)
def test_push_refuses_what_go_refuses(exchange: Exchange, param: list[Any], error: type[Exception], words: str) -> None:
    queue = TaskQueue([exchange], {})
    with pytest.raises(error, match=words):
        queue.push({"exchange": 0, "ret": "d", "param": param})
    with pytest.raises(error):
        exchange.Go(*param)
    assert len(queue) == 0, "nothing of a refused task is left"
    with pytest.raises(error):
        gather([exchange], *param)


def test_a_call_that_fails_has_the_exchange_s_line_and_no_other(exchange: Exchange, runtime: Runtime) -> None:
    queue = TaskQueue([exchange], {})
    exchange.venue.fail("depth", OperationFailed("the server is down"))  # type: ignore[attr-defined]
    queue.push(exchange=0, ret="d", param=["GetDepth"])
    queue.run(PATIENCE_S * 1000)
    assert len(error_lines(runtime)) == 1
    assert "the server is down" in (GetLastError() or "")


def test_a_time_out_leaves_one_line_which_a_late_result_does_not_repeat(exchange: Exchange, runtime: Runtime) -> None:
    hold = exchange.venue.hold("depth")  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, ret="d", param=["GetDepth"], timeout_ms=20)
    queue.run()
    assert error_lines(runtime) == ["GetDepth -> d: the task timed out: its call is still running; nothing is assigned"]
    assert "timed out" in (GetLastError() or "")
    hold.release()
    report = queue.last_report
    assert report is not None
    assert report.of(report[0].task).handle.wait().ok  # type: ignore[union-attr]
    assert queue.late == 1
    assert len(error_lines(runtime)) == 1


LOOKS: dict[str, Callable[[Report], object]] = {
    "rows": lambda report: report.rows,
    "index": lambda report: report[0],
    "slice": lambda report: report[:],
    "iteration": list,
    "of": lambda report: report.of(report._record.rows[0].task),
    "text": str,
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_row_that_was_looked_at_leaves_no_line(look: str, exchange: Exchange, runtime: Runtime) -> None:
    hold = exchange.venue.hold("depth")  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, ret="d", param=["GetDepth"], timeout_ms=20)
    report = queue.run()
    LOOKS[look](report)
    del report
    gc.collect()
    hold.release()
    assert error_lines(runtime) == []
    assert GetLastError() is None


@pytest.mark.parametrize("look", [lambda r: r.ok, lambda r: r.stats, lambda r: r.values, lambda r: len(r), repr])
def test_a_summary_is_not_a_look_at_a_row(
    look: Callable[[Report], object], exchange: Exchange, runtime: Runtime
) -> None:
    hold = exchange.venue.hold("depth")  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, ret="d", param=["GetDepth"], timeout_ms=20)
    report = queue.run()
    look(report)
    assert error_lines(runtime) == [], "the caller may still look"
    del report
    assert len(error_lines(runtime)) == 1
    hold.release()


def test_only_the_rows_that_were_not_looked_at_have_lines(exchange: Exchange, runtime: Runtime) -> None:
    hold = exchange.venue.hold("depth", 2)  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    for name in ("first", "second"):
        queue.push(exchange=0, ret=name, param=["GetDepth"], timeout_ms=20)
    assert queue.run()[0].status == "timed out"
    assert [line.partition(":")[0] for line in error_lines(runtime)] == ["GetDepth -> second"]
    hold.release()


def test_a_result_that_cannot_be_assigned_leaves_a_line(exchange: Exchange, runtime: Runtime) -> None:
    def refuse(value: Any, context: Any) -> None:
        raise ValueError("no room for it")

    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, ret=refuse, param=["GetDepth"])
    queue.run(PATIENCE_S * 1000)
    assert error_lines(runtime) == ["GetDepth -> refuse: no room for it"]


def test_a_task_after_one_that_failed_has_no_line_of_its_own(exchange: Exchange, runtime: Runtime) -> None:
    exchange.venue.fail("depth", OperationFailed("the server is down"))  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    first = queue.push(exchange=0, ret="d", param=["GetDepth"])
    queue.push(exchange=0, ret="t", param=["GetTicker"], after=[first])
    queue.run(PATIENCE_S * 1000)
    assert len(error_lines(runtime)) == 1, "it follows from the first, whose line is there"
    queue.push(exchange=0, ret="t", param=["GetTicker"], after=[first])
    queue.run(PATIENCE_S * 1000)
    assert "not started: it comes after" in error_lines(runtime)[1]


def test_the_queue_s_own_thread_leaves_lines_too(exchange: Exchange, runtime: Runtime) -> None:
    hold = exchange.venue.hold("depth")  # type: ignore[attr-defined]
    queue = TaskQueue([exchange], {})
    with queue.start(timeout_ms=20):
        queue.push(exchange=0, ret="d", param=["GetDepth"])
    assert len(error_lines(runtime)) == 1
    hold.release()


def test_a_run_cut_by_a_stop_leaves_the_lines_of_what_failed_before(exchange: Exchange, runtime: Runtime) -> None:
    hold = exchange.venue.hold("depth")  # type: ignore[attr-defined]
    refused = threading.Event()

    def refuse(value: Any, context: Any) -> None:
        refused.set()
        raise ValueError("no room for it")

    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, ret=refuse, param=["GetTicker"])
    queue.push(exchange=0, ret="d", param=["GetDepth"])

    def stop() -> None:
        assert hold.wait_for_call(PATIENCE_S)
        assert refused.wait(PATIENCE_S)
        runtime.stop.request("enough")

    stopping = run_in_thread(stop)
    with pytest.raises(StopRequested):
        queue.run()
    stopping.result()
    assert error_lines(runtime) == ["GetTicker -> refuse: no room for it"], "a stop leaves no line"
    runtime.stop.clear()
    hold.release()
    report = queue.last_report
    assert report is not None
    assert [row.status for row in report] == ["failed", "cancelled"]
    assert "no room for it" in report[0].error.__notes__[0]  # type: ignore[union-attr]


def test_an_exchange_without_report_error_has_its_lines_in_logging(caplog: pytest.LogCaptureFixture) -> None:
    exchange = FakeExchange("a")
    queue = TaskQueue([exchange], {})
    queue.push(exchange=0, param=["Fail", "no luck"])
    with caplog.at_level(logging.ERROR, "fmzthreads.tasks"):
        queue.run(PATIENCE_S * 1000)
    exchange.close()
    assert [record.getMessage() for record in caplog.records] == ["exchange 0: Fail: no luck"]


def test_a_late_result_of_a_cut_run_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    exchange = FakeExchange("a", clock=clock)
    held = exchange.hold("slow", "an order's id")
    queue = TaskQueue([exchange], {}, clock=clock)
    queue.push(exchange=0, ret="id", param=["Held", "slow"])
    queue.start()
    assert held.begun.wait(PATIENCE_S)
    queue.stop(cut=True)
    assert queue.join()
    assert caplog.records == []
    with caplog.at_level(logging.ERROR, "fmzthreads.tasks"):
        held.go.set()
        exchange.close()
    assert [record.getMessage() for record in caplog.records] == [
        "exchange 0: Held -> id: the task was cancelled: its result came late; nothing is assigned"
    ]
