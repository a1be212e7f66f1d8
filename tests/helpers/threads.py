"""Threads of tests: one call in the background, several that start together, and a check that none is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["PATIENCE_S", "InThread", "is_journal", "no_new_threads", "race", "run_in_thread", "side_by_side"]

# Long enough for any machine; reached only when something hangs.
PATIENCE_S = 60.0


class InThread:
    """One function in a thread of its own.

    Attributes:
        thread: The thread, a daemon, already running.
    """

    def __init__(self, work: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> None:
        self._work, self._args = work, args
        self._value: Any = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._value = self._work(*self._args)
        except BaseException as error:  # raised again by result()
            self._error = error

    @property
    def alive(self) -> bool:
        """Whether the function has not returned."""
        return self.thread.is_alive()

    def join(self, timeout_s: float = PATIENCE_S) -> None:
        """Waits for the end of the function, however it ends; fails when it hangs."""
        self.thread.join(timeout_s)
        assert not self.thread.is_alive(), f"thread {self.thread.name} hangs"

    def result(self, timeout_s: float = PATIENCE_S) -> Any:
        """Waits for the function; returns what it returned, or raises what it raised."""
        self.join(timeout_s)
        if self._error is not None:
            raise self._error
        return self._value

    def error(self, timeout_s: float = PATIENCE_S) -> BaseException | None:
        """Waits for the function; returns what it raised."""
        self.join(timeout_s)
        return self._error


def run_in_thread(work: Callable[..., Any], *args: Any, name: str | None = None) -> InThread:
    """Starts a function in a daemon thread; call ``result()`` or ``error()`` of what it returns."""
    return InThread(work, args, name)


def race(*sides: Callable[[], Any]) -> list[Any]:
    """Runs functions in threads that begin together.

    Returns:
        Their results, in the order given; raises what one of them raised.
    """
    barrier = threading.Barrier(len(sides))

    def _side(work: Callable[[], Any]) -> Any:
        barrier.wait(PATIENCE_S)
        return work()

    threads = [run_in_thread(_side, side, name=f"side-{index}") for index, side in enumerate(sides)]
    for thread in threads:
        thread.join()
    return [thread.result() for thread in threads]


def side_by_side(count: int, work: Callable[[int], object]) -> None:
    """Runs ``work(index)`` in so many threads that begin together; raises what one of them raised."""
    race(*(lambda index=index: work(index) for index in range(count)))


def is_journal(thread: threading.Thread) -> bool:
    """Whether a thread writes lines of a journal; that of the process's own runtime lives as long as the process."""
    return thread.name.startswith("fmzthreads-journal-")


@contextmanager
def no_new_threads(grace_s: float = PATIENCE_S, *, named: str = "") -> Iterator[None]:
    """Fails when the block leaves a thread behind that does not end within ``grace_s``.

    Args:
        grace_s: How long a thread has to end.
        named: How the names of the threads that count begin; empty means all but those of a journal.
    """
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith(named)]
    left = [thread for thread in left if named or not is_journal(thread)]
    for thread in left:
        thread.join(grace_s)
    assert [thread.name for thread in left if thread.is_alive()] == []
