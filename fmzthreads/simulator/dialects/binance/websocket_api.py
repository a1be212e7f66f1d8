"""Binance's WebSocket API: REST's calls by name, and the user data stream (fact sheet 2.5, 2.6 and 1.3)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ...engine.accounts import TradingAccount
from ...transport.push import Push
from ...transport.websocket import WsConnection, parse_json
from ..base import WireReply, WireRequest
from .parameters import BinanceRefusal, malformed

if TYPE_CHECKING:
    from .connections import BinanceSite

__all__ = ["ApiSession"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ID_TEXT = re.compile(r"[A-Za-z0-9_-]{1,36}")
_PUBLIC = {
    "ping": "ping", "time": "time", "exchangeInfo": "exchangeInfo", "depth": "depth", "trades.recent": "trades",
    "trades.historical": "historicalTrades", "trades.aggregate": "aggTrades", "klines": "klines", "uiKlines": "uiKlines",
    "avgPrice": "avgPrice", "ticker.24hr": "ticker/24hr", "ticker.price": "ticker/price", "ticker.book": "ticker/bookTicker",
}  # fmt: skip
_SIGNED = {
    "order.place": ("POST", "order"), "order.test": ("POST", "order/test"), "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"), "order.status": ("GET", "order"),
    "openOrders.status": ("GET", "openOrders"), "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"), "myTrades": ("GET", "myTrades"), "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"), "account.rateLimits.orders": ("GET", "rateLimit/order"),
    "myPreventedMatches": ("GET", "myPreventedMatches"),
}  # fmt: skip
_MOST_SUBSCRIPTIONS = 65_535  # over the life of a connection


class ApiSession:
    """One connection to ``/ws-api/v3``.

    Args:
        site: The venue.
        connection: The connection.
        client: The address that limits per IP are counted by.
    """

    def __init__(self, site: BinanceSite, connection: WsConnection, client: str) -> None:
        self._site = site
        self._connection = connection
        self._client = client
        self._users: dict[int, _ApiSubscription] = {}
        self._next_id = 0
        self._since_ms = site.now_ms()

    def opened(self) -> None:
        """Nothing is sent unasked."""

    def arrived(self) -> bool:
        """Requests are counted by weight, not by frames."""
        return True

    def closed(self) -> None:
        """Ends all subscriptions."""
        for number in list(self._users):
            self._unsubscribe(number)

    def shut_down(self) -> None:
        """Sends the event that comes before a server is shut down."""
        self._connection.send_text(_ENCODER.encode({"event": {"e": "serverShutdown", "E": self._site.now_ms()}}))

    # --- requests ---

    def received(self, data: bytes) -> None:
        """One request."""
        request_id: Any = None
        limits = True
        try:
            message = _parse(data)
            request_id = _checked_id(message.get("id"))
            params = message.get("params") or {}
            if not isinstance(params, dict):
                raise BinanceRefusal(-1135, "Invalid JSON Request")
            limits = params.pop("returnRateLimits", True) is not False
            method = str(message.get("method", "")).removeprefix("v3/")
            answer = self._call(method, params)
        except BinanceRefusal as error:
            answer = {"status": error.status, "error": error.body()}
        if not limits:
            answer.pop("rateLimits", None)
        self._connection.send_text(_ENCODER.encode({"id": request_id, **answer}))

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer without the id.

        Raises:
            BinanceRefusal: It is refused.
        """
        if method in _PUBLIC:
            values = {name: _text(value) for name, value in params.items() if name not in {"apiKey", "signature"}}
            return self._answer(self._rest("GET", _PUBLIC[method], urlencode(values), ""))
        if method in _SIGNED:
            verb, path = _SIGNED[method]
            return self._answer(self._signed(verb, path, params))
        local = {
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.subscribe": self._needs_logon,
            "userDataStream.unsubscribe": self._unsubscribe_call,
            "session.subscriptions": lambda _: [{"subscriptionId": number} for number in self._users],
            "session.status": lambda _: self._status(),
            "session.logout": lambda _: self._status(),
            "session.logon": self._logon,
        }.get(method)
        if local is None:
            raise BinanceRefusal(-1130, "Data sent for parameter 'method' is not valid.")
        return {"status": 200, "result": local(params), "rateLimits": []}

    def _rest(self, verb: str, path: str, query: str, key: str) -> WireReply:
        """The REST call that does the same."""
        target = f"/api/v3/{path}"
        request = WireRequest(
            method=verb,
            path=target,
            raw_path=target,
            query=query,
            body=b"",
            headers={"x-mbx-apikey": key},
            client=self._client,
        )
        return self._site.dialect.handle(request)

    def _answer(self, reply: WireReply) -> dict[str, Any]:
        body = json.loads(reply.body)
        headers = {name.lower(): value for name, value in reply.headers}
        answer: dict[str, Any] = {"status": reply.status, "result" if reply.status == 200 else "error": body}
        if reply.status in {418, 429}:
            now_ms = self._site.now_ms()
            body["data"] = {"serverTime": now_ms, "retryAfter": now_ms + int(headers.get("retry-after", "1")) * 1000}
        answer["rateLimits"] = [
            {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
                "count": int(headers[header]),
            }
            for header, kind, interval, number, limit in (
                ("x-mbx-order-count-10s", "ORDERS", "SECOND", 10, 100),
                ("x-mbx-order-count-1d", "ORDERS", "DAY", 1, 200_000),
                ("x-mbx-used-weight-1m", "REQUEST_WEIGHT", "MINUTE", 1, 6000),
            )
            if header in headers
        ]
        return answer

    # --- signatures ---

    def _signed(self, verb: str, path: str, params: dict[str, Any]) -> WireReply:
        return self._rest(verb, path, self._signed_query(params), str(params.get("apiKey", "")))

    def _signed_query(self, params: dict[str, Any]) -> str:
        """The query string that says the same on REST, signed if this request is.

        Here values are signed sorted by name and not percent-encoded; REST signs what travels. A wrong signature stays a wrong one,
        so that everything that is checked before it is refused in the order in which REST refuses it.

        Raises:
            BinanceRefusal: -1102 when there is no signature.
        """
        values = {name: _text(value) for name, value in params.items() if name != "signature"}
        given = params.get("signature")
        if not isinstance(given, str) or not given:
            raise malformed("signature")
        account = self._site.exchange.account_by_key(values.get("apiKey", ""))
        secret = account.secret.encode() if account is not None else b""
        payload = "&".join(f"{name}={values[name]}" for name in sorted(values))
        expected = hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()
        right = hmac.compare_digest(expected.encode(), given.lower().encode("utf-8", "replace"))
        values.pop("apiKey", None)
        query = urlencode(values)
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest() if right else "0" * 64
        return f"{query}&signature={signature}" if query else f"signature={signature}"

    def _account(self, params: dict[str, Any]) -> TradingAccount:
        """Whose key signed a request that has no counterpart on REST.

        Raises:
            BinanceRefusal: As REST's signed calls.
        """
        request = WireRequest(
            method="GET", path="/", raw_path="/", query=self._signed_query(params), body=b"",
            headers={"x-mbx-apikey": str(params.get("apiKey", ""))}, client=self._client,
        )  # fmt: skip
        return self._site.dialect.authenticate(request)

    # --- sessions and the user data stream ---

    def _logon(self, params: dict[str, Any]) -> Any:
        """Only Ed25519 keys may log on, and the simulator gives out HMAC keys."""
        self._account(params)
        raise BinanceRefusal(-2028, "HMAC-SHA-256 API key is not supported.")

    def _needs_logon(self, params: dict[str, Any]) -> Any:
        raise BinanceRefusal(-1193, "WebSocket session not authenticated.", 401)

    def _status(self) -> dict[str, Any]:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._since_ms,
            "returnRateLimits": True,
            "serverTime": self._site.now_ms(),
            "userDataStream": bool(self._users),
        }

    def _subscribe_signed(self, params: dict[str, Any]) -> dict[str, Any]:
        account = self._account(params)
        if any(user.account is account for user in self._users.values()):
            raise BinanceRefusal(-2035, "User Data Stream subscription already active.")
        if self._next_id > _MOST_SUBSCRIPTIONS:
            raise BinanceRefusal(-2042, "Maximum subscription ID reached for this connection.")
        number, self._next_id = self._next_id, self._next_id + 1
        self._users[number] = user = _ApiSubscription(self._connection, number, account)
        # Before the answer goes out, so that who has read it misses nothing; events come in later turns of the loop.
        self._site.topics.join(("user", account.name), self._site.user_topic(account), user)
        return {"subscriptionId": number}

    def _unsubscribe_call(self, params: dict[str, Any]) -> dict[str, Any]:
        number = params.get("subscriptionId")
        if number is not None and number not in {str(known) for known in self._users}:
            raise BinanceRefusal(-2036, "User Data Stream subscription not active.")
        for known in [int(number)] if number is not None else list(self._users):
            self._users[known].push(
                Push(_ENCODER.encode({"e": "eventStreamTerminated", "E": self._site.now_ms()}).encode())
            )
            self._unsubscribe(known)
        return {}

    def _unsubscribe(self, number: int) -> None:
        user = self._users.pop(number)
        self._site.topics.leave(("user", user.account.name), user)


