"""What a background call costs over the bare executor, and an attribute of a structure over a dict look-up.

Run ``python benchmarks/handles.py [--rounds N] [--json]``. The sides are interleaved round by round, so that the machine's mood hits all of
them alike; the figures are medians over the rounds. To reach: ``Go`` plus ``wait`` of a no-op at most 2 times ``submit`` plus ``result``, an
attribute at most 3 times a look-up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fmzthreads.structures import Ticker
from fmzthreads.tasks.pool import CallPool

WORKERS = 16
CALLS = 500
BURST = 32
LOOKUPS = 200_000


def nothing() -> None:
    """The call that is measured."""


def one_by_one_pool(pool: CallPool) -> None:
    for _ in range(CALLS):
        pool.start(nothing).wait()


def one_by_one_executor(executor: ThreadPoolExecutor) -> None:
    for _ in range(CALLS):
        executor.submit(nothing).result()


def burst_pool(pool: CallPool) -> None:
    for _ in range(CALLS // BURST):
        for handle in [pool.start(nothing) for _ in range(BURST)]:
            handle.wait()


def burst_executor(executor: ThreadPoolExecutor) -> None:
    for _ in range(CALLS // BURST):
        for future in [executor.submit(nothing) for _ in range(BURST)]:
            future.result()


def dict_lookups(plain: dict[str, Any]) -> None:
    for _ in range(LOOKUPS):
        plain["Last"]


def attributes(ticker: Ticker) -> None:
    for _ in range(LOOKUPS):
        ticker.Last  # noqa: B018


def empty_loop(_: Any) -> None:
    for _ in range(LOOKUPS):
        pass


def measure(sides: dict[str, tuple[Callable[[Any], None], Any, int]], rounds: int) -> dict[str, float]:
    """Median nanoseconds for one operation of each side, the sides taken in turn in every round."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        # Each side comes first as often as last.
        for name in names if number % 2 else reversed(names):
            work, argument, operations = sides[name]
            began = time.perf_counter_ns()
            work(argument)
            if number:  # the first round warms up
                samples[name].append((time.perf_counter_ns() - began) / operations)
    return {name: statistics.median(values) for name, values in samples.items()}


def run(rounds: int) -> dict[str, float]:
    ticker = Ticker(Last=1.0, Buy=0.9, Sell=1.1)
    with ThreadPoolExecutor(WORKERS) as executor:
        pool = CallPool("benchmark", max_workers=WORKERS)
        pool.warm(WORKERS, nothing)
        in_burst = CALLS // BURST * BURST
        result = measure(
            {
                "start and wait": (one_by_one_pool, pool, CALLS),
                "submit and result": (one_by_one_executor, executor, CALLS),
                "start and wait, 32 at once": (burst_pool, pool, in_burst),
                "submit and result, 32 at once": (burst_executor, executor, in_burst),
                "attribute": (attributes, ticker, LOOKUPS),
                "dict look-up": (dict_lookups, dict(ticker), LOOKUPS),
                "empty loop": (empty_loop, None, LOOKUPS),
            },
            rounds,
        )
        pool.shutdown()
    result["ratio one by one"] = result["start and wait"] / result["submit and result"]
    result["ratio 32 at once"] = result["start and wait, 32 at once"] / result["submit and result, 32 at once"]
    loop = result["empty loop"]
    result["ratio attribute"] = result["attribute"] / result["dict look-up"]
    result["ratio attribute, loop taken off"] = (result["attribute"] - loop) / (result["dict look-up"] - loop)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args()
    result = run(options.rounds)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36} {value:10.2f}" if name.startswith("ratio") else f"{name:36} {value:10.0f} ns")


if __name__ == "__main__":
    main()
