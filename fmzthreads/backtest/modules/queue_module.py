"""The module ``queue`` on a backtest's clock: waits with a time-out move the clock instead of taking real time."""

from __future__ import annotations

import queue
from types import ModuleType
from typing import Any

from .clock import SimulatedClock
from .threading_module import endless

__all__ = ["queue_module"]


def queue_module(clock: SimulatedClock) -> ModuleType:
    """The module; ``get`` and ``put`` of its queues wait by the clock, and everything else is Python's.

    A wait with a time-out moves the clock until a timer has put or taken something, or by the time-out. A wait without one moves the clock as long as there
    are timers, then takes real time while other threads run, and raises EOFError when none is left that could end it.
    """

    class _Waits:
        """The waits of a queue."""

        def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
            """Takes an item; ``timeout`` is in seconds of the backtest.

            Raises:
                queue.Empty: None came in time.
            """
            return _waited(self, super().get, (), lambda: not self.empty(), block, timeout)  # type: ignore[misc, attr-defined]

        def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
            """Puts an item; ``timeout`` is in seconds of the backtest.

            Raises:
                queue.Full: There was no room in time.
            """
            _waited(self, super().put, (item,), lambda: not _full(self), block, timeout)  # type: ignore[misc]

    def _full(one: Any) -> bool:
        full = getattr(one, "full", None)  # a SimpleQueue is never full
        return bool(full is not None and full())

    def _waited(one: Any, work: Any, args: tuple[Any, ...], ready: Any, block: bool, timeout: float | None) -> Any:
        if not block:
            return work(*args, False)
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        if timeout is not None:
            clock.wait(ready, timeout * 1000)
            return work(*args, False)
        if not clock.wait(ready):
            endless()
        return work(*args)

    module = ModuleType("queue", queue.__doc__)
    vars(module).update({name: value for name, value in vars(queue).items() if name not in {"__loader__", "__spec__"}})
    for name in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"):
        own = type(
            name, (_Waits, getattr(queue, name)), {"__doc__": getattr(queue, name).__doc__, "__module__": "queue"}
        )
        setattr(module, name, own)
    return module
