"""The module ``threading`` on a backtest's clock: waits with a time-out move the clock instead of taking real time."""

from __future__ import annotations

import threading
from types import ModuleType

from .clock import SimulatedClock
from .timer import timer_class

__all__ = ["endless", "threading_module"]


def endless() -> None:
    """Ends a wait that no other thread can end.

    Raises:
        EOFError: This is the only thread.
    """
    if threading.active_count() <= 1:
        raise EOFError("EOF")


def threading_module(clock: SimulatedClock) -> ModuleType:
    """The module; ``Event`` and ``Condition`` wait by the clock, ``Timer`` calls by it, and everything else is Python's.

    A wait with a time-out for something that has not happened yet moves the clock until a timer makes it happen, or by the time-out. A wait without one moves the clock
    as long as there are timers, then takes real time while other threads run, and raises EOFError when none is left that could end it.
    """

    class _SimulatedEvent(threading.Event):
        """``threading.Event`` on the backtest's clock."""

        def wait(self, timeout: float | None = None) -> bool:
            """Waits; ``timeout`` is in seconds of the backtest."""
            if self.is_set():
                return True
            if timeout is not None:
                return clock.wait(self.is_set, timeout * 1000)
            if clock.wait(self.is_set):
                return True
            endless()
            return super().wait()

    class _SimulatedCondition(threading.Condition):
        """``threading.Condition`` on the backtest's clock."""

        def wait(self, timeout: float | None = None) -> bool:
            """Waits; ``timeout`` is in seconds of the backtest."""
            if timeout is None:
                endless()
                return super().wait()
            notified = super().wait(0)
            if not notified:
                clock.sleep(timeout * 1000)
            return notified

    module = ModuleType("threading", threading.__doc__)
    vars(module).update(
        {name: value for name, value in vars(threading).items() if name not in {"__loader__", "__spec__"}}
    )
    for name, own in (
        ("Event", _SimulatedEvent),
        ("Condition", _SimulatedCondition),
        ("Timer", timer_class(clock, _SimulatedEvent)),
    ):
        own.__module__, own.__name__, own.__qualname__ = "threading", name, name
        setattr(module, name, own)
    return module
