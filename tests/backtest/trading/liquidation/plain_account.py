"""A futures account by the documented rules, one tick after the other, in fractions: nothing of it comes from the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

UNIT = 10**9
ZERO = Fraction(0)


def cut(number: Fraction) -> Fraction:
    """Cut towards zero to nine decimals, as the published engine does with each product and quotient."""
    whole = abs(number.numerator) * UNIT // number.denominator
    return Fraction(whole if number >= 0 else -whole, UNIT)


@dataclass
class PlainSide:
    """A long or a short position."""

    sign: int
    amount: Fraction = ZERO
    closing: Fraction = ZERO
    price: Fraction = ZERO
    entry: Fraction = ZERO
    margin: Fraction = ZERO


@dataclass
class PlainOrder:
    """An order, and what became of it."""

    id: int
    symbol: str
    side: str
    price: Fraction
    amount: Fraction
    level: Fraction
    frozen: Fraction = ZERO
    status: int = 0
    average: Fraction = ZERO
    time_ms: int = 0

    @property
    def is_buy(self) -> bool:
        return self.side in {"buy", "closesell"}

    @property
    def closes(self) -> bool:
        return self.side.startswith("close")


@dataclass
class PlainSymbol:
    """A contract: its rules, its prices and both positions."""

    name: str
    currency: str
    multiple: Fraction
    tiers: list[tuple[Fraction | None, Fraction, Fraction]]  # end, ratio, deduction
    last: Fraction = ZERO
    mark: Fraction | None = None
    level: Fraction = Fraction(10)
    long: PlainSide = field(default_factory=lambda: PlainSide(1))
    short: PlainSide = field(default_factory=lambda: PlainSide(-1))


class PlainAccount:
    """What the engine has to agree with: orders, fills, fees, funding and liquidations, each at its moment."""

    def __init__(self, symbols: list[PlainSymbol], balance: Fraction, *, coin: bool, **rates: Fraction) -> None:
        self.symbols = {symbol.name: symbol for symbol in symbols}
        self.coin = coin
        self.spread, self.maker, self.taker, self.liquidation_fee = (
            rates[name] for name in ("spread", "maker", "taker", "liquidation_fee")
        )
        currencies = dict.fromkeys(symbol.currency for symbol in symbols)
        self.free = dict.fromkeys(currencies, ZERO) | {symbols[0].currency: balance}
        self.fees = dict.fromkeys(currencies, ZERO)
        self.funding = dict.fromkeys(currencies, ZERO)
        self.insured = dict.fromkeys(currencies, ZERO)
        self.orders: list[PlainOrder] = []
        self.now_ms = 0

    # what happens

    def tick(self, name: str, price: Fraction, now_ms: int) -> None:
        self.now_ms = now_ms
        symbol = self.symbols[name]
        symbol.last = price
        for order in self.orders:
            reached = price + self.spread <= order.price if order.is_buy else price - self.spread >= order.price
            if order.status == 0 and order.symbol == name and reached:
                self._fill(order, order.price, self.maker)
        self._liquidate_all()

    def mark(self, name: str, price: Fraction, now_ms: int) -> None:
        self.now_ms = now_ms
        self.symbols[name].mark = price
        self._liquidate_all()

    def fund(self, rates: dict[str, Fraction], now_ms: int) -> None:
        """Everything that is due in one millisecond; without an index, the fair price is that of the contract."""
        self.now_ms = now_ms
        for name, rate in rates.items():
            symbol = self.symbols[name]
            fair = cut(symbol.last * (1 + rate))
            worth = self.value(symbol, fair, symbol.long.amount - symbol.short.amount)
            self.free[symbol.currency] -= cut(worth * rate)
            self.funding[symbol.currency] -= cut(worth * rate)

    def place(self, name: str, side: str, price: Fraction | None, amount: Fraction) -> int | None:
        symbol = self.symbols[name]
        order = PlainOrder(0, name, side, price or ZERO, amount, symbol.level, time_ms=self.now_ms)
        best = symbol.last + self.spread if order.is_buy else symbol.last - self.spread
        if order.closes:
            held = symbol.short if order.is_buy else symbol.long
            if amount > held.amount - held.closing:
                return None
            held.closing += amount
            order.frozen = amount
        else:
            value = self.value(symbol, price if price is not None else best, amount)
            order.frozen = cut(value * self._inverse(order.level)) + cut(value * max(self.maker, self.taker))
            if order.frozen > self.free[symbol.currency]:
                return None
            self.free[symbol.currency] -= order.frozen
        order.id = len(self.orders) + 1
        self.orders.append(order)
        if price is None or (best <= price if order.is_buy else best >= price):
            self._fill(order, best, self.taker)
        self._liquidate_all()
        return order.id

    def cancel(self, order_id: int) -> bool:
        found = [order for order in self.orders if order.id == order_id and order.status == 0]
        for order in found:
            self._release(order)
            order.status = 2
        return bool(found)

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
        waiting = [o for o in self.orders if o.status == 0 and not o.closes]
        return sum((o.frozen for o in waiting if self.symbols[o.symbol].currency == currency), ZERO)

    def positions(self, currency: str) -> list[tuple[PlainSymbol, PlainSide]]:
        """In the order in which the symbols were first used."""
        used = dict.fromkeys([order.symbol for order in self.orders] + list(self.symbols))
        symbols = [self.symbols[name] for name in used if self.symbols[name].currency == currency]
        return [(symbol, side) for symbol in symbols for side in (symbol.long, symbol.short) if side.amount]

    def margin_left(self, currency: str) -> Fraction:
        """Equity at the mark prices over the maintenance margins."""
        left = self.free[currency] + self.frozen(currency)
        for symbol, side in self.positions(currency):
            mark = symbol.last if symbol.mark is None else symbol.mark
            left += side.margin + self.profit(symbol, side, mark) - self._maintenance(symbol, side, mark)
        return left

    def _maintenance(self, symbol: PlainSymbol, side: PlainSide, mark: Fraction) -> Fraction:
        value = self.value(symbol, mark, side.amount)
        for end, ratio, deduction in symbol.tiers:
            if end is None or value <= end:
                return max(ZERO, cut(value * ratio) - deduction)
        raise AssertionError("the last tier has no end")

    def _inverse(self, level: Fraction) -> Fraction:
        return Fraction(round(UNIT / level), UNIT)

    # how money moves

    def _release(self, order: PlainOrder) -> None:
        symbol = self.symbols[order.symbol]
        if not order.closes:
            self.free[symbol.currency] += order.frozen
        else:
            (symbol.short if order.is_buy else symbol.long).closing -= order.frozen
        order.frozen = ZERO

    def _fill(self, order: PlainOrder, price: Fraction, rate: Fraction) -> None:
        self._release(order)
        order.status, order.average = 1, price
        symbol = self.symbols[order.symbol]
        value = self.value(symbol, price, order.amount)
        fee = cut(value * rate)
        if order.closes:
            self._close(symbol, symbol.short if order.is_buy else symbol.long, order.amount, value, fee)
            return
        side = symbol.long if order.is_buy else symbol.short
        margin = cut(value * self._inverse(order.level))
        total = side.amount + order.amount
        side.price = cut((cut(side.price * side.amount) + cut(price * order.amount)) / total)
        side.amount, side.entry, side.margin = total, side.entry + value, side.margin + margin
        self.free[symbol.currency] -= margin + fee
        self.fees[symbol.currency] += fee

    def _close(self, symbol: PlainSymbol, side: PlainSide, amount: Fraction, value: Fraction, fee: Fraction) -> None:
        entry, margin = (cut(cut(x * amount) / side.amount) for x in (side.entry, side.margin))
        if amount == side.amount:
            entry, margin = side.entry, side.margin
        gain = (value - entry) * side.sign * (-1 if self.coin else 1)
        side.amount, side.entry, side.margin = side.amount - amount, side.entry - entry, side.margin - margin
        if not side.amount:
            side.price = ZERO
        self.free[symbol.currency] += margin + gain - fee
        self.fees[symbol.currency] += fee

    def _liquidate_all(self) -> None:
        for currency in self.free:
            if self.positions(currency) and self.margin_left(currency) <= 0:
                self._liquidate(currency)

    def _liquidate(self, currency: str) -> None:
        for order in self.orders:
            if order.status == 0 and self.symbols[order.symbol].currency == currency:
                self.cancel(order.id)
        rest = []
        for symbol, side in self.positions(currency):
            mark = symbol.last if symbol.mark is None else symbol.mark
            rest.append((self.profit(symbol, side, mark), mark, symbol, side))
        rest.sort(key=lambda row: row[0], reverse=True)
        while rest:
            equity = self.free[currency] + sum((gain + side.margin for gain, _, _, side in rest), ZERO)
            _, price, symbol, side = rest.pop(0)
            if equity < 0 and not rest:
                price = self._bankruptcy_price(symbol, side, price)
            value = self.value(symbol, price, side.amount)
            fee = min(max(equity, ZERO), cut(value * self.liquidation_fee))
            name = "closebuy" if side.sign > 0 else "closesell"
            order = PlainOrder(len(self.orders) + 1, symbol.name, name, price, side.amount, symbol.level)
            order.status, order.average, order.time_ms = 1, price, self.now_ms
            self.orders.append(order)
            self._close(symbol, side, side.amount, value, fee)
        if self.free[currency] < 0:
            self.insured[currency] -= self.free[currency]
            self.free[currency] = ZERO

    def _bankruptcy_price(self, symbol: PlainSymbol, side: PlainSide, mark: Fraction) -> Fraction:
        """At which the profit is what there is, lost: value x sign = entry x sign - money (for coins, value falls with the price)."""
        money = self.free[symbol.currency] + side.margin
        value = side.entry - side.sign * (-1 if self.coin else 1) * money
        if value <= 0:
            return mark
        if self.coin:
            return cut(cut(symbol.multiple * side.amount) / value)
        return cut(cut(value / side.amount) / symbol.multiple)
