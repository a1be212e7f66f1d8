"""What a forked child must do before it uses objects of its parent: renew locks, drop connections, forget threads.

A child of ``os.fork`` (also by ``multiprocessing`` or ``ProcessPoolExecutor``) has a copy of every object and only the thread that forked.
A lock that another thread held at that moment stays locked for ever, a thread that should end a wait does not exist, and sockets and SQLite
files are the parent's. So each object with a lock, a thread, a socket or a file registers a method here, which makes it start anew, or
makes its calls fail with a clear error, in the child. The parent is not touched.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from itertools import count
from types import MethodType, SimpleNamespace

__all__ = ["after_fork_in_child"]

# By number, in the order of registration. Changed only by single dict operations, which a fork cannot interrupt, so it needs no lock
# (and must not have one: another thread could hold it at the fork).
_hooks: dict[int, weakref.WeakMethod[Callable[[], object]]] = {}
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
    if not isinstance(method, MethodType):
        raise TypeError(f"after_fork_in_child() takes a bound method, got {method!r}")
    number = next(_numbers)
    _hooks[number] = weakref.WeakMethod(method, lambda _: _hooks.pop(number, None))


def _run_hooks() -> None:
    for hook in list(_hooks.values()):
        method = hook()
        if method is None:
            continue
        try:
            method()
        except Exception as error:  # the other objects must start anew all the same
            sys.unraisablehook(
                SimpleNamespace(
                    exc_type=type(error),
                    exc_value=error,
                    exc_traceback=error.__traceback__,
                    err_msg="error after a fork, in the child",
                    object=method,
                )
            )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_hooks)
