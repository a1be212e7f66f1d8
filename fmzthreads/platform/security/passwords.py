"""Passwords: made at random, hashed by argon2id, and compared."""

from __future__ import annotations

import secrets
import threading

from ...errors import InputError, require

__all__ = ["FEWEST_CHARACTERS", "hash_password", "new_password", "password_matches"]

FEWEST_CHARACTERS = 12
_MOST_CHARACTERS = 512
# Letters and digits that are not mistaken for each other when they are typed from a terminal.
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
# A hash takes 64 MiB: so many at once, whatever comes in.
_SLOTS = threading.BoundedSemaphore(2)


def new_password() -> str:
    """A random password of four groups of five characters (about 115 bits)."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its salt and costs.

    Raises:
        InputError: It is too short or too long.
        MissingExtra: The extra ``platform`` is not installed.
    """
    if not FEWEST_CHARACTERS <= len(password) <= _MOST_CHARACTERS:
        raise InputError(
            f"the password has {len(password)} characters, expected {FEWEST_CHARACTERS} to {_MOST_CHARACTERS}"
        )
    with _SLOTS:
        return str(require("argon2", "platform").PasswordHasher().hash(password))


def password_matches(stored: str, password: str) -> bool:
    """Whether a password is the one of a stored hash; takes as long for a wrong one.

    Raises:
        MissingExtra: The extra ``platform`` is not installed.
    """
    argon2 = require("argon2", "platform")
    if len(password) > _MOST_CHARACTERS:
        return False
    with _SLOTS:
        try:
            return bool(argon2.PasswordHasher().verify(stored, password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
