"""Bars that a script gives in code: files, DataFrames, numpy arrays, Arrow tables, lists of rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from ....errors import InputError, short_repr
from ....structures.value_objects import evolve
from ...config.times import zone_of
from ...recorded.reading import is_recording, read_recordings
from ...recorded.recording import Recording
from ..files.bars_file import read_bars
from ..files.layout import layout_of, roles_of
from ..raw_series import RawSeries
from .arrow_table import has_arrow_interface, series_from_arrow
from .columns import series_from_columns

__all__ = ["series_of"]

_WIDTHS = (5, 6, 7)  # how many columns FMZ's bars have


def series_of(bars: Any, columns: Mapping[str, str], timezone: str) -> dict[str, RawSeries | Recording]:
    """The series of given bars, by name.

    Args:
        bars: A file (its path), a table, or a dict of such things by name (``"Binance/BTC_USDT"``). A table is a pandas or other DataFrame,
            an object with Arrow's interface, a numpy array (structured, or with the columns time, open, high, low, close, volume), a dict of
            columns, or a list of rows in FMZ's form: ``[ms, open, high, low, close, volume]`` or dicts with ``Time``, ``Open``, ...
        columns: Which column is what, where the names do not say it.
        timezone: The time zone of times that name none.

    Raises:
        InputError: They are none of this, or a row is not a bar.
        MissingExtra: They need pyarrow, which is not installed.
    """
    zone = zone_of(timezone, "timezone")
    if not isinstance(columns, Mapping):
        raise InputError(f"columns is {short_repr(columns)}, expected a dict such as {{'time': 'when'}}")
    if isinstance(bars, Mapping) and not _is_columns(bars, columns):
        found: dict[str, RawSeries | Recording] = {}
        for name, table in bars.items():
            series = dict[str, RawSeries | Recording](_one(table, columns, zone, f"the bars of {name}"))
            if len(series) != 1:
                raise InputError(f"the bars of {name} hold {len(series)} series ({', '.join(series)}), expected one")
            found[str(name)] = _named(next(iter(series.values())), str(name))
        return found
    return dict(_one(bars, columns, zone, "the given bars"))


def _named(series: RawSeries | Recording, name: str) -> RawSeries | Recording:
    return series if isinstance(series, Recording) else evolve(series, name=name)


def _is_columns(bars: Mapping[Any, Any], columns: Mapping[str, str]) -> bool:
    names = {str(name).lower() for name in bars}
    return {"open", "close"} <= names or bool(columns and columns.get("open", "").lower() in names)


def _one(
    bars: Any, columns: Mapping[str, str], zone: tzinfo, where: str
) -> Mapping[str, RawSeries] | Mapping[str, Recording]:
    if isinstance(bars, (str, os.PathLike)):
        if is_recording(Path(bars)):
            return read_recordings(Path(bars))
        return read_bars(Path(bars), columns=columns, zone=zone)
    if isinstance(bars, RawSeries):
        return {bars.name: bars}
    if isinstance(bars, Recording):
        return {bars.name: bars}
    if isinstance(bars, Mapping):
        return {"": _series(dict(bars), len(next(iter(bars.values()), ())), columns, zone, where)}
    if hasattr(bars, "iloc") and hasattr(bars, "columns"):
        return _from_pandas(bars, columns, zone, where)
    if has_arrow_interface(bars) and not hasattr(bars, "iloc"):  # a Series of pandas has it, too
        return series_from_arrow(bars, where, columns=columns, zone=zone)
    if hasattr(bars, "dtype") and hasattr(bars, "shape"):
        return {"": _from_numpy(bars, columns, zone, where)}
    if isinstance(bars, (list, tuple)):
        return {"": _from_rows(bars, columns, zone, where)}
    raise InputError(
        f"{where}: {short_repr(bars)}, expected a file, a DataFrame, an array, an Arrow table, or a list of rows"
    )


def _series(found: Mapping[str, Any], count: int, columns: Mapping[str, str], zone: tzinfo, where: str) -> RawSeries:
    return series_from_columns(
        {str(key): value for key, value in found.items()}, where, given=columns or None, zone=zone, count=count
    )


def _from_pandas(frame: Any, columns: Mapping[str, str], zone: tzinfo, where: str) -> dict[str, RawSeries]:
    named = _pandas_columns(frame, columns, where)
    key = next((name for name in named if name.lower() == "series"), None)
    if key is None:
        return {"": _series(named, len(frame), columns, zone, where)}
    found = {}
    names = named.pop(key)
    for name in names.unique():
        rows = (names == name).to_numpy()
        part = {other: values[rows] for other, values in named.items()}
        series = _series(part, int(rows.sum()), columns, zone, f"{where}, {name}")
        found[str(name)] = evolve(series, name=str(name))
    return found


def _pandas_columns(frame: Any, columns: Mapping[str, str], where: str) -> dict[str, Any]:
    """The columns of a DataFrame by name; the index is one of them where it holds times, or where no column does."""
    labels = frame.columns
    for level in reversed(range(labels.nlevels if labels.nlevels > 1 else 0)):
        if labels.nlevels > 1 and len(labels.unique(level)) == 1:
            labels = labels.droplevel(level)  # such as the ticker over all columns
    names = [str(name) for name in labels]
    named = _index_column(frame.index, names, columns)
    layout_of([*named, *(name for name in names if name not in named)], where, columns)
    for place, name in enumerate(names):
        if name not in named:
            named[name] = frame.iloc[:, place].reset_index(drop=True)
    return named


def _index_column(index: Any, names: Sequence[str], columns: Mapping[str, str]) -> dict[str, Any]:
    """The index of a DataFrame as a column: one of times, or one that is called so or holds text where no column has the time."""
    kind = getattr(index.dtype, "kind", "")
    if index.nlevels > 1:
        return {}
    name = "time" if index.name is None else str(index.name)
    if kind != "M":
        called = index.name is not None and "time" in roles_of([name], columns, partly=True)
        if "time" in roles_of(names, columns, partly=True) or (kind != "O" and not called):
            return {}
    if hasattr(index, "to_timestamp"):  # periods
        index = index.to_timestamp()
    if "time" not in roles_of([name, *names], columns, partly=True):
        name = "time"
    return {name: index.to_series().reset_index(drop=True)}


def _from_numpy(values: Any, columns: Mapping[str, str], zone: tzinfo, where: str) -> RawSeries:
    if values.dtype.names:
        return _series({name: values[name] for name in values.dtype.names}, len(values), columns, zone, where)
    if len(values.shape) != 2 or (values.shape[0] in _WIDTHS and values.shape[1] > 2 * max(_WIDTHS)):
        raise InputError(
            f"{where}: an array of the shape {values.shape}, expected a row a bar (time, open, high, low, close, volume)"
        )
    return _series(
        {str(place): values[:, place] for place in range(values.shape[1])}, len(values), columns, zone, where
    )


def _from_rows(rows: Any, columns: Mapping[str, str], zone: tzinfo, where: str) -> RawSeries:
    if not rows:
        raise InputError(f"{where}: an empty list, expected bars")
    first = rows[0]
    if isinstance(first, Mapping):
        for number, row in enumerate(rows, 1):
            missing = [name for name in first if not isinstance(row, Mapping) or name not in row]
            if missing:
                raise InputError(f"{where}, row {number}: a row has no {missing[0]!r}: {short_repr(row)}")
        return _series({name: [row[name] for row in rows] for name in first}, len(rows), columns, zone, where)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (list, tuple)) and not hasattr(row, "shape"):
            raise InputError(
                f"{where}, row {number}: {short_repr(row)}, expected a row [ms, open, high, low, close, volume]"
            )
        if len(row) != len(first):
            raise InputError(
                f"{where}, row {number}: {short_repr(row)}, expected rows of one length: {len(first)} values, not {len(row)}"
            )
    return _series(
        {str(place): column for place, column in enumerate(zip(*rows, strict=True))}, len(rows), columns, zone, where
    )
