"""Binance spot's orders and their history ("Trading endpoints" in Binance's spot documentation)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import attrs

from ...engine.accounts import TradingAccount
from ...engine.conditional.order_lists import OrderListView
from ...engine.exchange import SimulatedExchange
from ...engine.instruments import Instrument
from ...engine.orders import FillView, Finish, NewOrder, OrderView, State, TimeInForce
from ...engine.reasons import Rejected
from ...transport.requests import Rendered
from ..rendered import join_rows
from .account import commission_rates, no_discount
from .new_order import OrderReader
from .order_pages import OrderPage, RenderedOrders
from .parameters import BinanceParams, BinanceRefusal
from .refusals import UNKNOWN_ORDER, refuse_order
from .symbols import Symbols, fixed

__all__ = [
    "EXPIRY_REASON",
    "SMART_ROUTED",
    "BinanceOrders",
    "order_force",
    "order_status",
    "order_type",
    "working_time",
]

_DAY_MS = 86_400_000
SMART_ROUTED = "sor"
"""Marks an order that was sent to smart order routing."""
_NO_ORDER = (-2013, "Order does not exist.")
_STATUS = {
    State.NEW: "NEW",
    State.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    State.FILLED: "FILLED",
    State.CANCELED: "CANCELED",
    State.EXPIRED: "EXPIRED",
}
EXPIRY_REASON = {
    Finish.IOC: "UNFILLED_IOC_QUANTITY_EXPIRED",
    Finish.FOK: "UNFILLED_FOK_ORDER_EXPIRED",
    Finish.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
    Finish.SYSTEM: "EXCHANGE_CANCELED",
}


class BinanceOrders:
    """The handlers of the signed endpoints; each takes ``(account, params)`` and returns the value to encode as JSON.

    Args:
        exchange: The exchange that gets the orders.
        symbols: The exchange's instruments under Binance's names.
        average_price: The average price for price filters, by instrument id; None before the first trade.
    """

    def __init__(
        self, exchange: SimulatedExchange, symbols: Symbols, average_price: Callable[[Instrument], Decimal | None]
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self.reader = OrderReader(symbols, average_price)
        self._rows = RenderedOrders(self._queried)

    # --- placing ---

    def place(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/order."""
        order, shape = self.reader.read(params)
        params.finish()
        answer = self.placed(params, self._take(account, params, order), shape)
        params.weight = 0  # a successful call has no weight
        return answer

    def place_routed(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/sor/order: smart order routing, here always to the symbol's own book."""
        order, shape = self._read_routed(params)
        params.finish()
        answer = self.placed(params, self._take(account, params, order), shape)
        for fill in answer.get("fills", ()):
            fill.update(matchType="ONE_PARTY_TRADE_REPORT", allocId=fill["tradeId"])
        params.weight = 0
        return answer

    def test_routed(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/sor/order/test."""
        order, _ = self._read_routed(params)
        return self._tested(account, params, order)

    def _read_routed(self, params: BinanceParams) -> tuple[NewOrder, str]:
        order, shape = self.reader.read(params)
        if order.quote_quantity is not None or order.time_in_force is TimeInForce.POST_ONLY:
            raise BinanceRefusal(-1116, "Invalid orderType.")
        return attrs.evolve(order, extra={**order.extra, SMART_ROUTED: "1"}), shape

    def test(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/order/test: checks an order without placing it."""
        order, _ = self.reader.read(params)
        return self._tested(account, params, order)

    def _tested(self, account: TradingAccount, params: BinanceParams, order: NewOrder) -> dict[str, Any]:
        rates = params.flag("computeCommissionRates", False)
        params.finish()
        try:
            self._exchange.check(account, order)
        except Rejected as error:
            raise refuse_order(error, order) from error
        if not rates:
            return {}
        commission = commission_rates(account, self._exchange.instrument(order.instrument))
        return {
            "standardCommissionForOrder": {side: commission[side] for side in ("maker", "taker")},
            "specialCommissionForOrder": {"maker": fixed(Decimal(0)), "taker": fixed(Decimal(0))},
            "taxCommissionForOrder": {"maker": fixed(Decimal(0)), "taker": fixed(Decimal(0))},
            "discount": no_discount(),
        }

    def _take(self, account: TradingAccount, params: BinanceParams, order: NewOrder) -> OrderView:
        """Passes an order to the exchange."""
        try:
            placed = self._exchange.place(account, order)
        except Rejected as error:
            raise refuse_order(error, order) from error
        params.accepted = True
        return placed

    def placed(self, params: BinanceParams, order: OrderView, shape: str) -> dict[str, Any]:
        """The answer to a new order."""
        answer: dict[str, Any] = {
            "symbol": self._symbols.name(order.instrument),
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_id,
            "transactTime": params.time(order.updated_ms),
        }
        if shape == "ACK":
            return answer
        answer.update(self.amounts_of(order), workingTime=working_time(params, order))
        answer["selfTradePreventionMode"] = order.self_trade.name
        answer.update(_conditional(order))
        if shape == "FULL":
            answer["fills"] = [
                {
                    "price": fixed(fill.price),
                    "qty": fixed(fill.quantity),
                    "commission": fixed(fill.fee),
                    "commissionAsset": fill.fee_asset,
                    "tradeId": fill.trade_id,
                }
                for fill in order.fills
            ]
        return answer

    def amounts_of(self, order: OrderView) -> dict[str, Any]:
        """The common fields of all answers about an order."""
        return {
            "price": fixed(order.price or Decimal(0)),
            "origQty": fixed(order.filled if order.quantity is None else order.quantity),
            "executedQty": fixed(order.filled),
            "origQuoteOrderQty": fixed(order.quote_quantity or Decimal(0)),
            "cummulativeQuoteQty": fixed(order.filled_quote),
            "status": order_status(order),
            "timeInForce": order_force(order),
            "type": order_type(order),
            "side": order.side.upper(),
        }

    # --- asking ---

    def query(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET /api/v3/order."""
        order = self.find(account, params, "orderId", "origClientOrderId", _NO_ORDER)
        params.finish()
        return self._queried(params, order)

    def find(
        self, account: TradingAccount, params: BinanceParams, id_name: str, client_name: str, missing: tuple[int, str]
    ) -> OrderView:
        """The order of a call, found by symbol and one of two ids.

        Raises:
            BinanceRefusal: ``missing`` if not found; -1102 if neither id was sent; -2039 if both were sent and do not match.
        """
        instrument = self._symbols.instrument(params.symbol())
        order_id, client_id = params.integer(id_name), params.optional(client_name)
        if order_id is None and client_id is None:
            raise BinanceRefusal(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
        try:
            if order_id is not None:
                order = self._exchange.order(account, instrument.id, order_id)
            else:
                order = self._exchange.order(account, instrument.id, client_id=client_id)
        except Rejected:
            raise BinanceRefusal(*missing) from None
        if client_id is not None and order.client_id != client_id:
            raise BinanceRefusal(-2039, "Client order ID is not correct for this order ID.")
        return order

    def _queried(self, params: BinanceParams, order: OrderView) -> dict[str, Any]:
        """An order in the format of queries."""
        return {
            "symbol": self._symbols.name(order.instrument),
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_id,
            **self.amounts_of(order),
            "stopPrice": fixed(order.trigger_price or Decimal(0)),
            "icebergQty": fixed(Decimal(0)),
            "time": params.time(order.created_ms),
            "updateTime": params.time(order.updated_ms),
            "isWorking": order.working_ms >= 0,
            "workingTime": working_time(params, order),
            "selfTradePreventionMode": order.self_trade.name,
            **_conditional(order),
        }

    def open_orders(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/openOrders."""
        instrument = self._symbols.instrument(params.symbol()) if "symbol" in params else None
        params.weight = 6 if instrument is not None else 80
        params.allow("symbol")
        params.finish()
        orders = self._exchange.open_orders(account, instrument.id if instrument is not None else None)
        return [self._queried(params, order) for order in orders]

    def all_orders(self, account: TradingAccount, params: BinanceParams) -> Rendered:
        """GET /api/v3/allOrders: open and closed, oldest first."""
        return join_rows(self._rows.page(params, self._exchange, account, self._asked_history(params)))

    def all_orders_ahead(self, account: TradingAccount, params: BinanceParams) -> Iterator[None]:
        """Renders the ended orders of such a call in steps."""
        return self._rows.ahead(params, self._exchange, account, self._asked_history(params))

    def _asked_history(self, params: BinanceParams) -> OrderPage:
        instrument = self._symbols.instrument(params.symbol())
        from_id = params.integer("orderId")
        start, end = _window(params)
        limit = params.limit(500, 1000)
        params.finish()
        return OrderPage(instrument=instrument.id, from_id=from_id, start_ms=start, end_ms=end, limit=limit)

    def my_trades(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET /api/v3/myTrades, oldest first."""
        instrument = self._symbols.instrument(params.symbol())
        order_id, from_id = params.integer("orderId"), params.integer("fromId")
        start, end = _window(params)
        limit = params.limit(500, 1000)
        params.finish()
        params.weight = 20 if order_id is None else 5
        timed = start is not None or end is not None
        if timed and (order_id is not None or from_id is not None):  # the combinations that Binance's documents allow
            raise BinanceRefusal(-1128, "Combination of optional parameters invalid.")
        fills = self._exchange.fills(
            account, instrument.id, order_id=order_id, from_id=from_id, start_ms=start, end_ms=end, limit=limit
        )
        return [self._trade(params, fill) for fill in fills]

    def _trade(self, params: BinanceParams, fill: FillView) -> dict[str, Any]:
        return {
            "symbol": self._symbols.name(fill.instrument),
            "id": fill.trade_id,
            "orderId": fill.order_id,
            "orderListId": fill.list_id,
            "price": fixed(fill.price),
            "qty": fixed(fill.quantity),
            "quoteQty": fixed(fill.quote_quantity),
            "commission": fixed(fill.fee),
            "commissionAsset": fill.fee_asset,
            "time": params.time(fill.time_ms),
            "isBuyer": fill.side == "buy",
            "isMaker": fill.is_maker,
            "isBestMatch": True,
        }

    # --- cancelling ---

    def cancel(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE /api/v3/order."""
        cancel_id = params.client_id("newClientOrderId")
        restriction = _restriction(params)
        order = self.find(account, params, "orderId", "origClientOrderId", UNKNOWN_ORDER)
        params.finish()
        answer = self.cancelled(params, self._cancel(account, order, restriction), cancel_id)
        params.weight = 0
        return answer

    def cancel_open(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """DELETE /api/v3/openOrders: all open orders of one symbol."""
        instrument = self._symbols.instrument(params.symbol())
        params.finish()
        cancelled = self._exchange.cancel_all(account, instrument.id)
        if not cancelled:
            raise BinanceRefusal(*UNKNOWN_ORDER)
        params.weight = 0
        alone = [self.cancelled(params, order, None) for order in cancelled if order.list_id < 0]
        numbers = dict.fromkeys(order.list_id for order in cancelled if order.list_id >= 0)
        lists = [self._exchange.lists.find(account, number) for number in numbers]
        return alone + [self.describe_list(params, found, self.cancelled) for found in lists]

    def _cancel(self, account: TradingAccount, order: OrderView, restriction: str | None) -> OrderView:
        """Cancels one order."""
        unwanted = {"ONLY_NEW": State.PARTIALLY_FILLED, "ONLY_PARTIALLY_FILLED": State.NEW}
        exchange = self._exchange
        with exchange.lock:  # no fill may happen between reading its state and the cancel
            try:
                if restriction is not None:
                    order = exchange.order(account, order.instrument, order.order_id)
                    if order.state is unwanted[restriction]:
                        raise BinanceRefusal(-2011, "Order was not canceled due to cancel restrictions.")
                return exchange.cancel(account, order.instrument, order.order_id)
            except Rejected as error:
                raise BinanceRefusal(*UNKNOWN_ORDER) from error

    def cancelled(self, params: BinanceParams, order: OrderView, cancel_id: str | None) -> dict[str, Any]:
        """A cancelled order in the format of answers; ``cancel_id`` None creates an id."""
        return {
            "symbol": self._symbols.name(order.instrument),
            "origClientOrderId": order.client_id,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": cancel_id or uuid.uuid4().hex[:22],
            "transactTime": params.time(order.updated_ms),
            **self.amounts_of(order),
            "selfTradePreventionMode": order.self_trade.name,
            **_conditional(order),
        }

    def describe_list(
        self,
        params: BinanceParams,
        found: OrderListView,
        report: Callable[[BinanceParams, OrderView, str | None], Any] | None = None,
    ) -> dict[str, Any]:
        """A list of orders in Binance's format, with reports of the orders if ``report`` is given."""
        row: dict[str, Any] = {
            "orderListId": found.list_id,
            "contingencyType": "OCO",
            "listStatusType": "ALL_DONE" if found.done else "EXEC_STARTED",
            "listOrderStatus": "ALL_DONE" if found.done else "EXECUTING",
            "listClientOrderId": found.client_id,
            "transactionTime": params.time(found.updated_ms if found.done else found.created_ms),
            "symbol": self._symbols.name(found.instrument),
            "orders": [
                {
                    "symbol": self._symbols.name(order.instrument),
                    "orderId": order.order_id,
                    "clientOrderId": order.client_id,
                }
                for order in found.orders
            ],
        }
        if report is not None:
            row["orderReports"] = [report(params, order, None) for order in found.orders]
        return row

    def cancel_replace(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST /api/v3/order/cancelReplace: cancels one order, then places another.

        Raises:
            BinanceRefusal: -2021 (HTTP 409) if exactly one of the two failed, -2022 if both failed or the second was not tried.
        """
        mode = params.choice(
            "cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"),
            BinanceRefusal(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid."), required=True,
        )  # fmt: skip
        cancel_id, restriction = params.client_id("cancelNewClientOrderId"), _restriction(params)
        params.allow("orderRateLimitExceededMode", "cancelOrderId", "cancelOrigClientOrderId")
        if "cancelOrderId" not in params and "cancelOrigClientOrderId" not in params:
            raise BinanceRefusal(
                -1102, "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!"
            )
        order, shape = self.reader.read(params)
        params.finish()
        cancelled: dict[str, Any] | BinanceRefusal
        placed: dict[str, Any] | BinanceRefusal | None = None
        try:
            found = self.find(account, params, "cancelOrderId", "cancelOrigClientOrderId", UNKNOWN_ORDER)
            cancelled = self.cancelled(params, self._cancel(account, found, restriction), cancel_id)
        except BinanceRefusal as error:
            cancelled = error
        if mode == "ALLOW_FAILURE" or not isinstance(cancelled, BinanceRefusal):
            try:
                placed = self.placed(params, self._take(account, params, order), shape)
            except BinanceRefusal as error:
                placed = error
        answer = _both(cancelled, placed)
        params.weight = 0
        return answer


def _both(cancelled: dict[str, Any] | BinanceRefusal, placed: dict[str, Any] | BinanceRefusal | None) -> dict[str, Any]:
    """The answer of cancelReplace."""
    results = {
        "cancelResult": "FAILURE" if isinstance(cancelled, BinanceRefusal) else "SUCCESS",
        "newOrderResult": "NOT_ATTEMPTED"
        if placed is None
        else "FAILURE"
        if isinstance(placed, BinanceRefusal)
        else "SUCCESS",
        "cancelResponse": cancelled.body() if isinstance(cancelled, BinanceRefusal) else cancelled,
        "newOrderResponse": placed.body() if isinstance(placed, BinanceRefusal) else placed,
    }
    failures = isinstance(cancelled, BinanceRefusal) + isinstance(placed, BinanceRefusal)
    if not failures:
        return results
    if failures == 2 or placed is None:
        raise BinanceRefusal(-2022, "Order cancel-replace failed.", 400, results)
    raise BinanceRefusal(-2021, "Order cancel-replace partially failed.", 409, results)


def _restriction(params: BinanceParams) -> str | None:
    return params.choice(
        "cancelRestrictions", ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
        BinanceRefusal(-1145, "cancelRestrictions must be ONLY_NEW or ONLY_PARTIALLY_FILLED"),
    )  # fmt: skip


def _window(params: BinanceParams) -> tuple[int | None, int | None]:
    """The parameters startTime and endTime.

    Raises:
        BinanceRefusal: -1127 if they are more than a day apart.
    """
    start, end = params.time_ms("startTime"), params.time_ms("endTime")
    if start is not None and end is not None and end - start > _DAY_MS:
        raise BinanceRefusal(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


def order_status(order: OrderView) -> str:
    """Binance's word for an order's status."""
    if order.finish is Finish.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    if order.finish in EXPIRY_REASON:
        return "EXPIRED"
    return _STATUS[order.state]


def order_type(order: OrderView) -> str:
    """Binance's word for an order's type."""
    if order.time_in_force is TimeInForce.POST_ONLY:
        return "LIMIT_MAKER"
    if order.trigger_price is not None:
        kind = "STOP_LOSS" if (order.side == "buy") == order.trigger_rising else "TAKE_PROFIT"
        return f"{kind}_LIMIT" if order.type == "limit" else kind
    return order.type.upper()


def working_time(params: BinanceParams, order: OrderView) -> int:
    """When an order became active; -1 while it waits for its trigger price."""
    return params.time(order.working_ms) if order.working_ms >= 0 else -1


def order_force(order: OrderView) -> str:
    """Binance's time in force of an order."""
    return "GTC" if order.time_in_force is TimeInForce.POST_ONLY else order.time_in_force.value


def _conditional(order: OrderView) -> dict[str, Any]:
    """The optional fields of an order."""
    found: dict[str, Any] = {name: int(value) for name, value in order.extra.items() if name != SMART_ROUTED}
    if SMART_ROUTED in order.extra:
        found.update(workingFloor="SOR", usedSor=True)
    if order.trigger_price is not None:
        found["stopPrice"] = fixed(order.trigger_price)
    if order.finish in EXPIRY_REASON:
        found["expiryReason"] = EXPIRY_REASON[order.finish]
    return found
