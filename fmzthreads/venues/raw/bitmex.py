"""BitMEX's REST API, after its "API Key Usage"; the exchange closed in September 2026, so the base URL is the user's."""

from __future__ import annotations

import re
from typing import Any

from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import encode_query
from ...http.client import HttpRequest
from ..rest.ask import Ask
from ..rest.order_calls import OrderCalls
from ..rest.server_time import ServerTime
from .protocol import RawProtocol, json_body, target_of
from .signatures import bitmex_signature
from .venue import RawVenue

__all__ = ["BitMEX", "FuturesBitMEX"]

_LIFETIME_S = 30
_PUBLIC = re.compile(
    r".*/api/v1(?:/(?:announcement|funding|instrument|insurance|leaderboard|liquidation|orderBook|quote|schema|settlement|stats|trade)(?:/.*)?)?/?"
)


class BitmexProtocol(RawProtocol):
    """Headers with an expiry; parameters of all but GET travel as JSON."""

    order_calls = OrderCalls(r"/api/v1/order(/bulk|/closePosition)?")

    def is_signed(self, method: str, path: str) -> bool:
        """All but the GETs of market data."""
        return not (method == "GET" and _PUBLIC.fullmatch(path))

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs verb, path with query, expiry and body."""
        in_query = ask.method == "GET" or bool(ask.raw)
        query = encode_query(ask.params) if in_query else ""
        body = ask.raw if in_query else json_body(ask)
        url = f"{url}?{query}" if query else url
        headers = {"Content-Type": "application/json"} if body else {}
        if ask.signed:
            expires = int(time.now()) + _LIFETIME_S
            headers["api-expires"] = str(expires)
            headers["api-key"] = keys.access_key
            headers["api-signature"] = bitmex_signature(keys.secret_key, ask.method, target_of(url), expires, body)
        return HttpRequest(method=ask.method, url=url, headers=headers, body=body.encode() if body else None)

    def refusal_of(self, body: Any) -> tuple[str, str] | None:
        """``error`` with ``name`` and ``message``."""
        error = body.get("error") if isinstance(body, dict) else None
        return (str(error.get("name", "error")), str(error.get("message", ""))) if isinstance(error, dict) else None


class BitMEX(RawVenue):
    """BitMEX, or what speaks its API, by signed raw calls; without a base URL nothing is sent. See ``RawVenue``."""

    name = "BitMEX"
    protocol_class = BitmexProtocol
    json_methods = frozenset({"POST", "PUT", "DELETE"})


class FuturesBitMEX(BitMEX):
    """BitMEX under FMZ's id."""

    name = "Futures_BitMEX"
