"""A spot account by the documented rules, in fractions: nothing of it comes from the engine."""

from __future__ import annotations

from fractions import Fraction

from tests.backtest.trading.reference.plain_desk import ZERO, PlainDesk, PlainOrder, PlainRules, cut


class PlainSpot(PlainDesk):
    """Balances; fees are in the quote currency, which all pairs share."""

    def __init__(self, names: list[str], balances: dict[str, Fraction], rules: PlainRules) -> None:
        super().__init__(names, rules, self, at_each_tick=False)
        self.free = {currency: ZERO for name in names for currency in name.split("_")} | balances
        self.fees = ZERO

    def frozen(self, currency: str) -> Fraction:
        return sum((o.frozen for o in self.orders if o.status == 0 and self._spends(o) == currency), ZERO)

    def _spends(self, order: PlainOrder) -> str:
        return order.symbol.split("_")[1 if order.is_buy else 0]

    def reserve(self, order: PlainOrder, best: Fraction, replaced: PlainOrder | None) -> bool:
        """A market buy names its money; the old part counts as free where the side is the same."""
        order.in_money = order.is_buy and not order.price
        needed = order.amount
        if order.is_buy and order.price:
            cost = cut(order.price * order.amount)
            needed = cost + cut(cost * max(self.rules.maker, self.rules.taker))
        back = replaced.frozen if replaced is not None and replaced.is_buy == order.is_buy else ZERO
        if needed > self.free[self._spends(order)] + back:
            return False
        if replaced is not None:
            self.release(replaced)
        self.freeze(order, needed)
        return True

    def freeze(self, order: PlainOrder, amount: Fraction) -> None:
        self.free[self._spends(order)] -= amount
        order.frozen += amount

    def release(self, order: PlainOrder) -> None:
        self.freeze(order, -order.frozen)

    def wanted(self, order: PlainOrder, price: Fraction, rate: Fraction) -> Fraction:
        return cut(cut(order.remaining / price) * (1 - rate)) if order.in_money else order.remaining

    def exchange(self, order: PlainOrder, price: Fraction, quantity: Fraction, rate: Fraction) -> None:
        base, quote = order.symbol.split("_")
        value = cut(price * quantity)
        fee = cut(value * rate)
        sign = 1 if order.is_buy else -1
        self.free[base] += sign * quantity
        self.free[quote] -= sign * value + fee
        self.fees += fee
        order.fee += fee
        order.spent += value + fee
