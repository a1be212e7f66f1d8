"""Series that grow a bar at a time: only what is new is computed.

What was computed for a series is kept up to its last but one element (the last one is mostly a bar that is still forming). A later call whose
series begins with exactly the same elements goes on from there; any other call starts anew. So the numbers are always those of a
whole computation. The comparison and the copy of the result are made by the interpreter in C, a few nanoseconds an element.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import attrs

from ..structures import Record, record_changes
from .recurrences import Advance
from .series import column, is_numbers, new_column

__all__ = ["GrowingSeries", "Indicator"]

# A strategy has some indicators on some symbols; each kept series holds its inputs and outputs.
_KEPT = 256


@attrs.frozen
class Indicator:
    """How one indicator is computed.

    Attributes:
        name: Its name, for messages.
        fields: The bars' fields that it needs.
        advance: Its recurrence.
        lines: How many lists it gives.
        heads: Returns how many None stand before each list, given the parameters; None for no such places.
        numbers: Whether it takes a list of numbers too.
    """

    name: str
    fields: tuple[str, ...]
    advance: Advance
    lines: int = 1
    heads: Callable[[tuple[Any, ...]], tuple[int, ...]] | None = None
    numbers: bool = True

    def new_outs(self, params: tuple[Any, ...]) -> list[list[Any]]:
        """Returns the lists before the first element."""
        heads = self.heads(params) if self.heads else (0,) * self.lines
        return [[None] * head for head in heads]


class _Series:
    """What is known of one series: its closed elements, and the lists up to them. One thread has it at a time."""

    __slots__ = ("columns", "outs", "rows", "started", "state", "token")

    def __init__(self, indicator: Indicator, params: tuple[Any, ...]) -> None:
        self.rows: list[Any] = []
        self.columns: list[list[Any]] = [[] for _ in indicator.fields]
        self.outs = indicator.new_outs(params)
        self.state: Any = None
        self.started = False  # whether a number came (before it, None may stand)
        # Of the bars' changes when they were read; None if changes of these bars are not noticed.
        self.token: object = None

    def note(self, rows: list[Any], token: object, begin: int) -> None:
        """Keeps or drops the token, when bars are added that were read while it was current."""
        tracked = set(map(type, rows)) == {Record} and (not begin or token is self.token)
        self.token = token if tracked else None


class GrowingSeries:
    """Computes indicators, and remembers series that grow. Safe from many threads; threads never wait for each other.

    Args:
        kept: How many series are remembered; the one that was not used for longest goes first.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        # Used by single steps only (pop, assignment), each of them atomic: a thread that takes a series out is its only user.
        self._known: dict[tuple[Any, ...], _Series] = {}

    def lines(self, indicator: Indicator, params: tuple[Any, ...], rows: list[Any]) -> list[list[Any]]:
        """Returns the lists of an indicator; they are the caller's own.

        Args:
            indicator: The indicator.
            params: Its parameters.
            rows: Bars or numbers, oldest first.

        Raises:
            InputError: An element is not what it must be.
        """
        if not rows:
            return indicator.new_outs(params)
        numbers = indicator.numbers and is_numbers(rows[0])
        known, key = self._take(indicator, params, rows, numbers)
        if known is None:
            known = _Series(indicator, params)
        begin = len(known.rows)
        token = record_changes()
        fresh = rows[begin:]  # of one moment: another thread may append to the list
        closed = begin + len(fresh) - 1
        if numbers:
            known.columns[0] += column(indicator.name, fresh, begin, started=known.started)
            known.started = known.columns[0][closed - 1 if closed else 0] is not None
        else:
            for values, field in zip(known.columns, indicator.fields, strict=True):
                values.extend(new_column(indicator.name, fresh, field, begin))
        fresh.pop()
        if fresh:
            if not numbers:
                known.note(fresh, token, begin)
            known.rows += fresh
            known.state = indicator.advance(params, known.columns, begin, closed, known.state, known.outs)
        outs = [out.copy() for out in known.outs]
        # The last element: computed on top, and not kept.
        indicator.advance(params, known.columns, closed, closed + 1, known.state, outs)
        for values in known.columns:
            values.pop()
        if closed:  # else there is nothing to go on from, and nothing that keeps the first element alive
            self._keep(key, known)
        return outs

    def _take(
        self, indicator: Indicator, params: tuple[Any, ...], rows: list[Any], numbers: bool
    ) -> tuple[_Series | None, tuple[Any, ...]]:
        first = rows[0]
        if not numbers:
            try:
                first = first[indicator.fields[0]]
            except (KeyError, TypeError, IndexError):
                return None, ()  # the error is raised where the columns are read
        # A known series keeps its first element alive, so no other object can have its id.
        key = (indicator.name, params, id(first))
        known = self._known.pop(key, None)
        if known is None or len(known.rows) >= len(rows):
            return None, key
        return (known, key) if self._continues(indicator, known, rows, numbers) else (None, key)

    def _continues(self, indicator: Indicator, known: _Series, rows: list[Any], numbers: bool) -> bool:
        """Whether the rows begin with exactly the elements that are known."""
        count = len(known.rows)
        head = rows[:count]
        if numbers:
            return head == known.rows
        same = not count or (
            head[0] is known.rows[0] and head[-1] is known.rows[-1] and head[count // 2] is known.rows[count // 2]
        )
        if same and known.token is not None and known.token is record_changes() and head == known.rows:
            return True
        token = record_changes()
        for field, values in zip(indicator.fields, known.columns, strict=True):
            if _raw_column(head, field) != values:
                return False
        known.rows = head
        known.token = token if set(map(type, head)) <= {Record} else None
        return True

    def _keep(self, key: tuple[Any, ...], known: _Series) -> None:
        self._known[key] = known
        while len(self._known) > self._kept:
            try:
                self._known.pop(next(iter(self._known)), None)
            except (RuntimeError, StopIteration):  # another thread changed it meanwhile: it drops its own share
                return


def _raw_column(rows: list[Any], field: str) -> list[Any] | None:
    """One column as it is; None if a row has no such field."""
    try:
        return list(map(itemgetter(field), rows))
    except (KeyError, TypeError, IndexError):
        return None
