"""Callbacks of a source that ``select``, ``EventLoop`` and ``merge`` wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["ReadyCallbacks"]


class ReadyCallbacks:
    """The callbacks that a source calls on news; thread-safe.

    Attributes:
        active: The callbacks with their tokens, as a tuple that is replaced and never changed: looking at it is all that a source without
            callbacks spends.
    """

    __slots__ = ("_lock", "_token", "active")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the replacing of ``active``, and _token
        self._token = 0
        self.active: tuple[tuple[int, Callable[[], None]], ...] = ()

    def add(self, callback: Callable[[], None]) -> int:
        """Adds a callback, which must be short and must not raise.

        Returns:
            A token for ``remove``.
        """
        with self._lock:
            self._token += 1
            self.active = (*self.active, (self._token, callback))
            return self._token

    def remove(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        with self._lock:
            self.active = tuple(pair for pair in self.active if pair[0] != token)

    def call(self) -> None:
        """Calls them all, in this thread.

        Raises:
            BaseException: What a callback raised; that one is removed, and those after it are not called.
        """
        for token, callback in self.active:
            try:
                callback()
            except BaseException:  # it may end the source, and must not be called again by that end
                self.remove(token)
                raise
