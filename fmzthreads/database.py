"""A SQLite file, opened at its first use, shared by threads and processes.

Each statement is its own transaction, in write-ahead logging, so that a process that is killed loses no finished
write, and readers in other processes never wait.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .clock import WallClock
from .errors import OperationFailed
from .fork import ForkHold, around_fork, keep_for_ever

__all__ = ["Database"]

T = TypeVar("T")

_BUSY_S = 3.0
"""How long a statement waits by default while another program holds the file, in seconds. Writes of ours take milliseconds."""

_TURN_S = 10.0
"""How long a statement waits for those of other threads, in seconds: the first one makes the file, and each may wait for a busy disk, or the processor."""


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


class Database:
    """A SQLite file.

    Args:
        path: The file; it and its folders are created by the first statement.
        schema: Statements that create the tables; each may be repeated (``CREATE TABLE IF NOT EXISTS``).
        durable: Whether each write survives a power failure once it returns. Otherwise it survives only the end of the process, and
            costs far less.
        busy_s: How long a statement waits while another program holds the file, in seconds; it then raises OperationFailed. Calls of
            other threads are waited for longer: they end by themselves.
        setup: Called with a new connection before the tables are created; it may set modes, and raises OperationFailed for a file that
            must not be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Sequence[str],
        *,
        durable: bool,
        busy_s: float = _BUSY_S,
        setup: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        self.path = Path(path)
        self._schema = tuple(schema)
        self._durable = durable
        self._busy_s = busy_s
        self._setup = setup
        # Guards the connection: one statement at a time, and its rows read before the next.
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._lockouts = 0  # statements that failed because another program held the file
        self._closer: weakref.finalize[[], Database] | None = None
        self._busy_at_fork = False
        self._hold = ForkHold(self._lock)
        around_fork(self._before_fork, self._after_fork, self._start_anew)

    def _before_fork(self) -> None:
        self._hold.take()

    def _after_fork(self) -> None:
        self._hold.release()

    def _start_anew(self) -> None:
        """In the child of a fork: closes its copy of the connection; the next statement opens the file again.

        SQLite keeps one state of a file for all connections of a process. If the copy stayed, the child would believe to have locks that
        only the parent has: once the parent has closed the file, what the child writes is lost. Closing a copy that was at rest releases
        no lock of the parent's and writes nothing while the parent has the file open.
        """
        at_rest = self._hold.is_held
        self._lock = threading.RLock()
        self._hold = ForkHold(self._lock)
        connection, self._connection = self._connection, None
        if self._closer is not None:
            self._closer.detach()
        if connection is None:
            self._busy_at_fork = not at_rest  # a connection may have been half open
        elif at_rest:
            connection.close()
        else:
            keep_for_ever(connection)
            self._busy_at_fork = True

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement, as its own transaction, and returns all its rows.

        Raises:
            OperationFailed: The file cannot be opened, read or written, is not a database, or is damaged; it is not changed.
        """
        with self._held():
            try:
                return self._open().execute(sql, params).fetchall()
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error

    def execute_one(self, sql: str, params: Sequence[Any]) -> None:
        """Runs one statement without rows; like ``execute``, for those that are called so often that its cost counts.

        Raises:
            OperationFailed: The file cannot be opened, read or written, is not a database, or is damaged; it is not changed.
        """
        lock = self._lock
        if not lock.acquire(blocking=False):
            self._wait_for_turn()
        try:
            (self._connection or self._open()).execute(sql, params)
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        finally:
            lock.release()

    def _wait_for_turn(self) -> None:
        """Takes the lock after other threads; those that wait while one of them waits for another program fail soon after it, not one after the other."""
        clock = WallClock()
        lock, lockouts, began = self._lock, self._lockouts, clock.monotonic()
        if not lock.acquire(timeout=_TURN_S):
            raise OperationFailed(
                f"the database {self.path} cannot be used: calls of other threads have held it for {_TURN_S:g} s"
            )
        if self._lockouts != lockouts and clock.monotonic() - began >= self._busy_s:
            lock.release()
            raise OperationFailed(f"the database {self.path} cannot be used: {self._held_by_another()}")

    def _held_by_another(self) -> str:
        return f"another program has held it for {self._busy_s:g} s"

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the lock."""
        lock = self._lock
        if not lock.acquire(blocking=False):
            self._wait_for_turn()
        try:
            yield
        finally:
            lock.release()

    def execute_all(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements and their parameters as one transaction: all of them take effect, or none.

        Args:
            statements: Statements and their parameters.

        Raises:
            OperationFailed: The file cannot be opened or written, is not a database, or is damaged; it is not changed.
        """
        todo = list(statements)
        if len(todo) == 1:
            self.execute_one(*todo[0])
            return
        with self._held():
            try:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    for sql, params in todo:
                        connection.execute(sql, params)
                    connection.execute("COMMIT")
                except BaseException:  # any error, an interrupt too, is raised again; the transaction is undone first
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error

    def synchronize(self) -> None:
        """From now on each write survives a power failure once it returns."""
        with self._lock:
            self._durable = True
            if self._connection is not None:
                self._connection.execute("PRAGMA synchronous=FULL")

    def close(self) -> None:
        """Closes the file; a later statement opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if self._closer is not None:
                self._closer.detach()
            if connection is not None:
                connection.close()

    def _failure(self, error: Exception) -> OperationFailed:
        text = f"the database {self.path} cannot be used: {error}"
        if _is_locked(error):
            self._lockouts += 1
            text += f"; {self._held_by_another()}"
        damaged = "not a database" in str(error) or "malformed" in str(error)
        if damaged:
            text += "; the file was not changed: move it away, or replace it with a good copy"
        return OperationFailed(text)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        if self._busy_at_fork:
            raise OperationFailed(
                f"the database {self.path} was in use by another thread when this process was forked, and SQLite cannot open it here; "
                "fork while nothing is written, or start the process with the method 'spawn' or 'forkserver'"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:  # any error, an interrupt too, is raised again; the half-opened file is closed first
            connection.close()
            raise
        self._connection = connection
        self._closer = weakref.finalize(self, connection.close)
        # Not at the end of the process: other threads may still write, and closing under them is a crash. Nothing is lost without it.
        self._closer.atexit = False
        return connection

    def _patiently(self, work: Callable[..., T], *args: Any) -> T:
        """Repeats a step as long as the file is locked, at most ``busy_s``."""
        try:
            return work(*args)
        except sqlite3.OperationalError as error:
            if not _is_locked(error):
                raise
        import tenacity  # with asyncio it takes as long to load as half of this package, and most processes never need it

        patiently = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_locked),
            wait=tenacity.wait_random(0.002, 0.05),
            stop=tenacity.stop_after_delay(self._busy_s),
            sleep=WallClock().sleep,
            reraise=True,
        )
        return patiently(work, *args)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Sets the modes and creates the tables.

        Switching to write-ahead logging fails at once, without SQLite's own waiting, while another process does the same; so it is
        repeated here.
        """
        if self._setup is not None:
            self._patiently(self._setup, connection)  # first, so that a file that is refused stays as it is
        self._patiently(connection.execute, "PRAGMA journal_mode=WAL").fetchall()
        connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        for statement in self._schema:
            self._patiently(connection.execute, statement)
