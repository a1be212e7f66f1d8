"""Reads HTTP requests from a socket, each with one deadline and size limits for the whole of it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

import attrs

__all__ = ["BadRequest", "ReceivedRequest", "RequestHead", "RequestLimits", "RequestReader"]

_LINE = re.compile(rb"([A-Z][A-Z-]{0,15}) (/[\x21-\x7e]*|\*|https?://[\x21-\x7e]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_SINGLE = frozenset({"content-length", "transfer-encoding", "host"})
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]*;[^\r\n]*)?")
_LONGEST_CHUNK_LINE = 4_096


class BadRequest(Exception):
    """A request that is answered with an HTTP status and ends its connection.

    Args:
        status: The status with its reason, such as ``"413 Content Too Large"``.
        text: What was wrong.
    """

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


@attrs.frozen
class RequestHead:
    """The request line and the headers.

    Attributes:
        method: The method, in upper case.
        target: What is asked for, as it was sent: a path with its query, ``*``, or a whole URL.
        minor: The minor version of HTTP/1: 0 or 1.
        fields: Name and value of each header, in the order in which they came.
    """

    method: str
    target: str
    minor: int
    fields: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The value of a header, with commas between where it comes more than once; None without it.

        Args:
            name: Its name, in any case.
        """
        wanted = name.lower()
        values = [value for key, value in self.fields if key.lower() == wanted]
        return ", ".join(values) if values else None

    @property
    def keep(self) -> bool:
        """Whether the client keeps the connection."""
        words = (self.header("connection") or "").lower()
        return "close" not in words if self.minor else "keep-alive" in words


@attrs.frozen
class ReceivedRequest:
    """A request.

    Attributes:
        head: Its head.
        body: Its body; empty without one.
    """

    head: RequestHead
    body: bytes


@attrs.frozen(kw_only=True)
class RequestLimits:
    """What a client may take.

    Attributes:
        idle_s: How long a connection may be idle before a request, in seconds.
        request_s: How long a request may take from its first byte to its last, in seconds.
        most_head: The maximum size of a head, in bytes.
        most_body: The maximum size of a body, in bytes.
    """

    idle_s: float
    request_s: float = 10.0
    most_head: int = 16_384
    most_body: int = 1_048_576


class RequestReader:
    """Reads the requests of one connection, one after the other.

    Args:
        connection: The socket.
        limits: What the client may take.
        check: Called with each head before its body is read; it may raise ``BadRequest``.
    """

    def __init__(
        self, connection: socket.socket, limits: RequestLimits, check: Callable[[RequestHead], None] | None = None
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._check = check
        self._data = bytearray()

    def wait(self, at_most_s: float | None = None) -> bool:
        """Waits for the first byte of the next request; False at the end of the connection, or when it was idle for too long.

        Args:
            at_most_s: How long it may be idle, in seconds; None for what the limits say.
        """
        if not self._data:
            self._connection.settimeout(self._limits.idle_s if at_most_s is None else at_most_s)
            try:
                self._data += self._connection.recv(65_536)
            except OSError:  # a time-out, or the peer is gone
                return False
        return bool(self._data)

    def read(self) -> ReceivedRequest:
        """Reads the request that has begun.

        Raises:
            BadRequest: It is malformed, too large or too slow, or was cut; or ``check`` refuses it.
        """
        until, most = time.monotonic() + self._limits.request_s, self._limits.most_head
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if len(self._data) > most:
                raise _too_large(most)
            self._more(until)
        if end > most:
            raise _too_large(most)
        head = _head(bytes(self._data[:end]))
        del self._data[: end + 4]
        if self._check is not None:
            self._check(head)
        return ReceivedRequest(head, self._body(head, until))

    def rest(self) -> bytes:
        """The bytes that came after the request; they are no longer here."""
        data, self._data = bytes(self._data), bytearray()
        return data

    def _body(self, head: RequestHead, until: float) -> bytes:
        encoding, text = head.header("transfer-encoding"), head.header("content-length")
        if encoding is not None:
            if text is not None or encoding.lower() != "chunked" or not head.minor:
                raise BadRequest("400 Bad Request", "the Transfer-Encoding is not valid")
            self._invite(head)
            return self._chunks(until)
        if text is None:
            return b""
        if not (text.isascii() and text.isdigit()):
            raise BadRequest("400 Bad Request", "the Content-Length is not a number")
        if len(text) > 15 or int(text) > self._limits.most_body:
            raise self._body_too_large()
        length = int(text)
        if len(self._data) < length:
            self._invite(head)
        while len(self._data) < length:
            self._more(until)
        return self._take(length)

    def _invite(self, head: RequestHead) -> None:
        """Asks for the body, where the client waits for that (RFC 9110, 10.1.1)."""
        if head.minor and (head.header("expect") or "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _chunks(self, until: float) -> bytes:
        body = bytearray()
        while True:
            line = self._line(until)
            found = _CHUNK.fullmatch(line)
            if found is None:
                raise BadRequest("400 Bad Request", "a chunk of the body is malformed")
            size = int(found[1], 16)
            if len(body) + size > self._limits.most_body:
                raise self._body_too_large()
            if not size:
                break
            while len(self._data) < size + 2:
                self._more(until)
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise BadRequest("400 Bad Request", "a chunk of the body is malformed")
        left = self._limits.most_head
        while line := self._line(until):  # trailers are read and dropped
            left -= len(line) + 2
            if left < 0:
                raise _too_large(self._limits.most_head)
        return bytes(body)

    def _line(self, until: float) -> bytes:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > _LONGEST_CHUNK_LINE:
                raise BadRequest("400 Bad Request", "a chunk of the body is malformed")
            self._more(until)
        line = self._take(end)
        del self._data[:2]
        return line

    def _take(self, size: int) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _body_too_large(self) -> BadRequest:
        most = self._limits.most_body
        return BadRequest("413 Content Too Large", f"the body of the request is larger than {most} bytes")

    def _more(self, until: float) -> None:
        slow = BadRequest("408 Request Timeout", f"the request was not complete within {self._limits.request_s:g} s")
        left_s = until - time.monotonic()  # a socket's time-out counts in real time
        if left_s <= 0:
            raise slow
        self._connection.settimeout(left_s)
        try:
            data = self._connection.recv(65_536)
        except TimeoutError:
            raise slow from None
        except OSError:
            data = b""
        if not data:
            raise BadRequest("400 Bad Request", "the request was cut")
        self._data += data


def _too_large(most: int) -> BadRequest:
    return BadRequest("431 Request Header Fields Too Large", f"the head of the request is larger than {most} bytes")


def _head(head: bytes) -> RequestHead:
    lines = head.split(b"\r\n")
    first = _LINE.fullmatch(lines[0])
    if first is None:
        raise BadRequest("400 Bad Request", "the request line is malformed")
    fields: list[tuple[str, str]] = []
    seen: set[str] = set()
    for line in lines[1:]:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise BadRequest("400 Bad Request", "a header line is malformed")
        name = found[1].decode()
        if name.lower() in seen & _SINGLE:
            raise BadRequest("400 Bad Request", f"the header {name.lower()} comes twice")
        seen.add(name.lower())
        fields.append((name, found[2].decode("latin-1")))
    return RequestHead(first[1].decode(), first[2].decode(), int(first[3]), tuple(fields))
