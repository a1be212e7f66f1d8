"""Binance's requests and their weights, after its spot REST API documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import attrs

from ...errors import InputError, UnknownName, UnknownSymbol, nearest, short_repr
from ...exchange.keys.signing import parse_params
from ...exchange.market_rules import MarketRules, plain_text
from ...exchange.venue import OrderFill, OrderIntent
from ...structures import Depth, Order, Record, Ticker, Trade, info
from ..rest.ask import Ask, Page, Pages, Params, VenueQuery, checked_limit, public_path
from ..rest.convert import bars_of, check_options, side_refused, spot_name
from ..rest.dialect import AccountBalances, Listing, OrderHistory, OrderQuery
from ..rest.order_calls import OrderCalls
from ..rest.parsing import Malformed, integer, mapping, rows
from ..rest.rows import OddRows
from .limits import LimitRow, raw_cost, read_limits
from .replies import (
    read_asset,
    read_book,
    read_fill,
    read_listing,
    read_order,
    read_rules,
    read_ticker,
    read_trade,
)

__all__ = ["SPOT", "BinanceCalls", "BinanceProduct", "order_number"]


@attrs.frozen(kw_only=True)
class BinanceProduct:
    """The endpoints of one product of Binance, with their weights; the calls are the same for all.

    Attributes:
        listings: All symbols, or one.
        ticker: 24 h statistics of one symbol.
        tickers: The same for all symbols.
        depth: An order book.
        depth_weights: The weights of a book, by the highest number of levels each applies to.
        depth_steps: The numbers of levels that may be asked for; empty for any up to 5000.
        bar_weights: The weights of bars, by the highest number each applies to.
        trades: Aggregated public trades.
        bars: Bars.
        account: Balances.
        place: A new order.
        cancel: A cancellation.
        order: One order.
        open_orders: Open orders of one symbol.
        all_open_orders_weight: The weight of a request for all symbols.
        past_orders: Past orders.
        fills: Fills of an order.
        public: The paths without time stamp and signature.
    """

    listings: Ask
    ticker: Ask
    tickers: Ask
    depth: Ask
    depth_weights: tuple[tuple[int, int], ...]
    trades: Ask
    bars: Ask
    account: Ask
    place: Ask
    cancel: Ask
    order: Ask
    open_orders: Ask
    all_open_orders_weight: int
    past_orders: Ask
    fills: Ask
    public: re.Pattern[str]
    depth_steps: tuple[int, ...] = ()
    bar_weights: tuple[tuple[int, int], ...] = ((1000, 2),)


SPOT = BinanceProduct(
    listings=Ask(path="/api/v3/exchangeInfo", weight=20),
    ticker=Ask(path="/api/v3/ticker/24hr", weight=2, market=True),
    tickers=Ask(path="/api/v3/ticker/24hr", weight=80, market=True),
    depth=Ask(path="/api/v3/depth", weight=5, market=True),
    depth_weights=((100, 5), (500, 25), (1000, 50), (5000, 250)),
    trades=Ask(path="/api/v3/aggTrades", weight=4, market=True),
    bars=Ask(path="/api/v3/klines", weight=2, market=True),
    account=Ask(path="/api/v3/account", weight=20, signed=True),
    place=Ask(path="/api/v3/order", method="POST", signed=True, door="orders", patient=False),
    cancel=Ask(path="/api/v3/order", method="DELETE", signed=True, patient=False),
    order=Ask(path="/api/v3/order", weight=4, signed=True, patient=False),
    open_orders=Ask(path="/api/v3/openOrders", weight=6, signed=True),
    all_open_orders_weight=80,
    past_orders=Ask(path="/api/v3/allOrders", weight=20, signed=True),
    fills=Ask(path="/api/v3/myTrades", weight=5, signed=True),
    # Binance refuses unknown parameters, including a signature on a public path.
    public=re.compile(
        r"/api/v\d+/(ping|time|exchangeInfo|depth|trades|historicalTrades|historicalBlockTrades|aggTrades|klines|uiKlines|avgPrice"
        r"|ticker(/.*)?|executionRules|referencePrice(/.*)?)"
    ),
)
"""Binance spot."""

_INTERVALS = {
    1: "1s", 60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14400: "4h", 21600: "6h", 28800: "8h",
    43200: "12h", 86400: "1d", 259200: "3d", 604800: "1w",
}  # fmt: skip

# Quote currencies on Binance's spot market of which none is the end of another one there.
_USUAL_QUOTES = frozenset({"USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY"})

_SIDES = {"buy": "BUY", "sell": "SELL"}

_CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")

# The parameters on Binance's page on new orders; it refuses anything else. Without recvWindow and timestamp: how long a lost order may
# still appear is computed from our own.
_OPTIONS = frozenset({
    "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId", "strategyId", "strategyType", "stopPrice",
    "trailingDelta", "icebergQty", "newOrderRespType", "selfTradePreventionMode", "pegPriceType", "pegOffsetType", "pegOffsetValue",
})  # fmt: skip

_ORDER_CALLS = OrderCalls(
    r"/api/v3/order(/oco|/cancelReplace)?",
    r"/api/v3/orderList/[a-z]+",  # oco, oto, otoco, opo, opoco
    r"/api/v3/sor/order",
    r"/sapi/v1/margin/order(/oco|/oto|/otoco)?",
    r"/sapi/v1/algo/(spot/newOrderTwap|futures/newOrder(Twap|Vp))",
    r"/sapi/v1/convert/(acceptQuote|limit/placeOrder)",
    r"/[fde]api/v1/(order|batchOrders|algoOrder)",
    r"/fapi/v1/convert/acceptQuote",
    r"/eapi/v1/block/order/(create|execute)",
    r"/papi/v1/((um|cm)/(conditional/|algo/)?order|margin/order(/oco)?)",
)

_STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE")

_MOST_LEVELS = 5000
_MOST_ROWS = 1000  # per reply, of bars, trades and orders
_USUAL_TRADES = 500
_USUAL_ORDERS = 500


class BinanceCalls:
    """Binance's requests and replies.

    Args:
        product: The endpoints.
        odd: Collects the rows that cannot be read.
        now_ms: The venue's time of day, for replies without a time.
        on_limits: Called with the limits, whenever a reply reports them.
    """

    periods: Mapping[int, str] = _INTERVALS
    order_calls = _ORDER_CALLS
    client_id_field = "clientOrderId"
    read_order = staticmethod(read_order)
    read_fill = staticmethod(read_fill)

    def __init__(
        self,
        product: BinanceProduct,
        odd: OddRows,
        now_ms: Callable[[], int],
        on_limits: Callable[[tuple[LimitRow, ...]], None],
    ) -> None:
        self.odd = odd
        self._product = product
        self._now_ms = now_ms
        self._on_limits = on_limits
        self._self_trade_prevention: str | None = None  # None: the symbol's own default

    def prevent_self_trades(self, mode: str) -> None:
        """Sets the self-trade prevention mode of further orders.

        Raises:
            UnknownName: There is no such mode.
        """
        if mode not in _STP_MODES:
            raise UnknownName(f"unknown selfTradePreventionMode {short_repr(mode)}{nearest(mode, _STP_MODES)}")
        self._self_trade_prevention = mode

    # Symbols

    def name_of(self, symbol: str) -> str:
        """``BTCUSDT`` of ``BTC_USDT``."""
        return spot_name(symbol, "", "Binance")

    def symbol_of(self, name: str) -> str | None:
        """Always None: only the venue's list tells where to split ``BTCUSDT``."""
        return None

    def is_certain(self, symbol: str) -> bool:
        """With a usual quote currency: ``BTCU_SDT`` and ``BTC_USDT`` are joined to one name, but Binance has no quote currency SDT."""
        return symbol.rpartition("_")[2] in _USUAL_QUOTES

    def listings(self) -> VenueQuery[list[Listing]]:
        """``exchangeInfo`` of all symbols."""

        def _read(payload: Any) -> list[Listing]:
            return self.odd.read(self._symbol_rows(payload), "a symbol", "symbol", read_listing)

        return VenueQuery(self._product.listings, _read)

    def listing(self, name: str) -> VenueQuery[Listing]:
        """``exchangeInfo`` of one symbol."""

        def _read(payload: Any) -> Listing:
            found = [row for row in self._symbol_rows(payload) if isinstance(row, dict) and row.get("symbol") == name]
            if not found:
                raise UnknownSymbol(f"Binance has no symbol {short_repr(name)}")
            listing = read_listing(found[0])
            read_rules(listing)  # strict: the rules of the requested symbol must be readable
            return listing

        return VenueQuery(self._product.listings.of(("symbol", name)), _read)

    def _symbol_rows(self, payload: Any) -> list[Any]:
        found = mapping(payload, "the reply")
        limits = read_limits(found)
        if limits is not None:
            self._on_limits(limits)
        return rows(found.get("symbols"), "the field 'symbols'")

    def rules(self, listing: Listing) -> MarketRules:
        """The rules from the symbol's filters."""
        return read_rules(listing)

    # Market data

    def ticker(self, name: str, symbol: str) -> VenueQuery[Ticker]:
        """``ticker/24hr`` of one symbol."""
        return VenueQuery(self._product.ticker.of(("symbol", name)), lambda payload: read_ticker(payload, symbol))

    def tickers(self, symbol_of: Callable[[str], str | None]) -> VenueQuery[list[Ticker]]:
        """``ticker/24hr`` of all symbols."""

        def _read(payload: Any) -> list[Ticker]:
            return self.odd.tickers(rows(payload, "the reply"), "symbol", symbol_of, read_ticker)

        return VenueQuery(self._product.tickers, _read)

    def depth(self, name: str, limit: int | None) -> VenueQuery[Depth]:
        """``depth``, at most 5000 levels a side."""
        levels = checked_limit(limit, 100, _MOST_LEVELS)
        steps = self._product.depth_steps
        if steps:
            return self._stepped_depth(name, min(levels, steps[-1]))
        weight = next(cost for most, cost in self._product.depth_weights if levels <= most)
        ask = self._product.depth.of(("symbol", name), ("limit", levels), weight=weight)
        return VenueQuery(ask, lambda payload: read_book(payload, self._now_ms()))

    def _stepped_depth(self, name: str, levels: int) -> VenueQuery[Depth]:
        asked = next(step for step in self._product.depth_steps if levels <= step)
        weight = next(cost for most, cost in self._product.depth_weights if asked <= most)

        def _read(payload: Any) -> Depth:
            depth = read_book(payload, self._now_ms())
            del depth["Asks"][levels:], depth["Bids"][levels:]
            return depth

        return VenueQuery(self._product.depth.of(("symbol", name), ("limit", asked), weight=weight), _read)

    def trades(self, name: str, limit: int | None) -> VenueQuery[list[Trade]]:
        """``aggTrades``: fills of one taker order at one price are one trade."""
        count = checked_limit(limit, _USUAL_TRADES, _MOST_ROWS)

        def _read(payload: Any) -> list[Trade]:
            return sorted(map(read_trade, rows(payload, "the reply")), key=lambda trade: trade["Time"])

        return VenueQuery(self._product.trades.of(("symbol", name), ("limit", count)), _read)

    def bars(self, name: str, period: str, limit: int | None) -> Pages[Record]:
        """``klines``, newest pages first."""
        wanted = checked_limit(limit, _MOST_ROWS, 10**9)
        asked = (("symbol", name), ("interval", period))

        def _ask(found: int, *end: tuple[str, object]) -> Ask:
            count = min(wanted - found, _MOST_ROWS)
            weight = next(cost for most, cost in self._product.bar_weights if count <= most)
            return self._product.bars.of(*asked, ("limit", count), *end, weight=weight)

        return Pages(
            first=_ask(0),
            read=lambda payload: bars_of(rows(payload, "the reply")),
            key=itemgetter("Time"),
            size=min(wanted, _MOST_ROWS),
            onward=lambda page, found: _ask(found, ("endTime", min(bar["Time"] for bar in page) - 1)),
            most=wanted,
        )

    # Account and orders

    def holdings(self, currencies: tuple[str, ...]) -> VenueQuery[AccountBalances]:
        """The balances of ``account``."""

        def _read(payload: Any) -> AccountBalances:
            raw = rows(mapping(payload, "the reply").get("balances"), "the field 'balances'")
            found = self.odd.read(raw, "a balance", "asset", read_asset, strict=currencies)
            return AccountBalances({asset["Currency"]: asset for asset in found}, info(payload))

        return VenueQuery(self._product.account.of(("omitZeroBalances", True)), _read)

    def place(self, intent: OrderIntent, name: str) -> OrderQuery:
        """A new order; ``GTX`` becomes LIMIT_MAKER."""
        params = self._order_params(intent, name)
        client_order_id = str(params.get("newClientOrderId") or "")
        ask = attrs.evolve(self._product.place, params=tuple(params.items()), about=_about(client_order_id))
        return OrderQuery(ask, order_number, client_order_id)

    def _order_params(self, intent: OrderIntent, name: str) -> dict[str, object]:
        side = _SIDES.get(intent.side)
        if side is None:
            raise side_refused(intent)
        params: dict[str, object] = {"symbol": name, "side": side}
        if intent.price is None:
            params["type"] = "MARKET"
            params["quoteOrderQty" if side == "BUY" else "quantity"] = plain_text(intent.amount)
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
        params["selfTradePreventionMode"] = self._self_trade_prevention
        if intent.options:
            check_options(intent.options, _OPTIONS, "Binance")
            params.update(intent.options)
            _drop_what_the_type_forbids(params, intent)
        client_order_id = params.get("newClientOrderId")
        if client_order_id is not None and not _CLIENT_ID.fullmatch(str(client_order_id)):
            raise InputError(
                f"Binance requires client order ids of 1 to 36 letters, digits, '-' and '_', got {short_repr(client_order_id)}"
            )
        return params

    def cancel(self, name: str, number: str) -> VenueQuery[object]:
        """A cancellation; for an order of a list (OCO) the reply is the list, in another format."""
        ask = self._product.cancel.of(("symbol", name), ("orderId", number), about=("orderId", number))
        return VenueQuery(ask, lambda payload: _cancelled(mapping(payload, "the reply"), number))

    def order(self, name: str, number: str) -> VenueQuery[Order]:
        """One order by its number."""
        return self._one_order(name, ("orderId", number), "orderId")

    def order_by_client_id(self, name: str, client_order_id: str) -> VenueQuery[Order]:
        """One order by ``origClientOrderId``."""
        return self._one_order(name, ("origClientOrderId", client_order_id), "clientOrderId")

    def _one_order(self, name: str, by: tuple[str, str], repeated: str) -> VenueQuery[Order]:
        return VenueQuery(self._product.order.of(("symbol", name), by, about=(repeated, by[1])), self.read_order)

    def _orders(self, payload: Any) -> Page[Order]:
        raw = rows(payload, "the reply")
        return Page(self.odd.read(raw, "an order", "orderId", self.read_order), len(raw))

    def open_orders(self, name: str | None) -> Pages[Order]:
        """``openOrders``: all in one page."""
        endpoint = self._product.open_orders
        first = (
            endpoint.of(("symbol", name))
            if name is not None
            else endpoint.of(weight=self._product.all_open_orders_weight)
        )
        return Pages(first=first, read=self._orders, key=itemgetter("Id"), size=0, onward=lambda page, found: None)

    def past_orders(self, name: str, since_ms: int, limit: int, now_ms: int) -> OrderHistory:
        """``allOrders``: from ``since_ms`` onward by number, else the newest (at most 1000)."""
        wanted = limit or _USUAL_ORDERS
        endpoint = self._product.past_orders
        start = (("startTime", since_ms),) if since_ms else ()

        def _onward(page: list[Order], _found: int) -> Ask | None:
            last = max(int(order["Id"].rpartition(",")[2]) for order in page)
            return endpoint.of(("symbol", name), ("orderId", last + 1), ("limit", _MOST_ROWS)) if since_ms else None

        asked = min(wanted, _MOST_ROWS)
        first_page = endpoint.of(("symbol", name), ("limit", asked), *start)
        found = Pages(
            first=first_page, read=self._orders, key=itemgetter("Id"), size=_MOST_ROWS, onward=_onward, most=wanted
        )
        return OrderHistory(lists=(found,), most=wanted)

    def fills(self, name: str, number: str, made_ms: int, now_ms: int) -> Pages[OrderFill]:
        """``myTrades`` of one order, oldest first."""
        asked = (("symbol", name), ("orderId", number), ("limit", _MOST_ROWS))

        def _read(payload: Any) -> Page[OrderFill]:
            raw = rows(payload, "the reply")
            return Page([self.read_fill(row) for row in raw], len(raw))

        def _onward(page: list[OrderFill], _found: int) -> Ask:
            return self._product.fills.of(*asked, ("fromId", int(page[-1]["Id"]) + 1))

        return Pages(
            first=self._product.fills.of(*asked), read=_read, key=itemgetter("Id"), size=_MOST_ROWS, onward=_onward
        )

    # Any path

    def raw_params(self, method: str, query: str, params: str, raw: str) -> Params:
        """All parameters in order, without a signature of the caller; ours replaces it."""
        given = (*parse_params(query), *parse_params(params))
        return tuple((name, value) for name, value in given if name != "signature")

    def raw(self, method: str, path: str, params: Params, raw: str) -> tuple[Ask, str]:
        """Signed unless it is a public path."""
        bare = public_path(path)
        signed = not self._product.public.fullmatch(bare)
        door, weight = raw_cost(method, bare, params)
        client_order_id = str(dict(params).get("newClientOrderId", ""))
        ask = Ask(
            path=path,
            method=method,
            params=params,
            raw=raw,
            signed=signed,
            door=door,
            weight=weight,
            patient=method == "GET",
            about=_about(client_order_id),
            market=method == "GET" and not signed,
        )
        return ask, client_order_id


