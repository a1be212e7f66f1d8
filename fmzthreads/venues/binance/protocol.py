"""Binance's REST protocol, after its spot API documents ("General API Information", "Request Security", "Limits")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ...errors import FmzError, InputError, RateLimited, VenueUnavailable, short_repr
from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import ed25519_base64, encode_query, hmac_hex, is_private_key
from ...http.client import HttpRequest
from ...http.reply import Reply
from ..limits.limiter import Limiter
from ..rest.ask import Ask
from ..rest.parsing import integer, mapping
from ..rest.server_time import ServerTime
from .limits import ORDER_DOOR, BinanceRateLimits
from .refusals import OUTCOME_KNOWN, refusal

__all__ = ["BinanceProtocol", "binance_signature"]

_FORM = "application/x-www-form-urlencoded"


def binance_signature(secret: str, payload: bytes) -> str:
    """Binance's signature, as it goes into the query: HMAC-SHA256 in hex, or Ed25519 in base64, percent-encoded.

    Args:
        secret: The secret key, or the private key in PEM of an Ed25519 API key.
        payload: The percent-encoded query and the body, one after the other.

    Raises:
        InputError: It is a private key of another kind, or malformed.
        MissingExtra: It is a private key, and cryptography is not installed.
    """
    return quote(ed25519_base64(secret, payload), safe="") if is_private_key(secret) else hmac_hex(secret, payload)


class BinanceProtocol:
    """Binance's protocol: HMAC of query and body, weight limits, negative error codes.

    Args:
        recv_window_ms: How old a signed request may be when the matching engine receives it.

    Raises:
        InputError: ``recv_window_ms`` is not 1 to 60000.
    """

    name = "Binance"
    default_base = "https://api.binance.com"
    needs_passphrase = False
    time_ask = Ask(path="/api/v3/time")
    refusals: Mapping[int, type[FmzError]] = MappingProxyType({})
    """What codes mean that only this product has; see ``refusal``."""

    def __init__(self, recv_window_ms: int) -> None:
        if not 1 <= recv_window_ms <= 60_000:
            raise InputError(f"recv_window_ms must be 1 to 60000, got {short_repr(recv_window_ms)}")
        self._recv_window_ms = recv_window_ms

    def counted_at(self, base: str) -> str:
        """The base URL itself: each host counts for itself."""
        return base

    def limits(self, limiter: Limiter, account: str) -> BinanceRateLimits:
        """The limits of an account and its address: those that Binance publishes, its documents' until it has."""
        return BinanceRateLimits(limiter, account)

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs the query of GET and DELETE, the form of POST and PUT, or the query with a literal body."""
        query = encode_query(ask.params)
        body = ask.raw.encode()
        headers = {}
        if ask.signed:
            query = self._signed(query, body, ask, keys, time)
            headers["X-MBX-APIKEY"] = keys.access_key
        if ask.method in {"POST", "PUT"} and not body:
            headers["Content-Type"] = _FORM
            return HttpRequest(method=ask.method, url=url, headers=headers, body=query.encode())
        if body:
            headers["Content-Type"] = "application/json" if ask.raw.lstrip()[:1] in {"{", "["} else _FORM
        return HttpRequest(
            method=ask.method, url=f"{url}?{query}" if query else url, headers=headers, body=body or None
        )

    def _signed(self, query: str, body: bytes, ask: Ask, keys: Credentials, time: ServerTime) -> str:
        given = {name for name, _ in ask.params}
        stamp = []
        if "recvWindow" not in given:
            stamp.append(f"recvWindow={self._recv_window_ms}")
        if "timestamp" not in given:
            stamp.append(f"timestamp={time.now_ms()}")
        query = "&".join([query, *stamp] if query else stamp)
        return f"{query}&signature={binance_signature(keys.secret_key, query.encode() + body)}"

    def payload(self, reply: Reply, server_now: Callable[[], float]) -> Any:
        """The JSON of a reply with a 2xx status and without a negative code."""
        if not 200 <= reply.status < 300:
            raise refusal(reply, server_now(), self.refusals)
        payload = reply.json()
        if isinstance(payload, dict):
            code = payload.get("code")
            if type(code) is int and code < 0:
                raise refusal(reply, server_now(), self.refusals)
        return payload

    def order_row(self, body: Any) -> Any:
        """The reply itself; a refusal has only a code and a text, and so repeats no id."""
        return body

    def read_time(self, payload: Any) -> float:
        """``serverTime``, in seconds."""
        return integer(mapping(payload, "the reply"), "serverTime") / 1000

    def outcome_unknown(self, error: VenueUnavailable) -> bool:
        """True for all codes except those that mean nothing was done."""
        return error.code not in OUTCOME_KNOWN

    def shuts(self, ask: Ask, error: RateLimited) -> str:
        """-1015 counts orders of the account; everything else counts requests of the IP address."""
        return ORDER_DOOR if error.code == "-1015" else ""
