"""Reads a new order from the parameters of a Binance call ("Trading endpoints" in Binance's spot documentation)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal

from ...engine.book import SelfTrade
from ...engine.instruments import Instrument
from ...engine.orders import NewOrder, TimeInForce
from .parameters import BinanceParams, BinanceRefusal, malformed
from .symbols import MAX_NOTIONAL, ORDER_TYPES, SELF_TRADE_DEFAULT, SELF_TRADE_MODES, Symbols

__all__ = ["OrderReader"]

_TRIGGER_TYPES = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


class OrderReader:
    """Converts parameters to orders.

    Args:
        symbols: The exchange's instruments under Binance's names.
        average_price: The average price for price filters; None before the first trade.
    """

    def __init__(self, symbols: Symbols, average_price: Callable[[Instrument], Decimal | None]) -> None:
        self._symbols = symbols
        self._average_price = average_price

    def read(self, params: BinanceParams, id_name: str = "newClientOrderId") -> tuple[NewOrder, str]:
        """The order, and the response type (ACK, RESULT or FULL).

        Raises:
            BinanceRefusal: A parameter is missing, malformed or not allowed for the type, or a filter refuses the order.
        """
        instrument = self._symbols.instrument(params.symbol())
        side = params.choice("side", ("BUY", "SELL"), BinanceRefusal(-1117, "Invalid side."), required=True)
        kind = params.choice("type", ORDER_TYPES, BinanceRefusal(-1116, "Invalid orderType."), required=True)
        assert kind is not None
        force = _time_in_force(params, kind)
        price, quantity, quote = _amounts(params, kind)
        stop = _stop_price(params, kind)
        _check_precision(price=price, quantity=quantity, quoteOrderQty=quote, stopPrice=stop)
        shape = params.choice(
            "newOrderRespType", ("ACK", "RESULT", "FULL"), BinanceRefusal(-1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        )  # fmt: skip
        mode = params.choice(
            "selfTradePreventionMode", SELF_TRADE_MODES,
            BinanceRefusal(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
        )  # fmt: skip
        self._check_percent_price(instrument, side == "BUY", price)
        if price is not None and quantity is not None and price * quantity > MAX_NOTIONAL:
            raise BinanceRefusal(-1013, "Filter failure: NOTIONAL")
        order = NewOrder(
            instrument=instrument.id,
            side="buy" if side == "BUY" else "sell",
            type="market" if price is None else "limit",
            price=price,
            quantity=quantity,
            quote_quantity=quote,
            time_in_force=force,
            client_id=params.client_id(id_name) or uuid.uuid4().hex[:22],
            self_trade=SelfTrade[mode or SELF_TRADE_DEFAULT],
            extra=_strategy(params),
            trigger_price=stop,
            # A stop triggers when the price gets worse, a take-profit when it gets better.
            trigger_rising=stop is not None and (side == "BUY") == kind.startswith("STOP_LOSS"),
        )
        return order, shape or ("ACK" if kind == "LIMIT_MAKER" else "FULL")

    def _check_percent_price(self, instrument: Instrument, buys: bool, price: Decimal | None) -> None:
        """The filter PERCENT_PRICE_BY_SIDE.

        Raises:
            BinanceRefusal: -1013 if the price is too far from the average.
        """
        average = self._average_price(instrument) if price is not None else None
        if average is None or price is None:
            return
        down, up = self._symbols.price_bounds(buys)
        if not average * down <= price <= average * up:
            raise BinanceRefusal(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")


def _time_in_force(params: BinanceParams, kind: str) -> TimeInForce:
    """The order's time in force.

    Raises:
        BinanceRefusal: -1115 for an unknown value, -1102 if a LIMIT order lacks it, -1106 if another type has it.
    """
    invalid = BinanceRefusal(-1115, "Invalid timeInForce.")
    if kind == "LIMIT" or kind.endswith("_LIMIT"):
        return TimeInForce(params.choice("timeInForce", ("GTC", "IOC", "FOK"), invalid, required=True) or "")
    if params.choice("timeInForce", ("GTC", "IOC", "FOK"), invalid) is not None:
        raise BinanceRefusal(-1106, "Parameter 'timeInForce' sent when not required.")
    return TimeInForce.POST_ONLY if kind == "LIMIT_MAKER" else TimeInForce.GTC


def _amounts(params: BinanceParams, kind: str) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Price, quantity and quote quantity.

    Raises:
        BinanceRefusal: -1102 for a missing value, -1106 for one that is not allowed for the type.
    """
    price, quantity, quote = params.decimal("price"), params.decimal("quantity"), params.decimal("quoteOrderQty")
    for name in ("trailingDelta", "icebergQty", "pegPriceType", "pegOffsetType", "pegOffsetValue"):
        if params.optional(name) is not None:
            # Trailing, iceberg and pegged orders are not simulated.
            raise BinanceRefusal(-1106, f"Parameter '{name}' sent when not required.")
    if kind == "MARKET":
        if price is not None:
            raise BinanceRefusal(-1106, "Parameter 'price' sent when not required.")
        if (quantity is None) == (quote is None):
            if quantity is None:
                raise BinanceRefusal(
                    -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
                )
            raise BinanceRefusal(-1106, "Parameter 'quoteOrderQty' sent when not required.")
        return None, quantity, quote
    if quote is not None:
        raise BinanceRefusal(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    if quantity is None:
        raise malformed("quantity")
    if kind in {"STOP_LOSS", "TAKE_PROFIT"}:
        if price is not None:
            raise BinanceRefusal(-1106, "Parameter 'price' sent when not required.")
        return None, quantity, None
    if price is None:
        raise malformed("price")
    return price, quantity, None


def _stop_price(params: BinanceParams, kind: str) -> Decimal | None:
    """The trigger price.

    Raises:
        BinanceRefusal: -1102 if it is missing, -1106 if it is not allowed for the type.
    """
    price = params.decimal("stopPrice")
    if kind in _TRIGGER_TYPES:
        if not price:
            raise malformed("stopPrice")
        return price
    if price is not None:
        raise BinanceRefusal(-1106, "Parameter 'stopPrice' sent when not required.")
    return None


def _check_precision(**values: Decimal | None) -> None:
    """Refuses values with too many decimal places.

    Raises:
        BinanceRefusal: -1111.
    """
    for name, value in values.items():
        exponent = value.normalize().as_tuple().exponent if value is not None else 0
        if isinstance(exponent, int) and exponent < -8:
            raise BinanceRefusal(-1111, f"Parameter '{name}' has too much precision.")


def _strategy(params: BinanceParams) -> dict[str, str]:
    """The client's labels of an order (strategyId, strategyType), returned with it."""
    marks = {}
    strategy_id, strategy_type = params.integer("strategyId"), params.integer("strategyType")
    if strategy_id is not None:
        marks["strategyId"] = str(strategy_id)
    if strategy_type is not None:
        if strategy_type < 1_000_000:
            raise BinanceRefusal(-1134, "`strategyType` was less than 1000000.")
        marks["strategyType"] = str(strategy_type)
    return marks
