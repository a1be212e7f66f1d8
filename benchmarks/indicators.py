"""What a call of an indicator costs on a list that grows a bar at a time, beside TA-Lib and beside computing it anew.

    python benchmarks/indicators.py [--bars 1000] [--repeat 7] [--lengths 1000 100000]

Each side computes the indicator after every bar of the same series, taking turns in one run. ``TA`` goes on from where it stood; ``anew`` is
the same code on a series that it does not know yet (what FMZ's own package does at each call); ``TA-Lib`` gets the list as an array,
and its result is turned back into the list that a script reads (left out where TA-Lib is not installed: pip install TA-Lib).
Figures are medians of the repetitions, in microseconds of processor time for each call, on average over the growing list.

The second table is of long lists that grow by one at each call: numbers in a list of the script's, bars in such a list, bars in a ``Records``, and the fresh
copies that ``GetRecords`` makes of its history at each call (the copying is not measured, but leaves the processor's caches cold, as in a
strategy). Medians of the calls.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from fmzthreads import Record, Records
from fmzthreads.indicators.ta import Indicators

CALLS = ("MA", "EMA", "RSI", "MACD", "BOLL")
LONG_CALLS = (*CALLS, "KDJ", "ATR")
OF_BARS = {"KDJ", "ATR"}


def series(count: int, *, bars: bool) -> list[Any]:
    """A random walk, as numbers or as bars."""
    chance = random.Random(7)
    price, rows = 100.0, []
    for i in range(count):
        price += chance.random() - 0.5
        bar = {"Time": 60_000 * i, "Open": price, "High": price + 1, "Low": price - 1, "Close": price, "Volume": 1.0}
        rows.append(Record(bar, OpenInterest=0.0) if bars else price)
    return rows


def cost_us(call: Callable[[list[Any]], Any], rows: list[Any]) -> float:
    """Processor time of one call, on average, while the list grows to its full length."""
    grown: list[Any] = []
    began = time.thread_time()
    for row in rows:
        grown.append(row)
        call(grown)
    return (time.thread_time() - began) / len(rows) * 1e6


def long_cost_us(name: str, kind: str, length: int, steps: int = 200) -> float:
    """Processor time of a call on a list of some length that grows by one before each call; the median of the calls."""
    rows = series(length + steps, bars=kind != "numbers")
    history, identity, call = rows[:length], object(), getattr(Indicators(), name)
    grown: list[Any] = Records(history) if kind == "Records" else list(history)
    costs = []
    for row in rows[length:]:
        if kind == "GetRecords":
            history.append(row)
            grown = Records.copied(history, identity, 0)
        else:
            grown.append(row)
        began = time.thread_time()
        result = call(grown)  # bound to a name, as a script does
        costs.append(time.thread_time() - began)
    del result
    return statistics.median(costs[3:]) * 1e6


def print_long(lengths: list[int]) -> None:
    """Prints the table of long lists."""
    kinds = ("numbers", "list of bars", "Records", "GetRecords")
    print("\none more at each call; us of processor time a call, medians of the calls")
    print(f"{'':22}" + "".join(f"{name:>8}" for name in LONG_CALLS))
    for length in lengths:
        for kind in kinds:
            steps = 40 if kind == "GetRecords" and length > 10_000 else 200
            costs = [
                "" if kind == "numbers" and name in OF_BARS else f"{long_cost_us(name, kind, length, steps):.1f}"
                for name in LONG_CALLS
            ]
            print(f"{length:>7} {kind:13}"[:22].ljust(22) + "".join(f"{cost:>8}" for cost in costs), flush=True)


def forgetful(name: str) -> Callable[[list[Any]], Any]:
    """The same indicator without any memory of the call before."""

    def call(rows: list[Any]) -> Any:
        return getattr(Indicators(), name)(rows)

    return call


def talib_call(name: str) -> Callable[[list[Any]], Any] | None:
    """The same indicator by TA-Lib, from a list to lists; None without TA-Lib."""
    try:
        import numpy
        import talib
    except ImportError:
        return None
    calls = {
        "MA": lambda x: talib.SMA(x, 9),
        "EMA": lambda x: talib.EMA(x, 9),
        "RSI": lambda x: talib.RSI(x, 14),
        "MACD": lambda x: talib.MACD(x, 12, 26, 9),
        "BOLL": lambda x: talib.BBANDS(x, 20, 2, 2),
    }
    compute = calls[name]

    def call(rows: list[Any]) -> Any:
        result = compute(numpy.array(rows, dtype=numpy.float64))
        return [line.tolist() for line in result] if isinstance(result, tuple) else result.tolist()

    return call


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=1000, help="how long the list grows (default: 1000)")
    parser.add_argument("--repeat", type=int, default=7, help="repetitions (default: 7)")
    parser.add_argument("--lengths", type=int, nargs="*", default=[1000, 100_000], help="lengths of the second table")
    args = parser.parse_args()
    numbers, bars = series(args.bars, bars=False), series(args.bars, bars=True)
    print(f"{args.bars} elements, one more at each call; us of processor time a call, medians of {args.repeat}")
    print(f"{'':6}{'TA, numbers':>13}{'TA, bars':>10}{'anew':>9}{'TA-Lib':>9}{'anew / TA':>11}{'TA-Lib / TA':>13}")
    for name in CALLS:
        sides: dict[str, list[float]] = {"numbers": [], "bars": [], "anew": [], "talib": []}
        library = talib_call(name)
        for _ in range(args.repeat):
            sides["numbers"].append(cost_us(getattr(Indicators(), name), numbers))
            sides["bars"].append(cost_us(getattr(Indicators(), name), bars))
            sides["anew"].append(cost_us(forgetful(name), numbers))
            if library is not None:
                sides["talib"].append(cost_us(library, numbers))
        ours, ours_bars, anew = (statistics.median(sides[side]) for side in ("numbers", "bars", "anew"))
        other = statistics.median(sides["talib"]) if sides["talib"] else float("nan")
        print(
            f"{name:6}{ours:13.1f}{ours_bars:10.1f}{anew:9.1f}{other:9.1f}{anew / ours:11.1f}{other / ours:13.1f}",
            flush=True,
        )
    print_long(args.lengths)


if __name__ == "__main__":
    main()
