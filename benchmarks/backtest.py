"""Backtests a second: the SMA cross on other people's backtesters and ours, and what our engine makes of calls, sleeps and resting orders.

Run ``python benchmarks/backtest.py --envs DIR [--bars N] [--rounds N] [--json]``. ``DIR`` holds a virtual environment for each peer, which is not
imported here: ``--make-envs`` creates them from the package index (backtesting.py, backtrader, vectorbt, nautilus_trader 1 and 2, each of the pinned version).
Every side runs in a process of its own, in turn in every round, on the same file of one-minute bars; figures are medians over the rounds. Times are processor times, so
that other work on the machine counts little. "bars a second" is of the run alone, "with loading" of reading the file and running. Peers that are slow get a tenth of the bars; their rate does not depend on the number.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = {
    "plain loop": ("", "", 1),
    "backtesting.py": ("backtesting", "backtesting==0.6.6", 1),
    "backtrader": ("backtrader", "backtrader==1.9.78.123 pandas", 10),
    "vectorbt": ("vectorbt", "vectorbt==1.2.0", 1),
    "nautilus_trader": ("nautilus_trader", "nautilus_trader==1.231.0", 10),
    "nautilus_trader 2": ("nautilus2", "nautilus_trader==2.0.0rc6 numpy", 10),
}
"""The environment of each peer, what is installed there, and what its number of bars is divided by."""

START = 1_640_995_200_000
CROSS = """
def main():
    above = None
    while True:
        records = exchange.GetRecords()
        fast, slow = TA.MA(records, 5), TA.MA(records, 20)
        if slow[-1] is not None:
            now = fast[-1] > slow[-1]
            if above is not None and now != above:
                if now:
                    exchange.Buy(-1, 25000)
                else:
                    exchange.Sell(-1, 1)
            above = now
        Sleep(60000)
"""
TURNS = """
def main():
    while True:
        exchange.GetTicker()
        Sleep(60000)
"""
RESTING = """
def main():
    exchange.Buy(1, 1)
    Sleep(10 ** 13)
"""
STRATEGIES = {
    "SMA cross": CROSS,
    "SMA cross, 1,000 bars kept": CROSS,
    "GetTicker and Sleep": TURNS,
    "one resting order": RESTING,
}


CAPS = {"SMA cross, 1,000 bars kept": 1_000}
"""How many bars a record list keeps (FMZ's default is 1,000): while it grows, averages go on from bar to bar; a list that has lost its first bar is
another list, whose averages FMZ computes anew from its own first bar."""


def write_bars(path: Path, count: int) -> None:
    """One-minute bars of a random walk, the same for every side."""
    rng = random.Random(5)
    price = 20_000.0
    with path.open("w") as file:
        file.write("time,open,high,low,close,volume\n")
        for n in range(count):
            prices = [price]
            for _ in range(3):
                price = max(1000.0, price * (1 + rng.gauss(0, 3e-4)))
                prices.append(price)
            shown = ",".join(f"{value:.2f}" for value in (prices[0], max(prices), min(prices), price))
            file.write(f"{START + 60_000 * n},{shown},{rng.random() * 10:.5f}\n")


def ours(name: str, path: Path) -> dict[str, Any]:
    """One of our strategies, in this process."""
    begun = time.process_time()
    from fmzthreads import __version__
    from fmzthreads.backtest.backtest_run import BacktestRun
    from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strategy.py"
        file.write_text(STRATEGIES[name])
        started = time.process_time()
        cap = CAPS.get(name, 10_000_000)
        exchange = {
            "eid": "Binance",
            "currency": "BTC_USDT",
            "balance": 100_000_000,
            "stocks": 10,
            "fee": [0.1, 0.1],
            "raw": {"MaxBarLen": cap},
        }
        changes = {"exchanges": [exchange], "period": "1m", "basePeriod": "1m"}
        ready = ReadyBacktest.of(BacktestInputs(file=file, bars=(BarsFile(path),), changes=changes))
        loaded = time.process_time()
        run = BacktestRun(ready.settings, ready.source)
        end = run.run(ready.strategy, {}, ())
        run.finish(end)
    if end.reason != "end":
        raise SystemExit(f"the strategy ended by {end.reason}: {end.traceback or end.text}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = (ready.settings.end_ms - ready.settings.start_ms) // 60_000
    return {
        "version": __version__, "start": started - begun, "load": loaded - started, "run": time.process_time() - loaded,
        "bars": count, "orders": len(run.log.rows), "memory_mb": memory / 1024, "added_memory_mb": (memory - before) / 1024,
    }  # fmt: skip


def measured(command: list[str]) -> dict[str, Any]:
    """Runs a side in a process of its own and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def make_envs(folder: Path) -> None:
    """Creates the peers' environments."""
    for name, packages, _ in PEERS.values():
        if name and not (folder / name).exists():
            print(f"creating {folder / name}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
            subprocess.run(
                [str(folder / name / "bin/python"), "-m", "pip", "install", "-q", *packages.split()], check=True
            )


def sides(folder: Path | None, whole: Path, tenth: Path) -> dict[str, list[str]]:
    """The command of each side; peers without an environment are left out."""
    own = [sys.executable, str(HERE / "backtest.py"), "--ours"]
    found = {f"fmzthreads: {name}": [*own, name, str(whole)] for name in STRATEGIES}
    for peer, (env, _, divisor) in PEERS.items():
        python = sys.executable if not env else str(folder / env / "bin/python") if folder is not None else ""
        if python and Path(python).exists():
            bars = str(whole if divisor == 1 else tenth)
            found[peer] = [python, str(HERE / "backtest_peers.py"), peer, bars]
    return found


def main() -> None:
    """Runs all sides and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--make-envs", action="store_true", help="create those that are missing")
    parser.add_argument("--bars", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ours", nargs=2, metavar=("STRATEGY", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        print(json.dumps(ours(args.ours[0], Path(args.ours[1]))))
        return
    if args.make_envs and args.envs:
        make_envs(args.envs)
    with tempfile.TemporaryDirectory() as name:
        whole, tenth = Path(name) / "bars.csv", Path(name) / "tenth.csv"
        write_bars(whole, args.bars)
        write_bars(tenth, args.bars // 10)
        commands = sides(args.envs, whole, tenth)
        rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in commands}
        for _ in range(args.rounds):
            for side, command in commands.items():
                rounds[side].append(measured(command))
    table = {side: _medians(found) for side, found in rounds.items()}
    if args.json:
        print(json.dumps(table, indent=1))
        return
    base = table["fmzthreads: SMA cross"]["bars_a_second"]
    print(f"{'':34}{'version':>12}{'bars/s':>12}{'with loading':>14}{'added MB':>10}{'ours / it':>11}")
    for side, row in table.items():
        ratio = "" if side.startswith("fmzthreads") else f"{base / row['bars_a_second']:.2f}"
        print(
            f"{side:34}{row['version']:>12}{row['bars_a_second']:>12,.0f}{row['with_loading']:>14,.0f}"
            f"{row['added_memory_mb']:>10.0f}{ratio:>11}"
        )


def _medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def median(value: Any) -> float:
        return statistics.median(value(row) for row in rows)

    return {
        "version": rows[0]["version"],
        "bars": rows[0]["bars"],
        "orders": rows[0]["orders"],
        "bars_a_second": median(lambda row: row["bars"] / row["run"]),
        "with_loading": median(lambda row: row["bars"] / (row["run"] + row["load"])),
        "added_memory_mb": median(lambda row: row["added_memory_mb"]),
    }


if __name__ == "__main__":
    main()
