"""A connection to Binance's streams ("WebSocket Streams" in Binance's documentation)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from ....engine.accounts import TradingAccount
from ....transport.push import Push
from ....transport.topics import Topic
from ....transport.websocket import WsConnection
from ...fields import VenueRefusal
from ...streaming import StreamSubscription, VenueSession, VenueSite
from .user_data import ListenKeys, user_topic

__all__ = ["StreamSession"]

_ID_TEXT = re.compile(r"[A-Za-z0-9_-]{1,36}")
_Site = VenueSite[Any]


class NamedStreams(Protocol):
    """The market streams that an address serves."""

    def well_formed(self, name: object) -> bool:
        """Whether a stream name is well formed."""

    def topic(self, name: str, *, microseconds: bool = False) -> Callable[[], Topic] | None:
        """The factory of a stream's topic; None if not found."""


UserTopics = Callable[[TradingAccount, bool], tuple[Hashable, Callable[[], Topic]]]
"""The key and the factory of an account's events; the second argument: whether times are in microseconds."""


class RateGuard:
    """Counts a client's frames and closes its connection above the limit.

    Args:
        connection: The connection.
        per_second: The maximum number of frames per second; 0 for no limit.
    """

    def __init__(self, connection: WsConnection, per_second: float) -> None:
        self._connection = connection
        self._most = max(1, round(per_second)) if per_second else 0
        self._times: deque[float] = deque(maxlen=self._most + 1)

    def arrived(self) -> bool:
        """Counts a frame; False if it exceeds the limit and the connection is closed."""
        if not self._most:
            return True
        now = self._connection.time_s()
        self._times.append(now)
        if len(self._times) > self._most and now - self._times[0] < 1.0:
            self._connection.close(1008, "Too many requests")
            return False
        return True


class _NamedStream(StreamSubscription):
    """One stream on one connection."""

    def __init__(self, session: StreamSession, name: str, key: Hashable) -> None:
        super().__init__(key)
        self.session = session
        self.name = name

    def push(self, push: Push) -> None:
        """Sends a message."""
        self.session.send(push)


class _ListenKeyStream(_NamedStream):
    """A listenKey's events on one connection; their envelope contains the key."""

    def ended(self, last: Push | None) -> None:
        """Handles the key's end; ``last`` is the event to send, None to send nothing."""
        if last is not None:
            self.push(last)
        self.session.leave(self.name)

    def push(self, push: Push) -> None:
        """Sends an event."""
        self.session.send(Push(push.text, before=f'{{"stream":"{self.name}","data":'.encode(), after=b"}"))


class StreamSession(VenueSession[_Site, _NamedStream]):
    """Market streams, and a listenKey's events, on one connection.

    Args:
        site: The exchange.
        connection: The connection.
        streams: The market streams.
        keys: The listenKeys.
        names: The streams in the address.
        combined: Whether events are wrapped in an envelope with the stream's name.
        microseconds: Whether times are in microseconds.
        user: Makes the topic of an account's events; None for spot's.
    """

    def __init__(
        self,
        site: _Site,
        connection: WsConnection,
        streams: NamedStreams,
        keys: ListenKeys,
        names: list[str],
        *,
        combined: bool,
        microseconds: bool,
        user: UserTopics | None = None,
    ) -> None:
        super().__init__(site, connection)
        self._user = user
        self._all = streams
        self._keys = keys
        self._names = [name for name in names if name]
        self._combined = combined
        self._microseconds = microseconds
        self._guard = RateGuard(connection, site.settings.messages_per_s * site.rate_scale)

    def opened(self) -> None:
        """Subscribes to the streams in the address; unknown names are ignored."""
        for name in dict.fromkeys(self._names):
            if not self._full(1):
                self._subscribe(name)

    def arrived(self) -> bool:
        """Counts a frame."""
        return self._guard.arrived()

    def shut_down(self) -> None:
        """Sends the event serverShutdown."""
        event = {"e": "serverShutdown", "E": self.site.now_ms()}
        self.send_json({"stream": "!serverShutdown", "data": event} if self._combined else event)

    def send(self, push: Push) -> None:
        """Sends a message, with or without envelope as the connection requires."""
        self.connection.send(push, combined=self._combined)

    # --- control messages ---

    def not_json(self, data: bytes) -> VenueRefusal:
        """Code 3."""
        return VenueRefusal(3, "Invalid JSON")

    def not_an_object(self, data: bytes) -> VenueRefusal:
        """Code 2."""
        return VenueRefusal(2, "Invalid request: expected an object")

    def answer(self, message: dict[str, Any]) -> None:
        """Executes one control message."""
        self.request_id = _checked_id(message.get("id"))
        result = self._control(message)
        self.send_json({"result": result, "id": self.request_id})

    def refuse(self, error: VenueRefusal) -> None:
        """Sends a refusal."""
        self.send_json({"error": {"code": error.code, "msg": error.msg}, "id": self.request_id})

    def _control(self, message: dict[str, Any]) -> Any:
        method, params = str(message.get("method")), message.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.subscriptions)
        if not isinstance(params, list):
            raise VenueRefusal(2, "Invalid request: params must be an array")
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            self._check_names(params)
            if method == "SUBSCRIBE" and self._full(len(set(params) - set(self.subscriptions))):
                raise VenueRefusal(2, f"Invalid request: more than {self.site.settings.most_streams} streams")
            for name in params:
                if method == "SUBSCRIBE":
                    self._subscribe(name)
                else:
                    self.leave(name)
            return None
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return self._property(params, change=method == "SET_PROPERTY")
        raise VenueRefusal(2, "Invalid request: unknown method")

    def _check_names(self, names: list[Any]) -> None:
        if not names:
            raise VenueRefusal(2, "Invalid request: params must not be empty")
        for name in names:
            if not self._all.well_formed(name) and (not isinstance(name, str) or self._keys.account(name) is None):
                raise VenueRefusal(2, "Invalid request: invalid stream")

    def _property(self, params: list[Any], *, change: bool) -> Any:
        if not params or params[0] != "combined":
            raise VenueRefusal(0, "Unknown property")
        if not change:
            return self._combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise VenueRefusal(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return None

    # --- subscriptions ---

    def _full(self, more: int) -> bool:
        most = self.site.settings.most_streams
        return bool(most) and len(self.subscriptions) + more > most

    def _subscribe(self, name: str) -> None:
        if name in self.subscriptions:
            return
        account = self._keys.account(name)
        if account is not None:
            key: Hashable
            make: Callable[[], Topic]
            if self._user is not None:
                key, make = self._user(account, self._microseconds)
            else:
                key, make = user_topic(self.site, account, microseconds=self._microseconds)
            user = _ListenKeyStream(self, name, key)
            self._keys.on_end(name, user.ended)
            self.join(name, user, make)
        elif self._all.well_formed(name):
            stream = _NamedStream(self, name, (name, self._microseconds))
            self.join(name, stream, self._all.topic(name, microseconds=self._microseconds))

    def leave(self, name: str) -> _NamedStream | None:
        """Ends a stream on this connection; an unknown one is ignored."""
        subscription = super().leave(name)
        if isinstance(subscription, _ListenKeyStream):
            self._keys.forget(name, subscription.ended)
        return subscription


def _checked_id(value: Any) -> Any:
    """A request's id: a 64-bit integer, a short text, or null.

    Raises:
        VenueRefusal: It is another value.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, str) and _ID_TEXT.fullmatch(value):
        return value
    raise VenueRefusal(
        2, "Invalid request: request ID must be an integer, a text of at most 36 letters and digits, or null"
    )
