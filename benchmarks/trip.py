"""The trip of one order.

Calls, functions and files of fmzthreads that one ``Buy`` passes, in the client and in the simulator.

A simulated exchange serves in this process on the loopback, with a market that stands still. After a first ``Buy`` that fetches the
market's rules and opens the connection, the next one is counted with ``sys.setprofile``: in the calling thread (the client's side, from
``Buy`` to its return) and in the server's thread (from the request to the last byte of its reply). Only functions of fmzthreads count;
generators and coroutines count each time they are resumed.

    python benchmarks/trip.py [--venue binance|okx] [--list] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import fmzthreads
from fmzthreads import Exchange
from fmzthreads.simulator import SimulatorServer

ROOT = Path(fmzthreads.__file__).resolve().parent
ORDERS = 10
GOALS = {"calls": 130, "files": 20}
"""The most that the client's side of ``Buy`` is to pass."""


class Trip:
    """Counts calls of this package's functions, by thread, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: dict[str, Counter[CodeType]] = {}

    def start_threads(self) -> None:
        """Has every thread that is started from now on counted."""
        threading.setprofile(self._notice)
        sys.setprofile(self._notice)

    def stop_threads(self) -> None:
        """Ends the counting in this thread and in threads to come."""
        threading.setprofile(None)  # type: ignore[arg-type]
        sys.setprofile(None)

    def _notice(self, frame: FrameType, event: str, _argument: object) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            name = threading.current_thread().name
            self.calls.setdefault(name, Counter())[frame.f_code] += 1

    def side(self, *, client: bool) -> Counter[CodeType]:
        """The calls of the calling thread, or of all others."""
        here = threading.current_thread().name
        total: Counter[CodeType] = Counter()
        for name, counter in list(self.calls.items()):
            if (name == here) == client:
                total += counter
        return total


def describe(calls: Counter[CodeType]) -> dict[str, int]:
    """Calls, different functions and different files."""
    return {"calls": calls.total(), "functions": len(calls), "files": len({code.co_filename for code in calls})}


def listing(calls: Counter[CodeType]) -> list[str]:
    """The files with their functions, the most calls first."""
    files: dict[str, Counter[str]] = {}
    for code, count in calls.items():
        files.setdefault(str(Path(code.co_filename).relative_to(ROOT)), Counter())[
            f"{code.co_name}:{code.co_firstlineno}"
        ] += count
    lines = []
    for name, functions in sorted(files.items(), key=lambda item: -sum(item[1].values())):
        lines.append(f"  {sum(functions.values()):4d} {name}")
        lines += [f"         {count:3d} {function}" for function, count in functions.most_common()]
    return lines


def measure(venue: str) -> tuple[Counter[CodeType], Counter[CodeType]]:
    """The calls of one ``Buy``.

    The client's and the simulator's, each the median of a few.

    The reply reaches the client before the server's thread has done the last of it, so single counts differ by a few calls.
    """
    trip, found = Trip(), []
    name = {"binance": "Binance", "okx": "OKX"}[venue]
    trip.start_threads()
    try:
        with SimulatorServer(venue, moving=False, rate_scale=0, balances={"USDT": Decimal(10**9)}) as server:
            keys: dict[str, Any] = {"access_key": server.key, "secret_key": server.secret}
            if server.passphrase:
                keys["passphrase"] = server.passphrase
            exchange = Exchange(name, "BTC_USDT", base=server.base_url, **keys)
            for _ in range(ORDERS):
                if not exchange.Buy(58_000, 0.01):  # below the market, so that it rests
                    raise SystemExit("Buy failed; see the log above")
                if trip.calls:
                    found.append((trip.side(client=True), trip.side(client=False)))
                    trip.calls = {}
                trip.on = True
            trip.on = False
    finally:
        trip.stop_threads()
    client, simulator = (sorted(side, key=Counter.total)[len(side) // 2] for side in zip(*found, strict=True))
    return client, simulator


def main() -> None:
    """Prints the figures, the client's beside their goals."""
    parser = argparse.ArgumentParser(description="The calls, functions and files of fmzthreads that one Buy passes.")
    parser.add_argument("--venue", choices=("binance", "okx"), default="binance", help="the dialect (default binance)")
    parser.add_argument("--list", action="store_true", help="list files and functions")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    client, simulator = measure(options.venue)
    result = {"venue": options.venue, "client": describe(client), "simulator": describe(simulator), "goals": GOALS}
    if options.json:
        print(json.dumps(result))
    else:
        for title, calls in (("client", client), ("simulator", simulator)):
            figures = describe(calls)
            goals = GOALS if title == "client" else {}
            words = [
                f"{count} {key}" + (f" (goal: {goals[key]})" if key in goals else "") for key, count in figures.items()
            ]
            print(f"{title}: {', '.join(words)}")
            if options.list:
                print("\n".join(listing(calls)))


if __name__ == "__main__":
    main()
