"""Orders that close a position: never more than there is."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ...constants import PD_LONG, PD_SHORT
from ...errors import InputError
from ...structures import Position
from .intents import Side

__all__ = ["capped_amount", "closes"]

_CLOSED = {"closebuy": (PD_LONG, "long"), "closesell": (PD_SHORT, "short")}


def closes(side: str) -> bool:
    """Whether a side closes a position."""
    return side in _CLOSED


def capped_amount(symbol: str, side: Side, amount: Decimal, positions: Sequence[Position]) -> Decimal:
    """The amount of a closing order, cut to the position that it closes.

    Args:
        symbol: FMZ's symbol.
        side: ``closebuy`` or ``closesell``.
        amount: What is to be closed, in contracts.
        positions: The open positions; those of other symbols are left out.

    Raises:
        InputError: There is no position of that direction.
    """
    kind, words = _CLOSED[side]
    held = sum(
        (Decimal(repr(float(one["Amount"]))) for one in positions if one["Symbol"] == symbol and one["Type"] == kind),
        Decimal(0),
    )
    if held <= 0:
        raise InputError(f"there is no {words} position of {symbol} that {side} could close; nothing was sent")
    return min(amount, held)
