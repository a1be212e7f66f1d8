"""Conditions as a strategy gives them, read into exact prices, and the check of their triggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...arguments import exact_decimal, whole_number
from ...constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_OCO,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
)
from ...errors import InputError, short_repr
from ...structures import Condition
from .directions import is_buy

if TYPE_CHECKING:
    from .intents import ConditionTerms

__all__ = ["check_triggers", "condition_of", "condition_structure", "read_condition"]

_WITH_TP = frozenset({ORDER_CONDITION_TYPE_OCO, ORDER_CONDITION_TYPE_TP})
_WITH_SL = frozenset({ORDER_CONDITION_TYPE_OCO, ORDER_CONDITION_TYPE_SL})


def condition_of(given: Any) -> dict[str, Any]:
    """A condition as it was given.

    Raises:
        InputError: It is not a dict.
    """
    if not isinstance(given, dict):
        raise InputError(f"a condition must be a dict with ConditionType, got {short_repr(given)}")
    return given


def read_condition(given: Any, cut: Callable[[Decimal], Decimal]) -> ConditionTerms:
    """Reads a condition.

    Args:
        given: A dict with ``ConditionType`` and what it needs: ``TpTriggerPrice`` and ``TpOrderPrice`` for taking profit,
            ``SlTriggerPrice`` and ``SlOrderPrice`` for stopping a loss. An order price of -1 is at market.
        cut: Cuts a price to the market's tick.

    Raises:
        InputError: A field is missing or not valid.
    """
    from .intents import ConditionTerms  # the classes of all orders, of which a backtest needs this one

    fields = condition_of(given)
    if fields.get("ConditionType") is None:
        raise InputError("a condition needs ConditionType: ORDER_CONDITION_TYPE_OCO, _TP, _SL or _GENERIC")
    kind = whole_number("ConditionType", fields["ConditionType"], most=ORDER_CONDITION_TYPE_GENERIC)
    generic = kind == ORDER_CONDITION_TYPE_GENERIC
    prices: dict[str, Decimal | None] = {}
    for wanted, short, prefix in ((kind in _WITH_TP, "tp", "Tp"), (kind in _WITH_SL, "sl", "Sl")):
        trigger = f"{prefix}TriggerPrice"
        if wanted or (generic and fields.get(trigger)):
            prices[f"{short}_trigger"] = _trigger(trigger, fields, cut)
            prices[f"{short}_price"] = _order_price(f"{prefix}OrderPrice", fields, cut)
    return ConditionTerms(kind=kind, **prices)


def _given(name: str, fields: Mapping[str, Any]) -> Decimal:
    if fields.get(name) is None:
        raise InputError(f"this condition needs {name}; nothing was sent")
    return exact_decimal(name, fields[name])


def _trigger(name: str, fields: Mapping[str, Any], cut: Callable[[Decimal], Decimal]) -> Decimal:
    price = _given(name, fields)
    if price <= 0 or cut(price) <= 0:
        raise InputError(f"{name} must be more than 0, got {short_repr(fields[name])}; nothing was sent")
    return cut(price)


def _order_price(name: str, fields: Mapping[str, Any], cut: Callable[[Decimal], Decimal]) -> Decimal | None:
    price = _given(name, fields)
    if price == -1:
        return None
    if price <= 0 or cut(price) <= 0:
        raise InputError(
            f"{name} must be more than 0, or -1 for at market, got {short_repr(fields[name])}; nothing was sent"
        )
    return cut(price)


def check_triggers(terms: ConditionTerms, side: str, price: Decimal) -> None:
    """Refuses a trigger that the current price has reached already.

    A stop of a buy triggers at its price or above, one of a sale at its price or below; taking profit the other way round.

    Args:
        terms: The condition; a GENERIC one is left to the venue.
        side: The side of the order that it places.
        price: The last price.

    Raises:
        InputError: A trigger lies on the wrong side of the price.
    """
    if terms.kind == ORDER_CONDITION_TYPE_GENERIC:
        return
    buys = is_buy(side)
    for name, trigger, rising in (("Sl", terms.sl_trigger, buys), ("Tp", terms.tp_trigger, not buys)):
        if trigger is not None and (price >= trigger if rising else price <= trigger):
            raise InputError(
                f"{name}TriggerPrice {trigger} of a {side} lies on the wrong side of the last price {price}: it must be "
                f"{'above' if rising else 'below'} it, or it would trigger at once; nothing was sent"
            )


def condition_structure(terms: ConditionTerms) -> Condition:
    """The condition in FMZ's structure: 0 for what it does not have, -1 for an order at market."""
    return Condition(
        ConditionType=terms.kind,
        TpTriggerPrice=float(terms.tp_trigger or 0),
        TpOrderPrice=_shown(terms.tp_trigger, terms.tp_price),
        SlTriggerPrice=float(terms.sl_trigger or 0),
        SlOrderPrice=_shown(terms.sl_trigger, terms.sl_price),
    )


def _shown(trigger: Decimal | None, price: Decimal | None) -> float:
    return 0.0 if trigger is None else -1.0 if price is None else float(price)
