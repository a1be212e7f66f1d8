"""Open orders that share the volume of the base bars: partial fills, which FMZ's engine does not know.

A bar gives at most ``participation`` times its volume to the strategy's orders of its symbol, to the earlier order first, and each quantity once. An order
that crosses when it is placed takes what its bar still has at the market's price; a market order takes the rest from the next ticks at their prices, a limit
order rests with it. A resting order is filled at its own price, at ticks beyond the touch (the other side of the book has come to its price); with ``queue``
also at the touch, once the volume traded there has used up the quantity that stood before it.
"""

from __future__ import annotations

from ..config.settings import PartialFills
from ..nano import mul
from .market import MarketView, Tick
from .open_orders import Fill, OpenOrders
from .orders import DeskOrder

__all__ = ["SharedVolume"]

_NONE = -1
_ANY = 2**62


class SharedVolume(OpenOrders):
    """Orders of a symbol in time order, and what the current bar has left for them.

    Args:
        view: The symbol.
        rule: How much of a bar they may take, and what is before a resting order.
        level_amount: The amount that each level of the book shows, in nano.
    """

    __slots__ = ("_bar", "_left", "_level_amount", "_rule")

    def __init__(self, view: MarketView, rule: PartialFills, level_amount: int) -> None:
        super().__init__(view)
        self._rule = rule
        self._level_amount = level_amount
        self._bar = _NONE
        self._left = 0

    def _settle(self, until: int, fill: Fill) -> None:
        if not self._fresh and not self._reached(until):
            self.seen = until
            return
        number = self._next_due(until)
        while number >= 0 and self.orders:
            self._at(number, fill)
            number = self._next(number, until)
        self._fresh.clear()
        self.seen = until

    def _next_due(self, until: int) -> int:
        return self._next(self.seen, until)

    def _next(self, after: int, until: int) -> int:
        """The next tick at which an order may be filled; -1 if none exists."""
        view = self.view
        fresh = [order.birth.number for order in self.orders.values() if order.seen < order.birth.number]
        best = min(fresh) if fresh and min(fresh) <= until else _NONE
        if view.bar_of(max(after, 0)) == self._bar and not self._left and self._rule.queue is None:
            after = self._end_of_bar(after, until)
        for order in self.orders.values():
            if order.seen < order.birth.number:
                continue
            start = max(after, order.seen)
            if start >= until:
                continue
            if order.market:
                found = view.next_number(start)
                found = found if found <= until else _NONE
            else:
                find = view.first_at_or_below if order.is_buy else view.first_at_or_above
                found = find(self._limit(order), start, until if best < 0 else min(until, best))
            if found >= 0 and (best < 0 or found < best):
                best = found
        return best

    def _limit(self, order: DeskOrder) -> int:
        if order.market:  # any price will do
            return _ANY if order.is_buy else -_ANY
        return order.trigger() if self._rule.queue is None else order.price

    def _end_of_bar(self, after: int, until: int) -> int:
        """The last tick of the bar that has nothing left."""
        number = after
        while (following := self.view.next_number(number)) >= 0 and following <= until:
            if self.view.bar_of(following) != self._bar:
                break
            number = following
        return number

    def _at(self, number: int, fill: Fill) -> None:
        """Gives the orders what they get at one tick."""
        view = self.view
        bar = view.bar_of(number)
        if bar != self._bar:
            self._bar = bar
            self._left = mul(view.bar_volume(bar), self._rule.participation)
        tick = view.tick_at(number)
        served = 0
        for order in list(self.orders.values()):
            fresh = order.seen < order.birth.number
            if order.birth.number > number or (not fresh and order.seen >= number):
                continue
            order.seen = number
            if order.market or (fresh and order.crosses(tick)):
                self._take(order, tick.sell if order.is_buy else tick.buy, True, self._left, fill)
            elif not fresh:
                served += self._take(order, order.price, False, self._given(order, tick, served), fill)

    def _given(self, order: DeskOrder, tick: Tick, served: int) -> int:
        """What a resting order may get at a tick, at which earlier resting orders got ``served``."""
        trigger = order.trigger()
        if tick.last <= trigger if order.is_buy else tick.last >= trigger:
            order.ahead = 0
            return self._left
        queue = self._rule.queue
        if queue is None or not (tick.last <= order.price if order.is_buy else tick.last >= order.price):
            return 0
        if order.ahead < 0:
            order.ahead = mul(self._level_amount, queue)
        traded = self._traded(tick.number)
        before, order.ahead = order.ahead, max(0, order.ahead - traded)
        return min(self._left, max(0, traded - before - served))

    def _traded(self, number: int) -> int:
        """The volume of a tick: what its bar's volume grew by."""
        view = self.view
        bar = view.bar_of(number)
        before = view.number_before(view.tick_at(number).time_ms)
        return view.volume_of(number) - (view.volume_of(before) if before >= 0 and view.bar_of(before) == bar else 0)

    def _take(self, order: DeskOrder, price: int, taker: bool, most: int, fill: Fill) -> int:
        if most <= 0:
            return 0
        quantity = fill(order, price, taker, most)
        self._left -= quantity
        if not order.is_open:
            self.remove(order)
        return quantity
