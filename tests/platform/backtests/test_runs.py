"""Backtests as processes: done, failed, stopped, waiting for their turn, and left behind by a platform that ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.errors import OperationFailed, UnknownName
from fmzthreads.platform.backtests.runs import BacktestRuns
from tests.helpers.platforms import eventually

pytest.importorskip("cryptography")

LONG_S = 100.0
STAND_IN = """
import json, pathlib, sys, time
file, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
what = file.read_text().strip()
config = json.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
sys.stderr.write("[####] 10%\\r[####] 40%")
sys.stderr.flush()
if what == "hang":
    time.sleep(600)
if what == "fail":
    sys.exit("\\nfmzthreads: it failed as told")
out.mkdir()
(out / "report.html").write_text("a report")
(out / "result.json").write_text(json.dumps({"metrics": {"equity": {"sharpe": config["n"]}, "currency": "USDT", "log": 1}}))
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[BacktestRuns]:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    found = BacktestRuns(tmp_path / "runs", [sys.executable, str(tmp_path / "stand_in.py")])
    yield found
    found.close()


def started(runs: BacktestRuns, folder: Path, what: str) -> int:
    file = folder / f"{what}.py"
    file.write_text(what)
    return runs.start(file, {"n": 5, "args": [["secret", "s"]]}, {"period": "1h"}, {"secret": "***"})


def test_one_that_is_done_has_figures_and_a_report(runs: BacktestRuns, tmp_path: Path) -> None:
    number = started(runs, tmp_path, "good")
    assert runs.wait(number, LONG_S)
    found = runs.get(number)
    assert (found.state, found.share_done, found.problem) == ("done", 1.0, "")
    assert found.figures == {"equity": {"sharpe": 5}, "currency": "USDT"}
    assert found.args == {"secret": "***"}
    assert found.report is not None
    assert found.report.read_text() == "a report"
    assert (tmp_path / "runs" / "1" / "config.json").stat().st_mode & 0o077 == 0
    runs.stop(number)  # removes it
    assert runs.all() == []
    with pytest.raises(UnknownName):
        runs.get(number)


def test_one_that_fails_says_why(runs: BacktestRuns, tmp_path: Path) -> None:
    number = started(runs, tmp_path, "fail")
    assert runs.wait(number, LONG_S)
    assert (runs.get(number).state, runs.get(number).problem) == ("failed", "fmzthreads: it failed as told")


def test_two_run_at_once_and_the_others_wait(runs: BacktestRuns, tmp_path: Path) -> None:
    numbers = [started(runs, tmp_path, "hang") for _ in range(3)]
    eventually(lambda: [runs.get(number).share_done for number in numbers].count(0.4) == 2)
    states = sorted(runs.get(number).state for number in numbers)
    assert states == ["running", "running", "waiting"]
    waiting = next(number for number in numbers if runs.get(number).state == "waiting")
    running = next(number for number in numbers if runs.get(number).state == "running")
    runs.stop(waiting)
    runs.stop(running)
    for number in (waiting, running):
        assert runs.wait(number, LONG_S)
        assert runs.get(number).state == "stopped"


def test_one_that_a_platform_left_behind_counts_as_stopped(runs: BacktestRuns, tmp_path: Path) -> None:
    number = started(runs, tmp_path, "hang")
    eventually(lambda: runs.get(number).state == "running")
    assert BacktestRuns(tmp_path / "runs").get(number).state == "stopped"
    runs.close()
    assert runs.get(number).state == "stopped"
    with pytest.raises(OperationFailed):
        started(runs, tmp_path, "good")


def test_a_damaged_folder_does_not_hide_the_others(runs: BacktestRuns, tmp_path: Path) -> None:
    number = started(runs, tmp_path, "good")
    assert runs.wait(number, LONG_S)
    for damaged, text in (("7", "{"), ("8", json.dumps({"state": "done"}))):
        (tmp_path / "runs" / damaged).mkdir()
        (tmp_path / "runs" / damaged / "run.json").write_text(text)
    (tmp_path / "runs" / "not a number").mkdir()
    assert [(one.id, one.state) for one in runs.all()] == [(8, "failed"), (7, "failed"), (1, "done")]
