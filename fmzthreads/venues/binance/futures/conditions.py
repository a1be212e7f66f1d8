"""Condition orders of Binance's futures ("New Algo Order" in its documents): what is sent, and what is read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ....constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_OCO,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_STATE_UNKNOWN,
)
from ....errors import InputError, NotSupported
from ....exchange.contracts.intents import ConditionTerms
from ....exchange.market_rules import plain_text
from ....structures import Condition, Order
from ...rest.contract_venue import CONDITION_MARK
from ...rest.convert import order_of
from ...rest.parsing import integer, mapping, number_or, text
from .replies import offset_of

__all__ = ["CONDITIONAL_TYPES", "OPTION_NAMES", "condition_params", "read_condition_order"]

CONDITIONAL_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
"""Order types that only the endpoint of condition orders takes (since 2025-12-09)."""

OPTION_NAMES = {"activationPrice": "activatePrice", "stopPrice": "triggerPrice", "newClientOrderId": "clientAlgoId"}
"""Names of an order's options that are called otherwise in a condition order."""

_TRAILING = "TRAILING_STOP_MARKET"

_STATES = {
    "NEW": ORDER_STATE_PENDING,
    # Triggered is not filled: the order that it placed decides.
    "TRIGGERING": ORDER_STATE_PENDING,
    "TRIGGERED": ORDER_STATE_PENDING,
    "FINISHED": ORDER_STATE_CLOSED,
    "CANCELED": ORDER_STATE_CANCELED,
    "EXPIRED": ORDER_STATE_CANCELED,
    "REJECTED": ORDER_STATE_CANCELED,
}


def condition_params(terms: ConditionTerms, options: Mapping[str, str]) -> dict[str, object]:
    """Type, trigger and price of a condition order.

    Args:
        terms: The condition.
        options: The venue's own parameters; ``type`` replaces the type that follows from the condition.

    Raises:
        NotSupported: It has two triggers: Binance's futures have no OCO orders.
        InputError: A GENERIC condition without a type.
    """
    if terms.kind == ORDER_CONDITION_TYPE_OCO:
        raise NotSupported(
            "Futures_Binance has no OCO condition orders; nothing was sent: place one order of ORDER_CONDITION_TYPE_TP and one of _SL"
        )
    takes = terms.kind == ORDER_CONDITION_TYPE_TP
    trigger = terms.tp_trigger if takes else terms.sl_trigger
    price = terms.tp_price if takes else terms.sl_price
    if terms.kind == ORDER_CONDITION_TYPE_GENERIC:
        if "type" not in options:
            raise InputError(
                "a GENERIC condition order of Futures_Binance needs the option 'type', such as TRAILING_STOP_MARKET; nothing was sent"
            )
        trigger, price = terms.sl_trigger or terms.tp_trigger, terms.sl_price or terms.tp_price
    kind = options.get("type") or f"{'TAKE_PROFIT' if takes else 'STOP'}{'' if price is not None else '_MARKET'}"
    if kind == _TRAILING:
        return {"type": kind}
    at_limit = not kind.endswith("_MARKET")
    return {
        "type": kind,
        "triggerPrice": _text(trigger),
        "price": _text(price) if at_limit else None,
        "timeInForce": "GTC" if at_limit else None,
    }


def _text(price: Decimal | None) -> str | None:
    return None if price is None else plain_text(price)


def read_condition_order(payload: Any) -> Order:
    """A condition order from the query calls; its ``Symbol`` is still the venue's name, and its child is not read."""
    row = mapping(payload, "a condition order")
    name = text(row, "symbol")
    status = text(row, "algoStatus")
    child = str(row.get("actualOrderId") or "")
    order = order_of(
        row,
        name=name,
        number=f"{CONDITION_MARK}{integer(row, 'algoId')}",
        time_ms=integer(row, "createTime"),
        price=number_or(row, "price", 0.0) or -1.0,
        amount=number_or(row, "quantity", 0.0),
        dealt=number_or(row, "actualQty", 0.0) if child else 0.0,
        average=number_or(row, "actualPrice", 0.0) if child else 0.0,
        status=_STATES.get(status, ORDER_STATE_UNKNOWN),
    )
    order["Offset"] = offset_of(row)
    order["Condition"] = _condition(row)
    if child:
        order["ChildId"] = f"{name},{child}"
    if status == "REJECTED" or (status == "EXPIRED" and number_or(row, "triggerTime", 0.0) > 0):
        order["Refused"] = str(row.get("failReason") or row.get("rejectReason") or status)
    return order


def _condition(row: dict[str, Any]) -> Condition:
    kind = str(row.get("orderType") or row.get("type") or "")
    price = number_or(row, "price", 0.0) or -1.0
    trigger = number_or(row, "triggerPrice", 0.0)
    takes = kind.startswith("TAKE_PROFIT")
    if kind == _TRAILING:
        which, trigger = ORDER_CONDITION_TYPE_GENERIC, number_or(row, "activatePrice", trigger)
    else:
        which = ORDER_CONDITION_TYPE_TP if takes else ORDER_CONDITION_TYPE_SL
    return Condition(
        ConditionType=which,
        TpTriggerPrice=trigger if takes else 0.0,
        TpOrderPrice=price if takes else 0.0,
        SlTriggerPrice=0.0 if takes else trigger,
        SlOrderPrice=0.0 if takes else price,
    )
