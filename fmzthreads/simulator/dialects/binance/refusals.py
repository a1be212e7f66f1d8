"""The reasons of the engine as Binance's codes and texts (Binance's spot documentation, "Error codes")."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.orders import NewOrder
from ...engine.reasons import Reason, Rejected
from .parameters import BinanceRefusal

__all__ = ["REFUSALS", "UNKNOWN_ORDER", "refuse_order"]

UNKNOWN_ORDER = (-2011, "Unknown order sent.")
REFUSALS: Mapping[Reason, tuple[int | str, str]] = {
    Reason.UNKNOWN_INSTRUMENT: (-1121, "Invalid symbol."),
    Reason.UNKNOWN_ORDER: UNKNOWN_ORDER,
    Reason.ORDER_CLOSED: UNKNOWN_ORDER,
    Reason.BAD_PRICE: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.PRICE_TICK: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.PRICE_RANGE: (-1013, "Filter failure: PRICE_FILTER"),
    Reason.BAD_QUANTITY: (-1013, "Filter failure: LOT_SIZE"),
    Reason.QUANTITY_STEP: (-1013, "Filter failure: LOT_SIZE"),
    Reason.QUANTITY_TOO_SMALL: (-1013, "Filter failure: LOT_SIZE"),
    Reason.QUANTITY_TOO_LARGE: (-1013, "Filter failure: LOT_SIZE"),
    Reason.NOTIONAL_TOO_SMALL: (-1013, "Filter failure: NOTIONAL"),
    Reason.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.TOO_MANY_ORDERS: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    Reason.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    Reason.BAD_COMBINATION: (-1014, "Unsupported order combination."),
}


def refuse_order(error: Rejected, order: NewOrder) -> BinanceRefusal:
    """The refusal of an order that the engine rejected."""
    if error.reason is Reason.QUANTITY_TOO_LARGE and order.type == "market":
        return BinanceRefusal(-1013, "Filter failure: MARKET_LOT_SIZE")
    return BinanceRefusal(*REFUSALS[error.reason])
