"""The arguments of ``HttpQuery``, in all of FMZ's forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import quote

import attrs

from ..arguments import real_number
from ..deadline import MOST_TIMEOUT_MS
from ..errors import InputError, NotSupported, UnknownName, nearest, short_repr
from ..net.proxy import parse_proxy
from .url import redact

__all__ = ["DEFAULT_TIMEOUT_MS", "Query", "QueryOptions", "escape", "read_query"]

DEFAULT_TIMEOUT_MS = 300_000.0  # FMZ's type declarations for JavaScript, HttpQuery
_FORM = "application/x-www-form-urlencoded"
_UNESCAPED = "%/:=&?~+!$,;'@()*[]"


class QueryOptions(TypedDict, total=False):
    """The options of ``HttpQuery``. See ``HttpQuerier.query``."""

    method: str
    body: str | bytes
    data: str | bytes
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
class Query:
    """A checked query."""

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
        """The method and the quoted URL without secrets, for messages."""
        method, _, url = redact(self.method, self.url).partition(" ")
        return f'{method} "{url}"'


def read_query(url: Any, options: Any, cookies: Any, headers: Any) -> Query:
    """Checks the arguments, in any of their forms."""
    if not isinstance(url, str):
        raise InputError(f"HttpQuery: the URL must be text, got {type(url).__name__}")
    given = _as_dict(options, cookies, headers)
    for name in given:
        if name not in _NAMES:
            raise UnknownName(f"HttpQuery has no option {short_repr(name)}{nearest(name, _NAMES)}")
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
    return Query(
        url=escape(real),
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


def _as_dict(options: Any, cookies: Any, headers: Any) -> dict[Any, Any]:
    """The options and the older form's arguments as one dict."""
    if isinstance(options, Mapping):
        given = dict(options)
    elif options is None or isinstance(options, (str, bytes)):
        given = {"body": options}
    else:
        raise InputError(f"HttpQuery: options must be a dict, or text to post, got {type(options).__name__}")
    for name, value in (("cookie", cookies), ("headers", headers)):
        if value and given.get(name):
            raise InputError(f"HttpQuery: pass {name} in the options dict, or as an argument, not both")
        if value:
            given[name] = value
    if "data" in given:
        if given.get("body") is not None:
            raise InputError("HttpQuery: 'data' is another name for 'body'; pass only one of them")
        given["body"] = given.pop("data")
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"HttpQuery: {name} must be text, got {type(value).__name__}")
    return value


def _body(value: Any, charset: str) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return value.encode(_known_charset(charset) or "utf-8")
        except UnicodeEncodeError:
            raise InputError(f"HttpQuery: the body cannot be encoded in the charset {short_repr(charset)}") from None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise InputError(f"HttpQuery: body must be text or bytes, got {type(value).__name__}")


def _known_charset(name: str) -> str:
    try:
        "".encode(name or "utf-8")
    except LookupError:
        raise InputError(f"HttpQuery: unknown charset {name[:40]!r}") from None
    return name


def _format(name: str) -> str:
    if name and name not in {"base64", "hex"}:
        raise UnknownName(f"HttpQuery has no format {name[:40]!r}{nearest(name, ('base64', 'hex'))}")
    return name


def _timeout(value: Any) -> float:
    if value is None:
        return DEFAULT_TIMEOUT_MS
    number = real_number("HttpQuery: timeout", value, expected="a number of milliseconds above 0")
    if number == 0:
        return DEFAULT_TIMEOUT_MS
    if not 0 < number <= MOST_TIMEOUT_MS:
        raise InputError(
            f"HttpQuery: timeout must be a number of milliseconds above 0 and at most 1e12, got {short_repr(value)}"
        )
    return number


def _headers(value: Any, cookie: str, has_body: bool) -> dict[str, str]:
    """The headers to send; a body without a Content-Type is sent as a form, as FMZ does."""
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
    """Splits a leading ``socks5://host:port/`` from the URL."""
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


def escape(url: str) -> str:
    """Percent-encodes the characters that a URL must not contain; encoded ones stay."""
    bare = url.partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return f"{scheme}{mark}{rest[:cut]}{quote(rest[cut:], safe=_UNESCAPED)}"
