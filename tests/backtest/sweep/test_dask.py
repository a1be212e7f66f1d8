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


@pytest.mark.parametrize(
    "more", [("--search", "6"), ("--walk-forward", "train=1d,test=12h"), ("--random", "5")], ids=str
)
def test_each_kind_of_sweep_gives_the_same_on_a_cluster(
    cluster: Any, files: Any, tmp_path: Path, more: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    if more[0] == "--search":
        pytest.importorskip("optuna")
    address = cluster.scheduler_address.removeprefix("tcp://")
    shown = []
    for name, where in (("dask", f"dask://{address}"), ("here", "here")):
        assert main(words(files, tmp_path / name, "--executor", where, *more)) == 0
        shown.append(
            (capsys.readouterr().out.replace(str(tmp_path / name), "OUT"), (tmp_path / name / "sweep.csv").read_bytes())
        )
    assert shown[0] == shown[1]


def test_relative_names_of_files_are_those_of_the_place_where_the_sweep_was_asked_for(
    cluster: Any, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files[0].parent)  # the workers were started elsewhere
    relative = (Path(files[0].name), Path(files[1].name))
    address = cluster.scheduler_address.removeprefix("tcp://")
    assert main(words(relative, tmp_path / "out", "--executor", f"dask://{address}", "--random", "2")) == 0


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 127\.0\.0\.1:9"):
        workers_of("dask://127.0.0.1:9")
