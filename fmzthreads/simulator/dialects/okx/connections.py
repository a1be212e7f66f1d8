"""OKX v5 over websockets: addresses, login, subscriptions, and orders (fact sheet 3.1, 3.2 and 3.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ...transport.push import Push
from ...transport.stream_settings import StreamSettings
from ...transport.topics import Feed, Topic, Topics
from ...transport.websocket import ClientSession, Keepalive, Refusal, WsConnection, parse_json
from ..base import WireRequest
from ..windows import AlignedWindows
from .account import OkxAccounts
from .channels import Channels
from .market import Instruments, OkxMarket
from .orders import OkxOrders
from .parameters import timestamp_text
from .private_channels import AccountTopic, BalanceAndPositionTopic, OrdersTopic, PrivateTopic
from .rest import OkxDialect

__all__ = ["OkxSession", "OkxSite"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_PLACE = re.compile(r"/ws/v5/(public|private|business)/?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PRIVATE = ("orders", "account", "positions", "balance_and_position")
_INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY")
_HIGH_TIER = ("books-l2-tbt", "books50-l2-tbt")
_LOGIN_VALID_S = 30
_MOST_OF_A_CHANNEL = 30  # connections of one account
_CONNECTS_PER_S = 3
_ECHO = 200
_TIER = "Your trading fee tier doesn't meet the requirement to access this channel"
_WRONG_URL = (
    "The current operation is not supported by this URL. Please use the correct WebSocket URL for the operation."
)
_ORDER_OPS: dict[str, tuple[str, bool]] = {
    "order": ("trade/order", False),
    "batch-orders": ("trade/batch-orders", True),
    "cancel-order": ("trade/cancel-order", False),
    "batch-cancel-orders": ("trade/cancel-batch-orders", True),
    "amend-order": ("trade/amend-order", False),
    "batch-amend-orders": ("trade/amend-batch-orders", True),
}
"""Where a REST call does the same, and whether it takes a list."""


class OkxSite:
    """Takes connections to OKX's websocket addresses.

    Args:
        exchange: What trades.
        dialect: What answers orders.
        faults: What is to go wrong.
        settings: Figures.
        rate_scale: All limits are multiplied by it; 0 switches them off.

    Attributes:
        faults: As given.
        feed: What carries the exchange's events into the loop.
        topics: The streams that somebody listens to.
    """

    message_limit = 65_536
    slow_code = 4005

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: OkxDialect,
        faults: Faults,
        settings: StreamSettings,
        *,
        rate_scale: float,
    ) -> None:
        self.exchange = exchange
        self.dialect = dialect
        self.faults = faults
        self.settings = settings
        self.backlog = settings.backlog_bytes
        self.feed = Feed(exchange)
        self.topics = Topics()
        self.instruments = Instruments(exchange)
        market = OkxMarket(exchange, self.instruments)
        self.orders = OkxOrders(exchange, self.instruments, market)
        self.accounts = OkxAccounts(exchange, self.instruments, market)
        self.channels = Channels(
            exchange, self.feed, self.instruments, market, self.now_ms, checksums=settings.checksums
        )
        self.most_requests = round(settings.requests_per_h * rate_scale)
        self._connects = AlignedWindows(max(1, round(_CONNECTS_PER_S * rate_scale)) if rate_scale else None, 1)
        self._private_connections: dict[tuple[str, str], set[OkxSession]] = {}

    def now_ms(self) -> int:
        """The venue's time, with the offset that is being played."""
        return self.exchange.server_time_ms() + self.faults.clock_offset_ms()

    def keepalive(self, path: str) -> Keepalive:
        """No pings, but an end when nothing passes."""
        return Keepalive(idle_s=self.settings.idle_s, idle_code=4004, idle_reason="No data received in 30s")

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """A session at one of the three addresses; what stands behind the question mark does not matter."""
        place = _PLACE.fullmatch(request.path)
        if place is None:
            return Refusal(status=404, body=b"Not Found")
        now_ms = self.now_ms()
        if self._connects.would_exceed(request.client, now_ms):
            return Refusal(status=429, body=b"Too Many Requests")
        self._connects.add(request.client, now_ms)
        return OkxSession(self, connection, place[1], request.client)

    def farewell(self, session: ClientSession) -> None:
        """The notice that the venue sends before it takes a server down."""
        if isinstance(session, OkxSession):
            session.notice("64008", "The connection will soon be closed for a service upgrade. Please reconnect.")

    def stop(self) -> None:
        """Ends everything that waits."""
        self.feed.stop()

    # --- private channels ---

    def count(self, channel: str, session: OkxSession, account: TradingAccount) -> tuple[int, bool]:
        """Counts a connection for a channel; how many there are, and whether this is one too many."""
        sessions = self._private_connections.setdefault((channel, account.name), set())
        if session not in sessions and len(sessions) >= _MOST_OF_A_CHANNEL:
            return len(sessions) + 1, True
        sessions.add(session)
        return len(sessions), False

    def uncount(self, session: OkxSession, channel: str | None = None) -> None:
        """A connection has ended, or its last subscription to a channel."""
        for (name, _), sessions in self._private_connections.items():
            if channel in {None, name}:
                sessions.discard(session)

    def private_topic(
        self, account: TradingAccount, arg: dict[str, Any]
    ) -> tuple[tuple[Any, ...], Callable[[], Topic]]:
        """The key of a private channel's topic, and what makes it.

        Raises:
            _Refused: An argument is missing or wrong.
        """
        channel = arg["channel"]
        if channel in {"orders", "positions"}:
            kind = arg.get("instType")
            if kind is None:
                raise _Refused("60027", "Parameter instType can not be empty.")
            name = arg.get("instId")
            instrument = self.instruments.find(str(name)) if name is not None else None
            if kind not in _INST_TYPES or (name is not None and instrument is None):
                raise _wrong_channel(channel, name)
            if channel == "positions":
                return (channel, account.name), lambda: _NoPositions(self.feed, account)
            wanted = instrument.id if instrument is not None else None
            if kind not in {"SPOT", "ANY"}:
                return (channel, "none"), lambda: Topic(self.feed)
            return (channel, account.name, wanted), lambda: OrdersTopic(
                self.feed, account, self.orders, self.exchange, wanted
            )
        if channel == "account":
            currency = str(arg["ccy"]) if arg.get("ccy") else None
            regular = '"updateInterval":"0"' not in str(arg.get("extraParams", "")).replace(" ", "")
            return (channel, account.name, currency, regular), lambda: AccountTopic(
                self.feed, account, self.accounts, self.now_ms, currency, regular=regular
            )
        return (channel, account.name), lambda: BalanceAndPositionTopic(
            self.feed, account, self.exchange, self.instruments, self.now_ms
        )


