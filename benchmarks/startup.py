"""How long ``fmzthreads run`` of an empty ``main`` takes, beside the interpreter alone and ``import fmzthreads``.

    python benchmarks/startup.py [--rounds 9]

The commands are run in turn, so that what else the machine does meets all of them. The goal: at most 0.5 s more than the interpreter alone.
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

_GOAL_S = 0.5


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
        commands = {
            "python -c pass": ["-c", "pass"],
            "import fmzthreads": ["-c", "import fmzthreads"],
            "fmzthreads run": ["-m", "fmzthreads", "run", str(strategy), "--exchange", "Binance:BTC_USDT"],
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
    print(f"{'command':20} {'median':>9} {'shortest':>9} {'processor':>10} {'ratio':>7}")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:20} {median:7.3f} s {min(found):7.3f} s {min(processor[name]):8.3f} s {median / alone:7.1f}")
    over = min(times["fmzthreads run"]) - min(times["python -c pass"])
    print(f"fmzthreads run takes {over:.3f} s more than the interpreter alone (goal {_GOAL_S} s)")
    busy = min(processor["fmzthreads run"]) - min(processor["python -c pass"])
    print(f"in processor time: {busy:.3f} s more")


if __name__ == "__main__":
    main()
