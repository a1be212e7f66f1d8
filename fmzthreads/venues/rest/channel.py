"""What the adapters of venues that speak REST have in common: one way through the limits, the clock, the signature and the errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import attrs

from ...clock import Clock, WallClock
from ...errors import (
    BadReply,
    ClockSkew,
    ConnectionLost,
    FmzError,
    InputError,
    OutcomeUnknown,
    RateLimited,
    TimedOut,
    VenueRejected,
    VenueUnavailable,
    nearest,
)
from ...exchange.credentials import Credentials
from ...exchange.venue import BaseVenue
from ...http.client import HttpClient, HttpOptions, HttpRequest
from ...http.reply import Reply
from ...structures import Market
from .parsing import Malformed, reading
from .rate_limits import Doors
from .server_time import ServerTime, TimeSample
from .symbols import Listing, SymbolBook

__all__ = ["Ask", "RestVenue", "checked_limit", "read_object"]

T = TypeVar("T")

_METHODS = ("GET", "POST", "PUT", "DELETE")
_YEAR_3000_S = 32_503_680_000

# Statuses with which a request is turned away at the door, whoever says it; 408 and 499, for two, are not among them.
_TURNED_AWAY = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 418, 429, 431, 451})


@attrs.frozen(kw_only=True)
class Ask:
    """One request, before it is signed.

    Attributes:
        method: The HTTP method.
        path: Its path from the root, or a full URL.
        params: Its parameters; those that are None are left out.
        raw: A literal body; empty for none.
        signed: Whether it needs the keys.
        door: What ``Doors`` may have shut besides everything: ``"orders"`` for orders, or a bucket of the venue.
        weight: What it costs, in the venue's own unit.
        limit: How many of its door are allowed in the venue's window; 0 for no such limit.
        patient: Whether it may be held back before a limit is hit. An order may not: it is sent now, or refused.
    """

    method: str
    path: str
    params: Mapping[str, object] = attrs.field(factory=dict)
    raw: str = ""
    signed: bool = False
    door: str = ""
    weight: int = 1
    limit: int = 0
    patient: bool = True

    @property
    def safe(self) -> bool:
        """Whether it changes nothing at the venue, so that it may be repeated."""
        return self.method == "GET"


class RestVenue(BaseVenue):
    """The common part; an adapter adds the dialect.

    Args:
        credentials: The keys; None for public calls only.
        base: The base URL; empty for the venue's production.
        clock: What tells the time and waits; real time when None.
        options: The options of the HTTP client; None for its defaults.
    """

    default_base = ""
    exact_outcomes = True
    needs_passphrase = False
    time_ask = Ask(method="GET", path="/")

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
    ) -> None:
        self._clock: Clock = clock if clock is not None else WallClock()
        self._credentials = credentials if credentials is not None else Credentials()
        self._http = HttpClient(base or self.default_base, clock=self._clock, options=options)
        self._time = ServerTime(self._clock, self._ask_time)
        self._symbols = SymbolBook(self.name, self._fetch_listings, self._clock)
        self._doors = Doors(self.name, self._clock)

    @abstractmethod
    def _build(self, ask: Ask) -> HttpRequest:
        """Makes the request that travels, with a fresh time stamp and signature."""

    @abstractmethod
    def _payload(self, reply: Reply) -> Any:
        """The JSON of a good reply; raises from the error tree for any other."""

    @abstractmethod
    def _admit(self, ask: Ask) -> AbstractContextManager[Callable[[Reply], None]]:
        """Passes the limits, waiting or refusing; what it yields is told of every reply."""

    @abstractmethod
    def _read_time(self, payload: Any) -> float:
        """The venue's time of day in the reply of ``time_ask``, in seconds since the epoch."""

    @abstractmethod
    def _fetch_listings(self) -> list[Listing]:
        """Fetches all symbols."""

    @abstractmethod
    def _outcome_unknown(self, error: VenueUnavailable) -> bool:
        """Whether an error reply leaves open if an order was taken."""

    def _call(self, ask: Ask, read: Callable[[Any], T]) -> T:
        """Makes a call.

        A read whose time stamp was refused is made once more after the venue's clock was measured; for anything else the clock is
        measured, so that the next one will do, and the refusal is raised.
        """
        if ask.signed:
            self._credentials.need(self.name, passphrase=self.needs_passphrase)
            self._time.ready(renew=ask.safe)
        try:
            return self._once(ask, read)
        except ClockSkew:
            if not ask.safe:
                self._measure_for_the_next()
                raise
        self._time.measure()
        return self._once(ask, read)

    def _measure_for_the_next(self) -> None:
        try:
            self._time.measure()
        except FmzError:
            # The refusal that led here is what the caller has to know; the next signed call measures by itself.
            self._time.forget()

    def _once(self, ask: Ask, read: Callable[[Any], T]) -> T:
        try:
            with self._admit(ask) as heard:
                return self._http.call(
                    lambda: self._build(ask),
                    lambda reply: self._understand(ask, reply, read, heard),
                    idempotent=ask.safe,
                )
        except FmzError as error:
            # What a venue says is shown; a proxy's page or a venue's text may echo what it was sent.
            error.args = (self._credentials.cut_out(str(error.args[0])), *error.args[1:])
            raise

    def _understand(self, ask: Ask, reply: Reply, read: Callable[[Any], T], heard: Callable[[Reply], None]) -> T:
        heard(reply)
        try:
            payload = self._payload(reply)
        except RateLimited as error:
            self._shut(ask, error)
            raise
        return reading(reply, read, payload)

    def _shut(self, ask: Ask, error: RateLimited) -> None:
        """Remembers that a limit was hit; an adapter narrows what that shuts."""
        self._doors.shut("", error)

    def _send_once(self, ask: Ask, read: Callable[[Any], T], client_order_id: str = "") -> T:
        """Makes a call that must not be repeated, and tells "not done" from "nobody can say".

        Raises:
            OutcomeUnknown: It was sent, or may have been, and no reply says what became of it.
        """
        if ask.signed:
            # Beforehand, so that a time-out of these preparations is not taken for one of the order.
            self._credentials.need(self.name, passphrase=self.needs_passphrase)
            self._time.ready(renew=False)
        try:
            return self._call(ask, read)
        except (TimedOut, ConnectionLost, BadReply) as error:
            raise self._unknown(error, client_order_id) from error
        except VenueUnavailable as error:
            if self._outcome_unknown(error):
                raise self._unknown(error, client_order_id) from error
            raise
        except VenueRejected as error:
            # No word of the venue itself: something on the way answered, perhaps after it had passed the request on.
            if not error.code and error.status not in _TURNED_AWAY:
                raise self._unknown(error, client_order_id) from error
            raise

    def _unknown(self, error: FmzError, client_order_id: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"it was sent to {self.name} and its outcome is unknown: {error.args[0]}",
            client_order_id=client_order_id,
            request=error.request,
            code=error.code,
            status=error.status,
        )

    def _ask_time(self) -> TimeSample:
        ask = self.time_ask

        def _parse(reply: Reply) -> TimeSample:
            received_s = self._clock.now()
            server_s = self._understand(ask, reply, self._read_moment, heard)
            return TimeSample(server_s=server_s, received_s=received_s, rtt_s=reply.elapsed_s)

        with self._admit(ask) as heard:
            return self._http.call(lambda: self._build(ask), _parse, idempotent=True)

    def _read_moment(self, payload: Any) -> float:
        server_s = self._read_time(payload)
        if not 0 < server_s < _YEAR_3000_S:
            raise Malformed(f"the venue's time {server_s:g} s is none of our age")
        return server_s

    def _url(self, path: str) -> str:
        if "://" in path:
            return path
        return f"{self._http.base}{path}" if path.startswith("/") else f"{self._http.base}/{path}"

    def markets(self) -> dict[str, Market]:
        """The trading rules of all symbols that are listed, by FMZ symbol; fetched anew (callers at the same moment share a fetch).

        Raises:
            OperationFailed: They could not be fetched.
            VenueRejected: The venue refused to say.
        """
        return {listing.symbol: listing.market for listing in self._symbols.refresh() if listing.listed}

    def last_reply(self) -> Reply | None:
        """The last reply that this thread got from this venue; None before the first."""
        return self._http.last_reply()

    def base(self) -> str:
        """The base URL in use."""
        return self._http.base

    def set_base(self, url: str) -> None:
        """Sends all further requests to another base URL; symbols, clock offset and limits are learnt anew there.

        Args:
            url: Such as ``"http://127.0.0.1:8080"``; empty for the venue's production.

        Raises:
            InputError: It is not an http or https URL.
        """
        self._http.set_base(url or self.default_base)
        self._time.forget()
        self._symbols.forget()
        self._doors.open_all()

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of each further call, in milliseconds."""
        self._http.set_timeout(timeout_ms)

    def set_proxy(self, proxy: str) -> None:
        """Sets the proxy of further calls: ``http://``, ``socks5://``, ``ip://`` (a local address), or empty for none."""
        self._http.set_proxy(proxy)

    def warm(self, connections: int) -> None:
        """Opens this thread's connection, and learns the symbols and, with keys, the venue's time, if they are not known yet.

        Args:
            connections: How many calls will run side by side; each of their threads calls this, so that it opens one itself.

        Raises:
            OperationFailed: The venue could not be reached.
        """
        self._http.warm()
        self._symbols.by_venue()
        if self._credentials:
            self._time.ready(renew=True)

    def close(self) -> None:
        """Closes all connections; later calls open new ones."""
        self._http.close()

    @staticmethod
    def _checked_method(http_method: str) -> str:
        method = str(http_method).upper()
        if method not in _METHODS:
            raise InputError(f"unknown HTTP method {http_method!r}{nearest(method, _METHODS)}")
        return method


def checked_limit(limit: int | None, default: int, most: int) -> int:
    """How many items to ask for.

    Args:
        limit: What was asked for; None for the default; more than ``most`` is taken for that.
        default: What is asked for when nothing was said.
        most: What the venue gives at the most.

    Raises:
        InputError: It is not a whole number above 0.
    """
    if limit is None:
        return default
    if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        raise InputError(f"limit must be a whole number above 0, got {limit!r}")
    return min(limit, most)


def read_object(payload: Any) -> dict[str, Any]:
    """A payload that is an object."""
    if isinstance(payload, dict):
        return payload
    raise Malformed("the reply is not an object")
