"""The log and the profit curve in a strategy's SQLite file, with the tables and columns that FMZ's users know.

The columns of ``log`` and ``profit`` are those of a row of ``GetRobotLogs`` (FMZ's guide, "Extended API Interface"); those after ``direction`` are
ours. No row is deleted automatically: FMZ documents no limit for live runs, and ``LogReset`` keeps the number of lines that it is given.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from ...charts.points import ChartEntry
from ...database import Database
from ...exchange.holdings import HoldingsSample
from ..charts import SCHEMA as CHART_SCHEMA
from ..charts import chart_statements
from .left_lines import DAMAGED, LeftLines, left_files, left_lines
from .lines import Entry, Kind, Line, Mark, ProfitPoint, Reset, StatusText, UnstoredLine, Vacuum
from .spill import MARK_SCHEMA

__all__ = ["LOG_TYPES", "SCHEMA", "DatabaseSink", "store_left_lines"]

_LOG_TYPES: dict[Kind, int] = {"buy": 0, "sell": 1, "cancel": 2, "error": 3, "profit": 4, "log": 5, "restart": 6}
LOG_TYPES: Mapping[Kind, int] = MappingProxyType(_LOG_TYPES)
"""FMZ's number of each kind of line."""

_COLUMNS = (
    "date", "logType", "eid", "orderId", "price", "amount", "extra", "contractType", "direction", "color", "push", "private", "source",
)  # fmt: skip
_LOG_TABLE = (
    "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY AUTOINCREMENT, date INTEGER NOT NULL, logType INTEGER NOT NULL, "
    "eid TEXT NOT NULL, orderId TEXT NOT NULL, price REAL NOT NULL, amount REAL NOT NULL, extra TEXT NOT NULL, "
    "contractType TEXT NOT NULL, direction TEXT NOT NULL, color TEXT NOT NULL, push INTEGER NOT NULL, private INTEGER NOT NULL, "
    "source TEXT NOT NULL)"
)
_PROFIT_TABLE = "CREATE TABLE IF NOT EXISTS profit (id INTEGER PRIMARY KEY AUTOINCREMENT, profit REAL NOT NULL, date INTEGER NOT NULL)"
# What a platform is to push: also lines that are not stored, and those that a LogReset deletes before it has looked.
_PUSH_TABLE = (
    "CREATE TABLE IF NOT EXISTS push (id INTEGER PRIMARY KEY AUTOINCREMENT, date INTEGER NOT NULL, extra TEXT NOT NULL)"
)
_MOST_PUSHES = 10_000
# What the strategy held, as far as it asked: JSON with the fields of SeenMoney and SeenPosition, about one row a minute.
_HOLDING_TABLE = "CREATE TABLE IF NOT EXISTS holding (id INTEGER PRIMARY KEY AUTOINCREMENT, date INTEGER NOT NULL, data TEXT NOT NULL)"
_MOST_HOLDINGS = 100_000
SCHEMA = (_LOG_TABLE, _PROFIT_TABLE, _PUSH_TABLE, _HOLDING_TABLE, MARK_SCHEMA, *CHART_SCHEMA)
"""What creates the tables."""

# What the writer's thread waits for another program's lock before it lets go and tries again; a close must not wait for longer.
_BUSY_S = 0.25
# One statement inserts so many rows: the thread gives the interpreter's lock away, and has to get it back, once a statement.
_ROWS = 500 if sqlite3.sqlite_version_info >= (3, 32) else 999 // len(_COLUMNS)


