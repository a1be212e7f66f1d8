"""Reads the log and the profit curve of a strategy out of its SQLite file, also while it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ...database import Database
from ...errors import OperationFailed
from .lines import Kind, Line
from .log_database import LOG_TYPES

__all__ = ["LogReader"]

_KINDS: dict[int, Kind] = {number: kind for kind, number in LOG_TYPES.items()}
_COLUMNS = "id, date, logType, eid, orderId, price, amount, extra, contractType, color, push, private, source"
_ORDERS = ("buy", "sell", "cancel")
# So many rows are read at once: a log of millions of lines is read in parts.
_MOST_ROWS = 5_000


class LogReader:
    """The stored lines of one strategy; a context manager. A file that is not there yet holds none.

    Args:
        path: The strategy's SQLite file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._database = Database(path, (), durable=False)

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def after(self, number: int, kinds: Sequence[Kind] = (), *, most: int = _MOST_ROWS) -> list[Line]:
        """Returns the lines after one, oldest first.

        Args:
            number: The number of a line; 0 for the beginning.
            kinds: Only lines of these kinds; empty for all.
            most: The largest number of lines to return; call again with the last one's number for more.

        Raises:
            OperationFailed: The file cannot be read.
        """
        return self._lines(f"id > ? {_of(kinds)} ORDER BY id LIMIT ?", (number, *_numbers(kinds), most))

    def last(self, count: int, kinds: Sequence[Kind] = ()) -> list[Line]:
        """Returns the newest lines, oldest first.

        Args:
            count: How many, at most.
            kinds: Only lines of these kinds; empty for all.

        Raises:
            OperationFailed: The file cannot be read.
        """
        rows = self._lines(f"id > 0 {_of(kinds)} ORDER BY id DESC LIMIT ?", (*_numbers(kinds), max(0, count)))
        return rows[::-1]

    def last_profit(self) -> float | None:
        """The newest point of the profit curve; None without one.

        Raises:
            OperationFailed: The file cannot be read.
        """
        rows = self._rows("SELECT profit FROM profit ORDER BY id DESC LIMIT 1", ())
        return float(rows[0][0]) if rows else None

    def _lines(self, condition: str, params: Sequence[Any]) -> list[Line]:
        return [_line(row) for row in self._rows(f"SELECT {_COLUMNS} FROM log WHERE {condition}", params)]  # noqa: S608

    def _rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        try:
            return self._database.execute(sql, params)
        except OperationFailed as error:
            if "no such table" in str(error):  # nothing was written yet
                return []
            raise


def _of(kinds: Sequence[Kind]) -> str:
    return f"AND logType IN ({','.join('?' * len(kinds))})" if kinds else ""


def _numbers(kinds: Sequence[Kind]) -> tuple[int, ...]:
    return tuple(LOG_TYPES[kind] for kind in kinds)


def _line(row: tuple[Any, ...]) -> Line:
    number, time_ms, kind_number, label, order_id, price, amount, text, symbol, color, push, private, source = row
    kind = _KINDS.get(kind_number, "log")
    is_order = kind in _ORDERS
    return Line(
        number=number,
        time_ms=time_ms,
        kind=kind,
        text=text,
        color=color,
        push=bool(push),
        private=bool(private),
        source=source,
        label=label,
        symbol=symbol,
        price=price if is_order else None,
        amount=amount if is_order else None,
        order_id=order_id,
        profit=price if kind == "profit" else None,
    )
