"""The engine's lock: re-entrant, and nearly free for the strategy's own thread as long as no other thread calls.

A real lock costs more than the rest of a market call. So the first thread that comes, the owner, may pass by it: it says that it is inside
(``busy``) and looks whether others have come (``shared``). Any other thread does the reverse: it says that it has come, and then waits until the owner is not inside. Whatever the
order of the four steps, one of them sees the other; from then on all threads take the real lock, for good. This needs steps that all threads see
in one order, which CPython's global lock gives; without it the real lock is taken from the beginning.

The owner's short way is written out where speed matters, since a call of a method would cost as much as it saves:

    if get_ident() == lock.owner:
        was = lock.busy
        try:
            lock.busy = True
            if not lock.shared:
                return work()
        finally:
            lock.busy = was
    with lock:
        return work()
"""

from __future__ import annotations

import sys
import threading
import time
from threading import get_ident

__all__ = ["OwnerLock"]

_PAUSE_S = 0.0001


class OwnerLock:
    """A re-entrant lock that its owner may pass by until another thread comes.

    Attributes:
        owner: The id of the thread that came first; 0 before.
        busy: Whether the owner is inside by the short way.
        shared: Whether the real lock must be taken by all.
    """

    __slots__ = ("_lock", "busy", "owner", "shared")

    def __init__(self) -> None:
        self.owner = 0
        self.busy = False
        self.shared = not getattr(sys, "_is_gil_enabled", lambda: True)()
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        """Takes the real lock; a thread that is not the owner waits until the owner is outside."""
        self._lock.acquire()
        me = get_ident()
        if me == self.owner:
            return
        if not self.owner:
            self.owner = me
            return
        self.shared = True
        while self.busy:
            # The owner may need the real lock before it leaves (a signal's handler that calls in the middle of a call).
            self._lock.release()
            time.sleep(_PAUSE_S)  # real threads; the backtest's own time stands still meanwhile
            self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        """Releases the real lock."""
        self._lock.release()
