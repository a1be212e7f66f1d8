"""Questions about whole columns of numbers; by numpy where it is there."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import le
from typing import Any

from .fast_numpy import fast_numpy

__all__ = ["has_even_steps", "is_nowhere_above"]

_PART = 100_000


def has_even_steps(times: Any, step: int) -> bool:
    """Whether each number of a column of whole numbers is ``step`` more than the one before; False for an empty one."""
    count = len(times)
    if not count or times[-1] - times[0] != (count - 1) * step:
        return False
    numpy = fast_numpy(count)
    if numpy is not None:
        return bool((numpy.diff(numpy.frombuffer(times, dtype=numpy.int64)) == step).all())
    first = times[0]
    for begin in range(0, count, _PART):
        end = min(begin + _PART, count)
        if times[begin:end] != array("q", range(first + begin * step, first + end * step, step)):
            return False
    return True


def is_nowhere_above(lower: Sequence[Any], upper: Sequence[Any]) -> bool:
    """Whether no number of a column is larger than the one at its place in the other: columns of one type and length, of 8 bytes a number."""
    numpy = fast_numpy(len(lower))
    if numpy is None:
        return all(map(le, lower, upper))
    kind = numpy.float64 if isinstance(lower, array) and lower.typecode == "d" else numpy.int64
    return bool((numpy.frombuffer(lower, dtype=kind) <= numpy.frombuffer(upper, dtype=kind)).all())
