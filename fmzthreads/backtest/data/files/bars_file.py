"""Reads a file of bars, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path

from ..raw_series import RawSeries
from .csv_file import read_csv

__all__ = ["read_bars"]


def read_bars(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    zone: tzinfo = UTC,
    checked: bool = True,
    in_memory: int | None = None,
) -> dict[str, RawSeries]:
    """Reads the series of a CSV file (also with ``.gz`` or ``.zip``) or of a parquet file, by name.

    Args:
        path: The file; a name that ends with ``.parquet`` is a parquet file, all others are CSV.
        columns: Which column is what, where their names do not say it.
        zone: The time zone of written times that name none.
        checked: Whether bars out of order or with impossible prices are refused.
        in_memory: How many rows stay in memory, those of longer files being kept in a temporary file; None for 1,000,000.

    Raises:
        InputError: The file cannot be read, or a row is not a bar; names the place.
        OperationFailed: The temporary file of many rows cannot be written.
        MissingExtra: It is a parquet file, and pyarrow is not installed.
    """
    if path.suffix.lower() in {".parquet", ".pq"}:
        from .parquet_file import read_parquet  # pyarrow is an extra

        return read_parquet(path, columns=columns, zone=zone, checked=checked, in_memory=in_memory)
    return read_csv(path, columns=columns, zone=zone, checked=checked, in_memory=in_memory)
