"""An intent as a call of ccxt's ``create_order``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ...errors import InputError, NotSupported
from ...exchange.market_rules import plain_text
from ...exchange.venue import OrderIntent
from ..rest.convert import side_refused

__all__ = ["OrderCall", "order_call"]

_CONDITIONS = frozenset({
    "triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice", "trailingAmount", "trailingPercent", "trailingTriggerPrice",
})  # fmt: skip
_WORDS = {"true": True, "false": False}
_CLOSING = {"closebuy": "sell", "closesell": "buy"}


@attrs.frozen
class OrderCall:
    """A call that places an order.

    Attributes:
        run: Places it with the object that it gets; returns ccxt's order.
        trigger: Whether the venue keeps it apart, as a condition order.
    """

    run: Callable[[Any], Any]
    trigger: bool


def order_call(
    venue: str, intent: OrderIntent, name: str, api: Any, client_order_id: str, more: Mapping[str, Any] | None = None
) -> OrderCall:
    """The call for an intent.

    Args:
        venue: The venue's name, for messages.
        intent: The order.
        name: ccxt's symbol.
        api: An object with the markets, to look features up in.
        client_order_id: In the venue's form; empty to send none.
        more: Further parameters, which no option replaces.

    Raises:
        InputError: The side does not fit the market.
        NotSupported: ccxt does not say that the exchange has the order's time in force, or market orders by value; nothing was sent.
    """
    market = api.markets[name]
    spot = not market.get("contract")
    if spot and intent.side not in {"buy", "sell"}:
        raise side_refused(intent)
    side = _CLOSING.get(intent.side, intent.side)
    params: dict[str, Any] = {key: _WORDS.get(value, value) for key, value in intent.options.items()}
    if client_order_id:
        params.setdefault("clientOrderId", client_order_id)
    if intent.side in _CLOSING:
        params.setdefault("reduceOnly", True)
    params.update(more or {})
    _put_time_in_force(venue, intent, name, api, params)
    kind = str(params.pop("type", "market" if intent.price is None else "limit"))
    price = _number(_option_number(params, "price", intent.price))
    amount = _number(_option_number(params, "amount", intent.amount))
    trigger = bool(_CONDITIONS & params.keys()) and bool(api.feature_value(name, "fetchOpenOrders", "trigger"))
    if spot and side == "buy" and price is None:
        return OrderCall(_market_buy(venue, name, amount, api, params), trigger)

    def _run(each: Any) -> Any:
        return each.create_order(name, kind, side, amount, price, params)

    return OrderCall(_run, trigger)


def _market_buy(venue: str, name: str, cost: Any, api: Any, params: dict[str, Any]) -> Callable[[Any], Any]:
    if not api.has.get("createMarketBuyOrderWithCost"):
        raise NotSupported(
            f"{venue}: ccxt cannot buy there at market for an amount of quote currency; give a price; nothing was sent"
        )

    def _run(each: Any) -> Any:
        return each.create_market_buy_order_with_cost(name, cost, params)

    return _run


def _put_time_in_force(venue: str, intent: OrderIntent, name: str, api: Any, params: dict[str, Any]) -> None:
    wanted = intent.time_in_force
    if wanted == "GTC":
        return
    if intent.price is None:
        raise InputError(f"a market order has no time in force, got {wanted}; nothing was sent")
    key = "PO" if wanted == "GTX" else wanted
    known = api.feature_value(name, "createOrder", "timeInForce") or {}
    if not known.get(key):
        raise NotSupported(f"{venue}: ccxt does not say that {name} has {wanted} orders; nothing was sent")
    if wanted == "GTX":
        params["postOnly"] = True
    else:
        params["timeInForce"] = wanted


def _number(value: Decimal | None) -> float | str | None:
    """A number for ccxt, which writes exactly these digits: a float where it holds them, else text.

    Not a decimal: ccxt's readers of parameters take one for absent.
    """
    if value is None:
        return None
    number = float(value)
    return number if Decimal(repr(number)) == value else plain_text(value)


def _option_number(params: dict[str, Any], key: str, usual: Decimal | None) -> Decimal | None:
    given = params.pop(key, None)
    if given is None:
        return usual
    try:
        return Decimal(str(given))
    except ArithmeticError:
        raise InputError(f"the option {key} must be a number, got {str(given)[:40]!r}; nothing was sent") from None
