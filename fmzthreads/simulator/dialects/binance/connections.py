"""Binance spot over websockets: where connections go, and the control messages of market streams (fact sheet 3.1)."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...faults import Faults
from ...transport.push import Push
from ...transport.stream_settings import StreamSettings
from ...transport.topics import Feed, Topics
from ...transport.websocket import ClientSession, Keepalive, Refusal, WsConnection, parse_json
from ..base import WireRequest
from ..windows import AlignedWindows
from .market import BinanceMarket
from .market_streams import Streams
from .rest import BinanceDialect
from .symbols import Symbols
from .user_data import ListenKeys, UserTopic
from .websocket_api import ApiSession

__all__ = ["BinanceSite", "StreamSession"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
# A client that takes its kind of market from the address wants "/stream" in it; one or two words in front are therefore let through.
_RAW = re.compile(r"(?:/stream[A-Za-z0-9_-]*)?/ws(?:/(.*))?")
_COMBINED = re.compile(r"/stream/?")
_API = "/ws-api/v3"
_ID_TEXT = re.compile(r"[A-Za-z0-9_-]{1,36}")
_CONNECTS, _CONNECT_WINDOW_S = 300, 300


class BinanceSite:
    """Takes connections to Binance's websocket paths.

    Args:
        exchange: What trades.
        dialect: What answers calls of the WebSocket API.
        faults: What is to go wrong.
        settings: Figures.
        rate_scale: All limits are multiplied by it; 0 switches them off.

    Attributes:
        faults: As given.
        feed: What carries the exchange's events into the loop.
        topics: The streams that somebody listens to.
        keys: The former listenKeys.
    """

    message_limit = 1 << 20
    slow_code = 0

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: BinanceDialect,
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
        self.keys = ListenKeys(settings.listen_key_s, self.now_ms)
        self.feed = Feed(exchange)
        self.topics = Topics()
        self.symbols = Symbols(exchange)
        market = BinanceMarket(exchange, self.symbols, [])
        self.streams = Streams(exchange, self.feed, self.symbols, self.now_ms, market.average)
        scaled = max(1, round(_CONNECTS * rate_scale)) if rate_scale else None
        self._connects = AlignedWindows(scaled, _CONNECT_WINDOW_S)
        self._per_second = settings.messages_per_s * rate_scale

    def now_ms(self) -> int:
        """The venue's time, with the offset that is being played."""
        return self.exchange.server_time_ms() + self.faults.clock_offset_ms()

    def keepalive(self, path: str) -> Keepalive:
        """Pings, and an end after a day."""
        return Keepalive(ping_s=self.settings.ping_s, pong_s=self.settings.pong_s, life_s=self.settings.life_s)

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Streams or the WebSocket API, by path."""
        now_ms = self.now_ms()
        if self._connects.would_exceed(request.client, now_ms):
            retry = str(self._connects.retry_after_s(now_ms))
            return Refusal(status=429, body=b"Too Many Requests", headers=(("Retry-After", retry),))
        self._connects.add(request.client, now_ms)
        guard = RateGuard(connection, self._per_second)
        if request.path.rstrip("/") == _API:
            return ApiSession(self, connection, request.client)
        query = parse_qs(request.query)
        micro = query.get("timeUnit", [""])[-1].upper() == "MICROSECOND"
        raw = _RAW.fullmatch(request.path)
        if raw is not None:
            names = (raw[1] or "").split("/")
            return StreamSession(self, connection, guard, names, combined=False, microseconds=micro)
        if _COMBINED.fullmatch(request.path):
            names = "/".join(query.get("streams", [])).split("/")
            return StreamSession(self, connection, guard, names, combined=True, microseconds=micro)
        return Refusal(status=404, body=b"Not Found")

    def user_topic(self, account: TradingAccount) -> Callable[[], UserTopic]:
        """What makes the topic of an account's events."""
        return lambda: UserTopic(self.feed, self.exchange, account, self.symbols, self.now_ms)

    def farewell(self, session: ClientSession) -> None:
        """The event that the venue sends before it shuts a server down."""
        if isinstance(session, (StreamSession, ApiSession)):
            session.shut_down()

    def stop(self) -> None:
        """Ends everything that waits."""
        self.feed.stop()
        self.keys.stop()


class RateGuard:
    """Counts what a client sends: so many frames a second, then it is thrown out.

    Args:
        connection: Whose.
        per_second: How many; 0 for any number.
    """

    def __init__(self, connection: WsConnection, per_second: float) -> None:
        self._connection = connection
        self._most = max(1, round(per_second)) if per_second else 0
        self._times: deque[float] = deque(maxlen=self._most + 1)

    def arrived(self) -> bool:
        """Counts a frame; False when it was one too many and the connection is closed."""
        if not self._most:
            return True
        now = self._connection.time_s()
        self._times.append(now)
        if len(self._times) > self._most and now - self._times[0] < 1.0:
            self._connection.close(1008, "Too many requests")
            return False
        return True


