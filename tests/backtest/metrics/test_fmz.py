"""FMZ's figures, against numbers computed by hand from the definitions in its guide."""

from __future__ import annotations

import statistics

import pytest

from fmzthreads.backtest.metrics.figure import Undefined
from fmzthreads.backtest.metrics.fmz import fmz_figures
from tests.helpers.backtest_results import DAY, spot_settings


def values(
    profits: list[list[float]], days: float = 4, initial: float | Undefined = 1000.0, year: float = 365
) -> dict[str, float]:
    figures = fmz_figures(profits, spot_settings(days), initial, year)
    return {key: one["value"] for key, one in figures.items()}


START = spot_settings(1).start_ms


def test_four_whole_days() -> None:
    points = [[START + 1, 10.0], [START + DAY, 30.0], [START + DAY + 5, 20.0], [START + 3 * DAY, 60.0]]
    found = values(points)
    assert found["totalReturns"] == pytest.approx(0.06)
    assert found["annualizedReturns"] == pytest.approx(0.06 * 365 / 4)
    daily = [10 / 1000 * 365, 10 / 1000 * 365, 0.0, 40 / 1000 * 365]
    assert found["volatility"] == pytest.approx(statistics.pstdev(daily))
    assert found["sharpeRatio"] == pytest.approx((0.06 * 365 / 4 - 0.03) / statistics.pstdev(daily))
    assert found["winningRate"] == 0.75
    assert found["maxDrawdown"] == pytest.approx(1 - 1020 / 1030)
    assert found["maxDrawdownTime"] == START + DAY + 5
    assert found["maxDrawdownStartTime"] == START + DAY
    assert found["maxAssetsTime"] == START + 3 * DAY
    assert (found["totalAssets"], found["yearDays"]) == (1000, 365)


def test_a_part_of_a_day_gets_a_bucket_up_to_the_next_midnight() -> None:
    found = values([[START + 1, 10.0], [START + 2 * DAY, 20.0]], days=2.25)
    daily = [10 / 1000 * 365, 0.0, 10 / 1000 * 365]
    assert found["volatility"] == pytest.approx(statistics.pstdev(daily))


def test_points_after_the_last_bucket_are_left_out_of_the_volatility() -> None:
    found = values([[START + 1, 10.0], [START + 2 * DAY, 99.0]], days=2)
    assert found["volatility"] == pytest.approx(statistics.pstdev([10 / 1000 * 365, 0.0]))
    assert found["totalReturns"] == pytest.approx(0.099)


def test_a_drawdown_from_the_initial_capital_begins_at_time_0() -> None:
    found = values([[START + 1, -100.0], [START + 2, -50.0]])
    assert (found["maxDrawdown"], found["maxDrawdownTime"]) == (pytest.approx(0.1), START + 1)
    assert found["maxDrawdownStartTime"] == found["maxAssetsTime"] == 0
    assert found["winningRate"] == 0.5


def test_no_volatility_is_a_sharpe_ratio_of_0() -> None:
    assert values([[START + DAY * n, 5.0 * (n + 1)] for n in range(4)])["sharpeRatio"] == 0


@pytest.mark.parametrize(
    ("profits", "initial", "why"),
    [
        ([], 1000.0, "never called LogProfit"),
        ([[START, 1.0]], 0.0, "began with nothing"),
        ([[START, 1.0]], Undefined("no snapshots"), "no snapshots"),
    ],
)
def test_without_points_or_money_there_is_no_report(
    profits: list[list[float]], initial: float | Undefined, why: str
) -> None:
    figures = fmz_figures(profits, spot_settings(4), initial, 365)
    assert {one["value"] for one in figures.values()} == {None}
    assert all(why in one["reason"] for one in figures.values())


def test_a_backtest_without_length_has_no_report() -> None:
    figures = fmz_figures([[START, 1.0]], spot_settings(0), 1000.0, 365)
    assert "no length" in figures["volatility"]["reason"]
