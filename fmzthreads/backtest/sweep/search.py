"""A guided search of the grid with optuna: the next combinations follow from the scores of the earlier ones.

Combinations are asked for in rounds of a fixed size and told in the order in which they were asked for, so that the search takes the same way for any
number of workers, and takes it again when it goes on from a journal.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import MissingExtra
from .job import Job, Score
from .journal import SweepJournal
from .objective import Objective
from .pool import Evaluate, Workers
from .space import Axis, Grid
from .sweep import run_jobs

__all__ = ["run_search"]

_ROUND = 8
_MOST_IDLE_ROUNDS = 3
"""After so many rounds in a row that asked for nothing new, a round of untried combinations is drawn by chance."""


def run_search(
    grid: Grid,
    trials: int,
    objective: Objective,
    evaluate: Evaluate,
    workers: Workers,
    *,
    seed: int = 0,
    journal: SweepJournal | None = None,
    on_score: Callable[[Score], None] | None = None,
) -> list[Score]:
    """Searches a grid, and returns the scores of the combinations that were tried, each once, in the order of the search.

    Args:
        grid: The combinations.
        trials: How many combinations are tried; one that is asked for again is not run again and does not count. Fewer when the grid has no more.
        objective: What is searched for.
        evaluate: Runs one backtest.
        workers: Where they run; they are opened once.
        seed: Of the search.
        journal: As for ``run_jobs``.
        on_score: As for ``run_jobs``.

    Raises:
        MissingExtra: optuna is not installed.
    """
    study, distributions = _study(grid, objective, seed)
    failed = importlib.import_module("optuna").trial.TrialState.FAIL
    found: dict[str, Score] = {}
    wanted, idle = min(trials, len(grid)), 0
    with workers.opened() as opened:
        while len(found) < wanted:
            known = len(found)
            if idle >= _MOST_IDLE_ROUNDS:
                for places in _untried(grid, found, seed):
                    study.enqueue_trial(places)
            # A whole round also at the end, so that a longer search begins as a shorter one does.
            asked = [study.ask(distributions) for _ in range(_ROUND)]
            jobs = [Job({axis.name: axis.values[_place(axis, trial)] for axis in grid.axes}) for trial in asked]
            new = {job.key: job for job in jobs if job.key not in found}
            run = [*new.values()][: wanted - known]
            for score in run_jobs(run, evaluate, opened, journal=journal, on_score=on_score):
                found[score.job.key] = score
            for trial, job in zip(asked, jobs, strict=True):
                value = objective.value(found[job.key]) if job.key in found else None
                if value is None:
                    study.tell(trial, state=failed)
                else:
                    study.tell(trial, value)
            idle = idle + 1 if len(found) == known else 0
    return list(found.values())


def _untried(grid: Grid, found: Mapping[str, Score], seed: int) -> list[dict[str, int]]:
    """A round of combinations that were not tried, as places on the axes."""
    numbers = grid.sample(len(found) + _ROUND, seed)
    new = [number for number in numbers if Job(grid[number]).key not in found]
    return [
        {axis.name: place for axis, place in zip(grid.axes, grid.places(number), strict=True)}
        for number in new[:_ROUND]
    ]


def _place(axis: Axis, trial: Any) -> int:
    return int(trial.params[axis.name])


def _study(grid: Grid, objective: Objective, seed: int) -> tuple[Any, dict[str, Any]]:
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise MissingExtra(
            "--search needs optuna; install it with: python -m pip install 'fmzthreads[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction="maximize" if objective.largest else "minimize", sampler=sampler)
    # Places rather than values: numbers keep their order, whatever their steps.
    distributions = {
        axis.name: optuna.distributions.IntDistribution(0, len(axis.values) - 1)
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in axis.values)
        else optuna.distributions.CategoricalDistribution(list(range(len(axis.values))))
        for axis in grid.axes
    }
    return study, distributions
