"""Websocket frames of a server: encoder and decoder (RFC 6455, section 5)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "TEXT", "ClientFrames", "FrameError", "build_frame", "close_frame"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL_MAX = 125
_CLOSE_REASON_MAX = 123
# The codes allowed in a close frame (section 7.4); 3000 to 4999 are for libraries and applications.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class FrameError(Exception):
    """A client violated the protocol; the connection is closed with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def build_frame(opcode: int, payload: bytes) -> bytes:
    """One complete server frame: final and without a mask."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; a too long reason is truncated."""
    text = reason.encode()[:_CLOSE_REASON_MAX].decode("utf-8", "ignore")
    return build_frame(CLOSE, code.to_bytes(2, "big") + text.encode())


def _unmask(data: bytes, key: bytes) -> bytes:
    """Unmasks as one long number: a thousand times faster than byte by byte."""
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


class ClientFrames:
    """Decodes a client's bytes to messages and control frames.

    Args:
        limit: The maximum size of one message, over all its fragments, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._opcode = 0  # of the fragmented message; 0 if not fragmented
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Adds bytes and returns what is complete, as (opcode, payload), with fragments joined.

        Raises:
            FrameError: The protocol was violated, or a message is too long.
        """
        self._buffer += data
        while True:
            frame = self._cut()
            if frame is None:
                return
            whole = self._assemble(*frame)
            if whole is not None:
                yield whole

    def _cut(self) -> tuple[bool, int, bytes] | None:
        """The next frame in the buffer (final flag, opcode, payload); None if incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, size, start = first & 0x0F, second & 0x7F, 2
        if first & 0x70:
            raise FrameError(1002, "reserved bits are set")
        if opcode not in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}:
            raise FrameError(1002, "unknown opcode")
        if not second & 0x80:
            raise FrameError(1002, "a client's frame must be masked")
        if opcode & 0x8 and (size > _CONTROL_MAX or not first & 0x80):
            raise FrameError(1002, "a control frame is too long or fragmented")
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if size + self._size > self._limit:
            raise FrameError(1009, "message too big")
        end = start + 4 + size
        if len(buffer) < end:
            return None
        key, payload = bytes(buffer[start : start + 4]), bytes(buffer[start + 4 : end])
        del buffer[:end]
        return bool(first & 0x80), opcode, _unmask(payload, key)

    def _assemble(self, final: bool, opcode: int, payload: bytes) -> tuple[int, bytes] | None:
        if opcode & 0x8:
            if opcode == CLOSE:
                _check_close(payload)
            return opcode, payload
        if (opcode == CONTINUATION) != bool(self._opcode):
            raise FrameError(1002, "a fragment is out of place")
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return None
        whole, kind = b"".join(self._parts), self._opcode
        self._parts, self._size, self._opcode = [], 0, 0
        if kind == TEXT:
            _check_text(whole)
        return kind, whole


def _check_text(data: bytes) -> None:
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        raise FrameError(1007, "text that is not UTF-8") from None


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
        raise FrameError(1002, "a close frame that is not valid")
    _check_text(payload[2:])
