"""The thread that looks at the market while paper orders rest."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from ...clock import Clock, Signal
from ...errors import StopRequested
from ...fork import after_fork_in_child

__all__ = ["MarketWatch"]

_LAST_S = 5.0


class Looker(Protocol):
    """What looks at the market."""

    def look(self) -> bool:
        """Looks once; returns whether orders still rest. Must not raise but for a stop."""


class MarketWatch:
    """Calls ``look`` again and again while orders rest; thread-safe.

    The thread starts with the first order that rests. It is a daemon, and ends with ``close``, a stop, or the object that looks.

    Args:
        looker: The object; held weakly.
        clock: Waits.
        pause_s: The time between two looks, in seconds.
    """

    def __init__(self, looker: Looker, clock: Clock, pause_s: float) -> None:
        self._looker = weakref.ref(looker)
        self._clock = clock
        self._pause_s = pause_s
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards that there is one thread at most
        self._thread: threading.Thread | None = None
        self._ended: Signal | None = None
        self._wanted = Signal()

    def wake(self) -> None:
        """Says that an order rests."""
        self._wanted.set()
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            ended = self._ended = Signal()
            weakref.finalize(self, ended.set)
            self._thread = threading.Thread(
                target=_watch,
                args=(self._looker, self._clock, self._pause_s, self._wanted, ended),
                name="fmzthreads-paper",
                daemon=True,
            )
            self._thread.start()

    def close(self) -> None:
        """Ends the thread; a later order that rests starts it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            ended = self._ended
        if ended is not None:
            ended.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LAST_S)


def _watch(looker: weakref.ref[Looker], clock: Clock, pause_s: float, wanted: Signal, ended: Signal) -> None:
    try:
        while True:
            clock.wait((wanted, ended))
            if ended.is_set():
                return
            wanted.clear()
            found = looker()
            if found is None:
                return
            rests = found.look()
            del found
            if rests:
                wanted.set()
                if clock.wait((ended,), pause_s):
                    return
    except StopRequested:
        pass  # the strategy is being stopped; what rests goes on when it starts again
