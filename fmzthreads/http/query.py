"""FMZ's ``HttpQuery``: requests any URL, and reports network errors without raising."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urljoin

from ..clock import Clock
from ..errors import InputError, OperationFailed, StopRequested, short_repr
from ..fork import after_fork_in_child
from ..structures import Structure
from ..tasks.handle import Handle
from ..tasks.pool import CallPool
from .client import HttpClient, HttpOptions
from .cookies import read_cookies
from .query_arguments import DEFAULT_TIMEOUT_MS, Query, QueryOptions, escape, read_query
from .reply import Reply
from .request import HttpRequest
from .url import split_url

__all__ = ["HttpAnswer", "HttpQuerier", "QueryHost", "QueryOptions"]

_MOST_REDIRECTS = 10
_MOST_PROXIES = 8  # clients kept, one for each proxy in use
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# The headers kept on a redirect to another server: those that cannot hold a credential.
_HARMLESS = frozenset({"accept", "accept-language", "accept-encoding", "user-agent", "content-type"})
# Like a browser's, as FMZ's is, because some sites reject others.
_USER_AGENT = "Mozilla/5.0 (compatible; fmzthreads)"


class QueryHost(Protocol):
    """The part of the runtime that ``HttpQuery`` uses."""

    @property
    def clock(self) -> Clock:
        """The strategy's clock."""

    def error(self, text: str, *, source: str) -> None:
        """Writes an error line; the text contains no secrets."""


class HttpAnswer(Structure):
    """The result of ``HttpQuery`` with ``debug``.

    ``StatusCode`` (0 without a reply), ``Header`` (name -> list of values), ``Cookies`` (a list of dicts with ``Name``, ``Value`` and the
    attributes that were set), ``Trace`` (``{"Elapsed": milliseconds, "Redirects": number}``), ``Length`` (bytes of the body), ``Body``;
    and ``Error``, only when there was no reply.
    """

    StatusCode: int
    Header: dict[str, list[str]]
    Cookies: list[dict[str, str]]
    Trace: dict[str, float]
    Length: int
    Body: str | bytes
    Error: str


