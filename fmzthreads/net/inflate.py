"""Undoing the compression of a reply, within a limit."""

from __future__ import annotations

import zlib

from ..errors import BadReply, ReplyTooLarge

__all__ = ["ACCEPTED_ENCODINGS", "inflate"]

ACCEPTED_ENCODINGS = "gzip, deflate"

_EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib reads a gzip or a zlib header, whichever is there
_NO_HEADER = -zlib.MAX_WBITS


def inflate(body: bytes, encoding: str, limit: int, request: str = "") -> bytes:
    """Undoes a ``Content-Encoding``.

    Args:
        body: The body as it came.
        encoding: The header's value; several encodings are undone from the last to the first.
        limit: The most bytes that may come out; at no time are more of them held.
        request: The request, for errors.

    Raises:
        ReplyTooLarge: More than ``limit`` bytes come out.
        BadReply: An encoding is unknown, or the data is damaged or cut.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in {"", "identity"} or not body:
            continue
        if name in {"gzip", "x-gzip"}:
            body = _inflate_all(body, _EITHER_HEADER, limit, request)
        elif name == "deflate":
            # Some servers send bare deflate data under this name, others with the zlib header that the standard asks for.
            zlib_header = len(body) >= 2 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
            body = _inflate_all(body, _EITHER_HEADER if zlib_header else _NO_HEADER, limit, request)
        else:
            raise BadReply(f"the reply is encoded as {name[:40]!r}, which was not asked for", request=request)
    return body


def _inflate_all(body: bytes, window: int, limit: int, request: str) -> bytes:
    """Undoes one encoding; a gzip body may consist of several members."""
    parts: list[bytes] = []
    size = 0
    while body:
        machine = zlib.decompressobj(window)
        try:
            part = machine.decompress(body, limit - size + 1)
        except zlib.error:
            raise BadReply("the compressed reply is damaged", request=request) from None
        size += len(part)
        if size > limit:
            raise ReplyTooLarge(f"the reply decompresses to more than {limit} bytes", request=request)
        if not machine.eof:
            raise BadReply("the compressed reply is cut", request=request)
        parts.append(part)
        body = machine.unused_data if window == _EITHER_HEADER and machine.unused_data[:2] == b"\x1f\x8b" else b""
    return parts[0] if len(parts) == 1 else b"".join(parts)
