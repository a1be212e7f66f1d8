"""Binance's amended orders, which keep their place in the queue ("Order Amend Keep Priority" in Binance's spot documentation)."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Any

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...engine.reasons import Reason, Rejected
from .orders import BinanceOrders
from .parameters import BinanceParams, BinanceRefusal, malformed
from .refusals import REFUSALS, UNKNOWN_ORDER
from .symbols import Symbols, fixed

__all__ = ["Amendments"]

_KEPT_ORDERS = 10_000


class Amendments:
    """The handlers of amendments; each takes ``(account, params)`` and returns the value to encode as JSON.

    Args:
        exchange: The exchange with the orders.
        symbols: The exchange's instruments under Binance's names.
        orders: Finds and renders orders.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: Symbols, orders: BinanceOrders) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._orders = orders
        self._made: OrderedDict[int, list[dict[str, Any]]] = OrderedDict()
        self._next_id = 1

    def amend(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """PUT /api/v3/order/amend/keepPriority: a smaller quantity, with the same queue position."""
        new_id = params.client_id("newClientOrderId") or uuid.uuid4().hex[:22]
        quantity = params.decimal("newQty")
        if quantity is None:
            raise malformed("newQty")
        with self._exchange.lock:  # no fill may happen between reading its quantity and the amendment
            before = self._orders.find(account, params, "orderId", "origClientOrderId", UNKNOWN_ORDER)
            params.finish()
            if before.state.final:
                raise BinanceRefusal(*UNKNOWN_ORDER)
            if quantity == before.quantity:
                raise BinanceRefusal(-2038, "The requested action would change no state; rejecting.")
            if before.quantity is None or quantity > before.quantity:
                raise BinanceRefusal(-2038, "Order amend (quantity increase) is not supported.")
            try:
                order = self._exchange.amend(
                    account, before.instrument, before.order_id, quantity=quantity, new_client_id=new_id
                )
            except Rejected as error:
                if error.reason is Reason.QUANTITY_TOO_SMALL and before.filled >= quantity:
                    raise BinanceRefusal(-2038, "Order amend (quantity below executed) is not supported.") from error
                raise BinanceRefusal(*REFUSALS[error.reason]) from error
        number, self._next_id = self._next_id, self._next_id + 1
        names = {"symbol": self._symbols.name(order.instrument), "orderId": order.order_id}
        ids = {"origClientOrderId": before.client_id, "newClientOrderId": order.client_id}
        sizes = {"origQty": fixed(before.quantity), "newQty": fixed(quantity)}
        row = {**names, "executionId": number, **ids, **sizes, "time": order.updated_ms}
        self._made.setdefault(order.order_id, []).append(row)
        if len(self._made) > _KEPT_ORDERS:
            self._made.popitem(last=False)
        amended = self._orders.amounts_of(order)
        return {
            "transactTime": params.time(order.updated_ms),
            "executionId": number,
            "amendedOrder": {
                **names,
                "orderListId": order.list_id,
                "origClientOrderId": before.client_id,
                "clientOrderId": order.client_id,
                "price": amended["price"],
                "qty": amended["origQty"],
                "executedQty": amended["executedQty"],
                "preventedQty": fixed(order.filled - order.filled),
                "quoteOrderQty": amended["origQuoteOrderQty"],
                "cumulativeQuoteQty": amended["cummulativeQuoteQty"],
                **{name: amended[name] for name in ("status", "timeInForce", "type", "side")},
                "workingTime": params.time(order.created_ms),
                "selfTradePreventionMode": order.self_trade.name,
            },
        }

    def made(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/order/amendments: the amendments of an order, oldest first."""
        instrument = self._symbols.instrument(params.symbol())
        order_id = params.integer("orderId")
        first, limit = params.integer("fromExecutionId"), params.limit(500, 1000)
        params.finish()
        if order_id is None:
            raise malformed("orderId")
        try:
            self._exchange.order(account, instrument.id, order_id)
        except Rejected:
            raise BinanceRefusal(-2013, "Order does not exist.") from None
        rows = [row for row in self._made.get(order_id, ()) if first is None or row["executionId"] >= first]
        return [{**row, "time": params.time(row["time"])} for row in rows[:limit]]
