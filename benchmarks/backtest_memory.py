"""How much memory a backtest takes: with the length of its bars, of its log, and of a recording of order books.

Run ``python benchmarks/backtest_memory.py [--bars N ...] [--every N ...] [--lines N ...] [--ticks N ...]``, where a case without numbers is left out. Each
size runs in a process of its own. A figure is the peak of the resident set of the whole process, interpreter and modules included (``VmHWM`` where the system
tells it, which begins with the process; else ``getrusage``). "a piece" is the growth since the size before divided by the pieces between them.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backtest import START, write_bars

DAILY = "def main():\n    while True:\n        exchange.GetTicker()\n        Sleep(86400000)\n"
EVERY = "def main():\n    while True:\n        exchange.GetTicker(); exchange.GetRecords(PERIOD_M5)[-1].Close\n        Sleep(60000)\n"
TALK = "def main():\n    for number in range({count}):\n        Log('line', number, 'of a strategy that talks')\n        if number % 1000 == 0: Sleep(1000)\n"
BOOKS = "def main():\n    while True:\n        exchange.GetDepth()\n        Sleep(1000)\n"
HEADER = '\'\'\'backtest\nmode: {mode}\nperiod: 1m\nbasePeriod: 1m\nexchanges: [{{"eid":"Binance","currency":"BTC_USDT"}}]\n\'\'\'\n'
PEAK = """
import resource, sys
from fmzthreads.cli import main
code = main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
try:
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
except OSError:
    pass
print(code, peak, usage.ru_utime + usage.ru_stime, file=sys.stderr)
"""


def write_books(path: Path, count: int) -> None:
    """Order books of 20 levels a side, ten a second."""
    rng = random.Random(4)
    with path.open("w") as file:
        for number in range(count):
            middle = 40_000 + rng.randint(-50, 50)
            asks = [[middle + 0.5 + level, rng.randint(1, 900) / 100] for level in range(20)]
            bids = [[middle - 0.5 - level, rng.randint(1, 900) / 100] for level in range(20)]
            row = {"time": START + number * 100, "asks": asks, "bids": bids, "trades": [[0, number % 2, middle, 0.1]]}
            file.write(json.dumps(row) + "\n")


def peak_mb(strategy: Path, bars: Path, out: Path) -> tuple[float, float]:
    """Runs a backtest in a process of its own; returns the peak of its memory in MB and its processor time in seconds."""
    command = [sys.executable, "-c", PEAK, "backtest", str(strategy), "--bars", str(bars), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    exit_code, size, seconds = done.stderr.split()[-3:]
    if exit_code != "0":
        raise SystemExit(done.stderr)
    return float(size) / 1024, float(seconds)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--bars", type=int, nargs="*", default=[1000, 1_000_000, 3_000_000, 10_000_000], help="bars, a look a day")
    add("--every", type=int, nargs="*", default=[1_000_000, 3_000_000], help="bars, a look at each one")
    add("--lines", type=int, nargs="*", default=[100_000, 1_000_000], help="log lines")
    add("--ticks", type=int, nargs="*", default=[50_000, 200_000], help="recorded order books")
    args = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}")
    print(f"{'':28}{'pieces':>12}{'data':>12}{'memory':>12}{'a piece':>12}{'time':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strategy, out = folder / "strategy.py", folder / "out"
        for what, sizes in (
            ("bars, a look a day", args.bars),
            ("bars, a look at each", args.every),
            ("log lines", args.lines),
            ("recorded books", args.ticks),
        ):
            known = (0, 0.0)
            for count in sizes:
                data = _prepared(what, count, folder, strategy)
                peak, seconds = peak_mb(strategy, data, out)
                size = (out / "result.json" if what == "log lines" else data).stat().st_size / 2**20
                each = f"{(peak - known[1]) * 2**20 / (count - known[0]):,.1f} B" if known[0] else ""
                print(f"{what:28}{count:>12,}{size:>9,.0f} MB{peak:>9,.0f} MB{each:>12}{seconds:>8.1f} s", flush=True)
                known = (count, peak)


def _prepared(what: str, count: int, folder: Path, strategy: Path) -> Path:
    """Writes the strategy and the data of a case; returns the data's file."""
    if what == "recorded books":
        strategy.write_text(HEADER.format(mode=1) + BOOKS)
        data = folder / "books.jsonl"
        write_books(data, count)
        return data
    text = {"bars, a look a day": DAILY, "bars, a look at each": EVERY}.get(what, TALK.format(count=count))
    strategy.write_text(HEADER.format(mode=0) + text)
    data = folder / f"bars{count}.csv"
    write_bars(data, 10_000 if what == "log lines" else count)
    return data


if __name__ == "__main__":
    main()
