"""FMZ's ``Encode``: digests, keyed digests, signatures and conversions between formats.

Source: FMZ's API reference, "Encode". Most digests come from hashlib; ``md4``, ``ripemd160`` (where OpenSSL has dropped them) and Keccak come from pycryptodome,
Ed25519 from cryptography (both in the extra ``crypto``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ...errors import InputError, MissingExtra, NotSupported, UnknownName, nearest, short_repr

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["ALGORITHMS", "DIGESTS", "encode"]

Format = Literal["raw", "hex", "base64", "string"]
_FORMATS = ("raw", "hex", "base64", "string")

DIGESTS: dict[str, tuple[str, int]] = {
    "md4": ("md4", 0),
    "md5": ("md5", 0),
    "sha1": ("sha1", 0),
    "sha256": ("sha256", 0),
    "sha512": ("sha512", 0),
    "sha512.224": ("sha512_224", 0),
    "sha512.256": ("sha512_256", 0),
    "sha512.384": ("sha384", 0),
    "sha3.224": ("sha3_224", 0),
    "sha3.256": ("sha3_256", 0),
    "sha3.384": ("sha3_384", 0),
    "sha3.512": ("sha3_512", 0),
    "keccak256": ("keccak", 32),
    "sha3.keccak256": ("keccak", 32),
    "sha3.keccak512": ("keccak", 64),
    "ripemd160": ("ripemd160", 0),
    "blake2b.256": ("blake2b", 32),
    "blake2b.512": ("blake2b", 64),
    "blake2s.128": ("blake2s", 16),
    "blake2s.256": ("blake2s", 32),
}
"""FMZ's names of the digests; for each, the name for hashlib.new, and the length of the digest where it is a choice."""
_BLOCKS = {"md4": 64, "ripemd160": 64}  # bytes that HMAC pads a key to, for digests that do not tell it themselves
_CHARSETS = {"text.encoder.utf8": "utf-8", "text.encoder.gbk": "gbk", "text.encoder": "utf-8",
             "text.decoder.utf8": "utf-8", "text.decoder.gbk": "gbk", "text.decoder": "utf-8"}  # fmt: skip
_UNDOCUMENTED = {
    "sign": "what it signs is not documented; use a digest with a key, or ed25519",
    "signTx": "what it signs is not documented; use a library of the chain",
    "aes128-cbc": "its initialization vector and padding are not documented; use the package cryptography",
    "aes192-cbc": "its initialization vector and padding are not documented; use the package cryptography",
    "aes256-cbc": "its initialization vector and padding are not documented; use the package cryptography",
}
ALGORITHMS = (
    "raw", *DIGESTS, "hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "ed25519", "ed25519.seed", *_CHARSETS,
)  # fmt: skip
"""FMZ's names of the algorithms; ``ed25519.<hash>`` exists for every digest besides."""


def encode(
    algo: str,
    inputFormat: str,
    outputFormat: str,
    data: str | bytes,
    keyFormat: str | None = None,
    key: str | bytes | None = None,
) -> str | bytes:
    """Digests, signs or converts data.

    Args:
        algo: One of ``ALGORITHMS``; a digest with a key is an HMAC.
        inputFormat: How ``data`` is given: ``raw`` or ``string`` (text is taken as UTF-8), ``hex`` or ``base64``.
        outputFormat: How the result is wanted; ``raw`` gives bytes, the others text.
        data: The data.
        keyFormat: How ``key`` is given; without it (None or ``""``) the key is ignored, as FMZ does.
        key: The key; None for none.

    Returns:
        Text; bytes for ``raw`` (text if a conversion's data is text).

    Raises:
        UnknownName: There is no such algorithm or format.
        InputError: The data or key is not in its format, or an algorithm's key is missing or of the wrong length.
        NotSupported: What the algorithm does is not documented.
        MissingExtra: It needs the extra ``crypto``.
    """
    _check_names(algo, inputFormat, outputFormat, keyFormat)
    secret = _decoded("key", keyFormat, key) if keyFormat and key is not None else None
    if algo in _CHARSETS:
        return _recoded(algo, inputFormat, outputFormat, data)
    content = _decoded("data", inputFormat, data)
    if algo == "raw":
        return _shown(content, outputFormat)
    if algo == "ed25519" or algo.startswith("ed25519."):
        return _shown(_ed25519(algo, content, secret), outputFormat)
    if algo.startswith("hmac_"):
        algo = algo.removeprefix("hmac_")
        if not secret:
            raise InputError(f"Encode: hmac_{algo} needs a key and its format")
    return _shown(_digest(algo, content, secret), outputFormat)


def _check_names(algo: Any, input_format: Any, output_format: Any, key_format: Any) -> None:
    for name, value in (("inputFormat", input_format), ("outputFormat", output_format), ("keyFormat", key_format)):
        if name == "keyFormat" and (value is None or (isinstance(value, str) and not value)):
            continue
        if not isinstance(value, str) or value not in _FORMATS:
            raise UnknownName(f"Encode: {name} cannot be {short_repr(value)}; valid: {', '.join(_FORMATS)}")
    if not isinstance(algo, str):
        raise InputError(f"Encode: the algorithm must be text, got {short_repr(algo)}")
    if algo in _UNDOCUMENTED:
        raise NotSupported(f"Encode: {algo}: {_UNDOCUMENTED[algo]}")
    if algo not in ALGORITHMS and algo.removeprefix("ed25519.") not in DIGESTS:
        raise UnknownName(f"Encode: no algorithm {short_repr(algo)}{nearest(algo, ALGORITHMS)}")


