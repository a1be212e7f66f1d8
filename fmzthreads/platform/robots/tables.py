"""Reads the tables of robots' run folders: log, profit curve and chart, in pages, also while the robots write.

Ids of a table have no gaps: they count up, and only the oldest rows are ever deleted (``LogReset``); so the number of rows and the place of a
page follow from the smallest and the largest id, without a walk over a million rows. Source of the rows' form: FMZ's user guide, "Extended API
Interface", ``GetRobotLogs``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from .database_files import DatabaseFiles, FileStamp, file_stamp
from .log_filter import EVERYTHING, LogFilter
from .log_index import LogIndex

__all__ = [
    "EVERYTHING",
    "ChartRow",
    "HoldingRow",
    "LogFilter",
    "LogRow",
    "ProfitRow",
    "PushRow",
    "RobotTables",
    "TablePage",
]

_MOST_COUNTS = 512  # numbers of matching rows that are remembered
_MOST_SEEN = 2048
_MOST_ROWS = 100_000  # of one page
_LOG = "id, date, logType, eid, orderId, price, amount, extra, contractType, direction, color, push, private, source"


@attrs.frozen(kw_only=True)
class LogRow:
    """A line of a robot's log.

    Attributes:
        id: Its number; counts up from 1.
        time_ms: When, in milliseconds since the epoch.
        kind: FMZ's log type: 0 buy, 1 sell, 2 cancel, 3 error, 4 profit, 5 message, 6 restart.
        label: The exchange of an order line.
        order_id: The order of an order line.
        price: Its price, or the value of a profit line.
        amount: Its amount.
        text: The text, with ``[trans]`` and tables in backquotes as the strategy wrote them: never trust it as markup.
        symbol: The symbol of an order line.
        direction: The direction of an order line.
        color: ``#rrggbb`` or empty.
        push: Whether it was pushed.
        private: Whether ``&`` hides it from others.
        source: Where an error came from.
    """

    id: int
    time_ms: int
    kind: int
    label: str
    order_id: str
    price: float
    amount: float
    text: str
    symbol: str
    direction: str
    color: str
    push: bool
    private: bool
    source: str


@attrs.frozen(kw_only=True)
class PushRow:
    """A message that a strategy wants to have pushed: its number, when in milliseconds since the epoch, and its text."""

    id: int
    time_ms: int
    text: str


@attrs.frozen(kw_only=True)
class ProfitRow:
    """A point of the profit curve: its number, when in milliseconds since the epoch, and the profit."""

    id: int
    time_ms: int
    profit: float


@attrs.frozen(kw_only=True)
class HoldingRow:
    """A sample of what a strategy held: its number, when in milliseconds since the epoch, and JSON."""

    id: int
    time_ms: int
    data: str


@attrs.frozen(kw_only=True)
class ChartRow:
    """A point of a chart: its number, the index of its series, its JSON text, and when it was last written."""

    id: int
    series: int
    data: str
    changed_ms: int


@attrs.frozen(kw_only=True)
class TablePage:
    """A page of a table.

    Attributes:
        total: How many rows match; all rows without a filter.
        smallest: The smallest id of the table; 0 when it is empty.
        largest: The largest id of the table; 0 when it is empty.
        rows: The rows (of ``LogRow``, ``ProfitRow`` or ``ChartRow``), newest first.
    """

    total: int = 0
    smallest: int = 0
    largest: int = 0
    rows: Sequence[Any] = ()


class RobotTables:
    """Reads run folders' databases; keeps the files open. Any thread may use it."""

    def __init__(self) -> None:
        self._files = DatabaseFiles()
        self.index = LogIndex(self._files.rows)
        """The indexes beside long logs."""
        self._lock = threading.Lock()  # guards the fields below
        # Of a filter: the matching rows between two ids; only rows that came or went since are looked at again.
        self._counts: OrderedDict[tuple[Path, LogFilter], tuple[int, int, int]] = OrderedDict()
        # What was read of files that have not been written since, for lists of many robots.
        self._seen: OrderedDict[tuple[Path, str], tuple[FileStamp, Any]] = OrderedDict()

    def log(
        self, path: Path, *, min_id: int = 0, max_id: int = 0, offset: int = 0, limit: int = 100,
        wanted: LogFilter = EVERYTHING, counted: bool = True,
    ) -> TablePage:  # fmt: skip
        """A page of the log, newest first.

        Args:
            path: The robot's database.
            min_id: The smallest id; 0 or less for no bound.
            max_id: The largest id; 0 or less for no bound.
            offset: How many of the newest matching rows are skipped.
            limit: At most so many rows; 0 for none, only the counts.
            wanted: Which lines.
            counted: Whether those that match a filter are counted; that may take as long as reading the whole log once.

        Raises:
            OperationFailed: The file cannot be read.
        """
        smallest, largest = self._bounds(path, "log")
        low, high = max(smallest, min_id), min(largest, max_id) if max_id > 0 else largest
        if not wanted.condition()[0]:
            rows = self._slice(path, f"SELECT {_LOG} FROM log", smallest, low, high, offset, limit)  # noqa: S608
            total = max(0, high - low + 1) if largest else 0
        else:
            rows = self._filtered(path, wanted, low, high, max(0, offset), _at_most(limit))
            total = self._matching(path, wanted, low, high) if counted else 0
        return TablePage(total=total, smallest=smallest, largest=largest, rows=[_log_row(row) for row in rows])

    def log_after(self, path: Path, after_id: int, *, limit: int = 500, wanted: LogFilter = EVERYTHING) -> list[LogRow]:
        """The lines after an id, oldest first; for those who follow a log.

        Raises:
            OperationFailed: The file cannot be read.
        """
        condition, params = wanted.condition()
        query = f"SELECT {_LOG} FROM log WHERE id > ? {f'AND {condition}' if condition else ''} ORDER BY id LIMIT ?"  # noqa: S608
        return [_log_row(row) for row in self._files.rows(path, query, (after_id, *params, _at_most(limit)))]

    def grow_index(self, path: Path) -> bool:
        """Adds some lines to the index beside a long log; returns whether there is more to add at once.

        Raises:
            OperationFailed: The log cannot be read.
            OSError: The index cannot be written.
        """
        return self.index.grow(path, *self._bounds(path, "log"))

    def pushes_after(self, path: Path, after_id: int, *, limit: int) -> list[PushRow]:
        """The messages after a number that are to be pushed, oldest first.

        Raises:
            OperationFailed: The file cannot be read.
        """
        query = "SELECT id, date, extra FROM push WHERE id > ? ORDER BY id LIMIT ?"
        return [
            PushRow(id=row[0], time_ms=row[1], text=row[2]) for row in self._files.rows(path, query, (after_id, limit))
        ]

    def profit(self, path: Path, *, min_id: int = 0, max_id: int = 0, offset: int = 0, limit: int = 100) -> TablePage:
        """A page of the profit curve, newest first; see ``log``.

        Raises:
            OperationFailed: The file cannot be read.
        """
        smallest, largest = self._bounds(path, "profit")
        low, high = max(smallest, min_id), min(largest, max_id) if max_id > 0 else largest
        rows = self._slice(path, "SELECT id, date, profit FROM profit", smallest, low, high, offset, limit)
        points = [ProfitRow(id=row[0], time_ms=row[1], profit=row[2]) for row in rows]
        return TablePage(
            total=max(0, high - low + 1) if largest else 0, smallest=smallest, largest=largest, rows=points
        )

    def profit_line(self, path: Path, points: int = 60) -> list[ProfitRow]:
        """So many points of the whole profit curve at equal distances, oldest first; the newest is among them.

        Raises:
            OperationFailed: The file cannot be read.
        """
        found: list[ProfitRow] = self._while_unchanged(path, f"line {points}", lambda: self._profit_line(path, points))
        return found

    def _profit_line(self, path: Path, points: int) -> list[ProfitRow]:
        smallest, largest = self._bounds(path, "profit")
        if not largest:
            return []
        count = min(points, largest - smallest + 1)
        ids = sorted({largest - (largest - smallest) * step // max(1, count - 1) for step in range(count)} | {largest})
        query = f"SELECT id, date, profit FROM profit WHERE id IN ({','.join('?' * len(ids))}) ORDER BY id"  # noqa: S608
        return [ProfitRow(id=row[0], time_ms=row[1], profit=row[2]) for row in self._files.rows(path, query, ids)]

    def holdings(self, path: Path, *, after_id: int = 0, most: int = 240) -> list[HoldingRow]:
        """Samples of what the strategy held, oldest first, at about equal distances.

        Args:
            path: The robot's database.
            after_id: The row with this id and newer ones.
            most: At most about so many; the newest is among them.

        Raises:
            OperationFailed: The file cannot be read.
        """
        smallest, largest = self._bounds(path, "holding")
        step = max(1, (largest - max(smallest, after_id)) // most)
        query = "SELECT id, date, data FROM holding WHERE id >= ? AND (id % ? = 0 OR id IN (?, ?)) ORDER BY id"
        rows = self._files.rows(path, query, (max(smallest, after_id), step, largest, after_id))
        return [HoldingRow(id=row[0], time_ms=row[1], data=row[2]) for row in rows]

    def chart(
        self, path: Path, *, min_id: int = 0, max_id: int = 0, offset: int = 0, limit: int = 100,
        update_base_id: int = 0, update_ms: int = 0,
    ) -> TablePage:  # fmt: skip
        """A page of the chart's points, newest first; see ``log``.

        Args:
            path: The robot's database.
            min_id: The smallest id.
            max_id: The largest id.
            offset: How many of the newest are skipped.
            limit: At most so many.
            update_base_id: Points up to this id are wanted too if they were written since ``update_ms``.
            update_ms: See there, in milliseconds since the epoch.

        Raises:
            OperationFailed: The file cannot be read.
        """
        smallest, largest = self._bounds(path, "chart")
        low, high = max(smallest, min_id), min(largest, max_id) if max_id > 0 else largest
        columns = "SELECT id, seriesIndex, data, date FROM chart"
        rows = self._slice(path, columns, smallest, low, high, offset, limit)
        if update_base_id > 0 and update_ms > 0 and limit:
            have = {row[0] for row in rows}
            changed = f"{columns} WHERE id <= ? AND date >= ? ORDER BY id DESC LIMIT ?"
            rows += [
                row
                for row in self._files.rows(path, changed, (update_base_id, update_ms, _at_most(limit)))
                if row[0] not in have
            ]
        points = [ChartRow(id=row[0], series=row[1], data=row[2], changed_ms=row[3]) for row in rows]
        return TablePage(
            total=max(0, high - low + 1) if largest else 0, smallest=smallest, largest=largest, rows=points
        )

    def chart_config(self, path: Path) -> str:
        """The charts' configuration as JSON text; empty before the first chart.

        Raises:
            OperationFailed: The file cannot be read.
        """
        rows = self._files.rows(path, "SELECT v FROM cfg WHERE k = 'chart'", ())
        return str(rows[0][0]) if rows else ""

    def last(self, path: Path) -> tuple[int, int, str, float | None]:
        """The newest line's number, time and text, and the newest profit; 0, 0, empty and None without.

        Raises:
            OperationFailed: The file cannot be read.
        """
        found: tuple[int, int, str, float | None] = self._while_unchanged(path, "last", lambda: self._last(path))
        return found

    def _last(self, path: Path) -> tuple[int, int, str, float | None]:
        lines = self._files.rows(path, "SELECT id, date, extra FROM log ORDER BY id DESC LIMIT 1", ())
        points = self._files.rows(path, "SELECT profit FROM profit ORDER BY id DESC LIMIT 1", ())
        number, time_ms, text = lines[0] if lines else (0, 0, "")
        return number, time_ms, text, float(points[0][0]) if points else None

    def forget(self, path: Path) -> None:
        """Closes a file, which is about to be moved or deleted."""
        with self._lock:
            for key in [key for key in self._counts if key[0] == path]:
                del self._counts[key]
            for seen in [seen for seen in self._seen if seen[0] == path]:
                del self._seen[seen]
        self._files.forget(path)

    def close(self) -> None:
        """Closes all files; a later call opens them again."""
        self._files.close()

    def _while_unchanged(self, path: Path, what: str, read: Callable[[], Any]) -> Any:
        """What was read before, if the file has not been written since; else what is read now."""
        stamp = file_stamp(path)
        with self._lock:
            seen = self._seen.get((path, what))
        if seen is not None and seen[0] == stamp:
            return seen[1]
        value = read()
        # A file system tells times in steps of some milliseconds: a file that was written just now may be written again within one step.
        if stamp is not None and time.time_ns() - max(stamp[1], stamp[3]) > 2_000_000_000:
            with self._lock:
                self._seen[path, what] = (stamp, value)
                self._seen.move_to_end((path, what))
                while len(self._seen) > _MOST_SEEN:
                    self._seen.popitem(last=False)
        return value

    def _bounds(self, path: Path, table: str) -> tuple[int, int]:
        query = (
            f"SELECT (SELECT id FROM {table} ORDER BY id LIMIT 1), (SELECT id FROM {table} ORDER BY id DESC LIMIT 1)"  # noqa: S608
        )
        rows = self._files.rows(path, query, ())
        return (rows[0][0] or 0, rows[0][1] or 0) if rows else (0, 0)

    def _slice(self, path: Path, query: str, smallest: int, low: int, high: int, offset: int, limit: int) -> list[Any]:
        high -= max(0, offset)
        if not limit or high < max(low, smallest, 1):
            return []
        return self._files.rows(
            path, f"{query} WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?", (low, high, _at_most(limit))
        )

    def _filtered(self, path: Path, wanted: LogFilter, low: int, high: int, offset: int, limit: int) -> list[Any]:
        """A page of the lines that match, newest first; only the ranges of ids that may have some are read."""
        condition, params = wanted.condition()
        query = f"SELECT {_LOG} FROM log WHERE id BETWEEN ? AND ? AND {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608
        rows: list[Any] = []
        with contextlib.closing(self.index.ranges(path, wanted, low, high)) as ranges:
            for first, last in ranges if limit else ():
                rows += self._files.rows(path, query, (first, last, *params, offset + limit - len(rows)))
                if len(rows) >= offset + limit:
                    break
        return rows[offset:]

    def _matching(self, path: Path, wanted: LogFilter, low: int, high: int) -> int:
        """How many rows between two ids match."""
        condition, params = wanted.condition()

        def _count(first: int, last: int) -> int:
            if last < first:
                return 0
            query = f"SELECT COUNT(*) FROM log WHERE id BETWEEN ? AND ? AND {condition}"  # noqa: S608
            count = 0
            ranges: Iterable[tuple[int, int]] = self.index.ranges(path, wanted, first, last)
            if not (wanted.word or wanted.label):  # the index knows how many there are of each kind
                count, ranges = self.index.counted(path, wanted.kinds, first, last)
            for range_first, range_last in ranges:
                rows = self._files.rows(path, query, (range_first, range_last, *params))
                count += int(rows[0][0]) if rows else 0
            return count

        with self._lock:
            known = self._counts.get((path, wanted))
        if known is not None and known[0] == low and known[1] <= high:
            count = known[2] + _count(known[1] + 1, high)
        else:
            count = _count(low, high)
        with self._lock:
            self._counts[path, wanted] = (low, high, count)
            self._counts.move_to_end((path, wanted))
            while len(self._counts) > _MOST_COUNTS:
                self._counts.popitem(last=False)
        return count


def _at_most(limit: int) -> int:
    return _MOST_ROWS if limit < 0 else min(limit, _MOST_ROWS)


def _log_row(row: Sequence[Any]) -> LogRow:
    (
        number, time_ms, kind, label, order_id, price, amount, text, symbol, direction, color, push, private, source,
    ) = row  # fmt: skip
    return LogRow(
        id=number, time_ms=time_ms, kind=kind, label=label, order_id=order_id, price=price, amount=amount, text=text, symbol=symbol,
        direction=direction, color=color, push=bool(push), private=bool(private), source=source,
    )  # fmt: skip
