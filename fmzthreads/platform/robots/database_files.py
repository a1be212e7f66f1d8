"""Robots' databases, open for reading; a file that was replaced by another is opened again."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import OperationFailed

__all__ = ["DatabaseFiles", "FileStamp", "file_stamp"]

FileStamp = tuple[int, int, int, int, int] | None

_MOST_FILES = 256  # open at once


class DatabaseFiles:
    """The open databases. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _files
        self._files: OrderedDict[Path, _File] = OrderedDict()

    def rows(self, path: Path, query: str, params: Sequence[Any]) -> list[Any]:
        """The rows of a query; none for a file or a table that is not there yet.

        Raises:
            OperationFailed: The file cannot be read.
        """
        try:
            with self._lock:
                file = self._files.get(path)
                if file is None:
                    if not path.exists():
                        return []
                    file = self._files[path] = _File(path)
                self._files.move_to_end(path)
                old = self._files.popitem(last=False)[1] if len(self._files) > _MOST_FILES else None
            if old is not None:
                old.close()
            return file.rows(query, params)
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):  # nothing was written yet
                return []
            self.forget(path)
            raise OperationFailed(f"the database {path} cannot be read: {error}") from error

    def forget(self, path: Path) -> None:
        """Closes a file, which is about to be moved or deleted, or was damaged."""
        with self._lock:
            file = self._files.pop(path, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Closes all files; a later query opens them again."""
        with self._lock:
            files = list(self._files.values())
            self._files.clear()
        for file in files:
            file.close()


class _File:
    """One open database."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()  # guards the connection: one query at a time
        self._path = path
        self._files = _inodes(path)
        self._connection: sqlite3.Connection | None = None

    def rows(self, query: str, params: Sequence[Any]) -> list[Any]:
        """The rows of a query."""
        with self._lock:
            files = _inodes(self._path)
            if (
                self._connection is None or files != self._files
            ):  # the file, or its write-ahead log, was replaced by another
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._files = files
                uri = f"{self._path.resolve().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=2.0, check_same_thread=False, isolation_level=None)  # fmt: skip
            return self._connection.execute(query, params).fetchall()

    def close(self) -> None:
        """Closes it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def file_stamp(path: Path) -> FileStamp:
    """What changes with every write: inode, time and size of the database, time and size of its write-ahead log; None without a database."""
    try:
        facts = path.stat()
    except OSError:
        return None
    try:
        log = path.with_name(f"{path.name}-wal").stat()
    except OSError:
        return facts.st_ino, facts.st_mtime_ns, facts.st_size, 0, 0
    return facts.st_ino, facts.st_mtime_ns, facts.st_size, log.st_mtime_ns, log.st_size


def _inodes(path: Path) -> tuple[int, int]:
    """Which files these are now: the database and its write-ahead log; 0 for a log that is not there.

    Raises:
        OSError: There is no database.
    """
    try:
        log = path.with_name(f"{path.name}-wal").stat().st_ino
    except OSError:
        log = 0
    return path.stat().st_ino, log
