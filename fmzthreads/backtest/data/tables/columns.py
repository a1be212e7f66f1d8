"""Columns of any kind as a series of bars."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from math import inf, nan
from numbers import Real
from typing import Any

from ....errors import InputError, short_repr
from ..files.layout import default_layout, layout_of
from ..files.moments import is_written_date, milliseconds, times_of, unit_of
from ..raw_series import RawSeries

__all__ = ["numbers_of", "series_from_columns", "times_from"]

_SAMPLE = 2000
_NOT_A_TIME = -(2**63)
"""Numpy's NaT as a whole number."""


def series_from_columns(
    columns: Mapping[str, Any],
    where: str,
    *,
    name: str = "",
    given: Mapping[str, str] | None = None,
    zone: tzinfo,
    count: int,
    checked: bool = True,
) -> RawSeries:
    """A series of bars from columns by name.

    Args:
        columns: The columns: arrays, lists, whatever can be turned into numbers.
        where: Where they came from, for messages.
        name: The name of the series.
        given: Which column is what, where the names do not say it.
        zone: The time zone of times without one.
        count: How many rows there are.
        checked: Whether bars out of order or with impossible prices are refused.

    Raises:
        InputError: A column is missing, or holds something else than numbers; or a row is not a bar.
    """
    names = list(columns)
    layout = (
        layout_of(names, where, given)
        if any(not key.isdigit() for key in names) or given
        else default_layout(len(names), where)
    )
    series = RawSeries(name=name, where=where)
    for role, place in layout.items():
        if role == "series":
            continue
        values = columns[names[place]]
        if len(values) != count:
            raise InputError(f"{where}: column {names[place]!r} ({role}) has {len(values)} values, expected {count}")
        convert: Callable[[Any], Any] = numbers_of if role != "time" else partial(times_from, zone=zone)
        try:
            setattr(series, role, convert(values))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{where}, {_first_bad(values, convert, names[place], role)}") from error
    if not series.volume:
        series.volume = array("d", bytes(8 * count))
    series.decimals = (0, _places(series.volume))
    if checked:
        series.check()
    return series


def _places(values: array[float]) -> int:
    return min(9, max((len(f"{value:.9f}".rstrip("0").partition(".")[2]) for value in values[:_SAMPLE]), default=0))


def _first_bad(values: Any, convert: Callable[[Any], Any], name: str, role: str) -> str:
    """Names the first value of a column that cannot be read."""
    for row, value in enumerate(values):
        try:
            convert([value])
        except (TypeError, ValueError, OverflowError) as error:
            what = str(error) if role == "time" else f"{short_repr(value)}, expected a number"
            return f"row {row + 1}: column {name!r} ({role}): {what}"
    try:
        convert(values)
    except (TypeError, ValueError, OverflowError) as error:
        return f"column {name!r} ({role}): {error}"
    return f"column {name!r} ({role})"


def numbers_of(values: Any) -> array[float]:
    """A column as doubles; numbers of single precision as the decimals that they show.

    Raises:
        TypeError, ValueError: It holds something else than numbers.
    """
    if hasattr(values, "dtype") and hasattr(values, "astype"):
        single = _is_single(values.dtype)
        if hasattr(values, "to_numpy"):
            values = values.to_numpy(f"float{8 * values.dtype.itemsize}" if single else "float64")
        values = _unmasked(values)
        if single:
            values = values.astype(str)  # 97.05 is 97.0500030517578125 in single precision
        return array("d", values.astype("float64").tobytes())
    return array("d", map(float, values))


def _is_single(dtype: Any) -> bool:
    """Whether numbers have less than double precision."""
    return getattr(dtype, "kind", "") == "f" and dtype.itemsize < 8


def _unmasked(values: Any) -> Any:
    """A numpy array; values that a masked array hides are not numbers."""
    if hasattr(values, "filled") and hasattr(values, "mask") and values.mask.any():
        return values.astype("float64").filled(nan)
    return values


def times_from(values: Any, zone: tzinfo) -> array[int]:
    """A column of times as milliseconds: numbers in any usual unit, numpy's or pandas' times, datetimes, texts.

    Raises:
        TypeError, ValueError: It holds something else.
    """
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if hasattr(getattr(values, "dt", None), "tz_convert") and getattr(values.dt, "tz", None) is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)  # pandas with a zone
        return _from_dates(values)
    if kind == "M":
        return _from_zone(_from_dates(values), zone)
    if kind in {"i", "u", "f"}:
        return _from_numbers(_unmasked(_plain(values)), zone)
    rows: Sequence[Any] = list(values)
    if not rows:
        return array("q")
    first: Any = rows[0]
    if type(first) is not bool and isinstance(first, (Real, Decimal)):
        if _is_date(first):
            return times_of([str(int(value)) for value in rows], zone)
        unit = unit_of(float(first))
        return array(
            "q", (round(float(value) * unit) if unit >= 1 else int(value) // round(1 / unit) for value in rows)
        )
    if isinstance(first, str):
        return times_of([str(value) for value in rows], zone)
    return array("q", (_moment(value, zone) for value in rows))


def _plain(values: Any) -> Any:
    return values.to_numpy() if hasattr(values, "to_numpy") else values


def _is_date(value: Any) -> bool:
    """Whether a number is a date such as 20240131."""
    return value == value // 1 and is_written_date(str(int(value)))


def _from_dates(values: Any) -> array[int]:
    """Numpy's or pandas' times, without a zone.

    Raises:
        ValueError: One is no time (NaT).
    """
    found = array("q", _plain(values).astype("datetime64[ms]").astype("int64").tobytes())
    if found and min(found) == _NOT_A_TIME:
        raise ValueError("NaT is not a time")
    return found


def _from_numbers(values: Any, zone: tzinfo) -> array[int]:
    """A numpy array of times in any usual unit.

    Raises:
        ValueError: One is not finite, or the numbers are too short for times.
    """
    if not len(values):
        return array("q")
    if values.dtype.kind == "f":
        if _is_single(values.dtype):
            raise ValueError(f"{values.dtype} cannot hold times, expected int64 or float64")
        if not (abs(values) < inf).all():
            raise ValueError("a time is not a finite number")
    if _is_date(values[0]):
        return times_of([str(int(value)) for value in values], zone)
    unit = unit_of(float(values[0]))
    scaled = values.astype("int64") // round(1 / unit) if unit < 1 else (values * unit).round()
    return array("q", scaled.astype("int64").tobytes())


def _from_zone(times: array[int], zone: tzinfo) -> array[int]:
    """Times without a zone, read as those of the given one."""
    from datetime import UTC, datetime, timedelta

    if zone is UTC:
        return times
    epoch = datetime(1970, 1, 1)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return array(
        "q",
        (
            ((epoch + timedelta(milliseconds=value)).replace(tzinfo=zone) - start) // timedelta(milliseconds=1)
            for value in times
        ),
    )


def _moment(value: Any, zone: tzinfo) -> int:
    if isinstance(value, str):
        return milliseconds(value, zone)
    if hasattr(value, "isoformat"):
        if str(value) == "NaT":
            raise ValueError("NaT is not a time")
        return milliseconds(value.isoformat(), zone)
    raise TypeError(f"{short_repr(value)} is not a time")
