"""The open orders of one symbol, matched against its recorded order books and trades.

A recorded market does not know the strategy's orders, so that each quantity that it shows is given to them once at most:

- An order that crosses takes what the levels of the book show, level by level. What it took from a level counts as gone as long as the level stands there.
- A resting order stands behind everything that its level showed when it came. Trades at its price use that up first; it also shrinks where the level shows
  less. A trade beyond its price, or the other side of the book at or beyond its price, fills it without regard to that, at its own price.
- One trade fills orders by price, then by their age, and not more than its amount.
"""

from __future__ import annotations

from typing import Protocol

from ..nano import nano
from ..trading.market import MarketView
from ..trading.open_orders import Fill, OpenOrders
from ..trading.orders import DeskOrder
from .recording import Level, PublicTrade

__all__ = ["RecordedMarket", "RecordedOrders"]

_ASKS, _BIDS = 0, 1
_UNKNOWN = -1

Book = tuple[list[Level], list[Level]]
"""Asks and bids."""


class RecordedMarket(MarketView, Protocol):
    """A symbol with recorded books."""

    @property
    def slip(self) -> int:
        """What a taker pays more than the book says, in nano."""

    def time_of(self, number: int) -> int:
        """When a tick comes."""

    def age_of(self, number: int, now_ms: int) -> int:
        """How long after a tick a moment is; of the tick's own moment: after the tick before it."""

    def levels(self, number: int, side: int) -> list[Level]:
        """One side of the book at a tick, from the best price on: 0 asks, 1 bids."""

    def trades(self, number: int) -> list[PublicTrade]:
        """The trades between a tick and the one before it."""


