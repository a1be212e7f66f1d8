"""The reasons why the simulated exchange refuses requests.

The dialects map each reason to their venue's own code and text.
"""

from __future__ import annotations

import enum

from ...errors import FmzError

__all__ = ["Reason", "Rejected"]


class Reason(enum.StrEnum):
    """The reason for a refused request."""

    UNKNOWN_INSTRUMENT = "unknown_instrument"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_CLOSED = "order_closed"
    BAD_PRICE = "bad_price"
    PRICE_TICK = "price_tick"
    PRICE_RANGE = "price_range"
    BAD_QUANTITY = "bad_quantity"
    QUANTITY_STEP = "quantity_step"
    QUANTITY_TOO_SMALL = "quantity_too_small"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    TOO_MANY_ORDERS = "too_many_orders"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    BAD_COMBINATION = "bad_combination"
    POSITION_SIDE = "position_side"
    REDUCE_ONLY = "reduce_only"
    POSITION_LIMIT = "position_limit"
    CLOSED_INSTRUMENT = "closed_instrument"
    OPEN_POSITIONS = "open_positions"
    OPEN_ORDERS = "open_orders"
    BAD_LEVERAGE = "bad_leverage"


class Rejected(FmzError):
    """The exchange refused a request; nothing has changed.

    Attributes:
        reason: The reason, for the dialects to map.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, code=reason.value)
        self.reason = reason
