"""One side of a contract that an account holds: amount, average price, margin, profit."""

from __future__ import annotations

from ..config.settings import MarketDetail
from ..nano import div, mul

__all__ = ["HeldPosition", "contract_value"]


def contract_value(detail: MarketDetail, price: int, amount: int) -> int:
    """What an amount of contracts is worth at a price, in margin currency: price x amount x multiple, or multiple x amount / price."""
    if detail.is_coin_margined:
        return div(mul(detail.volume_multiple, amount), price)
    return mul(mul(price, amount), detail.volume_multiple)


class HeldPosition:
    """A long or a short position in one symbol; numbers in nano.

    Attributes:
        detail: The market.
        is_long: Whether it is a long one.
        amount: Contracts.
        frozen: Contracts that resting orders are to close.
        price: The average price, weighted by amount; 0 when flat.
        entry: The sum of the values at which its contracts were opened.
        margin: What is tied up in it.
        level: The leverage at which it was opened.
        close_profit: The sum of the profits of its closes, without fees.
    """

    __slots__ = ("amount", "close_profit", "detail", "entry", "frozen", "is_long", "level", "margin", "price")

    def __init__(self, detail: MarketDetail, *, is_long: bool) -> None:
        self.detail = detail
        self.is_long = is_long
        self.amount = 0
        self.frozen = 0
        self.price = 0
        self.entry = 0
        self.margin = 0
        self.level = detail.margin_level
        self.close_profit = 0

    def grow(self, price: int, amount: int, value: int, margin: int) -> None:
        """Adds contracts that were bought (a long) or sold (a short) at a price."""
        total = self.amount + amount
        self.price = div(mul(self.price, self.amount) + mul(price, amount), total)
        self.amount = total
        self.entry += value
        self.margin += margin

    def shrink(self, amount: int, value: int) -> tuple[int, int]:
        """Closes contracts.

        Args:
            amount: How many; at most what there is.
            value: What they are worth at the price of the close.

        Returns:
            The margin that becomes free, and the profit.
        """
        entry = div(mul(self.entry, amount), self.amount)
        margin = div(mul(self.margin, amount), self.amount)
        profit = self._signed(value - entry)
        self.amount -= amount
        if not self.amount:
            margin = self.margin  # with what the cuts at nine decimals left over
            entry = self.entry
            self.price = 0
        self.entry -= entry
        self.margin -= margin
        self.close_profit += profit
        return margin, profit

    def profit(self, last: int) -> int:
        """The profit at a price, not yet realised."""
        if not self.amount:
            return 0
        if self.detail.is_coin_margined:
            gain = div(mul(last - self.price, self.entry), last)
            return gain if self.is_long else -gain
        return self._signed(contract_value(self.detail, last, self.amount) - self.entry)

    def _signed(self, rise: int) -> int:
        # A coin-margined contract is worth fewer coins at a higher price.
        return rise if self.is_long != self.detail.is_coin_margined else -rise
