"""Bars that are final and hardly ever looked at again, in a temporary file."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Sequence
from typing import Any

from ..temporary_file import temporary_file, write_all

__all__ = ["CHUNK", "StoredBars"]

CHUNK = 16_384
"""The bars that are stored at once."""

_SIZE = 8  # bytes of a number


class StoredBars:
    """Bars in columns of numbers, numbered from 0; the first column has whole numbers, the others floats.

    Threads may read it at the same time: the file's position is not used.

    Attributes:
        count: How many bars there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._file = temporary_file()
        weakref.finalize(self, self._file.close)
        self._width = 0

    def add(self, columns: Sequence[array[Any]]) -> None:
        """Adds a chunk of bars.

        Args:
            columns: Their values, and perhaps those of later bars, which are left out.

        Raises:
            OperationFailed: The disk is full, or the like.
        """
        self._width = len(columns)
        self._file.seek(self.count * self._width * _SIZE)  # where an attempt may have failed before
        for column in columns:
            write_all(self._file, memoryview(column[:CHUNK]))
        self.count += CHUNK

    def values(self, place: int, begin: int, end: int) -> list[Any]:
        """The values of the column at a place for the bars from ``begin`` up to, not including, ``end``."""
        found = array("d" if place else "q")
        while begin < end:
            chunk, row = divmod(begin, CHUNK)
            count = min(end - begin, CHUNK - row)
            before = (chunk * self._width + place) * CHUNK + row
            found.frombytes(os.pread(self._file.fileno(), count * _SIZE, before * _SIZE))
            begin += count
        return found.tolist()
