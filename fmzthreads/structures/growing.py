"""Records that are a window of a growing history; bars are built when somebody looks at them.

To a strategy it is a list of bars like any other. It is filled when it is used as a whole; until then its length, single bars, slices and
columns come from the history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .records import Record, RecordOrigin, Records, as_column

__all__ = ["PLACES", "BarHistory", "FilledRecords", "GrowingRecords", "window"]

PLACES = 16
"""What the number of a bar is multiplied by in the number of a tick."""


class BarHistory(Protocol):
    """Bars that are final, numbered from 0, to which newer ones are added."""

    def record(self, number: int) -> Record:
        """The bar of a number; the same object each time."""

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        """One field of the bars from ``begin`` up to, not including, ``end``; as they are now, if a bar was changed by hand."""

    def final_until(self, number: int, most: int) -> int:
        """Up to which number, from ``number`` to ``most``, the values of bars are known to be final; those before ``number`` are."""

    def tips(self, tick: int) -> list[tuple[Any, ...]]:
        """The bars that were still forming at a tick, as the values of a record's fields."""

    def tip_value(self, field: str, tick: int) -> Any:
        """One field of the only bar that was still forming at a tick."""

    def tip_closes(self, begin: int, end: int) -> Sequence[Any]:
        """The closes that bars show while they are forming, as far as they are known ahead, for many bars at once.

        Args:
            begin: The number of the first bar.
            end: The number after the last one.

        Returns:
            For each place of a tick, which has the number ``PLACES * bar + place``, the closes of the first bars, as floats. All are lists; or all are
            arrays of numpy, then those of the last place are what ``values`` gives. Empty where they are not known for many bars, or where ticks are not
            numbered so. (A list for each bar would be one more object a bar to be looked at by the garbage collector.)
        """


class _Window(Records):
    """The place of a list in its history."""

    __slots__ = ("place", "tip_records")

    # One attribute, since each access to one costs more than usual in a class with __getattr__, as Records is.
    place: tuple[BarHistory, int, int, int, int, list[tuple[Any, ...]] | None]
    tip_records: list[Record] | None

    @property
    def history(self) -> BarHistory:
        """The history."""
        return self.place[0]

    @property
    def first(self) -> int:
        """The number of the first element in the history."""
        return self.place[1]

    @property
    def closed(self) -> int:
        """How many elements are final."""
        return self.place[2]

    @property
    def tip_count(self) -> int:
        """How many elements are still forming, mostly one."""
        return self.place[4]

    # What stands here works after the class has changed, too: another thread may be in the middle of it.

    def _forming(self) -> list[Record]:
        records = self.tip_records
        if records is None:
            fields = Record.__annotations__
            history, first, closed, tick, tip_count, tips = self.place
            if tips is None:
                tips = history.tips(tick)
                self.place = (history, first, closed, tick, tip_count, tips)  # says that somebody has looked
            records = [Record(zip(fields, values, strict=True)) for values in tips]
            self.tip_records = records
        return records

    def values_from(self, field: str, begin: int) -> list[Any]:
        """One field of the bars from a place on, those that are still forming included.

        Args:
            field: Such as ``Close``.
            begin: The place of the first one, 0 to the length.
        """
        history, first, closed, tick, _, tips = self.place
        found = history.values(field, first + begin, first + closed) if begin < closed else []
        if self.tip_records is not None:
            found += [record[field] for record in self.tip_records[max(0, begin - closed) :]]
        elif tips is None:
            if begin <= closed:
                found.append(history.tip_value(field, tick))
        else:
            place = _PLACES[field]
            found += [values[place] for values in tips[max(0, begin - closed) :]]
        return found

    def tip(self, field: str) -> Any:
        """One field of the bar that is still forming, where there is one."""
        if self.tip_records is not None:
            return self.tip_records[-1][field]
        history, _, _, tick, _, tips = self.place
        return history.tip_value(field, tick) if tips is None else tips[-1][_PLACES[field]]

    def fill(self) -> None:
        """Makes it an ordinary list."""
        history, first, closed, _, _, _ = self.place
        records = [history.record(number) for number in range(first, first + closed)]
        records += self._forming()
        # Two threads that look at one list fill it once; those that read go by the history until the class changes.
        with _filling:
            if type(self) is GrowingRecords:
                if not list.__len__(self):
                    list.extend(self, records)
                self.__class__ = FilledRecords  # type: ignore[assignment]

    def store(self) -> None:
        """Fills it for those who read a list's memory without asking for its length; it is still told by its history."""
        history, first, closed, _, _, _ = self.place
        records = [history.record(number) for number in range(first, first + closed)]
        records += self._forming()
        with _filling:
            if not list.__len__(self):
                list.extend(self, records)


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
        place: The history; the number of the first element in it; how many elements are final; what the history's ``tips`` is asked for; how many
            elements are still forming, mostly one; their values, or None until the first look at them, which asks the history.
        tip_records: These elements, once somebody has looked at them; else None.
    """

    __slots__ = ()

    if not TYPE_CHECKING:
        __init__ = list.__init__  # no code of ours runs when one is made; ``window`` does the rest

    def __len__(self) -> int:
        """How many bars there are."""
        place = self.place
        return place[2] + place[4]

    def __getitem__(self, index: Any) -> Any:
        """One bar, or a slice that serves columns as well."""
        history, first, closed, _, tip_count, _ = self.place
        if isinstance(index, slice):
            return Records([self[place] for place in range(*index.indices(closed + tip_count))])
        place: int = index.__index__()
        if place < 0:
            place += closed + tip_count
        if 0 <= place < closed:
            return history.record(first + place)
        place -= closed
        if 0 <= place < tip_count:
            return self._forming()[place]
        raise IndexError("list index out of range")

    def origin(self) -> RecordOrigin:
        """The place in the history: bars of the same number are the same, unless a bar was changed since."""
        history, first, closed, _, _, _ = self.place
        return RecordOrigin(history, first, closed, None)

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
    records = GrowingRecords()
    records.place = (history, first, closed, tick, tip_count, tips)
    records.tip_records = None
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
