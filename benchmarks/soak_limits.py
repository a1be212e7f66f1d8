"""A soak of the limits: as many light and heavy reads and orders as a venue allows, and no refusal.

One process with 64 threads and one exchange object, the same with four objects of one key, and four processes with one key, against each
simulated venue. Prints, for each, what was used of what the venue allows, and how often the venue refused. Exits with 1 if it refused any
request, or if less than 90 % of Binance's weight was used::

    python benchmarks/soak_limits.py [--windows 4] [--threads 64]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from fmzthreads import Exchange
from fmzthreads.errors import RateLimited
from fmzthreads.simulator import SimulatorServer

WINDOW_S = {"binance": 6, "okx": 2}
"""Binance's minute is shortened to six seconds, with the weight of a whole minute."""
ORDERS_WINDOW_S = {"binance": 10, "okx": 2}
LIMITS = {
    "binance": {"weight": 6000, "orders": 100},
    "okx": {"market/books": 40, "account/balance": 10, "trade/orders-pending": 60, "orders": 60},
}
"""What a window allows; at OKX of each endpoint, and of orders on one instrument."""
LEAST_USED = 0.9
SHAPES = ((1, 1), (1, 4), (4, 1))  # processes, exchange objects in each


@attrs.define
class Watch:
    """What a simulated venue was asked for and answered, by its own clock.

    Attributes:
        refused: How often it answered 429 or 418.
        codes: Its refusals, by what it said.
    """

    server: SimulatorServer
    refused: int = 0
    codes: Counter[str] = attrs.Factory(Counter)
    _weights: dict[int, int] = attrs.Factory(dict)  # the largest count reported in each window
    _calls: Counter[tuple[str, int]] = attrs.Factory(Counter)  # by kind and window

    def attach(self) -> None:
        """Looks at every reply from now on."""
        dialect = self.server.dialect
        handle = dialect.handle

        def _handle(request: Any) -> Any:
            now_s = dialect.now_ms() / 1000
            reply = handle(request)
            self.take(request.method, request.path, reply, now_s)
            return reply

        dialect.handle = _handle  # type: ignore[method-assign]

    def take(self, method: str, path: str, reply: Any, now_s: float) -> None:
        """Counts one reply."""
        venue = self.server.venue
        if reply.status in {418, 429}:
            self.refused += 1
            self.codes[f"{reply.status} {method} {path}"] += 1
            return
        if reply.status != 200:
            self.codes[f"{reply.status} {reply.body[:60]!r}"] += 1
        used = dict(reply.headers).get("X-MBX-USED-WEIGHT")
        if used is not None:
            window = int(now_s // WINDOW_S[venue])
            self._weights[window] = max(self._weights.get(window, 0), int(used))
        places = method == "POST" and path.endswith("/order")
        kind = "orders" if places else path.removeprefix("/api/v5/")
        if kind in LIMITS[venue] and reply.status == 200:
            length_s = ORDERS_WINDOW_S[venue] if places else WINDOW_S[venue]
            self._calls[kind, int(now_s // length_s)] += 1

    def used(self, kind: str, begin_s: float, end_s: float) -> float:
        """The part of what is allowed that was used, on average of the windows that lie wholly between two moments."""
        venue = self.server.venue
        length_s = ORDERS_WINDOW_S[venue] if kind == "orders" else WINDOW_S[venue]
        windows = range(int(-(-begin_s // length_s)), int(end_s // length_s))
        if not windows:
            return 0.0
        counts = [self._weights.get(one, 0) if kind == "weight" else self._calls[kind, one] for one in windows]
        return sum(counts) / len(counts) / LIMITS[venue][kind]


def trade(exchange: Any, price: float, end: float, counts: Counter[str], number: int) -> None:
    """One thread, until a time of day: every eighth places and cancels orders, the others repeat a light or a heavy read."""
    places = number % 8 == 0
    reads: tuple[Callable[[], Any], ...] = (
        exchange.GetDepth,
        exchange.GetAccount,
        exchange.GetOrders,
        exchange.GetDepth,
    )
    read = reads[number % len(reads)]  # each thread its own kind, so that no limit waits for another
    while time.time() < end:
        try:
            if places:
                order = exchange.Buy(price, 0.001)
                counts["orders"] += 1
                exchange.CancelOrder(order)
            else:
                read()
                counts["reads"] += 1
        except RateLimited as error:
            counts["refused there" if error.status else "refused here"] += 1
            time.sleep(min(error.retry_after_s or 0.1, max(0.0, end - time.time()), 1.0))


def work() -> None:
    """A process of its own: its orders come from the environment; its counts go to standard output."""
    told = json.loads(os.environ["SOAK_LIMITS"])
    options = {**told["options"], "errors": "raise", "durability": "memory"}
    exchanges = [Exchange(told["name"], "BTC_USDT", **options) for _ in range(told["objects"])]
    for exchange in exchanges:
        exchange.SetTimeout(20_000)
    price = round(exchanges[0].GetTicker().Buy * 0.9)  # rests, and is within the venues' bands
    counts: Counter[str] = Counter()
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.time() + told["seconds"]
    with ThreadPoolExecutor(told["threads"]) as pool:
        tasks = [
            pool.submit(trade, exchanges[number % len(exchanges)], price, end, counts, number)
            for number in range(told["threads"])
        ]
        for task in tasks:
            task.result()
    print(json.dumps(counts), flush=True)


def start(server: SimulatorServer, objects: int, threads: int, seconds: float, home: str) -> subprocess.Popen[str]:
    """Starts one process."""
    options = {"access_key": server.key, "secret_key": server.secret, "base": server.base_url}
    if server.passphrase:
        options["passphrase"] = server.passphrase
    name = {"binance": "Binance", "okx": "OKX"}[server.venue]
    told = {"name": name, "options": options, "objects": objects, "threads": threads, "seconds": seconds}
    surroundings = {**os.environ, "FMZTHREADS_HOME": home, "SOAK_LIMITS": json.dumps(told)}
    surroundings.pop("FMZTHREADS_SHARE_LIMITS", None)
    command = [sys.executable, __file__, "--work"]
    return subprocess.Popen(
        command, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )


def soak(
    venue: str, processes: int, objects: int, *, threads: int, windows: float, least: float = LEAST_USED
) -> tuple[bool, str]:
    """Runs one shape against one venue.

    Returns:
        Whether nothing was refused and enough was used, and a row of the table.
    """
    options: dict[str, Any] = {"weight_window_s": WINDOW_S["binance"]} if venue == "binance" else {}
    seconds = windows * WINDOW_S[venue] + WINDOW_S[venue]
    with tempfile.TemporaryDirectory() as home, SimulatorServer(venue, moving=False, **options) as server:
        watch = Watch(server)
        watch.attach()
        found = [start(server, objects, threads // processes, seconds, home) for _ in range(processes)]
        try:
            for process in found:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            begin_s = server.exchange.server_time_ms() / 1000
            for process in found:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            threading.Event().wait(seconds)
            end_s = server.exchange.server_time_ms() / 1000
            counts: Counter[str] = Counter()
            for process in found:
                out, _ = process.communicate(timeout=120)
                # A line of the journal may come after the counts.
                counts.update(json.loads(next(line for line in out.splitlines() if line.startswith("{"))))
        finally:
            for process in found:
                process.kill()
                process.communicate()  # closes the pipes
    used = {kind: watch.used(kind, begin_s, end_s) for kind in LIMITS[venue]}
    good = not watch.refused and not counts["refused there"] and used.get("weight", least) >= least
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in used.items())
    what = f"{processes} process{'es' if processes > 1 else ''} of {threads // processes} threads, {objects} object{'s' if objects > 1 else ''}"
    row = f"| {venue} | {what} | {counts['reads']:,} | {counts['orders']:,} | {shares} | {counts['refused here']:,} | {watch.refused} |"
    if watch.codes:
        row += f" {dict(watch.codes.most_common(3))}"
    return good, row


def main() -> int:
    """Runs all shapes and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=float, default=4, help="Binance's windows of a run, of six seconds")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return 0
    print("| venue | clients | reads | orders | used of the allowed | refused before sending | 429 and 418 |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for venue, window_s in WINDOW_S.items():
        for processes, objects in SHAPES:
            windows = options.windows * WINDOW_S["binance"] / window_s
            one, row = soak(venue, processes, objects, threads=options.threads, windows=windows)
            good = good and one
            print(row, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
