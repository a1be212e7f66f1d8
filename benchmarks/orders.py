"""Orders a second, and what the order log costs: through ``Go``, against ccxt in threads and ccxt async, on spot and on contracts.

A simulated Binance (spot and USDⓈ-M) and a simulated OKX (spot and swaps) run in processes of their own and answer after 0 or 20 ms. In turns, each
contender sends so many IOC orders far from the market, with 16 at a time. Contracts are compared with spot of the same venue, and with ccxt, in the same
rounds. The
last lines compare one order in one thread with and without the order log, at a venue in memory::

    pip install ccxt
    python benchmarks/orders.py [--rounds 5] [--orders 160] [--only spot|contracts]
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from fmzthreads import Exchange, Runtime
from fmzthreads.exchange.host import QuietHost
from fmzthreads.exchange.order_log import OrderFile
from fmzthreads.simulator import SimulatorProcess
from fmzthreads.strategy.runtime import use
from fmzthreads.testing import FakeVenue

AT_ONCE = 16
AMOUNT = 0.001
CONTRACTS = {"Futures_Binance": 0.002, "Futures_OKX": 0.1}
"""The amounts of orders, in contracts; those of spot are ``AMOUNT`` coins."""
OKX_AT_MOST, OKX_WINDOW_S = 48, 2.1  # we send OKX at most 60 orders of an instrument in 2 s, as it allows
THREADS, ASYNC = "ccxt in threads", "ccxt async"
IOC = {
    "Binance": "timeInForce=IOC",
    "Futures_Binance": "timeInForce=IOC",
    "OKX": "ordType=ioc",
    "Futures_OKX": "ordType=ioc",
}


def ours(
    process: SimulatorProcess, durability: Any, price: float, stack: ExitStack, name: str = "Binance"
) -> Callable[[int], None]:
    """Sends orders with ``Go``."""
    exchange: Any = Exchange(
        name,
        "BTC_USDT",
        access_key=process.key,
        secret_key=process.secret,
        passphrase=process.passphrase,
        base=process.base_url,
        errors="raise",
        durability=durability,
        max_workers=AT_ONCE,
        share_limits=False,
    )
    stack.callback(exchange.close)
    exchange.warm()
    amount, side = CONTRACTS.get(name, AMOUNT), f"buy;{IOC[name]}"

    def _send(count: int) -> None:
        handles = [exchange.Go("CreateOrder", "", side, price, amount) for _ in range(count)]
        for handle in handles:
            assert handle.wait().value

    return _send


def _options(process: SimulatorProcess) -> dict[str, Any]:
    return {"apiKey": process.key, "secret": process.secret, "enableRateLimit": False}


def _point_at(client: Any, process: SimulatorProcess) -> None:
    """Moves every address of a ccxt object to the simulator, with its path kept."""
    client.urls["api"] = {
        name: process.base_url + urlsplit(url).path if isinstance(url, str) else url
        for name, url in client.urls["api"].items()
    }


@attrs.frozen
class CcxtMarket:
    """What ccxt trades of a venue.

    Attributes:
        kind: ccxt's id of the exchange.
        symbol: ccxt's symbol.
        amount: The amount of an order, in contracts for contracts.
    """

    kind: str
    symbol: str
    amount: float


CCXT_SPOT = CcxtMarket("binance", "BTC/USDT", AMOUNT)
CCXT_CONTRACTS = {
    "Futures_Binance": CcxtMarket("binanceusdm", "BTC/USDT:USDT", CONTRACTS["Futures_Binance"]),
    "Futures_OKX": CcxtMarket("okx", "BTC/USDT:USDT", CONTRACTS["Futures_OKX"]),
}


def _client(module: Any, process: SimulatorProcess, market: CcxtMarket) -> Any:
    """A ccxt object that is pointed at the simulator."""
    client = getattr(module, market.kind)(_options(process))
    client.password = process.passphrase or None
    client.has["fetchCurrencies"] = False  # needs no request that the simulator lacks
    _point_at(client, process)
    return client


def _order(client: Any, market: CcxtMarket, price: float) -> Any:
    return client.create_order(market.symbol, "limit", "buy", market.amount, price, {"timeInForce": "IOC"})


def ccxt_in_threads(
    process: SimulatorProcess, price: float, stack: ExitStack, market: CcxtMarket = CCXT_SPOT
) -> Callable[[int], None]:
    """Sends orders with one ccxt object a thread: an object is not safe for several."""
    import ccxt

    clients = [_client(ccxt, process, market) for _ in range(AT_ONCE)]
    for client in clients:
        client.load_markets()
    pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))

    def _share(client: Any, count: int) -> None:
        for _ in range(count):
            assert _order(client, market, price)["id"]

    def _send(count: int) -> None:
        list(pool.map(lambda client: _share(client, count // AT_ONCE), clients))

    return _send


def ccxt_async(
    process: SimulatorProcess, price: float, stack: ExitStack, market: CcxtMarket = CCXT_SPOT
) -> Callable[[int], None]:
    """Sends orders with one ccxt.async_support object."""
    import ccxt.async_support

    loop = asyncio.new_event_loop()
    client = _client(ccxt.async_support, process, market)
    loop.run_until_complete(client.load_markets())
    stack.callback(loop.close)
    stack.callback(lambda: loop.run_until_complete(client.close()))

    async def _share(count: int) -> None:
        for _ in range(count):
            order = await _order(client, market, price)
            assert order["id"]

    async def _all(count: int) -> None:
        await asyncio.gather(*(_share(count // AT_ONCE) for _ in range(AT_ONCE)))

    return lambda count: loop.run_until_complete(_all(count))


def throughput(rounds: int, orders: int, latency_ms: int) -> dict[str, list[float]]:
    """Orders a second of each contender, in each round."""
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="fmzthreads-orders-"))
        runtime = Runtime(console=False, name="benchmark", database=Path(home) / "strategy.sqlite3")
        stack.enter_context(use(runtime))
        stack.callback(runtime.close)
        process = stack.enter_context(
            SimulatorProcess("binance", seed=1, rate_scale=0, faults={"latency_ms": latency_ms})
        )
        probe: Any = Exchange("Binance", "BTC_USDT", base=process.base_url, errors="raise")
        price = round(probe.GetTicker().Last * 0.9, 2)
        contenders = {
            "Go, memory": ours(process, "memory", price, stack),
            "Go, process": ours(process, "process", price, stack),
            "ccxt, threads": ccxt_in_threads(process, price, stack),
            "ccxt, async": ccxt_async(process, price, stack),
        }
        for send in contenders.values():
            send(AT_ONCE)
        for _ in range(rounds):
            for name, send in contenders.items():
                began = time.perf_counter()
                send(orders)
                rates.setdefault(name, []).append(orders / (time.perf_counter() - began))
    return rates


def contracts(rounds: int, orders: int, latency_ms: int) -> dict[str, dict[str, list[float]]]:
    """Orders a second of spot and of contracts by ``Go``, and of contracts by ccxt, with their milliseconds of processor time, by contender and round."""
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="fmzthreads-orders-"))
        runtime = Runtime(console=False, name="benchmark", database=Path(home) / "strategy.sqlite3")
        stack.enter_context(use(runtime))
        stack.callback(runtime.close)
        senders: dict[str, Callable[[int], None]] = {}
        for venue, product, names in (
            ("binance", "um", ("Binance", "Futures_Binance")),
            ("okx", "swap", ("OKX", "Futures_OKX")),
        ):
            process = SimulatorProcess(
                venue, seed=1, rate_scale=0, products=[product], faults={"latency_ms": latency_ms}
            )
            stack.enter_context(process)
            probe: Any = Exchange(names[0], "BTC_USDT", base=process.base_url, errors="raise")
            price = round(probe.GetTicker().Last * 0.9, 1)
            senders.update({name: ours(process, "process", price, stack, name) for name in names})
            market = CCXT_CONTRACTS[names[1]]
            senders[f"{names[1]}, {THREADS}"] = ccxt_in_threads(process, price, stack, market)
            senders[f"{names[1]}, {ASYNC}"] = ccxt_async(process, price, stack, market)
        for send in senders.values():
            send(AT_ONCE)
        for _ in range(rounds):
            for name, send in senders.items():
                count = orders
                if "OKX" in name:
                    count = min(orders, OKX_AT_MOST)
                    time.sleep(OKX_WINDOW_S)
                began, busy = time.perf_counter(), time.process_time()
                send(count)
                rows = found.setdefault(name, {"rate": [], "processor_ms": []})
                rows["processor_ms"].append((time.process_time() - busy) * 1000 / count)
                rows["rate"].append(count / (time.perf_counter() - began))
    return found


def show_contracts(rounds: int, orders: int, latency_ms: int) -> None:
    """Prints contracts beside spot of the same venue, and ccxt beside us."""
    found = contracts(rounds, orders, latency_ms)
    for spot, swap in (("Binance", "Futures_Binance"), ("OKX", "Futures_OKX")):
        for name, base in ((spot, spot), (swap, spot), (f"{swap}, {THREADS}", swap), (f"{swap}, {ASYNC}", swap)):
            rate, busy = (statistics.median(found[name][what]) for what in ("rate", "processor_ms"))
            of_base = {
                what: statistics.median(a / b for a, b in zip(found[name][what], found[base][what], strict=True))
                for what in ("rate", "processor_ms")
            }
            print(
                f"{latency_ms:3d} ms  {name:30s} {rate:8.0f} orders/s  {of_base['rate']:6.2f} of {base}; "
                f"{busy:.2f} ms of processor time an order, {of_base['processor_ms']:.2f} of {base}"
            )


class _Host(QuietHost):
    """A host with an order log and nothing else."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._file = OrderFile(Path(folder) / "orders.sqlite3", "benchmark", self.clock)

    @property
    def order_log(self) -> OrderFile:  # type: ignore[override]
        """The file."""
        return self._file


