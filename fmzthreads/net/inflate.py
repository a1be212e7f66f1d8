"""Decompresses replies and messages, within a limit."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

from ..errors import BadReply, ReplyTooLarge

__all__ = ["ACCEPTED_CODINGS", "FLUSH_TAIL", "Buffer", "has_zlib_header", "inflate", "inflate_all", "inflate_into"]

ACCEPTED_CODINGS = "gzip, deflate"

Buffer = bytes | bytearray | memoryview

FLUSH_TAIL = b"\x00\x00\xff\xff"
"""The last bytes of a deflate stream that was flushed but not ended."""

# A million empty gzip members would take minutes, because each needs its own decompressor.
_MOST_MEMBERS = 1000
# Chunk size of input and output. In one call zlib would hold the result twice, and the unread input a
# second time.
_PIECE = 1 << 16
_PART = 1 << 18

# Compressions that cannot be decompressed here: those of IANA's registry of HTTP content codings, and others that servers send.
_OTHER_CODINGS = frozenset(
    [
        "aes128gcm",
        "br",
        "brotli",
        "bzip",
        "bzip2",
        "compress",
        "dcb",
        "dcz",
        "exi",
        "lz4",
        "lzma",
        "pack200-gzip",
        "sdch",
        "snappy",
        "x-bzip2",
        "x-compress",
        "xz",
        "zstd",
    ]
)
_EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib detects a gzip or a zlib header
_NO_HEADER = -zlib.MAX_WBITS


def inflate(body: bytes, codings: str, limit: int, request: str = "") -> tuple[bytes, str]:
    """Decompresses a body by its ``Content-Encoding``.

    Args:
        body: The body as received.
        codings: The header's value; several codings are decompressed, the last one first. A token that names no compression changes
            nothing: servers send ``utf-8``, ``none`` and ``binary``.
        limit: The maximum size of the result, in bytes; more is never held in memory.
        request: The request, for errors.

    Returns:
        The body, and the name of the compression that could not be decompressed here; empty if fully decompressed.

    Raises:
        ReplyTooLarge: The result is larger than ``limit``.
        BadReply: The data is corrupt or incomplete.
    """
    for name in reversed([part.strip().lower() for part in codings.split(",")]):
        if name in _OTHER_CODINGS and body:
            return body, name
        if name not in {"gzip", "x-gzip", "deflate"}:
            continue
        # Some servers send raw deflate data under this name, others with the zlib header that the standard requires.
        window = _NO_HEADER if name == "deflate" and not has_zlib_header(body) else _EITHER_HEADER
        if body:
            body = inflate_all(body, window, limit, what="the compressed body of the reply", request=request)
    return body, ""


def has_zlib_header(data: Buffer) -> bool:
    """Whether data begins with the two bytes of a zlib header."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def inflate_all(data: Buffer, window: int, limit: int, *, what: str, message: bool = False, request: str = "") -> bytes:
    """Decompresses a whole body or message; gzip data may consist of several members.

    Args:
        data: The compressed data.
        window: zlib's window argument.
        limit: The maximum size of the result, in bytes; decompression stops there.
        what: What the data is, for errors.
        message: Whether this is a message of a stream: bare deflate data may then end at a flush, and anything that follows the end of
            gzip data must be another member. Any other data after a reply is ignored.
        request: The request, for errors.

    Raises:
        ReplyTooLarge: The result is larger than ``limit``, or there are more than 1,000 members.
        BadReply: The data is corrupt or incomplete.
    """
    if len(data) <= _PIECE:  # the usual case: one complete, small member; the loop below handles the rest
        engine = zlib.decompressobj(window)
        with suppress(zlib.error):  # reported below
            part = engine.decompress(data, _PART)
            if engine.eof and not engine.unused_data and len(part) <= limit:
                return part
    gzip = window > zlib.MAX_WBITS
    rest = memoryview(data)
    parts: list[bytes] = []
    room = limit
    for _ in range(_MOST_MEMBERS):
        engine = zlib.decompressobj(window)
        try:
            taken, room = inflate_into(engine, rest, room, parts)
        except zlib.error as error:
            raise BadReply(f"{what} is corrupt: {error}", request=request) from None
        if room < 0:
            raise ReplyTooLarge(f"{what} decompresses to more than {limit} bytes", request=request)
        if not engine.eof and not (message and window < 0 and rest[-4:] == FLUSH_TAIL):
            raise BadReply(f"{what} is incomplete", request=request)
        rest = rest[taken:]
        if not rest or not gzip or (not message and bytes(rest[:2]) != b"\x1f\x8b"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise ReplyTooLarge(f"{what} has more than {_MOST_MEMBERS} members", request=request)


def inflate_into(engine: Any, data: memoryview, room: int, parts: list[bytes]) -> tuple[int, int]:
    """Decompresses to the end of the stream or of the data.

    Args:
        engine: A ``zlib.decompressobj``.
        data: The compressed data.
        room: The maximum size of the result, in bytes.
        parts: The result is appended to it.

    Returns:
        The number of bytes of the data that belong to the stream, and the room that is left: below 0 if it was too small and decompression
        stopped.
    """
    for start in range(0, len(data), _PIECE):
        piece: Buffer = data[start : start + _PIECE]
        size = len(piece)
        while True:
            part = engine.decompress(piece, _PART)
            if part:
                parts.append(part)
                room -= len(part)
            if len(part) < _PART or room < 0 or engine.eof:
                break
            piece = engine.unconsumed_tail
        if room < 0 or engine.eof:
            return start + size - len(engine.unused_data), room
    return len(data), room
