"""A soak of orders: two simulated exchanges, eight threads, faults of every kind, and a strategy that is killed twice and restarted.

At the end both sides are compared: every order that the venues know is known in the order log and the other way round, what was filled
agrees to the last digit, no client order id was used twice, and the last process leaves no thread, no socket and no growth of memory.
Prints a table, and exits with 1 on any disagreement::

    python benchmarks/soak_orders.py [--seconds 600] [--orders 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.events import OrderEvent

NAMES = {"binance": "Binance", "okx": "OKX"}
SYMBOLS = ["BTC_USDT", "ETH_USDT", "SOL_USDT=150"]
STRATEGY = Path(__file__).with_name("soak_orders_strategy.py")
KILLS = (1 / 3, 2 / 3)
MOST_GROWTH_MB = 12.0
FAULTS = {
    "refuse": 0.012,
    "error_5xx": 0.012,
    "cut_reply": 0.036,
    "lose_order_reply": 0.04,
    "hang": 0.003,
    "rate_limit_429": 0.0005,
}
"""What goes wrong, by share of the requests; besides bans of a second, clock offsets and latency, which come and go."""


class VenueBook:
    """What a venue has heard of each order, taken from its own events."""

    def __init__(self, server: SimulatorServer) -> None:
        self.server = server
        self.name = NAMES[server.venue]
        self._lock = threading.Lock()  # guards the maps
        self.orders: dict[int, tuple[str, Decimal]] = {}
        """Client order id, and what was filled, by the venue's id."""
        server.exchange.subscribe(self._take, (OrderEvent,))

    def _take(self, event: Any) -> None:
        if event.account == self.server.account.name:
            with self._lock:
                self.orders[event.order.order_id] = (event.order.client_id, event.order.filled)


