"""The vault: secrets encrypted at rest by Fernet (the package ``cryptography``), under one master key.

The master key lies in a key file that only its owner may read; or it is itself encrypted under a key that scrypt derives from a password, and
the vault stays locked after a start until the password is given. Fernet: https://cryptography.io/en/latest/fernet/.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Any

from ...errors import AuthenticationFailed, InputError, OperationFailed, require

__all__ = ["VAULT_FILE", "Vault"]

VAULT_FILE = "vault.key"
# The parameters that RFC 7914 and OWASP's password storage page give for interactive logins.
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 2**20, "dklen": 32}


class Vault:
    """Encrypts and decrypts texts. Any thread may use it.

    Args:
        folder: The platform's folder; the key file is made in it at the first use, for its owner only.

    Raises:
        MissingExtra: ``cryptography`` is not installed.
        InputError: Others may read the key file.
        OperationFailed: It cannot be read, written, or is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / VAULT_FILE
        self._fernet_module: Any = require("cryptography.fernet", "platform")
        self._lock = threading.Lock()  # guards _fernet and the file
        self._fernet: Any = None
        content = self._read()
        if content is None:
            key = self._fernet_module.Fernet.generate_key().decode("ascii")
            self._write({"key": key})
            content = {"key": key}
        if "key" in content:
            self._fernet = self._made(content["key"])

    def __repr__(self) -> str:
        return f"<Vault {'locked' if self.locked else 'open'}>"

    @property
    def locked(self) -> bool:
        """Whether the password must be given first."""
        return self._fernet is None

    @property
    def is_protected(self) -> bool:
        """Whether the key file is encrypted under a password.

        Raises:
            InputError, OperationFailed: The key file cannot be read.
        """
        return "wrapped" in (self._read() or {})

    def encrypt(self, text: str) -> str:
        """Returns a token that only this vault can read.

        Raises:
            OperationFailed: The vault is locked.
        """
        token: bytes = self._open().encrypt(text.encode("utf-8", "surrogatepass"))
        return token.decode("ascii")

    def decrypt(self, token: str) -> str:
        """Returns the text of a token.

        Raises:
            OperationFailed: The vault is locked, or the token was not made by it.
        """
        try:
            text: bytes = self._open().decrypt(token.encode("ascii", "replace"))
        except self._fernet_module.InvalidToken:
            raise OperationFailed(
                f"a stored secret cannot be decrypted: it was encrypted under another key than {str(self._path)!r}"
            ) from None
        return text.decode("utf-8", "surrogatepass")

    def protect(self, password: str) -> None:
        """Encrypts the master key under a password: from the next start on, the vault is locked until ``unlock``.

        Raises:
            InputError: The password is empty.
            OperationFailed: The vault is locked, or the file cannot be written.
        """
        if not password:
            raise InputError("the vault's password is empty")
        with self._lock:
            key = self._open()._signing_key + self._open()._encryption_key  # the two halves of Fernet's key
            salt = secrets.token_bytes(16)
            wrapping = self._made(_derived(password, salt))
            wrapped = wrapping.encrypt(base64.urlsafe_b64encode(key)).decode("ascii")
            self._write({"kdf": "scrypt", "salt": salt.hex(), "wrapped": wrapped})

    def unlock(self, password: str) -> None:
        """Opens the vault.

        Raises:
            AuthenticationFailed: The password is not right.
            OperationFailed: The key file is damaged.
        """
        with self._lock:
            if self._fernet is not None:
                return
            content = self._read() or {}
            try:
                wrapping = self._made(_derived(password, bytes.fromhex(content["salt"])))
                key = wrapping.decrypt(content["wrapped"].encode("ascii")).decode("ascii")
            except self._fernet_module.InvalidToken:
                raise AuthenticationFailed("the vault's password is not right") from None
            except (KeyError, ValueError) as error:
                raise OperationFailed(f"the key file {str(self._path)!r} is damaged") from error
            self._fernet = self._made(key)

    def _open(self) -> Any:
        if self._fernet is None:
            raise OperationFailed("the vault is locked: stored keys can be used once an owner has given its password")
        return self._fernet

    def _made(self, key: str) -> Any:
        try:
            return self._fernet_module.Fernet(key.encode("ascii"))
        except (ValueError, UnicodeEncodeError) as error:
            raise OperationFailed(f"the key file {str(self._path)!r} is damaged") from error

    def _read(self) -> dict[str, str] | None:
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            if os.name == "posix" and mode & 0o077:
                raise InputError(
                    f"the key file {str(self._path)!r} has mode {mode:04o}: others may read it; expected 0600"
                )
            content = json.loads(self._path.read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise OperationFailed(
                f"the key file {str(self._path)!r} cannot be read: {type(error).__name__}; stored keys need it"
            ) from None
        if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
            raise OperationFailed(f"the key file {str(self._path)!r} is damaged")
        return content

    def _write(self, content: dict[str, str]) -> None:
        new = self._path.with_name(f".{VAULT_FILE}-{os.getpid()}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
        except OSError as error:
            raise OperationFailed(f"the key file {str(self._path)!r} cannot be written: {error.strerror}") from error


def _derived(password: str, salt: bytes) -> str:
    key = hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, **_SCRYPT)
    return base64.urlsafe_b64encode(key).decode("ascii")
