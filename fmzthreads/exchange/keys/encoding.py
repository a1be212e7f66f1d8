"""FMZ's ``Encode`` and ``exchange.HMAC``: digests, keyed digests, signatures and conversions between formats.

Source: FMZ's API reference, "Encode". Most digests come from hashlib; ``md4``, ``ripemd160`` (where OpenSSL has dropped them) and Keccak come from pycryptodome,
Ed25519 from cryptography (both in the extra ``crypto``).
"""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from ...errors import InputError, MissingExtra, NotSupported, UnknownName, nearest, short_repr
from ...redaction import remember_signature
from ..faces.settings import SettingsFace
from ..state import Core, Failure_co
from .credentials import Credentials

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["ALGORITHMS", "EncodingFace", "encode", "encode_with_keys", "fill_in", "hmac_with_keys"]

Format = Literal["raw", "hex", "base64", "string"]
_FORMATS = ("raw", "hex", "base64", "string")

# FMZ's name: the name for hashlib.new, and the length of the digest where it is a choice.
_HASHES: dict[str, tuple[str, int]] = {
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
    "raw", *_HASHES, "hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "ed25519", "ed25519.seed", *_CHARSETS,
)  # fmt: skip
"""FMZ's names of the algorithms; ``ed25519.<hash>`` exists for every digest besides."""

_TEMPLATE = re.compile(r"\{\{(accesskey|secretkey|passphrase)\}\}")
_SECRET_FIELDS = {"accesskey": "access_key", "secretkey": "secret_key", "passphrase": "passphrase"}


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


def fill_in(text: Any, credentials: Credentials | None, venue: str) -> Any:
    """Puts an account's keys in place of ``{{accesskey}}``, ``{{secretkey}}`` and ``{{passphrase}}``; bytes are left as they are.

    Args:
        text: The text.
        credentials: The keys; None for none.
        venue: The venue's name, for the error.

    Raises:
        MissingCredentials: A key that the text names is not set; the error says how to set it.
    """
    if not isinstance(text, str):
        return text

    def _key(found: re.Match[str]) -> str:
        field = _SECRET_FIELDS[found[1]]
        value: str = getattr(credentials, field) if credentials is not None else ""
        return value or getattr((credentials or Credentials()).need(venue, passphrase=True), field)

    return _TEMPLATE.sub(_key, text)


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
    if algo not in ALGORITHMS and algo.removeprefix("ed25519.") not in _HASHES:
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
    name, size = _HASHES[algo]
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
    block = 200 - 2 * _HASHES[algo][1] if _HASHES[algo][0] == "keccak" else _BLOCKS.get(algo, 0)
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
    return key.sign(_digest(kind, content, None) if kind in _HASHES else content)


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


def encode_with_keys(
    core: Core, algo: Any, input_format: Any, output_format: Any, data: Any, key_format: Any = None, key: Any = None
) -> str | bytes:
    """What ``encode`` does, with the account's keys in place of their templates in data and key."""
    keys = core.credentials
    filled = fill_in(data, keys, core.label)
    result = encode(algo, input_format, output_format, filled, key_format, fill_in(key, keys, core.label))
    if key or filled != data:  # signed, or made of a key
        for text in (result,) if isinstance(result, str) else (result.hex(), base64.b64encode(result).decode("ascii")):
            remember_signature(text)
    return result


class EncodingFace(SettingsFace[Failure_co], Generic[Failure_co]):
    """The part of FMZ's exchange object that signs and encodes with the account's keys, which the script never sees."""

    # fmt: off
    @overload
    def Encode(self, algo: str, inputFormat: str, outputFormat: Literal["hex", "base64", "string"], data: str | bytes,
               keyFormat: str | None = None, key: str | bytes | None = None) -> str | Failure_co: """As text."""
    @overload
    def Encode(self, algo: str, inputFormat: str, outputFormat: str, data: str | bytes, keyFormat: str | None = None,
               key: str | bytes | None = None) -> str | bytes | Failure_co: """In any format."""
    # fmt: on
    def Encode(
        self,
        algo: str,
        inputFormat: str,
        outputFormat: str,
        data: str | bytes,
        keyFormat: str | None = None,
        key: str | bytes | None = None,
    ) -> str | bytes | Failure_co:
        """As the global ``Encode``, with this account's keys for ``{{accesskey}}``, ``{{secretkey}}`` and ``{{passphrase}}`` in data and key.

        Returns:
            Text, or bytes for ``raw``; None and an error line when it fails (a wrong name, data in another format, a key that is not set).
        """
        return self._run("Encode", encode_with_keys, self._core, algo, inputFormat, outputFormat, data, keyFormat, key)

    def HMAC(
        self, algo: str, outputFormat: str, data: str | bytes, key: str | bytes = "{{secretkey}}"
    ) -> str | bytes | Failure_co:
        """The HMAC of data under a key; both may hold ``{{accesskey}}``, ``{{secretkey}}`` and ``{{passphrase}}``.

        Args:
            algo: A digest, such as ``"sha256"``; ``"hmac_sha256"`` means the same.
            outputFormat: ``hex``, ``base64`` or ``raw`` (bytes).
            data: Exactly the text that is signed.
            key: The key.

        Returns:
            The HMAC; None and an error line when it fails.
        """
        return self._run("HMAC", hmac_with_keys, self._core, algo, outputFormat, data, key)


def hmac_with_keys(core: Core, algo: Any, output_format: Any, data: Any, key: Any = "{{secretkey}}") -> str | bytes:
    """The HMAC of data, with the account's keys in place of their templates."""
    name = algo.removeprefix("hmac_") if isinstance(algo, str) else algo
    if isinstance(name, str) and name not in _HASHES:
        raise UnknownName(f"HMAC: no digest {short_repr(algo)}{nearest(name, _HASHES)}")
    if not key:
        raise InputError("HMAC: the key is empty")
    return encode_with_keys(core, name, "raw", output_format, data, "raw", key)
