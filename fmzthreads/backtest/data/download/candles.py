"""The public candles of Binance and OKX, page by page, oldest first.

Sources: Binance's API documentation, "Kline/Candlestick data" (spot and USD-M futures); OKX's API guide v5, "Get candlesticks history".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import attrs

from ....clock import Clock, WallClock
from ....errors import (
    BadReply,
    Banned,
    InputError,
    RateLimited,
    UnknownName,
    UnknownSymbol,
    VenueUnavailable,
    excerpt,
    nearest,
    short_repr,
)
from ....http.client import HttpClient, HttpOptions
from ....http.reply import Reply, retry_after_s
from ....http.request import HttpRequest

__all__ = ["CANDLE_VENUES", "CandlePages"]

_HOURS = {"1h": "1H", "2h": "2H", "4h": "4H", "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}
_MINUTES = ("1m", "3m", "5m", "15m", "30m")
_PERIODS = {
    "1s": 1000, "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "6h": 21_600_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
_DAY_MS = 86_400_000


@attrs.frozen
class _CandleVenue:
    """How a venue's candles are asked for."""

    base: str
    swap_base: str
    page: int
    pause_s: float
    periods: tuple[str, ...]


CANDLE_VENUES = {
    "binance": _CandleVenue("https://api.binance.com", "https://fapi.binance.com", 1000, 0.05, tuple(_PERIODS)),
    "okx": _CandleVenue("https://www.okx.com", "https://www.okx.com", 100, 0.11, (*_MINUTES, *_HOURS)),
}
"""The venues by name."""

Row = tuple[int, str, str, str, str, str]


