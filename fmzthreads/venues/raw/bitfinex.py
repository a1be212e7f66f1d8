"""Bitfinex's REST API v2, after its "Authenticated Endpoints"."""

from __future__ import annotations

import threading
from typing import Any

from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import encode_query
from ...fork import after_fork_in_child
from ...http.client import HttpRequest
from ..limits.counted_call import NoLimits
from ..limits.limiter import Limiter
from ..rest.ask import Ask
from ..rest.order_calls import OrderCalls
from ..rest.server_time import ServerTime
from .protocol import RawProtocol, json_body, target_of
from .signatures import bitfinex_signature
from .venue import RawVenue

__all__ = ["Bitfinex"]


class _Turns(NoLimits):
    """Lets one signed call at a time to the venue, which refuses a nonce that arrives after a larger one; thread-safe."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()  # held from the nonce of a signed call to its reply
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._turn = threading.Lock()

    def turn(self, ask: Ask) -> threading.Lock | None:
        """The lock of signed calls."""
        return self._turn if ask.signed else None


class BitfinexProtocol(RawProtocol):
    """Headers ``bfx-...`` with a strictly increasing nonce; signed calls are POSTs with a JSON body."""

    default_base = "https://api.bitfinex.com"
    order_calls = OrderCalls(r"/v2/auth/w/(order/(submit|multi)|funding/offer/submit|position/increase)")
    refuses_with_500 = True

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _last
        self._last = 0
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()

    def limits(self, limiter: Limiter, account: str) -> _Turns:
        """Signed calls, one at a time."""
        return _Turns()

    def nonce(self, now_s: float) -> int:
        """Unix time in microseconds, larger than every one before; below 2**53, the largest that Bitfinex takes."""
        with self._lock:
            self._last = max(self._last + 1, int(now_s * 1_000_000))
            return self._last

    def is_signed(self, method: str, path: str) -> bool:
        """All paths with ``/auth/``."""
        return "/auth/" in path

    def is_read(self, method: str, path: str) -> bool:
        """GETs, and the POSTs below ``/auth/r/``."""
        return method == "GET" or "/auth/r/" in path

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs path, nonce and body; a signed call without parameters sends ``{}``."""
        in_query = ask.method in {"GET", "DELETE"} or bool(ask.raw)
        query = encode_query(ask.params) if in_query else ""
        body = ask.raw if in_query else json_body(ask)
        if ask.signed and ask.method == "POST":
            body = body or "{}"
        headers = {"Content-Type": "application/json"} if body else {}
        path = target_of(url).lstrip("/")  # the query string is not signed
        if ask.signed:
            nonce = str(self.nonce(time.now()))
            headers["bfx-nonce"] = nonce
            headers["bfx-apikey"] = keys.access_key
            headers["bfx-signature"] = bitfinex_signature(keys.secret_key, path, nonce, body)
        url = f"{url}?{query}" if query else url
        return HttpRequest(method=ask.method, url=url, headers=headers, body=body.encode() if body else None)

    def refusal_of(self, body: Any) -> tuple[str, str] | None:
        """``["error", code, text]``, whatever the status; while the service is unavailable an object."""
        if isinstance(body, list) and len(body) >= 2 and body[0] == "error":
            return str(body[1]), str(body[2]) if len(body) > 2 else ""
        if isinstance(body, dict) and "error" in body:
            return str(body["error"]), str(body.get("error_description", body.get("message", "")))
        return None


class Bitfinex(RawVenue):
    """Bitfinex v2, by signed raw calls; see ``RawVenue``."""

    name = "Bitfinex"
    protocol_class = BitfinexProtocol
