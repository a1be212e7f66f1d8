"""Gates: who is waited for, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import StopRequested
from fmzthreads.tasks.gate import Gate, GatePass, SharedGate, gated, pass_gate, uncounted, ungated
from fmzthreads.tasks.gather import gather
from fmzthreads.tasks.handle import Handle
from fmzthreads.tasks.queue import TaskQueue

from ..helpers.tasks import FakeExchange
from ..helpers.threads import PATIENCE_S, run_in_thread


def shared(gate: Gate) -> SharedGate:
    """As the queue passes it on."""
    return GatePass(gate, WallClock(), lambda: None)


@pytest.mark.parametrize("prepares", [False, True], ids=["its own request", "a request before"])
@pytest.mark.parametrize("through", [lambda gate: gate, shared], ids=["gate", "pass"])
def test_a_call_that_opens_its_connection_is_not_waited_for(prepares: bool, through: Any) -> None:
    gate = Gate(2, None)
    opening, opened = threading.Event(), threading.Event()

    def connect() -> None:
        with uncounted():
            opening.set()
            assert opened.wait(PATIENCE_S)

    def laggard() -> None:
        with gated(through(gate)):
            if prepares:
                with ungated():
                    connect()
            else:
                connect()
            pass_gate()

    def ready() -> None:
        with gated(gate):
            pass_gate()

    late = run_in_thread(laggard)
    assert opening.wait(PATIENCE_S)
    assert not gate.is_open
    run_in_thread(ready).result()
    assert gate.is_open
    opened.set()
    late.result()


def test_a_call_that_has_opened_its_connection_in_time_is_waited_for_again() -> None:
    gate = Gate(2, None)
    with gated(gate):
        with ungated(), uncounted():
            pass
        gate.leave()  # the other call
        assert not gate.is_open, "the gate does not wait for a call that is ready"
        pass_gate()
    assert gate.is_open


def test_outside_a_gate_nothing_is_counted() -> None:
    with uncounted(), ungated(), uncounted():
        pass_gate()


class Noting(FakeExchange):
    """Notes the gates of its calls."""

    gates: list[Gate | None]

    def submit(self, method: str, args: Sequence[object], *, gate: Gate | None = None) -> Handle[Any]:
        self.gates.append(gate)
        return super().submit(method, args, gate=gate)


def test_gather_holds_no_call_unless_it_is_asked_to() -> None:
    exchanges = [Noting("a"), Noting("b")]
    for exchange in exchanges:
        exchange.gates = []
    assert list(gather(exchanges, "GetDepth")) == [("a", 0), ("b", 0)]
    assert [exchange.gates for exchange in exchanges] == [[None], [None]]
    assert gather(exchanges, "GetDepth", gate=True).ok
    assert all(exchange.gates[1] is not None for exchange in exchanges)
    for exchange in exchanges:
        exchange.close()


@pytest.mark.parametrize(
    ("run_ms", "task_ms", "held_s"),
    [(None, None, 0.25), (400, None, 0.2), (None, 100, 0.05), (10_000, 300, 0.15), (10_000, -1, 0.0)],
)
def test_a_gate_holds_a_call_for_half_of_its_time_at_most(
    monkeypatch: pytest.MonkeyPatch, run_ms: float | None, task_ms: float | None, held_s: float
) -> None:
    times: list[float | None] = []

    def note(parties: int, timeout_s: float | None, **more: Any) -> Gate:
        times.append(timeout_s)
        return Gate(parties, timeout_s, **more)

    monkeypatch.setattr("fmzthreads.tasks.run.Gate", note)
    exchange = FakeExchange("a", clock=ManualClock())
    queue = TaskQueue([exchange], {})
    queue.push(param=["Gated", 1], gate=True)
    queue.push(param=["Gated", 2], gate=True, timeout_ms=task_ms)
    queue.run(run_ms)
    assert times == pytest.approx([held_s])
    exchange.close()


def test_a_stop_ends_the_wait_at_a_gate_and_nothing_is_left_registered() -> None:
    clock = WallClock()
    gate = Gate(2, None, stop=clock.stop)
    waiting = run_in_thread(gate.arrive)
    while not clock.stop._callbacks:
        time.sleep(0.001)
    clock.stop.request("enough")
    with pytest.raises(StopRequested, match="enough"):
        waiting.result()
    assert not gate.is_open
    assert not clock.stop._callbacks


def test_calls_released_together_leave_nothing_registered_at_the_stop() -> None:
    clock = WallClock()
    gate = Gate(2, None, stop=clock.stop)
    waiting = run_in_thread(gate.arrive)
    assert gate.arrive()
    assert waiting.result()
    assert not clock.stop._callbacks


def test_a_call_that_may_go_on_after_the_stop_waits_at_a_gate_as_before() -> None:
    clock = WallClock()
    clock.stop.request("enough")
    gate = Gate(2, None, stop=clock.stop)

    def arrive() -> bool:
        with permission.held():
            return gate.arrive()

    permission = clock.stop.grant()
    waiting = run_in_thread(arrive)
    assert run_in_thread(arrive).result()
    assert waiting.result()
    late = Gate(2, None, stop=clock.stop)
    with pytest.raises(StopRequested):
        late.arrive()


def test_a_stop_ends_gated_tasks_and_warming_at_once() -> None:
    exchange = FakeExchange("a", workers=2)
    held = exchange.hold("first")
    queue = TaskQueue([exchange], {}, gate_timeout_ms=PATIENCE_S * 2000)
    queue.push(param=["Gated", 1], gate=True)
    queue.push(param=["Held", "first"], gate=True)  # never arrives
    running = run_in_thread(queue.run)
    assert held.begun.wait(PATIENCE_S)
    while len(exchange.prepared) < 1 or len(exchange.clock.stop._callbacks) < 2:
        time.sleep(0.001)
    exchange.clock.stop.request("enough")
    with pytest.raises(StopRequested):
        running.result()
    held.go.set()
    assert exchange.pool.shutdown(PATIENCE_S)
    assert exchange.passed == []
