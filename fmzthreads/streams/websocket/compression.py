"""What is done to the bytes of a message: decompression with a cap, compression, and text.

Two kinds of compression that have nothing to do with each other: the application's own (Huobi sends each binary frame as a gzip file;
the option ``compress``), and the websocket extension permessage-deflate (RFC 7692; the option ``enableCompression``).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...errors import BadReply, ReplyTooLarge

__all__ = [
    "COMPRESSIONS",
    "DEFLATE_OFFER",
    "Deflate",
    "compressor",
    "decompressor",
    "negotiate_deflate",
    "text_or_bytes",
]

Buffer = bytes | bytearray | memoryview

COMPRESSIONS = ("gzip", "gzip_raw", "flate", "zlib", "deflate")
# zlib's window argument: 31 is a gzip file, 15 zlib's header, -15 none. FMZ's gzip_raw is what OKEx v3 sent: deflate without a header.
_WINDOWS = {"gzip": 31, "gzip_raw": -15, "flate": -15, "zlib": 15, "deflate": 15}
_TAIL = b"\x00\x00\xff\xff"
# A message of a million empty members, each of which costs an engine of its own, would take minutes.
_MOST_MEMBERS = 1000
# So much is put in at a time and comes out at a time. In one go zlib would hold what it inflates twice, and what it has not yet taken a
# second time.
_PIECE = 1 << 16
_PART = 1 << 18

DEFLATE_OFFER = "permessage-deflate; client_max_window_bits"


def text_or_bytes(data: Buffer) -> str | bytes:
    """FMZ's rule for data that is not marked as text: str where it is valid UTF-8, else bytes."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return bytes(data)


def decompressor(name: str, limit: int) -> Callable[[Buffer], bytes]:
    """A function that inflates one message.

    Args:
        name: One of ``COMPRESSIONS``. ``deflate`` means zlib's form or the bare one, by its first bytes (both go by that name).
        limit: The most bytes that a message may inflate to; inflating stops there.

    Returns:
        A function from the compressed to the plain bytes. It raises ``ReplyTooLarge`` above the limit, and ``BadReply`` for data that is
        damaged or cut.
    """

    def inflate(data: Buffer) -> bytes:
        """One message, inflated up to the limit."""
        window = _WINDOWS[name]
        if name == "deflate" and not _has_zlib_header(data):
            window = -15
        if len(data) <= _PIECE:  # nearly all messages: one stream, whole and small; the rest below is for the others
            engine = zlib.decompressobj(window)
            with suppress(zlib.error):  # told below
                part = engine.decompress(data, _PART)
                if engine.eof and not engine.unused_data and len(part) <= limit:
                    return part
        rest = memoryview(data)
        parts: list[bytes] = []
        room = limit
        for _ in range(_MOST_MEMBERS):
            engine = zlib.decompressobj(window)
            try:
                taken, room = _inflate(engine, rest, room, parts)
            except zlib.error as error:
                raise BadReply(f"a {name} message of {len(data)} bytes cannot be inflated: {error}") from None
            if room < 0:
                raise ReplyTooLarge(f"a {name} message of {len(data)} bytes inflates to more than {limit} bytes")
            # A bare stream may also end at a flush, as one that is written message by message does.
            if not engine.eof and not (window == -15 and rest[-4:] == _TAIL):
                raise BadReply(f"a {name} message of {len(data)} bytes is cut")
            rest = rest[taken:]
            if not rest or window != 31:  # only gzip files may follow one another
                return parts[0] if len(parts) == 1 else b"".join(parts)
        raise ReplyTooLarge(f"a {name} message of {len(data)} bytes has more than {_MOST_MEMBERS} members")

    return inflate


def _inflate(engine: Any, data: memoryview, room: int, parts: list[bytes]) -> tuple[int, int]:
    """Inflates to the end of the stream or of the data.

    Args:
        engine: A ``zlib.decompressobj``.
        data: What is compressed.
        room: The most bytes that may come of it.
        parts: What comes is appended.

    Returns:
        How many bytes of the data belong to the stream, and the room that is left: below 0 when there was too little, and inflating stopped.
    """
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        room = _inflate_piece(engine, piece, room, parts)
        if room < 0 or engine.eof:
            return start + len(piece) - len(engine.unused_data), room
    return len(data), room


def _inflate_piece(engine: Any, piece: Buffer, room: int, parts: list[bytes]) -> int:
    """``_inflate`` for data so short that a copy of it is nothing; returns the room that is left."""
    while True:
        part = engine.decompress(piece, _PART)
        if part:
            parts.append(part)
            room -= len(part)
        if len(part) < _PART or room < 0 or engine.eof:
            return room
        piece = engine.unconsumed_tail


