"""The server's end of one websocket (RFC 6455), over the reader of frames that ``Dial`` uses."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import deque

from ..errors import StopRequested
from ..streams.buffer.buffer import Message
from ..streams.websocket.frames import FrameReader, ProtocolError, build_frame, masked_bytes
from .request_reader import RequestHead
from .socket_io import SocketIO

__all__ = ["ServedWebSocket", "accept_text"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_NORMAL, _NO_MASK = 1000, 1002


def accept_text(head: RequestHead) -> str | None:
    """The Sec-WebSocket-Accept that answers a handshake; None for any other request."""
    if head.method != "GET" or not head.minor:
        return None
    words = [word.strip().lower() for word in (head.header("connection") or "").split(",")]
    if "upgrade" not in words or (head.header("upgrade") or "").lower() != "websocket":
        return None
    key = (head.header("sec-websocket-key") or "").encode("latin-1")
    try:
        if head.header("sec-websocket-version") != "13" or len(base64.b64decode(key, validate=True)) != 16:
            return None
    except binascii.Error:
        return None
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()


class _Unmasking:
    """Turns a client's frames into the same frames without their masks, so that the reader of a server's frames can read them."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._key = b""
        self._left = 0  # the missing bytes of the payload

    def feed(self, data: bytes) -> bytes:
        """The bytes without masks, as far as they are complete.

        Raises:
            ProtocolError: A frame has no mask.
        """
        made, place = bytearray(), 0
        while place < len(data):
            if self._left:
                part = data[place : place + self._left]
                made += masked_bytes(part, self._key)
                turn = len(part) % 4
                self._key = self._key[turn:] + self._key[:turn]
                self._left -= len(part)
                place += len(part)
                continue
            self._header.append(data[place])
            place += 1
            made += self._headed()
        return bytes(made)

    def _headed(self) -> bytes:
        header = self._header
        if len(header) < 2:
            return b""
        if not header[1] & 0x80:
            raise ProtocolError("a frame from the client has no mask", _NO_MASK)
        size = header[1] & 0x7F
        start = 2 + (2 if size == 126 else 8 if size == 127 else 0)
        if len(header) < start + 4:
            return b""
        self._left = int.from_bytes(header[2:start], "big") if start > 2 else size
        self._key = bytes(header[start:])
        whole = bytes((header[0], size)) + bytes(header[2:start])
        self._header = bytearray()
        return whole


class ServedWebSocket:
    """One websocket after its handshake; one thread uses it, others may only shut its socket down.

    Args:
        io: The socket.
        early: The bytes that came after the handshake.
        most: The maximum size of a message, in bytes.
    """

    def __init__(self, io: SocketIO, early: bytes, most: int) -> None:
        self._io = io
        self._reader = FrameReader(most)
        self._unmasking = _Unmasking()
        self._waiting: deque[Message] = deque()
        self._open = True
        self._feed(early)

    def read(self, timeout_s: float | None) -> Message | None:
        """The next message; None after the time-out; empty when the connection is closed.

        Args:
            timeout_s: The longest wait, in seconds; None for no limit, 0 does not wait.

        Raises:
            StopRequested: The strategy is being stopped.
        """
        until = self._io.deadline(timeout_s)
        while not self._waiting:
            if not self._open:
                return ""
            try:
                data = self._io.receive(until)
            except TimeoutError:
                return None
            if not data:
                self._open = False
            self._feed(data)
        return self._waiting.popleft()

    def write(self, data: str | bytes) -> int:
        """Sends a message; returns its size in bytes, 0 when the connection is broken."""
        payload = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        return len(payload) if self._send(_TEXT if isinstance(data, str) else _BINARY, payload) else 0

    def close(self, code: int = _NORMAL) -> None:
        """Sends a close frame, unless there was one."""
        if self._open:
            self._send(_CLOSE, code.to_bytes(2, "big"))
            self._open = False

    def _send(self, opcode: int, payload: bytes) -> bool:
        if not self._open:
            return False
        try:
            self._io.send(build_frame(opcode, payload, masked=False))
        except StopRequested:
            raise
        except OSError:
            self._open = False
        return self._open

    def _feed(self, data: bytes) -> None:
        """Reads what came: messages, pings, and the client's close."""
        batch: list[Message] = []
        try:
            plain = memoryview(self._unmasking.feed(data))
            while plain and self._reader.closed is None:
                space = self._reader.space()
                part = plain[: len(space)]
                space[: len(part)] = part
                plain = plain[len(part) :]
                self._reader.parse(len(part), batch)
        except ProtocolError as error:
            self.close(error.close_code)
        self._waiting.extend(batch)
        for opcode, payload in self._reader.control:
            if opcode == _PING:
                self._send(_PONG, payload)
        self._reader.control.clear()
        if self._reader.closed is not None:
            code = self._reader.closed[0]
            self.close(_NORMAL if code < _NORMAL or code == 1005 else code)
