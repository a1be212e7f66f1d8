"""OKX's REST protocol, after its v5 API reference ("Making Requests", "Signature", "Rate Limits")."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ...errors import BadReply, InputError, RateLimited, VenueUnavailable, short_repr
from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import encode_query, hmac_base64, iso_timestamp
from ...http.client import HttpRequest
from ...http.reply import Reply
from ..limits.limiter import Limiter
from ..rest.ask import Ask
from ..rest.parsing import bad_reply, first, integer, mapping, rows
from ..rest.server_time import ServerTime
from .limits import OKXLimits
from .refusals import OUTCOME_KNOWN, refusal

__all__ = ["OKXProtocol", "data_of"]

PLACE_PATH = "/api/v5/trade/order"
# Which OKX refuses after their ``expTime``. Its documents ("Transaction timeouts") name placing and amending orders alone: cancels and condition
# orders do not take it.
_EXPIRING = frozenset({PLACE_PATH, "/api/v5/trade/amend-order"})


def data_of(payload: Any) -> list[Any]:
    """The ``data`` of an envelope."""
    return rows(mapping(payload, "the reply").get("data"), "the field 'data'")


class OKXProtocol:
    """OKX's protocol: HMAC in headers, limits per endpoint, an envelope with a code.

    Args:
        simulated: Whether calls go to demo trading.
        order_lifetime_ms: OKX refuses an order that arrives later than this after it was signed.
        account_orders: The most orders of the account in two seconds; 0 for no such limit.

    Raises:
        InputError: ``order_lifetime_ms`` is not 1 to 60000.
    """

    name = "OKX"
    default_base = "https://openapi.okx.com"
    needs_passphrase = True
    time_ask = Ask(path="/api/v5/public/time", door="public/time", limit=10)

    def __init__(self, *, simulated: bool, order_lifetime_ms: int, account_orders: int = 0) -> None:
        if not 1 <= order_lifetime_ms <= 60_000:
            raise InputError(f"order_lifetime_ms must be 1 to 60000, got {short_repr(order_lifetime_ms)}")
        self.simulated = simulated
        self._account_orders = account_orders
        self._order_lifetime_ms = order_lifetime_ms

    def counted_at(self, base: str) -> str:
        """The base URL itself."""
        return base

    def limits(self, limiter: Limiter, account: str) -> OKXLimits:
        """The limits of an account and its address."""
        return OKXLimits(limiter, account, self._account_orders)

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs time, method, path with query, and body, exactly as they are sent."""
        body = ask.raw
        if ask.method == "GET" or body:
            query = encode_query(ask.params)
            url = f"{url}?{query}" if query else url
        else:
            body = json.dumps(dict(ask.params), separators=(",", ":"))
        headers = {"Content-Type": "application/json"} if body else {}
        if self.simulated:
            headers["x-simulated-trading"] = "1"
        if ask.signed:
            target = urlsplit(url)
            path = f"{target.path}?{target.query}" if target.query else target.path
            timestamp = iso_timestamp(time.now())
            headers["OK-ACCESS-KEY"] = keys.access_key
            headers["OK-ACCESS-SIGN"] = hmac_base64(keys.secret_key, f"{timestamp}{ask.method}{path}{body}")
            headers["OK-ACCESS-TIMESTAMP"] = timestamp
            headers["OK-ACCESS-PASSPHRASE"] = keys.passphrase
            if ask.path in _EXPIRING and ask.method == "POST":
                headers["expTime"] = str(time.now_ms() + self._order_lifetime_ms)
        return HttpRequest(method=ask.method, url=url, headers=headers, body=body.encode() if body else None)

    def payload(self, reply: Reply, server_now: Callable[[], float]) -> Any:
        """The envelope of a successful reply (a batch that succeeded in part counts as success)."""
        good = 200 <= reply.status < 300
        try:
            body = reply.json()
        except BadReply:
            if good:
                raise
            raise refusal(reply, None) from None
        code = body.get("code") if isinstance(body, dict) else None
        if good and type(code) not in {str, int}:
            raise bad_reply(reply, "the field 'code' is missing or not text")
        if not good or str(code) not in {"0", "2"} or _single_refused(body):
            raise refusal(reply, body)
        return body

    def order_row(self, body: Any) -> Any:
        """The only row of ``data``, which a refused order has as well."""
        data = body.get("data") if isinstance(body, dict) else None
        return data[0] if isinstance(data, list) and len(data) == 1 else None

    def read_time(self, payload: Any) -> float:
        """``ts``, in seconds."""
        return integer(first(data_of(payload), "the field 'data'"), "ts") / 1000

    def outcome_unknown(self, error: VenueUnavailable) -> bool:
        """True for all codes except those that mean nothing was done."""
        return error.code not in OUTCOME_KNOWN

    def shuts(self, ask: Ask, error: RateLimited) -> str:
        """50061 counts the orders of the whole account, 50011 the calls of one endpoint; without a code it is OKX's network edge."""
        if error.code == "50061":
            return ask.door.partition(":")[0]
        return ask.door if error.code else ""


def _single_refused(body: dict[str, Any]) -> bool:
    """Whether the only item was refused; an item's code takes precedence over the envelope's."""
    items = body.get("data")
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        return False
    code = items[0].get("sCode")
    return code is not None and str(code) not in {"", "0"}
