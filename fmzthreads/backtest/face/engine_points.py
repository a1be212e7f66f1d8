"""The points of a backtest's charts, kept as FMZ's engine keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...charts.points import ChartPoints, point_text
from ...errors import InputError

__all__ = ["EnginePoints"]


class EnginePoints(ChartPoints):
    """Points as FMZ's engine keeps them: one that has the x of the one before it is added like any other."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__(None, now_ms)
        self.entries: list[list[Any]] = []
        self._places: dict[int, list[int]] = {}

    def add(self, series: int, data: Any, index: int | None = None) -> None:
        """Adds a row, or replaces one of the series.

        Raises:
            InputError: There is no point at that place, or JSON does not have what the point is made of.
        """
        point = json.loads(point_text(data))
        places = self._places.setdefault(series, [])
        if index is None or (index == -1 and not places):
            places.append(len(self.entries))
            self.entries.append([series, point])
            return
        try:
            self.entries[places[index]][1] = point
        except IndexError:
            raise InputError(f"series {series} has {len(places)} points, none at {index}") from None

    def reset(self, remain: int = 0) -> None:
        """Deletes all rows but the newest ``remain``."""
        self.entries = self.entries[-remain:] if remain else []
        self._places = {}
        for place, (series, _) in enumerate(self.entries):
            self._places.setdefault(series, []).append(place)

    def points(self, series: int) -> list[Any]:
        """The points of one series, oldest first."""
        return [self.entries[place][1] for place in self._places.get(series, ())]
