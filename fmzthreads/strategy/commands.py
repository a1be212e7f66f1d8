"""Commands that are sent to a running strategy, oldest first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ..fork import after_fork_in_child

__all__ = ["CommandQueue"]

# FMZ does not say how many commands wait; further ones are refused.
_MOST_COMMANDS = 1_000


class CommandQueue:
    """A bounded queue of commands, for many threads; ``EventLoop`` can wait for it (it is a ``Selectable``).

    Args:
        most: How many commands wait at the most.
    """

    def __init__(self, most: int = _MOST_COMMANDS) -> None:
        self._most = most
        self._lock = threading.Lock()  # guards everything below
        self._waiting: deque[str] = deque()
        self._sent = self._taken = 0
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._token = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the commands that wait are the parent's."""
        self._lock = threading.Lock()
        self._waiting = deque()
        self._callbacks = {}

    def send(self, text: str) -> bool:
        """Adds a command; False when the queue is full."""
        with self._lock:
            if len(self._waiting) >= self._most:
                return False
            self._waiting.append(str(text))
            self._sent += 1
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()
        return True

    def take(self) -> str | None:
        """Removes and returns the oldest command; None if no command waits."""
        with self._lock:
            if not self._waiting:
                return None
            self._taken += 1
            return self._waiting.popleft()

    def is_ready(self) -> bool:
        """Whether a command waits."""
        return bool(self._waiting)

    @property
    def activity(self) -> tuple[int, int]:
        """Changes with each command that is sent or taken."""
        return self._sent, self._taken

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a function that is called after each new command, at once when one waits already; returns a token."""
        with self._lock:
            self._token += 1
            token = self._token
            self._callbacks[token] = callback
            ready = bool(self._waiting)
        if ready:
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        with self._lock:
            self._callbacks.pop(token, None)
