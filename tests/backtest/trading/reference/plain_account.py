"""A futures account by the documented rules, in fractions: nothing of it comes from the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.backtest.trading.reference.plain_desk import UNIT, ZERO, PlainDesk, PlainOrder, PlainRules, cut


@dataclass
class PlainSide:
    """A long or a short position; ``realised`` is what its closes have won, fees not counted."""

    sign: int
    amount: Fraction = ZERO
    closing: Fraction = ZERO
    price: Fraction = ZERO
    entry: Fraction = ZERO
    margin: Fraction = ZERO
    realised: Fraction = ZERO


@dataclass
class PlainSymbol:
    """A contract: its rules, its mark price and both positions."""

    name: str
    currency: str
    multiple: Fraction
    tiers: list[tuple[Fraction | None, Fraction, Fraction]]  # end, ratio, deduction
    mark: Fraction | None = None
    level: Fraction = Fraction(10)
    long: PlainSide = field(default_factory=lambda: PlainSide(1))
    short: PlainSide = field(default_factory=lambda: PlainSide(-1))


class PlainFutures(PlainDesk):
    """Margins, positions, fees, funding and liquidations, each at its moment."""

    def __init__(
        self, symbols: list[PlainSymbol], balance: Fraction, rules: PlainRules, *, coin: bool, net: bool = False
    ) -> None:
        tiers = any(symbol.tiers for symbol in symbols)
        super().__init__([symbol.name for symbol in symbols], rules, self, at_each_tick=tiers)
        self.symbols = {symbol.name: symbol for symbol in symbols}
        self.coin, self.net = coin, net
        currencies = dict.fromkeys(symbol.currency for symbol in symbols)
        self.free = dict.fromkeys(currencies, ZERO) | {symbols[0].currency: balance}
        self.fees = dict.fromkeys(currencies, ZERO)
        self.funding = dict.fromkeys(currencies, ZERO)
        self.insured = dict.fromkeys(currencies, ZERO)
        self.funded: dict[str, None] = {}  # in the order in which they were first traded

    # what comes beside the orders

    def mark(self, name: str, price: Fraction) -> None:
        self.note_mark(name, price)
        self.after_change()

    def note_mark(self, name: str, price: Fraction) -> None:
        self.symbols[name].mark = price

    def fund(self, rate: Fraction) -> None:
        """Without an index, the fair price is that of the contract."""
        for name in self.funded:
            symbol = self.symbols[name]
            fair = cut(self.tapes[name].last * (1 + rate))
            held = cut((symbol.long.amount - symbol.short.amount) * symbol.multiple)
            paid = cut((cut(held / fair) if self.coin else cut(held * fair)) * rate)
            self.free[symbol.currency] -= paid
            self.funding[symbol.currency] -= paid

    def set_level(self, name: str, level: int) -> None:
        symbol = self.symbols[name]
        if not symbol.long.amount and not symbol.short.amount:
            symbol.level = Fraction(level)

    # what it comes to

    def value(self, symbol: PlainSymbol, price: Fraction, amount: Fraction) -> Fraction:
        if self.coin:
            return cut(cut(symbol.multiple * amount) / price)
        return cut(cut(price * amount) * symbol.multiple)

    def profit(self, symbol: PlainSymbol, side: PlainSide, price: Fraction) -> Fraction:
        if self.coin:
            return side.sign * cut(cut((price - side.price) * side.entry) / price)
        return side.sign * (self.value(symbol, price, side.amount) - side.entry)

    def frozen(self, currency: str) -> Fraction:
        waiting = [o for o in self.orders if o.status == 0 and not self._closes(o)]
        return sum((o.frozen for o in waiting if self.symbols[o.symbol].currency == currency), ZERO)

    def positions(self, currency: str) -> list[tuple[PlainSymbol, PlainSide]]:
        """In the order in which the symbols were first used."""
        used = dict.fromkeys([order.symbol for order in self.orders] + list(self.symbols))
        symbols = [self.symbols[name] for name in used if self.symbols[name].currency == currency]
        return [(symbol, side) for symbol in symbols for side in (symbol.long, symbol.short) if side.amount]

    def mark_of(self, symbol: PlainSymbol) -> Fraction:
        return self.tapes[symbol.name].last if symbol.mark is None else symbol.mark

    def margin_left(self, currency: str) -> Fraction:
        """Equity at the mark prices over the maintenance margins."""
        left = self.free[currency] + self.frozen(currency)
        for symbol, side in self.positions(currency):
            mark = self.mark_of(symbol)
            left += side.margin + self.profit(symbol, side, mark) - self._maintenance(symbol, side, mark)
        return left

    def _maintenance(self, symbol: PlainSymbol, side: PlainSide, mark: Fraction) -> Fraction:
        value = self.value(symbol, mark, side.amount)
        for end, ratio, deduction in symbol.tiers:
            if end is None or value <= end:
                return max(ZERO, cut(value * ratio) - deduction)
        return ZERO

    def _inverse(self, level: Fraction) -> Fraction:
        return Fraction(round(UNIT / level), UNIT)

    # orders

    def _closes(self, order: PlainOrder) -> bool:
        """Whether it freezes contracts of a position; in one net position all orders are alike."""
        return order.closes and not self.net

    def _closed(self, order: PlainOrder) -> PlainSide:
        symbol = self.symbols[order.symbol]
        return symbol.short if order.is_buy else symbol.long

    def reserve(self, order: PlainOrder, best: Fraction, replaced: PlainOrder | None) -> bool:
        symbol = self.symbols[order.symbol]
        self.funded[symbol.name] = None
        order.level = symbol.level
        if self._closes(order):
            same = replaced is not None and self._closes(replaced) and replaced.is_buy == order.is_buy
            back = replaced.frozen if replaced is not None and same else ZERO
            needed, there = order.amount, self._closed(order).amount - self._closed(order).closing
        else:
            back = replaced.frozen if replaced is not None and not self._closes(replaced) else ZERO
            needed, there = self._cost(symbol, order, order.price or best), self.free[symbol.currency]
        if needed and needed > there + back:
            return False
        if replaced is not None:
            self.release(replaced)
        self.freeze(order, needed)
        return True

    def _cost(self, symbol: PlainSymbol, order: PlainOrder, price: Fraction) -> Fraction:
        opens = order.amount - (min(order.amount, self._closed(order).amount) if self.net else ZERO)
        value = self.value(symbol, price, order.amount)
        if opens != order.amount:
            value = cut(value * cut(opens / order.amount))
        if not opens:
            return ZERO
        rules = self.rules
        return cut(value * self._inverse(order.level)) + max(cut(value * max(rules.maker, rules.taker)), rules.fee_min)

    def freeze(self, order: PlainOrder, amount: Fraction) -> None:
        if self._closes(order):
            self._closed(order).closing += amount
        else:
            self.free[self.symbols[order.symbol].currency] -= amount
        order.frozen += amount

    def release(self, order: PlainOrder) -> None:
        self.freeze(order, -order.frozen)

    # how money moves

    def wanted(self, order: PlainOrder, price: Fraction, rate: Fraction) -> Fraction:
        return order.remaining

    def exchange(self, order: PlainOrder, price: Fraction, quantity: Fraction, rate: Fraction) -> None:
        symbol = self.symbols[order.symbol]
        value = self.value(symbol, price, quantity)
        closes = quantity if self._closes(order) else min(quantity, self._closed(order).amount) if self.net else ZERO
        for part, does in ((closes, self._close), (quantity - closes, self._open)):
            if part:
                share = value if part == quantity else cut(value * cut(part / quantity))
                fee = cut(share * rate)
                does(order, price, part, share)
                self._pay(order, fee)

    def _pay(self, order: PlainOrder, fee: Fraction) -> None:
        currency = self.symbols[order.symbol].currency
        self.free[currency] -= fee
        self.fees[currency] += fee
        order.fee += fee

    def _open(self, order: PlainOrder, price: Fraction, amount: Fraction, value: Fraction) -> None:
        symbol = self.symbols[order.symbol]
        side = symbol.long if order.is_buy else symbol.short
        margin = cut(value * self._inverse(order.level))
        total = side.amount + amount
        side.price = cut((cut(side.price * side.amount) + cut(price * amount)) / total)
        side.amount, side.entry, side.margin = total, side.entry + value, side.margin + margin
        self.free[symbol.currency] -= margin

    def _close(self, order: PlainOrder, price: Fraction, amount: Fraction, value: Fraction) -> None:
        side = self._closed(order)
        entry, margin = (cut(cut(x * amount) / side.amount) for x in (side.entry, side.margin))
        gain = (value - entry) * side.sign * (-1 if self.coin else 1)
        side.amount, side.entry, side.margin = side.amount - amount, side.entry - entry, side.margin - margin
        side.realised += gain
        self.free[self.symbols[order.symbol].currency] += margin + gain
        if not side.amount:  # what is left of the margin comes back with the last close
            self.free[self.symbols[order.symbol].currency] += side.margin
            side.price = side.entry = side.margin = ZERO

    # liquidation

    def after_change(self) -> None:
        for currency in self.free:
            tiers = any(symbol.tiers for symbol, _ in self.positions(currency))
            if tiers and self.margin_left(currency) <= 0:
                self._liquidate(currency)

    def _liquidate(self, currency: str) -> None:
        for order in self.orders:
            if order.status == 0 and self.symbols[order.symbol].currency == currency:
                self.end(order)
        rest = [
            (self.profit(symbol, side, self.mark_of(symbol)), symbol, side) for symbol, side in self.positions(currency)
        ]
        rest.sort(key=lambda row: row[0], reverse=True)
        while rest:
            equity = self.free[currency] + sum((gain + side.margin for gain, _, side in rest), ZERO)
            _, symbol, side = rest.pop(0)
            price = self.mark_of(symbol)
            if equity < 0 and not rest:
                price = self._bankruptcy_price(symbol, side, price)
            value = self.value(symbol, price, side.amount)
            name = "closebuy" if side.sign > 0 else "closesell"
            order = PlainOrder(self._take_id(), symbol.name, name, price, side.amount, price, self.now_ms)
            order.status, order.average, order.deal, order.turnover = 1, price, side.amount, cut(price * side.amount)
            self.orders.append(order)
            self._close_at(symbol, side, order, value)
            self._pay(order, min(max(equity, ZERO), cut(value * self.rules.liquidation_fee)))
        if self.free[currency] < 0:
            self.insured[currency] -= self.free[currency]
            self.free[currency] = ZERO

    def _close_at(self, symbol: PlainSymbol, side: PlainSide, order: PlainOrder, value: Fraction) -> None:
        assert side is (symbol.short if order.is_buy else symbol.long)
        self._close(order, order.price, side.amount, value)

    def _bankruptcy_price(self, symbol: PlainSymbol, side: PlainSide, mark: Fraction) -> Fraction:
        """At which the profit is what there is, lost: value x sign = entry x sign - money (for coins, value falls with the price)."""
        money = self.free[symbol.currency] + side.margin
        value = side.entry - side.sign * (-1 if self.coin else 1) * money
        if value <= 0:
            return mark
        if self.coin:
            return cut(cut(symbol.multiple * side.amount) / value)
        return cut(cut(value / side.amount) / symbol.multiple)
