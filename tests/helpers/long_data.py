"""Limits so small that a few hundred bars count as long data, and which temporary files there are."""

from __future__ import annotations

import gc
import tempfile
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from fmzthreads.backtest.data import column_parts, row_spill

__all__ = ["TemporaryFiles", "full_after", "small_limits"]


def small_limits(patch: pytest.MonkeyPatch, rows: int = 50) -> None:
    """Has data of more than so many rows kept on disk, and read in parts of 16 rows."""
    patch.setattr(row_spill, "IN_MEMORY_ROWS", rows)
    patch.setattr(row_spill, "_BUFFERED", rows // 2)
    patch.setattr(column_parts, "PART", 16)


class TemporaryFiles:
    """The temporary files that are made from now on.

    Args:
        patch: What is undone at the end of the test.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._files: list[weakref.ref[Any]] = []
        self.count = 0
        make = tempfile.TemporaryFile

        def _made(*args: Any, **options: Any) -> Any:
            file = make(*args, **options)
            self.count += 1
            self._files.append(weakref.ref(file))
            return file

        patch.setattr(tempfile, "TemporaryFile", _made)

    def open(self) -> int:
        """How many of them are open."""
        gc.collect()
        return sum(file is not None and not file.closed for file in (one() for one in self._files))


def full_after(patch: pytest.MonkeyPatch, size: int) -> None:
    """Has the disk full once so many bytes were written to temporary files."""
    left = [size]
    make: Callable[..., Any] = tempfile.TemporaryFile

    class _Full:
        """A file on a disk that becomes full."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, data: Any) -> int:
            """Writes what there is room for.

            Raises:
                OSError: There is none.
            """
            if not left[0]:
                raise OSError(28, "No space left on device")
            written: int = self._file.write(memoryview(data)[: left[0]])
            left[0] -= written
            return written

    patch.setattr(tempfile, "TemporaryFile", lambda *args, **options: _Full(make(*args, **options)))
