"""``fmzthreads optimize``: the same answer for any number of workers, also after a kill."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.inputs import BacktestInputs, BarsFile
from fmzthreads.backtest.sweep.evaluate import BacktestEvaluation
from fmzthreads.backtest.sweep.job import Job, Score
from fmzthreads.cli import main


def words(files: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    strategy, bars = files
    return [
        "optimize", str(strategy), "--bars", f"Binance/BTC_USDT={bars}", "--grid", "fast=2:4:1", "--grid", "slow=10:30:10",
        "--out", str(out), *more,
    ]  # fmt: skip


def test_a_grid_is_ranked_and_failures_come_last(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = []
    for place in (("--executor", "here"), ("--workers", "3")):
        out = tmp_path / f"out{place[1]}"
        assert main(words(files, out, *place)) == 0
        results.append((capsys.readouterr().out.replace(str(out), "OUT"), (out / "sweep.csv").read_text()))
    assert results[0] == results[1]
    shown = results[0][0].splitlines()
    assert shown[0].split()[:3] == ["fast", "slow", "sharpe"]
    assert "ValueError: no such pair (cross.py, line 15)" in shown[9]
    assert "9 backtests, 1 failed" in shown[-1]
    with (tmp_path / "outhere" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fast"], row["slow"]) for row in rows] == [(str(f), str(s)) for f in (2, 3, 4) for s in (10, 20, 30)]
    sharpes = [float(row["sharpe"]) for row in rows if not row["error"]]
    assert float(shown[1].split()[2]) == pytest.approx(max(sharpes), rel=1e-5)
    assert "<script" not in (tmp_path / "outhere" / "heat_maps.html").read_text(encoding="utf-8")


def test_a_worker_runs_many_backtests_on_the_same_bars(files: tuple[Path, Path]) -> None:
    strategy, bars = files
    evaluate = BacktestEvaluation(BacktestInputs(file=strategy, bars=(BarsFile(bars, "Binance/BTC_USDT"),)))
    first = evaluate(Job({"fast": 3, "slow": 10}))
    assert evaluate(Job({"fast": 2, "slow": 10})).figures != first.figures
    assert evaluate(Job({"fast": 3, "slow": 10})) == first
    day = 86_400_000
    part = evaluate(Job({"fast": 3, "slow": 10}, 1_704_067_200_000, 1_704_067_200_000 + day))
    assert part.figures["orders"] != first.figures["orders"]


def test_walk_forward_and_chance(files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(files, tmp_path / "walk", "--executor", "here", "--walk-forward", "train=1d,test=12h")) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].startswith("2024-01-02 00:00")
    assert shown.splitlines()[1].startswith("2024-01-02 12:00")
    assert "return out of sample" in shown
    assert main(words(files, tmp_path / "some", "--executor", "here", "--random", "4", "--seed", "2")) == 0
    assert "4 backtests" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--grid", "none=1,2"), ""),
        (("--objective", "sharp"), "did you mean 'sharpe'"),
        (("--random", "0"), "--random is 0"),
        (("--executor", "threads"), "expected processes, here or dask"),
        (("--walk-forward", "train=9d,test=1d"), "leaves nothing"),
        (("--search", "3", "--walk-forward", "train=1d,test=1d"), "exclude each other"),
    ],
)
def test_what_is_not_valid_is_named(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    code = main(words(files, tmp_path / "out", "--executor", "here", *more))
    error = capsys.readouterr().err
    if said:
        assert code == 2
        assert said in error
    else:  # a header without a declaration takes every argument
        assert code == 0


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("max_drawdown", True),
        ("log_profit.volatility", True),
        ("max_drawdown:min", False),
        ("max_drawdown:max", False),
        ("sharpe", False),
    ],
)
def test_a_figure_of_which_less_is_better_is_told(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], objective: str, told: bool
) -> None:
    strategy, bars = files
    options = [
        "--bars",
        f"Binance/BTC_USDT={bars}",
        "--grid",
        "fast=2:3:1",
        "--executor",
        "here",
        "--out",
        str(tmp_path / "out"),
    ]
    main(["optimize", str(strategy), *options, "--objective", objective])
    assert (f"{objective}:min puts the smallest first" in capsys.readouterr().err) is told


def test_a_parameter_that_the_strategy_never_uses_is_told(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(files, tmp_path / "out", "--executor", "here", "--grid", "none=1", "--random", "1")) == 0
    told = capsys.readouterr().err
    assert f"--grid none: {files[0]} never uses a variable of this name" in told
    assert "--grid fast" not in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fast = 5", True),
        ("fast, other = 5, 6", True),
        ("fast: int = 5", True),
        ("fast: int", False),
        ("fast = fast * 2", False),
        ("fast += 1", False),
        ("if 1:\n    pass", False),
    ],
)
def test_a_parameter_that_the_strategy_gives_a_value_itself_is_told(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, told: bool
) -> None:
    files[0].write_text(files[0].read_text().replace("def main", f"{line}\ndef main"))
    assert main(words(files, tmp_path / "out", "--executor", "here", "--random", "1")) == 0
    assert (f"--grid fast changes nothing: {files[0]} gives fast a value itself" in capsys.readouterr().err) is told


def test_a_parameter_of_a_template_is_used(files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = tmp_path / "lib.py"
    template.write_text("ext.part = lambda: extra\n")
    more = ("--template", str(template), "--grid", "extra=1", "--random", "1")
    assert main(words(files, tmp_path / "out", "--executor", "here", *more)) == 0
    assert "--grid" not in capsys.readouterr().err


def test_a_few_of_very_many_combinations_are_on_the_heat_map(files: Any, tmp_path: Path) -> None:
    more = ("--grid", "extra=1:2000:1", "--grid", "other=1:200:1", "--random", "2")
    assert main(words(files, tmp_path / "out", "--executor", "here", *more)) == 0
    page = (tmp_path / "out" / "heat_maps.html").read_text(encoding="utf-8")
    assert "2 of 3,600,000 combinations" in page
    assert "td class='value" in page


def test_a_strategy_that_interrupts_itself_has_failed_and_one_that_prints_much_has_not(
    files: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = """
