"""Columns of numbers in a temporary file, which are seen as memory: only the parts that are looked at are in it."""

from __future__ import annotations

import mmap
import weakref
from array import array
from collections.abc import Sequence
from typing import IO, Any, Literal

from ...structures.value_objects import ValueObject
from ..temporary_file import temporary_file, write_all

__all__ = ["ColumnFile", "StoredRows"]

_SIZE = 8  # bytes of a number


class ColumnFile:
    """A temporary file of columns. It is gone with the last view of it.

    The views share one mapping, so that a child of a fork has them, too. What is written later is seen in views that exist.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = temporary_file()
        weakref.finalize(self, self._file.close)
        self._numbers = 0
        self._pages: memoryview | None = None

    def reserve(self, count: int, names: Sequence[str]) -> StoredRows:
        """Makes room for the columns of one series; all room is to be reserved, and filled, before the first look.

        Args:
            count: How many rows it has, more than 0.
            names: The names of the columns.
        """
        begin = self._numbers
        self._numbers += count * len(names)
        return StoredRows(self, begin, count, tuple(names))

    def write(self, place: int, values: array[int] | array[float] | bytes) -> None:
        """Writes numbers of 8 bytes from a place on.

        Args:
            place: How many numbers stand before them in the file.
            values: The numbers, or their bytes.

        Raises:
            OperationFailed: The disk is full, or the like.
        """
        self._file.seek(place * _SIZE)
        write_all(self._file, memoryview(values))

    def view(self, place: int, count: int, kind: Literal["q", "d"]) -> Any:
        """Numbers as a memoryview: whole ones (``q``) or floats (``d``)."""
        if self._pages is None:
            size = self._numbers * _SIZE
            self._pages = memoryview(mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ))
        return self._pages[place * _SIZE : (place + count) * _SIZE].cast(kind)


class StoredRows(ValueObject):
    """The columns of one series in a file of columns.

    Attributes:
        file: The file.
        begin: How many numbers stand before the first column.
        count: The rows.
        names: The names of the columns.
    """

    file: ColumnFile
    begin: int
    count: int
    names: tuple[str, ...]

    def write(self, name: str, row: int, values: array[int] | array[float] | bytes) -> None:
        """Writes numbers of a column, from a row on.

        Raises:
            OperationFailed: The disk is full, or the like.
        """
        self.file.write(self.begin + self.names.index(name) * self.count + row, values)

    def column(self, name: str, kind: Literal["q", "d"]) -> Any:
        """A column as a memoryview, which reads as an array does: whole numbers (``q``) or floats (``d``)."""
        return self.file.view(self.begin + self.names.index(name) * self.count, self.count, kind)
