"""Binance's WebSocket API: REST calls by name, and the user data stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....transport.push import Push
from ....transport.requests import Rendered, encode_json
from ....transport.websocket import WsConnection
from ...base import Outcome, Route
from ...fields import VenueRefusal
from ...streaming import StreamSubscription, VenueSession, VenueSite
from ..parameters import BinanceParams, BinanceRefusal
from ..rest import SimulatedBinance
from ..signatures import authenticate, signed_values
from .user_data import user_topic

__all__ = ["ApiSession"]

_ID_TEXT = re.compile(r"[A-Za-z0-9_-]{1,36}")
_PREFIX = "/api/v3/"
_METHODS = {
    "ping": ("GET", "ping"), "time": ("GET", "time"), "exchangeInfo": ("GET", "exchangeInfo"), "depth": ("GET", "depth"),
    "trades.recent": ("GET", "trades"), "trades.historical": ("GET", "historicalTrades"),
    "trades.aggregate": ("GET", "aggTrades"), "klines": ("GET", "klines"), "uiKlines": ("GET", "uiKlines"),
    "avgPrice": ("GET", "avgPrice"), "ticker.24hr": ("GET", "ticker/24hr"), "ticker.price": ("GET", "ticker/price"),
    "ticker.book": ("GET", "ticker/bookTicker"),
    "order.place": ("POST", "order"), "order.test": ("POST", "order/test"), "order.cancel": ("DELETE", "order"),
    "sor.order.place": ("POST", "sor/order"), "sor.order.test": ("POST", "sor/order/test"),
    "order.amend.keepPriority": ("PUT", "order/amend/keepPriority"), "order.amendments": ("GET", "order/amendments"),
    "orderList.place.oco": ("POST", "orderList/oco"), "orderList.status": ("GET", "orderList"),
    "orderList.cancel": ("DELETE", "orderList"), "openOrderLists.status": ("GET", "openOrderList"),
    "allOrderLists": ("GET", "allOrderList"),
    "order.cancelReplace": ("POST", "order/cancelReplace"), "order.status": ("GET", "order"),
    "openOrders.status": ("GET", "openOrders"), "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"), "myTrades": ("GET", "myTrades"), "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"), "account.rateLimits.orders": ("GET", "rateLimit/order"),
    "myPreventedMatches": ("GET", "myPreventedMatches"), "myFilters": ("GET", "myFilters"),
}  # fmt: skip
"""The REST call behind each method."""
_LOCAL = Route[BinanceParams](method="", path="")
_MOST_SUBSCRIPTIONS = 65_535  # per connection
_Site = VenueSite[SimulatedBinance]


@attrs.define(kw_only=True)
class _ApiVisit:
    """A call on the WebSocket API."""

    dialect: SimulatedBinance
    values: Mapping[str, str]
    client: str
    now_ms: int
    microseconds: bool

    def params(self, route: Route[BinanceParams]) -> BinanceParams:
        """All parameters except the credentials."""
        values = {name: value for name, value in self.values.items() if name not in {"apiKey", "signature"}}
        params = BinanceParams(values, self.now_ms, microseconds=self.microseconds, weight=route.weight)
        params.allow("returnRateLimits")
        return params

    def account(self, route: Route[BinanceParams], params: BinanceParams) -> TradingAccount:
        """The account whose key signed the call."""
        payload = signed_values(self.values)
        return authenticate(self.dialect.exchange, self.values.get("apiKey", ""), params, lambda: payload)


class _AccountEvents(StreamSubscription):
    """One account's events on one connection."""

    def __init__(self, connection: WsConnection, number: int, account: TradingAccount, microseconds: bool) -> None:
        super().__init__(("user", account.name, microseconds))
        self._connection = connection
        self.number = number
        self.account = account

    def push(self, push: Push) -> None:
        """Sends an event with the subscription's number."""
        self._connection.send(Push(b'{"subscriptionId":%d,"event":%b}' % (self.number, push.text)))


