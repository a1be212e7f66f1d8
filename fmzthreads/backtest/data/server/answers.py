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
from ..bars import BarSeries

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
                setattr(series, attribute, array("q", map(int, map(operator.itemgetter(schema.index(name)), data))))
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
    return series


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
