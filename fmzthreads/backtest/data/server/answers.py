"""Answers of FMZ's data protocol: ``{"detail": {...}, "schema": ["time", ...], "data": [[...], ...]}``.

Prices are whole numbers, times ``10 ** quotePrecision``; volumes times ``10 ** basePrecision``; times are milliseconds.
Source: FMZ's user guide, "Custom Data Source".
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ....errors import BadReply, NotSupported, excerpt, short_repr
from ...config.details import detail_of
from ...failures import NoData
from ..aggregate import aggregated
from ..bars import BarSeries
from ..column_checks import is_nowhere_above

__all__ = ["bars_of", "custom_of"]

_COLUMNS = {
    "time": "time",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "vol": "volume",
    "position": "position",
}
_NEEDED = ("time", "open", "high", "low", "close")


def _rows(answer: Any, where: str) -> tuple[list[str], list[list[Any]]]:
    if (
        not isinstance(answer, Mapping)
        or not isinstance(answer.get("schema"), list)
        or not isinstance(answer.get("data"), list)
    ):
        raise BadReply(f"{where}: expected an object with detail, schema and data, got {excerpt(str(answer))}")
    schema, data = [str(name) for name in answer["schema"]], answer["data"]
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(schema):
            raise BadReply(
                f"{where}: data columns length mismatch in row {number}: {short_repr(row)}, the schema is {schema}"
            )
    return schema, data


def bars_of(answer: Any, symbol: str, period_ms: int, where: str) -> BarSeries:
    """The bars of an answer.

    Args:
        answer: The decoded JSON.
        symbol: FMZ's symbol.
        period_ms: The period that was asked for.
        where: Where the answer came from, for messages.

    Raises:
        BadReply: It is not in the protocol's form, or not in ascending order.
        NoData: It has no market or no bars.
        NotSupported: It has recorded order books instead of bars.
    """
    schema, data = _rows(answer, where)
    detail = answer.get("detail")
    if not isinstance(detail, Mapping) or not detail or not data:
        raise NoData(f"{where}: the answer has no {'bars' if detail else 'market detail'}")
    if "asks" in schema or "bids" in schema:
        raise NotSupported(f"{where}: recorded order books (schema {schema}), which need mode: 1")
    missing = [name for name in _NEEDED if name not in schema]
    if missing:
        raise BadReply(f"{where}: no column {', '.join(missing)} in the schema {schema}")
    series = BarSeries(detail=detail_of(detail, symbol, f"{where}: detail"), period_ms=period_ms)
    try:
        for name, attribute in _COLUMNS.items():
            if name in schema:
                setattr(series, attribute, array("q", map(_whole, map(operator.itemgetter(schema.index(name)), data))))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadReply(f"{where}: column {name}: {error}; expected whole numbers") from None
    if not series.volume:
        series.volume = array("q", bytes(8 * len(series.time)))
    times = series.time
    if not all(map(operator.lt, times, islice(times, 1, None))):
        place = next(row for row in range(1, len(times)) if times[row] <= times[row - 1])
        raise BadReply(
            f"{where}: row {place} with time {times[place]} follows {times[place - 1]}; expected ascending times"
        )
    return series if symbol.endswith(_SIDE_SERIES) else _of_period(series, where)


_SIDE_SERIES = (".funding", ".index")
"""Symbols whose rows are events or prices at any distance, rather than bars of the period that was asked for."""


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, float) and number != value:
        raise ValueError(f"{value!r} is not a whole number (prices are times 10 ** quotePrecision)")
    return number


def _of_period(series: BarSeries, where: str) -> BarSeries:
    """The bars, of the period that was asked for: shorter ones, as a server gives that does not look at the period, are aggregated.

    Raises:
        BadReply: They are of a period that does not divide the one that was asked for, or one has impossible prices.
    """
    _check_prices(series, where)
    times, period = series.time, series.period_ms
    step = min(map(operator.sub, islice(times, 1, None), times), default=period)
    if step >= period:
        return series
    if period % step:
        near = next(row for row in range(1, len(times)) if times[row] - times[row - 1] == step)
        raise BadReply(
            f"{where}: rows {near - 1} and {near} are {step} ms apart, which does not divide the {period} ms that were asked for"
        )
    return aggregated(series, period)


def _check_prices(series: BarSeries, where: str) -> None:
    """Checks that prices make bars, and that volumes are not negative.

    Raises:
        BadReply: Those of a row do not, or are.
    """
    if min(series.volume) < 0:
        row = next(row for row, volume in enumerate(series.volume) if volume < 0)
        raise BadReply(f"{where}: row {row} has the volume {series.volume[row]}, expected 0 or more")
    if all(
        is_nowhere_above(series.low, prices) and is_nowhere_above(prices, series.high)
        for prices in (series.open, series.close)
    ):
        return
    rows = enumerate(zip(series.open, series.high, series.low, series.close, strict=True))
    row, (first, high, low, last) = next(
        (row, prices)
        for row, prices in rows
        if not (prices[2] <= prices[0] <= prices[1] and prices[2] <= prices[3] <= prices[1])
    )
    raise BadReply(
        f"{where}: row {row} has open {first}, high {high}, low {low}, close {last}; expected low <= open, close <= high"
    )


def custom_of(answer: Any, where: str) -> list[tuple[int, object]]:
    """The rows of a series for ``GetData``: its columns are ``time`` and ``data``.

    Raises:
        BadReply: It is not in the protocol's form.
    """
    schema, data = _rows(answer, where)
    if "time" not in schema or len(schema) < 2:
        raise BadReply(f"{where}: the schema is {schema}, expected time and data")
    time = schema.index("time")
    value = schema.index("data") if "data" in schema else 1 - time
    return [(int(row[time]), row[value]) for row in data]
