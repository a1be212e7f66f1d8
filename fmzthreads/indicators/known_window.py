"""Indicators over windows of one history of bars, which says itself what was seen before.

The columns of a history are read once for all indicators, and of a window that grew only what is new.
"""

from __future__ import annotations

import threading
from typing import Any

from ..fork import after_fork_in_child
from ..structures import record_changes
from ..structures.growing import BarHistory, GrowingRecords
from .known_series import Indicator
from .lines import LineStore
from .sliding_windows import SlidingHistory

__all__ = ["GrowingWindows"]


class _Columns:
    """The columns of the windows of one history that begin at the same bar, up to the last window."""

    __slots__ = ("beginning", "count", "first", "history", "lists", "rows", "seen")

    def __init__(self, rows: GrowingRecords) -> None:
        self.history: BarHistory = rows.history
        self.first = -1
        self.count = 0  # the final bars in the lists; those that are still forming follow them
        self.lists: dict[str, list[Any]] = {}
        self.rows: GrowingRecords | None = None
        self.seen: object = None  # of the bars' changes when they were read
        self.beginning = object()  # another one whenever the lists do not go on

    def move_to(self, rows: GrowingRecords) -> None:
        """Reads what a window has more."""
        seen = record_changes()
        count = self.count
        if rows.first == self.first and rows.closed >= count and seen is self.seen:
            for field, values in self.lists.items():
                values[count:] = rows.values_from(field, count)
        else:
            self.lists.clear()
            self.first = rows.first
            self.beginning = object()
        self.count = rows.closed
        self.rows = rows
        self.seen = seen

    def of(self, field: str) -> list[Any]:
        """One column of the current window."""
        found = self.lists.get(field)
        if found is None:
            assert self.rows is not None
            found = self.lists[field] = self.rows.values_from(field, 0)
        return found


class _Known:
    """The lines of one indicator, how much of them is of final bars, and the state there."""

    __slots__ = ("beginning", "count", "lines", "outs", "state", "sure")

    def __init__(self, indicator: Indicator, params: tuple[Any, ...], beginning: object) -> None:
        self.beginning = beginning
        self.count = 0
        self.state: Any = None
        self.outs = indicator.new_outs(params)
        self.sure = [len(out) for out in self.outs]
        self.lines = [(LineStore(), out) for out in self.outs]

    def advance(
        self, indicator: Indicator, params: tuple[Any, ...], inputs: list[list[Any]], closed: int, end: int
    ) -> list[list[Any]]:
        """Goes on to the end of a window, and returns its lines.

        An older window, asked for after a newer one, has another beginning; so what is known never goes beyond this one.
        """
        step, outs, sure = indicator.advance, self.outs, self.sure
        for place, out in enumerate(outs):
            del out[sure[place] :]  # what was computed for bars that were still forming
        if closed > self.count:
            self.state = step(params, inputs, self.count, closed, self.state, outs)
            self.count = closed
            self.sure = sure = [len(out) for out in outs]
        step(params, inputs, closed, end, self.state, outs)
        return [store.result(out, sure[place]) for place, (store, out) in enumerate(self.lines)]


class GrowingWindows:
    """Computes indicators over growing records. Safe from many threads, one after the other.

    Args:
        kept: How many series are remembered; the oldest goes first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = threading.Lock()  # guards everything here
        after_fork_in_child(self._start_anew)
        self._columns: dict[int, _Columns] = {}  # they keep their histories alive, so that no other one has its id
        self._known: dict[tuple[Any, ...], _Known] = {}
        self._sliding: dict[int, SlidingHistory] = {}  # of those in _columns

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock, and nothing is known."""
        self._lock = threading.Lock()
        self._columns, self._known, self._sliding = {}, {}, {}

    def lines(self, indicator: Indicator, params: tuple[Any, ...], rows: GrowingRecords) -> list[list[Any]]:
        """Returns the lists of an indicator; they are the caller's own.

        Args:
            indicator: The indicator.
            params: Its parameters.
            rows: The bars.
        """
        history, first, closed, _, tip_count, _ = rows.place
        end = closed + tip_count
        if not end:
            return indicator.new_outs(params)
        history_id = id(history)
        with self._lock:
            columns = self._columns.get(history_id)
            if columns is None:
                columns = self._columns[history_id] = _Columns(rows)
                self._forget()
            elif first != columns.first:
                sliding = self._sliding.get(history_id)
                if sliding is None:
                    sliding = self._sliding[history_id] = SlidingHistory(rows, self._kept)
                lines = sliding.lines(indicator, params, rows)
                if lines is not None:
                    return lines
            if rows is not columns.rows or record_changes() is not columns.seen:
                columns.move_to(rows)
            key = (indicator.name, params, history_id)
            known = self._known.get(key)
            if known is None or known.beginning is not columns.beginning:
                known = self._known[key] = _Known(indicator, params, columns.beginning)
                self._forget()
            inputs = [columns.of(field) for field in indicator.fields]
            return known.advance(indicator, params, inputs, closed, end)

    def _forget(self) -> None:
        while len(self._known) > self._kept:
            del self._known[next(iter(self._known))]
        while len(self._columns) > self._kept:
            gone = next(iter(self._columns))
            del self._columns[gone]
            self._sliding.pop(gone, None)
            self._known = {key: known for key, known in self._known.items() if key[2] != gone}
