"""Compares the simulator's order book with a bare loop and with lightmatchingengine.

The bare loop is heapq and deque alone; lightmatchingengine is a package of PyPI.

All three get one seeded stream of limit orders and cancels, made beforehand. Rounds are interleaved, so that a machine that is slow for
a while is slow for all of them; the medians are compared. Each engine must report the same volume, or the comparison is refused.

    python benchmarks/matching.py [--commands N] [--rounds N] [--seed N] [--json]

lightmatchingengine is optional (``python -m pip install lightmatchingengine``); without it its column is left out, and says so.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import importlib
import json
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

from fmzthreads.simulator.engine.book import BookOrder, MatchingBook

Command = tuple[int, bool, int, int]
"""Order number, whether it buys, price in ticks, lots; lots of 0 cancel the order with that number."""

BARE_SHARE = 0.5
PEER_RATIO = 3.0


def stream(seed: int, count: int) -> list[Command]:
    """Orders around a wandering price.

    Two of five commands cancel an earlier order, which may have been filled by then.
    """
    dice = random.Random(seed)
    commands: list[Command] = []
    placed: list[Command] = []
    middle = 10_000
    for number in range(count):
        middle += dice.choice((-1, 0, 0, 1))
        if placed and dice.random() < 0.4:
            place = dice.randrange(max(0, len(placed) - 500), len(placed))
            victim = placed.pop(place)
            commands.append((victim[0], victim[1], victim[2], 0))
            continue
        is_buy = dice.random() < 0.5
        away = round(dice.expovariate(0.08)) - 4  # a few of them cross the middle and trade
        command = (number, is_buy, middle - away if is_buy else middle + away, dice.randrange(1, 100))
        commands.append(command)
        placed.append(command)
    return commands


def run_bare(commands: list[Command]) -> int:
    """The least that price-time priority can cost.

    Two heaps of prices, a deque at each price, cancels by marking.
    """
    heappush, heappop = heapq.heappush, heapq.heappop
    asks: list[int] = []
    bids: list[int] = []  # negative prices
    ask_queues: dict[int, deque[list[int]]] = {}
    bid_queues: dict[int, deque[list[int]]] = {}
    known: dict[int, list[int]] = {}
    volume = 0
    for number, is_buy, price, size in commands:
        if not size:
            order = known.pop(number, None)
            if order is not None:
                order[0] = 0
            continue
        lots = size
        if is_buy:
            heap, queues, key, ours, our_queues = asks, ask_queues, -price, bids, bid_queues
        else:
            heap, queues, key, ours, our_queues = bids, bid_queues, price, asks, ask_queues
        while lots and heap and heap[0] <= -key:
            queue = queues[heap[0]]
            while lots and queue:
                order = queue[0]
                if order[0] > lots:
                    order[0] -= lots
                    volume += lots
                    lots = 0
                else:
                    lots -= order[0]
                    volume += order[0]
                    order[0] = 0
                    queue.popleft()
            if not queue:
                del queues[heappop(heap)]
        if lots:
            order = known[number] = [lots]
            if key in our_queues:
                our_queues[key].append(order)
            else:
                our_queues[key] = deque((order,))
                heappush(ours, key)
    return volume


def run_book(commands: list[Command]) -> int:
    """The simulator's book."""
    book = MatchingBook()
    submit, remove = book.submit, book.remove
    known: dict[int, BookOrder] = {}
    volume = 0
    for number, is_buy, price, lots in commands:
        if not lots:
            order = known.pop(number, None)
            if order is not None:
                remove(order)
            continue
        order = BookOrder(number, None, is_buy, price, lots)
        for _, _, traded in submit(order):
            volume += traded
        if order.left:
            known[number] = order
    return volume


def run_peer(peer: ModuleType, commands: list[Command]) -> int:
    """The peer, lightmatchingengine, through its public calls."""
    engine = peer.LightMatchingEngine()
    buy, sell = peer.Side.BUY, peer.Side.SELL
    known: dict[int, Any] = {}
    volume = 0
    for number, is_buy, price, lots in commands:
        if not lots:
            order = known.pop(number, None)
            # A cancel of an order that was filled ends in an AssertionError there.
            if order is not None and order.leaves_qty:
                engine.cancel_order(order.order_id, "X")
            continue
        side = buy if is_buy else sell
        order, trades = engine.add_order("X", price, lots, side)
        for trade in trades:
            if trade.trade_side != side:  # one of the resting orders' trades; the arriving order's are listed besides
                volume += trade.trade_qty
        if order.leaves_qty:
            known[number] = order
    return volume


def load_peer() -> ModuleType | None:
    """The module of lightmatchingengine, or None where it is not installed."""
    try:
        return importlib.import_module("lightmatchingengine.lightmatchingengine")
    except ImportError:
        return None


def measure(count: int, rounds: int, seed: int) -> dict[str, object]:
    """Commands a second of each engine, and the ratios."""
    commands = stream(seed, count)
    runs: dict[str, Callable[[], int]] = {"bare": lambda: run_bare(commands), "book": lambda: run_book(commands)}
    peer = load_peer()
    if peer is not None:
        engine = peer
        runs["lightmatchingengine"] = lambda: run_peer(engine, commands)
    times: dict[str, list[float]] = {name: [] for name in runs}
    volumes: dict[str, int] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            gc.collect()
            started = time.perf_counter()
            volumes[name] = run()
            times[name].append(time.perf_counter() - started)
    if len(set(volumes.values())) != 1:
        raise SystemExit(f"the engines disagree about the volume: {volumes}")
    rates = {name: count / statistics.median(spent) for name, spent in times.items()}
    return {
        "commands": count,
        "rounds": rounds,
        "seed": seed,
        "volume": volumes["book"],
        "per_second": {name: round(rate) for name, rate in rates.items()},
        "share_of_bare": round(rates["book"] / rates["bare"], 3),
        "times_lightmatchingengine": round(rates["book"] / rates["lightmatchingengine"], 2)
        if peer is not None
        else None,
    }


def main() -> int:
    """Prints the figures; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description="The simulator's order book against a bare loop and lightmatchingengine."
    )
    parser.add_argument("--commands", type=int, default=50_000, help="commands in the stream (default 50000)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default 7)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the stream (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    result = measure(options.commands, options.rounds, options.seed)
    share, ratio = result["share_of_bare"], result["times_lightmatchingengine"]
    assert isinstance(share, float)
    if options.json:
        print(json.dumps(result))
    else:
        for name, rate in dict(result["per_second"]).items():  # type: ignore[call-overload]
            print(f"{name:>20}: {rate:>10,} commands a second")
        print(f"share of the bare loop: {share} (goal: at least {BARE_SHARE})")
        if ratio is None:
            print("lightmatchingengine is not installed, so it was left out")
        else:
            print(f"times lightmatchingengine: {ratio} (goal: at least {PEER_RATIO})")
    missed = share < BARE_SHARE or (isinstance(ratio, float) and ratio < PEER_RATIO)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
