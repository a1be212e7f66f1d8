"""The open orders of one symbol, and when the prices since then fill them."""

from __future__ import annotations

from collections.abc import Callable

from .market import MarketView
from .orders import DeskOrder

__all__ = ["Fill", "OpenOrders"]

Fill = Callable[[DeskOrder, int, bool, int | None], int]
"""Called with an order, a price in nano, whether it is filled as a taker, and the most that may be filled (None for all); returns the quantity."""


class OpenOrders:
    """Orders of a symbol that are neither filled nor canceled, by ascending id.

    Each order is checked against the tick at which it was placed (a fill there is at the market's price, as a taker), and then against the later ticks
    (a fill there is at its own price, as a maker). Resting orders are not walked one by one: the highest buy and the lowest sell decide whether the
    prices since the last check reached any.

    Attributes:
        orders: The orders by id.
        seen: The number of the last tick that all resting orders have been checked against.
    """

    __slots__ = ("_fresh", "_highest_buy", "_lowest_sell", "_stale", "orders", "seen", "view")

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self.orders: dict[int, DeskOrder] = {}
        self.seen = -1
        self._fresh: list[DeskOrder] = []  # those that were not checked since they came
        self._stale = False
        self._highest_buy: int | None = None
        self._lowest_sell: int | None = None

    def add(self, order: DeskOrder) -> None:
        """Takes in an order that was just placed; it is checked at the next settlement."""
        if not self.orders:
            self.seen = order.birth.number
        self.orders[order.id] = order
        self._fresh.append(order)
        self._stale = True

    def remove(self, order: DeskOrder) -> None:
        """Takes out an order that was canceled."""
        del self.orders[order.id]
        self._stale = True

    def settle(self, fill: Fill) -> None:
        """Fills what the ticks up to the current one fill, by ascending id; the current tick then counts as seen."""
        self._settle(self.view.consume_current(), fill)

    def next_ms(self) -> int | None:
        """When the next fill may come, up to now; None if none exists."""
        until = self.view.current()
        number = self._next_due(until)
        if number < 0:
            return None
        placed = [order.time_ms for order in self.orders.values() if order.seen < number == order.birth.number]
        return min(placed) if placed else self.view.tick_at(number).time_ms

    def _next_due(self, until: int) -> int:
        due = []
        for order in self.orders.values():
            if order.seen < order.birth.number and order.crosses(order.birth):
                due.append(order.birth.number)
                continue
            after = max(order.seen, self.seen, order.birth.number)
            find = self.view.first_at_or_below if order.is_buy else self.view.first_at_or_above
            if after < until and (number := find(order.trigger(), after, until)) >= 0:
                due.append(number)
        return min(due, default=-1)

    def settle_before(self, time_ms: int, fill: Fill) -> None:
        """Fills what the ticks before a time fill, orders that were placed at that time or later left out."""
        later = [order for order in self.orders.values() if order.time_ms >= time_ms]
        for order in later:
            del self.orders[order.id]
        self._settle(max(self.seen, self.view.number_before(time_ms)), fill)
        for order in later:
            self.orders[order.id] = order
            self._fresh.append(order)
            self._stale = True

    def _settle(self, until: int, fill: Fill) -> None:
        if until > self.seen and len(self._fresh) < len(self.orders) and self._reached(until):
            for order in list(self.orders.values()):
                self._check(order, until, fill)
        elif self._fresh:
            # The others wait for prices that have not come.
            for order in self._fresh:
                if order.id in self.orders:
                    self._check(order, until, fill)
        self._fresh.clear()
        self.seen = until

    def _check(self, order: DeskOrder, until: int, fill: Fill) -> None:
        birth = order.birth
        if order.seen < birth.number:
            if order.market or order.crosses(birth):
                self.remove(order)
                fill(order, birth.sell if order.is_buy else birth.buy, True, None)
                return
            order.seen = birth.number
            after = birth.number
        else:
            after = max(order.seen, self.seen)
        order.seen = until
        if after >= until:
            return
        find = self.view.first_at_or_below if order.is_buy else self.view.first_at_or_above
        number = find(order.trigger(), after, until)
        if number >= 0:
            order.seen = number
            self.remove(order)
            fill(order, order.price, False, None)

    def _reached(self, until: int) -> bool:
        if self._stale:
            self._stale = False
            buys = [self._limit(order) for order in self.orders.values() if order.is_buy]
            sells = [self._limit(order) for order in self.orders.values() if not order.is_buy]
            self._highest_buy = max(buys) if buys else None
            self._lowest_sell = min(sells) if sells else None
        view, seen = self.view, self.seen
        if self._highest_buy is not None and view.first_at_or_below(self._highest_buy, seen, until) >= 0:
            return True
        return self._lowest_sell is not None and view.first_at_or_above(self._lowest_sell, seen, until) >= 0

    def _limit(self, order: DeskOrder) -> int:
        """The last price that a resting order waits for."""
        return order.trigger()
