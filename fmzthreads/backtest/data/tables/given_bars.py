"""Bars that a script gives in code: files, DataFrames, numpy arrays, Arrow tables, lists of rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import attrs

from ....errors import InputError, short_repr
from ...config.times import zone_of
from ...recorded.reading import is_recording, read_recordings
from ...recorded.recording import Recording
from ..files.bars_file import read_bars
from ..raw_series import RawSeries
from .arrow_table import has_arrow_interface, series_from_arrow
from .columns import series_from_columns

__all__ = ["series_of"]


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
    return series if isinstance(series, Recording) else attrs.evolve(series, name=name)


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
    if hasattr(bars, "iloc") and hasattr(bars, "index"):
        return _from_pandas(bars, columns, zone, where)
    if has_arrow_interface(bars):
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
    if getattr(frame.index, "dtype", None) is not None and frame.index.dtype.kind == "M":
        frame = frame.reset_index(names="time" if frame.index.name is None else frame.index.name)
    named = {str(name): frame[name] for name in frame.columns}
    key = next((name for name in named if name.lower() == "series"), None)
    if key is None:
        return {"": _series(named, len(frame), columns, zone, where)}
    found = {}
    for name, part in frame.groupby(key, sort=False):
        columns_of_part = {other: part[other] for other in part.columns if other != key}
        series = _series(columns_of_part, len(part), columns, zone, f"{where}, {name}")
        found[str(name)] = attrs.evolve(series, name=str(name))
    return found


def _from_numpy(values: Any, columns: Mapping[str, str], zone: tzinfo, where: str) -> RawSeries:
    if values.dtype.names:
        return _series({name: values[name] for name in values.dtype.names}, len(values), columns, zone, where)
    if len(values.shape) != 2:
        raise InputError(f"{where}: an array of the shape {values.shape}, expected rows and columns")
    return _series(
        {str(place): values[:, place] for place in range(values.shape[1])}, len(values), columns, zone, where
    )


def _from_rows(rows: Any, columns: Mapping[str, str], zone: tzinfo, where: str) -> RawSeries:
    if not rows:
        raise InputError(f"{where}: an empty list, expected bars")
    first = rows[0]
    if isinstance(first, Mapping):
        try:
            return _series({name: [row[name] for row in rows] for name in first}, len(rows), columns, zone, where)
        except KeyError as error:
            raise InputError(f"{where}: a row has no {error}") from None
    if not isinstance(first, (list, tuple)) or any(len(row) != len(first) for row in rows):
        raise InputError(
            f"{where}: {short_repr(first)}, expected rows [ms, open, high, low, close, volume] of one length"
        )
    return _series(
        {str(place): column for place, column in enumerate(zip(*rows, strict=True))}, len(rows), columns, zone, where
    )
