"""``sqlite3://`` behind ``Dial``: FMZ's database connection, with ``exec``."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from ..errors import ConnectFailed, InputError, NotSupported
from ..fork import ForkHold, around_fork, keep_for_ever
from .host import StreamHost

__all__ = ["SqliteConnection"]


class SqliteConnection:
    """A SQLite database that several threads may use.

    Args:
        target: A file, ``:memory:``, or a ``file:`` URI such as ``file:test.db?cache=shared&mode=memory``; a path after three slashes is
            absolute.
        host: The clock and the journal.

    Raises:
        ConnectFailed: The database cannot be opened.
    """

    def __init__(self, target: str, host: StreamHost) -> None:
        self._name = target.partition("?")[0]
        self._host = host
        self._lock = threading.Lock()  # guards the connection, whose own check of threads is switched off
        self._closed = False  # from the first call of close() on
        self._forked = False  # opened by the parent of this process
        try:
            self._database = sqlite3.connect(
                target, check_same_thread=False, uri=target.startswith("file:"), isolation_level=None
            )
        except sqlite3.Error as error:
            raise ConnectFailed(f"cannot open sqlite3://{self._name}: {error}") from error
        self._hold = ForkHold(self._lock)
        around_fork(self._before_fork, self._after_fork, self._left_behind)

    def _before_fork(self) -> None:
        self._hold.take()

    def _after_fork(self) -> None:
        self._hold.release()

    def _left_behind(self) -> None:
        """In the child of a fork: closes the copy of the parent's database; see ``Database`` for why it does not stay open."""
        self._lock = threading.Lock()
        self._forked = self._closed = True
        if self._hold.is_held:
            self._database.close()
        else:
            keep_for_ever(self._database)

    def exec(self, sql: str, *binds: object) -> dict[str, Any] | None:
        """Runs one statement.

        Args:
            sql: The statement, with ``?`` placeholders.
            *binds: Their values: int, float, str, bool, None or bytes.

        Returns:
            ``{"columns": [...], "values": [[...], ...]}`` (both empty for a statement without rows); None on failure, with an error line.

        Raises:
            InputError: ``sql`` is not text.
        """
        if not isinstance(sql, str):
            raise InputError(f"exec() takes one SQL statement as text, got {type(sql).__name__}")
        if self._forked:
            self._host.error(
                f"sqlite3://{self._name}: it was opened before the fork, in the parent process; open it in the child by Dial()",
                source="Dial",
            )
            return None
        try:
            with self._lock:
                cursor = self._database.execute(sql, binds)
                values = [list(row) for row in cursor.fetchall()]
                columns = [column[0] for column in cursor.description or ()]
            return {"columns": columns, "values": values}
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            # Besides its own errors, sqlite3 raises a warning for several statements, and ValueError or OverflowError for NUL bytes, lone
            # surrogates and integers beyond 64 bits.
            self._host.error(f"sqlite3://{self._name}: {error}", source="Dial")
            return None

    def read(self, timeout_ms: float | None = None) -> None:
        """Not available for a database.

        Raises:
            NotSupported: Always.
        """
        raise NotSupported("read() is for streams; use exec(sql, *binds) on a sqlite3:// connection")

    def write(self, data: str | bytes, timeout_ms: float | None = None) -> int:
        """Not available for a database.

        Raises:
            NotSupported: Always.
        """
        raise NotSupported("write() is for streams; use exec(sql, *binds) on a sqlite3:// connection")

    @property
    def state(self) -> str:
        """``open`` or ``closed``."""
        return "closed" if self._closed else "open"

    def close(self) -> None:
        """Closes the database and interrupts a running statement; a second call has no effect."""
        self._closed = True
        if self._forked:
            return
        with suppress(sqlite3.ProgrammingError):  # it is closed already
            self._database.interrupt()
        with self._lock:
            self._database.close()

    def __enter__(self) -> SqliteConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Dial sqlite3://{self._name} {self.state}>"
