"""Directions of ``SetDirection``, and which of ``Buy`` and ``Sell`` fits each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ...errors import InputError, UnknownName, short_repr

if TYPE_CHECKING:
    from .intents import Side

__all__ = ["DIRECTIONS", "check_direction", "is_buy", "side_of"]

DIRECTIONS: tuple[Side, ...] = ("buy", "sell", "closebuy", "closesell")

_BUYING = frozenset({"buy", "closesell"})


def is_buy(side: str) -> bool:
    """Whether a side buys: ``closesell`` buys back what was sold."""
    return side in _BUYING


def check_direction(direction: Any) -> Side:
    """Returns a direction.

    Raises:
        UnknownName: There is no such direction.
    """
    if not isinstance(direction, str) or direction not in DIRECTIONS:
        raise UnknownName(f"no direction {short_repr(direction)}; valid: {', '.join(DIRECTIONS)}")
    return direction


def side_of(verb: Literal["Buy", "Sell"], direction: Side) -> Side:
    """The side of an order by ``Buy`` or ``Sell`` under a direction.

    Raises:
        InputError: The two do not fit; the text is FMZ's ("Futures Trading" in its guide).
    """
    if is_buy(direction) is not (verb == "Buy"):
        raise InputError(f"direction is {direction}, invalid order type {verb}")
    return direction
