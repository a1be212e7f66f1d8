"""OKX spot, after OKX's v5 API reference.

The venue's clock is measured before the first signed call and every five minutes of reading after that (``server_time.py``). OKX limits
each endpoint by itself and its replies do not say how much is used, so that the calls of the last two seconds are counted here
(``weights.py``): a read or a cancel waits for its turn, an order beyond the limit is refused. Orders are sent once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...errors import InputError
from ...exchange.market_rules import plain_text
from ...exchange.signing import parse_params, parse_typed_params
from ...exchange.venue import OrderIntent
from ...structures import Account, Asset, Depth, Order, Record, Records, Ticker, Trade, info
from ..rest.channel import Ask, checked_limit
from ..rest.convert import check_options, in_order, newest_bars, not_empty, pair_account, spot_side
from ..rest.parsing import first, mapping, text
from ..rest.symbols import Listing, put_symbols, split_order_id
from .replies import data_of, read_bars, read_book, read_holdings, read_order, read_ticker, read_trade
from .rest import OKXRest
from .streams import DEMO_STREAM_BASES, STREAM_BASES, OKXBook

__all__ = ["OKX"]

# From six hours up OKX's plain names are aligned to UTC+8; FMZ's bars are aligned to UTC.
_BARS = {
    60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1H", 7200: "2H", 14400: "4H", 21600: "6Hutc", 43200: "12Hutc",
    86400: "1Dutc", 172800: "2Dutc", 259200: "3Dutc", 604800: "1Wutc",
}  # fmt: skip

_ORDER_TYPES = {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "GTX": "post_only"}

_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")

# What OKX's page on placing an order knows. It ignores anything else, so that a slip would make another order than was meant.
_OPTIONS = frozenset({
    "tdMode", "ccy", "clOrdId", "tag", "posSide", "ordType", "sz", "px", "pxUsd", "pxVol", "reduceOnly", "tgtCcy", "stpMode",
    "banAmend", "pxAmendType", "slippagePct", "tradeQuoteCcy", "rpiTakerAccess", "rpiPxRound", "isElpTakerAccess", "attachAlgoOrds",
    "speedBump", "outcome",
})  # fmt: skip

_PUBLIC = re.compile(r"/api/v5/(market|public|system|rubik)/.*")

_DEEP = 400  # above this, only market/books-full has enough levels
_MOST_BARS = 300
_RECENT_BARS = 1440  # what market/candles holds; market/history-candles goes on from there
_MOST_TRADES = 500
_MOST_LEVELS = 5000
_PAGE = 100
_WEEK_MS = 7 * 86_400_000


class OKX(OKXRest):
    """OKX spot.

    Args:
        credentials: Key, secret and passphrase; None for public calls only.
        base: The REST base, such as ``https://eea.okx.com``; empty for ``https://openapi.okx.com``.
        clock: What tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
        simulated: Whether calls go to OKX's demo trading (header ``x-simulated-trading: 1``).
        trade_mode: ``tdMode`` of orders: ``cash`` in the spot and futures account modes, ``cross`` in the others.
        order_lifetime_ms: An order that is held up for longer than this on its way is refused by OKX itself (header ``expTime``), so
            that after this time a lost order cannot appear any more; 1 to 60000.
        stream_base: The base of the streams, such as ``wss://wseea.okx.com``; empty for the one that belongs to ``base``.

    Raises:
        InputError: An argument is not valid.
    """

    # -- market data -----------------------------------------------------------------------------------------------------------------

    def ticker(self, symbol: str) -> Ticker:
        """The last price, best bid and ask, and 24 h statistics of one symbol.

        Raises:
            UnknownSymbol: OKX does not list it.
            OperationFailed: It could not be fetched or read.
        """
        listing = self._symbols.of(symbol)

        def _read(payload: Any) -> Ticker:
            return read_ticker(_first(payload), symbol)

        return self._public("market/ticker", {"instId": listing.venue_symbol}, _read, limit=20)

    def tickers(self) -> list[Ticker]:
        """The same of all spot symbols that are listed.

        Raises:
            OperationFailed: They could not be fetched or read.
        """
        listings = self._symbols.by_venue()

        def _read(payload: Any) -> list[Ticker]:
            found = []
            for raw in data_of(payload):
                listing = listings.get(text(mapping(raw, "a ticker"), "instId"))
                # A symbol that has not traded yet has no last price.
                if listing is not None and raw.get("last") != "":
                    found.append(read_ticker(raw, listing.symbol))
            return found

        return self._public("market/tickers", {"instType": "SPOT"}, _read, limit=20)

    def depth(self, symbol: str, limit: int | None = None) -> Depth:
        """The order book.

        Args:
            symbol: FMZ's symbol.
            limit: Levels a side, at most 5000 (more is taken for that); above 400 the book comes from an endpoint that is refreshed
                once a second instead of every 50 ms. None for 100: OKX's own default is 1.

        Raises:
            UnknownSymbol: OKX does not list it.
            OperationFailed: It could not be fetched or read.
        """
        listing = self._symbols.of(symbol)
        levels_a_side = checked_limit(limit, 100, _MOST_LEVELS)
        params = {"instId": listing.venue_symbol, "sz": levels_a_side}
        deep = levels_a_side > _DEEP
        endpoint, per_window = ("market/books-full", 10) if deep else ("market/books", 40)
        return self._public(endpoint, params, read_book, limit=per_window)

    def book_source(self, symbol: str) -> OKXBook:
        """Where a live order book of the symbol comes from: the channel ``books``, 400 levels a side.

        Raises:
            UnknownSymbol: OKX does not list it.
            NotSupported: The base in use has no known streams.
            OperationFailed: The symbols could not be fetched.
        """
        return OKXBook(
            symbol=symbol,
            venue_symbol=self._symbols.of(symbol).venue_symbol,
            base=self._stream_base(DEMO_STREAM_BASES if self._simulated else STREAM_BASES),
            options=self._stream_options(),
        )

    def trades(self, symbol: str, limit: int | None = None) -> list[Trade]:
        """The latest public trades, oldest first.

        Args:
            symbol: FMZ's symbol.
            limit: How many, at most 500 (more is taken for that); None for OKX's default, 100.

        Raises:
            UnknownSymbol: OKX does not list it.
            OperationFailed: They could not be fetched or read.
        """
        listing = self._symbols.of(symbol)
        params = {"instId": listing.venue_symbol, "limit": checked_limit(limit, 100, _MOST_TRADES)}

        def _read(payload: Any) -> list[Trade]:
            # Newest first; turned round before the (stable) sort, so that trades of one millisecond keep their order.
            return sorted(map(read_trade, reversed(data_of(payload))), key=lambda trade: trade["Time"])

        return self._public("market/trades", params, _read, limit=100)

    def periods_s(self) -> tuple[int, ...]:
        """The bar lengths, in seconds, that OKX serves, ascending."""
        return tuple(_BARS)

    def records(self, symbol: str, period_s: int, limit: int | None = None) -> Records:
        """Bars, oldest first, the last one still forming; all are aligned to UTC.

        Args:
            symbol: FMZ's symbol.
            period_s: One of ``periods_s()``.
            limit: How many; above 300 they are fetched in several requests; None for one full request.

        Raises:
            InputError: The period or the limit is not valid.
            UnknownSymbol: OKX does not list the symbol.
            OperationFailed: They could not be fetched or read.
        """
        if period_s not in _BARS:
            raise InputError(f"OKX has no bars of {period_s!r} s; valid: {', '.join(map(str, _BARS))}")
        listing = self._symbols.of(symbol)
        wanted = checked_limit(limit, _MOST_BARS, 10**9)
        by_time: dict[int, Record] = {}
        params: dict[str, object] = {"instId": listing.venue_symbol, "bar": _BARS[period_s]}
        while len(by_time) < wanted:
            recent = len(by_time) + _MOST_BARS <= _RECENT_BARS
            endpoint, per_window = ("market/candles", 40) if recent else ("market/history-candles", 20)
            asked = {**params, "limit": min(wanted - len(by_time), _MOST_BARS)}
            page: list[Record] = self._public(endpoint, asked, read_bars, limit=per_window)
            fresh = [bar for bar in page if bar["Time"] not in by_time]
            by_time.update((bar["Time"], bar) for bar in fresh)
            if not fresh:
                break  # the venue has no older ones
            params["after"] = min(by_time)
        return newest_bars(by_time, wanted)

    # -- account ---------------------------------------------------------------------------------------------------------------------

    def account(self, symbol: str) -> Account:
        """Free and frozen quote and base currency of the symbol's pair.

        Raises:
            MissingCredentials: There are no keys.
            UnknownSymbol: OKX does not list it.
            OperationFailed: It could not be fetched or read.
            VenueRejected: The keys were refused.
        """
        listing = self._symbols.of(symbol)

        def _read(payload: Any) -> Account:
            return pair_account(read_holdings(payload), listing.base, listing.quote, info(payload))

        params = {"ccy": f"{listing.base},{listing.quote}"}
        return self._private("account/balance", params, _read, limit=10)

    def assets(self) -> list[Asset]:
        """All holdings that are not zero.

        Raises:
            MissingCredentials: There are no keys.
            OperationFailed: They could not be fetched or read.
            VenueRejected: The keys were refused.
        """

        def _read(payload: Any) -> list[Asset]:
            return not_empty(read_holdings(payload))

        return self._private("account/balance", {}, _read, limit=10)

    # -- orders ----------------------------------------------------------------------------------------------------------------------

    def place(self, intent: OrderIntent) -> str:
        """Sends an order once and returns its id (``"BTC-USDT,12345"``).

        ``GTX`` becomes post_only, which OKX accepts and then cancels by itself when it would trade at once. A market buy spends
        ``intent.amount`` of quote currency. ``intent.options`` go before what was made of the intent; one that begins with ``[`` or
        ``{`` is sent as JSON.

        Raises:
            OutcomeUnknown: It was sent and no reply says what became of it.
            InputError: The side is for contracts, or the client order id is not one that OKX takes; nothing was sent.
            UnknownName: OKX has no option of that name; nothing was sent.
            MissingCredentials: A key is missing; nothing was sent.
            ConnectFailed: Nothing was sent.
            RateLimited: It was refused for that, by OKX or (nothing was sent) by our own count.
            ClockSkew: Its time stamp was refused; the clock has been measured since.
            VenueRejected: It was refused.
        """
        listing = self._symbols.of(intent.symbol)
        params = self._order_params(intent, listing.venue_symbol)
        client_order_id = str(params.get("clOrdId") or "")
        ask = self._order_ask("trade/order", params, patient=False)

        def _read(payload: Any) -> str:
            return f"{listing.venue_symbol},{text(_first(payload), 'ordId')}"

        return self._send_once(ask, _read, client_order_id)

    def _order_ask(self, endpoint: str, params: dict[str, object], *, patient: bool) -> Ask:
        door = f"{endpoint}:{params['instId']}"
        return Ask(
            method="POST", path=f"/api/v5/{endpoint}", params=params, signed=True, door=door, limit=60, patient=patient
        )

    def _order_params(self, intent: OrderIntent, venue_symbol: str) -> dict[str, object]:
        side = spot_side(intent)
        check_options(intent.options, _OPTIONS, self.name)
        params: dict[str, object] = {"instId": venue_symbol, "tdMode": self._trade_mode, "side": side}
        if intent.price is None:
            params["ordType"] = "market"
            params["tgtCcy"] = "quote_ccy" if side == "buy" else "base_ccy"
        else:
            params["ordType"] = _ORDER_TYPES[intent.time_in_force]
            params["px"] = plain_text(intent.price)
        params["sz"] = plain_text(intent.amount)
        if intent.client_order_id:
            params["clOrdId"] = intent.client_order_id
        params.update((name, _option(name, value)) for name, value in intent.options.items())
        client_order_id = params.get("clOrdId")
        if client_order_id is not None and not _CLIENT_ID.fullmatch(str(client_order_id)):
            raise InputError(f"OKX takes client order ids of 1 to 32 letters and digits, got {client_order_id!r}")
        return params

    def cancel(self, order_id: str) -> None:
        """Cancels an order. When no reply comes, the error of the network is raised; asking for it again does no harm.

        OKX answers when it has taken the request; the order shows whether it was carried out.

        Raises:
            InputError: The id is not of our form.
            OrderNotFound: The order is filled, cancelled or was never there.
            OperationFailed: It could not be asked, or its reply could not be read.
            VenueRejected: It was refused.
        """
        venue_symbol, number = split_order_id(order_id)
        ask = self._order_ask("trade/cancel-order", {"instId": venue_symbol, "ordId": number}, patient=True)
        self._call(ask, lambda payload: text(_first(payload), "ordId"))

    def order(self, order_id: str) -> Order:
        """One order by its id.

        Raises:
            InputError: The id is not of our form.
            OrderNotFound: OKX has no such order.
            OperationFailed: It could not be fetched or read.
            VenueRejected: It was refused.
        """
        venue_symbol, number = split_order_id(order_id)
        return self._one_order(self._symbols.of_venue(venue_symbol), {"instId": venue_symbol, "ordId": number})

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order:
        """One order by the client order id that it was placed with.

        Raises:
            OrderNotFound: OKX has none.
            UnknownSymbol: OKX does not list the symbol.
            OperationFailed: It could not be fetched or read.
            VenueRejected: It was refused.
        """
        listing = self._symbols.of(symbol)
        return self._one_order(listing, {"instId": listing.venue_symbol, "clOrdId": client_order_id})

    def _one_order(self, listing: Listing, params: dict[str, object]) -> Order:
        ask = Ask(
            method="GET",
            path="/api/v5/trade/order",
            params=params,
            signed=True,
            door=f"GET trade/order:{listing.venue_symbol}",
            limit=60,
        )
        return self._call(ask, lambda payload: read_order(_first(payload), listing.symbol))

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first.

        Args:
            symbol: FMZ's symbol; None for all spot symbols.

        Raises:
            UnknownSymbol: OKX does not list the symbol.
            OperationFailed: They could not be fetched or read.
            VenueRejected: It was refused.
        """
        listing = self._symbols.of(symbol) if symbol is not None else None
        params: dict[str, object] = {"instType": "SPOT"}
        if listing is not None:
            params["instId"] = listing.venue_symbol
        found = list(self._order_pages("trade/orders-pending", params, limit=60))
        put_symbols(found, self._symbols.by_venue())
        return in_order(found)

    def history_orders(self, symbol: str, since_ms: int = 0, limit: int = 0) -> list[Order]:
        """Orders of one symbol, open and ended ones, oldest first.

        OKX forgets orders that were cancelled without a fill after two hours.

        Args:
            symbol: FMZ's symbol.
            since_ms: From when on, in ms since the epoch, at most three months back; 0 for the newest of the last seven days.
            limit: How many at the most, counted from ``since_ms``; 0 for one request of OKX's own length (100) without ``since_ms``,
                and for all with it.

        Raises:
            InputError: A number is negative.
            UnknownSymbol: OKX does not list the symbol.
            OperationFailed: They could not be fetched or read.
            VenueRejected: It was refused.
        """
        if since_ms < 0 or limit < 0:
            raise InputError(f"since and limit must be 0 or more, got {since_ms!r} and {limit!r}")
        listing = self._symbols.of(symbol)
        params: dict[str, object] = {"instType": "SPOT", "instId": listing.venue_symbol}
        old = since_ms and since_ms < self._time.now_ms() - _WEEK_MS
        endpoint, per_window = ("trade/orders-history-archive", 20) if old else ("trade/orders-history", 40)
        wanted = limit or _PAGE
        # Open ones first: an order that ends between the two questions is in both answers rather than in none, and the later one counts.
        found = {order["Id"]: order for order in self._order_pages("trade/orders-pending", params, limit=60)}
        if since_ms:
            # OKX gives the newest first, FMZ counts from since_ms on: everything back to there has to be fetched.
            ended = self._order_pages(endpoint, {**params, "begin": since_ms}, limit=per_window)
        else:
            ended = self._order_pages(endpoint, params, limit=per_window, most=wanted)
        found.update((order["Id"], order) for order in ended)
        oldest_first = in_order(found.values(), since_ms)
        return _named(oldest_first[: limit or None] if since_ms else oldest_first[-wanted:], listing)

    def _order_pages(
        self, endpoint: str, params: Mapping[str, object], *, limit: int, most: int | None = None
    ) -> Iterator[Order]:
        """Orders page by page, newest first, each once."""
        seen: set[str] = set()
        asked = dict(params)
        while True:
            page: list[Order] = self._private(endpoint, {**asked, "limit": _PAGE}, _read_orders, limit=limit)
            fresh = [order for order in page if order["Id"] not in seen]
            yield from fresh
            seen.update(order["Id"] for order in fresh)
            if len(page) < _PAGE or not fresh or (most is not None and len(seen) >= most):
                return
            asked["after"] = split_order_id(page[-1]["Id"])[1]

    # -- anything else ---------------------------------------------------------------------------------------------------------------

    def request(self, http_method: str, resource: str, params: str = "", raw: str = "") -> Any:
        """A call to any path of OKX; signed unless the path is a public one. The whole envelope is returned.

        Args:
            http_method: GET, POST, PUT or DELETE.
            resource: A path, or a full URL, whose host then takes the place of the base (keys and signature go there too).
            params: URL-encoded. Of a GET they go into the query string; of anything else into a JSON body, where a value in single
                quotes is text and others are numbers or booleans if they look so.
            raw: A literal body; the parameters then go into the query string.

        Raises:
            InputError: The method is not one of these.
            MissingCredentials: It must be signed and a key is missing.
            OutcomeUnknown: Something other than a GET was sent, and no reply says what became of it.
            OperationFailed: It did not happen, or its reply could not be read.
            VenueRejected: It was refused (also when every item of a batch was; a batch that went through in part is returned).
        """
        method = self._checked_method(http_method)
        path, _, query = str(resource).partition("?")
        values: dict[str, object] = {}
        if method == "GET" or raw:
            values.update(parse_params(query))
            values.update(parse_params(params))
        else:
            values.update(parse_typed_params(query))
            values.update(parse_typed_params(params))
        bare = urlsplit(path).path if "://" in path else "/" + path.lstrip("/")
        ask = Ask(method=method, path=path, params=values, raw=raw, signed=not _PUBLIC.fullmatch(bare), door=bare)
        if ask.safe:
            return self._call(ask, info)
        return self._send_once(ask, info, str(values.get("clOrdId", "")))


def _first(payload: Any) -> dict[str, Any]:
    return first(data_of(payload), "the field 'data'")


def _read_orders(payload: Any) -> list[Order]:
    return [read_order(raw) for raw in data_of(payload)]


def _named(orders: list[Order], listing: Listing) -> list[Order]:
    for order in orders:
        order["Symbol"] = listing.symbol
    return orders


def _option(name: str, value: str) -> object:
    if value[:1] not in {"[", "{"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise InputError(f"the option {name} begins like JSON but is none: {value[:80]!r}") from None
