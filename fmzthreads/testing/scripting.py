"""The script of a fake's method: hold, fail or delay calls, or lose replies; and the texts of its replies."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from ..clock import Clock, Signal
from ..errors import FmzError

__all__ = ["Hold", "KeptReply", "Script"]


class Hold:
    """Calls that are held until the test releases them; returned by ``FakeVenue.hold``.

    Args:
        clock: Waits, so that a stop ends the call early.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._release = Signal()
        self._arrived = threading.Semaphore(0)

    def wait_for_call(self, timeout_s: float = 60.0) -> bool:
        """Waits until one more call has arrived; False if none arrives within ``timeout_s`` real seconds."""
        return self._arrived.acquire(timeout=timeout_s)

    def release(self) -> None:
        """Releases all held calls and all later ones."""
        self._release.set()

    def pause(self) -> None:
        """Called by the held call: reports its arrival and waits."""
        self._arrived.release()
        self._clock.wait((self._release,))


@attrs.define
class Script:
    """The script for the next calls of one method, consumed from the left."""

    faults: deque[FmzError | Callable[[], FmzError]] = attrs.field(factory=deque)
    always: FmzError | Callable[[], FmzError] | None = None
    holds: deque[Hold] = attrs.field(factory=deque)
    latency_s: float = 0.0
    lost: deque[FmzError | None] = attrs.field(factory=deque)

    def next_fault(self) -> FmzError | None:
        """The error that the next call raises; None if it succeeds."""
        fault = self.faults.popleft() if self.faults else self.always
        return fault() if fault is not None and not isinstance(fault, FmzError) else fault


class KeptReply:
    """The text of a reply, taken before the caller can change its structures.

    Args:
        result: What the call returned; anything that JSON does not know is kept as its text.
    """

    def __init__(self, result: Any) -> None:
        self.text = "".join(list(json.dumps(result, default=str)))  # a new string each time, as real replies are
