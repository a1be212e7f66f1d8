"""Parses ``Dial``'s address: ``"wss://host/path|key=value&key=value"``.

Before the bar stands an address with a scheme, after it options. Option values may hold ``=``, ``&`` and JSON: a value ends only where a known option
name follows ``&``, and JSON text ends where the JSON ends.
"""

from __future__ import annotations

import json
import re
from urllib.parse import SplitResult, quote, urlsplit

import attrs

from ..errors import InputError, NotSupported, UnknownName, nearest, short_repr
from ..net.hosts import ascii_host, authority

__all__ = [
    "DATAGRAM",
    "NOT_SUPPORTED",
    "SCHEMES",
    "Address",
    "parse_address",
    "parse_pairs",
    "split_address",
]

SCHEMES = ("ws", "wss", "tcp", "tls", "udp", "unix", "sqlite3")
DATAGRAM = ("udp",)
# FMZ documents these for other runtimes or other drivers (API reference, "Dial").
NOT_SUPPORTED = (
    "mqtt",
    "nats",
    "amqp",
    "kafka",
    "mysql",
    "postgres",
    "clickhouse",
    "clickhouse+http",
    "clickhouse+https",
    "kvdb",
)
_HTTP = ("http", "https")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")  # RFC 3986, 3.1, in lower case
_ASCII = "".join(map(chr, range(0x21, 0x7F)))  # sent as written, percent-encoded parts included
_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_LONG_VALUES = ("payload", "pingMessage")


@attrs.frozen
class Address:
    """The parsed address of a stream.

    Attributes:
        scheme: One of ``SCHEMES``.
        host: The host name or IP; empty for ``unix`` and ``sqlite3``.
        port: The port; 0 for ``unix`` and ``sqlite3``.
        target: The path with its query (websocket), or the file (``unix``, ``sqlite3``). It may contain keys and is never shown.
    """

    scheme: str
    host: str
    port: int
    target: str = attrs.field(repr=False)

    @property
    def url(self) -> str:
        """The complete address; only for the handshake."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return authority(self.host, self.port)

    @property
    def shown(self) -> str:
        """The address for logs and errors: no query string, no user name, no password."""
        if self.scheme in {"unix", "sqlite3"}:
            return f"{self.scheme}://{self.target.partition('?')[0]}"
        return f"{self.scheme}://{self.authority}{_public_path(self.target)}"


def _public_path(target: str) -> str:
    """The path without its query; long segments (listen keys) are shortened."""
    path = target.partition("?")[0].partition("#")[0]
    return "/".join(part if len(part) <= 32 else part[:4] + "..." for part in path.split("/"))


def split_address(text: str, keys: tuple[str, ...]) -> tuple[str, str]:
    """Separates the address from its options.

    Args:
        text: ``address``, ``address|options`` or ``address||options``.
        keys: The valid option names: the first bar (or double bar) that one of them follows separates.

    Returns:
        The address, and the options as text (empty if there are none).
    """
    follows = "|".join(map(re.escape, keys))
    match = re.search(rf"\|\|?(?=(?:{follows})=)", text)
    if match is None:
        match = re.search(r"\|\|?", text)
    if match is None:
        return text.strip(), ""
    return text[: match.start()].strip(), text[match.end() :]


def parse_pairs(text: str, keys: tuple[str, ...]) -> dict[str, str]:
    """Reads ``key=value&key=value``.

    Args:
        text: The options after the bar.
        keys: The valid names.

    Returns:
        Name and value as text. Values are taken literally: nothing is percent-decoded, as on FMZ.

    Raises:
        UnknownName: A name is not valid; the error names the closest one.
        InputError: A part has no ``=``, or a name occurs twice.
    """
    found: dict[str, str] = {}
    rest = text
    while rest:
        key, equals, value = rest.partition("=")
        if not equals:
            raise InputError(f"the address option {key[:60]!r} has no value; expected key=value&key=value")
        if key not in keys:
            raise UnknownName(f"there is no Dial option {key[:60]!r}{nearest(key, keys)}")
        if key in found:
            raise InputError(f"the address option {short_repr(key)} is given twice")
        found[key], rest = _cut_value(key, value, keys)
    return found


def _cut_value(key: str, text: str, keys: tuple[str, ...]) -> tuple[str, str]:
    """The value at the start of ``text``, and the text after its ``&``."""
    if text[:1] in {"{", "["}:
        try:
            _, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            end = -1
        if end == len(text) or (end > 0 and text[end] == "&"):
            return text[:end], text[end + 1 :]
    if key in _LONG_VALUES:
        follows = "|".join(map(re.escape, keys))
        match = re.search(rf"&(?=(?:{follows})=)", text)
        return (text, "") if match is None else (text[: match.start()], text[match.end() :])
    value, _, rest = text.partition("&")
    return value, rest


def parse_address(text: str) -> Address:
    """Parses the address itself.

    Args:
        text: Such as ``"wss://stream.example.com:9443/ws/btcusdt@trade"``, without options.

    Raises:
        InputError: The scheme or the host is missing, or a part is malformed; the error shows it.
        NotSupported: The scheme is not in ``SCHEMES``; the error names it and those.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not _SCHEME.fullmatch(scheme):
        raise InputError(
            f"a Dial address needs a scheme such as wss://, got {_public_path(text).rpartition('@')[2][:60]!r}"
        )
    if scheme not in SCHEMES:
        raise NotSupported(_not_spoken(scheme))
    if scheme in {"unix", "sqlite3"}:
        if not rest or "\0" in rest:
            raise InputError(f"a {scheme}:// address needs a path" + (" without a NUL byte" if rest else ""))
        return Address(scheme, "", 0, rest)
    return _network_address(scheme, text)


