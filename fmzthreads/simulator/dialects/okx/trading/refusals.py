"""The reasons of the engine as OKX's codes and texts ("Error Code" in OKX's API guide)."""

from __future__ import annotations

from collections.abc import Mapping

from ....engine.instruments import Instrument
from ....engine.orders import NewOrder
from ....engine.reasons import Reason, Rejected
from ..parameters import ItemRefusal

__all__ = ["CANCEL_FAILED", "NOT_OPEN", "NO_INSTRUMENT", "NO_POSITION", "REFUSALS", "refuse_amendment", "refuse_order"]

NO_INSTRUMENT = ("51001", "Instrument ID, Instrument ID code or Spread ID doesn't exist.")
CANCEL_FAILED = ("51400", "Order cancellation failed as the order has been filled, canceled or does not exist.")
_TOO_SMALL = ("51020", "Your order should meet or exceed the minimum order amount.")
NO_POSITION = (
    "51169", "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
)  # fmt: skip
REFUSALS: Mapping[Reason, tuple[int | str, str]] = {
    Reason.UNKNOWN_INSTRUMENT: NO_INSTRUMENT,
    Reason.UNKNOWN_ORDER: CANCEL_FAILED,
    Reason.ORDER_CLOSED: CANCEL_FAILED,
    Reason.BAD_PRICE: ("51000", "Parameter px error"),
    Reason.PRICE_TICK: ("51150", "The precision of the number of trades or the price exceeds the limit."),
    Reason.PRICE_RANGE: ("51000", "Parameter px error"),
    Reason.BAD_QUANTITY: ("51000", "Parameter sz error"),
    Reason.QUANTITY_STEP: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.QUANTITY_TOO_SMALL: _TOO_SMALL,
    Reason.QUANTITY_TOO_LARGE: ("51005", "Your order amount exceeds the max order amount."),
    Reason.NOTIONAL_TOO_SMALL: _TOO_SMALL,
    Reason.TOO_MANY_ORDERS: ("51025", "Order count exceeds the limit."),
    Reason.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Reason.POSITION_SIDE: ("51000", "Parameter posSide error"),
    Reason.REDUCE_ONLY: NO_POSITION,
    Reason.CLOSED_INSTRUMENT: ("51027", "Contract expired."),
    Reason.WOULD_TRIGGER: ("51000", "Parameter ordType error"),
    Reason.BAD_COMBINATION: ("51000", "Parameter ordType error"),
}
NOT_OPEN = (Reason.UNKNOWN_INSTRUMENT, Reason.UNKNOWN_ORDER, Reason.ORDER_CLOSED)
_AMEND_REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_ORDER: ("51503", "Your order has already been filled or canceled."),
    Reason.ORDER_CLOSED: ("51503", "Your order has already been filled or canceled."),
    Reason.INSUFFICIENT_FUNDS: ("51502", "Order failed. Insufficient account balance."),
    Reason.WOULD_TAKE: ("51511", "Modification failed as the order price did not meet the requirement for Post Only."),
}


def refuse_order(error: Rejected, instrument: Instrument, order: NewOrder) -> ItemRefusal:
    """The engine's refusal with OKX's code and text."""
    if error.reason is Reason.INSUFFICIENT_FUNDS and instrument.terms is not None:
        return ItemRefusal("51008", f"Order failed. Insufficient {instrument.settle} margin in account", "1001")
    if error.reason is Reason.POSITION_LIMIT:
        return ItemRefusal("51004", f"Order failed. {error}. Please lower the leverage.")
    if error.reason is Reason.INSUFFICIENT_FUNDS:
        asset = instrument.quote if order.side == "buy" else instrument.base
        return ItemRefusal("51008", f"Order failed. Insufficient {asset} balance in account", "1000")
    if error.reason is Reason.QUANTITY_TOO_LARGE and order.type == "market":
        return ItemRefusal("51202", "Market order amount exceeds the maximum amount.")
    return ItemRefusal(*REFUSALS[error.reason])


def refuse_amendment(error: Rejected, instrument: Instrument) -> ItemRefusal:
    """The refusal of a change that the engine rejected."""
    if instrument.terms is not None and error.reason is Reason.INSUFFICIENT_FUNDS:
        return ItemRefusal("51502", f"Order failed. Insufficient {instrument.settle} margin in account", "1031")
    if error.reason is Reason.POSITION_LIMIT:
        return ItemRefusal("51004", f"Order amendment failed. {error}. Please lower the leverage.")
    return ItemRefusal(*(_AMEND_REFUSALS.get(error.reason) or REFUSALS[error.reason]))
