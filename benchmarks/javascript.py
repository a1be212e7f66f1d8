"""What JavaScript costs: a native call, ``GetTicker``, and a year of one-minute turns in a backtest, beside the Python engine and a bare Node loop.

Run ``python benchmarks/javascript.py [--bars N] [--calls N] [--rounds N] [--json]``. Every side runs in a process of its own, in turn in every round, on the same bars; figures are medians of
processor time over the rounds. "all in" is the whole process: start, loading of the bars, the run and its result. Node, where it is installed, makes the same turns over an object of the same fields
and nothing behind them: what a loop costs that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backtest import write_bars

HERE = Path(__file__).resolve().parent
TURNS = {
    "year.js": "function main() { while (true) { exchange.GetTicker(); Sleep(60000) } }",
    "year.py": "def main():\n    while True:\n        exchange.GetTicker()\n        Sleep(60000)\n",
}
"""A turn a minute; the same in both languages."""

LOOPS = {
    "empty loop": "for (let i = 0; i < n; i++) ;",
    "native call, Unix()": "for (let i = 0; i < n; i++) Unix()",
    "Date.now()": "for (let i = 0; i < n; i++) Date.now()",
    "exchange.GetName()": "for (let i = 0; i < n; i++) exchange.GetName()",
    "Sleep(1)": "for (let i = 0; i < n; i++) Sleep(1)",
    "GetTicker()": "for (let i = 0; i < n; i++) exchange.GetTicker()",
}
"""What a call costs: the bodies of a ``main`` with a number ``n``."""

NODE = """
const turns = Number(process.argv[2]); let now = 1640995200000, sum = 0
const exchange = { GetTicker() { const p = 20000 + (now / 60000) % 100
  return { Symbol: "BTC_USDT", High: p, Low: p, Sell: p + 0.01, Buy: p - 0.01, Last: p, Open: p, Volume: 1.5, Time: now, OpenInterest: 0 } } }
function Sleep(ms) { now += ms }
for (let i = 0; i < turns; i++) { sum += exchange.GetTicker().Last; Sleep(60000) }
const used = process.cpuUsage(); console.log(JSON.stringify({ seconds: (used.user + used.system) / 1e6, sum }))
"""


def turns(name: str, path: Path) -> dict[str, Any]:
    """A strategy of ``TURNS`` over a file of bars, in this process."""
    end, seconds = _run(name, TURNS[name], path)
    if end.reason != "end":
        raise SystemExit(f"{name} ended by {end.reason}: {end.traceback or end.text}")
    return {"seconds": time.process_time(), "run": seconds}


def calls(path: Path, count: int) -> dict[str, Any]:
    """Each of ``LOOPS``, in microseconds a call, and the same ``GetTicker`` in Python."""
    found = {}
    for name, body in LOOPS.items():
        _, begin = _run("calls.js", f"function main() {{ const n = 1; {body} }}", path)
        _, seconds = _run("calls.js", f"function main() {{ const n = {count}; {body} }}", path)
        found[name] = (seconds - begin) / count * 1e6
    body = "for _ in range({}): exchange.GetTicker()"
    _, begin = _run("calls.py", f"def main():\n    {body.format(1)}\n", path)
    _, seconds = _run("calls.py", f"def main():\n    {body.format(count)}\n", path)
    found["GetTicker() in Python"] = (seconds - begin) / count * 1e6
    return found


def _run(name: str, text: str, path: Path) -> tuple[Any, float]:
    """Runs a strategy; returns how it ended and the processor time of the run alone."""
    from fmzthreads.backtest.backtest_run import BacktestRun
    from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest

    exchange = {"eid": "Binance", "currency": "BTC_USDT", "balance": 10_000, "stocks": 3}
    changes = {"exchanges": [exchange], "period": "1m", "basePeriod": "1m"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(text)
        ready = ReadyBacktest.of(BacktestInputs(file=file, bars=(BarsFile(path),), changes=changes))
        run = BacktestRun(ready.settings, ready.source)
        begun = time.process_time()
        end = run.run(ready.strategy, {}, ())
        seconds = time.process_time() - begun
        run.finish(end)
        run.result()
    if end.reason not in {"end", "returned"}:
        raise SystemExit(f"{name} ended by {end.reason}: {end.traceback or end.text}")
    return end, seconds


def measured(command: list[str]) -> dict[str, Any]:
    """Runs a side in a process of its own and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Runs all sides and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=525_600, help="one-minute bars; the default is a year")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", nargs=3, metavar=("NAME", "FILE", "CALLS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        name, path, count = args.side
        print(json.dumps(calls(Path(path), int(count)) if name == "calls" else turns(name, Path(path))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path, few = Path(folder) / "bars.csv", Path(folder) / "few.csv"
        write_bars(path, args.bars)
        write_bars(
            few, args.calls // 2 + 10
        )  # a call without a sleep goes on by a tick, of which a bar has two or more
        own = [sys.executable, str(HERE / "javascript.py"), "--side"]
        commands = {name: [*own, name, str(path), "0"] for name in TURNS}
        commands["calls"] = [*own, "calls", str(few), str(args.calls)]
        node = shutil.which("node")
        if node:
            script = Path(folder) / "bare.js"
            script.write_text(NODE)
            commands["node"] = [node, str(script), str(args.bars)]
        rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in commands}
        for _ in range(args.rounds):
            for side, command in commands.items():
                rounds[side].append(measured(command))
    table = {
        side: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for side, rows in rounds.items()
    }
    if args.json:
        print(json.dumps(table, indent=1))
        return
    for name, cost in table.pop("calls").items():
        print(f"{name:36}{cost:8.2f} us a call")
    for name, row in table.items():
        print(
            f"{f'{args.bars:,} turns, {name}':36}{row['seconds']:8.2f} s all in", f"{row.get('run', 0):8.2f} s the run"
        )


if __name__ == "__main__":
    main()