class DatabaseSink:
    """Keeps lines, the profit curve and charts in a SQLite file (tables ``log``, ``profit``, ``chart``, ``cfg``); the status bar is not stored, as on FMZ.

    Each batch is one transaction. While another program holds the file, the lines wait in the journal's queue.

    Args:
        path: The file; the strategy's store may lie in the same one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(path, SCHEMA, durable=False, busy_s=_BUSY_S)
        self._checked = False

    def write(self, batch: Sequence[Entry]) -> None:
        """Stores the lines and points, and deletes what is to be deleted, in this order.

        Raises:
            OperationFailed: The file cannot be written now; nothing of the batch was.
        """
        if not self._checked:
            self._set_aside_old_tables()
            self.store_left_lines()
            self._checked = True
        if isinstance(batch[0], Vacuum):
            self._database.execute("VACUUM")  # not possible within a transaction
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # only then does the file itself become smaller
            return
        statements = list(_statements(batch))
        if statements:
            self._database.execute_all(statements)

    def _set_aside_old_tables(self) -> None:
        """Renames tables that an earlier version of fmzthreads made with other columns."""
        for table, statement in zip(("log", "profit"), SCHEMA[:2], strict=True):
            names = {row[1] for row in self._database.execute(f"PRAGMA table_info({table})")}
            if "time_ms" in names:
                self._database.execute_all(
                    [(f"ALTER TABLE {table} RENAME TO {table}_old_columns", ()), (statement, ())]
                )

    def store_left_lines(self) -> None:
        """Stores what processes that were killed left on its way here (see ``spill.py``), each entry once.

        Raises:
            OperationFailed: The file cannot be written now.
        """
        for path in left_files(self._database.path):
            trouble = ""
            try:
                with left_lines(path) as left:
                    if left is not None:
                        self._store_left(left)
            except OSError as error:
                trouble = f"the lines that a killed process left in {path} cannot be taken over: {error}"
            if trouble:
                self._database.execute_all(_statements([_notice(trouble)]))

    def _store_left(self, left: LeftLines) -> None:
        """Stores what one process left. Should this one be killed too, the mark tells how far it came."""
        marks = self._database.execute("SELECT number FROM spilled WHERE name = ?", (left.name,))
        entries = left.after(marks[0][0] if marks else 0)
        if left.damage:
            entries.append(
                _notice(
                    f"the file of lines that a killed process left is damaged: {left.damage}; {len(entries)} entries of it were stored, "
                    f"and it is kept as {left.name}{DAMAGED}"
                )
            )
        if entries:
            self._database.execute_all(_statements([*entries, Mark(left.name, left.last)]))
        left.put_away()

    def close(self) -> None:
        """Closes the file; a later line opens it again."""
        self._database.close()


def store_left_lines(path: str | os.PathLike[str]) -> None:
    """Stores what a strategy that was killed left on its way to its file, for those who read it before the next start.

    Args:
        path: The strategy's SQLite file.

    Raises:
        OperationFailed: It cannot be written now.
    """
    if not left_files(Path(path)):
        return
    sink = DatabaseSink(path)
    try:
        sink.store_left_lines()
    finally:
        sink.close()


def _notice(text: str) -> Line:
    return Line(number=0, time_ms=time.time_ns() // 1_000_000, kind="error", text=text, source="fmzthreads")


def _statements(entries: Sequence[Entry]) -> Iterator[tuple[str, Sequence[Any]]]:
    for kind, group in groupby(entries, type):
        rows = list(group)
        if kind is Line or kind is UnstoredLine:
            yield from _pushes([row for row in rows if isinstance(row, Line) and row.push])
        if kind is Line:
            yield from _inserts("log", _COLUMNS, [_log_row(row) for row in rows if isinstance(row, Line)])
        elif kind is UnstoredLine:
            continue
        elif kind is ProfitPoint:
            points = [(row.value, row.time_ms) for row in rows if isinstance(row, ProfitPoint)]
            yield from _inserts("profit", ("profit", "date"), points)
        elif kind is HoldingsSample:
            samples = [(row.time_ms, _sample_text(row)) for row in rows if isinstance(row, HoldingsSample)]
            yield from _inserts("holding", ("date", "data"), samples)
            yield "DELETE FROM holding WHERE id <= (SELECT MAX(id) FROM holding) - ?", (_MOST_HOLDINGS,)
        elif kind is Mark:
            yield from (_mark_statement(row) for row in rows if isinstance(row, Mark))
        elif kind is not StatusText:
            yield from chart_statements([row for row in rows if isinstance(row, ChartEntry)])
            for row in rows:
                if isinstance(row, Reset):
                    # The newest row to be deleted has exactly ``remain`` newer ones; ids grow, and are never used again.
                    newest = f"(SELECT id FROM {row.table} ORDER BY id DESC LIMIT 1 OFFSET ?)"  # noqa: S608
                    yield f"DELETE FROM {row.table} WHERE id <= {newest}", (row.remain,)  # noqa: S608


def _mark_statement(mark: Mark) -> tuple[str, Sequence[Any]]:
    if mark.number < 0:
        return "DELETE FROM spilled WHERE name = ?", (mark.name,)
    return "INSERT OR REPLACE INTO spilled (name, number) VALUES (?,?)", (mark.name, mark.number)


def _pushes(lines: Sequence[Line]) -> Iterator[tuple[str, Sequence[Any]]]:
    if lines:
        yield from _inserts("push", ("date", "extra"), [(line.time_ms, _storable(line.text)) for line in lines])
        yield "DELETE FROM push WHERE id <= (SELECT MAX(id) FROM push) - ?", (_MOST_PUSHES,)


def _inserts(table: str, columns: Sequence[str], rows: list[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    for start in range(0, len(rows), _ROWS):
        chunk = rows[start : start + _ROWS]
        marks = f"({','.join('?' * len(columns))})"
        yield (
            f"INSERT INTO {table} ({','.join(columns)}) VALUES {','.join([marks] * len(chunk))}",  # noqa: S608
            [value for row in chunk for value in row],
        )


def _sample_text(sample: HoldingsSample) -> str:
    money, positions = ([attrs.astuple(one) for one in some] for some in (sample.money, sample.positions))
    return _storable(json.dumps({"money": money, "positions": positions}, ensure_ascii=False))


def _log_row(line: Line) -> tuple[Any, ...]:
    price = line.profit if line.kind == "profit" else line.price
    text = line.text
    return (
        line.time_ms, _LOG_TYPES[line.kind], line.label and _storable(line.label), line.order_id and _storable(line.order_id),
        price or 0.0, line.amount or 0.0, text if text.isascii() else _storable(text), line.symbol and _storable(line.symbol), "",
        line.color, line.push, line.private, line.source and _storable(line.source),
    )  # fmt: skip


def _storable(text: str) -> str:
    """Text that SQLite takes: a lone surrogate (from a badly decoded reply) becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
