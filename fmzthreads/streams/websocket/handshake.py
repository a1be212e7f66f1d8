"""The websocket handshake, by websocket-client over our own stream.

websocket-client writes the request, reads the answer and checks it. The stream is passed to it as its socket, so that the connection is
opened here (local address, proxy, TLS, one deadline for everything), the size of the answer is limited, and the bytes that follow the answer
are kept. It reads the answer one byte at a time, here from memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import websocket

from ...clock import Clock
from ...deadline import Deadline
from ...errors import BadReply, ConnectFailed, TimedOut, excerpt
from ...net.sockets import Stream, receive_by
from ..address import Address
from ..buffer.buffer import Message
from ..options import DialOptions
from .compression import DEFLATE_OFFER, compressor, decompressor, negotiate_deflate, text_or_bytes
from .frames import FrameReader
from .link import WebSocketLink

__all__ = ["upgrade"]

_LONGEST_ANSWER = 65536
_REFUSAL_BODY_S = 1.0  # the longest wait for the body of a refusal without Content-Length
_SHORTEST_SECRET = 6
_GATHER = 128  # the most messages in one batch during a flood; larger batches are not faster
_GATHER_FROM = 16 << 20  # the least qbytes with which batches of up to 1 MiB are gathered


class _HandshakeSocket:
    """The socket that websocket-client uses during the handshake."""

    def __init__(self, stream: Stream, deadline: Deadline, clock: Clock) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock
        self._left = _LONGEST_ANSWER
        self._view = memoryview(bytearray(8192))
        self._start = self._end = 0
        self._seen = bytearray()  # everything received, for errors that websocket-client does not report

    def send(self, data: bytes) -> int:
        """Sends all of it before the deadline."""
        self._stream.send(data, self._deadline.remaining(), self._clock)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Receives up to ``size`` bytes; empty at the end."""
        if self._start == self._end:
            self._start = self._end = 0
            self._end = receive_by(self._stream, self._view, self._deadline, "waiting for the handshake")
        stop = min(self._start + size, self._end)
        data = self._view[self._start : stop].tobytes()
        self._start = stop
        self._seen += data
        self._left -= len(data)
        if self._left < 0:
            raise ConnectFailed(f"the answer to the handshake is longer than {_LONGEST_ANSWER} bytes")
        return data

    def early(self) -> bytes:
        """The bytes that followed the answer."""
        return self._view[self._start : self._end].tobytes()

    def header(self, name: str) -> str:
        """The value of a header of the answer, with commas between where it comes more than once; empty without it."""
        head = bytes(self._seen).partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        return ", ".join(re.findall(rf"(?im)^{name}:[ \t]*(.*?)[ \t\r]*$", head))

    def refusal(self) -> tuple[int, bytes]:
        """The HTTP status of a refusal and the start of its body; 0 when the answer is not a refusal."""
        head, end, body = bytes(self._seen).partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
        code = int(status[1]) if status is not None else 0
        if not end or not code or code == 101:
            return 0, b""
        body += self.early()
        if not body and not re.search(rb"(?i)\r\ncontent-length:\s*0\s*(\r|$)", head):
            body = self._refusal_body()
        return code, body

    def _refusal_body(self) -> bytes:
        """A body that arrives in a later packet; websocket-client does not read one without a length."""
        try:
            self._stream.set_timeout(self._deadline.sooner(_REFUSAL_BODY_S))
            return self._view[: self._stream.receive_into(self._view)].tobytes()
        except OSError:
            return b""  # nothing more came; the status is reported anyway

    def gettimeout(self) -> float:
        """The time-out that websocket-client asks for."""
        return 1.0  # not 0, which would mean a non-blocking socket; the deadline decides

    def close(self) -> None:
        """Does nothing: the caller closes the stream."""


