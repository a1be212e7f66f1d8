"""The keys of an account, and where they are read from.

Keys have no ``repr``, cannot be pickled, and are never part of an error. They are read from arguments, from the environment, or from a
file that only its owner can read; the error for a missing key names the variable to set.
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs

from ...errors import InputError, MissingCredentials, UnknownName, nearest
from ...redaction import Secrets

__all__ = ["Credentials", "load_credentials", "variable"]

_FIELDS = ("access_key", "secret_key", "passphrase")
_PEM = "-----BEGIN "
_LONG_LINE = 16  # shorter ones of a key in PEM are of no use to anybody


def _clean(value: Any) -> str:
    # The message does not show the value: it is a secret, or was meant to be one.
    if not isinstance(value, str):
        raise InputError(f"a key must be text, got {type(value).__name__}")
    text = value.strip()
    if not text.isprintable():
        raise InputError("a key must be printable text on one line; it contains a line break or a control character")
    return text


def _clean_secret(value: Any) -> str:
    """A secret on one line, or a private key in PEM; its line breaks may also be written as two characters, as in a variable."""
    if not isinstance(value, str) or not value.lstrip().startswith(_PEM):
        return _clean(value)
    lines = [line.strip() for line in value.replace("\\n", "\n").strip().splitlines()]
    if not lines[-1].startswith("-----END ") or not all(line.isprintable() for line in lines):
        raise InputError(
            "a private key in PEM must end with a line such as '-----END PRIVATE KEY-----'; it is cut off or malformed"
        )
    return "\n".join(line for line in lines if line)


@attrs.frozen(kw_only=True)
class Credentials:
    """The keys of one account, with which a venue's requests are signed.

    Attributes:
        access_key: The public part; empty for none.
        secret_key: The secret that signs, or a private key in PEM (Binance's Ed25519); empty for none.
        passphrase: The third part, for venues that have one (OKX); empty for none.

    Raises:
        InputError: A key is not text, or contains a line break.
    """

    access_key: str = attrs.field(default="", repr=False, converter=_clean)
    secret_key: str = attrs.field(default="", repr=False, converter=_clean_secret)
    passphrase: str = attrs.field(default="", repr=False, converter=_clean)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuses pickling and copying, so that keys do not get into files or other processes by accident.

        Raises:
            TypeError: Always.
        """
        raise TypeError("credentials cannot be pickled or copied; load them where they are used")

    def __bool__(self) -> bool:
        """Whether there is any key."""
        return bool(self.access_key or self.secret_key or self.passphrase)

    def are_complete(self, *, passphrase: bool = False) -> bool:
        """Whether all keys for a signed call are there.

        Args:
            passphrase: Whether the venue needs a passphrase.
        """
        return bool(self.access_key and self.secret_key and (self.passphrase or not passphrase))

    def need(self, venue: str, *, passphrase: bool = False) -> Credentials:
        """Raises MissingCredentials unless all keys for a signed call are there; returns itself.

        Args:
            venue: The venue's name, for the message.
            passphrase: Whether the venue needs a passphrase.

        Raises:
            MissingCredentials: A key is missing; the message names it and the variable to set.
        """
        for field in _FIELDS if passphrase else _FIELDS[:2]:
            if not getattr(self, field):
                raise MissingCredentials(
                    f"{venue} needs {'an' if field[0] == 'a' else 'a'} {field} for this call: "
                    f"give {field}=... to the exchange or set {variable(venue, field)}"
                )
        return self

    def secrets(self) -> tuple[str, ...]:
        """Returns the keys that are set, so that they can be masked in logs; of a key in PEM also each line of its content."""
        body = [line for line in self.secret_key.split("\n")[1:-1] if len(line) >= _LONG_LINE]
        return tuple(key for key in (self.access_key, self.secret_key, *body, self.passphrase) if key)

    def cut_out(self, text: str) -> str:
        """Returns a text with ``***`` in place of each key and signature, also as escaped in URLs and JSON; replies may echo them."""
        return _cutter(self.secrets()).cut(text)

    @classmethod
    def from_environment(cls, venue: str, environ: Mapping[str, str] | None = None) -> Credentials:
        """Reads ``FMZ_<VENUE>_ACCESS_KEY``, ``..._SECRET_KEY`` and ``..._PASSPHRASE``; unset ones are empty.

        Args:
            venue: The venue's name; it is upper-cased, and all but letters and digits becomes ``_``.
            environ: The variables; None for the environment of the process.
        """
        found = os.environ if environ is None else environ
        return cls(**{field: found.get(variable(venue, field), "") for field in _FIELDS})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Credentials:
        """Reads a file that only its owner may read.

        Args:
            path: A JSON object, or lines of ``name = value`` (``#`` begins a comment line), with the names ``access_key``,
                ``secret_key`` and ``passphrase``. Its mode must be 0600 (or 0400); on Windows the mode is not checked.

        Raises:
            InputError: The file cannot be read, others may read it, or it is in neither form.
            UnknownName: It contains another name.
        """
        values = _parse(_read_private(Path(path)), str(path))
        for number, name in enumerate(values, 1):
            if name not in _FIELDS:
                # Only a name similar to a valid one is shown: a bare key that ends with "=" would appear as a name too.
                likely = nearest(name, _FIELDS)
                shown = repr(name) if likely.startswith("; did you mean") else f"(entry {number}, not shown)"
                raise UnknownName(f"the key file {str(path)!r} contains an unknown name {shown}{likely}")
        return cls(**values)


@functools.lru_cache(maxsize=64)
def _cutter(keys: tuple[str, ...]) -> Secrets:
    """What cuts keys out of texts, cached: an error should not have to compile a pattern."""
    secrets = Secrets()
    for key in keys:
        secrets.add(key)
    return secrets


def variable(venue: str, field: str) -> str:
    """Returns the environment variable of a key, such as ``FMZ_BINANCE_SECRET_KEY``."""
    return f"FMZ_{re.sub(r'[^A-Z0-9]', '_', venue.upper())}_{field.upper()}"


def _read_private(path: Path) -> str:
    try:
        # The mode is that of the open file, so that it belongs to the bytes that are read even if the path is replaced meanwhile.
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise InputError(
                    f"the key file {str(path)!r} has mode {mode:04o}: others may read it; expected 0600 (chmod 600 {str(path)!r})"
                )
            return file.read(65536)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the key file {str(path)!r}: {type(error).__name__}") from None


def _parse(text: str, path: str) -> dict[str, str]:
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            # "from None", because the decoder's error contains the file's text.
            raise InputError(f"the key file {path!r} is not valid JSON") from None
        return dict(values)
    values = {}
    pem = ""  # the name whose key in PEM goes on
    for number, line in enumerate(text.splitlines(), 1):
        if pem:
            values[pem] += "\n" + line
            pem = "" if line.strip().startswith("-----END ") else pem
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise InputError(f"line {number} of the key file {path!r} is not of the form name = value")
        values[name.strip().lower()] = value.strip()
        if value.strip().startswith(_PEM) and "-----END " not in value:
            pem = name.strip().lower()
    return values


def load_credentials(
    venue: str,
    *,
    access_key: str = "",
    secret_key: str = "",
    passphrase: str = "",
    key_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credentials | None:
    """Returns the keys of an account from the first of: the arguments, the key file, the environment.

    These are not mixed, so that the public part of one account is never combined with the secret of another. Only the passphrase may come
    from the environment while the other two are arguments.

    Args:
        venue: The venue's name, for the names of the variables.
        access_key: The public part.
        secret_key: The secret.
        passphrase: The third part.
        key_file: The path of a file with mode 0600.
        environ: The variables; None for the environment of the process.

    Returns:
        The keys; None if there are none (public calls need none).

    Raises:
        InputError: A key is not text, or the key file cannot be used.
        UnknownName: The key file contains an unknown name.
    """
    surroundings = Credentials.from_environment(venue, environ)
    given = Credentials(access_key=access_key, secret_key=secret_key, passphrase=passphrase)
    if given:
        if not given.passphrase and given.access_key and given.secret_key and surroundings.passphrase:
            given = attrs.evolve(given, passphrase=surroundings.passphrase)
        return given
    if key_file is not None:
        return Credentials.from_file(key_file)
    return surroundings or None
