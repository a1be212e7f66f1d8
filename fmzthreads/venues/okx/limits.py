"""OKX's limits, by endpoint and two seconds, after its v5 API reference ("Rate Limits").

Public calls count per IP address, private ones per account, orders also per instrument; where OKX's windows begin is not documented, so
no stretch of two seconds exceeds a limit.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...errors import FmzError
from ..limits.limiter import Count, Limiter
from ..limits.table import Bucket
from ..limits.windows import SlidingWindow
from ..rest.ask import Ask, Params
from .refusals import LIMIT_WINDOW_S

__all__ = ["ACCOUNT_ORDERS", "OKXLimits", "raw_door"]

ACCOUNT_ORDERS = "orders of the account"
"""The group of new and changed orders of an account, on all its instruments."""

_PREFIX = "/api/v5/"
_PLACES = frozenset({"trade/order", "trade/amend-order", "trade/batch-orders", "trade/amend-batch-orders"})
_BATCHES = {
    "trade/batch-orders": "trade/order", "trade/cancel-batch-orders": "trade/cancel-order", "trade/amend-batch-orders": "trade/amend-order",
}  # fmt: skip
"""Each list of orders, and the endpoint that a list of one counts towards."""
_BATCH_LIMIT = 300  # orders
_ONE_LIMIT = 60
_PER_INSTRUMENT = frozenset({
    "trade/order", "trade/cancel-order", "trade/amend-order", "GET trade/order", "trade/order-algo", "trade/close-position",
    "public/funding-rate", "public/funding-rate-history", "public/mark-price",
})  # fmt: skip
_BY_LIMIT = {
    100: "market/trades",
    60: "trade/order GET:trade/order trade/cancel-order trade/amend-order trade/orders-pending trade/fills",
    40: "market/books market/candles trade/orders-history",
    20: "public/instruments market/ticker market/tickers market/books-rpi market/history-candles market/history-trades "
    "public/price-limit account/instruments account/set-leverage account/leverage-info trade/orders-history-archive "
    "trade/orders-algo-pending trade/order-algo trade/close-position trade/cancel-algos",
    12: "asset/currencies asset/balances",
    10: "public/time market/books-full public/funding-rate public/funding-rate-history public/mark-price account/balance "
    "account/positions trade/fills-history account/bills",
    5: "account/config account/set-position-mode account/trade-fee",
    2: "trade/cancel-all-after",
}
_LIMITS = {name.replace(":", " "): limit for limit, names in _BY_LIMIT.items() for name in names.split()}


def raw_door(method: str, path: str, params: Params) -> tuple[str, int]:
    """The group and the limit of a raw call; limit 0 where the reference names none.

    Args:
        method: The HTTP method.
        path: The path from the root.
        params: The parameters.
    """
    name = path.removeprefix(_PREFIX)
    if method == "GET" and f"GET {name}" in _LIMITS:
        name = f"GET {name}"
    limit = _LIMITS.get(name, 0)
    if not limit:
        return path, 0
    given = dict(params)
    instrument = given.get("instId") if name in _PER_INSTRUMENT else None
    return f"{name}:{instrument}" if instrument else name, limit


class OKXLimits:
    """The limits of one account and its address.

    Args:
        limiter: Counts.
        account: The access key; empty for none.
        account_orders: The most new and changed orders of the account in two seconds, on all instruments; 0 for no such limit: spot and
            margin are exempt from the one of 1,000.
    """

    def __init__(self, limiter: Limiter, account: str, account_orders: int = 0) -> None:
        self._account = account
        self._address = Bucket.of("", "", ())
        self._all_orders = (
            Bucket.of(
                account, ACCOUNT_ORDERS, (SlidingWindow("orders of the account", account_orders, LIMIT_WINDOW_S),)
            )
            if account_orders
            else None
        )
        # Grows by one entry for each endpoint and instrument used; replaced by single operations, so without a lock.
        self._known: dict[tuple[str, int, bool], Bucket] = {}

    def counts(self, ask: Ask) -> Sequence[Count]:
        """The endpoint's bucket, and that of all orders; the address is there to be blocked."""
        counts: list[Count] = [(self._address, ())]
        name = ask.path.removeprefix(_PREFIX)
        orders = 1
        if name in _BATCHES and ask.method == "POST":
            amounts = _instruments(ask)
            orders = sum(amounts.values())
            single, limit = (_BATCHES[name], _ONE_LIMIT) if orders == 1 else (name, _BATCH_LIMIT)
            counts += [(self._bucket(f"{single}:{inst}", limit, True), (amount,)) for inst, amount in amounts.items()]
        elif ask.limit:
            counts.append((self._bucket(ask.door, ask.limit, ask.signed), (1,)))
        if self._all_orders is not None and name in _PLACES and ask.method == "POST":
            counts.append((self._all_orders, (orders,)))
        return counts

    def _bucket(self, door: str, limit: int, signed: bool) -> Bucket:
        key = (door, limit, signed)
        found = self._known.get(key)
        if found is None:
            window = SlidingWindow(f"calls of {door}", limit, LIMIT_WINDOW_S)
            found = self._known[key] = Bucket.of(self._account if signed else "", door, (window,))
        return found

    def turn(self, ask: Ask) -> threading.Lock | None:
        """None: requests may overtake each other."""
        return None

    def refund(self, ask: Ask, counts: Sequence[Count], error: FmzError | None) -> None:
        """Nothing: OKX counts refused calls too."""


def _instruments(ask: Ask) -> Counter[str]:
    """How many orders of a list are for each instrument."""
    try:
        items: Any = json.loads(ask.raw) if ask.raw else [dict(ask.params)]
    except ValueError:
        items = []
    rows = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return Counter(str(row.get("instId") or row.get("instIdCode")) for row in rows) or Counter({"": 1})
