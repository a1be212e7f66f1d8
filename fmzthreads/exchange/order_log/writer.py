"""The thread that writes what became of orders, so that no order waits for it."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from ...fork import after_fork_in_child

__all__ = ["Writer"]

_GATHER_S = 0.01
"""How long changes are gathered before they are written in one transaction, in seconds."""

_RETRY_S = 1.0
"""The pause after a write that failed, in seconds."""


class Flushable(Protocol):
    """What has something to write now and then."""

    def flush_quietly(self) -> bool:
        """Writes what is queued; returns whether nothing is left. Must not raise."""


class _Bell:
    """What the thread waits for; it outlives the object whose changes are written."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.ended = threading.Event()

    def end(self) -> None:
        """Wakes the thread to write what is left and to end."""
        self.ended.set()
        self.rung.set()


class Writer:
    """Calls ``flush_quietly`` of an object in a thread of its own, soon after it was asked to.

    The thread starts with the first request. It is a daemon, and ends with ``stop`` or when the object is garbage-collected.

    Args:
        target: The object; held weakly.
    """

    def __init__(self, target: Flushable) -> None:
        self._target = weakref.ref(target)
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards that there is one thread at most
        self._bell: _Bell | None = None
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Asks for a write; costs next to nothing when one was asked for already."""
        bell = self._bell
        if bell is None:
            bell = self._start()
        if not bell.rung.is_set():
            bell.rung.set()

    def _start(self) -> _Bell:
        with self._lock:
            if self._bell is None:
                bell = _Bell()
                weakref.finalize(self, bell.end)
                self._thread = threading.Thread(
                    target=_write, args=(self._target, bell), name="fmzthreads-order-log", daemon=True
                )
                self._thread.start()
                self._bell = bell
            return self._bell

    def stop(self) -> None:
        """Ends the thread; a later request starts it again."""
        with self._lock:
            bell, self._bell = self._bell, None
            thread, self._thread = self._thread, None
        if bell is not None:
            bell.end()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_RETRY_S)


def _write(target: weakref.ref[Flushable], bell: _Bell) -> None:
    while True:
        bell.rung.wait()
        if bell.ended.wait(_GATHER_S):
            return
        bell.rung.clear()
        found = target()
        if found is None:
            return
        written = found.flush_quietly()
        del found
        if not written:
            bell.rung.set()
            if bell.ended.wait(_RETRY_S):
                return
