"""One venue hangs: are the other's calls any slower?

Two simulated exchanges, each in a process of its own. In turns, both answer, or OKX takes requests and never replies; each turn asks both for
their books at once through ``gather``, with a time-out, as the hedging bot does. The peer is the same pair with both answering,
measured in the same run.

    python benchmarks/hanging.py [--rounds 10] [--turns 30]
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics

from fmzthreads import Exchange, Runtime, gather
from fmzthreads.clock import WallClock
from fmzthreads.demo.simulators import VENUES
from fmzthreads.simulator import SimulatorProcess
from fmzthreads.strategy.runtime import use

TIMEOUT_MS = 100.0
PAUSE_S = 0.1  # as long as a turn lasts in which the other venue hangs


def measure(rounds: int, turns: int) -> dict[str, list[float]]:
    """The times of Binance's calls in ms, by what OKX did meanwhile."""
    times: dict[str, list[float]] = {"answers": [], "hangs": []}
    clock = WallClock()
    with contextlib.ExitStack() as stack:
        # No limits at the venue: what it held back while it hung would count as a burst when it is let go.
        processes = {
            name: stack.enter_context(SimulatorProcess(venue, seed=1, rate_scale=0)) for venue, name in VENUES.items()
        }
        stack.enter_context(use(Runtime(clock, console=False, name="benchmark")))
        exchanges = [
            Exchange(name, "BTC_USDT", access_key=p.key, secret_key=p.secret, passphrase=p.passphrase, base=p.base_url)
            for name, p in processes.items()
        ]
        for exchange in exchanges:
            exchange.SetTimeout(TIMEOUT_MS)
            exchange.warm(4)
        for number in range(rounds * 2):
            state = "hangs" if number % 2 else "answers"
            if state == "hangs":
                processes["OKX"].set_faults(hang=True)
            else:
                processes["OKX"].clear_faults()
            gather(exchanges, "GetDepth", timeout_ms=TIMEOUT_MS)
            for _ in range(turns):
                pair = gather(exchanges, "GetDepth", timeout_ms=TIMEOUT_MS)
                row = pair.report.rows[0]
                if not row.ok or pair.report.rows[1].ok != (state == "answers"):
                    continue
                times[state].append(row.duration_ms or 0.0)
                clock.sleep(PAUSE_S if state == "answers" else 0.0)
        for exchange in exchanges:
            exchange.close()
    return times


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description="One venue hangs: are the other's calls any slower?")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=30)
    args = parser.parse_args()
    times = measure(args.rounds, args.turns)
    medians = {state: statistics.median(sample) for state, sample in times.items()}
    print(f"Python {platform.python_version()}, {args.rounds} rounds of each, medians")
    for state, sample in times.items():
        p90 = statistics.quantiles(sample, n=10)[-1]
        print(f"Binance while OKX {state:8} {medians[state]:6.2f} ms, p90 {p90:6.2f} ms, {len(sample)} calls")
    print(f"ratio {medians['hangs'] / medians['answers']:.2f} (to reach: at most 1.05)")


if __name__ == "__main__":
    main()
