"""What a handler sees of one request or connection: FMZ's ``ctx``.

Source: FMZ's syntax guide, "threading.Serve". One request a connection; what is written goes out in one piece when the handler returns.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import InputError
from .request_reader import ReceivedRequest
from .socket_io import SocketIO
from .websocket import ServedWebSocket, accept_text

__all__ = ["Caller", "HttpCaller", "TcpCaller", "reply_bytes"]

MOST_MESSAGE = 16 << 20
_MOST_REPLY = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


class Caller:
    """One connection as its handler sees it; base of the two kinds.

    Args:
        io: The socket.
    """

    def __init__(self, io: SocketIO) -> None:
        self._io = io
        self._addresses = io.addresses
        self.killed = False
        """Whether the handler was ended by ``stop`` of its server: its output is lost."""
        self.on_kill: Callable[[], None] = lambda: None
        """Called when it is, in the thread that stops the server."""

    def local_addr(self) -> str:
        """The address that was called, as ``host:port``."""
        return self._addresses[0]

    def remote_addr(self) -> str:
        """The caller's address, as ``host:port``."""
        return self._addresses[1]

    def kill(self) -> None:
        """Ends the connection at once, and the handler at its next call."""
        self.killed = True
        self._io.abort()
        self.on_kill()


class HttpCaller(Caller):
    """One HTTP request, or the websocket that it became.

    Args:
        io: The socket.
        request: The request.
        early: The bytes that came after it.
        compress: Whether the reply may be compressed.
    """

    def __init__(self, io: SocketIO, request: ReceivedRequest, early: bytes, *, compress: bool) -> None:
        super().__init__(io)
        self._head = request.head
        self._body = request.body
        self._url = urlsplit(request.head.target)
        self._early = early
        self._compress = compress
        self._status = 200
        self._headers: dict[str, tuple[str, str]] = {}
        self._written = bytearray()
        self._socket: ServedWebSocket | None = None

    def proto(self) -> str:
        """``HTTP/1.1`` or ``HTTP/1.0``."""
        return f"HTTP/1.{self._head.minor}"

    def host(self) -> str:
        """The host that was asked for; empty without one."""
        return self._head.header("host") or self._url.netloc

    def path(self) -> str:
        """The path, decoded."""
        return unquote(self._url.path) or "/"

    def query(self, key: str) -> str:
        """The first value of a key of the query, decoded; empty without it."""
        return parse_qs(self._url.query, keep_blank_values=True).get(key, [""])[0]

    def raw_query(self) -> str:
        """The query as it was sent, without the question mark."""
        return self._url.query

    def headers(self) -> dict[str, str]:
        """All headers in their usual spelling, such as ``Content-Type``."""
        names = {name.title(): name for name, _ in self._head.fields}
        return {shown: self._head.header(name) or "" for shown, name in names.items()}

    def header(self, name: str) -> str | None:
        """A header's value; None without it."""
        return self._head.header(name)

    def method(self) -> str:
        """The method, such as ``POST``."""
        return self._head.method

    def body(self) -> str | bytes:
        """The body: a text, or bytes if it is not UTF-8."""
        return text_or_bytes(self._body)

    def set_header(self, key: str, value: Any) -> None:
        """Sets a header of the reply.

        Raises:
            InputError: It is not a valid header, or one that the server sets.
        """
        key, value = str(key), str(value)
        if not _NAME.fullmatch(key) or not _VALUE.fullmatch(value):
            raise InputError(f"not a valid header: {key!r}: {value!r}")
        if key.lower() in _OWN_HEADERS:
            raise InputError(f"the server sets the header {key} itself")
        self._headers[key.lower()] = key, value

    def set_status(self, status: int = 200) -> None:
        """Sets the status of the reply.

        Raises:
            InputError: It is not between 200 and 599.
        """
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise InputError(f"not a status of a reply: {status!r}, expected 200 to 599")
        self._status = status

    def upgrade(self, protocol: str = "websocket") -> bool:
        """Makes a websocket of it; False if the request does not ask for one.

        Raises:
            InputError: The protocol is another.
        """
        if str(protocol).lower() != "websocket":
            raise InputError(f"cannot upgrade to {protocol!r}, expected 'websocket'")
        if self._socket is not None:
            return True
        accept = accept_text(self._head)
        if accept is None:
            return False
        answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        try:
            self._io.send(answer.encode())
        except OSError:
            return False
        self._socket = ServedWebSocket(self._io, self._early, MOST_MESSAGE)
        return True

    def read(self, timeout_ms: float | None = None) -> Any:
        """The next message of the websocket; None after the time-out, empty when it is closed.

        Args:
            timeout_ms: The longest wait, in milliseconds; None or 0 waits for ever, negative does not wait.

        Raises:
            InputError: It is no websocket.
        """
        if self._socket is None:
            raise InputError("read is for websockets and TCP: the request was not upgraded; its body is in body()")
        return self._socket.read(seconds(timeout_ms))

    def write(self, data: Any) -> int:
        """Adds to the reply, or sends a message of the websocket; returns the number of bytes, 0 when the connection is broken.

        Raises:
            InputError: The reply is too large.
        """
        if self._socket is not None:
            return self._socket.write(data if isinstance(data, bytes) else shown(data))
        piece = data if isinstance(data, bytes) else shown(data).encode("utf-8", "replace")
        if len(self._written) + len(piece) > _MOST_REPLY:
            raise InputError(f"the reply is larger than {_MOST_REPLY} bytes")
        self._written += piece
        return len(piece)

    def finish(self, *, failed: bool = False) -> None:
        """Sends what was written and closes the websocket.

        Args:
            failed: Whether the handler failed: the caller gets status 500, without what was written.

        Raises:
            OSError: The caller is gone.
        """
        if self._socket is not None:
            self._socket.close(1011 if failed else 1000)
        elif failed:
            self._io.send(reply_bytes(500, {}, b"the handler failed\n", bare=self._head.method == "HEAD"))
        else:
            body, headers = self._reply()
            self._io.send(reply_bytes(self._status, headers, body, bare=self._head.method == "HEAD"))

    def _reply(self) -> tuple[bytes, dict[str, str]]:
        body, headers = bytes(self._written), dict(self._headers.values())
        if self._compress and body and "content-encoding" not in self._headers and self._takes_gzip():
            body = gzip.compress(body, 5, mtime=0)
            headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        if "content-type" not in self._headers:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        return body, headers

    def _takes_gzip(self) -> bool:
        words = (self._head.header("accept-encoding") or "").lower().replace(" ", "").split(",")
        return any(word.split(";")[0] == "gzip" and not word.endswith(";q=0") for word in words)


