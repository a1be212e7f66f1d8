"""Where a connection goes: the origin of a URL, and the proxy or local address on the way to it."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import urllib.request
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

import attrs

from ..errors import InputError

__all__ = ["Environment", "Origin", "Proxy", "check_base", "parse_proxy", "split_url"]

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")
_HOST = re.compile(r"[a-z0-9._-]{1,253}")
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@attrs.frozen
class Origin:
    """The server that a URL names.

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

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, judged by the name alone."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        address = _address(self.host)
        return address is not None and address.is_loopback

    def __str__(self) -> str:
        return f"{self.scheme}://{self.header}"


@attrs.frozen
class Proxy:
    """What stands between us and the origin.

    Attributes:
        kind: ``http``, ``socks5``, or ``ip`` for a local address to connect from.
        host: The proxy's host, or the local address.
        port: The proxy's port; 0 for ``ip``.
        username: For the proxy; empty for none.
        password: For the proxy.
    """

    kind: Literal["http", "socks5", "ip"]
    host: str
    port: int = 0
    username: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.kind}://{self.host}:{self.port}" if self.port else f"{self.kind}://{self.host}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _idna(host: str, what: str) -> str:
    """The name as it goes on the wire; the address of an IPv6 literal is let through."""
    if host.isascii():
        name = host.lower()
    else:
        try:
            name = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise InputError(f"{what}: the host name {host[:80]!r} cannot be encoded") from None
    if _address(name) is None and not _HOST.fullmatch(name):
        raise InputError(f"{what}: {host[:80]!r} is not a host name")
    return name


def split_url(url: str) -> tuple[Origin, str, str]:
    """Takes a URL apart.

    Args:
        url: ``http://`` or ``https://``, with everything that must be escaped escaped already.

    Returns:
        The origin; the path with the query, as it goes into the request line; and ``"user:password"`` if the URL holds one, else
        an empty text.

    Raises:
        InputError: It is not such a URL. The message holds no more of it than scheme and host.
    """
    if not isinstance(url, str):
        raise InputError(f"a URL must be text, got {type(url).__name__}")
    bare = url.partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in {"http", "https"}:
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
            f"the path or query of the URL to {place[:80]!r} holds a character that must be percent-encoded"
        )
    return _origin(scheme, place), target, unquote(user)


@functools.lru_cache(maxsize=256)
def _origin(scheme: str, place: str) -> Origin:
    """Read once for each server: it would cost more than all else that is done to a URL."""
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InputError(f"the URL's host and port are wrong: {place[:80]!r}") from None
    if not host:
        raise InputError(f"the URL has no host: {scheme}://{place[:80]}")
    host = _idna(host, "the URL")
    shown = f"[{host}]" if ":" in host else host
    default = _PORTS[scheme]
    header = shown if port in {None, default} else f"{shown}:{port}"
    if port == 0:
        raise InputError(f"the URL's port must be 1 to 65535, got {place[:80]!r}")
    return Origin("https" if scheme == "https" else "http", host, port or default, header)


def check_base(url: str) -> str:
    """A base URL without its trailing slash; empty stays empty.

    Raises:
        InputError: It is not an http or https URL, or holds a user, a query string or a fragment.
    """
    if url == "":
        return ""
    if not isinstance(url, str):
        raise InputError(f"a base URL must be text, got {type(url).__name__}")
    origin, _, user = split_url(url.strip())
    if user or "?" in url or "#" in url:
        raise InputError(f"a base URL may hold no user, query string or fragment: {origin}")
    return url.strip().rstrip("/")


def parse_proxy(text: str) -> Proxy | None:
    """Reads a proxy setting.

    Args:
        text: ``socks5://[user:password@]host[:port]``, ``http://[user:password@]host:port``, ``ip://address`` (connect from this
            local address), or empty for none.

    Returns:
        The proxy, or None for a direct connection.

    Raises:
        InputError: It is none of these. The message never holds the password.
    """
    if not isinstance(text, str):
        raise InputError(f"a proxy must be text, got {type(text).__name__}")
    text = text.strip()
    if not text:
        return None
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()
    rest = rest.rstrip("/")
    user, _, place = rest.rpartition("@")
    shown = f"{scheme[:20]}://{place[:80]}" if mark else repr(place[:80] or scheme.rpartition("@")[2][:80])
    if mark and scheme == "ip":
        if user or _address(place.strip("[]")) is None:
            raise InputError(f"ip:// needs a local address such as ip://10.0.3.15, got {shown}")
        return Proxy("ip", place.strip("[]"))
    if not mark or scheme not in {"http", "socks5", "socks5h"}:
        raise InputError(f"a proxy must be socks5://host:port, http://host:port, ip://address or empty, got {shown}")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.path:
        raise InputError(f"the proxy needs a host and a port: {shown}")
    name, _, password = user.partition(":")
    kind: Literal["http", "socks5"] = "http" if scheme == "http" else "socks5"
    return Proxy(kind, _idna(host, "the proxy"), port or _PORTS[scheme], unquote(name), unquote(password))


class Environment:
    """The proxies and the CA bundle that the environment names, read once.

    Args:
        variables: The environment to read; the process's own when None. With None the system's settings count too, on the
            platforms that have them.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        if variables is None:
            self._proxies = urllib.request.getproxies()
            variables = os.environ
        else:
            found = {name.lower(): value for name, value in variables.items() if name.lower().endswith("_proxy")}
            self._proxies = {name[:-6]: value for name, value in found.items() if value}
        self._no_proxy = [part.strip().lower() for part in self._proxies.get("no", "").split(",") if part.strip()]
        self.ca_bundle = variables.get("REQUESTS_CA_BUNDLE") or variables.get("CURL_CA_BUNDLE") or ""

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy to an origin. This machine itself is never asked for through one.

        Raises:
            InputError: The environment names something that is no proxy.
        """
        text = self._proxies.get(origin.scheme) or self._proxies.get("all") or ""
        if not text or origin.is_loopback or any(self._exempts(rule, origin) for rule in self._no_proxy):
            return None
        return parse_proxy(text if "://" in text else f"http://{text}")

    @staticmethod
    def _exempts(rule: str, origin: Origin) -> bool:
        """Whether an entry of ``no_proxy`` covers the origin: ``*``, a name with all below it, an address or a network."""
        if rule == "*":
            return True
        address = _address(origin.host)
        if address is not None:
            try:
                return address in ipaddress.ip_network(rule.strip("[]"), strict=False)
            except ValueError:
                pass  # not an address or a network: perhaps with a port, which is compared as text
        name, _, port = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
        if port and port != str(origin.port):
            return False
        name = name.removeprefix("*").removeprefix(".")
        return origin.host == name or origin.host.endswith(f".{name}")