class _ControlError(Exception):
    """A control message is refused."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class StreamSession:
    """BinanceMarket streams, and a listenKey's events, on one connection.

    Args:
        site: The venue.
        connection: The connection.
        guard: What counts the client's frames.
        names: The streams in the address.
        combined: Whether events come in an envelope with the stream's name.
        microseconds: Whether times are in microseconds.
    """

    def __init__(
        self,
        site: BinanceSite,
        connection: WsConnection,
        guard: RateGuard,
        names: list[str],
        *,
        combined: bool,
        microseconds: bool,
    ) -> None:
        self._site = site
        self._connection = connection
        self._guard = guard
        self._names = [name for name in names if name]
        self._combined = combined
        self._microseconds = microseconds
        self._streams: dict[str, _StreamSubscription] = {}
        self.arrived = guard.arrived

    def opened(self) -> None:
        """Subscribes to the streams in the address; names that are none are passed over in silence."""
        for name in dict.fromkeys(self._names):
            if not self._full(1):
                self._subscribe(name)

    def closed(self) -> None:
        """Ends all subscriptions."""
        for name in list(self._streams):
            self.unsubscribe(name)

    def shut_down(self) -> None:
        """Sends the event that comes before a server is shut down."""
        event = {"e": "serverShutdown", "E": self._site.now_ms()}
        self._answer({"stream": "!serverShutdown", "data": event} if self._combined else event)

    def send(self, push: Push) -> None:
        """Sends a message in the form that the connection has."""
        self._connection.send(push, combined=self._combined)

    # --- control messages ---

    def received(self, data: bytes) -> None:
        """One control message."""
        request_id: Any = None
        try:
            message = _parse(data)
            request_id = _checked_id(message.get("id"))
            result = self._control(message)
        except _ControlError as error:
            self._answer({"error": {"code": error.code, "msg": error.msg}, "id": request_id})
            return
        self._answer({"result": result, "id": request_id})

    def _answer(self, row: dict[str, Any]) -> None:
        self._connection.send_text(_ENCODER.encode(row))

    def _control(self, message: dict[str, Any]) -> Any:
        method, params = str(message.get("method")), message.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        if not isinstance(params, list):
            raise _ControlError(2, "Invalid request: params must be an array")
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            self._check_names(params)
            if method == "SUBSCRIBE" and self._full(len(set(params) - set(self._streams))):
                raise _ControlError(2, f"Invalid request: more than {self._site.settings.most_streams} streams")
            # Before the answer goes out, so that who has read it misses nothing; events come in later turns of the loop.
            for name in params:
                (self._subscribe if method == "SUBSCRIBE" else self.unsubscribe)(name)
            return None
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return self._property(params, change=method == "SET_PROPERTY")
        raise _ControlError(2, "Invalid request: unknown method")

    def _check_names(self, names: list[Any]) -> None:
        if not names:
            raise _ControlError(2, "Invalid request: params must not be empty")
        for name in names:
            if not self._site.streams.well_formed(name) and (
                not isinstance(name, str) or self._site.keys.account(name) is None
            ):
                raise _ControlError(2, "Invalid request: invalid stream")

    def _property(self, params: list[Any], *, change: bool) -> Any:
        if not params or params[0] != "combined":
            raise _ControlError(0, "Unknown property")
        if not change:
            return self._combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _ControlError(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return None

    # --- subscriptions ---

    def _full(self, more: int) -> bool:
        most = self._site.settings.most_streams
        return bool(most) and len(self._streams) + more > most

    def _subscribe(self, name: str) -> None:
        if name in self._streams:
            return
        account = self._site.keys.account(name)
        if account is not None:
            self._streams[name] = user = _ListenKeySubscription(self, name)
            self._site.keys.on_end(name, user.ended)
            self._site.topics.join(user.key(account), self._site.user_topic(account), user)
        elif self._site.streams.well_formed(name):
            self._streams[name] = subscription = _StreamSubscription(self, name, (name, self._microseconds))
            make = self._site.streams.topic(name, microseconds=self._microseconds)
            if make is not None:
                self._site.topics.join(subscription.topic_key, make, subscription)

    def unsubscribe(self, name: str) -> None:
        """Ends a stream on this connection; one that there is not is passed over."""
        subscription = self._streams.pop(name, None)
        if subscription is not None:
            self._site.topics.leave(subscription.topic_key, subscription)
            if isinstance(subscription, _ListenKeySubscription):
                self._site.keys.forget(name, subscription.ended)


class _StreamSubscription:
    """One stream on one connection."""

    def __init__(self, session: StreamSession, name: str, topic_key: tuple[str, object]) -> None:
        self.session = session
        self.name = name
        self.topic_key = topic_key

    def push(self, push: Push) -> None:
        """Passes a message on."""
        self.session.send(push)


class _ListenKeySubscription(_StreamSubscription):
    """A listenKey's events on one connection; their envelope names the key."""

    def __init__(self, session: StreamSession, name: str) -> None:
        super().__init__(session, name, ("user", name))

    def key(self, account: TradingAccount) -> tuple[str, object]:
        """The key of the account's topic, remembered for the end."""
        self.topic_key = ("user", account.name)
        return self.topic_key

    def ended(self, last: Push | None) -> None:
        """The key has ended; ``last`` is what there is to say about it."""
        if last is not None:
            self.push(last)
        self.session.unsubscribe(self.name)

    def push(self, push: Push) -> None:
        """Passes an event on."""
        self.session.send(Push(push.text, before=f'{{"stream":"{self.name}","data":'.encode(), after=b"}"))


def _parse(data: bytes) -> dict[str, Any]:
    try:
        message = parse_json(data)
    except (ValueError, RecursionError):
        raise _ControlError(3, "Invalid JSON") from None
    if not isinstance(message, dict):
        raise _ControlError(2, "Invalid request: expected an object")
    return message


def _checked_id(value: Any) -> Any:
    """A request's id: a 64-bit integer, a short text, or null."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, str) and _ID_TEXT.fullmatch(value):
        return value
    raise _ControlError(
        2, "Invalid request: request ID must be an integer, a text of at most 36 letters and digits, or null"
    )
