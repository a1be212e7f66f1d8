"""FMZ's ``Chart``: series of points under a Highcharts-shaped configuration, which is only data here.

Source: FMZ's API reference, "Chart".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from ..arguments import whole_number
from ..errors import InputError, short_repr
from .points import ChartPoints, point_text

__all__ = ["ChartObject", "checked_config", "series_names"]

_LARGEST = 1_000_000
_MISSING: Any = object()


def checked_config(options: Any) -> str:
    """Returns a chart's configuration as JSON.

    Raises:
        InputError: It is neither a dict nor a list of dicts, or JSON does not have what it is made of.
    """
    many = options if isinstance(options, (list, tuple)) else [options]
    if not many or not all(isinstance(one, Mapping) for one in many):
        raise InputError(f"a chart's configuration must be a dict or a list of dicts, got {short_repr(options)}")
    return point_text(options)


def series_names(config: str) -> list[str]:
    """Returns the names of all series of a configuration, in the order of their numbers; they count through all charts."""
    charts = json.loads(config) if config else []
    names = []
    for chart in charts if isinstance(charts, list) else [charts]:
        series = chart.get("series") or []
        many = series if isinstance(series, list) else [series]
        names += [str(one.get("name", "")) if isinstance(one, dict) else "" for one in many]
    return names


class ChartObject:
    """What ``Chart(...)`` returns. Safe from many threads.

    Later edits of the dict that it was made from change nothing: call ``update``.

    Args:
        points: The strategy's points.
        options: The configuration: a dict, or a list of dicts for several charts.

    Raises:
        InputError: The configuration is neither, or JSON does not have what it is made of.
    """

    def __init__(self, points: ChartPoints, options: Any) -> None:
        self._points = points
        self._names: list[str] = []
        self.update(options)

    def __repr__(self) -> str:
        """How many series it has."""
        return f"<Chart of {len(self._names)} series>"

    def update(self, options: Any) -> None:
        """Replaces the whole configuration; the points that were added stay.

        Args:
            options: The configuration.

        Raises:
            InputError: It is neither a dict nor a list of dicts, or JSON does not have what it is made of.
        """
        text = checked_config(options)
        self._names = series_names(text)
        self._points.configure(text)

    def add(self, series: Any, data: Any = _MISSING, index: int | None = None) -> None:
        """Adds a point to a series, or replaces one.

        Args:
            series: The number of the series, from 0, counted through all charts. Or all arguments as one list, as JavaScript has it.
            data: ``[ms, y]``, ``[ms, open, high, low, close]``, or a dict such as ``{"name": ..., "y": ...}``; None as y is a gap.
            index: None to add the point; if the last one has the same x, it is replaced. Else the place of the point to replace: from 0,
                or from the end with -1 for the last one (which an empty series takes as its first).

        Raises:
            InputError: There is no such series or place, or JSON does not have what the point is made of.
        """
        if data is _MISSING:
            if not isinstance(series, (list, tuple)) or len(series) not in {2, 3}:
                raise InputError(f"Chart.add takes (series, data[, index]), got {short_repr(series)} alone")
            series, data, index = (*series, None)[:3]
        number = whole_number("Chart.add: series", series)
        if number >= len(self._names):
            known = f"series 0 to {len(self._names) - 1}" if self._names else "no series"
            raise InputError(f"Chart.add: no series {number}; the configuration has {known}")
        place = None if index is None else whole_number("Chart.add: index", index, least=-_LARGEST, most=_LARGEST)
        self._points.add(number, data, place)

    def reset(self, remain: int = 0) -> None:
        """Drops points.

        Args:
            remain: How many of the newest points of all series together stay; 0 for none.

        Raises:
            InputError: It is not a whole number of 0 or more.
        """
        self._points.reset(whole_number("Chart.reset: remain", remain))

    @property
    def config(self) -> Any:
        """The configuration, as a copy of the caller's own."""
        return copy.deepcopy(json.loads(self._points.config))

    def points(self, series: int) -> list[Any]:
        """The points of a series, oldest first.

        Raises:
            InputError: It is not a whole number of 0 or more.
        """
        return self._points.points(whole_number("Chart.points: series", series))
