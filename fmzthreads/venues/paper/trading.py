"""The part of a paper venue that takes orders: ordinary ones, changes of them, condition orders."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from ...clock import Clock
from ...constants import ORDER_CONDITION_TYPE_GENERIC
from ...errors import (
    FmzError,
    InputError,
    NotSupported,
    OperationFailed,
    OrderNotFound,
    StopRequested,
    UnknownSymbol,
    VenueRejected,
    short_repr,
)
from ...exchange.contracts.converter import Contract
from ...exchange.contracts.intents import ConditionIntent, ConditionTerms, ModifyIntent
from ...exchange.contracts.scopes import scope_includes
from ...exchange.venue import OrderFill, OrderIntent, Venue
from ...fork import after_fork_in_child
from ...structures import Depth, Order
from ..rest.contract_venue import CONDITION_MARK
from .account.orders import PaperOrder
from .account.sharing import PAPER_ACCOUNTS
from .conditional.condition import TriggerSource
from .conditional.desk import PaperConditionDesk
from .conditional.reader import BINANCE_TYPES, ConditionReader, Triggers
from .margin.bracket_source import BracketSource
from .margin.delivery import PaperDelivery
from .market.filters import check_filters
from .market.market_data import PaperMarketData
from .market.reference_prices import ReferencePrices
from .settings import Paper
from .venue_ways import ways_of
from .watch import MarketWatch

__all__ = ["PaperTrading"]

_LEVELS = 100
_MORE_LEVELS = 1000
_LIVE_AGE_S = 2.0


class PaperTrading(PaperMarketData):
    """Matches orders against the real market's book, with a paper account.

    Args:
        market: The venue that the market data comes from; made without keys.
        paper: The account.
        file: The account's file; None for memory.
        clock: Tells the time, and is waited on for the latency.

    Raises:
        OperationFailed: The file cannot be used, or another process trades with it.
    """

    exact_outcomes = True
    settling_s = 0.0

    def __init__(self, market: Venue, paper: Paper, file: Path | None, clock: Clock) -> None:
        super().__init__(market, clock)
        self.paper = paper
        self.account_file = file
        self._clock = clock
        self._accounts = PAPER_ACCOUNTS
        self.book = self._accounts.open(file, paper, clock)
        self.ways = ways_of(market.name)
        self.replaces_conditions = self.ways.replaces_conditions
        self.conditions = PaperConditionDesk(self.book, self.ways)
        self._references = ReferencePrices(market)
        self._delivery = PaperDelivery(self.book)
        self._brackets = BracketSource(market, self.book, clock, self._tell)
        self._watch: MarketWatch | None = None
        self._streamed: set[str] = set()
        self._start_anew()
        after_fork_in_child(self._start_anew)

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Matches an order after the latency; see ``Venue.place``. On Binance's futures one of a conditional type waits for its trigger."""
        self._check_side(intent.symbol, intent.side)
        if intent.options.get("type") in BINANCE_TYPES and self.ways.options == "binance" and "." in intent.symbol:
            terms = ConditionTerms(kind=ORDER_CONDITION_TYPE_GENERIC, sl_price=intent.price)
            return self.place_condition(
                ConditionIntent(
                    symbol=intent.symbol,
                    side=intent.side,
                    amount=intent.amount,
                    terms=terms,
                    client_order_id=intent.client_order_id,
                    options=intent.options,
                )
            )
        _refuse_options(intent.options, "an order")
        rules = self._rules.rules(intent.symbol)
        check_filters(intent.symbol, intent.side, intent.price, intent.amount, rules)
        self._stream(intent.symbol)
        self._travel()
        with self._turn(intent.symbol):
            step = rules.bounds(market=intent.price is None).step
            order = self.book.place(intent, step, self._depth(intent), self.ways.cancels_post_only)
        if order.is_open or "." in order.symbol:
            self._wake()
        return order.id

    def _check_side(self, symbol: str, side: str) -> None:
        if "." in symbol:
            self._learn(symbol)
        elif side not in {"buy", "sell"}:
            raise InputError(f"the side of a spot order must be 'buy' or 'sell', got {short_repr(side)}")

    def _tell(self, text: str) -> None:
        self._warn(text)  # which ``warn_with`` sets later

    def _wake(self) -> None:
        if self._watch is not None:
            self._watch.wake()

    def _learn(self, symbol: str) -> Contract:
        """What a symbol names now; what is left of the contract that it named before is delivered first."""
        try:
            contract = self.market.contract(symbol)
        except UnknownSymbol:
            self._deliver(symbol, None)
            raise
        self._deliver(symbol, contract)
        self.book.learn(contract, self._brackets.of(contract))
        return contract

    def _deliver(self, symbol: str, contract: Contract | None) -> None:
        words = self._delivery.pass_to(symbol, contract)
        if words:
            self._warn(f"the venue delivered positions of the paper account: {words}")

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _streamed and _turns
        self._turns: dict[str, threading.Lock] = {}  # held from the reading of a symbol's book until it is matched

    def _travel(self) -> None:
        if self.paper.latency_ms:
            self._clock.sleep(float(self.paper.latency_ms) / 1000)

    def _turn(self, symbol: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(symbol, threading.Lock())

    def _stream(self, symbol: str) -> None:
        """Starts the live book of a symbol at its first order; without one the book is fetched for each order."""
        with self._lock:
            if symbol in self._streamed:
                return
            self._streamed.add(symbol)
        try:
            self._live.subscribe(symbol, _LIVE_AGE_S)
        except StopRequested:
            raise
        except FmzError:
            pass

    def _depth(self, intent: OrderIntent | None, symbol: str = "") -> Depth:
        """The book now, with more levels if an order needs them."""
        symbol = symbol or (intent.symbol if intent is not None else "")
        depth = self._live.depth(symbol, None) or self.market.depth(symbol, _LEVELS)
        if intent is None:
            return depth
        levels = depth["Asks" if intent.side in {"buy", "closesell"} else "Bids"]
        if len(levels) < _LEVELS:
            return depth
        quote = intent.price is None and intent.side == "buy" and "." not in intent.symbol
        found = sum(Decimal(repr(one["Amount"])) * (Decimal(repr(one["Price"])) if quote else 1) for one in levels)
        return depth if found >= intent.amount else self.market.depth(symbol, _MORE_LEVELS)

    def modify(self, intent: ModifyIntent) -> str:
        """Changes an open order after the latency, in place: it keeps its id. See ``ContractPort.modify``."""
        _refuse_options(intent.options, "a change of an order")
        try:
            order = self.book.order(intent.order_id)
        except OrderNotFound:
            raise self.ways.refusal(OrderNotFound, self.ways.gone, intent.order_id) from None
        symbol = order.symbol
        self._check_side(symbol, intent.side)
        if order.price is not None:
            price, amount = intent.price or order.price, intent.amount or order.amount
            check_filters(symbol, intent.side, price, amount, self._rules.rules(symbol))
        self._travel()
        with self._turn(symbol):
            changed = self.book.modify(intent, self._depth(None, symbol), self.ways)
        self._wake()
        return changed.id

    def cancel(self, order_id: str) -> None:
        """Cancels an open order, or a condition order that waits, after the latency; see ``Venue.cancel``."""
        if _is_condition(order_id):
            self.cancel_condition(order_id)
            return
        self._travel()
        try:
            self.book.cancel(order_id)
        except OrderNotFound:
            raise self.ways.refusal(OrderNotFound, self.ways.not_open, order_id) from None

    def order(self, order_id: str) -> Order:
        """One order, or condition order; see ``Venue.order``."""
        return self.condition_order(order_id) if _is_condition(order_id) else self.book.order(order_id).shown()

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order; see ``Venue.order_by_client_id``."""
        return self.book.order_by_client_id(symbol, client_order_id).shown()

    def orders(self, symbol: str | None = None) -> list[Order]:
        """The open orders; see ``Venue.orders``."""
        return [order.shown() for order in self.book.open_orders() if scope_includes(symbol, order.symbol)]

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """All orders of a symbol; see ``Venue.history_orders``."""
        _check_history(since_ms, limit)
        return [order.shown() for order in self.book.history(symbol, since_ms, limit)]

    def fills(self, order: Order) -> list[OrderFill]:
        """The fills of an order; ``Info.how`` says why each was made. See ``Venue.fills``."""
        found: PaperOrder = self.book.order(order["Id"])
        return [fill.shown(place) for place, fill in enumerate(self.book.store.fills(found.number))]

    # Condition orders

    def place_condition(self, intent: ConditionIntent) -> str:
        """Takes a condition order after the latency; see ``ContractPort.place_condition``."""
        self._check_side(intent.symbol, intent.side)
        rules = self._rules.rules(intent.symbol)

        def _read(terms: ConditionTerms, options: Mapping[str, str]) -> Triggers:
            found = self._reader(intent.symbol).read(terms, intent.side, options)
            for leg in found.legs:
                check_filters(intent.symbol, intent.side, leg.price, intent.amount, rules)
            return found

        self._stream(intent.symbol)
        self._travel()
        condition = self.conditions.place(intent, _read)
        self._wake()
        return condition.id

    def _reader(self, symbol: str) -> ConditionReader:
        known: dict[TriggerSource, Decimal] = {}

        def _price_of(source: TriggerSource) -> Decimal:
            if source not in known:
                known[source] = self._price(symbol, source)
            return known[source]

        return ConditionReader(self.ways, _price_of)

    def _price(self, symbol: str, source: TriggerSource) -> Decimal:
        """The price of a source now.

        Raises:
            NotSupported: The venue publishes none.
            OperationFailed: The symbol has never traded.
        """
        found: Decimal | None = None
        if source == "last":
            last = self.market.ticker(symbol)["Last"]
            if last is None:
                raise OperationFailed(f"{symbol} has no last price; nothing was sent")
            return Decimal(repr(float(last)))
        if "." in symbol:
            row = self._references.of(self._learn(symbol), self._depth(None, symbol), index=source == "index")
            found = row.mark if source == "mark" else row.index
        if found is None:
            raise NotSupported(f"{self.name} publishes no {source} price of {symbol}; nothing was sent")
        return found

    def modify_condition(self, intent: ModifyIntent) -> str:
        """Changes a condition order that waits, after the latency; see ``ContractPort.modify_condition``."""
        if self.replaces_conditions:
            raise self._no("changes of condition orders in place")
        symbol = self.condition_order(intent.order_id)["Symbol"]
        self._check_side(symbol, intent.side)
        rules, reader = self._rules.rules(symbol), self._reader(symbol)

        def _read(terms: ConditionTerms, options: Mapping[str, str]) -> Triggers:
            return reader.read(terms, intent.side, options)

        if intent.amount is not None and "." in symbol:
            check_filters(symbol, intent.side, None, intent.amount, rules)
        self._travel()
        return self.conditions.change(intent, _read).id

    def cancel_condition(self, order_id: str) -> None:
        """Cancels a condition order that waits, after the latency; see ``ContractPort.cancel_condition``."""
        self._travel()
        self.conditions.cancel(order_id)

    def condition_order(self, order_id: str) -> Order:
        """One condition order, with what its order has filled; see ``ContractPort.condition_order``."""
        return self.conditions.one(order_id)

    def condition_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One condition order; see ``ContractPort.condition_by_client_id``."""
        return self.conditions.by_client_id(symbol, client_order_id)

    def condition_orders(self, symbol: str | None = None) -> list[Order]:
        """Those that wait; see ``ContractPort.condition_orders``."""
        return self.conditions.waiting(symbol)

    def history_condition_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Those that have triggered or ended; see ``ContractPort.history_condition_orders``."""
        _check_history(since_ms, limit)
        return self.conditions.past(symbol, since_ms, limit)

    def _place_triggered(self, symbol: str) -> None:
        """Places the orders of condition orders that have triggered; they stand at the venue, so that no latency comes between."""
        for condition in self.conditions.due(symbol):
            intent = OrderIntent(
                symbol=symbol,
                side=condition.side,
                price=condition.order_price,
                amount=condition.amount,
                client_order_id=condition.client_id,
            )
            step = self._rules.rules(symbol).bounds(market=intent.price is None).step
            try:
                self.book.place_child(condition, intent, step, self._depth(intent), self.ways)
            except VenueRejected as error:
                if self.conditions.refuse(condition, str(error)):
                    self._warn(f"the order of the triggered condition order {condition.id} was refused: {error}")


def _is_condition(order_id: str) -> bool:
    return f",{CONDITION_MARK}" in order_id


def _refuse_options(options: Mapping[str, str], of: str) -> None:
    if options:
        names = ", ".join(sorted(options))
        raise NotSupported(f"paper trading knows no further options of {of}, got {names}; nothing was sent")


def _check_history(since_ms: int, limit: int) -> None:
    if since_ms < 0 or limit < 0:
        raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
