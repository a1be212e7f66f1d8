"""When the equity of a margin account no longer carries its positions: maintenance margin by tiers, at the mark price."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from ...config.settings import MarketDetail
from ...nano import mul
from ..held_position import HeldPosition, contract_value
from ..margin import MarginAccount, SymbolPositions, margin_currency_of
from ..market import MarketView
from ..spot import Wallet

__all__ = ["MarginWatch", "is_even", "maintenance_of"]

_FAR = 1000
"""How many times the current price the search for a price of liquidation goes up."""
_NONE = -1
_ROUNDED = 2
"""A difference in nano that comes from the cuts at nine decimals."""

State = tuple[object, ...]


def maintenance_of(detail: MarketDetail, value: int) -> int:
    """The maintenance margin of a position worth ``value``, by the market's tiers; 0 without tiers. In nano of the margin currency."""
    for tier in detail.tiers:
        if tier.up_to is None or value <= tier.up_to:
            return max(0, mul(value, tier.rate) - tier.deduction)
    return 0


def is_even(detail: MarketDetail) -> bool:
    """Whether the maintenance margin does not jump from one tier to the next (OKX's does: its tiers have no deduction)."""
    return all(
        abs(mul(lower.up_to or 0, upper.rate - lower.rate) - (upper.deduction - lower.deduction)) <= _ROUNDED
        for lower, upper in pairwise(detail.tiers)
    )


class MarginWatch:
    """Finds when the positions of one margin currency have to be liquidated.

    Args:
        account: The account.
        currency: The margin currency.
        mark_of: Returns the ticks of a symbol's mark price.
    """

    def __init__(self, account: MarginAccount, currency: str, mark_of: Callable[[MarketView], MarketView]) -> None:
        self._account = account
        self._currency = currency
        self._mark_of = mark_of
        self._state: State = ()
        self._range = (0, 0)
        self._even: dict[str, bool] = {}

    def held(self) -> list[SymbolPositions]:
        """The symbols with a position."""
        return [
            positions
            for positions in self._account.symbols.values()
            if margin_currency_of(positions.view.detail) == self._currency
            and (positions.long.amount or positions.short.amount)
        ]

    def wallet(self) -> Wallet:
        """The balance that the margins come from."""
        return self._account.wallet(self._currency)

    def mark(self, positions: SymbolPositions, time_ms: int) -> int:
        """The mark price of a symbol at a time; the contract's own where the mark has no tick yet."""
        for view in (self._mark_of(positions.view), positions.view):
            number = view.number_before(time_ms + 1)
            if number >= 0:
                return view.tick_at(number).last
        return 0

    def first(self, after_ms: int, until_ms: int) -> int | None:
        """The first time at which the equity is not above the maintenance margin.

        Args:
            after_ms: When the search begins; that moment itself counts.
            until_ms: The last moment that counts.

        Returns:
            The time; None if none exists, or no position is in a market with tiers.
        """
        held = self.held()
        if not any(positions.view.detail.tiers for positions in held):
            return None
        marks = [self.mark(positions, after_ms) for positions in held]
        if len(held) == 1 and self._is_even(held[0].view.detail):
            return self._first_of_one(held[0], marks[0], after_ms, until_ms)
        if self._margin_left(held, marks) <= 0:
            return after_ms
        while (time_ms := self._next_tick(held, after_ms)) <= until_ms:
            after_ms = time_ms
            if self._margin_left(held, [self.mark(positions, time_ms) for positions in held]) <= 0:
                return time_ms
        return None

    def _is_even(self, detail: MarketDetail) -> bool:
        found = self._even.get(detail.symbol)
        if found is None:
            found = self._even[detail.symbol] = is_even(detail)
        return found

    def _next_tick(self, held: list[SymbolPositions], after_ms: int) -> int:
        times = []
        for positions in held:
            mark = self._mark_of(positions.view)
            # Until the mark has a tick, the contract's own count, too.
            for view in (mark,) if mark.number_before(after_ms + 1) >= 0 else (mark, positions.view):
                number = view.next_number(view.number_before(after_ms + 1))
                if number >= 0:
                    times.append(view.tick_at(number).time_ms)
        return min(times, default=2**62)

    def _first_of_one(self, positions: SymbolPositions, mark: int, after_ms: int, until_ms: int) -> int | None:
        # With even tiers the margin left is concave in the price (in its inverse, for coins): it is positive between two prices.
        low, high = self._healthy(positions, mark)
        if not low < mark < high:
            return after_ms
        view = self._mark_of(positions.view)
        if view.number_before(after_ms + 1) < 0:  # until the mark has a tick, the contract's own count
            first = view.next_number(_NONE)
            end_ms = until_ms if first < 0 else min(until_ms, view.tick_at(first).time_ms - 1)
            found_ms = _first_outside(positions.view, low, high, after_ms, end_ms)
            if found_ms is not None:
                return found_ms
        return _first_outside(view, low, high, after_ms, until_ms)

    def _healthy(self, positions: SymbolPositions, mark: int) -> tuple[int, int]:
        """The prices, both not included, between which nothing is liquidated; known until a position or the balance changes."""
        sides = (positions.long, positions.short)
        state = (
            positions,
            self.wallet().total,
            *((side.amount, side.entry, side.margin, side.price) for side in sides),
        )
        if state != self._state:
            if self._margin_left([positions], [mark]) <= 0:
                return mark, mark
            self._range = (self._edge(positions, mark, 0), self._edge(positions, mark, mark * _FAR))
            self._state = state
        return self._range

    def _edge(self, positions: SymbolPositions, good: int, bad: int) -> int:
        if bad > 0 and self._margin_left([positions], [bad]) > 0:
            return bad
        while abs(bad - good) > 1:
            middle = (good + bad) // 2
            if self._margin_left([positions], [middle]) > 0:
                good = middle
            else:
                bad = middle
        return bad

    def _margin_left(self, held: list[SymbolPositions], marks: list[int]) -> int:
        left = self.wallet().total
        for positions, mark in zip(held, marks, strict=True):
            for side in (positions.long, positions.short):
                if side.amount:
                    left += side.margin + side.profit(mark) - maintenance_of(side.detail, _value(side, mark))
        return left


def _value(side: HeldPosition, mark: int) -> int:
    return contract_value(side.detail, mark, side.amount)


def _first_outside(view: MarketView, low: int, high: int, after_ms: int, until_ms: int) -> int | None:
    """The time of the first tick after a moment whose price is ``low`` or less, or ``high`` or more; None if none exists."""
    after, until = view.number_before(after_ms + 1), view.number_before(until_ms + 1)
    found = (view.first_at_or_below(low, after, until), view.first_at_or_above(high, after, until))
    reached = [number for number in found if number >= 0]
    return view.tick_at(min(reached)).time_ms if reached else None
