"""Reads a strategy file in the language that its name tells."""

from __future__ import annotations

from pathlib import Path

from .javascript_source import JavaScriptSource
from .source import Source, read_file

__all__ = ["read_source"]


def read_source(path: str | Path) -> Source:
    """Reads a strategy file: JavaScript where its name ends with ``.js``, else Python.

    Raises:
        InputError: As ``read_file``.
    """
    return read_file(path, JavaScriptSource if Path(path).suffix.lower() == ".js" else None)