class CandlePages:
    """The candles of one symbol.

    Args:
        venue: ``binance`` or ``okx``.
        symbol: FMZ's symbol, such as ``BTC_USDT`` or ``BTC_USDT.swap``.
        period: The period, such as ``1m``.
        base: Another base URL; empty for the venue's own.
        clock: Waits between pages, and says which candles are over.

    Raises:
        UnknownName: There is no such venue, or no such period there.
        InputError: The symbol is not in FMZ's form.
    """

    def __init__(self, venue: str, symbol: str, period: str, *, base: str = "", clock: Clock | None = None) -> None:
        name = venue.lower()
        if name not in CANDLE_VENUES:
            raise UnknownName(f"no venue {venue!r} to download candles from{nearest(venue, CANDLE_VENUES)}")
        self._venue = CANDLE_VENUES[name]
        if period not in self._venue.periods:
            raise UnknownName(f"{venue} has no candles of the period {period!r}{nearest(period, self._venue.periods)}")
        self.period_ms = _PERIODS[period]
        """The period, in milliseconds."""
        pair, _, contract = symbol.partition(".")
        self._parts = pair.split("_")
        if len(self._parts) != 2 or contract not in {"", "swap"}:
            raise InputError(f"the symbol {symbol!r}: expected FMZ's form, such as BTC_USDT or BTC_USDT.swap")
        self._swap = bool(contract)
        self._base = (base or (self._venue.swap_base if contract else self._venue.base)).rstrip("/")
        self._okx = name == "okx"
        self._bar = {**dict(zip(_MINUTES, _MINUTES, strict=True)), **_HOURS}[period] if self._okx else period
        self._clock: Clock = clock if clock is not None else WallClock()
        self._client = HttpClient(clock=self._clock, options=HttpOptions(timeout_ms=60_000))

    def pages(self, from_ms: int, to_ms: int) -> Iterator[list[Row]]:
        """Pages of candles with ``from_ms <= time < to_ms`` that are over: time in ms, open, high, low, close, volume as texts.

        Raises:
            UnknownSymbol: The venue does not know the symbol.
            BadReply: An answer is not in the venue's form.
            OperationFailed: The venue cannot be reached.
        """
        place = -(-from_ms // self.period_ms) * self.period_ms
        span = self._venue.page * self.period_ms
        while place < to_ms:
            over_ms = self._clock.now_ns() // 1_000_000 - self.period_ms
            if place > over_ms:
                return
            page = self._page(place, min(place + span, to_ms))
            if page and page[-1][0] > over_ms + self.period_ms + _DAY_MS:
                raise BadReply(
                    f"{self._base} answered with a candle of {page[-1][0]} ms, in the future of this machine's clock"
                    f" ({over_ms + self.period_ms} ms)"
                )
            rows = [row for row in page if place <= row[0] < to_ms and row[0] <= over_ms]
            if rows:
                yield rows
                place = max(place + span, rows[-1][0] + self.period_ms) if self._okx else rows[-1][0] + self.period_ms
            elif self._okx:
                place += span
            else:
                return  # Binance gives the next candles there are, whenever they began
            self._clock.sleep(self._venue.pause_s)

    def _page(self, from_ms: int, to_ms: int) -> list[Row]:
        base, quote = self._parts
        if self._okx:
            query: dict[str, Any] = {
                "instId": f"{base}-{quote}{'-SWAP' if self._swap else ''}",
                "bar": self._bar,
                "after": to_ms,
                "limit": self._venue.page,
            }
            path = "/api/v5/market/history-candles"
            answer = self._ask(f"{self._base}{path}?{urlencode(query)}")
            data = answer.get("data") if isinstance(answer, dict) else answer
            return _candles(data[::-1] if isinstance(data, list) else data, answer, f"{self._base}{path}")
        query = {"symbol": f"{base}{quote}", "interval": self._bar, "startTime": from_ms, "limit": self._venue.page}
        path = "/fapi/v1/klines" if self._swap else "/api/v3/klines"
        answer = self._ask(f"{self._base}{path}?{urlencode(query)}")
        candles = _candles(answer, answer, f"{self._base}{path}")
        if candles and candles[0][0] < from_ms:
            raise BadReply(f"{self._base}{path} answered with candles from {candles[0][0]} ms, asked from {from_ms} ms")
        return candles

    def _ask(self, url: str) -> Any:
        return self._client.call(lambda: HttpRequest("GET", url), _decoded, idempotent=True)


def _decoded(reply: Reply) -> Any:
    origin: dict[str, Any] = {"request": reply.request, "status": reply.status}
    if reply.status in {418, 429}:
        kind = (
            Banned if reply.status == 418 else RateLimited
        )  # Binance's 418: a ban, which further requests make longer
        text = f"the venue answered {reply.status}: {excerpt(reply.text)}"
        raise kind(text, retry_after_s=retry_after_s(reply), **origin)
    if reply.status >= 500:
        raise VenueUnavailable(f"the venue answered {reply.status}: {excerpt(reply.text)}", **origin)
    answer = reply.json()
    code = str(answer.get("code", "0")) if isinstance(answer, dict) else "0"
    if code in {"-1121", "51001"}:
        raise UnknownSymbol(f"the venue does not know the symbol: {excerpt(reply.text)}")
    if code == "50011":
        raise RateLimited(f"the venue answered {code}: {excerpt(reply.text)}", **origin)
    if reply.status != 200 or code != "0":
        raise BadReply(f"expected candles: {excerpt(reply.text)}", **origin)
    return answer


def _candles(rows: Any, answer: Any, where: str) -> list[Row]:
    if not isinstance(rows, list):
        raise BadReply(f"{where}: expected rows of time, open, high, low, close, volume: {excerpt(str(answer))}")
    found = []
    for row in rows:
        try:
            found.append(_row(row))
        except (TypeError, ValueError, IndexError, KeyError):
            raise BadReply(
                f"{where}: expected rows of time, open, high, low, close, volume, got {short_repr(row)}"
            ) from None
    for before, after in pairwise(found):
        if after[0] <= before[0]:
            raise BadReply(
                f"{where}: expected candles in the order of their times, each once; one of {after[0]} ms"
                f" follows one of {before[0]} ms"
            )
    return found


_TIME = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")


def _row(row: Sequence[Any]) -> Row:
    """One candle, as texts; its prices lie between the low and the high.

    Raises:
        TypeError, ValueError, IndexError, KeyError: The row is not a candle.
    """
    time_ms, *numbers = (str(value).strip() for value in row[:6])
    first, high, low, last, volume = numbers
    open_, top, bottom, close, amount = map(float, numbers)
    if not _TIME.fullmatch(time_ms) or not all(map(_NUMBER.fullmatch, numbers)):
        raise ValueError(row)
    if not 0 < bottom <= min(open_, close) <= max(open_, close) <= top < math.inf or not amount < math.inf:
        raise ValueError(row)
    return int(time_ms), first, high, low, last, volume
