"""Backtests on an executor: bounded, complete, and alive after a worker died."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

from fmzthreads.backtest.sweep.job import WORKER_DIED, Job, Score
from fmzthreads.backtest.sweep.pool import OpenWorkers, SweepStopped, Workers, evaluated, process_workers, workers_of
from fmzthreads.errors import InputError, OperationFailed


def square(job: Job) -> Score:
    if job.args["x"] == 13:
        raise ValueError("thirteen")
    return Score(job, {"square": job.args["x"] ** 2})


def threads(count: int) -> Workers:
    return Workers(lambda: ThreadPoolExecutor(count), count)


@pytest.mark.parametrize("count", [1, 3])
def test_every_backtest_is_scored_once_and_errors_are_scores(count: int) -> None:
    jobs = [Job({"x": x}) for x in range(50)]
    scores = list(evaluated(jobs, square, threads(count)))
    assert sorted(score.job.args["x"] for score in scores) == list(range(50))
    for score in scores:
        x = score.job.args["x"]
        assert score.error == ("ValueError: thirteen" if x == 13 else "")
        assert score.figures == ({} if x == 13 else {"square": x * x})


def test_only_a_few_backtests_are_taken_from_the_grid_at_a_time() -> None:
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for x in range(1000):
            taken += 1
            yield Job({"x": x})

    scores = evaluated(jobs(), square, threads(2))
    for _ in range(20):
        next(scores)
    assert taken <= 20 + 4
    scores.close()  # type: ignore[attr-defined]


def test_closing_cancels_what_waits() -> None:
    release, ran = threading.Event(), []

    def slow(job: Job) -> Score:
        ran.append(job.args["x"])
        if job.args["x"]:
            assert release.wait(60)
        return Score(job)

    executor = ThreadPoolExecutor(1)

    @attrs.frozen
    class Kept:
        def __enter__(self) -> Executor:
            return executor

        def __exit__(self, *_: object) -> None:
            release.set()

    scores = evaluated((Job({"x": x}) for x in range(9)), slow, Workers(Kept, 2))
    next(scores)
    scores.close()  # type: ignore[attr-defined]
    executor.shutdown()
    assert len(ran) <= 2


@attrs.frozen
class KillsItself:
    """Kills its process for one value, always or only at the first try."""

    folder: str
    always: bool

    def __call__(self, job: Job) -> Score:
        if job.args["x"] == 3:
            mark = Path(self.folder) / "killed"
            if self.always or not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return Score(job, {"x": float(job.args["x"])})


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("always", [True, False])
def test_a_worker_that_is_killed_costs_at_most_its_own_backtest(tmp_path: Path, always: bool) -> None:
    jobs = [Job({"x": x}) for x in range(12)]
    scores = list(evaluated(jobs, KillsItself(str(tmp_path), always), process_workers(2)))
    assert sorted(score.job.args["x"] for score in scores) == list(range(12))
    failed = [score for score in scores if score.error]
    assert [score.job.args["x"] for score in failed] == ([3] if always else [])
    assert all("worker process died" in score.error for score in failed)


def test_open_workers_stay_open_until_they_break(tmp_path: Path) -> None:
    opened: list[ThreadPoolExecutor] = []

    def open_one() -> ThreadPoolExecutor:
        opened.append(ThreadPoolExecutor(1))
        return opened[-1]

    with Workers(open_one, 1).opened() as workers:
        assert not opened  # not before they are needed
        for _ in range(3):
            assert len(list(evaluated([Job({"x": 1})], square, workers))) == 1
        assert len(opened) == 1
        list(evaluated([Job({"x": 1})], breaking, workers))
        assert len(opened) == 3  # it broke, and broke again when the backtest was alone
        assert len(list(evaluated([Job({"x": 1})], square, workers))) == 1
    assert len(opened) == 3
    for one in opened:
        with pytest.raises(RuntimeError, match="after shutdown"):
            one.submit(int)


def breaking(job: Job) -> Score:
    raise BrokenExecutor


@attrs.frozen
class Hangs:
    """Notes that it began, and never ends."""

    folder: str

    def __call__(self, job: Job) -> Score:
        (Path(self.folder) / f"{os.getpid()}").touch()
        while True:
            pass


@pytest.mark.skipif(os.name == "nt", reason="processes are killed otherwise")
def test_ctrl_c_ends_backtests_that_never_end(tmp_path: Path) -> None:
    def interrupted(workers: OpenWorkers) -> None:
        workers.executor.submit(Hangs(str(tmp_path)), Job({}))
        while not list(tmp_path.iterdir()):
            pass
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), process_workers(1).opened() as workers:
        interrupted(workers)
    [name] = [path.name for path in tmp_path.iterdir()]
    with pytest.raises(ProcessLookupError):  # it was killed and waited for
        os.kill(int(name), 0)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_asked_for_them(tmp_path: Path, number: signal.Signals) -> None:
    code = f"""
