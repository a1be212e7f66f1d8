"""Turns an order as a strategy gives it (``"buy;timeInForce=IOC"``, -1, 0.1) into an intent to be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, cast

import attrs

from ..arguments import exact_decimal
from ..errors import InputError, UnknownName, nearest, short_repr
from .keys.signing import parse_params
from .market_rules import MarketRules, cut, plain_text, to_precision
from .order_log import new_client_order_id
from .venue import OrderIntent, Side

__all__ = [
    "OrderRequest",
    "cut_amount",
    "cut_price",
    "parse_side",
    "positive_amount",
    "prepare",
    "take_client_order_id",
]

SIDES = ("buy", "sell", "closebuy", "closesell")
SPOT_SIDES = SIDES[:2]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX"]
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")

# The venues' names of a client order id; one that the strategy gives is also used to look the order up.
_CLIENT_ID_OPTIONS = (
    "newClientOrderId",
    "clientAlgoId",
    "clOrdId",
    "algoClOrdId",
    "clientOrderId",
    "client_order_id",
)

# Beyond any real price or amount; larger numbers would exceed the digits in which sums are exact.
_MOST = Decimal("1e30")

# A spot market buy is given in quote currency, for which markets have no step; venues accept eight decimals.
_QUOTE_STEP = Decimal("1e-8")


@attrs.frozen(kw_only=True)
class OrderRequest:
    """An order as the strategy gave it, with the settings of that moment.

    Attributes:
        symbol: FMZ's symbol.
        side: Such as ``buy``, or ``buy;{JSON}`` or ``buy;key=value&key2=value2``.
        price: The price in the strategy's currency; -1 for a market order.
        amount: The amount.
        price_digits: ``SetPrecision``'s decimals of prices; None for the market's tick alone.
        amount_digits: ``SetPrecision``'s decimals of amounts; None for the market's step alone.
        rate: ``SetRate``'s factor between the venue's prices and the strategy's.
        contract: What one contract is, for messages, such as ``100 USD``; empty for spot and where it is unknown.
    """

    symbol: str
    side: str
    price: Any
    amount: Any
    price_digits: int | None = None
    amount_digits: int | None = None
    rate: Decimal = Decimal(1)
    contract: str = ""

    @property
    def is_spot(self) -> bool:
        """Whether the symbol names no contract."""
        return "." not in self.symbol


def parse_side(text: Any, *, spot: bool = True) -> tuple[Side, dict[str, str]]:
    """Splits a side and its options.

    Args:
        text: ``buy``, ``sell`` (contracts also ``closebuy``, ``closesell``), alone or followed by ``;`` and a JSON object or URL-encoded
            pairs.
        spot: Whether only ``buy`` and ``sell`` are right.

    Returns:
        The side, and the options as text: numbers as they were written, true and false as such, nested values as JSON.

    Raises:
        InputError: It is not text, or the options are in neither form.
        UnknownName: There is no such side.
    """
    if not isinstance(text, str):
        raise InputError(f"side must be text such as 'buy' or 'sell', got {short_repr(text)}")
    side, semicolon, rest = text.partition(";")
    side = side.strip()
    valid = SPOT_SIDES if spot else SIDES
    if side not in valid:
        raise UnknownName(f"no side {short_repr(side)}{'' if spot else ' of a contract order'}{nearest(side, valid)}")
    rest = rest.strip()
    if not semicolon or not rest:
        return cast(Side, side), {}
    return cast(Side, side), _json_options(rest) if rest.startswith("{") else _pairs(rest)


def _pairs(text: str) -> dict[str, str]:
    if any("=" not in part for part in text.split("&") if part):
        raise InputError(f"the options of a side must be JSON or key=value pairs, got {short_repr(text)}")
    return dict(parse_params(text))


def _json_options(text: str) -> dict[str, str]:
    try:
        # Numbers stay the text that they were, so that no float comes near a price.
        options = json.loads(text, parse_float=_Literal, parse_int=_Literal)
        return {name: _option(value) for name, value in options.items()}
    except RecursionError:
        raise InputError(f"the options of a side are nested too deep: {short_repr(text)}") from None
    except ValueError as error:
        raise InputError(f"the options of a side are not valid JSON ({error}): {short_repr(text)}") from None


class _Literal(str):
    """A number in JSON, as it was written."""

    __slots__ = ()


def _option(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (dict, list)):
        # Nested numbers become JSON numbers again; Decimal keeps every digit of what was written.
        return _dump(value)
    return json.dumps(value)


def _dump(value: Any) -> str:
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_dump(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value)


def prepare(
    request: OrderRequest,
    rules_of: Callable[[str], MarketRules | None],
    new_id: Callable[[], str] = new_client_order_id,
) -> tuple[OrderIntent, bool]:
    """Cuts an order to the market's tick and step, and checks it against the market's limits.

    Prices and amounts are cut toward zero: first to ``SetPrecision``'s decimals, then to the market's tick and step (FMZ: further digits are
    dropped; an amount never grows). An order outside the market's limits is refused, never changed. For a market order only the limits
    of market orders hold. The amount of a spot market buy is in quote currency, to which the market's step and minimum amount do not
    apply.

    Args:
        request: The order.
        rules_of: Returns the rules of a symbol, or None if there are no rules; called after all other checks.
        new_id: Makes a client order id.

    Returns:
        The intent, and whether its client order id was made here (not given by the strategy).

    Raises:
        InputError: A value is not a number, is negative (a price other than -1), becomes 0 when it is cut, or is beyond a limit.
        UnknownName: There is no such side.
    """
    spot = request.is_spot
    side, options = parse_side(request.side, spot=spot)
    asked = exact_decimal("price", request.price, most=_MOST)
    amount = exact_decimal("amount", request.amount, most=_MOST)
    market = asked == -1
    if asked <= 0 and not market:
        raise InputError(
            f"price must be more than 0 (or -1 for a market order), got {plain_text(asked)}; nothing was sent"
        )
    if amount <= 0:
        raise _not_above_0(amount)
    rules = rules_of(request.symbol) or MarketRules(symbol=request.symbol)
    bounds = rules.bounds(market=market)
    in_quote = spot and market and side == "buy"
    price: Decimal | None = None
    if not market:
        price = cut_price(asked, request, rules.tick)
        if price <= 0:
            raise _vanished("price", request.price, rules.tick)
    amount = cut_amount(amount, request, _QUOTE_STEP if in_quote else bounds.step)
    client_order_id, own = "", True
    in_force: TimeInForce = "GTC"
    if options:  # they may replace price and amount, so that only the venue can judge
        in_force = _time_in_force(options)
        client_order_id, own = take_client_order_id(options)
    elif not bounds.admit(
        None if in_quote else amount, amount if in_quote else price * amount if price and spot else None
    ):
        _check(rules, price, amount, in_quote=in_quote, spot=spot)
    intent = OrderIntent(
        symbol=request.symbol,
        side=side,
        price=price,
        amount=amount,
        client_order_id=client_order_id or new_id(),
        time_in_force=in_force,
        options=MappingProxyType(options),
    )
    return intent, own


def positive_amount(request: OrderRequest) -> Decimal:
    """The amount of a request, exactly.

    Raises:
        InputError: It is not a number above 0.
    """
    amount = exact_decimal("amount", request.amount, most=_MOST)
    if amount <= 0:
        raise _not_above_0(amount)
    return amount


def _not_above_0(amount: Decimal) -> InputError:
    return InputError(f"amount must be more than 0, got {plain_text(amount)}; nothing was sent")


def cut_price(asked: Decimal, request: OrderRequest, tick: Decimal | None) -> Decimal:
    """A price of the strategy in the venue's currency, cut to ``SetPrecision`` and to the tick; it may be 0 then."""
    price = asked / request.rate
    if request.price_digits is not None:
        price = to_precision(price, request.price_digits, forgive_noise=True)
    return cut(price, tick, forgive_noise=True)


