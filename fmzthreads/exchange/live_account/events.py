"""What a user stream tells, whatever the venue's messages look like."""

from __future__ import annotations

from typing import Any

import attrs

from ...structures import Order, Position, Structure

__all__ = [
    "AccountAlarm",
    "AccountSnapshot",
    "AccountUpdate",
    "LeverageChange",
    "OrderChange",
    "PositionChange",
    "StreamEnded",
    "StreamFill",
]


@attrs.frozen(kw_only=True)
class OrderChange:
    """An order, or condition order, as it is now.

    Attributes:
        order: The order, under FMZ's symbol; a condition order has its ``Condition``.
        time_ms: When it changed, in ms since the epoch.
        fill: The fill that changed it (see ``OrderFill``); None for any other change.
    """

    order: Order
    time_ms: int
    fill: Any = None


@attrs.frozen(kw_only=True)
class PositionChange:
    """A position as it is now, with an amount of 0 when it was closed.

    Attributes:
        position: The position, under FMZ's symbol.
        time_ms: When it changed, in ms since the epoch.
        told_ms: When the venue told so, which orders messages about the same millisecond; 0 if it is not known.
    """

    position: Position
    time_ms: int
    told_ms: int = 0


@attrs.frozen(kw_only=True)
class LeverageChange:
    """The leverage of a contract as it is now.

    Attributes:
        symbol: FMZ's symbol.
        level: The leverage.
    """

    symbol: str
    level: float


@attrs.frozen(kw_only=True)
class StreamFill:
    """A fill that REST tells of after a gap.

    Attributes:
        order_id: The id of its order.
        symbol: FMZ's symbol.
        fill: The fill (see ``OrderFill``).
    """

    order_id: str
    symbol: str
    fill: Any


@attrs.frozen
class AccountAlarm:
    """Something that must not go unnoticed, such as a margin call.

    Attributes:
        text: What the error line says.
    """

    text: str


@attrs.frozen
class StreamEnded:
    """The stream will tell nothing more, although its connection may stay open.

    Attributes:
        why: The reason.
    """

    why: str


@attrs.frozen(kw_only=True)
class AccountSnapshot:
    """The open orders and the positions as REST gives them.

    Attributes:
        orders: Open orders.
        conditions: Condition orders that have not triggered.
        positions: Positions with their times in ms (0 where the venue gives none).
    """

    orders: list[Order]
    conditions: list[Order]
    positions: list[tuple[Position, int]]


class AccountUpdate(Structure):
    """One entry of ``GetUpdates``.

    ``Kind`` is ``order``, ``fill``, ``position``, ``gap`` (from here on something may be missing) or ``live`` (REST has caught up: nothing is
    missing). ``Order``, ``Fill`` and ``Position`` are None where they do not apply; ``Text`` says why there is a gap. ``Seq`` counts from 1.
    """

    Seq: int
    Kind: str
    Time: int
    Symbol: str
    Order: Any
    Fill: Any
    Position: Any
    Text: str
