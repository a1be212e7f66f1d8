"""Indicators over windows that slide: computations that have come to the same state go on together.

FMZ computes each window from its own first bar, and what a sum or a mean was begun with stays in its last digits. So a window that has lost its first
bar is another series, and none of its numbers may be taken from the window before without a proof. The proof is this: a recurrence is a function of its state and of the bars
that follow. Two computations, begun at different bars, whose states are equal to the last bit at one bar have the same states and the same values at all later bars. And they do meet: exponential means forget what they were begun
with, and running sums of prices differ by a few units in their last place, of which there are not many.

A ``_Path`` is one computation and its values. At every ``MARK``-th bar of the history its state is noted. A new window is computed from its first bar to a mark where a known path has been in
the same state; from there on its values are that path's. Where the paths of an indicator do not meet, it is left to a whole computation.
"""

from __future__ import annotations

import marshal
from typing import Any

from ..structures import record_changes
from ..structures.growing import BarHistory, GrowingRecords
from .known_series import Indicator

__all__ = ["SlidingHistory"]

MARK = 32
"""At each multiple of so many bars the paths' states are compared."""

_PATHS = 64
_TIDIED_AFTER = 1024
_HOPELESS = -16
_SHORT = 2 * MARK
_MOST_LUCK = 64


class _SlidingColumns:
    """The columns of one history, in the form that recurrences read.

    Attributes:
        begin: The number of the first bar in the lists.
        seen: What ``record_changes`` was when the bars were read.
    """

    __slots__ = ("_history", "_lists", "_rows", "begin", "seen")

    def __init__(self, history: BarHistory, begin: int) -> None:
        self._history = history
        self._lists: dict[str, tuple[list[Any], list[int]]] = {}
        self._rows: GrowingRecords | None = None
        self.begin = begin
        self.seen = record_changes()

    def of(self, field: str, rows: GrowingRecords) -> list[Any]:
        """One column up to the end of a window: its final bars, then those that are still forming."""
        found = self._lists.get(field)
        if found is None:
            found = self._lists[field] = [], [0]
        values, final = found
        _, first, closed, _, _, _ = rows.place
        count = final[0]
        place = self.begin + count - first  # in the window, of the first bar that is not known to be final
        if place < 0:  # it was not asked for while the window slid
            values[count:] = self._history.values(field, self.begin + count, first)
            place = 0
        else:
            del values[count:]
        values += rows.values_from(field, place)
        final[0] = first + closed - self.begin
        return values

    def forget(self, begin: int) -> None:
        """Drops what lies before a bar."""
        gone = begin - self.begin
        for values, final in self._lists.values():
            del values[:gone]
            final[0] = max(0, final[0] - gone)
        self.begin = begin


class _Path:
    """One computation, from a mark on.

    Attributes:
        begin: The number of the bar that its values begin with.
        end: The number of the bar after those that are computed.
        values: The values of each line.
        state: The state at its end.
        next: The path that it has met at its end, a mark; None while it goes on by itself.
        marks: The marks at which it can be met, and its states there.
    """

    __slots__ = ("begin", "end", "marks", "next", "state", "values")

    def __init__(self, begin: int, state: Any, lines: int) -> None:
        self.begin = self.end = begin
        self.state = state
        self.values: list[list[Any]] = [[] for _ in range(lines)]
        self.next: _Path | None = None
        self.marks: list[tuple[int, bytes]] = []


