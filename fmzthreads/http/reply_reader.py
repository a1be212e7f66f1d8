"""Reads HTTP/1.1 replies (RFC 9112) within limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

from ..errors import BadReply, ConnectionLost, ReplyTooLarge, excerpt
from .reply import Headers, Reply, join_values

__all__ = ["ReplyLimits", "ReplyReader"]

_STATUS_LINE: Final = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: (.*))?")
_HEADER_LINE: Final = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$", re.MULTILINE)
_NO_BODY: Final = frozenset({204, 304})
_MOST_INTERIM: Final = 16  # 1xx replies before the real one
_CHUNK_LINE: Final = 4096
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")


@attrs.frozen
class ReplyLimits:
    """The limits of a reply.

    Attributes:
        reply_bytes: The maximum size of a body, both as sent and decompressed.
        head_bytes: The maximum size of status line and headers (also of a chunked reply's trailers).
        head_lines: The maximum number of header lines.
        read_timeout_s: The longest wait for the next bytes, in seconds; None for no limit but the deadline.
    """

    reply_bytes: int = 32 * 1024 * 1024
    head_bytes: int = 64 * 1024
    head_lines: int = 256
    read_timeout_s: float | None = None


class ReplyReader:
    """Reads one reply.

    Args:
        receive: Returns the next bytes, at most a buffer full; empty if the peer has closed.
        limits: The limits of the reply.
        request: The request, for errors.
    """

    def __init__(self, receive: Callable[[], bytes], limits: ReplyLimits, request: str) -> None:
        self._receive = receive
        self._limits = limits
        self._request = request
        self._rest = b""  # received but not yet used

    def read(self, method: str) -> Reply:
        """Reads the reply to a request with this method; joins chunks, does not decompress.

        Raises:
            ConnectionLost: The peer closed before the end.
            BadReply: The reply is not HTTP.
            ReplyTooLarge: The reply exceeds a limit.
        """
        for _ in range(_MOST_INTERIM):
            minor, status, reason, pairs = self._head()
            if status >= 200:
                break
            if status == 101:
                raise self._bad("the peer switched to another protocol")
        else:
            raise self._bad(f"more than {_MOST_INTERIM} interim replies")
        fields = join_values(pairs)
        body, framed = self._body(method, status, fields)
        connection = fields.get("connection")
        reusable = framed and not self._rest and (minor == 1 if connection is None else _keeps_alive(minor, connection))
        return Reply(status, Headers(pairs, fields), body, self._request, 0.0, reason, reusable)

    # ---- head

    def _head(self) -> tuple[int, int, str, list[tuple[str, str]]]:
        """Reads minor version, status, reason and header lines; what follows stays in ``_rest``."""
        data: bytes | bytearray = self._rest or self._receive() or self._more("before the reply began")
        end, after = _head_end(data, 0)
        if end < 0:
            data = bytearray(
                data
            )  # grows in place: a peer that sends byte by byte costs no more than one that does not
        while end < 0:
            if len(data) > self._limits.head_bytes:
                raise self._too_large("headers", self._limits.head_bytes)
            if not b"HTTP/1.".startswith(data[:7]):
                raise self._bad(f"the reply is not HTTP/1.0 or HTTP/1.1: {excerpt(bytes(data[:400]), 80)!r}")
            seen = len(data)
            data += self._more("within the headers")
            end, after = _head_end(data, max(0, seen - 3))
        if end > self._limits.head_bytes:
            raise self._too_large("headers", self._limits.head_bytes)
        self._rest = bytes(data[after:])
        return self._parse_head(data[:end])

    def _parse_head(self, head: bytes | bytearray) -> tuple[int, int, str, list[tuple[str, str]]]:
        text = head.decode("latin-1").replace("\r\n", "\n")
        status_line, _, rest = text.partition("\n")
        found = _STATUS_LINE.fullmatch(status_line)
        if found is None:
            raise self._bad(f"the reply is not HTTP/1.0 or HTTP/1.1: {excerpt(status_line, 80)!r}")
        count = rest.count("\n") + 1 if rest else 0
        if count > self._limits.head_lines:
            raise self._too_large("header lines", self._limits.head_lines, "")
        lines = _HEADER_LINE.findall(rest)
        if len(lines) != count or "\r" in text or "\0" in text:
            raise self._malformed(rest)
        pairs = [(name, value.strip(" \t")) for name, value in lines]
        return int(found[1]), int(found[2]), (found[3] or "").strip(), pairs

    def _malformed(self, lines: str) -> BadReply:
        """The error for a head with a line that is not ``Name: value``, such as a folded one."""
        for line in lines.split("\n"):
            if not _HEADER_LINE.fullmatch(line) or "\r" in line or "\0" in line:
                return self._bad(f"malformed header line in the reply: {line[:40]!r}")
        return self._bad("control character in the reply's status line")

    # ---- body

    def _body(self, method: str, status: int, fields: dict[str, str]) -> tuple[bytes, bool]:
        """The body, and whether its length was known (or ended by the peer closing)."""
        if method == "HEAD" or status in _NO_BODY:
            return b"", True
        coding = fields.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked":
                raise self._bad(f"unsupported Transfer-Encoding of the reply: {coding[:40]!r} (expected 'chunked')")
            # A Content-Length as well comes from a faulty (or malicious) peer: the connection is not reused.
            return self._chunked(), "content-length" not in fields
        length = fields.get("content-length")
        if length is None:
            return self._until_closed(), False
        size = int(length) if _DIGITS.fullmatch(length) else self._length(length)
        if size > self._limits.reply_bytes:
            raise self._too_large("body", self._limits.reply_bytes)
        if size == len(self._rest):  # received completely with the head, as for most replies
            body, self._rest = self._rest, b""
            return body, True
        return self._exactly(size), True

    def _length(self, text: str) -> int:
        """The length; some proxies send several equal ones."""
        values = {part.strip(" \t") for part in text.split(",")}
        value = values.pop()
        if values or not (value.isascii() and value.isdigit()) or len(value) > 15:
            raise self._bad(f"malformed Content-Length of the reply: {text[:40]!r}")
        return int(value)

    def _exactly(self, size: int) -> bytes:
        data = self._rest
        if len(data) < size:
            parts = [data]
            missing = size - len(data)
            while missing > 0:
                piece = self._more(f"after {size - missing} of {size} bytes of the body")
                parts.append(piece)
                missing -= len(piece)
            data = b"".join(parts)
        if len(data) == size:
            self._rest = b""
            return data
        self._rest = data[size:]
        return data[:size]

    def _until_closed(self) -> bytes:
        parts, size = [self._rest], len(self._rest)
        self._rest = b""
        while piece := self._receive():
            parts.append(piece)
            size += len(piece)
            if size > self._limits.reply_bytes:
                raise self._too_large("body", self._limits.reply_bytes)
        return b"".join(parts)

    def _chunked(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            size = self._chunk_size(self._line())
            if size == 0:
                break
            total += size
            if total > self._limits.reply_bytes:
                raise self._too_large("body", self._limits.reply_bytes)
            parts.append(self._exactly(size))
            if self._line():
                raise self._bad("a chunk of the reply is longer than its declared size")
        trailers = 0
        while line := self._line():
            trailers += len(line)
            if trailers > self._limits.head_bytes:
                raise self._too_large("trailers", self._limits.head_bytes)
        return b"".join(parts)

    def _chunk_size(self, line: bytes) -> int:
        text = line.partition(b";")[0].rstrip(b" \t")
        try:
            if not _HEX.fullmatch(text):
                raise ValueError
            return int(text, 16)
        except ValueError:
            raise self._bad(f"malformed chunk size in the reply: {line[:40]!r}") from None

    def _line(self) -> bytes:
        """The next line, without its line end."""
        data = self._rest
        at = data.find(b"\n")
        while at < 0:
            if len(data) > _CHUNK_LINE:
                raise self._bad(f"a line of the chunked reply is longer than {_CHUNK_LINE} bytes")
            seen = len(data)
            data += self._more("within a chunked body")
            at = data.find(b"\n", seen)
        self._rest = data[at + 1 :]
        return data[:at].removesuffix(b"\r")

    # ---- bytes and errors

    def _more(self, where: str) -> bytes:
        data = self._receive()
        if not data:
            raise ConnectionLost(f"the peer closed the connection {where}", request=self._request)
        return data

    def _bad(self, what: str) -> BadReply:
        return BadReply(what, request=self._request)

    def _too_large(self, what: str, limit: int, unit: str = " bytes") -> ReplyTooLarge:
        return ReplyTooLarge(f"the reply's {what} exceed {limit}{unit}", request=self._request)


def _head_end(data: bytes | bytearray, start: int) -> tuple[int, int]:
    """Where the head ends and the body begins; -1 if not received yet. A line may end with LF alone (RFC 9112, section 2.2)."""
    at = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, at + 1 if at >= 0 else len(data))
    if bare >= 0:
        at, after = bare, bare + 2
    elif at >= 0:
        after = at + 3
    else:
        return -1, -1
    return (at - 1 if data[at - 1 : at] == b"\r" else at), after


def _keeps_alive(minor: int, connection: str) -> bool:
    words = connection.lower()
    return "close" not in words and (minor == 1 or "keep-alive" in words)
