"""OKX's requests and the limits of its endpoints, after its v5 API reference.

OKX limits each endpoint separately, per two seconds; orders are counted per instrument.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import attrs

from ...errors import InputError, UnknownName, UnknownSymbol, nearest, short_repr
from ...exchange.keys.signing import parse_params, parse_typed_params
from ...exchange.market_rules import MarketRules, plain_text
from ...exchange.venue import OrderFill, OrderIntent
from ...structures import Depth, Order, Record, Ticker, Trade, info
from ..rest.ask import Ask, Page, Pages, Params, VenueQuery, checked_limit, public_path
from ..rest.convert import bars_of, check_options, side_refused, spot_name
from ..rest.dialect import AccountBalances, Listing, OrderHistory, OrderQuery
from ..rest.order_calls import OrderCalls
from ..rest.parsing import first, rows, text
from ..rest.rows import OddRows
from .limits import raw_door
from .protocol import PLACE_PATH, data_of
from .replies import (
    is_listed,
    read_asset,
    read_book,
    read_fill,
    read_listing,
    read_order,
    read_rules,
    read_ticker,
    read_trade,
)

__all__ = [
    "LISTINGS",
    "OPEN_ORDERS",
    "ORDER_OPTIONS",
    "SPOT",
    "TICKERS",
    "OKXCalls",
    "OKXProduct",
    "check_client_id",
    "endpoint",
    "option_value",
    "order_number",
    "single",
]


def endpoint(name: str, limit: int, **more: Any) -> Ask:
    """An endpoint by its path after ``/api/v5/``, and how many calls it allows in two seconds."""
    return Ask(path=f"/api/v5/{name}", door=name, limit=limit, **more)


_COUNTDOWN = endpoint("trade/cancel-all-after", 2, method="POST", signed=True)
_COUNTDOWN_S = (10, 120)


def countdown(name: str, timeout_s: float) -> Ask:
    """``trade/cancel-all-after``, which cancels the orders of the whole account.

    Args:
        name: The venue, for the message.
        timeout_s: 10 to 120 s, rounded up to whole ones; 0 ends the countdown.

    Raises:
        InputError: OKX takes no such time.
    """
    seconds, (least, most) = math.ceil(timeout_s), _COUNTDOWN_S
    if seconds != 0 and not least <= seconds <= most:
        raise InputError(
            f"{name}'s dead-man switch takes {least} to {most} s (or 0 to end it), got {timeout_s:g}; nothing was sent"
        )
    return _COUNTDOWN.of(("timeOut", str(seconds)))


@attrs.frozen(kw_only=True)
class OKXProduct:
    """What differs between the products of OKX, whose endpoints are the same.

    Attributes:
        instrument_type: ``instType``.
        account_orders: The most new and changed orders of an account in two seconds, on all instruments; 0 where they are exempt.
    """

    instrument_type: str
    account_orders: int = 1000


SPOT = OKXProduct(instrument_type="SPOT", account_orders=0)
"""OKX spot."""

LISTINGS = endpoint("public/instruments", 20)
_TICKER = endpoint("market/ticker", 20, market=True)
TICKERS = endpoint("market/tickers", 20, market=True)
_BOOK = endpoint("market/books", 40, market=True)
_DEEP_BOOK = endpoint("market/books-full", 10, market=True)  # refreshed once a second instead of every 50 ms
_TRADES = endpoint("market/trades", 100, market=True)
_RECENT_BARS = endpoint("market/candles", 40, market=True)
_OLDER_BARS = endpoint("market/history-candles", 20, market=True)
_BALANCE = endpoint("account/balance", 10, signed=True)
_PLACE = Ask(path=PLACE_PATH, method="POST", signed=True, door="trade/order", limit=60, patient=False)
_CANCEL = endpoint("trade/cancel-order", 60, method="POST", signed=True)
_ORDER = Ask(path="/api/v5/trade/order", signed=True, door="GET trade/order", limit=60)
OPEN_ORDERS = endpoint("trade/orders-pending", 60, signed=True)
_WEEK_ORDERS = endpoint("trade/orders-history", 40, signed=True)
_ARCHIVE_ORDERS = endpoint("trade/orders-history-archive", 20, signed=True)
_FILLS = endpoint("trade/fills", 60, signed=True)  # of three days
_OLD_FILLS = endpoint("trade/fills-history", 10, signed=True)  # of three months

# From six hours upwards OKX's plain names are aligned to UTC+8; FMZ's bars are aligned to UTC.
_BARS = {
    60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1H", 7200: "2H", 14400: "4H", 21600: "6Hutc", 43200: "12Hutc",
    86400: "1Dutc", 172800: "2Dutc", 259200: "3Dutc", 604800: "1Wutc",
}  # fmt: skip

_ORDER_TYPES = {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "GTX": "post_only"}

_SIDES = frozenset({"buy", "sell"})

_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")

# The parameters on OKX's page on placing an order. It ignores anything else, so a misspelt option would place an unintended order.
ORDER_OPTIONS = frozenset({
    "tdMode", "ccy", "clOrdId", "tag", "posSide", "ordType", "sz", "px", "pxUsd", "pxVol", "reduceOnly", "tgtCcy", "stpMode",
    "banAmend", "pxAmendType", "slippagePct", "tradeQuoteCcy", "rpiTakerAccess", "rpiPxRound", "isElpTakerAccess", "attachAlgoOrds",
    "speedBump", "outcome",
})  # fmt: skip

_ORDER_CALLS = OrderCalls(
    r"/api/v5/trade/(order|batch-orders|order-algo|close-position|easy-convert|one-click-repay(-v2)?)",
    r"/api/v5/sprd/order",
    r"/api/v5/rfq/execute-quote",
    r"/api/v5/asset/convert/trade",
    r"/api/v5/copytrading/(algo-order|close-subposition)",
    r"/api/v5/tradingBot/(grid|recurring|signal|dca)/(order-algo|copy-order-algo|close-position|sub-order|orders/manual-buy)",
)

_TRADE_MODES = ("cash", "cross", "isolated", "spot_isolated")

_PUBLIC = re.compile(r"/api/v5/(market|public|system|rubik)/.*")

# The paths whose reply repeats the ids of the one order that the request names, on OKX's pages of these names.
_ABOUT_ONE_ORDER = frozenset({PLACE_PATH, "/api/v5/trade/cancel-order", "/api/v5/trade/amend-order"})

_MOST_LEVELS = 5000
_DEEP = 400  # above this, only market/books-full has enough levels
_PAGE_OF_BARS = 300
_MOST_RECENT_BARS = 1440  # the depth of market/candles; market/history-candles has the older ones
_MOST_TRADES = 500
_PAGE_OF_ORDERS = 100
_WEEK_MS = 7 * 86_400_000
_TWO_DAYS_MS = 2 * 86_400_000


class OKXCalls:
    """OKX's requests and replies.

    Args:
        product: The product.
        odd: Collects the rows that cannot be read.
        trade_mode: ``tdMode`` of orders.

    Raises:
        UnknownName: There is no such mode.
    """

    periods: Mapping[int, str] = _BARS
    order_calls = _ORDER_CALLS
    client_id_field = "clOrdId"
    venue = "OKX"
    is_listed = staticmethod(is_listed)
    read_listing = staticmethod(read_listing)
    read_rules = staticmethod(read_rules)
    read_order = staticmethod(read_order)

    def __init__(self, product: OKXProduct, odd: OddRows, trade_mode: str) -> None:
        self.odd = odd
        self._type = ("instType", product.instrument_type)
        self.set_trade_mode(trade_mode)

    def set_trade_mode(self, mode: str) -> None:
        """Sets ``tdMode`` of further orders.

        Raises:
            UnknownName: There is no such mode.
        """
        if mode not in _TRADE_MODES:
            raise UnknownName(f"unknown trade_mode {short_repr(mode)}{nearest(mode, _TRADE_MODES)}")
        self._trade_mode = mode

    def _type_of(self, name: str | None) -> tuple[str, object]:
        """The parameter ``instType`` of an instrument; of the product when None."""
        return self._type

    # Symbols

    def name_of(self, symbol: str) -> str:
        """``BTC-USDT`` of ``BTC_USDT``."""
        return spot_name(symbol, "-", "OKX")

    def symbol_of(self, name: str) -> str | None:
        """``BTC_USDT`` of ``BTC-USDT``."""
        base, dash, quote = name.partition("-")
        return f"{base}_{quote}" if base and dash and quote and "-" not in quote else None

    def is_certain(self, symbol: str) -> bool:
        """Always, because the name keeps the separator."""
        return self.symbol_of(self.name_of(symbol)) == symbol

    def listings(self) -> VenueQuery[list[Listing]]:
        """``public/instruments`` of the product."""

        def _read(payload: Any) -> list[Listing]:
            live = [row for row in data_of(payload) if self.is_listed(row)]
            return self.odd.read(live, "an instrument", "instId", self.read_listing)

        return VenueQuery(LISTINGS.of(self._type_of(None)), _read)

    def listing(self, name: str) -> VenueQuery[Listing]:
        """``public/instruments`` of one instrument."""

        def _read(payload: Any) -> Listing:
            for row in data_of(payload):
                if isinstance(row, dict) and row.get("instId") == name and self.is_listed(row):
                    listing = self.read_listing(row)
                    self.read_rules(listing)  # strict: the rules of the requested symbol must be readable
                    return listing
            raise UnknownSymbol(f"{self.venue} has no instrument {short_repr(name)}")

        return VenueQuery(LISTINGS.of(self._type_of(name), ("instId", name)), _read)

    def rules(self, listing: Listing) -> MarketRules:
        """The rules from the instrument's row."""
        return self.read_rules(listing)

    # Market data

    def ticker(self, name: str, symbol: str) -> VenueQuery[Ticker]:
        """``market/ticker``."""
        return VenueQuery(_TICKER.of(("instId", name)), lambda payload: read_ticker(single(payload), symbol))

    def tickers(self, symbol_of: Callable[[str], str | None]) -> VenueQuery[list[Ticker]]:
        """``market/tickers``."""

        def _read(payload: Any) -> list[Ticker]:
            return self.odd.tickers(data_of(payload), "instId", symbol_of, read_ticker)

        return VenueQuery(TICKERS.of(self._type_of(None)), _read)

    def depth(self, name: str, limit: int | None) -> VenueQuery[Depth]:
        """``market/books``, above 400 levels a side ``market/books-full``; OKX's own default would be 1."""
        levels = checked_limit(limit, 100, _MOST_LEVELS)
        endpoint = _DEEP_BOOK if levels > _DEEP else _BOOK
        return VenueQuery(endpoint.of(("instId", name), ("sz", levels)), lambda payload: read_book(single(payload)))

    def trades(self, name: str, limit: int | None) -> VenueQuery[list[Trade]]:
        """``market/trades``."""
        count = checked_limit(limit, 100, _MOST_TRADES)

        def _read(payload: Any) -> list[Trade]:
            # Newest first; reversed before the (stable) sort, so that trades of one millisecond keep their order.
            return sorted(map(read_trade, reversed(data_of(payload))), key=lambda trade: trade["Time"])

        return VenueQuery(_TRADES.of(("instId", name), ("limit", count)), _read)

    def bars(self, name: str, period: str, limit: int | None) -> Pages[Record]:
        """``market/candles``, then ``market/history-candles``; they overlap in places, and a page may be short before the end."""
        wanted = checked_limit(limit, _PAGE_OF_BARS, 10**9)
        asked = (("instId", name), ("bar", period))

        def _ask(found: int, *end: tuple[str, object]) -> Ask:
            endpoint = _RECENT_BARS if found + _PAGE_OF_BARS <= _MOST_RECENT_BARS else _OLDER_BARS
            return endpoint.of(*asked, *end, ("limit", min(wanted - found, _PAGE_OF_BARS)))

        return Pages(
            first=_ask(0),
            read=lambda payload: bars_of(data_of(payload)),
            key=itemgetter("Time"),
            size=0,
            onward=lambda page, found: _ask(found, ("after", min(bar["Time"] for bar in page))),
            most=wanted,
        )

    # Account and orders

    def holdings(self, currencies: tuple[str, ...]) -> VenueQuery[AccountBalances]:
        """The details of ``account/balance``."""

        def _read(payload: Any) -> AccountBalances:
            raw = rows(single(payload).get("details"), "the field 'details'")
            found = self.odd.read(raw, "a balance", "ccy", read_asset, strict=currencies)
            return AccountBalances({asset["Currency"]: asset for asset in found}, info(payload))

        return VenueQuery(_BALANCE.of(("ccy", ",".join(currencies) or None)), _read)

    def place(self, intent: OrderIntent, name: str) -> OrderQuery:
        """``trade/order``; ``GTX`` becomes post_only, which OKX accepts and then cancels if it would trade immediately."""
        params = self._order_params(intent, name)
        client_order_id = str(params.get("clOrdId") or "")
        about = ("clOrdId", client_order_id) if client_order_id else None
        ask = attrs.evolve(_PLACE, params=tuple(params.items()), door=f"trade/order:{name}", about=about)
        return OrderQuery(ask, order_number, client_order_id)

    def _order_params(self, intent: OrderIntent, name: str) -> dict[str, object]:
        params = self._side_params(intent, name)
        if intent.price is None:
            params["ordType"] = "market"
        else:
            params["ordType"] = _ORDER_TYPES[intent.time_in_force]
            params["px"] = plain_text(intent.price)
        params["sz"] = plain_text(intent.amount)
        if intent.client_order_id:
            params["clOrdId"] = intent.client_order_id
        if intent.options:
            check_options(intent.options, ORDER_OPTIONS, self.venue)
            params.update((option, option_value(option, value)) for option, value in intent.options.items())
        check_client_id(params.get("clOrdId"))
        return params

    def _side_params(self, intent: OrderIntent, name: str) -> dict[str, object]:
        """What says which instrument, which side, and in which unit a market order's amount is."""
        if intent.side not in _SIDES:
            raise side_refused(intent)
        params: dict[str, object] = {"instId": name, "tdMode": self._trade_mode, "side": intent.side}
        if intent.price is None:
            params["tgtCcy"] = "quote_ccy" if intent.side == "buy" else "base_ccy"
        return params

    def cancel(self, name: str, number: str) -> VenueQuery[object]:
        """``trade/cancel-order``: OKX accepted the request; query the order to see the outcome."""
        by = ("ordId", number)
        return VenueQuery(_CANCEL.of(("instId", name), by, door=f"trade/cancel-order:{name}", about=by), order_number)

    def order(self, name: str, number: str) -> VenueQuery[Order]:
        """``trade/order`` by ``ordId``."""
        return self._one_order(name, ("ordId", number))

    def order_by_client_id(self, name: str, client_order_id: str) -> VenueQuery[Order]:
        """``trade/order`` by ``clOrdId``."""
        return self._one_order(name, ("clOrdId", client_order_id))

    def _one_order(self, name: str, by: tuple[str, str]) -> VenueQuery[Order]:
        ask = _ORDER.of(("instId", name), by, door=f"GET trade/order:{name}", about=by)
        return VenueQuery(ask, lambda payload: self.read_order(single(payload)))

    def _order_pages(self, endpoint: Ask, *asked: tuple[str, object], most: int | None = None) -> Pages[Order]:
        """Orders page by page, newest first."""
        size = ("limit", _PAGE_OF_ORDERS)

        def _read(payload: Any) -> Page[Order]:
            raw = data_of(payload)
            return Page(self.odd.read(raw, "an order", "ordId", self.read_order), len(raw))

        def _onward(page: list[Order], _found: int) -> Ask:
            return endpoint.of(*asked, size, ("after", page[-1]["Id"].rpartition(",")[2]))

        first_page = endpoint.of(*asked, size)
        return Pages(
            first=first_page, read=_read, key=itemgetter("Id"), size=_PAGE_OF_ORDERS, onward=_onward, most=most
        )

    def open_orders(self, name: str | None) -> Pages[Order]:
        """``trade/orders-pending``."""
        return self._order_pages(OPEN_ORDERS, self._type_of(name), *((("instId", name),) if name is not None else ()))

    def fills(self, name: str, number: str, made_ms: int, now_ms: int) -> Pages[OrderFill]:
        """``trade/fills`` of one order, newest first; ``trade/fills-history`` for one that is older than two days."""
        return self._fill_pages(now_ms - made_ms, self._type_of(name), ("instId", name), ("ordId", number))

    def _fill_pages(self, age_ms: int, *by: tuple[str, object]) -> Pages[OrderFill]:
        """Fills that are at most so old, newest first."""
        endpoint = _FILLS if age_ms < _TWO_DAYS_MS else _OLD_FILLS
        asked = (*by, ("limit", _PAGE_OF_ORDERS))

        def _read(payload: Any) -> Page[OrderFill]:
            raw = data_of(payload)
            return Page([read_fill(row) for row in raw], len(raw))

        def _onward(page: list[OrderFill], _found: int) -> Ask:
            return endpoint.of(*asked, ("after", _bill_of(page[-1])))

        return Pages(first=endpoint.of(*asked), read=_read, key=_bill_of, size=_PAGE_OF_ORDERS, onward=_onward)

    def past_orders(self, name: str, since_ms: int, limit: int, now_ms: int) -> OrderHistory:
        """Open orders, then ``trade/orders-history`` (a week) or its archive (three months).

        Open ones first: an order that ends between the two requests is then in both replies rather than in neither, and the later one counts.
        OKX returns the newest first and FMZ counts from ``since_ms`` on, so everything back to that time is fetched. OKX forgets
        orders that were cancelled without a fill after two hours.
        """
        asked = (self._type_of(name), ("instId", name))
        if since_ms:
            endpoint = _ARCHIVE_ORDERS if since_ms < now_ms - _WEEK_MS else _WEEK_ORDERS
            ended = self._order_pages(endpoint, *asked, ("begin", since_ms))
            wanted = limit or None
        else:
            wanted = limit or _PAGE_OF_ORDERS
            ended = self._order_pages(_WEEK_ORDERS, *asked, most=wanted)
        return OrderHistory(lists=(self.open_orders(name), ended), most=wanted)

    # Any path

    def raw_params(self, method: str, query: str, params: str, raw: str) -> Params:
        """All parameters in order; of a JSON body typed by FMZ's rule (a value in single quotes is text).

        Raises:
            InputError: A name is repeated in a JSON body.
        """
        if method == "GET" or raw:
            return (*parse_params(query), *parse_params(params))
        pairs = (*parse_typed_params(query), *parse_typed_params(params))
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"a JSON body of OKX cannot repeat a parameter, got {short_repr(name)} {names.count(name)} times; nothing was sent"
                )
        return pairs

    def raw(self, method: str, path: str, params: Params, raw: str) -> tuple[Ask, str]:
        """Signed unless it is a public path."""
        bare = public_path(path)
        signed = not _PUBLIC.fullmatch(bare)
        given = dict(params)
        door, limit = raw_door(method, bare, params)
        ask = Ask(
            path=path,
            method=method,
            params=params,
            raw=raw,
            signed=signed,
            door=door,
            limit=limit,
            patient=method == "GET",
            about=_about(bare, given),
            market=method == "GET" and not signed,
        )
        return ask, str(given.get("clOrdId", ""))


