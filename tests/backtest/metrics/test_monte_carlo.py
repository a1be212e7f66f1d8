from __future__ import annotations

import itertools
import json
import random

import pytest

from fmzthreads.backtest.metrics import metrics_of
from fmzthreads.backtest.metrics.figure import Undefined
from fmzthreads.backtest.metrics.monte_carlo import FAN, block_bootstrap, monte_carlo_of, trade_shuffle
from tests.helpers.backtest_results import made_result, spot_settings


def test_a_shuffle_ends_where_the_trades_end_whatever_the_way() -> None:
    found = trade_shuffle([10.0, -5.0, 20.0, -15.0], 100.0, 200, seed=1)
    assert isinstance(found, dict)
    for values in found["fan"].values():
        assert (values[0], values[-1]) == (100, pytest.approx(110))
    assert found["steps"] == [0, 1, 2, 3, 4]
    # The worst order loses both losses first, the best one spreads them: 20 of 100, and 15 of 110 or more.
    assert found["max_drawdown"]["0.05"] >= 15 / 130
    assert found["max_drawdown"]["0.95"] <= 0.2


def test_quantiles_of_the_fan_do_not_cross() -> None:
    rng = random.Random(5)
    found = block_bootstrap([rng.gauss(0, 0.01) for _ in range(300)], 300, seed=2)
    assert isinstance(found, dict)
    fan = [found["fan"][f"{share:g}"] for share in FAN]
    for lower, higher in itertools.pairwise(fan):
        assert all(low <= high for low, high in zip(lower, higher, strict=True))
    assert len(found["steps"]) == 121
    assert (found["steps"][0], found["steps"][-1], found["block"]) == (0, 300, 7)


def test_blocks_keep_what_hangs_together() -> None:
    """Returns that always come as +10 %, -10 %: blocks of two or more never see two losses in a row."""
    returns = [0.1, -0.1] * 50
    single = block_bootstrap(returns, 100, seed=3, block=1)
    pairs = block_bootstrap(returns, 100, seed=3, block=100)
    assert isinstance(single, dict)
    assert isinstance(pairs, dict)
    assert pairs["max_drawdown"]["0.95"] < single["max_drawdown"]["0.05"] + 0.2
    spread = [one["total_return"]["0.95"] - one["total_return"]["0.05"] for one in (single, pairs)]
    assert spread[0] > 5 * spread[1]


def test_the_bootstrap_of_one_return_repeated_is_certain() -> None:
    found = block_bootstrap([0.01] * 50, 20, seed=1)
    assert isinstance(found, dict)
    assert found["total_return"]["0.05"] == found["total_return"]["0.95"] == pytest.approx(1.01**50 - 1)
    assert (found["loss_probability"], found["max_drawdown"]["0.95"]) == (0, 0)
    lost = block_bootstrap([-0.01] * 50, 20, seed=1)
    assert isinstance(lost, dict)
    assert lost["loss_probability"] == 1


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    result, settings = made_result()
    metrics = metrics_of(result, settings)
    texts = [
        json.dumps(monte_carlo_of(result, settings, metrics, 50, seed=seed), allow_nan=False) for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_it_takes_the_backtests_seed() -> None:
    result, settings = made_result()
    metrics = metrics_of(result, settings)
    assert monte_carlo_of(result, settings, metrics, 20) == monte_carlo_of(
        result, settings, metrics, 20, seed=settings.seed
    )


def test_what_cannot_be_simulated_has_a_reason() -> None:
    assert trade_shuffle([1.0], 100.0, 10, seed=1) == Undefined("1 round trips, and at least 2 are needed")
    assert isinstance(trade_shuffle([1.0, 2.0], 0.0, 10, seed=1), Undefined)
    assert isinstance(block_bootstrap([0.1], 10, seed=1), Undefined)
    assert isinstance(block_bootstrap([1e200] * 3, 10, seed=1), Undefined)
    settings = spot_settings(10)
    found = monte_carlo_of({}, settings, metrics_of({}, settings), 10)
    assert found["trade_shuffle"] == found["block_bootstrap"] == {"reason": "the result has no account snapshots"}


def test_two_are_enough_and_both_simulations_are_those_of_the_result() -> None:
    assert isinstance(trade_shuffle([1.0, -2.0], 1.0, 10, seed=1), dict)
    assert isinstance(block_bootstrap([0.1, -0.1], 10, seed=1), dict)
    result, settings = made_result()
    metrics = metrics_of(result, settings)
    found = monte_carlo_of(result, settings, metrics, 30, seed=4)
    profits = [trip["profit"] for trip in metrics["round_trips"]]
    initial = metrics["equity"]["total_profit"]["value"] / metrics["equity"]["total_return"]["value"]
    shuffled = trade_shuffle(profits, round(initial, 6), 30, seed=4)
    assert isinstance(shuffled, dict)
    assert found["trade_shuffle"]["max_drawdown"] == pytest.approx(shuffled["max_drawdown"])
    assert found["block_bootstrap"]["steps"][0] == 0
    assert found["block_bootstrap"]["total_return"]["0.05"] <= found["block_bootstrap"]["total_return"]["0.95"]