def cut_amount(amount: Decimal, request: OrderRequest, step: Decimal | None) -> Decimal:
    """An amount cut to ``SetPrecision`` and to the market's step.

    A fraction where the venue takes whole contracts is refused, not cut: it is likely to be an amount of coins.

    Raises:
        InputError: It is 0 then, or a fraction of a contract.
    """
    if request.amount_digits is not None:
        amount = to_precision(amount, request.amount_digits)
    fits = request.is_spot or step is None or step < 1 or amount % 1 == 0
    whole = cut(amount, step)
    if fits and whole > 0:
        return whole
    if request.is_spot:
        raise _vanished("amount", request.amount, step)
    one = f"one is {request.contract}, " if request.contract else ""
    raise InputError(
        f"the amount of {request.symbol} is a number of contracts ({one}the step is {plain_text(step or Decimal(1))}), got "
        f"{short_repr(request.amount)}; nothing was sent. SetPrecision drops decimals, and an amount of coins must be converted first"
    )


def _vanished(name: str, given: Any, step: Decimal | None) -> InputError:
    unit = "" if step is None else f" (the market's step is {plain_text(step)})"
    return InputError(f"{name} {short_repr(given)} is 0 when it is cut to the market's step{unit}; nothing was sent")


def _check(rules: MarketRules, price: Decimal | None, amount: Decimal, *, in_quote: bool, spot: bool) -> None:
    if in_quote:
        rules.check_notional(amount, market=True)
        return
    rules.check_amount(amount, market=price is None)
    if price is not None and spot:
        rules.check_notional(price * amount)


def _time_in_force(options: dict[str, str]) -> TimeInForce:
    if options.get("timeInForce") in TIMES_IN_FORCE:
        return cast(TimeInForce, options.pop("timeInForce"))
    return "GTC"


def take_client_order_id(options: dict[str, str]) -> tuple[str, bool]:
    """Takes a client order id out of options; empty if absent, and whether it is to be made."""
    for name in _CLIENT_ID_OPTIONS:
        given = options.pop(name, "")
        if given:
            return given, False
    return "", True
