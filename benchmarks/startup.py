"""How long starts take beside the interpreter alone: imports, ``fmzthreads run`` of an empty ``main``, and a whole backtest of 1,000 bars.

    python benchmarks/startup.py [--rounds 9]

The commands are run in turn, so that what else the machine does meets all of them. The goals: a run at most 0.5 s more than the interpreter
alone, and a backtest 0.3 s from the start to its end.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["main"]

_RUN_GOAL_S, _BACKTEST_GOAL_S = 0.5, 0.3
_BARS = 1_000
_EACH_BAR = """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-01 16:39:00
period: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
'''
def main():
    while True:
        exchange.GetRecords()
        Sleep(60000)
"""


def processor_s() -> float:
    """The processor time of all child processes so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints the median and the shortest time of each command, the least processor time, and the ratio to the interpreter alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each command is run (default 9)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        strategy = Path(home) / "empty.py"
        strategy.write_text("def main():\n    pass\n")
        tested, bars = Path(home) / "each_bar.py", Path(home) / "bars.csv"
        tested.write_text(_EACH_BAR)
        rows = (f"{1_704_067_200_000 + 60_000 * bar},1,2,1,2,3" for bar in range(_BARS))
        bars.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
        commands = {
            "python -c pass": ["-c", "pass"],
            "import fmzthreads": ["-c", "import fmzthreads"],
            "from fmzthreads import *": ["-c", "from fmzthreads import *"],
            "fmzthreads --version": ["-m", "fmzthreads", "--version"],
            "fmzthreads run": ["-m", "fmzthreads", "run", str(strategy), "--exchange", "Binance:BTC_USDT"],
            "fmzthreads backtest": ["-m", "fmzthreads", "backtest", str(tested), "--bars", str(bars)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        processor: dict[str, list[float]] = {name: [] for name in commands}
        # Users start from compiled modules; a first round, which is not counted, compiles them.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["FMZTHREADS_HOME"] = home
        for number in range(rounds + 1):
            for name, words in commands.items():
                began, used = time.perf_counter(), processor_s()
                subprocess.run(
                    [sys.executable, *words],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    env=environment,
                )
                if number:
                    times[name].append(time.perf_counter() - began)
                    processor[name].append(processor_s() - used)
    alone = statistics.median(times["python -c pass"])
    print(f"{'command':24} {'median':>9} {'shortest':>9} {'processor':>10} {'ratio':>7}")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:24} {median:7.3f} s {min(found):7.3f} s {min(processor[name]):8.3f} s {median / alone:7.1f}")
    for name, goal_s, floor in (
        ("fmzthreads run", _RUN_GOAL_S, "python -c pass"),
        ("fmzthreads backtest", _BACKTEST_GOAL_S, ""),
    ):
        lasted = min(times[name]) - (min(times[floor]) if floor else 0.0)
        busy = min(processor[name]) - (min(processor[floor]) if floor else 0.0)
        print(
            f"{name}: {lasted:.3f} s{' more than the interpreter' if floor else ''}, {busy:.3f} s of processor time (goal {goal_s} s)"
        )


if __name__ == "__main__":
    main()
