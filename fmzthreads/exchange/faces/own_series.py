"""A strategy's own data beside the prices: rows of a time and a value, which holds from then on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ...arguments import whole_number
from ...errors import InputError, short_repr
from ...structures import Structure

__all__ = ["CustomData", "StepFunction", "series_rows"]


class CustomData(Structure):
    """What ``GetData`` returns: the time of a row in ms, and its value."""

    Time: int
    Data: Any


class StepFunction:
    """Values that hold from their time on.

    Args:
        rows: Time in ms and value, in ascending order of the times.
    """

    def __init__(self, rows: Sequence[tuple[int, Any]]) -> None:
        self.times = [time for time, _ in rows]
        self.values = [value for _, value in rows]

    def at(self, now_ms: float) -> CustomData | None:
        """The value at a time, as ``GetData`` returns it; None before the first one."""
        place = bisect_right(self.times, now_ms) - 1
        return None if place < 0 else CustomData(Time=self.times[place], Data=self.values[place])


def series_rows(value: Any) -> list[tuple[int, Any]]:
    """Reads the rows of a series.

    Raises:
        InputError: It is not a list of ``[time in ms, value]``.
    """
    if not isinstance(value, (list, tuple)):
        raise InputError(f"a series must be a list of [time in ms, value], got {short_repr(value)}")
    rows = []
    for row in value:
        if not isinstance(row, (list, tuple)) or len(row) < 2:
            raise InputError(f"a row of a series must be [time in ms, value], got {short_repr(row)}")
        rows.append((whole_number("the time of a row", row[0]), row[1]))
    return sorted(rows, key=lambda row: row[0])
