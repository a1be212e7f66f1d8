from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from fmzthreads.backtest.metrics.figure import Undefined
from fmzthreads.backtest.metrics.round_trips import RoundTrip
from fmzthreads.backtest.metrics.trades import trade_figures


def trip(profit: float, **more: Any) -> RoundTrip:
    known = {"exchange": 0, "symbol": "BTC_USDT", "side": "long", "amount": 1.0, "entry_ms": 0, "exit_ms": 1000}
    return RoundTrip(
        **(known | {"entry": 100.0, "exit": 100.0 + profit, "fee": 0.0, "profit": profit, "value": 100.0} | more)
    )


def figures(*trips: RoundTrip) -> dict[str, Any]:
    return {key: one["value"] for key, one in trade_figures(trips).items()}


def test_by_hand() -> None:
    found = figures(
        trip(30, worst=-0.01, best=0.4),
        trip(-10, exit_ms=5000, worst=-0.2, best=0.02),
        trip(-10, side="short", worst=-0.03, best=0.0),
        trip(10, value=50.0, worst=0.0, best=0.1),
    )
    profits = [30, -10, -10, 10]
    assert (found["round_trips"], found["long_trips"], found["losing_streak"]) == (4, 3, 2)
    assert (found["win_rate"], found["payoff"], found["profit_factor"]) == (0.5, 2, 2)
    assert found["expectancy"] == 5
    assert found["expectancy_share"] == pytest.approx((0.3 - 0.1 - 0.1 + 0.2) / 4)
    assert found["sqn"] == pytest.approx(math.sqrt(4) * 5 / statistics.stdev(profits))
    assert (found["best_trip"], found["worst_trip"]) == (30, -10)
    assert (found["holding_mean_ms"], found["holding_longest_ms"]) == (2000, 5000)
    assert (found["mae_mean"], found["mae_worst"]) == (pytest.approx(-0.06), -0.2)
    assert (found["mfe_mean"], found["mfe_best"]) == (pytest.approx(0.13), 0.4)


def test_a_trip_that_gained_nothing_is_neither_won_nor_lost() -> None:
    found = figures(trip(0), trip(10), trip(-5), trip(0))
    assert (found["win_rate"], found["payoff"], found["losing_streak"]) == (0.25, 2, 1)


@pytest.mark.parametrize(
    ("trips", "key", "why"),
    [
        ([], "win_rate", "no round trip was closed"),
        ([trip(1), trip(2)], "profit_factor", "no round trip lost"),
        ([trip(1), trip(2)], "payoff", "no round trip lost"),
        ([trip(-1), trip(-2)], "payoff", "no round trip won"),
        ([trip(1)], "sqn", "fewer than two"),
        ([trip(1), trip(1)], "sqn", "same profit"),
        ([trip(1)], "mae_mean", "no prices"),
    ],
)
def test_what_is_undefined_has_a_reason(trips: list[RoundTrip], key: str, why: str) -> None:
    found = trade_figures(trips)
    assert found[key]["value"] is None
    assert why in found[key]["reason"]


def test_losers_only_have_a_profit_factor_of_0() -> None:
    assert figures(trip(-1), trip(-2))["profit_factor"] == 0


def test_counts_are_0_where_nothing_was_closed_and_undefined_where_nothing_is_known() -> None:
    assert figures()["round_trips"] == 0
    assert {one["reason"] for one in trade_figures(Undefined("no fills")).values()} == {"no fills"}
