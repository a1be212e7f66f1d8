"""``Chart`` and ``KLineChart`` of the running strategy, and their points in its SQLite file (tables ``chart`` and ``cfg``)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..charts.chart import ChartObject
from ..charts.kline_chart import KLineChartObject
from ..charts.points import ChartConfig, ChartEntry, ChartPoint, ChartPoints
from ..errors import InputError, OperationFailed

__all__ = ["SCHEMA", "StrategyCharts", "chart_statements", "read_chart_config", "read_chart_points"]

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS chart (id INTEGER PRIMARY KEY, seriesIndex INTEGER NOT NULL, data TEXT NOT NULL, date INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cfg (k TEXT PRIMARY KEY, v TEXT NOT NULL)",
)
"""What creates the tables; ``date`` is when the point was last written, in milliseconds since the epoch."""

_CONFIG_KEY = "chart"


def chart_statements(entries: Sequence[ChartEntry]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The SQL statements, with their parameters, that keep what changed."""
    for entry in entries:
        if isinstance(entry, ChartPoint):
            yield (
                "INSERT OR REPLACE INTO chart (id, seriesIndex, data, date) VALUES (?,?,?,?)",
                (entry.id, entry.series, entry.data, entry.time_ms),
            )
        elif isinstance(entry, ChartConfig):
            yield "INSERT OR REPLACE INTO cfg (k, v) VALUES (?,?)", (_CONFIG_KEY, entry.text)
        else:
            # The newest row to be deleted has exactly ``remain`` newer ones.
            yield (
                "DELETE FROM chart WHERE id <= (SELECT id FROM chart ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (entry.remain,),
            )


def read_chart_points(
    path: str | os.PathLike[str], *, after_id: int = 0, changed_since_ms: int = 0, limit: int = -1
) -> list[ChartPoint]:
    """Returns points of a strategy's file, in the order of their ids; also while it runs.

    Args:
        path: The SQLite file.
        after_id: Only points with larger ids.
        changed_since_ms: Only points that were written then or later, in milliseconds since the epoch.
        limit: At most so many; negative for all.

    Raises:
        OperationFailed: The file cannot be read.
    """
    query = "SELECT id, seriesIndex, data, date FROM chart WHERE id > ? AND date >= ? ORDER BY id LIMIT ?"
    return [ChartPoint(*row) for row in _read(path, query, (after_id, changed_since_ms, limit))]


def read_chart_config(path: str | os.PathLike[str]) -> str:
    """Returns the charts' configuration as JSON; empty before the first chart.

    Raises:
        OperationFailed: The file cannot be read.
    """
    rows = _read(path, "SELECT v FROM cfg WHERE k = ?", (_CONFIG_KEY,))
    return str(rows[0][0]) if rows else ""


def _read(path: str | os.PathLike[str], query: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    if not Path(path).exists():
        return []
    try:
        connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
        try:
            return connection.execute(query, params).fetchall()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise OperationFailed(f"the charts of {path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        raise OperationFailed(f"the charts of {path} cannot be read: {error}") from error


class StrategyCharts:
    """The charts of one running strategy: either ``Chart`` or ``KLineChart``.

    Args:
        put: Where what changed goes, such as the journal's queue.
        flush: Waits until what was put before is in the file.
        now_ms: The strategy's time, in milliseconds since the epoch.
        path: The strategy's SQLite file; None for none.
    """

    def __init__(
        self,
        put: Callable[[ChartEntry], None],
        flush: Callable[[], object],
        now_ms: Callable[[], int],
        path: str | os.PathLike[str] | None,
    ) -> None:
        self._put = put
        self._flush = flush
        self._path = path
        self._kind = ""
        self.points = ChartPoints(self, now_ms)
        """The points and the configuration, as they are now."""

    def put_chart(self, entry: ChartEntry) -> None:
        """Takes what changed; does not wait."""
        self._put(entry)

    def stored_chart(self) -> list[ChartPoint]:
        """The points of an earlier run in the same file."""
        if self._path is None:
            return []
        self._flush()
        return read_chart_points(self._path)

    def chart(self, options: Any) -> ChartObject:
        """Returns a ``Chart`` with this configuration, over the strategy's points.

        Raises:
            InputError: The configuration is not valid, or the strategy uses ``KLineChart``.
        """
        self._only("Chart")
        return ChartObject(self.points, options)

    def kline_chart(self, options: Mapping[str, Any] | None) -> KLineChartObject:
        """Returns a ``KLineChart`` with these options, over the strategy's points.

        Raises:
            InputError: The options are not valid, or the strategy uses ``Chart``.
        """
        self._only("KLineChart")
        return KLineChartObject(self.points, options)

    def _only(self, kind: str) -> None:
        # FMZ's API reference, "KLineChart": a strategy uses only one of the two.
        if self._kind not in {"", kind}:
            raise InputError(f"a strategy uses either Chart or KLineChart; this one has made a {self._kind}")
        self._kind = kind
