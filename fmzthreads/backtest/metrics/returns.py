"""Figures of a curve's returns: growth, volatility, ratios of gain and risk, and the tail of the losses."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from .curves import Curve, returns_of, sampled
from .figure import DAY_MS, Sampling, Undefined, Value, Wanted

__all__ = ["FEWEST_FOR_TAILS", "quantile", "return_figures"]

_MOST_GROWTH = math.log(1e6)

FEWEST_FOR_TAILS = 20
"""The fewest returns of which one in twenty can be told."""

_TOTAL = (
    Wanted("total_return", "Total return", "returns", "last value / first value - 1"),
    Wanted("total_profit", "Total profit", "money", "last value - first value"),
    Wanted("annual_return", "Annualised return", "returns", "(last value / first value) ^ (year / time from first to last) - 1"),
    Wanted("calmar", "Calmar ratio", "ratio", "annualised return / maximum drawdown (share)"),
)  # fmt: skip

_SAMPLED = (
    Wanted("volatility", "Volatility", "share", "sample standard deviation of the returns * sqrt(periods a year)"),
    Wanted("sharpe", "Sharpe ratio", "ratio", "mean(return - risk-free rate / periods a year) / sample standard deviation * sqrt(periods a year)"),
    Wanted("sortino", "Sortino ratio", "ratio", "mean(excess return) / sqrt(mean(min(excess return, 0)^2)) * sqrt(periods a year)"),
    Wanted("omega", "Omega ratio", "ratio", "sum of the excess returns above 0 / sum of those below 0, as a positive number"),
    Wanted("probabilistic_sharpe", "Probabilistic Sharpe ratio", "share", "N(s * sqrt(n - 1) / sqrt(1 - skew * s + (kurtosis - 1) / 4 * s^2)), s the Sharpe ratio of one period: the probability that the true one is above 0 (Bailey and Lopez de Prado, 2012)"),
    Wanted("sharpe_p_value", "p-value of the Sharpe ratio", "share", "1 - probabilistic Sharpe ratio"),
    Wanted("var_95", "Value at risk 95 %", "returns", "5 % quantile of the returns, linear between two of them"),
    Wanted("cvar_95", "Conditional value at risk 95 %", "returns", "mean of the returns at or below the value at risk"),
    Wanted("tail_ratio", "Tail ratio", "ratio", "|95 % quantile of the returns| / |5 % quantile|"),
    Wanted("skew", "Skewness", "ratio", "mean((return - mean)^3) / population standard deviation^3"),
    Wanted("kurtosis", "Kurtosis", "ratio", "mean((return - mean)^4) / population standard deviation^4; 3 for a normal distribution"),
    Wanted("best", "Best period", "returns", "highest return of one period"),
    Wanted("worst", "Worst period", "returns", "lowest return of one period"),
)  # fmt: skip


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of ordered numbers, linear between two neighbours (as numpy's default).

    Args:
        ordered: At least one number, ascending.
        share: 0 for the lowest, 1 for the highest.
    """
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def return_figures(
    curve: Curve | Undefined,
    sampling: Sampling,
    *,
    year_days: float,
    max_drawdown: Value,
    risk_free: float = 0.0,
) -> dict[str, dict[str, Any]]:
    """The figures of one curve, by their keys.

    Args:
        curve: The curve, or why it is undefined.
        sampling: What returns are taken over.
        year_days: The days of a year.
        max_drawdown: The curve's deepest drawdown, as a share.
        risk_free: The interest a year that a return is measured against, as a share.
    """
    if isinstance(curve, Undefined):
        return {want.key: want.figure(curve) for want in _TOTAL} | {
            want.key: want.figure(curve, sampling) for want in _SAMPLED
        }
    annual = _annual(curve, year_days)
    total = {
        "total_return": _total(curve),
        "total_profit": curve.values[-1] - curve.values[0],
        "annual_return": annual,
        "calmar": _ratio(annual, max_drawdown, "there was no drawdown"),
    }
    risk = _risk(returns_of(sampled(curve, sampling.period_ms)), sampling.periods_a_year, risk_free)
    found = {want.key: want.figure(total[want.key]) for want in _TOTAL}
    return found | {
        want.key: want.figure(risk if isinstance(risk, Undefined) else risk[want.key], sampling) for want in _SAMPLED
    }


