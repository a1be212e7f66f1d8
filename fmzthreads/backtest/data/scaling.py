"""Turns bars as they were read into whole numbers scaled by a market's decimals, as FMZ's data server sends them."""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

from ...errors import InputError
from ..config.settings import MarketDetail
from ..nano import ONE
from .bars import BarSeries
from .column_parts import parts_of
from .fast_numpy import fast_numpy
from .raw_series import RawSeries

__all__ = ["guessed_detail", "market_of_decimals", "scaled"]

_LEAST_AMOUNT_PLACES = 5
_MOST_AMOUNT_PLACES = 8


def scaled(series: RawSeries, detail: MarketDetail) -> BarSeries:
    """The bars as whole numbers; prices times ``10 ** quote_precision``, volumes times ``10 ** base_precision``, rounded.

    The columns of ``series`` are emptied on the way, so that no more than one is there twice; those in a temporary file are scaled in their place.

    Raises:
        InputError: A number is too large for the market's decimals, or not finite.
        OperationFailed: The temporary file cannot be written.
    """
    result = BarSeries(detail=detail, period_ms=series.period_ms(), time=series.time)
    price, amount = 10.0**detail.quote_precision, 10.0**detail.base_precision
    for name, factor in (
        ("open", price), ("high", price), ("low", price), ("close", price), ("volume", amount), ("position", amount)
    ):  # fmt: skip
        column: array[float] = getattr(series, name)
        parts = _whole_parts(column, factor, name, series)
        if series.stored is None or not len(column):
            whole = array("q")
            for _, part in parts:
                whole.frombytes(memoryview(part).cast("B"))
        else:
            for row, part in parts:
                series.stored.write(name, row, part)
            whole = series.stored.column(name, "q")
        setattr(result, name, whole)
        setattr(series, name, array("d"))
    return result


def _whole_parts(column: array[float], factor: float, name: str, series: RawSeries) -> Iterator[tuple[int, Any]]:
    """The numbers of a column times a factor, rounded, in parts: the first row and the whole numbers of 8 bytes."""
    numpy, least = fast_numpy(len(column)), 0.0 if name == "volume" else -(2.0**63)
    for row, (part,) in parts_of(column):
        if numpy is not None:
            values = numpy.rint(numpy.frombuffer(part) * factor)
            if bool(((values < 2.0**63) & (values >= least)).all()):  # not true for what is not a number, either
                yield row, values.astype("int64")
                continue
        try:
            whole = array("q", map(round, map(operator.mul, part, repeat(factor))))
        except (OverflowError, ValueError):
            whole = array("q")
        if not whole or min(whole) < least:
            _refuse(part, row, factor, least, name, series)
        yield row, whole


def _refuse(part: Any, first: int, factor: float, least: float, name: str, series: RawSeries) -> None:
    """Names the number that cannot be scaled.

    Raises:
        InputError: Always.
    """
    row, bad = next(
        (row, value)
        for row, value in enumerate(part, first)
        if not least <= value * factor < 2**63 or not math.isfinite(value)
    )
    what = (
        f"{bad:g} is negative"
        if bad < 0 and least == 0
        else f"{bad:g} with {math.log10(factor):.0f} decimals is not a finite number of 18 digits"
    )
    raise InputError(f"{series.where}, {series.place(row)}: {name}: {what}")


def guessed_detail(series: RawSeries, symbol: str, given: MarketDetail | None = None) -> MarketDetail:
    """A market for bars that come without one: as many decimals as the data show.

    Prices have the decimals of the data, and one step of the last decimal. Amounts have at least 5 decimals and at most 8.

    Args:
        series: The bars.
        symbol: FMZ's symbol.
        given: Currencies and contract, when they are known.
    """
    seen = series.decimals if series.decimals is not None else (0, 0)
    places = min(9, _places((series.open, series.high, series.low, series.close), seen[0]))
    wanted = max(_LEAST_AMOUNT_PLACES, seen[1])
    largest = max((max(part) for _, (part,) in parts_of(series.volume)), default=0.0)
    amount_places = next(
        (count for count in range(min(wanted, _MOST_AMOUNT_PLACES), -1, -1) if largest * 10**count < 2**62), 0
    )
    return market_of_decimals(symbol, places, amount_places, given)


def market_of_decimals(symbol: str, places: int, amount_places: int, given: MarketDetail | None = None) -> MarketDetail:
    """A market with so many decimals of prices and of amounts, and one step of the last decimal.

    Args:
        symbol: FMZ's symbol.
        places: Decimals of prices, at most 9.
        amount_places: Decimals of amounts, at most 9.
        given: Currencies and contract, when they are known.
    """
    pair, _, contract = symbol.partition(".")
    base, _, quote = pair.partition("_")
    return MarketDetail(
        symbol=symbol,
        alias=symbol,
        base_currency=given.base_currency if given else base,
        quote_currency=given.quote_currency if given else quote,
        margin_currency=given.margin_currency if given else quote if contract else "",
        base_precision=amount_places,
        quote_precision=places,
        price_tick=10 ** (9 - places),
        volume_tick=10 ** (9 - amount_places),
        volume_multiple=ONE,
        margin_level=10 * ONE,
        contract_type=contract,
        symbol_funding="",
        symbol_index="",
    )


def _places(columns: Iterable[array[float]], at_least: int) -> int:
    """The decimals that all numbers of some columns have; at most 9."""
    for column in columns:
        while at_least < 9 and not _have(column, at_least):
            at_least += 1
    return at_least


def _have(column: array[float], places: int) -> bool:
    factor = 10.0**places
    numpy = fast_numpy(len(column))
    for _, (part,) in parts_of(column):
        if numpy is not None:
            values = numpy.frombuffer(part)
            fitting = bool((numpy.rint(values * factor) / factor == values).all())
        else:
            fitting = _fit(part, factor)
        if not fitting:
            return False
    return True


def _fit(part: Iterable[float], factor: float) -> bool:
    try:
        whole = map(round, map(operator.mul, part, repeat(factor)))
        return all(map(operator.eq, map(operator.truediv, whole, repeat(factor)), part))
    except (OverflowError, ValueError):
        return True  # scaling names the number
