"""The thread that a JavaScript context lives in: it may be used by no other."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["JavaScriptThread"]

T = TypeVar("T")

# The caller looks up so often for signals, which Python handles in the main thread only, and for a script that was given up.
_LOOK_UP_S = 0.1


class _Work:
    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.context = contextvars.copy_context()
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class JavaScriptThread:
    """A daemon thread that does what it is asked, one thing after the other.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._busy: _Work | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, call: Callable[[], T], given_up: threading.Event | None = None) -> T:
        """Does something in the thread, and returns its result or raises its error.

        Args:
            call: What is done, with the context variables of the caller.
            given_up: Once it is set, the thread stands still for ever and is not waited for.

        Raises:
            RuntimeError: The thread is still busy with something that was interrupted, or it was given up.
        """
        if threading.current_thread() is self._thread:
            return call()
        if self._busy is not None and not self._busy.done.is_set():
            raise RuntimeError("the strategy's JavaScript is still running: nothing else can be called in it")
        work = self._busy = _Work(call)
        self._queue.put(work)
        while not work.done.wait(_LOOK_UP_S):
            if given_up is not None and given_up.is_set():
                raise RuntimeError("the strategy's JavaScript went on after its end and was given up")
        if work.error is not None:
            raise work.error
        result: T = work.result
        return result

    def end(self) -> None:
        """Ends the thread once it has done what it was asked."""
        self._queue.put(None)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work.result = work.context.run(work.call)
            except BaseException as error:  # raised where it was asked for
                work.error = error
            work.done.set()
            del work
