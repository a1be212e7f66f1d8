"""Runs the backtests of a sweep on an executor, a bounded number at a time, and survives workers that die."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any

import attrs

from ...errors import InputError, MissingExtra, OperationFailed
from .job import WORKER_DIED, Job, Score

__all__ = ["Evaluate", "Workers", "dask_workers", "evaluated", "process_workers", "workers_of"]

Evaluate = Callable[[Job], Score]
"""Runs one backtest; must be picklable for executors of other processes. Errors of the strategy are in the score, not raised."""


@attrs.frozen
class Workers:
    """An executor that can be opened again after it broke.

    Attributes:
        open: Returns a new executor, as a context manager that shuts it down.
        count: How many backtests it runs at once.
    """

    open: Callable[[], AbstractContextManager[Executor]]
    count: int


def process_workers(count: int = 0) -> Workers:
    """Processes of this machine.

    Args:
        count: How many; 0 for one a core.

    Raises:
        InputError: It is negative.
    """
    if count < 0:
        raise InputError(f"--workers is {count}, expected 0 (one a core) or more")
    count = count or os.cpu_count() or 1
    # Not fork: the process that asks for the sweep may have threads.
    context = multiprocessing.get_context("spawn")
    return Workers(lambda: ProcessPoolExecutor(count, mp_context=context), count)


class _Here(Executor):
    """Runs each call at once, in the thread that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a call and returns its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as an executor's worker keeps it
            future.set_exception(error)
        return future


def dask_workers(address: str) -> Workers:
    """The workers of a Dask cluster.

    Args:
        address: ``HOST:PORT`` of its scheduler.

    Raises:
        MissingExtra: Dask is not installed.
        InputError: No scheduler answers there.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra(
            "--executor dask://... needs Dask; install it with: python -m pip install 'fmzthreads[dask]'"
        ) from error
    try:
        client = distributed.Client(f"tcp://{address}", set_as_default=False, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}") from error
    cores = sum(client.nthreads().values())
    if not cores:
        client.close()
        raise InputError(f"the Dask scheduler at {address} has no workers")
    return Workers(lambda: _DaskExecutor(client), cores)


class _DaskExecutor(AbstractContextManager[Executor]):
    """A client's executor; the client is closed with it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Executor:
        # A backtest is computed where it is asked for, also when the same arguments were computed before.
        executor: Executor = self._client.get_executor(pure=False)
        self._executor = executor
        return executor

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()


def workers_of(text: str, count: int = 0) -> Workers:
    """The workers that ``--executor`` names: ``processes``, ``here`` (this process, such as for a debugger), or ``dask://HOST:PORT``.

    Raises:
        InputError: It names neither, or the cluster cannot be reached.
        MissingExtra: Dask is not installed.
    """
    if text == "processes":
        return process_workers(count)
    if text == "here":
        return Workers(_Here, 1)
    if text.startswith("dask://") and text != "dask://":
        return dask_workers(text.removeprefix("dask://").rstrip("/"))
    raise InputError(f"--executor {text!r}: expected processes, here or dask://HOST:PORT")


def evaluated(jobs: Iterable[Job], evaluate: Evaluate, workers: Workers) -> Iterator[Score]:
    """Runs backtests and yields their scores as they are finished.

    At most twice as many as there are workers are under way, so that a grid of millions needs no memory. When a worker dies, those that were under way are
    run again one by one; the one whose worker dies again has failed.

    Args:
        jobs: The backtests.
        evaluate: Runs one.
        workers: Where they run.

    Raises:
        OperationFailed: The executor is gone, such as a Dask cluster whose scheduler ended.
    """
    waiting = iter(jobs)
    suspects: deque[Job] = deque()
    while True:
        with workers.open() as executor:
            lost = yield from _until_broken(waiting, evaluate, executor, workers.count * 2)
        if lost is None:
            return
        suspects.extend(lost)
        while suspects:
            yield from _alone(suspects, evaluate, workers)


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


def _alone(suspects: deque[Job], evaluate: Evaluate, workers: Workers) -> Iterator[Score]:
    """Runs the suspects one by one until one breaks its executor."""
    with workers.open() as executor:
        while suspects:
            job = suspects.popleft()
            try:
                future = executor.submit(evaluate, job)
                wait([future])
                broken = _broke(future)
            except BrokenExecutor:
                suspects.appendleft(job)
                return
            if broken:
                yield Score(job, error=WORKER_DIED)
                return
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
    if not isinstance(error, Exception):
        raise error
    if type(error).__name__ == "KilledWorker":  # Dask's: it was tried on several workers, which all died
        return Score(job, error=WORKER_DIED)
    return Score(job, error=f"{type(error).__name__}: {error}"[:500])
