"""Authenticates Binance calls: key, time and HMAC-SHA256 signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from ....errors import InputError, require
from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...transport.requests import WireRequest
from .parameters import BinanceParams, BinanceRefusal, malformed

__all__ = ["SignedPayload", "authenticate", "check_signature", "key_owner", "signed_payload", "signed_values"]

_KEY = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)
_WINDOW = r"^[0-9]{1,5}(\.[0-9]{1,3})?$"
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")

SignedPayload = tuple[str, bytes]
"""A signature, and the bytes that it must cover."""


def signed_payload(request: WireRequest) -> SignedPayload:
    """The signature of an HTTP call and what it covers.

    Query and body are concatenated as received, without ``signature=...``.

    Raises:
        BinanceRefusal: -1102 when there is no signature.
    """
    body = request.body.decode("latin-1")
    parts, signature = [], None
    for text in (request.query, body):
        match = _SIGNATURE.search(text)
        if match is None or signature is not None:
            parts.append(text)
        else:
            signature = unquote_plus(match.group(1))
            parts.append((text[: match.start()] + text[match.end() :]).removeprefix("&"))
    if not signature:
        raise malformed("signature")
    return signature, "".join(parts).encode("latin-1")


def signed_values(values: Mapping[str, str]) -> SignedPayload:
    """The signature of a WebSocket API call and what it covers: all other parameters by name, not percent-encoded.

    Raises:
        BinanceRefusal: -1102 when there is no signature.
    """
    signature = values.get("signature")
    if not signature:
        raise malformed("signature")
    return signature, "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature").encode()


def check_signature(payload: SignedPayload, secret: str) -> None:
    """Verifies an HMAC-SHA256 signature; the case of its hex digits does not matter.

    Raises:
        BinanceRefusal: -1022 if it is wrong.
    """
    signature, covered = payload
    expected = hmac.new(secret.encode(), covered, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace")):
        raise BinanceRefusal(-1022, "Signature for this request is not valid.")


def check_public_key(public_key: str) -> None:
    """Checks that a text is the public key of an Ed25519 key.

    Raises:
        InputError: It is not.
        MissingExtra: cryptography is not installed.
    """
    kind = require("cryptography.hazmat.primitives.asymmetric.ed25519", "crypto").Ed25519PublicKey
    try:
        key = require("cryptography.hazmat.primitives.serialization", "crypto").load_pem_public_key(public_key.encode())
    except ValueError:
        key = None
    if not isinstance(key, kind):
        raise InputError("public_key must be an Ed25519 public key in PEM (-----BEGIN PUBLIC KEY-----)")


def check_ed25519(payload: SignedPayload, public_key: str) -> None:
    """Verifies an Ed25519 signature in base64 with a public key in PEM.

    Raises:
        BinanceRefusal: -1022 if it is wrong.
        MissingExtra: cryptography is not installed.
    """
    signature, covered = payload
    loaded = require("cryptography.hazmat.primitives.serialization", "crypto").load_pem_public_key(public_key.encode())
    wrong = require("cryptography.exceptions", "crypto").InvalidSignature
    try:
        loaded.verify(base64.b64decode(signature, validate=True), covered)
    except (wrong, ValueError):
        raise BinanceRefusal(-1022, "Signature for this request is not valid.") from None


def key_owner(exchange: SimulatedExchange, key: str) -> TradingAccount:
    """The account of an API key.

    Raises:
        BinanceRefusal: -2014 or -2015 with HTTP 401.
    """
    if not _KEY.fullmatch(key):
        raise BinanceRefusal(-2014, "API-key format invalid.", 401)
    account = exchange.account_by_key(key)
    if account is None:
        raise BinanceRefusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return account


def authenticate(
    exchange: SimulatedExchange, key: str, params: BinanceParams, payload: Callable[[], SignedPayload]
) -> TradingAccount:
    """The account that signed a call.

    Raises:
        BinanceRefusal: -2014 or -2015 for the key, -1102 for a missing parameter, -1021 for the time, -1022 for the signature.
    """
    account = key_owner(exchange, key)
    timestamp = params.time_ms("timestamp")
    if timestamp is None:
        raise malformed("timestamp")
    window_ms = float(params.matching("recvWindow", _WINDOW) or 5000)
    if window_ms > 60_000:
        raise params.invalid("recvWindow")
    params.allow("signature")
    if timestamp >= params.now_ms + 1000:
        raise BinanceRefusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if params.now_ms - timestamp > window_ms:
        raise BinanceRefusal(-1021, "Timestamp for this request is outside of the recvWindow.")
    if account.public_key:
        check_ed25519(payload(), account.public_key)
    else:
        check_signature(payload(), account.secret)
    return account
