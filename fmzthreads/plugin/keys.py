"""The access keys that a plugin accepts, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ..errors import AuthenticationFailed, InputError
from ..exchange.keys.credentials import Credentials

__all__ = ["AllowedKeys", "read_key_file"]

_MOST_BYTES = 65_536


class AllowedKeys:
    """The accepted keys.

    Args:
        keys: Access keys, each alone or with its secret after a space: then both must be right. None of them: any key is accepted.

    Raises:
        InputError: An entry is not one or two words.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests: list[tuple[bytes, bytes | None]] = []
        self.texts: tuple[str, ...] = ()
        """The words of all entries, to be cut out of texts."""
        for entry in keys:
            words = entry.split()
            if not 1 <= len(words) <= 2:
                raise InputError(
                    "an accepted key must be an access key, or an access key and its secret with a space between"
                )
            self._digests.append((_digest(words[0]), _digest(words[1]) if len(words) == 2 else None))
            self.texts = (*self.texts, *words)

    def __bool__(self) -> bool:
        """Whether there is a list at all."""
        return bool(self._digests)

    def __repr__(self) -> str:
        return f"AllowedKeys({len(self._digests)} keys)"

    def check(self, keys: Credentials) -> None:
        """Refuses keys that are not accepted; takes as long for any key, right or wrong.

        Raises:
            AuthenticationFailed: They are not accepted.
        """
        access, secret = _digest(keys.access_key), _digest(keys.secret_key)
        found = not self._digests
        for own_access, own_secret in self._digests:  # all of them, so that the time does not tell which one is similar
            same = hmac.compare_digest(access, own_access)
            same &= hmac.compare_digest(secret, secret if own_secret is None else own_secret)
            found |= same
        if not found:
            raise AuthenticationFailed("the access key is not accepted by this plugin")


def _digest(text: str) -> bytes:
    # Digests have one length, so that the comparison does not tell that of the key.
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def read_key_file(path: str) -> list[str]:
    """The entries of a file of accepted keys: one a line; ``#`` begins a comment line.

    Raises:
        InputError: It cannot be read, others may read it, or it has no entry.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise InputError(f"the key file {path!r} has mode {mode:04o}: others may read it; expected 0600")
            lines = file.read(_MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the key file {path!r}: {type(error).__name__}") from None
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not entries:
        raise InputError(f"the key file {path!r} has no keys")
    return entries
