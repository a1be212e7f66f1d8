"""Binance spot, after Binance's public REST API documents.

The venue's clock is measured before the first signed call and every five minutes of reading after that (``server_time.py``); the request
weight that its replies report is held below the limit (``weights.py``); orders are sent once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ...errors import BadReply, InputError
from ...exchange.market_rules import plain_text
from ...exchange.signing import parse_params
from ...exchange.venue import OrderIntent
from ...streams.book.rules import BookUpdate
from ...structures import Account, Asset, Depth, Order, Record, Records, Ticker, Trade, info
from ..rest.channel import Ask, checked_limit
from ..rest.convert import check_options, in_order, newest_bars, not_empty, pair_account, spot_side
from ..rest.parsing import integer, mapping, rows, text
from ..rest.symbols import Listing, put_symbols, split_order_id
from .replies import read_bars, read_book, read_holdings, read_order, read_ticker, read_trade
from .rest import BinanceRest
from .streams import SNAPSHOT_WEIGHT, STREAM_BASES, BinanceBook, read_book_snapshot

__all__ = ["Binance"]

_INTERVALS = {
    1: "1s", 60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14400: "4h", 21600: "6h", 28800: "8h",
    43200: "12h", 86400: "1d", 259200: "3d", 604800: "1w",
}  # fmt: skip

_CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")

# What Binance's page on new orders knows; it refuses anything else. Neither recvWindow nor timestamp: how long a lost order may still
# appear is reckoned from our own.
_OPTIONS = frozenset({
    "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId", "strategyId", "strategyType", "stopPrice",
    "trailingDelta", "icebergQty", "newOrderRespType", "selfTradePreventionMode", "pegPriceType", "pegOffsetType", "pegOffsetValue",
})  # fmt: skip

# Paths that take no time stamp and no signature; Binance refuses a parameter that it does not know.
_PUBLIC = re.compile(
    r"/api/v\d+/(ping|time|exchangeInfo|depth|trades|historicalTrades|historicalBlockTrades|aggTrades|klines|uiKlines|avgPrice|ticker(/.*)?"
    r"|executionRules|referencePrice(/.*)?)"
)

_MOST_BARS = 1000
_MOST_TRADES = 1000
_MOST_LEVELS = 5000
_MOST_ORDERS = 1000


class Binance(BinanceRest):
    """Binance spot.

    Args:
        credentials: Key and secret (HMAC); None for public calls only.
        base: The REST base, such as ``https://demo-api.binance.com``; empty for ``https://api.binance.com``.
        clock: What tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        recv_window_ms: How old a signed request may be when the matching engine gets it, 1 to 60000. An order that was held up for
            longer is refused by Binance itself, so that after this time a lost order cannot appear any more.
        stream_base: The base of the streams, such as ``wss://demo-stream.binance.com``; empty for the one that belongs to ``base``.

    Raises:
        InputError: ``base`` or ``recv_window_ms`` is not valid.
    """

    # -- market data -----------------------------------------------------------------------------------------------------------------

    def ticker(self, symbol: str) -> Ticker:
        """The last price, best bid and ask, and 24 h statistics of one symbol.

        Raises:
            UnknownSymbol: Binance does not list it.
            OperationFailed: It could not be fetched or read.
        """
        listing = self._symbols.of(symbol)
        params = {"symbol": listing.venue_symbol}
        return self._get("/api/v3/ticker/24hr", params, lambda payload: read_ticker(payload, symbol), weight=2)

    def tickers(self) -> list[Ticker]:
        """The same of all symbols that are listed.

        Raises:
            OperationFailed: They could not be fetched or read.
        """
        listings = self._symbols.by_venue()

        def _read(payload: Any) -> list[Ticker]:
            found = []
            for raw in rows(payload, "the reply"):
                listing = listings.get(text(mapping(raw, "a ticker"), "symbol"))
                if listing is not None and listing.listed:
                    found.append(read_ticker(raw, listing.symbol))
            return found

        return self._get("/api/v3/ticker/24hr", {}, _read, weight=80)

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """The order book.

        Args:
            symbol: FMZ's symbol.
            limit: Levels a side, at most 5000 (more is taken for that); None for Binance's default, 100.

        Raises:
            UnknownSymbol: Binance does not list it.
            OperationFailed: It could not be fetched or read.
        """
        listing = self._symbols.of(symbol)
        levels_a_side = checked_limit(limit, 100, _MOST_LEVELS)
        weight = next(cost for most, cost in ((100, 5), (500, 25), (1000, 50), (5000, 250)) if levels_a_side <= most)
        params = {"symbol": listing.venue_symbol, "limit": levels_a_side}
        book: Depth = self._get(
            "/api/v3/depth", params, lambda payload: read_book(payload, self._time.now_ms()), weight=weight
        )
        return book

    def book_source(self, symbol: str) -> BinanceBook:
        """Where a live order book of the symbol comes from: the stream ``@depth@100ms``, on top of a snapshot by REST.

        Raises:
            UnknownSymbol: Binance does not list it.
            NotSupported: The base in use has no known streams.
            OperationFailed: The symbols could not be fetched.
        """
        base = self.base()
        listing = self._symbols.of(symbol)

        def _fetch(levels_a_side: int) -> BookUpdate:
            self._snapshot_turn(SNAPSHOT_WEIGHT, self._weights.limit)
            params = {"symbol": listing.venue_symbol, "limit": levels_a_side}
            read = partial(read_book_snapshot, asked=levels_a_side)
            snapshot = self._get("/api/v3/depth", params, read, weight=SNAPSHOT_WEIGHT)
            if self.base() != base:
                raise BadReply(
                    "the base URL was changed meanwhile: a snapshot from there says nothing about this stream"
                )
            # It has no time: ours, on the venue's clock as far as it is known, stands in until the first update.
            return snapshot._replace(time_ms=self._time.now_ms())

        return BinanceBook(
            symbol=symbol,
            venue_symbol=listing.venue_symbol,
            base=self._stream_base(STREAM_BASES),
            options=self._stream_options(),
            fetch=_fetch,
        )

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """The latest public trades, oldest first; fills of one taker order at one price are one trade.

        Args:
            symbol: FMZ's symbol.
            limit: How many, at most 1000 (more is taken for that); None for Binance's default, 500.

        Raises:
            UnknownSymbol: Binance does not list it.
            OperationFailed: They could not be fetched or read.
        """
        listing = self._symbols.of(symbol)
        params = {"symbol": listing.venue_symbol, "limit": checked_limit(limit, 500, _MOST_TRADES)}

        def _read(payload: Any) -> list[Trade]:
            return sorted(map(read_trade, rows(payload, "the reply")), key=lambda trade: trade["Time"])

        return self._get("/api/v3/aggTrades", params, _read, weight=4)

    def periods_s(self) -> tuple[int, ...]:
        """The bar lengths, in seconds, that Binance serves, ascending."""
        return tuple(_INTERVALS)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """Bars, oldest first, the last one still forming.

        Args:
            symbol: FMZ's symbol.
            period_s: One of ``periods_s()``.
            limit: How many; above 1000 they are fetched in several requests; None for one full request.

        Raises:
            InputError: The period or the limit is not valid.
            UnknownSymbol: Binance does not list the symbol.
            OperationFailed: They could not be fetched or read.
        """
        if period_s not in _INTERVALS:
            raise InputError(f"Binance has no bars of {period_s!r} s; valid: {', '.join(map(str, _INTERVALS))}")
        listing = self._symbols.of(symbol)
        wanted = checked_limit(limit, _MOST_BARS, 10**9)
        by_time: dict[int, Record] = {}
        params = {"symbol": listing.venue_symbol, "interval": _INTERVALS[period_s]}
        end: dict[str, object] = {}
        while len(by_time) < wanted:
            count = min(wanted - len(by_time), _MOST_BARS)
            asked = {**params, "limit": count, **end}
            page = self._get("/api/v3/klines", asked, read_bars, weight=2)
            fresh = [bar for bar in page if bar["Time"] not in by_time]
            by_time.update((bar["Time"], bar) for bar in fresh)
            if not fresh or len(page) < count:
                break  # the venue has no older ones
            end["endTime"] = min(by_time) - 1
        return newest_bars(by_time, wanted)

    # -- account ---------------------------------------------------------------------------------------------------------------------

    def account(self, symbol: str) -> Account:
        """Free and frozen quote and base currency of the symbol's pair.

        Raises:
            MissingCredentials: There are no keys.
            UnknownSymbol: Binance does not list it.
            OperationFailed: It could not be fetched or read.
            VenueRejected: The keys were refused.
        """
        listing = self._symbols.of(symbol)

        def _read(payload: Any) -> Account:
            return pair_account(read_holdings(payload), listing.base, listing.quote, info(payload))

        return self._get_signed("/api/v3/account", {"omitZeroBalances": True}, _read, weight=20)

    def assets(self) -> list[Asset]:
        """All holdings that are not zero.

        Raises:
            MissingCredentials: There are no keys.
            OperationFailed: They could not be fetched or read.
            VenueRejected: The keys were refused.
        """

        def _read(payload: Any) -> list[Asset]:
            return not_empty(read_holdings(payload))

        return self._get_signed("/api/v3/account", {"omitZeroBalances": True}, _read, weight=20)

    # -- orders ----------------------------------------------------------------------------------------------------------------------

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once and returns its id (``"BTCUSDT,12345"``).

        ``GTX`` becomes LIMIT_MAKER; a market buy spends ``intent.amount`` of quote currency. ``intent.options`` are sent as they are
        and go before what was made of the intent.

        Raises:
            OutcomeUnknown: It was sent and no reply says what became of it.
            InputError: The side is for contracts, or the client order id is not one that Binance takes; nothing was sent.
            UnknownName: Binance has no option of that name; nothing was sent.
            MissingCredentials: There are no keys; nothing was sent.
            ConnectFailed: Nothing was sent.
            RateLimited: It was refused for that.
            ClockSkew: Its time stamp was refused; the clock has been measured since.
            VenueRejected: It was refused.
        """
        listing = self._symbols.of(intent.symbol)
        params = {"selfTradePreventionMode": self._self_trade_prevention, **_order_params(intent, listing.venue_symbol)}
        client_order_id = str(params.get("newClientOrderId") or "")
        ask = Ask(method="POST", path="/api/v3/order", params=params, signed=True, door="orders", patient=False)

        def _read(payload: Any) -> str:
            return f"{listing.venue_symbol},{integer(mapping(payload, 'the reply'), 'orderId')}"

        return self._send_once(ask, _read, client_order_id)

    def cancel(self, order_id: str) -> None:
        """Cancels an order. When no reply comes, the error of the network is raised; asking for it again does no harm.

        Raises:
            InputError: The id is not of our form.
            OrderNotFound: Binance has no such open order: it is filled, cancelled or was never there.
            OperationFailed: It could not be asked, or its reply could not be read.
            VenueRejected: It was refused.
        """
        venue_symbol, number = split_order_id(order_id)
        params = {"symbol": venue_symbol, "orderId": number}
        ask = Ask(method="DELETE", path="/api/v3/order", params=params, signed=True, patient=False)
        # Of an order that belongs to a list (OCO), the list is answered, which has another shape.
        self._call(ask, lambda payload: mapping(payload, "the reply"))

    def order(self, order_id: str) -> Order:
        """One order by its id.

        Raises:
            InputError: The id is not of our form.
            OrderNotFound: Binance has no such order.
            OperationFailed: It could not be fetched or read.
            VenueRejected: It was refused.
        """
        venue_symbol, number = split_order_id(order_id)
        listing = self._symbols.of_venue(venue_symbol)
        return self._one_order(listing, {"symbol": venue_symbol, "orderId": number})

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order by the client order id that it was placed with.

        Raises:
            OrderNotFound: Binance has none.
            UnknownSymbol: Binance does not list the symbol.
            OperationFailed: It could not be fetched or read.
            VenueRejected: It was refused.
        """
        listing = self._symbols.of(symbol)
        return self._one_order(listing, {"symbol": listing.venue_symbol, "origClientOrderId": client_order_id})

    def _one_order(self, listing: Listing, params: dict[str, object]) -> Order:
        ask = Ask(method="GET", path="/api/v3/order", params=params, signed=True, weight=4, patient=False)
        return self._call(ask, lambda payload: read_order(payload, listing.symbol))

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first.

        Args:
            symbol: FMZ's symbol; None for all.

        Raises:
            UnknownSymbol: Binance does not list the symbol.
            OperationFailed: They could not be fetched or read.
            VenueRejected: It was refused.
        """
        if symbol is not None:
            listing = self._symbols.of(symbol)
            params = {"symbol": listing.venue_symbol}
            return in_order(self._get_signed("/api/v3/openOrders", params, _orders_of(listing.symbol), weight=6))
        listings = self._symbols.by_venue()
        everything: list[Order] = self._get_signed("/api/v3/openOrders", {}, _orders_of(""), weight=80)
        put_symbols(everything, listings)
        return in_order(everything)

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Orders of one symbol, open and ended ones, oldest first.

        Args:
            symbol: FMZ's symbol.
            since_ms: From when on, in ms since the epoch; 0 for the newest orders.
            limit: How many at the most, counted from ``since_ms``; 0 for one request of Binance's own length (500). Without
                ``since_ms`` no more than the newest 1000 can be had.

        Raises:
            InputError: A number is negative.
            UnknownSymbol: Binance does not list the symbol.
            OperationFailed: They could not be fetched or read.
            VenueRejected: It was refused.
        """
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {since_ms!r} and {limit!r}")
        listing = self._symbols.of(symbol)
        wanted = limit or 500
        params = {"symbol": listing.venue_symbol, "limit": min(wanted, _MOST_ORDERS)}
        if since_ms:
            params["startTime"] = since_ms
        found: dict[str, Order] = {}
        while True:
            page: list[Order] = self._get_signed("/api/v3/allOrders", params, _orders_of(listing.symbol), weight=20)
            fresh = {order["Id"]: order for order in page if order["Id"] not in found}
            found.update(fresh)
            if not since_ms or len(found) >= wanted or len(page) < _MOST_ORDERS or not fresh:
                break
            last = max(int(split_order_id(one)[1]) for one in fresh)
            params = {"symbol": listing.venue_symbol, "orderId": last + 1, "limit": _MOST_ORDERS}
        oldest_first = in_order(found.values(), since_ms)
        return oldest_first[:wanted] if since_ms else oldest_first[-wanted:]

    # -- anything else ---------------------------------------------------------------------------------------------------------------

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A call to any path of Binance; signed unless the path is one of the public ones.

        Args:
            http_method: GET, POST, PUT or DELETE.
            resource: A path, or a full URL, whose host then takes the place of the base (keys and signature go there too).
            params: URL-encoded; single quotes around a value are taken off.
            raw: A literal body; the parameters then go into the query string.

        Raises:
            InputError: The method is not one of these.
            MissingCredentials: It must be signed and there are no keys.
            OutcomeUnknown: Something other than a GET was sent, and no reply says what became of it.
            OperationFailed: It did not happen, or its reply could not be read.
            VenueRejected: It was refused.
        """
        method = self._checked_method(http_method)
        path, _, query = str(resource).partition("?")
        pairs: dict[str, object] = {}
        pairs.update(parse_params(query))
        pairs.update(parse_params(params))
        pairs.pop("signature", None)
        signed = not _PUBLIC.fullmatch(urlsplit(path).path if "://" in path else "/" + path.lstrip("/"))
        ask = Ask(method=method, path=path, params=pairs, raw=raw, signed=signed, patient=method == "GET")
        if ask.safe:
            return self._call(ask, info)
        return self._send_once(ask, info, str(pairs.get("newClientOrderId", "")))


