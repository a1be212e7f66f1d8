"""Compression of messages, within a limit; and the conversion to text.

There are two independent kinds of compression: the application's own (Huobi sends each binary frame as a gzip file;
the option ``compress``), and the websocket extension permessage-deflate (RFC 7692; the option ``enableCompression``).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable

from ...errors import BadReply, ReplyTooLarge
from ...net.inflate import FLUSH_TAIL, Buffer, has_zlib_header, inflate_all, inflate_into

__all__ = [
    "COMPRESSIONS",
    "DEFLATE_OFFER",
    "Deflate",
    "compressor",
    "decompressor",
    "negotiate_deflate",
    "text_or_bytes",
]

COMPRESSIONS = ("gzip", "gzip_raw", "flate", "zlib", "deflate")
# zlib's window argument: 31 is a gzip file, 15 a zlib header, -15 no header. FMZ's gzip_raw is what OKEx v3 sent: deflate without a header.
_WINDOWS = {"gzip": 31, "gzip_raw": -15, "flate": -15, "zlib": 15, "deflate": 15}
_SHORT = 1 << 15  # messages up to this are copied, to be inflated together with the tail

DEFLATE_OFFER = "permessage-deflate; client_max_window_bits"


def text_or_bytes(data: Buffer) -> str | bytes:
    """Decodes data that is not marked as text: str if it is valid UTF-8, else bytes."""
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return bytes(data)


def decompressor(name: str, limit: int) -> Callable[[Buffer], bytes]:
    """Returns a function that decompresses one message.

    Args:
        name: One of ``COMPRESSIONS``. ``deflate`` accepts data with a zlib header and bare data.
        limit: The maximum size of a message after inflating, in bytes; inflating stops there.

    Returns:
        A function from the compressed to the plain bytes. It raises ``ReplyTooLarge`` above the limit, and ``BadReply`` for damaged or
        cut data.
    """

    def decompress(data: Buffer) -> bytes:
        """Decompresses one message."""
        window = _WINDOWS[name]
        if name == "deflate" and not has_zlib_header(data):
            window = -15
        return inflate_all(data, window, limit, what=f"a {name} message of {len(data)} bytes", message=True)

    return decompress


def compressor(name: str) -> Callable[[bytes], bytes]:
    """Returns a function that compresses one message for ``decompressor(name)``."""
    if name == "gzip":
        return lambda data: gzip.compress(data, mtime=0)
    window = _WINDOWS[name]

    def deflate(data: bytes) -> bytes:
        """Compresses one message on its own."""
        engine = zlib.compressobj(wbits=window)
        return engine.compress(data) + engine.flush()

    return deflate


class Deflate:
    """Both directions of a negotiated permessage-deflate.

    Args:
        inbound_bits: The server's window, 8 to 15.
        outbound_bits: Our window, 9 to 15 (zlib cannot write a raw stream with 8).
        keep_inbound: Whether the server keeps its window from message to message.
        keep_outbound: Whether we keep ours.
        limit: The maximum size of one message after inflating, in bytes.
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
        """Decompresses the payload of one whole message.

        Raises:
            ReplyTooLarge: It inflates to more than the limit; inflating stopped there.
            BadReply: The data is damaged.
        """
        parts: list[bytes] = []
        room = self._limit
        try:
            if len(data) <= _SHORT:
                _, room = inflate_into(self._inflater, memoryview(bytes(data) + FLUSH_TAIL), room, parts)
            else:  # too long to be copied
                _, room = inflate_into(self._inflater, memoryview(data), room, parts)
                if room >= 0 and not self._inflater.eof:
                    _, room = inflate_into(self._inflater, memoryview(FLUSH_TAIL), room, parts)
        except zlib.error as error:
            raise BadReply(f"a compressed message of {len(data)} bytes is corrupt: {error}") from None
        if room < 0:
            raise ReplyTooLarge(f"a compressed message of {len(data)} bytes inflates to more than {self._limit} bytes")
        if not self._keep_inbound or self._inflater.eof:
            # A message may end its deflate stream (RFC 7692, 7.2.3.4); the next one then starts with an empty window.
            self._inflater = zlib.decompressobj(-self._inbound_bits)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def deflate(self, data: bytes) -> bytes:
        """Compresses one message; the caller sends the results in the order of the calls."""
        plain = self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not self._keep_outbound:
            self._deflater = zlib.compressobj(wbits=-self._outbound_bits)
        return plain.removesuffix(FLUSH_TAIL)


def negotiate_deflate(answer: str, limit: int) -> Deflate | None:
    """Parses the server's answer to the offer ``DEFLATE_OFFER`` (RFC 7692, 7.1).

    Args:
        answer: The value of ``Sec-WebSocket-Extensions``; empty if the server declined.
        limit: The maximum size of one message after inflating, in bytes.

    Returns:
        The negotiated extension, or None if the server declined.

    Raises:
        BadReply: The server chose an extension that was not offered, or sent invalid parameters.
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
        raise BadReply(f"invalid permessage-deflate parameters from the server: {answer[:100]!r}")
    return Deflate(
        inbound_bits=inbound,
        outbound_bits=max(outbound, 9),
        keep_inbound=plain["server_no_context_takeover"] is None,
        keep_outbound=plain["client_no_context_takeover"] is None,
        limit=limit,
    )


def _bits(text: str) -> int:
    if not re.fullmatch(r"[89]|1[0-5]", text):
        raise BadReply(f"invalid permessage-deflate window {text[:20]!r} from the server, expected 8 to 15 bits")
    return int(text)
