"""Runs the backtests of a sweep on an executor, a bounded number at a time, and survives workers that die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import attrs

from ...errors import InputError, OperationFailed
from .executors import DaskExecutor, ThisProcess, WorkerProcesses, cores_of_cluster, process_count
from .job import WORKER_DIED, Job, Score

__all__ = [
    "Evaluate",
    "OpenWorkers",
    "SweepStopped",
    "Workers",
    "dask_workers",
    "evaluated",
    "process_workers",
    "workers_of",
]

Evaluate = Callable[[Job], Score]
"""Runs one backtest; must be picklable for executors of other processes. Errors of the strategy are in the score, not raised."""


class SweepStopped(OperationFailed):
    """A backtest found that the whole sweep cannot go on, such as since a file was changed."""


@attrs.frozen
class Workers:
    """An executor that can be opened again after it broke.

    Attributes:
        open: Returns a new executor, as a context manager that shuts it down.
        count: How many backtests it runs at once.
    """

    open: Callable[[], AbstractContextManager[Executor]]
    count: int

    def opened(self) -> OpenWorkers:
        """The workers, for several calls of ``evaluated``: a context manager that keeps them open between these."""
        return OpenWorkers(self)


class OpenWorkers(AbstractContextManager["OpenWorkers"]):
    """An executor that is opened when it is first needed, opened anew after it broke, and shut down at the end of the context.

    Args:
        workers: How it is opened.
    """

    def __init__(self, workers: Workers) -> None:
        self.count = workers.count
        """How many backtests it runs at once."""
        self._open = workers.open
        self._context: AbstractContextManager[Executor] | None = None
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """The executor."""
        if self._executor is None:
            context = self._open()
            self._executor = context.__enter__()
            self._context = context
        return self._executor

    def drop(self, *raised: Any) -> None:
        """Shuts the executor down; the next use opens a new one."""
        context, self._context, self._executor = self._context, None, None
        if context is not None:
            context.__exit__(*(raised or (None, None, None)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shuts the executor down."""
        self.drop(kind, error, trace)


def process_workers(count: int = 0) -> Workers:
    """Processes of this machine.

    They end with the process that asked for them, in whatever way that ends, and do not heed Ctrl-C themselves.

    Args:
        count: How many; 0 for one a core.

    Raises:
        InputError: It is negative.
    """
    count = process_count(count)
    return Workers(lambda: WorkerProcesses(count), count)


def dask_workers(address: str) -> Workers:
    """The workers of a Dask cluster.

    Args:
        address: ``HOST:PORT`` of its scheduler.

    Raises:
        MissingExtra: Dask is not installed.
        InputError: No scheduler answers there, or it has no workers.
    """
    return Workers(lambda: DaskExecutor(address), cores_of_cluster(address))


def workers_of(text: str, count: int = 0) -> Workers:
    """The workers that ``--executor`` names: ``processes``, ``here`` (this process, such as for a debugger), or ``dask://HOST:PORT``.

    Raises:
        InputError: It names neither, or the cluster cannot be reached.
        MissingExtra: Dask is not installed.
    """
    if text == "processes":
        return process_workers(count)
    if text == "here":
        return Workers(ThisProcess, 1)
    if text.startswith("dask://") and text != "dask://":
        return dask_workers(text.removeprefix("dask://").rstrip("/"))
    raise InputError(f"--executor {text!r}: expected processes, here or dask://HOST:PORT")


def evaluated(jobs: Iterable[Job], evaluate: Evaluate, workers: Workers | OpenWorkers) -> Generator[Score, None, None]:
    """Runs backtests and yields their scores as they are finished.

    At most twice as many as there are workers are under way. When a worker dies, those that were under way are run again one by one; the one whose worker
    dies again has failed.

    Args:
        jobs: The backtests.
        evaluate: Runs one.
        workers: Where they run; those that are open stay open.

    Raises:
        OperationFailed: The executor is gone, such as a Dask cluster whose scheduler ended; or the sweep cannot go on (``SweepStopped``).
    """
    if isinstance(workers, Workers):
        with workers.opened() as opened:
            yield from evaluated(jobs, evaluate, opened)
        return
    waiting = iter(jobs)
    while True:
        lost = yield from _until_broken(waiting, evaluate, workers.executor, workers.count * 2)
        if lost is None:
            return
        workers.drop()
        yield from _alone(deque(lost), evaluate, workers)


def _until_broken(
    waiting: Iterator[Job], evaluate: Evaluate, executor: Executor, most: int
) -> Generator[Score, None, list[Job] | None]:
    """Yields scores; returns None at the end, or the jobs that were lost when the executor broke."""
    under_way: dict[Future[Score], Job] = {}
    try:
        while True:
            for job in waiting:
                try:
                    under_way[executor.submit(evaluate, job)] = job
                except BrokenExecutor:
                    return [job, *(yield from _finished(under_way))]
                if len(under_way) >= most:
                    break
            if not under_way:
                return None
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            if any(_broke(future) for future in done):
                wait(under_way)  # all of them are broken now
                return (yield from _finished(under_way))
            for future in [
                one for one in under_way if one in done
            ]:  # those that ended together: in the order of their start
                yield _score(future, under_way.pop(future))
    finally:
        for future in under_way:
            future.cancel()


def _finished(under_way: dict[Future[Score], Job]) -> Generator[Score, None, list[Job]]:
    """Yields what was finished before the executor broke, and returns the other jobs."""
    wait(under_way)
    lost: list[Job] = []
    for future, job in under_way.items():
        if _broke(future):
            lost.append(job)
        else:
            yield _score(future, job)
    under_way.clear()
    return lost


def _alone(suspects: deque[Job], evaluate: Evaluate, workers: OpenWorkers) -> Iterator[Score]:
    """Runs the suspects one by one."""
    while suspects:
        job = suspects.popleft()
        try:
            future = workers.executor.submit(evaluate, job)
            wait([future])
            broken = _broke(future)
        except BrokenExecutor:  # it broke before this one began
            suspects.appendleft(job)
            workers.drop()
            continue
        if broken:
            workers.drop()
            yield Score(job, error=WORKER_DIED)
        else:
            yield _score(future, job)


def _broke(future: Future[Score]) -> bool:
    """Whether a backtest was lost because its executor broke.

    Raises:
        OperationFailed: The executor cancelled it, which we did not ask for: there will be no others either.
    """
    if future.cancelled():
        raise OperationFailed(
            "the executor has cancelled its backtests, as when a Dask scheduler ends; those that are finished are kept"
        )
    return isinstance(future.exception(), BrokenExecutor)


def _score(future: Future[Score], job: Job) -> Score:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SweepStopped) or not isinstance(error, Exception):
        raise error
    if type(error).__name__ == "KilledWorker":  # Dask's: it was tried on several workers, which all died
        return Score(job, error=WORKER_DIED)
    return Score(job, error=f"{type(error).__name__}: {error}"[:500])
