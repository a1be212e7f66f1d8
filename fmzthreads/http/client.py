"""The HTTP client of venue adapters: one connection per thread and origin."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from .._version import __version__
from ..arguments import real_number
from ..clock import Clock, WallClock
from ..deadline import MOST_TIMEOUT_MS, Deadline
from ..errors import BadReply, FmzError, InputError, NetworkError, short_repr
from ..fork import after_fork_in_child
from ..net.proxy import Environment, ProxyChoice, parse_proxy
from ..net.tls import TlsPolicy
from .client_settings import ClientSettings
from .connection import ConnectionLimits
from .reply import Headers, Reply
from .reply_reader import ReplyLimits
from .request import HttpRequest
from .retry import RetryPolicy, repeat
from .url import check_base, redact, split_url

if TYPE_CHECKING:  # requests is loaded with a thread's first call: a program that makes none starts faster
    import requests

    from .thread_client import ThreadClient, ThreadClientOwner

__all__ = ["Headers", "HttpClient", "HttpOptions", "HttpRequest", "Reply", "RetryPolicy", "redact"]

T = TypeVar("T")

_log = logging.getLogger("fmzthreads.http")


def _positive(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 < real_number(f"HttpOptions.{attribute.name}", value) <= MOST_TIMEOUT_MS:
        raise InputError(
            f"HttpOptions.{attribute.name} must be a number above 0 and at most 1e12, got {short_repr(value)}"
        )


def _timeout(timeout_ms: float) -> float:
    number = real_number("a time-out", timeout_ms, expected="a number of milliseconds above 0")
    if not 0 < number <= MOST_TIMEOUT_MS:
        raise InputError(
            f"a time-out must be a number of milliseconds above 0 (at most {MOST_TIMEOUT_MS:g}), got {short_repr(timeout_ms)}"
        )
    return number


@attrs.frozen(kw_only=True)
class HttpOptions:
    """Options of a client.

    Attributes:
        timeout_ms: The total time-out of a call, including all attempts and pauses.
        connect_timeout_ms: The time-out of opening a connection: name look-up, TCP, proxy and TLS together.
        read_timeout_ms: The longest wait for the next bytes of a reply.
        max_reply_bytes: Replies longer than this, as sent or decompressed, are rejected while they are read.
        max_idle_s: A kept connection that was idle for longer is not reused.
        stop_grace_ms: How long a call that must not be repeated still waits for its reply after a stop, once its request is written.
        verify: True to verify certificates by the system's and certifi's authorities (or by the bundle named in the environment), a path
            to another bundle, or False to verify nothing, which is logged as a warning.
        trust_env: Whether the proxies and the CA bundle named in the environment are used; read once, when the client is created.
        user_agent: The User-Agent of requests without their own.
        retry: When and how often idempotent calls are repeated.
    """

    timeout_ms: float = attrs.field(default=10_000.0, validator=_positive)
    connect_timeout_ms: float = attrs.field(default=5_000.0, validator=_positive)
    read_timeout_ms: float = attrs.field(default=10_000.0, validator=_positive)
    max_reply_bytes: int = attrs.field(default=32 * 1024 * 1024, validator=_positive)
    max_idle_s: float = attrs.field(default=30.0, validator=_positive)
    stop_grace_ms: float = attrs.field(default=800.0, validator=_positive)
    verify: bool | str = attrs.field(default=True, validator=attrs.validators.instance_of((bool, str)))
    trust_env: bool = True
    user_agent: str = f"fmzthreads/{__version__}"
    retry: RetryPolicy = attrs.field(factory=RetryPolicy, validator=attrs.validators.instance_of(RetryPolicy))


class HttpClient:
    """An HTTP client for one venue; its methods may be called from many threads.

    Each thread has its own ``requests`` session with its own connections, which end with the thread.

    Args:
        base: The base URL; kept for the adapter that builds the URLs.
        clock: Measures time-outs, sleeps between attempts and signals the stop; the wall clock if None.
        options: The client's options.

    Raises:
        InputError: The base URL is not valid.
    """

    def __init__(self, base: str = "", *, clock: Clock | None = None, options: HttpOptions | None = None) -> None:
        self._clock: Clock = clock if clock is not None else WallClock()
        self.options = options if options is not None else HttpOptions()
        self._base = check_base(base)
        self._timeout_ms = float(self.options.timeout_ms)
        self._settings = _settings(self._clock, self.options)
        self._set_up()
        after_fork_in_child(self._set_up)
        # Grows with every close() and set_proxy(): older connections are dropped, calls begun earlier are not retried.
        self._epoch = 0
        if self.options.verify is False:
            _log.warning(
                "TLS certificates are not verified (verify=False): anyone on the network path can read and change requests"
            )

    def _set_up(self) -> None:
        """Makes the state of a client without threads; also in the child of a fork, because the connections are the parent's."""
        self._lock = threading.Lock()  # guards _threads and the growth of _epoch
        self._threads: weakref.WeakSet[ThreadClient] = weakref.WeakSet()
        self._here = threading.local()

    def __repr__(self) -> str:
        return f"<HttpClient {self._base or 'without base'}>"

    # ---- settings

    @property
    def base(self) -> str:
        """The base URL, without a trailing slash."""
        return self._base

    @property
    def timeout_s(self) -> float:
        """The total time-out of further calls, in seconds."""
        return self._timeout_ms / 1000

    def set_base(self, url: str) -> None:
        """Sets another base URL for further requests.

        Raises:
            InputError: It is not an http or https URL, or has a user, query string or fragment.
        """
        self._base = check_base(url)

    def set_timeout(self, timeout_ms: float) -> None:
        """Sets the total time-out of further calls, in milliseconds.

        Raises:
            InputError: It is not a number above 0.
        """
        self._timeout_ms = _timeout(timeout_ms)

    def set_proxy(self, text: str) -> None:
        """Sets the proxy of further calls: ``socks5://[user:password@]host:port``, ``http://host:port``, ``ip://local-address``.

        Running calls keep the old one. An empty text means a direct connection, even if the environment names a proxy; until this is
        called, the
        environment's proxies are used.

        Raises:
            InputError: The text has none of these forms.
        """
        proxy = parse_proxy(text)
        with self._lock:
            self._settings.proxies = attrs.evolve(self._settings.proxies, proxy=proxy, is_set=True)
            self._epoch += 1

    def stream_options(self) -> dict[str, object]:
        """The client's proxy, certificates and connect time-out as options of ``Dial``."""
        tls = self._settings.tls
        options: dict[str, object] = {
            "timeout_ms": self.options.connect_timeout_ms,
            "proxy": self._settings.proxies,
            "insecureSkipVerify": not tls.verify,
        }
        if tls.bundle:
            options["ca_file"] = tls.bundle
        return options

    # ---- calls

    def call(
        self,
        build: Callable[[], HttpRequest],
        parse: Callable[[Reply], T],
        *,
        idempotent: bool,
        timeout_ms: float | None = None,
    ) -> T:
        """Sends a request and returns the result of ``parse`` on its reply.

        An idempotent call is repeated after network errors, ``VenueUnavailable`` and ``RateLimited`` (never ``Banned``), as the retry
        policy says and as long as the deadline allows. Any other call is sent at most once. If it fails with ``ConnectFailed``,
        nothing was sent; after any other ``NetworkError`` or a ``BadReply`` the venue may have received and executed it.

        Args:
            build: Makes the request; called again before each attempt, so that time stamp and signature are fresh.
            parse: Called with every complete reply of any status; returns the result or raises from the error tree.
            idempotent: Whether the request may be sent again without harm.
            timeout_ms: The total time-out of this call, in milliseconds; None for the client's.

        Raises:
            ConnectFailed: No connection; nothing was sent.
            TimedOut: The deadline passed after (a part of) the request was written.
            ConnectionLost: The connection ended after (a part of) the request was written; also when ``close`` ended it.
            BadReply: The reply is not HTTP.
            ReplyTooLarge: The reply exceeds a limit.
            StopRequested: A stop was requested. A call that is not idempotent raises this only if nothing was sent.
            InputError: The request is malformed.
            FmzError: What ``parse`` raises.
        """
        limit = self._timeout_ms if timeout_ms is None else _timeout(timeout_ms)
        deadline = Deadline(self._clock, limit / 1000)
        self._clock.stop.check()
        client = self._thread_client()
        if not idempotent:
            return self._parsed(client, parse, client.send(build(), deadline, patient=True))
        epoch = self._epoch

        def _attempt() -> T:
            self._clock.stop.check()
            return self._parsed(client, parse, client.send(build(), deadline, patient=False))

        try:
            return _attempt()
        except FmzError as error:
            first_error = error
        return repeat(
            _attempt,
            first_error,
            policy=self.options.retry,
            clock=self._clock,
            deadline=deadline,
            may_go_on=lambda: self._epoch == epoch,
            was_stale=lambda error: isinstance(error, NetworkError) and client.was_stale,
        )

    @staticmethod
    def _parsed(client: ThreadClient, parse: Callable[[Reply], T], reply: Reply) -> T:
        try:
            return parse(reply)
        except BadReply:
            client.discard()
            raise

    def warm(self, url: str = "") -> None:
        """Opens this thread's connection (TCP and TLS) without sending a request.

        Args:
            url: The URL to connect to; empty for the base URL.

        Raises:
            InputError: No URL was given and there is no base URL.
            ConnectFailed: It could not be opened.
        """
        origin, _, _ = split_url(url or self._base)
        self._clock.stop.check()
        self._thread_client().warm(origin, Deadline(self._clock, self._timeout_ms / 1000))

    def last_reply(self) -> Reply | None:
        """This thread's last reply, of any status; None before the first. Its text is decoded on access."""
        owner: ThreadClientOwner | None = getattr(self._here, "owner", None)
        return None if owner is None else owner.client.last

    def session(self) -> requests.Session:
        """This thread's requests session, over the same connections; for requests that ``call`` cannot express."""
        return self._thread_client().session

    def close(self) -> None:
        """Ends running calls (they fail with ConnectionLost) and closes all connections; later calls open new ones."""
        with self._lock:
            self._epoch += 1
            clients = list(self._threads)
        for client in clients:
            client.abort("the client was closed")

    def _thread_client(self) -> ThreadClient:
        owner: ThreadClientOwner | None = getattr(self._here, "owner", None)
        if owner is None:
            from .thread_client import ThreadClient, ThreadClientOwner

            owner = ThreadClientOwner(ThreadClient(self._settings))
            with self._lock:
                self._threads.add(owner.client)
            self._here.owner = owner
        client = owner.client
        client.follow(self._epoch)
        return client


def _settings(clock: Clock, options: HttpOptions) -> ClientSettings:
    variables: dict[str, str] | None = None if options.trust_env else {}
    return ClientSettings(
        clock=clock,
        limits=ConnectionLimits(
            reply=ReplyLimits(
                reply_bytes=int(options.max_reply_bytes), read_timeout_s=float(options.read_timeout_ms) / 1000
            ),
            connect_timeout_s=float(options.connect_timeout_ms) / 1000,
            max_idle_s=float(options.max_idle_s),
            stop_grace_s=float(options.stop_grace_ms) / 1000,
        ),
        user_agent=options.user_agent,
        tls=TlsPolicy.read(options.verify, variables),
        proxies=ProxyChoice(Environment(variables)),
    )
