"""How a backtest's time grows: with bars, with calls a bar, with resting orders, with symbols; and three cases of everyday size.

Run ``python benchmarks/backtest_scaling.py [--bars 50000] [--rounds 3]``. Each figure is the least processor time of the rounds, in one process, loading left out
except where it is named. "us a bar" (or a call) is to stay the same from row to row; where it does not, time grows faster than the work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backtest import CROSS, START, write_bars

from fmzthreads import __version__
from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest

CALLS = "def main():\n    while True:\n        for _ in range({count}):\n            exchange.GetAccount()\n        Sleep(60000)\n"
RESTING = """
def main():
    for number in range({count}):
        exchange.Buy(1 + number / 1000, 0.001)
    while True:
        exchange.GetOrder(1)
        Sleep(60000)
"""
SYMBOLS = """
def main():
    symbols = [f"C{{number}}_USDT" for number in range({count})]
    while True:
        for symbol in symbols:
            exchange.GetTicker(symbol)
        Sleep(60000)
"""
HOURS = """
def main():
    while True:
        records = exchange.GetRecords(PERIOD_H1)
        if records and len(records) > 21:
            fast, slow = TA.MA(records, 5), TA.MA(records, 20)
            if fast[-2] > slow[-2]:
                exchange.GetAccount()
        Sleep(900000)
"""


def run(source: str, files: list[BarsFile], *, minutes: int = 1, cap: int = 10_000_000) -> tuple[float, float]:
    """Runs a strategy; returns the processor time of making it ready and of the run, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strategy.py"
        file.write_text(source)
        exchange: dict[str, Any] = {
            "eid": "Binance", "currency": "BTC_USDT", "balance": 100_000_000, "stocks": 10, "fee": [0.1, 0.1], "raw": {"MaxBarLen": cap},
        }  # fmt: skip
        changes = {"exchanges": [exchange], "period": f"{minutes}m", "basePeriod": f"{minutes}m"}
        began = time.process_time()
        ready = ReadyBacktest.of(BacktestInputs(file=file, bars=tuple(files), changes=changes))
        backtest = BacktestRun(ready.settings, ready.source)
        loaded = time.process_time()
        end = backtest.run(ready.strategy, {}, ())
        backtest.finish(end)
        ended = time.process_time()
    if end.reason != "end":
        raise SystemExit(f"the strategy ended by {end.reason}: {end.traceback or end.text}")
    return loaded - began, ended - loaded


def least(rounds: int, *args: Any, **options: Any) -> tuple[float, float]:
    """The least times of some runs."""
    found = [run(*args, **options) for _ in range(rounds)]
    return min(load for load, _ in found), min(work for _, work in found)


def bars_file(folder: Path, count: int, minutes: int = 1) -> BarsFile:
    """A file of bars."""
    path = folder / f"{count}-{minutes}.csv"
    if not path.exists():
        write_bars(path, count)
        if minutes != 1:
            head, *rows = path.read_text().splitlines()
            moved = [f"{START + 60_000 * minutes * n},{row.partition(',')[2]}" for n, row in enumerate(rows)]
            path.write_text("\n".join([head, *moved, ""]))
    return BarsFile(path)


def row(name: str, value: object, seconds: float, count: int) -> None:
    """Prints one row."""
    print(f"{name:34}{value!s:>10}{seconds:>10.3f} s{seconds / count * 1e6:>10.2f} us", flush=True)


def growth(folder: Path, bars: int, rounds: int) -> None:
    """Prints the four tables."""
    print(f"{'':34}{'':>10}{'time':>12}{'each':>13}")
    for factor in (1, 2, 4):
        count = bars * factor
        row("SMA cross; bars", count, least(rounds, CROSS, [bars_file(folder, count)])[1], count)
    one = [bars_file(folder, bars // 5)]
    for count in (1, 4, 16):
        row("GetAccount; calls a bar", count, least(rounds, CALLS.format(count=count), one)[1], count * bars // 5)
    for count in (1, 100, 1000):
        row("GetOrder each bar; resting orders", count, least(rounds, RESTING.format(count=count), one)[1], bars // 5)
    for count in (1, 4, 16):
        files = [BarsFile(one[0].path, f"Binance/C{number}_USDT") for number in range(count)]
        row(
            "GetTicker of each; symbols", count, least(rounds, SYMBOLS.format(count=count), files)[1], count * bars // 5
        )


def everyday(folder: Path, rounds: int) -> None:
    """Prints the everyday cases; FMZ keeps 1,000 bars unless it is told otherwise."""
    count = 2 * 365 * 96
    row(
        "MA cross, 1 h over 15 m; 2 years",
        count,
        least(rounds, HOURS, [bars_file(folder, count, 15)], minutes=15)[1],
        count,
    )
    row(
        "the same, 1,000 bars kept",
        count,
        least(rounds, HOURS, [bars_file(folder, count, 15)], minutes=15, cap=1_000)[1],
        count,
    )
    loads = least(rounds, "def main():\n    exchange.GetTicker()\n    Sleep(10 ** 13)\n", [bars_file(folder, 1000)])
    print(f"1,000 bars, read and begun: {sum(loads):.3f} s after the imports")
    alone = [sys.executable, "-c", "import fmzthreads.backtest.backtest_run, fmzthreads.backtest.inputs"]
    began = time.perf_counter()
    subprocess.run(alone, check=True)
    print(f"the interpreter and these imports: {time.perf_counter() - began:.3f} s")


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"fmzthreads {__version__}, Python {sys.version.split()[0]}; least processor time of {args.rounds}")
    with tempfile.TemporaryDirectory() as name:
        growth(Path(name), args.bars, args.rounds)
        everyday(Path(name), args.rounds)


if __name__ == "__main__":
    main()
