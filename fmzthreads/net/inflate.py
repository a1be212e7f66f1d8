"""Decompresses replies, within a size limit."""

from __future__ import annotations

import zlib

from ..errors import BadReply, ReplyTooLarge

__all__ = ["ACCEPTED_CODINGS", "inflate"]

ACCEPTED_CODINGS = "gzip, deflate"

# Compressions that cannot be undone here: those of IANA's registry of HTTP content codings, and others that servers send.
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
_EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib reads a gzip or a zlib header, whichever is there
_NO_HEADER = -zlib.MAX_WBITS


def inflate(body: bytes, codings: str, limit: int, request: str = "") -> tuple[bytes, str]:
    """Decompresses a body by its ``Content-Encoding``.

    Args:
        body: The body as it came.
        codings: The header's value; several codings are undone, the last one first. A token that names no compression changes
            nothing: servers send ``utf-8``, ``none`` and ``binary``.
        limit: The most bytes that may come out; at no time are more of them held.
        request: The request, for errors.

    Returns:
        The body, and the name of the compression that it still has because it cannot be undone here; empty for none.

    Raises:
        ReplyTooLarge: More than ``limit`` bytes come out.
        BadReply: The data is damaged or cut.
    """
    for name in reversed([part.strip().lower() for part in codings.split(",")]):
        if name in _OTHER_CODINGS and body:
            return body, name
        if name not in {"gzip", "x-gzip", "deflate"}:
            continue
        # Some servers send raw deflate data under this name, others with the zlib header that the standard requires.
        bare = name == "deflate" and not (len(body) >= 2 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0)
        body = _inflate_all(body, _NO_HEADER if bare else _EITHER_HEADER, limit, request)
    return body, ""


def _inflate_all(body: bytes, window: int, limit: int, request: str) -> bytes:
    """Decompresses one coding; a gzip body may consist of several members."""
    parts: list[bytes] = []
    size = 0
    while body:
        machine = zlib.decompressobj(window)
        try:
            part = machine.decompress(body, limit - size + 1)
        except zlib.error:
            raise BadReply("the compressed body of the reply is corrupt", request=request) from None
        size += len(part)
        if size > limit:
            raise ReplyTooLarge(f"the reply decompresses to more than {limit} bytes", request=request)
        if not machine.eof:
            raise BadReply("the compressed body of the reply is incomplete", request=request)
        parts.append(part)
        body = machine.unused_data if window == _EITHER_HEADER and machine.unused_data[:2] == b"\x1f\x8b" else b""
    return parts[0] if len(parts) == 1 else b"".join(parts)
