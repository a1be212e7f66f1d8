"""``threading.Timer`` on a backtest's clock."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import NotSupported
from .clock import SimulatedClock

__all__ = ["timer_class"]


def timer_class(clock: SimulatedClock, event: Callable[[], threading.Event]) -> type:
    """The class ``Timer`` of one backtest.

    Args:
        clock: The backtest's clock.
        event: Makes an event that waits by it.
    """

    class _SimulatedTimer:
        """``threading.Timer`` on the backtest's clock: its function is called in the thread that lets the time pass.

        Args:
            interval: Seconds of the backtest.
            function: What is called.
            args: Its arguments.
            kwargs: Its named arguments.
        """

        def __init__(
            self,
            interval: float,
            function: Callable[..., object],
            args: Sequence[Any] | None = None,
            kwargs: Mapping[str, Any] | None = None,
        ) -> None:
            self.interval, self.function = interval, function
            self.args, self.kwargs = args or (), kwargs or {}
            self.finished, self._started = event(), False
            self.name, self.daemon = f"Timer-{getattr(function, '__name__', 'call')}", False

        def start(self) -> None:
            """Starts it, once.

            Raises:
                RuntimeError: It was started before.
                NotSupported: Its class has a ``run`` of its own, which needs a thread.
            """
            if self._started:
                raise RuntimeError("threads can only be started once")
            if type(self).run is not _SimulatedTimer.run:
                raise NotSupported(
                    f"{type(self).__name__}.run in a backtest: a Timer calls its function once, without a thread; start the next Timer in that function"
                )
            self._started = True
            clock.call_later(self.interval * 1000, self._due)

        def _due(self) -> None:
            try:
                self.run()
            except EOFError:  # the end of the backtest: the strategy's own next call raises it
                pass
            except Exception:  # as Python does with what a thread raises: shown, and no other thread's business
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), None)))
            finally:
                self.finished.set()

        def run(self) -> None:
            """Calls the function, unless it was canceled."""
            if not self.finished.is_set():
                self.function(*self.args, **self.kwargs)

        def cancel(self) -> None:
            """Has it not be called, if it was not yet."""
            self.finished.set()

        def is_alive(self) -> bool:
            """Whether it was started, and is neither over nor canceled."""
            return self._started and not self.finished.is_set()

        def join(self, timeout: float | None = None) -> None:
            """Lets time pass until it is over; ``timeout`` is in seconds of the backtest.

            Raises:
                RuntimeError: It was not started.
            """
            if not self._started:
                raise RuntimeError("cannot join thread before it is started")
            self.finished.wait(timeout)

    return _SimulatedTimer
