"""The points of a strategy's charts: what was added, replaced and dropped, and where it is kept.

A point has an id, which grows; replacing a point keeps its id. A reader that follows asks for ids above the last one it has, and
for points that were changed since (FMZ's guide, "Extended API Interface", ``GetRobotLogs``).
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Protocol

import attrs

from ..errors import InputError, short_repr
from ..fork import after_fork_in_child

__all__ = ["ChartConfig", "ChartEntry", "ChartKeeper", "ChartPoint", "ChartPoints", "ChartReset", "point_text"]

# Points kept in memory; the oldest go first. In the database they stay.
_KEPT = 200_000


@attrs.frozen
class ChartPoint:
    """A point that was added or replaced.

    Attributes:
        id: Counts up from 1 within a run folder.
        series: The series, from 0, counted through all charts.
        data: The point as JSON.
        time_ms: When it was written, in milliseconds since the epoch, by the strategy's clock.
    """

    id: int
    series: int
    data: str
    time_ms: int


@attrs.frozen
class ChartConfig:
    """The charts' configuration: the JSON of a dict, or of a list of dicts."""

    text: str


@attrs.frozen
class ChartReset:
    """The order to forget all points but the newest ``remain``."""

    remain: int


ChartEntry = ChartPoint | ChartConfig | ChartReset


class ChartKeeper(Protocol):
    """Where a strategy's charts are kept."""

    def put_chart(self, entry: ChartEntry) -> None:
        """Takes what changed; does not wait."""

    def stored_chart(self) -> Sequence[ChartPoint]:
        """Returns the points of an earlier run in the same folder, oldest first."""


def point_text(data: Any) -> str:
    """Returns a point as JSON; numbers of numpy and the like are Python's, NaN and infinities are null, a gap.

    Raises:
        InputError: It holds something that JSON does not have, or refers to itself.
    """
    try:
        return json.dumps(data, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        pass  # NaN, or a circle
    except (TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"a chart's point or configuration must be made of what JSON has: {error}") from None
    try:
        return json.dumps(
            _without_nan(data, 0), default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"a chart's point or configuration must be made of what JSON has: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Integral):
        return int(value)
    number = float(value) if isinstance(value, Real) or hasattr(value, "__float__") else None
    if number is not None:
        return number if math.isfinite(number) else None
    to_list = getattr(value, "tolist", None)
    if to_list is not None and not isinstance(value, type):
        return to_list()
    raise TypeError(f"{type(value).__name__} is not among it")


def _without_nan(value: Any, depth: int) -> Any:
    if depth > 100:
        raise ValueError("it is nested too deeply, or refers to itself")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(one, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one, depth + 1) for one in value]
    return value


@attrs.define
class _Kept:
    id: int
    series: int
    data: str
    x: Any


class ChartPoints:
    """The points of all charts of one strategy; every method may be called from several threads at once.

    Args:
        keeper: Where they are kept besides; None for in memory only.
        now_ms: The strategy's time, in milliseconds since the epoch.
    """

    def __init__(self, keeper: ChartKeeper | None, now_ms: Callable[[], int]) -> None:
        self._keeper = keeper
        self._now_ms = now_ms
        self._lock = threading.RLock()  # guards the fields below; re-entrant for a finalizer that draws
        self._number = 0
        self._series: dict[int, list[_Kept]] = {}
        self._count = 0
        self._config = ""
        after_fork_in_child(self._start_anew)
        for point in keeper.stored_chart() if keeper is not None else ():
            self._append(_Kept(point.id, point.series, point.data, _x_of(json.loads(point.data))))
            self._number = max(self._number, point.id)

    def _start_anew(self) -> None:
        self._lock = threading.RLock()

    @property
    def config(self) -> str:
        """The configuration as JSON; empty before the first."""
        with self._lock:
            return self._config

    def configure(self, text: str) -> None:
        """Replaces the configuration; the points stay."""
        with self._lock:
            self._config = text
            self._put(ChartConfig(text))

    def add(self, series: int, data: Any, index: int | None = None) -> None:
        """Adds a point, or replaces one.

        Args:
            series: The series, from 0.
            data: The point.
            index: None to add it, or to replace the last point if that has the same x (the first element of a list, or the key ``x``);
                else the place of the point that it replaces: from 0, or from the end with -1 for the last. An empty series takes it
                as its first point at -1.

        Raises:
            InputError: There is no point at that place, or JSON does not have what the point is made of.
        """
        text, x = point_text(data), _x_of(data)
        with self._lock:
            points = self._series.get(series, [])
            if index is None:
                index = -1 if points and x is not None and points[-1].x == x else None
            elif index == -1 and not points:
                index = None
            if index is None:
                self._number += 1
                kept = _Kept(self._number, series, text, x)
                self._append(kept)
            else:
                try:
                    kept = points[index]
                except IndexError:
                    raise InputError(f"series {series} has {len(points)} points, none at {index}") from None
                kept.data, kept.x = text, x
            self._put(ChartPoint(kept.id, series, text, self._now_ms()))

    def reset(self, remain: int = 0) -> None:
        """Forgets all points but the newest ``remain`` of all series together."""
        with self._lock:
            ids = sorted(point.id for points in self._series.values() for point in points)
            self._keep_from(
                ids[len(ids) - remain] if remain and remain < len(ids) else 0 if remain else self._number + 1
            )
            self._put(ChartReset(remain))

    def points(self, series: int) -> list[Any]:
        """Returns the points of one series, oldest first, as Python values."""
        with self._lock:
            texts = [point.data for point in self._series.get(series, ())]
        return [json.loads(text) for text in texts]

    def rows(self) -> list[ChartPoint]:
        """Returns the points of all series by their ids; ``time_ms`` is 0."""
        with self._lock:
            found = [ChartPoint(p.id, p.series, p.data, 0) for points in self._series.values() for p in points]
        return sorted(found, key=lambda point: point.id)

    def _append(self, kept: _Kept) -> None:
        self._series.setdefault(kept.series, []).append(kept)
        self._count += 1
        if self._count > _KEPT * 1.25:
            ids = sorted(point.id for points in self._series.values() for point in points)
            self._keep_from(ids[-_KEPT])

    def _keep_from(self, first: int) -> None:
        self._series = {
            series: [point for point in points if point.id >= first] for series, points in self._series.items()
        }
        self._count = sum(map(len, self._series.values()))

    def _put(self, entry: ChartEntry) -> None:
        if self._keeper is not None:
            self._keeper.put_chart(entry)


def _x_of(data: Any) -> Any:
    """What tells whether two points are of the same moment; None for points without it (a slice of a pie)."""
    x = (
        data[0]
        if isinstance(data, (list, tuple)) and len(data) > 1
        else data.get("x")
        if isinstance(data, Mapping)
        else None
    )
    if x is None or isinstance(x, (int, float, str)):
        return x
    return float(x) if isinstance(x, Real) else short_repr(x)
