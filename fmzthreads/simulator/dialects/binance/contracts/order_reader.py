"""Reads a new order of a contract from the parameters of a call ("New Order" in Binance's documentation of derivatives)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Literal

from ....engine.accounts import TradingAccount
from ....engine.book import SelfTrade
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.orders import NewOrder, TimeInForce
from ..parameters import BinanceParams, BinanceRefusal, malformed
from .families import ALGO_TYPES, ORDER_FORCES, ContractSymbols, price_bounds, self_trade_modes

__all__ = ["CLIENT_ID", "ContractOrderReader", "algo_only", "position_side", "read_side"]

CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_MATCHES = {
    f"{name}{suffix}": (name == "OPPONENT", level)
    for name in ("OPPONENT", "QUEUE")
    for suffix, level in (("", 1), ("_5", 5), ("_10", 10), ("_20", 20))
}
PositionSide = Literal["net", "long", "short"]
_SIDES: dict[str, PositionSide] = {"BOTH": "net", "LONG": "long", "SHORT": "short"}


def algo_only() -> BinanceRefusal:
    """The refusal of a conditional order at the door of ordinary ones."""
    return BinanceRefusal(
        -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
    )


def read_side(params: BinanceParams) -> Literal["buy", "sell"]:
    """The side of an order.

    Raises:
        BinanceRefusal: -1117.
    """
    side = params.choice("side", ("BUY", "SELL"), BinanceRefusal(-1117, "Invalid side."), required=True)
    return "buy" if side == "BUY" else "sell"


def position_side(params: BinanceParams) -> PositionSide:
    """The side of the position; BOTH when it was not sent.

    Raises:
        BinanceRefusal: -4060.
    """
    text = params.choice("positionSide", _SIDES, BinanceRefusal(-4060, "Invalid position side."))
    return _SIDES[text or "BOTH"]


class ContractOrderReader:
    """Converts parameters to orders.

    Args:
        exchange: The exchange with books and mark prices.
        symbols: Its instruments under Binance's names.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: ContractSymbols) -> None:
        self._exchange = exchange
        self._symbols = symbols

    def read(self, account: TradingAccount, params: BinanceParams) -> tuple[NewOrder, str]:
        """The order, and the response type (ACK or RESULT).

        Raises:
            BinanceRefusal: A parameter is missing, malformed or not allowed, -4120 for a conditional type, or a price filter refuses it.
        """
        instrument, side = self._symbols.instrument(params.symbol()), read_side(params)
        kind = params.required("type")
        if kind in ALGO_TYPES:
            raise algo_only()
        if kind not in {"LIMIT", "MARKET"}:
            raise BinanceRefusal(-1116, "Invalid orderType.")
        force, price = self._force(params, kind), self.price(params, instrument, kind == "LIMIT", side)
        quantity = params.decimal("quantity")
        if quantity is None:
            raise malformed("quantity")
        if price is not None:
            self.check_percent(instrument, side, price)
        shape = params.choice("newOrderRespType", ("ACK", "RESULT"), BinanceRefusal(-1136, "Invalid newOrderRespType."))
        return self.order(account, params, instrument, side, price, quantity, force), shape or "ACK"

    def order(
        self, account: TradingAccount, params: BinanceParams, instrument: Instrument, side: Literal["buy", "sell"], price: Decimal | None,
        quantity: Decimal | None, force: TimeInForce, *, id_name: str = "newClientOrderId", extra: dict[str, str] | None = None,
    ) -> NewOrder:  # fmt: skip
        """The order with everything that both doors read alike."""
        default, modes = self_trade_modes()
        invalid = BinanceRefusal(-5039, "Invalid self trade prevention mode.")
        mode = params.choice("selfTradePreventionMode", modes, invalid)
        match = params.optional("priceMatch") if "priceMatch" in params else None
        reduce_only = params.flag("reduceOnly", False) if "reduceOnly" in params else False
        if "reduceOnly" in params and self._exchange.contracts.hedge(account):
            raise BinanceRefusal(-1106, "Parameter 'reduceonly' sent when not required.")
        return NewOrder(
            instrument=instrument.id, side=side, type="market" if price is None else "limit", price=price, quantity=quantity,
            time_in_force=force, client_id=params.matching(id_name, CLIENT_ID) or uuid.uuid4().hex[:22],
            self_trade=SelfTrade[mode or default], position_side=position_side(params), reduce_only=reduce_only,
            extra={**(extra or {}), **({"priceMatch": match} if match else {})},
        )  # fmt: skip

    @staticmethod
    def _force(params: BinanceParams, kind: str) -> TimeInForce:
        """The time in force of an order; GTD is not simulated."""
        invalid = BinanceRefusal(-1115, "Invalid timeInForce.")
        if kind == "MARKET":
            if params.choice("timeInForce", ORDER_FORCES, invalid) is not None:
                raise BinanceRefusal(-1106, "Parameter 'timeInForce' sent when not required.")
            return TimeInForce.GTC
        text = params.choice("timeInForce", ORDER_FORCES, invalid, required=True)
        return TimeInForce.POST_ONLY if text == "GTX" else TimeInForce(text or "GTC")

    def price(self, params: BinanceParams, instrument: Instrument, limit: bool, side: str) -> Decimal | None:
        """The limit price, or that of ``priceMatch``; None for a market order.

        Raises:
            BinanceRefusal: -1102 if it is missing, -1106 if it was sent and must not be, -5037 for an unknown price match, -5041 when
                the book has no such level.
        """
        price, match = params.decimal("price"), params.optional("priceMatch") if "priceMatch" in params else None
        if match == "NONE":
            match = None
        if not limit:
            if price is not None:
                raise BinanceRefusal(-1106, "Parameter 'price' sent when not required.")
            return None
        if match is None:
            if price is None:
                raise malformed("price")
            return price
        if price is not None:
            raise BinanceRefusal(-1106, "Parameter 'price' sent when not required.")
        if match not in _MATCHES:
            raise BinanceRefusal(-5037, "Invalid price match")
        opponent, level = _MATCHES[match]
        book = self._exchange.depth(instrument.id, level)
        levels = book.asks if (side == "buy") is opponent else book.bids
        if len(levels) < level:
            raise BinanceRefusal(-5041, "No depth matches this BBO order")
        return levels[level - 1][0]

    def check_percent(self, instrument: Instrument, side: str, price: Decimal) -> None:
        """The filter PERCENT_PRICE, against the mark price.

        Raises:
            BinanceRefusal: -4016 or -4024.
        """
        mark = self._exchange.contracts.prices(instrument.id).mark
        up, down = price_bounds()
        if mark and side == "buy" and price > mark * up:
            raise BinanceRefusal(-4016, f"Limit price can't be higher than {mark * up:.2f}.")
        if mark and side == "sell" and price < mark * down:
            raise BinanceRefusal(-4024, f"Limit price can't be lower than {mark * down:.2f}.")
