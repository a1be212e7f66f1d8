"""A limit order book with price-time priority, in whole ticks and lots.

Each side keeps its prices in one sorted list with the best at the end, and each price a doubly linked queue of orders, so that the best
price, the next order in line, a cancel and a snapshot of the top levels are all found without a search through orders. The book knows
nothing of money: the exchange settles what ``take`` returns.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, insort
from collections.abc import Iterator

__all__ = ["BookOrder", "Fill", "MatchingBook", "SelfTrade"]


class SelfTrade(enum.Enum):
    """What happens when an order meets one of the same owner (Binance's mode names)."""

    NONE = "none"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_MAKER = "expire_maker"
    EXPIRE_BOTH = "expire_both"


class Level:
    """The queue of orders at one price."""

    __slots__ = ("count", "head", "lots", "tail")

    def __init__(self) -> None:
        self.lots = 0
        self.count = 0
        self.head: BookOrder | None = None
        self.tail: BookOrder | None = None


class BookOrder:
    """An order as the book sees it.

    Attributes:
        order_id: The exchange's id.
        owner: Whose it is; compared by identity, for self-trade prevention.
        is_buy: Which side.
        ticks: The limit price; 0 for a market order.
        left: Lots not yet filled.
    """

    __slots__ = ("_after", "_before", "is_buy", "left", "level", "order_id", "owner", "ticks")

    def __init__(self, order_id: int, owner: object, is_buy: bool, ticks: int, lots: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.is_buy = is_buy
        self.ticks = ticks
        self.left = lots
        self.level: Level | None = None
        self._before: BookOrder | None = None
        self._after: BookOrder | None = None


Fill = tuple[BookOrder, int, int]
"""The resting order, the price in ticks, and the lots that it gave."""


class _BookSide:
    """One side of the book. ``keys`` holds the price for bids and its negative for asks, rising, so the best is always the last."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}


class MatchingBook:
    """Both sides. Not thread-safe: the exchange's lock guards it.

    Attributes:
        version: Counts changes of any level; what depth snapshots and deltas are numbered with.
        changes: None, or (while somebody listens) the set of ``(is_buy, ticks)`` touched since it was last emptied.
    """

    __slots__ = ("_asks", "_bids", "changes", "version")

    def __init__(self) -> None:
        self._bids = _BookSide(1)
        self._asks = _BookSide(-1)
        self.version = 0
        self.changes: set[tuple[bool, int]] | None = None

    # --- what it shows ---

    def best_bid(self) -> int:
        """The highest bid in ticks; 0 when there is none."""
        keys = self._bids.keys
        return keys[-1] if keys else 0

    def best_ask(self) -> int:
        """The lowest ask in ticks; 0 when there is none."""
        keys = self._asks.keys
        return -keys[-1] if keys else 0

    def levels(self, is_buy: bool, limit: int) -> list[tuple[int, int, int]]:
        """The best ``limit`` levels of a side, best first: price in ticks, lots, number of orders."""
        side = self._bids if is_buy else self._asks
        sign, levels = side.sign, side.levels
        top = side.keys[: -limit - 1 : -1] if limit > 0 else []
        return [(key * sign, (level := levels[key]).lots, level.count) for key in top]

    def lots_at(self, is_buy: bool, ticks: int) -> int:
        """The lots that rest at one price; 0 when none."""
        side = self._bids if is_buy else self._asks
        level = side.levels.get(ticks * side.sign)
        return level.lots if level is not None else 0

    def orders(self, is_buy: bool) -> Iterator[BookOrder]:
        """All orders of a side, in the order in which they would be filled."""
        side = self._bids if is_buy else self._asks
        for key in reversed(side.keys):
            order = side.levels[key].head
            while order is not None:
                yield order
                order = order._after

    # --- what changes it ---

    def rest(self, order: BookOrder) -> None:
        """Puts an order at the end of its price's queue. It must not cross the other side: ``take`` comes first."""
        side = self._bids if order.is_buy else self._asks
        key = order.ticks * side.sign
        level = side.levels.get(key)
        if level is None:
            level = side.levels[key] = Level()
            keys = side.keys
            if not keys or key > keys[-1]:
                keys.append(key)
            else:
                insort(keys, key)
        tail = level.tail
        if tail is None:
            level.head = order
        else:
            tail._after = order
            order._before = tail
        level.tail = order
        level.lots += order.left
        level.count += 1
        order.level = level
        self.version += 1
        if self.changes is not None:
            self.changes.add((order.is_buy, order.ticks))

    def remove(self, order: BookOrder) -> None:
        """Takes a resting order out; its ``left`` stays as it is. An order that does not rest is left alone."""
        level = order.level
        if level is None:
            return
        before, after = order._before, order._after
        if before is None:
            level.head = after
        else:
            before._after = after
        if after is None:
            level.tail = before
        else:
            after._before = before
        order.level = order._before = order._after = None
        level.count -= 1
        level.lots -= order.left
        if not level.count:
            self._drop(order.is_buy, order.ticks)
        self.version += 1
        if self.changes is not None:
            self.changes.add((order.is_buy, order.ticks))

    def _drop(self, is_buy: bool, ticks: int) -> None:
        """Forgets a price whose queue is empty."""
        side = self._bids if is_buy else self._asks
        key = ticks * side.sign
        keys = side.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        del side.levels[key]

    def take(
        self,
        order: BookOrder,
        *,
        any_price: bool = False,
        budget: int | None = None,
        self_trade: SelfTrade = SelfTrade.NONE,
        prevented: list[BookOrder] | None = None,
    ) -> list[Fill]:
        """Fills an arriving order against the other side, best price first, then first come.

        Args:
            order: The arriving order; its ``left`` shrinks by what it got.
            any_price: Whether it is a market order; otherwise it stops at ``order.ticks``.
            budget: None, or the most ticks times lots that may be traded (a market order by quote amount).
            self_trade: What to do with resting orders of the same owner.
            prevented: Where resting orders that were taken out by ``self_trade`` are put, and the arriving order itself when it ends.

        Returns:
            One entry for each resting order that gave lots. What is left of the arriving order does not rest by itself.
        """
        if budget is not None or self_trade is not SelfTrade.NONE:
            return self._take_with_care(order, any_price, budget, self_trade, [] if prevented is None else prevented)
        side = self._asks if order.is_buy else self._bids
        keys, levels, sign, changes = side.keys, side.levels, side.sign, self.changes
        worst = order.ticks * sign  # the lowest key that is still good enough
        left = order.left
        fills: list[Fill] = []
        while left and keys:
            key = keys[-1]
            if key < worst and not any_price:
                break
            level = levels[key]
            ticks = key * sign
            maker = level.head
            while left and maker is not None:
                lots = maker.left
                if lots > left:  # noqa: PLR1730 - min() costs twice as much, and this is the hot loop
                    lots = left
                left -= lots
                fills.append((maker, ticks, lots))
                level.lots -= lots
                if lots < maker.left:
                    maker.left -= lots
                    break
                maker.left = 0
                after = maker._after
                maker.level = maker._after = None
                level.count -= 1
                level.head = maker = after
                if after is not None:
                    after._before = None
            if changes is not None:
                changes.add((not order.is_buy, ticks))
            if maker is None:
                keys.pop()
                del levels[key]
        order.left = left
        self.version += len(fills)
        return fills

    def _take_with_care(
        self, order: BookOrder, any_price: bool, budget: int | None, self_trade: SelfTrade, prevented: list[BookOrder]
    ) -> list[Fill]:
        """``take`` with a budget or self-trade prevention, one resting order at a time."""
        side = self._asks if order.is_buy else self._bids
        fills: list[Fill] = []
        while order.left and side.keys:
            key = side.keys[-1]
            if key < order.ticks * side.sign and not any_price:
                break
            ticks = key * side.sign
            maker = side.levels[key].head
            assert maker is not None  # a level without orders is dropped at once
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
        """Takes lots from a resting order, which leaves when it has none left."""
        level = maker.level
        assert level is not None
        if lots < maker.left:
            maker.left -= lots
            level.lots -= lots
            self.version += 1
            if self.changes is not None:
                self.changes.add((maker.is_buy, maker.ticks))
        else:
            self.remove(maker)
            maker.left = 0

    def _prevent(self, order: BookOrder, maker: BookOrder, mode: SelfTrade, prevented: list[BookOrder]) -> bool:
        """Applies self-trade prevention to one pair; True when the arriving order ends."""
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
        """What ``take`` would trade, changing nothing: lots, and ticks times lots."""
        side = self._asks if order.is_buy else self._bids
        floor = order.ticks * side.sign
        left, lots_sum, value = order.left, 0, 0
        for key in reversed(side.keys):
            if key < floor and not any_price:
                break
            ticks = key * side.sign
            maker = side.levels[key].head
            while maker is not None:
                if maker.owner is order.owner and self_trade is not SelfTrade.NONE:
                    if self_trade is not SelfTrade.EXPIRE_MAKER:
                        return lots_sum, value
                    maker = maker._after
                    continue
                lots = min(maker.left, left)
                if budget is not None:
                    lots = min(lots, (budget - value) // ticks)
                left -= lots
                lots_sum += lots
                value += lots * ticks
                if not left or not lots:
                    return lots_sum, value
                maker = maker._after
        return lots_sum, value
