"""Calls a second through a host and a plugin, beside calls of the exchange itself, at 32 threads.

Run ``python benchmarks/plugin.py [--rounds N] [--seconds S] [--json]``. The exchange is the Binance simulator, the plugin is
that of ``fmzthreads plugin --venue Binance`` without its request limits; both are processes of their own. The two ways are interleaved round by round; the figures are medians.
A call through the plugin is two HTTP calls, whose halves run in processes side by side where there are cores for them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

from fmzthreads import Exchange
from fmzthreads.exchange.host import QuietHost
from fmzthreads.exchange.keys.credentials import Credentials
from fmzthreads.plugin.wrapped import VenuePlugin
from fmzthreads.simulator.process import SimulatorProcess
from fmzthreads.venues.binance.venue import Binance

THREADS = 32


def unlimited(exchange: Exchange[Any]) -> Exchange[Any]:
    """The exchange object without the limits of the real Binance, which would be what is measured."""
    exchange.GetMinStock()  # fetches the rules, and with them the limit
    assert isinstance(exchange.venue, Binance)
    exchange.venue.weights.limit = 10**9
    return exchange


class Unlimited(VenuePlugin):
    """The plugin that is measured."""

    def __init__(self) -> None:
        super().__init__("Binance", base=os.environ["BENCHMARK_BASE"])

    def _open(self, keys: Credentials) -> Exchange[Any]:
        return unlimited(super()._open(keys))


def calls_per_s(exchange: Exchange, seconds: float) -> float:
    """GetTicker by 32 threads for a while."""
    counts = [0] * THREADS
    begin = threading.Barrier(THREADS + 1)
    end = threading.Event()

    def _work(number: int) -> None:
        exchange.GetTicker()  # opens the connection
        begin.wait()
        while not end.is_set():
            if exchange.GetTicker() is not None:
                counts[number] += 1

    threads = [threading.Thread(target=_work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    time.sleep(seconds)
    end.set()
    took = time.perf_counter() - started
    for thread in threads:
        thread.join()
    return sum(counts) / took


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with SimulatorProcess("binance", rate_scale=0) as simulator:
        words = [sys.executable, "-m", "fmzthreads", "plugin", f"{__file__}:Unlimited", "--port", "0"]
        environ = {**os.environ, "BENCHMARK_BASE": simulator.base_url}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environ) as plugin:
            assert plugin.stdout is not None
            address = json.loads(plugin.stdout.readline())["address"]
            keys = {"access_key": simulator.key, "secret_key": simulator.secret}
            direct = unlimited(Exchange("Binance", "BTC_USDT", base=simulator.base_url, host=QuietHost(), **keys))
            through = Exchange("Exchange", "BTC_USDT", base=address, host=QuietHost(), **keys)
            figures: dict[str, list[float]] = {"direct": [], "plugin": []}
            for _ in range(args.rounds):
                figures["direct"].append(calls_per_s(direct, args.seconds))
                figures["plugin"].append(calls_per_s(through, args.seconds))
            plugin.terminate()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratio = statistics.median(b / a for a, b in zip(figures["direct"], figures["plugin"], strict=True))
    if args.json:
        print(json.dumps({**medians, "ratio": ratio}))
        return
    print(
        f"GetTicker by {THREADS} threads, calls a second: direct {medians['direct']:.0f}, by a plugin {medians['plugin']:.0f}, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
