from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmzthreads.backtest.metrics.curves import Curve, returns_of, sampled
from fmzthreads.backtest.metrics.figure import DAY_MS, Sampling, Undefined
from fmzthreads.backtest.metrics.returns import quantile, return_figures

DAILY = Sampling(DAY_MS, 365)


def curve_of(returns: list[float], first: float = 100.0) -> Curve:
    values = [first]
    for one in returns:
        values.append(values[-1] * (1 + one))
    return Curve([n * DAY_MS for n in range(len(values))], values)


def values(curve: Curve | Undefined, max_drawdown: float = 0.1, **more: Any) -> dict[str, Any]:
    figures = return_figures(curve, DAILY, year_days=365, max_drawdown=max_drawdown, **more)
    return {key: one["value"] for key, one in figures.items()}


def reason(curve: Curve, key: str, max_drawdown: float = 0.1) -> str:
    return str(return_figures(curve, DAILY, year_days=365, max_drawdown=max_drawdown)[key]["reason"])


def random_returns(count: int = 250, seed: int = 3) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0.001, 0.02) for _ in range(count)]


def test_growth_by_hand() -> None:
    found = values(Curve([0, 73 * DAY_MS], [100.0, 110.0]), max_drawdown=0.05)
    assert found["total_return"] == pytest.approx(0.1)
    assert found["total_profit"] == pytest.approx(10)
    assert found["annual_return"] == pytest.approx(1.1**5 - 1)
    assert found["calmar"] == pytest.approx((1.1**5 - 1) / 0.05)


def test_ratios_by_hand() -> None:
    returns = [0.02, -0.01, 0.03, -0.02]
    found = values(curve_of(returns))
    mean, spread = 0.005, math.sqrt((0.015**2 + 0.015**2 + 0.025**2 + 0.025**2) / 3)
    assert found["volatility"] == pytest.approx(spread * math.sqrt(365))
    assert found["sharpe"] == pytest.approx(mean / spread * math.sqrt(365))
    assert found["sortino"] == pytest.approx(mean / math.sqrt((0.01**2 + 0.02**2) / 4) * math.sqrt(365))
    assert found["omega"] == pytest.approx(0.05 / 0.03)
    assert (found["best"], found["worst"]) == (pytest.approx(0.03), pytest.approx(-0.02))
    assert found["skew"] == pytest.approx(0, abs=1e-9)
    population = spread * math.sqrt(3 / 4)
    assert found["kurtosis"] == pytest.approx((0.015**4 * 2 + 0.025**4 * 2) / 4 / population**4)
    assert found["probabilistic_sharpe"] + found["sharpe_p_value"] == pytest.approx(1)


def test_the_probabilistic_sharpe_ratio_is_that_of_the_paper() -> None:
    returns = random_returns(60)
    found = values(curve_of(returns))
    sharpe = statistics.fmean(returns) / statistics.stdev(returns)
    z = sharpe * math.sqrt(59) / math.sqrt(1 - found["skew"] * sharpe + (found["kurtosis"] - 1) / 4 * sharpe**2)
    assert found["probabilistic_sharpe"] == pytest.approx(statistics.NormalDist().cdf(z))


def test_a_risk_free_rate_is_taken_off_each_period() -> None:
    returns = random_returns(40)
    found = values(curve_of(returns), risk_free=0.0365)
    excess = [one - 0.0001 for one in returns]
    assert found["sharpe"] == pytest.approx(statistics.fmean(excess) / statistics.stdev(excess) * math.sqrt(365))
    assert found["volatility"] == pytest.approx(values(curve_of(returns))["volatility"])


def test_tails_by_hand() -> None:
    returns = [n / 1000 for n in range(-10, 11)]  # 21 returns; their 5 % quantile is the second lowest
    found = values(curve_of(returns))
    assert found["var_95"] == pytest.approx(-0.009)
    assert found["cvar_95"] == pytest.approx(-0.0095)
    assert found["tail_ratio"] == pytest.approx(1)


def test_the_quantile_is_linear_between_neighbours() -> None:
    assert quantile([1.0, 2.0, 4.0], 0.5) == 2
    assert quantile([1.0, 2.0, 4.0], 0.75) == 3
    assert quantile([1.0, 2.0, 4.0], 0) == 1
    assert quantile([1.0, 2.0, 4.0], 1) == 4
    assert quantile([7.0], 0.05) == 7


