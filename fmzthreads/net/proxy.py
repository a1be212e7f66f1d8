"""Proxies: their text form, the environment's settings, and the choice for a server."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

import attrs

from ..errors import InputError
from .hosts import ascii_host, authority, ip_address, is_loopback

__all__ = ["Environment", "Proxy", "ProxyChoice", "parse_proxy"]

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
_EXPECTED = "socks5://[user:password@]host:port, http://[user:password@]host:port, ip://local-address, or empty for a direct connection"
# Scheme -> the environment variables to check, in order, before ALL_PROXY. UDP and Unix sockets have no proxy.
_VARIABLES = {
    "http": ("http",),
    "https": ("https",),
    "ws": ("ws", "http"),
    "wss": ("wss", "https"),
    "tcp": (),
    "tls": (),
}


@attrs.frozen
class Proxy:
    """A proxy server, or the local address that connections start from.

    Attributes:
        kind: ``http``, ``socks5``, or ``ip`` for a local address to connect from.
        host: The proxy's host, or the local address.
        port: The proxy's port; 0 for ``ip``.
        user: The account's name; None for no account.
        password: The account's password; may be empty.
    """

    kind: Literal["http", "socks5", "ip"]
    host: str
    port: int = 0
    user: str | None = attrs.field(default=None, repr=False)
    password: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.kind}://{authority(self.host, self.port) if self.port else self.host}"


def parse_proxy(text: str) -> Proxy | None:
    """Reads a proxy setting.

    Args:
        text: ``socks5://[user:password@]host[:port]`` (``socks5h`` means the same: the proxy always looks up the name),
            ``http://[user:password@]host[:port]``, ``ip://address`` (connect from this local address), or empty for a direct connection.

    Returns:
        The proxy, or None for a direct connection.

    Raises:
        InputError: The text has none of these forms. The message never contains the credentials.
    """
    if not isinstance(text, str):
        raise InputError(f"a proxy must be text, got {type(text).__name__}; expected {_EXPECTED}")
    text = text.strip()
    if not text:
        return None
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()
    account, at, place = rest.rstrip("/").rpartition("@")
    shown = f"{scheme[:20]}://{place[:80]}" if mark else repr(text.rpartition("@")[2][:80])
    if mark and scheme == "ip":
        address = place.strip("[]")
        if at or ip_address(address) is None:
            raise InputError(f"a proxy of the form ip:// needs a local address such as ip://10.0.3.15, got {shown}")
        return Proxy("ip", address)
    if not mark or scheme not in _PORTS:
        raise InputError(f"unknown proxy form {shown}; expected {_EXPECTED}")
    host, port = _host_and_port(place, scheme, shown)
    name, _, password = account.partition(":")
    user = unquote(name) if account else None
    password = unquote(password)
    if scheme != "http" and user is not None and not (0 < len(user.encode()) < 256 and len(password.encode()) < 256):
        raise InputError(
            f"the credentials of the proxy {shown} do not fit SOCKS5: the user name must have 1 to 255 bytes, the password at most 255"
        )
    return Proxy("http" if scheme == "http" else "socks5", host, port, user, password)


def _host_and_port(place: str, scheme: str, shown: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:  # from None: the cause may repeat more of the text
        raise InputError(f"the proxy {shown} needs a valid host and a port from 1 to 65535") from None
    if port == 0 or parts.path or parts.query or parts.fragment:
        raise InputError(f"the proxy {shown} must consist of a scheme, host and port from 1 to 65535, nothing more")
    return host, port or _PORTS[scheme]


def _system_proxies() -> dict[str, str]:
    """The proxies of the environment and, on platforms that have them, of the system."""
    if (
        os.name == "posix"
        and sys.platform != "darwin"
        and not any(name.lower().endswith("_proxy") for name in os.environ)
    ):
        return {}  # as the next lines would find, which load a good part of Python's network modules
    import urllib.request

    return urllib.request.getproxies()


class Environment:
    """The proxies named in the environment, read once.

    Args:
        variables: The environment to read; the process's own when None. With None the system's settings are used too, on the
            platforms that have them.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        if variables is None or variables is os.environ:
            self._proxies = _system_proxies()
        else:
            found = {name.lower(): value for name, value in variables.items() if name.lower().endswith("_proxy")}
            self._proxies = {name[:-6]: value for name, value in found.items() if value}
        self._no_proxy = [part.strip().lower() for part in self._proxies.get("no", "").split(",") if part.strip()]

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy to use for a server; always None for the loopback.

        Args:
            scheme: ``http``, ``https``, ``ws``, ``wss``, ``tcp`` or ``tls``; others have no proxy.
            host: As ``ascii_host`` gives it.
            port: The server's port.

        Raises:
            InputError: A proxy setting in the environment is malformed.
        """
        names = _VARIABLES.get(scheme)
        if names is None or not self._proxies:
            return None
        text = next((self._proxies[name] for name in (*names, "all") if self._proxies.get(name)), "")
        if not text or is_loopback(host) or any(_exempts(rule, host, port) for rule in self._no_proxy):
            return None
        try:
            return parse_proxy(text if "://" in text else f"http://{text}")
        except InputError as error:
            raise InputError(f"invalid proxy in the environment for {scheme}://: {error}") from None


def _exempts(rule: str, host: str, port: int) -> bool:
    """Whether an entry of ``no_proxy`` covers the host: ``*``, a name with all below it, an address or a network."""
    if rule == "*":
        return True
    address = ip_address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(rule.strip("[]"), strict=False)
        except ValueError:
            pass  # not an address or a network: maybe an entry with a port, which is compared as text
    name, _, only_port = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
    if only_port and only_port != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")


@attrs.frozen
class ProxyChoice:
    """The proxy that was set, or else the environment's.

    Attributes:
        environment: The proxies of the environment.
        proxy: What was set; None for a direct connection.
        is_set: Whether ``proxy`` replaces the environment's.
    """

    environment: Environment = attrs.field(factory=Environment, repr=False)
    proxy: Proxy | None = None
    is_set: bool = False

    @classmethod
    def read(cls, text: str) -> ProxyChoice:
        """The proxy described by ``text``, instead of the environment's; see ``parse_proxy``."""
        return cls(Environment({}), parse_proxy(text), True)

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy to a server; None for a direct connection. See ``Environment.proxy_for``."""
        return self.proxy if self.is_set else self.environment.proxy_for(scheme, host, port)
