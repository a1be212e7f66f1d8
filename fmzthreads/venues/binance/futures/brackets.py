"""Brackets of leverage: the larger a position, the lower the highest leverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ...rest.parsing import Malformed, integer, mapping, number_or, rows

__all__ = ["Bracket", "most_leverage", "read_brackets"]


@attrs.frozen
class Bracket:
    """One bracket.

    Attributes:
        cap: The largest position, in quote currency, or in coins of a coin-margined contract.
        leverage: The highest leverage.
    """

    cap: float
    leverage: int


def read_brackets(payload: Any, name: str) -> list[Bracket]:
    """``leverageBracket`` of one symbol."""
    raw = payload if isinstance(payload, list) else [payload]
    for row in raw:
        if isinstance(row, dict) and row.get("symbol") == name:
            found = [mapping(one, "a bracket") for one in rows(row.get("brackets"), "the field 'brackets'")]
            return [
                Bracket(number_or(one, "notionalCap", number_or(one, "qtyCap", 0.0)), integer(one, "initialLeverage"))
                for one in found
            ]
    raise Malformed(f"the reply has no brackets of {name}")


def most_leverage(brackets: Sequence[Bracket], held: float) -> int:
    """The highest leverage of a position of a size; of one beyond all brackets that of the last one."""
    for bracket in sorted(brackets, key=lambda one: one.cap):
        if held < bracket.cap:
            return bracket.leverage
    return min((one.leverage for one in brackets), default=1)
