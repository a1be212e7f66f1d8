"""Binance's limits and bans ("LIMITS" in Binance's documentation)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ...engine.events import Event, OrderEvent
from ...engine.exchange import SimulatedExchange
from ...engine.orders import State
from ..windows import AlignedWindows
from .parameters import BinanceRefusal

__all__ = ["CONTRACT_LIMITS", "SPOT_LIMITS", "BinanceLimits", "OrderLimit", "ProductLimits", "banned"]

_MINUTE, _FIVE_MINUTES, _TEN_SECONDS, _DAY = 60, 300, 10, 86_400
# How much the first fill of an order lowers the count: 1 for a taker, more for a maker (the example of Binance's documents).
_GIVEN_BACK_TAKER, _GIVEN_BACK_MAKER = 1, 5
# A client is banned after this many 429 replies within a minute; the venue does not publish its own figure.
_REFUSALS_BEFORE_BAN = 20
_FIRST_BAN_S = 120

Headers = tuple[tuple[str, str], ...]


@attrs.frozen
class OrderLimit:
    """How many orders an account may place in a window.

    Attributes:
        limit: The number.
        period_s: The length of the window, in seconds.
        interval: Binance's name of the unit.
        number: How many units it lasts.
        header: The last part of the header with the count.
    """

    limit: int
    period_s: int
    interval: str
    number: int
    header: str


@attrs.frozen
class ProductLimits:
    """The limits of one product.

    Attributes:
        weight: Request weight per window.
        raw: Requests in five minutes; None for no limit.
        orders: The limits of orders.
        gives_back: Whether fills lower the count of orders.
    """

    weight: int
    raw: int | None
    orders: tuple[OrderLimit, ...]
    gives_back: bool


SPOT_LIMITS = ProductLimits(
    6000,
    300_000,
    (OrderLimit(100, _TEN_SECONDS, "SECOND", 10, "10S"), OrderLimit(200_000, _DAY, "DAY", 1, "1D")),
    True,
)
# USDⓈ-M and COIN-M share these since 2026-06-30.
CONTRACT_LIMITS = ProductLimits(
    2400,
    None,
    (OrderLimit(300, _TEN_SECONDS, "SECOND", 10, "10S"), OrderLimit(1200, _MINUTE, "MINUTE", 1, "1M")),
    False,
)


class BinanceLimits:
    """Counts, refuses and bans. Thread-safe, because any thread may fill orders.

    Args:
        exchanges: The exchanges with the orders to count; several products may share their limits.
        now_ms: The exchange's time.
        scale: All limits are multiplied by it; 0 switches them off.
        weight_window_s: The length of the window of request weight, in seconds.
        table: The limits.
    """

    def __init__(
        self,
        exchanges: Iterable[SimulatedExchange],
        now_ms: Callable[[], int],
        scale: float,
        weight_window_s: int = _MINUTE,
        table: ProductLimits = SPOT_LIMITS,
    ) -> None:
        self._table = table
        self._now_ms = now_ms
        self._lock = threading.Lock()  # guards all counts below
        self._weights = AlignedWindows(_scaled(table.weight, scale), weight_window_s)
        number, unit = _interval(weight_window_s)
        self._weight_period = f"{number} {unit}"
        self._weight_header = f"X-MBX-USED-WEIGHT-{number}{unit[0]}"
        self._raw = AlignedWindows(_scaled(table.raw, scale), _FIVE_MINUTES)
        self._refusals = AlignedWindows(_REFUSALS_BEFORE_BAN if scale else None, _MINUTE)
        self._orders = [AlignedWindows(_scaled(row.limit, scale), row.period_s) for row in table.orders]
        self._banned: dict[str, tuple[int, int]] = {}  # client -> until (ms), length (s)
        for exchange in exchanges:
            exchange.subscribe(self._take, (OrderEvent,))

    # --- requests ---

    def check_ban(self, client: str, now_ms: int) -> None:
        """Refuses every call from a banned IP address.

        Raises:
            BinanceRefusal: -1003 with HTTP 418.
        """
        until_ms, _ = self._banned.get(client, (0, 0))
        if now_ms < until_ms:
            raise banned(until_ms, now_ms)

    def check_request(self, client: str, now_ms: int, weight: int) -> None:
        """Refuses a request over a limit; bans repeated offenders, doubling the time.

        Raises:
            BinanceRefusal: -1003 with HTTP 429, or 418.
        """
        with self._lock:
            self._raw.add(client, now_ms)
            for windows, what in (
                (self._weights, f"request weight per {self._weight_period}"),
                (self._raw, "requests per 5 MINUTE"),
            ):
                if windows.would_exceed(client, now_ms, weight if windows is self._weights else 0):
                    raise self._too_much(client, now_ms, windows, what)

    def _too_much(self, client: str, now_ms: int, windows: AlignedWindows, what: str) -> BinanceRefusal:
        if self._refusals.limit is not None and self._refusals.add(client, now_ms) > self._refusals.limit:
            length_s = self._banned.get(client, (0, _FIRST_BAN_S // 2))[1] * 2
            until_ms = now_ms + length_s * 1000
            self._banned[client] = (until_ms, length_s)
            return banned(until_ms, now_ms)
        return BinanceRefusal(
            -1003,
            f"Too much request weight used; current limit is {windows.limit} {what}. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
            headers=(("Retry-After", str(windows.retry_after_s(now_ms))),),
        )

    def add_weight(self, client: str, now_ms: int, weight: int) -> None:
        """Counts the weight of a request."""
        with self._lock:
            self._weights.add(client, now_ms, weight)

    def used(self, client: str, now_ms: int) -> Headers:
        """The headers of every reply; none without limits."""
        if self._weights.limit is None:
            return ()
        used = str(self._weights.count(client, now_ms))
        return ("X-MBX-USED-WEIGHT", used), (self._weight_header, used)

    # --- orders ---

    def _take(self, event: Event) -> None:
        """Counts an accepted order, and lowers the count at its first fill."""
        if not isinstance(event, OrderEvent):
            return
        if event.amended or event.triggered:
            amount = 0
        elif event.fill is None:
            amount = 1 if event.order.state is State.NEW else 0
        elif self._table.gives_back and event.order.filled == event.fill.quantity:  # this is the first fill
            amount = -(_GIVEN_BACK_MAKER if event.fill.is_maker else _GIVEN_BACK_TAKER)
        else:
            amount = 0
        if amount:
            now_ms = self._now_ms()
            with self._lock:
                for windows in self._orders:
                    windows.add(event.account, now_ms, amount)

    def check_order(self, account: str, now_ms: int) -> None:
        """Refuses an order over the limit.

        Raises:
            BinanceRefusal: -1015 with HTTP 429.
        """
        for windows, row in zip(self._orders, self._table.orders, strict=True):
            period = f"{row.number} {row.interval}"
            if windows.would_exceed(account, now_ms):
                raise BinanceRefusal(
                    -1015,
                    f"Too many new orders; current limit is {windows.limit} orders per {period}.",
                    429,
                    headers=(("Retry-After", str(windows.retry_after_s(now_ms))),),
                )

    def order_counts(self, account: str, now_ms: int) -> list[int]:
        """The orders of an account in the current window of each limit."""
        return [windows.count(account, now_ms) for windows in self._orders]

    def order_headers(self, account: str, now_ms: int) -> Headers:
        """The headers of the reply to an accepted order; none without limits."""
        if self._orders[0].limit is None:
            return ()
        counts = zip(self._table.orders, self.order_counts(account, now_ms), strict=True)
        return tuple((f"X-MBX-ORDER-COUNT-{row.header}", str(count)) for row, count in counts)

    # --- what they are ---

    def report(self, client: str, now_ms: int, account: str | None) -> list[dict[str, Any]]:
        """The limits and counts in WebSocket API answers; order limits only with an account."""
        if self._weights.limit is None:
            return []
        weight = self.describe()[0]
        rows = self.order_report(account, now_ms) if account is not None else []
        return [*rows, {**weight, "count": self._weights.count(client, now_ms)}]

    def order_report(self, account: str, now_ms: int) -> list[dict[str, Any]]:
        """The order limits with an account's counts; none where limits are switched off."""
        limits = [limit for limit in self.describe() if limit["rateLimitType"] == "ORDERS"]
        return [
            {**limit, "count": count} for limit, count in zip(limits, self.order_counts(account, now_ms), strict=False)
        ]

    def describe(self) -> list[dict[str, Any]]:
        """The limits in ``exchangeInfo``; none where they are switched off."""
        number, unit = _interval(self._weights.period_s)
        rows = (
            ("REQUEST_WEIGHT", unit, number, self._weights.limit),
            *(
                ("ORDERS", row.interval, row.number, windows.limit)
                for row, windows in zip(self._table.orders, self._orders, strict=True)
            ),
            ("RAW_REQUESTS", "MINUTE", 5, self._raw.limit),
        )
        return [
            _rate_limit(kind, interval, number, limit) for kind, interval, number, limit in rows if limit is not None
        ]


def banned(until_ms: int, now_ms: int) -> BinanceRefusal:
    """The refusal sent to a banned IP address."""
    return BinanceRefusal(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        418,
        headers=(("Retry-After", str(max(1, -(-(until_ms - now_ms) // 1000)))),),
    )


def _scaled(limit: int | None, scale: float) -> int | None:
    return max(1, round(limit * scale)) if scale and limit is not None else None


def _interval(length_s: int) -> tuple[int, str]:
    """A length as Binance names it, such as 1 MINUTE."""
    return (length_s, "SECOND") if length_s % _MINUTE else (length_s // _MINUTE, "MINUTE")


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