class ApiSession(VenueSession[_Site, _AccountEvents]):
    """One connection to ``/ws-api/v3``.

    Args:
        site: The exchange.
        connection: The connection.
        client: The IP address, for limits per IP.
        microseconds: Whether times are in microseconds.
        rate_limits: Whether answers contain ``rateLimits`` by default.
    """

    def __init__(
        self, site: _Site, connection: WsConnection, client: str, *, microseconds: bool, rate_limits: bool
    ) -> None:
        super().__init__(site, connection)
        self._dialect = site.dialect
        self._client = client
        self._microseconds = microseconds
        self._rate_limits = rate_limits
        self._next_number = 0
        self._since_ms = site.now_ms()

    def shut_down(self) -> None:
        """Sends the event serverShutdown."""
        self.send_json({"event": {"e": "serverShutdown", "E": self.site.now_ms()}})

    # --- requests ---

    def number_options(self) -> dict[str, Any]:
        """Decodes JSON; numbers stay text, because the text was signed."""
        return {"parse_float": str, "parse_int": _Number}

    def not_an_object(self, data: bytes) -> BinanceRefusal:
        """-1135."""
        return BinanceRefusal(-1135, "Invalid JSON Request")

    def received(self, data: bytes) -> None:
        """Answers one request."""
        self._limits_wanted = self._rate_limits
        super().received(data)

    def answer(self, message: dict[str, Any]) -> None:
        """Carries out one request; one that has much to make is answered after others, in steps."""
        self._carry_out(message, None)

    def _carry_out(self, message: dict[str, Any], steps: Iterator[None] | None) -> None:
        self.request_id = _checked_id(message.get("id"))
        params = message.get("params") or {}
        if not isinstance(params, dict):
            raise BinanceRefusal(-1135, "Invalid JSON Request")
        values = {name: _text(value) for name, value in params.items()}
        self._limits_wanted = _flag(values.get("returnRateLimits"), self._rate_limits)
        now_ms = self.site.now_ms()
        visit = _ApiVisit(
            dialect=self._dialect, values=values, client=self._client, now_ms=now_ms, microseconds=self._microseconds
        )
        method = str(message.get("method", "")).removeprefix("v3/")
        rest = _METHODS.get(method)
        if rest is None:
            self._send(200, "result", encode_json(self._local(method, visit)), [])
            return
        self._dialect.admit(visit)
        route = self._dialect.route(rest[0], _PREFIX + rest[1])
        if steps is None:
            steps = self._dialect.ahead(route, lambda: visit)
        if any(True for _ in islice(steps, 1)):
            asyncio.get_running_loop().call_soon(self._go_on, message, steps)
            return
        outcome = self._dialect.call(route, visit)
        self._send(200, "result", encode_json(outcome.result), self._limits(outcome))

    def _go_on(self, message: dict[str, Any], steps: Iterator[None]) -> None:
        """Takes the next step of a request."""
        self._limits_wanted = self._rate_limits
        try:
            self._carry_out(message, steps)
        except VenueRefusal as error:
            self.refuse(error)

    def _limits(self, outcome: Outcome[BinanceParams]) -> list[dict[str, Any]]:
        owner = outcome.account.name if outcome.account is not None and outcome.params.accepted else None
        return self._dialect.limits.report(self._client, self.site.now_ms(), owner)

    def refuse(self, error: VenueRefusal) -> None:
        """Sends a refusal; with the time to retry after if the client must wait."""
        now_ms = self.site.now_ms()
        body: dict[str, Any] = (
            error.body() if isinstance(error, BinanceRefusal) else {"code": error.code, "msg": error.msg}
        )
        headers = dict(error.headers)
        if error.status in {418, 429}:
            retry_ms = now_ms + int(headers.get("Retry-After", "1")) * 1000
            body["data"] = {"serverTime": now_ms, "retryAfter": retry_ms}
        limits = self._dialect.limits.report(self._client, now_ms, None)
        self._send(error.status, "error", encode_json(body), limits)

    def _send(self, status: int, kind: str, body: bytes, limits: list[dict[str, Any]]) -> None:
        """Sends an answer; the body is already rendered, so cached rows are not encoded again."""
        tail = b',"rateLimits":' + encode_json(limits) if self._limits_wanted else b""
        row = b'{"id":%b,"status":%d,"%b":%b%b}' % (encode_json(self.request_id), status, kind.encode(), body, tail)
        self.connection.send_text(row.decode())

    # --- sessions and the user data stream ---

    def _local(self, method: str, visit: _ApiVisit) -> Any:
        """The answer to a method of the connection itself.

        Raises:
            BinanceRefusal: It is refused, or the method is unknown.
        """
        handler = {
            "userDataStream.subscribe.signature": self._subscribe,
            "userDataStream.subscribe": self._needs_logon,
            "userDataStream.unsubscribe": self._unsubscribe,
            "session.subscriptions": lambda _: [
                {"subscriptionId": user.number} for user in self.subscriptions.values()
            ],
            "session.status": lambda _: self._status(),
            "session.logout": lambda _: self._status(),
            "session.logon": self._logon,
        }.get(method)
        if handler is None:
            raise BinanceRefusal(-1130, "Data sent for parameter 'method' is not valid.")
        return handler(visit)

    def _logon(self, visit: _ApiVisit) -> Any:
        """Refuses: only Ed25519 keys can log on, and the simulator issues HMAC keys."""
        visit.account(_LOCAL, visit.params(_LOCAL))
        raise BinanceRefusal(-2028, "HMAC-SHA-256 API key is not supported.")

    def _needs_logon(self, visit: _ApiVisit) -> Any:
        raise BinanceRefusal(-1193, "WebSocket session not authenticated.", 401)

    def _status(self) -> dict[str, Any]:
        scale = 1000 if self._microseconds else 1
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._since_ms * scale,
            "returnRateLimits": self._rate_limits,
            "serverTime": self.site.now_ms() * scale,
            "userDataStream": bool(self.subscriptions),
        }

    def _subscribe(self, visit: _ApiVisit) -> dict[str, Any]:
        account = visit.account(_LOCAL, visit.params(_LOCAL))
        if any(user.account is account for user in self.subscriptions.values()):
            raise BinanceRefusal(-2035, "User Data Stream subscription already active.")
        if self._next_number > _MOST_SUBSCRIPTIONS:
            raise BinanceRefusal(-2042, "Maximum subscription ID reached for this connection.")
        number, self._next_number = self._next_number, self._next_number + 1
        _, make = user_topic(self.site, account, microseconds=self._microseconds)
        self.join(str(number), _AccountEvents(self.connection, number, account, self._microseconds), make)
        return {"subscriptionId": number}

    def _unsubscribe(self, visit: _ApiVisit) -> dict[str, Any]:
        number = visit.values.get("subscriptionId")
        if number is not None and number not in self.subscriptions:
            raise BinanceRefusal(-2036, "User Data Stream subscription not active.")
        for known in [number] if number is not None else list(self.subscriptions):
            end = Rendered(encode_json({"e": "eventStreamTerminated", "E": self.site.now_ms()}))
            self.subscriptions[known].push(Push(end))
            self.leave(known)
        return {}


class _Number(str):
    """A whole number as text; only the id is returned as a number."""


def _checked_id(value: Any) -> Any:
    """A request's id, as repeated in the answer.

    Raises:
        BinanceRefusal: -1135 if it is neither a 64-bit integer nor a short text nor null.
    """
    if isinstance(value, _Number) and -(2**63) <= int(value) < 2**63:
        return int(value)
    if value is None or (isinstance(value, str) and not isinstance(value, _Number) and _ID_TEXT.fullmatch(value)):
        return value
    raise BinanceRefusal(-1135, "Invalid JSON Request")


def _flag(text: str | None, default: bool) -> bool:
    """A boolean, sent as JSON or as text; ``default`` if not sent.

    Raises:
        BinanceRefusal: -1130 if it is neither ``true`` nor ``false``.
    """
    if text is None:
        return default
    if text.lower() not in {"true", "false"}:
        raise BinanceRefusal(-1130, "Data sent for parameter 'returnRateLimits' is not valid.")
    return text.lower() == "true"


def _text(value: Any) -> str:
    """A parameter as signed: numbers unchanged, booleans in lower case, arrays as JSON."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return encode_json(value).decode()
