"""Orders of contracts ("Trade" in Binance's documentation of derivatives)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.orders import NewOrder, OrderOrigin, OrderView
from ....engine.reasons import Reason, Rejected
from ....transport.requests import Rendered
from ...rendered import join_rows
from ..order_pages import OrderPage, RenderedOrders
from ..parameters import BinanceParams, BinanceRefusal, malformed
from .families import ContractSymbols, refuse_contract_order
from .order_reader import ContractOrderReader, read_side
from .order_rows import ContractRows

__all__ = ["ContractOrders", "read_list"]

_UNKNOWN_ORDER = (-2011, "Unknown order sent.")
_NO_ORDER = (-2013, "Order does not exist.")
_WEEK_MS = 7 * 86_400_000
_MOST_ORDERS, _MOST_CANCELS = 5, 10


class ContractOrders:
    """The handlers of orders; each takes ``(account, params)`` and returns the value to encode as JSON.

    Args:
        exchange: The exchange that gets the orders.
        symbols: Its instruments under Binance's names.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: ContractSymbols) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._family = symbols.family
        self.reader = ContractOrderReader(exchange, symbols)
        self.rows = ContractRows(symbols)
        self._pages = RenderedOrders(lambda params, order: self.rows.listed(order))

    # --- placing ---

    def place(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST order."""
        order, shape = self.reader.read(account, params)
        placed = self._take(account, params, order)
        params.weight = 0
        return self.rows.placed(placed, fresh=shape == "ACK")

    def test(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST order/test: checks an order without placing it."""
        order, _ = self.reader.read(account, params)
        instrument = self._exchange.instrument(order.instrument)
        try:
            self._exchange.check(account, order)
        except Rejected as error:
            raise refuse_contract_order(self._family, error, instrument, order) from error
        return {}

    def _take(self, account: TradingAccount, params: BinanceParams, order: NewOrder) -> OrderView:
        try:
            placed = self._exchange.place(account, order)
        except Rejected as error:
            instrument = self._exchange.instrument(order.instrument)
            raise refuse_contract_order(self._family, error, instrument, order) from error
        params.accepted = True
        return placed

    def place_batch(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """POST batchOrders: up to five; each element of the answer is an order or a refusal."""
        return self._each(params, lambda one: self.place(account, one))

    def modify_batch(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """PUT batchOrders."""
        return self._each(params, lambda one: self.modify(account, one))

    @staticmethod
    def _each(params: BinanceParams, call: Callable[[BinanceParams], dict[str, Any]]) -> list[dict[str, Any]]:
        items = read_list(params, "batchOrders")
        if not 1 <= len(items) <= _MOST_ORDERS or not all(isinstance(item, dict) for item in items):
            raise BinanceRefusal(-4082, "Invalid number of batch place orders.")
        answers = []
        for item in items:
            values = {str(name): _text(value) for name, value in item.items()}
            one = BinanceParams(values, params.now_ms)
            try:
                answers.append(call(one))
            except BinanceRefusal as error:
                answers.append(error.body())
            params.accepted |= one.accepted
        return answers

    # --- changing ---

    def modify(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """PUT order: a new price and quantity, both.

        Raises:
            BinanceRefusal: -1102 if one is missing, -2013 for an unknown order, -5025 unless it is a limit order, -5027 if nothing
                changes; the order is cancelled when the quantity is not above what is filled, or a GTX order would trade.
        """
        order = self.find(account, params, _NO_ORDER)
        side = read_side(params)
        quantity, price = params.decimal("quantity"), params.decimal("price")
        if price is None and "priceMatch" in params:
            price = self.reader.price(params, self.rows.instrument(order), True, side)
        if quantity is None or price is None:
            raise malformed("quantity" if quantity is None else "price")
        not_limit, no_change = self._family.modify_codes
        if order.state.final:
            raise BinanceRefusal(*_NO_ORDER)
        if order.type != "limit":
            raise BinanceRefusal(not_limit, "Only limit order is supported.")
        if (price, quantity) == (order.price, order.quantity):
            raise BinanceRefusal(no_change, "No need to modify the order.")
        self.reader.check_percent(self.rows.instrument(order), order.side, price)
        changed = self._amend(account, order, price, quantity)
        modify_id = params.integer("modifyId")
        return {**self.rows.placed(changed), **({"modifyId": modify_id} if modify_id is not None else {})}

    def _amend(self, account: TradingAccount, order: OrderView, price: Decimal, quantity: Decimal) -> OrderView:
        exchange = self._exchange
        with exchange.lock:  # no fill may come between the refusal and the cancel
            try:
                return exchange.amend(account, order.instrument, order.order_id, price=price, quantity=quantity)
            except Rejected as error:
                instrument = self._exchange.instrument(order.instrument)
                current = exchange.order(account, order.instrument, order.order_id)
                gone = error.reason is Reason.WOULD_TAKE or quantity <= current.filled
                if gone and not current.state.final:
                    return exchange.cancel(account, order.instrument, order.order_id)
                raise refuse_contract_order(self._family, error, instrument) from error

    # --- cancelling ---

    def find(self, account: TradingAccount, params: BinanceParams, missing: tuple[int, str]) -> OrderView:
        """The order of a call, by symbol and one of two ids; the order id wins.

        Raises:
            BinanceRefusal: ``missing`` if not found; -1102 if neither id was sent.
        """
        instrument = self._symbols.instrument(params.symbol())
        order_id, client_id = params.integer("orderId"), params.optional("origClientOrderId")
        if order_id is None and client_id is None:
            raise BinanceRefusal(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        try:
            if order_id is not None:
                return self._exchange.order(account, instrument.id, order_id)
            return self._exchange.order(account, instrument.id, client_id=client_id)
        except Rejected:
            raise BinanceRefusal(*missing) from None

    def cancel(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE order."""
        return self._cancel(account, self.find(account, params, _UNKNOWN_ORDER))

    def _cancel(self, account: TradingAccount, order: OrderView) -> dict[str, Any]:
        try:
            return self.rows.placed(self._exchange.cancel(account, order.instrument, order.order_id))
        except Rejected:
            raise BinanceRefusal(*_UNKNOWN_ORDER) from None

    def cancel_batch(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """DELETE batchOrders: by up to ten ids; names in lower case are accepted too, as ccxt sends them."""
        instrument = self._symbols.instrument(params.symbol())
        by_id = next((name for name in ("orderIdList", "orderidlist") if name in params), None)
        by_client = next((name for name in ("origClientOrderIdList", "origclientorderidlist") if name in params), None)
        name = by_id or by_client
        if name is None:
            raise malformed("orderIdList")
        answers = []
        for item in read_list(params, name)[:_MOST_CANCELS]:
            try:
                if by_id is not None:
                    order = self._exchange.order(account, instrument.id, int(item))
                else:
                    order = self._exchange.order(account, instrument.id, client_id=str(item))
                answers.append(self._cancel(account, order))
            except (Rejected, ValueError, TypeError):
                answers.append(BinanceRefusal(*_UNKNOWN_ORDER).body())
            except BinanceRefusal as error:
                answers.append(error.body())
        return answers

    def cancel_all(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE allOpenOrders: the ordinary orders of one symbol; conditional ones stay."""
        self._exchange.cancel_all(account, self._symbols.instrument(params.symbol()).id)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    # --- asking ---

    def query(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET order."""
        return self.rows.queried(self.find(account, params, _NO_ORDER))

    def open_order(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET openOrder: one that is still open."""
        order = self.find(account, params, _NO_ORDER)
        if order.state.final:
            raise BinanceRefusal(*_NO_ORDER)
        return self.rows.queried(order)

    def open_orders(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET openOrders, of one symbol, of a pair (COIN-M) or of all."""
        params.weight = 1 if "symbol" in params else 40
        of = self._of(params)
        return [self.rows.queried(order) for order in self._exchange.open_orders(account) if order.instrument in of]

    def _of(self, params: BinanceParams) -> set[str]:
        """The instruments that ``symbol`` or ``pair`` names; all without either."""
        if "symbol" in params:
            return {self._symbols.instrument(params.symbol()).id}
        if "pair" in params:
            return {instrument.id for instrument in self._symbols.of_pair(params.required("pair"))}
        return {instrument.id for instrument in self._symbols.all()}

    def all_orders(self, account: TradingAccount, params: BinanceParams) -> Rendered:
        """GET allOrders: open and closed, oldest first."""
        return join_rows(
            row for page in self._asked(params) for row in self._pages.page(params, self._exchange, account, page)
        )

    def all_orders_ahead(self, account: TradingAccount, params: BinanceParams) -> Iterator[None]:
        """Renders the ended orders of such a call in steps."""
        for page in self._asked(params):
            yield from self._pages.ahead(params, self._exchange, account, page)

    def _asked(self, params: BinanceParams) -> list[OrderPage]:
        start, end = read_span(params)
        from_id, limit = params.integer("orderId"), params.limit(500, 1000)
        return [
            OrderPage(instrument=name, from_id=from_id, start_ms=start, end_ms=end, limit=limit) for name in sorted(self._of(params))
        ]  # fmt: skip

    def user_trades(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET userTrades, oldest first."""
        start, end = read_span(params)
        from_id, order_id, limit = params.integer("fromId"), params.integer("orderId"), params.limit(500, 1000)
        of = self._of(params)
        one = next(iter(of)) if len(of) == 1 else None
        fills = self._exchange.fills(
            account, one, order_id=order_id, from_id=from_id, start_ms=start, end_ms=end, limit=limit
        )
        return [self.rows.trade(fill) for fill in fills if fill.instrument in of]

    def force_orders(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET forceOrders: the orders that the venue made."""
        kinds = {"LIQUIDATION": {OrderOrigin.LIQUIDATION}, "ADL": {OrderOrigin.ADL}}
        kind = params.choice("autoCloseType", kinds)
        wanted = kinds[kind] if kind is not None else {OrderOrigin.LIQUIDATION, OrderOrigin.ADL}
        start, end = params.time_ms("startTime"), params.time_ms("endTime")
        params.weight, of = (20 if "symbol" in params else 50), self._of(params)
        found = self._exchange.order_history(
            account, start_ms=start, end_ms=end, limit=params.limit(50, 100), newest=True,
            where=lambda record: record.origin in wanted and record.instrument.id in of,
        )  # fmt: skip
        return [self.rows.queried(order) for order in found]


def read_list(params: BinanceParams, name: str) -> list[Any]:
    """A JSON array.

    Raises:
        BinanceRefusal: -1102 if it is missing, -1100 if it is not an array.
    """
    try:
        items = json.loads(params.required(name))
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise params.malformed(name, "a JSON array")
    return items


def read_span(params: BinanceParams) -> tuple[int | None, int | None]:
    """The parameters startTime and endTime.

    Raises:
        BinanceRefusal: -1127 if they are more than seven days apart.
    """
    start, end = params.time_ms("startTime"), params.time_ms("endTime")
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise BinanceRefusal(-1127, "More than 7 days between startTime and endTime.")
    return start, end


def _text(value: Any) -> str:
    """A value of JSON as it would travel in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
