"""What keeping a local order book costs, beside what is usually written by hand.

Two streams: a made-up one that repeats (a thousand levels a side, updates of 36 levels near the best price and far from it, every one
with ids), and a recorded futures book where it lies beside the checkout. Three ways to take them:

- ``OrderBook``: checks the ids, keeps texts, checks that the book is not crossed.
- ``naive, sorted when read``: two dicts, and a sort of each whenever the best 20 levels are read. Checks nothing.
- ``naive, sorted each time``: the same, sorted after each update, as in many published examples. Checks nothing.

Each is measured twice over: updates alone, and with the best 20 levels read after every update. Ways are interleaved; figures are
medians of CPU time of this thread.

    python benchmarks/books.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fmzthreads.clock import WallClock
from fmzthreads.streams.book.book import OrderBook
from fmzthreads.streams.book.rules import BookRule, BookUpdate, RangeRule, RangeWithPreviousRule
from fmzthreads.venues.binance.streams import read_book_event, read_book_snapshot

CAPTURE = Path(__file__).resolve().parents[2] / "shared" / "data" / "hftbacktest" / "usdm" / "btcusdt_20240808.gz"
TOP = 20


def made_up(count: int = 3000) -> list[BookUpdate]:
    """A snapshot and so many updates of a spot book."""
    draw = random.Random(1)
    middle = 6_000_000

    def level(ticks: int, lots: int) -> tuple[str, str]:
        return f"{ticks / 100:.8f}", f"{lots / 100_000:.8f}"

    bids = [level(middle - 1 - place, draw.randrange(1, 10**6)) for place in range(1000)]
    asks = [level(middle + 1 + place, draw.randrange(1, 10**6)) for place in range(1000)]
    updates = [BookUpdate(snapshot=True, bids=bids, asks=asks, last=1)]
    for number in range(count):
        sides = []
        for worse in (-1, 1):
            places = [int(draw.expovariate(1 / 40)) for _ in range(12)] + [draw.randrange(1000) for _ in range(6)]
            sides.append(
                [level(middle + worse * (1 + place), draw.choice((0, draw.randrange(1, 10**6)))) for place in places]
            )
        updates.append(BookUpdate(snapshot=False, bids=sides[0], asks=sides[1], first=number + 2, last=number + 2))
    return updates


def captured() -> list[BookUpdate]:
    """The futures capture, its snapshot first and taken for the whole book; empty where it is absent."""
    if not CAPTURE.exists():
        return []
    found = []
    with gzip.open(CAPTURE, "rt") as file:
        for line in file:
            message = json.loads(line.split(" ", 1)[1])
            if "stream" not in message:
                found.insert(0, read_book_snapshot(message, 0))
            elif "@depth" in message["stream"]:
                found.append(read_book_event(message["data"]))
    return found


def with_order_book(rule: BookRule, updates: Sequence[BookUpdate], *, read: bool) -> object:
    """Our way."""
    book = OrderBook(rule, WallClock())
    for update in updates:
        book.apply(update)
        if read:
            book.depth(TOP)
    assert book.stats.gaps == 0
    return [level[:2] for level in book.depth(TOP).bids]


def by_hand(updates: Sequence[BookUpdate], *, read: bool, sort_each: bool) -> object:
    """Two dicts."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    first = updates[0].last or 0
    best: list[tuple[float, float]] = []
    for update in updates:
        if update.last is not None and update.last < first:
            continue
        for side, levels in ((bids, update.bids), (asks, update.asks)):
            for level in levels:
                price, size = float(level[0]), float(level[1])
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        if sort_each:
            bids = dict(sorted(bids.items(), reverse=True))
            asks = dict(sorted(asks.items()))
        elif read:
            best = sorted(bids.items(), reverse=True)[:TOP]
            sorted(asks.items())[:TOP]
        if read and sort_each:
            best = list(bids.items())[:TOP]
            list(asks.items())[:TOP]
    return best or sorted(bids.items(), reverse=True)[:TOP]


def measure(name: str, rule: BookRule, updates: list[BookUpdate], rounds: int) -> None:
    """Prints one table."""
    changes = sum(len(update.bids) + len(update.asks) for update in updates[1:])
    print(f"\n{name}: {len(updates) - 1} updates, {changes / (len(updates) - 1):.0f} levels each")
    for read in (False, True):
        ways: dict[str, Callable[[], object]] = {
            "OrderBook": lambda read=read: with_order_book(rule, updates, read=read),  # type: ignore[misc]
            "naive, sorted when read": lambda read=read: by_hand(updates, read=read, sort_each=False),  # type: ignore[misc]
            "naive, sorted each time": lambda read=read: by_hand(updates, read=read, sort_each=True),  # type: ignore[misc]
        }
        spent: dict[str, list[float]] = {way: [] for way in ways}
        results = []
        for _ in range(rounds):
            for way, run in ways.items():
                began = time.thread_time()
                results.append(run())
                spent[way].append(time.thread_time() - began)
        assert all(result == results[0] for result in results), "all ways must end with the same book"
        print(f"  {'best 20 read after each update' if read else 'updates alone'}")
        ours = statistics.median(spent["OrderBook"])
        for way, times in spent.items():
            median = statistics.median(times)
            rate = (len(updates) - 1) / median
            print(f"    {way:26} {rate:10,.0f} updates/s  {median / ours:6.2f} times the CPU of OrderBook")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each way (default 7)")
    rounds = parser.parse_args().rounds
    measure("made-up spot book", RangeRule(), made_up(), rounds)
    capture = captured()
    if capture:
        measure("USDⓈ-M futures capture", RangeWithPreviousRule(), capture[:2000], max(1, rounds // 2))
    else:
        print(f"\nthe futures capture is not at {CAPTURE.name}: skipped")


if __name__ == "__main__":
    main()
