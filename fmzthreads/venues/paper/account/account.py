"""A paper account: its orders are filled against books and trades that it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from ....errors import DuplicateOrder, InvalidOrder, OrderNotFound, WouldTake, short_repr
from ....exchange.contracts.closing import closes
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ModifyIntent
from ....exchange.venue import OrderIntent
from ....structures import Depth, Records, Trade
from ..conditional.condition import PaperCondition
from ..market.liquidity import BookSide, Match, TakenLiquidity, sides_of, walk
from ..market.tape import Tape
from ..venue_ways import VenueWays
from .orders import How, PaperFill, PaperOrder
from .state import PaperState
from .step import PaperStep

__all__ = ["PaperAccount"]

_MINUTE_MS = 60_000


class PaperAccount(PaperState):
    """The orders and balances of a paper account; thread-safe.

    Args:
        store: Its file.
        paper: How a new account begins, and the fees.
        clock: Tells the time of orders and fills.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    # New orders

    def place(
        self, intent: OrderIntent, step: Decimal | None, depth: Depth, cancels_post_only: bool = False
    ) -> PaperOrder:
        """Takes an order, fills what the book has for it, and lets the rest be or ends it.

        Args:
            intent: The order.
            step: The market's step of amounts.
            depth: The book now.
            cancels_post_only: Whether a post-only order that would trade at once is cancelled; else it is refused.

        Raises:
            InsufficientFunds: The balance does not cover it.
            DuplicateOrder: Its client order id is in use.
            WouldTake: It is post-only and would trade at once, and that is refused.
            OperationFailed: It cannot be stored; nothing has changed.
        """
        with self.lock:
            return self._place(self.step(), intent, step, depth, cancels_post_only)

    def _place(
        self,
        change: PaperStep,
        intent: OrderIntent,
        step: Decimal | None,
        depth: Depth,
        cancels_post_only: bool = False,
    ) -> PaperOrder:
        if self.store.orders("symbol = ? AND client_id = ?", (intent.symbol, intent.client_order_id)):
            raise DuplicateOrder(f"the client order id {short_repr(intent.client_order_id)} is in use")
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
            post_only=intent.time_in_force == "GTX",
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
        takes = intent.time_in_force == "GTX" and bool(matches)
        if takes and not cancels_post_only:
            raise WouldTake("the post-only order would trade at once")
        matches = self._as_wanted(intent, matches)
        worst = matches[-1].price if matches else None
        order = self._money(order.symbol).held_for(order, spends, worst, change)
        change.balances.hold(order.currency, order.held)
        if spends is not None:
            order = attrs.evolve(order, amount=sum((one.amount for one in matches), Decimal(0)))
        for match in matches:
            order = self._fill(change, order, match, "walk", maker=False)
        rests = order.is_open and intent.price is not None and intent.time_in_force in {"GTC", "GTX"} and not takes
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
        """What of it is done: nothing of a post-only order, and nothing of a part of a FOK."""
        if intent.time_in_force == "GTX":
            return []
        if intent.time_in_force == "FOK" and sum(one.amount for one in matches) < intent.amount:
            return []
        return matches

    def place_child(
        self, condition: PaperCondition, intent: OrderIntent, step: Decimal | None, depth: Depth, ways: VenueWays
    ) -> PaperOrder | None:
        """Places the order of a condition order that has triggered; one that closes goes before those that rest.

        Args:
            condition: The condition order.
            intent: Its order. What it closes is cut to the position, and resting orders that could then close more than is left are cancelled.
            step: See ``place``.
            depth: See ``place``.
            ways: How the venue refuses.

        Returns:
            The order; None if another thread has placed it.

        Raises:
            VenueRejected: It is refused; nothing has changed.
            OperationFailed: It cannot be stored; nothing has changed.
        """
        with self.lock:
            known = self.pending_conditions.get(condition.number)
            if known is None:
                return None
            change = self.step()
            if closes(intent.side):
                intent = self._cut_to_position(change, intent, ways)
            change.conditions[known.number] = attrs.evolve(known, child=self._number + 1)
            return self._place(change, intent, step, depth)

    def _cut_to_position(self, change: PaperStep, intent: OrderIntent, ways: VenueWays) -> OrderIntent:
        position = change.position(intent.symbol, long=intent.side == "closebuy")
        if not position.amount:
            raise ways.refusal(InvalidOrder, ways.nothing_to_close, f"{intent.side} {intent.symbol}")
        amount = min(intent.amount, position.amount)
        self._cancel_beyond(change, intent.symbol, intent.side, amount)
        return attrs.evolve(intent, amount=amount)

    def _cancel_beyond(self, change: PaperStep, symbol: str, side: str, taken: Decimal) -> None:
        """Cancels resting closing orders, the newest first, until what they and ``taken`` close is no more than the position."""
        position = change.position(symbol, long=side == "closebuy")
        resting = change.resting(symbol, side)
        while resting and sum((one.left for one in resting), taken) > position.amount:
            newest = resting.pop()
            change.orders[newest.number] = self.end(change, newest)

    def modify(self, intent: ModifyIntent, depth: Depth, ways: VenueWays) -> PaperOrder:
        """Changes price and amount of an open order; at its new price it may trade at once.

        Args:
            intent: The change.
            depth: The book now.
            ways: What the venue does with such changes, and how it refuses them.

        Raises:
            OrderNotFound: There is no such open order.
            InvalidOrder: It cannot be changed so; it is as it was.
            InsufficientFunds: The balance does not cover the change; it is as it was.
            OperationFailed: It cannot be stored; it is as it was.
        """
        with self.lock:
            order = self._open_order(intent.order_id)
            if order is None:
                raise ways.refusal(OrderNotFound, ways.gone, intent.order_id)
            if order.price is None:
                raise ways.refusal(InvalidOrder, ways.only_limit, intent.order_id)
            if order.buys is not is_buy(intent.side):
                raise InvalidOrder(
                    f"the side of {order.id} is {order.side}, and a change to {intent.side} is not possible"
                )
            price = order.price if intent.price is None else intent.price
            amount = order.amount if intent.amount is None else intent.amount
            if ways.nothing_new[1] and (price, amount) == (order.price, order.amount):
                raise ways.refusal(InvalidOrder, ways.nothing_new, order.id)
            change = self.step()
            if amount <= order.dealt:
                whole = attrs.evolve(order, amount=order.dealt) if ways.fills_by_lowering else order
                return self._ended(change, whole)
            return self._changed(change, order, price, amount, depth, ways)

    def _changed(
        self, change: PaperStep, order: PaperOrder, price: Decimal, amount: Decimal, depth: Depth, ways: VenueWays
    ) -> PaperOrder:
        keeps = ways.keeps_place and price == order.price and amount <= order.amount
        left = amount - order.dealt
        asks, bids = sides_of(depth)
        levels = asks if order.buys else bids
        taken = self._taken_of(order)
        matches: list[Match] = []
        if not keeps:
            matches = walk(taken.left(levels), buy=order.buys, limit=price, amount=left, spends=None, step=None)
        if matches and order.post_only:
            return self._ended(change, order)  # as at the venue: it neither trades nor goes back to where it was
        change.orders[order.number] = self.end(change, order)  # what it held is free again, and it closes nothing more
        fresh = attrs.evolve(order, price=price, amount=left, dealt=Decimal(0), cost=Decimal(0), held=Decimal(0))
        fresh = self._money(order.symbol).held_for(fresh, None, None, change)
        change.balances.hold(fresh.currency, fresh.held)
        order = attrs.evolve(order, price=price, amount=amount, held=fresh.held)
        if not keeps:
            order = attrs.evolve(order, ahead=_shown_at(bids if order.buys else asks, price))
        for match in matches:
            order = self._fill(change, order, match, "walk", maker=False)
        change.orders[order.number] = order
        self.commit(change)
        taken.take(levels, matches)
        if not keeps and order.symbol in self._tapes:
            self._tapes[order.symbol].eligible.discard(
                order.number
            )  # only newer trades can have met it at its new place
        return order

    def _ended(self, change: PaperStep, order: PaperOrder) -> PaperOrder:
        ended = change.orders[order.number] = self.end(change, order)
        self.commit(change)
        return ended

    def cancel(self, order_id: str) -> None:
        """Ends an open order.

        Raises:
            OrderNotFound: There is no such open order.
            OperationFailed: It cannot be stored; the order is still open.
        """
        with self.lock:
            order = self._open_order(order_id)
            if order is None:
                raise OrderNotFound(f"no open order {short_repr(order_id)}")
            self._ended(self.step(), order)

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
            change = PaperStep(self)
            for trade in tape.new(trades):
                self._trade(change, symbol, trade, tape.eligible)
            sides = sides_of(depth)
            for buy in (True, False):
                self._book(change, symbol, sides[0] if buy else sides[1], buy=buy)
            change.facts[f"seen {symbol}"] = str(self._now_ms())
            self.commit(change)
            tape.eligible = {order.number for order in self._resting(symbol)}

    def _trade(self, change: PaperStep, symbol: str, trade: Trade, eligible: set[int]) -> None:
        """Fills the resting orders that a public trade would have met, with its amount at most."""
        price, volume = Decimal(repr(trade["Price"])), Decimal(repr(trade["Amount"]))
        for buy in (True, False):
            for order in self._queue(change, symbol, buy=buy):
                if volume <= 0:
                    return
                if not self._is_still_open(change, order):
                    continue
                if order.number in eligible and order.price is not None:
                    volume -= self._meet(change, order, order.price, price, volume)

    def _meet(self, change: PaperStep, order: PaperOrder, limit: Decimal, price: Decimal, volume: Decimal) -> Decimal:
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

    def _book(self, change: PaperStep, symbol: str, levels: BookSide, *, buy: bool) -> None:
        """Fills orders that the other side of the book has moved through, at their own prices."""
        for order in self._queue(change, symbol, buy=buy):
            if not self._is_still_open(change, order):
                continue
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
            change = PaperStep(self)
            for order in self._resting(symbol):
                since_ms = max(order.made_ms, seen_ms)
                for bar in bars if self._is_still_open(change, order) else ():
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
        self, change: PaperStep, order: PaperOrder, match: Match, how: How, *, maker: bool, at_ms: int | None = None
    ) -> PaperOrder:
        rate = self.paper.maker_fee if maker else self.paper.taker_fee
        order, charge = self._money(order.symbol).fill(order, match, rate, change)
        if not self.hedge and "." in order.symbol and not closes(order.side):
            # What it has closed is gone for the orders that were to close it.
            self._cancel_beyond(change, order.symbol, "closesell" if order.buys else "closebuy", Decimal(0))
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
    def _is_still_open(change: PaperStep, order: PaperOrder) -> bool:
        """Whether an earlier fill of the step has left an order open: in one-way mode it may have closed what this one was to close."""
        return change.orders.get(order.number, order).is_open

    def _resting(self, symbol: str) -> list[PaperOrder]:
        return [order for order in self._open.values() if order.symbol == symbol]

    def _queue(self, change: PaperStep, symbol: str, *, buy: bool) -> list[PaperOrder]:
        """The open orders of one side as a step has left them: the best price first, then the oldest."""
        orders = [change.orders.get(order.number, order) for order in self._resting(symbol)]
        wanted = [order for order in orders if order.is_open and order.buys == buy]
        sign = -1 if buy else 1
        return sorted(wanted, key=lambda order: (sign * (order.price or 0), order.number))

    def _taken_of(self, order: PaperOrder) -> TakenLiquidity:
        return self._taken.setdefault((order.symbol, order.buys), TakenLiquidity())


def _shown_at(levels: BookSide, price: Decimal | None) -> Decimal:
    """What the book shows at a price."""
    return next((size for level, size in levels if level == price), Decimal(0))
