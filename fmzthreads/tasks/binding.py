"""Assigns results: to a dict key, an object attribute or a list index, or passes them to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from typing import Any, Protocol

from ..errors import InputError, UnknownName, nearest, short_repr
from .handle import Handle

__all__ = ["G", "Nested", "container", "put"]

# A list is extended up to the index, but a mistake (an order id as index, say) must not use up the memory.
_MOST_FILLED = 10_000


class Nested(Protocol):
    """A context that creates its own inner containers, as ``SharedContext`` does."""

    def child(self, key: Any) -> Any:
        """Returns the inner container of a key; creates an absent one."""


def put(target: Any, place: Any, value: Any) -> None:
    """Assigns a value.

    Args:
        target: A dict, list or object.
        place: A key of the dict; an index of the list, which is extended with None when it is shorter; the name of an attribute
            of the object; or a function, which is called as ``place(value, target)`` and assigns nothing itself.
        value: What to assign.

    Raises:
        InputError: ``place`` has the wrong type for ``target``, or the object rejects an attribute of that name.
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
        raise InputError(
            f"cannot assign to {type(target).__name__} at {short_repr(place)}: expected the name of an attribute, as text"
        )


def _check_index(target: MutableSequence[Any], place: Any) -> None:
    index = place.__index__() if hasattr(place, "__index__") and not isinstance(place, bool) else None
    if index is None or index < -len(target):
        raise InputError(
            f"invalid index {short_repr(place)} for a list of {len(target)}: expected a whole number of {-len(target)} or more"
        )
    if index > len(target) + _MOST_FILLED:
        raise InputError(
            f"index {index} is too far beyond the end of a list of {len(target)} (at most {_MOST_FILLED} places are added)"
        )


def _set_attribute(target: Any, place: str, value: Any) -> None:
    try:
        setattr(target, place, value)
    except AttributeError as error:
        names = [name for name in dir(target) if not name.startswith("_")]
        raise UnknownName(
            f"{type(target).__name__} cannot be given an attribute {short_repr(place)}{nearest(place, names)}"
        ) from error


def container(context: Any, key: Any) -> Any:
    """Returns the inner container ``context[key]`` (or ``context.key``).

    An absent one is created as a dict, or by ``context.child`` where there is one (``SharedContext``).

    Raises:
        InputError: ``key`` has the wrong type for ``context``.
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
            f"cannot store results for exchange {short_repr(key)} in a context of type {type(context).__name__}: expected a list or dict"
        )
    if inner is None:
        inner = {}
        put(context, key, inner)
    return inner


class G:
    """Waits for a call and assigns its result.

    ``G(handle, ctx, f).run()`` calls ``f(value, ctx)``; ``G(handle, info[0], "depth").run()`` assigns to a key of a dict, an attribute
    of an object, or an index of a list.

    Args:
        handle: The call, such as ``exchange.Go`` returns.
        ctx: Where the result goes.
        f: A function of ``(value, ctx)``; or a key, the name of an attribute, or an index of a list.
    """

    def __init__(self, handle: Handle[Any], ctx: Any, f: Callable[[Any, Any], Any] | str | int) -> None:
        self.handle = handle
        self.ctx = ctx
        self.f = f

    def run(self, timeout_ms: float | None = 1000) -> bool:
        """Waits, and assigns (or calls ``f``) in this thread. After a time-out it may be run again.

        Args:
            timeout_ms: As for ``wait``: 0 or None blocks, -1 polls, otherwise milliseconds.

        Returns:
            Whether it was assigned: False after a time-out, for a failed or cancelled call (``handle.error`` says why; the previous
            value stays) and when the result was taken before.

        Raises:
            StopRequested: The strategy is being stopped.
            Exception: Whatever ``f`` or the assignment raises.
        """
        value, ok = self.handle.wait(timeout_ms)
        if not ok or self.handle.error is not None:
            return False
        put(self.ctx, self.f, value)
        return True
