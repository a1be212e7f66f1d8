"""``exchange.Encode`` and ``exchange.HMAC``: what ``Encode`` does, with the account's keys, which the script never sees.

Source: FMZ's API reference, "Encode".
"""

# ruff: noqa: D418 (each form of a call says which one it is)
from __future__ import annotations

import base64
import re
from typing import Any, Generic, Literal, overload

from ...errors import InputError, UnknownName, nearest, short_repr
from ...redaction import remember_signature
from ..faces.settings import SettingsFace
from ..state import Core, Failure_co
from .credentials import Credentials
from .encoding import DIGESTS, encode

__all__ = ["EncodingFace", "encode_with_keys", "fill_in", "hmac_with_keys"]

_TEMPLATE = re.compile(r"\{\{(accesskey|secretkey|passphrase)\}\}")
_SECRET_FIELDS = {"accesskey": "access_key", "secretkey": "secret_key", "passphrase": "passphrase"}


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
    if isinstance(name, str) and name not in DIGESTS:
        raise UnknownName(f"HMAC: no digest {short_repr(algo)}{nearest(name, DIGESTS)}")
    if not key:
        raise InputError("HMAC: the key is empty")
    return encode_with_keys(core, name, "raw", output_format, data, "raw", key)
