"""Bars from Arrow tables, and from anything that has Arrow's interface (``__arrow_c_stream__``, ``__arrow_c_array__``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from ....errors import InputError, MissingExtra
from ..files.layout import layout_of
from ..raw_series import RawSeries
from .columns import series_from_columns

__all__ = ["arrow", "has_arrow_interface", "series_from_arrow"]


def arrow(module: str = "pyarrow") -> Any:
    """A module of pyarrow.

    Raises:
        MissingExtra: It is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            "parquet files and Arrow tables need pyarrow; install it with: python -m pip install 'fmzthreads[data]'"
        ) from error


def has_arrow_interface(value: Any) -> bool:
    """Whether an object can be read as an Arrow table."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def series_from_arrow(
    value: Any, where: str, *, columns: Mapping[str, str] | None = None, zone: tzinfo, checked: bool = True
) -> dict[str, RawSeries]:
    """The series of a table, by name; a table without a column ``series`` has one with an empty name.

    Args:
        value: The table, or an object with Arrow's interface.
        where: Where it came from, for messages.
        columns: Which column is what, where the names do not say it.
        zone: The time zone of times without one.
        checked: Whether bars out of order or with impossible prices are refused.

    Raises:
        MissingExtra: pyarrow is not installed.
        InputError: A column is missing or holds something else than numbers, or a row is not a bar.
    """
    pyarrow = arrow()
    try:
        table = value if isinstance(value, pyarrow.Table) else pyarrow.table(value)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{where}: not a table: {error}") from None
    names = list(table.column_names)
    layout = layout_of(names, where, columns)
    place = layout.get("series")
    if place is None:
        return {"": _one(table, where, "", columns, zone, checked=checked)}
    compute = arrow("pyarrow.compute")
    series = {}
    for name in compute.unique(table.column(place)).to_pylist():
        part = table.filter(compute.equal(table.column(place), name))
        series[str(name)] = _one(part, f"{where}, {name}", str(name), columns, zone, checked=checked)
    return series


def _one(
    table: Any, where: str, name: str, columns: Mapping[str, str] | None, zone: tzinfo, *, checked: bool
) -> RawSeries:
    pyarrow = arrow()
    found: dict[str, Any] = {}
    for title, column in zip(table.column_names, table.columns, strict=True):
        found[title] = _milliseconds(column) if pyarrow.types.is_timestamp(column.type) else column.to_pylist()
    return series_from_columns(found, where, name=name, given=columns, zone=zone, count=table.num_rows, checked=checked)


def _milliseconds(column: Any) -> list[Any]:
    pyarrow = arrow()
    if column.type.tz is not None:
        return list(column.cast(pyarrow.timestamp("ms", "UTC"), safe=False).cast(pyarrow.int64()).to_pylist())
    return list(column.to_pylist())
