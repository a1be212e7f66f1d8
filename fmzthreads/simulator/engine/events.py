"""The events of the exchange, and their listeners.

Trades, book changes, tops of the book, orders and balances.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from .conditional.conditions import ConditionEvent
from .orders import FillView, OrderView

if TYPE_CHECKING:
    from .balances import Balance

__all__ = [
    "AccountEvent",
    "BookEvent",
    "ConditionEvent",
    "DepthView",
    "EngineEvents",
    "Event",
    "OrderEvent",
    "TickerEvent",
    "TradeEvent",
    "TradeView",
]

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class TradeView:
    """One public trade.

    Attributes:
        trade_id: Consecutive within its instrument.
        price: In quote.
        quantity: In base.
        quote_quantity: Price times quantity.
        buyer_is_maker: Whether the buyer was the maker; the taker's side is then ``sell``.
        time_ms: When, on the exchange's clock.
        buy_order_id: The buyer's order.
        sell_order_id: The seller's order.
    """

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    buyer_is_maker: bool
    time_ms: int
    buy_order_id: int
    sell_order_id: int


@attrs.frozen(kw_only=True)
class DepthView:
    """A snapshot of a book.

    Attributes:
        version: The book's version; deltas with a higher one come after it.
        time_ms: When, on the exchange's clock.
        bids: Price, quantity and number of orders of each level, best first.
        asks: The same for asks.
    """

    version: int
    time_ms: int
    bids: tuple[tuple[Decimal, Decimal, int], ...]
    asks: tuple[tuple[Decimal, Decimal, int], ...]


@attrs.frozen(kw_only=True)
class TradeEvent:
    """A trade took place."""

    instrument: str
    trade: TradeView


@attrs.frozen(kw_only=True)
class BookEvent:
    """Levels changed.

    Attributes:
        instrument: The instrument's id.
        first_version: The version of its first change: the previous event's ``last_version`` plus 1.
        last_version: The book's version after it.
        bids: Price and new quantity of each bid level that changed, best first; 0 means that the level was removed.
        asks: The same for asks.
        time_ms: When, on the exchange's clock.
    """

    instrument: str
    first_version: int
    last_version: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    time_ms: int


@attrs.frozen(kw_only=True)
class TickerEvent:
    """The best prices, their quantities or the last price changed.

    A price of 0 means that the side is empty.
    """

    instrument: str
    version: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    last: Decimal
    time_ms: int


@attrs.frozen(kw_only=True)
class OrderEvent:
    """An order was accepted, filled, changed or ended.

    Attributes:
        account: The account's name.
        order: The order's current state, without ``fills``.
        fill: The fill that caused the event; None otherwise.
        amended: Whether its price or quantity was changed.
        triggered: Whether it became active because its trigger price was reached.
    """

    account: str
    order: OrderView
    fill: FillView | None
    amended: bool = False
    triggered: bool = False


@attrs.frozen(kw_only=True)
class AccountEvent:
    """Balances changed; contains only the changed assets."""

    account: str
    balances: dict[str, Balance]
    time_ms: int


Event = TradeEvent | BookEvent | TickerEvent | OrderEvent | AccountEvent | ConditionEvent
Listener = Callable[[Event], None]


class EngineEvents:
    """The listeners of each kind of event. The exchange's lock guards it.

    A listener is called with the exchange's lock held, so that events arrive in the order in which they happened: it must hand the
    event over and return. A listener that raises is removed, with a line in the log, because it must not stop the exchange.
    """

    def __init__(self) -> None:
        self._listeners: dict[type, list[Listener]] = {}

    def wants(self, kind: type) -> bool:
        """Whether this kind of event has a listener.

        Events without a listener are never created.
        """
        return bool(self._listeners) and bool(self._listeners.get(kind))

    def add(self, listener: Listener, kinds: Iterable[type]) -> None:
        """Adds a listener for some kinds of event."""
        for kind in kinds:
            self._listeners.setdefault(kind, []).append(listener)

    def remove(self, listener: Listener) -> None:
        """Removes a listener from all kinds.

        An unknown listener is ignored.
        """
        for kind, listeners in list(self._listeners.items()):
            rest = [other for other in listeners if other is not listener]
            if rest:
                self._listeners[kind] = rest
            else:
                del self._listeners[kind]

    def emit(self, event: Event) -> None:
        """Calls all listeners of the event's kind."""
        for listener in tuple(self._listeners.get(type(event), ())):
            try:
                listener(event)
            except Exception:  # a failing listener must not undo or block the trade behind the event
                _log.exception("a listener of the simulated exchange raised an error and was removed")
                self.remove(listener)
