"""Reads lists row by row: an unreadable row is skipped with a warning."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container
from typing import Any, TypeVar

from ...fork import after_fork_in_child
from ...structures import Ticker
from .parsing import Malformed, mapping, text

__all__ = ["OddRows"]

T = TypeVar("T")

_log = logging.getLogger("fmzthreads.venues")

_MOST_WARNINGS = 10  # per kind of row; a changed format affects thousands of rows


class OddRows:
    """Reads the rows of lists; warns once per unreadable row; thread-safe.

    Args:
        venue: The venue's name, for the warnings.

    Attributes:
        warn: Receives the warnings; a logger until it is set.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.warn: Callable[[str], None] = lambda text: _log.warning("%s", text)
        self._lock = threading.Lock()  # guards _told
        after_fork_in_child(self._start_anew)
        self._told: dict[str, set[str]] = {}

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock."""
        self._lock = threading.Lock()

    def read(
        self, rows: list[Any], kind: str, named: str, read: Callable[[dict[str, Any]], T], strict: Container[str] = ()
    ) -> list[T]:
        """The readable rows of a list.

        Args:
            rows: The rows as the venue sent them.
            kind: What a row is, such as ``"a balance"``.
            named: The field that holds a row's name.
            read: Reads a row; raises ``Malformed``.
            strict: The names of rows that must not be skipped.

        Raises:
            Malformed: No row can be read (the reply's format is unknown), or one of ``strict`` cannot.
        """
        found: list[T] = []
        first: Malformed | None = None
        for raw in rows:
            try:
                found.append(read(mapping(raw, kind)))
            except Malformed as error:
                name = raw.get(named) if isinstance(raw, dict) else None
                if isinstance(name, str) and name in strict:
                    raise
                first = first or error
                self._tell(kind, repr(name)[:40], error)
        if first is not None and not found:
            raise first
        return found

    def tickers(
        self,
        rows: list[Any],
        named: str,
        symbol_of: Callable[[str], str | None],
        read: Callable[[dict[str, Any], str], Ticker],
    ) -> list[Ticker]:
        """The tickers of a list, for symbols that are listed and have traded.

        Args:
            rows: The rows as the venue sent them.
            named: The field that holds the venue's name of the symbol.
            symbol_of: FMZ's symbol of such a name; None if it is not listed.
            read: Reads a row.

        Raises:
            Malformed: No row can be read.
        """

        def _read(row: dict[str, Any]) -> Ticker | None:
            symbol = symbol_of(text(row, named))
            return read(row, symbol) if symbol is not None else None

        found = self.read(rows, "a ticker", named, _read)
        return [one for one in found if one is not None and one["Last"] is not None]

    def _tell(self, kind: str, name: str, error: Malformed) -> None:
        with self._lock:
            told = self._told.setdefault(kind, set())
            if name in told or len(told) >= _MOST_WARNINGS:
                return
            told.add(name)
        self.warn(f"{self._venue} sent {kind} ({name}) that cannot be read; it was skipped: {error}")
