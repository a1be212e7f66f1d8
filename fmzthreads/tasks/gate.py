"""Gates: hold several prepared calls and release their requests together.

A call that runs under a gate does everything that it can beforehand (checks its arguments, builds and signs the body, opens the
connection) and then calls ``pass_gate()`` right before it writes. The package ``http`` does so; a call that never reaches that point (it failed
earlier, or needs no network) is removed from the count by ``Gate.leave``, so that it never delays the others. A call that has to open a
connection first is not waited for either: it may take long, or never succeed (``uncounted``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..clock import Clock, Stop, Waker

__all__ = ["HERE", "Gate", "GatePass", "SharedGate", "gated", "pass_gate", "uncounted", "ungated"]


class SharedGate(Protocol):
    """The part of a gate that a call uses."""

    def arrive(self) -> bool:
        """Waits for the others; False when the wait ended by the time-out."""

    def leave(self) -> None:
        """Removes a call that will not arrive, or not soon, from the count."""

    def rejoin(self) -> None:
        """Counts a call again that has left."""


class Gate:
    """Holds ``parties`` threads until each has arrived or left.

    Args:
        parties: How many calls the gate waits for.
        timeout_s: The longest that an arrived call is held, in seconds, in case another never arrives; None for ever.
        stop: Ends the waits once it is set; None for none.
    """

    def __init__(self, parties: int, timeout_s: float | None = None, *, stop: Stop | None = None) -> None:
        self._lock = threading.Lock()  # guards _missing, _held and _open
        self._missing = parties
        self._held: list[Waker] = []
        self._open = parties <= 0
        self._timeout_s = timeout_s
        self._stop = stop

    @property
    def is_open(self) -> bool:
        """Whether the calls have been released."""
        return self._open

    def arrive(self) -> bool:
        """Waits for the others; the last to arrive releases all.

        Returns:
            False when the wait ended by the time-out.

        Raises:
            StopRequested: The strategy is being stopped.
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
        if self._stop is None:
            return waker.sleep(self._timeout_s)
        token = self._stop.add(waker.wake)
        try:
            in_time = waker.sleep(self._timeout_s)
        finally:
            self._stop.remove(token)
        if not self._open:  # those that a stop wakes; once released together, each call is checked where it writes
            self._stop.check()
        return in_time

    def leave(self) -> None:
        """Removes a call that will not arrive, or not soon, from the count."""
        with self._lock:
            self._missing -= 1
            ready = self._missing <= 0 and not self._open
        if ready:
            self.open()

    def rejoin(self) -> None:
        """Counts a call again that has left; an open gate stays open."""
        with self._lock:
            self._missing += 1

    def open(self) -> None:
        """Releases all held calls, and lets later calls pass."""
        with self._lock:
            self._open = True
            held, self._held = self._held, []
        for waker in held:
            waker.wake()


class GatePass:
    """The passage of one call through a shared gate.

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
        """Removes the call from the count of the shared gate."""
        self._gate.leave()

    def rejoin(self) -> None:
        """Counts the call again."""
        self._gate.rejoin()


class _CurrentGate(threading.local):
    gate: SharedGate | None = None
    """The gate before this thread's call, so that its connection should be opened first; None for none."""
    suspended: SharedGate | None = None
    """The gate that ``ungated`` suspends: it is not passed, but still waits for this thread's call."""


HERE = _CurrentGate()


@contextmanager
def gated(gate: SharedGate) -> Iterator[None]:
    """Runs a call under a gate; one that ends before it arrives is not waited for."""
    HERE.gate = gate
    try:
        yield
    finally:
        if HERE.gate is gate:
            HERE.gate = None
            gate.leave()


def pass_gate() -> None:
    """Waits, once, at the gate of this thread's call; called before a request is written."""
    gate = HERE.gate
    if gate is not None:
        HERE.gate = None
        gate.arrive()


@contextmanager
def ungated() -> Iterator[None]:
    """Suspends the gate of this thread's call for requests that only prepare it.

    Such as those for trading rules or the venue's time.

    Such a request must neither use up the gate, nor be held at it: calls that share one answer would wait for each other for ever.
    """
    gate, HERE.gate = HERE.gate, None
    before = HERE.suspended
    if gate is not None:
        HERE.suspended = gate
    try:
        yield
    finally:
        HERE.gate, HERE.suspended = gate, before


@contextmanager
def uncounted() -> Iterator[None]:
    """Has the gate of this thread's call wait for the others only, while this call opens a connection.

    A connection may take long or fail, and a call that is ready must not be held for it. Afterwards the call is counted again, unless the
    gate has opened meanwhile.
    """
    gate = HERE.gate or HERE.suspended
    if gate is None:
        yield
        return
    gate.leave()
    try:
        yield
    finally:
        gate.rejoin()
