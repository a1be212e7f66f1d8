"""Takes the orders of a strategy on one simulated exchange, fills and cancels them.

Orders are settled lazily: each call about orders or the account begins with the settlement of all ticks since the last one. A refusal is an error row and
None or False, in the texts of FMZ's engine (github.com/fmzquant/backtest_javascript).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from ...constants import ORDER_STATE_CANCELED, ORDER_STATE_PENDING
from ...structures import Order
from ..config.settings import ExchangeSettings
from ..nano import ONE, div, nano, printed, to_float
from .conditions import ConditionOrder, LiveConditions
from .funding import NO_FUNDING, FundingCalendar, SeriesOf
from .history import Archive, in_scope
from .ledger import Ledger, Refused
from .liquidation.close_out import Liquidated
from .liquidation.settlement import LiquidationSettlement
from .margin import MarginAccount, margin_currency_of
from .market import MarketView, RowWriter
from .open_orders import OpenOrders
from .orders import MARKET, NOT_FOUND, NOT_OPEN, DeskOrder, invalid, unknown_side
from .price_age import fill_age_ms, price_age_ms
from .shared_volume import SharedVolume
from .spot import SpotAccount

__all__ = ["LIQUIDATION", "SettlingDesk"]

LIQUIDATION = "liquidation"
"""What the log rows of a liquidation say."""


def _no_delay() -> None:
    pass


class TradedSymbol:
    """What each order of a symbol needs, found once.

    Args:
        view: The market.
        orders: Its open orders.
        spot: The account, if market orders of the symbol can be filled when they are placed.

    Attributes:
        view: The market.
        open: Its open orders.
        spot: As given.
        symbol: FMZ's symbol.
        is_contract: Whether that is a futures contract.
        has_tiers: Whether its positions are liquidated.
        price_places: Decimals of prices, at most nine.
        amount_places: Decimals of amounts, at most nine.
        placed: How many orders were placed: buys, sells.
        dealt: What was filled, in nano: bought, sold.
    """

    __slots__ = (
        "amount_places",
        "dealt",
        "has_tiers",
        "is_contract",
        "open",
        "placed",
        "price_places",
        "spot",
        "symbol",
        "view",
    )

    def __init__(self, view: MarketView, orders: OpenOrders, spot: SpotAccount | None) -> None:
        detail = view.detail
        self.view = view
        self.open = orders
        self.spot = spot
        self.symbol = detail.symbol
        self.is_contract = detail.is_contract
        self.has_tiers = bool(detail.tiers)
        self.price_places = min(detail.quote_precision, 9)
        self.amount_places = min(detail.base_precision, 9)
        self.placed = [0, 0]
        self.dealt = [0, 0]


class SettlingDesk:
    """Orders of one exchange, and their settlement.

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
        side_market: Callable[[str], MarketView] | None = None,
        compat_fmz: bool = False,
        recorded_orders: Callable[[Any], OpenOrders] | None = None,
    ) -> None:
        """Makes the desk of an exchange.

        Args:
            settings: The exchange.
            market: Returns the view of a symbol, loaded at its first use; raises ``NoData`` for a symbol that there is not.
            rows: Takes order rows and error rows.
            now_ms: Tells the virtual time.
            delay: Lets the virtual time of one call pass; called once for each order that a condition order places.
            series_of: Returns the bars of a funding or index symbol over the whole backtest; None for no funding.
            side_market: Returns the ticks of a mark price series; needed only where a market names one.
            compat_fmz: Whether a triggered condition order places its order before the orders that were filled up to then are settled, as FMZ's
                engine does: a stop then finds no position when its entry is filled in the same settlement. A funding series that no market names must exist then,
                and an order with an unknown side sells.
            recorded_orders: Makes the open orders of a symbol whose books are recorded; None where ticks are made from bars.
        """
        self.settings = settings
        self.ledger: Ledger = MarginAccount(settings) if settings.is_futures else SpotAccount(settings)
        self._market = market
        self._rows = rows
        self._now_ms = now_ms
        self._delay = delay
        self._compat_fmz = compat_fmz
        self._recorded_orders = recorded_orders
        self._funding = FundingCalendar(series_of, strict=compat_fmz)
        self._number = settings.index + 1
        self._last_id = 0
        self._orders: Archive[DeskOrder] = Archive()
        self._traded: dict[str, TradedSymbol] = {}
        self._busy: list[OpenOrders] = []
        self._unseen: DeskOrder | None = None  # was filled when it was placed, which the next settlement makes known
        self._most_age_ms = settings.max_price_age_ms
        self._conditions: Archive[ConditionOrder] = Archive(timed=False)
        self._live = LiveConditions()
        self._side_market = side_market
        self._liquidations: LiquidationSettlement | None = None
        if isinstance(self.ledger, MarginAccount):
            self._liquidations = LiquidationSettlement(
                self.ledger, self._mark_of, self._cancel_all, self._note_liquidation
            )
        self._watching = False

    def take_id(self) -> int:
        """Uses up the next order id (``exchange.Log`` takes one, too)."""
        self._last_id += 1
        return self._last_id

    def has_open(self, symbol: str) -> bool:
        """Whether an order or a condition order of a symbol is open as of the last settlement."""
        traded = self._traded.get(symbol)
        if traded is not None and (
            traded.open.orders or (self._unseen is not None and self._unseen.view is traded.view)
        ):
            return True
        return self._live.has(symbol)

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
        return self._place(symbol, side, price, amount, message, None, at_once=not self._live.orders)

    def _place(
        self,
        symbol: str,
        side: str,
        price: float,
        amount: float,
        message: str,
        replaced: DeskOrder | None,
        *,
        at_once: bool = False,
    ) -> int | None:
        """Places an order, which may replace another one; ``at_once`` where nothing looks at orders or account before the next settlement."""
        if amount <= 0 or (price <= 0 and price != MARKET):
            return None
        traded = self._traded.get(symbol)
        if traded is None:
            traded = self._begin(symbol)
        try:
            order = self._order(traded, side, price, amount)
            spot = traded.spot if at_once and order.market and order.birth.buy > 0 else None
            if spot is None:
                self.ledger.reserve(order, (price, amount), replaced)
            else:
                spot.deal(order, (price, amount))
        except Refused as refusal:
            for text in refusal.texts:
                self._rows.error(self._number, text)
            return None
        if replaced is not None:
            self._end(replaced)
        self._last_id = order.id = self._last_id + 1
        order.time_ms = self._now_ms()
        self._orders.add(order)
        kind = 0 if order.is_buy else 1
        traded.placed[kind] += 1
        if spot is None:
            orders = traded.open
            if not orders.orders:
                self._busy.append(orders)
            orders.add(order)
            if traded.has_tiers:
                self._watching = True
        else:
            traded.dealt[kind] += order.deal
            self._unseen = order
        direction = side if traded.is_contract else ""
        self._rows.order(kind, self._number, order.id, order.price, order.amount, message, symbol, direction)
        return order.id

    def _begin(self, symbol: str) -> TradedSymbol:
        """Gets ready for the orders of a symbol; the payments of its funding are announced from now on."""
        view = self._market(symbol)
        self._funding.watch(view, self._now_ms())
        name = view.detail.symbol
        found = self._traded.get(name)
        if found is None:
            found = self._traded[name] = TradedSymbol(view, self._open_orders(view), self._spot())
        return found

    def _order(self, traded: TradedSymbol, side: str, price: float, amount: float) -> DeskOrder:
        market = price == MARKET
        if not (market or isfinite(price)) or not isfinite(amount):
            raise Refused(invalid(traded.symbol, price, amount))
        if side not in ("buy", "sell"):
            wrong = self._wrong_side(traded.view, side)
            if wrong is not None:
                raise Refused(wrong)
        direction = self.ledger.direction(side)
        rate = self.ledger.rate
        asked_price, asked_amount = price, amount
        if rate != ONE:
            if market and direction == "buy" and not traded.is_contract:
                asked_amount = to_float(div(nano(amount), rate))
            elif not market:
                asked_price = to_float(div(nano(price), rate))
        rounded = 0 if market else printed(asked_price, traded.price_places)
        quantity = printed(asked_amount, traded.amount_places)
        if not quantity or not (rounded or market):
            raise Refused(invalid(traded.symbol, price, amount))
        view = traded.view
        return DeskOrder(view, view.order_tick(), side, direction, rounded, quantity, market=market)

    def _spot(self) -> SpotAccount | None:
        """The account, where a market order is filled at the tick at which it is placed, as a whole and without a look at how old that is."""
        whole = self._recorded_orders is None and self.settings.partial_fills is None and self._most_age_ms is None
        return self.ledger if whole and isinstance(self.ledger, SpotAccount) and self.ledger.deals_at_once else None

    def _wrong_side(self, view: MarketView, side: str) -> str | None:
        return None if self._compat_fmz else unknown_side(view.detail, side)

    def _open_orders(self, view: MarketView) -> OpenOrders:
        if self._recorded_orders is not None:
            return self._recorded_orders(view)
        rule = self.settings.partial_fills
        return OpenOrders(view) if rule is None else SharedVolume(view, rule, self.settings.depth_amount)

    def _end(self, order: DeskOrder) -> None:
        orders = self._traded[order.detail.symbol].open
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
        was_open = order is not None and (order.state == ORDER_STATE_PENDING or order is self._unseen)
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

    # settlement

    def settle(self) -> None:
        """Settles all orders up to the current tick, by id; then places the orders of the condition orders that have triggered."""
        if self._live.orders:
            self._settle_with_conditions()
        else:
            self._settle_without_conditions()

    def _settle_without_conditions(self) -> None:
        due_ms = self._funding.next_ms
        if due_ms is not NO_FUNDING and due_ms <= self._now_ms():
            self._fund()
        if self._unseen is not None:
            self._unseen.view.consume_current()
            self._unseen = None
        if self._busy or self._watching:
            self._settle_orders()

    def _settle_with_conditions(self) -> None:
        if self._funding.next_ms <= self._now_ms():
            self._fund()
        triggered = self._live.triggered()
        if not self._compat_fmz:
            self._settle_orders()
        if triggered:
            self._place_triggered(triggered)
        if triggered or self._compat_fmz:
            self._settle_orders()

    def _place_triggered(self, triggered: list[tuple[ConditionOrder, float]]) -> None:
        for order, price in triggered:
            self._delay()
            if not self._compat_fmz:
                self._settle_without_conditions()  # each is placed by a call of its own: funding and fills of the meantime, and of the one before it, come first
            self._place(order.detail.symbol, order.side, price, order.amount, "", None)

    def _fund(self) -> None:
        now = self._now_ms()
        while self._funding.next_ms <= now:
            event = self._funding.pop()
            if self._watching and self._liquidations is not None:
                self._liquidations.settle_until(event.time_ms - 1, self._busy, self._fill)
            for orders in self._busy:
                orders.settle_before(event.time_ms, self._fill)
            self.ledger.fund(event)
            if self._liquidations is not None:
                self._liquidations.changed(event.time_ms)

    def _settle_orders(self) -> None:
        if self._watching and self._liquidations is not None:
            self._liquidations.settle_until(self._now_ms(), self._busy, self._fill)
        busy = self._busy
        for orders in busy:
            orders.settle(self._fill)
        if len(busy) == 1:
            if not busy[0].orders:
                busy.clear()
        else:
            self._busy = [orders for orders in busy if orders.orders]

    def _mark_of(self, view: MarketView) -> MarketView:
        named = view.detail.symbol_mark
        return self._side_market(named) if named and self._side_market is not None else view

    def _cancel_all(self, currency: str) -> None:
        for orders in list(self._busy):
            for order in list(orders.orders.values()):
                if margin_currency_of(order.detail) == currency:
                    self._end(order)
                    self._rows.order(2, self._number, order.id, 0, 0, LIQUIDATION, order.detail.symbol, "")

    def _note_liquidation(self, closed: Liquidated, time_ms: int) -> None:
        view, side = closed.positions.view, "closebuy" if closed.is_long else "closesell"
        birth = view.tick_at(view.number_before(time_ms + 1))
        order = DeskOrder(view, birth, side, self.ledger.direction(side), closed.price, closed.amount, market=False)
        order.id, order.time_ms = self.take_id(), time_ms
        order.filled(closed.price, closed.amount, last=True)
        order.fee = closed.fee
        most_ms = self._most_age_ms
        if most_ms is not None:
            order.age_ms = price_age_ms(self._mark_of(view), time_ms)
            self._check_age(order, most_ms)
        self._orders.add(order)
        kind = 0 if order.is_buy else 1
        traded = self._traded[view.detail.symbol]
        traded.placed[kind] += 1
        traded.dealt[kind] += closed.amount
        self._rows.order(kind, self._number, order.id, order.price, order.amount, LIQUIDATION, view.detail.symbol, side)

    def _fill(self, order: DeskOrder, price: int, taker: bool, most: int | None) -> int:
        quantity = self.ledger.fill(order, price, taker=taker, most=most)
        self._traded[order.detail.symbol].dealt[0 if order.is_buy else 1] += quantity
        most_ms = self._most_age_ms
        if most_ms is not None and quantity:
            if self._recorded_orders is None:
                order.age_ms = fill_age_ms(order)
            self._check_age(order, most_ms)
        return quantity

    def _check_age(self, order: DeskOrder, most_ms: int) -> None:
        age_ms = order.age_ms or 0
        if age_ms > most_ms:
            no_tick = "there is no tick" if self._recorded_orders is None else "no tick is recorded"
            self._rows.error(
                self._number,
                f"order {order.id} of {order.detail.symbol} was filled at a price {age_ms / 1000:g} s old: {no_tick} in between",
            )
