"""What the threads of a JavaScript strategy share: locks, events, conditions and dicts, and how they wait for each other.

Source: FMZ's syntax guide, "Threads": time-outs are milliseconds, none or 0 waits for ever, -1 does not wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ...clock import Signal
from ...errors import InputError
from ..runtime import current
from .calls import ThreadEnded

__all__ = ["CallingThread", "ScriptCondition", "ScriptDict", "ScriptEvent", "ScriptLock", "SharedObject"]


class CallingThread(Protocol):
    """The thread that calls a method of a shared object.

    Attributes:
        number: Its number; 0 for the main one.
        ended: Set when it is to end.
        waits: Whether it waits for others; not in a backtest, which runs one thread after the other.
    """

    number: int
    ended: Signal
    waits: bool


class SharedObject:
    """Base of what all contexts know by its number; its public methods are those of FMZ's object, with the calling thread first."""

    kind = ""

    def __init__(self) -> None:
        self.condition = threading.Condition()  # guards the fields of the subclasses

    def wait_until(self, ready: Callable[[], Any], timeout_ms: float | None, own: CallingThread) -> None:
        """Waits, under the condition, until ``ready`` or the time-out.

        Args:
            ready: Tells whether the wait is over.
            timeout_ms: The longest wait, in milliseconds; None or 0 waits for ever, negative does not wait.
            own: The thread that waits.

        Raises:
            StopRequested: The strategy is being stopped.
            ThreadEnded: The thread is to end.
        """
        if (timeout_ms is not None and timeout_ms < 0) or not own.waits:
            return
        # Real time: a backtest, which has another, left above.
        until = None if not timeout_ms else time.monotonic() + timeout_ms / 1000
        # The signals call this from other threads, after the lock here is released by the wait.
        stop, ended = current().stop, own.ended
        tokens = [(signal, signal.add(self.wake)) for signal in (stop, ended) if not signal.is_set()]
        try:
            while not ready():
                stop.check()
                if ended.is_set():
                    raise ThreadEnded
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return
                self.condition.wait(left)
        finally:
            for signal, token in tokens:
                signal.remove(token)

    def wake(self) -> None:
        """Wakes the threads that wait for this object."""
        with self.condition:
            self.condition.notify_all()


class ScriptLock(SharedObject):
    """A lock; it is not re-entrant."""

    kind = "Lock"

    def __init__(self) -> None:
        super().__init__()
        self._owner: int | None = None

    def acquire(self, own: CallingThread) -> None:
        """Waits until it is free, and takes it.

        Raises:
            InputError: It is held, and the thread does not wait.
        """
        with self.condition:
            self._take(own)

    def release(self, own: CallingThread) -> None:
        """Gives it back.

        Raises:
            InputError: It is not held.
        """
        with self.condition:
            if self._owner is None:
                raise InputError("release of a lock that is not held")
            self._owner = None
            self.condition.notify_all()

    def _take(self, own: CallingThread) -> None:
        self.wait_until(lambda: self._owner is None, None, own)
        if self._owner is not None:
            raise InputError(
                "the lock is held, and a backtest runs one thread after the other: no thread would release it"
            )
        self._owner = own.number


class ScriptCondition(ScriptLock):
    """A lock with a queue of threads that wait for a notice."""

    kind = "Condition"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[list[bool]] = deque()

    def wait(self, own: CallingThread) -> None:
        """Releases the lock, waits for a notice, and takes the lock again.

        Raises:
            InputError: The thread does not hold the lock.
        """
        with self.condition:
            if self._owner != own.number:
                raise InputError("wait on a condition whose lock this thread does not hold")
            self._owner = None
            notice: list[bool] = []
            self._waiting.append(notice)
            self.condition.notify_all()
            try:
                self.wait_until(lambda: notice, None, own)
            except BaseException:
                if notice:  # it came for a thread that ends: the next one gets it
                    self._notify(1)
                elif notice in self._waiting:
                    self._waiting = deque(other for other in self._waiting if other is not notice)
                raise
            self._take(own)

    def notify(self, own: CallingThread, count: int = 1) -> None:
        """Wakes one waiting thread."""
        with self.condition:
            self._notify(count)

    def notify_all(self, own: CallingThread) -> None:
        """Wakes all waiting threads."""
        with self.condition:
            self._notify(len(self._waiting))

    def _notify(self, count: int) -> None:
        for _ in range(min(count, len(self._waiting))):
            self._waiting.popleft().append(True)
        self.condition.notify_all()


class ScriptEvent(SharedObject):
    """A flag that threads wait for."""

    kind = "Event"

    def __init__(self) -> None:
        super().__init__()
        self._flag = False

    def set(self, own: CallingThread) -> None:
        """Sets it and wakes all that wait."""
        with self.condition:
            self._flag = True
            self.condition.notify_all()

    def clear(self, own: CallingThread) -> None:
        """Unsets it."""
        with self.condition:
            self._flag = False

    def is_set(self, own: CallingThread) -> bool:
        """Whether it is set."""
        return self._flag

    def wait(self, own: CallingThread, timeout_ms: float | None = None) -> bool:
        """Waits until it is set; False after the time-out."""
        with self.condition:
            self.wait_until(lambda: self._flag, timeout_ms, own)
            return self._flag


class ScriptDict(SharedObject):
    """Values by key, copied in and out."""

    kind = "Dict"

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    def get(self, own: CallingThread, key: Any) -> Any:
        """The value of a key; None without it."""
        with self.condition:
            return self._values.get(str(key))

    def set(self, own: CallingThread, key: Any, value: Any = None) -> None:
        """Sets the value of a key."""
        with self.condition:
            self._values[str(key)] = value
