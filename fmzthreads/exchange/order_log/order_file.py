"""The order log's file: a row for each intent before it is sent, shared by all exchange objects and processes of a strategy.

A row is committed before the first byte of its order leaves. What became of the order is written soon after: with the next row, or
by a thread within some ten milliseconds. A process that is killed in between leaves the row as ``sending``, which the next process settles by
asking the venue.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...clock import Clock, WallClock
from ...database import Database
from ...errors import FmzError, OperationFailed
from ...fork import after_fork_in_child
from ...process_start import start_of
from ..venue import OrderFill
from .client_ids import ClientIds
from .intents import IntentRecord
from .pruning import Pruning
from .rows import (
    CHANGE,
    CHANGE_STATUS,
    FORGOTTEN,
    INSERT,
    INSERT_FILL,
    SCHEMA,
    SELECT_OPEN,
    SELECT_WITHOUT_END,
    StoredIntent,
    changes_of,
    read_row,
    set_up,
    values_of,
)
from .writer import Writer

__all__ = ["OrderFile"]

_BUSY_S = 0.25
"""How long an order waits while another program holds the file, in seconds. Ours hold it for a millisecond at most."""

_COMMITS_PER_CHECKPOINT = 4000
"""How many transactions the write-ahead log collects (about 10 MB). Copying them waits for the disk, and may hold up orders for that time."""

_MOST_WAITING = 1000
"""How many changes may wait for the writer's thread before an order's thread writes them."""

_IDS_AT_ONCE = 500
"""How many orders one query asks for; SQLite allows 999 values at the least."""

Statement = tuple[str, Sequence[Any]]


class _Ticket:
    """A transaction that waits to be committed."""

    __slots__ = ("done", "error", "statement")

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.done = False
        self.error: FmzError | None = None


class OrderFile:
    """The orders of a strategy in a SQLite file; thread-safe, and shared with other processes.

    Args:
        path: The file; made when the first order is stored.
        name: The strategy's name, from which the prefix of its client order ids is made.
        clock: Measures ages.
        warn: Called with the text when what became of orders cannot be stored; once until it can be again.
        pid: The id of the process; None for this one. (Tests play several processes.)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str,
        clock: Clock | None = None,
        *,
        warn: Callable[[str], object] = str,
        pid: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.ids = ClientIds(name)
        self._clock: Clock = clock if clock is not None else WallClock()
        self._warn = warn
        self._pid = pid
        self._database = Database(self.path, SCHEMA, durable=False, busy_s=_BUSY_S, setup=set_up)
        # On a connection of its own: copying the write-ahead log into the file takes milliseconds, and no order waits for it.
        self._checkpoints = Database(self.path, SCHEMA, durable=False, busy_s=_BUSY_S, setup=set_up)
        self._disk = False
        self._writer = Writer(self)
        self._reset()
        after_fork_in_child(self._reset)

    def _reset(self) -> None:
        """At first, and in the child of a fork: what is queued is the parent's, which writes it; the child is a run of its own."""
        # Held by the thread that commits; the transactions of those that wait for it are committed with its own.
        self._turn = threading.Lock()
        self._tickets: deque[_Ticket] = deque()
        self._changes: deque[Statement] = deque()  # not written yet; appended to without a lock, which a deque allows
        self._run = 0
        self._numbers = itertools.count(1)
        self._uncopied = 0  # transactions since the last checkpoint
        self._pruning = Pruning(self._checkpoints, self._clock)
        self._pruning_turn = threading.Lock()  # held by the thread that prunes
        self._warned = False
        self._ended: dict[int, float] = {}  # when each ended run was first seen, on the monotonic clock

    def sync(self) -> None:
        """From now on a row survives a power failure too: each commit waits for the disk."""
        with self._turn:
            self._disk = True
            self._database.synchronize()

    # Writing

    def begin(self, record: IntentRecord, account: str) -> int:
        """Commits a new row before its order is sent; see ``IntentStore``.

        Raises:
            OperationFailed: It could not be stored, so nothing may be sent.
        """
        row = self._next_row()
        ticket = _Ticket((INSERT, values_of(row, record, account)))
        self._tickets.append(ticket)
        with self._turn:
            if not ticket.done:
                self._commit()
        if ticket.error is not None:
            raise OperationFailed(
                f"nothing was sent, because the order could not be stored first: {ticket.error}"
            ) from ticket.error
        return row

    def _commit(self) -> None:
        """Commits all that waits, in one transaction; called with the turn. The last error goes to each ticket."""
        count = len(self._tickets)
        tickets = [self._tickets.popleft()] if count == 1 else [self._tickets.popleft() for _ in range(count)]
        # Usually the writer's thread writes the changes, many in one transaction; with an order they would cost it twice as much.
        changes = self._take_changes() if len(self._changes) > _MOST_WAITING else []
        error: FmzError | None = None
        try:
            if count == 1 and not changes:
                self._database.execute_one(*tickets[0].statement)
            else:
                self._database.execute_all([*changes, *(ticket.statement for ticket in tickets)])
            self._uncopied += 1
        except FmzError as failure:
            error = failure
            self._changes.extendleft(reversed(changes))
        except BaseException:  # an interrupt: the row must not count as stored
            error = OperationFailed("the write was interrupted")
            self._changes.extendleft(reversed(changes))
            raise
        finally:
            for ticket in tickets:
                ticket.error = error
                ticket.done = True

    def _take_changes(self) -> list[Statement]:
        return [self._changes.popleft() for _ in range(len(self._changes))]

    def _next_row(self) -> int:
        if not self._run:
            with self._turn:
                self._run = self._run or self._register()
        return (self._run << 32) + next(self._numbers)  # which no two threads get alike

    def _register(self) -> int:
        """Reserves this process's part of the ids, and returns its number."""
        pid = self._pid if self._pid is not None else os.getpid()
        try:
            self._database.execute(
                "INSERT INTO runs (part, pid, started, made_at) VALUES (?, ?, ?, ?)",
                (self.ids.run, pid, start_of(pid), self._clock.now()),
            )
            (found,) = self._database.execute("SELECT run FROM runs WHERE part = ?", (self.ids.run,))
        except OperationFailed as error:
            raise OperationFailed(f"nothing was sent, because the order could not be stored first: {error}") from error
        return int(found[0])

    def change(self, row: int, record: IntentRecord) -> None:
        """Queues what became of an intent; see ``IntentStore``."""
        self._changes.append((CHANGE, changes_of(row, record)))
        self._writer.ring()

    def flush(self) -> None:
        """Writes what is queued.

        Raises:
            OperationFailed: It could not be written; it stays queued.
        """
        with self._turn:
            self._flush()
        if self._uncopied >= _COMMITS_PER_CHECKPOINT:
            self._uncopied = 0
            self._checkpoints.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _flush(self) -> None:
        if not self._changes:
            return
        changes = self._take_changes()
        try:
            self._database.execute_all(changes)
            self._uncopied += 1
        except BaseException:  # any error is raised again; the changes stay queued, in their order
            self._changes.extendleft(reversed(changes))
            raise

    def flush_quietly(self) -> bool:
        """Writes what is queued, and prunes now and then; a failure is a warning, once. Returns whether nothing is left."""
        try:
            self.flush()
            self._prune()
        except FmzError as error:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"what became of orders cannot be stored; it is tried again, and orders are refused meanwhile: {error}"
                )
            return False
        self._warned = False
        return not self._changes

    def _prune(self) -> None:
        if not self._run or not self._pruning_turn.acquire(blocking=False):
            return
        try:
            self._pruning.step()
        except OperationFailed:
            pass  # nothing depends on it; it is tried again in an hour
        finally:
            self._pruning_turn.release()

    # What earlier runs left

    def left_open(self, account: str, symbol: str | None = None) -> list[StoredIntent]:
        """Reads the intents of ended processes whose outcome is not known, oldest first; those of living processes are left alone.

        Args:
            account: The account that they were sent to.
            symbol: Only of this symbol, and cancels whose symbol is not known; None for all.

        Raises:
            OperationFailed: The file cannot be read or written.
        """
        if not self._exists():
            return []
        found: list[StoredIntent] = []
        runs = self._database.execute("SELECT run, pid, started FROM runs WHERE closed = 0 AND run <> ?", (self._run,))
        for run, pid, started in runs:
            if started and start_of(pid) == started:
                continue
            self._ended.setdefault(run, self._clock.monotonic())
            first = run << 32
            rows = self._database.execute(SELECT_OPEN, (first, first + 2**32 - 1))
            if not rows:
                self._database.execute("UPDATE runs SET closed = 1 WHERE run = ?", (run,))
            found += self._read(rows)
        wanted = {None, symbol, ""}
        mine = [
            one for one in found if one.account == account and (symbol is None or one.record.intent.symbol in wanted)
        ]
        return sorted(mine, key=lambda one: one.record.made_at)

    def placed(self, order_ids: Sequence[str]) -> set[str]:
        """Which of these orders the strategy has placed, in this run or an earlier one.

        Args:
            order_ids: Ids, as in ``Order.Id``.

        Raises:
            OperationFailed: The file cannot be read or written.
        """
        self.flush()
        return self.recorded(order_ids)

    def recorded(self, order_ids: Sequence[str], *, conditional: bool = False) -> set[str]:
        """``placed``, but for orders of this process that ended within the last milliseconds; writes nothing.

        Args:
            order_ids: Ids, as in ``Order.Id``.
            conditional: Whether they are those of condition orders.

        Raises:
            OperationFailed: The file cannot be read.
        """
        if not self._exists():
            return set()
        found: set[str] = set()
        for first in range(0, len(order_ids), _IDS_AT_ONCE):
            some = order_ids[first : first + _IDS_AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = self._database.execute(
                f"SELECT DISTINCT order_id FROM intents WHERE kind = ? AND order_id IN ({marks})",  # noqa: S608 (only marks)
                ["condition" if conditional else "order", *some],
            )
            found.update(row[0] for row in rows)
        return found

    def _exists(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:  # a folder that must not be looked into
            raise OperationFailed(f"the order log {self.path} cannot be read: {error.strerror or error}") from error

    def _read(self, rows: Sequence[tuple[Any, ...]]) -> list[StoredIntent]:
        try:
            return [read_row(row) for row in rows]
        except (ValueError, ArithmeticError, TypeError, KeyError) as error:
            raise OperationFailed(
                f"the order log {self.path} holds a row that cannot be read ({type(error).__name__}: {error}); "
                "it was not changed: move the file away, or mend the row"
            ) from error

    def gone_s(self, stored: StoredIntent) -> float:
        """Seconds since ``left_open`` first saw that the process of an intent has ended.

        Until its end it may have sent the order, however long ago the row was made.
        """
        now = self._clock.monotonic()
        return now - self._ended.setdefault(stored.run, now)

    # Fills

    def without_end(self, account: str) -> list[StoredIntent]:
        """Reads the placed orders of an account whose end is not stored, oldest first; not those of other processes that still run.

        Raises:
            OperationFailed: The file cannot be read.
        """
        if not self._exists():
            return []
        self.flush()
        runs = self._database.execute("SELECT run, pid, started FROM runs WHERE run <> ?", (self._run,))
        alive = {run for run, pid, started in runs if started and start_of(pid) == started}
        found = self._read(self._database.execute(SELECT_WITHOUT_END, (account,)))
        return [stored for stored in found if stored.run not in alive]

    def put_fills(self, stored: StoredIntent, fills: Sequence[OrderFill]) -> None:
        """Stores the fills of an order, each once by its trade id, with its state and what was filled, in one transaction.

        Raises:
            OperationFailed: The file cannot be written.
        """
        record = stored.record
        head = (stored.account, record.intent.symbol, record.order_id)
        rows: list[Statement] = [
            (
                INSERT_FILL,
                (
                    *head,
                    fill["Id"],
                    *(str(fill[name]) for name in ("Price", "Amount", "Fee", "FeeCurrency")),
                    fill["Time"],
                    int(fill["Maker"]),
                ),
            )
            for fill in fills
        ]
        ended = (CHANGE_STATUS, (record.status, str(record.deal_amount), stored.row))
        self._database.execute_all([*rows, ended])

    def age_s(self, stored: StoredIntent) -> float:
        """Seconds of the wall clock since the fate of an intent was recorded; below 0 if the clock was set back."""
        record = stored.record
        return self._clock.now() - max(record.made_at, record.left_at, record.settled_at)

    def forget(self, stored: StoredIntent, detail: str) -> None:
        """Stores that the venue no longer knows a placed order, so that it is not asked again; its fills stay.

        Raises:
            OperationFailed: The file cannot be written.
        """
        self._database.execute_all([(FORGOTTEN, (detail, stored.row))])

    def close(self) -> None:
        """Writes what is queued and closes the file; a later order opens it again."""
        self._writer.stop()
        self.flush_quietly()
        self._database.close()
        self._checkpoints.close()
