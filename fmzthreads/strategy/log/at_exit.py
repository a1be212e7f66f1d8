"""Has queues written out when the process ends normally."""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from typing import Protocol

from .console_output import print_text

__all__ = ["write_out_at_exit"]

_LONGEST_S = 3.0


class _Queue(Protocol):
    def begin_close(self, timeout_s: float) -> None:
        """Has the queue write what waits, then close; what cannot be written in ``timeout_s`` seconds is lost."""

    def flush(self, timeout_s: float) -> bool:
        """Waits until all entries were written; False after ``timeout_s`` seconds."""
        ...

    def final_words(self) -> str:
        """The line that says how many entries were not written; empty if all were."""
        ...


class _OpenQueues:
    """The queues to write out at the end of the process; held weakly (the thread of a queue that is not empty holds it)."""

    def __init__(self) -> None:
        self._queues: weakref.WeakSet[_Queue] = weakref.WeakSet()
        self._registered_in = 0  # the id of the child of multiprocessing that has its own hook
        # Registered when this module is imported, so it runs after the handlers of those who use it: onexit may write lines, too.
        atexit.register(self.write_out)

    def add(self, queue: _Queue) -> None:
        """Adds a queue to those that the end of the process writes out."""
        self._queues.add(queue)
        process = sys.modules.get("multiprocessing.process")  # loaded in every such child
        if process is not None and process.parent_process() is not None and self._registered_in != os.getpid():
            # Such a child ends with os._exit, which runs no atexit handlers, after these ones.
            from multiprocessing.util import Finalize

            self._registered_in = os.getpid()
            Finalize(None, self.write_out, exitpriority=0)

    def write_out(self) -> None:
        """Writes out all queues, within a few seconds; runs at the end of the process."""
        queues = list(self._queues)
        end = time.monotonic() + _LONGEST_S  # real time: the process is ending, whatever clock it ran by
        for queue in queues:
            queue.begin_close(_LONGEST_S)
        for queue in queues:
            queue.flush(max(0.1, end - time.monotonic()))
        for queue in queues:
            words = queue.final_words()
            if not words:
                continue
            try:
                print_text(sys.stderr, f"fmzthreads: {words}\n", is_own=sys.stderr is sys.__stderr__)
            except (AttributeError, OSError, ValueError):
                return  # stderr is closed, absent, or not read: the text cannot be shown


_open = _OpenQueues()


def write_out_at_exit(queue: _Queue) -> None:
    """Has a queue written out, within a few seconds, when the interpreter ends (not by ``os._exit`` or a signal that kills).

    Args:
        queue: It is held weakly.
    """
    _open.add(queue)
