"""Whether an order of a contract can only reduce a position."""

from __future__ import annotations

from ...constants import ORDER_OFFSET_CLOSE
from ...structures import Order

__all__ = ["is_reduce_only"]

# OKX writes texts; Binance's ``closePosition`` closes all of a position.
_FIELDS = ("reduceOnly", "closePosition")


def is_reduce_only(order: Order) -> bool:
    """Whether it closes: by its offset, or, in one-way mode, where the venue shows no offset, by the venue's own flag."""
    if order.get("Offset") == ORDER_OFFSET_CLOSE:
        return True
    row = order.get("Info")
    return isinstance(row, dict) and any(str(row.get(name)).lower() == "true" for name in _FIELDS)
