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
    from .margin.margin_accounts import MarginWallet
    from .margin.positions import PositionView
    from .margin.prices import PriceView

__all__ = [
    "AccountEvent",
    "BookEvent",
    "ConditionEvent",
    "DepthView",
    "EngineEvents",
    "Event",
    "LeverageEvent",
    "LiquidationEvent",
    "MarginCallEvent",
    "OrderEvent",
    "PriceEvent",
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
        quote_quantity: Price times quantity; the face value of an inverse contract.
        buyer_is_maker: Whether the buyer was the maker; the taker's side is then ``sell``.
        time_ms: When, on the exchange's clock.
        buy_order_id: The buyer's order.
        sell_order_id: The seller's order.
        base_quantity: The coins; the same as ``quantity`` for spot.
    """

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    buyer_is_maker: bool
    time_ms: int
    buy_order_id: int
    sell_order_id: int
    base_quantity: Decimal = Decimal(0)


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

    @property
    def topic(self) -> str:
        """The instrument's id."""
        return self.instrument


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

    @property
    def topic(self) -> str:
        """The instrument's id."""
        return self.instrument


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

    @property
    def topic(self) -> str:
        """The instrument's id."""
        return self.instrument


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

    @property
    def topic(self) -> str:
        """The account's name."""
        return self.account


@attrs.frozen(kw_only=True)
class AccountEvent:
    """Balances or positions changed.

    Attributes:
        account: The account's name.
        balances: The changed assets.
        time_ms: When.
        reason: The cause: ``order``, ``funding``, ``liquidation``, ``delivery``, ``deposit``, ``margin`` (moved to or from an isolated
            position) or ``settings``.
        positions: The changed positions.
        wallets: Balance and margins of the changed assets, for an account that trades contracts.
        instrument: The instrument of a funding payment; empty otherwise.
        amount: The amount of a funding payment, below 0 if it was paid.
    """

    account: str
    balances: dict[str, Balance]
    time_ms: int
    reason: str = "order"
    positions: tuple[PositionView, ...] = ()
    wallets: dict[str, MarginWallet] = attrs.field(factory=dict)
    instrument: str = ""
    amount: Decimal = Decimal(0)

    @property
    def topic(self) -> str:
        """The account's name."""
        return self.account


@attrs.frozen(kw_only=True)
class PriceEvent:
    """The mark price, index price or funding rate of a contract was set."""

    prices: PriceView

    @property
    def topic(self) -> str:
        """The instrument's id."""
        return self.prices.instrument


@attrs.frozen(kw_only=True)
class LiquidationEvent:
    """The exchange closed a position by force.

    Attributes:
        order: The order that it made for it, in its final state.
    """

    order: OrderView

    @property
    def topic(self) -> str:
        """The instrument's id."""
        return self.order.instrument


@attrs.frozen(kw_only=True)
class MarginCallEvent:
    """Positions came near their liquidation.

    Attributes:
        account: The account's name.
        wallet: The asset that they settle in.
        positions: The positions.
        time_ms: When.
    """

    account: str
    wallet: MarginWallet
    positions: tuple[PositionView, ...]
    time_ms: int

    @property
    def topic(self) -> str:
        """The account's name."""
        return self.account


@attrs.frozen(kw_only=True)
class LeverageEvent:
    """An account changed the leverage of a contract.

    Attributes:
        account: The account's name.
        instrument: The instrument's id.
        leverage: The new leverage.
        time_ms: When.
    """

    account: str
    instrument: str
    leverage: int
    time_ms: int

    @property
    def topic(self) -> str:
        """The account's name."""
        return self.account


Event = (
    TradeEvent
    | BookEvent
    | TickerEvent
    | OrderEvent
    | AccountEvent
    | PriceEvent
    | LiquidationEvent
    | MarginCallEvent
    | LeverageEvent
    | ConditionEvent
)
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
