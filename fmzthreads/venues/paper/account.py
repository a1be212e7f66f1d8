"""A paper account: its orders are filled against books and trades that it is shown."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Decimal

import attrs

from ...clock import Clock
from ...errors import DuplicateOrder, OperationFailed, OrderNotFound, WouldTake, short_repr
from ...exchange.contracts.converter import Contract
from ...exchange.venue import OrderIntent
from ...fork import after_fork_in_child
from ...structures import Depth, Records, Trade
from .liquidity import BookSide, Match, TakenLiquidity, sides_of, walk
from .money.balances import Balances
from .money.contract_money import ContractMoney
from .money.positions import PaperPosition
from .money.purse import Money
from .money.spot import SpotMoney
from .orders import How, PaperFill, PaperOrder, PaperPayment
from .settings import Paper
from .store import PaperStore
from .tape import Tape

__all__ = ["PaperAccount"]

_MINUTE_MS = 60_000


class _Change:
    """What one step changes; it is stored first and then takes effect."""

    def __init__(self, account: PaperAccount) -> None:
        self._account = account
        self.before = account._balances
        self.balances = self.before.copy()
        self.orders: dict[int, PaperOrder] = {}
        self.fills: list[PaperFill] = []
        self.facts: dict[str, str] = {}
        self.positions: dict[tuple[str, bool], PaperPosition] = {}
        self.payments: list[PaperPayment] = []

    def position(self, symbol: str, *, long: bool) -> PaperPosition:
        """One side of a contract, as this step has left it."""
        key = (symbol, long)
        found = self.positions.get(key) or self._account.position_rows.get(key)
        return found or PaperPosition(symbol=symbol, long=long)

    def put(self, position: PaperPosition) -> None:
        """Replaces a position."""
        self.positions[position.symbol, position.long] = position
        self.facts[position.key] = position.text

    def closing(self, symbol: str, side: str) -> list[PaperOrder]:
        """The open orders that close one side of a contract."""
        return [order for order in self._account.open_orders(symbol) if order.side == side]


class _LeftBehind(AbstractContextManager[object]):
    """The lock of an account in the child of a fork: nobody gets it."""

    def __enter__(self) -> object:
        raise OperationFailed(
            "the paper account belongs to the process that opened it, and this is a child of it; make another Exchange here"
        )

    def __exit__(self, *ended: object) -> None:
        """Never called."""


class PaperAccount:
    """The orders and balances of a paper account; thread-safe.

    Args:
        store: Its file.
        paper: How a new account begins, and the fees.
        clock: Tells the time of orders and fills.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    def __init__(self, store: PaperStore, paper: Paper, clock: Clock) -> None:
        self.paper = paper
        self.store = store
        self._clock = clock
        self._spot: Money = SpotMoney()
        self._contracts: dict[str, Contract] = {}
        self._margin: Money = ContractMoney(self._contracts.__getitem__, self.level)
        # Guards all below: an order is checked, matched and stored in one step.
        self.lock: AbstractContextManager[object] = threading.RLock()
        after_fork_in_child(self._left_behind)
        self._balances = Balances(store.open(paper.balances))
        self._open = {order.number: order for order in store.orders("status = 0 ORDER BY number")}
        self._number = store.last_number()
        facts = store.facts()
        positions = [PaperPosition.of_text(text) for name, text in facts.items() if name.startswith("position ")]
        self.position_rows = {(one.symbol, one.long): one for one in positions}
        self._levels = {
            name.partition(" ")[2]: Decimal(text) for name, text in facts.items() if name.startswith("level ")
        }
        self._taken: dict[tuple[str, bool], TakenLiquidity] = {}
        self._tapes: dict[str, Tape] = {}

    def _left_behind(self) -> None:
        """In the child of a fork: the file is the parent's, and two processes must not trade with one account."""
        self.lock = _LeftBehind()

    # Contracts

    def learn(self, contract: Contract) -> None:
        """Takes what a contract is; before its orders and looks."""
        with self.lock:
            self._contracts[contract.symbol] = contract

    def level(self, symbol: str) -> Decimal:
        """The leverage of a symbol."""
        return self._levels.get(symbol, self.paper.margin_level)

    def set_level(self, symbol: str, level: Decimal) -> None:
        """Sets the leverage of a symbol for what is opened from now on."""
        with self.lock:
            change = _Change(self)
            change.facts[f"level {symbol}"] = str(level)
            self.commit(change)
            self._levels[symbol] = level

    def _money(self, symbol: str) -> Money:
        return self._margin if "." in symbol else self._spot

    def step(self) -> _Change:
        """Begins a step; call with the lock, and ``commit`` it."""
        return _Change(self)

    # New orders

    def place(self, intent: OrderIntent, step: Decimal | None, depth: Depth) -> PaperOrder:
        """Takes an order, fills what the book has for it, and lets the rest be or ends it.

        Args:
            intent: The order.
            step: The market's step of amounts.
            depth: The book now.

        Raises:
            InsufficientFunds: The balance does not cover it.
            DuplicateOrder: Its client order id is in use.
            WouldTake: It is post-only and would trade at once.
            OperationFailed: It cannot be stored; nothing has changed.
        """
        with self.lock:
            if self.store.orders("symbol = ? AND client_id = ?", (intent.symbol, intent.client_order_id)):
                raise DuplicateOrder(f"the client order id {short_repr(intent.client_order_id)} is in use")
            change = _Change(self)
            quoted = intent.price is None and intent.side == "buy" and "." not in intent.symbol
            spends = intent.amount if quoted else None
            order = PaperOrder(
                number=self._number + 1,
                client_id=intent.client_order_id,
                symbol=intent.symbol,
                side=intent.side,
                price=intent.price,
                amount=Decimal(0) if spends is not None else intent.amount,
                made_ms=self._now_ms(),
            )
            asks, bids = sides_of(depth)
            levels = asks if order.buys else bids
            taken = self._taken_of(order)
            matches = walk(
                taken.left(levels),
                buy=order.buys,
                limit=order.price,
                amount=None if spends is not None else order.amount,
                spends=spends,
                step=step,
            )
            matches = self._as_wanted(intent, matches)
            worst = matches[-1].price if matches else None
            order = self._money(order.symbol).held_for(order, spends, worst, change)
            change.balances.hold(order.currency, order.held)
            if spends is not None:
                order = attrs.evolve(order, amount=sum((one.amount for one in matches), Decimal(0)))
            for match in matches:
                order = self._fill(change, order, match, "walk", maker=False)
            rests = order.is_open and intent.price is not None and intent.time_in_force in {"GTC", "GTX"}
            if rests:
                order = attrs.evolve(order, ahead=_shown_at(bids if order.buys else asks, order.price))
            else:
                order = self.end(change, order)
            change.orders[order.number] = order
            self.commit(change)
            self._number = order.number
            taken.take(levels, matches)
            return order

    @staticmethod
    def _as_wanted(intent: OrderIntent, matches: list[Match]) -> list[Match]:
        if intent.time_in_force == "GTX" and matches:
            raise WouldTake("the post-only order would trade at once")
        if intent.time_in_force == "FOK" and sum(one.amount for one in matches) < intent.amount:
            return []
        return matches

    def cancel(self, order_id: str) -> None:
        """Ends an open order.

        Raises:
            OrderNotFound: There is no such open order.
            OperationFailed: It cannot be stored; the order is still open.
        """
        with self.lock:
            order = next((one for one in self._open.values() if one.id == order_id), None)
            if order is None:
                raise OrderNotFound(f"no open order {short_repr(order_id)}")
            change = _Change(self)
            change.orders[order.number] = self.end(change, order)
            self.commit(change)

    # What the market does

    def look(self, symbol: str, trades: Iterable[Trade], depth: Depth) -> None:
        """Fills resting orders of a symbol by new trades, then by what the book shows beyond their prices.

        Args:
            symbol: FMZ's symbol.
            trades: Its latest public trades.
            depth: Its book, fetched after them.

        Raises:
            OperationFailed: It cannot be stored; nothing has changed, and the next look sees the book again, but not the trades.
        """
        with self.lock:
            tape = self._tapes.setdefault(symbol, Tape())
            change = _Change(self)
            for trade in tape.new(trades):
                self._trade(change, symbol, trade, tape.eligible)
            sides = sides_of(depth)
            for buy in (True, False):
                self._book(change, symbol, sides[0] if buy else sides[1], buy=buy)
            change.facts[f"seen {symbol}"] = str(self._now_ms())
            self.commit(change)
            tape.eligible = {order.number for order in self._resting(symbol)}

    def _trade(self, change: _Change, symbol: str, trade: Trade, eligible: set[int]) -> None:
        """Fills the resting orders that a public trade would have met, with its amount at most."""
        price, volume = Decimal(repr(trade["Price"])), Decimal(repr(trade["Amount"]))
        for buy in (True, False):
            for order in self._queue(change, symbol, buy=buy):
                if volume <= 0:
                    return
                if order.number in eligible and order.price is not None:
                    volume -= self._meet(change, order, order.price, price, volume)

    def _meet(self, change: _Change, order: PaperOrder, limit: Decimal, price: Decimal, volume: Decimal) -> Decimal:
        """Fills one order by a trade; returns how much of the trade it took."""
        through = price < limit if order.buys else price > limit
        how: How = "through"
        amount = volume
        if not through:
            if price != limit or not self.paper.queue:
                return Decimal(0)
            how, amount = "queue", max(Decimal(0), volume - order.ahead)
            order = attrs.evolve(order, ahead=max(Decimal(0), order.ahead - volume))
            change.orders[order.number] = order
        part = min(amount, order.left)
        if part > 0:
            change.orders[order.number] = self._fill(change, order, Match(limit, part), how, maker=True)
        return part

    def _book(self, change: _Change, symbol: str, levels: BookSide, *, buy: bool) -> None:
        """Fills orders that the other side of the book has moved through, at their own prices."""
        for order in self._queue(change, symbol, buy=buy):
            taken = self._taken_of(order)
            found = walk(taken.left(levels), buy=buy, limit=order.price, amount=order.left, spends=None, step=None)
            amount = sum((one.amount for one in found), Decimal(0))
            if amount > 0 and order.price is not None:
                taken.take(levels, found)
                change.orders[order.number] = self._fill(change, order, Match(order.price, amount), "book", maker=True)

    def catch_up(self, symbol: str, bars: Records) -> None:
        """Fills orders that rested while nothing looked, where a whole minute since then went through their prices.

        Args:
            symbol: FMZ's symbol.
            bars: Bars of a minute, oldest first.
        """
        with self.lock:
            seen_ms = int(self.store.facts().get(f"seen {symbol}", "0"))
            change = _Change(self)
            for order in self._resting(symbol):
                since_ms = max(order.made_ms, seen_ms)
                for bar in bars:
                    if bar["Time"] < since_ms or order.price is None:
                        continue  # what happened before and after is not told apart within a bar
                    if (
                        (Decimal(repr(bar["Low"])) < order.price)
                        if order.buys
                        else (Decimal(repr(bar["High"])) > order.price)
                    ):
                        change.orders[order.number] = self._fill(
                            change,
                            order,
                            Match(order.price, order.left),
                            "through",
                            maker=True,
                            at_ms=bar["Time"] + _MINUTE_MS,
                        )
                        break
            self.commit(change)

    # Steps

    def _fill(
        self, change: _Change, order: PaperOrder, match: Match, how: How, *, maker: bool, at_ms: int | None = None
    ) -> PaperOrder:
        rate = self.paper.maker_fee if maker else self.paper.taker_fee
        order, charge = self._money(order.symbol).fill(order, match, rate, change)
        change.fills.append(
            PaperFill(
                number=order.number,
                price=match.price,
                amount=match.amount,
                fee=charge.fee,
                fee_currency=charge.currency,
                time_ms=self._now_ms() if at_ms is None else at_ms,
                maker=maker,
                how=how,
            )
        )
        return order if order.is_open else self.end(change, order)

    @staticmethod
    def end(change: _Change, order: PaperOrder) -> PaperOrder:
        """Ends an order, and frees what it held."""
        change.balances.release(order.currency, order.held)
        return order.ended()

    def commit(self, change: _Change) -> None:
        """Stores a change, then puts it into effect."""
        rows = {name: row for name, row in change.balances.rows.items() if change.before.rows.get(name) != row}
        self.store.save(rows, change.orders.values(), change.fills, change.facts, change.payments)
        self._balances = change.balances
        self.position_rows.update(change.positions)
        for number, order in change.orders.items():
            if order.is_open:
                self._open[number] = order
            else:
                self._open.pop(number, None)

    def _resting(self, symbol: str) -> list[PaperOrder]:
        return [order for order in self._open.values() if order.symbol == symbol]

    def _queue(self, change: _Change, symbol: str, *, buy: bool) -> list[PaperOrder]:
        """The open orders of one side as a step has left them: the best price first, then the oldest."""
        orders = [change.orders.get(order.number, order) for order in self._resting(symbol)]
        wanted = [order for order in orders if order.is_open and order.buys == buy]
        sign = -1 if buy else 1
        return sorted(wanted, key=lambda order: (sign * (order.price or 0), order.number))

    def _taken_of(self, order: PaperOrder) -> TakenLiquidity:
        return self._taken.setdefault((order.symbol, order.buys), TakenLiquidity())

    def now_ms(self) -> int:
        """The time in ms since the epoch."""
        return self._now_ms()

    def next_number(self) -> int:
        """Takes the number of a new order; call with the lock."""
        self._number += 1
        return self._number

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    # Reading

    @property
    def balances(self) -> Balances:
        """The balances now."""
        with self.lock:
            return self._balances

    def held(self) -> list[PaperPosition]:
        """The positions that are not 0."""
        with self.lock:
            return [one for one in self.position_rows.values() if one.amount]

    def open_orders(self, symbol: str | None = None) -> list[PaperOrder]:
        """The open orders, oldest first."""
        with self.lock:
            return [order for order in self._open.values() if symbol is None or order.symbol == symbol]

    def order(self, order_id: str) -> PaperOrder:
        """One order by its id.

        Raises:
            OrderNotFound: There is none.
        """
        symbol, _, number = order_id.rpartition(",")
        found = self.store.orders("number = ? AND symbol = ?", (int(number), symbol)) if number.isdecimal() else []
        if not found:
            raise OrderNotFound(f"no order {short_repr(order_id)}")
        return found[0]

    def order_by_client_id(self, symbol: str, client_id: str) -> PaperOrder:
        """One order by its client order id.

        Raises:
            OrderNotFound: There is none.
        """
        found = self.store.orders("symbol = ? AND client_id = ?", (symbol, client_id))
        if not found:
            raise OrderNotFound(f"no order of {symbol} with the client order id {short_repr(client_id)}")
        return found[0]

    def history(self, symbol: str, since_ms: int, limit: int) -> list[PaperOrder]:
        """Orders of a symbol, oldest first: the first ones since a time, or the newest without a time."""
        if since_ms:
            return self.store.orders(
                "symbol = ? AND made_ms >= ? ORDER BY number LIMIT ?", (symbol, since_ms, limit or -1)
            )
        return self.store.orders("symbol = ? ORDER BY number DESC LIMIT ?", (symbol, limit or 500))[::-1]


def _shown_at(levels: BookSide, price: Decimal | None) -> Decimal:
    """What the book shows at a price."""
    return next((size for level, size in levels if level == price), Decimal(0))
