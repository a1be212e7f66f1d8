"""The dialect of one venue's product: its requests, and readers of its replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from ...exchange.market_rules import MarketRules
from ...exchange.venue import OrderFill, OrderIntent
from ...structures import Asset, Depth, Market, Order, Record, Ticker, Trade
from .ask import Ask, Pages, Params, VenueQuery
from .order_calls import OrderCalls
from .rows import OddRows

__all__ = ["AccountBalances", "IoCommand", "Listing", "OrderHistory", "OrderQuery", "VenueDialect"]


@attrs.frozen(kw_only=True)
class Listing:
    """One symbol of a venue.

    Attributes:
        symbol: FMZ's symbol, such as ``BTC_USDT``.
        venue_symbol: The venue's name for it, such as ``BTCUSDT``.
        listed: Whether it is traded (or only halted for a while); False if it is delisted.
        market: Its trading rules, in FMZ's structure.
    """

    symbol: str
    venue_symbol: str
    listed: bool
    market: Market


@attrs.frozen
class OrderQuery:
    """The request of an order, ready to be signed.

    Attributes:
        ask: The request.
        read: Reads the venue's order number from the reply.
        client_order_id: The id to look the order up by later.
    """

    ask: Ask
    read: Callable[[Any], str]
    client_order_id: str


@attrs.frozen(kw_only=True)
class OrderHistory:
    """The requests for a symbol's past orders; of duplicates the last one counts.

    Attributes:
        lists: The lists to fetch, in this order.
        most: The maximum number of orders to return; None for all.
    """

    lists: tuple[Pages[Order], ...]
    most: int | None


@attrs.frozen
class AccountBalances:
    """The balances of an account.

    Attributes:
        by_currency: The balances, by currency.
        info: The venue's own reply.
    """

    by_currency: dict[str, Asset]
    info: Any


@attrs.frozen
class IoCommand:
    """A command of ``exchange.IO`` that exists for one venue only.

    Attributes:
        kind: The type of its one argument.
        run: Executes the command.
    """

    kind: type
    run: Callable[[Any], None]


class VenueDialect(Protocol):
    """What differs between venues, and between the products of one venue.

    ``name`` is always the venue's own name of a symbol. Readers raise ``Malformed``. A reader of a list skips the rows that it
    cannot read (see ``OddRows``); a reader of a single item is strict.
    """

    odd: OddRows
    """Collects the rows that cannot be read."""

    periods: Mapping[int, str]
    """The venue's name of each bar length, by seconds, ascending."""

    def name_of(self, symbol: str) -> str:
        """The venue's name of an FMZ symbol, whether or not it is listed.

        Raises:
            UnknownSymbol: It is not a symbol of this product.
        """

    def symbol_of(self, name: str) -> str | None:
        """FMZ's symbol of a venue's name; None if the venue's list is needed to tell."""

    def is_certain(self, symbol: str) -> bool:
        """Whether ``name_of`` a symbol can be the name of no other symbol; if not, only the venue's list tells."""

    def listings(self) -> VenueQuery[list[Listing]]:
        """All symbols."""

    def listing(self, name: str) -> VenueQuery[Listing]:
        """One symbol."""

    def rules(self, listing: Listing) -> MarketRules:
        """The exact rules of a listing; raises ``Malformed``."""

    def ticker(self, name: str, symbol: str) -> VenueQuery[Ticker]:
        """One ticker."""

    def tickers(self, symbol_of: Callable[[str], str | None]) -> VenueQuery[list[Ticker]]:
        """All tickers for which ``symbol_of`` returns a symbol."""

    def depth(self, name: str, limit: int | None) -> VenueQuery[Depth]:
        """An order book."""

    def trades(self, name: str, limit: int | None) -> VenueQuery[list[Trade]]:
        """Public trades, oldest first."""

    def bars(self, name: str, period: str, limit: int | None) -> Pages[Record]:
        """Bars, newest pages first."""

    def holdings(self, currencies: tuple[str, ...]) -> VenueQuery[AccountBalances]:
        """Balances of the given currencies, read strictly; of all if none are given."""

    def place(self, intent: OrderIntent, name: str) -> OrderQuery:
        """A new order.

        Raises:
            InputError: The venue does not support such an order.
        """

    def cancel(self, name: str, number: str) -> VenueQuery[object]:
        """A cancellation."""

    def order(self, name: str, number: str) -> VenueQuery[Order]:
        """One order by the venue's order number."""

    def order_by_client_id(self, name: str, client_order_id: str) -> VenueQuery[Order]:
        """One order by its client order id."""

    def open_orders(self, name: str | None) -> Pages[Order]:
        """Open orders of a symbol, or of all; their ``Symbol`` is still the venue's name."""

    def past_orders(self, name: str, since_ms: int, limit: int, now_ms: int) -> OrderHistory:
        """Past orders; their ``Symbol`` is still the venue's name."""

    def fills(self, name: str, number: str, made_ms: int, now_ms: int) -> Pages[OrderFill]:
        """The fills of an order that was made at ``made_ms``, read strictly."""

    client_id_field: str
    """The field of an order's row that holds the client order id."""

    order_calls: OrderCalls
    """The endpoints that place orders."""

    def raw(self, method: str, path: str, params: Params, raw: str) -> tuple[Ask, str]:
        """A call to any path, and its client order id (empty if it has none)."""

    def raw_params(self, method: str, query: str, params: str, raw: str) -> Params:
        """The parameters of a call to any path, from URL-encoded text."""