class _NoPositions(PrivateTopic):
    """The channel ``positions`` of a spot account: an empty snapshot."""

    def join(self, listener: Any) -> None:
        """A snapshot for the new one."""
        self.say([], listener, eventType="snapshot", curPage=1, lastPage=True)


class _Refused(Exception):
    """A request is refused.

    Args:
        code: The venue's code.
        msg: Its text.
    """

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg


def _wrong_channel(channel: object, inst_id: object) -> _Refused:
    what = f"channel:{channel}" + (f",instId:{inst_id}" if inst_id is not None else "")
    return _Refused(
        "60018",
        f"Wrong URL or {what} doesn't exist. Please use the correct URL, channel and parameters referring to API document.",
    )


class _ChannelSubscription:
    """One channel on one connection."""

    def __init__(self, session: OkxSession, arg: dict[str, Any], key: tuple[Any, ...], uid: str | None) -> None:
        self._session = session
        self.arg = arg
        self.key = key
        self._early: list[Push] | None = []
        # A private message begins with the subscription's own arg; a public one is complete.
        self._head = b'{"arg":' + _ENCODER.encode({**arg, "uid": uid}).encode() if uid is not None else b""

    def push(self, push: Push) -> None:
        """Passes a message on."""
        if self._early is not None:
            self._early.append(push)
        else:
            self._session.connection.send(Push(self._head + push.text) if self._head else push)

    def begin(self) -> None:
        """The subscription is acknowledged: sends what has come for it already, and from now on everything."""
        early, self._early = self._early or [], None
        for push in early:
            self.push(push)