def disturb(books: list[VenueBook], ended: threading.Event) -> None:
    """Changes the faults that are not shares of requests, until the end."""
    beat = 0
    while not ended.wait(1.0):
        beat += 1
        for book in books:
            faults = book.server.faults
            faults.release()  # requests that hang are carried out late
            if beat % 20 == 0:
                faults.set(clock_offset_ms=(0, 250, -250, 5000)[beat // 20 % 4])
            if beat % 15 == 0:
                faults.set(latency_ms=(0, 20, 5)[beat // 15 % 3], jitter_ms=(0, 30, 0)[beat // 15 % 3])
            if beat % 60 == 30:
                faults.set(ban_418_s=1)


def heal(books: list[VenueBook], ended: threading.Event) -> None:
    """Ends all faults, so that what is unknown can be settled."""
    ended.set()
    for book in books:
        book.server.faults.clear()


def placed(books: list[VenueBook]) -> int:
    """How many orders the venues have heard of."""
    return sum(len(book.orders) for book in books)


def surroundings(books: list[VenueBook], home: str) -> dict[str, str]:
    found = {**os.environ, "FMZTHREADS_HOME": home, "FMZTHREADS_NAME": "soak"}
    for book in books:
        prefix = f"FMZ_{book.name.upper()}"
        found[f"{prefix}_BASE"] = book.server.base_url
        found[f"{prefix}_ACCESS_KEY"] = book.server.key
        found[f"{prefix}_SECRET_KEY"] = book.server.secret
        found[f"{prefix}_PASSPHRASE"] = book.server.passphrase
    return found


@attrs.define
class Run:
    """What the processes of the strategy did."""

    kills: int = 0
    code: int = -1
    report: dict[str, Any] = attrs.field(factory=dict)


def run_strategy(
    books: list[VenueBook], home: str, seconds: float, kills: tuple[float, ...], ended: threading.Event
) -> Run:
    """Starts the strategy, kills it after the given shares of the time, and starts it again; the time in which it starts is not counted."""
    report, begun = Path(home) / "report.json", Path(home) / "begun"
    run = Run()
    shares = [after - before for before, after in zip((0.0, *kills), (*kills, 1.0), strict=True)]
    for number, share in enumerate(shares):
        begun.unlink(missing_ok=True)
        trades_s = (
            seconds * share if number == len(kills) else seconds + 600
        )  # one that is to be killed does not end before
        command = [sys.executable, str(STRATEGY), str(trades_s), str(begun), str(report)]
        orders = placed(books)
        process = subprocess.Popen(command, env=surroundings(books, home))
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        if number == len(kills):
            calm = threading.Timer(seconds * share, heal, (books, ended))
            calm.start()
            run.code = process.wait(seconds + 300)
        else:
            time.sleep(seconds * share)
            while placed(books) == orders and process.poll() is None:
                time.sleep(0.01)  # a machine that is busy: one that has placed nothing is not worth a kill
            process.send_signal(signal.SIGKILL)
            process.wait()
            run.kills += 1
    if report.exists():
        run.report = json.loads(report.read_text("utf-8"))
    return run


def compare(book: VenueBook, rows: list[tuple[str, str, str]], history: dict[str, float]) -> dict[str, int]:
    """Both sides of one venue's orders; every number but the first should be 0."""
    ours = {order_id.rpartition(",")[2]: key for key, fate, order_id in rows if fate == "placed"}
    theirs = {str(number): key for number, (key, _) in book.orders.items()}
    filled = {str(number): amount for number, (_, amount) in book.orders.items()}
    return {
        "orders at the venue": len(theirs),
        "known there only": len(theirs.keys() - ours.keys()),
        "known here only": len(ours.keys() - theirs.keys()),
        "under another client id": sum(theirs[one] != ours[one] for one in theirs.keys() & ours.keys()),
        "client ids used twice": sum(n - 1 for n in Counter(theirs.values()).values())
        + sum(n - 1 for n in Counter(key for key, _, _ in rows).values()),
        "not settled": sum(fate in {"sending", "unknown"} for _, fate, _ in rows),
        "filled amounts that differ": sum(
            history.get(number) != float(amount) for number, amount in filled.items() if number in history or amount
        ),
        "balances that differ": int(not balanced(book)),
    }


def balanced(book: VenueBook) -> bool:
    """Whether the venue's balances are what they were at first plus what the fills changed."""
    return bool(book.server.state()["reconciled"])


def histories(book: VenueBook) -> dict[str, float]:
    """What our own reading of the venue's history says was filled, by the venue's number."""
    from fmzthreads.exchange.exchange import Exchange

    server = book.server
    keys = {"access_key": server.key, "secret_key": server.secret, "passphrase": server.passphrase}
    found: dict[str, float] = {}
    with Exchange(book.name, "BTC_USDT", base=server.base_url, errors="raise", durability="memory", **keys) as exchange:
        for symbol in ("BTC_USDT", "ETH_USDT", "SOL_USDT"):
            for order in exchange.GetHistoryOrders(symbol, 1, 10**9):
                found[order.Id.rpartition(",")[2]] = order.DealAmount
    return found


def read_log(home: str) -> list[tuple[str, str, str, str]]:
    (file,) = Path(home).glob("soak*/orders.sqlite3")
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(
            "SELECT account, client_order_id, fate, order_id FROM intents WHERE kind = 'order'"
        ).fetchall()


def show(found: dict[str, dict[str, int]], rest: dict[str, tuple[object, bool]]) -> bool:
    """Prints the tables; returns whether all is well."""
    names = list(next(iter(found.values())))
    print(f"{'':34s}" + "".join(f"{venue:>12s}" for venue in found))
    good = True
    for name in names:
        print(f"{name:34s}" + "".join(f"{column[name]:>12,d}" for column in found.values()))
        good &= name == "orders at the venue" or not any(column[name] for column in found.values())
    for name, (value, fine) in rest.items():
        print(f"{name:34s}{value!s:>12s}{'' if fine else '   <- wrong'}")
        good &= fine
    print("agreed" if good else "DISAGREED")
    return good


def judge(run: Run, kills: int, orders: int, wanted: int) -> dict[str, tuple[object, bool]]:
    """What holds for the whole."""
    resident = run.report.get("resident_mb", [])
    settled = resident[len(resident) // 4 :]
    growth = max(settled[-5:], default=0.0) - min(settled[:5], default=0.0)
    threads, sockets = run.report.get("threads", ["no report"]), run.report.get("sockets", -1)
    return {
        "orders of both venues": (f"{orders:,d}", orders >= wanted),
        "processes killed": (run.kills, run.kills == kills),
        "exit code of the last one": (run.code, run.code == 0),
        "unknown at the end": (run.report.get("unknown"), run.report.get("unknown") == [0, 0]),
        "threads left": (len(threads), not threads),
        "sockets left": (sockets, sockets == 0),
        "memory, growth in MB": (f"{growth:.1f}", growth <= MOST_GROWTH_MB),
    }


def soak(seconds: float, wanted: int, kills: tuple[float, ...] = KILLS) -> bool:
    """Runs it all; returns whether everything agreed."""
    ended = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="fmzthreads-soak-") as home,
        SimulatorServer("binance", seed=1, symbols=SYMBOLS, rate_scale=0) as binance,
        SimulatorServer("okx", seed=1, symbols=SYMBOLS, rate_scale=0) as okx,
    ):
        books = [VenueBook(server) for server in (binance, okx)]
        for book in books:
            book.server.faults.set(**FAULTS)
        threading.Thread(target=disturb, args=(books, ended), daemon=True).start()
        run = run_strategy(books, home, seconds, kills, ended)
        injected = Counter[str]()
        for book in books:
            injected.update(book.server.faults.counts())
        rows = read_log(home)
        found = {
            book.name: compare(book, [row[1:] for row in rows if row[0].startswith(book.name + ":")], histories(book))
            for book in books
        }
    rest = judge(run, len(kills), sum(column["orders at the venue"] for column in found.values()), wanted)
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(injected.items()) if count))
    print("fates:  " + ", ".join(f"{name} {count}" for name, count in sorted(Counter(row[2] for row in rows).items())))
    return show(found, rest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the strategy trades (default 600)")
    parser.add_argument("--orders", type=int, default=20_000, help="how many orders there must be (default 20000)")
    given = parser.parse_args()
    return 0 if soak(given.seconds, given.orders) else 1


if __name__ == "__main__":
    sys.exit(main())
