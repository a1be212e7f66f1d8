"""Walk-forward: parameters chosen on one stretch of time are tried on the next, which they have not seen.

Source: Pardo, "The Evaluation and Optimization of Trading Strategies", the chapter on walk-forward analysis. His efficiency (annualised profit out of sample
over that in sample) is undefined when the profit in sample is not positive: a ratio of two losses would look like a success.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import attrs

from ...errors import InputError
from .job import Job, Score
from .journal import SweepJournal
from .objective import Objective
from .pool import Evaluate, Workers
from .space import Grid
from .sweep import run_jobs

__all__ = ["Span", "WalkForward", "WalkForwardStep", "parse_walk_forward", "run_walk_forward", "spans_of"]

_DAY_MS = 86_400_000
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS}

RETURN = "total_return"
"""The figure that is chained over the steps: the profit of a backtest as a share of its initial assets."""


@attrs.frozen
class Span:
    """One step: parameters are chosen from ``train_ms`` to ``test_ms``, and tried from there to ``end_ms``."""

    train_ms: int
    test_ms: int
    end_ms: int


@attrs.frozen
class WalkForwardStep:
    """What came of one step.

    Attributes:
        span: Its time.
        chosen: The best score in sample; None when every run failed or is undefined there.
        tried: The score of its parameters out of sample; None without a choice.
    """

    span: Span
    chosen: Score | None
    tried: Score | None


@attrs.frozen
class WalkForward:
    """What came of all steps.

    Attributes:
        steps: The steps in order of time.
        total_return: The returns out of sample, chained; a step without a choice, or whose run failed, counts as 0. None without any run.
        efficiency: Annualised return out of sample over that in sample; None when undefined.
        efficiency_reason: Why the efficiency is None; empty otherwise.
        winning: The share of the steps with a return above 0 among those that were tried; None without any.
    """

    steps: Sequence[WalkForwardStep]
    total_return: float | None
    efficiency: float | None
    efficiency_reason: str
    winning: float | None


def parse_walk_forward(text: str) -> tuple[int, int]:
    """Reads ``train=90d,test=30d``; units are m, h, d and w.

    Returns:
        Both lengths in milliseconds.

    Raises:
        InputError: It has another form, or a length of 0.
    """
    found = dict(re.findall(r"(?:^|,\s*)(train|test)=(\d+[mhdw])(?=,|$)", text.strip()))
    if set(found) != {"train", "test"} or len(text.strip().split(",")) != 2:
        raise InputError(f"--walk-forward {text!r}: expected train=90d,test=30d (m, h, d or w)")
    lengths = {name: int(length[:-1]) * _UNITS_MS[length[-1]] for name, length in found.items()}
    if not all(lengths.values()):
        raise InputError(f"--walk-forward {text!r}: both lengths must be more than 0")
    return lengths["train"], lengths["test"]


def spans_of(start_ms: int, end_ms: int, train_ms: int, test_ms: int) -> list[Span]:
    """The steps that fit: each one's test follows the one before; the last one may be shorter than the others.

    Raises:
        InputError: Not even one fits.
    """
    if start_ms + train_ms >= end_ms:
        raise InputError(
            f"--walk-forward: the first training span of {train_ms / _DAY_MS:g} days leaves nothing of the"
            f" {(end_ms - start_ms) / _DAY_MS:g} days of the backtest to test on"
        )
    steps = range(start_ms, end_ms - train_ms, test_ms)
    return [Span(first, first + train_ms, min(first + train_ms + test_ms, end_ms)) for first in steps]


def run_walk_forward(
    grid: Grid,
    spans: Sequence[Span],
    objective: Objective,
    evaluate: Evaluate,
    workers: Workers,
    *,
    numbers: Sequence[int] | None = None,
    journal: SweepJournal | None = None,
    on_score: Callable[[Score], None] | None = None,
) -> WalkForward:
    """Chooses parameters on each training span and tries them on the span after it.

    Args:
        grid: The combinations.
        spans: The steps.
        objective: What the choice is made by; of equal combinations the first one is chosen.
        evaluate: Runs one backtest.
        workers: Where they run; they are opened once.
        numbers: The combinations that are compared; None for all.
        journal: As for ``run_jobs``.
        on_score: As for ``run_jobs``.
    """
    numbers = range(len(grid)) if numbers is None else numbers
    training = [Job(grid[n], span.train_ms, span.test_ms) for span in spans for n in numbers]
    with workers.opened() as opened:
        scores = run_jobs(training, evaluate, opened, journal=journal, on_score=on_score)
        size = len(numbers)
        chosen = [objective.best(scores[n * size : (n + 1) * size]) for n in range(len(spans))]
        trials = [
            Job(best.job.args, span.test_ms, span.end_ms)
            for span, best in zip(spans, chosen, strict=True)
            if best is not None
        ]
        tried = iter(run_jobs(trials, evaluate, opened, journal=journal, on_score=on_score))
    steps = [
        WalkForwardStep(span, best, next(tried) if best is not None else None)
        for span, best in zip(spans, chosen, strict=True)
    ]
    return summed_up(steps)


def summed_up(steps: Sequence[WalkForwardStep]) -> WalkForward:
    """The figures over all steps."""
    outside = [_return(step.tried) for step in steps if step.tried is not None]
    if not outside:
        return WalkForward(steps, None, None, "no parameters could be chosen", None)
    total = math.prod(1 + (value or 0.0) for value in outside) - 1
    winning = sum(value is not None and value > 0 for value in outside) / len(outside)
    efficiency, reason = _efficiency(steps)
    return WalkForward(steps, total, efficiency, reason, winning)


def _return(score: Score | None) -> float | None:
    return None if score is None or score.error else score.figures.get(RETURN)


def _efficiency(steps: Sequence[WalkForwardStep]) -> tuple[float | None, str]:
    inside = outside = inside_ms = outside_ms = 0.0
    for step in steps:
        gain, profit = _return(step.chosen), _return(step.tried)
        if gain is None or profit is None:
            continue
        inside, inside_ms = inside + gain, inside_ms + step.span.test_ms - step.span.train_ms
        outside, outside_ms = outside + profit, outside_ms + step.span.end_ms - step.span.test_ms
    if not inside_ms or not outside_ms:
        return None, f"no step has a {RETURN} in and out of sample"
    if inside <= 0:
        return None, "the return in sample is not positive"
    return (outside / outside_ms) / (inside / inside_ms), ""
