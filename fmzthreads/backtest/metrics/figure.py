"""One figure of a report: a value with its name, formula and unit, or the reason why it has no value."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...structures.value_objects import ValueObject

__all__ = ["DAY_MS", "Sampling", "Undefined", "Value", "Wanted"]

DAY_MS = 86_400_000
"""A day in milliseconds."""


class Undefined(NamedTuple):
    """Why a figure has no value."""

    reason: str


Value = float | int | Undefined
"""A number, or why it has no value."""


class Sampling(NamedTuple):
    """What returns are taken over.

    Attributes:
        period_ms: The time between two values of the curve.
        periods_a_year: How many of them a year has.
    """

    period_ms: int
    periods_a_year: float


class Wanted(ValueObject):
    """What is known of a figure before it is computed.

    Attributes:
        key: Its key in the result.
        name: What people read.
        unit: ``share`` (1 is 100 %), ``money`` (of the report's currency), ``ratio``, ``ms`` (a length of time), ``time`` (milliseconds
            since the epoch), ``count`` or ``returns`` (a share, negative for a loss).
        formula: How it is computed.
    """

    key: str
    name: str
    unit: str
    formula: str

    def figure(self, value: Value, sampling: Sampling | None = None) -> dict[str, Any]:
        """The figure, ready for JSON.

        Args:
            value: The number, or why it has no value. Infinities and NaN become undefined.
            sampling: What its returns were taken over; None where no returns are taken.
        """
        if not isinstance(value, Undefined) and not math.isfinite(value):
            value = Undefined("the numbers are too large or too small to compute it")
        return {
            "name": self.name,
            "value": None if isinstance(value, Undefined) else value,
            "reason": value.reason if isinstance(value, Undefined) else "",
            "unit": self.unit,
            "formula": self.formula,
            "sample_ms": sampling.period_ms if sampling else None,
            "periods_a_year": sampling.periods_a_year if sampling else None,
        }
