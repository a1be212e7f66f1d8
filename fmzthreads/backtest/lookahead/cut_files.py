"""Copies of files of bars that end at an instant, for strategies that open the files themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from ...errors import FmzError
from ..data.files.bars_file import read_bars
from ..data.files.csv_file import bar_lines

__all__ = ["CutFiles"]

_PLAIN = {".csv", ".tsv", ".txt", ""}


class CutFiles:
    """Plain CSV files without the rows from an instant on; other files stay as they are.

    Args:
        files: The files of bars.
        columns: Which column is what, where the files do not say it.
        zone: The time zone of times that name none.
        instant_ms: The first moment whose rows are left out, in milliseconds since the epoch.
        folder: Where the copies are written.
    """

    def __init__(
        self, files: Sequence[Path], columns: Mapping[str, str], zone: tzinfo, instant_ms: int, folder: Path
    ) -> None:
        self._files = [path for path in files if path.suffix.lower() in _PLAIN]
        self._columns = columns
        self._zone = zone
        self._instant_ms = instant_ms
        self._folder = folder
        self._copies: dict[Path, Path] = {}

    def __call__(self, file: Any) -> Any:
        """The copy of a file of bars; any other file itself."""
        if not isinstance(file, (str, os.PathLike)):
            return file
        for path in self._files:
            try:
                if path.samefile(file):
                    return self._copy(path) or file
            except OSError:  # there is no such file: open says so
                return file
        return file

    def _copy(self, path: Path) -> Path | None:
        found = self._copies.get(path)
        if found is None:
            try:
                series = read_bars(path, columns=self._columns, zone=self._zone, checked=False)
            except FmzError:  # it was read before; without its rows it stays as it is
                return None
            times = {name: iter(rows.time) for name, rows in series.items()}
            later = {number for number, name in bar_lines(path, self._columns) if next(times[name]) >= self._instant_ms}
            lines = path.read_bytes().splitlines(keepends=True)
            found = self._copies[path] = self._folder / f"{len(self._copies)}-{path.name}"
            found.write_bytes(b"".join(line for number, line in enumerate(lines, 1) if number not in later))
        return found