class TcpCaller(Caller):
    """One TCP connection."""

    def proto(self) -> str:
        """``tcp``."""
        return "tcp"

    def read(self, timeout_ms: float | None = None) -> Any:
        """What came: a text, or bytes if it is not UTF-8; None after the time-out, empty when the connection is closed.

        Args:
            timeout_ms: The longest wait, in milliseconds; None or 0 waits for ever, negative does not wait.
        """
        try:
            return text_or_bytes(self._io.receive(self._io.deadline(seconds(timeout_ms))))
        except TimeoutError:
            return None

    def write(self, data: Any) -> int:
        """Sends text or bytes; returns the number of bytes, 0 when the connection is broken."""
        piece = data if isinstance(data, bytes) else shown(data).encode("utf-8", "replace")
        try:
            self._io.send(piece)
        except OSError:
            return 0
        return len(piece)

    def finish(self, *, failed: bool = False) -> None:
        """Nothing is left to send."""


def reply_bytes(status: int, headers: Mapping[str, str], body: bytes, *, bare: bool = False) -> bytes:
    """A whole reply, after which the connection ends.

    Args:
        status: The status.
        headers: Its headers, but for those of the connection and the size.
        body: Its body.
        bare: Whether the body is left out, as in the answer to HEAD.
    """
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Status"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    if "date" not in map(str.lower, headers):
        lines.append(f"Date: {formatdate(usegmt=True)}")
    none = status in {204, 304}
    if not none:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "replace")
    return head if bare or none else head + body


def seconds(timeout_ms: float | None) -> float | None:
    """FMZ's time-out in seconds: none or 0 waits for ever, a negative one does not wait."""
    return None if not timeout_ms else max(timeout_ms, 0) / 1000


def text_or_bytes(data: bytes) -> str | bytes:
    """Text where the bytes are UTF-8, else the bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def shown(data: Any) -> str:
    """A text as it is, anything else as JSON."""
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
