"""Runs the backtests of a sweep: those that a journal has are not run again, and the result does not depend on the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from .job import WORKER_DIED, Job, Score
from .journal import SweepJournal
from .pool import Evaluate, OpenWorkers, Workers, evaluated

__all__ = ["run_jobs"]


def run_jobs(
    jobs: Iterable[Job],
    evaluate: Evaluate,
    workers: Workers | OpenWorkers,
    *,
    journal: SweepJournal | None = None,
    on_score: Callable[[Score], None] | None = None,
) -> list[Score]:
    """Runs backtests, and returns their scores in the order of the jobs.

    Args:
        jobs: The backtests; one that is there twice is run once.
        evaluate: Runs one.
        workers: Where they run; those that are open stay open.
        journal: Keeps what is finished, and knows what was finished before; None for no journal.
        on_score: Called with each score as it comes, those of the journal first; only from this thread.
    """
    jobs = list(jobs)
    scores: dict[str, Score] = {}
    todo: dict[str, Job] = {}
    for job in jobs:
        known = journal.scores.get(job.key) if journal is not None else None
        if known is None:
            todo[job.key] = job
        elif job.key not in scores:
            scores[job.key] = known
            if on_score is not None:
                on_score(known)
    if todo:
        with closing(evaluated(todo.values(), evaluate, workers)) as found:
            for score in found:
                if journal is not None and score.error != WORKER_DIED:
                    journal.add(score)
                scores[score.job.key] = score
                if on_score is not None:
                    on_score(score)
    return _in_order(jobs, scores)


def _in_order(jobs: Sequence[Job], scores: dict[str, Score]) -> list[Score]:
    return [scores[job.key] for job in jobs]
