"""Finds the entries that killed processes left on their way to a database (see ``spill.py``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from .lines import Entry
from .spill import HEADER, PART, RECORD, SEGMENT, SUFFIX, lock_file
from .spill_entries import decoded

__all__ = ["DAMAGED", "LeftLines", "left_files", "left_lines"]

DAMAGED = ".damaged"
"""What is added to the name of a file that could not be read as a whole."""


class LeftLines:
    """A file that no process writes any more.

    Args:
        path: The file.
        content: What is in it.

    Attributes:
        name: Its name.
        damage: What is wrong with it; empty if nothing is.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self.name = path.name
        self.damage = ""
        self._is_needless = False
        self._entries = self._read(content)

    @property
    def last(self) -> int:
        """The number of the newest entry; 0 without one."""
        return self._entries[-1][0] if self._entries else 0

    def after(self, number: int) -> list[Entry]:
        """The entries with larger numbers, in their order."""
        return [entry for one, entry in self._entries if one > number]

    def put_away(self) -> None:
        """Has the file deleted, since its entries are in the database; one that is damaged is kept under another name."""
        self._is_needless = True

    def remove(self) -> None:
        """Does it.

        Raises:
            OSError: It cannot be deleted.
        """
        if not self._is_needless:
            return
        if self.damage:
            self._path.replace(self._path.with_name(self.name + DAMAGED))
        else:
            self._path.unlink(missing_ok=True)

    def _read(self, content: bytes) -> list[tuple[int, Entry]]:
        if not content.rstrip(b"\0"):
            return []  # its process was killed before it had written anything
        if not content.startswith(HEADER):
            self.damage = "it does not begin as such a file does"
            return []
        parts: dict[int, dict[int, bytes]] = {}
        counts: dict[int, int] = {}
        for start in range(0, len(content), SEGMENT):
            segment = content[start : start + SEGMENT]
            for number, part, count, data in self._records(segment, start):
                parts.setdefault(number, {})[part] = data
                counts[number] = count
        found = []
        for number in sorted(parts):
            # Of an entry whose last part is missing, the process was killed while it was being written.
            if len(parts[number]) == counts[number]:
                try:
                    found.append((number, decoded(b"".join(parts[number][part] for part in range(counts[number])))))
                except (ValueError, KeyError) as error:
                    self.damage = self.damage or f"entry {number}: {error}"
        return found

    def _records(self, segment: bytes, start: int) -> Iterator[tuple[int, int, int, bytes]]:
        place = 0 if start else len(HEADER)
        while place + RECORD.size <= len(segment):
            length, checksum = RECORD.unpack_from(segment, place)
            if not length:
                return
            begin = place + RECORD.size
            data = segment[begin : begin + length]
            if len(data) != length or length < PART.size or crc32(data) != checksum:
                self.damage = f"from byte {start + place} on"
                return
            number, part, parts = PART.unpack_from(data)
            yield number, part, parts, data[PART.size :]
            place = begin + length


@contextlib.contextmanager
def left_lines(path: Path) -> Iterator[LeftLines | None]:
    """The entries in one of the files that ``left_files`` found; None if a process has it, or it is gone.

    No other process takes it as long as the block lasts; afterwards it is gone if ``put_away`` was called.

    Raises:
        OSError: It cannot be read or deleted.
    """
    file = _taken(path)
    if file is None:
        yield None
        return
    try:
        with os.fdopen(os.dup(file), "rb") as reader:
            reader.seek(0)
            left = LeftLines(path, reader.read())
        yield left
        if os.name == "posix":  # while it is locked
            left.remove()
    finally:
        os.close(file)
    if os.name != "posix":  # an open file cannot be deleted there
        left.remove()


def _taken(path: Path) -> int | None:
    """Opens and locks a file; None if a process has it, or it is gone."""
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    try:
        # Locked, it may be one that its last owner has deleted meanwhile.
        if lock_file(file) and (os.name != "posix" or os.path.samestat(path.stat(), os.fstat(file))):
            taken, file = file, -1
            return taken
    except FileNotFoundError:
        pass
    finally:
        if file >= 0:
            os.close(file)
    return None


def left_files(database: Path) -> list[Path]:
    """The files of entries beside a database, oldest first; those of living processes are among them."""
    start, found = f"{database.name}{SUFFIX}", []
    with contextlib.suppress(OSError), os.scandir(database.parent) as entries:
        found = [one for one in entries if one.name.startswith(start) and not one.name.endswith(DAMAGED)]
    times = {}
    for one in found:
        with contextlib.suppress(OSError):  # it was deleted meanwhile
            times[Path(one.path)] = one.stat().st_ctime_ns
    return sorted(times, key=lambda path: times[path])
