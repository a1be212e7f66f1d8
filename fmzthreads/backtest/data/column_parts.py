"""Long columns in parts, so that little of one that lies on disk is in memory at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any, overload

__all__ = ["PART", "PassedColumn", "PassedRows", "give_back", "on_disk", "parts_of", "passed"]

PART = 65_536
"""The rows of a part."""

_DONT_NEED: int | None = getattr(mmap, "MADV_DONTNEED", None)  # None where a system has no such thing


def _pages_of(column: object) -> mmap.mmap | None:
    pages = getattr(column, "obj", None)  # what a view is of
    return pages if isinstance(pages, mmap.mmap) else None


def on_disk(column: object) -> bool:
    """Whether a column is a view of a file."""
    return _pages_of(column) is not None


def give_back(column: object) -> None:
    """Gives back the memory that the file of a column takes up; what is looked at later is read again.

    Args:
        column: A view of a file; nothing happens with any other.
    """
    pages = _pages_of(column)
    if pages is not None and _DONT_NEED is not None:
        pages.madvise(_DONT_NEED)


def parts_of(*columns: Any, size: int | None = None) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Parts of columns of one length: the first row, and each column's values from there on.

    Args:
        columns: The columns; the memory of those that are on disk is given back behind each part.
        size: The rows of a part; None for 65,536.
    """
    size = PART if size is None else size
    for begin in range(0, len(columns[0]), size):
        yield begin, tuple([column[begin : begin + size] for column in columns])
        for column in columns:
            give_back(column)


class PassedRows:
    """Gives the memory of columns on disk back, again and again, while somebody walks over their rows.

    Args:
        column: One of the columns.
    """

    __slots__ = ("_column", "_from", "_until")

    def __init__(self, column: Any) -> None:
        self._column = column
        self._from = self._until = 0

    def at(self, row: int) -> bool:
        """Says where the walk is; returns whether 65,536 rows were passed since it last was True, and it was given back."""
        if self._from <= row < self._until:
            return False
        give_back(self._column)
        self._from, self._until = row - PART, row + PART
        return True


def passed(column: Any) -> Any:
    """A column for those who read all of it, slice by slice: one on disk gives its memory back on the way."""
    return PassedColumn(column) if on_disk(column) else column


class PassedColumn(Sequence[Any]):
    """A column on disk that gives its memory back while it is read; slices are lists.

    Args:
        column: The column.
    """

    def __init__(self, column: Any) -> None:
        self._column = column
        self._rows = PassedRows(column)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        """One value, or a list of some."""
        if isinstance(index, slice):
            self._rows.at(index.start or 0)
            return self._column[index].tolist()
        return self._column[index]