class RecordedOrders(OpenOrders):
    """Orders of a symbol with recorded books, by ascending id.

    Args:
        view: The symbol.
    """

    __slots__ = ("_known", "_market", "_taken")

    def __init__(self, view: RecordedMarket) -> None:
        super().__init__(view)
        self._market = view
        # What the strategy took from levels that still stand in the book, by side and price.
        self._taken: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._known = -1  # the last tick whose book they were compared with

    def _next_due(self, until: int) -> int:
        """The next tick at which an order may be filled; -1 if none exists."""
        fresh = [order.birth.number for order in self.orders.values() if order.seen < order.birth.number]
        if fresh:
            return min(fresh)
        return self.seen + 1 if self.seen < until else -1

    def _settle(self, until: int, fill: Fill) -> None:
        for order in self._fresh:
            if order.id in self.orders:
                self._arrive(order, fill)
        self._fresh.clear()
        number = self.seen
        while number < until and self.orders:
            number += 1
            self._at(number, fill)
        self.seen = max(self.seen, until)

    # One tick

    def _arrive(self, order: DeskOrder, fill: Fill) -> None:
        """Matches an order with the book that it came to; what is left of it rests."""
        number = order.birth.number
        while self._known < number and any(self._taken):
            self._forget(self._known + 1)
        self._known = max(self._known, number)
        order.seen = number
        self._take(order, number, order.time_ms, fill)
        if order.is_open and not order.market:
            order.ahead = self._shown(order, self._own_side(order, number))

    def _at(self, number: int, fill: Fill) -> None:
        """What a later tick does to the orders."""
        for trade in self._market.trades(number):
            self._trade(trade, number, fill)
        self._forget(number)
        sides: dict[bool, list[Level]] = {}
        for order in self._by_price():
            order.seen = number
            if order.market:
                self._take(order, number, self._market.time_of(number), fill)
                continue
            self._meet(order, number, fill)
            if not order.is_open:
                continue
            own = sides.get(order.is_buy)
            if own is None:
                own = sides[order.is_buy] = self._own_side(order, number)
            shown = self._shown(order, own)
            if shown != _UNKNOWN:
                order.ahead = shown if order.ahead == _UNKNOWN else min(order.ahead, shown)

    def _by_price(self) -> list[DeskOrder]:
        """The orders: the best price of each side first, then the oldest."""
        return sorted(
            self.orders.values(),
            key=lambda order: (not order.market, -order.price if order.is_buy else order.price, order.id),
        )

    def _trade(self, trade: PublicTrade, number: int, fill: Fill) -> None:
        """Gives a trade's amount to the resting orders that it would have met."""
        bought, price, left = trade.side == 0, nano(trade.price), nano(trade.amount)
        passed = 0  # what stood before own orders at this price, as far as this trade used it up
        for order in self._by_price():
            if not left:
                break
            if order.is_buy is bought or order.market or trade.time_ms <= order.time_ms:
                continue
            if order.price != price:
                if order.price > price if order.is_buy else order.price < price:
                    order.ahead = 0
                    left -= self._fill(order, order.price, False, left, number, self._market.time_of(number), fill)
                continue
            if order.ahead == _UNKNOWN:
                continue
            more = min(left, max(0, order.ahead - passed))
            passed += more
            left -= more
            order.ahead = max(0, order.ahead - passed)
            if left:
                left -= self._fill(order, price, False, left, number, self._market.time_of(number), fill)

    def _take(self, order: DeskOrder, number: int, now_ms: int, fill: Fill) -> None:
        """Takes from the other side of the book, level by level, as a taker."""
        side = _ASKS if order.is_buy else _BIDS
        slip = self._market.slip if order.is_buy else -self._market.slip
        for level_price, shown in self._market.levels(number, side):
            price = nano(level_price)
            paid = max(1, price + slip)
            if not order.market and (paid > order.price if order.is_buy else paid < order.price):
                break
            self._from_level(order, side, price, shown, paid, True, number, now_ms, fill)
            if not order.is_open:
                break

    def _meet(self, order: DeskOrder, number: int, fill: Fill) -> None:
        """Fills a resting order from the other side of the book where that has come to its price, as a maker."""
        side = _ASKS if order.is_buy else _BIDS
        for level_price, shown in self._market.levels(number, side):
            price = nano(level_price)
            if price > order.price if order.is_buy else price < order.price:
                break
            order.ahead = 0
            now_ms = self._market.time_of(number)
            self._from_level(order, side, price, shown, order.price, False, number, now_ms, fill)
            if not order.is_open:
                break

    def _from_level(
        self, order: DeskOrder, side: int, price: int, shown: float, paid: int, taker: bool, number: int, now_ms: int, fill: Fill
    ) -> None:  # fmt: skip
        taken = self._taken[side]
        most = nano(shown) - taken.get(price, 0)
        if most > 0:
            got = self._fill(order, paid, taker, most, number, now_ms, fill)
            if got:
                taken[price] = taken.get(price, 0) + got

    def _fill(self, order: DeskOrder, price: int, taker: bool, most: int, number: int, now_ms: int, fill: Fill) -> int:
        order.age_ms = self._market.age_of(number, now_ms)
        if order.filled_ms < 0:
            order.filled_ms = now_ms
        got = fill(order, price, taker, most)
        if not order.is_open:
            self.remove(order)
        return got

    # The book

    def _forget(self, number: int) -> None:
        """Forgets what was taken from levels that no longer stand, or show less, at a tick."""
        self._known = number
        for side, taken in enumerate(self._taken):
            if not taken:
                continue
            levels = self._market.levels(number, side)
            shown = {nano(price): nano(amount) for price, amount in levels}
            worst = nano(levels[-1][0]) if levels else None
            for price, amount in list(taken.items()):
                beyond = worst is not None and (price > worst if side == _ASKS else price < worst)
                if beyond:
                    continue
                left = min(amount, shown.get(price, 0))
                if left:
                    taken[price] = left
                else:
                    del taken[price]

    def _own_side(self, order: DeskOrder, number: int) -> list[Level]:
        return self._market.levels(number, _BIDS if order.is_buy else _ASKS)

    def _shown(self, order: DeskOrder, levels: list[Level]) -> int:
        """What the level of an order shows, in nano; -1 beyond the recorded depth."""
        for level_price, amount in levels:
            price = nano(level_price)
            if price == order.price:
                return nano(amount)
            if price < order.price if order.is_buy else price > order.price:
                return 0
        return _UNKNOWN