class _Paths:
    """The paths of one indicator over one history."""

    def __init__(self, indicator: Indicator, params: tuple[Any, ...]) -> None:
        self._indicator = indicator
        self._params = params
        # From so many bars on the recurrence does not ask any more how far it is from its beginning.
        self._warm = sum(param for param in params if type(param) is int) + 1
        self._marks: dict[int, dict[bytes, _Path]] = {}
        self._paths: dict[_Path, None] = {}  # the one that was met last at the end
        self._luck = 0
        self._tidied = 0

    def lines(self, columns: _SlidingColumns, rows: GrowingRecords) -> list[list[Any]] | None:
        """The lists of a window; None if it is too short, or the paths do not meet."""
        indicator, params = self._indicator, self._params
        _, first, closed, _, tip_count, _ = rows.place
        end, mark = first + closed, -(-(first + self._warm) // MARK) * MARK
        if mark > end or self._luck <= _HOPELESS:
            return None
        inputs = [columns.of(field, rows) for field in indicator.fields]
        base = columns.begin
        outs = indicator.new_outs(params)
        head = [values[first - base : mark - base] for values in inputs]
        began = path = self._path_at(mark, indicator.advance(params, head, 0, mark - first, None, outs), len(outs))
        number = mark
        while True:
            self._go_on(path, inputs, base, end)
            for place, values in enumerate(path.values):
                more = values[number - path.begin : path.end - path.begin]
                if path is began:  # mostly the only one: its values are copied once
                    more[:0] = outs[place]
                    outs[place] = more
                else:
                    outs[place] += more
            number = path.end
            if path.next is None:
                break
            path = path.next
        if began.next is not None and began.end - began.begin > _SHORT:
            self._drop(began)  # it was long by itself, as most are then; the next windows meet what it has met
        indicator.advance(params, inputs, end - base, end - base + tip_count, path.state, outs)
        if first - self._tidied >= _TIDIED_AFTER:
            self._tidy(first)
        return outs

    def _path_at(self, mark: int, state: Any, lines: int) -> _Path:
        """The known path that was in a state at a mark; else a new one."""
        paths = self._marks.setdefault(mark, {})
        key = marshal.dumps(state, 2)
        path = paths.get(key)
        if path is None:
            self._luck -= 1
            path = paths[key] = _Path(mark, state, lines)
            path.marks.append((mark, key))
            if len(self._paths) >= _PATHS:
                self._drop(next(iter(self._paths)))
        else:
            self._luck = min(self._luck + 1, _MOST_LUCK)
            self._paths.pop(path, None)
        self._paths[path] = None
        return path

    def _go_on(self, path: _Path, inputs: list[list[Any]], base: int, end: int) -> None:
        """Computes a path up to a bar, or up to where it meets another one."""
        while path.next is None and path.end < end:
            stop = min(end, (path.end // MARK + 1) * MARK)
            advance = self._indicator.advance
            path.state = advance(self._params, inputs, path.end - base, stop - base, path.state, path.values)
            path.end = stop
            if stop % MARK == 0:
                key = marshal.dumps(path.state, 2)
                other = self._marks.setdefault(stop, {}).setdefault(key, path)
                if other is path:
                    path.marks.append((stop, key))
                else:
                    path.next = other
                    self._luck = min(self._luck + 1, _MOST_LUCK)

    def _drop(self, path: _Path) -> None:
        del self._paths[path]
        for mark, key in path.marks:
            paths = self._marks.get(mark)
            if paths is not None:
                del paths[key]

    def _tidy(self, first: int) -> None:
        """Drops what lies before a bar."""
        self._tidied = first
        self._marks = {mark: paths for mark, paths in self._marks.items() if mark >= first}
        # Marks that are gone stay in the paths' own lists, which are short.
        self._paths = {path: None for path in self._paths if path.end >= first}
        for path in self._paths:
            gone = first - path.begin
            if gone > 0:
                for values in path.values:
                    del values[:gone]
                path.begin = first


class SlidingHistory:
    """The windows of one history that have begun at one bar after the other. One thread has it at a time.

    Args:
        rows: The first window.
        kept: How many indicators are remembered; the oldest goes first.
    """

    def __init__(self, rows: GrowingRecords, kept: int) -> None:
        self._kept = kept
        self._columns = _SlidingColumns(rows.place[0], rows.place[1])
        self._paths: dict[tuple[Any, ...], _Paths] = {}
        self._place = (rows.place[1], 0)

    def lines(self, indicator: Indicator, params: tuple[Any, ...], rows: GrowingRecords) -> list[list[Any]] | None:
        """The lists of an indicator over a window; None if they must be computed as a whole."""
        history, first, closed, _, _, _ = rows.place
        end = first + closed
        last_first, last_end = self._place
        if first < last_first or end < last_end or (first == last_first and end > last_end > 0):
            return None  # an older window, or one that grows again
        columns = self._columns
        if columns.seen is not record_changes():
            columns = self._columns = _SlidingColumns(history, first)
            self._paths.clear()
        self._place = (first, end)
        if first - columns.begin >= _TIDIED_AFTER:
            columns.forget(first)
        key = (indicator.name, params)
        paths = self._paths.get(key)
        if paths is None:
            paths = self._paths[key] = _Paths(indicator, params)
            if len(self._paths) > self._kept:
                del self._paths[next(iter(self._paths))]
        return paths.lines(columns, rows)
