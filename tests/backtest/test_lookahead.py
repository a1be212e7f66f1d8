"""A strategy that sees the future is found, and an honest one is not accused."""

from pathlib import Path

import pytest

from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest
from fmzthreads.backtest.lookahead import check_lookahead
from tests.helpers.backtest_runs import START_MS, command, write_bars

HONEST = """
def main():
    while True:
        r = exchange.GetRecords(300)
        if len(r) > 3 and r[-2].Close > r[-3].Close:
            exchange.Buy(-1, 10)
        elif exchange.GetAccount().Stocks > 0.05:
            exchange.Sell(-1, 0.05)
        Log(r[-1].Close, random.random())
        LogProfit(exchange.GetAccount().Balance)
        Sleep(60000)
"""

PEEKING = """
def main():
    table = exchange._exchange._table if hasattr(exchange, '_exchange') else exchange._table
    exchange.GetTicker()
    series = next(iter(table.feeds.values())).series
    while True:
        ahead = series.close[min(len(series) - 1, (Unix() * 1000 - series.time[0]) // 60000 + 30)]
        if ahead > 10500:
            exchange.Buy(-1, 10)
        Sleep(60000)
"""


def ready_of(tmp_path: Path, text: str) -> ReadyBacktest:
    path = tmp_path / "s.py"
    path.write_text(text)
    return ReadyBacktest.of(BacktestInputs(file=path, bars=(BarsFile(write_bars(tmp_path / "bars.csv")),)))


def test_an_honest_strategy(tmp_path: Path) -> None:
    report = check_lookahead(ready_of(tmp_path, HONEST), 3)
    assert report.findings == ()
    assert report.instants == tuple(START_MS + hours * 3_600_000 for hours in (1, 2, 3))
    assert report.compared > 1000
    assert report.text().startswith("look-ahead: none found at 3 instants")


def test_a_strategy_that_peeks_into_later_bars(tmp_path: Path) -> None:
    report = check_lookahead(ready_of(tmp_path, PEEKING), 2)
    assert any("altered" in finding for finding in report.findings)
    assert any("cut" in finding for finding in report.findings)
    assert "runs differ before the instant" in report.text()


def test_a_series_made_of_later_bars_is_caught(tmp_path: Path) -> None:
    text = """
def main():
    exchange.GetTicker()
    table = exchange._table
    series = next(iter(table.feeds.values())).series
    exchange.SetData('hint', [[t - 1800000, c] for t, c in zip(series.time, series.close)])
    while True:
        Log(exchange.GetData('hint').Data)
        Sleep(60000)
"""
    assert check_lookahead(ready_of(tmp_path, text), 1).findings


def test_what_cannot_be_seen_is_named(tmp_path: Path) -> None:
    text = "import csv\nimport requests\ndef main():\n    with open(folder + '/bars.csv') as f:\n        Log(len(f.read()))\n"
    ready = ready_of(tmp_path, f"folder = {str(tmp_path)!r}\n{text}")
    report = check_lookahead(ready, 1)
    assert report.findings == ()
    assert report.unseen == ("module csv", "module requests", f"file {tmp_path}/bars.csv")
    assert f"not altered, so not checked: module csv, module requests, file {tmp_path}/bars.csv" in report.text()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars = write_bars(tmp_path / "bars.csv")
    path = tmp_path / "s.py"
    for text, expected, shown in ((HONEST, 0, "none found at 2 instants"), (PEEKING, 1, "4 of 4 runs differ")):
        path.write_text(text)
        code, whole, err = command(capsys, path, "--bars", bars, "--check-lookahead", 2)
        assert (code, shown in err) == (expected, True), err
        assert whole is not None
