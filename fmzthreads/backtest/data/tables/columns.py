"""Columns of any kind as a series of bars."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from ....errors import InputError, short_repr
from ..files.layout import default_layout, layout_of
from ..files.moments import milliseconds, unit_of
from ..raw_series import RawSeries

__all__ = ["numbers_of", "series_from_columns", "times_from"]

_SAMPLE = 2000


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
        try:
            if role == "time":
                series.time = times_from(values, zone)
            else:
                setattr(series, role, numbers_of(values))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{where}: column {names[place]!r} ({role}): {error}") from None
    if not series.volume:
        series.volume = array("d", bytes(8 * count))
    series.decimals = (0, _places(series.volume))
    if checked:
        series.check()
    return series


def _places(values: array[float]) -> int:
    return min(9, max((len(f"{value:.9f}".rstrip("0").partition(".")[2]) for value in values[:_SAMPLE]), default=0))


def numbers_of(values: Any) -> array[float]:
    """A column as doubles.

    Raises:
        TypeError, ValueError: It holds something else than numbers.
    """
    if hasattr(values, "dtype") and hasattr(values, "astype"):
        return array(
            "d",
            values.astype("float64").tobytes() if hasattr(values, "tobytes") else values.to_numpy("float64").tobytes(),
        )
    return array("d", map(float, values))


def times_from(values: Any, zone: tzinfo) -> array[int]:
    """A column of times as milliseconds: numbers in any usual unit, numpy's or pandas' times, datetimes, texts.

    Raises:
        TypeError, ValueError: It holds something else.
    """
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if hasattr(getattr(values, "dt", None), "tz_convert") and getattr(values.dt, "tz", None) is not None:
        values, kind = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), "M"  # pandas with a zone
        return array("q", values.astype("datetime64[ms]").astype("int64").tobytes())
    if kind == "M":
        found = array("q", _plain(values).astype("datetime64[ms]").astype("int64").tobytes())
        return _from_zone(found, zone)
    if kind in {"i", "u", "f"}:
        values = _plain(values)
        if not len(values):
            return array("q")
        unit = unit_of(float(values[0]))
        scaled = values.astype("int64") // round(1 / unit) if unit < 1 else (values * unit).round()
        return array("q", scaled.astype("int64").tobytes())
    rows: Sequence[Any] = list(values)
    if not rows:
        return array("q")
    if isinstance(rows[0], (int, float)) and not isinstance(rows[0], bool):
        unit = unit_of(float(rows[0]))
        return array("q", (round(value * unit) if unit >= 1 else int(value) // round(1 / unit) for value in rows))
    return array("q", (_moment(value, zone) for value in rows))


def _plain(values: Any) -> Any:
    return values.to_numpy() if hasattr(values, "to_numpy") else values


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
        return milliseconds(value.isoformat(), zone)
    raise TypeError(f"{short_repr(value)} is not a time")
