"""Entries on their way to the database, in a file that survives the kill of the process.

A line waits a few milliseconds in the queue before its sink. So that a process that is killed meanwhile loses none, each entry is also copied into a
memory-mapped file beside the database: its pages belong to the system, and outlive the process. That costs a caller some microseconds of its own time, and
neither a system call nor a wait for a disk. What the database has is marked there in the same transaction (table ``spilled``); the next process that
writes to the database, or the one that notes the end, moves the rest (``left_lines.py``).

The file consists of segments of one size, the first with a header. A segment holds records one after the other: the length of the data and its checksum,
then the data: an entry's number, which part of the entry it is and of how many, the part. A length of 0 ends them. The length is written last, so that
a record is either whole or not there, whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import time
import weakref
from pathlib import Path
from zlib import crc32

from ...fork import after_fork_in_child
from .spill_entries import encoded

__all__ = ["HEADER", "MARK_SCHEMA", "PART", "RECORD", "SEGMENT", "SUFFIX", "Spill", "lock_file"]

SEGMENT = 256 * 1024
"""The bytes of a segment; a multiple of what ``mmap`` maps."""

HEADER = b"fmzthreads lines 1\n"
"""What the file begins with."""

RECORD, PART = struct.Struct("<II"), struct.Struct("<QHH")
"""What a record begins with: length and checksum; what its data begins with: number, part, and count of parts."""

SUFFIX = "-lines-"
"""What stands between the database's name and the process's id in the file's name."""

MARK_SCHEMA = "CREATE TABLE IF NOT EXISTS spilled (name TEXT PRIMARY KEY, number INTEGER NOT NULL)"
"""The table that says up to which number the entries of a file are in the database."""

_NOTHING = bytes(RECORD.size)
_AROUND = 2 * RECORD.size
_pack = RECORD.pack
_MOST_SEGMENTS = 512
# After a failure (a full disk) the file is not made again for so long, in seconds.
_RETRY_S = 5.0


class _Segment:
    """A part of the file, mapped."""

    def __init__(self, file: int, number: int) -> None:
        self.map = mmap.mmap(file, SEGMENT, offset=number * SEGMENT)
        self.first = self.end = 0 if number else len(HEADER)
        self.last_number = 0

    def start_again(self) -> None:
        """Forgets its records."""
        self.end = self.first
        self.map[self.end : self.end + RECORD.size] = _NOTHING

    def add(self, number: int, data: bytes) -> None:
        """Writes a record; what it begins with last, before which it is not there."""
        pages, start, length = self.map, self.end, len(data)
        begin = start + 8  # RECORD.size
        end = begin + length
        try:
            pages[begin : end + 8] = data + _NOTHING
            pages[start:begin] = _pack(length, crc32(data))
            self.end, self.last_number = end, number
        except BaseException:  # an interrupt of the caller: the next record is written over this one
            pages[start:begin] = _NOTHING
            raise


