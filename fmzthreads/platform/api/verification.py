"""Who calls the extended API: signed and direct verification, addresses, nonces.

Source: FMZ's user guide, "Extended API Interface": the signature is the MD5 of ``version|method|args|nonce|secretKey`` in lower-case hex; the nonce
lies within an hour of the server's time and grows with each call of a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping

import attrs

from ...errors import FmzError, UnknownName
from ..access import Actor
from ..service import Platform
from ..store.api_keys import ApiKey

__all__ = ["ApiRefusal", "Verified", "signature", "verified"]

_WINDOW_MS = 3_600_000
_NONCE = re.compile(r"[0-9]{1,16}\Z")


class ApiRefusal(FmzError):
    """A call that is answered by a code of the extended API, without data."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message, code=str(code))
        self.number = code


@attrs.frozen(kw_only=True)
class Verified:
    """A call that may be made: the account, the key, and whether the verification was direct."""

    actor: Actor
    key: ApiKey
    direct: bool


def signature(version: str, method: str, args: str, nonce: str, secret_key: str) -> str:
    """The signature of a call, over the fields exactly as they are sent."""
    text = f"{version}|{method}|{args}|{nonce}|{secret_key}"
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def verified(
    platform: Platform,
    fields: Mapping[str, str],
    address: str,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Verified:
    """Verifies a call and takes its nonce.

    Args:
        platform: Whose keys count.
        fields: The fields of the request.
        address: The caller's address.
        now_ms: The server's time, in milliseconds since the epoch.

    Raises:
        ApiRefusal: 1 for an unknown or disabled key or a wrong secret, 2 for a wrong signature, 3 for the nonce, 4 for the method, 7 for the address.
    """
    key = platform.api_keys.find(fields.get("access_key", ""))
    if key is None or key.disabled:
        raise ApiRefusal(1, "the access key is not known, or disabled")
    try:
        account = platform.accounts.get(key.account_id)
    except UnknownName:
        raise ApiRefusal(1, "the access key belongs to no account") from None
    if account.disabled:
        raise ApiRefusal(1, "the account of the access key is disabled")
    if not key.allows_address(address):
        raise ApiRefusal(7, "the key may not be used from this address")
    secret = platform.api_keys.secret(key)
    method = fields.get("method", "")
    direct = "secret_key" in fields
    if direct:
        if not _equal(fields["secret_key"], secret):
            raise ApiRefusal(1, "the secret key is not right")
        nonce = now_ms() // 1000 * 1000  # FMZ takes the server's seconds: two calls in one second are one too many
    else:
        wanted = signature(fields.get("version", ""), method, fields.get("args", ""), fields.get("nonce", ""), secret)
        if not _equal(fields.get("sign", ""), wanted):
            raise ApiRefusal(2, "the signature is not right")
        text = fields.get("nonce", "")
        nonce = int(text) if _NONCE.match(text) else -1
        if abs(now_ms() - nonce) > _WINDOW_MS:
            raise ApiRefusal(3, "the nonce is not within an hour of the server's time")
    if not (direct and method == "CommandRobot") and not platform.api_keys.take_nonce(key, nonce):
        raise ApiRefusal(3, "the nonce is not greater than the last one of this key")
    if not key.allows(method):
        raise ApiRefusal(4, "the key may not call this method")
    return Verified(actor=account.actor(address, via="api"), key=key, direct=direct)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8"))
