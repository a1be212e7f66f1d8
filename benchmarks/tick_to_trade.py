# ruff: noqa: D102 -- the parts of a benchmark are named by what they do
"""From a market-data frame at the socket to the order at the socket: fmzthreads against raw sockets, ccxt.pro, python-binance and a hand-written bot.

    python benchmarks/tick_to_trade.py [--quick] [--only NAME,NAME] [--json FILE]

Every client watches the books of two symbols over websockets, compares them at each change, and buys where the second symbol's best bid is
higher than the first one's best ask. The server (``tick_to_trade_server.py``) notes the time just before it sends the frame that makes the
difference, and its kernel notes when the order arrived; both ends are on one machine and use one clock. Each client runs in a process of
its own, with a server of its own; in each round they take turns in random order while the others are idle.

    raw sockets         the floor: one thread a stream, recv, json.loads, compare, HMAC, send on a kept connection
    fmzthreads Dial     two Dial connections, merge, json.loads, exchange.Go("Buy"), all checks on
    fmzthreads book     Subscribe("depth") on two exchange objects, EventLoop, GetDepth, exchange.Go("Buy"), all checks on
    ccxt.pro            watch_order_book in two tasks, create_order
    python-binance      depth sockets of AsyncClient in two tasks, create_order
    hand-written bot    websocket-client in two threads, json.loads, requests.Session
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import importlib.metadata
import json
import os
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

HERE = Path(__file__).resolve().parent
FIRST, SECOND = "BTCUSDT", "BTCUSDC"
KEY, SECRET = "k" * 64, "s" * 64
SIZE = 0.01
FLOOR, DIAL, BOOK, CCXT = "raw sockets", "fmzthreads Dial", "fmzthreads book", "ccxt.pro"


class BestPrices:
    """What a strategy keeps: the best prices of both books, and when to buy: once for each chance."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ask = float("inf")
        self.bid = 0.0
        self.bought_at = 0.0  # each chance has a bid of its own

    def take(self, symbol: str, bid: float, ask: float) -> float | None:
        """Notes a book; the price to buy at, where there is a chance."""
        with self.lock:
            if symbol == FIRST:
                self.ask = ask
            else:
                self.bid = bid
            return self.price()

    def price(self) -> float | None:
        if self.bid <= self.ask or self.bid == self.bought_at:
            return None
        self.bought_at = self.bid
        return self.ask

    def take_message(self, symbol: str, message: str | bytes) -> float | None:
        book = json.loads(message)
        return self.take(symbol, float(book["bids"][0][0]), float(book["asks"][0][0]))


def signed(price: float) -> str:
    query = urlencode(
        {
            "symbol": FIRST, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": f"{SIZE:.5f}", "price": f"{price:.2f}",
            "newClientOrderId": f"x{time.time_ns()}", "timestamp": int(time.time() * 1000),
        }
    )  # fmt: skip
    return query + "&signature=" + hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()


def run_raw(port: int) -> None:
    prices = BestPrices()
    orders = socket.create_connection(("127.0.0.1", port))
    orders.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sending = threading.Lock()

    def buy(price: float) -> None:
        head = f"POST /api/v3/order?{signed(price)} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {KEY}\r\nContent-Length: 0\r\n\r\n"
        with sending:
            orders.sendall(head.encode())
            data = orders.recv(65536)
            while not data.endswith(b"}"):
                data += orders.recv(65536)

    def watch(symbol: str) -> None:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(
            f"GET /ws/{symbol.lower()}@depth5@100ms HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        data = sock.recv(65536).partition(b"\r\n\r\n")[2]
        while True:
            while len(data) >= 4 and len(data) >= (size := 4 + int.from_bytes(data[2:4], "big")):
                price = prices.take_message(symbol, data[4:size])
                data = data[size:]
                if price is not None:
                    buy(price)
            data += sock.recv(65536)

    for symbol in (FIRST, SECOND):
        threading.Thread(target=watch, args=(symbol,), daemon=True).start()
    sys.stdin.read()


def run_bot(port: int) -> None:
    import requests
    import websocket

    prices = BestPrices()
    session = requests.Session()
    session.headers["X-MBX-APIKEY"] = KEY

    def watch(symbol: str) -> None:
        stream = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/{symbol.lower()}@depth5@100ms")
        while True:
            price = prices.take_message(symbol, stream.recv())
            if price is not None:
                session.post(f"http://127.0.0.1:{port}/api/v3/order?{signed(price)}", timeout=5).json()

    for symbol in (FIRST, SECOND):
        threading.Thread(target=watch, args=(symbol,), daemon=True).start()
    sys.stdin.read()


def ours(port: int, pair: str) -> Any:
    from fmzthreads import Exchange

    exchange = Exchange("Binance", pair, access_key=KEY, secret_key=SECRET, base=f"http://127.0.0.1:{port}")
    assert exchange.GetDepth() is not None
    return exchange


def run_dial(port: int) -> None:
    from fmzthreads import Dial
    from fmzthreads.tasks.events import merge

    exchange = ours(port, "BTC_USDT")
    prices = BestPrices()
    streams = {
        Dial(f"ws://127.0.0.1:{port}/ws/{symbol.lower()}@depth5@100ms", errors="raise"): symbol
        for symbol in (FIRST, SECOND)
    }
    for stream, message in merge(*streams):
        if message:
            price = prices.take_message(streams[stream], message)
            if price is not None:
                order, _ = exchange.Go("Buy", price, SIZE).wait()
                assert order is not None


def run_book(port: int) -> None:
    from fmzthreads import EventLoop

    first, second = ours(port, "BTC_USDT"), ours(port, "BTC_USDC")
    prices = BestPrices()
    for exchange in (first, second):
        assert exchange.Subscribe("depth", wait_ms=10_000)
    while True:
        EventLoop()
        prices.ask, prices.bid = first.GetDepth().Asks[0].Price, second.GetDepth().Bids[0].Price
        price = prices.price()
        if price is not None:
            order, _ = first.Go("Buy", price, SIZE).wait()
            assert order is not None


def run_ccxt(port: int) -> None:
    warnings.simplefilter("ignore")
    import ccxt.pro as ccxt

    base = f"http://127.0.0.1:{port}"
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    client = ccxt.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False, "options": options})
    for name, path in (("public", "/api/v3"), ("private", "/api/v3"), ("v1", "/api/v1"), ("sapi", "/sapi/v1")):
        client.urls["api"][name] = base + path
    client.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/stream-spot/ws"
    names = {"BTC/USDT": FIRST, "BTC/USDC": SECOND}
    prices = BestPrices()

    async def watch(symbol: str) -> None:
        while True:
            book = await client.watch_order_book(symbol)
            price = prices.take(names[symbol], book["bids"][0][0], book["asks"][0][0])
            if price is not None:
                await client.create_order("BTC/USDT", "limit", "buy", SIZE, price)

    async def main() -> None:
        await client.load_markets()
        await asyncio.gather(*map(watch, names))

    asyncio.run(main())