class Spill:
    """The file of one queue. Its caller holds the queue's lock; it is made with the first entry.

    A file that cannot be made (a full disk) changes nothing but that a kill loses what the queue holds.

    Args:
        database: The database that the entries are on their way to.
    """

    def __init__(self, database: str | os.PathLike[str]) -> None:
        self._database = Path(database)
        self._file: int | None = None
        self._path: Path | None = None
        self._closer: weakref.finalize[[int], Spill] | None = None
        self._segments: list[_Segment] = []
        self._active: _Segment | None = None
        self._last = self._done = 0  # the numbers of the newest entry in it, and of the newest that needs it no more
        self._retry_at = 0.0
        # A finalizer that logs may run within ``put``: its entries wait until that has ended.
        self._busy = False
        self._nested: list[tuple[int, object]] = []
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: lets go of the parent's file, and makes its own."""
        self._let_go()
        self._last, self._busy, self._nested = 0, False, []

    @property
    def path(self) -> Path | None:
        """The file; None before the first entry and after ``close``."""
        return self._path

    @property
    def name(self) -> str:
        """The file's name; empty before the first entry and after ``close``."""
        return self._path.name if self._path is not None else ""

    def put(self, number: int, entry: object) -> None:
        """Adds an entry; what need not be kept is ignored.

        Args:
            number: Its number, which is larger than that of the entry before.
            entry: The entry.
        """
        if self._busy:
            self._nested.append((number, entry))
            return
        self._busy = True
        try:
            self._put(number, entry)
            while self._nested:
                self._put(*self._nested.pop(0))
        finally:
            self._busy = False

    def _put(self, number: int, entry: object) -> None:
        try:
            data = encoded(number, entry)
        except struct.error:  # a time or a number that no database takes either
            return
        if not data:
            return
        segment = self._active or self._opened()
        if segment is None:
            return
        if self._last <= self._done:
            segment.start_again()
        if segment.end + len(data) + _AROUND <= SEGMENT:
            segment.add(number, data)
        elif not self._add_parts(number, data):
            return
        self._last = number

    def done(self, number: int) -> None:
        """Tells that entries up to a number are in the database, or given up."""
        self._done = number

    def close(self, stored: int) -> bool:
        """Lets go of the file, and deletes it if nothing in it is needed; a later entry makes a new one.

        Args:
            stored: The number up to which entries are in the database.

        Returns:
            Whether it was deleted, or there was none.
        """
        path, needed = self._path, self._last > stored
        if os.name == "posix" and path is not None and not needed:
            path.unlink(missing_ok=True)  # while it is locked, so that no other process takes it over
        self._let_go()
        if os.name != "posix" and path is not None and not needed:
            with contextlib.suppress(OSError):  # another program has it open: the next start deletes it
                path.unlink(missing_ok=True)
        return path is None or not needed

    def _let_go(self) -> None:
        for segment in self._segments:
            segment.map.close()
        self._file, self._path, self._active, self._segments = None, None, None, []
        closer, self._closer = self._closer, None
        if closer is not None:
            closer()

    def _add_parts(self, number: int, data: bytes) -> bool:
        """Adds an entry for which the segment in use has no room, in as many parts as it needs."""
        rest, most = data[PART.size :], SEGMENT - len(HEADER) - _AROUND - PART.size
        count = -(-len(rest) // most)
        for part in range(count):
            piece = PART.pack(number, part, count) + rest[part * most : (part + 1) * most]
            segment = self._active
            if segment is None or segment.end + len(piece) + _AROUND > SEGMENT:
                segment = self._free_segment(number)
                if segment is None:
                    return False
                self._active = segment
            segment.add(number, piece)
        return True

    def _free_segment(self, number: int) -> _Segment | None:
        for segment in self._segments:
            if segment.last_number <= self._done and segment.last_number < number:
                segment.start_again()
                return segment
        return self._new_segment()

    # The file

    def _opened(self) -> _Segment | None:
        """The first segment of a new file; None when none can be made now."""
        now = time.monotonic()  # real time: a full disk does not wait for a virtual clock
        if now < self._retry_at:
            return None
        path = self._database.with_name(f"{self._database.name}{SUFFIX}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except OSError:
            self._retry_at = now + _RETRY_S
            return None
        self._path = path
        self._closer = weakref.finalize(self, os.close, self._file)
        self._closer.atexit = False
        try:
            # Until here another process may have taken the empty file for one that was left, and deleted it.
            if lock_file(self._file) and (os.name != "posix" or os.path.samestat(path.stat(), os.fstat(self._file))):
                self._active = self._new_segment()
        except OSError:
            pass  # it was deleted
        if self._active is None:
            self._retry_at = now + _RETRY_S
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self._let_go()
        return self._active

    def _new_segment(self) -> _Segment | None:
        """Another segment at the end of the file; None when the disk is full."""
        if self._file is None or len(self._segments) >= _MOST_SEGMENTS:
            return None
        number = len(self._segments)
        try:
            # Written, so that the disk has room for it: a page that finds none when it is used would end the process by SIGBUS.
            os.lseek(self._file, number * SEGMENT, os.SEEK_SET)
            text = b"" if number else HEADER
            if os.write(self._file, text + bytes(SEGMENT - len(text))) < SEGMENT:
                return None
            segment = _Segment(self._file, number)
        except (OSError, ValueError):
            return None
        self._segments.append(segment)
        return segment


def lock_file(file: int) -> bool:
    """Locks a file until it is closed or the process ends; False when another has it, also within this process."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 2**30, os.SEEK_SET)  # a byte far behind the file's end: others may read what is locked
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