def _not_spoken(scheme: str) -> str:
    """The error text for an unsupported scheme, with the alternative."""
    spoken = ", ".join(f"{name}://" for name in SCHEMES)
    text = f"Dial does not support {scheme[:30]}://; it supports {spoken}"
    if scheme in _HTTP:
        return f"{text} ({scheme}:// is for HttpQuery)"
    if scheme in NOT_SUPPORTED:
        others = ", ".join(f"{name}://" for name in NOT_SUPPORTED)
        return f"{text}, and not FMZ's other schemes ({others})"
    alike = nearest(scheme, SCHEMES)
    return text + alike if "did you mean" in alike else text


def _network_address(scheme: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        why = "" if "@" in text else f": {error}"  # the error may repeat a password
        raise InputError(f"malformed Dial address {scheme}://...{why}") from None
    if not parts.hostname:
        raise InputError(f"a {scheme}:// address needs a host, got {parts.netloc.rpartition('@')[2]!r}")
    if re.search(r"[\x00-\x20\x7f\ud800-\udfff]", text):
        raise InputError(
            f"the Dial address of {short_repr(parts.hostname)} contains a blank, a control character or an unpaired surrogate"
        )
    if parts.username is not None:
        raise InputError(f"a {scheme}:// address takes no user name; pass credentials in the option headers")
    try:
        host = ascii_host(parts.hostname)
    except ValueError:
        raise InputError(f"invalid host in the Dial address: {parts.hostname[:60]!r}") from None
    port = _port(parts, scheme)
    target = parts.path or ("/" if scheme in {"ws", "wss"} else "")
    if scheme not in {"ws", "wss"} and (target not in {"", "/"} or parts.query):
        raise InputError(f"a {scheme}:// address has no path, got {_public_path(target)[:60]!r}")
    if parts.query:
        target += "?" + parts.query
    return Address(scheme, host, port, quote(target, safe=_ASCII))


def _port(parts: SplitResult, scheme: str) -> int:
    shown = parts.netloc.rpartition("@")[2]
    try:
        port = parts.port
    except ValueError:
        raise InputError(f"the port of {short_repr(shown)} is not a number from 1 to 65535") from None
    if port is None:
        port = _DEFAULT_PORTS.get(scheme, 0)
    if not port:
        raise InputError(f"a {scheme}:// address needs a port from 1 to 65535, got {short_repr(shown)}")
    return port
