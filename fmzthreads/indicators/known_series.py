"""One series that grows: what is known of it, how it is recognised, and the step over what is new."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import itemgetter
from typing import Any

import attrs

from ..structures import Record, record_changes
from ..structures.growing import GrowingRecords
from ..structures.records import RecordOrigin
from .lines import LineStore
from .recurrences import Advance
from .series import checked, column, new_column

__all__ = ["Indicator", "KnownSeries"]


@attrs.frozen(slots=False)
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


class _NotMade:
    """Stands for a bar of a window, which is not made as long as its values are enough."""

    __slots__ = ()


_NOT_MADE = _NotMade()


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
        self._tip_values: list[Any] | None = None
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
        windowed = type(rows) is GrowingRecords
        # Of one moment: another thread may append to the list. The bars of a window of a history are not made for this.
        fresh = [_NOT_MADE] * (len(rows) - begin) if windowed else rows[begin:]
        if not fresh:  # another thread has shortened it
            return self._indicator.new_outs(self._params) if not begin else self._anew().lines(list(rows), None)
        closed = begin + len(fresh) - 1
        if closed != begin + 1 or fresh[0] is not self._tip_row or not self._step(fresh, token):
            self._read(rows, fresh, begin)
            self._advance(begin, closed)
            if closed > begin:
                self._note(fresh[:-1], token, begin, windowed=windowed)
            self._tip_row = fresh[-1]
            self._tip_token = token if type(fresh[-1]) is Record else None
        # Copies that were changed since are not those of their history; looked at after their values were read.
        shared = origin is not None and origin.token is not None and origin.token is not record_changes()
        self._origin = None if origin is None or shared or closed > origin.bars else origin
        sure = self._sure
        return [store.result(out, sure[place]) for place, (store, out) in enumerate(self._lines)]

    def _read(self, rows: list[Any], fresh: list[Any], begin: int) -> None:
        name, columns = self._indicator.name, self._columns
        if self._numbers:
            columns[0] += column(name, fresh, begin, started=self._started)
            return
        for place, field in enumerate(self._indicator.fields):
            if type(fresh[0]) is _NotMade:
                # It may become an ordinary list meanwhile, which keeps its place in the history.
                values = GrowingRecords.values_from(rows, field, begin)  # type: ignore[arg-type]
                columns[place] += checked(name, values, field, begin)
            else:
                columns[place] += new_column(name, fresh, field, begin)

    def _step(self, fresh: list[Any], token: object) -> bool:
        """Takes the last element as closed, and one after it: what ``_read``, ``_advance`` and ``_note`` do, for the usual case.

        Returns:
            Whether it is the usual case; else nothing was done.
        """
        known, row = fresh
        if self._numbers:
            new = (row,)
            if not self._started:
                return False
        else:
            if token is not self._tip_token or token is not self._token:
                return False
            try:
                new = self._indicator.read(row)
            except (KeyError, TypeError, IndexError):
                return False
        for value in new:
            if type(value) is not float:
                return False
        columns, values, outs = self._columns, self._tip_values, self._outs
        assert values is not None
        for place, numbers in enumerate(columns):
            numbers.append(values[place])
            numbers.append(new[place])
        closed = len(self._rows)
        self._rows[-1] = known
        self._rows.append(_END)
        self._state = state = self._tip_state
        self._sure = [len(out) for out in outs]
        self._tip_state = self._indicator.advance(self._params, columns, closed, closed + 1, state, outs)
        self._tip_values = [numbers.pop() for numbers in columns]
        self._tip_row = row
        if type(row) is not Record:
            self._tip_token = None
        return True

    def _anew(self) -> KnownSeries:
        return KnownSeries(self._indicator, self._params, numbers=self._numbers, keeps=self._keeps)

    def _advance(self, begin: int, closed: int) -> None:
        """Computes the lines over the closed elements from ``begin`` on, and on top of them over the last element."""
        advance, params, columns, outs = self._indicator.advance, self._params, self._columns, self._outs
        if [values[begin] for values in columns] == self._tip_values:
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
        self._tip_values = [values.pop() for values in columns]

    def _note(self, elements: list[Any], token: object, begin: int, *, windowed: bool) -> None:
        """Remembers closed elements, and whether a change of one of them would be noticed."""
        self._rows[-1:] = [*elements, _END]
        if self._numbers:
            self._started = self._columns[0][-1] is not None
        else:
            tracked = (windowed or set(map(type, elements)) == {Record}) and (not begin or token is self._token)
            self._token = token if tracked else None


def _raw_column(rows: list[Any], field: str) -> list[Any] | None:
    """One column as it is; None if a row has no such field."""
    try:
        return list(map(itemgetter(field), rows))
    except (KeyError, TypeError, IndexError):
        return None
