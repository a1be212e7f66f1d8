"""One thread's part of a client: its session, connections and last reply."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from ..deadline import Deadline
from ..errors import FmzError
from ..fork import after_fork_in_child
from ..net.dial import Destination
from ..net.inflate import inflate
from ..net.proxy import Proxy
from ..net.tunnel import basic
from .client_settings import ClientSettings
from .connection import HttpConnection
from .reply import Headers, Reply
from .request import HeadWriter, HttpRequest
from .requests_adapter import CallTimeout, OwnAdapter, OwnRequest, from_requests
from .url import Origin, redact, split_url

__all__ = ["ThreadClient", "ThreadClientOwner"]

_MOST_CONNECTIONS = 8  # per thread; the oldest is closed to make room
# A URL without user, fragment or characters to escape, as venue adapters build them.
_SIMPLE_URL: Final = re.compile(r"(https?://[^/?#@\s]+)(/[!\"$->@-~]*)(\?[!\"$-~]*)?")


def _is_replaced(send: Any) -> bool:
    """Whether ``HTTPAdapter.send`` is not the one of requests; told by where its code stands.

    What it was when this module was loaded says nothing: a test may load it while a replacement is in force.
    """
    code = getattr(send, "__code__", None)
    return code is None or code.co_filename != HTTPAdapter.build_response.__code__.co_filename


class _Route:
    """A connection, and the parts that all requests on it share."""

    __slots__ = ("connection", "extra", "host", "prefix")

    def __init__(self, connection: HttpConnection, origin: Origin, proxy: Proxy | None) -> None:
        self.connection = connection
        self.host = origin.header
        # A forwarding HTTP proxy needs the complete URL and its credentials in each request.
        forwarded = proxy is not None and proxy.kind == "http" and not origin.tls
        self.prefix = str(origin) if forwarded else ""
        self.extra = ""
        if forwarded and proxy is not None and proxy.user is not None:
            self.extra = f"Proxy-Authorization: {basic(proxy.user, proxy.password)}\r\n"


class ThreadClient:
    """One thread's part of a client. Only ``abort`` may be called from other threads.

    Args:
        settings: Shared with the client's other threads.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._clock = settings.clock
        self._writer = HeadWriter(settings.user_agent)
        self._lock = threading.Lock()  # guards _routes against abort(), which runs in another thread
        self._routes: dict[str, _Route] = {}  # by the text of the origin
        self._epoch = 0
        self._session: requests.Session | None = None
        self._adapter = OwnAdapter(self._send_for_session)
        self._used: HttpConnection | None = None
        self.last: Reply | None = None
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: for a session that was made before it; the connections are the parent's."""
        self._lock = threading.Lock()
        self._routes = {}
        self._used = None

    @property
    def session(self) -> requests.Session:
        """This thread's requests session."""
        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False
            self._session.mount("http://", self._adapter)
            self._session.mount("https://", self._adapter)
        return self._session

    @property
    def was_stale(self) -> bool:
        """Whether the last request was sent on a kept connection, which the peer may have closed before."""
        return self._used is not None and self._used.was_reused

    # ---- calls

    def send(self, request: HttpRequest, deadline: Deadline, *, patient: bool) -> Reply:
        """Sends a request once.

        Args:
            request: What to send.
            deadline: The deadline of the call.
            patient: Whether the reply is still awaited after a stop (see ``HttpConnection.request``).
        """
        self._used = None
        if _is_replaced(HTTPAdapter.send):
            reply = self._send_by_adapter(request, deadline, patient)
        else:
            reply = self._transmit(
                request.method, request.url, request.headers, request.body, deadline, patient, request.close
            )
        self.last = reply
        return reply

    def _send_by_adapter(self, request: HttpRequest, deadline: Deadline, patient: bool) -> Reply:
        """Sends by ``HTTPAdapter.send``, because it was replaced (for example by the ``responses`` package)."""
        name = redact(request.method, request.url)
        started = self._clock.monotonic()
        prepared = OwnRequest(request.method, request.url, request.headers, request.body)
        limit: Any = CallTimeout(deadline, patient=patient, close=request.close)  # which requests passes on unchanged
        try:
            answer: Any = self._adapter.send(prepared, stream=True, timeout=limit)
        except (requests.RequestException, OSError) as error:
            if isinstance(error, FmzError):
                raise
            raise from_requests(error, name) from None
        if type(answer) is Reply:
            return answer
        headers = Headers(answer.raw.headers.items())
        return Reply(answer.status_code, headers, answer.content, name, self._clock.monotonic() - started)

    def _send_for_session(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: Any
    ) -> Reply:
        """Sends a request passed to the adapter: one of our own calls, or one of the session."""
        if isinstance(timeout, CallTimeout):
            return self._transmit(method, url, headers, body, timeout.deadline, timeout.patient, timeout.close)
        return self._transmit(method, url, headers, body, Deadline(self._clock, timeout.read_timeout), True, False)

    def _transmit(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        patient: bool,
        close: bool,
    ) -> Reply:
        """Writes the request and reads the reply."""
        simple = _SIMPLE_URL.fullmatch(url)
        route = self._routes.get(simple[1]) if simple is not None else None
        if simple is not None and route is not None:
            name = f"{method} {simple[1]}{simple[2]}"
            target = simple[2] + (simple[3] or "")
            extra = route.extra
        else:
            name = redact(method, url)
            origin, target, user = split_url(url)
            route = self._route(origin)
            extra = route.extra
            if user and not any(header.lower() == "authorization" for header in headers):
                extra += f"Authorization: {basic(*user.partition(':')[::2])}\r\n"
        if close:
            extra += "Connection: close\r\n"
        data = self._writer.head(method, route.prefix + target, route.host, headers, body, extra)
        if body:
            data += body
        self._used = connection = route.connection
        reply = connection.request(method, data, deadline, name, patient=patient)
        if "content-encoding" in reply.headers:
            self._decompress(reply, connection)
        if close:
            connection.close()
        return reply

    def _decompress(self, reply: Reply, connection: HttpConnection) -> None:
        codings = reply.headers["content-encoding"]
        try:
            reply.body, reply.coding = inflate(
                reply.body, codings, self._settings.limits.reply.reply_bytes, reply.request
            )
        except FmzError:
            connection.close()
            raise

    def discard(self) -> None:
        """Closes the last request's connection after an unreadable reply; later data on it may be wrong too."""
        if self._used is not None:
            self._used.close()

    def warm(self, origin: Origin, deadline: Deadline) -> None:
        """Opens the connection to an origin."""
        self._route(origin).connection.open(deadline, f"CONNECT {origin}")

    # ---- connections

    def _route(self, origin: Origin) -> _Route:
        route = self._routes.get(str(origin))
        if route is not None:
            return route
        settings = self._settings
        proxy = settings.proxies.proxy_for(origin.scheme, origin.host, origin.port)
        destination = Destination(
            shown=str(origin),
            host=origin.host,
            port=origin.port,
            proxy=proxy,
            forwards=not origin.tls,
            tls=settings.tls.context("http/1.1") if origin.tls else None,
        )
        route = _Route(HttpConnection(destination, self._clock, settings.limits), origin, proxy)
        with self._lock:
            while len(self._routes) >= _MOST_CONNECTIONS:
                self._routes.pop(next(iter(self._routes))).connection.close()
            self._routes[str(origin)] = route
        return route

    def follow(self, epoch: int) -> None:
        """Drops connections opened before the client was closed or its proxy changed."""
        if epoch != self._epoch:
            self._epoch = epoch
            self.close()

    def close(self) -> None:
        """Closes all connections, when the thread ends or the client is garbage-collected."""
        with self._lock:
            routes, self._routes = self._routes, {}
        for route in routes.values():
            route.connection.close()

    def abort(self, why: str) -> None:
        """Ends the running call and closes the idle connections; may be called from any thread."""
        with self._lock:
            routes = list(self._routes.values())
        for route in routes:
            route.connection.abort_or_close(why)


class ThreadClientOwner:
    """Closes a ``ThreadClient`` when its thread ends or the client is garbage-collected.

    The thread holds a reference to this object only. The ``ThreadClient`` itself is in a reference cycle with its adapter.
    """

    __slots__ = ("_process", "client")

    def __init__(self, client: ThreadClient) -> None:
        self.client = client
        self._process = os.getpid()

    def __del__(self) -> None:
        # In the child of a fork, what the parent's other threads had is freed before anything else: locks are not renewed yet.
        if os.getpid() == self._process:
            self.client.close()