def upgrade(stream: Stream, address: Address, options: DialOptions, deadline: Deadline, clock: Clock) -> WebSocketLink:
    """Performs the handshake.

    Args:
        stream: A new connection to the server.
        address: The host and target of the request.
        options: For headers and compression.
        deadline: For all of it.
        clock: For time-outs of later writes.

    Returns:
        The link; the stream belongs to it now.

    Raises:
        ConnectFailed: The server refused; the error contains the HTTP status and the start of the body.
        TimedOut: It did not answer in time.
    """
    sock = _HandshakeSocket(stream, deadline, clock)
    headers = {name.lower(): (name, value) for name, value in options.headers.items()}
    host = headers.pop("host", ("", ""))[1]
    lines = [f"{name}: {value}" for name, value in headers.values()]
    if options.deflate:
        lines.append(f"Sec-WebSocket-Extensions: {DEFLATE_OFFER}")
    try:
        websocket.create_connection(
            address.url,
            socket=sock,
            header=lines,
            host=host or None,
            suppress_origin=True,  # a browser's header; a user who needs it gives it by headers
            redirect_limit=0,  # a redirect could lead the headers, and their keys, elsewhere
        )
        _check_subprotocol(headers.get("sec-websocket-protocol", ("", ""))[1], sock.header("sec-websocket-protocol"))
        answer = sock.header("sec-websocket-extensions")
        if answer and not options.deflate:
            raise BadReply(f"the server chose a websocket extension that was not offered: {answer[:100]!r}")
        deflate = negotiate_deflate(answer, options.max_message)
    except (websocket.WebSocketTimeoutException, TimeoutError):
        raise TimedOut(
            f"timeout: {address.shown} did not answer the handshake within {deadline.timeout_s:g} s"
        ) from None
    except (websocket.WebSocketException, ConnectFailed, OSError, ValueError, BadReply) as error:
        status, body = sock.refusal()
        if status:
            said = " (redirects are not followed)" if 300 <= status < 400 else ""
            said += f": {_excerpt(body, address, options)}" if body else ""
            raise ConnectFailed(f"{address.shown} refused the websocket: HTTP {status}{said}", status=status) from None
        # ValueError is what websocket-client raises for answers that cannot be read.
        said = _excerpt(str(error), address, options)
        raise ConnectFailed(f"the websocket handshake with {address.shown} failed: {said}") from error
    stream.set_timeout(None)
    # Data that was received but is not in the buffer yet must stay small compared with qbytes.
    reader = FrameReader(options.max_message, most=options.qbytes // 32, on_binary=_on_binary(options), deflate=deflate)
    sends = options.compress and options.mode in {"send", "dual"}
    compress = compressor(options.compress) if sends else None
    # A batch must be a small part of what the buffer holds, or it would push out messages that a reader was about to take.
    gather = min(_GATHER, options.qsize // 32) if options.qbytes >= _GATHER_FROM else 0
    return WebSocketLink(stream, reader, clock, early=sock.early(), deflate=deflate, compress=compress, gather=gather)


def _check_subprotocol(offered: str, chosen: str) -> None:
    """Checks the subprotocol as browsers do (RFC 6455, section 4.1).

    websocket-client would log the offered ones, and some venues take a token there.

    Raises:
        BadReply: The server chose another, or none although some were offered.
    """
    if chosen and chosen not in {part.strip() for part in offered.split(",")}:
        raise BadReply("the server chose a websocket subprotocol that was not offered")
    if offered and not chosen:
        raise BadReply("the server chose none of the subprotocols that were offered")


def _on_binary(options: DialOptions) -> Callable[[memoryview | bytearray | bytes], Message]:
    if not options.compress or options.mode == "send":
        return text_or_bytes
    inflate = decompressor(options.compress, options.max_message)
    return lambda data: text_or_bytes(inflate(data))


def _excerpt(said: str | bytes, address: Address, options: DialOptions) -> str:
    """The start of the server's text, without header values, query or listen key that it may have repeated."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    path, _, query = address.target.partition("?")
    parts = [*options.headers.values(), query, *re.findall(r"=([^&]*)", query), *path.split("/")[2:]]
    for secret in sorted(parts, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET and (secret not in address.shown):
            text = text.replace(secret, "***")
    return excerpt(text)
