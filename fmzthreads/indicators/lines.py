"""Results of indicators: lists of the caller's own whose storage is used again once nothing refers to them.

A list that grows a bar at a time gives, at each call, a result that differs from the one before in its last places only. To copy it whole
each time would cost in proportion to its length. So the results of one line are remembered, and one that the script has
dropped (its reference count says so) gets the new values at its end and is given out again. One that the script still holds, or has
changed, is left to it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Self, SupportsIndex

from ..structures.records import RecordOrigin

__all__ = ["LISTED", "IndicatorLine", "LineStore", "getrefcount"]

# A script that binds a result to a name holds the last one while it asks for the next: two lists take turns. A few more are for scripts that
# keep the one before too, or ask twice.
_MOST = 4
_CHANGED = -1


class _EqualToList(type):
    """Makes a class equal to ``list``, since widely copied trading templates ask ``type(line) == list``."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is list

    def __hash__(cls) -> int:
        return hash(list)


class IndicatorLine(list[Any], metaclass=_EqualToList):
    """One line of an indicator: a list of floats, with None where there is no value yet.

    It pickles, and copies, as a plain list.

    Attributes:
        source: Stands for the series and the line that it belongs to; compared by identity.
        tail: How many values at its end may change when the series grows.
        written: Its length when it was given out; -1 once its holder has changed it.
    """

    __slots__ = ("source", "tail", "written")

    def __init__(self, values: Iterable[Any], source: object, sure: int) -> None:
        super().__init__(values)
        self.source = source
        self.tail = len(self) - sure
        self.written = len(self)

    def origin(self) -> RecordOrigin | None:
        """What its first values are known to be: those of its source; None if it was changed."""
        return RecordOrigin(self.source, 0, self.sure, None) if self.is_as_given else None

    @property
    def sure(self) -> int:
        """How many values at its beginning stay as they are when the series grows, if its holder has left it as it was."""
        return self.written - self.tail

    @property
    def is_as_given(self) -> bool:
        """Whether its holder has left it as it was (its length tells of C code that passes by the methods of a list)."""
        return len(self) == self.written

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Pickles and copies as a plain list."""
        return list, (list(self),)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Replaces a value, or several."""
        self.written = _CHANGED
        super().__setitem__(index, value)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        """Deletes a value, or several."""
        self.written = _CHANGED
        super().__delitem__(index)

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[misc]
        """Appends values."""
        self.written = _CHANGED
        return super().__iadd__(values)

    def __imul__(self, count: SupportsIndex) -> Self:
        """Repeats the values."""
        self.written = _CHANGED
        return super().__imul__(count)

    def append(self, value: Any) -> None:
        """Appends a value."""
        self.written = _CHANGED
        super().append(value)

    def extend(self, values: Iterable[Any]) -> None:
        """Appends values."""
        self.written = _CHANGED
        super().extend(values)

    def insert(self, index: SupportsIndex, value: Any) -> None:
        """Inserts a value."""
        self.written = _CHANGED
        super().insert(index, value)

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Takes a value out."""
        self.written = _CHANGED
        return super().pop(index)

    def remove(self, value: Any) -> None:
        """Takes the first equal value out."""
        self.written = _CHANGED
        super().remove(value)

    def clear(self) -> None:
        """Takes all values out."""
        self.written = _CHANGED
        super().clear()

    def reverse(self) -> None:
        """Reverses the order."""
        self.written = _CHANGED
        super().reverse()

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Sorts the values."""
        self.written = _CHANGED
        super().sort(key=key, reverse=reverse)


def _no_count(_: object) -> int:
    return 0


getrefcount = getattr(sys, "getrefcount", _no_count)  # other Pythons have none


def _count_of_one() -> int:
    """The reference count of an object that one list refers to; -1, which no object has, where counts are not exact."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    if sys.implementation.name != "cpython" or not is_gil_enabled():
        return -1
    held = [object()]
    return getrefcount(held[0])


def _count_of_listed() -> int:
    """The reference count of an object that one list and one local name refer to; -1 where counts are not exact."""
    if _count_of_one() < 0:
        return -1
    held = [object()]
    taken = held[0]
    return getrefcount(taken)


_ALONE = _count_of_one()
LISTED = _count_of_listed()
"""The reference count of an object that nothing but one list and one local name refer to."""
_write = list.__setitem__


class LineStore:
    """The results that were given out for one line of a series. One thread has it at a time."""

    __slots__ = ("_given", "_source")

    def __init__(self) -> None:
        self._given: list[IndicatorLine] = []
        self._source = object()

    def result(self, values: list[Any], sure: int) -> IndicatorLine:
        """Returns the line as a list of the caller's own.

        Args:
            values: Its values.
            sure: How many of them stay when the series grows.
        """
        given = self._given
        for place in range(len(given)):
            # Only this list refers to it: no thread can reach it, and its contents are free for use.
            if getrefcount(given[place]) == _ALONE:
                line = given[place]
                if len(line) != line.written:  # as in is_as_given, without a call
                    del given[place]
                    break
                known = line.written - line.tail
                _write(line, slice(known, None), values[known:])
                line.tail = len(values) - sure
                line.written = len(values)
                return line
        line = IndicatorLine(values, self._source, sure)
        if len(given) == _MOST:
            del given[0]
        given.append(line)
        return line
