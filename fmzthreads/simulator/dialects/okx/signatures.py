"""Authenticates OKX calls: key, passphrase, time and HMAC-SHA256 signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime

from ...engine.accounts import TradingAccount
from ...engine.exchange import SimulatedExchange
from ...transport.requests import WireRequest
from ..fields import VenueRefusal
from .parameters import OkxRefusal

__all__ = ["authenticate", "check_signature", "log_in", "parse_timestamp_ms"]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE_MS = 30_000
_LOGIN_VALID_S = 30


def parse_timestamp_ms(text: str) -> int | None:
    """A time stamp such as ``2020-12-08T09:08:57.715Z`` in milliseconds; None if malformed."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000


def _signs(secret: str, text: bytes, signature: str) -> bool:
    digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest), signature.encode("utf-8", "replace"))


def check_signature(request: WireRequest, secret: str) -> None:
    """Verifies ``OK-ACCESS-SIGN`` over time stamp, method, target and body as received.

    Raises:
        OkxRefusal: 50113 if it is wrong.
    """
    headers = request.headers
    head = f"{headers.get('ok-access-timestamp', '')}{request.method}{request.target}"
    if not _signs(secret, head.encode("latin-1", "replace") + request.body, headers.get("ok-access-sign", "")):
        raise OkxRefusal("50113", "Invalid Sign", 401, gateway=True)


def authenticate(exchange: SimulatedExchange, request: WireRequest, now_ms: int) -> TradingAccount:
    """The account whose key signed a request.

    Raises:
        OkxRefusal: HTTP 401: 50103, 50104, 50106 or 50107 for a missing header, 50112 for a malformed time, 50102 for one that
            differs too much, 50111 for the key, 50105 for the passphrase, 50113 for the signature.
    """
    headers = request.headers
    for code, name in (("50103", "KEY"), ("50104", "PASSPHRASE"), ("50106", "SIGN"), ("50107", "TIMESTAMP")):
        if not headers.get(f"ok-access-{name.lower()}"):
            raise OkxRefusal(code, f'Request header "OK-ACCESS-{name}" cannot be empty.', 401, gateway=True)
    moment = parse_timestamp_ms(headers["ok-access-timestamp"])
    if moment is None:
        raise OkxRefusal("50112", "Invalid OK-ACCESS-TIMESTAMP.", 401, gateway=True)
    if abs(now_ms - moment) > _CLOCK_TOLERANCE_MS:
        raise OkxRefusal("50102", "Timestamp request expired.", 401, gateway=True)
    account = exchange.account_by_key(headers["ok-access-key"])
    if account is None:
        raise OkxRefusal("50111", "Invalid OK-ACCESS-KEY.", 401, gateway=True)
    if not account.may(account.secret, headers["ok-access-passphrase"]):
        raise OkxRefusal("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401, gateway=True)
    check_signature(request, account.secret)
    return account


def log_in(exchange: SimulatedExchange, arg: dict[str, object], now_ms: int) -> TradingAccount:
    """The account of a websocket login.

    Raises:
        VenueRefusal: 60027 for a missing parameter, 60004 or 60006 for the time, 60005 for the key, 60024 for the passphrase, 60007 for the
            signature.
    """
    values = {}
    for name in ("apiKey", "passphrase", "timestamp", "sign"):
        value = arg.get(name)
        if value is None or value == "":
            raise VenueRefusal("60027", f"Parameter {name} can not be empty.")
        values[name] = str(value)  # python-okx sends the time as a number
    stamp = values["timestamp"]
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", stamp, re.ASCII):
        raise VenueRefusal("60004", "Invalid timestamp")
    if abs(now_ms / 1000 - float(stamp)) > _LOGIN_VALID_S:
        raise VenueRefusal("60006", "Timestamp request expired")
    account = exchange.account_by_key(values["apiKey"])
    if account is None:
        raise VenueRefusal("60005", "Invalid apiKey")
    if not account.may(account.secret, values["passphrase"]):
        raise VenueRefusal("60024", "Wrong passphrase")
    if not _signs(account.secret, f"{stamp}GET/users/self/verify".encode(), values["sign"]):
        raise VenueRefusal("60007", "Invalid sign")
    return account
