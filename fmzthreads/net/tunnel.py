"""Asking a proxy for a way through, on a connection to it: by HTTP's CONNECT or by SOCKS5.

SOCKS5 is spoken here rather than by PySocks, which gives each receive the whole time-out, so that a proxy that drips its answer is waited
for without end; which reaches proxies by IPv4 only, drops an account whose password is empty and garbles one of 128 characters; and whose
socket would put calls in Python before those of the system for as long as the stream lives.

Nothing that the proxy says is repeated in an error but its number: it may repeat the account.
"""

from __future__ import annotations

import http
import re
import socket
from base64 import b64encode
from urllib.parse import unquote, urlsplit

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed, InputError
from ..streams.address import Address, ascii_host
from .sockets import Stream, receive_by

__all__ = ["Proxy", "ask", "read_proxy"]

_LONGEST_ANSWER = 16384
_SCHEMES = ("http", "socks5", "socks5h")
# RFC 1928, section 6.
_SOCKS_ERRORS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}
_NO_ACCOUNT, _ACCOUNT, _NONE_OF_THESE = 0, 2, 0xFF


@attrs.frozen
class Proxy:
    """A proxy as the user wrote it.

    Attributes:
        socks: Whether it speaks SOCKS5, else HTTP.
        host: Its name or IP.
        port: Its port.
        user: The account's name; None for no account.
        password: The account's password; may be empty.
    """

    socks: bool
    host: str
    port: int
    user: str | None = attrs.field(repr=False)
    password: str = attrs.field(repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_proxy(text: str) -> Proxy:
    """Reads the option ``proxy``.

    Args:
        text: ``http://[user:password@]host:port`` or ``socks5://...``; ``socks5h`` means the same, for the proxy always looks up the name:
            what the script asks for is not shown to the local network.

    Raises:
        InputError: It is none; the error does not show it, for it may hold a password.
    """
    host, port = "", None
    try:
        parts = urlsplit(text)
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        pass  # said below, in words that do not repeat it
    if not host or not port or parts.scheme not in _SCHEMES or parts.path not in {"", "/"} or parts.query:
        raise InputError("the Dial option proxy must be http://[user:password@]host:port or socks5://..., and is not")
    user = None if parts.username is None else unquote(parts.username)
    proxy = Proxy(parts.scheme != "http", host, port, user, unquote(parts.password or ""))
    if proxy.socks and user is not None and not (0 < len(user.encode()) < 256 and len(proxy.password.encode()) < 256):
        raise InputError("the name of a SOCKS5 account has 1 to 255 bytes, and its password at most 255")
    return proxy


def ask(stream: Stream, proxy: Proxy, address: Address, deadline: Deadline, clock: Clock) -> None:
    """Has the proxy connect the stream to an address.

    Args:
        stream: A fresh connection to the proxy.
        proxy: For its kind and account.
        address: Where the stream is to lead.
        deadline: For all of it.
        clock: What the deadline is measured with.

    Raises:
        ConnectFailed: The proxy refused, hung up, or answered what is no answer.
        TimedOut: It took too long.
        OSError: The connection to the proxy broke.
    """
    if proxy.socks:
        _socks(_Talk(stream, proxy, deadline, clock), address)
    else:
        _tunnel(_Talk(stream, proxy, deadline, clock), address)


class _Talk:
    """What is said to a proxy and what it answers, within the deadline."""

    def __init__(self, stream: Stream, proxy: Proxy, deadline: Deadline, clock: Clock) -> None:
        self.proxy = proxy
        self._stream = stream
        self._deadline = deadline
        self._clock = clock
        self._view = memoryview(bytearray(512))

    def say(self, data: bytes) -> None:
        """Sends something."""
        self._stream.send(data, self._deadline.remaining(), self._clock)

    def hear(self, count: int) -> bytes:
        """The next ``count`` bytes and not one more: what follows the answer belongs to the peer behind the proxy."""
        got = 0
        while got < count:
            part = receive_by(self._stream, self._view[got:count], self._deadline, "waiting for the proxy")
            if not part:
                raise ConnectFailed(f"the proxy {self.proxy} hung up")
            got += part
        return self._view[:count].tobytes()

    def no_answer(self) -> ConnectFailed:
        """The error for what is no answer at all."""
        return ConnectFailed(f"the proxy {self.proxy} gave no valid answer")

    def refused(self, why: str) -> ConnectFailed:
        """The error for a no."""
        return ConnectFailed(f"the proxy {self.proxy} refused: {why}")


def _socks(talk: _Talk, address: Address) -> None:
    """RFC 1928, with the account of RFC 1929."""
    user, password = talk.proxy.user, talk.proxy.password.encode()
    talk.say(bytes((5, 1, _NO_ACCOUNT)) if user is None else bytes((5, 2, _NO_ACCOUNT, _ACCOUNT)))
    version, method = talk.hear(2)
    if version != 5:
        raise talk.no_answer()
    if method == _ACCOUNT and user is not None:
        name = user.encode()
        talk.say(bytes((1, len(name))) + name + bytes((len(password),)) + password)
        version, status = talk.hear(2)
        if version != 1:
            raise talk.no_answer()
        if status:
            raise talk.refused("it does not take the account")
    elif method in {_NONE_OF_THESE, _ACCOUNT}:
        raise talk.refused("it wants an account" if user is None else "it takes neither this account nor none")
    elif method != _NO_ACCOUNT:
        raise talk.no_answer()
    talk.say(b"\x05\x01\x00" + _destination(address.host) + address.port.to_bytes(2, "big"))
    version, status = talk.hear(2)
    if version != 5:
        raise talk.no_answer()
    if status:
        raise talk.refused(_SOCKS_ERRORS.get(status, "no reason given") + f" (SOCKS error {status})")
    _, kind = talk.hear(2)
    size = {1: 4, 4: 16}.get(kind) or (talk.hear(1)[0] if kind == 3 else 0)
    if not size and kind != 3:
        raise talk.no_answer()
    talk.hear(size + 2)  # the address that the proxy connects from, which nobody needs


def _destination(host: str) -> bytes:
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host)
        except OSError:
            pass  # not an address of this family
    return bytes((3, len(host))) + host.encode()


def _tunnel(talk: _Talk, address: Address) -> None:
    """RFC 9110, section 9.3.6."""
    lines = [f"CONNECT {address.authority} HTTP/1.1", f"Host: {address.authority}"]
    if talk.proxy.user is not None:
        account = f"{talk.proxy.user}:{talk.proxy.password}".encode()
        lines.append("Proxy-Authorization: Basic " + b64encode(account).decode())
    talk.say(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        if len(answer) >= _LONGEST_ANSWER:
            raise talk.no_answer()
        answer += talk.hear(1)
    status = re.match(rb"HTTP/1\.[01] (\d{3})(?= |\r)", answer)
    if status is None:
        raise talk.no_answer()
    code = int(status[1])
    if not 200 <= code < 300:
        known = {each.value: each.phrase for each in http.HTTPStatus}
        raise talk.refused(f"HTTP {code} {known.get(code, '')}".strip())
