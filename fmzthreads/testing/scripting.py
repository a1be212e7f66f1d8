"""What a test tells a fake to do: hold a call, fail it, delay it, lose its reply."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import attrs

from ..clock import Clock, Signal
from ..errors import FmzError

__all__ = ["Hold", "Script"]


class Hold:
    """A call (or several) held until the test releases it; what ``FakeVenue.hold`` gives.

    Args:
        clock: Waits, so that a stop cuts the call short.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._release = Signal()
        self._arrived = threading.Semaphore(0)

    def wait_for_call(self, timeout_s: float = 10.0) -> bool:
        """Blocks the test until one more call has arrived; False when none came in ``timeout_s`` real seconds."""
        return self._arrived.acquire(timeout=timeout_s)

    def release(self) -> None:
        """Lets all calls go, those to come too."""
        self._release.set()

    def pause(self) -> None:
        """Run by the call: reports its arrival and waits."""
        self._arrived.release()
        self._clock.wait((self._release,))


@attrs.define
class Script:
    """What the next calls of one method meet: consumed from the left."""

    faults: deque[FmzError | Callable[[], FmzError]] = attrs.field(factory=deque)
    always: FmzError | Callable[[], FmzError] | None = None
    holds: deque[Hold] = attrs.field(factory=deque)
    latency_s: float = 0.0
    lost: deque[FmzError | None] = attrs.field(factory=deque)

    def next_fault(self) -> FmzError | None:
        """What the next call raises; None when it is served."""
        fault = self.faults.popleft() if self.faults else self.always
        return fault() if fault is not None and not isinstance(fault, FmzError) else fault
