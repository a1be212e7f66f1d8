"""Coinbase Exchange's REST API, after its "REST API Authentication"."""

from __future__ import annotations

import re
from typing import Any

from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import encode_query
from ...http.client import HttpRequest
from ..rest.ask import Ask
from ..rest.order_calls import OrderCalls
from ..rest.parsing import mapping, number
from ..rest.server_time import ServerTime
from .protocol import RawProtocol, json_body, target_of
from .signatures import coinbase_signature
from .venue import RawVenue

__all__ = ["Coinbase"]

_PUBLIC = re.compile(r"/(?:products|currencies|time)(?:/.*)?")


class CoinbaseProtocol(RawProtocol):
    """Headers ``CB-ACCESS-...`` with a passphrase; the query string is part of the signed path."""

    default_base = "https://api.exchange.coinbase.com"
    needs_passphrase = True
    time_ask = Ask(path="/time")
    order_calls = OrderCalls(r"/(orders|conversions)")

    def is_signed(self, method: str, path: str) -> bool:
        """All but the GETs of market data."""
        return not (method == "GET" and _PUBLIC.fullmatch(path))

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs time, method, path with query, and body."""
        in_query = ask.method in {"GET", "DELETE"} or bool(ask.raw)
        query = encode_query(ask.params) if in_query else ""
        body = ask.raw if in_query else json_body(ask)
        url = f"{url}?{query}" if query else url
        headers = {"Content-Type": "application/json"} if body else {}
        if ask.signed:
            stamp = str(int(time.now()))
            headers["CB-ACCESS-KEY"] = keys.access_key
            headers["CB-ACCESS-SIGN"] = coinbase_signature(keys.secret_key, stamp, ask.method, target_of(url), body)
            headers["CB-ACCESS-TIMESTAMP"] = stamp
            headers["CB-ACCESS-PASSPHRASE"] = keys.passphrase
        return HttpRequest(method=ask.method, url=url, headers=headers, body=body.encode() if body else None)

    def refusal_of(self, body: Any) -> tuple[str, str] | None:
        """An object with only ``message`` (there is no code)."""
        if isinstance(body, dict) and set(body) == {"message"}:
            return "", str(body["message"])
        return None

    def read_time(self, payload: Any) -> float:
        """``epoch``, in seconds."""
        return number(mapping(payload, "the reply"), "epoch")


class Coinbase(RawVenue):
    """Coinbase Exchange, by signed raw calls; see ``RawVenue``."""

    name = "Coinbase"
    protocol_class = CoinbaseProtocol
