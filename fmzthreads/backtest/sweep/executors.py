"""The executors that run backtests: processes of this machine, this process itself, and the workers of a Dask cluster."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import wait as wait_for
from types import TracebackType
from typing import Any

from ...errors import InputError, MissingExtra

__all__ = ["DaskExecutor", "ThisProcess", "WorkerProcesses", "cores_of_cluster", "process_count"]


def process_count(asked: int) -> int:
    """How many worker processes there are.

    Args:
        asked: How many were asked for; 0 for one a core.

    Raises:
        InputError: It is negative.
    """
    if asked < 0:
        raise InputError(f"--workers is {asked}, expected 0 (one a core) or more")
    return asked or os.cpu_count() or 1


class WorkerProcesses(ProcessPoolExecutor):
    """Processes of this machine, which end with this one in whatever way it ends.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        # Not fork: the process that asks for the sweep may have threads.
        super().__init__(count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Shuts it down; after an error, such as Ctrl-C, at once: a backtest may never end."""
        if kind is not None:
            # Python has a public name for it (kill_workers) only from 3.14 on.
            for process in [*(getattr(self, "_processes", None) or {}).values()]:
                process.kill()
        return super().__exit__(kind, error, trace)


def _begin_worker() -> None:
    """Prepares a worker process."""
    # Ctrl-C reaches all processes of a terminal; the one that asked for the sweep ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What strategies write past print belongs to no table.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), name="fmzthreads-parent-watch", daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Ends this process when the one that started it has ended, also when that was killed."""
    wait_for([sentinel])
    os._exit(1)


class ThisProcess(Executor):
    """Runs each call at once, in the thread that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a call and returns its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as an executor's worker keeps it
            future.set_exception(error)
        return future


def _client(address: str) -> Any:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra(
            "--executor dask://... needs Dask; install it with: python -m pip install 'fmzthreads[dask]'"
        ) from error
    try:
        return distributed.Client(f"tcp://{address}", set_as_default=False, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}") from error


def cores_of_cluster(address: str) -> int:
    """How many backtests a Dask cluster runs at once.

    Args:
        address: ``HOST:PORT`` of its scheduler.

    Raises:
        MissingExtra: Dask is not installed.
        InputError: No scheduler answers there, or it has no workers.
    """
    with _client(address) as client:
        cores = sum(client.nthreads().values())
    if not cores:
        raise InputError(f"the Dask scheduler at {address} has no workers")
    return int(cores)


class DaskExecutor(AbstractContextManager[Executor]):
    """The executor of a Dask client, which is connected and closed with it.

    Args:
        address: ``HOST:PORT`` of the scheduler.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> Executor:
        """Connects to the cluster."""
        self._client = _client(self._address)
        # A backtest is computed where it is asked for, also when the same arguments were computed before.
        executor: Executor = self._client.get_executor(pure=False)
        self._executor = executor
        return executor

    def __exit__(self, *_: object) -> None:
        """Cancels what has not begun, and closes the connection."""
        self._executor.shutdown(wait=False)
        self._client.close()
