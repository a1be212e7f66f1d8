"""Finds every lock that can be reached from an object, and holds them all in a thread, as if it had been interrupted there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["hold_all", "locks_of"]

_LOCKS = (type(threading.Lock()), type(threading.RLock()))


def locks_of(root: object, *, skip: tuple[type, ...] = ()) -> dict[str, Any]:
    """The locks by their path from ``root``, through objects of fmzthreads and plain containers.

    Args:
        root: Where to begin.
        skip: Classes that are not entered.
    """
    found: dict[int, tuple[str, Any]] = {}
    seen: set[int] = set()
    todo: list[tuple[str, object]] = [(type(root).__name__, root)]
    while todo:
        path, one = todo.pop()
        if id(one) in seen or isinstance(one, skip):
            continue
        seen.add(id(one))
        if isinstance(one, _LOCKS):
            found[id(one)] = (path, one)
        elif isinstance(one, dict):
            todo.extend((f"{path}[{key!r:.20}]", value) for key, value in list(one.items()))
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo.extend((f"{path}[]", value) for value in list(one))
        elif isinstance(one, threading.local):
            todo.append((f"{path}.__dict__", one.__dict__))
        elif hasattr(one, "__self__"):
            todo.append((f"{path}()", one.__self__))
        elif type(one).__module__.startswith("fmzthreads") and not isinstance(one, type):
            names = {name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())}
            names |= set(getattr(one, "__dict__", {}))
            todo.extend((f"{path}.{name}", value) for name in names if (value := getattr(one, name, None)) is not None)
    return dict(found.values())


@contextmanager
def hold_all(locks: dict[str, Any]) -> Iterator[list[str]]:
    """Holds the locks in another thread for as long as the block lasts; yields the paths of those that it got."""
    held, go, done = threading.Event(), threading.Event(), []

    def hold() -> None:
        taken = [(path, lock) for path, lock in locks.items() if lock.acquire(timeout=0.2)]
        done.extend(path for path, _ in taken)
        held.set()
        go.wait(120)
        for _, lock in taken:
            lock.release()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(60)
    try:
        yield done
    finally:
        go.set()
        thread.join(60)
