"""What an order is worth and adds, and whether that and its price are within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from ...errors import FmzError, GuardRefused, StopRequested
from ..contracts.intents import ConditionIntent, ModifyIntent, Side
from ..market_rules import plain_text
from ..venue import OrderIntent, Venue
from .prices import GuardBook, GuardPrices
from .reduce_only import is_reduce_only
from .settings import Guards, limit_for

__all__ = ["OrderSize", "SizeJudge"]

# Options of the venues that replace what the guards judge an order by.
_REPLACING = frozenset(
    {"amount", "cost", "instId", "newPx", "newSz", "notional", "posSide", "positionSide", "price", "priceMatch", "px", "pxUsd", "pxVol",
     "quantity", "quoteOrderQty", "side", "size", "symbol", "sz", "tgtCcy"}
)  # fmt: skip


@attrs.frozen(kw_only=True)
class OrderSize:
    """An order as the guards see it.

    Attributes:
        symbol: FMZ's symbol.
        side: Its side.
        amount: In base currency; for contracts their number; of a market buy on a spot market the most that its quote currency buys.
        adds: How much of it may add to the position: all of it, or what a change adds.
        spends: The quote currency of a market buy on a spot market; None for others.
        price: The price that it may pay at most; None at market.
        in_book: Whether its price must be near the book: not that of a condition order.
        options: The venue's own parameters.
        reduces: Whether it closes a position or sells on a spot market, and so can only reduce.
    """

    symbol: str
    side: Side
    amount: Decimal
    adds: Decimal
    spends: Decimal | None = None
    price: Decimal | None
    in_book: bool = True
    options: Mapping[str, str]

    @property
    def is_spot(self) -> bool:
        """Whether it is one of a spot market."""
        return "." not in self.symbol

    @property
    def buys(self) -> bool:
        """Whether it trades at the asks."""
        return self.side in {"buy", "closesell"}

    @property
    def reduces(self) -> bool:
        """Whether it closes a position or sells on a spot market, and so can only reduce."""
        return self.side in {"closebuy", "closesell"} or (self.is_spot and self.side == "sell")


class SizeJudge:
    """Compares amounts, values and prices with the limits; thread-safe.

    Args:
        guards: The limits.
        venue: Where contracts and the orders to be changed are read.
        prices: Where books are read.
    """

    def __init__(self, guards: Guards, venue: Venue, prices: GuardPrices) -> None:
        self._guards = guards
        self._venue = venue
        self._prices = prices

    # What it is

    def order(self, intent: OrderIntent) -> OrderSize:
        """The size of an order."""
        amount, spends = intent.amount, None
        if intent.price is None and intent.side == "buy" and "." not in intent.symbol:
            spends = amount
            if self._guards.max_order_amount is not None or self._guards.max_position is not None:
                # At no better price than the best, so that this is the most that can be bought.
                amount = amount / self._prices.book(intent.symbol).best(buy=True)
        return OrderSize(
            symbol=intent.symbol,
            side=intent.side,
            amount=amount,
            adds=amount,
            spends=spends,
            price=intent.price,
            options=intent.options,
        )

    @staticmethod
    def condition(intent: ConditionIntent) -> OrderSize:
        """The size of the order that a condition order places, at the highest of its prices."""
        terms = intent.terms
        prices = [
            one for one in (terms.tp_price, terms.sl_price, terms.tp_trigger, terms.sl_trigger) if one is not None
        ]
        return OrderSize(
            symbol=intent.symbol,
            side=intent.side,
            amount=intent.amount,
            adds=intent.amount,
            price=max(prices, default=None),
            in_book=False,
            options=intent.options,
        )

    def change(self, intent: ModifyIntent) -> OrderSize:
        """The size of an order after a change; what the change leaves is read from the order.

        Raises:
            GuardRefused: The order cannot be read.
        """
        price, amount, adds = intent.price, intent.amount, Decimal(0)
        if self._guards.judges_sizes:
            read = self._venue.order if intent.terms is None else self._venue.condition_order
            try:
                order = read(intent.order_id)
            except StopRequested:
                raise
            except FmzError as error:
                raise GuardRefused(
                    f"the guards cannot judge a change of {intent.order_id} without reading it: {error}; nothing was sent",
                    guard="change",
                ) from error
            before = Decimal(repr(order["Amount"]))
            amount = before if amount is None else amount
            if not is_reduce_only(order):
                adds = max(Decimal(0), amount - before)
            if price is None and order["Price"] > 0:
                price = Decimal(repr(order["Price"]))
        if intent.terms is not None:
            terms = (intent.terms.tp_price, intent.terms.sl_price, intent.terms.tp_trigger, intent.terms.sl_trigger)
            price = max((one for one in terms if one is not None), default=price)
        return OrderSize(
            symbol=intent.symbol,
            side=intent.side,
            amount=amount if amount is not None else Decimal(0),
            adds=adds,
            price=price,
            in_book=intent.terms is None,
            options=intent.options,
        )

    # Whether it may be sent

    def check(self, size: OrderSize) -> None:
        """Raises for a size or price beyond a limit.

        Raises:
            GuardRefused: It is beyond a limit, or cannot be judged.
        """
        guards = self._guards
        if not guards.judges_sizes:
            return
        replaced = sorted(_REPLACING.intersection(size.options))
        if replaced:
            raise GuardRefused(
                f"the guards cannot judge an order whose side options replace {', '.join(replaced)}; nothing was sent",
                guard="side options",
            )
        most = limit_for(guards.max_order_amount, size.symbol)
        if most is not None and size.amount > most:
            raise _too_large("max_order_amount", f"the amount {plain_text(size.amount)} of {size.symbol}", most)
        most = guards.max_order_value
        if most is not None and (value := self._value(size)) > most:
            raise _too_large("max_order_value", f"the value {plain_text(value)} of an order of {size.symbol}", most)
        if guards.price_band is not None and size.in_book:
            _check_price(size, self._prices.book(size.symbol), guards.price_band)

    def _value(self, size: OrderSize) -> Decimal:
        """In quote currency: at the limit price, or the book's where that may be more."""
        if size.spends is not None:
            return size.spends
        price = size.price
        if price is None or (not size.buys and size.in_book):
            best = self._prices.book(size.symbol).best(buy=size.buys)
            price = best if price is None else max(best, price)
        if size.is_spot:
            return size.amount * price
        try:
            return self._venue.contract(size.symbol).value.quote(size.amount, price)
        except StopRequested:
            raise
        except FmzError as error:
            raise GuardRefused(
                f"the guard max_order_value cannot tell what a contract of {size.symbol} is worth: {error}; nothing was sent",
                guard="max_order_value",
            ) from error


def _too_large(guard: str, what: str, most: Decimal) -> GuardRefused:
    return GuardRefused(
        f"the guard {guard} holds: {what} is above the limit {plain_text(most)}; nothing was sent", guard=guard
    )


def _check_price(size: OrderSize, book: GuardBook, band: Decimal) -> None:
    """Compares a limit price with the band around the book, and a market order with what the book holds within it."""
    lowest, highest = book.best(buy=False) * (1 - band), book.best(buy=True) * (1 + band)
    words = f"{plain_text(band * 100)} % around the book ({plain_text(lowest)} to {plain_text(highest)})"
    if size.price is not None:
        if not lowest <= size.price <= highest:
            raise GuardRefused(
                f"the guard price_band holds: the price {plain_text(size.price)} of {size.symbol} is not within {words}; nothing was sent",
                guard="price_band",
            )
        return
    amount, value = book.within(highest if size.buys else lowest, buy=size.buys)
    found, wanted = (amount, size.amount) if size.spends is None else (value, size.spends)
    if found < wanted:
        raise GuardRefused(
            f"the guard price_band holds: the book has {plain_text(found)} for a market order of {plain_text(wanted)} {size.symbol} "
            f"within {words}; nothing was sent",
            guard="price_band",
        )
