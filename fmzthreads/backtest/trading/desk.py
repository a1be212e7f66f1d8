"""Takes the orders of a strategy on one simulated exchange, settles them, and shows account, positions and history.

Orders are settled lazily: each call about orders or the account begins with the settlement of all ticks since the last one. A refusal is an error row and
None or False, in the texts of FMZ's engine (github.com/fmzquant/backtest_javascript).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_PENDING
from ...errors import InputError, NotSupported
from ...structures import Account, Asset, Condition, Funding, Order, Position
from ..config.settings import ExchangeSettings
from ..nano import ONE, div, nano, printed, to_float
from .conditions import ConditionOrder, LiveConditions, read_condition, side_text
from .funding import FundingCalendar, SeriesOf
from .history import Archive, in_scope
from .ledger import Ledger, Refused
from .margin import SWITCH_REFUSED, MarginAccount
from .market import MarketView, RowWriter
from .open_orders import OpenOrders
from .orders import MARKET, NOT_FOUND, NOT_OPEN, DeskOrder, invalid
from .shared_volume import SharedVolume
from .spot import SpotAccount

__all__ = ["Desk"]


def _no_delay() -> None:
    pass


class Desk:
    """Orders and account of one exchange.

    Attributes:
        settings: The exchange.
        ledger: Its account.
    """

    def __init__(
        self,
        settings: ExchangeSettings,
        market: Callable[[str], MarketView],
        rows: RowWriter,
        now_ms: Callable[[], int],
        *,
        delay: Callable[[], None] = _no_delay,
        series_of: SeriesOf | None = None,
        compat_fmz: bool = False,
    ) -> None:
        """Makes the desk of an exchange.

        Args:
            settings: The exchange.
            market: Returns the view of a symbol, loaded at its first use; raises ``NoData`` for a symbol that there is not.
            rows: Takes order rows and error rows.
            now_ms: Tells the virtual time.
            delay: Lets the virtual time of one call pass; called once for each order that a condition order places.
            series_of: Returns the bars of a funding or index symbol over the whole backtest; None for no funding.
            compat_fmz: Whether a triggered condition order places its order before the orders that were filled up to then are settled, as FMZ's
                engine does: a stop then finds no position when its entry is filled in the same settlement. A funding series that no market names must exist then.
        """
        self.settings = settings
        self.ledger: Ledger = MarginAccount(settings) if settings.is_futures else SpotAccount(settings)
        self._market = market
        self._rows = rows
        self._now_ms = now_ms
        self._delay = delay
        self._compat_fmz = compat_fmz
        self._funding = FundingCalendar(series_of, strict=compat_fmz)
        self._number = settings.index + 1
        self._last_id = 0
        self._orders: Archive[DeskOrder] = Archive()
        self._open: dict[str, OpenOrders] = {}
        self._busy: list[OpenOrders] = []
        self._counts: dict[str, list[int]] = {}
        self._conditions: Archive[ConditionOrder] = Archive(timed=False)
        self._live = LiveConditions()

    def take_id(self) -> int:
        """Uses up the next order id (``exchange.Log`` takes one, too)."""
        self._last_id += 1
        return self._last_id

    def has_open(self, symbol: str) -> bool:
        """Whether an order or a condition order of a symbol is open as of the last settlement."""
        orders = self._open.get(symbol)
        return (orders is not None and bool(orders.orders)) or self._live.has(symbol)

    def set_rate(self, rate: float) -> float:
        """Sets the factor on prices and quote amounts that strategies see; returns the one before."""
        before = self.ledger.rate
        self.ledger.rate = nano(rate)
        return to_float(before)

    # orders

    def place(self, symbol: str, side: str, price: float, amount: float, message: str = "") -> int | None:
        """Places an order.

        Args:
            symbol: FMZ's full symbol, such as ``BTC_USDT`` or ``BTC_USDT.swap``.
            side: ``buy``, ``sell``; of contracts also ``closebuy``, ``closesell``.
            price: The price, or -1 for a market order.
            amount: The amount; money for a spot market buy; contracts of a futures exchange.
            message: What the log row says.

        Returns:
            The order's id, or None when it is refused. An amount of 0 or less, and a price of 0 or less other than -1, are refused without an error
            row, as in FMZ's engine.

        Raises:
            EOFError: The data have ended.
            NoData: There is no such symbol.
        """
        self.settle()
        return self._place(symbol, side, price, amount, message, None)

    def _place(
        self, symbol: str, side: str, price: float, amount: float, message: str, replaced: DeskOrder | None
    ) -> int | None:
        if amount <= 0 or (price <= 0 and price != MARKET):
            return None
        view = self._market(symbol)
        self._funding.watch(view, self._now_ms())
        try:
            order = self._order(view, side, price, amount)
            self.ledger.reserve(order, (price, amount), replaced)
        except Refused as refusal:
            for text in refusal.texts:
                self._rows.error(self._number, text)
            return None
        if replaced is not None:
            self._end(replaced)
        order.id = self.take_id()
        order.time_ms = self._now_ms()
        self._enter(order)
        direction = side if order.detail.is_contract else ""
        kind = 0 if order.is_buy else 1
        self._rows.order(kind, self._number, order.id, order.price, order.amount, message, symbol, direction)
        return order.id

    def _order(self, view: MarketView, side: str, price: float, amount: float) -> DeskOrder:
        detail = view.detail
        if not isfinite(price) or not isfinite(amount):
            raise Refused(invalid(detail.symbol, price, amount))
        market = price == MARKET
        direction = self.ledger.direction(side)
        rate = self.ledger.rate
        asked_price, asked_amount = price, amount
        if rate != ONE:
            if market and direction == "buy" and not detail.is_contract:
                asked_amount = to_float(div(nano(amount), rate))
            elif not market:
                asked_price = to_float(div(nano(price), rate))
        rounded = 0 if market else printed(asked_price, min(detail.quote_precision, 9))
        quantity = printed(asked_amount, min(detail.base_precision, 9))
        if not quantity or not (rounded or market):
            raise Refused(invalid(detail.symbol, price, amount))
        tick = view.tick()
        view.consume()
        return DeskOrder(view, tick, side, direction, rounded, quantity, market=market)

    def _enter(self, order: DeskOrder) -> None:
        symbol = order.detail.symbol
        self._orders.add(order)
        orders = self._open.get(symbol)
        if orders is None:
            orders = self._open[symbol] = self._open_orders(order.view)
            self._counts.setdefault(symbol, [0, 0, 0, 0])
        if not orders.orders:
            self._busy.append(orders)
        orders.add(order)
        self._counts[symbol][1 if order.is_buy else 3] += 1

    def _open_orders(self, view: MarketView) -> OpenOrders:
        rule = self.settings.partial_fills
        return OpenOrders(view) if rule is None else SharedVolume(view, rule, self.settings.depth_amount)

    def _end(self, order: DeskOrder) -> None:
        orders = self._open[order.detail.symbol]
        orders.remove(order)
        if not orders.orders:
            self._busy.remove(orders)
        self.ledger.release(order)
        order.state = ORDER_STATE_CANCELED

    def modify(self, order_id: object, side: str, price: float, amount: float, message: str = "") -> int | None:
        """Replaces an open order by a new one.

        Returns:
            The id of the new order; None when there is no such open order, or when the new one is refused (the old one stays).

        Raises:
            EOFError: The data have ended.
        """
        order = self._orders.get(order_id)
        was_open = order is not None and order.state == ORDER_STATE_PENDING
        self.settle()
        if order is None or not was_open:
            self._rows.error(self._number, NOT_FOUND)
            return None
        symbol = order.detail.symbol
        if order.state != ORDER_STATE_PENDING:  # it was filled by this call's settlement
            self._rows.error(self._number, invalid(symbol, price, amount))
            return None
        return self._place(symbol, side, price, amount, message, order)

    def cancel(self, order_id: object, message: str = "") -> bool:
        """Cancels an open order; False and an error row when there is no such open order."""
        self.settle()
        order = self._orders.get(order_id)
        if order is None or order.state != ORDER_STATE_PENDING:
            self._rows.error(self._number, NOT_OPEN)
            return False
        self._end(order)
        self._rows.order(2, self._number, order.id, 0, 0, message, order.detail.symbol, "")
        return True

    def order(self, order_id: object) -> Order | None:
        """One order; None and an error row for an id that there is not."""
        self.settle()
        order = self._orders.get(order_id)
        if order is None:
            self._rows.error(self._number, NOT_FOUND)
            return None
        return order.structure(self.ledger.rate)

    def orders(self, symbol: str = "") -> list[Order]:
        """The open orders by id: of one symbol, of a kind such as ``USDT.swap``, or all when it is empty."""
        self.settle()
        found = [
            order for orders in self._busy if in_scope(orders.view.detail, symbol) for order in orders.orders.values()
        ]
        if len(self._busy) > 1:
            found.sort(key=lambda order: order.id)
        return [order.structure(self.ledger.rate) for order in found]

    def history(self, symbol: str = "", since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Filled and canceled orders by id: those since a time, the first ``limit`` of them (0 or more than 100: 100)."""
        self.settle()
        return [order.structure(self.ledger.rate) for order in self._orders.ended(symbol, since_ms, limit)]

    # condition orders

    def place_condition(
        self, symbol: str, side: str, amount: float, condition: Mapping[str, Any], message: str = ""
    ) -> int | None:
        """Places a condition order: nothing is checked or frozen before it triggers.

        Args:
            symbol: FMZ's full symbol.
            side: As for ``place``.
            amount: The amount of the order that it places.
            condition: ``ConditionType`` and the trigger and order prices that it needs; an order price of -1 is at market.
            message: What the log row says.

        Returns:
            Its id; None without a ``ConditionType``.

        Raises:
            EOFError: The data have ended.
            NoData: There is no such symbol.
        """
        self.settle()
        terms = read_condition(condition)
        if terms is None:
            return None
        view = self._market(symbol)
        view.current()  # the end of the data is raised before an id is taken
        view.consume()
        order = ConditionOrder(self.take_id(), view)
        self._conditions.add(order)
        self._live.orders[order.id] = order
        self._set_condition(order, side, amount, terms, condition, message)
        return order.id

    def _set_condition(
        self,
        order: ConditionOrder,
        side: str,
        amount: float,
        terms: Condition,
        given: Mapping[str, Any],
        message: str,
    ) -> None:
        order.set(side, self.ledger.direction(side), amount, terms, self._now_ms())
        self._rows.order(
            0 if order.is_buy else 1,
            self._number,
            order.id,
            nano(order.price),
            nano(amount),
            message,
            order.detail.symbol,
            side_text(side, given),
        )
        self._place_triggered(self._live.triggered())  # the tick of its placement counts

    def modify_condition(
        self, order_id: object, side: str, amount: float, condition: Mapping[str, Any], message: str = ""
    ) -> int | None:
        """Changes a live condition order, which keeps its id; an amount of -1 stays. None and an error row when there is no such live one."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None or not order.is_open:
            self._rows.error(self._number, NOT_FOUND)
            return None
        terms = read_condition(condition)
        if terms is None:
            return None
        self._set_condition(order, side, order.amount if amount == -1 else amount, terms, condition, message)
        return order.id

    def cancel_condition(self, order_id: object, message: str = "") -> bool:
        """Cancels a live condition order; False and an error row when there is no such live one."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None or not order.is_open:
            self._rows.error(self._number, NOT_OPEN)
            return False
        order.state = ORDER_STATE_CANCELED
        del self._live.orders[order.id]
        self._rows.order(2, self._number, order.id, 0, 0, message, order.detail.symbol, "")
        return True

    def condition_order(self, order_id: object) -> Order | None:
        """One condition order; None and an error row for an id that there is not."""
        self.settle()
        order = self._conditions.get(order_id)
        if order is None:
            self._rows.error(self._number, NOT_FOUND)
            return None
        return order.structure()

    def condition_orders(self, symbol: str = "") -> list[Order]:
        """The live condition orders by id; ``symbol`` as for ``orders``."""
        self.settle()
        return [order.structure() for order in self._live.orders.values() if in_scope(order.detail, symbol)]

    def condition_history(self, symbol: str = "", since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Triggered and canceled condition orders; arguments as for ``history``."""
        self.settle()
        return [order.structure() for order in self._conditions.ended(symbol, since_ms, limit)]

    # account

    def account(self, symbol: str) -> Account:
        """The account as a symbol sees it.

        Raises:
            NoData: There is no such symbol.
        """
        self.settle()
        return self.ledger.account(self._market(symbol).detail)

    def assets(self, symbol: str) -> list[Asset]:
        """The holdings, one row a currency."""
        self.settle()
        return self.ledger.assets(self._market(symbol).detail)

    def positions(self, symbol: str = "") -> list[Position] | None:
        """The positions, long before short; None on spot. ``symbol`` as for ``orders``."""
        self.settle()
        return self.ledger.positions(symbol)

    def fundings(self, symbol: str) -> list[Funding]:
        """The next funding payment of a contract; empty when there is none.

        Raises:
            NoData: There is no such symbol, or not the funding series that its market names.
        """
        self.settle()
        return self._funding.upcoming(self._market(symbol), self._now_ms())

    def set_level(self, symbol: str, level: float) -> bool:
        """Sets the leverage of a symbol; ignored while it has a position. Always True."""
        self.ledger.set_level(self._market(symbol), level)
        return True

    def set_dual(self, dual: bool) -> bool:
        """Chooses between two positions a symbol (hedge, the default) and one net position.

        Raises:
            InputError: There is a position or an open order.
            NotSupported: The exchange is a spot exchange.
        """
        if not isinstance(self.ledger, MarginAccount):
            raise NotSupported("IO('dual') needs a futures exchange; this is a spot exchange")
        self.settle()
        if self._busy or self._live.orders:
            raise InputError(SWITCH_REFUSED)
        self.ledger.set_dual(dual)
        return True

    # settlement and snapshots

    def all_ended(self) -> tuple[list[Order], list[Order]]:
        """All orders and condition orders that are no longer open, by id, without a limit."""
        self.settle()
        rate = self.ledger.rate
        return (
            [order.structure(rate) for order in self._orders if not order.is_open],
            [order.structure() for order in self._conditions if not order.is_open],
        )

    def settle(self) -> None:
        """Settles all orders up to the current tick, by id; then places the orders of the condition orders that have triggered."""
        if self._funding.next_ms <= self._now_ms():
            self._fund()
        if not self._live.orders:
            if self._busy:
                self._settle_orders()
            return
        triggered = self._live.triggered()
        if not self._compat_fmz:
            self._settle_orders()
        if triggered:
            self._place_triggered(triggered)
        if triggered or self._compat_fmz:
            self._settle_orders()

    def _fund(self) -> None:
        now = self._now_ms()
        while self._funding.next_ms <= now:
            event = self._funding.pop()
            for orders in self._busy:
                orders.settle_before(event.time_ms, self._fill)
            self.ledger.fund(event)

    def _settle_orders(self) -> None:
        for orders in self._busy:
            orders.settle(self._fill)
            orders.view.consume()
        self._busy = [orders for orders in self._busy if orders.orders]

    def _place_triggered(self, triggered: list[tuple[ConditionOrder, float]]) -> None:
        for order, price in triggered:
            self._delay()
            self._place(order.detail.symbol, order.side, price, order.amount, "", None)

    def _fill(self, order: DeskOrder, price: int, taker: bool, most: int | None) -> int:
        quantity = self.ledger.fill(order, price, taker=taker, most=most)
        self._counts[order.detail.symbol][0 if order.is_buy else 2] += quantity
        return quantity

    def snapshot(self, views: list[MarketView]) -> dict[str, Any]:
        """One exchange's part of an equity snapshot, in the shape of FMZ's engine.

        Args:
            views: The symbols that have been used, in the order of their first use.
        """
        self.settle()
        settings = self.settings
        worth = self.ledger.worth(views)
        for view in views:
            symbol = view.detail.symbol
            counts = self._counts.get(symbol, (0, 0, 0, 0))
            shown = worth["Symbols"].setdefault(symbol, {})
            shown["Last"] = to_float(view.last_price())
            shown["TradeStatus"] = {
                "BuyDealAmount": to_float(counts[0]),
                "BuyOrderCount": counts[1],
                "SellDealAmount": to_float(counts[2]),
                "SellOrderCount": counts[3],
            }
        return {
            "Id": settings.eid,
            "BaseCurrency": settings.base_currency,
            "QuoteCurrency": settings.quote_currency,
            "MarginCurrency": settings.margin_currency or settings.quote_currency,
            **worth,
        }
