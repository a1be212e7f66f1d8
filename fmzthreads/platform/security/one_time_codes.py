"""Codes of six digits that an authenticator app shows: RFC 6238 (TOTP) over RFC 4226 (HOTP) with SHA-1, 30 s."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from urllib.parse import quote

__all__ = ["code_at", "matching_step", "new_secret", "secret_link"]

_STEP_S = 30
_DIGITS = 6


def new_secret() -> str:
    """A random secret of 160 bits in Base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def code_at(secret: str, step: int) -> str:
    """The code of one step of 30 s since the epoch.

    Raises:
        ValueError: The secret is not Base32.
    """
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    place = digest[-1] & 0x0F
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


def matching_step(secret: str, code: str, now_s: float, *, after: int = -1) -> int | None:
    """The step whose code was given: this one, the one before, or the next; None for a wrong or a used code.

    Args:
        secret: The secret.
        code: What was typed; spaces are left out.
        now_s: Seconds since the epoch.
        after: The last step that was used; its code and older ones are not taken again.
    """
    typed = "".join(code.split())
    now = int(now_s // _STEP_S)
    found = None
    for step in (now - 1, now, now + 1):
        if step > after and hmac.compare_digest(code_at(secret, step).encode(), typed.encode()):
            found = step
    return found


def secret_link(secret: str, name: str) -> str:
    """The ``otpauth`` link that apps read."""
    label = quote(f"fmzthreads:{name}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer=fmzthreads&digits={_DIGITS}&period={_STEP_S}"
