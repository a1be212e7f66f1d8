"""The websocket handshake, made by websocket-client over a stream of ours.

websocket-client writes the request, reads the answer and checks it. It is given the stream as its socket, so that our side decides how
the connection is opened (local address, proxy, TLS, one deadline for everything), how much an answer may hold, and what becomes of the
bytes behind it; it reads its answer one byte at a time, here from memory.
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
_LAST_WORDS_S = 1.0  # how long a refusal without a length is given to say why
_SHORTEST_SECRET = 6
_GATHER = 128  # so many messages are gathered into one batch in a flood; more bring nothing and leave the cache
_GATHER_FROM = 16 << 20  # the least qbytes with which batches of up to 1 MiB are gathered


class _HandshakeSocket:
    """What websocket-client takes for its socket during the handshake."""

    def __init__(self, stream: Stream, deadline: Deadline, clock: Clock) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock
        self._left = _LONGEST_ANSWER
        self._view = memoryview(bytearray(8192))
        self._start = self._end = 0
        self._seen = bytearray()  # all that came, for an error that websocket-client does not find in it

    def send(self, data: bytes) -> int:
        """Sends all of it before the deadline."""
        self._stream.send(data, self._deadline.remaining(), self._clock)
        return len(data)

    def recv(self, size: int) -> bytes:
        """What has come, up to ``size`` bytes; empty at the end."""
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
        """What came behind the answer."""
        return self._view[self._start : self._end].tobytes()

    def header(self, name: str) -> str:
        """The value of a header of the answer, with commas between where it comes more than once; empty without it."""
        head = bytes(self._seen).partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        return ", ".join(re.findall(rf"(?im)^{name}:[ \t]*(.*?)[ \t\r]*$", head))

    def refusal(self) -> tuple[int, bytes]:
        """The HTTP status of an answer that refuses, and what of its body has come; 0 where the answer is none."""
        head, end, body = bytes(self._seen).partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
        code = int(status[1]) if status is not None else 0
        if not end or not code or code == 101:
            return 0, b""
        body += self.early()
        if not body and not re.search(rb"(?i)\r\ncontent-length:\s*0\s*(\r|$)", head):
            body = self._last_words()
        return code, body

    def _last_words(self) -> bytes:
        """A body that comes in a packet of its own; websocket-client reads none that has no length."""
        try:
            self._stream.set_timeout(self._deadline.sooner(_LAST_WORDS_S))
            return self._view[: self._stream.receive_into(self._view)].tobytes()
        except OSError:
            return b""  # it says nothing more, and the status is told anyway

    def gettimeout(self) -> float:
        """What websocket-client asks a socket for."""
        return 1.0  # not 0, which websocket-client takes for a socket that does not wait; the deadline decides

    def close(self) -> None:
        """The stream is given back by whoever opened it."""


def upgrade(stream: Stream, address: Address, options: DialOptions, deadline: Deadline, clock: Clock) -> WebSocketLink:
    """Makes the handshake.

    Args:
        stream: A fresh connection to the server.
        address: Whose host and target the request names.
        options: For headers and compression.
        deadline: For all of it.
        clock: For time-outs of later writes.

    Returns:
        The link; the stream belongs to it now.

    Raises:
        ConnectFailed: The server refused; the error has its HTTP status and the start of what it said.
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
    # What is in hand, beside what the buffer counts, must stay small against qbytes.
    reader = FrameReader(options.max_message, most=options.qbytes // 32, on_binary=_on_binary(options), deflate=deflate)
    sends = options.compress and options.mode in {"send", "dual"}
    compress = compressor(options.compress) if sends else None
    # A batch must be a small part of what the buffer holds, or it would push out messages that a reader was about to take.
    gather = min(_GATHER, options.qsize // 32) if options.qbytes >= _GATHER_FROM else 0
    return WebSocketLink(stream, reader, clock, early=sock.early(), deflate=deflate, compress=compress, gather=gather)


def _check_subprotocol(offered: str, chosen: str) -> None:
    """As browsers do (RFC 6455, 4.1); websocket-client would log what was offered, and some venues take a token there.

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
    """The start of what the server said, without what it may have repeated of the request: header values, query, listen key."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    path, _, query = address.target.partition("?")
    parts = [*options.headers.values(), query, *re.findall(r"=([^&]*)", query), *path.split("/")[2:]]
    for secret in sorted(parts, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET and (secret not in address.shown):
            text = text.replace(secret, "***")
    return excerpt(text)
