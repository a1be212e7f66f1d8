"""One thread of a JavaScript strategy, as the others know it: its messages, its data, its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ...clock import Signal
from ...errors import InputError
from ...tasks.events import EventQueue
from .. import globals as fmz_globals
from ..runtime import current
from .calls import ThreadEnded
from .shared_objects import CallingThread, SharedObject

__all__ = ["ScriptThread"]

_MOST_MESSAGES = 10_240


class _Interruptible(Protocol):
    def interrupt(self, error: BaseException) -> None:
        """Ends a script at its next call."""


class ScriptThread(SharedObject):
    """A thread; the events of its messages are for ``EventLoop`` and ``eventLoop``.

    Args:
        number: Its number; 0 for the main one.
        name: Its name.
        waits: Whether it waits for others; not in a backtest, which runs one thread after the other.
    """

    kind = "Thread"

    def __init__(self, number: int, name: str, *, waits: bool = True) -> None:
        super().__init__()
        self.waits = waits
        self.number = number
        self.name_text = name
        self.ended = Signal()
        """Set when it is to end."""
        self._context: _Interruptible | None = None
        self._messages: deque[Any] = deque()
        self._data: dict[str, Any] = {}
        self._result: dict[str, Any] | None = None
        self._sent = self._taken = 0
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._token = 0
        self._events: EventQueue | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not finished."""
        return self._result is None

    def runs_in(self, context: _Interruptible) -> None:
        """Tells which context it runs in."""
        self._context = context
        if self.ended.is_set():
            context.interrupt(ThreadEnded())

    def end(self) -> None:
        """Ends it at its next call; what it waits for by FMZ's threading, or by Sleep, is cut short."""
        self.ended.set()
        if self._context is not None:
            self._context.interrupt(ThreadEnded())
        self.wake()
        self._call_back()

    def finished(self, result: Any, elapsed_ns: int) -> None:
        """Notes its result."""
        with self.condition:
            terminated = self.ended.is_set()
            self._result = {"id": self.number, "terminated": terminated, "elapsed": elapsed_ns, "ret": result}
            self.condition.notify_all()

    def sleep(self, millisecond: float) -> None:
        """``Sleep`` of this thread: its end cuts it short.

        Raises:
            StopRequested: The strategy is being stopped.
            ThreadEnded: The thread is to end.
            InputError: It is not a number.
        """
        if isinstance(millisecond, bool) or not isinstance(millisecond, (int, float)) or millisecond <= 0:
            fmz_globals.Sleep(millisecond)
        elif current().clock.wait((self.ended,), min(millisecond, 1e12) / 1000):
            raise ThreadEnded

    # FMZ's methods

    def id(self, own: CallingThread) -> int:
        """Its number."""
        return self.number

    def name(self, own: CallingThread) -> str:
        """Its name, such as ``Thread-1``."""
        return self.name_text

    def post_message(self, own: CallingThread, message: Any = None) -> None:
        """Adds a message to its queue; the oldest one is dropped when the queue is full."""
        with self.condition:
            full = len(self._messages) >= _MOST_MESSAGES
            if full:
                self._messages.popleft()
            self._messages.append(message)
            self._sent += 1
            self.condition.notify_all()
        if full:
            text = f"{self.name_text}: its queue of {_MOST_MESSAGES} messages is full, the oldest was dropped"
            current().warning(text)
        self._call_back()

    def peek_message(self, own: CallingThread, timeout_ms: float | None = None) -> Any:
        """Takes the oldest message of its queue; None after the time-out, or when it has ended."""
        with self.condition:
            self.wait_until(lambda: self._messages or self._result is not None, timeout_ms, own)
            if not self._messages:
                return None
            self._taken += 1
            return self._messages.popleft()

    def join(self, own: CallingThread, timeout_ms: float | None = None) -> Any:
        """Waits for its end; its result, or None after the time-out.

        Raises:
            InputError: It is the calling thread.
        """
        if self.number == own.number:
            raise InputError("a thread cannot join itself")
        with self.condition:
            self.wait_until(lambda: self._result is not None or self.ended.is_set(), timeout_ms, own)
            return self._result

    def terminate(self, own: CallingThread) -> None:
        """Ends it at its next call.

        Raises:
            InputError: It is the main thread.
        """
        if not self.number:
            raise InputError("the main thread cannot be terminated")
        self.end()

    def get_data(self, own: CallingThread, key: Any = None) -> Any:
        """A value of its data; all of it without a key."""
        with self.condition:
            return dict(self._data) if key is None else self._data.get(str(key))

    def set_data(self, own: CallingThread, key: Any, value: Any = None) -> None:
        """Sets a value of its data."""
        with self.condition:
            self._data[str(key)] = value

    def event_loop(self, own: CallingThread, timeout_ms: float | None = None) -> Any:
        """Waits for the next event of its messages; None after the time-out.

        Raises:
            ThreadEnded: The thread is to end.
        """
        with self.condition:
            if self._events is None:
                self._events = EventQueue(current().clock)
                self._events.add_source(self, "thread", thread_id=self.number)
        event = self._events.wait(timeout_ms if self.waits else -1)
        if self.ended.is_set():
            raise ThreadEnded
        return event

    # A source of EventLoop

    def _call_back(self) -> None:
        with self.condition:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def is_ready(self) -> bool:
        """Whether a message waits, or it is to end."""
        return bool(self._messages) or self.ended.is_set()

    @property
    def activity(self) -> tuple[int, int, bool]:
        """Changes with each message that is sent or taken."""
        return self._sent, self._taken, self.ended.is_set()

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a function that is called after each new message; returns a token."""
        with self.condition:
            self._token += 1
            token = self._token
            self._callbacks[token] = callback
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Removes a function; an unknown token is ignored."""
        with self.condition:
            self._callbacks.pop(token, None)
