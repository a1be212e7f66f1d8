"""The keys of an account: where they come from, and that they go nowhere else.

Keys have no ``repr``, cannot be pickled, and never stand in an error. They come from arguments, from the environment, or from a file that
only its owner can read; a key that is missing is named together with the variable that would give it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs

from ..errors import InputError, MissingCredentials, UnknownName, nearest

__all__ = ["Credentials", "load_credentials", "variable"]

_FIELDS = ("access_key", "secret_key", "passphrase")

# A shorter one would be found inside ordinary words and numbers.
_SHORTEST = 4


def _clean(value: Any) -> str:
    # The value itself never stands in the message: it is a secret, or was meant to be one.
    if not isinstance(value, str):
        raise InputError(f"a key must be text, got {type(value).__name__}")
    text = value.strip()
    if not text.isprintable():
        raise InputError("a key must be printable text on one line; it holds a line break or a control character")
    return text


@attrs.frozen(kw_only=True)
class Credentials:
    """The keys of one account; what a venue signs with.

    Attributes:
        access_key: The public part; empty for none.
        secret_key: The secret that signs; empty for none.
        passphrase: The third part that some venues want (OKX); empty for none.

    Raises:
        InputError: A key is not text, or holds a line break.
    """

    access_key: str = attrs.field(default="", repr=False, converter=_clean)
    secret_key: str = attrs.field(default="", repr=False, converter=_clean)
    passphrase: str = attrs.field(default="", repr=False, converter=_clean)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuses to be pickled or copied, so that keys do not end in a file or in another process by accident.

        Raises:
            TypeError: Always.
        """
        raise TypeError("credentials are not pickled or copied; load them where they are used")

    def __bool__(self) -> bool:
        """Whether any key is there."""
        return bool(self.access_key or self.secret_key or self.passphrase)

    def need(self, venue: str, *, passphrase: bool = False) -> Credentials:
        """Checks that everything is there that a signed call needs.

        Args:
            venue: The venue's name, for the message.
            passphrase: Whether the venue wants one too.

        Returns:
            Itself.

        Raises:
            MissingCredentials: Something is missing; the message names it and the variable to set.
        """
        for field in _FIELDS if passphrase else _FIELDS[:2]:
            if not getattr(self, field):
                raise MissingCredentials(
                    f"{venue} needs {'an' if field[0] == 'a' else 'a'} {field} for this call: "
                    f"give {field}=... to the exchange or set {variable(venue, field)}"
                )
        return self

    def secrets(self) -> tuple[str, ...]:
        """The keys that are there, for whoever cuts them out of what is written."""
        return tuple(key for key in (self.access_key, self.secret_key, self.passphrase) if key)

    def cut_out(self, text: str) -> str:
        """The text with ``***`` in place of each key, for what somebody on the way echoed."""
        for key in sorted(self.secrets(), key=len, reverse=True):
            if len(key) >= _SHORTEST:
                text = text.replace(key, "***")
        return text

    @classmethod
    def from_environment(cls, venue: str, environ: Mapping[str, str] | None = None) -> Credentials:
        """Reads ``FMZ_<VENUE>_ACCESS_KEY``, ``..._SECRET_KEY`` and ``..._PASSPHRASE``; what is not set stays empty.

        Args:
            venue: The venue's name; upper-cased, and everything but letters and digits becomes ``_``.
            environ: Where to look; None for the environment of the process.
        """
        found = os.environ if environ is None else environ
        return cls(**{field: found.get(variable(venue, field), "") for field in _FIELDS})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Credentials:
        """Reads a file that only its owner may read.

        Args:
            path: A JSON object, or lines of ``name = value`` (``#`` begins a comment line), with the names ``access_key``,
                ``secret_key`` and ``passphrase``. Its mode must be 0600 (or 0400); modes mean nothing on Windows and are not looked
                at there.

        Raises:
            InputError: The file cannot be read, others may read it, or it is not in one of these forms.
            UnknownName: It holds another name.
        """
        values = _parse(_read_private(Path(path)), str(path))
        for number, name in enumerate(values, 1):
            if name not in _FIELDS:
                # Only what looks like one of the names is shown: a bare key that ends with "=" would stand there as a name too.
                likely = nearest(name, _FIELDS)
                shown = repr(name) if likely.startswith("; did you mean") else f"(entry {number}, not shown)"
                raise UnknownName(f"the key file {str(path)!r} holds an unknown name {shown}{likely}")
        return cls(**values)


def variable(venue: str, field: str) -> str:
    """The environment variable of one key, such as ``FMZ_BINANCE_SECRET_KEY``."""
    return f"FMZ_{re.sub(r'[^A-Z0-9]', '_', venue.upper())}_{field.upper()}"


def _read_private(path: Path) -> str:
    try:
        # The mode is read from the open file, so that it belongs to the bytes that are read, whatever happens to the name meanwhile.
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
        except ValueError:
            # "from None", because the decoder's own error carries the text of the file.
            raise InputError(f"the key file {path!r} is not valid JSON") from None
        return dict(values)
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise InputError(f"line {number} of the key file {path!r} is not of the form name = value")
        values[name.strip().lower()] = value.strip()
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
    """The keys of an account from the first place that has any: the arguments, the key file, the environment.

    The places are not mixed, so that the public part of one account never meets the secret of another; only the passphrase alone may
    come from the environment when the other two were given as arguments.

    Args:
        venue: The venue's name, for the names of the variables.
        access_key: The public part.
        secret_key: The secret.
        passphrase: The third part.
        key_file: The path of a file with mode 0600.
        environ: Where to look for variables; None for the environment of the process.

    Returns:
        The keys, or None when there are none anywhere (public calls need none).

    Raises:
        InputError: A key is not text, or the key file cannot be used.
        UnknownName: The key file holds an unknown name.
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
