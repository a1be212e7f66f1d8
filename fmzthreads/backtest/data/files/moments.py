"""Columns of times in whatever unit or form they were written, as milliseconds since the epoch."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from ....errors import InputError, short_repr

__all__ = ["day_of_name", "is_written_date", "milliseconds", "times_of", "unit_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of_name(name: str, first: str) -> int | None:
    """The midnight (UTC) that times count from in a file of LEAN's minute data, in milliseconds since the epoch; None for other files.

    Such a file (QuantConnect's LEAN) is named by its day, ``20221213_trade.zip``, and its times are milliseconds since midnight.

    Args:
        name: The file's name.
        first: The first time in it.
    """
    day, _, rest = name.partition("_")
    if len(day) != 8 or not day.isdigit() or not rest or not first.isdigit() or int(first) >= 86_400_000:
        return None
    try:
        midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (midnight - _EPOCH).days * 86_400_000


def is_written_date(text: str) -> bool:
    """Whether digits alone are a date, ``20240131``, or one with a time, ``202401310930`` or ``20240131093000``, from 1970 on.

    As numbers these would be seconds of the year 1970, or milliseconds of the years 1976 and 2611.
    """
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(text))
    if form is None or text[:2] not in {"19", "20"} or not text.isascii() or not text.isdigit():
        return False
    try:
        return datetime.strptime(text, form).year >= 1970
    except ValueError:
        return False


def unit_of(value: float) -> float:
    """How many milliseconds one unit of a time is, by its size: seconds, milliseconds, microseconds or nanoseconds since the epoch."""
    size = abs(value)
    if size < 1e11:
        return 1000.0
    return 1.0 if size < 1e14 else 1e-3 if size < 1e17 else 1e-6


def milliseconds(text: str, zone: tzinfo) -> int:
    """A written time such as ``2024-01-31 12:00`` or ``20240131`` in milliseconds; by ``zone`` unless it names an offset.

    Raises:
        ValueError: It is not a time.
    """
    text = text.strip().strip('"').replace("/", "-")
    if len(text) in {12, 14} and text.isdigit():
        text = f"{text[:8]}T{text[8:]}"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def times_of(values: Sequence[str], zone: tzinfo) -> array[int]:
    """A column of times, all in the form of the first one.

    Raises:
        InputError: One is not a time.
    """
    first = _number(values[0])
    if first is None:
        convert: Callable[[str], int] = lambda text: milliseconds(text, zone)  # noqa: E731 (chosen once, called for each row)
    else:
        unit = unit_of(first)
        convert = int if unit == 1.0 and values[0].isdigit() else lambda text: round(float(text) * unit)
        if unit < 1 and values[0].isdigit():
            divisor = round(1 / unit)
            convert = lambda text: int(text) // divisor  # noqa: E731 (exact where a float is not)
    try:
        return array("q", map(convert, values))
    except (ValueError, OverflowError) as error:
        raise InputError(f"a time is {short_repr(_first_bad(values, convert))}: {error}") from None


def _number(text: str) -> float | None:
    """The number that a time is; None for a written one."""
    if is_written_date(text.strip()):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _first_bad(values: Sequence[str], convert: Callable[[str], int]) -> str:
    for value in values:
        try:
            array("q", (convert(value),))
        except (ValueError, OverflowError):
            return value
    return ""
