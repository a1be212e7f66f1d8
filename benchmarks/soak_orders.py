"""A soak of orders: two spot and two futures markets, eight threads, faults of every kind, and a strategy that is killed twice and restarted.

The venues are a simulated Binance (spot and USDⓈ-M) and a simulated OKX (spot and swaps). Condition orders trigger on the way, funding is paid, the
user streams are cut and refused for a while and lose every tenth message without a sign, and one contract of each venue is liquidated. At the end both
sides are compared: every order and condition order that the venues know is known in the order log and the other way round, every fill agrees to the
last digit and was told by ``GetUpdates`` once, positions are the signed fills, funding and balances agree, no client order id was used twice, and the
last process leaves no thread, no socket and no growth of memory.
Prints a table, and exits with 1 on any disagreement::

    python benchmarks/soak_orders.py [--seconds 600] [--orders 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
from soak_orders_books import VenueBook, compare, read_log, read_venue

from fmzthreads.platform.nodes.local import MEMORY
from fmzthreads.simulator import SimulatorServer

MARKETS = (
    ("binance", "Binance", "spot"),
    ("binance", "Futures_Binance", "um"),
    ("okx", "OKX", "spot"),
    ("okx", "Futures_OKX", "swap"),
)
"""Simulator, FMZ's name, product."""
SYMBOLS = ["BTC_USDT", "ETH_USDT", "SOL_USDT=150"]
STRATEGY = Path(__file__).with_name("soak_orders_strategy.py")
KILLS = (0.2, 0.4)  # the last process runs longest: what it keeps of orders that have ended is full long before its end
MOST_GROWTH_MB = 12.0
LIQUIDATION_AFTER_S = 15
ALL_SEEN_AFTER_S = 120
"""How long a run must be, so that every venue is expected to have had a condition order that triggered and a liquidation."""
FAULTS = {
    "refuse": 0.012,
    "error_5xx": 0.012,
    "cut_reply": 0.036,
    "lose_order_reply": 0.04,
    "hang": 0.003,
    "rate_limit_429": 0.0005,
}
"""What goes wrong, by share of the requests; besides bans of a second, clock offsets and latency, which come and go."""
LOST_FRAMES = 0.1
"""The part of the messages of user streams that are lost without a sign."""
USER_STREAMS = ("*/private/ws*", "*/ws/v5/private", "*/ws/v5/business")
LAST_CHECK_S = 75
"""How long the live accounts have, after the last fault, to find what they have missed: a comparison comes every minute."""


