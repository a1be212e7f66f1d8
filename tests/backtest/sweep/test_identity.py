"""A journal is only for the same sweep; and a sweep runs what ``fmzthreads backtest`` runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest
from fmzthreads.backtest.outputs import result_object
from fmzthreads.backtest.sweep.evaluate import BacktestEvaluation, figures_of
from fmzthreads.backtest.sweep.identity import sweep_identity
from fmzthreads.backtest.sweep.job import Job
from fmzthreads.backtest.sweep.space import Grid, parse_axis
from fmzthreads.cli import main
from tests.helpers.backtest_runs import generated, write_bars

STRATEGY = """'''backtest
period: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","stocks":0}]
args: [["size", 10], ["rest", 3, "lib"]]
'''
import helper
def main():
    while True:
        t = exchange.GetTicker()
        exchange.Buy(t.Last - 2 * step, size)
        exchange.Sell(t.Last + ext.rest(), helper.part(size))
        Sleep(300000)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "s.py").write_text(STRATEGY)
    (tmp_path / "helper.py").write_text("from deeper import half\ndef part(x):\n    return half * x\n")
    (tmp_path / "deeper.py").write_text("half = 0.5\n")
    (tmp_path / "lib.py").write_text("ext.rest = lambda: rest\n")
    (tmp_path / "c.json").write_text('{"args": {"size": 2}, "options": {}}')
    write_bars(tmp_path / "bars.csv")
    return tmp_path


def inputs_of(folder: Path, **more: Any) -> BacktestInputs:
    return BacktestInputs(
        file=folder / "s.py",
        templates=(folder / "lib.py",),
        config=folder / "c.json",
        **{"bars": (BarsFile(folder / "bars.csv"),), **more},
    )


def test_a_sweep_runs_what_a_backtest_runs_and_has_its_figures(files: Path) -> None:
    found = BacktestEvaluation(inputs_of(files))(Job({"step": 1}))
    assert found.error == ""
    ready = ReadyBacktest.of(inputs_of(files, args={"step": 1}))
    assert ready.values["size"] == 2  # of the config file
    run = BacktestRun(ready.settings, ready.source, folder=files)
    run.finish(run.run(ready.strategy, ready.values, ready.templates))
    assert dict(found.figures) == figures_of(result_object(run)["metrics"])
    assert found.figures["round_trips"]
    again = BacktestEvaluation(inputs_of(files, args={"size": 3}, template_args={"lib": {"rest": 1}}))
    assert again(Job({"step": 1})).figures["turnover"] != found.figures["turnover"]


@pytest.mark.parametrize("snapshots", [None, 900_000])
@pytest.mark.parametrize("hours", [(None, 12), (12, 36), (36, None), (20, 21)])
def test_a_part_of_the_time_is_run_as_a_backtest_of_that_time(
    tmp_path: Path, hours: tuple[int | None, int | None], snapshots: int | None
) -> None:
    write_bars(tmp_path / "bars.csv", generated(3 * 1440))
    begin = 1_704_067_200_000
    (tmp_path / "s.py").write_text("""'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-03 12:00:00
period: 5m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","stocks":0}]
'''
def main():
    while True:
        t = exchange.GetTicker()
        exchange.Buy(t.Last - step, 10)
        exchange.Sell(t.Last + step, 0.001)
        Sleep(1700000)
""")
    options = {} if snapshots is None else {"options": {"SnapshotPeriod": snapshots}}
    (tmp_path / "c.json").write_text(json.dumps(options))
    common: dict[str, Any] = {
        "file": tmp_path / "s.py",
        "config": tmp_path / "c.json",
        "bars": (BarsFile(tmp_path / "bars.csv"),),
    }
    start, end = (None if hour is None else begin + hour * 3_600_000 for hour in hours)
    found = BacktestEvaluation(BacktestInputs(**common))(Job({"step": 2}, start, end))
    times = {"start": hours[0] or 0, "end": hours[1] or 60}
    changes = {name: f"2024-01-0{1 + hour // 24} {hour % 24:02}:00:00" for name, hour in times.items()}
    ready = ReadyBacktest.of(BacktestInputs(**common, args={"step": 2}, changes=changes))
    run = BacktestRun(ready.settings, ready.source, folder=tmp_path)
    run.finish(run.run(ready.strategy, ready.values, ready.templates))
    assert found.error == ""
    assert found.figures["fills"]
    assert dict(found.figures) == figures_of(result_object(run)["metrics"])


