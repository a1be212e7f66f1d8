"""Rows of which the newest are in memory and the older ones in a SQLite database on disk, so that millions of them need little memory."""

from __future__ import annotations

import threading
import weakref
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from ...errors import OperationFailed

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SpilledRows"]

_CHUNK = 5000
_IN_MEMORY = 20_000

Row = list[Any]


class SpilledRows(Sequence[Row]):
    """Rows, oldest first. It reads as a list does, and compares equal to one.

    Args:
        in_memory: How many of the newest rows are kept in memory, at least; up to a chunk of 5,000 more are.
        chunk: How many rows one entry of the database holds.
    """

    def __init__(self, in_memory: int = _IN_MEMORY, chunk: int = _CHUNK) -> None:
        self._newest: list[Row] = []
        self._most = in_memory + chunk
        self._chunk = chunk
        self._database: sqlite3.Connection | None = None
        self._failure: str | None = None  # why rows could not be written
        self._chunks = 0  # those that were ever written
        self._first_chunk = 0  # the first one that is still there
        self._skipped = 0  # its rows that were deleted
        self._lock = threading.RLock()  # guards everything, since a strategy may have threads

    def __repr__(self) -> str:
        """How many there are, and where."""
        return f"<SpilledRows: {len(self)}, {len(self._newest)} of them in memory>"

    @property
    def spilled(self) -> bool:
        """Whether some are on disk."""
        return self._chunks > self._first_chunk

    def append(self, row: Row) -> None:
        """Adds a row."""
        newest = self._newest
        newest.append(row)
        if len(newest) >= self._most:
            with self._lock:
                if len(newest) >= self._most:
                    self._spill()

    def _spill(self) -> None:
        """Moves the oldest rows to disk. What could not be written is not tried again: those rows stay in memory, and each further chunk tells it."""
        import sqlite3

        try:
            if self._failure is None:
                self._move_oldest()
                return
        except sqlite3.Error as error:
            self._failure = str(error)
        self._most = len(self._newest) + self._chunk
        raise OperationFailed(
            f"log rows, profit points or snapshots ({len(self)}) cannot be kept in a temporary file: {self._failure}; it lies in the"
            " folder of the variable SQLITE_TMPDIR or TMPDIR, else in the system's: set TMPDIR to a folder on a disk with more space"
        )

    def _move_oldest(self) -> None:
        import pickle  # these two are loaded only by runs of many rows

        if self._database is None:
            import sqlite3

            # A name of nothing: SQLite's own temporary file, which is gone with the connection.
            self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            weakref.finalize(self, self._database.close)
            self._database.execute("PRAGMA journal_mode=OFF")
            self._database.execute("PRAGMA cache_size=-2000")
            self._database.execute("CREATE TABLE chunks (number INTEGER PRIMARY KEY, rows BLOB)")
        packed = zlib.compress(pickle.dumps(self._newest[: self._chunk], pickle.HIGHEST_PROTOCOL), 1)
        self._database.execute("INSERT INTO chunks VALUES (?, ?)", (self._chunks, packed))
        self._chunks += 1
        del self._newest[: self._chunk]

    def _read(self, number: int) -> list[Row]:
        import pickle

        assert self._database is not None
        [packed] = self._database.execute("SELECT rows FROM chunks WHERE number = ?", (number,)).fetchone()
        rows: list[Row] = pickle.loads(zlib.decompress(packed))  # noqa: S301 (written by this object)
        return rows

    @property
    def _on_disk(self) -> int:
        return (self._chunks - self._first_chunk) * self._chunk - self._skipped

    def __len__(self) -> int:
        """How many rows there are."""
        return self._on_disk + len(self._newest)

    def parts(self) -> Iterator[list[Row]]:
        """The rows as lists, one after the other, of which only one is in memory."""
        with self._lock:
            first, last, skipped, newest = self._first_chunk, self._chunks, self._skipped, list(self._newest)
        for number in range(first, last):
            with self._lock:
                rows = self._read(number)
            yield rows[skipped:] if number == first else rows
        yield newest

    def __iter__(self) -> Iterator[Row]:
        """The rows, oldest first."""
        for part in self.parts():
            yield from part

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        """One row, or a list of some."""
        with self._lock:
            on_disk = self._on_disk
            if isinstance(index, slice):
                places = range(*index.indices(on_disk + len(self._newest)))
                if not places or min(places[0], places[-1]) >= on_disk:
                    return [self._newest[place - on_disk] for place in places]
                return [self[place] for place in places] if len(places) < _FEW else list(self)[index]
            place = index + len(self) if index < 0 else index
            if place >= on_disk:
                return self._newest[place - on_disk]
            if place < 0:
                raise IndexError("list index out of range")
            number, rest = divmod(place + self._skipped, self._chunk)
            return self._read(self._first_chunk + number)[rest]

    def keep_last(self, remain: int) -> None:
        """Deletes all rows but the last ``remain``."""
        with self._lock:
            gone = max(0, len(self) - remain)
            on_disk = self._on_disk
            if gone >= on_disk:
                del self._newest[: gone - on_disk]
                self._first_chunk, self._skipped = self._chunks, 0
            else:
                passed, self._skipped = divmod(self._skipped + gone, self._chunk)
                self._first_chunk += passed
            if self._database is not None:
                self._database.execute("DELETE FROM chunks WHERE number < ?", (self._first_chunk,))

    def __eq__(self, other: object) -> bool:
        """Whether the rows are the same as those of a list, or of another object of this kind."""
        if not isinstance(other, (list, SpilledRows)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


_FEW = 50
