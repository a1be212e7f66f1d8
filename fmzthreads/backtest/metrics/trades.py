"""Figures of round trips: how many won, how much, how long they were held, and how far they went wrong meanwhile."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from .figure import Undefined, Value, Wanted
from .round_trips import RoundTrip

__all__ = ["trade_figures"]

_WANTED = (
    Wanted("round_trips", "Round trips", "count", "pairs of an opening and a closing fill, first in, first out; each partial close counts"),
    Wanted("long_trips", "Long round trips", "count", "those that bought first"),
    Wanted("win_rate", "Win rate", "share", "round trips with a profit above 0 after fees / round trips"),
    Wanted("payoff", "Payoff ratio", "ratio", "mean profit of winners / mean loss of losers"),
    Wanted("profit_factor", "Profit factor", "ratio", "sum of profits / sum of losses"),
    Wanted("expectancy", "Expectancy", "money", "mean profit of a round trip after fees"),
    Wanted("expectancy_share", "Expectancy of the value", "returns", "mean of profit / value when opened"),
    Wanted("sqn", "System quality number", "ratio", "sqrt(round trips) * mean profit / sample standard deviation of the profits"),
    Wanted("best_trip", "Best round trip", "money", "highest profit of one"),
    Wanted("worst_trip", "Worst round trip", "money", "lowest profit of one"),
    Wanted("losing_streak", "Longest losing streak", "count", "most round trips in a row, by time of closing, with a profit below 0"),
    Wanted("holding_mean_ms", "Mean holding time", "ms", "mean time from opening to closing fill"),
    Wanted("holding_longest_ms", "Longest holding time", "ms", "longest time from opening to closing fill"),
    Wanted("mae_mean", "Mean adverse excursion", "returns", "mean of the worst price change against an open round trip / entry price"),
    Wanted("mae_worst", "Worst adverse excursion", "returns", "worst price change against an open round trip / entry price"),
    Wanted("mfe_mean", "Mean favourable excursion", "returns", "mean of the best price change for an open round trip / entry price"),
    Wanted("mfe_best", "Best favourable excursion", "returns", "best price change for an open round trip / entry price"),
)  # fmt: skip


def trade_figures(trips: Sequence[RoundTrip] | Undefined) -> dict[str, dict[str, Any]]:
    """The figures of round trips, by their keys.

    Args:
        trips: In the order in which they were closed; or why they are not known.
    """
    if isinstance(trips, Undefined):
        return {want.key: want.figure(trips) for want in _WANTED}
    if not trips:
        none = Undefined("no round trip was closed")
        counts = {"round_trips": 0, "long_trips": 0}
        return {want.key: want.figure(counts.get(want.key, none)) for want in _WANTED}
    values = _profits(trips) | _times(trips) | _excursions(trips)
    return {want.key: want.figure(values[want.key]) for want in _WANTED}


def _profits(trips: Sequence[RoundTrip]) -> dict[str, Value]:
    profits = [trip.profit for trip in trips]
    won = [profit for profit in profits if profit > 0]
    lost = [-profit for profit in profits if profit < 0]
    no_loss, no_win = Undefined("no round trip lost"), Undefined("no round trip won")
    payoff: Value = no_loss if not lost else no_win
    if won and lost:
        payoff = statistics.fmean(won) / statistics.fmean(lost)
    spread = statistics.stdev(profits) if len(profits) > 1 else 0.0
    return {
        "round_trips": len(trips),
        "long_trips": sum(trip.side == "long" for trip in trips),
        "win_rate": len(won) / len(trips),
        "payoff": payoff,
        "profit_factor": math.fsum(won) / math.fsum(lost) if lost else no_loss,
        "expectancy": statistics.fmean(profits),
        "expectancy_share": statistics.fmean(trip.profit / trip.value for trip in trips),
        "sqn": math.sqrt(len(profits)) * statistics.fmean(profits) / spread
        if spread
        else Undefined("fewer than two round trips, or all with the same profit"),
        "best_trip": max(profits),
        "worst_trip": min(profits),
        "losing_streak": _streak(profits),
    }


def _streak(profits: Sequence[float]) -> int:
    longest = now = 0
    for profit in profits:
        now = now + 1 if profit < 0 else 0
        longest = max(longest, now)
    return longest


def _times(trips: Sequence[RoundTrip]) -> dict[str, Value]:
    held = [trip.exit_ms - trip.entry_ms for trip in trips]
    return {"holding_mean_ms": statistics.fmean(held), "holding_longest_ms": max(held)}


def _excursions(trips: Sequence[RoundTrip]) -> dict[str, Value]:
    worst = [trip.worst for trip in trips if trip.worst is not None]
    best = [trip.best for trip in trips if trip.best is not None]
    if not worst or not best:
        unknown = Undefined("there are no prices of the time in which they were held")
        return dict.fromkeys(("mae_mean", "mae_worst", "mfe_mean", "mfe_best"), unknown)
    return {
        "mae_mean": statistics.fmean(worst),
        "mae_worst": min(worst),
        "mfe_mean": statistics.fmean(best),
        "mfe_best": max(best),
    }