@pytest.mark.parametrize(
    ("curve", "key", "why"),
    [
        (curve_of([0.1]), "sharpe", "1 whole sample periods, and at least 2"),
        (curve_of([0.0] * 30), "sharpe", "do not vary"),
        (curve_of([0.01] * 30), "sharpe", "do not vary"),
        (curve_of([0.01] * 30), "sortino", "no period lost"),
        (curve_of([0.01] * 30), "omega", "no period lost"),
        (curve_of([0.01, 0.02] * 5), "var_95", "10 returns, and at least 20"),
        (curve_of([0.01, 0.0] * 20), "tail_ratio", "quantile of the returns is 0"),
        (Curve([0, DAY_MS - 1], [100.0, 101.0]), "annual_return", "shorter than a day"),
        (Curve([0, DAY_MS], [100.0, 200.0]), "annual_return", "says nothing about a year"),
        (Curve([0, DAY_MS], [100.0, 0.0]), "annual_return", "ended at zero"),
        (Curve([0, DAY_MS], [0.0, 1.0]), "total_return", "began with nothing"),
        (Curve([0, DAY_MS, 2 * DAY_MS], [100.0, -1.0, 100.0]), "sharpe", "fell to zero"),
    ],
)
def test_what_is_undefined_has_a_reason(curve: Curve, key: str, why: str) -> None:
    assert values(curve)[key] is None
    assert why in reason(curve, key)


def test_a_calmar_ratio_without_a_drawdown_is_undefined() -> None:
    assert reason(curve_of([0.01, 0.02] * 15), "calmar", max_drawdown=0.0) == "there was no drawdown"


def test_a_missing_curve_gives_its_reason_everywhere() -> None:
    figures = return_figures(Undefined("no data"), DAILY, year_days=365, max_drawdown=Undefined("no data"))
    assert {one["value"] for one in figures.values()} == {None}
    assert {one["reason"] for one in figures.values()} == {"no data"}


def test_sampled_figures_name_their_period() -> None:
    figures = return_figures(curve_of([0.1, 0.2]), DAILY, year_days=365, max_drawdown=0.1)
    assert (figures["sharpe"]["sample_ms"], figures["sharpe"]["periods_a_year"]) == (DAY_MS, 365)
    assert figures["total_return"]["sample_ms"] is None
    assert all(one["formula"] and one["name"] and one["unit"] for one in figures.values())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e12, 1e12, allow_subnormal=True), min_size=1, max_size=60),
    st.floats(1e-9, 1e12),
)
def test_no_figure_is_ever_infinite_or_nan(points: list[float], first: float) -> None:
    curve = Curve([n * DAY_MS for n in range(len(points) + 1)], [first, *points])
    for value in values(curve, max_drawdown=5e-324).values():
        assert value is None or math.isfinite(value)


# Other libraries as oracles


def test_against_empyrical() -> None:
    empyrical = pytest.importorskip("empyrical")
    numpy = pytest.importorskip("numpy")
    returns = random_returns()
    found, series = values(curve_of(returns)), numpy.array(returns)
    assert found["volatility"] == pytest.approx(empyrical.annual_volatility(series, annualization=365))
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(series, annualization=365))
    assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(series, annualization=365))
    assert found["omega"] == pytest.approx(empyrical.omega_ratio(series, annualization=365))
    assert found["var_95"] == pytest.approx(empyrical.value_at_risk(series))
    assert found["cvar_95"] == pytest.approx(empyrical.conditional_value_at_risk(series))
    assert found["tail_ratio"] == pytest.approx(empyrical.tail_ratio(series))
    assert found["annual_return"] == pytest.approx(empyrical.annual_return(series, annualization=365))


@pytest.mark.filterwarnings("ignore")
def test_against_quantstats() -> None:
    stats = pytest.importorskip("quantstats.stats")
    pandas = pytest.importorskip("pandas")
    returns = random_returns()
    found = values(curve_of(returns))
    series = pandas.Series(returns, index=pandas.date_range("2024-01-01", periods=len(returns)))
    assert found["sharpe"] == pytest.approx(stats.sharpe(series, periods=365))
    assert found["sortino"] == pytest.approx(stats.sortino(series, periods=365))
    assert found["volatility"] == pytest.approx(stats.volatility(series, periods=365))
    assert found["tail_ratio"] == pytest.approx(stats.tail_ratio(series))


def test_samples_are_the_last_known_values() -> None:
    curve = Curve([0, 5, 12, 31], [1.0, 2.0, 3.0, 4.0])
    assert sampled(curve, 10) == [1, 2, 3, 3]
    assert returns_of([1.0, 2.0, 3.0]) == [1.0, 0.5]
    assert isinstance(returns_of([1.0, 0.0]), Undefined)
