"""A CSV file of bars that grows page by page, and goes on where it stopped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from ....errors import InputError, OperationFailed
from ...write_lock import lock_for_writing

__all__ = ["GrowingFile"]

_HEAD = b"time,open,high,low,close,volume\n"
_TAIL = 4096
_FEW_STEPS = 3


class GrowingFile:
    """The file. It has one writer at a time, and is to be closed.

    Args:
        path: Where it lies; made with the first rows.
        period_ms: The period of its bars; 0 when it is not known.

    Raises:
        InputError: There is a file that is no such file, or whose bars have another period.
        OperationFailed: It cannot be opened, or another process writes to it.
    """

    def __init__(self, path: Path, period_ms: int = 0) -> None:
        self.path = path
        self.first_ms: int | None = None
        """The time of the first row; None without rows."""
        self.last_ms: int | None = None
        """The time of the last row; None without rows."""
        self._file: IO[bytes] | None = None
        self._last = b""  # the last row
        if path.exists():
            self._open()
            try:
                self._look(period_ms)
            except BaseException:  # whatever it was, no file stays open
                self.close()
                raise

    def __enter__(self) -> GrowingFile:
        """The file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file; other processes may write to it then."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> IO[bytes]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if self.path.exists() else "x+b", buffering=0)
        except OSError as error:
            raise OperationFailed(f"the file {self.path} cannot be opened: {error.strerror}") from error
        try:
            lock_for_writing(self._file, self.path, "process")
        except BaseException:  # also Ctrl-C: a file that is not locked is not kept open
            self._file.close()
            raise
        return self._file

    def _look(self, period_ms: int) -> None:
        """Finds the first and last row, and cuts off a row that a kill left unfinished."""
        file = self._file
        assert file is not None
        head = file.readline(len(_HEAD))
        if head != _HEAD:
            if _HEAD.startswith(head) and not file.read(1):  # a kill, or a full disk, left it unfinished
                file.truncate(0)
                return
            raise InputError(
                f"{self.path} is not a file of downloaded bars: expected the first line {_HEAD.decode().strip()!r}"
            )
        first = file.readline(_TAIL)
        if not first.endswith(b"\n") and len(first) < _TAIL:
            file.truncate(len(_HEAD))
            return
        self.first_ms = self._time_of(first)
        size = file.seek(0, os.SEEK_END)
        begin = max(len(_HEAD), size - _TAIL)
        file.seek(begin)
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            file.truncate(begin + whole)
        rows = tail[:whole].splitlines(keepends=True)[0 if begin == len(_HEAD) else 1 :]
        self._last = rows[-1]
        self.last_ms = self._time_of(self._last)
        if period_ms:
            self._check_period(rows, period_ms)

    def _check_period(self, rows: Sequence[bytes], period_ms: int) -> None:
        steps = [after - before for before, after in itertools.pairwise(map(self._time_of, rows))]
        # Bars may be missing, so that few steps can all be longer than the period.
        if steps and (min(steps) < period_ms or (len(steps) >= _FEW_STEPS and min(steps) > period_ms)):
            raise InputError(
                f"{self.path} holds bars of another period: they are {min(steps) / 1000:g} s apart, not"
                f" {period_ms / 1000:g} s; name another --file"
            )

    def _time_of(self, line: bytes) -> int:
        try:
            return int(line.partition(b",")[0])
        except ValueError:
            raise InputError(f"{self.path} is not a file of downloaded bars: {line[:60]!r}") from None

    def add(self, rows: Iterable[Sequence[object]]) -> int:
        """Appends rows; those that are earlier than the last one are left out.

        A row of the last one's time shows whether these are the same bars. It takes the last one's place where only what follows the open differs: that
        bar was not over when it was written.

        Returns:
            How many were appended.

        Raises:
            InputError: The bar of the last row's time has another open: the file is of another symbol.
            OperationFailed: The file cannot be written, such as when the disk is full.
        """
        lines: list[bytes] = []
        replaced = b""
        for row in rows:
            time_ms, line = int(str(row[0])), ",".join(map(str, row)).encode() + b"\n"
            if self.last_ms is None or time_ms > self.last_ms:
                lines.append(line)
                self.last_ms = time_ms
                self.first_ms = time_ms if self.first_ms is None else self.first_ms
            elif time_ms == self.last_ms and not lines and line != self._last:
                self._check_same(line)
                replaced = line
        self._write(replaced, lines)
        return len(lines)

    def _check_same(self, line: bytes) -> None:
        there, given = (text.split(b",") for text in (self._last, line))
        if len(there) != len(given) or float(there[1]) != float(given[1]):
            raise InputError(
                f"{self.path} holds other bars: its last row is {self._last.decode().strip()!r}, the venue has"
                f" {line.decode().strip()!r}; name another --file"
            )

    def _write(self, replaced: bytes, lines: list[bytes]) -> None:
        file = self._file if self._file is not None else self._open()
        place = file.seek(0, os.SEEK_END)
        if not place:
            lines = [_HEAD, *lines]
        elif replaced:
            place -= len(self._last)
            lines = [replaced, *lines]
        if not lines:
            return
        try:
            file.seek(place)
            left = memoryview(b"".join(lines))
            while left:
                left = left[file.write(left) :]
            file.truncate()
        except OSError as error:
            raise OperationFailed(f"the file {self.path} cannot be written: {error.strerror}") from error
        self._last = lines[-1]
