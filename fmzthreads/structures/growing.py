"""Records that are a window of a growing history; bars are built when somebody looks at them.

To a strategy it is a list of bars like any other. It is filled when it is used as a whole; until then its length, single bars, slices and
columns come from the history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from .records import Record, RecordOrigin, Records, as_column

__all__ = ["BarHistory", "FilledRecords", "GrowingRecords", "window"]


class BarHistory(Protocol):
    """Bars that are final, numbered from 0, to which newer ones are added."""

    def record(self, number: int) -> Record:
        """The bar of a number; the same object each time."""

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        """One field of the bars from ``begin`` up to, not including, ``end``; as they are now, if a bar was changed by hand."""

    def tips(self, tick: int) -> list[tuple[Any, ...]]:
        """The bars that were still forming at a tick, as the values of a record's fields."""

    def tip_value(self, field: str, tick: int) -> Any:
        """One field of the only bar that was still forming at a tick."""


class _Window(Records):
    """The place of a list in its history."""

    __slots__ = ("_tip_records", "_tips", "closed", "first", "history", "tick", "tip_count")

    history: BarHistory
    first: int
    closed: int
    tick: int
    tip_count: int
    _tips: list[tuple[Any, ...]] | None
    _tip_records: list[Record] | None

    # What stands here works after the class has changed, too: another thread may be in the middle of it.

    def _forming(self) -> list[Record]:
        records = self._tip_records
        if records is None:
            fields = Record.__annotations__
            records = [Record(zip(fields, values, strict=True)) for values in self._tip_values()]
            self._tip_records = records
        return records

    def _tip_values(self) -> list[tuple[Any, ...]]:
        tips = self._tips
        if tips is None:
            tips = self._tips = self.history.tips(self.tick)
        return tips

    def values_from(self, field: str, begin: int) -> list[Any]:
        """One field of the bars from a place on, those that are still forming included.

        Args:
            field: Such as ``Close``.
            begin: The place of the first one, 0 to the length.
        """
        first = self.first
        found = self.history.values(field, first + begin, first + self.closed) if begin < self.closed else []
        if self._tips is None and self._tip_records is None:
            if begin <= self.closed:
                found.append(self.history.tip_value(field, self.tick))
        elif self._tip_records is not None:
            found += [record[field] for record in self._tip_records[max(0, begin - self.closed) :]]
        else:
            place = _PLACES[field]
            found += [values[place] for values in self._tip_values()[max(0, begin - self.closed) :]]
        return found

    def fill(self) -> None:
        """Makes it an ordinary list."""
        record, first = self.history.record, self.first
        records = [record(number) for number in range(first, first + self.closed)]
        records += self._forming()
        # Two threads that look at one list fill it once; those that read go by the history until the class changes.
        with _filling:
            if type(self) is GrowingRecords:
                list.extend(self, records)
                self.__class__ = FilledRecords  # type: ignore[assignment]


class FilledRecords(_Window):
    """Growing records that have become an ordinary list."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as plain records."""
        return Records, (list(self),)


class GrowingRecords(_Window):
    """Bars of one history: those that are final, then those that are still forming. Made by ``window``.

    Once it is changed, or read as a whole, its class becomes ``FilledRecords``; then it is no longer told by its history.

    Attributes:
        history: The history.
        first: The number of the first element in the history.
        closed: How many elements are final.
        tick: What the history's ``tips`` is asked for.
        tip_count: How many elements are still forming, mostly one.
    """

    __slots__ = ()

    def __len__(self) -> int:
        """How many bars there are."""
        return self.closed + self.tip_count

    def __getitem__(self, index: Any) -> Any:
        """One bar, or a slice that serves columns as well."""
        if isinstance(index, slice):
            return Records([self[place] for place in range(*index.indices(self.closed + self.tip_count))])
        place: int = index.__index__()
        if place < 0:
            place += self.closed + self.tip_count
        if 0 <= place < self.closed:
            return self.history.record(self.first + place)
        place -= self.closed
        if 0 <= place < self.tip_count:
            return self._forming()[place]
        raise IndexError("list index out of range")

    def origin(self) -> RecordOrigin:
        """The place in the history: bars of the same number are the same, unless a bar was changed since."""
        return RecordOrigin(self.history, self.first, self.closed, None)

    def _column(self, name: str) -> Any:
        return as_column(name, self.values_from(name, 0)) if name in _PLACES else super()._column(name)


_filling = threading.Lock()
_PLACES = {name: place for place, name in enumerate(Record.__annotations__)}


def window(
    history: BarHistory, first: int, closed: int, tick: int, tip_count: int, tips: list[tuple[Any, ...]] | None
) -> GrowingRecords:
    """Makes growing records.

    Args:
        history: The history.
        first: The number of the first element.
        closed: How many elements are final.
        tick: What ``tips`` of the history is asked for.
        tip_count: How many elements are still forming.
        tips: Their values; None if the history is to be asked when somebody looks.
    """
    records = GrowingRecords.__new__(GrowingRecords)
    records.history = history
    records.first = first
    records.closed = closed
    records.tick = tick
    records.tip_count = tip_count
    records._tips = tips
    records._tip_records = None
    return records


def _filled_first(name: str) -> Callable[..., Any]:
    def _method(self: GrowingRecords, *args: Any, **options: Any) -> Any:
        self.fill()
        return getattr(self, name)(*args, **options)

    _method.__name__ = name
    _method.__qualname__ = f"GrowingRecords.{name}"
    _method.__doc__ = getattr(list, name).__doc__
    return _method


for _name in (
    "__add__", "__contains__", "__delitem__", "__eq__", "__ge__", "__gt__", "__iadd__", "__imul__", "__iter__", "__le__", "__lt__",
    "__mul__", "__ne__", "__reduce__", "__repr__", "__reversed__", "__rmul__", "__setitem__", "append", "clear", "copy", "count",
    "extend", "index", "insert", "pop", "remove", "reverse", "sort",
):  # fmt: skip
    setattr(GrowingRecords, _name, _filled_first(_name))


def _added_to(self: GrowingRecords, other: list[Any]) -> list[Any]:
    self.fill()
    return other + list(self) if isinstance(other, list) else NotImplemented


GrowingRecords.__radd__ = _added_to  # type: ignore[attr-defined]
