"""FMZ's ``HttpQuery``: any URL, text or a debug object back, and never an exception for what the network does."""

from __future__ import annotations

import base64
import http.cookies
import threading
from collections.abc import Mapping
from typing import Any, Protocol, TypedDict
from urllib.parse import quote, urljoin

import attrs

from ..clock import Clock
from ..errors import InputError, NotSupported, OperationFailed, StopRequested, UnknownName, nearest
from ..net.proxy import parse_proxy
from ..structures import Structure
from ..tasks.handle import Handle
from ..tasks.pool import CallPool
from .client import HttpClient, HttpOptions
from .reply import Reply
from .request import HttpRequest
from .url import redact, split_url

__all__ = ["HttpAnswer", "HttpQuerier", "QueryHost", "QueryOptions"]

DEFAULT_TIMEOUT_MS = 300_000.0  # FMZ's type declarations for JavaScript, HttpQuery
_MOST_REDIRECTS = 10
_MOST_PROXIES = 8  # clients kept, one for each proxy in use
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM = "application/x-www-form-urlencoded"
# To another server than the one it was meant for, a request takes along only what cannot be a credential.
_HARMLESS = frozenset({"accept", "accept-language", "accept-encoding", "user-agent", "content-type"})
_UNESCAPED = "%/:=&?~+!$,;'@()*[]"
# Like a browser's, as FMZ's is, because some sites turn others away.
_USER_AGENT = "Mozilla/5.0 (compatible; fmzthreads)"


class QueryHost(Protocol):
    """What HttpQuery needs of the strategy around it."""

    @property
    def clock(self) -> Clock:
        """The strategy's clock."""

    def error(self, text: str, *, source: str) -> None:
        """Takes one error line, without secrets."""


