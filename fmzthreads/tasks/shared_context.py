"""A context shared by threads: consistent copies, ages, versions, waiting for changes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from ..clock import Clock, Signal, WallClock
from ..deadline import Deadline
from ..errors import InputError, MissingField, nearest, short_repr
from ..fork import after_fork_in_child
from .handle import seconds_of

__all__ = ["SharedContext"]

_ALL: Any = object()  # stands for "any key of this context" where a key is expected


class _Root:
    """The state shared by a context and all its children: one lock, so copies are consistent."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # Guards the entries, versions and waiters of the whole tree. Reading one value needs no lock: a dict look-up is atomic.
        self.lock = threading.RLock()
        self.version = 0
        self.waiters: dict[tuple[int, Any], list[Signal]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; who waited was a thread of the parent. The values stay."""
        self.lock = threading.RLock()
        self.waiters = {}


class SharedContext(MutableMapping[Any, Any]):
    """A dict for several threads whose items are attributes too.

    It may contain further contexts (``child``), all guarded by one lock.

    Every write gives its key the next version number of the whole tree, and the time. A write to a child counts as a change of the
    child's key in its parent. Values are kept by reference: replace them rather than changing them in place, as the task queue does.

    Args:
        values: The initial values; dicts among them stay plain dicts.
        clock: Used for ages and waits; real time when None.
    """

    __slots__ = ("_changed", "_data", "_parent", "_root")

    def __init__(self, values: Mapping[Any, Any] | None = None, *, clock: Clock | None = None) -> None:
        self._set_up(_Root(clock if clock is not None else WallClock()), None)
        if values:
            self.update(values)

    def _set_up(self, root: _Root, parent: tuple[SharedContext, Any] | None) -> None:
        set_slot = object.__setattr__
        set_slot(self, "_root", root)
        set_slot(self, "_parent", parent)
        set_slot(self, "_data", {})
        set_slot(self, "_changed", {})  # key -> (version, when); of deleted keys too, so that a deletion is a change

    # As a dict and as an object

    def __getitem__(self, key: Any) -> Any:
        """Returns a value.

        Raises:
            MissingField: There is no such key (a KeyError).
        """
        try:
            return self._data[key]
        except KeyError:
            raise self._missing(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        """Sets a value, and wakes the threads that wait for its change."""
        self.update({key: value})

    def __delitem__(self, key: Any) -> None:
        """Deletes a value, and wakes the threads that wait for its change.

        Raises:
            MissingField: There is no such key.
        """
        with self._root.lock:
            if key not in self._data:
                raise self._missing(key)
            del self._data[key]
            woken = self._touch([key])
        _wake(woken)

    def __iter__(self) -> Iterator[Any]:
        """The keys as they are now."""
        with self._root.lock:
            return iter(list(self._data))

    def __len__(self) -> int:
        """The number of values."""
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        """Whether the key has a value."""
        return key in self._data

    def __getattr__(self, name: str) -> Any:
        """Returns the value of that name.

        Raises:
            MissingField: There is no such value (an AttributeError).
        """
        if name.startswith("__"):  # copy, pickle and the like look up special methods
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets the value of that name.

        Raises:
            InputError: The name is a method of the class; use an index for such a key.
        """
        if hasattr(type(self), name):
            raise InputError(
                f"{short_repr(name)} is a method of SharedContext; write context[{short_repr(name)}] for a value of that name"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        """Deletes the value of that name."""
        del self[name]

    def __repr__(self) -> str:
        """The values as they are now."""
        return f"SharedContext({self.snapshot()!r})"

    def _missing(self, key: Any) -> MissingField:
        with self._root.lock:
            names = [str(known) for known in self._data]
        return MissingField(f"the context has no value {short_repr(key)}{nearest(key, names)}")

    def update(self, values: Any = (), /, **more: Any) -> None:
        """Sets several values atomically: no copy contains only some of them."""
        items = dict(values, **more)
        with self._root.lock:
            for key, value in items.items():
                if isinstance(value, SharedContext):
                    raise InputError(
                        f"the value of {short_repr(key)} is a SharedContext; use child({short_repr(key)}), which shares this one's lock"
                    )
                self._data[key] = value
            woken = self._touch(list(items))
        _wake(woken)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Returns the value of the key; sets an absent one to ``default``, atomically."""
        with self._root.lock:
            if key not in self._data:
                self[key] = default
            return self._data[key]

    def pop(self, key: Any, *default: Any) -> Any:
        """Deletes a value and returns it, atomically.

        Raises:
            MissingField: There is no such key and no default.
        """
        with self._root.lock:
            if key not in self._data and default:
                return default[0]
            value = self[key]
            del self[key]
            return value

    def child(self, key: Any) -> Any:
        """Returns the inner context of a key; creates an absent one.

        Returns:
            A ``SharedContext``, or the value already stored there.
        """
        with self._root.lock:
            inner = self._data.get(key)
            if inner is not None:
                return inner
            made = SharedContext.__new__(SharedContext)
            made._set_up(self._root, (self, key))
            self._data[key] = made
            woken = self._touch([key])
        _wake(woken)
        return made

    # What plain dicts lack

    def snapshot(self, *keys: Any, deep: bool = False) -> dict[Any, Any]:
        """Returns a plain dict of several values, consistent at one moment.

        Args:
            keys: The keys; a tuple such as ``(0, "depth")`` is a path through inner contexts. Without keys, everything.
            deep: Copies the values themselves too, in case they are changed in place.

        Returns:
            The values by key (by path for paths); inner contexts as plain dicts. Absent ones are None.
        """
        with self._root.lock:
            found = {key: self._look(key) for key in keys} if keys else dict(self._data)
            plain = {key: v.snapshot() if isinstance(v, SharedContext) else v for key, v in found.items()}
            return copy.deepcopy(plain) if deep else plain

    def age(self, key: Any) -> float:
        """Seconds since the value was last set, even to an equal one; infinity if never.

        Args:
            key: A key, or a path such as ``(0, "depth")``.
        """
        with self._root.lock:
            node, last = self._locate(key)
            entry = node._changed.get(last) if node is not None else None
            return self._root.clock.monotonic() - entry[1] if entry else float("inf")

    def version(self, key: Any = _ALL) -> int:
        """Returns the number of the last write to a key; 0 when there was none.

        Numbers increase over the whole tree and never repeat.

        Args:
            key: A key, or a path such as ``(0, "depth")``; without it the last write to anything in this context.
        """
        with self._root.lock:
            return self._version(key)

    def wait_for_change(
        self, key: Any, since_version: int | None = None, timeout_ms: float | None = None
    ) -> int | None:
        """Waits until a value is set or deleted.

        Several changes in a row may be reported as one.

        Args:
            key: A key; a path as a tuple such as ``(0, "depth")``; or a list of keys and paths, any of which is enough.
            since_version: Only changes after this version count: the result of ``version`` or of the last call. None: from now on.
            timeout_ms: None or 0 blocks; above 0 waits at most that many milliseconds; negative polls.

        Returns:
            The newest version among the keys, or None after a time-out.

        Raises:
            StopRequested: The strategy is being stopped.
            InputError: ``timeout_ms`` is not a number, or the list is empty.
        """
        keys: Iterable[Any] = key if isinstance(key, (list, set, frozenset)) else [key]
        keys = list(keys)
        if not keys:
            raise InputError("wait_for_change got an empty list, expected at least one key")
        deadline = Deadline(self._root.clock, seconds_of(timeout_ms))
        while True:
            signal = Signal()
            with self._root.lock:
                newest = max(self._version(each) for each in keys)
                if since_version is None:
                    since_version = newest
                if newest > since_version:
                    return newest
                places = [self._waiting_place(each) for each in keys]
                for place in places:
                    self._root.waiters.setdefault(place, []).append(signal)
            try:
                if not self._root.clock.wait((signal,), deadline.remaining()):
                    return None
            finally:
                self._forget(places, signal)

    # Inside; the caller holds the lock

    def _locate(self, key: Any) -> tuple[SharedContext | None, Any]:
        """The context that holds the last step of a path, and that step."""
        if not isinstance(key, tuple) or key in self._changed or not key:
            return self, key
        node: Any = self
        for step in key[:-1]:
            node = node._data.get(step) if isinstance(node, SharedContext) else None
        return (node if isinstance(node, SharedContext) else None), key[-1]

    def _look(self, key: Any) -> Any:
        node, last = self._locate(key)
        return node._data.get(last) if node is not None else None

    def _version(self, key: Any) -> int:
        if key is _ALL:
            return max((version for version, _ in self._changed.values()), default=0)
        node, last = self._locate(key)
        return node._changed.get(last, (0, 0.0))[0] if node is not None else 0

    def _waiting_place(self, key: Any) -> tuple[int, Any]:
        """Where a waiter is kept; for a path whose contexts are not there yet, with the nearest that is, whose change brings them."""
        node, last = self._locate(key)
        if node is not None:
            return id(node), last
        near: SharedContext = self
        for step in key[:-1]:
            inner = near._data.get(step)
            if not isinstance(inner, SharedContext):
                return id(near), step
            near = inner
        return id(near), key[-1]

    def _touch(self, keys: list[Any]) -> list[Signal]:
        """Notes a change, here and in all parents, and gives the signals to be set once the lock is free."""
        root = self._root
        root.version += 1
        stamp = (root.version, root.clock.monotonic())
        woken: list[Signal] = []
        for key in keys:
            self._changed[key] = stamp
            woken += root.waiters.get((id(self), key), ())
        node = self
        while node._parent is not None:
            above, key = node._parent
            if above._data.get(key) is not node:
                break  # replaced by another value: it is no longer a child
            above._changed[key] = stamp
            woken += root.waiters.get((id(above), key), ())
            node = above
        return woken

    def _forget(self, places: list[tuple[int, Any]], signal: Signal) -> None:
        with self._root.lock:
            for place in places:
                left = [other for other in self._root.waiters.get(place, ()) if other is not signal]
                if left:
                    self._root.waiters[place] = left
                else:
                    self._root.waiters.pop(place, None)


def _wake(signals: list[Signal]) -> None:
    for signal in signals:
        signal.set()
