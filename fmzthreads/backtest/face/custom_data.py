"""``SetData`` and ``GetData``: series of anything by time, of which a strategy sees only what is not in the future."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InputError, short_repr
from ...exchange.faces.own_series import StepFunction, series_rows
from ..data.raw_series import RawSeries
from ..data.scaling import guessed_detail, scaled
from .base import ExchangeBase

__all__ = ["CustomDataCalls"]

_NO_VALUE: Any = object()


class CustomDataCalls(ExchangeBase):
    """Series of one's own. No time passes."""

    _data: dict[str, StepFunction | None]

    def SetData(self, key: Any, value: Any = _NO_VALUE) -> int:
        """Sets a series, of which a second one of the same name is ignored, as in FMZ's engine; or, with one argument, the bars of the current symbol.

        Args:
            key: The series' name; or bars in FMZ's K-line form: rows ``[time, open, high, low, close, volume]`` (times in seconds or milliseconds), or what else
                ``VCtx(bars=...)`` takes. They take the place of the source's bars, and must come before the first call for the symbol.
            value: The series' rows ``[time in ms, anything]``.

        Returns:
            The length of the rows as JSON; of bars, how many there are.

        Raises:
            InputError: The name is not text, the rows are not in this form or out of order, or bars come too late.
        """
        if value is _NO_VALUE:
            return self._set_bars(key)
        if not isinstance(key, str):
            raise InputError(f"the name of a series must be text, got {short_repr(key)}")
        rows = series_rows(value)
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        with self._lock:
            if self._data.get(key) is None:
                self._data[key] = StepFunction(rows)
        return len(text)

    def _set_bars(self, bars: Any) -> int:
        from ..data.tables.given_bars import series_of  # only those who give bars load it

        with self._lock:
            symbol = self._symbol_of("")
            found = series_of(bars, {}, self._engine.settings.timezone)
            raw = next(iter(found.values()))
            if len(found) != 1 or not isinstance(raw, RawSeries) or not len(raw):
                raise InputError(f"SetData(bars): {short_repr(bars)}, expected the bars of one symbol")
            raw.check()
            detail = self._settings.details.get(symbol)
            self._table.give(symbol, scaled(raw, detail if detail is not None else guessed_detail(raw, symbol)))
            return len(raw)

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
