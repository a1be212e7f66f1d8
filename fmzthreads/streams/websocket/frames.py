"""Websocket frames, read in bulk (RFC 6455, section 5).

``FrameReader`` owns one large buffer that the socket is read into. ``parse`` handles all frames in it in one pass: whole, small,
unfragmented text frames, nearly all that an exchange sends, take the fast path; all others the general one.

Small texts are slices of one string: the bytes in the buffer are decoded once as Latin-1 (a plain copy). An ASCII slice is the message
itself; any other is converted back to bytes and decoded as UTF-8, which also validates it. That is a third cheaper than decoding each
message on its own. Above 1 KiB, where the second copy costs more than it saves, each message is decoded on its own.
"""

from __future__ import annotations

import codecs
import os
import struct
from collections.abc import Callable

from ...errors import BadReply, ConnectionLost, ReplyTooLarge
from ..buffer.buffer import Message
from .compression import Deflate, text_or_bytes

__all__ = ["FrameReader", "ProtocolError", "build_frame", "masked_bytes"]

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, PROTOCOL_ERROR, NO_STATUS, INVALID_DATA, POLICY, TOO_BIG = 1000, 1002, 1005, 1007, 1008, 1009
_VALID_CLOSE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})

_MOST_SMALL = 1 << 17
_MOST = 1 << 19
_HEADER = struct.Struct(">HH").unpack_from


class ProtocolError(ConnectionLost):
    """The peer violated RFC 6455; the connection is closed with ``close_code``."""

    def __init__(self, message: str, close_code: int) -> None:
        super().__init__(message)
        self.close_code = close_code


