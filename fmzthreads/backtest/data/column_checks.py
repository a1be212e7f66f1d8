"""Questions about whole columns of numbers; by numpy where it is there."""

from __future__ import annotations

from array import array
from itertools import islice
from operator import le, lt
from typing import Any

from .column_parts import parts_of
from .fast_numpy import fast_numpy

__all__ = ["ascends", "has_even_steps", "is_nowhere_above"]


def ascends(times: Any) -> bool:
    """Whether each number of a column of whole numbers is larger than the one before it."""
    numpy = fast_numpy(len(times))
    before = None
    for _, (part,) in parts_of(times):
        if before is not None and part[0] <= before:
            return False
        if numpy is not None:
            values = numpy.frombuffer(part, dtype=numpy.int64)
            if not bool((values[1:] > values[:-1]).all()):
                return False
        elif not all(map(lt, part, islice(part, 1, None))):
            return False
        before = part[-1]
    return True


def has_even_steps(times: Any, step: int) -> bool:
    """Whether each number of a column of whole numbers is ``step`` more than the one before; False for an empty one."""
    count = len(times)
    if not count or times[-1] - times[0] != (count - 1) * step:
        return False
    numpy, first = fast_numpy(count), times[0]
    for begin, (part,) in parts_of(times):
        start, end = first + begin * step, first + (begin + len(part)) * step
        if numpy is not None:
            even = (numpy.frombuffer(part, dtype=numpy.int64) == numpy.arange(start, end, step)).all()
        else:
            even = part == array("q", range(start, end, step))
        if not even:
            return False
    return True


def is_nowhere_above(lower: array[Any], upper: array[Any]) -> bool:
    """Whether no number of a column is larger than the one at its place in the other: columns of one type and length, of 8 bytes a number."""
    numpy = fast_numpy(len(lower))
    for _, (low, high) in parts_of(lower, upper):
        if numpy is None:
            within = all(map(le, low, high))
        else:
            kind = numpy.float64 if memoryview(lower).format == "d" else numpy.int64
            within = bool((numpy.frombuffer(low, dtype=kind) <= numpy.frombuffer(high, dtype=kind)).all())
        if not within:
            return False
    return True
