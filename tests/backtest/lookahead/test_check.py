"""A strategy that sees the future is found, and an honest one is not accused."""

import gzip
from datetime import UTC
from pathlib import Path

import pytest

from fmzthreads.backtest.data.files import csv_file
from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest
from fmzthreads.backtest.lookahead.check import check_lookahead
from fmzthreads.backtest.lookahead.cut_files import CutFiles
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
    (tmp_path / "other.csv").write_text("1\n")
    text = "import csv\nimport requests\ndef main():\n    with open(folder + '/other.csv') as f:\n        Log(len(f.read()))\n"
    ready = ready_of(tmp_path, f"folder = {str(tmp_path)!r}\n{text}")
    report = check_lookahead(ready, 1)
    assert report.findings == ()
    assert report.unseen == ("module csv", "module requests", f"file {tmp_path}/other.csv")
    assert f"not altered, so not checked: module csv, module requests, file {tmp_path}/other.csv" in report.text()


def test_a_strategy_that_differs_from_run_to_run_is_told_apart(tmp_path: Path) -> None:
    text = """
import secrets
def main():
    while True:
        exchange.GetTicker()
        Log(secrets.token_hex(16))
        Sleep(60000)
"""
    report = check_lookahead(ready_of(tmp_path, text), 1)
    assert (len(report.findings), report.unsteady) == (2, True)
    assert "two runs over the same bars differ, too" in report.text()
    report = check_lookahead(ready_of(tmp_path, PEEKING), 1)
    assert report.findings
    assert not report.unsteady
    assert "two runs" not in report.text()


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from os import path",
        "import gzip",
        "import zipfile",
        "import mmap",
        "import codecs",
        "import linecache",
    ],
)
def test_modules_that_open_files_past_open_are_named(tmp_path: Path, line: str) -> None:
    report = check_lookahead(ready_of(tmp_path, f"{line}\ndef main():\n    exchange.GetTicker()\n"), 1)
    assert report.unseen == (f"module {line.split()[1]}",)


FILE = """
import csv
def main():
    with open(folder + "/bars.csv") as file:
        rows = [(int(row["time"]), float(row["close"])) for row in csv.DictReader(file)]
    exchange.SetData("close", [[time_ms + AHEAD, close] for time_ms, close in rows])
    while True:
        if (exchange.GetData("close") or {"Data": 0})["Data"] > 100:
            exchange.Buy(-1, 10)
        Sleep(60000)
"""


@pytest.mark.parametrize(("ahead", "peeks"), [(-1_800_000, True), (60_000, False)])
def test_the_file_of_the_bars_ends_at_the_instant_too(tmp_path: Path, ahead: int, peeks: bool) -> None:
    text = f"folder = {str(tmp_path)!r}\n{FILE.replace('AHEAD', str(ahead))}"
    report = check_lookahead(ready_of(tmp_path, text), 2)
    assert bool(report.findings) is peeks
    assert report.unseen == ("module csv", "what SetData is given")


def test_copies_of_files_are_only_made_of_plain_files_of_bars(tmp_path: Path) -> None:
    bars, other = write_bars(tmp_path / "bars.csv"), tmp_path / "other.csv"
    other.write_text("x\n")
    zipped = tmp_path / "bars.csv.gz"
    zipped.write_bytes(gzip.compress(bars.read_bytes()))
    folder = tmp_path / "copies"
    folder.mkdir()
    files = CutFiles([bars, zipped], {}, UTC, START_MS + 3 * 60_000, folder)
    copy = files(str(bars))
    assert Path(copy).read_text().splitlines() == bars.read_text().splitlines()[:4]
    assert files(bars) == copy
    for file in (other, str(zipped), tmp_path / "missing.csv", 7):
        assert files(file) is file
    bars.write_text("broken\n")
    assert CutFiles([bars], {}, UTC, 0, folder)(bars) is bars


def test_a_copy_of_a_long_file_reads_it_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{name};{START_MS + 60_000 * row};1;1;1;1;1" for row in range(500) for name in ("A/X_Y", "B/X_Y")]
    bars = tmp_path / "bars.csv"
    bars.write_text("\n".join(["series;time;open;high;low;close;volume", "", *lines]))
    opened: list[Path] = []
    real = csv_file.open_bytes
    monkeypatch.setattr(csv_file, "open_bytes", lambda path: opened.append(path) or real(path))
    folder = tmp_path / "copies"
    folder.mkdir()
    copy = Path(CutFiles([bars], {}, UTC, START_MS + 60_000 * 20, folder)(bars))
    assert copy.read_text().splitlines() == bars.read_text().splitlines()[: 2 + 40]
    assert len(opened) < 10


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars = write_bars(tmp_path / "bars.csv")
    path = tmp_path / "s.py"
    for text, expected, shown in ((HONEST, 0, "none found at 2 instants"), (PEEKING, 1, "4 of 4 runs differ")):
        path.write_text(text)
        code, whole, err = command(capsys, path, "--bars", bars, "--check-lookahead", 2)
        assert (code, shown in err) == (expected, True), err
        assert whole is not None
