"""OKX v5's REST interface over the simulated exchange: routes, credentials, limits and envelopes (fact sheet, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal

import attrs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ..base import WireReply, WireRequest, json_reply
from ..windows import AlignedWindows
from .account import OkxAccounts
from .market import Instruments, OkxMarket
from .orders import OkxOrders
from .parameters import Item, ItemError, OkxRefusal, Query, check_signature, envelope, parse_body, parse_timestamp_ms

__all__ = ["OkxDialect"]

_PREFIX = "/api/v5/"
_CLOCK_TOLERANCE_MS = 30_000
_PERIOD_S = 2
_MOST_ORDERS = 20
_PLACES = ("trade/order", "trade/batch-orders")

PublicHandler = Callable[[Query, int], list[Any]]
PrivateHandler = Callable[[TradingAccount, Query, int], list[Any]]
ItemHandler = Callable[[TradingAccount, Item, int], dict[str, Any]]


@attrs.frozen
class _OkxEndpoint:
    """A route.

    Attributes:
        bucket: Where its calls are counted, and how many go in there in two seconds.
        limit: See ``bucket``.
        kind: ``public`` and ``private`` are asked with GET; ``item`` takes one order, ``batch`` a list of them.
        single: For a batch: the bucket that a batch of one counts in, and its limit.
    """

    kind: Literal["public", "private", "item", "batch"]
    bucket: str
    limit: int
    public: PublicHandler | None = None
    private: PrivateHandler | None = None
    item: ItemHandler | None = None
    single: tuple[str, int] = ("", 0)
    places: bool = False


class OkxDialect:
    """Answers OKX v5's REST calls.

    Not thread-safe by itself: one event loop calls it. Keys are good with and without the header for demo trading, because clients
    differ in what they send when nobody told them.

    Args:
        exchange: What trades.
        faults: Where the offset of the venue's clock comes from.
        rate_scale: All limits are multiplied by it; 0 switches them off.
    """

    name = "okx"

    def __init__(self, exchange: SimulatedExchange, faults: Faults, *, rate_scale: float = 1.0) -> None:
        self._exchange = exchange
        self._faults = faults
        self._rate_scale = rate_scale
        self._buckets: dict[str, AlignedWindows] = {}
        self._instruments = Instruments(exchange)
        self._market = OkxMarket(exchange, self._instruments)
        self._orders = OkxOrders(exchange, self._instruments, self._market)
        self._accounts = OkxAccounts(exchange, self._instruments, self._market)
        self._routes: dict[tuple[str, str], _OkxEndpoint] = {}
        self._add_public()
        self._add_private()
        self._add_trading()
        self._paths = {path for _, path in self._routes}

    # --- routes ---

    def _add_public(self) -> None:
        market = self._market
        table: list[tuple[str, PublicHandler, int]] = [
            ("public/time", market.server_time, 10),
            ("public/instruments", market.instruments, 20),
            ("public/price-limit", market.price_limit, 20),
            ("public/mark-price", market.mark_price, 10),
            ("market/ticker", market.ticker, 20),
            ("market/tickers", market.tickers, 20),
            ("market/books", market.books, 40),
            ("market/books-full", market.books_full, 10),
            ("market/candles", market.candles, 40),
            ("market/history-candles", market.history_candles, 20),
            ("market/trades", market.trades, 100),
            ("market/history-trades", market.history_trades, 20),
            ("system/status", market.status, 20),
        ]
        for path, handler, limit in table:
            self._routes["GET", _PREFIX + path] = _OkxEndpoint("public", path, limit, public=handler)

    def _add_private(self) -> None:
        orders, accounts = self._orders, self._accounts
        table: list[tuple[str, PrivateHandler, int]] = [
            ("account/balance", accounts.balance, 10),
            ("account/config", accounts.config, 5),
            ("account/positions", accounts.positions, 10),
            ("account/trade-fee", accounts.trade_fee, 5),
            ("account/instruments", lambda _, query, now_ms: self._market.instruments(query, now_ms), 20),
            ("asset/currencies", accounts.nothing, 12),
            ("asset/balances", accounts.nothing, 12),
            ("trade/order", orders.query, 60),
            ("trade/orders-pending", orders.pending, 60),
            ("trade/orders-history", orders.history, 40),
            ("trade/orders-history-archive", orders.archive, 20),
            ("trade/orders-algo-pending", accounts.nothing, 20),
            ("trade/fills", orders.fills, 60),
            ("trade/fills-history", orders.fills_history, 10),
        ]
        for path, handler, limit in table:
            self._routes["GET", _PREFIX + path] = _OkxEndpoint("private", path, limit, private=handler)

    def _add_trading(self) -> None:
        orders = self._orders
        table: list[tuple[str, str, ItemHandler]] = [
            ("trade/order", "trade/batch-orders", orders.place),
            ("trade/cancel-order", "trade/cancel-batch-orders", orders.cancel),
            ("trade/amend-order", "trade/amend-batch-orders", orders.amend),
        ]
        for one, many, handler in table:
            places = one in _PLACES
            single = (f"POST {one}", 60)
            self._routes["POST", _PREFIX + one] = _OkxEndpoint("item", *single, item=handler, places=places)
            self._routes["POST", _PREFIX + many] = _OkxEndpoint(
                "batch", f"POST {many}", 300, item=handler, single=single, places=places
            )

    # --- answering ---

    def handle(self, request: WireRequest) -> WireReply:
        """Answers a request."""
        now_ms = self.now_ms()
        endpoint = self._routes.get((request.method, request.path))
        try:
            if endpoint is None:
                if request.path in self._paths:
                    raise OkxRefusal("50115", "Invalid request method.", 405, gateway=True)
                raise OkxRefusal("50005", "API endpoint is inactive or unavailable.", 410)
            if endpoint.public is not None:
                self._count(endpoint.bucket, endpoint.limit, request.client, now_ms)
                return json_reply(200, envelope(endpoint.public(Query(request), now_ms)))
            account = self._authenticate(request, now_ms)
            if endpoint.private is not None:
                self._count(endpoint.bucket, endpoint.limit, account.name, now_ms)
                return json_reply(200, envelope(endpoint.private(account, Query(request), now_ms)))
            return self._trade(request, endpoint, account, now_ms)
        except OkxRefusal as error:
            return error.reply()

    def now_ms(self) -> int:
        """The venue's time, with the offset that is being played."""
        return self._exchange.server_time_ms() + self._faults.clock_offset_ms()

    def _trade(self, request: WireRequest, endpoint: _OkxEndpoint, account: TradingAccount, now_ms: int) -> WireReply:
        """One order or a list of them: each item is answered for itself."""
        received_us = now_ms * 1000
        body = parse_body(request)
        entries: list[dict[str, Any]] = [body] if endpoint.kind == "item" else body
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise OkxRefusal("50002", "JSON syntax error", 400)
        if not entries:
            raise OkxRefusal("50000", "Body for POST request cannot be empty.", 400)
        if len(entries) > _MOST_ORDERS:
            raise OkxRefusal("51111", f"Maximum {_MOST_ORDERS} orders can be placed in bulk.")
        self._check_expiry(request, now_ms)
        bucket, limit = (
            endpoint.single if endpoint.kind == "batch" and len(entries) == 1 else (endpoint.bucket, endpoint.limit)
        )
        for name in {str(entry.get("instId")) for entry in entries}:
            amount = sum(str(entry.get("instId")) == name for entry in entries)
            self._count(bucket, limit, (account.name, name), now_ms, amount)
        assert endpoint.item is not None
        rows = [_one(endpoint.item, account, entry, now_ms) for entry in entries]
        failures = sum(row["sCode"] != "0" for row in rows)
        code = "0" if not failures else "1" if failures == len(rows) else "2"
        answer = envelope(rows, code, "All operations failed" if code == "1" else "")
        answer.update(inTime=str(received_us), outTime=str(self.now_ms() * 1000))
        return json_reply(200, answer)

    @staticmethod
    def _check_expiry(request: WireRequest, now_ms: int) -> None:
        """The header ``expTime``: placing and changing is refused once it has passed.

        Raises:
            OkxRefusal: 51000 when it is no number, 50036 when it has passed.
        """
        text = request.headers.get("exptime")
        if not text:
            return
        if not (text.isascii() and text.isdigit()):
            raise OkxRefusal.wrong("expTime")
        if int(text) < now_ms:
            raise OkxRefusal(
                "50036",
                "The expTime can't be earlier than the current system time. Please adjust the expTime and try again.",
            )

    # --- who asks ---

    def _authenticate(self, request: WireRequest, now_ms: int) -> TradingAccount:
        """The account whose key signed the request.

        Raises:
            OkxRefusal: HTTP 401: 50103, 50104, 50106 or 50107 for a header that is missing, 50112 for a time that is none, 50102 for one
                that is off, 50111 for the key, 50105 for the passphrase, 50113 for the signature.
        """
        headers = request.headers
        for code, name in (("50103", "KEY"), ("50104", "PASSPHRASE"), ("50106", "SIGN"), ("50107", "TIMESTAMP")):
            if not headers.get(f"ok-access-{name.lower()}"):
                raise OkxRefusal(code, f'Request header "OK-ACCESS-{name}" cannot be empty.', 401, gateway=True)
        moment = parse_timestamp_ms(headers["ok-access-timestamp"])
        if moment is None:
            raise OkxRefusal("50112", "Invalid OK-ACCESS-TIMESTAMP.", 401, gateway=True)
        if abs(now_ms - moment) > _CLOCK_TOLERANCE_MS:
            raise OkxRefusal("50102", "Timestamp request expired.", 401, gateway=True)
        account = self._exchange.account_by_key(headers["ok-access-key"])
        if account is None:
            raise OkxRefusal("50111", "Invalid OK-ACCESS-KEY.", 401, gateway=True)
        if not account.may(account.secret, headers["ok-access-passphrase"]):
            raise OkxRefusal("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401, gateway=True)
        check_signature(request, account.secret)
        return account

    # --- limits ---

    def _count(self, bucket: str, limit: int, key: Hashable, now_ms: int, amount: int = 1) -> None:
        """Counts calls or orders against a limit of two seconds.

        Raises:
            OkxRefusal: 50011 with HTTP 429.
        """
        if not self._rate_scale:
            return
        windows = self._buckets.get(bucket)
        if windows is None:
            scaled = max(1, round(limit * self._rate_scale))
            windows = self._buckets[bucket] = AlignedWindows(scaled, _PERIOD_S)
        if windows.would_exceed(key, now_ms, amount):
            raise OkxRefusal("50011", "Too Many Requests", 429, gateway=True)
        windows.add(key, now_ms, amount)

    # --- what is played ---

    def places_order(self, request: WireRequest) -> bool:
        """Whether the request places an order."""
        endpoint = self._routes.get((request.method, request.path))
        return endpoint is not None and endpoint.places

    def refuse(self, request: WireRequest, status: int, retry_after_s: int) -> WireReply:
        """A refusal that is being played; the venue documents no header with it that says when to come back."""
        if status in {418, 429}:
            # There is no 418 at this venue; who is shut out keeps being told that it asks too often.
            return OkxRefusal("50011", "Too Many Requests", 429, gateway=True).reply()
        if status == 503:
            return OkxRefusal("50001", "Service temporarily unavailable. Please try again later.", 503).reply()
        return OkxRefusal("50026", "System error. Try again later", status).reply()


def _one(handler: ItemHandler, account: TradingAccount, entry: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """One item's answer, also when it is refused."""
    try:
        return handler(account, Item(entry), now_ms)
    except ItemError as error:
        return {
            "ordId": "",
            "clOrdId": str(entry.get("clOrdId") or ""),
            "tag": str(entry.get("tag") or ""),
            "ts": str(now_ms),
            "sCode": error.code,
            "sMsg": error.msg,
            "subCode": error.sub_code,
        }
