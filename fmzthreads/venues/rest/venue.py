"""A venue with a REST interface, composed of a channel, a dialect and streams.

What all such venues share is written here once: symbols, paging, accounts, histories, raw calls. Names are converted to the venue's
own without its list (``BTC_USDT`` is ``BTCUSDT`` or ``BTC-USDT``), so that a first call costs one round trip; the symbol's
rules, which are fetched during the first call, then verify the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from ...errors import FmzError, InputError, UnknownName, UnknownSymbol, nearest, short_repr
from ...exchange.market_rules import MarketRules
from ...exchange.venue import OrderFill, OrderIntent
from ...streams.book.source import BookSource
from ...structures import Account, Asset, Depth, Market, Order, Records, Ticker, Trade, info
from .ask import Ask, Page, Pages, VenueQuery, walk
from .channel import Channel
from .channel_venue import ChannelVenue
from .dialect import IoCommand, Listing, VenueDialect
from .symbols import SymbolBook, split_order_id

__all__ = ["BookStreams", "RestVenue"]

T = TypeVar("T")

_METHODS = ("GET", "POST", "PUT", "DELETE")
_COMMON_COMMANDS = ("api", "base", "currency", "mbase", "quota", "rate")
_FEW_NAMES = 3  # up to this many unknown names of a list are requested one by one; for more the whole list is fetched


class BookStreams(Protocol):
    """The sources of a venue's live order books."""

    def source(self, symbol: str, name: str) -> BookSource:
        """The source of one book.

        Raises:
            NotSupported: The current base URL has no known streams.
        """

    def forget(self) -> None:
        """Resets all counts (for example when the base URL changes)."""


