"""The strategy of the soak of orders: eight threads place and cancel orders at two exchanges for a given time.

It is started by ``soak_orders.py``, which also kills it. Addresses and keys come from the environment. It makes a file when it begins.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fmzthreads import Exchange, GetLastError
from fmzthreads.errors import FmzError
from fmzthreads.strategy.runtime import Runtime, use

THREADS = 8
PAUSE_S = 0.005  # between two orders of a thread
PAIRS = ("BTC_USDT", "ETH_USDT", "SOL_USDT")
LIFETIME_MS = 300  # so that an order that did not arrive is known to be absent after 1.3 s
AMOUNTS = {"BTC_USDT": 0.001, "ETH_USDT": 0.02, "SOL_USDT": 0.2}


class Samples:
    """The memory of this process, as it was taken from time to time."""

    def __init__(self) -> None:
        self.resident_mb: list[float] = []

    def take(self) -> None:
        """Takes one."""
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        self.resident_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += str(link.readlink()).startswith("socket:")
        except OSError:
            pass  # closed meanwhile
    return found


def trade(exchange: Any, number: int, end: float) -> None:
    """One thread: half of its orders trade at once, the others rest and are mostly cancelled."""
    chance = random.Random(f"{os.getpid()}:{number}")
    while time.time() < end:
        pair = chance.choice(PAIRS)
        ticker = exchange.GetTicker(pair)
        for _ in range(10):
            if ticker is None or time.time() >= end:
                break
            side = chance.choice(("buy", "sell"))
            rests = chance.random() < 0.5
            edge = -0.01 if rests else 0.002
            price = round(ticker.Last * (1 + (edge if side == "buy" else -edge)), 2)
            order_id = exchange.CreateOrder(pair, side, price, AMOUNTS[pair])
            if order_id and rests and chance.random() < 0.9:
                exchange.CancelOrder(order_id)
            time.sleep(PAUSE_S)


def settle(exchange: Any) -> int:
    """Reconciles until nothing is unknown, for at most a minute; returns what is left."""
    for _ in range(60):
        if exchange.UnknownOrders(all_runs=True) == []:
            return 0
        exchange.Reconcile()
        time.sleep(1.0)
    left = exchange.UnknownOrders(all_runs=True)
    return -1 if left is None else len(left)


def main(seconds: float, begun: Path, report: Path) -> None:
    runtime = Runtime(console=False)
    samples = Samples()
    with use(runtime):
        exchanges: list[Any] = [
            Exchange("Binance", "BTC_USDT", recv_window_ms=LIFETIME_MS),
            Exchange("OKX", "BTC_USDT", order_lifetime_ms=LIFETIME_MS),
        ]
        for exchange in exchanges:
            exchange.SetTimeout(1000)
        end = time.time() + seconds
        begun.touch()
        threads = [
            threading.Thread(target=trade, args=(exchanges[number % 2], number, end)) for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            samples.take()
            time.sleep(1.0)
        unknown = [settle(exchange) for exchange in exchanges]
        GetLastError()
        for exchange in exchanges:
            exchange.close()
        runtime.close()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    told = {"unknown": unknown, "threads": left, "sockets": sockets(), "resident_mb": samples.resident_mb}
    report.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
    except FmzError as error:
        sys.exit(f"the strategy failed: {error}")
