"""Bars, and lists of bars whose columns are attributes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsIndex, overload

from ..errors import nearest
from .base import Structure

__all__ = ["RECORD_CHANGES", "Record", "RecordOrigin", "Records", "as_column", "record_changes"]


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
        RECORD_CHANGES[0] = object()

    def __delitem__(self, name: str) -> None:
        """Deletes a field."""
        super().__delitem__(name)
        RECORD_CHANGES[0] = object()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        """Writes several fields."""
        super().update(other)
        RECORD_CHANGES[0] = object()
        return self

    def update(self, *args: Any, **fields: Any) -> None:
        """Writes several fields."""
        super().update(*args, **fields)
        RECORD_CHANGES[0] = object()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Writes a field that is missing."""
        value = super().setdefault(name, default)
        RECORD_CHANGES[0] = object()
        return value

    def pop(self, *args: Any) -> Any:
        """Takes a field out."""
        value = super().pop(*args)
        RECORD_CHANGES[0] = object()
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last field out."""
        item = super().popitem()
        RECORD_CHANGES[0] = object()
        return item

    def clear(self) -> None:
        """Deletes all fields."""
        super().clear()
        RECORD_CHANGES[0] = object()


RECORD_CHANGES: list[object] = [object()]
"""Its only element is what ``record_changes`` returns; for those who look at it so often that a call would be felt."""


def record_changes() -> object:
    """Returns an object that is replaced whenever a bar is changed: the same one twice means that none was changed in between."""
    return RECORD_CHANGES[0]


class RecordOrigin(NamedTuple):
    """What the first bars of a list are known to be: those of a history in which no bar changes any more.

    Attributes:
        history: Stands for the history; compared by identity.
        first: The number of the list's first bar in the history.
        bars: How many bars at the beginning of the list are the history's.
        token: What ``record_changes()`` was when they were copied; None if they are not copies, but the list's own.
    """

    history: object
    first: int
    bars: int
    token: object


_UNBOUNDED = 2**62


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

    __slots__ = ("_origin",)

    if not TYPE_CHECKING:
        # As lists have it; but list's own is not the one that the interpreter knows, which makes each access to an attribute many times slower in
        # a class with __getattr__.
        __getattribute__ = object.__getattribute__

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)
        self._origin: RecordOrigin | None = None

    @classmethod
    def copied(cls, bars: Iterable[Record], history: object, first: int) -> Records:
        """Copies bars of a history, so that indicators recognise them without looking at each.

        Args:
            bars: The bars, oldest first. All but the last one are closed: as long as ``history`` is the same object, a bar of the same
                number is the same.
            history: Stands for the history.
            first: The number of the first of them in the history.
        """
        token = record_changes()
        records = cls(map(Record, bars))
        records._origin = RecordOrigin(history, first, len(records) - 1, token)
        return records

    def origin(self) -> RecordOrigin:
        """Returns what is known of the bars; the same object twice means that the list has only been appended to in between."""
        try:
            origin = self._origin
        except AttributeError:  # it was unpickled
            origin = None
        if origin is None:
            origin = self._origin = RecordOrigin(object(), 0, _UNBOUNDED, None)
        return origin

    def __getstate__(self) -> None:
        """Pickles and copies without the origin."""

    # What changes more than the end of the list ends what is known of it; afterwards, so that what another thread noted meanwhile goes too.

    def __setitem__(self, index: Any, value: Any) -> None:
        """Replaces a bar, or several."""
        super().__setitem__(index, value)
        self._origin = None

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        """Deletes a bar, or several."""
        super().__delitem__(index)
        self._origin = None

    def __imul__(self, count: SupportsIndex) -> Self:
        """Repeats the bars."""
        super().__imul__(count)
        self._origin = None
        return self

    def insert(self, index: SupportsIndex, record: Record) -> None:
        """Inserts a bar."""
        super().insert(index, record)
        self._origin = None

    def pop(self, index: SupportsIndex = -1) -> Record:
        """Takes a bar out."""
        record = super().pop(index)
        self._origin = None
        return record

    def remove(self, record: Record) -> None:
        """Takes the first equal bar out."""
        super().remove(record)
        self._origin = None

    def clear(self) -> None:
        """Takes all bars out."""
        super().clear()
        self._origin = None

    def reverse(self) -> None:
        """Reverses the order."""
        super().reverse()
        self._origin = None

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Sorts the bars."""
        try:
            super().sort(key=key, reverse=reverse)
        finally:  # an error leaves it partly sorted
            self._origin = None

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
