"""What of a book is left for an order: liquidity that was taken once is gone until the book changes there."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal

import attrs

from ....structures import Depth

__all__ = ["BookSide", "Match", "TakenLiquidity", "sides_of", "walk"]

_EXACT = Context(prec=60, rounding=ROUND_DOWN)


@attrs.frozen
class Match:
    """A part of an order that is filled at one price."""

    price: Decimal
    amount: Decimal


BookSide = list[tuple[Decimal, Decimal]]
"""Price and size of each level, the best first."""


def sides_of(depth: Depth) -> tuple[BookSide, BookSide]:
    """The asks and the bids of a book, exact."""

    def _side(name: str) -> BookSide:
        return [(Decimal(repr(level["Price"])), Decimal(repr(level["Amount"]))) for level in depth[name]]

    return _side("Asks"), _side("Bids")


class TakenLiquidity:
    """What paper orders took of one side of one book; not thread-safe.

    A level counts as changed when the book shows another size there, or no longer shows it. What was taken of it is then forgotten.
    """

    def __init__(self) -> None:
        self._taken: dict[
            Decimal, tuple[Decimal, Decimal]
        ] = {}  # by price: the size that the book showed, and what was taken of it

    def left(self, levels: BookSide) -> BookSide:
        """The levels with what is left of each; those of which nothing is left are not among them."""
        if not self._taken:
            return levels
        shown = dict(levels)
        if levels:
            first, last = levels[0][0], levels[-1][0]
            lowest, highest = min(first, last), max(first, last)
            for price, (size, _) in list(self._taken.items()):
                # Beyond the last level that is shown nothing is known; between the levels, and before the best one, it is gone.
                beyond = price > highest if last >= first else price < lowest
                if not beyond and shown.get(price) != size:
                    del self._taken[price]
        found = []
        for price, size in levels:
            left = size - self._taken[price][1] if price in self._taken else size
            if left > 0:
                found.append((price, left))
        return found

    def take(self, levels: BookSide, matches: Iterable[Match]) -> None:
        """Notes what was taken.

        Args:
            levels: The levels as the book shows them.
            matches: What was filled.
        """
        shown = dict(levels)
        for match in matches:
            size = shown[match.price]
            before = self._taken.get(match.price, (size, Decimal(0)))[1]
            self._taken[match.price] = (size, before + match.amount)


def walk(
    levels: BookSide,
    *,
    buy: bool,
    limit: Decimal | None,
    amount: Decimal | None,
    spends: Decimal | None,
    step: Decimal | None,
) -> list[Match]:
    """Walks a side of a book, the best level first.

    Args:
        levels: What is left of each level.
        buy: Whether the order buys, so that the levels are asks.
        limit: Its limit price; None for a market order.
        amount: How much it buys or sells; None if ``spends`` says it.
        spends: The quote currency that a market buy spends at most.
        step: The market's step, to which each part of such a buy is cut.

    Returns:
        The parts that are filled, in order.
    """
    matches: list[Match] = []
    left, money = amount, spends
    for price, size in levels:
        if limit is not None and (price > limit if buy else price < limit):
            break
        if money is not None:
            can = _EXACT.divide(money, price)
            if step:
                can = _EXACT.multiply(_EXACT.divide(can, step).to_integral_value(rounding=ROUND_DOWN), step)
            part = min(size, can)
        else:
            assert left is not None  # one of the two is given
            part = min(size, left)
        if part <= 0:
            break
        matches.append(Match(price, part))
        if money is not None:
            money -= part * price
        elif left is not None:
            left -= part
    return matches
