"""FMZ's ``TA``: thirteen indicators under FMZ's names, with its parameters and defaults.

Source: FMZ's syntax guide, "TA", and what FMZ's Python backtest package computes. Where these two differ on a series that is too short, the
guide holds: there is no value (None) before a full period.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arguments import real_number, whole_number
from ..errors import InputError, UnknownName, nearest, short_repr
from ..structures import Record
from ..structures.growing import GrowingRecords
from . import recurrences
from .growing import GrowingSeries
from .growing_means import LONGEST, GrowingMeans
from .known_series import Indicator
from .series import BAR_FIELDS, READY_LISTS, column, is_numbers, new_column, rows_of

__all__ = ["Indicators"]

_CLOSE = ("Close",)
_BARS = ("High", "Low", "Close")
_MA = Indicator("MA", _CLOSE, recurrences.ma)
_EMA = Indicator("EMA", _CLOSE, recurrences.ema)
_MACD = Indicator("MACD", _CLOSE, recurrences.macd, lines=3)
_BOLL = Indicator("BOLL", _CLOSE, recurrences.boll, lines=3)
_KDJ = Indicator("KDJ", _BARS, recurrences.kdj, lines=3, heads=lambda params: (params[0] - 1,) * 3, numbers=False)
_RSI = Indicator("RSI", _CLOSE, recurrences.rsi)
_OBV = Indicator("OBV", ("Close", "Volume"), recurrences.obv, numbers=False)
_ATR = Indicator("ATR", _BARS, recurrences.atr, numbers=False)
_ALLIGATOR = Indicator(
    "Alligator", ("High", "Low"), recurrences.alligator, lines=3, heads=lambda params: (8, 5, 3), numbers=False
)
_CMF = Indicator("CMF", (*_BARS, "Volume"), recurrences.cmf, numbers=False)

_KEPT = 256


class Indicators:
    """FMZ's ``TA``. Results are lists of floats, with None where there is no value yet; oldest first, as long as the input.

    ``records`` is what ``GetRecords`` gives (or any list of dicts with the same fields), or a list of numbers where a method says so; a
    result of an indicator can be given to the next one. Periods are whole numbers above 0. A list that grows a bar at a time costs only
    what is new, and gives exactly the numbers of a whole computation. Safe from many threads.

    Every method raises InputError if a parameter or an element is not what it must be; the message names it.

    Args:
        report: Is called with the name and the parameters, joined by commas, of each new kind of call but ``Highest`` and ``Lowest``, at
            least once; what a backtest draws.
    """

    def __init__(self, report: Callable[[str, str], None] | None = None) -> None:
        self._report = report
        self._series = GrowingSeries()
        self._means, self._same_means = GrowingMeans(_KEPT), GrowingMeans(_KEPT)
        self.MA = self._means.quick(self.MA)  # type: ignore[method-assign]
        self.SMA = self._same_means.quick(self.SMA)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Its name."""
        return "<TA>"

    def MA(self, records: Any, period: int = 9) -> list[float | None]:
        """Simple moving average of closes or numbers."""
        return self._lines(_MA, records, ("period",), (period,))[0]

    def SMA(self, records: Any, period: int = 9) -> list[float | None]:
        """The same as ``MA``."""
        return self._lines(_MA, records, ("period",), (period,), "SMA")[0]

    def EMA(self, records: Any, period: int = 9) -> list[float | None]:
        """Exponential moving average of closes or numbers, beginning with the simple one."""
        return self._lines(_EMA, records, ("period",), (period,))[0]

    def MACD(self, records: Any, fastEMA: int = 12, slowEMA: int = 26, signalEMA: int = 9) -> list[list[float | None]]:
        """Moving average convergence of closes or numbers: ``[dif, dea, dif - dea]``."""
        return self._lines(_MACD, records, ("fastEMA", "slowEMA", "signalEMA"), (fastEMA, slowEMA, signalEMA))

    def BOLL(self, records: Any, period: int = 20, multiplier: float = 2) -> list[list[float | None]]:
        """Bollinger bands of closes or numbers: ``[upper, middle, lower]``; deviation of the population."""
        width = real_number("TA.BOLL: multiplier", multiplier)
        return self._lines(_BOLL, records, ("period",), (period,), also=width)

    def KDJ(self, records: Any, n: int = 9, k: int = 3, d: int = 3) -> list[list[float | None]]:
        """Stochastic oscillator of bars: ``[K, D, J]``, at least ``n - 1`` long."""
        return self._lines(_KDJ, records, ("n", "k", "d"), (n, k, d))

    def RSI(self, records: Any, period: int = 14) -> list[float | None]:
        """Relative strength, 0 to 100, of closes or numbers; 0 while nothing fell, as FMZ computes it."""
        return self._lines(_RSI, records, ("period",), (period,))[0]

    def OBV(self, records: Any) -> list[float]:
        """On-balance volume of bars; a close that did not move counts as a rise."""
        return self._lines(_OBV, records, (), ())[0]

    def ATR(self, records: Any, period: int = 14) -> list[float]:
        """Average true range of bars; over all bars so far before the first full period."""
        return self._lines(_ATR, records, ("period",), (period,))[0]

    def Alligator(
        self, records: Any, jawLength: int = 13, teethLength: int = 8, lipsLength: int = 5
    ) -> list[list[float | None]]:
        """Alligator of bars: ``[jaw, teeth, lips]``, 8, 5 and 3 places longer than the bars (the last ones lie ahead)."""
        names = ("jawLength", "teethLength", "lipsLength")
        return self._lines(_ALLIGATOR, records, names, (jawLength, teethLength, lipsLength))

    def CMF(self, records: Any, period: int = 20) -> list[float]:
        """Chaikin's money flow of bars, -1 to 1; over all bars so far before the first full period, 0 without any volume."""
        return self._lines(_CMF, records, ("period",), (period,))[0]

    def Highest(self, records: Any, n: int, attr: str | None = None) -> float | None:
        """The largest of the ``n`` values before the last one.

        Args:
            records: Bars or numbers; None among numbers does not count.
            n: How many; 0, or more than there are, for all but the last one.
            attr: The field of bars: ``Open``, ``High``, ``Low``, ``Close``, ``Volume`` or ``OpenInterest``.

        Returns:
            None for fewer than two elements.
        """
        return max(self._window("Highest", records, n, attr), default=None)

    def Lowest(self, records: Any, n: int, attr: str | None = None) -> float | None:
        """The smallest of the ``n`` values before the last one; as ``Highest``."""
        return min(self._window("Lowest", records, n, attr), default=None)

    def _lines(
        self,
        indicator: Indicator,
        records: Any,
        names: tuple[str, ...],
        params: tuple[Any, ...],
        name: str = "",
        also: float | None = None,
    ) -> list[list[Any]]:
        name = name or indicator.name
        for value in params:
            if type(value) is not int or not 0 < value <= LONGEST:
                params = tuple(
                    whole_number(f"TA.{name}: {key}", given, least=1, most=LONGEST)
                    for key, given in zip(names, params, strict=True)
                )
                break
        if also is not None:
            params = (*params, also)
        kind = type(records)
        if kind is GrowingRecords:
            lines = self._series.windows.lines(indicator, params, records)
        else:
            rows = records if kind in READY_LISTS else rows_of(name, records)
            first = type(rows[0]) if rows else Record
            numbers = first is float or (first is not Record and is_numbers(rows[0]))
            if numbers and not indicator.numbers:
                raise InputError(f"TA.{name} needs bars, got a list whose first element is {short_repr(rows[0])}")
            lines = self._series.lines(indicator, params, rows, numbers=numbers)
        if self._report is not None:
            self._report(name, ",".join(f"{param:g}" for param in params))
        return lines

    def _window(self, name: str, records: Any, n: int, attr: str | None) -> list[Any]:
        name = f"TA.{name}"
        count = whole_number(f"{name}: n", n)
        rows = rows_of(name[3:], records)
        if len(rows) < 2:  # the last one never counts
            return []
        size = len(rows) - 1
        first = size - min(count or size, size)
        window = rows[first:size]
        if is_numbers(rows[0]):
            numbers = [value for value in window if value is not None]
            return column(name, numbers, first, started=True)
        if attr is None:
            raise InputError(f"{name} of bars needs the field as the third argument: {', '.join(BAR_FIELDS)}")
        if not isinstance(attr, str) or attr not in BAR_FIELDS:
            raise UnknownName(f"{name}: no field {short_repr(attr)}{nearest(attr, BAR_FIELDS)}")
        return new_column(name, window, attr, first)
