"""A gate: several prepared calls held just before they write their requests, and released together.

A call that runs under a gate does everything that it can beforehand (checks its arguments, builds and signs the body, opens the
connection) and then calls ``pass_gate()`` right before it writes. The HTTP room does so; a call that never reaches that point (it failed
earlier, or needs no network) is counted out by ``Gate.leave``, so that it never holds up the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..clock import Clock, Waker

__all__ = ["HERE", "Gate", "GatePass", "SharedGate", "gated", "pass_gate", "ungated"]


class SharedGate(Protocol):
    """What a call needs of its gate."""

    def arrive(self) -> bool:
        """Waits for the others; False when the wait ended by the time-out."""

    def leave(self) -> None:
        """Counts out a call that will not arrive."""


class Gate:
    """Holds ``parties`` threads until each has arrived or left.

    Args:
        parties: How many calls the gate waits for.
        timeout_s: The longest that an arrived call is held, in seconds, in case another never arrives; None for ever.
    """

    def __init__(self, parties: int, timeout_s: float | None = None) -> None:
        self._lock = threading.Lock()  # guards _missing, _held and _open
        self._missing = parties
        self._held: list[Waker] = []
        self._open = parties <= 0
        self._timeout_s = timeout_s

    @property
    def is_open(self) -> bool:
        """Whether the calls have been released."""
        return self._open

    def arrive(self) -> bool:
        """Waits for the others; the last to arrive releases all.

        Returns:
            False when the wait ended by the time-out.
        """
        waker: Waker | None = None
        with self._lock:
            if self._open:
                return True
            self._missing -= 1
            if self._missing > 0:
                waker = Waker()
                self._held.append(waker)
        if waker is None:
            self.open()
            return True
        return waker.sleep(self._timeout_s)

    def leave(self) -> None:
        """Counts out a call that will not arrive."""
        with self._lock:
            self._missing -= 1
            ready = self._missing <= 0 and not self._open
        if ready:
            self.open()

    def open(self) -> None:
        """Releases all that are held, and lets later ones pass."""
        with self._lock:
            self._open = True
            held, self._held = self._held, []
        for waker in held:
            waker.wake()


class GatePass:
    """One call's way through a gate that it shares with others.

    Args:
        gate: The shared gate.
        clock: Tells when the call passed.
        check: Called once the gate has opened, before the request is written; it raises to keep the request from being written.
    """

    __slots__ = ("_check", "_clock", "_gate", "passed_at")

    def __init__(self, gate: Gate, clock: Clock, check: Callable[[], None]) -> None:
        self._gate = gate
        self._clock = clock
        self._check = check
        self.passed_at: float | None = None
        """When the call passed, in seconds of ``clock.monotonic()``; None before."""

    def arrive(self) -> bool:
        """Waits at the shared gate.

        Raises:
            Exception: What ``check`` raises.
        """
        in_time = self._gate.arrive()
        self._check()
        self.passed_at = self._clock.monotonic()
        return in_time

    def leave(self) -> None:
        """Counts the call out of the shared gate."""
        self._gate.leave()


class _CurrentGate(threading.local):
    gate: SharedGate | None = None
    """The gate before this thread's call, so that its connection should be opened first; None for none."""


HERE = _CurrentGate()


@contextmanager
def gated(gate: SharedGate) -> Iterator[None]:
    """Runs a call under a gate, in this thread; a call that ends without having passed it is counted out."""
    HERE.gate = gate
    try:
        yield
    finally:
        if HERE.gate is gate:
            HERE.gate = None
            gate.leave()


def pass_gate() -> None:
    """Called right before a request is written: waits at the gate of this thread's call, if it has one, once."""
    gate = HERE.gate
    if gate is not None:
        HERE.gate = None
        gate.arrive()


@contextmanager
def ungated() -> Iterator[None]:
    """Sets the gate of this thread's call aside for requests that only prepare it (trading rules, the venue's time).

    Such a request must neither use up the gate, nor be held at it: calls that share one answer would wait for each other for ever.
    """
    gate, HERE.gate = HERE.gate, None
    try:
        yield
    finally:
        HERE.gate = gate