def cost(rounds: int) -> dict[str, list[float]]:
    """Microseconds of processor time of an order in one thread, at a venue that answers at once, by durability; the writer's thread included."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="fmzthreads-orders-") as folder:
        host = _Host(folder)
        exchanges: dict[str, Any] = {}
        for durability in ("memory", "process"):
            venue = FakeVenue()
            venue.place = lambda intent: "BTCUSDT,1"  # type: ignore[method-assign]
            exchanges[durability] = Exchange(
                "Fake",
                "BTC_USDT",
                venue=venue,
                host=host,
                errors="raise",
                durability=durability,  # type: ignore[arg-type]
            )
        for number in range(rounds + 1):
            for name, exchange in exchanges.items():
                began = time.process_time()
                for _ in range(100):
                    exchange.Buy(100, 1)
                if number:
                    times.setdefault(name, []).append((time.process_time() - began) * 1e4)
        host.order_log.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender has its turn (default 5)")
    parser.add_argument("--orders", type=int, default=160, help="orders in a turn (default 160)")
    parser.add_argument("--only", choices=("spot", "contracts"), help="one part alone")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {given.rounds} rounds of {given.orders} orders, {AT_ONCE} at once")
    for latency_ms in (0, 20):
        if given.only != "spot":
            show_contracts(given.rounds, given.orders, latency_ms)
        if given.only == "contracts":
            continue
        rates = throughput(given.rounds, given.orders, latency_ms)
        base = statistics.median(rates["Go, memory"])
        for name, found in rates.items():
            middle = statistics.median(found)
            print(f"{latency_ms:3d} ms  {name:15s} {middle:8.0f} orders/s  {middle / base:6.2f} of Go in memory")
    if given.only == "contracts":
        return
    times = cost(given.rounds * 20)
    for name, found in times.items():
        print(f"one order, {name:8s} median {statistics.median(found):6.1f} us, best {min(found):6.1f} us")
    difference = statistics.median(b - a for a, b in zip(times["memory"], times["process"], strict=True))
    print(
        f"the order log costs {difference:.1f} us of processor time an order (goal 60), best turns {min(times['process']) - min(times['memory']):.1f} us"
    )


if __name__ == "__main__":
    main()
