"""Signatures of venues, one pure function a scheme: time and nonce are given, nothing is read or remembered but the signature."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from ...errors import InputError
from ...exchange.keys.signing import encode_query, hmac_base64, hmac_hex

__all__ = [
    "bitfinex_signature",
    "bitmex_signature",
    "coinbase_signature",
    "htx_query",
    "htx_signature",
    "htx_stream_query",
]


def htx_query(access_key: str, timestamp: str, params: Iterable[tuple[str, object]] = (), version: str = "2") -> str:
    """The query that HTX signs, sorted by the names' ASCII codes.

    Args:
        access_key: The public part of the key.
        timestamp: UTC as ``YYYY-MM-DDThh:mm:ss``.
        params: The parameters of a GET; those of a POST are not signed.
        version: ``2`` for REST and the contracts' streams.
    """
    auth = (
        ("AccessKeyId", access_key),
        ("SignatureMethod", "HmacSHA256"),
        ("SignatureVersion", version),
        ("Timestamp", timestamp),
    )
    return encode_query(sorted((*auth, *params), key=lambda pair: pair[0]))


def htx_stream_query(access_key: str, timestamp: str) -> str:
    """What is signed of the login to HTX's stream of orders and assets (``/ws/v2``): version 2.1, whose names are written differently.

    Args:
        access_key: The public part of the key.
        timestamp: UTC as ``YYYY-MM-DDThh:mm:ss``.
    """
    return encode_query(
        (
            ("accessKey", access_key),
            ("signatureMethod", "HmacSHA256"),
            ("signatureVersion", "2.1"),
            ("timestamp", timestamp),
        )
    )


def htx_signature(secret: str, method: str, host: str, path: str, query: str) -> str:
    """HTX's signature: base64 of the HMAC-SHA256 of method, host, path and sorted query, one a line.

    Args:
        secret: The secret key.
        method: ``GET`` or ``POST``.
        host: The host without a port; lower case is signed.
        path: The path from the root.
        query: The result of ``htx_query`` or ``htx_stream_query``.
    """
    return hmac_base64(secret, f"{method}\n{host.lower()}\n{path}\n{query}")


def bitmex_signature(secret: str, verb: str, path: str, expires: int, data: str = "") -> str:
    """BitMEX's signature: hex HMAC-SHA256 of verb, path with query, expiry and body.

    Args:
        secret: The secret key.
        verb: The HTTP method; ``GET`` with the path ``/realtime`` for ``authKeyExpires`` of the stream.
        path: The path from the root, with the query string.
        expires: Unix time in seconds after which the request is refused.
        data: The body as it is sent; empty for none.
    """
    return hmac_hex(secret, f"{verb}{path}{expires}{data}")


def coinbase_signature(secret: str, timestamp: str, method: str, path: str, body: str = "") -> str:
    """Coinbase Exchange's signature: base64 HMAC-SHA256 of time, method, path with query, and body.

    Args:
        secret: The secret key, in base64 as Coinbase shows it.
        timestamp: Unix time in seconds, as in ``CB-ACCESS-TIMESTAMP``.
        method: The HTTP method in upper case.
        path: The path from the root, with the query string.
        body: The body as it is sent; empty for none.

    Raises:
        InputError: The secret is not base64.
    """
    try:
        key = base64.b64decode(secret, validate=True)
    except (ValueError, binascii.Error):
        raise InputError("Coinbase: the secret_key must be base64, as Coinbase shows it") from None
    return hmac_base64(key, f"{timestamp}{method}{path}{body}")


def bitfinex_signature(secret: str, path: str, nonce: str, body: str) -> str:
    """Bitfinex v2's signature: hex HMAC-SHA384 of ``/api/``, path, nonce and body.

    Args:
        secret: The secret key.
        path: The path without its leading slash, such as ``v2/auth/r/wallets``.
        nonce: The value of ``bfx-nonce``.
        body: The body as it is sent.
    """
    return hmac_hex(secret, f"/api/{path}{nonce}{body}", "sha384")
