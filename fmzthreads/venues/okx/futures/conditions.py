"""Condition orders of OKX ("algo orders" in its reference): what is sent, and what is read."""

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
from ....errors import InputError
from ....exchange.contracts.intents import ConditionTerms
from ....exchange.market_rules import plain_text
from ....structures import Condition, Order
from ...rest.contract_venue import CONDITION_MARK
from ...rest.convert import order_of
from ...rest.parsing import integer, mapping, number_or, text
from .replies import offset_of

__all__ = ["amended_terms", "condition_params", "read_condition_order"]

_STATES = {
    "live": ORDER_STATE_PENDING,
    "pause": ORDER_STATE_PENDING,
    # Triggered is not filled: the order that it placed decides.
    "partially_effective": ORDER_STATE_PENDING,
    "effective": ORDER_STATE_CLOSED,
    "canceled": ORDER_STATE_CANCELED,
    "order_failed": ORDER_STATE_CANCELED,
    "partially_failed": ORDER_STATE_CANCELED,
}
_FAILED = frozenset({"order_failed", "partially_failed"})


def condition_params(terms: ConditionTerms, options: Mapping[str, str]) -> dict[str, object]:
    """Type, triggers and prices of a condition order; two triggers are always one ``oco``, since OKX lets only the loss act else.

    Args:
        terms: The condition.
        options: The venue's own parameters; ``ordType`` replaces the type of a GENERIC condition.

    Raises:
        InputError: A GENERIC condition has neither a trigger nor a type.
    """
    if terms.tp_trigger is not None and terms.sl_trigger is not None:
        return {"ordType": "oco", **_legs(terms)}
    if terms.kind != ORDER_CONDITION_TYPE_GENERIC:
        return {"ordType": "conditional", **_legs(terms)}
    trigger = terms.sl_trigger or terms.tp_trigger
    if trigger is None:
        if "ordType" not in options:
            raise InputError(
                "a GENERIC condition order of Futures_OKX needs a trigger price, or the option 'ordType', such as move_order_stop; "
                "nothing was sent"
            )
        return {}
    price = terms.sl_price if terms.sl_trigger is not None else terms.tp_price
    return {"ordType": "trigger", "triggerPx": plain_text(trigger), "orderPx": _price(price)}


def _legs(terms: ConditionTerms, prefix: str = "") -> dict[str, object]:
    """The fields of the triggers that there are; ``new`` before the names of a change."""
    found: dict[str, object] = {}
    for leg, trigger, price in (
        ("tp", terms.tp_trigger, terms.tp_price),
        ("sl", terms.sl_trigger, terms.sl_price),
    ):
        if trigger is not None:
            name = f"{prefix}{leg.capitalize()}" if prefix else leg
            found[f"{name}TriggerPx"] = plain_text(trigger)
            found[f"{name}OrdPx"] = _price(price)
    return found


def _price(price: Decimal | None) -> str:
    return "-1" if price is None else plain_text(price)


def amended_terms(terms: ConditionTerms) -> dict[str, object]:
    """The triggers and prices of a change ("Amend algo order"); those that are missing stay."""
    if terms.kind != ORDER_CONDITION_TYPE_GENERIC:
        return _legs(terms, "new")
    trigger = terms.sl_trigger or terms.tp_trigger
    if trigger is None:
        return {}
    price = terms.sl_price if terms.sl_trigger is not None else terms.tp_price
    return {"newTriggerPx": plain_text(trigger), "newOrdPx": _price(price)}


def read_condition_order(payload: Any) -> Order:
    """An algo order from the query calls; its ``Symbol`` is still the venue's name, and its child is not read."""
    row = mapping(payload, "a condition order")
    name, state = text(row, "instId"), text(row, "state")
    child = _child(row)
    order = order_of(
        row,
        name=name,
        number=f"{CONDITION_MARK}{text(row, 'algoId')}",
        time_ms=integer(row, "cTime"),
        price=-1.0,
        amount=number_or(row, "sz", 0.0),
        dealt=0.0,
        average=0.0,
        status=_STATES.get(state, ORDER_STATE_UNKNOWN),
    )
    order["Offset"] = offset_of(row)
    condition = order["Condition"] = _condition(row)
    order["Price"] = condition["TpOrderPrice"] or condition["SlOrderPrice"] or -1.0
    if child:
        order["ChildId"] = f"{name},{child}"
    if state in _FAILED:
        order["Refused"] = f"code {row.get('failCode') or 'unknown'}"
    return order


def _child(row: dict[str, Any]) -> str:
    """The number of the order that it has placed; empty for none."""
    found = row.get("ordIdList")
    if isinstance(found, list) and found:
        return str(found[-1])
    return str(row.get("ordId") or "")


def _condition(row: dict[str, Any]) -> Condition:
    takes, stops = (number_or(row, f"{leg}TriggerPx", 0.0) for leg in ("tp", "sl"))
    kind = ORDER_CONDITION_TYPE_GENERIC
    prices = [number_or(row, f"{leg}OrdPx", 0.0) for leg in ("tp", "sl")]
    if takes and stops:
        kind = ORDER_CONDITION_TYPE_OCO
    elif takes:
        kind = ORDER_CONDITION_TYPE_TP
    elif stops:
        kind = ORDER_CONDITION_TYPE_SL
    else:
        stops = number_or(row, "triggerPx", 0.0) or number_or(row, "activePx", 0.0)
        prices[1] = number_or(row, "ordPx", 0.0) or number_or(row, "orderPx", -1.0)
    return Condition(
        ConditionType=kind,
        TpTriggerPrice=takes,
        TpOrderPrice=prices[0],
        SlTriggerPrice=stops,
        SlOrderPrice=prices[1],
    )
