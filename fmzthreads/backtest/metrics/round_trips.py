"""Round trips: what was opened and closed again, first in, first out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..config.settings import BacktestSettings
from .fills import BacktestFill, ProfitRule, market_of
from .price_ranges import PriceRanges

__all__ = ["RoundTrip", "round_trips"]

_DUST = 1e-9
"""Amounts have nine decimals; a smaller rest comes from adding doubles."""

Place = tuple[int, str]
"""An exchange's place and a symbol."""


class RoundTrip(NamedTuple):
    """An amount that was opened by one fill and closed by another one.

    Attributes:
        exchange: The place of its exchange, from 0.
        symbol: FMZ's symbol.
        side: ``long`` or ``short``.
        amount: Coins or contracts.
        entry_ms: When it was opened.
        exit_ms: When it was closed.
        entry: The price at which it was opened.
        exit: The price at which it was closed.
        fee: Its share of the fees of both fills, in quote currency.
        profit: Its profit after fees, in quote currency.
        value: What it was worth when it was opened, in quote currency.
        worst: The worst price change against it while it was held, as a share of the entry price, 0 or negative; None without prices.
        best: The best price change for it, 0 or positive; None without prices.
    """

    exchange: int
    symbol: str
    side: str
    amount: float
    entry_ms: int
    exit_ms: int
    entry: float
    exit: float
    fee: float
    profit: float
    value: float
    worst: float | None = None
    best: float | None = None

    def row(self) -> dict[str, Any]:
        """It as a dict, ready for JSON."""
        return self._asdict()


class _Lot:
    """What is left of a fill that opened."""

    __slots__ = ("fill", "left", "sign")

    def __init__(self, fill: BacktestFill, left: float, sign: int) -> None:
        self.fill = fill
        self.left = left
        self.sign = sign


def round_trips(
    fills: Iterable[BacktestFill], settings: BacktestSettings, ranges: Mapping[Place, PriceRanges] | None = None
) -> list[RoundTrip]:
    """Pairs fills that close with those that opened, first in, first out, in the order in which they were closed.

    Spot coins count from what there was at the start: selling coins that were there is a short trip, which buying them back closes.

    Args:
        fills: In the order of their times.
        settings: The backtest's settings.
        ranges: The prices of the symbols, for the worst and the best change; may be absent.
    """
    lots: dict[tuple[int, str, str], deque[_Lot]] = {}
    found: list[RoundTrip] = []
    for fill in fills:
        held = lots.setdefault((fill.exchange, fill.symbol, fill.position), deque())
        market = market_of(settings, fill.exchange, fill.symbol)
        prices = (ranges or {}).get((fill.exchange, fill.symbol))
        left = fill.amount
        while left > _DUST and held and held[0].sign != fill.sign:
            lot = held[0]
            amount = min(left, lot.left)
            found.append(_trip(lot.fill, fill, amount, market, prices))
            left -= amount
            lot.left -= amount
            if lot.left <= _DUST:
                held.popleft()
        if left > _DUST and _opens(fill):
            held.append(_Lot(fill, left, fill.sign))
    return found


def _opens(fill: BacktestFill) -> bool:
    """Whether the rest of a fill opens: in a net position always, else only in the position's own direction."""
    return fill.position == "net" or fill.side == ("buy" if fill.position == "long" else "sell")


def _trip(
    opened: BacktestFill, closed: BacktestFill, amount: float, market: ProfitRule, prices: PriceRanges | None
) -> RoundTrip:
    fee = sum(
        market.in_quote(fill.fee, fill.price) * amount / fill.amount
        for fill in (opened, closed)
        if fill.fee is not None
    )
    worst, best = _changes(opened, closed, prices)
    return RoundTrip(
        exchange=closed.exchange,
        symbol=closed.symbol,
        side="long" if opened.sign > 0 else "short",
        amount=amount,
        entry_ms=opened.time_ms,
        exit_ms=closed.time_ms,
        entry=opened.price,
        exit=closed.price,
        fee=fee,
        profit=opened.sign * market.profit(opened.price, closed.price, amount) - fee,
        value=market.value(opened.price, amount),
        worst=worst,
        best=best,
    )


def _changes(
    opened: BacktestFill, closed: BacktestFill, prices: PriceRanges | None
) -> tuple[float | None, float | None]:
    if prices is None:
        return None, None
    low, high = prices.between(opened.time_ms, closed.time_ms)
    low, high = min(low, opened.price, closed.price), max(high, opened.price, closed.price)
    down, up = low / opened.price - 1, high / opened.price - 1
    return (down, up) if opened.sign > 0 else (-up, -down)


def busy_ms(fills: Sequence[BacktestFill], end_ms: int) -> int:
    """How long any position was open, in milliseconds.

    Args:
        fills: In the order of their times.
        end_ms: When what is still open ends.
    """
    held: dict[tuple[int, str, str], float] = {}
    since: int | None = None
    total = 0
    for fill in fills:
        key = (fill.exchange, fill.symbol, fill.position)
        amount = held.get(key, 0.0) + fill.sign * fill.amount
        if abs(amount) <= _DUST:
            held.pop(key, None)
        else:
            held[key] = amount
        if held and since is None:
            since = fill.time_ms
        elif not held and since is not None:
            total += fill.time_ms - since
            since = None
    return total + (end_ms - since if since is not None else 0)
