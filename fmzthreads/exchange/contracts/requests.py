"""Turns condition orders and changes of orders, as a strategy gives them, into intents to be sent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ...arguments import exact_decimal
from ...errors import InputError
from ..market_rules import MarketRules, plain_text
from ..order_request import OrderRequest, cut_amount, cut_price, parse_side, positive_amount, take_client_order_id
from .conditions import read_condition
from .intents import ConditionIntent, ConditionTerms, ModifyIntent

__all__ = ["prepare_condition", "prepare_modify"]

RulesOf = Callable[[str], MarketRules | None]


def prepare_condition(
    request: OrderRequest, condition: Any, rules_of: RulesOf, new_id: Callable[[], str]
) -> tuple[ConditionIntent, bool]:
    """Cuts a condition order to the market's tick and step, and checks it against the market's limits.

    Args:
        request: The order that it places; its price does not count.
        condition: The condition, see ``read_condition``.
        rules_of: Returns the rules of a symbol, or None if there are none.
        new_id: Makes a client order id.

    Returns:
        The intent, and whether its client order id was made here (not given by the strategy).

    Raises:
        InputError: A value is not valid, becomes 0 when it is cut, or is beyond a limit.
        UnknownName: There is no such side.
    """
    side, options = parse_side(request.side, spot=request.is_spot)
    asked = positive_amount(request)
    rules = rules_of(request.symbol) or MarketRules(symbol=request.symbol)
    terms = read_condition(condition, lambda price: cut_price(price, request, rules.tick))
    amount = cut_amount(asked, request, rules.step)
    client_order_id, own = take_client_order_id(options)
    if not options:
        rules.check_amount(amount)
    intent = ConditionIntent(
        symbol=request.symbol,
        side=side,
        amount=amount,
        terms=terms,
        client_order_id=client_order_id or new_id(),
        options=MappingProxyType(options),
    )
    return intent, own


def prepare_modify(
    order_id: str, request: OrderRequest, condition: Any, rules_of: RulesOf, new_id: Callable[[], str]
) -> ModifyIntent:
    """Cuts a change of an order to the market's tick and step.

    Args:
        order_id: The order.
        request: Its side, and the new price and amount; -1 leaves either as it is.
        condition: The new condition of a condition order; None for an ordinary order.
        rules_of: Returns the rules of a symbol, or None if there are none.
        new_id: Makes the id that names the change.

    Raises:
        InputError: A value is not valid, becomes 0 when it is cut, or is beyond a limit; or nothing is to be changed.
        UnknownName: There is no such side.
    """
    side, options = parse_side(request.side, spot=request.is_spot)
    rules = rules_of(request.symbol) or MarketRules(symbol=request.symbol)
    price, amount, terms = None, None, _terms(condition, request, rules)
    if exact_decimal("amount", request.amount) != -1:
        amount = cut_amount(positive_amount(request), request, rules.step)
        if not options:
            rules.check_amount(amount)
    if condition is None and exact_decimal("price", request.price) != -1:
        price = _price(request, rules)
    if price is None and amount is None and terms is None and not options:
        raise _nothing_to_change(order_id)
    return ModifyIntent(
        order_id=order_id,
        symbol=request.symbol,
        side=side,
        price=price,
        amount=amount,
        terms=terms,
        client_order_id=new_id(),
        options=MappingProxyType(options),
    )


def _terms(condition: Any, request: OrderRequest, rules: MarketRules) -> ConditionTerms | None:
    if condition is None:
        return None
    return read_condition(condition, lambda price: cut_price(price, request, rules.tick))


def _price(request: OrderRequest, rules: MarketRules) -> Decimal:
    asked = exact_decimal("price", request.price)
    price = cut_price(asked, request, rules.tick) if asked > 0 else Decimal(0)
    if price <= 0:
        raise _wrong_price(asked)
    return price


def _wrong_price(asked: Decimal) -> InputError:
    return InputError(
        f"price must be more than 0 (or -1 to leave it as it is), got {plain_text(asked)}; nothing was sent"
    )


def _nothing_to_change(order_id: str) -> InputError:
    return InputError(f"neither price nor amount of {order_id} is to be changed (both are -1); nothing was sent")
