"""``SetData`` and ``GetData``: series of anything by time, of which a strategy sees only what is not in the future."""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import Any

from ...arguments import whole_number
from ...errors import InputError, short_repr
from .base import ExchangeBase

__all__ = ["CustomDataCalls"]


class _StepFunction:
    """Values that hold from their time on."""

    def __init__(self, rows: list[tuple[int, Any]]) -> None:
        self.times = [time for time, _ in rows]
        self.values = [value for _, value in rows]

    def at(self, now_ms: int) -> dict[str, Any] | None:
        """The value at a time; None before the first one."""
        place = bisect_right(self.times, now_ms) - 1
        return None if place < 0 else {"Time": self.times[place], "Data": self.values[place]}


class CustomDataCalls(ExchangeBase):
    """Series of one's own. No time passes."""

    _data: dict[str, _StepFunction | None]

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
        rows = _rows(value)
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        with self._lock:
            if self._data.get(key) is None:
                self._data[key] = _StepFunction(rows)
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
                self._data[key] = None if found is None else _StepFunction([(time, data) for time, data in found])
            series = self._data[key]
            return None if series is None else series.at(self._time.now_ms)


def _rows(value: Any) -> list[tuple[int, Any]]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"a series must be a list of [time in ms, value], got {short_repr(value)}")
    rows = []
    for row in value:
        if not isinstance(row, (list, tuple)) or len(row) < 2:
            raise InputError(f"a row of a series must be [time in ms, value], got {short_repr(row)}")
        rows.append((whole_number("the time of a row", row[0]), row[1]))
    return sorted(rows, key=lambda row: row[0])