def check_client_id(client_order_id: object) -> None:
    """Refuses a client order id that OKX would refuse; None passes.

    Raises:
        InputError: It is not 1 to 32 letters and digits.
    """
    if client_order_id is not None and not _CLIENT_ID.fullmatch(str(client_order_id)):
        raise InputError(f"OKX takes client order ids of 1 to 32 letters and digits, got {short_repr(client_order_id)}")


def _about(path: str, params: Mapping[str, object]) -> tuple[str, str] | None:
    """The order of a raw call. Other paths do not repeat its id: ``clOrdId`` is empty in the reply to an algo order."""
    if path in _ABOUT_ONE_ORDER:
        for field in ("ordId", "clOrdId"):  # of both, the venue goes by the first
            if params.get(field):
                return field, str(params[field])
    return None


def single(payload: Any) -> dict[str, Any]:
    """The first row of an envelope."""
    return first(data_of(payload), "the field 'data'")


def order_number(payload: Any) -> str:
    """The order's number in a reply to an order."""
    try:
        number = payload["data"][0]["ordId"]
    except (KeyError, IndexError, TypeError):
        number = None
    # The readers name what is missing or odd.
    return number if type(number) is str and number else text(single(payload), "ordId")


def option_value(name: str, value: str) -> object:
    """An option as it is sent: text, or what its JSON is.

    Raises:
        InputError: It looks like JSON and is malformed.
    """
    if value[:1] not in {"[", "{"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise InputError(f"the option {name} looks like JSON but is malformed: {value[:80]!r}") from None


def _bill_of(fill: OrderFill) -> str:
    """The fill's bill: ids of trades are numbers within their instrument, and both orders of a trade with oneself have the same one."""
    return str(fill["Info"]["billId"])
