"""One series that grows: what is known of it, how it is recognised, and the step over what is new."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import itemgetter
from typing import Any

from ..structures import Record, record_changes
from ..structures.records import RecordOrigin
from ..structures.value_objects import ValueObject
from .lines import LineStore
from .recurrences import Advance
from .series import column, new_column

__all__ = ["Indicator", "KnownSeries"]


class Indicator(ValueObject):
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

    @cached_property
    def read(self) -> Callable[[Any], tuple[Any, ...]]:
        """Gets the values of its fields from a bar, in their order (and perhaps one more)."""
        return itemgetter(*self.fields, self.fields[0])

    def new_outs(self, params: tuple[Any, ...]) -> list[list[Any]]:
        """Returns the lists before the first element."""
        heads = self.heads(params) if self.heads else (0,) * self.lines
        return [[None] * head for head in heads]


class _End:
    """Stands after the known elements of a series, so that a comparison of lists says whether it came that far.

    ``known < rows`` compares from the first element that differs. If that is this one, all elements before are the same. No copy is made,
    and elements that are the same object are compared by their address.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """It equals nothing, so that the comparison ends here."""
        return False

    def __lt__(self, other: object) -> Any:
        """Returns itself, which nothing else does."""
        return self

    __hash__ = None  # type: ignore[assignment]


_END = _End()
_FLOATS = {float}


