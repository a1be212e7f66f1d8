"""A venue of contracts with a REST interface: what is alike in all of them.

Symbols name contracts (``BTC_USDT.swap``), and a code such as ``quarter`` names another contract after each delivery, which only the
venue's list tells. Condition orders have ids and endpoints of their own. The account has a position mode.
"""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from ...constants import ORDER_STATE_UNKNOWN
from ...errors import InputError, OrderNotFound, UnknownSymbol, VenueRejected, short_repr
from ...exchange.contracts.converter import Contract, ContractValue
from ...exchange.contracts.port import PositionMode
from ...exchange.contracts.scopes import is_scope, scope_includes
from ...exchange.live_account.events import StreamFill
from ...exchange.market_rules import MarketRules
from ...fork import after_fork_in_child
from ...structures import Asset, Order, Structure
from .ask import walk
from .dialect import Listing, OrderHistory
from .streams.account_source import AccountCalls
from .symbols import split_order_id
from .venue import RestVenue

__all__ = ["CONDITION_MARK", "ContractVenue", "is_condition_id", "sorted_orders"]

_DATE = re.compile("[0-9]{6}")  # of a delivery, in symbols and in both venues' names

T = TypeVar("T")
S = TypeVar("S", bound=Structure)

CONDITION_MARK = "algo"
"""What the venue's number of a condition order begins with in our ids: venues count them apart from orders."""


def is_condition_id(order_id: str) -> bool:
    """Whether an id is that of a condition order."""
    return split_order_id(order_id)[1].startswith(CONDITION_MARK)


def sorted_orders(orders: Iterable[Order]) -> list[Order]:
    """Orders by time, then by id."""
    return sorted(orders, key=lambda order: (order["Time"], order["Id"]))


