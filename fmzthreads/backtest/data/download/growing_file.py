"""A CSV file of bars that grows page by page, and goes on where it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ....errors import InputError

__all__ = ["GrowingFile"]

_HEAD = "time,open,high,low,close,volume\n"


class GrowingFile:
    """The file.

    Args:
        path: Where it lies; made with the first row.

    Raises:
        InputError: There is a file that is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_ms: int | None = None
        """The time of the first row; None without rows."""
        self.last_ms: int | None = None
        """The time of the last row; None without rows."""
        if path.exists():
            self._open()

    def _open(self) -> None:
        """Finds the first and last row, and cuts off a row that a kill left unfinished."""
        with self.path.open("r+b") as file:
            if file.readline().decode("utf-8", "replace") != _HEAD:
                raise InputError(
                    f"{self.path} is not a file of downloaded bars: expected the first line {_HEAD.strip()!r}"
                )
            first = file.readline()
            if not first.endswith(b"\n"):
                file.seek(len(_HEAD))
                file.truncate()
                return
            self.first_ms = self._time_of(first)
            file.seek(0, os.SEEK_END)
            size = file.tell()
            file.seek(max(0, size - 4096))
            tail = file.read()
            whole = tail.rfind(b"\n") + 1
            if whole < len(tail):
                file.seek(size - len(tail) + whole)
                file.truncate()
            self.last_ms = self._time_of(tail[:whole].rstrip(b"\n").rpartition(b"\n")[2])

    def _time_of(self, line: bytes) -> int:
        try:
            return int(line.partition(b",")[0])
        except ValueError:
            raise InputError(f"{self.path} is not a file of downloaded bars: {line[:60]!r}") from None

    def add(self, rows: Iterable[Sequence[object]]) -> int:
        """Appends rows; those that are not later than the last one are left out.

        Returns:
            How many were appended.
        """
        lines: list[str] = []
        for row in rows:
            time_ms = int(str(row[0]))
            if self.last_ms is None or time_ms > self.last_ms:
                lines.append(",".join(map(str, row)) + "\n")
                self.last_ms = time_ms
                self.first_ms = time_ms if self.first_ms is None else self.first_ms
        count = len(lines)
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lines.insert(0, _HEAD)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(lines))
        return count