def identity(folder: Path, **more: Any) -> Any:
    inputs = inputs_of(folder, **more)
    grid = Grid((parse_axis("step=1,2"),))
    whole = sweep_identity(
        inputs, ReadyBacktest.of(BacktestInputs(**{**_fields(inputs), "args": {"step": 1, **inputs.args}})), grid
    )
    return json.loads(json.dumps(whole))


def _fields(inputs: BacktestInputs) -> dict[str, Any]:
    return {
        name: getattr(inputs, name)
        for name in ("file", "templates", "template_args", "config", "changes", "bars", "columns")
    }


@pytest.mark.parametrize(
    "change",
    [
        {"changes": {"seed": 7}},
        {"changes": {"participation": 0.5}},
        {"changes": {"latency": 5}},
        {"changes": {"compat": "fmz"}},
        {"changes": {"timezone": "+08:00"}},
        {"changes": {"go": "concurrent"}},
        {"args": {"size": 4}},
        {"template_args": {"lib": {"rest": 4}}},
    ],
    ids=str,
)
def test_what_changes_results_changes_the_sweep(files: Path, change: dict[str, Any]) -> None:
    before = identity(files)
    assert identity(files) == before
    assert identity(files, **change) != before


@pytest.mark.parametrize("name", ["s.py", "helper.py", "deeper.py", "lib.py", "bars.csv"])
def test_each_file_counts(files: Path, name: str) -> None:
    before = identity(files)
    (files / "unused.py").write_text("x = 1\n")
    assert identity(files) == before
    with (files / name).open("a") as file:
        file.write("\n")
    assert identity(files) != before


@pytest.mark.parametrize("name", ["__init__.py", "orders.py", "state.py", "deep/__init__.py", "deep/inner.py"])
def test_each_module_of_a_package_counts(files: Path, name: str) -> None:
    package = files / "helpers"
    (package / "deep").mkdir(parents=True)
    for file, text in (
        ("__init__.py", "from . import orders\n"),
        ("orders.py", "from .state import count\n"),
        ("state.py", "from .deep import inner\ncount = 1\n"),
        ("deep/__init__.py", ""),
        ("deep/inner.py", "from ..state import count\n"),
        ("unused.py", ""),
    ):
        (package / file).write_text(text)
    (files / "helper.py").write_text("import helpers\nfrom deeper import half\ndef part(x):\n    return half * x\n")
    before = identity(files)
    (package / "unused.py").write_text("x = 1\n")
    assert identity(files) == before
    with (package / name).open("a") as file:
        file.write("\n")
    assert identity(files) != before


def test_files_of_one_name_names_of_series_and_columns_count(files: Path) -> None:
    other = files / "other" / "bars.csv"
    other.parent.mkdir()
    other.write_bytes((files / "bars.csv").read_bytes())
    two = (BarsFile(files / "bars.csv", "Binance/BTC_USDT"), BarsFile(other, "Binance/ETH_USDT"))
    before = identity(files, bars=two)
    with (files / "bars.csv").open("a") as file:
        file.write("\n")
    changed = identity(files, bars=two)
    assert changed != before  # though the other file of this name is as it was
    swapped = (BarsFile(files / "bars.csv", "Binance/ETH_USDT"), BarsFile(other, "Binance/BTC_USDT"))
    assert identity(files, bars=swapped) != changed
    assert identity(files, bars=two, columns={"close": "open"}) != changed


def test_another_version_is_another_sweep(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(files)
    monkeypatch.setattr("fmzthreads.backtest.sweep.identity.__version__", "9.9")
    assert identity(files) != before


def test_a_module_that_cannot_be_read_is_the_runs_business(files: Path) -> None:
    (files / "deeper.py").write_text("half = = 1\n")
    assert "deeper.py" in identity(files)["files"]["modules"]


def test_the_journal_of_another_seed_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "optimize",
        files / "s.py",
        "--template",
        files / "lib.py",
        "--bars",
        files / "bars.csv",
        "--grid",
        "step=1,2",
    ]
    words += ["--config", files / "c.json", "--executor", "here", "--out", files / "out"]
    assert main([*map(str, words)]) == 0
    assert main([*map(str, words), "--seed", "7"]) == 2
    assert "belongs to another sweep: settings differ" in capsys.readouterr().err