class FrameReader:
    """Splits a server's bytes into messages and control frames.

    Args:
        limit: The maximum size of one message over all of its fragments, in bytes.
        size: The initial size of the buffer, in bytes.
        most: The size that it may grow to when the server fills it, since one large system call costs less than several small ones; at
            most 512 KiB. With small messages it grows to 128 KiB only, because their second copy should stay in the cache.
        on_binary: Converts the payload of a binary message to the message delivered; it may raise ``BadReply`` or ``ReplyTooLarge``.
        deflate: The negotiated permessage-deflate, or None.

    Attributes:
        control: Pings and pongs of the last ``parse``, as (opcode, payload); the caller clears it.
        plain: Whether all messages of the last ``parse`` are ASCII texts (their memory follows from their lengths).
        closed: Code and reason of the server's close frame; None before it arrived.
    """

    def __init__(
        self,
        limit: int,
        *,
        size: int = 1 << 15,
        most: int = _MOST,
        on_binary: Callable[[memoryview | bytearray | bytes], Message] = text_or_bytes,
        deflate: Deflate | None = None,
    ) -> None:
        self._limit = limit
        self._quick = limit >= 65536  # the fast path checks no limit, so a small limit disables it
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._size = size
        self._most = max(size, min(most, _MOST))
        self._most_small = min(self._most, _MOST_SMALL)
        self._bulky = False  # whether the last parse found no small text
        self._start = self._end = 0
        self._on_binary = on_binary
        self._deflate = deflate
        self.control: list[tuple[int, bytes]] = []
        self.closed: tuple[int, str] | None = None
        self.plain = True
        # Collects a fragmented message, or a frame larger than the buffer.
        self._opcode = 0  # the opcode of the message being collected; 0 for no message
        self._compressed = False
        self._parts = bytearray()
        self._validate = codecs.getincrementaldecoder("utf-8")()
        self._missing = 0  # the missing bytes of the current oversized frame
        self._final = False  # whether that frame ends its message

    def space(self) -> memoryview:
        """The part of the buffer for the next receive; never empty."""
        start, end = self._start, self._end
        if end == self._size and end < (self._most if self._bulky else self._most_small):
            self._grow()
            return self._view[self._end :]
        if start == end:
            self._start = self._end = 0
            return self._view
        if start and (end == self._size or end - start < 8192 or start > self._size // 2):
            left = end - start
            self._buffer[:left] = self._view[start:end].tobytes()
            self._start, self._end = 0, left
        return self._view[self._end :]

    def _grow(self) -> None:
        left = self._view[self._start : self._end]
        self._size = min(self._size * 2, self._most)
        self._buffer = bytearray(self._size)
        self._view = memoryview(self._buffer)
        self._start, self._end = 0, len(left)
        self._buffer[: len(left)] = left

    def parse(self, received: int, batch: list[Message]) -> None:
        """Parses the bytes that were just received.

        Args:
            received: How many there are.
            batch: Where the messages go that are complete; also when this raises.

        Raises:
            ProtocolError: The server violated the protocol.
        """
        self._end += received
        self.plain = True
        if self._missing:
            self._collect_oversized(batch)
        while self.closed is None and not self._missing:
            if self._quick and not self._opcode:
                self._parse_small(batch)
                if self._start == self._end:
                    break
            if not self._parse_other(batch):
                break

    def _parse_small(self, batch: list[Message]) -> None:
        """The fast path: unfragmented text frames below 64 KiB, up to the first frame that is different or incomplete."""
        position, end = self._start, self._end
        buffer, view, append, unpack = self._buffer, self._view, batch.append, _HEADER
        last = end - 4
        text = ""
        try:
            while position <= last:
                head, size = unpack(buffer, position)
                if head == 0x817E:
                    start = position + 4
                    if size < 126:
                        break
                elif 0x8100 <= head < 0x817E:
                    start = position + 2
                    size = head & 0x7F
                else:
                    break
                stop = start + size
                if stop > end:
                    break
                if size > 1024 or (stop == end and not text):  # the latter: a single message
                    message = str(view[start:stop], "utf-8")
                    if not message.isascii():
                        self.plain = False
                else:
                    message = text[start:stop] if text else (text := str(view[:end], "latin-1"))[start:stop]
                    if not message.isascii():
                        message = message.encode("latin-1").decode("utf-8")
                        self.plain = False
                append(message)
                position = stop
        except UnicodeDecodeError as error:
            raise _bad_text(error) from None
        finally:
            self._start = position
            self._bulky = not text

    def _parse_other(self, batch: list[Message]) -> bool:
        """Handles one frame of any kind; False when it is incomplete."""
        buffer, position, end = self._buffer, self._start, self._end
        if end - position < 2:
            return False
        first, size = buffer[position], buffer[position + 1]
        _check_header(first, size, self._opcode, self._deflate is not None)
        start = position + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            if start > end:
                return False
            shortest = 126 if size == 126 else 65536
            size = int.from_bytes(self._view[position + 2 : start], "big")
            if size < shortest or size >> 63:
                raise ProtocolError("the length of a frame is not in its shortest form", PROTOCOL_ERROR)
        opcode = first & 0x0F
        if opcode >= CLOSE:
            if start + size > end:
                return False
            self._start = start + size
            self._control(opcode, bytes(self._view[start : start + size]))
            return True
        if len(self._parts) + size > self._limit:
            raise ProtocolError(f"a message has more than {self._limit} bytes", TOO_BIG)
        whole = start + size <= end
        if not whole and start + size - position <= self._size:
            return False
        if opcode:
            self._opcode, self._compressed = opcode, bool(first & 0x40)
        final = bool(first & 0x80)
        if not whole:
            self._start, self._missing, self._final = start, size, final
            self._collect_oversized(batch)
            return not self._missing
        self._start = start + size
        if final and not self._parts:
            self._complete(self._view[start : start + size], batch)
        else:
            self._collect(self._view[start : start + size], final, batch)
        return True

    def _collect_oversized(self, batch: list[Message]) -> None:
        """Collects the next bytes of a frame that is larger than the buffer."""
        take = min(self._missing, self._end - self._start)
        part = self._view[self._start : self._start + take]
        self._start += take
        self._missing -= take
        self._collect(part, self._final and not self._missing, batch)

    def _collect(self, part: memoryview, final: bool, batch: list[Message]) -> None:
        """Adds a part of a message; text is validated at once, not only when the message is complete."""
        self._parts += part
        if self._opcode == TEXT and not self._compressed:
            try:
                self._validate.decode(part, final)
            except UnicodeDecodeError as error:
                raise _bad_text(error) from None
        if final:
            parts, self._parts = self._parts, bytearray()
            self._validate.reset()
            self._complete(parts, batch)

    def _complete(self, payload: memoryview | bytearray, batch: list[Message]) -> None:
        opcode, self._opcode = self._opcode, 0
        self.plain = False
        data: memoryview | bytearray | bytes = payload
        try:
            if self._compressed and self._deflate is not None:
                data = self._deflate.inflate(payload)
            batch.append(str(data, "utf-8") if opcode == TEXT else self._on_binary(data))
        except UnicodeDecodeError as error:
            raise _bad_text(error) from None
        except ReplyTooLarge as error:
            raise ProtocolError(str(error), TOO_BIG) from error
        except BadReply as error:
            raise ProtocolError(str(error), INVALID_DATA) from error

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode != CLOSE:
            self.control.append((opcode, payload))
            return
        if not payload:
            self.closed = (NO_STATUS, "")
            return
        code = int.from_bytes(payload[:2], "big")
        if len(payload) < 2 or not (code in _VALID_CLOSE or 3000 <= code <= 4999):
            raise ProtocolError(f"a close frame has an invalid code (bytes {payload[:2].hex()})", PROTOCOL_ERROR)
        try:
            self.closed = (code, payload[2:].decode("utf-8"))
        except UnicodeDecodeError as error:
            raise _bad_text(error) from None


def _check_header(first: int, second: int, collecting: int, deflate: bool) -> None:
    """Checks the first two bytes of a frame (RFC 6455, 5.2, 5.4 and 5.5; RFC 7692, 6)."""
    opcode = first & 0x0F
    if first & 0x70:
        compressed = first & 0x70 == 0x40 and opcode in {TEXT, BINARY} and deflate
        if not compressed:
            raise ProtocolError(f"a frame has reserved bits set (0x{first:02x})", PROTOCOL_ERROR)
    if second & 0x80:
        raise ProtocolError("a frame from the server is masked", PROTOCOL_ERROR)
    if opcode >= CLOSE:
        if opcode > PONG:
            raise ProtocolError(f"a frame has the reserved opcode {opcode}", PROTOCOL_ERROR)
        if not first & 0x80:
            raise ProtocolError("a control frame is fragmented", PROTOCOL_ERROR)
        if second > 125:
            raise ProtocolError("a control frame has more than 125 bytes", PROTOCOL_ERROR)
    elif opcode > BINARY:
        raise ProtocolError(f"a frame has the reserved opcode {opcode}", PROTOCOL_ERROR)
    elif opcode and collecting:
        raise ProtocolError("a new message starts inside a fragmented one", PROTOCOL_ERROR)
    elif not opcode and not collecting:
        raise ProtocolError("a continuation frame without a message to continue", PROTOCOL_ERROR)


def _bad_text(error: UnicodeDecodeError) -> ProtocolError:
    return ProtocolError(f"a text frame is not valid UTF-8: {error.reason} at byte {error.start}", INVALID_DATA)


def build_frame(opcode: int, payload: bytes, *, compressed: bool = False, masked: bool = True) -> bytes:
    """Builds a whole frame.

    Args:
        opcode: The opcode of the message or control frame.
        payload: The unmasked payload.
        compressed: Whether to set the bit of permessage-deflate.
        masked: Whether it is masked, as all of a client's are and none of a server's.

    Returns:
        The bytes to send.
    """
    first = 0x80 | opcode | (0x40 if compressed else 0)
    size, mark = len(payload), 0x80 if masked else 0
    if size < 126:
        header = bytes((first, mark | size))
    elif size < 65536:
        header = bytes((first, mark | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, mark | 127)) + size.to_bytes(8, "big")
    if not masked:
        return header + payload
    key = os.urandom(4)
    return header + key + masked_bytes(payload, key)


def masked_bytes(payload: bytes, key: bytes) -> bytes:
    """The payload masked, or unmasked, by a key of four bytes."""
    size = len(payload)
    # XOR of two big integers is the fastest masking that needs no extension.
    mask = key * (size // 4) + key[: size % 4]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
