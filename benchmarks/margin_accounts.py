"""Orders a second of the simulated exchange's engine: spot accounts against margin accounts.

Both place, match and cancel one seeded stream of orders of two accounts, in processor time, in interleaved rounds; the medians are compared.

    python benchmarks/margin_accounts.py [--orders N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from decimal import Decimal

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import binance_spot
from fmzthreads.simulator.engine.margin.listings import binance_usd_margined
from fmzthreads.simulator.engine.orders import NewOrder

GOAL = 0.75
_OPEN = 100


def orders(instrument: str, count: int, seed: int) -> list[tuple[str, NewOrder]]:
    """Limit orders of two accounts around a wandering price; about half of them trade."""
    dice, middle = random.Random(seed), 60_000
    found = []
    for _ in range(count):
        middle += dice.choice((-1, 0, 1))
        buys, away = dice.random() < 0.5, round(dice.expovariate(0.3)) - 1
        order = NewOrder(
            instrument=instrument, side="buy" if buys else "sell", price=Decimal(middle - away if buys else middle + away),
            quantity=Decimal(dice.randrange(1, 9)) / 100,
        )  # fmt: skip
        found.append(("ann" if dice.random() < 0.5 else "bob", order))
    return found


def run(*, margin: bool, count: int, seed: int = 1) -> float:
    """Orders a second of processor time."""
    instrument = binance_usd_margined() if margin else binance_spot()[0]
    exchange = SimulatedExchange([instrument], clock=ManualClock())
    for name in ("ann", "bob"):
        exchange.create_account(name, balances={"USDT": Decimal(10**9), "BTC": Decimal(10**6)})
    if margin:
        exchange.contracts.set_prices(instrument.id, mark=Decimal(60_000))
    stream, live = orders(instrument.id, count, seed), []
    started = time.process_time()
    for name, order in stream:
        placed = exchange.place(name, order)
        if not placed.state.final:
            live.append((name, placed.order_id))
        if len(live) > _OPEN:
            live = [pair for pair in live if not exchange.order(pair[0], instrument.id, pair[1]).state.final]
            for owner, order_id in live[: len(live) // 2]:
                exchange.cancel(owner, instrument.id, order_id)
            live = live[len(live) // 2 :]
    return count / (time.process_time() - started)


def main() -> int:
    """Prints the figures; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description="Spot accounts against margin accounts in the simulator's engine.")
    parser.add_argument("--orders", type=int, default=5000, help="orders in the stream (default 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"spot": [], "margin": []}
    for _ in range(options.rounds):
        for name, found in rates.items():
            found.append(run(margin=name == "margin", count=options.orders))
    medians = {name: round(statistics.median(found)) for name, found in rates.items()}
    share = round(medians["margin"] / medians["spot"], 3)
    if options.json:
        print(json.dumps({"orders": options.orders, "per_second": medians, "share_of_spot": share}))
    else:
        for name, rate in medians.items():
            print(f"{name:>8}: {rate:>8,} orders a second")
        print(f"share of spot: {share} (goal: at least {GOAL})")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
