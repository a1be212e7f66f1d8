"""Stops strategies whose threads place orders all the time, and tells what reached the exchange afterwards.

``python -m tests.helpers.stop_under_fire ROUNDS SEED`` prints a JSON object with the counts of all rounds and a list of ``faults``.
Each round is a strategy of its own against one simulator: threads that swallow StopRequested, ``Go`` without and with ``wait``, a task
queue. It ends by Ctrl-C, SIGTERM, ``stop.request()``, or because ``main`` returns; and ``onexit`` places orders of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any

from fmzthreads import Exchange
from fmzthreads.clock import WallClock
from fmzthreads.errors import FmzError, StopRequested
from fmzthreads.exchange.order_log import IntentRecord
from fmzthreads.exchange.venue import OrderIntent
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.events import Event, OrderEvent
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.strategy.signals import install_signal_handlers
from fmzthreads.strategy.store import Store
from fmzthreads.tasks.queue import TaskQueue
from tests.helpers.threads import InThread, run_in_thread

KINDS = ("Ctrl-C", "SIGTERM", "stop.request()", "main returns")
BUY, SELL = "buy;timeInForce=IOC", "sell;timeInForce=IOC"
OWN_ORDERS = 5  # of each onexit


class Arrivals:
    """When each order arrived at the exchange, by its client order id."""

    def __init__(self, server: SimulatorServer) -> None:
        self.at: dict[str, float] = {}
        server.exchange.subscribe(self._take, (OrderEvent,))

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            self.at.setdefault(event.order.client_id, time.time())


class Round:
    """One strategy under fire, from its start to what is seen after its end."""

    def __init__(self, server: SimulatorServer, arrivals: Arrivals, kind: str, rng: random.Random) -> None:
        self.kind, self.arrivals = kind, arrivals
        self.runtime = Runtime(console=False, store=Store(), name="stop under fire")
        self.exchange = Exchange(
            "Binance", "BTC_USDT", base=server.base_url, access_key=server.key, secret_key=server.secret,
            host=self.runtime, max_workers=4,
        )  # fmt: skip
        price = self.exchange.GetTicker().Last
        self.low, self.high = price * 0.9, price * 1.1  # they never fill
        self.after_s = rng.uniform(0.002, 0.05)
        self.over = threading.Event()
        self.swallowed = 0
        self.stopped_at = self.onexit_at = 0.0
        self.own: set[str] = set()
        self.threads: list[InThread] = []

    def run(self) -> None:
        """Runs it; the caller looks at the rest."""
        self.exchange.warm(4)
        self.runtime.stop.add(self._note_stop)
        with TaskQueue([self.exchange], {}, clock=WallClock()).start() as queue:
            self.threads = [
                run_in_thread(self._repeat, lambda: self.exchange.CreateOrder("", BUY, self.low, 0.001)),
                run_in_thread(self._repeat, lambda: self.exchange.CreateOrder("", BUY, self.low, 0.001)),
                run_in_thread(self._repeat, lambda: self.exchange.Go("CreateOrder", "", BUY, self.low, 0.001)),
                run_in_thread(self._repeat, lambda: self.exchange.Go("CreateOrder", "", BUY, self.low, 0.001).wait()),
                run_in_thread(self._repeat, lambda: self._push(queue)),
            ]
            try:
                with install_signal_handlers(self.onexit, runtime=self.runtime, drain_s=30.0):
                    self.threads.append(run_in_thread(self._stop))
                    self.main()
            except StopRequested:
                pass
            time.sleep(0.005)  # what would still come has the time to
            self.over.set()
            for thread in self.threads:
                thread.result()
            queue.stop(cut=True)
        self.exchange.close()
        self.runtime.close()

    def _push(self, queue: TaskQueue) -> None:
        queue.push(exchange=0, ret="order", param=["CreateOrder", "", BUY, self.low, 0.001])
        queue.join(1000)

    def _repeat(self, place: Any) -> None:
        while not self.over.is_set():
            try:
                place()
            except StopRequested:
                self.swallowed += 1
                time.sleep(0.001)  # leaves the processor to the others
            except FmzError:
                pass  # too many handles

    def main(self) -> None:
        """The strategy; it returns in one of the four kinds, and is stopped in the others."""
        end = time.monotonic() + self.after_s
        while self.kind != "main returns" or time.monotonic() < end:
            self.exchange.CreateOrder("", BUY, self.low, 0.001)

    def _stop(self) -> None:
        time.sleep(self.after_s)
        if self.kind == "Ctrl-C":
            os.kill(os.getpid(), signal.SIGINT)
        elif self.kind == "SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.kind == "stop.request()":
            self.runtime.stop.request("enough")

    def _note_stop(self) -> None:
        self.stopped_at = time.time()

    def onexit(self) -> None:
        """Places orders of its own, directly and through ``Go``, while the threads go on trying."""
        self.onexit_at = time.time()
        before = self.swallowed
        exchange, amount = self.exchange, 0.001
        ids = [exchange.CreateOrder("", SELL, self.high, amount) for _ in range(2)]
        handles = [exchange.Go("CreateOrder", "", SELL, self.high, amount) for _ in range(2)]
        ids += [handle.wait().value for handle in handles]
        ids.append(exchange.Sell(self.high, amount))
        assert exchange.CancelOrder(ids[-1])
        while self.swallowed < before + 10:
            time.sleep(0.001)
        assert all(ids), exchange.GetLastError()
        self.own = {record.intent.client_order_id for record in self.records() if record.order_id in ids}

    def records(self) -> list[IntentRecord]:
        """The orders of the order log; a cancel places nothing."""
        return [record for record in self.exchange._core.intents.all() if isinstance(record.intent, OrderIntent)]

    def faults(self) -> list[str]:
        """What must not be."""
        found = []
        if len(self.own) != OWN_ORDERS:
            found.append(f"onexit placed {len(self.own)} orders, expected {OWN_ORDERS}")
        for record in self.records():
            key = record.intent.client_order_id
            arrived = self.arrivals.at.get(key)
            what = f"{self.kind}: {record.intent.side} {key} ({record.fate})"
            if arrived is None:
                if record.fate in {"placed", "sending"}:
                    found.append(f"{what} is not at the exchange")
            elif record.fate not in {"placed", "unknown"}:
                found.append(f"{what} is at the exchange")
            elif key not in self.own and arrived > self.onexit_at:
                found.append(f"{what} arrived {arrived - self.onexit_at:.6f} s after onexit began")
            elif key not in self.own and record.made_at > self.stopped_at:
                found.append(f"{what} was made {record.made_at - self.stopped_at:.6f} s after the stop")
        return found


def main(rounds: int, seed: int) -> None:
    """Runs so many rounds and prints the result."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    with SimulatorServer(
        "binance", seed=seed, moving=False, rate_scale=0, balances={"USDT": Decimal(10**12), "BTC": Decimal(10**6)}
    ) as server:
        arrivals = Arrivals(server)
        for number in range(rounds):
            one = Round(server, arrivals, KINDS[number % len(KINDS)], rng)
            one.run()
            faults += one.faults()
            counts["stops"] += 1
            counts["orders"] += len(one.records())
            counts["in flight at the stop"] += sum(
                record.made_at <= one.stopped_at < arrivals.at.get(record.intent.client_order_id, 0)
                for record in one.records()
            )
            counts["stops swallowed"] += one.swallowed
            for record in one.records():
                counts[record.fate] += 1
    print(json.dumps({**counts, "faults": faults[:20]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
