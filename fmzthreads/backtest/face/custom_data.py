"""``SetData`` and ``GetData``: series of anything by time, of which a strategy sees only what is not in the future."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InputError, short_repr
from ...exchange.faces.own_data import StepFunction, series_rows
from .base import ExchangeBase

__all__ = ["CustomDataCalls"]


class CustomDataCalls(ExchangeBase):
    """Series of one's own. No time passes."""

    _data: dict[str, StepFunction | None]

    def SetData(self, key: str, value: Any) -> int:
        """Sets a series; a second one of the same name is ignored, as in FMZ's engine.

        Args:
            key: Its name.
            value: Rows ``[time in ms, anything]``.

        Returns:
            The length of the rows as JSON.

        Raises:
            InputError: The name is not text, or the rows are not in this form.
        """
        if not isinstance(key, str):
            raise InputError(f"the name of a series must be text, got {short_repr(key)}")
        rows = series_rows(value)
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        with self._lock:
            if self._data.get(key) is None:
                self._data[key] = StepFunction(rows)
        return len(text)

    def GetData(self, key: str, timeout: float = 0, offset: int = 0) -> dict[str, Any] | None:
        """Returns the latest row of a series that is not in the future: ``Time`` and ``Data``.

        Args:
            key: The name; one that was not set is asked from the source of the bars.
            timeout: Without effect.
            offset: Without effect.

        Returns:
            None when there is no such row.
        """
        with self._lock:
            if key not in self._data:
                table, settings = self._table, self._engine.settings
                found = self._engine.source.custom(self._settings.eid, key, table.from_ms, settings.end_ms)
                self._data[key] = None if found is None else StepFunction([(time, data) for time, data in found])
            series = self._data[key]
            return None if series is None else series.at(self._time.now_ms)