class OkxSession:
    """One connection.

    Args:
        site: The venue.
        connection: The connection.
        place: ``public``, ``private`` or ``business``.
        client: The address that limits per IP are counted by.
    """

    def __init__(self, site: OkxSite, connection: WsConnection, place: str, client: str) -> None:
        self._site = site
        self.connection = connection
        self._place = place
        self._client = client
        self._id = secrets.token_hex(4)
        self._account: TradingAccount | None = None
        self._subscriptions: dict[str, _ChannelSubscription] = {}
        self._requests = AlignedWindows(site.most_requests or None, 3600)

    def opened(self) -> None:
        """Nothing is sent unasked."""

    def arrived(self) -> bool:
        """Frames as such are not counted."""
        return True

    def closed(self) -> None:
        """Ends all subscriptions."""
        self._site.uncount(self)
        for subscription in self._subscriptions.values():
            self._site.topics.leave(subscription.key, subscription)
        self._subscriptions.clear()

    # --- messages ---

    def received(self, data: bytes) -> None:
        """One message."""
        if data == b"ping":
            self.connection.send_text("pong")
            return
        request_id: str | None = None
        try:
            message = _parse(data)
            request_id = _request_id(message)
            self._handle(message, request_id)
        except _Refused as error:
            self._event("error", request_id, code=error.code, msg=error.msg)

    def _event(self, event: str, request_id: str | None = None, **fields: Any) -> None:
        head = {"id": request_id} if request_id is not None else {}
        self.connection.send_text(_ENCODER.encode({**head, "event": event, **fields, "connId": self._id}))

    def notice(self, code: str, msg: str) -> None:
        """Sends a notice."""
        self._event("notice", code=code, msg=msg)

    def _handle(self, message: dict[str, Any], request_id: str | None) -> None:
        op, args = message.get("op"), message.get("args")
        if not isinstance(op, str):
            raise _Refused("60012", f"Invalid request: {_ENCODER.encode(message)[:_ECHO]}")
        if op in _ORDER_OPS:
            self._trade(op, args, message, request_id)
            return
        if op not in {"login", "subscribe", "unsubscribe"}:
            raise _Refused("60019", f"Invalid op: {op}")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            raise _Refused("60013", "Invalid args")
        now_ms = self._site.now_ms()
        if self._requests.would_exceed(self._place, now_ms):
            raise _Refused("60014", "Requests too frequent")
        self._requests.add(self._place, now_ms)
        if op == "login":
            self._login(args[0], request_id)
            return
        for arg in args:
            try:
                if op == "subscribe":
                    self._subscribe(arg, request_id)
                else:
                    self._unsubscribe(arg, request_id)
            except _Refused as error:
                self._event("error", request_id, code=error.code, msg=error.msg)

    # --- login ---

    def _login(self, arg: dict[str, Any], request_id: str | None) -> None:
        """Opens the private channels; who fails is shown out."""
        if self._account is not None:
            raise _Refused("60031", "The WebSocket endpoint does not allow multiple or repeated logins.")
        try:
            self._account = self._authenticated(arg)
        except _Refused as error:
            self._event("error", request_id, code=error.code, msg=error.msg)
            self.connection.close(4001, "Login Failed")
            return
        self._event("login", request_id, code="0", msg="")

    def _authenticated(self, arg: dict[str, Any]) -> TradingAccount:
        values = {}
        for name in ("apiKey", "passphrase", "timestamp", "sign"):
            value = arg.get(name)
            if value is None or value == "":
                raise _Refused("60027", f"Parameter {name} can not be empty.")
            values[name] = str(value)  # python-okx sends the time as a number
        stamp = values["timestamp"]
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", stamp, re.ASCII):
            raise _Refused("60004", "Invalid timestamp")
        if abs(self._site.now_ms() / 1000 - float(stamp)) > _LOGIN_VALID_S:
            raise _Refused("60006", "Timestamp request expired")
        account = self._site.exchange.account_by_key(values["apiKey"])
        if account is None:
            raise _Refused("60005", "Invalid apiKey")
        if not account.may(account.secret, values["passphrase"]):
            raise _Refused("60024", "Wrong passphrase")
        digest = hmac.new(account.secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(digest), values["sign"].encode("utf-8", "replace")):
            raise _Refused("60007", "Invalid sign")
        return account

    # --- subscriptions ---

    def _subscribe(self, arg: dict[str, Any], request_id: str | None) -> None:
        channel = arg.get("channel")
        if not channel or not isinstance(channel, str):
            raise _Refused("60027", "Parameter channel can not be empty.")
        name = _ENCODER.encode(sorted((str(key), str(value)) for key, value in arg.items()))
        if self._place == "private":
            self._subscribe_private(arg, name, channel, request_id)
            return
        inst_id = str(arg["instId"]) if "instId" in arg else None
        if self._place == "public" and channel in _HIGH_TIER:
            self._logged_in()
            raise _Refused("64003", _TIER)
        make: Callable[[], Topic] | None
        if self._place == "business" and channel == "orders-algo":
            self._logged_in()
            make = partial(Topic, self._site.feed)  # there are no such orders here: the channel is silent
        else:
            make = self._site.channels.topic(self._place, channel, inst_id)
        if make is None:
            raise _wrong_channel(channel, inst_id)
        subscription = _ChannelSubscription(self, arg, (self._place, channel, inst_id), None)
        self._join(name, subscription, make)
        self._event("subscribe", request_id, arg=arg)
        subscription.begin()

    def _logged_in(self) -> TradingAccount:
        if self._account is None:
            raise _Refused("60011", "Please log in")
        return self._account

    def _subscribe_private(self, arg: dict[str, Any], name: str, channel: str, request_id: str | None) -> None:
        account = self._logged_in()
        if channel == "fills":
            raise _Refused("64003", _TIER)
        if channel not in _PRIVATE:
            raise _wrong_channel(channel, arg.get("instId"))
        key, make = self._site.private_topic(account, arg)
        count, too_many = self._site.count(channel, self, account)
        subscription = _ChannelSubscription(self, arg, key, str(account.uid))
        if not too_many:
            self._join(name, subscription, make)
        self._event("subscribe", request_id, arg=arg)
        kind = "channel-conn-count-error" if too_many else "channel-conn-count"
        self._event(kind, channel=channel, connCount=str(count))
        subscription.begin()

    def _join(self, name: str, subscription: _ChannelSubscription, make: Callable[[], Topic]) -> None:
        """Before it is acknowledged, so that who has read that misses nothing."""
        before = self._subscriptions.pop(name, None)
        if before is not None:
            self._site.topics.leave(before.key, before)
        self._subscriptions[name] = subscription
        self._site.topics.join(subscription.key, make, subscription)

    def _unsubscribe(self, arg: dict[str, Any], request_id: str | None) -> None:
        """Ends a subscription; one that there is not is acknowledged too."""
        name = _ENCODER.encode(sorted((str(key), str(value)) for key, value in arg.items()))
        subscription = self._subscriptions.pop(name, None)
        if subscription is not None:
            self._site.topics.leave(subscription.key, subscription)
            channel = subscription.arg["channel"]
            if all(other.arg["channel"] != channel for other in self._subscriptions.values()):
                self._site.uncount(self, channel)
        self._event("unsubscribe", request_id, arg=arg)

    # --- orders ---

    def _trade(self, op: str, args: Any, message: dict[str, Any], request_id: str | None) -> None:
        """Places, cancels or changes orders: what REST does, with the instrument by its code."""
        head = {"id": request_id} if request_id is not None else {}
        path, batch = _ORDER_OPS[op]
        bad = not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args)
        if self._place != "private":
            raise _Refused("60028", _WRONG_URL)
        account = self._logged_in()
        if bad or (not batch and len(args) != 1):
            answer: dict[str, Any] = {"code": "60013", "msg": "Invalid args", "data": []}
        else:
            entries = [{key: value for key, value in arg.items() if key != "instId"} for arg in args]
            answer = self._rest(account, path, entries if batch else entries[0], message.get("expTime"))
            for row in answer["data"]:
                if isinstance(row, dict) and row.get("sCode") == "50014":
                    row["sMsg"] = "Parameter instIdCode can not be empty"
        now_us = str(self._site.now_ms() * 1000)
        times = {"inTime": answer.get("inTime", now_us), "outTime": answer.get("outTime", now_us)}
        row = {**head, "op": op, "code": answer["code"], "msg": answer.get("msg", ""), "data": answer["data"], **times}
        self.connection.send_text(_ENCODER.encode(row))

    def _rest(self, account: TradingAccount, path: str, body: Any, expires: Any) -> dict[str, Any]:
        target, text = f"/api/v5/{path}", _ENCODER.encode(body)
        stamp = timestamp_text(self._site.now_ms())
        digest = hmac.new(account.secret.encode(), f"{stamp}POST{target}{text}".encode(), hashlib.sha256).digest()
        headers = {
            "ok-access-key": account.key,
            "ok-access-passphrase": account.passphrase,
            "ok-access-timestamp": stamp,
            "ok-access-sign": base64.b64encode(digest).decode(),
        }
        if expires:
            headers["exptime"] = str(expires)
        request = WireRequest(
            method="POST",
            path=target,
            raw_path=target,
            query="",
            body=text.encode(),
            headers=headers,
            client=self._client,
        )
        answer: dict[str, Any] = json.loads(self._site.dialect.handle(request).body)
        answer.setdefault("data", [])
        return answer


def _parse(data: bytes) -> dict[str, Any]:
    """A message; numbers are kept as they were written.

    Raises:
        _Refused: 60012 when it is not a JSON object.
    """
    try:
        message = parse_json(data, parse_float=str)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise _Refused("60012", f"Invalid request: {data[:_ECHO].decode('utf-8', 'replace')}")
    return message


def _request_id(message: dict[str, Any]) -> str | None:
    value = message.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
        raise _Refused("60033", "Parameter id error")
    return value