class HttpAnswer(Structure):
    """What ``HttpQuery`` gives with ``debug``.

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


class QueryOptions(TypedDict, total=False):
    """The options of ``HttpQuery``. See ``HttpQuerier.query``."""

    method: str
    body: str | bytes
    headers: Mapping[str, str]
    cookie: str
    timeout: float
    debug: bool
    charset: str
    format: str
    proxy: str
    close: bool
    profile: str


_NAMES = frozenset(QueryOptions.__annotations__)


@attrs.frozen(kw_only=True, repr=False)
class _Query:
    """A query, its options checked."""

    url: str
    method: str
    headers: dict[str, str]
    body: bytes | None
    timeout_ms: float
    debug: bool
    charset: str
    format: str
    proxy: str
    close: bool

    @property
    def name(self) -> str:
        """For messages: the method and the quoted URL without its secrets."""
        method, _, url = redact(self.method, self.url).partition(" ")
        return f'{method} "{url}"'


class HttpQuerier:
    """Makes the queries of one strategy. Every method may be called from many threads at once.

    Args:
        host: Gives the clock and takes the error lines.
        pool: Runs ``query_go``; None for a pool of its own, made at the first use.
        options: How the connections behave; its time-outs give way to each query's.
        max_workers: The most queries of ``query_go`` that run at once in a pool of its own.
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

    def query(
        self,
        url: str,
        options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
        cookies: str = "",
        headers: str | Mapping[str, str] | None = None,
    ) -> str | bytes | HttpAnswer:
        """Asks any URL.

        Redirects are followed (at most 10); to another server neither the caller's headers nor cookies nor a body are taken along.
        GET, HEAD and OPTIONS are repeated after network errors; anything else is sent once.

        Args:
            url: ``http://`` or ``https://``; or a proxy before it, ``socks5://user:password@host:port/http://real/url``, for this query
                only.
            options: A dict with any of ``method`` (GET; POST if there is a body), ``body`` (str or bytes), ``headers`` (dict), ``cookie``,
                ``timeout`` (milliseconds for the whole query; 0 or None for 300000), ``debug`` (the answer as an object), ``charset``
                (of the body, both ways), ``format`` (``base64`` or ``hex`` for the body that came), ``proxy``, ``close`` (do not keep
                the connection). Or, in the older form, the data to post (empty for GET).
            cookies: In the older form, the Cookie header.
            headers: In the older form, headers as a dict or as text with one a line.

        Returns:
            The body of any reply, 4xx and 5xx too, as text, or as bytes if it is not text; ``""`` and one error line if there was no
            reply. With ``debug`` an ``HttpAnswer``.

        Raises:
            UnknownName: There is no such option.
            InputError: An option's value is not what it must be.
            NotSupported: ``profile`` (a browser's TLS fingerprint) was asked for.
            StopRequested: A stop was requested meanwhile.
        """
        return self._run(_read(url, options, cookies, headers))

    def query_go(
        self,
        url: str,
        options: QueryOptions | Mapping[str, Any] | str | bytes | None = None,
        cookies: str = "",
        headers: str | Mapping[str, str] | None = None,
    ) -> Handle[str | bytes | HttpAnswer]:
        """The same in the background: gives a handle at once.

        Raises:
            UnknownName, InputError, NotSupported: As ``query`` does, at once.
            TooManyHandles: Too many background calls have not ended.
        """
        asked = _read(url, options, cookies, headers)
        with self._lock:
            if self._pool is None:
                self._pool = CallPool("HttpQuery", max_workers=self._max_workers, clock=self._host.clock)
            pool = self._pool
        return pool.start(self._run, asked, name="HttpQuery", failure_value="")

    def close(self) -> None:
        """Closes all connections and ends queries under way; later queries open new ones."""
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

    def _run(self, asked: _Query) -> str | bytes | HttpAnswer:
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
        body = _present(reply, asked)
        if not asked.debug:
            return body
        return HttpAnswer(
            StatusCode=reply.status,
            Header=reply.headers.lists(),
            Cookies=_cookies(reply),
            Trace={"Elapsed": round((clock.monotonic() - started) * 1000, 3), "Redirects": redirects},
            Length=len(reply.body),
            Body=body,
        )

    def _follow(self, asked: _Query, started: float) -> tuple[Reply, int]:
        """Sends the query and goes where it is sent on to; the last reply, and how often it was sent on."""
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
                url = _escape(urljoin(url, place.encode("latin-1").decode("utf-8", "replace")))
            except ValueError:
                raise OperationFailed("it was sent on to what is no URL") from None
            new, _, _ = split_url(url)
            if new != old:
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
                if body is not None:
                    raise OperationFailed(
                        f"it was sent on to another server ({new}) with its body, which is not taken along"
                    )
        raise OperationFailed(f"it was sent on more than {_MOST_REDIRECTS} times")

    def _client(self, proxy: str) -> HttpClient:
        with self._lock:
            client = self._clients.get(proxy)
            if client is None:
                client = HttpClient(clock=self._host.clock, options=self._options)
                if proxy:
                    client.set_proxy(proxy)
                if len(self._clients) >= _MOST_PROXIES:
                    # Its connections end when the last query through it does.
                    self._clients.pop(next(iter(self._clients)))
                self._clients[proxy] = client
        return client


# ---- reading what was asked


def _read(url: Any, options: Any, cookies: Any, headers: Any) -> _Query:
    """Checks all forms of the arguments and brings them into one."""
    if not isinstance(url, str):
        raise InputError(f"HttpQuery: the URL must be text, got {type(url).__name__}")
    if isinstance(options, Mapping):
        if cookies or headers:
            raise InputError("HttpQuery: cookies and headers belong into the options dict when there is one")
        given = dict(options)
    elif options is None or isinstance(options, (str, bytes)):
        given = {"body": options or None, "cookie": cookies, "headers": headers}
    else:
        raise InputError(f"HttpQuery: options must be a dict, or text to post, got {type(options).__name__}")
    for name in given:
        if name not in _NAMES:
            raise UnknownName(f"HttpQuery has no option {name!r}{nearest(str(name), _NAMES)}")
    if given.get("profile"):
        raise NotSupported("HttpQuery cannot imitate a browser's TLS fingerprint (option 'profile')")
    proxy, real = _take_proxy(url.strip())
    proxy = proxy or _text(given, "proxy")
    parse_proxy(proxy)
    charset = _text(given, "charset")
    body = _body(given.get("body"), charset)
    method = _text(given, "method").upper() or ("GET" if body is None else "POST")
    if not method.isalpha():
        raise InputError(f"HttpQuery: method must be a word such as GET, got {method[:20]!r}")
    return _Query(
        url=_escape(real),
        method=method,
        headers=_headers(given.get("headers"), _text(given, "cookie"), body is not None),
        body=body,
        timeout_ms=_timeout(given.get("timeout")),
        debug=bool(given.get("debug")),
        charset=_known_charset(charset),
        format=_format(_text(given, "format")),
        proxy=proxy,
        close=bool(given.get("close")),
    )


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"HttpQuery: {name} must be text, got {type(value).__name__}")
    return value