class _ApiSubscription:
    """One account's events on one connection."""

    def __init__(self, connection: WsConnection, number: int, account: TradingAccount) -> None:
        self._connection = connection
        self._number = number
        self.account = account

    def push(self, push: Push) -> None:
        """Passes an event on, with the subscription's number."""
        self._connection.send(Push(b'{"subscriptionId":%d,"event":%b}' % (self._number, push.text)))


def _parse(data: bytes) -> dict[str, Any]:
    """A request, its numbers kept as they were written, because that is what was signed.

    Raises:
        BinanceRefusal: -1135 when it is not a JSON object.
    """
    try:
        message = parse_json(data, parse_float=str, parse_int=_Number)
    except (ValueError, RecursionError):
        raise BinanceRefusal(-1135, "Invalid JSON Request") from None
    if not isinstance(message, dict):
        raise BinanceRefusal(-1135, "Invalid JSON Request")
    return message


class _Number(str):
    """A whole number as it was written; only the id is given back as a number."""


def _checked_id(value: Any) -> Any:
    """A request's id as it is echoed.

    Raises:
        BinanceRefusal: -1135 when it is neither a 64-bit integer nor a short text nor null.
    """
    if isinstance(value, _Number) and -(2**63) <= int(value) < 2**63:
        return int(value)
    if value is None or (isinstance(value, str) and not isinstance(value, _Number) and _ID_TEXT.fullmatch(value)):
        return value
    raise BinanceRefusal(-1135, "Invalid JSON Request")


def _text(value: Any) -> str:
    """A parameter as text, the way that it is signed: numbers as written, booleans in lower case, arrays as JSON."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return _ENCODER.encode(value)
