"""What a forked child must do before it uses objects of its parent: renew locks, drop connections, forget threads.

A child of ``os.fork`` (also by ``multiprocessing`` or ``ProcessPoolExecutor``) has a copy of every object and only the thread that forked.
A lock that another thread held at that moment stays locked for ever, a thread that should end a wait does not exist, and sockets and SQLite
files are the parent's. So each object with a lock, a thread, a socket or a file registers a method here, which resets it, or
makes its calls fail with a clear error, in the child. The parent is not touched.

Before any of these methods, CPython drops the ``threading.local`` values of the threads that the child does not have, so that a ``__del__`` of
such a value runs while the locks are still those of the parent, which another thread may have held. What is kept per thread must
therefore take no lock when it is destroyed, and must not write to its socket (closing our copy of a descriptor is harmless).
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from itertools import count
from types import MethodType, SimpleNamespace
from typing import Protocol

__all__ = ["ForkHold", "after_fork_in_child", "around_fork", "keep_for_ever"]

_HOLD_S = 5.0  # the longest that a fork waits for another thread to finish with an object


class _Lock(Protocol):
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading.Lock.acquire``."""
        ...

    def release(self) -> None:
        """As ``threading.Lock.release``."""


# An object and a method of its class. No WeakMethod: it prints an error when it is destroyed before its object, as at the end of the process.
Hooks = dict[int, tuple["weakref.ref[object]", Callable[[object], object]]]
# By number, in the order of registration. Changed only by single dict operations, which a fork cannot interrupt, so they need no
# lock (and must not have one: another thread could hold it at the fork).
_before: Hooks = {}
_in_parent: Hooks = {}
_hooks: Hooks = {}
_numbers = count()


def after_fork_in_child(method: Callable[[], object]) -> None:
    """Has a bound method called in every forked child, for as long as its object lives.

    The object is held weakly. The method runs in the only thread of the child, before ``os.fork`` returns there. It must take no lock that
    existed before (it replaces the lock instead), must not wait, must send or write nothing, and may only change its own object: those
    that it uses have registered themselves, and may come before or after it. An error that it raises is reported by
    ``sys.unraisablehook``; the other objects' methods still run.

    Args:
        method: The method; it takes no arguments.

    Raises:
        TypeError: It is not a bound method.
    """
    _register(_hooks, method)


def around_fork(before: Callable[[], object], in_parent: Callable[[], object], in_child: Callable[[], object]) -> None:
    """As ``after_fork_in_child``, for an object that must be at rest while the process forks, such as a SQLite file.

    Args:
        before: Called in the forking thread before the fork; it takes the object's lock, for which it waits a limited time.
        in_parent: Called in the same thread after the fork, in the parent; it releases the lock.
        in_child: Called in the child.

    Raises:
        TypeError: One of them is not a bound method.
    """
    _register(_before, before)
    _register(_in_parent, in_parent)
    _register(_hooks, in_child)


class ForkHold:
    """Holds a lock while the process forks, for at most a few seconds, and knows in the child whether it was held.

    Args:
        lock: The lock that an object is at rest under.
    """

    __slots__ = ("_holder", "_lock")

    def __init__(self, lock: _Lock) -> None:
        self._lock = lock
        self._holder = 0

    def take(self) -> None:
        """Before the fork: takes the lock, unless it stays with another thread for too long."""
        if self._lock.acquire(timeout=_HOLD_S):
            self._holder = threading.get_ident()

    def release(self) -> None:
        """In the parent, after the fork: releases the lock if it was taken."""
        if self.is_held:
            self._holder = 0
            self._lock.release()

    @property
    def is_held(self) -> bool:
        """Whether the thread that asks has taken the lock for a fork; in the child: whether the object was at rest."""
        return self._holder == threading.get_ident()


def keep_for_ever(thing: object) -> None:
    """Keeps an object's destructor from ever running, in a child whose parent uses what the destructor would close."""
    import ctypes  # only a child that needs it pays for loading it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _register(hooks: Hooks, method: Callable[[], object]) -> None:
    if not isinstance(method, MethodType):
        raise TypeError(f"a fork calls bound methods, got {method!r}")
    number = next(_numbers)
    hooks[number] = (weakref.ref(method.__self__, lambda _: hooks.pop(number, None)), method.__func__)


def _run(hooks: Hooks) -> None:
    for here, method in list(hooks.values()):
        thing = here()
        if thing is None:
            continue
        try:
            method(thing)
        except Exception as error:  # the other objects must be reset all the same
            sys.unraisablehook(
                SimpleNamespace(
                    exc_type=type(error),
                    exc_value=error,
                    exc_traceback=error.__traceback__,
                    err_msg="error at a fork",
                    object=method,
                )
            )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _run(_before), after_in_parent=lambda: _run(_in_parent), after_in_child=lambda: _run(_hooks)
    )