def _body(value: Any, charset: str) -> bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, str):
        try:
            return value.encode(_known_charset(charset) or "utf-8")
        except UnicodeEncodeError:
            raise InputError(f"HttpQuery: the body cannot be written in the charset {charset!r}") from None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise InputError(f"HttpQuery: body must be text or bytes, got {type(value).__name__}")


def _known_charset(name: str) -> str:
    try:
        "".encode(name or "utf-8")
    except LookupError:
        raise InputError(f"HttpQuery: there is no charset {name[:40]!r}") from None
    return name


def _format(name: str) -> str:
    if name and name not in {"base64", "hex"}:
        raise UnknownName(f"HttpQuery has no format {name[:40]!r}{nearest(name, ('base64', 'hex'))}")
    return name


def _timeout(value: Any) -> float:
    if value is None or value == 0:
        return DEFAULT_TIMEOUT_MS
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InputError(f"HttpQuery: timeout must be a number of milliseconds above 0, got {value!r}")
    return float(value)


def _headers(value: Any, cookie: str, has_body: bool) -> dict[str, str]:
    """The headers to send; a body without a type is a form, as FMZ sends it."""
    pairs: dict[str, str] = {}
    if isinstance(value, Mapping):
        pairs.update((str(name), str(part)) for name, part in value.items())
    elif isinstance(value, str):
        for line in value.splitlines():
            name, colon, part = line.partition(":")
            if colon:
                pairs[name.strip()] = part.strip()
            elif line.strip():
                raise InputError("HttpQuery: each line of headers must be 'Name: value'")
    elif value is not None:
        raise InputError(f"HttpQuery: headers must be a dict or text, got {type(value).__name__}")
    present = {name.lower() for name in pairs}
    if cookie and "cookie" not in present:
        pairs["Cookie"] = cookie
    if has_body and "content-type" not in present:
        pairs["Content-Type"] = _FORM
    return pairs


def _take_proxy(url: str) -> tuple[str, str]:
    """Takes ``socks5://host:port/`` off the front of the real URL."""
    for mark in ("/http://", "/https://"):
        at = url.lower().find(mark)
        head = url[:at] if at > 0 else ""
        scheme, found, place = head.partition("://")
        if (
            found
            and scheme.lower() in {"socks5", "socks5h", "http"}
            and place
            and "/" not in place
            and "?" not in place
        ):
            return head, url[at + 1 :]
    return "", url


def _escape(url: str) -> str:
    """Percent-encodes what a URL may not hold as it is; what is encoded already stays."""
    bare = url.partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return f"{scheme}{mark}{rest[:cut]}{quote(rest[cut:], safe=_UNESCAPED)}"


# ---- presenting what came


def _present(reply: Reply, asked: _Query) -> str | bytes:
    if asked.format == "hex":
        return reply.body.hex()
    if asked.format == "base64":
        return base64.b64encode(reply.body).decode("ascii")
    if asked.charset or "charset=" in reply.headers.get("content-type", "").lower():
        return reply.decode(asked.charset)
    try:
        return reply.body.decode("utf-8")
    except UnicodeDecodeError:
        return reply.body  # not text


def _cookies(reply: Reply) -> list[dict[str, str]]:
    """The cookies that the reply sets; those that cannot be read are left out."""
    found: list[dict[str, str]] = []
    for line in reply.headers.get_all("set-cookie"):
        jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
        try:
            jar.load(line)
        except http.cookies.CookieError:
            continue  # one server's odd cookie must not cost the reply
        for name, morsel in jar.items():
            entry = {"Name": name, "Value": morsel.value}
            entry.update((key.title().replace("-", ""), str(value)) for key, value in morsel.items() if value)
            found.append(entry)
    return found
