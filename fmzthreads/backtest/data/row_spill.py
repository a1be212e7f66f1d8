"""Rows that come one after the other: the columns of few stay in memory, those of many go to a temporary file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any

from ..temporary_file import temporary_file, write_all
from .column_file import ColumnFile, StoredRows

__all__ = ["IN_MEMORY_ROWS", "RowSpill", "rows_left"]

IN_MEMORY_ROWS = 1_000_000
"""The rows, of all series that are read together, that need no file."""

_BUFFERED = 131_072  # rows, once there is a file
_SIZE = 8
_NAMES = ("time", "open", "high", "low", "close", "volume", "position")


def rows_left(there: int) -> int:
    """How many rows of a further file may stay in memory; those of a small one always do.

    Args:
        there: How many rows are in memory.
    """
    return max(IN_MEMORY_ROWS // 20, IN_MEMORY_ROWS - there)


class RowSpill:
    """Moves rows to disk while they come, once there are many.

    The series are objects with the columns ``time`` to ``position`` as arrays, such as ``RawSeries``: columns that are used have one length.

    Args:
        in_memory: How many rows stay in memory; None for 1,000,000.
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self._in_memory = IN_MEMORY_ROWS if in_memory is None else in_memory
        self._file: IO[bytes] | None = None
        self._chunks: dict[str, list[tuple[int, int]]] = {}  # of each series: where in the file, how many rows
        self._used: dict[str, list[str]] = {}  # the columns of each series

    def __enter__(self) -> RowSpill:
        """Begins; the file of rows on their way is closed at the end, whatever happens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file of rows on their way."""
        if self._file is not None:
            self._file.close()

    def take(self, series: Mapping[str, Any]) -> None:
        """Looks at what has come; moves it to disk when it is much.

        Args:
            series: The series by name, to which rows were added.

        Raises:
            OperationFailed: The disk is full, or the like.
        """
        count = sum(len(rows.time) for rows in series.values())
        if count <= (self._in_memory if self._file is None else _BUFFERED):
            return
        if self._file is None:
            self._file = temporary_file()
        self._move(self._file, series)

    def _move(self, file: IO[bytes], series: Mapping[str, Any]) -> None:
        for name, rows in series.items():
            count = len(rows.time)
            if not count:
                continue
            used = self._used.setdefault(name, [column for column in _NAMES if len(getattr(rows, column))])
            self._chunks.setdefault(name, []).append((file.tell(), count))
            for column in used:
                values = getattr(rows, column)
                write_all(file, memoryview(values))
                setattr(rows, column, values[:0])

    def finish(self, series: Mapping[str, Any]) -> dict[str, StoredRows]:
        """Gives series whose rows were moved their columns back, as views of a file.

        Args:
            series: The series by name.

        Returns:
            Where the rows of each one lie; empty when all are in memory.

        Raises:
            OperationFailed: The disk is full, or the like.
        """
        if self._file is None:
            return {}
        self._move(self._file, series)
        columns = ColumnFile()
        stored = {
            name: columns.reserve(sum(count for _, count in chunks), self._used[name])
            for name, chunks in self._chunks.items()
        }
        for name, rows in stored.items():
            self._copy(self._file, self._chunks[name], rows)
        for name, rows in stored.items():
            for column in rows.names:
                kind = getattr(series[name], column).typecode
                setattr(series[name], column, rows.column(column, kind))
        return stored

    @staticmethod
    def _copy(file: IO[bytes], chunks: Sequence[tuple[int, int]], rows: StoredRows) -> None:
        """Puts the parts of each column, which lie among those of the others, one behind the other."""
        row = 0
        for place, count in chunks:
            file.seek(place)
            for column in rows.names:
                rows.write(column, row, file.read(count * _SIZE))
            row += count
