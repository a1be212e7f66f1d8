"""Asks a proxy for a tunnel to a server, by HTTP CONNECT or SOCKS5.

SOCKS5 is implemented here because PySocks applies the whole time-out to each receive (a proxy that sends its answer byte by byte blocks
without
end), reaches proxies by IPv4 only, drops credentials with an empty password and garbles a password of 128 characters.

Errors contain the proxy's status code but never its text, which may repeat the credentials.
"""

from __future__ import annotations

import http
import re
import socket
from base64 import b64encode

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed
from .hosts import authority
from .proxy import Proxy
from .sockets import Stream, receive_by

__all__ = ["ask_proxy", "basic"]

_LONGEST_ANSWER = 16384
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


def basic(user: str, password: str) -> str:
    """The value of an Authorization header with user and password (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def ask_proxy(stream: Stream, proxy: Proxy, host: str, port: int, deadline: Deadline, clock: Clock) -> None:
    """Asks the proxy to connect the stream to a server.

    Args:
        stream: A new connection to the proxy.
        proxy: Its kind and credentials.
        host: The server; a name is looked up by the proxy.
        port: The server's port.
        deadline: For the whole exchange.
        clock: Measures the deadline.

    Raises:
        ConnectFailed: The proxy refused, closed the connection, or sent an invalid answer.
        TimedOut: The deadline passed.
        OSError: The connection to the proxy broke.
    """
    talk = _Talk(stream, proxy, deadline, clock)
    if proxy.kind == "socks5":
        _socks(talk, host, port)
    else:
        _connect(talk, authority(host, port))


class _Talk:
    """Reads and writes on the stream to the proxy, within the deadline."""

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
        """Exactly the next ``count`` bytes: what follows the answer comes from the server behind the proxy."""
        got = 0
        while got < count:
            part = receive_by(self._stream, self._view[got:count], self._deadline, "waiting for the proxy")
            if not part:
                raise ConnectFailed("the proxy closed the connection before its answer was complete")
            got += part
        return self._view[:count].tobytes()

    def invalid(self) -> ConnectFailed:
        """The error for an answer that violates the protocol."""
        kind = "HTTP" if self.proxy.kind == "http" else "SOCKS5"
        return ConnectFailed(f"the proxy sent an invalid answer (expected {kind})")

    def refused(self, why: str) -> ConnectFailed:
        """The error for a refused tunnel."""
        return ConnectFailed(f"the proxy refused: {why}")


def _socks(talk: _Talk, host: str, port: int) -> None:
    """Opens a SOCKS5 tunnel (RFC 1928, credentials as in RFC 1929)."""
    user, password = talk.proxy.user, talk.proxy.password.encode()
    talk.say(bytes((5, 1, _NO_ACCOUNT)) if user is None else bytes((5, 2, _NO_ACCOUNT, _ACCOUNT)))
    version, method = talk.hear(2)
    if version != 5:
        raise talk.invalid()
    if method == _ACCOUNT and user is not None:
        name = user.encode()
        talk.say(bytes((1, len(name))) + name + bytes((len(password),)) + password)
        version, status = talk.hear(2)
        if version != 1:
            raise talk.invalid()
        if status:
            raise talk.refused("wrong user name or password")
    elif method in {_NONE_OF_THESE, _ACCOUNT}:
        raise talk.refused(
            "it requires a user name and password"
            if user is None
            else "it accepts neither these credentials nor anonymous access"
        )
    elif method != _NO_ACCOUNT:
        raise talk.invalid()
    talk.say(b"\x05\x01\x00" + _destination(host) + port.to_bytes(2, "big"))
    version, status = talk.hear(2)
    if version != 5:
        raise talk.invalid()
    if status:
        raise talk.refused(_SOCKS_ERRORS.get(status, "no reason given") + f" (SOCKS error {status})")
    _, kind = talk.hear(2)
    size = {1: 4, 4: 16}.get(kind) or (talk.hear(1)[0] if kind == 3 else 0)
    if not size and kind != 3:
        raise talk.invalid()
    talk.hear(size + 2)  # the address that the proxy connects from, which is not used


def _destination(host: str) -> bytes:
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host)
        except OSError:
            pass  # not an address of this family
    return bytes((3, len(host))) + host.encode()


def _connect(talk: _Talk, place: str) -> None:
    """Opens an HTTP CONNECT tunnel (RFC 9110, section 9.3.6)."""
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if talk.proxy.user is not None:
        lines.append(f"Proxy-Authorization: {basic(talk.proxy.user, talk.proxy.password)}")
    talk.say(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        if len(answer) >= _LONGEST_ANSWER:
            raise talk.invalid()
        answer += talk.hear(1)
    status = re.match(rb"HTTP/1\.[01] (\d{3})(?= |\r)", answer)
    if status is None:
        raise talk.invalid()
    code = int(status[1])
    if not 200 <= code < 300:
        known = {each.value: each.phrase for each in http.HTTPStatus}
        raise talk.refused(f"HTTP {code} {known.get(code, '')}".strip())
