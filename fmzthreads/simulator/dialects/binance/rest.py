"""Binance spot's REST interface over the simulated exchange: routes, signatures, limits and errors (fact sheet, sections 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ..base import WireReply, WireRequest, json_reply
from .account import BinanceAccounts
from .limits import BinanceLimits, banned
from .market import BinanceMarket
from .orders import BinanceOrders
from .parameters import BinanceCall, BinanceRefusal, Params, check_signature, malformed
from .symbols import Symbols

__all__ = ["BinanceDialect"]

_PREFIX = "/api/v3/"
_KEY = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)
_WINDOW = re.compile(r"\d{1,5}(\.\d{1,3})?", re.ASCII)
_ORDER_PATHS = ("order", "order/cancelReplace")
_UNKNOWN_STATUS = "Unknown error, please check your request or try again later."


@attrs.frozen
class _BinanceEndpoint:
    """A route: what serves it, what it weighs, whether it must be signed, and whether it places an order."""

    handler: Callable[[BinanceCall], Any]
    weight: int = 1
    signed: bool = False
    counts_order: bool = False


class BinanceDialect:
    """Answers Binance spot's REST calls.

    Not thread-safe by itself: one event loop calls it.

    Args:
        exchange: What trades.
        faults: Where the offset of the venue's clock comes from.
        rate_scale: All limits are multiplied by it; 0 switches them off.
    """

    name = "binance"

    def __init__(self, exchange: SimulatedExchange, faults: Faults, *, rate_scale: float = 1.0) -> None:
        self._exchange = exchange
        self._limits = BinanceLimits(exchange, faults, rate_scale)
        symbols = Symbols(exchange)
        self._market = BinanceMarket(exchange, symbols, self._limits.describe())
        self._orders = BinanceOrders(exchange, symbols, self._market.average)
        self._accounts = BinanceAccounts(exchange, symbols)
        self._routes = {**self._public(), **self._signed(), **self._elsewhere()}
        self._paths = {path for _, path in self._routes}

    # --- routes ---

    def _public(self) -> dict[tuple[str, str], _BinanceEndpoint]:
        market = self._market
        table: list[tuple[str, Callable[[BinanceCall], Any], int]] = [
            ("ping", market.ping, 1),
            ("time", market.server_time, 1),
            ("exchangeInfo", market.exchange_info, 20),
            ("depth", market.depth, 5),
            ("trades", market.trades, 25),
            ("historicalTrades", market.trades, 25),
            ("aggTrades", market.agg_trades, 4),
            ("klines", market.klines, 2),
            ("uiKlines", market.klines, 2),
            ("avgPrice", market.avg_price, 2),
            ("ticker/24hr", market.ticker_24h, 2),
            ("ticker/price", market.ticker_price, 2),
            ("ticker/bookTicker", market.ticker_book, 2),
        ]
        return {("GET", _PREFIX + path): _BinanceEndpoint(handler, weight) for path, handler, weight in table}

    def _signed(self) -> dict[tuple[str, str], _BinanceEndpoint]:
        orders, accounts = self._orders, self._accounts
        table: list[tuple[str, str, Callable[[BinanceCall], Any], int]] = [
            ("POST", "order", orders.place, 1),
            ("POST", "order/test", orders.test, 1),
            ("POST", "order/cancelReplace", orders.cancel_replace, 1),
            ("GET", "order", orders.query, 4),
            ("DELETE", "order", orders.cancel, 1),
            ("GET", "openOrders", orders.open_orders, 6),
            ("DELETE", "openOrders", orders.cancel_open, 1),
            ("GET", "allOrders", orders.all_orders, 20),
            ("GET", "myTrades", orders.my_trades, 5),
            ("GET", "account", accounts.account, 20),
            ("GET", "account/commission", accounts.commission, 20),
            ("GET", "rateLimit/order", self._order_limits, 40),
            ("GET", "myPreventedMatches", accounts.prevented_matches, 20),
        ]
        return {
            (method, _PREFIX + path): _BinanceEndpoint(
                handler, weight, signed=True, counts_order=method == "POST" and path in _ORDER_PATHS
            )
            for method, path, handler, weight in table
        }

    @staticmethod
    def _elsewhere() -> dict[tuple[str, str], _BinanceEndpoint]:
        """What other products' paths answer, so that clients which ask everywhere when they start find nothing there."""
        nothing = _BinanceEndpoint(lambda _: [], signed=True)
        no_symbols = _BinanceEndpoint(
            lambda call: {"timezone": "UTC", "serverTime": call.time(call.now_ms), "symbols": []}
        )
        return {
            ("GET", "/sapi/v1/capital/config/getall"): nothing,
            ("GET", "/sapi/v1/margin/allPairs"): nothing,
            ("GET", "/sapi/v1/margin/isolated/allPairs"): nothing,
            ("GET", "/fapi/v1/exchangeInfo"): no_symbols,
            ("GET", "/dapi/v1/exchangeInfo"): no_symbols,
        }

    # --- answering ---

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request."""
        now_ms = self._limits.now_ms()
        try:
            self._limits.check_ban(request.client, now_ms)
            endpoint = self._routes.get((request.method, request.path))
            if endpoint is None:
                return self._no_route(request, now_ms)
            return self._serve(request, endpoint, now_ms)
        except BinanceRefusal as error:
            return json_reply(error.status, error.body(), error.headers + self._limits.used(request.client, now_ms))

    def _serve(self, request: WireRequest, endpoint: _BinanceEndpoint, now_ms: int) -> WireReply:
        self._limits.check_request(request.client, now_ms, endpoint.weight)
        call: BinanceCall | None = None
        headers: tuple[tuple[str, str], ...] = ()
        try:
            params = Params(request)
            call = BinanceCall(params, None, now_ms, _wants_microseconds(request), endpoint.weight)
            if endpoint.signed:
                call.account = self._authenticate(request, params, now_ms)
            if endpoint.counts_order:
                self._limits.check_order(call.owner.name, now_ms)
            answer = endpoint.handler(call)
        except BinanceRefusal as error:
            if call is not None and call.accepted:
                error.headers += self._limits.order_headers(call.owner.name, now_ms)
            raise
        finally:
            self._limits.add_weight(request.client, now_ms, call.weight if call is not None else endpoint.weight)
        if call.accepted:
            headers = self._limits.order_headers(call.owner.name, now_ms)
        return json_reply(200, answer, headers + self._limits.used(request.client, now_ms))

    def _no_route(self, request: WireRequest, now_ms: int) -> WireReply:
        headers = self._limits.used(request.client, now_ms)
        if request.path in self._paths:
            return WireReply(405, b"Method Not Allowed", headers, "text/plain")
        page = b"<html><body><h2>404 Not found</h2></body></html>"
        return WireReply(404, page, headers, "text/html;charset=UTF-8")

    # --- who asks ---

    def authenticate(self, request: WireRequest) -> TradingAccount:
        """The account whose key signed a request that is answered elsewhere.

        Raises:
            BinanceRefusal: As the signed calls here.
        """
        return self._authenticate(request, Params(request), self._limits.now_ms())

    def _authenticate(self, request: WireRequest, params: Params, now_ms: int) -> TradingAccount:
        """The account whose key signed the request.

        Raises:
            BinanceRefusal: -2014 or -2015 (HTTP 401) for the key, -1102 for what is missing, -1021 for the time, -1022 for the signature.
        """
        key = request.headers.get("x-mbx-apikey", "")
        if not _KEY.fullmatch(key):
            raise BinanceRefusal(-2014, "API-key format invalid.", 401)
        account = self._exchange.account_by_key(key)
        if account is None:
            raise BinanceRefusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        timestamp = params.time_ms("timestamp")
        if timestamp is None:
            raise malformed("timestamp")
        window_ms = _receive_window_ms(params.optional("recvWindow"))
        params.allow("signature")
        if timestamp >= now_ms + 1000:
            raise BinanceRefusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - timestamp > window_ms:
            raise BinanceRefusal(-1021, "Timestamp for this request is outside of the recvWindow.")
        check_signature(request, account.secret)
        return account

    def _order_limits(self, call: BinanceCall) -> list[dict[str, Any]]:
        """GET /api/v3/rateLimit/order."""
        call.params.finish()
        counts = self._limits.order_counts(call.owner.name, call.now_ms)
        limits = [limit for limit in self._limits.describe() if limit["rateLimitType"] == "ORDERS"]
        return [{**limit, "count": count} for limit, count in zip(limits, counts, strict=True)]

    # --- what is played ---

    def places_order(self, request: WireRequest) -> bool:
        """Whether the request places an order."""
        endpoint = self._routes.get((request.method, request.path))
        return endpoint is not None and endpoint.counts_order

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """A refusal that is being played."""
        now_ms = self._limits.now_ms()
        headers = self._limits.used(request.client, now_ms)
        if status not in {418, 429}:
            return json_reply(status, {"code": -1000, "msg": _UNKNOWN_STATUS}, headers)
        if status == 418:
            error = banned(now_ms + retry_after_s * 1000, now_ms)
        else:
            error = BinanceRefusal(
                -1003, "Too many requests queued.", 429, headers=(("Retry-After", str(retry_after_s)),)
            )
        return json_reply(error.status, error.body(), error.headers + headers)


def _wants_microseconds(request: WireRequest) -> bool:
    """Whether ``X-MBX-TIME-UNIT`` asks for microseconds.

    Raises:
        BinanceRefusal: -1194 when it asks for something else than one of the two units.
    """
    unit = request.headers.get("x-mbx-time-unit")
    if unit is None:
        return False
    if unit.upper() not in {"MICROSECOND", "MILLISECOND"}:
        raise BinanceRefusal(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return unit.upper() == "MICROSECOND"


def _receive_window_ms(text: str | None) -> float:
    """``recvWindow`` in milliseconds; 5000 when it was not sent.

    Raises:
        BinanceRefusal: -1100 when it is no such number, -1130 when it is above 60000.
    """
    if text is None:
        return 5000.0
    if not _WINDOW.fullmatch(text):
        raise BinanceRefusal(
            -1100, r"Illegal characters found in parameter 'recvWindow'; legal range is '^[0-9]{1,5}(\.[0-9]{1,3})?$'."
        )
    value = float(text)
    if value > 60_000:
        raise BinanceRefusal(-1130, "Data sent for parameter 'recvWindow' is not valid.")
    return value
