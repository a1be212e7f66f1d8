"""Binance's limits, as ``exchangeInfo`` publishes them, and what its calls weigh ("LIMITS" in its spot documents).

The weight and the number of requests count per IP address, orders per account. Windows are aligned to Binance's clock.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import FmzError, VenueRejected
from ..limits.limiter import Count, Limiter
from ..limits.table import Bucket
from ..limits.windows import FIRST_CELL, AlignedWindow
from ..rest.ask import Ask, Params

__all__ = ["FUTURES_LIMITS", "ORDER_DOOR", "SPOT_LIMITS", "BinanceRateLimits", "LimitRow", "raw_cost", "read_limits"]

ORDER_DOOR = "orders"
"""The group of requests that place orders."""

LimitRow = tuple[str, int, int]
"""Type, length of the window in seconds, limit."""

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
SPOT_LIMITS: tuple[LimitRow, ...] = (
    ("REQUEST_WEIGHT", 60, 6000),
    ("RAW_REQUESTS", 300, 300_000),
    ("ORDERS", 10, 100),
    ("ORDERS", 86_400, 200_000),
)
FUTURES_LIMITS: tuple[LimitRow, ...] = (("REQUEST_WEIGHT", 60, 2400), ("ORDERS", 10, 300), ("ORDERS", 60, 1200))
"""Of USD-margined and coin-margined contracts together (since 2026-06-30)."""

_MOST_WINDOWS = 4  # of one bucket; a record has no room for more
_LEARNED = "Binance rateLimits"
_WEIGHT_USED = "weight used"
_UNLIMITED = AlignedWindow(_WEIGHT_USED, 2**24 - 1, 60)


def read_limits(payload: Mapping[str, Any]) -> tuple[LimitRow, ...] | None:
    """The rows of ``rateLimits``; None where the reply has none. An empty list means that nothing is limited."""
    found = payload.get("rateLimits")
    if not isinstance(found, list):
        return None
    limits = []
    for row in found:
        # A row of another form is one that says nothing: it must not cost the symbols beside it.
        if isinstance(row, dict):
            number, limit = row.get("intervalNum"), row.get("limit")
            unit = _SECONDS.get(str(row.get("interval")))
            if unit and type(number) is int and 0 < number <= 10_000 and type(limit) is int and limit > 0:
                limits.append((str(row.get("rateLimitType")), number * unit, min(limit, 2**24 - 1)))
    return tuple(limits) if limits or not found else None


class BinanceRateLimits:
    """The limits of one account and its address.

    Args:
        limiter: Counts, and keeps the published limits for all exchange objects.
        account: The access key; empty for none.
        defaults: The limits until they are published.
        gives_back: Whether a successful order or cancellation weighs nothing, and a refused order does not count as one (spot).
    """

    def __init__(
        self,
        limiter: Limiter,
        account: str,
        defaults: tuple[LimitRow, ...] = SPOT_LIMITS,
        *,
        gives_back: bool = True,
    ) -> None:
        self._limiter = limiter
        self._account = account
        self._defaults = defaults
        self._gives_back = gives_back
        self._rows: tuple[LimitRow, ...] = ()
        self._use(limiter.learned.get(_LEARNED, defaults))

    def learn(self, rows: tuple[LimitRow, ...]) -> None:
        """Uses other limits from now on, in all exchange objects at this address."""
        self._limiter.learned[_LEARNED] = rows

    def _use(self, rows: tuple[LimitRow, ...]) -> None:
        windows = _windows(rows, {"REQUEST_WEIGHT": _WEIGHT_USED, "RAW_REQUESTS": "requests"})
        self._weight = next((window for window in windows if window.what == _WEIGHT_USED), _UNLIMITED)
        self._address = Bucket.of("", "", windows)
        self._orders = Bucket.of(self._account, ORDER_DOOR, _windows(rows, {"ORDERS": "orders"}))
        self._rows = rows

    def _follow(self) -> None:
        rows = self._limiter.learned.get(_LEARNED, self._defaults)
        if rows is not self._rows:
            self._use(rows)

    def counts(self, ask: Ask) -> Sequence[Count]:
        """The weight and the request at the address; an order also at the account."""
        self._follow()
        weight = ask.weight
        address = self._address
        count = (address, tuple([weight if window.what == _WEIGHT_USED else 1 for window in address.windows]))
        if ask.door != ORDER_DOOR:
            return (count,)
        return count, (self._orders, (1,) * len(self._orders.windows))

    def turn(self, ask: Ask) -> threading.Lock | None:
        """None: requests may overtake each other."""
        return None

    def refund(self, ask: Ask, counts: Sequence[Count], error: FmzError | None) -> Sequence[tuple[int, ...]] | None:
        """A successful order or cancellation weighs nothing (since April 2026), and a refused order is not counted as one."""
        if (
            not self._gives_back
            or ask.method not in {"POST", "DELETE"}
            or "/order" not in ask.path
            or ask.path.endswith("/test")
        ):
            return None
        address, *orders = [bucket.windows for bucket, _ in counts]
        if error is None:
            weights = tuple([ask.weight if window.what == _WEIGHT_USED else 0 for window in address])
            return (weights, *[(0,) * len(windows) for windows in orders])
        if orders and isinstance(error, VenueRejected) and error.code:
            return ((0,) * len(address), *[(1,) * len(windows) for windows in orders])
        return None

    @property
    def limit(self) -> int:
        """The request weight allowed in a minute."""
        self._follow()
        return int(self._weight.limit * 60 / self._weight.length_s)

    def used(self, server_s: float) -> int:
        """The request weight used in the current window, as counted here or reported by Binance; the larger.

        Args:
            server_s: Binance's time of day, in seconds since the epoch.
        """
        self._follow()
        return self._weight.used(self._limiter.cells(self._address), int(server_s // self._weight.length_s))


def _windows(rows: Sequence[LimitRow], names: Mapping[str, str]) -> list[AlignedWindow]:
    found = [row for row in rows if row[0] in names][:_MOST_WINDOWS]
    return [
        AlignedWindow(
            names[kind], limit, length_s, cell=FIRST_CELL + number * AlignedWindow.SIZE, header=_header(kind, length_s)
        )
        for number, (kind, length_s, limit) in enumerate(found)
    ]


def _header(kind: str, length_s: int) -> str:
    name = {"REQUEST_WEIGHT": "X-MBX-USED-WEIGHT-", "ORDERS": "X-MBX-ORDER-COUNT-"}.get(kind)
    if name is None:
        return ""
    unit = next(unit for unit in ("DAY", "HOUR", "MINUTE", "SECOND") if length_s % _SECONDS[unit] == 0)
    return f"{name}{length_s // _SECONDS[unit]}{unit[0]}"


_WEIGHTS = {
    "exchangeInfo": 20, "trades": 25, "historicalTrades": 25, "historicalBlockTrades": 25, "aggTrades": 4, "klines": 2, "uiKlines": 2,
    "avgPrice": 2, "order/amendments": 4, "orderList": 4, "openOrderList": 6, "allOrderList": 20, "order": 4, "allOrders": 20,
    "account": 20, "account/commission": 20, "rateLimit/order": 40, "myPreventedMatches": 20, "myFilters": 40, "myAllocations": 20,
}  # fmt: skip
_PER_SYMBOL = {
    "ticker/24hr": (2, 80), "ticker/price": (2, 4), "ticker/bookTicker": (2, 4), "ticker/tradingDay": (4, 200), "ticker": (4, 200),
    "openOrders": (6, 80),
}  # fmt: skip
"""The weights with a symbol, and without one or for a list of them."""
_DEPTH = ((100, 5), (500, 25), (1000, 50))
_PLACES = re.compile(r"order|order/cancelReplace|sor/order|orderList/\w+")


def raw_cost(method: str, path: str, params: Params) -> tuple[str, int]:
    """The group and the weight of a raw call; weight 1 where the documents name none.

    Args:
        method: The HTTP method.
        path: The path from the root.
        params: The parameters.
    """
    name = re.sub(r"^/api/v\d+/", "", path)
    if method != "GET":
        if name == "order/amend/keepPriority":
            return "", 4
        return (ORDER_DOOR if method == "POST" and _PLACES.fullmatch(name) else ""), 1
    given = {key: str(value) for key, value in params}
    if name == "depth":
        levels = int(given["limit"]) if given.get("limit", "").isdecimal() else 100
        return "", next((weight for most, weight in _DEPTH if levels <= most), 250)
    if name == "myTrades":
        return "", 5 if "orderId" in given else 20
    if name in _PER_SYMBOL:
        one, many = _PER_SYMBOL[name]
        return "", one if "symbol" in given else many
    return "", _WEIGHTS.get(name, 1)