def _about(client_order_id: str) -> tuple[str, str] | None:
    return ("clientOrderId", client_order_id) if client_order_id else None


def order_number(payload: Any) -> str:
    """The venue's number of the order in a reply; raises ``Malformed``."""
    number = payload.get("orderId") if type(payload) is dict else None
    return str(number if type(number) is int else integer(mapping(payload, "the reply"), "orderId"))


def _cancelled(reply: dict[str, Any], number: str) -> object:
    """The reply to a cancellation: of the order, or of the list (OCO) that it belonged to."""
    orders = reply.get("orders")
    if isinstance(orders, list) and not any(
        isinstance(row, dict) and str(row.get("orderId")) == number for row in orders
    ):
        raise Malformed(f"the reply is about another list of orders: order {number} is not in it")
    return reply


def _drop_what_the_type_forbids(params: dict[str, object], intent: OrderIntent) -> None:
    """Drops parameters that an order type given as an option does not accept."""
    if "type" not in intent.options:
        return
    kind = str(params["type"]).upper()
    takes_price = "LIMIT" in kind
    forbidden = {"timeInForce": not takes_price or kind == "LIMIT_MAKER", "price": not takes_price}
    for name, drop in forbidden.items():
        if drop and name not in intent.options:
            params.pop(name, None)
