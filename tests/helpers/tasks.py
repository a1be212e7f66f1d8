"""Exchanges that are no exchanges, for the tests of the tasks room: calls that the test lets go by hand, or that fail by a seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from fmzthreads.clock import Clock, WallClock
from fmzthreads.errors import UnknownName
from fmzthreads.tasks.gate import Gate, pass_gate
from fmzthreads.tasks.handle import Handle
from fmzthreads.tasks.pool import CallPool
from tests.helpers.threads import PATIENCE_S

__all__ = ["FakeExchange", "Held"]


class Held:
    """A call that says when it has begun, and ends when it is let go."""

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.value = value
        self.error = error
        self.runs = 0

    def __call__(self) -> Any:
        self.runs += 1
        self.begun.set()
        assert self.go.wait(PATIENCE_S), "nobody let the call go"
        if self.error is not None:
            raise self.error
        return self.value


class FakeExchange:
    """An exchange whose calls run on a real pool.

    ``GetDepth(n)`` gives ``(name, n)``; ``Held(key)`` runs ``held[key]``; ``Fail`` raises; ``Faulty(n)`` raises for a share of its calls and
    dawdles for another, by the seed; ``Gated(n)`` notes the order in which calls pass their gate.
    """

    def __init__(
        self, name: str, *, clock: Clock | None = None, workers: int = 8, faults: float = 0.0, seed: int = 0
    ) -> None:
        self.clock: Clock = clock if clock is not None else WallClock()
        self.name = name
        self.pool = CallPool(name, max_workers=workers, clock=self.clock)
        self.held: dict[Any, Held] = {}
        self.passed: list[Any] = []
        self.prepared: list[Any] = []
        self.calls = 0
        self._faults = faults
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def max_concurrency(self) -> int:
        return self.pool.free_workers

    def submit(self, method: str, args: Sequence[object], *, gate: Gate | None = None) -> Handle[Any]:
        call = getattr(self, f"_{method}", None)
        if call is None:
            raise UnknownName(f"no method {method!r}")
        with self._lock:
            self.calls += 1
        return self.pool.start(call, *args, name=method, gate=gate)

    def close(self) -> None:
        for held in self.held.values():
            held.go.set()
        assert self.pool.shutdown(PATIENCE_S)

    def hold(self, key: Any, value: Any = None, error: BaseException | None = None) -> Held:
        held = self.held[key] = Held(value, error)
        return held

    def _GetDepth(self, number: Any = 0) -> Any:
        return (self.name, number)

    def _Held(self, key: Any) -> Any:
        return self.held[key]()

    def _Fail(self, text: str = "no") -> Any:
        raise OSError(text)

    def _Faulty(self, number: Any) -> Any:
        with self._lock:
            draw = self._random.random()
        if draw < self._faults / 2:
            raise OSError("a fault")
        if draw < self._faults:
            self.clock.wait((), 0.03)  # longer than the tests' time-out
        return (self.name, number)

    def _Gated(self, number: Any, fail: bool = False) -> Any:
        with self._lock:
            self.prepared.append(number)
        if fail:
            raise OSError("failed while it was prepared")
        pass_gate()
        with self._lock:
            self.passed.append((number, len(self.prepared)))
        return (self.name, number)