class RestVenue(ChannelVenue):
    """A venue over REST.

    Args:
        channel: Makes the calls.
        dialect: Builds the requests and reads the replies.
        streams: The sources of live books.
        commands: The commands of ``exchange.IO`` that this venue has.
        settling_s: See ``Venue``.
    """

    exact_outcomes = True

    def __init__(
        self,
        *,
        channel: Channel,
        dialect: VenueDialect,
        streams: BookStreams,
        commands: Mapping[str, IoCommand],
        settling_s: float,
    ) -> None:
        super().__init__(channel)
        self.name = channel.name
        self.settling_s = settling_s
        self.dialect = dialect
        self.streams = streams
        self.symbols = SymbolBook(self.name, self._fetch_all, self._fetch_one, channel.clock)
        self._commands = commands

    # Symbols

    def _fetch_all(self) -> list[Listing]:
        return self.channel.get(self.dialect.listings())

    def _fetch_one(self, name: str) -> Listing:
        return self.channel.get(self.dialect.listing(name))

    def _name(self, symbol: str) -> str:
        """The venue's name of a symbol; sends nothing unless another symbol could have the same name."""
        if symbol not in self.symbols.by_symbol and not self.dialect.is_certain(symbol):
            return self._listing(symbol).venue_symbol
        name = self.dialect.name_of(symbol)
        self.symbols.check(symbol, name)
        return name

    def _name_of_past(self, symbol: str) -> str:
        """The venue's name of a symbol for calls about what was; a venue may know those of symbols that it does not list any more."""
        return self._name(symbol)

    def _listing(self, symbol: str) -> Listing:
        """The venue's listing of a symbol, verified: for calls that move money."""
        known = self.symbols.by_symbol.get(symbol)
        if known is not None:
            return known
        name = self.dialect.name_of(symbol)
        try:
            found = self.symbols.one(name)
        except UnknownSymbol as error:
            raise self._unknown(symbol, error) from None
        if found.symbol != symbol:
            raise self.symbols.unknown(symbol)
        return found

    def _get(self, symbol: str, query: VenueQuery[T]) -> T:
        """Makes a call about one symbol; an UnknownSymbol error names FMZ's symbol."""
        try:
            return self.channel.call(query.ask, query.read)
        except UnknownSymbol as error:
            raise self._unknown(symbol, error) from None

    def _unknown(self, symbol: str, error: UnknownSymbol) -> UnknownSymbol:
        try:
            self.symbols.all()  # to suggest the nearest, and to refuse the next call without a request
        except FmzError:
            pass  # the refusal matters more to the caller
        own = self.symbols.unknown(symbol)
        said = f" ({error.args[0]})" if error.code else ""
        return UnknownSymbol(f"{own.args[0]}{said}", request=error.request, code=error.code, status=error.status)

    def _symbol_of(self, name: str) -> str | None:
        known = self.symbols.known(name)
        return known.symbol if known is not None else self.dialect.symbol_of(name)

    def _put_symbols(self, orders: Iterable[Order]) -> list[Order]:
        """Replaces the venue's names by FMZ's symbols; a name that cannot be looked up is kept."""
        found = list(orders)
        unknown = {order["Symbol"] for order in found if self._symbol_of(order["Symbol"]) is None}
        many = len(unknown) > _FEW_NAMES
        for name in unknown:
            try:
                self.symbols.all() if many else self.symbols.one(name)
            except FmzError:
                pass  # the orders are still returned, under the venue's name
        for order in found:
            order["Symbol"] = self._symbol_of(order["Symbol"]) or order["Symbol"]
        return found

    def markets(self) -> dict[str, Market]:
        """Fetches the whole list of symbols again; see ``Venue.markets``."""
        return {listing.symbol: listing.market for listing in self.symbols.refresh() if listing.listed}

    def rules(self, symbol: str) -> MarketRules:
        """Fetches one symbol's rules again; see ``Venue.rules``."""
        if self.channel.keys:
            self.channel.time.prefetch()  # a caller who needs the rules is about to order
        name = self.dialect.name_of(symbol)
        try:
            listing = self.symbols.renew(name)
        except UnknownSymbol as error:
            raise self._unknown(symbol, error) from None
        if listing.symbol != symbol or not listing.listed:
            raise self.symbols.unknown(symbol)
        return self.dialect.rules(listing)

    # Market data

    def ticker(self, symbol: str) -> Ticker:
        """One request; see ``Venue.ticker``."""
        return self._get(symbol, self.dialect.ticker(self._name(symbol), symbol))

    def tickers(self) -> list[Ticker]:
        """One request for all listed symbols; see ``Venue.tickers``."""
        return self.channel.get(self.dialect.tickers(self._listed_symbol))

    def _listed_symbol(self, name: str) -> str | None:
        plain = self.dialect.symbol_of(name)
        if plain is not None:
            return plain
        listing = self.symbols.all().get(name)
        return listing.symbol if listing is not None and listing.listed else None

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """One request; see ``Venue.depth``."""
        return self._get(symbol, self.dialect.depth(self._name(symbol), limit))

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """One request; see ``Venue.trades``."""
        return self._get(symbol, self.dialect.trades(self._name(symbol), limit))

    def periods_s(self) -> tuple[int, ...]:
        """The bar lengths of the dialect; see ``Venue.periods_s``."""
        return tuple(self.dialect.periods)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """Bars from as many pages as needed; see ``Venue.records``."""
        periods = self.dialect.periods
        if period_s not in periods:
            raise InputError(
                f"{self.name} has no bars of {short_repr(period_s)} s; expected one of {', '.join(map(str, periods))}"
            )
        pages = self.dialect.bars(self._name(symbol), periods[period_s], limit)
        bars = sorted(self._walk(symbol, pages), key=lambda bar: bar["Time"])
        return Records(bars[-pages.most :] if pages.most is not None else bars)

    def _walk(self, symbol: str, pages: Pages[T]) -> Iterable[T]:
        def _call(ask: Ask, read: Callable[[Any], Page[T]]) -> Page[T]:
            return self._get(symbol, VenueQuery(ask, read))

        return walk(_call, pages)

    # Account

    def account(self, symbol: str) -> Account:
        """The balances of the two currencies of a pair; see ``Venue.account``."""
        self._name(symbol)
        base, _, quote = symbol.partition("_")
        holdings = self.channel.get(self.dialect.holdings((base, quote)))
        none = Asset(Amount=0.0, FrozenAmount=0.0)
        stocks, balance = (holdings.by_currency.get(currency, none) for currency in (base, quote))
        return Account(
            Info=holdings.info,
            Balance=balance["Amount"],
            FrozenBalance=balance["FrozenAmount"],
            Stocks=stocks["Amount"],
            FrozenStocks=stocks["FrozenAmount"],
        )

    def assets(self) -> list[Asset]:
        """All balances that are not zero; see ``Venue.assets``."""
        held = self.channel.get(self.dialect.holdings(())).by_currency.values()
        return [asset for asset in held if asset["Amount"] or asset["FrozenAmount"]]

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once; see ``Venue.place``."""
        name = self._listing(intent.symbol).venue_symbol
        order = self.dialect.place(intent, name)
        return f"{name},{self.channel.send_once(order.ask, order.read, order.client_order_id)}"

    def cancel(self, order_id: str) -> None:
        """One request; see ``Venue.cancel``."""
        query = self.dialect.cancel(*split_order_id(order_id))
        self.channel.send_once(query.ask, query.read)

    def order(self, order_id: str) -> Order:
        """One request, after the symbol's if it is unknown; see ``Venue.order``."""
        name, number = split_order_id(order_id)
        # An unknown name is looked up before the order, so that the order's state is as recent as possible.
        symbol = self._symbol_of(name) or self.symbols.one(name).symbol
        return self._named(self._get(symbol, self.dialect.order(name, number)), symbol)

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One request; see ``Venue.order_by_client_id``."""
        query = self.dialect.order_by_client_id(self._name_of_past(symbol), client_order_id)
        return self._named(self._get(symbol, query), symbol)

    def client_id_of(self, order: Order) -> str:
        """The venue's own field; see ``Venue.client_id_of``."""
        return str(order["Info"].get(self.dialect.client_id_field, ""))

    @staticmethod
    def _named(order: Order, symbol: str) -> Order:
        order["Symbol"] = symbol
        return order

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders from all pages; see ``Venue.orders``."""
        pages = self.dialect.open_orders(None if symbol is None else self._name(symbol))
        if symbol is None:
            return _in_order(self._put_symbols(walk(self.channel.call, pages)))
        return _in_order(self._named(order, symbol) for order in self._walk(symbol, pages))

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Past orders, sorted by time; see ``Venue.history_orders``."""
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {short_repr(since_ms)} and {short_repr(limit)}")
        name = self._name_of_past(symbol)
        plan = self.dialect.past_orders(name, since_ms, limit, self.channel.time.now_ms())
        found = {order["Id"]: self._named(order, symbol) for pages in plan.lists for order in self._walk(symbol, pages)}
        oldest_first = [order for order in _in_order(found.values()) if order["Time"] >= since_ms]
        if plan.most is None:
            return oldest_first
        return oldest_first[: plan.most] if since_ms else oldest_first[-plan.most :]

    def fills(self, order: Order) -> list[OrderFill]:
        """As many pages as needed; see ``Venue.fills``."""
        name, number = split_order_id(order["Id"])
        pages = self.dialect.fills(name, number, order["Time"], self.channel.time.now_ms())
        return sorted(walk(self.channel.call, pages), key=lambda fill: (fill["Time"], fill["Id"]))

    # Streams and raw calls

    def book_source(self, symbol: str) -> BookSource:
        """The source of the venue's streams; see ``Venue.book_source``."""
        return self.streams.source(symbol, self._name(symbol))

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Any call of the REST interface; see ``Venue.request``."""
        method = str(http_method).upper()
        if method not in _METHODS:
            raise InputError(f"unknown HTTP method {short_repr(http_method)}{nearest(method, _METHODS)}")
        path, _, query = str(resource).partition("?")
        pairs = self.dialect.raw_params(method, query, params, raw)
        ask, client_order_id = self.dialect.raw(method, path, pairs, raw)
        if ask.safe:
            return self.channel.call(ask, info)
        return self.channel.send_once(ask, info, client_order_id)

    def places_order(self, http_method: str, resource: str) -> bool:
        """Whether it is one of the venue's endpoints for orders; see ``Venue.places_order``."""
        return self.dialect.order_calls.includes(http_method, resource)

    def io(self, command: str, *args: object) -> Any:
        """Runs one of the venue's own commands; see ``Venue.io``."""
        found = self._commands.get(command)
        if found is None:
            valid = (*_COMMON_COMMANDS, *self._commands)
            raise UnknownName(f"{self.name} has no IO command {short_repr(command)}{nearest(command, valid)}")
        if len(args) != 1 or not isinstance(args[0], found.kind):
            raise InputError(
                f"IO({short_repr(command)}) of {self.name} takes one {found.kind.__name__}, got {short_repr(args)}"
            )
        found.run(args[0])
        return True

    # Connection

    def set_base(self, url: str) -> None:
        """Sets the REST base and drops symbols and counts; see ``Venue.set_base``."""
        super().set_base(url)
        self.symbols.forget()
        self.streams.forget()

    def set_market_base(self, url: str) -> None:
        """Sets where market data comes from and drops the streams' counts; see ``Venue.set_market_base``."""
        super().set_market_base(url)
        self.streams.forget()

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings about unreadable rows go; see ``Venue.warn_with``."""
        self.dialect.odd.warn = warn
        super().warn_with(warn)

    def warm(self, connections: int) -> None:
        """Opens the calling thread's connection and measures the time; see ``Venue.warm``."""
        super().warm(connections)
        if self.channel.keys:
            self.channel.time.ready(renew=True)


def _in_order(orders: Iterable[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: (order["Time"], order["Id"]))
