"""Orders and condition orders by the documented rules, one tick after the other, in fractions: nothing of it comes from the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

UNIT = 10**9
ZERO = Fraction(0)
DELAY_MS = 200


def cut(number: Fraction) -> Fraction:
    """Cut towards zero to nine decimals, as the published engine does with each product and quotient."""
    whole = abs(number.numerator) * UNIT // number.denominator
    return Fraction(whole if number >= 0 else -whole, UNIT)


@dataclass
class PlainOrder:
    """An order, and what became of it; ``price`` is 0 for a market order, ``unseen`` holds prices that it was not compared with yet."""

    id: int
    symbol: str
    side: str
    price: Fraction
    amount: Fraction
    birth: Fraction
    time_ms: int
    level: Fraction = Fraction(1)
    in_money: bool = False
    frozen: Fraction = ZERO
    status: int = 0
    deal: Fraction = ZERO
    spent: Fraction = ZERO
    turnover: Fraction = ZERO
    average: Fraction = ZERO
    fee: Fraction = ZERO
    ahead: Fraction | None = None
    fresh: bool = True
    unseen: list[Fraction] = field(default_factory=list)

    @property
    def is_buy(self) -> bool:
        return self.side in {"buy", "closesell"}

    @property
    def closes(self) -> bool:
        return self.side.startswith("close")

    @property
    def remaining(self) -> Fraction:
        return self.amount - (self.spent if self.in_money else self.deal)


@dataclass
class PlainCondition:
    """A condition order: its triggers with the prices of their orders (None for one that it does not have)."""

    id: int
    symbol: str
    side: str
    amount: Fraction
    take: tuple[Fraction, Fraction | None] | None
    stop: tuple[Fraction, Fraction | None] | None
    time_ms: int
    status: int = 0
    unseen: list[Fraction] = field(default_factory=list)

    def order_price(self) -> tuple[Fraction | None] | None:
        """The price of the order that the unseen prices have it place; None when they do not."""
        rising = self.side in {"sell", "closebuy"}
        for last in self.unseen:
            for terms, upwards in ((self.take, rising), (self.stop, not rising)):
                if terms is not None and (last >= terms[0] if upwards else last <= terms[0]):
                    return (terms[1],)
        return None


@dataclass(kw_only=True)
class PlainRules:
    """Fees as shares; with ``participation``, orders share the volume of bars. ``step`` is the smallest part of an order."""

    spread: Fraction
    maker: Fraction
    taker: Fraction
    fee_min: Fraction = ZERO
    liquidation_fee: Fraction = ZERO
    participation: Fraction | None = None
    queue: Fraction | None = None
    level_amount: Fraction = Fraction(200)
    step: Fraction = Fraction(1, 1000)


@dataclass(frozen=True)
class PlainTick:
    """A tick: its price, its bar with the whole volume of that, and what was traded since the tick before."""

    symbol: str
    last: Fraction
    bar: int
    bar_volume: Fraction
    traded: Fraction


@dataclass
class PlainTape:
    """The prices of one symbol: the last one, and what its bar has left for the orders."""

    last: Fraction = ZERO
    bar: int = -1
    left: Fraction = ZERO
    traded: Fraction = ZERO


class PlainAccount(Protocol):
    """Where the money is."""

    def reserve(self, order: PlainOrder, best: Fraction, replaced: PlainOrder | None) -> bool: ...
    def freeze(self, order: PlainOrder, amount: Fraction) -> None: ...
    def release(self, order: PlainOrder) -> None: ...
    def wanted(self, order: PlainOrder, price: Fraction, rate: Fraction) -> Fraction: ...
    def exchange(self, order: PlainOrder, price: Fraction, quantity: Fraction, rate: Fraction) -> None: ...


class PlainDesk:
    """What the engine has to agree with: which order is filled when, at which price, and by how much.

    Where nothing else is asked for, orders are settled as the published engine does it: late, by id, each over all ticks since. What has an order of its own
    in time (liquidations, shared volume) is settled tick by tick.
    """

    def __init__(self, names: list[str], rules: PlainRules, account: PlainAccount, *, at_each_tick: bool) -> None:
        self.rules = rules
        self.account = account
        self.tapes = {name: PlainTape() for name in names}
        self.orders: list[PlainOrder] = []
        self.conditions: list[PlainCondition] = []
        self.at_each_tick = at_each_tick or rules.participation is not None
        self.now_ms = 0
        self.last_id = 0
        self.events: dict[int, Fraction] = {}
        self.coming: dict[int, list[PlainTick]] = {}
        self.marks: dict[int, tuple[str, Fraction]] = {}

    # what account and time do beside the orders

    def after_change(self) -> None:
        """Something in the account or a price has changed."""

    def fund(self, rate: Fraction) -> None:
        """A funding event is due."""

    def note_mark(self, name: str, price: Fraction) -> None:
        """A symbol has a new mark price."""

    def advance(self, to_ms: int, *, tick: bool = False) -> None:
        """Time passes. In a millisecond, funding comes first (on what was filled before), then ticks; ``tick`` says that one is put in at the end."""
        for time_ms in sorted({*self.events, *self.coming, *self.marks}):
            if self.now_ms < time_ms <= to_ms:
                self.now_ms = time_ms
                if time_ms in self.events:
                    self._fill_late()
                    self.fund(self.events[time_ms])
                if time_ms in self.marks:
                    self.note_mark(*self.marks[time_ms])
                if time_ms in self.coming:
                    self.ticks(self.coming[time_ms])
                elif not (tick and time_ms == to_ms):
                    self.after_change()
        self.now_ms = to_ms

    def ticks(self, ticks: list[PlainTick]) -> None:
        """All that comes in one millisecond: prices, then fills, then what follows from both."""
        for tick in ticks:
            tape = self.tapes[tick.symbol]
            if tick.bar != tape.bar:
                tape.left = cut(tick.bar_volume * (self.rules.participation or ZERO))
            tape.last, tape.bar, tape.traded = tick.last, tick.bar, tick.traded
            for order in self.waiting(tick.symbol):
                order.unseen.append(tick.last)
            for condition in self._live(tick.symbol):
                condition.unseen.append(tick.last)
            if self.rules.participation is not None:
                self._share(tick.symbol)
        if self.at_each_tick:
            self._fill_late()
        self.after_change()

    # what a strategy calls

    def settle(self) -> None:
        """Fills, then the orders of the condition orders that the prices since have triggered, each a delay later."""
        triggered = self._triggered()
        self._fill_late()
        self._place_triggered(triggered)
        self._fill_late()

    def place(self, name: str, side: str, price: Fraction | None, amount: Fraction) -> int | None:
        self.settle()
        return self._place(name, side, price, amount, None)

    def modify(self, order_id: int, side: str, price: Fraction | None, amount: Fraction) -> int | None:
        before = self.last_id
        self.settle()
        for order in self.waiting():
            if order.id == order_id <= before:  # not one that a condition order places within this call
                return self._place(order.symbol, side, price, amount, order)
        return None

    def cancel(self, order_id: int) -> bool:
        self.settle()
        found = [order for order in self.waiting() if order.id == order_id]
        for order in found:
            self.end(order)
        return bool(found)

    def place_condition(self, condition: PlainCondition) -> int:
        self.settle()
        condition.id, condition.time_ms = self._take_id(), self.now_ms
        condition.unseen = [self.tapes[condition.symbol].last]
        self.conditions.append(condition)
        self._place_triggered(self._triggered())
        return condition.id

    def modify_condition(self, condition_id: int, terms: PlainCondition) -> int | None:
        self.settle()
        for condition in self._live():
            if condition.id == condition_id:
                condition.side, condition.amount, condition.take, condition.stop = (
                    terms.side,
                    terms.amount,
                    terms.take,
                    terms.stop,
                )
                condition.time_ms, condition.unseen = self.now_ms, [self.tapes[condition.symbol].last]
                self._place_triggered(self._triggered())
                return condition_id
        return None

    def cancel_condition(self, condition_id: int) -> bool:
        self.settle()
        found = [condition for condition in self._live() if condition.id == condition_id]
        for condition in found:
            condition.status = 2
        return bool(found)

    # orders

    def waiting(self, name: str | None = None) -> list[PlainOrder]:
        return [order for order in self.orders if order.status == 0 and name in (None, order.symbol)]

    def _live(self, name: str | None = None) -> list[PlainCondition]:
        return [
            condition for condition in self.conditions if condition.status == 0 and name in (None, condition.symbol)
        ]

    def _take_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def _best(self, order: PlainOrder, last: Fraction) -> Fraction:
        return last + self.rules.spread if order.is_buy else last - self.rules.spread

    def _crosses(self, order: PlainOrder, last: Fraction) -> bool:
        best = self._best(order, last)
        return not order.price or (best <= order.price if order.is_buy else best >= order.price)

    def _place(
        self, name: str, side: str, price: Fraction | None, amount: Fraction, replaced: PlainOrder | None
    ) -> int | None:
        last = self.tapes[name].last
        order = PlainOrder(0, name, side, price or ZERO, amount, last, self.now_ms)
        if not self.account.reserve(order, self._best(order, last), replaced):
            return None
        if replaced is not None:
            replaced.status = 2
        order.id = self._take_id()
        self.orders.append(order)
        if self.rules.participation is not None:
            self._share_fresh(order)
        elif self.at_each_tick:
            self._fill_late()
        self.after_change()
        return order.id

    def end(self, order: PlainOrder) -> None:
        self.account.release(order)
        order.status = 2

    def _triggered(self) -> list[tuple[PlainCondition, Fraction | None]]:
        found = []
        for condition in self._live():
            hit = condition.order_price()
            condition.unseen.clear()
            if hit is not None:
                condition.status = 1
                found.append((condition, *hit))
        return found

    def _place_triggered(self, triggered: list[tuple[PlainCondition, Fraction | None]]) -> None:
        for condition, price in triggered:
            self.advance(self.now_ms + DELAY_MS)
            self._fill_late()
            self._place(condition.symbol, condition.side, price, condition.amount, None)

    # fills of whole orders

    def _fill_late(self) -> None:
        for order in self.waiting():
            self._look(order)

    def _look(self, order: PlainOrder) -> None:
        if self.rules.participation is not None:
            return
        if order.fresh and self._crosses(order, order.birth):
            self.fill(order, self._best(order, order.birth), self.rules.taker, None)
            return
        order.fresh = False
        if any(self._crosses(order, last) for last in order.unseen):
            self.fill(order, order.price, self.rules.maker, None)
        order.unseen.clear()

    def fill(self, order: PlainOrder, price: Fraction, rate: Fraction, most: Fraction | None) -> Fraction:
        """Fills at most so much; what remains keeps its share of what was frozen."""
        quantity, last = self.account.wanted(order, price, rate), True
        if most is not None and most < quantity:
            quantity, last = most // self.rules.step * self.rules.step, False
        if not last and not quantity:
            return ZERO
        before, frozen = order.remaining, order.frozen
        self.account.release(order)
        self.account.exchange(order, price, quantity, rate)
        order.average = (
            price if not order.deal else cut((order.turnover + cut(price * quantity)) / (order.deal + quantity))
        )
        order.turnover += cut(price * quantity)
        order.deal += quantity
        if last:
            order.status = 1
        else:
            self.account.freeze(order, cut(frozen * order.remaining / before))
        return quantity

    # fills that share the volume of bars

    def _take(self, order: PlainOrder, price: Fraction, rate: Fraction, most: Fraction | None = None) -> Fraction:
        tape = self.tapes[order.symbol]
        most = tape.left if most is None else min(most, tape.left)
        quantity = self.fill(order, price, rate, most) if most > 0 else ZERO
        tape.left -= quantity
        return quantity

    def _share_fresh(self, order: PlainOrder) -> None:
        order.fresh = False
        if self._crosses(order, order.birth):
            self._take(order, self._best(order, order.birth), self.rules.taker)

    def _share(self, name: str) -> None:
        """One tick: the earlier order first; a market order at the market's price, a resting one beyond the touch, or by its place at the touch."""
        last, traded = self.tapes[name].last, self.tapes[name].traded
        served = ZERO
        for order in self.waiting(name):
            order.unseen.clear()
            if not order.price:
                self._take(order, self._best(order, last), self.rules.taker)
            elif self._crosses(order, last):
                order.ahead = ZERO
                served += self._take(order, order.price, self.rules.maker)
            elif self.rules.queue is not None and (last <= order.price if order.is_buy else last >= order.price):
                before = cut(self.rules.level_amount * self.rules.queue) if order.ahead is None else order.ahead
                order.ahead = max(ZERO, before - traded)
                served += self._take(order, order.price, self.rules.maker, traded - before - served)
