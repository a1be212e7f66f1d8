"""A limit order book with price-time priority, in whole ticks and lots.

Each side keeps its prices in one sorted list with the best at the end, and each price a queue of orders, so that the best price, the next
order in line, a cancel and a snapshot of the top levels are all found without a search through orders. The book does not handle balances: the
exchange settles what ``take`` returns.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence

__all__ = ["BookOrder", "Fill", "MatchingBook", "SelfTrade"]


class SelfTrade(enum.Enum):
    """Self-trade prevention: what happens between orders of one owner (Binance's names)."""

    NONE = "none"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_MAKER = "expire_maker"
    EXPIRE_BOTH = "expire_both"


class Level(deque["BookOrder"]):
    """The queue of orders at one price.

    An order that leaves before its turn stays in the queue, without a level, until its turn comes or the queue is swept.

    Attributes:
        lots: The resting quantity; never 0, since an empty level is removed.
        dead: How many entries of the queue are orders that have left.
    """

    __slots__ = ("dead", "lots")

    lots: int
    dead: int


class BookOrder:
    """The book's view of an order.

    Attributes:
        order_id: The exchange's id.
        owner: The owner; compared by identity, for self-trade prevention.
        is_buy: Whether it buys.
        ticks: The limit price; 0 for a market order.
        left: Lots not yet filled.
        level: The level where it rests; None if it does not rest.
    """

    __slots__ = ("is_buy", "left", "level", "order_id", "owner", "ticks")

    def __init__(self, order_id: int, owner: object, is_buy: bool, ticks: int, lots: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.is_buy = is_buy
        self.ticks = ticks
        self.left = lots
        self.level: Level | None = None


Fill = tuple[BookOrder, int, int]
"""The resting order, the price in ticks, and the lots filled."""

# A queue is cleaned up when this many of its entries, and more than half of them, are dead: a cancel takes constant time on average.
_SLACK = 32
_ANY = -(1 << 100)  # smaller than every key


class MatchingBook:
    """Both sides. Not thread-safe: the exchange's lock guards it.

    Each side has an ascending list of keys, so that the best is the last: the price for bids and its negative for asks.

    Attributes:
        version: Counts changes of any level; the sequence number of depth snapshots and deltas.
        changes: None, or (while there are listeners) the set of ``(is_buy, ticks)`` touched since it was last emptied.
    """

    __slots__ = ("_ask_keys", "_ask_levels", "_bid_keys", "_bid_levels", "_spare", "changes", "version")

    def __init__(self) -> None:
        self._bid_keys: list[int] = []
        self._ask_keys: list[int] = []
        self._bid_levels: dict[int, Level] = {}
        self._ask_levels: dict[int, Level] = {}
        self._spare: list[Level] = []  # empty queues, to be reused
        self.version = 0
        self.changes: set[tuple[bool, int]] | None = None

    def _side(self, is_buy: bool) -> tuple[list[int], dict[int, Level], int]:
        """Keys, levels and sign of a side."""
        return (self._bid_keys, self._bid_levels, 1) if is_buy else (self._ask_keys, self._ask_levels, -1)

    # --- reading ---

    def best_bid(self) -> int:
        """The highest bid in ticks; 0 if there are no bids."""
        keys = self._bid_keys
        return keys[-1] if keys else 0

    def best_ask(self) -> int:
        """The lowest ask in ticks; 0 if there are no asks."""
        keys = self._ask_keys
        return -keys[-1] if keys else 0

    def levels(self, is_buy: bool, limit: int) -> list[tuple[int, int, int]]:
        """The best ``limit`` levels of a side, best first.

        Price in ticks, lots, number of orders.
        """
        keys, levels, sign = self._side(is_buy)
        top = keys[: -limit - 1 : -1] if limit > 0 else []
        return [(key * sign, (level := levels[key]).lots, len(level) - level.dead) for key in top]

    def lots_at(self, is_buy: bool, ticks: int) -> int:
        """The lots that rest at one price; 0 if none."""
        level = self._bid_levels.get(ticks) if is_buy else self._ask_levels.get(-ticks)
        return level.lots if level is not None else 0

    def orders(self, is_buy: bool) -> Iterator[BookOrder]:
        """All orders of a side, in order of priority."""
        keys, levels, _ = self._side(is_buy)
        for key in reversed(keys):
            level = levels[key]
            for order in level:
                if order.level is level:
                    yield order

    # --- changing ---

    def submit(self, order: BookOrder) -> Sequence[Fill]:
        """Fills an arriving limit order; the rest stays in the book.

        The rest is appended to the queue at its price.

        Returns:
            See ``take``.
        """
        ticks = order.ticks
        if order.is_buy:
            key, others = ticks, self._ask_keys
            keys, levels = self._bid_keys, self._bid_levels
        else:
            key, others = -ticks, self._bid_keys
            keys, levels = self._ask_keys, self._ask_levels
        fills: Sequence[Fill] = ()
        if others and others[-1] >= -key:
            fills = self._fill(order, others, self._ask_levels if order.is_buy else self._bid_levels, -key)
            if not order.left:
                return fills
        level = levels.get(key)
        if level is None:
            spare = self._spare
            level = levels[key] = spare.pop() if spare else Level()
            level.append(order)
            level.lots = order.left
            level.dead = 0
            if not keys or key > keys[-1]:
                keys.append(key)
            else:
                insort(keys, key)
        else:
            level.append(order)
            level.lots += order.left
        order.level = level
        self.version += 1
        if self.changes is not None:
            self.changes.add((order.is_buy, ticks))
        return fills

    def remove(self, order: BookOrder) -> None:
        """Removes a resting order; its ``left`` is unchanged.

        An order that does not rest is ignored.
        """
        level = order.level
        if level is None:
            return
        order.level = None
        lots = level.lots - order.left
        if lots:
            level.lots = lots
            dead = level.dead = level.dead + 1
            if dead > _SLACK and 2 * dead > len(level):
                _sweep(level)
        else:
            self._drop(order.is_buy, order.ticks)
        self.version += 1
        if self.changes is not None:
            self.changes.add((order.is_buy, order.ticks))

    def withdraw(self, order: BookOrder) -> None:
        """Removes a resting order so that it can rest again.

        Its queue entry is removed at once, which needs a search through the queue.
        """
        level = order.level
        if level is not None:
            self.remove(order)
            _sweep(level)

    def reduce(self, order: BookOrder, lots: int) -> None:
        """Reduces a resting order to a number of lots.

        It keeps its queue position.
        """
        level = order.level
        assert level is not None
        assert 0 < lots <= order.left
        level.lots -= order.left - lots
        order.left = lots
        self.version += 1
        if self.changes is not None:
            self.changes.add((order.is_buy, order.ticks))

    def _drop(self, is_buy: bool, ticks: int) -> None:
        """Removes an empty price level."""
        keys, levels, sign = self._side(is_buy)
        key = ticks * sign
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        del levels[key]

    def take(
        self,
        order: BookOrder,
        any_price: bool = False,
        budget: int | None = None,
        self_trade: SelfTrade = SelfTrade.NONE,
        prevented: list[BookOrder] | None = None,
    ) -> list[Fill]:
        """Fills an arriving order by price, then by time.

        Args:
            order: The arriving order; its ``left`` is reduced by the fills.
            any_price: Whether it is a market order; otherwise it stops at ``order.ticks``.
            budget: None, or the maximum value in ticks times lots (a market order by quote amount).
            self_trade: What to do with resting orders of the same owner.
            prevented: Receives resting orders removed by ``self_trade``, and the arriving order if it is ended.

        Returns:
            One entry per filled resting order. The rest of the arriving order is not put into the book.
        """
        if budget is not None or self_trade is not SelfTrade.NONE:
            return self._take_with_care(order, any_price, budget, self_trade, [] if prevented is None else prevented)
        if order.is_buy:
            return self._fill(order, self._ask_keys, self._ask_levels, _ANY if any_price else -order.ticks)
        return self._fill(order, self._bid_keys, self._bid_levels, _ANY if any_price else order.ticks)

    def _fill(self, order: BookOrder, keys: list[int], levels: dict[int, Level], worst: int) -> list[Fill]:
        """Fills an order against keys that are at least ``worst``."""
        left, changes = order.left, self.changes
        fills: list[Fill] = []
        while left and keys:
            key = keys[-1]
            if key < worst:
                break
            level, ticks = levels[key], key if key > 0 else -key
            there = level.lots
            while left and there:
                maker = level.popleft()
                if maker.level is None:
                    level.dead -= 1  # it was cancelled earlier
                    continue
                lots = maker.left
                if lots > left:
                    level.appendleft(maker)
                    maker.left = lots - left
                    lots = left
                else:
                    maker.left = 0
                    maker.level = None
                left -= lots
                there -= lots
                fills.append((maker, ticks, lots))
            if changes is not None:
                changes.add((not order.is_buy, ticks))
            if there:
                level.lots = there
            else:
                keys.pop()
                del levels[key]
                if not level:
                    self._spare.append(level)
        order.left = left
        self.version += len(fills)
        return fills

    def _take_with_care(
        self, order: BookOrder, any_price: bool, budget: int | None, self_trade: SelfTrade, prevented: list[BookOrder]
    ) -> list[Fill]:
        """Fills with a budget or self-trade prevention, one order at a time."""
        keys, levels, sign = self._side(not order.is_buy)
        fills: list[Fill] = []
        while order.left and keys:
            key = keys[-1]
            if key < order.ticks * sign and not any_price:
                break
            ticks = key * sign
            maker = _first(levels[key])
            if maker.owner is order.owner and self_trade is not SelfTrade.NONE:
                if self._prevent(order, maker, self_trade, prevented):
                    break
                continue
            lots = min(maker.left, order.left)
            if budget is not None:
                lots = min(lots, budget // ticks)
                if not lots:
                    break
                budget -= lots * ticks
            order.left -= lots
            fills.append((maker, ticks, lots))
            self._give(maker, lots)
        return fills

    def _give(self, maker: BookOrder, lots: int) -> None:
        """Fills a resting order and removes it when complete."""
        if lots < maker.left:
            self.reduce(maker, maker.left - lots)
        else:
            self.remove(maker)
            maker.left = 0

    def _prevent(self, order: BookOrder, maker: BookOrder, mode: SelfTrade, prevented: list[BookOrder]) -> bool:
        """Applies self-trade prevention to two orders; True if the arriving order ends."""
        if mode is not SelfTrade.EXPIRE_TAKER:
            self.remove(maker)
            prevented.append(maker)
        if mode is not SelfTrade.EXPIRE_MAKER:
            prevented.append(order)
            return True
        return False

    def preview(
        self,
        order: BookOrder,
        *,
        any_price: bool = False,
        budget: int | None = None,
        self_trade: SelfTrade = SelfTrade.NONE,
    ) -> tuple[int, int]:
        """The lots and value that ``take`` would trade; changes nothing."""
        keys, levels, sign = self._side(not order.is_buy)
        floor = order.ticks * sign
        left, lots_sum, value = order.left, 0, 0
        for key in reversed(keys):
            if key < floor and not any_price:
                break
            level, ticks = levels[key], key * sign
            for maker in level:
                if maker.level is not level:
                    continue
                if maker.owner is order.owner and self_trade is not SelfTrade.NONE:
                    if self_trade is not SelfTrade.EXPIRE_MAKER:
                        return lots_sum, value
                    continue
                lots = min(maker.left, left)
                if budget is not None:
                    lots = min(lots, (budget - value) // ticks)
                left -= lots
                lots_sum += lots
                value += lots * ticks
                if not left or not lots:
                    return lots_sum, value
        return lots_sum, value


def _sweep(level: Level) -> None:
    """Removes the entries of orders that have left from a queue."""
    alive = [order for order in level if order.level is level]
    level.clear()
    level.extend(alive)
    level.dead = 0


def _first(level: Level) -> BookOrder:
    """The first order in a level's queue."""
    while level[0].level is not level:
        level.popleft()
        level.dead -= 1
    return level[0]
