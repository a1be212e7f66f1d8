"""Binance's OCO: one order cancels the other ("Order lists" in Binance's spot documentation)."""

from __future__ import annotations

import uuid
from typing import Any

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...engine.orders import NewOrder, OrderView
from ...engine.reasons import Rejected
from .orders import BinanceOrders
from .parameters import BinanceParams, BinanceRefusal
from .refusals import REFUSALS, UNKNOWN_ORDER
from .symbols import Symbols

__all__ = ["BinanceOrderLists"]

_LEG_TYPES = ("LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
# For each order of a list: the parameter's name after "above" or "below", and the matching parameter of a single order.
_LEG_NAMES = {
    "Type": "type", "Price": "price", "StopPrice": "stopPrice", "TimeInForce": "timeInForce", "ClientOrderId": "newClientOrderId",
    "StrategyId": "strategyId", "StrategyType": "strategyType", "IcebergQty": "icebergQty", "TrailingDelta": "trailingDelta",
}  # fmt: skip
_SHARED = ("symbol", "side", "quantity", "selfTradePreventionMode")
_NO_LIST = (-2018, "Order list does not exist.")


class BinanceOrderLists:
    """The handlers of order lists; each takes ``(account, params)`` and returns the value to encode as JSON.

    Args:
        exchange: The exchange with the lists.
        symbols: The exchange's instruments under Binance's names.
        orders: Reads and renders orders.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: Symbols, orders: BinanceOrders) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._orders = orders

    def place(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/orderList/oco."""
        client_id = params.client_id("listClientOrderId") or uuid.uuid4().hex[:22]
        shape = params.choice("newOrderRespType", ("ACK", "RESULT", "FULL")) or "RESULT"
        above, below = self._leg(params, "above"), self._leg(params, "below")
        params.finish()
        for leg, rising in ((above, True), (below, False)):
            if leg.trigger_price is not None and leg.trigger_rising is not rising:
                raise BinanceRefusal(-2010, "The relationship of the prices for the orders is not correct.")
        high, low = (leg.trigger_price if leg.trigger_price is not None else leg.price for leg in (above, below))
        if high is None or low is None or high <= low:
            raise BinanceRefusal(-2010, "The relationship of the prices for the orders is not correct.")
        if above.trigger_price is None and below.trigger_price is None:
            raise BinanceRefusal(-1014, "Unsupported order combination.")
        try:
            found = self._exchange.lists.place(account, (above, below), client_id)
        except Rejected as error:
            raise BinanceRefusal(*REFUSALS[error.reason]) from error
        params.accepted, params.weight = True, 0

        def _report(_: BinanceParams, order: OrderView, __: str | None) -> dict[str, Any]:
            return self._orders.placed(params, order, shape)

        return self._orders.describe_list(params, found, _report)

    def _leg(self, params: BinanceParams, side: str) -> NewOrder:
        """One order of the list, read like a single order."""
        params.choice(f"{side}Type", _LEG_TYPES, BinanceRefusal(-1116, "Invalid orderType."), required=True)
        values = {}
        for name, single in _LEG_NAMES.items():
            value = params.optional(f"{side}{name}")
            if value is not None:
                values[single] = value
        for name in _SHARED:
            value = params.optional(name)
            if value is not None:
                values[name] = value
        order, _ = self._orders.reader.read(BinanceParams(values, params.now_ms))
        return order

    def _named(self, params: BinanceParams, client_name: str) -> tuple[int | None, str | None]:
        """Number and client id of a list.

        Raises:
            BinanceRefusal: -1102 if neither was sent.
        """
        list_id, client_id = params.integer("orderListId"), params.optional(client_name)
        if list_id is None and client_id is None:
            raise BinanceRefusal(
                -1102, f"Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!"
            )
        return list_id, client_id

    def query(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/orderList."""
        list_id, client_id = self._named(params, "origClientOrderId")
        params.finish()
        try:
            found = self._exchange.lists.find(account, list_id, client_id)
        except Rejected:
            raise BinanceRefusal(*_NO_LIST) from None
        return self._orders.describe_list(params, found)

    def cancel(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE /api/v3/orderList."""
        instrument = self._symbols.instrument(params.symbol())
        list_id, client_id = self._named(params, "listClientOrderId")
        cancel_id = params.client_id("newClientOrderId")
        params.finish()
        lists = self._exchange.lists
        try:
            found = lists.find(account, list_id, client_id)
            if found.instrument != instrument.id:
                raise BinanceRefusal(*UNKNOWN_ORDER)
            cancelled = lists.cancel(account, found.list_id)
        except Rejected:
            raise BinanceRefusal(*UNKNOWN_ORDER) from None
        params.weight = 0

        def _report(_: BinanceParams, order: OrderView, __: str | None) -> dict[str, Any]:
            return self._orders.cancelled(params, order, cancel_id)

        return self._orders.describe_list(params, cancelled, _report)

    def open(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/openOrderList."""
        params.finish()
        found = self._exchange.lists.all(account, only_open=True)
        return [self._orders.describe_list(params, one) for one in found]

    def all(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/allOrderList, oldest first."""
        from_id, limit = params.integer("fromId"), params.limit(500, 1000)
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        params.finish()
        if from_id is not None and (start is not None or end is not None):
            raise BinanceRefusal(-1128, "Combination of optional parameters invalid.")
        found = [
            one
            for one in self._exchange.lists.all(account)
            if (from_id is None or one.list_id >= from_id)
            and (start is None or one.created_ms >= start)
            and (end is None or one.created_ms <= end)
        ]
        page = found[:limit] if from_id is not None or start is not None else found[-limit:]
        return [self._orders.describe_list(params, one) for one in page]
