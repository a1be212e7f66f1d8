"""Keyed digests (which are cut out of later texts), query strings, and the parameters of ``IO("api", ...)``."""

from __future__ import annotations

import base64
import functools
import hmac
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from ...errors import InputError, require, short_repr
from ...redaction import remember_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "ed25519_base64",
    "encode_query",
    "hmac_base64",
    "hmac_hex",
    "is_private_key",
    "iso_timestamp",
    "parse_params",
    "parse_typed_params",
]

_LONGEST_NUMBER = 400
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*\Z").match
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")


def hmac_hex(secret: str, payload: str | bytes, algorithm: str = "sha256") -> str:
    """The HMAC of a payload in lower-case hex (Binance and many others).

    Args:
        secret: The secret key, taken as UTF-8.
        payload: Exactly the bytes that travel; text is taken as UTF-8.
        algorithm: A digest of hashlib, such as ``"sha256"`` or ``"sha512"``.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    return remember_signature(hmac.digest(secret.encode(), data, algorithm).hex())


def hmac_base64(secret: str | bytes, payload: str | bytes, algorithm: str = "sha256") -> str:
    """The HMAC of a payload in base64 (OKX and many others).

    Args:
        secret: The secret key; text is taken as UTF-8.
        payload: Exactly the bytes that travel; text is taken as UTF-8.
        algorithm: A digest of hashlib, such as ``"sha256"`` or ``"sha512"``.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    key = secret.encode() if isinstance(secret, str) else secret
    return remember_signature(base64.b64encode(hmac.digest(key, data, algorithm)).decode("ascii"))


def is_private_key(secret: str) -> bool:
    """Whether a secret is a private key in PEM, not the secret of an HMAC."""
    return secret.startswith("-----BEGIN ")


def ed25519_base64(private_key: str, payload: str | bytes) -> str:
    """The Ed25519 signature of a payload in base64 (Binance).

    Args:
        private_key: The key in PEM (PKCS #8), without a password.
        payload: Exactly the bytes that travel; text is taken as UTF-8.

    Raises:
        InputError: It is not such a key; the message does not show it.
        MissingExtra: cryptography is not installed.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    return remember_signature(base64.b64encode(_ed25519_key(private_key).sign(data)).decode("ascii"))


@functools.lru_cache(maxsize=16)
def _ed25519_key(private_key: str) -> Ed25519PrivateKey:
    """The key, cached: reading it costs more than a signature."""
    serialization = require("cryptography.hazmat.primitives.serialization", "crypto")
    kind = require("cryptography.hazmat.primitives.asymmetric.ed25519", "crypto").Ed25519PrivateKey
    try:
        key = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        what = "encrypted with a password" if isinstance(error, TypeError) else "malformed"
        raise InputError(
            f"the secret_key is a private key in PEM that is {what}; expected PKCS #8 without a password"
        ) from None
    except Exception as error:  # cryptography's own UnsupportedAlgorithm, whose module is loaded only with it
        raise InputError(
            f"the secret_key is a private key of a kind that is not supported: {type(error).__name__}"
        ) from None
    if not isinstance(key, kind):
        raise InputError(f"the secret_key is a private key of another kind ({type(key).__name__}); expected Ed25519")
    return key  # type: ignore[no-any-return] # an optional package's class


def encode_query(params: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """Parameters as a percent-encoded query string, in the order given.

    Letters, digits and ``-_.~`` are unchanged, everything else becomes ``%XX`` (a space becomes ``%20``), so that the text can be signed
    as it
    is sent. True and False become ``true`` and ``false``; a parameter that is None is left out.

    Args:
        params: The parameters.

    Raises:
        InputError: A name or value is not valid Unicode text.
    """
    pairs = params.items() if isinstance(params, Mapping) else params
    parts = []
    for name, value in pairs:
        if value is None:
            continue
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        # Most text needs no escaping, and quote() is a dozen times slower than this check.
        parts.append(f"{name if _PLAIN(name) else _quoted(name)}={text if _PLAIN(text) else _quoted(text)}")
    return "&".join(parts)


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:  # a lone surrogate
        raise InputError(f"a parameter must be valid Unicode text, got {short_repr(text)}") from None


def iso_timestamp(time_s: float) -> str:
    """A time as ``2020-12-08T09:08:57.715Z`` (what OKX signs), from seconds since the epoch."""
    milliseconds = round(time_s * 1000)
    whole = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def parse_params(text: str) -> list[tuple[str, str]]:
    """Splits URL-encoded parameters as ``IO("api")`` takes them, for venues whose parameters are all text.

    Single quotes around a value, FMZ's mark for "this is text", are removed: ``amount='1'`` gives ``("amount", "1")``.

    Args:
        text: Such as ``"symbol=BTCUSDT&amount='1'"``; may be empty.
    """
    return [(name, value) for name, value, _ in _split(text)]


def parse_typed_params(text: str) -> list[tuple[str, object]]:
    """Splits URL-encoded parameters as ``IO("api")`` takes them, for venues whose body is JSON.

    A value in single quotes is text; without them ``true``, ``false``, ``null``, whole numbers and decimals get the type they look
    like, and everything else is text (FMZ's rule, API reference ``exchange.IO``).

    Args:
        text: Such as ``"instId=BTC-USDT&sz='1'&reduceOnly=true"``; may be empty.

    Raises:
        InputError: A number is too large for a float.
    """
    return [(name, value if quoted else _typed(value)) for name, value, quoted in _split(text)]


def _split(text: str) -> list[tuple[str, str, bool]]:
    found = []
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        value = unquote_plus(value)
        quoted = len(value) >= 2 and value[0] == value[-1] == "'"
        found.append((unquote_plus(name), value[1:-1] if quoted else value, quoted))
    return found


def _typed(value: str) -> object:
    if value in {"true", "false", "null"}:
        return json.loads(value)
    if not _NUMBER.match(value):
        return value
    if len(value) > _LONGEST_NUMBER or abs(float(value)) == math.inf:
        raise InputError(f"a number of IO('api') must be one that a float can hold, got {short_repr(value)}")
    return json.loads(value)
