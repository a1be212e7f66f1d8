"""Bars from Arrow tables, and from anything that has Arrow's interface (``__arrow_c_stream__``, ``__arrow_c_array__``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from ....errors import InputError, MissingExtra
from ..column_parts import PART
from ..files.layout import layout_of
from ..raw_series import RawSeries
from ..row_spill import RowSpill
from .columns import series_from_columns

__all__ = ["arrow", "has_arrow_interface", "series_from_arrow", "series_from_batches"]


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
    return series_from_batches(
        table.to_batches(max_chunksize=PART), table.column_names, where, columns=columns, zone=zone, checked=checked
    )


def series_from_batches(
    batches: Iterable[Any],
    names: Sequence[str],
    where: str,
    *,
    columns: Mapping[str, str] | None = None,
    zone: tzinfo,
    checked: bool = True,
    in_memory: int | None = None,
) -> dict[str, RawSeries]:
    """The series of record batches that come one after the other, by name; see ``series_from_arrow``.

    Args:
        batches: The batches.
        names: The names of their columns.
        where: Where they came from, for messages.
        columns: Which column is what, where the names do not say it.
        zone: The time zone of times without one.
        checked: Whether bars out of order or with impossible prices are refused.
        in_memory: How many rows stay in memory, those of more being kept in a temporary file; None for 1,000,000.

    Raises:
        MissingExtra: pyarrow is not installed.
        InputError: A column is missing or holds something else than numbers, or a row is not a bar.
        OperationFailed: The temporary file of many rows cannot be written.
    """
    place = layout_of(names, where, columns).get("series")
    series = {} if place is not None else {"": RawSeries(where=where)}
    with RowSpill(in_memory) as spill:
        for batch in batches:
            for name, part in _by_name(batch, place):
                shown = where if place is None else f"{where}, {name}"
                more = _one(part, shown, name, columns, zone)
                if name not in series or not len(series[name]):
                    series.setdefault(name, more).decimals = more.decimals
                if series[name] is not more:
                    series[name].extend(more)
            spill.take(series)
        for name, stored in spill.finish(series).items():
            series[name].stored = stored
    for one in series.values() if checked else ():
        one.check()
    return series


def _by_name(batch: Any, place: int | None) -> Iterator[tuple[str, Any]]:
    """The rows of each series of a batch."""
    if place is None:
        yield "", batch
        return
    compute = arrow("pyarrow.compute")
    for name in compute.unique(batch.column(place)).to_pylist():
        yield str(name), batch.filter(compute.equal(batch.column(place), name))


def _one(batch: Any, where: str, name: str, columns: Mapping[str, str] | None, zone: tzinfo) -> RawSeries:
    pyarrow = arrow()
    found: dict[str, Any] = {}
    for title, column in zip(batch.schema.names, batch.columns, strict=True):
        if pyarrow.types.is_timestamp(column.type):
            found[title] = _milliseconds(column)
        elif column.type in {pyarrow.float32(), pyarrow.float16()}:
            found[title] = column.cast(pyarrow.string()).to_pylist()  # the decimals that these numbers show
        else:
            found[title] = column.to_pylist()
    return series_from_columns(found, where, name=name, given=columns, zone=zone, count=batch.num_rows, checked=False)


def _milliseconds(column: Any) -> list[Any]:
    pyarrow = arrow()
    if column.type.tz is not None:
        return list(column.cast(pyarrow.timestamp("ms", "UTC"), safe=False).cast(pyarrow.int64()).to_pylist())
    return list(column.to_pylist())
