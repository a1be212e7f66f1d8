"""Reads one HTTP request from a socket, with a deadline and a size limit for the whole of it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping

import attrs

__all__ = ["BadRequest", "HttpPost", "RequestReader"]

_MOST_HEAD = 16_384
_MOST_BODY = 1_048_576
_REQUEST_S = 10.0  # from the first byte to the last
_LINE = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*|\*|https?://[\x21-\x7e]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")


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
class HttpPost:
    """A request.

    Attributes:
        body: Its body.
        keep: Whether the client keeps the connection.
    """

    body: bytes
    keep: bool


class RequestReader:
    """Reads the requests of one connection, one after the other.

    Args:
        connection: The socket.
        idle_s: How long it may be idle between two requests, in seconds.
    """

    def __init__(self, connection: socket.socket, idle_s: float) -> None:
        self._connection = connection
        self._idle_s = idle_s
        self._data = b""

    def wait(self) -> bool:
        """Waits for the first byte of the next request; False at the end of the connection, or when it was idle for too long."""
        if not self._data:
            self._connection.settimeout(self._idle_s)
            try:
                self._data = self._connection.recv(65_536)
            except OSError:  # a time-out, or the peer is gone
                return False
        return bool(self._data)

    def read(self) -> HttpPost:
        """Reads the request that has begun.

        Raises:
            BadRequest: It is not a POST with a body of a known length, is too large or too slow, or was cut.
        """
        until = time.monotonic() + _REQUEST_S
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if len(self._data) > _MOST_HEAD:
                raise BadRequest(
                    "431 Request Header Fields Too Large", f"the head of the request is larger than {_MOST_HEAD} bytes"
                )
            self._more(until)
        headers, method, version = _head(self._data[:end])
        length = _check(headers, method)
        while len(self._data) < end + 4 + length:
            self._more(until)
        body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
        words = headers.get("connection", "").lower()
        return HttpPost(body, keep="keep-alive" in words if version == b"0" else "close" not in words)

    def _more(self, until: float) -> None:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise BadRequest("408 Request Timeout", f"the request was not complete within {_REQUEST_S:g} s")
        self._connection.settimeout(left_s)
        try:
            data = self._connection.recv(65_536)
        except TimeoutError:
            raise BadRequest("408 Request Timeout", f"the request was not complete within {_REQUEST_S:g} s") from None
        except OSError:
            data = b""
        if not data:
            raise BadRequest("400 Bad Request", "the request was cut")
        self._data += data


def _head(head: bytes) -> tuple[Mapping[str, str], bytes, bytes]:
    lines = head.split(b"\r\n")
    first = _LINE.fullmatch(lines[0])
    if first is None:
        raise BadRequest("400 Bad Request", "the request line is malformed")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise BadRequest("400 Bad Request", "a header line is malformed")
        name = found[1].decode().lower()
        if name in headers and name in {"content-length", "transfer-encoding", "host"}:
            raise BadRequest("400 Bad Request", f"the header {name} comes twice")
        headers[name] = found[2].decode("latin-1")
    return headers, first[1], first[3]


def _check(headers: Mapping[str, str], method: bytes) -> int:
    """The length of the body."""
    if method != b"POST":
        raise BadRequest("405 Method Not Allowed", "a plugin of the general protocol is called by POST")
    # Browsers send these; a page that somebody opens on this machine must not trade by a plugin on its loopback.
    if "origin" in headers or "sec-fetch-site" in headers:
        raise BadRequest("403 Forbidden", "a plugin does not answer browsers")
    if "transfer-encoding" in headers or "content-length" not in headers:
        raise BadRequest("411 Length Required", "the request needs a Content-Length")
    text = headers["content-length"]
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("400 Bad Request", "the Content-Length is not a number")
    if len(text) > 9 or int(text) > _MOST_BODY:
        raise BadRequest("413 Content Too Large", f"the body of the request is larger than {_MOST_BODY} bytes")
    return int(text)
