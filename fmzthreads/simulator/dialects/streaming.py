"""The websocket side of a dialect: accepting connections, and the base of sessions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from ..engine.exchange import SimulatedExchange
from ..faults import Faults
from ..transport.push import Push
from ..transport.requests import HeaderRows, WireRequest, encode_json
from ..transport.stream_settings import StreamSettings
from ..transport.topics import Feed, Topic, Topics
from ..transport.websocket import ClientSession, Keepalive, Refusal, WsConnection, parse_json
from .base import Dialect
from .fields import VenueRefusal
from .windows import AlignedWindows

__all__ = ["StreamSubscription", "VenueSession", "VenueSite"]

DialectT = TypeVar("DialectT", bound=Dialect[Any])
SiteT = TypeVar("SiteT", bound="VenueSite[Any]")
SubscriptionT = TypeVar("SubscriptionT", bound="StreamSubscription")


class VenueSite(ABC, Generic[DialectT]):
    """Accepts connections to an exchange's websocket paths.

    Args:
        exchange: The simulated exchange.
        dialect: Answers the calls.
        faults: The faults to inject.
        settings: Limits and times.
        rate_scale: All limits are multiplied by it; 0 switches them off.

    Attributes:
        message_limit: The maximum size of a client's message, in bytes.
        slow_code: The close code for a client that reads too slowly; 0 ends the connection without a close frame.
        connects: How many connections an address may open within how many seconds.
        retry_after: Whether a refused handshake gets a Retry-After header.
        feed: Passes the exchange's events into the event loop.
        topics: The streams with listeners.
    """

    message_limit = 1 << 20
    slow_code = 0
    connects: tuple[int, int] = (300, 300)
    retry_after = False

    def __init__(
        self,
        exchange: SimulatedExchange,
        dialect: DialectT,
        faults: Faults,
        settings: StreamSettings,
        *,
        rate_scale: float,
    ) -> None:
        self.exchange = exchange
        self.dialect = dialect
        self.faults = faults
        self.settings = settings
        self.rate_scale = rate_scale
        self.backlog = settings.backlog_bytes
        self.feed = Feed(exchange)
        self.topics = Topics()
        most, period_s = self.connects
        self._connects = AlignedWindows(max(1, round(most * rate_scale)) if rate_scale else None, period_s)

    def now_ms(self) -> int:
        """The exchange's time, with the offset that the faults give it."""
        return self.dialect.now_ms()

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Opens a session; refuses too frequent handshakes and unknown paths."""
        now_ms = self.now_ms()
        if self._connects.would_exceed(request.client, now_ms):
            retry = self._connects.retry_after_s(now_ms)
            headers: HeaderRows = (("Retry-After", str(retry)),) if self.retry_after else ()
            return Refusal(status=429, body=b"Too Many Requests", headers=headers)
        session = self.session(request, connection)
        if not isinstance(session, Refusal):
            self._connects.add(request.client, now_ms)
        return session

    @abstractmethod
    def session(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """The session of a connection, by its path."""

    @abstractmethod
    def keepalive(self, path: str) -> Keepalive:
        """How connections to a path are kept alive."""

    def farewell(self, session: ClientSession) -> None:
        """Notifies a client that the server will shut down."""
        if isinstance(session, VenueSession):
            session.shut_down()

    def stop(self) -> None:
        """Ends all subscriptions and timers."""
        self.feed.stop()


class StreamSubscription(ABC):
    """One stream on one connection.

    Args:
        key: The key of the topic that it listens to.
    """

    def __init__(self, key: Hashable) -> None:
        self.key = key

    @abstractmethod
    def push(self, push: Push) -> None:
        """Sends a message of the topic."""


class VenueSession(ABC, Generic[SiteT, SubscriptionT]):
    """One connection to an exchange: answers requests and keeps subscriptions.

    Args:
        site: The exchange.
        connection: The connection.
    """

    def __init__(self, site: SiteT, connection: WsConnection) -> None:
        self.site = site
        self.connection = connection
        self.subscriptions: dict[str, SubscriptionT] = {}
        self.request_id: Any = None

    def opened(self) -> None:
        """Called after the handshake; sends nothing by default."""

    def arrived(self) -> bool:
        """Counts a frame; False if the limit was exceeded and the connection closed."""
        return True

    def closed(self) -> None:
        """Ends all subscriptions."""
        for name in list(self.subscriptions):
            self.leave(name)

    def shut_down(self) -> None:
        """Sends the exchange's notice before a server shuts down."""

    # --- messages ---

    def received(self, data: bytes) -> None:
        """Answers one message."""
        self.request_id = None
        try:
            self.answer(self.parse(data))
        except VenueRefusal as error:
            self.refuse(error)

    def parse(self, data: bytes) -> dict[str, Any]:
        """A message as a JSON object.

        Raises:
            VenueRefusal: It is not a JSON object.
        """
        try:
            message = parse_json(data, **self.number_options())
        except (ValueError, RecursionError):
            message = None
            if (error := self.not_json(data)) is not None:
                raise error from None
        if not isinstance(message, dict):
            raise self.not_an_object(data)
        return message

    def number_options(self) -> dict[str, Any]:
        """Options of ``json.loads`` for reading numbers."""
        return {}

    def not_json(self, data: bytes) -> VenueRefusal | None:
        """The refusal of a message that is not JSON; None for that of a non-object."""
        return None

    @abstractmethod
    def not_an_object(self, data: bytes) -> VenueRefusal:
        """The refusal of a message that is not a JSON object."""

    @abstractmethod
    def answer(self, message: dict[str, Any]) -> None:
        """Executes a request and sends the answer.

        Raises:
            VenueRefusal: It is refused.
        """

    @abstractmethod
    def refuse(self, error: VenueRefusal) -> None:
        """Sends a refusal."""

    def send_json(self, row: Any) -> None:
        """Sends an answer."""
        self.connection.send_text(encode_json(row).decode())

    # --- subscriptions ---

    def join(self, name: str, subscription: SubscriptionT, make: Callable[[], Topic] | None) -> None:
        """Adds a subscription before acknowledging it, so that no event is missed.

        Args:
            name: Its name on this connection; replaces a subscription of the same name.
            subscription: The subscription.
            make: Creates its topic; None for a stream that stays silent.
        """
        self.leave(name)
        self.subscriptions[name] = subscription
        if make is not None:
            self.site.topics.join(subscription.key, make, subscription)

    def leave(self, name: str) -> SubscriptionT | None:
        """Ends a subscription and returns it; None if not found."""
        subscription = self.subscriptions.pop(name, None)
        if subscription is not None:
            self.site.topics.leave(subscription.key, subscription)
        return subscription
