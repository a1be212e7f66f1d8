"""The strategy of the soak of orders: eight threads place, change and cancel orders and condition orders at four exchanges for a given time.

It is started by ``soak_orders.py``, which also kills it. Addresses and keys come from the environment. It makes a file when it begins.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fmzthreads import ORDER_CONDITION_TYPE_SL, ORDER_CONDITION_TYPE_TP, Exchange, GetLastError
from fmzthreads.errors import FmzError
from fmzthreads.strategy.runtime import Runtime, use

THREADS = 8
PAUSE_S = 0.005  # between two orders of a thread
PAIRS = ("BTC_USDT", "ETH_USDT", "SOL_USDT")
LIFETIME_MS = 300  # so that an order that did not arrive is known to be absent after 1.3 s
AMOUNTS = {"BTC_USDT": 0.001, "ETH_USDT": 0.02, "SOL_USDT": 0.2}
CONTRACTS = {
    "Futures_Binance": {"BTC_USDT": 0.002, "ETH_USDT": 0.02, "SOL_USDT": 0.4},
    "Futures_OKX": {"BTC_USDT": 0.2, "ETH_USDT": 0.2, "SOL_USDT": 0.4},
}
"""The amounts of orders, in contracts."""
STOPS = {"Futures_Binance": 0.15, "Futures_OKX": 0.06}
"""The part of the orders that are condition orders. OKX takes those that are up to 30 s old, so that one that is lost holds a thread up for 31 s."""
LEVEL = 20
EQUAL_WITHIN_S = 180
READS = 100


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


def isolate(exchange: Any) -> None:
    """Gives one contract isolated margin, so that it can be liquidated alone; repeated while faults are in the way."""
    exchange.SetCurrency("SOL_USDT")
    exchange.SetContractType("swap")
    for call in (lambda: exchange.IO("cross", False), lambda: exchange.SetMarginLevel(LEVEL)):
        for _ in range(20):
            if call():
                break
            time.sleep(0.1)
    exchange.SetCurrency("BTC_USDT")


def trade_contracts(exchange: Any, number: int, end: float) -> None:
    """One thread: orders that trade at once, orders that rest and are changed and cancelled, closing orders, and stops near the price."""
    chance, name = random.Random(f"{os.getpid()}:{number}"), exchange.GetName()
    amounts, orders = CONTRACTS[name], 1 - STOPS[name]
    while time.time() < end:
        pair = chance.choice(PAIRS)
        symbol, digits = f"{pair}.swap", 1 if pair == "BTC_USDT" else 2
        ticker = exchange.GetTicker(symbol)
        for _ in range(10):
            if ticker is None or time.time() >= end:
                break
            side, action = chance.choice(("buy", "sell")), chance.random()
            sign, last = 1 if side == "buy" else -1, ticker.Last
            if action < 0.5 * orders:
                exchange.CreateOrder(symbol, side, round(last * (1 + sign * 0.002), digits), amounts[pair])
            elif action < 0.93 * orders:
                order_id = exchange.CreateOrder(symbol, side, round(last * (1 - sign * 0.01), digits), amounts[pair])
                if order_id and chance.random() < 0.3:
                    price = round(last * (1 - sign * 0.011), digits)
                    order_id = exchange.ModifyOrder(order_id, side, price, -1) or order_id
                if order_id and chance.random() < 0.9:
                    exchange.CancelOrder(order_id)
            elif action < orders:
                exchange.CreateOrder(symbol, chance.choice(("closebuy", "closesell")), -1, amounts[pair])
            else:
                place_stop(exchange, chance, symbol, side, last, digits, amounts[pair])
            time.sleep(PAUSE_S)


def place_stop(
    exchange: Any, chance: random.Random, symbol: str, side: str, last: float, digits: int, amount: float
) -> None:
    """A stop loss or a profit order near the price, which triggers soon, is changed, or is cancelled."""
    stops, away = chance.random() < 0.5, chance.choice((0.0001, 0.0004, 0.02))
    rises = (side == "buy") == stops  # a stop of a purchase waits for a higher price, a profit of one for a lower

    def _terms(part: float) -> dict[str, Any]:
        price, kind = round(last * (1 + (part if rises else -part)), digits), "Sl" if stops else "Tp"
        order_type = ORDER_CONDITION_TYPE_SL if stops else ORDER_CONDITION_TYPE_TP
        return {"ConditionType": order_type, f"{kind}TriggerPrice": price, f"{kind}OrderPrice": -1}

    order_id = exchange.CreateConditionOrder(symbol, side, amount, _terms(away))
    if order_id and chance.random() < 0.2:
        order_id = exchange.ModifyConditionOrder(order_id, side, amount, _terms(away + 0.001)) or order_id
    if order_id and chance.random() < 0.3:
        exchange.CancelConditionOrder(order_id)


def _is_unread(record: Any) -> bool:
    return record.fate == "placed" and bool(record.detail) and record.deal_amount is None


def read_fills(names: list[str]) -> list[str]:
    """Has the fills of all placed orders stored; returns why some could not be read."""
    found: list[str] = []

    def _read(name: str) -> None:
        with Exchange(name, "BTC_USDT", share_limits=False) as reader:
            why: list[str] = []
            for _ in range(READS):
                records = reader.Reconcile(True)
                why = [reader.GetLastError()] if records is None else [one.detail for one in records if _is_unread(one)]
                if not why:
                    return
                time.sleep(1.0)  # the limits of requests hold for these, too
            found.extend(f"{name}: {one}" for one in why)

    threads = [threading.Thread(target=_read, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def differences(exchange: Any) -> int:
    """How many open orders, condition orders and positions of the live account are not those of REST, or the other way round."""
    live = [exchange.GetOrders, exchange.GetConditionOrders, exchange.GetPositions]
    with Exchange(exchange.GetName(), "BTC_USDT", share_limits=False) as asked:
        rest = [asked.GetOrders, asked.GetConditionOrders, asked.GetPositions]
        found = 0
        for ours, theirs in zip(live, rest, strict=True):
            both = [{_key(row) for row in call("USDT.swap") or ()} for call in (ours, theirs)]
            found += len(both[0] ^ both[1])
    return found


class Told:
    """What ``GetUpdates`` of the live accounts has told.

    Args:
        live: The exchange objects.
        fills: A file for the fills, a JSON array a line: a list of them would count as memory that the library keeps.
    """

    def __init__(self, live: list[Any], fills: Path) -> None:
        self.live = live
        self._path = fills
        self._fills = fills.open("w", encoding="utf-8")
        self.live_at: dict[str, float] = {}
        self.gaps: dict[str, int] = {}
        self.longest_s = 0.0
        """The longest outage after the first time that an account was live, by the times of its marks."""
        self._lost_at: dict[str, float] = {}

    def take(self) -> None:
        """Takes what was told since the last call."""
        for exchange in self.live:
            name = exchange.GetName()
            for row in exchange.GetUpdates() or ():
                if row["Kind"] == "fill":
                    fill = [name, row["Order"]["Id"].rpartition(",")[2], row["Fill"]["Id"]]
                    self._fills.write(json.dumps(fill) + "\n")
                elif row["Kind"] == "live":
                    self.live_at.setdefault(name, time.time())
                    self.longest_s = max(
                        self.longest_s, row["Time"] / 1000 - self._lost_at.pop(name, row["Time"] / 1000)
                    )
                elif row["Kind"] == "gap":
                    why = f"{name}: {_without_numbers(row['Text'])}"
                    self.gaps[why] = self.gaps.get(why, 0) + 1
                    if name in self.live_at:
                        self._lost_at[name] = row["Time"] / 1000

    def read(self) -> dict[str, list[tuple[str, str]]]:
        """Closes the file; returns for each market the order's and the fill's id of all that was told."""
        self._fills.close()
        found: dict[str, list[tuple[str, str]]] = {exchange.GetName(): [] for exchange in self.live}
        for line in self._path.read_text("utf-8").splitlines():
            name, order_id, fill_id = json.loads(line)
            found[name].append((order_id, fill_id))
        return found

    def wait_until_equal(self, least_s: float) -> tuple[int, float]:
        """Waits until the live accounts are those of REST; returns the differences that are left, and how long it took.

        Args:
            least_s: How long to wait at least: a fill that was lost last is found by a comparison, which comes every minute.
        """
        began = time.monotonic()
        while True:
            topics = [(exchange, topic) for exchange in self.live for topic in ("orders", "positions")]
            live = all(exchange.Subscribe(topic, wait_ms=60_000) for exchange, topic in topics)
            self.take()
            left, passed = sum(map(differences, self.live)), time.monotonic() - began
            left = left if live else -1  # calls are answered by REST then
            if (not left and passed >= least_s) or passed > EQUAL_WITHIN_S:
                return left, round(passed, 1)
            time.sleep(2.0)


def _without_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", "N", text)[:90]


def _key(row: Any) -> tuple[Any, ...]:
    return (row["Id"],) if "Id" in row else (row["Symbol"], row["Type"], row["Amount"])


def settle(exchange: Any) -> int:
    """Reconciles until nothing is unknown, for at most a minute; returns what is left."""
    for _ in range(60):
        if exchange.UnknownOrders(all_runs=True) == []:
            return 0
        exchange.Reconcile()
        time.sleep(1.0)
    left = exchange.UnknownOrders(all_runs=True)
    return -1 if left is None else len(left)


def main(seconds: float, begun: Path, report: Path, stops: bool, last_check_s: float) -> None:
    if not stops:
        STOPS.update(dict.fromkeys(STOPS, 0.0))
    runtime = Runtime(console=False)
    samples = Samples()
    with use(runtime):
        exchanges: list[Any] = [
            Exchange("Binance", "BTC_USDT", recv_window_ms=LIFETIME_MS),
            Exchange("Futures_Binance", "BTC_USDT", recv_window_ms=LIFETIME_MS),
            Exchange("OKX", "BTC_USDT", order_lifetime_ms=LIFETIME_MS),
            Exchange("Futures_OKX", "BTC_USDT", order_lifetime_ms=LIFETIME_MS),
        ]
        for exchange in exchanges:
            exchange.SetTimeout(1000)
        for exchange in (exchanges[1], exchanges[3]):
            isolate(exchange)
        live = [exchanges[1], exchanges[3]]
        for exchange in live:
            for topic in ("orders", "positions"):
                exchange.Subscribe(topic)
        account = Told(live, report.with_name("told"))
        end = time.time() + seconds
        begun.touch()
        threads = [
            threading.Thread(
                target=trade_contracts if number % 2 else trade, args=(exchanges[number % len(exchanges)], number, end)
            )
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            samples.take()
            account.take()
            time.sleep(1.0)
        unknown = [settle(exchange) for exchange in exchanges]
        unread = read_fills([exchange.GetName() for exchange in exchanges])
        left_over, agreed_after_s = account.wait_until_equal(last_check_s)
        GetLastError()
        for exchange in exchanges:
            exchange.close()
        runtime.close()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    found = {
        "unknown": unknown,
        "threads": left,
        "sockets": sockets(),
        "resident_mb": samples.resident_mb,
        "live_differs": left_over,
        "agreed_after_s": agreed_after_s,
        "outages": account.gaps,
        "longest_outage_s": round(account.longest_s, 1),
        "told": account.read(),
        "live_at": account.live_at,
        "unread": unread,
    }
    report.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "1", float(sys.argv[5]))
    except FmzError as error:
        sys.exit(f"the strategy failed: {error}")
