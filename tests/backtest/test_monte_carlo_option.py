"""``fmzthreads backtest --monte-carlo N``: what is printed and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fmzthreads.cli import main
from tests.helpers.backtest_runs import command, write_bars

STRATEGY = """'''backtest
start: 2024-01-01 00:30:00
end: 2024-01-01 02:00:00
period: 5m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","stocks":0}]
'''
def main():
    while True:
        exchange.Buy(-1, 500)
        Sleep(300000)
        exchange.Sell(-1, exchange.GetAccount().Stocks)
        Sleep(300000)
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    strategy = tmp_path / "my strategy.py"
    strategy.write_text(STRATEGY)
    return strategy, write_bars(tmp_path / "bars.csv")


def test_both_simulations_are_printed_and_drawn_and_the_result_stays_the_same(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, bars = files
    code, plain, _ = command(capsys, strategy, "--bars", bars, "--out", tmp_path / "plain")
    assert code == 0
    code, whole, _ = command(capsys, strategy, "--bars", bars, "--out", tmp_path / "drawn", "--monte-carlo", 40)
    assert code == 0
    drawn = whole["metrics"].pop("monte_carlo")
    assert (drawn["runs"], drawn["seed"]) == (40, 0)
    assert len(drawn["trade_shuffle"]["steps"]) == whole["metrics"]["trades"]["round_trips"]["value"] + 1
    assert whole == plain
    files_of = [(tmp_path / name / "result.json").read_bytes() for name in ("plain", "drawn")]
    assert files_of[0] == files_of[1]
    assert main(["backtest", "--repeat", str(tmp_path / "plain"), "--monte-carlo", "5"]) == 0
    page = (tmp_path / "drawn" / "report.html").read_text("utf-8")
    assert "<title>my strategy</title>" in page
    assert "40 paths, seed 0." in page
    assert "Monte Carlo" not in (tmp_path / "plain" / "report.html").read_text("utf-8")


def test_the_summary_says_it_in_words(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    assert main(["backtest", str(strategy), "--bars", str(bars), "--monte-carlo", "40", "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert "40 paths, seed 7." in printed
    assert "Round trips in random order: a maximum drawdown above" in printed
    assert "of these paths end with a loss" in printed


def test_a_negative_number_of_paths_is_refused(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    strategy, bars = files
    assert main(["backtest", str(strategy), "--bars", str(bars), "--monte-carlo", "-1"]) == 2
    assert "--monte-carlo -1: expected the number of paths" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy, bars = files
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    assert main(["backtest", str(strategy), "--bars", str(bars), "--out", str(tmp_path / "out")]) == 2
    assert "cannot write the report" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))["result"]
