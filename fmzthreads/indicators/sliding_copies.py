"""Indicators over the copies that live ``GetRecords`` hands out, once their oldest bars drop out.

A copy of bars says which bars of which history it holds (``RecordOrigin``), so a later copy that begins at a later bar is a window that slid. What is
proved about sliding windows holds for them as well; only the bars before a copy are gone.
"""

from __future__ import annotations

from typing import Any

from ..structures import record_changes
from ..structures.records import RecordOrigin
from .known_series import Indicator
from .series import new_column
from .sliding_windows import SlidingHistory

__all__ = ["SlidingCopies"]


class _BarsGone(Exception):
    """Bars that dropped out before they were read are asked for."""


class _CopiedHistory:
    """Stands for the history of copies, of which only the bars of the last copy are known."""

    __slots__ = ("first", "identity", "sliding")

    def __init__(self, identity: object, first: int) -> None:
        self.identity = identity  # kept alive, so that no other history has its id
        self.first = first
        self.sliding: SlidingHistory | None = None

    def values(self, field: str, begin: int, end: int) -> list[Any]:
        """Never has them: what dropped out of the copies is gone."""
        raise _BarsGone


class _CopiedWindow:
    """A copy in the form of a window."""

    __slots__ = ("_name", "_rows", "place")

    def __init__(self, history: _CopiedHistory, origin: RecordOrigin, rows: list[Any], name: str) -> None:
        self._name = name
        self._rows = rows
        self.place = (history, origin.first, origin.bars, 0, len(rows) - origin.bars, None)

    def values_from(self, field: str, place: int) -> list[Any]:
        """The column's values from a place of the copy on."""
        return new_column(self._name, self._rows[place:], field, place)


class SlidingCopies:
    """Computes indicators over copies of histories that slide. Safe from many threads; threads never wait for each other.

    Args:
        kept: How many histories, and indicators of each, are remembered; the one that was not used for longest goes first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        # Used by single steps only (pop, assignment): a thread that takes a history out is its only user.
        self._histories: dict[int, _CopiedHistory] = {}

    def lines(
        self, indicator: Indicator, params: tuple[Any, ...], rows: list[Any], origin: RecordOrigin
    ) -> list[list[Any]] | None:
        """The lists of an indicator over a copy; None if it has not slid, or must be computed as a whole.

        Args:
            indicator: The indicator.
            params: Its parameters.
            rows: The copy.
            origin: What it is a copy of.

        Raises:
            InputError: A bar is not what it must be.
        """
        key = id(origin.history)
        history = self._histories.pop(key, None)
        if history is None:
            history = _CopiedHistory(origin.history, origin.first)
        try:
            if origin.token is not record_changes() or len(rows) < origin.bars:
                return None  # a bar of it may have been changed since
            if history.sliding is None and history.first == origin.first:
                return None
            window: Any = _CopiedWindow(history, origin, rows, indicator.name)
            if history.sliding is None:
                history.sliding = SlidingHistory(window, self._kept)
            return history.sliding.lines(indicator, params, window)
        except _BarsGone:
            history.sliding = None
            return None
        finally:
            history.first = max(history.first, origin.first)
            self._histories[key] = history
            while len(self._histories) > self._kept:
                try:
                    self._histories.pop(next(iter(self._histories)), None)
                except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
                    break
