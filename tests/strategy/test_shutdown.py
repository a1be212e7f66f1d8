"""The end of a strategy: the stop holds for all but ``onexit`` and the calls that it makes."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from fmzthreads.clock import Signal, WallClock
from fmzthreads.errors import StopRequested
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.strategy.shutdown import Shutdown
from fmzthreads.tasks.gather import gather
from fmzthreads.tasks.queue import TaskQueue
from fmzthreads.testing import FakeVenue
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import PATIENCE_S, no_new_threads, run_in_thread


class Sending:
    """Has each order of a venue wait, while it is being sent, for the test; no stop ends that."""

    def __init__(self, venue: FakeVenue) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()
        self._place = venue.place
        venue.place = self.place  # type: ignore[method-assign]

    def place(self, intent: OrderIntent) -> str:
        self.begun.release()
        assert self.release.wait(PATIENCE_S)
        return self._place(intent)


@attrs.frozen
class Parts:
    runtime: Runtime
    exchange: Exchange[None]
    venue: FakeVenue

    def sides(self) -> list[str]:
        """The side of each order that reached the venue."""
        return [intent.side for intent in self.venue.placed]


@pytest.fixture
def parts() -> Iterator[Parts]:
    with no_new_threads(), quiet_runtime() as runtime:
        venue = FakeVenue(clock=runtime.clock)
        with Exchange("Fake", "BTC_USDT", venue=venue, host=runtime, max_workers=2) as exchange:
            yield Parts(runtime, exchange, venue)


def test_a_thread_that_swallows_the_stop_places_nothing_and_onexit_does(parts: Parts) -> None:
    stops = Signal()
    over = threading.Event()

    def stubborn() -> None:
        while not over.is_set():
            for attempt in (parts.exchange.Buy, lambda *_: parts.exchange.Go("Buy", 100, 1)):
                try:
                    attempt(100, 1)
                except StopRequested:
                    stops.set()

    threads = [run_in_thread(stubborn) for _ in range(3)]
    while len(parts.venue.placed) < 50:
        over.wait(0.001)
    placed_before: list[int] = []

    def onexit() -> None:
        placed_before.append(len(parts.venue.placed))
        for number in range(20):
            stops.clear()
            assert parts.runtime.clock.wait((stops,), PATIENCE_S), "they go on trying, and get the stop again"
            parts.exchange.Sell(200 + number, 1)

    parts.runtime.stop.request("enough")
    Shutdown(parts.runtime, onexit).run()
    over.set()
    for thread in threads:
        thread.result()
    assert parts.sides()[placed_before[0] :] == ["sell"] * 20


def test_waiting_calls_are_cancelled_and_running_ones_waited_for_before_onexit(parts: Parts) -> None:
    sending = Sending(parts.venue)
    handles = [parts.exchange.Go("Buy", 100, 1) for _ in range(10)]
    direct = run_in_thread(parts.exchange.Buy, 99, 1)
    for _ in range(3):
        assert sending.begun.acquire(timeout=PATIENCE_S)
    seen: list[Any] = []

    def onexit() -> None:
        seen.extend([handle.done, handle.cancelled] for handle in handles)
        seen.append(len(parts.venue.placed))

    ending = run_in_thread(Shutdown(parts.runtime, onexit, drain_s=PATIENCE_S).run)
    assert WallClock().wait([handles[-1].done_signal], PATIENCE_S)
    assert seen == []
    sending.release.set()
    ending.result()
    assert direct.result(), "the outcome of an order that was being sent is told"
    assert seen.pop() == 3
    assert seen == [[True, False]] * 2 + [[True, True]] * 8
    assert parts.sides() == ["buy"] * 3, "those that had been sent when the stop came"


def test_onexit_uses_go_gather_and_a_task_queue(parts: Parts) -> None:
    values: list[Any] = []

    def onexit() -> None:
        exchange = parts.exchange
        values.append(exchange.Go("GetTicker").wait().ok)
        values.append(len(gather([exchange, exchange], "GetTicker", gate=True)))
        context: dict[str, Any] = {}
        queue = TaskQueue([exchange], context)
        queue.push(exchange=0, ret="depth", param=["GetDepth"])
        values.append(queue.run().ok)
        with queue.start():
            queue.push(exchange=0, ret="order", param=["Sell", 101, 1])
        values.append(bool(context[0]["order"]))
        copied = contextvars.copy_context()
        values.append(run_in_thread(copied.run, exchange.Sell, 102, 1).result() is not None)
        values.append(type(run_in_thread(exchange.Sell, 103, 1).error()))

    parts.runtime.stop.request("enough")
    Shutdown(parts.runtime, onexit).run()
    assert values == [True, 2, True, True, True, StopRequested]


def test_a_strategy_that_ends_by_itself_goes_on_in_its_own_thread_only(parts: Parts) -> None:
    Shutdown(parts.runtime, lambda: None).run()
    assert parts.exchange.Buy(100, 1)
    error = run_in_thread(parts.exchange.Buy, 100, 1).error()
    assert str(error) == "the strategy has ended"
    parts.runtime.stop.request("a second stop")
    with pytest.raises(StopRequested, match="a second stop"):
        parts.exchange.Buy(100, 1)


def test_after_a_stop_nobody_goes_on_and_a_second_run_does_nothing(parts: Parts) -> None:
    ran: list[str] = []
    parts.runtime.stop.request("enough")
    shutdown = Shutdown(parts.runtime, lambda: ran.append("exit"))
    shutdown.run()
    shutdown.run()
    assert ran == ["exit"]
    with pytest.raises(StopRequested, match="enough"):
        parts.exchange.GetTicker()


def test_an_order_that_hangs_is_named_and_does_not_keep_onexit_from_running(parts: Parts) -> None:
    sending = Sending(parts.venue)
    order = run_in_thread(parts.exchange.Buy, 100, 1)
    assert sending.begun.acquire(timeout=PATIENCE_S)
    seen: list[Any] = []

    def onexit() -> None:
        seen.extend(parts.exchange.UnknownOrders())
        seen.append(parts.exchange.GetLastError())

    Shutdown(parts.runtime, onexit, drain_s=0.05).run()
    record, line = seen
    assert (record.fate, record.intent.side) == ("sending", "buy")
    assert f"{record.intent.client_order_id} (buy BTC_USDT)" in line
    assert "0.05 s after the stop" in line
    sending.release.set()
    assert order.result()
    assert parts.exchange.UnknownOrders() == []


def test_an_onexit_that_ignores_its_limit_is_told_on(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.strategy.shutdown._FORCE_AFTER_S", 0.01)
    forced = threading.Event()
    Shutdown(parts.runtime, lambda: forced.wait(PATIENCE_S), limit_s=0.01, on_overtime=forced.set).run()
    assert forced.is_set()


def test_what_onexit_raises_passes(parts: Parts) -> None:
    def onexit() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Shutdown(parts.runtime, onexit).run()


def test_a_ctrl_c_during_onexit_waits_for_nothing(parts: Parts) -> None:
    sending = Sending(parts.venue)
    order = parts.exchange.Go("Buy", 100, 1)
    assert sending.begun.acquire(timeout=PATIENCE_S)

    def onexit() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Shutdown(parts.runtime, onexit, drain_s=0.01).run()
    assert parts.venue.closed
    assert parts.exchange.UnknownOrders()
    sending.release.set()
    assert order.wait().ok