def disturb(books: list[VenueBook], ended: threading.Event) -> None:
    """Changes the faults that are not shares of requests, and moves what contracts know besides orders, until the end."""
    servers = list(dict.fromkeys(book.server for book in books))
    beat = 0
    while not ended.wait(1.0):
        beat += 1
        for server in servers:
            faults = server.faults
            faults.release()  # requests that hang are carried out late
            if beat % 20 == 0:
                faults.set(clock_offset_ms=(0, 250, -250, 5000)[beat // 20 % 4])
            if beat % 15 == 0:
                faults.set(latency_ms=(0, 20, 5)[beat // 15 % 3], jitter_ms=(0, 30, 0)[beat // 15 % 3])
            if beat % 60 == 30:
                faults.set(ban_418_s=1)
            if beat % 25 == 12:
                faults.set(ws_cut=1)  # the stream of the account is killed, and refused for a while
                faults.set(ws_refuse_s=2)
        for book in books:
            if book.contracts and beat % 10 == 5:
                book.pay_funding()
            if book.contracts and beat > LIQUIDATION_AFTER_S and not book.forced:
                book.liquidate()


def heal(books: list[VenueBook], ended: threading.Event) -> None:
    """Ends all faults, so that what is unknown can be settled."""
    ended.set()
    for book in books:
        book.server.driver.stop()  # nothing is filled any more but what the strategy still sends
        book.server.faults.clear()


def placed(books: list[VenueBook]) -> int:
    """How many orders and condition orders the venues have heard of."""
    return sum(len(book.orders) + len(book.conditions) for book in books)


def surroundings(books: list[VenueBook], home: str) -> dict[str, str]:
    found = {**MEMORY, **os.environ, "FMZTHREADS_HOME": home, "FMZTHREADS_NAME": "soak"}  # as robots are started
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
    books: list[VenueBook],
    home: str,
    seconds: float,
    kills: tuple[float, ...],
    ended: threading.Event,
    *,
    stops: bool,
    last_check_s: float,
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
        command = [
            sys.executable,
            str(STRATEGY),
            str(trades_s),
            str(begun),
            str(report),
            str(int(stops)),
            str(last_check_s),
        ]
        orders = placed(books)
        process = subprocess.Popen(command, env=surroundings(books, home))
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        if number == len(kills):
            calm = threading.Timer(seconds * share, heal, (books, ended))
            calm.start()
            run.code = process.wait(seconds + 600)
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


def show(found: dict[str, dict[str, int]], rest: dict[str, tuple[object, bool]]) -> bool:
    """Prints the tables; returns whether all is well."""
    names = list(next(iter(found.values())))
    print(f"{'':34s}" + "".join(f"{venue:>17s}" for venue in found))
    good = True
    for name in names:
        print(f"{name:34s}" + "".join(f"{column[name]:>17,d}" for column in found.values()))
        good &= name.endswith("at the venue") or not any(column[name] for column in found.values())
    for name, (value, fine) in rest.items():
        print(f"{name:34s}{value!s:>17s}{'' if fine else '   <- wrong'}")
        good &= fine
    print("agreed" if good else "DISAGREED")
    return good


def short_run(seconds: float) -> bool:
    """Whether a run is too short to expect everything in it."""
    return seconds < ALL_SEEN_AFTER_S


def judge(run: Run, kills: int, books: list[VenueBook], wanted: int, seconds: float) -> dict[str, tuple[object, bool]]:
    """What holds for the whole."""
    orders, futures, short = placed(books), [book for book in books if book.contracts], short_run(seconds)
    untold, twice = told(run, futures)
    resident = run.report.get("resident_mb", [])
    settled = resident[len(resident) // 4 :]
    growth = max(settled[-5:], default=0.0) - min(settled[:5], default=0.0)
    threads, sockets = run.report.get("threads", ["no report"]), run.report.get("sockets", -1)
    return {
        "orders of all venues": (f"{orders:,d}", orders >= wanted),
        "condition orders that triggered": (
            sum(len(book.children) for book in futures),
            short or all(book.children for book in futures),
        ),
        "venues with a liquidation": (
            sum(bool(book.forced) for book in futures),
            short or all(book.forced for book in futures),
        ),
        "processes killed": (run.kills, run.kills == kills),
        "exit code of the last one": (run.code, run.code == 0),
        "unknown at the end": (run.report.get("unknown"), run.report.get("unknown") == [0] * len(books)),
        "live account differs from REST": (run.report.get("live_differs"), run.report.get("live_differs") == 0),
        "it agreed after so many s": (run.report.get("agreed_after_s"), True),
        "fills told by GetUpdates": (sum(len(run.report.get("told", {}).get(book.name, [])) for book in futures), True),
        "fills not told by GetUpdates": (untold, untold == 0),
        "told twice, or not of the venue": (twice, twice == 0),
        "outages of the live accounts": (sum(run.report.get("outages", {}).values()), True),
        "the longest of them, in s": (run.report.get("longest_outage_s"), True),
        "orders without their fills": (
            len(run.report.get("unread", ["no report"])),
            not run.report.get("unread", ["no report"]),
        ),
        "threads left": (len(threads), not threads),
        "sockets left": (sockets, sockets == 0),
        "memory, growth in MB": (f"{growth:.1f}", growth <= MOST_GROWTH_MB),
    }


def untold_fills(run: Run, futures: list[VenueBook]) -> list[tuple[str, float, tuple[str, str]]]:
    """The fills that ``GetUpdates`` of the last process did not tell: market, seconds since its account was live, order and trade."""
    found = []
    for book in futures:
        said = {(order, trade) for order, trade in run.report.get("told", {}).get(book.name, [])}
        began = run.report.get("live_at", {}).get(book.name, 0.0)
        found += [
            (book.name, at - began, fill) for fill, at in book.moments.items() if at > began + 1.0 and fill not in said
        ]
    return found


def told(run: Run, futures: list[VenueBook]) -> tuple[int, int]:
    """How many fills of the last process ``GetUpdates`` did not tell, and how many it told twice or the venue does not know."""
    twice = 0
    for book in futures:
        said = Counter((order, trade) for order, trade in run.report.get("told", {}).get(book.name, []))
        twice += sum(said.values()) - len(said.keys() & book.moments.keys())
    return len(untold_fills(run, futures)), twice


def soak(
    seconds: float, wanted: int, kills: tuple[float, ...] = KILLS, stops: bool = True, lost_frames: float = LOST_FRAMES
) -> bool:
    """Runs it all; returns whether everything agreed.

    Args:
        seconds: How long the strategy trades.
        wanted: How many orders there must be.
        kills: The shares of the time after which the strategy is killed.
        stops: Whether there are condition orders; one that is lost is certain at OKX only after 31 s.
        lost_frames: The part of the messages of user streams that are lost; it takes more than a minute to find the last of them.
    """
    ended = threading.Event()
    began_ms = round(time.time() * 1000) - 60_000
    with (
        tempfile.TemporaryDirectory(prefix="fmzthreads-soak-") as home,
        SimulatorServer("binance", seed=1, symbols=SYMBOLS, products=("um",), rate_scale=0) as binance,
        SimulatorServer("okx", seed=1, symbols=SYMBOLS, products=("swap",), rate_scale=0) as okx,
    ):
        servers = {"binance": binance, "okx": okx}
        books = [VenueBook(servers[venue], name, product) for venue, name, product in MARKETS]
        for server in servers.values():
            server.faults.set(**FAULTS)
            for path in USER_STREAMS:
                server.faults.set(path, ws_no_data=lost_frames)
        threading.Thread(target=disturb, args=(books, ended), daemon=True).start()
        run = run_strategy(
            books, home, seconds, kills, ended, stops=stops, last_check_s=LAST_CHECK_S if lost_frames else 0.0
        )
        injected = Counter[str]()
        for server in servers.values():
            injected.update(server.faults.counts())
        log = read_log(home)
        found = {book.name: compare(book, log.of(book.name), read_venue(book, began_ms)) for book in books}
    rest = judge(run, len(kills), books, wanted, seconds)
    rest["frames of user streams lost"] = (injected["ws_no_data"], short_run(seconds) or injected["ws_no_data"] > 0)
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(injected.items()) if count))
    outages = Counter(run.report.get("outages", {}))
    for why, count in outages.most_common(8):
        print(f"outage, {count} times: {why}")
    for name, moment, fill in untold_fills(run, [book for book in books if book.contracts])[:12]:
        print(f"not told: {name}, {fill}, {moment:.1f} s after the account was live")
    for line in run.report.get("unread", [])[:5]:
        print("not read:", line)
    print(
        "fates:  " + ", ".join(f"{name} {count}" for name, count in sorted(Counter(row[3] for row in log.rows).items()))
    )
    return show(found, rest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the strategy trades (default 600)")
    parser.add_argument("--orders", type=int, default=20_000, help="how many orders there must be (default 20000)")
    given = parser.parse_args()
    return 0 if soak(given.seconds, given.orders) else 1


if __name__ == "__main__":
    sys.exit(main())
