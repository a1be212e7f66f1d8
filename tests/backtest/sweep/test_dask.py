"""A sweep on a real Dask cluster: a scheduler and two worker processes on the loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.sweep.job import Job
from fmzthreads.backtest.sweep.pool import evaluated, workers_of
from fmzthreads.cli import main
from fmzthreads.errors import InputError
from tests.backtest.sweep.test_optimize import words
from tests.backtest.sweep.test_pool import square

distributed: Any = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as found:
        yield found


def test_backtests_run_on_the_workers_of_a_cluster(cluster: Any) -> None:
    address = cluster.scheduler_address.removeprefix("tcp://")
    for _ in range(2):  # a second sweep of the same arguments is computed anew
        workers = workers_of(f"dask://{address}")
        assert workers.count == 2
        scores = list(evaluated([Job({"x": x}) for x in range(30)], square, workers))
        assert sorted(score.job.args["x"] for score in scores) == list(range(30))
        assert {score.error for score in scores} == {"", "ValueError: thirteen"}
        assert all(score.error or score.figures["square"] == score.job.args["x"] ** 2 for score in scores)


def test_a_strategy_is_swept_on_a_cluster(cluster: Any, files: Any, tmp_path: Path) -> None:
    address = cluster.scheduler_address.removeprefix("tcp://")
    assert main(words(files, tmp_path / "dask", "--executor", f"dask://{address}")) == 0
    assert main(words(files, tmp_path / "here", "--executor", "here")) == 0
    assert (tmp_path / "dask" / "sweep.csv").read_bytes() == (tmp_path / "here" / "sweep.csv").read_bytes()


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 127\.0\.0\.1:9"):
        workers_of("dask://127.0.0.1:9")
