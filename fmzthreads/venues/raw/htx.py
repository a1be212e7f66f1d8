"""HTX (Huobi) spot and its contracts, after its API references ("Authentication")."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from ...exchange.keys.credentials import Credentials
from ...exchange.keys.signing import encode_query
from ...http.client import HttpRequest
from ..rest.ask import Ask
from ..rest.order_calls import OrderCalls
from ..rest.parsing import integer, mapping
from ..rest.server_time import ServerTime
from .protocol import RawProtocol, json_body
from .signatures import htx_query, htx_signature
from .venue import RawVenue

__all__ = ["HTX", "FuturesHuobiDM", "Huobi"]

_PUBLIC = re.compile(
    r"/market/.*|/v1/common/.*|/v[12]/settings/common/.*|/v2/reference/.*|/v2/market-status|/v5/market/.*|/heartbeat/?|/index/.*"
    r"|(?:/v2)?/(?:linear-swap-ex|swap-ex|market)/.*|/v2/etp/(?:reference|rebalance)"
    r"|/(?:linear-swap-api|swap-api)/v1/.*|/api/v1/.*|/(?:linear-swap-api|swap-api|api)/v3/(?:swap|contract)_liquidation_orders"
)
# Of the account, although they lie among the public paths.
_PRIVATE = re.compile(
    r".*/(?:contract|swap)_(?:sub_auth_list|api_trading_status)|/v2/reference/transact-fee-rate"
    r"|/v5/market/(?:risk/limit|assets_deduction_currency|multi_assets_margin)"
)


class HtxProtocol(RawProtocol):
    """The signature is part of the query; a POST has its parameters as JSON in the body."""

    default_base = "https://api.huobi.pro"
    order_calls = OrderCalls(
        r"/v1/order/(orders/place|batch-orders|auto/place)",
        r"/v2/algo-orders",
        r"/api/v1/(contract_(batch|trigger_|tpsl_|track_)?order|contract_relation_tpsl_order|lightning_close_position)",
        r"/(linear-)?swap-api/v1/swap_(cross_)?((batch|trigger_|tpsl_|track_|relation_tpsl_)?order|lightning_close_position)",
        r"/v5/trade/(order|batch_orders|position|position_all)",
        r"/v5/algo/order",
    )
    time_ask = Ask(path="/v1/common/timestamp")

    def is_signed(self, method: str, path: str) -> bool:
        """All but the GETs of market data; of the contracts' GETs below ``.../v1`` nearly all are public."""
        return not (method == "GET" and _PUBLIC.fullmatch(path)) or _PRIVATE.fullmatch(path) is not None

    def build(self, ask: Ask, url: str, keys: Credentials, time: ServerTime) -> HttpRequest:
        """Signs method, host, path and sorted query."""
        in_query = ask.method in {"GET", "DELETE"} or bool(ask.raw)
        params = ask.params if in_query else ()
        body = ask.raw if in_query else json_body(ask)
        if ask.signed:
            where = urlsplit(url)
            stamp = f"{datetime.fromtimestamp(time.now(), tz=UTC):%Y-%m-%dT%H:%M:%S}"
            given = [(name, value) for name, value in params if value is not None]
            query = htx_query(keys.access_key, stamp, given)
            signature = htx_signature(keys.secret_key, ask.method, where.hostname or "", where.path, query)
            query = f"{query}&Signature={quote(signature, safe='')}"
        else:
            query = encode_query(params)
        headers = {"Content-Type": "application/json"} if body else {}
        return HttpRequest(
            method=ask.method,
            url=f"{url}?{query}" if query else url,
            headers=headers,
            body=body.encode() if body else None,
        )

    def refusal_of(self, body: Any) -> tuple[str, str] | None:
        """``status`` of the older paths, ``code`` of the newer ones (200 is success)."""
        if not isinstance(body, dict):
            return None
        if body.get("status") == "error":
            code = body.get("err-code", body.get("err_code", "error"))
            return str(code), str(body.get("err-msg", body.get("err_msg", "")))
        code = body.get("code")
        if code is not None and str(code) not in {"200", "0"}:
            return str(code), str(body.get("message", body.get("msg", "")))
        return None

    def read_time(self, payload: Any) -> float:
        """``data`` of the spot API, ``ts`` of the contracts'."""
        said = mapping(payload, "the reply")
        return integer(said, "data" if "data" in said else "ts") / 1000


class _ContractsProtocol(HtxProtocol):
    default_base = "https://api.hbdm.com"
    time_ask = Ask(path="/api/v1/timestamp")


class HTX(RawVenue):
    """HTX spot, by signed raw calls; see ``RawVenue``."""

    name = "HTX"
    protocol_class = HtxProtocol


class Huobi(HTX):
    """HTX spot under its older name."""

    name = "Huobi"


class FuturesHuobiDM(HTX):
    """HTX's contracts (``api.hbdm.com``), by signed raw calls; see ``RawVenue``."""

    name = "Futures_HuobiDM"
    protocol_class = _ContractsProtocol
