"""What a market's filters refuse of a paper order."""

from __future__ import annotations

from decimal import Decimal

from ....errors import InputError, InvalidOrder
from ....exchange.contracts.intents import Side
from ....exchange.market_rules import MarketRules, cut, plain_text

__all__ = ["check_filters"]


def check_filters(symbol: str, side: Side, price: Decimal | None, amount: Decimal, rules: MarketRules) -> None:
    """Refuses what the venue's filters would refuse.

    Raises:
        InvalidOrder: A filter refuses it.
    """
    bounds = rules.bounds(market=price is None)
    in_quote = price is None and side == "buy" and "." not in symbol
    if price is not None and rules.tick and cut(price, rules.tick) != price:
        raise InvalidOrder(
            f"the price {plain_text(price)} of {symbol} is no multiple of the tick {plain_text(rules.tick)}"
        )
    if not in_quote and bounds.step and cut(amount, bounds.step) != amount:
        raise InvalidOrder(
            f"the amount {plain_text(amount)} of {symbol} is no multiple of the step {plain_text(bounds.step)}"
        )
    try:
        if not in_quote:
            rules.check_amount(amount, market=price is None)
        if "." not in symbol and (in_quote or price is not None):
            value = amount if in_quote else amount * (price or 0)
            rules.check_notional(value, market=in_quote)
    except InputError as error:
        raise InvalidOrder(f"a filter of {symbol} refuses the order: {error}") from error
