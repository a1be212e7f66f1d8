"""The figures of FMZ's own report, computed as its guide words them; they are not comparable with those of other tools.

Source: FMZ's user guide, backtest report.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from ..config.settings import BacktestSettings
from .figure import DAY_MS, Undefined, Value, Wanted

__all__ = ["fmz_figures"]

_WANTED = (
    Wanted("totalAssets", "totalAssets", "money", "T, the worth of all accounts at the start"),
    Wanted("yearDays", "yearDays", "count", "Y, the days of a year"),
    Wanted("totalReturns", "totalReturns", "returns", "last LogProfit / T"),
    Wanted("annualizedReturns", "annualizedReturns", "returns", "totalReturns * Y days / (end - start), without compounding"),
    Wanted("sharpeRatio", "sharpeRatio", "ratio", "(annualizedReturns - 0.03) / volatility, 0 if volatility is 0; a day's return counts times Y, not times sqrt(Y)"),
    Wanted("volatility", "volatility", "share", "population standard deviation of each day's LogProfit change / T * Y"),
    Wanted("maxDrawdown", "maxDrawdown", "share", "highest 1 - A / peak, A = LogProfit + T, the first peak is T"),
    Wanted("maxDrawdownTime", "maxDrawdownTime", "time", "time of the highest drawdown"),
    Wanted("maxAssetsTime", "maxAssetsTime", "time", "time of the last peak; 0 if none was above T"),
    Wanted("maxDrawdownStartTime", "maxDrawdownStartTime", "time", "time of the peak before it; 0 if that is T"),
    Wanted("winningRate", "winningRate", "share", "share of LogProfit points above the point before; the first counts if above 0"),
)  # fmt: skip


def fmz_figures(
    profits: Sequence[Sequence[Any]],
    settings: BacktestSettings,
    initial: float | Undefined,
    year_days: float,
) -> dict[str, dict[str, Any]]:
    """FMZ's figures by their keys; none without a call of ``LogProfit``, as FMZ shows no report then.

    Args:
        profits: The result's ``ProfitLogs``.
        settings: The backtest's settings.
        initial: The worth of all accounts at the start.
        year_days: The days of a year.
    """
    if not profits:
        values: dict[str, Value] = dict.fromkeys(_keys(), Undefined("the strategy never called LogProfit"))
    elif isinstance(initial, Undefined):
        values = dict.fromkeys(_keys(), initial)
    elif initial <= 0:
        values = dict.fromkeys(_keys(), Undefined("the account began with nothing"))
    elif settings.end_ms <= settings.start_ms:
        values = dict.fromkeys(_keys(), Undefined("the backtest has no length"))
    else:
        values = _report([(row[0], float(row[1])) for row in profits], settings, initial, year_days)
    return {want.key: want.figure(values[want.key]) for want in _WANTED}


def _keys() -> list[str]:
    return [want.key for want in _WANTED]


def _report(
    points: list[tuple[int, float]], settings: BacktestSettings, initial: float, year_days: float
) -> dict[str, Value]:
    total = points[-1][1] / initial
    annual = total * year_days * DAY_MS / (settings.end_ms - settings.start_ms)
    volatility = statistics.pstdev(_daily(points, settings, initial, year_days))
    return {
        "totalAssets": initial,
        "yearDays": year_days,
        "totalReturns": total,
        "annualizedReturns": annual,
        "sharpeRatio": (annual - 0.03) / volatility if volatility else 0.0,
        "volatility": volatility,
        "winningRate": _winning_rate(points),
        **_drawdown(points, initial),
    }


def _daily(
    points: list[tuple[int, float]], settings: BacktestSettings, initial: float, year_days: float
) -> list[float]:
    start, end = settings.start_ms, settings.end_ms
    if (end - start) % DAY_MS:
        end = (end // DAY_MS + 1) * DAY_MS
    found, place, before = [], 0, 0.0
    for day in range(start, end, DAY_MS):
        gained = 0.0
        while place < len(points) and points[place][0] < day + DAY_MS:
            gained += points[place][1] - before
            before = points[place][1]
            place += 1
        found.append(gained / initial * year_days)
    return found


def _winning_rate(points: list[tuple[int, float]]) -> float:
    won, before = 0, 0.0
    for _, profit in points:
        won += profit > before
        before = profit
    return won / len(points)


def _drawdown(points: list[tuple[int, float]], initial: float) -> dict[str, Value]:
    peak, peak_ms = initial, 0
    best, time_ms, start_ms = 0.0, 0, 0
    for when, profit in points:
        assets = profit + initial
        if assets > peak:
            peak, peak_ms = assets, when
        if peak > 0 and 1 - assets / peak > best:
            best, time_ms, start_ms = 1 - assets / peak, when, peak_ms
    return {
        "maxDrawdown": best,
        "maxDrawdownTime": time_ms,
        "maxAssetsTime": peak_ms,
        "maxDrawdownStartTime": start_ms,
    }
