"""What an indicator is computed on: the columns of bars, or a list of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arguments import real_number
from ..errors import InputError
from ..structures import Record, Records
from ..structures.growing import FilledRecords, GrowingRecords
from .lines import IndicatorLine

__all__ = ["BAR_FIELDS", "READY_LISTS", "checked", "column", "is_numbers", "new_column", "rows_of"]

BAR_FIELDS = ("Open", "High", "Low", "Close", "Volume", "OpenInterest")
"""The fields of a bar that an indicator may be asked for."""

READY_LISTS = frozenset({list, Records, GrowingRecords, FilledRecords, IndicatorLine})
"""The lists that are compared with each other as they are; of any other class it is not known how it compares."""

_PLAIN = {float, int}


def rows_of(name: str, records: Any) -> list[Any]:
    """Returns the argument of an indicator as a list; one of ``READY_LISTS`` is not copied.

    Args:
        name: The indicator's name, for the message.
        records: Bars or numbers, oldest first: a list, a tuple, an array of numpy, a Series of pandas.

    Raises:
        InputError: It is not a sequence.
    """
    if type(records) in READY_LISTS:
        assert isinstance(records, list)
        return records
    to_list = getattr(records, "tolist", None)  # numpy, pandas and array.array: Python's own numbers, fast
    if to_list is not None and not isinstance(records, type):
        records = to_list()
    if isinstance(records, (str, bytes, dict)) or not isinstance(records, Sequence):
        raise InputError(f"TA.{name} needs a list of bars or of numbers, got {type(records).__name__}")
    return list(records)


def is_numbers(row: Any) -> bool:
    """Whether the first element of a series says that it holds numbers, not bars."""
    kind = type(row)
    return kind is float or (kind is not Record and (row is None or kind is int or not hasattr(row, "keys")))


def new_column(name: str, rows: Sequence[Any], field: str, first: int) -> list[Any]:
    """Returns one column of some bars.

    Args:
        name: The indicator's name, for the message.
        rows: The bars, oldest first.
        field: The field.
        first: The place of the first of them in the whole list, for the message.

    Raises:
        InputError: A row is no bar, has no such field, or its value is not a number.
    """
    try:
        values = [row[field] for row in rows]
    except (KeyError, TypeError, IndexError):
        raise _no_bar(name, rows, field, first) from None
    return checked(name, values, field, first)


def column(name: str, values: Sequence[Any], first: int, *, started: bool) -> list[Any]:
    """Returns numbers as Python's own; the values before the first number are None.

    Args:
        name: The indicator's name, for the message.
        values: The numbers; None and NaN may stand before the first number, as indicators put them.
        first: The place of the first of them in the whole list, for the message.
        started: Whether a number came before.

    Raises:
        InputError: A value is not a number, or None after the first number.
    """
    numbers = list(values)
    if started:
        return checked(name, numbers, "", first)
    for place, value in enumerate(numbers):
        if value is None or value != value:  # noqa: PLR0124 (only NaN differs from itself)
            numbers[place] = None
        else:
            return numbers[:place] + checked(name, numbers[place:], "", first + place)
    return numbers


def checked(name: str, values: list[Any], field: str, first: int) -> list[Any]:
    """Returns numbers as Python's own; the list itself.

    Args:
        name: The indicator's name, for the message.
        values: The numbers.
        field: The field of bars that they are; empty for numbers.
        first: The place of the first of them in the whole list, for the message.

    Raises:
        InputError: A value is not a number.
    """
    for value in values:  # mostly one or two
        if type(value) is not float:
            break
    else:
        return values
    if set(map(type, values)) <= _PLAIN:
        return values
    for place, value in enumerate(values):
        if type(value) not in _PLAIN:
            where = f"{name}: element {first + place}{f' field {field}' if field else ''}"
            values[place] = value + 0 if isinstance(value, int) else real_number(where, value)
    return values


def _no_bar(name: str, rows: Sequence[Any], field: str, first: int) -> InputError:
    for place, row in enumerate(rows):
        try:
            row[field]
        except (KeyError, TypeError, IndexError):
            return InputError(
                f"{name}: element {first + place} has no field {field!r}; expected bars with {', '.join(BAR_FIELDS)}, or numbers only"
            )
    return InputError(f"{name}: the bars have no field {field!r}")  # they changed meanwhile