class HttpQuerier:
    """``HttpQuery`` of one strategy; its methods may be called from many threads.

    Args:
        host: Provides the clock and receives the error lines.
        pool: Runs ``query_go``; None for its own pool, created at the first use.
        options: The options of the connections; each query's own time-out takes precedence.
        max_workers: The size of its own pool: how many ``query_go`` queries run at the same time.
    """

    def __init__(
        self,
        host: QueryHost,
        *,
        pool: CallPool | None = None,
        options: HttpOptions | None = None,
        max_workers: int = 16,
    ) -> None:
        self._host = host
        longest = DEFAULT_TIMEOUT_MS
        self._options = options or HttpOptions(
            timeout_ms=longest, connect_timeout_ms=30_000.0, read_timeout_ms=longest, user_agent=_USER_AGENT
        )
        self._max_workers = max_workers
        self._lock = threading.Lock()  # guards _clients and _pool
        self._clients: dict[str, HttpClient] = {}
        self._pool = pool
        self._own_pool = pool is None
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the clients and the pool reset themselves."""
        self._lock = threading.Lock()

    def query(
        self,
        url: str,
        options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
        cookies: str = "",
        headers: str | Mapping[str, str] | None = None,
    ) -> str | bytes | HttpAnswer:
        """Sends a request to any URL.

        Redirects are followed (at most 10); headers, cookies and body are not sent to another server.
        GET, HEAD and OPTIONS are retried after network errors; anything else is sent once.

        Args:
            url: ``http://`` or ``https://``; or a proxy before it, ``socks5://user:password@host:port/http://real/url``, for this query
                only.
            options: A dict with any of ``method`` (GET; POST if there is a body, even an empty one), ``body`` (str or bytes; also called
                ``data``), ``headers`` (dict, or text with one a line), ``cookie``, ``timeout`` (milliseconds for the whole query; 0 or
                None for 300000), ``debug`` (the answer as an object), ``charset``
                (of the body, both ways), ``format`` (``base64`` or ``hex`` for the body that came), ``proxy``, ``close`` (do not keep
                the connection). Or, in the older form, the data to post: ``""`` posts an empty body, None is a GET.
            cookies: The Cookie header, if the options do not contain it.
            headers: Headers as a dict or as text with one a line, if the options do not contain them.

        Returns:
            The body of any reply, 4xx and 5xx too, as text, or as bytes if it is not text; ``""`` and one error line if there was no
            reply. A body in an unsupported compression (only ``gzip`` and ``deflate`` are supported) is returned as bytes, with one
            error line. With ``debug`` an ``HttpAnswer``.

        Raises:
            UnknownName: An option is unknown.
            InputError: An option's value is not valid.
            NotSupported: ``profile`` (a browser's TLS fingerprint) was asked for.
            StopRequested: A stop was requested meanwhile.
        """
        return self._run(read_query(url, options, cookies, headers))

    def query_go(
        self,
        url: str,
        options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
        cookies: str = "",
        headers: str | Mapping[str, str] | None = None,
    ) -> Handle[str | bytes | HttpAnswer]:
        """Sends the request in the background and returns a handle at once.

        Raises:
            UnknownName, InputError, NotSupported: As ``query`` does, at once.
            TooManyHandles: Too many background calls are still running.
        """
        asked = read_query(url, options, cookies, headers)
        with self._lock:
            if self._pool is None:
                self._pool = CallPool("HttpQuery", max_workers=self._max_workers, clock=self._host.clock)
            pool = self._pool
        return pool.start(self._run, asked, name="HttpQuery", failure_value="")

    def close(self) -> None:
        """Ends running queries and closes all connections; later queries open new ones."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
            pool, owned = self._pool, self._own_pool
            if owned:
                self._pool = None
        for client in clients:
            client.close()
        if pool is not None and owned:
            pool.shutdown()

    # ---- one query

    def _run(self, asked: Query) -> str | bytes | HttpAnswer:
        clock = self._host.clock
        started = clock.monotonic()
        try:
            reply, redirects = self._follow(asked, started)
        except StopRequested:
            raise
        except (OperationFailed, InputError) as error:
            cause = f"{asked.name}: {error.args[0]}"
            self._host.error(f"HttpQuery {cause}", source="HttpQuery")
            if not asked.debug:
                return ""
            return HttpAnswer(StatusCode=0, Header={}, Cookies=[], Trace={}, Length=0, Body="", Error=cause)
        if reply.coding:
            self._host.error(
                f"HttpQuery {asked.name}: the body is compressed as {short_repr(reply.coding)}, which cannot be decompressed here; "
                "it is returned as bytes (supported: gzip, deflate)",
                source="HttpQuery",
            )
        body = _present(reply, asked)
        if not asked.debug:
            return body
        return HttpAnswer(
            StatusCode=reply.status,
            Header=reply.headers.lists(),
            Cookies=read_cookies(reply),
            Trace={"Elapsed": round((clock.monotonic() - started) * 1000, 3), "Redirects": redirects},
            Length=len(reply.body),
            Body=body,
        )

    def _follow(self, asked: Query, started: float) -> tuple[Reply, int]:
        """Sends the query and follows redirects; returns the last reply and the number of redirects."""
        client = self._client(asked.proxy)
        method, url, headers, body = asked.method, asked.url, asked.headers, asked.body
        for redirects in range(_MOST_REDIRECTS + 1):
            request = HttpRequest(method, url, headers, body, asked.close)
            left = asked.timeout_ms - (self._host.clock.monotonic() - started) * 1000
            reply = client.call(
                lambda request=request: request,  # type: ignore[misc]
                lambda reply: reply,
                idempotent=method in _READS,
                timeout_ms=max(left, 0.001),
            )
            place = reply.headers.get("location")
            if reply.status not in _REDIRECTS or not place:
                return reply, redirects
            if (reply.status == 303 and method != "HEAD") or (reply.status in {301, 302} and method == "POST"):
                method, body = "GET", None
                headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            old, _, _ = split_url(url)
            try:
                url = escape(urljoin(url, place.encode("latin-1").decode("utf-8", "replace")))
            except ValueError:
                raise OperationFailed("the server redirected to an invalid URL") from None
            new, _, _ = split_url(url)
            if new != old:
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
                if body is not None:
                    raise OperationFailed(
                        f"the server redirected a request with a body to another server ({new}); the body is not sent there"
                    )
        raise OperationFailed(f"more than {_MOST_REDIRECTS} redirects")

    def _client(self, proxy: str) -> HttpClient:
        with self._lock:
            client = self._clients.get(proxy)
            if client is None:
                client = HttpClient(clock=self._host.clock, options=self._options)
                if proxy:
                    client.set_proxy(proxy)
                if len(self._clients) >= _MOST_PROXIES:
                    # Its connections are closed when the last query through it ends.
                    self._clients.pop(next(iter(self._clients)))
                self._clients[proxy] = client
        return client


def _present(reply: Reply, asked: Query) -> str | bytes:
    if asked.format == "hex":
        return reply.body.hex()
    if asked.format == "base64":
        return base64.b64encode(reply.body).decode("ascii")
    if reply.coding:
        return reply.body
    if asked.charset or "charset=" in reply.headers.get("content-type", "").lower():
        return reply.decode(asked.charset)
    try:
        return reply.body.decode("utf-8")
    except UnicodeDecodeError:
        return reply.body  # not text