def _decoded(what: str, form: str, data: Any) -> bytes:
    # Messages never show the value: it may be a key, or hold one.
    if isinstance(data, (bytes, bytearray)) and form in {"raw", "string"}:
        return bytes(data)
    if not isinstance(data, (str, bytes, bytearray)):
        raise InputError(f"Encode: {what} must be text or bytes, got {type(data).__name__}")
    text = data if isinstance(data, str) else data.decode("latin-1")
    try:
        if form == "hex":
            return bytes.fromhex(text)
        if form == "base64":
            return base64.b64decode(text, validate=True)
        return text.encode()
    except (ValueError, binascii.Error):
        raise InputError(f"Encode: {what} is not valid {form if form in {'hex', 'base64'} else 'text'}") from None


def _shown(content: bytes, form: str) -> str | bytes:
    if form == "hex":
        return content.hex()
    if form == "base64":
        return base64.b64encode(content).decode("ascii")
    if form == "raw":
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError("Encode: the result is not text; ask for hex, base64 or raw") from None


def _recoded(algo: str, input_format: str, output_format: str, data: Any) -> str | bytes:
    """Text to bytes of a charset, or back."""
    charset = _CHARSETS[algo]
    content = _decoded("data", input_format, data)
    if algo.startswith("text.encoder"):
        try:
            return _shown(content.decode().encode(charset), output_format)
        except UnicodeEncodeError as error:
            raise InputError(f"Encode: {algo}: {charset} has no character {error.object[error.start]!r}") from None
        except UnicodeDecodeError:
            raise InputError(f"Encode: {algo} needs text") from None
    try:
        text = content.decode(charset)
    except UnicodeDecodeError as error:
        raise InputError(f"Encode: {algo}: byte {error.start} is not valid {charset}") from None
    return text if output_format in {"string", "raw"} else _shown(text.encode(), output_format)


def _hasher(algo: str) -> Callable[[bytes], Any]:
    """Returns what makes a digest object from its first bytes."""
    name, size = DIGESTS[algo]
    if name == "keccak":
        return lambda data: _pycryptodome(algo, "keccak").new(data=data, digest_bytes=size)
    if name == "blake2b":
        return lambda data: hashlib.blake2b(data, digest_size=size)
    if name == "blake2s":
        return lambda data: hashlib.blake2s(data, digest_size=size)
    try:
        hashlib.new(name, usedforsecurity=False)
    except ValueError:  # this OpenSSL does not have it
        return lambda data: _pycryptodome(algo, name.upper()).new(data)
    return lambda data: hashlib.new(name, data, usedforsecurity=False)


def _digest(algo: str, content: bytes, secret: bytes | None) -> bytes:
    new = _hasher(algo)
    if secret is None:
        result: bytes = new(content).digest()
        return result
    block = 200 - 2 * DIGESTS[algo][1] if DIGESTS[algo][0] == "keccak" else _BLOCKS.get(algo, 0)
    if not block:
        return hmac.new(secret, content, lambda data=b"": new(data)).digest()  # type: ignore[misc]
    # RFC 2104 over a digest object that does not tell its block size.
    padded = (new(secret).digest() if len(secret) > block else secret).ljust(block, b"\0")
    inner = new(bytes(byte ^ 0x36 for byte in padded) + content).digest()
    outer: bytes = new(bytes(byte ^ 0x5C for byte in padded) + inner).digest()
    return outer


def _pycryptodome(algo: str, name: str) -> Any:
    try:
        from Crypto import Hash  # noqa: F401 (tells whether it is there)
    except ImportError as error:
        raise MissingExtra(
            f"Encode: {algo} needs pycryptodome; install it with: python -m pip install 'fmzthreads[crypto]'"
        ) from error
    import importlib

    return importlib.import_module(f"Crypto.Hash.{name}")


def _ed25519(algo: str, content: bytes, secret: bytes | None) -> bytes:
    """Signs with Ed25519; ``ed25519.<hash>`` signs the digest of the data."""
    if not secret:
        raise InputError(f"Encode: {algo} needs a key and its format")
    kind = algo.partition(".")[2]
    key = _ed25519_key(algo, secret, seed_only=kind == "seed")
    return key.sign(_digest(kind, content, None) if kind in DIGESTS else content)


def _ed25519_key(algo: str, secret: bytes, *, seed_only: bool) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingExtra(
            f"Encode: {algo} needs cryptography; install it with: python -m pip install 'fmzthreads[crypto]'"
        ) from error
    if len(secret) == 32 or (len(secret) == 64 and not seed_only):
        return Ed25519PrivateKey.from_private_bytes(secret[:32])
    if secret.lstrip().startswith(b"-----BEGIN") and not seed_only:
        try:
            key = serialization.load_pem_private_key(secret, None)
        except (ValueError, TypeError):  # TypeError: it is encrypted
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return key
    forms = "32 bytes" if seed_only else "32 bytes (the seed), 64 (with the public key), or PKCS #8 in PEM"
    raise InputError(f"Encode: the key of {algo} must be {forms}, got {len(secret)} bytes of something else")