class KnownSeries:
    """What is known of one series: its closed elements, the lines up to them, and the step over the last element.

    One thread has it at a time.

    Args:
        indicator: The indicator.
        params: Its parameters.
        numbers: Whether the series holds numbers, not bars.
        keeps: Is kept alive.
    """

    __slots__ = (
        "_columns",
        "_indicator",
        "_keeps",
        "_lines",
        "_numbers",
        "_origin",
        "_outs",
        "_params",
        "_rows",
        "_started",
        "_state",
        "_sure",
        "_tip_row",
        "_tip_state",
        "_tip_token",
        "_tip_values",
        "_token",
    )  # fmt: skip

    def __init__(self, indicator: Indicator, params: tuple[Any, ...], *, numbers: bool, keeps: object) -> None:
        self._indicator = indicator
        self._params = params
        self._numbers = numbers
        self._keeps = keeps
        self._rows: list[Any] = [_END]  # the closed elements, and the mark of their end
        self._columns: list[list[Any]] = [[] for _ in indicator.fields]
        self._outs = indicator.new_outs(params)
        self._lines = [(LineStore(), out) for out in self._outs]
        self._state: Any = None
        self._started = False  # whether a number came (before it, None may stand)
        # Of the bars' changes when they were read; None if changes of these bars are not noticed.
        self._token: object = None
        self._origin: RecordOrigin | None = None  # what the elements came from, where that is known
        # How much of each line will stay: all but what the last element that was seen gave. Its values, and the state after it.
        self._sure = [len(out) for out in self._outs]
        self._tip_values: tuple[Any, ...] | None = None
        self._tip_state: Any = None
        self._tip_row: object = None
        self._tip_token: object = None  # as _token, for the last element

    def is_continued_by(self, rows: list[Any], origin: RecordOrigin | None) -> bool:
        """Whether the rows begin with exactly the elements that are known, and have more.

        Args:
            rows: The rows.
            origin: Where they come from, if that is known.
        """
        count = len(self._rows) - 1
        if len(rows) <= count:
            return False
        known = self._origin
        if (
            known is not None
            and origin is not None
            and origin.history is known.history
            and origin.first == known.first
            and count <= origin.bars
            # Copies were the same when they were made; the list's own elements when they were read.
            and (self._numbers or (origin.token or self._token) is record_changes())
        ):
            return True
        return self._begins_as(rows) if self._numbers else self._begins_with_bars_of(rows, count)

    def _begins_as(self, rows: list[Any]) -> bool:
        try:
            found: object = self._rows < rows
            return found is _END
        except (TypeError, ValueError, ArithmeticError):
            return False  # the elements that differ have no order

    def _begins_with_bars_of(self, rows: list[Any], count: int) -> bool:
        known = self._rows
        if self._token is not None and self._token is record_changes():
            same = not count or (
                rows[0] is known[0] and rows[count - 1] is known[count - 1] and rows[count // 2] is known[count // 2]
            )
            if same and self._begins_as(rows):
                return True
        head, token = rows[:count], record_changes()
        for field, values in zip(self._indicator.fields, self._columns, strict=True):
            if _raw_column(head, field) != values:
                return False
        self._token = token if set(map(type, head)) <= {Record} else None
        self._rows = [*head, _END]
        return True

    def lines(self, rows: list[Any], origin: RecordOrigin | None) -> list[list[Any]]:
        """Goes on to the end of the rows, which begin with the known elements, and returns the lines.

        Args:
            rows: The rows.
            origin: Where they come from, if that is known.

        Raises:
            InputError: An element is not what it must be.
        """
        begin = len(self._rows) - 1
        token = record_changes()
        fresh = rows[begin:]  # of one moment: another thread may append to the list
        if not fresh:  # another thread has shortened it
            return self._indicator.new_outs(self._params) if not begin else self._anew().lines(list(rows), None)
        closed = begin + len(fresh) - 1
        if closed > begin + 1 or not self._step(fresh, token):
            self._read(fresh, begin)
            self._advance(begin, closed)
            if closed > begin:
                self._note(fresh[:-1], token, begin)
        self._tip_row = tip = fresh[-1]
        if not self._numbers:
            self._tip_token = token if type(tip) is Record else None
        # Copies that were changed since are not those of their history; looked at after their values were read.
        shared = origin is not None and origin.token is not None and origin.token is not record_changes()
        self._origin = None if origin is None or shared or closed > origin.bars else origin
        sure, lines = self._sure, self._lines
        if len(lines) == 1:
            store, out = lines[0]
            return [store.result(out, sure[0])]
        return [store.result(out, sure[place]) for place, (store, out) in enumerate(lines)]

    def _read(self, fresh: list[Any], begin: int) -> None:
        name, columns = self._indicator.name, self._columns
        if self._numbers:
            columns[0] += column(name, fresh, begin, started=self._started)
            return
        for place, field in enumerate(self._indicator.fields):
            columns[place] += new_column(name, fresh, field, begin)

    def _step(self, fresh: list[Any], token: object) -> bool:
        """What ``_read``, ``_advance`` and ``_note`` do, for the usual cases.

        Either the last element that was seen is closed, as it was, and one follows; or it is still the last one, and may have changed.

        Returns:
            Whether it is such a case; else nothing was done.
        """
        row, values = fresh[-1], self._tip_values
        if self._numbers:
            new: tuple[Any, ...] = (row,)
            if not self._started:
                return False
        else:
            try:
                new = self._indicator.read(row)
            except (KeyError, TypeError, IndexError):
                return False
        for value in new:
            if type(value) is not float:
                return False
        columns, outs, rows = self._columns, self._outs, self._rows
        if values is None:
            return False
        if len(fresh) == 1:
            if new == values:
                return True
            for place, out in enumerate(outs):
                del out[self._sure[place] :]
            closed = len(rows) - 1
        else:
            last = self._closed_values(fresh[0], token)
            if last is None:
                return False
            for place, numbers in enumerate(columns):
                numbers.append(last[place])
            closed = len(rows)
            rows[-1] = fresh[0]
            rows.append(_END)
            self._state = self._tip_state
            self._sure = [len(out) for out in outs]
        for place, numbers in enumerate(columns):
            numbers.append(new[place])
        self._tip_state = self._indicator.advance(self._params, columns, closed, closed + 1, self._state, outs)
        for numbers in columns:
            numbers.pop()
        self._tip_values = new
        return True

    def _closed_values(self, known: Any, token: object) -> tuple[Any, ...] | None:
        """The values of an element that is the last one that was seen, unchanged; None if it is not. Notes whether changes of it are noticed."""
        if known is self._tip_row and (self._numbers or (token is self._tip_token and token is self._token)):
            return self._tip_values
        if self._numbers:
            found: tuple[Any, ...] = (known,)
        else:
            try:
                found = self._indicator.read(known)
            except (KeyError, TypeError, IndexError):
                return None
        if found != self._tip_values or set(map(type, found)) != _FLOATS:
            return None
        tracked = self._numbers or (type(known) is Record and (len(self._rows) == 1 or token is self._token))
        self._token = token if tracked else None
        return found

    def _anew(self) -> KnownSeries:
        return KnownSeries(self._indicator, self._params, numbers=self._numbers, keeps=self._keeps)

    def _advance(self, begin: int, closed: int) -> None:
        """Computes the lines over the closed elements from ``begin`` on, and on top of them over the last element."""
        advance, params, columns, outs = self._indicator.advance, self._params, self._columns, self._outs
        if self._tip_values is not None and self._read_at(begin) == self._tip_values:
            # The element that was the last one is as it was, so the step over it has been made.
            if closed > begin:
                self._state = self._tip_state
                self._sure = [len(out) for out in outs]
            begin += 1
        else:
            for place, out in enumerate(outs):
                del out[self._sure[place] :]
        if closed > begin:
            self._state = advance(params, columns, begin, closed, self._state, outs)
            self._sure = [len(out) for out in outs]
        if closed >= begin:
            self._tip_state = advance(params, columns, closed, closed + 1, self._state, outs)
        self._tip_values = self._read_at(closed)
        for values in columns:
            values.pop()

    def _read_at(self, place: int) -> tuple[Any, ...]:
        """The values of an element as ``_floats`` gives them, from the columns."""
        found = tuple([values[place] for values in self._columns])
        return found if self._numbers else (*found, found[0])

    def _note(self, elements: list[Any], token: object, begin: int) -> None:
        """Remembers closed elements, and whether a change of one of them would be noticed."""
        self._rows[-1:] = [*elements, _END]
        if self._numbers:
            self._started = self._columns[0][-1] is not None
        else:
            tracked = set(map(type, elements)) == {Record} and (not begin or token is self._token)
            self._token = token if tracked else None


def _raw_column(rows: list[Any], field: str) -> list[Any] | None:
    """One column as it is; None if a row has no such field."""
    try:
        return list(map(itemgetter(field), rows))
    except (KeyError, TypeError, IndexError):
        return None
