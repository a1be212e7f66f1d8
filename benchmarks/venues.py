"""Calls a second on the simulated Binance: the native adapter and ccxt through us, both by ``Go``, and ccxt alone, in threads and async.

Run ``python benchmarks/venues.py [--calls N] [--rounds N] [--json]``. Each side makes the same calls (``GetDepth`` of 20 levels, a public
call; ``GetOrders``, a signed one), 16 at once. The simulator is a process of its own; the sides are taken in turn in every round, and the
figures are medians over the rounds. ccxt alone has one object a thread, because its objects are not made for several; its pace is switched
off, as it is on our sides. To reach: native before all others, ours over ccxt at most 15 % slower than ccxt in threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ccxt
import ccxt.async_support

from fmzthreads import Exchange
from fmzthreads.simulator.process import SimulatorProcess

WORKERS = 16
OPTIONS = {"fetchMarkets": {"types": ["spot"]}, "warnOnFetchOpenOrdersWithoutSymbol": False, "fetchMargins": False}


def settings(server: Any) -> dict[str, Any]:
    return {"apiKey": server.key, "secret": server.secret, "enableRateLimit": False, "options": OPTIONS}


def prepared(api: Any, server: Any) -> Any:
    """One of ccxt's objects that speaks to the simulator."""
    api.urls["api"] = {
        name: f"{server.base_url}/{url.split('/', 3)[3]}" for name, url in api.urls["api"].items() if url.count("/") > 2
    }
    api.has["fetchCurrencies"] = False
    return api


class Go:
    """Our exchange object, by ``Go`` and ``wait``."""

    def __init__(self, name: str, server: Any, **options: Any) -> None:
        self.exchange = Exchange(
            name, "BTC_USDT", access_key=server.key, secret_key=server.secret, base=server.base_url, errors="raise",
            max_workers=WORKERS, **options,
        )  # fmt: skip
        self.calls = {"book": ("GetDepth", "BTC_USDT", 20), "orders": ("GetOrders",)}

    def run(self, what: str, calls: int) -> None:
        """Makes the calls and waits for all of them."""
        for handle in [self.exchange.Go(*self.calls[what]) for _ in range(calls)]:
            handle.wait()

    def close(self) -> None:
        """Closes connections and threads."""
        self.exchange.close()


class Threads:
    """ccxt's synchronous objects, one a thread."""

    def __init__(self, server: Any) -> None:
        self.owner = prepared(ccxt.binance(settings(server)), server)
        self.owner.load_markets()
        self.server = server
        self.here = threading.local()
        self.pool = ThreadPoolExecutor(WORKERS)

    def call(self, what: str) -> None:
        """Makes one call with this thread's object."""
        api = getattr(self.here, "api", None)
        if api is None:
            api = self.here.api = prepared(ccxt.binance(settings(self.server)), self.server)
            api.set_markets_from_exchange(self.owner)
        if what == "book":
            api.fetch_order_book("BTC/USDT", 20)
        else:
            api.fetch_open_orders()

    def run(self, what: str, calls: int) -> None:
        """Makes the calls and waits for all of them."""
        list(self.pool.map(self.call, [what] * calls))

    def close(self) -> None:
        """Closes connections and threads."""
        self.pool.shutdown()


class Async:
    """One of ccxt's asynchronous objects, 16 calls at once."""

    def __init__(self, server: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.begin(server))

    async def begin(self, server: Any) -> None:
        """Makes the object and loads its markets."""
        self.api = prepared(ccxt.async_support.binance(settings(server)), server)
        await self.api.load_markets()

    def run(self, what: str, calls: int) -> None:
        """Makes the calls and waits for all of them."""
        self.loop.run_until_complete(self.all(what, calls))

    async def all(self, what: str, calls: int) -> None:
        """Makes the calls, 16 at once."""
        gate = asyncio.Semaphore(WORKERS)

        async def one() -> None:
            async with gate:
                if what == "book":
                    await self.api.fetch_order_book("BTC/USDT", 20)
                else:
                    await self.api.fetch_open_orders()

        await asyncio.gather(*(one() for _ in range(calls)))

    def close(self) -> None:
        """Closes connections and threads."""
        self.loop.run_until_complete(self.api.close())
        self.loop.close()


def measure(sides: dict[str, Any], what: str, calls: int, rounds: int) -> dict[str, list[float]]:
    """Calls a second of each side in each round; each side comes first as often as last."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            began = time.perf_counter()
            sides[name].run(what, calls)
            if number:  # the first round warms up
                found[name].append(calls / (time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with SimulatorProcess("binance", rate_scale=10_000.0) as server:
        make: dict[str, Callable[[], Any]] = {
            "native": lambda: Go("Binance", server),
            "ccxt through us": lambda: Go("ccxt:binance", server, paced=False),
            "ccxt in threads": lambda: Threads(server),
            "ccxt async": lambda: Async(server),
        }
        sides = {name: begin() for name, begin in make.items()}
        table = {what: measure(sides, what, options.calls, options.rounds) for what in ("book", "orders")}
        for side in sides.values():
            side.close()
    medians = {
        what: {name: statistics.median(values) for name, values in found.items()} for what, found in table.items()
    }
    if options.json:
        print(json.dumps(medians))
        return
    print(
        f"{'calls a second':18}{'book':>10}{'ratio':>8}{'orders':>10}{'ratio':>8}   (ratio: to ccxt in threads, median of the rounds)"
    )
    for name in make:
        line = f"{name:18}"
        for what, found in table.items():
            ratio = statistics.median(a / b for a, b in zip(found[name], found["ccxt in threads"], strict=True))
            line += f"{medians[what][name]:10.0f}{ratio:8.2f}"
        print(line)


if __name__ == "__main__":
    main()
