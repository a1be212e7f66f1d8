"""The REST channel of one venue: limits, server time, signature and errors of every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import attrs

from ...clock import Clock, WallClock
from ...errors import (
    BadReply,
    ClockSkew,
    ConnectionLost,
    FmzError,
    OutcomeUnknown,
    RateLimited,
    TimedOut,
    VenueRejected,
    VenueUnavailable,
)
from ...exchange.keys.credentials import Credentials
from ...http.client import HttpClient, HttpOptions, HttpRequest
from ...http.reply import Reply
from ...http.url import check_base
from ..limits.counted_call import CountedCall, VenueLimits
from ..limits.limiter import Limiter
from ..limits.registry import limiter_of
from .ask import Ask, VenueQuery
from .parsing import Malformed, bad_reply, is_about
from .plain_http import PlainHttpCheck
from .server_time import ServerTime, TimeSample

__all__ = ["Channel", "RestProtocol"]

T = TypeVar("T")

_YEAR_2015_S = 1_420_070_400
_YEAR_2100_S = 4_102_444_800

# Statuses that mean the request was refused before it was processed, by any server on the way; not so 408 and 499, for example.
_NOT_ACCEPTED = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 418, 429, 431, 451})


class RestProtocol(Protocol):
    """One venue's REST protocol: signature, envelope, refusals and limits. Keeps no connection."""

    name: str
    default_base: str
    needs_passphrase: bool

    @property
    def time_ask(self) -> Ask | None:
        """The request for the venue's time of day; None if the venue has none, and our own clock is used."""

    def counted_at(self, base: str) -> str:
        """The base URL under whose address requests to a base URL are counted; another one where two hosts share their limits."""

    def limits(self, limiter: Limiter, account: str) -> VenueLimits:
        """The limits of an account, counted by a limiter; ``account`` is its access key, empty for none."""

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """The request to send, with a fresh time stamp and signature."""

    def payload(self, reply: Reply, server_now: Callable[[], float]) -> Any:
        """The JSON of a successful reply; raises for any other. ``server_now`` is the venue's time of day."""

    def order_row(self, body: Any) -> Any:
        """The part of a reply's JSON, accepted or refused, that repeats the ids of the one order that the request was about."""

    def read_time(self, payload: Any) -> float:
        """The venue's time of day in the reply to ``time_ask``, in seconds since the epoch."""

    def outcome_unknown(self, error: VenueUnavailable) -> bool:
        """Whether an error reply leaves open if an order was accepted."""

    def shuts(self, ask: Ask, error: RateLimited) -> str:
        """The group of requests that a refusal blocks; empty for all of this address."""


@attrs.frozen
class _Site:
    """A base URL with the limits that are counted for it."""

    base: str
    limiter: Limiter
    limits: VenueLimits


