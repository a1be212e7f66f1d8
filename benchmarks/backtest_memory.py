"""How much memory a backtest takes: with the length of its bars, of its log, and of a recording of order books.

Run ``python benchmarks/backtest_memory.py [--bars 3000000] [--lines 1000000] [--ticks 200000]``. Each case runs in a process of its own, at two sizes; a figure is the
peak of the resident set (``getrusage``) less that of a process that has imported the same and ran over 1,000 bars. "a piece" is the growth between the two sizes divided
by the pieces between them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backtest import START, write_bars

LOOK = "def main():\n    while True:\n        exchange.GetTicker()\n        Sleep({pause})\n"
TALK = "def main():\n    for number in range({count}):\n        Log('line', number, 'of a strategy that talks')\n        if number % 1000 == 0: Sleep(1000)\n"
HEADER = '\'\'\'backtest\nmode: {mode}\nperiod: 1m\nexchanges: [{{"eid":"Binance","currency":"BTC_USDT"}}]\n\'\'\'\n'


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
    code = (
        "import sys, resource; from fmzthreads.cli import main\n"
        f"code = main(['backtest', {str(strategy)!r}, '--bars', {str(bars)!r}, '--out', {str(out)!r}])\n"
        "usage = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(code, usage.ru_maxrss, usage.ru_utime + usage.ru_stime, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    exit_code, size, seconds = done.stderr.split()[-3:]
    if exit_code != "0":
        raise SystemExit(done.stderr)
    unit = 1024 if sys.platform == "darwin" else 1
    return int(size) / unit / 1024, float(seconds)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=3_000_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--ticks", type=int, default=200_000)
    args = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}; pages of {resource.getpagesize()} bytes")
    print(f"{'':28}{'pieces':>12}{'data':>12}{'memory':>12}{'a piece':>12}{'time':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = folder / "few.csv"
        write_bars(few, 1000)
        strategy = folder / "strategy.py"
        strategy.write_text(HEADER.format(mode=0) + LOOK.format(pause=60_000))
        base, _ = peak_mb(strategy, few, folder / "out")
        for what, most in (("bars", args.bars), ("log lines", args.lines), ("recorded books", args.ticks)):
            before = 0.0
            for count in (most // 4, most):
                data = few
                if what == "bars":
                    data = folder / "bars.csv"
                    write_bars(data, count)
                    strategy.write_text(HEADER.format(mode=0) + LOOK.format(pause=86_400_000))
                elif what == "log lines":
                    strategy.write_text(HEADER.format(mode=0) + TALK.format(count=count))
                else:
                    data = folder / "books.jsonl"
                    write_books(data, count)
                    strategy.write_text(HEADER.format(mode=1) + LOOK.format(pause=1000))
                peak, seconds = peak_mb(strategy, data, folder / "out")
                size = (folder / "out" / "result.json" if what == "log lines" else data).stat().st_size / 2**20
                each = (peak - base - before) * 2**20 / (count - most // 4) if before else 0.0
                shown = f"{each:,.0f} B" if before else ""
                print(
                    f"{what:28}{count:>12,}{size:>9,.0f} MB{peak - base:>9,.0f} MB{shown:>12}{seconds:>8.1f} s",
                    flush=True,
                )
                before = peak - base
    print(f"the process with 1,000 bars: {base:,.0f} MB")


if __name__ == "__main__":
    main()
