"""Putting a result where it belongs: a key of a dict, an attribute of an object, a place in a list, or a function that takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from typing import Any, Protocol

from ..errors import InputError, UnknownName, nearest
from .handle import Handle

__all__ = ["G", "Nested", "container", "put"]

# A list is filled up to a place that is missing, but a slip (an order id as index, say) must not eat the memory.
_MOST_FILLED = 10_000


class Nested(Protocol):
    """A context that makes its own inner containers, as ``SharedContext`` does."""

    def child(self, key: Any) -> Any:
        """The inner container of that key; made when absent."""


def put(target: Any, place: Any, value: Any) -> None:
    """Assigns a value.

    Args:
        target: A dict, list or object.
        place: A key of the dict; a whole number for the list, which is filled up with None when it is shorter; the name of an attribute
            of the object; or a function, which is called as ``place(value, target)`` and assigns nothing by itself.
        value: What to assign.

    Raises:
        InputError: ``place`` does not suit ``target``, or the object has no attribute of that name and takes none.
        Exception: Whatever the function, or the assignment of the user's own class, raises.
    """
    if callable(place):
        place(value, target)
    elif isinstance(target, MutableSequence):
        _check_index(target, place)
        while len(target) <= place:
            target.append(None)
        target[place] = value
    elif isinstance(target, MutableMapping) or hasattr(type(target), "__setitem__"):
        target[place] = value
    elif isinstance(place, str):
        _set_attribute(target, place, value)
    else:
        raise InputError(f"an attribute of {type(target).__name__} was to be {place!r}, expected its name as text")


def _check_index(target: MutableSequence[Any], place: Any) -> None:
    index = place.__index__() if hasattr(place, "__index__") and not isinstance(place, bool) else None
    if index is None or index < -len(target):
        raise InputError(f"a place in a list of {len(target)} was to be {place!r}, expected a whole number")
    if index > len(target) + _MOST_FILLED:
        raise InputError(f"place {index} is too far beyond the end of a list of {len(target)}")


def _set_attribute(target: Any, place: str, value: Any) -> None:
    try:
        setattr(target, place, value)
    except AttributeError as error:
        names = [name for name in dir(target) if not name.startswith("_")]
        raise UnknownName(f"{type(target).__name__} takes no attribute {place!r}{nearest(place, names)}") from error


def container(context: Any, key: Any) -> Any:
    """The inner container ``context[key]`` (or ``context.key``); an absent one is made, as a dict (a ``SharedContext`` makes its own kind).

    Raises:
        InputError: ``key`` does not suit ``context``.
    """
    child = getattr(type(context), "child", None)
    if child is not None:
        return child(context, key)
    if isinstance(context, MutableSequence):
        _check_index(context, key)
        inner = context[key] if key < len(context) else None
    elif isinstance(context, Mapping):
        inner = context.get(key)
    elif isinstance(key, str):
        inner = getattr(context, key, None)
    else:
        raise InputError(
            f"the context is a {type(context).__name__}, which has no place for {key!r}; expected a list or dict"
        )
    if inner is None:
        inner = {}
        put(context, key, inner)
    return inner


class G:
    """Waits for a call and puts its result in its place.

    ``G(handle, ctx, f).run()`` calls ``f(value, ctx)``; ``G(handle, info[0], "depth").run()`` assigns to a key of a dict, an attribute
    of an object, or a place in a list.

    Args:
        handle: The call, from ``exchange.Go`` or its like.
        ctx: Where the result goes.
        f: A function of ``(value, ctx)``; or a key, the name of an attribute, or a place in a list.
    """

    def __init__(self, handle: Handle[Any], ctx: Any, f: Callable[[Any, Any], Any] | str | int) -> None:
        self.handle = handle
        self.ctx = ctx
        self.f = f

    def run(self, timeout_ms: float | None = 1000) -> bool:
        """Waits, and assigns (or calls ``f``) in this thread. After a time-out it may be run again.

        Args:
            timeout_ms: As for ``wait``: 0 or None blocks, -1 only looks, otherwise milliseconds.

        Returns:
            Whether it was assigned: False after a time-out, for a failed or cancelled call (``handle.error`` says why; what was there
            before stays) and when the result was taken before.

        Raises:
            StopRequested: The strategy is being stopped.
            Exception: Whatever ``f`` or the assignment raises.
        """
        value, ok = self.handle.wait(timeout_ms)
        if not ok or self.handle.error is not None:
            return False
        put(self.ctx, self.f, value)
        return True
