"""Reads bars from parquet files (extra ``data``: pyarrow)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path

from ....errors import InputError
from ..column_parts import PART
from ..raw_series import RawSeries
from ..tables.arrow_table import arrow, series_from_batches

__all__ = ["read_parquet"]


def read_parquet(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    zone: tzinfo = UTC,
    checked: bool = True,
    in_memory: int | None = None,
) -> dict[str, RawSeries]:
    """Reads the series of a file, by name; a file without a column ``series`` has one with an empty name.

    Args:
        path: The file.
        columns: Which column is what, where the names do not say it.
        zone: The time zone of times that name none.
        checked: Whether bars out of order or with impossible prices are refused.
        in_memory: How many rows stay in memory, those of longer files being kept in a temporary file; None for 1,000,000.

    Raises:
        MissingExtra: pyarrow is not installed.
        InputError: The file cannot be read, or a row is not a bar.
        OperationFailed: The temporary file of many rows cannot be written.
    """
    parquet, pyarrow = arrow("pyarrow.parquet"), arrow()
    if not path.is_file():
        raise InputError(f"there is no file of bars {str(path)!r}")
    try:
        with parquet.ParquetFile(path) as file:
            return series_from_batches(
                file.iter_batches(batch_size=PART),
                file.schema_arrow.names,
                str(path),
                columns=columns,
                zone=zone,
                checked=checked,
                in_memory=in_memory,
            )
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path} is not a parquet file: {error}") from None
