"""The port that every venue adapter fills: one typed method for each thing that the exchange object asks of a venue.

A *symbol* here is always FMZ's form (``BTC_USDT`` for spot, ``BTC_USDT.swap`` for a contract); the adapter translates it to the venue's
name and back. Prices and amounts that go to a venue are exact decimals; what comes from it are structures.

The docstrings are written once, on ``Venue``. Adapters derive from ``BaseVenue``, inherit them, and document only what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import attrs

from ..errors import NotSupported, UnknownName, UnknownSymbol, nearest, short_repr
from ..structures import Account, Asset, Depth, Funding, Market, Order, Position, Records, Structure, Ticker, Trade
from .contracts.intents import Side
from .contracts.port import ContractPort, ContractPortDefaults
from .market_rules import MarketRules

if TYPE_CHECKING:
    from ..streams.book.source import BookSource
    from .live_account.source import AccountSource

__all__ = ["BaseVenue", "LastReply", "OrderFill", "OrderIntent", "Side", "Venue"]


@attrs.frozen(kw_only=True)
class OrderIntent:
    """What an order is meant to be, cut to the market's steps and ready to be sent.

    Attributes:
        symbol: FMZ's symbol.
        side: ``buy`` or ``sell``; for contracts also ``closebuy`` (close a long) and ``closesell`` (close a short).
        price: The limit price; None for a market order.
        amount: What is ordered, in base currency; for a spot market buy in quote currency; for contracts a number of them.
        client_order_id: Made once for each intent; the order can be found by it when its reply is lost.
        time_in_force: ``GTC``, ``IOC``, ``FOK`` or ``GTX`` (post-only).
        options: The venue's own further parameters, as given by ``"buy;key=value"`` or ``"buy;{json}"``.
    """

    kind: ClassVar[str] = "order"

    symbol: str
    side: Side
    price: Decimal | None
    amount: Decimal
    client_order_id: str
    time_in_force: Literal["GTC", "IOC", "FOK", "GTX"] = "GTC"
    options: Mapping[str, str] = attrs.field(factory=dict)


class OrderFill(Structure):
    """One fill of an order of ours; prices and amounts are exact decimals.

    ``Fee`` is what was charged, in ``FeeCurrency`` (negative for a rebate), ``Time`` in ms since the epoch, ``Maker`` whether the order rested.
    """

    Info: Any
    Id: str
    Price: Decimal
    Amount: Decimal
    Fee: Decimal
    FeeCurrency: str
    Time: int
    Maker: bool


class LastReply(Protocol):
    """A reply whose text is decoded when it is asked for."""

    @property
    def text(self) -> str:
        """The text as the venue sent it."""


@runtime_checkable
class Venue(ContractPort, Protocol):
    """What an exchange adapter answers. Every method may be called from many threads at once.

    A venue returns structures or raises from the error tree: ``OperationFailed`` (it may be repeated), ``VenueRejected`` (among them
    ``UnknownSymbol``, ``OrderNotFound`` and ``MissingCredentials``), ``OutcomeUnknown`` (sent, outcome not known), or ``NotSupported``. It never
    logs and never answers failure with None. An unreadable row of a list is left out and reported once to ``warn_with``'s callable.
    """

    name: str
    """FMZ's id of the venue, such as ``Binance``."""

    settling_s: float
    """Seconds after the loss of an order's reply during which "no such order" proves nothing: the order may still be on its way."""

    exact_outcomes: bool
    """Whether every error of ``place`` and ``cancel`` but OutcomeUnknown says that nothing was done. If False, a reply that is lost is asked for."""

    finds_client_ids: bool
    """Whether ``order_by_client_id`` can tell what became of an order. If False, an order without a reply stays unknown for ever."""

    lists_all_orders: bool
    """Whether ``orders(None)`` lists the open orders of all symbols; if False, it is only asked about one symbol."""

    dead_man: Literal["", "symbol", "account"]
    """What ``cancel_all_after`` cancels: the orders of one symbol, or of the whole account; empty where the venue has no such call."""

    def account_id(self) -> str:
        """What tells this account at this place from any other, in the order log, without secrets; empty if there are no keys."""

    # Market data

    def ticker(self, symbol: str) -> Ticker:
        """The last price, best bid and ask, and 24 h statistics of one symbol.

        A side of the book that is empty gives the last price; a symbol that never traded has None for it. No price is ever 0.
        """

    def tickers(self) -> list[Ticker]:
        """The tickers of all listed symbols that have traded."""

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """The order book.

        Args:
            symbol: FMZ's symbol.
            limit: Levels a side; more than the venue has is cut to its most; None for 100.

        Raises:
            InputError: The limit is not a whole number above 0.
        """

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """The latest public trades, oldest first.

        Args:
            symbol: FMZ's symbol.
            limit: How many; more than the venue has is cut to its most; None for its own default.
        """

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """Bars aligned to UTC, oldest first, the last one still forming.

        Args:
            symbol: FMZ's symbol.
            period_s: One of ``periods_s()``.
            limit: How many, fetched in several requests where one does not hold them; None for one full request.

        Raises:
            InputError: The period or the limit is not valid.
        """

    def periods_s(self) -> tuple[int, ...]:
        """The bar lengths, in seconds, that the venue itself serves, ascending."""

    def markets(self) -> dict[str, Market]:
        """The trading rules of all listed symbols, by FMZ symbol; fetched each time (calls at the same moment share a fetch)."""

    def rules(self, symbol: str) -> MarketRules:
        """What one symbol accepts, for market and for limit orders; fetched each time, and for this symbol alone where the venue can.

        Raises:
            UnknownSymbol: The venue does not list it.
        """

    # Account

    def account(self, symbol: str) -> Account:
        """Free and frozen quote and base currency of the symbol's pair; a currency that the venue does not list is 0."""

    def assets(self) -> list[Asset]:
        """All holdings that are not zero."""

    def positions(self, symbol: str | None = None) -> list[Position]:
        """Open positions, one row a contract and side.

        Args:
            symbol: FMZ's symbol, or a kind of contracts: ``USDT.swap`` and ``USD.swap`` (perpetual), ``USDT.futures`` and
                ``USD.futures`` (delivery); None for all.
        """

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """Funding rates of perpetual contracts; the symbol as of ``positions``."""

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """The account's fees for a symbol, maker and taker, as fractions: 0.001 is 0.1 %."""

    # Orders

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once and returns its id (``"<venue symbol>,<venue id>"``).

        A spot market buy spends ``intent.amount`` of quote currency. ``intent.options`` replace what was derived from the intent.

        Raises:
            OutcomeUnknown: It was sent and no reply says what became of it. It is never sent again.
            InputError: The side, an option or the client order id is not valid; nothing was sent.
            ConnectFailed: Nothing was sent.
            RateLimited: Refused by the venue, or held back here before anything was sent.
            ClockSkew: Its time stamp was refused; the clock has been measured since.
        """

    def cancel(self, order_id: str) -> None:
        """Cancels an order, in one request.

        Raises:
            OutcomeUnknown: It was sent and no reply says what became of it.
            OrderNotFound: There is no such open order.
        """

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """Has the venue cancel all open orders when so much time has passed without another such call.

        Args:
            symbol: Of which symbol; ignored where the venue cancels the orders of the whole account.
            timeout_s: In seconds; 0 ends the countdown.

        Raises:
            NotSupported: The venue has no such countdown.
            InputError: It takes no such time.
        """

    def order(self, order_id: str) -> Order:
        """One order by its id.

        Raises:
            InputError: The id is not of the form ``"<venue symbol>,<venue id>"``.
            OrderNotFound: The venue has no such order.
        """

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order by the client order id that it was placed with; raises OrderNotFound when the venue has none."""

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first; the symbol as of ``positions``."""

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Orders of one symbol, open and ended ones, oldest first.

        Args:
            symbol: FMZ's symbol.
            since_ms: From when on, in ms since the epoch; 0 for the newest orders.
            limit: The most orders, counted from ``since_ms``; 0 for the venue's own default.

        Raises:
            InputError: A number is negative.
        """

    def fills(self, order: Order) -> list[OrderFill]:
        """All fills of an order, oldest first; a venue keeps them for some months.

        Args:
            order: The order, as the venue gave it.
        """

    def client_id_of(self, order: Order) -> str:
        """The client order id that the venue gives with an order, out of its ``Info``; empty if it has none."""

    # Streams and raw calls

    def account_source(self, symbol: str) -> AccountSource:
        """The user stream that tells about a symbol.

        Raises:
            NotSupported: The venue has none, or the base URL in use has no known streams.
            MissingCredentials: There are no keys.
        """

    def book_source(self, symbol: str) -> BookSource:
        """Where a live order book of the symbol comes from.

        Raises:
            NotSupported: The venue has none, or the base URL in use has no known streams.
        """

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A call to any path of the venue; signed unless the path is a public one.

        Args:
            http_method: GET, POST, PUT or DELETE.
            resource: A path, or a full URL, whose host then replaces the base (keys and signature go there too).
            params: URL-encoded text. Every parameter is sent, repeated ones too, in the order given.
            raw: A literal body; the parameters then go into the query string.

        Raises:
            InputError: The method is not one of these, or the parameters cannot be sent as given.
            OutcomeUnknown: Something other than a GET was sent, and no reply says what became of it.
        """

    def places_order(self, http_method: str, resource: str) -> bool:
        """Whether a raw call places an order, which is recorded before it is sent.

        Args:
            http_method: The HTTP method, in upper case.
            resource: See ``request``.
        """

    def io(self, command: str, *args: object) -> Any:
        """A command of ``exchange.IO`` that only this venue has.

        Raises:
            UnknownName: The venue has no such command.
            InputError: The arguments are not those of the command.
        """

    def last_reply(self) -> LastReply | None:
        """The last reply that this thread got from this venue; None before the first. A new reply is another object."""

    # Connection

    def set_base(self, url: str) -> None:
        """Sends all further requests to another base URL, whose symbols, clock and limits are then fetched again; empty for production.

        Raises:
            InputError: It is not an http or https URL.
        """

    def base(self) -> str:
        """The base URL in use."""

    def set_market_base(self, url: str) -> None:
        """Fetches market data (tickers, books, trades, bars, live books) from another base URL; empty for that of all other calls.

        The rules of markets still come from where the orders go, and no key is sent to this URL.

        Raises:
            InputError: It is not an http or https URL.
        """

    def market_base(self) -> str:
        """The base URL of market data in use."""

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of each further call, in milliseconds."""

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of further calls and streams: ``http://``, ``socks5://``, ``ip://`` (a local address), or empty for none."""

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets what is called with each warning, such as a row of a reply that could not be read."""

    def warm(self, connections: int) -> None:
        """Opens this thread's connection and, with keys, measures the venue's clock, before the first call needs them.

        Args:
            connections: How many calls will run side by side; each of their threads calls this.
        """

    def close(self) -> None:
        """Closes all connections; later calls open new ones."""


def _unsupported(call: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def _refuse(self: BaseVenue, *_args: object, **_more: object) -> Any:
        raise self._no(call)

    return _refuse


_CLIENT_IDS = ("clientOrderId", "clOrdId", "clientOid", "client_oid", "clOrdID", "cl_ord_id", "orderLinkId")


class BaseVenue(ContractPortDefaults, Venue):
    """What an adapter derives from: the port's docstrings, and NotSupported (naming venue and call) for what it does not implement.

    For mypy only the calls that not every venue has are implemented here; an adapter without one of the others is reported.
    """

    name = ""
    settling_s = 2.0
    exact_outcomes = False
    finds_client_ids = True
    lists_all_orders = True
    dead_man: Literal["", "symbol", "account"] = ""

    def account_id(self) -> str:
        """Returns an empty text: there are no keys."""
        return ""

    def _no(self, call: str) -> NotSupported:
        return NotSupported(f"{self.name} does not support {call}")

    def tickers(self) -> list[Ticker]:
        """Raises NotSupported."""
        raise self._no("GetTickers")

    def rules(self, symbol: str) -> MarketRules:
        """Reads the rules in ``markets``."""
        markets = self.markets()
        if symbol not in markets:
            raise UnknownSymbol(f"{self.name} does not list {short_repr(symbol)}{nearest(symbol, markets)}")
        return MarketRules.of(symbol, markets[symbol])

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Raises NotSupported."""
        raise self._no("GetHistoryOrders")

    def positions(self, symbol: str | None = None) -> list[Position]:
        """Raises NotSupported."""
        raise self._no("GetPositions")

    def fundings(self, symbol: str | None = None) -> list[Funding]:
        """Raises NotSupported."""
        raise self._no("GetFundings")

    def fee_rates(self, symbol: str) -> tuple[float, float]:
        """Raises NotSupported."""
        raise self._no("GetFee")

    def cancel_all_after(self, symbol: str, timeout_s: float) -> None:
        """Raises NotSupported."""
        raise self._no("a dead-man switch")

    def fills(self, order: Order) -> list[OrderFill]:
        """Raises NotSupported."""
        raise self._no("fills of an order")

    def client_id_of(self, order: Order) -> str:
        """Reads the field of ``Info`` that has one of the usual names."""
        row = order.get("Info")
        if isinstance(row, dict):
            for name in _CLIENT_IDS:
                value = row.get(name)
                if isinstance(value, str) and value:
                    return value
        return ""

    def account_source(self, symbol: str) -> AccountSource:
        """Raises NotSupported."""
        raise self._no("Subscribe('orders')")

    def book_source(self, symbol: str) -> BookSource:
        """Raises NotSupported."""
        raise self._no("Subscribe")

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """Raises NotSupported."""
        raise self._no("IO('api')")

    def places_order(self, http_method: str, resource: str) -> bool:
        """Returns False: no endpoints are known."""
        return False

    def io(self, command: str, *args: object) -> Any:
        """Raises UnknownName: there are no commands of its own."""
        raise UnknownName(
            f"{self.name} has no IO command {short_repr(command)}; valid: 'api', 'base', 'currency', 'mbase', 'rate', 'quota'"
        )

    def set_base(self, url: str) -> None:
        """Raises NotSupported."""
        raise self._no("SetBase")

    def base(self) -> str:
        """Returns an empty text: there is no base URL."""
        return ""

    def set_market_base(self, url: str) -> None:
        """Raises NotSupported."""
        raise self._no("IO('mbase')")

    def market_base(self) -> str:
        """Returns the base URL of all calls."""
        return self.base()

    def set_timeout(self, timeout_ms: float) -> None:
        """Raises NotSupported."""
        raise self._no("SetTimeout")

    def set_proxy(self, proxy: str) -> None:
        """Raises NotSupported."""
        raise self._no("SetProxy")

    def last_reply(self) -> LastReply | None:
        """Returns None: no replies are kept."""
        return None

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Takes nothing: a venue that reads no rows has nothing to warn of."""

    def warm(self, connections: int) -> None:
        """Does nothing: a venue without connections has none to open."""

    def close(self) -> None:
        """Does nothing: a venue without connections has none to close."""

    if not TYPE_CHECKING:
        ticker = _unsupported("GetTicker", Venue.ticker)
        depth = _unsupported("GetDepth", Venue.depth)
        trades = _unsupported("GetTrades", Venue.trades)
        records = _unsupported("GetRecords", Venue.records)
        periods_s = _unsupported("GetRecords", Venue.periods_s)
        markets = _unsupported("GetMarkets", Venue.markets)
        account = _unsupported("GetAccount", Venue.account)
        assets = _unsupported("GetAssets", Venue.assets)
        place = _unsupported("CreateOrder", Venue.place)
        cancel = _unsupported("CancelOrder", Venue.cancel)
        order = _unsupported("GetOrder", Venue.order)
        order_by_client_id = _unsupported("GetOrder by client order id", Venue.order_by_client_id)
        orders = _unsupported("GetOrders", Venue.orders)
