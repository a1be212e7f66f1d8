"""Monte Carlo: what else the same round trips, or the same returns, could have come to in another order."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.settings import BacktestSettings
from .curves import returns_of, sampled
from .figure import Undefined
from .returns import quantile
from .summary import curves_of, sampling_of

__all__ = ["FAN", "block_bootstrap", "monte_carlo_of", "trade_shuffle"]

FAN = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that are drawn."""

_STEPS = 120
"""The most steps of which the quantiles are kept."""


def monte_carlo_of(
    result: Mapping[str, Any],
    settings: BacktestSettings,
    metrics: Mapping[str, Any],
    runs: int,
    *,
    seed: int | None = None,
) -> dict[str, Any]:
    """Both simulations of a result, ready for JSON; each is a dict, or ``{"reason": ...}`` when it cannot be made.

    Args:
        result: What ``Join`` gives.
        settings: The backtest's settings.
        metrics: What ``metrics_of`` gave for it.
        runs: How many paths, at least 1.
        seed: Of the random numbers; the backtest's when None. The same seed gives the same numbers.
    """
    seed = settings.seed if seed is None else seed
    equity = curves_of(result, settings)["equity"]
    sampling = sampling_of(settings, metrics["year_days"], metrics["sample_ms"])
    returns: list[float] | Undefined = (
        equity if isinstance(equity, Undefined) else returns_of(sampled(equity, sampling.period_ms))
    )
    profits = [trip["profit"] for trip in metrics["round_trips"]]
    shuffled: dict[str, Any] | Undefined = (
        equity if isinstance(equity, Undefined) else trade_shuffle(profits, equity.values[0], runs, seed)
    )
    bootstrap = returns if isinstance(returns, Undefined) else block_bootstrap(returns, runs, seed)
    return {
        "runs": runs,
        "seed": seed,
        "trade_shuffle": {"reason": shuffled.reason} if isinstance(shuffled, Undefined) else shuffled,
        "block_bootstrap": {"reason": bootstrap.reason} if isinstance(bootstrap, Undefined) else bootstrap,
    }


def trade_shuffle(profits: Sequence[float], initial: float, runs: int, seed: int) -> dict[str, Any] | Undefined:
    """The same round trips in random order: the end is the same, the way there is not.

    Args:
        profits: The profit of each round trip, in money.
        initial: The money at the start.
        runs: How many orders are drawn.
        seed: Of the random numbers.

    Returns:
        ``steps`` (numbers of round trips), ``fan`` (the worth at each step, by quantile), ``max_drawdown`` (by quantile).
    """
    if len(profits) < 2:
        return Undefined(f"{len(profits)} round trips, and at least 2 are needed")
    if initial <= 0:
        return Undefined("the account began with nothing")
    rng = random.Random(seed)
    steps = _steps(len(profits))
    drawn, deepest = list(profits), []
    at_steps: list[list[float]] = [[] for _ in steps]
    for _ in range(runs):
        rng.shuffle(drawn)
        deepest.append(_walk(_sums(drawn, initial), steps, at_steps))
    return {"steps": steps, "fan": _fan(at_steps), "max_drawdown": _quantiles(deepest)}


def block_bootstrap(
    returns: Sequence[float], runs: int, seed: int, *, block: int | None = None
) -> dict[str, Any] | Undefined:
    """Paths made of blocks of the returns, drawn with replacement from a circle, so that what hangs together in time stays together.

    Source: Politis and Romano, "A circular block-resampling procedure for stationary data" (1992).

    Args:
        returns: The returns of equal periods.
        runs: How many paths are drawn.
        seed: Of the random numbers.
        block: Returns in a block; the cube root of their number, rounded up, when None.

    Returns:
        ``block``, ``steps`` (numbers of periods), ``fan`` (the growth, 1 at the start, by quantile), ``total_return`` and ``max_drawdown`` (by
        quantile), ``loss_probability`` (the share of paths that end below their start).
    """
    if len(returns) < 2:
        return Undefined(f"{len(returns)} returns, and at least 2 are needed")
    count = len(returns)
    block = min(count, block or math.ceil(count ** (1 / 3) - 1e-9))
    rng, circle = random.Random(seed), [*returns, *returns[:block]]
    steps = _steps(count)
    at_steps: list[list[float]] = [[] for _ in steps]
    deepest, ends = [], []
    for _ in range(runs):
        path: list[float] = []
        while len(path) < count:
            first = rng.randrange(count)
            path += circle[first : first + block]
        deepest.append(_walk(_products(path[:count]), steps, at_steps))
        ends.append(at_steps[-1][-1] - 1)
    if not all(map(math.isfinite, ends)):
        return Undefined("the paths grow too large to be written as numbers")
    return {
        "block": block,
        "steps": steps,
        "fan": _fan(at_steps),
        "total_return": _quantiles(ends),
        "max_drawdown": _quantiles(deepest),
        "loss_probability": statistics.fmean(end < 0 for end in ends),
    }


def _steps(count: int) -> list[int]:
    """At most so many numbers from 0 to a count, both included, evenly spread."""
    parts = min(count, _STEPS)
    return [count * part // parts for part in range(parts + 1)]


def _sums(profits: Sequence[float], initial: float) -> list[float]:
    values = [initial]
    for profit in profits:
        values.append(values[-1] + profit)
    return values


def _products(returns: Sequence[float]) -> list[float]:
    values = [1.0]
    for one in returns:
        values.append(values[-1] * (1 + one))
    return values


def _walk(values: Sequence[float], steps: Sequence[int], at_steps: list[list[float]]) -> float:
    """Notes the values at the steps; returns the deepest drawdown as a share."""
    for place, step in enumerate(steps):
        at_steps[place].append(values[step])
    peak, deepest = values[0], 0.0
    for value in values:
        if value > peak:
            peak = value
        elif peak - value > deepest * peak:
            deepest = (peak - value) / peak
    return deepest


def _fan(at_steps: Sequence[list[float]]) -> dict[str, list[float]]:
    for values in at_steps:
        values.sort()
    return {f"{share:g}": [quantile(values, share) for values in at_steps] for share in FAN}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"{share:g}": quantile(ordered, share) for share in FAN}
