"""``Chart`` and ``KLineChart`` of a backtest: rows in the order in which they were added, as FMZ's engine keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # loaded by those who draw
    from ...charts.chart import ChartObject
    from ...charts.kline_chart import KLineChartObject
    from .engine_points import EnginePoints

__all__ = ["RunCharts"]


class RunCharts:
    """The charts of one backtest.

    Args:
        now_ms: The clock's time, in milliseconds since the epoch.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._made: dict[str, EnginePoints] = {}  # one entry, from when the strategy draws

    def _kept(self) -> EnginePoints:
        from .engine_points import EnginePoints

        return self._made.setdefault("points", EnginePoints(self._now_ms))  # in one step: a strategy may have threads

    def chart(self, options: Any) -> ChartObject:
        """Returns a ``Chart`` with this configuration.

        Raises:
            InputError: The configuration is not valid.
        """
        from ...charts.chart import ChartObject

        return ChartObject(self._kept(), options)

    def kline_chart(self, options: Mapping[str, Any] | None = None) -> KLineChartObject:
        """Returns a ``KLineChart`` with these options.

        Raises:
            InputError: The options are not valid.
        """
        from ...charts.kline_chart import KLineChartObject

        return KLineChartObject(self._kept(), options)

    def result(self) -> dict[str, Any]:
        """The charts as ``Join`` gives them: ``Cfg`` (JSON) and ``Datas`` (rows of series and point)."""
        points = self._made.get("points")
        return {"Cfg": points.config if points else "", "Datas": points.entries if points else []}
