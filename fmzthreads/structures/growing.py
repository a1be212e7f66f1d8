"""Records that are a window of a growing history, so that who computes on them need not compare what was seen before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, SupportsIndex

from .records import Record, Records

__all__ = ["GrowingRecords"]


class GrowingRecords(Records):
    """Bars of one history: those that are final, then those that are still forming.

    Two lists with the same ``history`` (by identity) hold the same objects where they hold the same bar of those that are final: the element at
    ``i`` is bar ``first + i`` of the history. A bar itself may be changed by hand; see ``structures.record_changes``.

    Attributes:
        history: Stands for the history; None once the list was changed by hand.
        first: The number of the first element in the history, from 0.
        closed: How many elements are final; those after them (mostly one) are still forming.
    """

    __slots__ = ("closed", "first", "history")

    history: object
    first: int
    closed: int

    def __init__(self, records: Iterable[Record] = (), history: object = None, first: int = 0, closed: int = 0) -> None:
        super().__init__(records)
        self.history = history
        self.first = first
        self.closed = closed

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as plain records."""
        return Records, (list(self),)

    def append(self, item: Record, /) -> None:
        """Adds a bar by hand."""
        self.history = None
        super().append(item)

    def extend(self, items: Iterable[Record], /) -> None:
        """Adds bars by hand."""
        self.history = None
        super().extend(items)

    def insert(self, index: SupportsIndex, item: Record, /) -> None:
        """Puts a bar in by hand."""
        self.history = None
        super().insert(index, item)

    def pop(self, index: SupportsIndex = -1, /) -> Record:
        """Takes a bar out."""
        self.history = None
        return super().pop(index)

    def remove(self, item: Record, /) -> None:
        """Takes the first equal bar out."""
        self.history = None
        super().remove(item)

    def clear(self) -> None:
        """Takes all bars out."""
        self.history = None
        super().clear()

    def sort(self, **options: Any) -> None:
        """Sorts the bars in place."""
        self.history = None
        super().sort(**options)

    def reverse(self) -> None:
        """Reverses the bars in place."""
        self.history = None
        super().reverse()

    def __setitem__(self, index: Any, value: Any) -> None:
        """Replaces bars."""
        self.history = None
        super().__setitem__(index, value)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        """Deletes bars."""
        self.history = None
        super().__delitem__(index)

    def __iadd__(self, items: Iterable[Record]) -> Self:  # type: ignore[override, misc]
        """Adds bars by hand."""
        self.history = None
        return super().__iadd__(items)

    def __imul__(self, count: SupportsIndex) -> Self:
        """Repeats the bars in place."""
        self.history = None
        return super().__imul__(count)
