"""Bars, and lists of bars whose columns are attributes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Self, SupportsIndex, overload

from ..errors import nearest
from .base import Structure

__all__ = ["Record", "Records", "as_column", "record_changes"]


class Record(Structure):
    """A bar; ``Time`` is its start. It has exactly these seven fields, in this order."""

    Time: int
    Open: float
    High: float
    Low: float
    Close: float
    Volume: float
    OpenInterest: float

    # Every change of any bar is noticed, so that indicators that go on from where they stood know whether the past is as it was.
    # Bars are made often and changed seldom; making one does not pass here. The change comes first: what was read in between is read again.

    def __setitem__(self, name: str, value: Any) -> None:
        """Writes a field."""
        super().__setitem__(name, value)
        _changes[0] = object()

    def __delitem__(self, name: str) -> None:
        """Deletes a field."""
        super().__delitem__(name)
        _changes[0] = object()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        """Writes several fields."""
        super().update(other)
        _changes[0] = object()
        return self

    def update(self, *args: Any, **fields: Any) -> None:
        """Writes several fields."""
        super().update(*args, **fields)
        _changes[0] = object()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Writes a field that is missing."""
        value = super().setdefault(name, default)
        _changes[0] = object()
        return value

    def pop(self, *args: Any) -> Any:
        """Takes a field out."""
        value = super().pop(*args)
        _changes[0] = object()
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last field out."""
        item = super().popitem()
        _changes[0] = object()
        return item

    def clear(self) -> None:
        """Deletes all fields."""
        super().clear()
        _changes[0] = object()


_changes: list[object] = [object()]


def record_changes() -> object:
    """Returns an object that is replaced whenever a bar is changed: the same one twice means that none was changed in between."""
    return _changes[0]


@lru_cache(maxsize=1)
def _columns_are_arrays() -> bool:
    # FMZ's rule: columns are numpy arrays where both TA-Lib and numpy can be imported, plain lists elsewhere.
    return all(importlib.util.find_spec(name) is not None for name in ("talib", "numpy"))


def as_column(name: str, values: list[Any]) -> Any:
    """The values of a field as a column: a numpy array or a list, as FMZ's rule says."""
    if name != "Time" and _columns_are_arrays():
        import numpy

        return numpy.array(values, dtype=numpy.float64)
    return values


class Records(list[Record]):
    """A list of bars whose columns are attributes: ``records.Close``, ``records[-20:].High``.

    A column is made afresh at each access, so it is never stale: a list of floats, or a float64 numpy array where both numpy and
    TA-Lib are installed (FMZ's rule). ``Time`` is a column of integers.
    """

    __slots__ = ()

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)

    def _column(self, name: str) -> Any:
        return as_column(name, [record[name] for record in self])

    def __getattr__(self, name: str) -> Any:
        """A column by a field name that is not one of the seven (a venue's or feed's extra).

        Raises:
            AttributeError: No bar has such a field.
        """
        if name.startswith("_") or not self or name not in self[0]:
            known = list(self[0]) if self else list(Record.__annotations__)
            raise AttributeError(f"records have no column {name!r}{nearest(name, known)}")
        return self._column(name)

    @property
    def Open(self) -> Any:
        """The opening prices."""
        return self._column("Open")

    @property
    def High(self) -> Any:
        """The highest prices."""
        return self._column("High")

    @property
    def Low(self) -> Any:
        """The lowest prices."""
        return self._column("Low")

    @property
    def Close(self) -> Any:
        """The closing prices; of a bar still forming, the last price."""
        return self._column("Close")

    @property
    def Volume(self) -> Any:
        """The traded amounts, in base currency."""
        return self._column("Volume")

    @property
    def Time(self) -> Any:
        """The start times, in ms since the epoch."""
        return self._column("Time")

    @property
    def OpenInterest(self) -> Any:
        """The open interest, 0 where unknown."""
        return self._column("OpenInterest")

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | Records:
        """One bar, or a slice that serves columns as well."""
        if isinstance(index, slice):
            return Records(super().__getitem__(index))
        return super().__getitem__(index)

    def copy(self) -> Records:
        """A shallow copy that serves columns as well."""
        return Records(self)