class ContractVenue(RestVenue):
    """A venue of contracts over REST; arguments as of ``RestVenue``."""

    contracts_only = True
    default_contract = "swap"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._mode: PositionMode | None = None
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._mode_turn = threading.Lock()  # one thread reads the mode; the first orders of others wait for it

    # What a venue fills in

    @abstractmethod
    def _expiry_ms(self, listing: Listing) -> int:
        """When a contract is delivered, in ms since the epoch; 0 for a perpetual one."""

    @abstractmethod
    def _margin_currency(self, symbol: str) -> str:
        """The currency of a contract's margin."""

    @abstractmethod
    def _read_position_mode(self) -> PositionMode:
        """Asks the venue for the position mode."""

    @abstractmethod
    def _is_wrong_mode(self, error: VenueRejected) -> bool:
        """Whether an order was refused because the account's position mode is another one than was read."""

    # Symbols

    def _name(self, symbol: str) -> str:
        if self.dialect.is_certain(symbol):
            name = self.dialect.name_of(symbol)
            self.symbols.check(symbol, name)
            return name
        return self._listing(symbol).venue_symbol

    def _listing_of_past(self, symbol: str) -> Listing:
        """The listing of a symbol, or of the contract that its code named last, while no other one has the code."""
        over = self._over(symbol)
        if over is not None and self.symbols.is_new():
            return over
        try:
            return self._listing(symbol)
        except UnknownSymbol:
            over = self._over(symbol)
            if over is None:
                raise
            return over

    def _over(self, symbol: str) -> Listing | None:
        """The listing of the contract that a code named last, if it has been delivered and no other one has the code as far as is known."""
        listed = self.symbols.by_symbol.get(symbol)
        if listed is not None:
            return listed if self._is_over(listed) else None
        gone = [one for one in self.symbols.gone.values() if one.symbol == symbol]
        return max(gone, key=self._expiry_ms, default=None)

    def _name_of_past(self, symbol: str) -> str:
        """The name of a delivered contract, too, by its code or its date."""
        if self.dialect.is_certain(symbol):
            return self._name(symbol)
        try:
            return self._listing_of_past(symbol).venue_symbol
        except UnknownSymbol:
            if not _DATE.fullmatch(symbol.partition(".")[2]):
                raise
            return self.dialect.name_of(symbol)

    def _symbol_of(self, name: str) -> str | None:
        """FMZ's symbol of a venue's name; that of a delivered contract has its date once another one has its code."""
        found, over = super()._symbol_of(name), self.symbols.gone.get(name)
        if found is not None or over is None:
            return found
        date = _DATE.search(name)
        if date is None or over.symbol not in self.symbols.by_symbol:
            return over.symbol
        return f"{over.symbol.partition('.')[0]}.{date.group()}"

    def _listing(self, symbol: str) -> Listing:
        """The listing of a symbol; the list is fetched again when the contract behind a code has been delivered."""
        self.dialect.name_of(symbol)  # refuses any other symbol than this venue's contracts
        found = self.symbols.by_symbol.get(symbol)
        if found is None or self._is_over(found):
            self.symbols.refresh()
            found = self.symbols.by_symbol.get(symbol)
            if found is None or self._is_over(found):
                raise self.symbols.unknown(symbol)
        return found

    def _is_over(self, listing: Listing) -> bool:
        ends_ms = self._expiry_ms(listing)
        return not listing.listed or bool(ends_ms and ends_ms <= self.channel.time.now_ms())

    def rules(self, symbol: str) -> MarketRules:
        """The rules of a symbol, fetched again with the whole list; see ``Venue.rules``."""
        if self.channel.keys:
            self.channel.time.prefetch()  # a caller who needs the rules is about to order
        self.symbols.refresh()
        return self.dialect.rules(self._listing(symbol))

    def contract(self, symbol: str) -> Contract:
        """What the list says; see ``Venue.contract``."""
        listing = self._listing(symbol)
        market = listing.market
        step = market.get("AmountSize")
        return Contract(
            symbol=symbol,
            venue_symbol=listing.venue_symbol,
            value=ContractValue.of(market),
            value_currency=market["CtValCcy"],
            margin_currency=self._margin_currency(symbol),
            step=None if step is None else Decimal(repr(step)),
            expires_ms=self._expiry_ms(listing),
        )

    @staticmethod
    def _named(order: Order, symbol: str) -> Order:
        order["Symbol"] = symbol
        order["ContractType"] = symbol.partition(".")[2]
        return order

    def _put_symbols(self, orders: Iterable[Order]) -> list[Order]:
        found = super()._put_symbols(orders)
        return [self._named(order, order["Symbol"]) for order in found]

    def _placed(self, found: list[S], scope: str | None) -> list[S]:
        """Rows with FMZ's symbols instead of the venue's names, those of the scope."""
        kept = []
        for row in found:
            name = row["Symbol"]
            listing = self.symbols.known(name) or self.symbols.all().get(name)
            row["Symbol"] = listing.symbol if listing is not None else self._symbol_of(name) or name
            if "ContractType" in row:
                row["ContractType"] = row["Symbol"].partition(".")[2]
            if scope_includes(scope, row["Symbol"]):
                kept.append(row)
        return kept

    def _one(self, scope: str | None) -> str | None:
        """The venue's name of a scope that is one symbol; None for any other."""
        return None if scope is None or is_scope(scope) else self._name_of_past(scope)

    def _is_delivered(self, scope: str | None) -> bool:
        """Whether a scope is one contract that has been delivered: the venue has no prices and rates of it any more.

        Raises:
            UnknownSymbol: It is not listed, and was never known.
        """
        if scope is None or is_scope(scope) or self.dialect.is_certain(scope):
            return False
        try:
            return self._is_over(self._listing_of_past(scope))
        except UnknownSymbol:
            self._name_of_past(scope)  # raises for all but a date
            return True

    @abstractmethod
    def _fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """Fetches the fills since a time, oldest first; see ``AccountSource.fills_since``."""

    def _account_calls(self, mode: Callable[[], PositionMode]) -> AccountCalls:
        """What the user stream asks by REST.

        Raises:
            MissingCredentials: There are no keys.
        """
        channel = self.channel
        channel.keys.need(self.name, passphrase=channel.protocol.needs_passphrase)
        return AccountCalls(
            orders=self.orders,
            conditions=self.condition_orders,
            positions=self.positions,
            order=self.order,
            past_orders=self.history_orders,
            fills_since=self._fills_since,
            symbol_of=self._known_symbol,
            mode=mode,
            now_ms=channel.time.now_ms,
        )

    def _known_symbol(self, name: str) -> str:
        """FMZ's symbol of a venue's name; the name itself if the list does not have it."""
        symbol = self._symbol_of(name)
        if symbol is None:
            listing = self.symbols.all().get(name)
            symbol = listing.symbol if listing is not None else None
        return symbol or name

    # Account

    def margin_assets(self, symbol: str) -> list[Asset]:
        """The margin assets of the account; see ``Venue.margin_assets``."""
        return self.assets()

    def position_mode(self) -> PositionMode:
        """One request, once; see ``Venue.position_mode``."""
        known = self._mode
        if known is not None:
            return known
        with self._mode_turn:
            if self._mode is None:  # another thread may have read it meanwhile
                self._mode = self._read_position_mode()
            return self._mode

    def forget_mode(self) -> None:
        """Reads the position mode again at the next order."""
        self._mode = None

    def set_base(self, url: str) -> None:
        """Sets the REST base and forgets what was learnt there; see ``Venue.set_base``."""
        super().set_base(url)
        self._mode = None

    def _checking_mode(self, send: Callable[[], T]) -> T:
        try:
            return send()
        except VenueRejected as error:
            if self._is_wrong_mode(error):
                self.forget_mode()
                error.args = (
                    f"{error.args[0]}; the account's position mode was changed outside, and is read again for the next order",
                    *error.args[1:],
                )
            raise

    # Orders

    def cancel(self, order_id: str) -> None:
        """One request, at the door of condition orders for one of them; see ``Venue.cancel``."""
        if is_condition_id(order_id):
            self.cancel_condition(order_id)
        else:
            super().cancel(order_id)

    def order(self, order_id: str) -> Order:
        """One request; see ``Venue.order``."""
        if is_condition_id(order_id):
            return self.condition_order(order_id)
        name, number = split_order_id(order_id)
        query = self.dialect.order(name, number)
        return self._put_symbols([self.channel.call(query.ask, query.read)])[0]

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders; see ``Venue.orders``."""
        pages = self.dialect.open_orders(self._one(symbol))
        return sorted_orders(self._scoped(self._put_symbols(walk(self.channel.call, pages)), symbol))

    @staticmethod
    def _scoped(orders: list[Order], scope: str | None) -> list[Order]:
        return [order for order in orders if scope_includes(scope, order["Symbol"])]

    def _with_child(self, order: Order) -> Order:
        """A condition order and the order that it has placed are one order: its state and what was filled are the child's."""
        self._put_symbols([order])
        if order.get("ChildId"):
            try:
                child = self.order(order["ChildId"])
            except OrderNotFound:  # forgotten by the venue, as orders without a fill are after a while
                order["Status"] = ORDER_STATE_UNKNOWN
                return order
            order.update({name: child[name] for name in ("Status", "DealAmount", "AvgPrice")})
        return order

    def _past_conditions(self, plan: OrderHistory, since_ms: int, is_past: Callable[[Order], bool]) -> list[Order]:
        found = {order["Id"]: order for pages in plan.lists for order in walk(self.channel.call, pages)}
        ended = self._put_symbols(order for order in found.values() if is_past(order))
        kept = [order for order in sorted_orders(ended) if order["Time"] >= since_ms]
        return kept if plan.most is None else kept[: plan.most] if since_ms else kept[-plan.most :]

    @staticmethod
    def _check_history(since_ms: int, limit: int) -> None:
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