def _has_zlib_header(data: Buffer) -> bool:
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def compressor(name: str) -> Callable[[bytes], bytes]:
    """A function that compresses one outgoing message in the form that ``decompressor(name)`` reads."""
    if name == "gzip":
        return lambda data: gzip.compress(data, mtime=0)
    window = _WINDOWS[name]

    def deflate(data: bytes) -> bytes:
        """One message, deflated on its own."""
        engine = zlib.compressobj(wbits=window)
        return engine.compress(data) + engine.flush()

    return deflate


class Deflate:
    """Both directions of a negotiated permessage-deflate.

    Args:
        inbound_bits: The server's window, 8 to 15.
        outbound_bits: Ours, 9 to 15 (zlib cannot make a raw stream with 8).
        keep_inbound: Whether the server's window carries over from message to message.
        keep_outbound: Whether ours does.
        limit: The most bytes that one message may inflate to.
    """

    def __init__(
        self, *, inbound_bits: int, outbound_bits: int, keep_inbound: bool, keep_outbound: bool, limit: int
    ) -> None:
        self._inbound_bits = inbound_bits
        self._outbound_bits = outbound_bits
        self._keep_inbound = keep_inbound
        self._keep_outbound = keep_outbound
        self._limit = limit
        self._inflater = zlib.decompressobj(-inbound_bits)
        self._deflater = zlib.compressobj(wbits=-outbound_bits)

    def inflate(self, data: Buffer) -> bytes:
        """Inflates the payload of one whole message.

        Raises:
            ReplyTooLarge: It inflates to more than the limit; inflating stopped there.
            BadReply: It is damaged.
        """
        parts: list[bytes] = []
        room = self._limit
        try:
            if len(data) <= _PIECE:
                room = _inflate_piece(self._inflater, bytes(data) + _TAIL, room, parts)
            else:
                _, room = _inflate(self._inflater, memoryview(data), room, parts)
                if room >= 0 and not self._inflater.eof:
                    room = _inflate_piece(self._inflater, _TAIL, room, parts)
        except zlib.error as error:
            raise BadReply(f"a compressed message of {len(data)} bytes cannot be inflated: {error}") from None
        if room < 0:
            raise ReplyTooLarge(f"a compressed message of {len(data)} bytes inflates to more than {self._limit} bytes")
        if not self._keep_inbound or self._inflater.eof:
            # A message may end its deflate stream (RFC 7692, 7.2.3.4); the next one then starts with an empty window.
            self._inflater = zlib.decompressobj(-self._inbound_bits)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def deflate(self, data: bytes) -> bytes:
        """Compresses one outgoing message; the caller sends the results in the order of the calls."""
        plain = self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not self._keep_outbound:
            self._deflater = zlib.compressobj(wbits=-self._outbound_bits)
        return plain.removesuffix(_TAIL)


def negotiate_deflate(answer: str, limit: int) -> Deflate | None:
    """Reads the server's ``Sec-WebSocket-Extensions`` to our offer ``DEFLATE_OFFER`` (RFC 7692, 7.1).

    Args:
        answer: The header's value; empty when the server declined.
        limit: The most bytes that one message may inflate to.

    Returns:
        The agreed extension, or None when the server declined.

    Raises:
        BadReply: The server answered with something that was not offered, or with parameters that are not valid.
    """
    if not answer.strip():
        return None
    name, *parameters = (part.strip() for part in answer.split(";"))
    if name.lower() != "permessage-deflate" or "," in answer:
        raise BadReply(f"the server chose the websocket extension {answer[:100]!r}, which was not offered")
    given: dict[str, str] = {}
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() in given:
            raise BadReply(f"the server repeats the parameter {key.strip()!r} of permessage-deflate")
        given[key.strip().lower()] = value.strip().strip('"')
    inbound = _bits(given.pop("server_max_window_bits", "15"))
    outbound = _bits(given.pop("client_max_window_bits", "15"))
    plain = {key: given.pop(key, None) for key in ("server_no_context_takeover", "client_no_context_takeover")}
    if given or any(plain.values()):
        raise BadReply(f"the server's parameters of permessage-deflate are not valid: {answer[:100]!r}")
    return Deflate(
        inbound_bits=inbound,
        outbound_bits=max(outbound, 9),
        keep_inbound=plain["server_no_context_takeover"] is None,
        keep_outbound=plain["client_no_context_takeover"] is None,
        limit=limit,
    )


def _bits(text: str) -> int:
    if not re.fullmatch(r"[89]|1[0-5]", text):
        raise BadReply(f"the window of {text[:20]!r} bits in the server's permessage-deflate is not valid")
    return int(text)
