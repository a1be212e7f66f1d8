"""Dicts with attribute access: the base of the structures, and a venue's own reply."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, TypeVar

from ..errors import MissingField, nearest

__all__ = ["Info", "Structure", "info"]

S = TypeVar("S", bound="Structure")


def _field(name: str) -> property:
    def _write(self: dict[str, Any], value: Any) -> None:
        self[name] = value

    def _delete(self: dict[str, Any]) -> None:
        if name not in self:
            raise MissingField(f"{type(self).__name__} has no field {name!r} to delete")
        del self[name]

    # itemgetter runs in C; a missing field reaches Structure.__missing__, whose error is an AttributeError as well.
    return property(itemgetter(name), _write, _delete, f"The field {name!r}.")


class Structure(dict[str, Any]):
    """A dict with attribute access. A subclass declares its fields as annotations.

    It shows itself as a dict, as in FMZ's Python: what ``Log(account)`` and ``str(order)`` write.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Makes a property of each field that the subclass declares."""
        super().__init_subclass__()
        for name in cls.__annotations__:
            if not name.startswith("_"):
                setattr(cls, name, _field(name))

    def __missing__(self, name: str) -> Any:
        """Answers a look-up of a field that is not there.

        Raises:
            MissingField: Always; it is a KeyError and an AttributeError.
        """
        raise MissingField(f"{type(self).__name__} has no field {name!r}{nearest(name, map(str, self))}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Writes the key of that name; a name that is new to the class becomes readable by attribute too."""
        if not hasattr(type(self), name):
            setattr(type(self), name, _field(name))
        self[name] = value

    def __delattr__(self, name: str) -> None:
        """Deletes the key of that name.

        Raises:
            MissingField: There is no such key.
        """
        if name not in self:
            raise MissingField(f"{type(self).__name__} has no field {name!r} to delete")
        del self[name]

    def copy(self: S) -> S:
        """A shallow copy of the same class."""
        return type(self)(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and deep-copies as a class and its items."""
        return type(self), (dict(self),)


class Info(Structure):
    """A venue's own reply, readable by index and by attribute at every level.

    Nested dicts and lists of dicts become readable by attribute when they are read, so that a reply that is
    not looked into costs nothing. Two threads that read the same part at once may each make the wrapper; the wrappers are equal, and the last one stays.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        """Reads a field by attribute.

        Raises:
            MissingField: The reply has no such field.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Writes the key of that name."""
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        """Reads a field; a nested dict comes back as Info.

        Raises:
            MissingField: The reply has no such field.
        """
        value = super().__getitem__(name)
        if type(value) is dict or type(value) is list:
            value = info(value)
            self[name] = value
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Reads a field, or ``default`` where the reply has none."""
        return self[name] if name in self else default  # noqa: SIM401 (self.get is this method)


def info(raw: Any) -> Any:
    """Makes a venue's reply readable by attribute: a dict becomes Info, a list a list of such, None an empty Info."""
    if raw is None:
        return Info()
    if isinstance(raw, (Info, _InfoList)):
        return raw
    if isinstance(raw, dict):
        return Info(raw)
    if type(raw) is list:
        return _InfoList(info(item) if isinstance(item, (dict, list)) else item for item in raw)
    return raw


class _InfoList(list[Any]):
    """A list within a reply whose dicts have been made readable by attribute (so that it is done once)."""

    __slots__ = ()