from fmzthreads.backtest.sweep.job import Job
from fmzthreads.backtest.sweep.pool import evaluated, process_workers
from tests.backtest.sweep.test_pool import Hangs
if __name__ == "__main__":
    list(evaluated([Job({{"x": 1}}), Job({{"x": 2}})], Hangs({str(tmp_path)!r}), process_workers(2)))
"""
    path = tmp_path / "asks.py"
    path.write_text(code)
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, str(path)], stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        while len(list(tmp_path.iterdir())) < 3:
            assert process.poll() is None
        process.send_signal(number)
        assert process.stderr is not None
        # Its end comes when the last worker has ended. Python's own resource tracker may complain of semaphores.
        assert b"Traceback" not in process.stderr.read()


def interrupting(job: Job) -> Score:
    os.write(1, b"written past print")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return Score(job)


def test_worker_processes_ignore_ctrl_c_and_write_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert [score.error for score in evaluated([Job({})], interrupting, process_workers(1))] == [""]
    assert capfd.readouterr().out == ""


def stopping(job: Job) -> Score:
    raise SweepStopped("x.py is not what it was")


def test_a_backtest_can_end_the_whole_sweep() -> None:
    for workers in (threads(1), process_workers(1), workers_of("here")):
        with pytest.raises(SweepStopped, match=r"x\.py is not what it was"):
            list(evaluated([Job({"x": x}) for x in range(9)], stopping, workers))


class KilledWorker(Exception):
    """As Dask names what it raises when several workers died."""


def killed(job: Job) -> Score:
    raise KilledWorker("Attempted to run task on 4 different workers, but all those workers died while running it")


def test_a_task_whose_dask_workers_died_has_the_error_of_a_worker_that_died() -> None:
    [score] = evaluated([Job({"x": 1})], killed, threads(1))
    assert score.error == WORKER_DIED


class Cancelling(Executor):
    """As Dask's executor when its scheduler has ended: what it was given is cancelled."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_an_executor_that_is_gone_is_told() -> None:
    with pytest.raises(
        OperationFailed, match="the executor has cancelled its backtests, as when a Dask scheduler ends"
    ):
        list(evaluated([Job({"x": 1})], square, Workers(Cancelling, 1)))


def test_backtests_can_run_in_this_process() -> None:
    scores = list(evaluated([Job({"x": x}) for x in (1, 13)], square, workers_of("here")))
    assert {score.job.args["x"]: score.figures.get("square") for score in scores} == {1: 1, 13: None}
    assert {score.error for score in scores} == {"", "ValueError: thirteen"}


def test_wrong_executors_are_named() -> None:
    for text in ("thread", "dask://", "dask"):
        with pytest.raises(InputError, match="expected processes, here or dask"):
            workers_of(text)
    with pytest.raises(InputError, match="--workers is -1"):
        workers_of("processes", -1)