def main():
    import os, sys
    exchange.GetTicker()
    if fast == 2:
        raise KeyboardInterrupt
    for n in range(1000):
        print("much", n)
    sys.stdout.write("past print")
    sys.stdout.flush()
    os.write(1, b"past print")
"""
    files[0].write_text(files[0].read_text().partition("def main")[0] + body)
    out = tmp_path / "out"
    assert main(words(files, out, "--workers", "2")) == 0
    told = capfd.readouterr()
    assert "9 backtests, 3 failed" in told.out
    assert "KeyboardInterrupt: raised by the strategy itself" in told.out
    assert "past print" not in told.out + told.err
    assert "much" not in told.out + told.err


def test_a_figure_that_does_not_exist_is_told_after_the_first_backtest(files: Any, tmp_path: Path) -> None:
    assert main(words(files, tmp_path / "out", "--executor", "here", "--objective", "sharp")) == 2
    assert (tmp_path / "out" / "journal.jsonl").read_bytes().count(b"\n") == 2


def test_ctrl_c_leaves_a_table_and_the_journal(
    files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Job] = []
    real = BacktestEvaluation.__call__

    def interrupted(self: BacktestEvaluation, job: Job) -> Score:
        calls.append(job)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, job)

    monkeypatch.setattr(BacktestEvaluation, "__call__", interrupted)
    out = tmp_path / "out"
    assert main(words(files, out, "--executor", "here")) == 130
    assert f"interrupted; 2 finished backtests are in {out}" in capsys.readouterr().err
    with (out / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fast"], row["slow"]) for row in rows] == [("2", "10"), ("2", "20")]
    assert all(row["sharpe"] for row in rows)
    assert main(words(files, out, "--executor", "here")) == 0
    assert main(words(files, tmp_path / "whole", "--executor", "here")) == 0
    assert (out / "sweep.csv").read_bytes() == (tmp_path / "whole" / "sweep.csv").read_bytes()
    assert len(calls) == 4 + 7 + 9  # two are under way at a time, and those that were are run again


def test_without_a_grid_there_is_nothing_to_do(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", str(files[0]), "--bars", f"Binance/BTC_USDT={files[1]}"]) == 2
    assert "--grid" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_sweep_that_was_killed_goes_on(files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fmzthreads", *words(files, out, "--workers", "1")]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        journal = out / "journal.jsonl"
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
            pass
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    done = journal.read_bytes().count(b"\n") - 1
    assert done >= 2
    assert main(words(files, out, "--executor", "here")) == 0
    told = capsys.readouterr()
    assert f"{done} finished backtests are in the journal" in told.err
    assert main(words(files, tmp_path / "whole", "--executor", "here")) == 0
    assert (out / "sweep.csv").read_bytes() == (tmp_path / "whole" / "sweep.csv").read_bytes()