class Channel:
    """One venue's REST.

    Args:
        protocol: The venue's REST protocol.
        credentials: The keys; None for public calls only.
        base: The base URL; empty for the venue's production.
        clock: Tells the time and waits; real time if None.
        options: The options of the HTTP client; None for its defaults.
        allow_plain_http: Whether keys may be sent without encryption to a host other than the loopback.
        share_limits: Whether requests are counted together with other processes of this user.

    Raises:
        InputError: With keys, the base URL is an ``http://`` one of such a host.
    """

    def __init__(
        self,
        protocol: RestProtocol,
        *,
        credentials: Credentials | None = None,
        base: str = "",
        clock: Clock | None = None,
        options: HttpOptions | None = None,
        allow_plain_http: bool = False,
        share_limits: bool = True,
    ) -> None:
        self.name = protocol.name
        self.protocol = protocol
        self.clock: Clock = clock if clock is not None else WallClock()
        self.keys = credentials if credentials is not None else Credentials()
        self._can_sign = self.keys.are_complete(passphrase=protocol.needs_passphrase)
        self._plain = PlainHttpCheck(protocol.name, allow=allow_plain_http)
        self.http = HttpClient(base or protocol.default_base, clock=self.clock, options=options)
        self._check_plain(self.http.base)
        self.time = ServerTime(self.clock, self._ask_time)
        self._share_limits = share_limits
        self._proxy = ""
        self._main = self._site_at(self.http.base)
        self._market: _Site | None = None  # where market data comes from, if not from the base

    def _site_at(self, base: str) -> _Site:
        """A base URL; all exchange objects of a process at its address have the same limiter."""
        limiter = limiter_of(
            self.name, self.protocol.counted_at(base), self._proxy, self.clock, share=self._share_limits
        )
        return _Site(base, limiter, self.protocol.limits(limiter, self.keys.access_key))

    @property
    def limiter(self) -> Limiter:
        """Counts the requests to the base URL."""
        return self._main.limiter

    @property
    def limits(self) -> VenueLimits:
        """The limits at the base URL."""
        return self._main.limits

    def _counted(self, ask: Ask, site: _Site) -> CountedCall:
        return CountedCall(
            site.limiter,
            site.limits,
            ask,
            clock=self.clock,
            timeout_s=self.http.timeout_s,
            server_now=self.time.now,
            measured=self.time.known,
            error_s=self.time.error_s,
        )

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Sets where warnings go, and writes that of a base URL without encryption."""
        self._plain.warn_with(warn)
        self._check_plain(self.http.base)

    def _check_plain(self, url: str) -> None:
        if self.keys:
            self._plain.check(url)

    def get(self, query: VenueQuery[T]) -> T:
        """Makes a query's call and reads its reply."""
        return self.call(query.ask, query.read)

    def call(self, ask: Ask, read: Callable[[Any], T]) -> T:
        """Makes a call and reads its reply.

        A read whose time stamp was refused is retried once after the venue's clock was measured; for anything else the clock is
        measured, so that the next call succeeds, and the refusal is raised.

        Raises:
            FmzError: The call failed or was refused.
        """
        safe = ask.safe
        if ask.signed:
            self._prepare_to_sign(renew=safe)
        try:
            return self._once(ask, read, safe)
        except ClockSkew:
            if not safe or self.protocol.time_ask is None:
                self._measure_for_the_next()
                raise
        self.time.measure()
        return self._once(ask, read, safe)

    def _prepare_to_sign(self, *, renew: bool) -> None:
        """Checks that the keys are there, and knows the venue's time; ``renew``: a recent one."""
        if not self._can_sign:
            self.keys.need(self.name, passphrase=self.protocol.needs_passphrase)
        if self.protocol.time_ask is not None:
            self.time.ready(renew=renew)

    def _measure_for_the_next(self) -> None:
        if self.protocol.time_ask is None:
            return
        try:
            self.time.measure()
        except FmzError:
            # The refusal matters more to the caller than this failure; the next signed call measures again.
            self.time.forget()

    def _once(self, ask: Ask, read: Callable[[Any], T], safe: bool) -> T:
        protocol, site = self.protocol, self._site_of(ask)
        url, call = self._url(ask, site.base), self._counted(ask, site)

        def _build() -> HttpRequest:
            call.begin()  # each attempt counts, and none is made while the venue refuses
            return protocol.build(ask, url, self.keys, self.time)

        try:
            try:
                return self.http.call(_build, lambda reply: self._understand(ask, reply, read, call), idempotent=safe)
            finally:
                call.end()
        except FmzError as error:
            # The venue's text is shown; like a proxy's page, it may repeat what was sent to it.
            error.args = (self.keys.cut_out(str(error.args[0])), *error.args[1:])
            error.request, error.code = self.keys.cut_out(error.request), self.keys.cut_out(str(error.code))
            raise

    def _understand(self, ask: Ask, reply: Reply, read: Callable[[Any], T], call: CountedCall) -> T:
        try:
            payload = self.protocol.payload(reply, self.time.now)
        except FmzError as error:
            if isinstance(error, RateLimited):
                call.blocked(self.protocol.shuts(ask, error), error)
            self._check_refusal(ask, reply, error)  # first: what is refused of another order was not this one's count
            call.heard(reply, error)
            raise
        try:
            if ask.about is not None:
                is_about(self.protocol.order_row(payload), *ask.about)
            call.heard(reply, None)  # not before: what was done with another order gives nothing back to this one
            return read(payload)
        except Malformed as error:
            raise bad_reply(reply, str(error)) from None

    def _check_refusal(self, ask: Ask, reply: Reply, refusal: FmzError) -> None:
        """Raises ``BadReply`` if it is another order that was refused: the outcome of the one that was sent is then unknown."""
        if ask.about is None:
            return
        try:
            row = self.protocol.order_row(reply.json())
        except BadReply:
            return  # not JSON: a server on the way, which names no order
        try:
            is_about(row, *ask.about, refused=True)
        except Malformed as error:
            raise bad_reply(reply, f"{error}; it says: {refusal.args[0]}") from None

    def send_once(self, ask: Ask, read: Callable[[Any], T], client_order_id: str = "") -> T:
        """Makes a call that must not be repeated; tells "not done" from "unknown".

        Raises:
            OutcomeUnknown: It was sent, or may have been, and no reply tells the outcome.
            FmzError: It failed before it was sent, or was refused.
        """
        if ask.signed:
            # Done first, so that a time-out of these preparations is not mistaken for one of the order.
            self._prepare_to_sign(renew=False)
        try:
            return self._once(ask, read, False)
        except ClockSkew:
            self._measure_for_the_next()
            raise
        except (TimedOut, ConnectionLost, BadReply) as error:
            raise self._unknown(error, client_order_id) from error
        except VenueUnavailable as error:
            if self.protocol.outcome_unknown(error):
                raise self._unknown(error, client_order_id) from error
            raise
        except VenueRejected as error:
            # Not a refusal of the venue itself: a server on the way answered, perhaps after forwarding the request.
            if not error.code and error.status not in _NOT_ACCEPTED:
                raise self._unknown(error, client_order_id) from error
            raise

    def _unknown(self, error: FmzError, client_order_id: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"the request was sent to {self.name} and its outcome is unknown: {error.args[0]}",
            client_order_id=client_order_id,
            request=error.request,
            code=error.code,
            status=error.status,
        )

    def _ask_time(self) -> TimeSample:
        ask = self.protocol.time_ask
        assert ask is not None  # only a venue with a time call is asked for its time
        site = self._main
        url, call = self._url(ask, site.base), self._counted(ask, site)

        def _build() -> HttpRequest:
            call.begin()
            return self.protocol.build(ask, url, self.keys, self.time)

        def _parse(reply: Reply) -> TimeSample:
            received_at = self.clock.monotonic()
            server_s = self._understand(ask, reply, self._read_time, call)
            return TimeSample(server_s=server_s, received_at=received_at, rtt_s=reply.elapsed_s)

        try:
            return self.http.call(_build, _parse, idempotent=True)
        finally:
            call.end()

    def _read_time(self, payload: Any) -> float:
        server_s = self.protocol.read_time(payload)
        if not _YEAR_2015_S <= server_s < _YEAR_2100_S:
            raise Malformed(f"implausible server time {server_s:g} s (expected 2015 to 2100)")
        return server_s

    def _url(self, ask: Ask, base: str) -> str:
        path = ask.path
        if "://" in path:
            if ask.signed:
                self._check_plain(path)
            return path
        return f"{base}{path}" if path.startswith("/") else f"{base}/{path}"

    def _site_of(self, ask: Ask) -> _Site:
        if self._market is not None and ask.market and not ask.signed and "://" not in ask.path:
            return self._market
        return self._main

    @property
    def market_base(self) -> str:
        """The base URL of market data."""
        return self.http.base if self._market is None else self._market.base

    def set_market_base(self, url: str) -> None:
        """Sends further requests for market data to another base URL, with limits of its own; empty for the base URL of all others.

        No key and no signature goes there.

        Raises:
            InputError: It is not an http or https URL.
        """
        base = check_base(url)
        self._market = self._site_at(base) if base else None

    def set_base(self, url: str) -> None:
        """Sets another base URL for further calls; resets the clock offset, and counts towards the limits of that address.

        Raises:
            InputError: It is not an http or https URL, or keys would be sent to it without encryption.
        """
        base = url or self.protocol.default_base
        self._check_plain(base)
        self.http.set_base(base)
        self.time.forget()
        self._main = self._site_at(self.http.base)

    def set_proxy(self, text: str) -> None:
        """Sets the proxy of further calls; the venue counts them at another IP address.

        Raises:
            InputError: The text is not a proxy (see ``HttpClient.set_proxy``).
        """
        self.http.set_proxy(text)
        self._proxy = text.rpartition("@")[2]  # without user and password
        self._main = self._site_at(self.http.base)
        if self._market is not None:
            self._market = self._site_at(self._market.base)