def _orders_of(symbol: str) -> Callable[[Any], list[Order]]:
    return lambda payload: [read_order(raw, symbol) for raw in rows(payload, "the reply")]


def _order_params(intent: OrderIntent, venue_symbol: str) -> dict[str, object]:
    side = spot_side(intent)
    check_options(intent.options, _OPTIONS, "Binance")
    params: dict[str, object] = {"symbol": venue_symbol, "side": side.upper()}
    if intent.price is None:
        params["type"] = "MARKET"
        params["quoteOrderQty" if side == "buy" else "quantity"] = plain_text(intent.amount)
    else:
        maker = intent.time_in_force == "GTX"
        params["type"] = "LIMIT_MAKER" if maker else "LIMIT"
        if not maker:
            params["timeInForce"] = intent.time_in_force
        params["quantity"] = plain_text(intent.amount)
        params["price"] = plain_text(intent.price)
    if intent.client_order_id:
        params["newClientOrderId"] = intent.client_order_id
    params["newOrderRespType"] = "ACK"
    params.update(intent.options)
    _drop_what_the_type_forbids(params, intent)
    client_order_id = params.get("newClientOrderId")
    if client_order_id is not None and not _CLIENT_ID.fullmatch(str(client_order_id)):
        raise InputError(
            f"Binance takes client order ids of 1 to 36 letters, digits, '-' and '_', got {client_order_id!r}"
        )
    return params


def _drop_what_the_type_forbids(params: dict[str, object], intent: OrderIntent) -> None:
    """A type given as an option may forbid what was made of the intent; Binance refuses a parameter that the type does not take."""
    if "type" not in intent.options:
        return
    kind = str(params["type"]).upper()
    takes_price = "LIMIT" in kind
    forbidden = {"timeInForce": not takes_price or kind == "LIMIT_MAKER", "price": not takes_price}
    for name, drop in forbidden.items():
        if drop and name not in intent.options:
            params.pop(name, None)