def _total(curve: Curve) -> Value:
    first = curve.values[0]
    return curve.values[-1] / first - 1 if first > 0 else Undefined("the account began with nothing")


def _annual(curve: Curve, year_days: float) -> Value:
    if curve.values[0] <= 0:
        return Undefined("the account began with nothing")
    if curve.values[-1] <= 0:
        return Undefined("the account ended at zero or below")
    if curve.span_ms < DAY_MS:
        return Undefined("the backtest is shorter than a day")
    growth = math.log(curve.values[-1] / curve.values[0]) * year_days * DAY_MS / curve.span_ms
    if growth > _MOST_GROWTH:
        return Undefined("the growth of so short a time says nothing about a year: it would be a million times or more")
    return math.expm1(growth)


def _ratio(above: Value, below: Value, when_zero: str) -> Value:
    if isinstance(above, Undefined):
        return above
    if isinstance(below, Undefined):
        return below
    return above / below if below else Undefined(when_zero)


def _risk(returns: list[float] | Undefined, periods: float, risk_free: float) -> dict[str, Value] | Undefined:
    if isinstance(returns, Undefined):
        return returns
    if len(returns) < 2:
        return Undefined(f"the backtest has {len(returns)} whole sample periods, and at least 2 are needed")
    excess = [one - risk_free / periods for one in returns]
    year, deviation = math.sqrt(periods), _deviation(returns)
    mean = statistics.fmean(excess)
    downside = math.sqrt(statistics.fmean(min(one, 0.0) ** 2 for one in excess))
    losses = -math.fsum(one for one in excess if one < 0)
    flat, no_loss = Undefined("the returns do not vary"), Undefined("no period lost")
    found: dict[str, Value] = {
        "volatility": deviation * year,
        "sharpe": mean / deviation * year if deviation else flat,
        "sortino": mean / downside * year if downside else no_loss,
        "omega": math.fsum(one for one in excess if one > 0) / losses if losses else no_loss,
        "best": max(returns),
        "worst": min(returns),
    }
    return found | _moments(returns, excess, deviation) | _tails(sorted(returns))


def _deviation(returns: Sequence[float]) -> float:
    """The sample standard deviation; 0 where returns differ by rounding only."""
    found = statistics.stdev(returns)
    return found if found > 1e-14 * max(1.0, *map(abs, returns)) else 0.0


def _moments(returns: Sequence[float], excess: Sequence[float], deviation: float) -> dict[str, Value]:
    if not deviation:
        flat = Undefined("the returns do not vary")
        return dict.fromkeys(("skew", "kurtosis", "probabilistic_sharpe", "sharpe_p_value"), flat)
    mean, spread = statistics.fmean(returns), statistics.pstdev(returns)
    skew = statistics.fmean(((one - mean) / spread) ** 3 for one in returns)
    kurtosis = statistics.fmean(((one - mean) / spread) ** 4 for one in returns)
    sharpe = statistics.fmean(excess) / deviation
    width = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    probability: Value = Undefined("skewness and kurtosis leave no width for its distribution")
    p_value: Value = probability
    if width > 0:
        z = sharpe * math.sqrt(len(returns) - 1) / math.sqrt(width)
        probability, p_value = math.erfc(-z / math.sqrt(2)) / 2, math.erfc(z / math.sqrt(2)) / 2
    return {"skew": skew, "kurtosis": kurtosis, "probabilistic_sharpe": probability, "sharpe_p_value": p_value}


def _tails(ordered: Sequence[float]) -> dict[str, Value]:
    if len(ordered) < FEWEST_FOR_TAILS:
        few = Undefined(f"{len(ordered)} returns, and at least {FEWEST_FOR_TAILS} are needed for a 5 % tail")
        return dict.fromkeys(("var_95", "cvar_95", "tail_ratio"), few)
    low, high = quantile(ordered, 0.05), quantile(ordered, 0.95)
    return {
        "var_95": low,
        "cvar_95": statistics.fmean(ordered[: math.floor((len(ordered) - 1) * 0.05) + 1]),
        "tail_ratio": abs(high) / abs(low) if low else Undefined("the 5 % quantile of the returns is 0"),
    }
