"""The options of ``Dial``: names, defaults, checks.

The names are FMZ's where FMZ has the option (API reference, "Dial"), and ours otherwise. Unknown names are refused.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from tenacity import RetryCallState, Retrying, wait_exponential, wait_fixed, wait_random
from tenacity.wait import wait_base

from ..arguments import real_number
from ..errors import InputError, UnknownName, nearest, short_repr
from ..net.dial import Destination
from ..net.proxy import ProxyChoice
from ..net.tls import TlsPolicy
from .address import DATAGRAM, Address, parse_address, parse_pairs, split_address
from .heartbeat import Heartbeats, heartbeats
from .sharing.connect_turns import StreamLimits
from .websocket.compression import COMPRESSIONS

__all__ = [
    "OPTION_NAMES",
    "DialOptions",
    "connect_timeout_s",
    "destination",
    "pause_s",
    "read_messages",
    "read_options",
    "tls_context",
]

OVERFLOWS = ("drop_oldest", "block", "error")
MODES = ("recv", "send", "dual")
_HANDSHAKE_HEADERS = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
_SECONDS_UP_TO = 300
_DEFAULT_CONNECT_S = 30.0
_AT_ONCE = 3  # the number of attempts in a row that the option interval alone paces (0: no pause)
_SHORTEST_PAUSE_S = 0.1

IsData = Callable[[Any], object]


@attrs.frozen(kw_only=True)
class DialOptions:
    """The options of one stream; see ``docs/streams.md`` for each.

    Attributes:
        connect_timeout_s: The time-out of one attempt to connect, handshake included.
        compress: The application's compression, ``""`` for none.
        mode: Which direction ``compress`` is for.
        deflate: Whether permessage-deflate is offered.
        reconnect: Whether to reconnect after a loss.
        interval_s: The pause between attempts.
        retry: The maximum number of attempts after one loss; 0 for no limit.
        payload: The messages sent after each connect.
        headers: Headers of the handshake.
        proxy: The way to the server: the environment's proxies unless the option says otherwise.
        local_ip: The local address to connect from; empty for any.
        ping_interval_s: The pause between heartbeats; 0 for none.
        ping_message: The body of the heartbeat.
        ping_text: Whether the heartbeat is a text message instead of a ping frame.
        insecure: Whether verification of certificates is off.
        ca_file: A file of certificates to trust instead of the system's.
        qsize: The maximum number of messages that wait.
        qbytes: The maximum memory of waiting messages, in bytes.
        overflow: What happens beyond ``qsize`` and ``qbytes``.
        silence_s: Seconds without data after which the connection counts as lost; 0 for never.
        is_data: What counts as data for ``silence_s``; None for every message.
        heartbeats: The application heartbeats to answer or hide.
        on_connect: Called with the client after each connect; its return value is sent.
        backoff: The pause before attempt n, as a tenacity wait.
        max_message: The maximum size of one message after inflating, in bytes.
        time_field: The JSON field of a message that holds its time in milliseconds, for the lag.
        limits: What a host that is not known by its name allows; None for no limits. Not an option of ``Dial``.
    """

    connect_timeout_s: float = _DEFAULT_CONNECT_S
    compress: str = ""
    mode: str = "recv"
    deflate: bool = False
    reconnect: bool = False
    interval_s: float = 1.0
    retry: int = 0
    payload: tuple[str | bytes, ...] = attrs.field(default=(), repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    proxy: ProxyChoice = attrs.field(factory=ProxyChoice, repr=False)
    local_ip: str = ""
    ping_interval_s: float = 0.0
    ping_message: str = attrs.field(default="", repr=False)
    ping_text: bool = False
    insecure: bool = False
    ca_file: str = ""
    qsize: int = 4096
    qbytes: int = 16 << 20
    overflow: str = "drop_oldest"
    silence_s: float = 0.0
    is_data: IsData | None = None
    heartbeats: Heartbeats | None = None
    on_connect: Callable[[Any], Any] | None = attrs.field(default=None, repr=False)
    backoff: wait_base
    max_message: int = 64 << 20
    time_field: str = ""
    limits: StreamLimits | None = None

    @property
    def ping_is_answered(self) -> bool:
        """Whether a peer that is alive answers each heartbeat: a ping frame, or the text of a table that knows the answer."""
        table = self.heartbeats
        return not self.ping_text or (table is not None and bool(table.ping) and table.ping == self.ping_message)


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "1"}:
        return True
    if text in {"false", "0"}:
        return False
    raise InputError(f"the Dial option {name} must be true or false, got {short_repr(value)}")


def _number(name: str, value: object, lowest: float, highest: float = 1e12) -> float:
    given: object = value
    if isinstance(value, str):  # the options of an address are text
        try:
            given = float(value)
        except ValueError:
            raise InputError(f"the Dial option {name} must be a number, got {short_repr(value)}") from None
    number = real_number(f"the Dial option {name}", given)
    if not lowest <= number <= highest:
        raise InputError(
            f"the Dial option {name} must be a number from {lowest:g} to {highest:g}, got {short_repr(value)}"
        )
    return number


def _whole(name: str, value: object, lowest: int) -> int:
    number = _number(name, value, lowest)
    if number != int(number):
        raise InputError(f"the Dial option {name} must be a whole number, got {short_repr(value)}")
    return int(number)


def _one_of(name: str, value: object, valid: Sequence[str]) -> str:
    if value not in valid:
        raise InputError(f"the Dial option {name} must be one of {', '.join(valid)}, got {short_repr(value)}")
    return str(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"the Dial option {name} must be text, got {type(value).__name__}")
    return value


def _headers(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"the Dial option {name} must be a dict of header names and values, got {type(value).__name__}"
        )
    for key, content in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", str(key)):
            raise InputError(f"the Dial option {name} has an invalid header name: {short_repr(key)}")
        if str(key).lower() in _HANDSHAKE_HEADERS:
            raise InputError(
                f"the header {short_repr(key)} is set by the handshake itself and cannot be given in {name}"
            )
        if re.search(r"[\r\n\x00]", str(content)):
            raise InputError(f"the value of the header {short_repr(key)} contains a line break")
    return {str(key): str(content) for key, content in value.items()}


def _is_data(name: str, value: object) -> IsData:
    if callable(value):
        return value
    if isinstance(value, str | re.Pattern):
        try:
            pattern = re.compile(value)
        except re.error as error:
            raise InputError(f"the Dial option {name} is not a regular expression: {error}") from None
        return lambda message: isinstance(message, str) and pattern.search(message) is not None
    raise InputError(f"the Dial option {name} must be a function or a regular expression, got {type(value).__name__}")


def _callable(name: str, value: object) -> Callable[[Any], Any]:
    if not callable(value):
        raise InputError(f"the Dial option {name} must be a function, got {type(value).__name__}")
    return value


def _backoff(name: str, value: object) -> wait_base:
    if not isinstance(value, wait_base):
        raise InputError(
            f"the Dial option {name} must be a tenacity wait, such as tenacity.wait_random(1, 5), got {short_repr(value)}"
        )
    return value


# FMZ's name (or ours) -> the field, and what reads it.
_READERS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "compress": ("compress", lambda n, v: _one_of(n, v, COMPRESSIONS) if v else ""),
    "mode": ("mode", lambda n, v: _one_of(n, v, MODES)),
    "enableCompression": ("deflate", _flag),
    "reconnect": ("reconnect", _flag),
    "interval": ("interval_s", lambda n, v: _number(n, v, 0) / 1000),
    "retry": ("retry", lambda n, v: _whole(n, v, 0)),
    "payload": ("payload", lambda n, v: read_messages(f"the Dial option {n}", v)),
    "headers": ("headers", _headers),
    "proxy": ("proxy", lambda n, v: v if isinstance(v, ProxyChoice) else ProxyChoice.read(_text(n, v))),
    "local_ip": ("local_ip", _text),
    "pingInterval": ("ping_interval_s", lambda n, v: _number(n, v, 0) / 1000),
    "pingMessage": ("ping_message", _text),
    "pingType": ("ping_text", lambda n, v: _one_of(n, v, ("control", "text")) == "text"),
    "insecureSkipVerify": ("insecure", _flag),
    "qsize": ("qsize", lambda n, v: _whole(n, v, 1)),
    "qbytes": ("qbytes", lambda n, v: _whole(n, v, 1)),
    "overflow": ("overflow", lambda n, v: _one_of(n, v, OVERFLOWS)),
    "silence_ms": ("silence_s", lambda n, v: _number(n, v, 0) / 1000),
    "silence_data": ("is_data", _is_data),
    "on_ping": ("heartbeats", lambda _, v: heartbeats(v)),
    "on_connect": ("on_connect", _callable),
    "backoff": ("backoff", _backoff),
    "max_message": ("max_message", lambda n, v: _whole(n, v, 1)),
    "time_field": ("time_field", _text),
    "timeout_ms": ("connect_timeout_s", lambda n, v: _number(n, v, 1) / 1000),
    "ca_file": ("ca_file", _text),
}
OPTION_NAMES = tuple(_READERS)


def tls_context(options: DialOptions) -> ssl.SSLContext:
    """The TLS settings of a stream: certificates and names are verified unless the user wrote that they are not to be.

    Raises:
        InputError: The file of the option ca_file, or the one that the environment names, cannot be read.
    """
    try:
        return TlsPolicy.read(False if options.insecure else options.ca_file or True).context()
    except InputError as error:
        if not options.ca_file:
            raise
        raise InputError(f"the Dial option ca_file: {error}") from None


def destination(address: Address, options: DialOptions, tls: ssl.SSLContext | None) -> Destination:
    """Where the connection beneath a stream leads, and by what way.

    Raises:
        InputError: The environment names a proxy that cannot be used.
    """
    if address.scheme == "unix":
        return Destination(shown=address.shown, path=address.target)
    return Destination(
        shown=address.shown,
        host=address.host,
        port=address.port,
        proxy=options.proxy.proxy_for(address.scheme, address.host, address.port),
        local_ip=options.local_ip,
        tls=tls,
        datagram=address.scheme in DATAGRAM,
    )


def read_messages(name: str, value: object) -> tuple[str | bytes, ...]:
    """Reads messages to be sent: one, several, or none.

    Args:
        name: The name used in errors.
        value: Text, bytes, a dict (sent as JSON), a list of them, or None; empty text is no message.

    Raises:
        InputError: ``value`` is of another type.
    """
    if value is None:
        return ()
    if isinstance(value, str | bytes):
        try:
            if isinstance(value, str):
                value.encode()
            return (value,) if value else ()
        except UnicodeEncodeError as error:
            raise InputError(f"{name} is not valid Unicode: {error.reason} at character {error.start}") from None
    if isinstance(value, Mapping):
        try:
            return (json.dumps(value),)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name} cannot be encoded as JSON: {error}") from None
    if isinstance(value, Sequence):
        return tuple(part for item in value for part in read_messages(name, item))
    raise InputError(f"{name} must be text, bytes, a dict, a list of these, or None, got {type(value).__name__}")


def check_ms(method: str, timeout_ms: object) -> None:
    """Checks that a time-out is a number.

    Raises:
        InputError: It is not.
    """
    real_number(f"the time-out of {method}()", timeout_ms, expected="a number of milliseconds")


def pause_s(options: DialOptions, attempt: int) -> float:
    """The pause before an attempt to reconnect, in seconds.

    The option backoff decides; after three attempts in a row the pause is at least 0.1 s.

    Args:
        options: Their ``backoff`` is used.
        attempt: The number of the attempt since data last arrived, from 1.
    """
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    pause = float(options.backoff(state))
    return pause if attempt <= _AT_ONCE else max(pause, _SHORTEST_PAUSE_S)


def connect_timeout_s(number: float) -> float:
    """Reads a number given as the second argument of ``Dial``.

    FMZ's API reference and its examples disagree on the unit: scripts write 60 and 30000, and mean a minute and half a minute.

    Args:
        number: Up to 300, seconds; above, milliseconds.

    Raises:
        InputError: It is not a number above 0.
    """
    if not 0 < number < 1e9:
        raise InputError(
            f"the time-out of Dial must be above 0 (in seconds up to 300, in milliseconds above), got {short_repr(number)}"
        )
    return number if number <= _SECONDS_UP_TO else number / 1000


def read_options(
    address: str, timeout_or_options: object = None, keywords: Mapping[str, object] | None = None
) -> tuple[Address, DialOptions]:
    """Reads all arguments of a call of ``Dial``.

    Args:
        address: The address, with or without options behind a bar.
        timeout_or_options: None, a number (see ``connect_timeout_s``), a dict of options, or such a dict as JSON text.
        keywords: Options given as keywords. The address takes precedence over them, and they over the dict.

    Raises:
        UnknownName: There is no such option; the error names the nearest.
        InputError: A part is not valid; the error shows it.
        NotSupported: ``Dial`` does not support the scheme of the address.
    """
    if not isinstance(address, str):
        raise InputError(f"the address of Dial must be text, got {type(address).__name__}")
    where, tail = split_address(address, OPTION_NAMES)
    target = parse_address(where)
    given: dict[str, object] = {**_second_argument(timeout_or_options), **(keywords or {})}
    given.update(parse_pairs(tail, OPTION_NAMES))
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _READERS:
            raise UnknownName(f"there is no Dial option {short_repr(name)}{nearest(name, OPTION_NAMES)}")
        if value is not None:
            field, reader = _READERS[name]
            fields[field] = reader(name, value)
    fields.setdefault("backoff", _default_backoff(fields.get("interval_s")))
    table = fields.get("heartbeats")
    if table is not None and table.ping and "ping_interval_s" not in fields:
        fields["ping_interval_s"] = table.ping_interval_s
        fields.setdefault("ping_message", table.ping)
        fields.setdefault("ping_text", True)
    options = DialOptions(**fields)
    _check_together(target, options, given)
    return target, options


def _default_backoff(interval_s: float | None) -> wait_base:
    if interval_s is not None:
        return wait_fixed(interval_s) + wait_random(0, interval_s / 10)
    return wait_exponential(multiplier=1, max=30) + wait_random(0, 0.5)


def _second_argument(value: object) -> dict[str, object]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError("the options of Dial must be a dict or its JSON text, got text that is not JSON") from None
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    number = real_number("the second argument of Dial", value, expected="a number, a dict or its JSON text")
    return {"timeout_ms": connect_timeout_s(number) * 1000}


_WEBSOCKET_ONLY = ("enableCompression", "headers", "compress")


def _check_together(address: Address, options: DialOptions, given: Mapping[str, object]) -> None:
    websocket = address.scheme in {"ws", "wss"}
    for name in _WEBSOCKET_ONLY:
        if not websocket and given.get(name) not in (None, False, "", "false"):
            raise InputError(f"the Dial option {name} is for ws:// and wss:// only, not for {address.scheme}://")
    if options.ping_interval_s and not websocket and not options.ping_text:
        raise InputError(f"{address.scheme}:// has no ping frames; set pingType to text and give a pingMessage")
    if options.ping_text and options.ping_interval_s and not options.ping_message:
        raise InputError("the Dial option pingType is text, which needs a pingMessage")
    proxy = options.proxy.proxy
    if proxy is not None and proxy.kind != "ip" and address.scheme in {"udp", "unix"}:
        raise InputError(f"the Dial option proxy does not apply to {address.scheme}://")
