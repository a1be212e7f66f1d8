"""Splits URLs for requests, and names requests for logs."""

from __future__ import annotations

import functools
import re
from typing import Literal
from urllib.parse import unquote, urlsplit

import attrs

from ..errors import InputError
from ..net.hosts import ascii_host

__all__ = ["Origin", "check_base", "redact", "split_url"]

_UNSAFE = re.compile(r"[^\x21-\x7e]")  # not as ranges up to the last character, which takes ms to compile
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Origin:
    """The server of a URL.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The name in lower case (IDNA), or the address without brackets.
        port: The TCP port.
        header: The value of the Host header.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    header: str

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.header}"


def redact(method: str, url: str) -> str:
    """The name of a request for logs and errors: without user, password, query string and fragment.

    Args:
        method: The HTTP method.
        url: The complete URL.

    Returns:
        Such as ``"GET https://api.example.com/api/v3/depth"``.
    """
    bare = url.partition("#")[0].partition("?")[0]
    scheme, mark, rest = bare.partition("://")
    if not mark or scheme.lower() not in {"http", "https"}:
        # Not a valid URL: anything before an "@" may be a password.
        return f"{method} {scheme + mark if mark else ''}{(rest if mark else bare).rpartition('@')[2]}"
    host, slash, path = rest.partition("/")
    return f"{method} {scheme}://{host.rpartition('@')[2]}{slash}{path}"


def split_url(url: str) -> tuple[Origin, str, str]:
    """Splits a URL.

    Args:
        url: ``http://`` or ``https://``, already percent-encoded.

    Returns:
        The origin; the path with the query, as it goes into the request line; and ``"user:password"`` if the URL contains one, else
        an empty text.

    Raises:
        InputError: It is not such a URL. The message contains only its scheme and host.
    """
    if not isinstance(url, str):
        raise InputError(f"a URL must be text, got {type(url).__name__}")
    bare = url.partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in _PORTS:
        raise InputError(
            f"a URL must begin with http:// or https://, got {bare.partition('?')[0].rpartition('@')[2][:60]!r}"
        )
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    target = rest[cut:]
    if not target.startswith("/"):
        target = "/" + target
    user, _, place = rest[:cut].rpartition("@")
    if _UNSAFE.search(target):
        raise InputError(
            f"the path or query of the URL to {place[:80]!r} contains a character that must be percent-encoded"
        )
    return _origin(scheme, place), target, unquote(user)


@functools.lru_cache(maxsize=256)
def _origin(scheme: str, place: str) -> Origin:
    """The origin of a URL, cached: parsing it costs more than the rest of ``split_url``."""
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InputError(f"the URL's host and port are malformed: {place[:80]!r}") from None
    if not host:
        raise InputError(f"the URL has no host: {scheme}://{place[:80]}")
    try:
        host = ascii_host(host)
    except ValueError:
        raise InputError(f"the URL's host name is not valid: {host[:80]!r}") from None
    shown = f"[{host}]" if ":" in host else host
    default = _PORTS[scheme]
    header = shown if port in {None, default} else f"{shown}:{port}"
    if port == 0:
        raise InputError(f"the URL's port must be 1 to 65535, got {place[:80]!r}")
    return Origin("https" if scheme == "https" else "http", host, port or default, header)


def check_base(url: str) -> str:
    """A base URL without its trailing slash; empty stays empty.

    Raises:
        InputError: It is not an http or https URL, or has a user, a query string or a fragment.
    """
    if url == "":
        return ""
    if not isinstance(url, str):
        raise InputError(f"a base URL must be text, got {type(url).__name__}")
    origin, _, user = split_url(url.strip())
    if user or "?" in url or "#" in url:
        raise InputError(f"a base URL must not contain a user, query string or fragment: {origin}")
    return url.strip().rstrip("/")