def run_python_binance(port: int) -> None:
    warnings.simplefilter("ignore")
    import binance

    binance.AsyncClient.API_URL = f"http://127.0.0.1:{port}/api"
    binance.BinanceSocketManager.STREAM_URL = f"ws://127.0.0.1:{port}/"
    prices = BestPrices()

    async def main() -> None:
        client = await binance.AsyncClient.create(KEY, SECRET)
        manager = binance.BinanceSocketManager(client)

        async def watch(symbol: str) -> None:
            async with manager.depth_socket(symbol, depth="5", interval=100) as stream:
                while True:
                    book = await stream.recv()
                    price = prices.take(symbol, float(book["bids"][0][0]), float(book["asks"][0][0]))
                    if price is not None:
                        await client.create_order(
                            symbol=FIRST,
                            side="BUY",
                            type="LIMIT",
                            timeInForce="GTC",
                            quantity=f"{SIZE:.5f}",
                            price=f"{price:.2f}",
                        )

        await asyncio.gather(watch(FIRST), watch(SECOND))

    asyncio.run(main())


CLIENTS: dict[str, tuple[Callable[[int], None], tuple[str, ...]]] = {
    FLOOR: (run_raw, ()),
    DIAL: (run_dial, ("fmzthreads",)),
    BOOK: (run_book, ("fmzthreads",)),
    CCXT: (run_ccxt, ("ccxt",)),
    "python-binance": (run_python_binance, ("python-binance",)),
    "hand-written bot": (run_bot, ("websocket-client", "requests")),
}


class Pair:
    """A client and the server that it trades on, each in a process of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.times: list[int] = []
        self.server = subprocess.Popen(
            [sys.executable, str(HERE / "tick_to_trade_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self.line()["port"]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "FMZ_STORE": ":memory:"}
        self.client = subprocess.Popen(
            [sys.executable, __file__, "--client", name, "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # the lines of the orders
            env=environment,
        )
        end = time.monotonic() + 60
        while len(self.ask("subscribed")["streams"]) < 2:
            if self.client.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} has not subscribed to both streams")
            time.sleep(0.05)

    def line(self) -> dict[str, Any]:
        assert self.server.stdout is not None
        answer: dict[str, Any] = json.loads(self.server.stdout.readline())
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        assert self.server.stdin is not None
        self.server.stdin.write(command + "\n")
        self.server.stdin.flush()
        return self.line()

    def fire(self, count: int) -> list[int]:
        times: list[int] = self.ask(f"fire {count} 3")["times"]
        if len(times) < count or min(times) < 0:
            raise RuntimeError(f"{self.name} sent no order for one of {count} chances")
        return times

    def close(self) -> None:
        for process in (self.client, self.server):
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def version(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def measure(names: list[str], rounds: int, count: int) -> dict[str, list[int]]:
    pairs: list[Pair] = []
    try:
        pairs.extend(map(Pair, names))
        for pair in pairs:
            pair.fire(20)  # connections, caches, and what a library does once
        for _ in range(rounds):
            for pair in random.sample(pairs, len(pairs)):
                pair.times += pair.fire(count)
        return {pair.name: pair.times for pair in pairs}
    finally:
        for pair in pairs:
            pair.close()


def show(found: dict[str, list[int]]) -> None:
    p50 = {name: statistics.median(times) / 1000 for name, times in found.items()}
    print(f"{'':18} {'p50 us':>8} {'p99 us':>8} {'floor x':>8} {'ccxt.pro':>9}")
    for name, times in found.items():
        p99 = statistics.quantiles(times, n=100)[98] / 1000
        floor = f"{p50[name] / p50[FLOOR]:8.2f}" if FLOOR in p50 else f"{'':8}"
        ccxt = f"{p50[CCXT] / p50[name]:8.2f}x" if CCXT in p50 else ""
        print(f"{name:18} {p50[name]:8.0f} {p99:8.0f} {floor} {ccxt}  {version(CLIENTS[name][1])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 40 orders instead of 8 of 120")
    parser.add_argument("--only", default="", help=f"clients, separated by commas: {', '.join(CLIENTS)}")
    parser.add_argument("--json", default="", help="write the times to this file, in ns")
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        CLIENTS[given.client][0](given.port)
        return
    names = [name.strip() for name in given.only.split(",") if name.strip()] or list(CLIENTS)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    found = measure(names, *((3, 40) if given.quick else (8, 120)))
    show(found)
    if given.json:
        Path(given.json).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
