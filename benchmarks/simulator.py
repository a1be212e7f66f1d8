"""How many calls a second a simulated Binance answers.

Books, bars and order histories, each as a ratio to a depth of 100.

The venue serves in a process of its own with a standing history of orders; one client sends prepared requests over one kept connection
with a bare socket, so that the client costs as little as it can. The kinds of call are interleaved, and their medians are compared. The
longest single reply is shown as well: it is what everybody else on the venue's one loop waits for.

    python benchmarks/simulator.py [--orders N] [--seconds S] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import socket
import statistics
import sys
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from fmzthreads.simulator import SimulatorProcess

KLINES_GOAL = 1000.0
"""Pages of 500 bars a second."""


class Caller:
    """Sends GET and POST requests over one connection and reads replies whole."""

    def __init__(self, venue: SimulatorProcess) -> None:
        address = urlsplit(venue.base_url)
        self.venue = venue
        self.host = address.netloc
        self.socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def request(self, path: str, method: str = "GET") -> bytes:
        """One request as it travels."""
        key = self.venue.key
        return f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nX-MBX-APIKEY: {key}\r\nContent-Length: 0\r\n\r\n".encode()

    def signed(self, path: str, method: str = "GET", **params: object) -> bytes:
        """One signed request as it travels."""
        query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000, "recvWindow": 60_000})
        signature = hmac.new(self.venue.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return self.request(f"{path}?{query}&signature={signature}", method)

    def call(self, request: bytes) -> bytes:
        """Sends a request and gives the body of its reply."""
        self.socket.sendall(request)
        status = self.file.readline()
        length = 0
        while line := self.file.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = self.file.read(length)
        if b" 200 " not in status:
            raise SystemExit(f"{status.decode().strip()}: {body.decode()[:200]}")
        return body

    def close(self) -> None:
        """Closes the connection."""
        self.file.close()
        self.socket.close()


def fill_history(caller: Caller, orders: int) -> None:
    """Places and cancels orders, so that the account has a history."""
    for _ in range(orders):
        placed = json.loads(
            caller.call(
                caller.signed(
                    "/api/v3/order",
                    "POST",
                    symbol="BTCUSDT",
                    side="BUY",
                    type="LIMIT",
                    timeInForce="GTC",
                    price=58000,
                    quantity=0.001,
                )
            )
        )
        caller.call(caller.signed("/api/v3/order", "DELETE", symbol="BTCUSDT", orderId=placed["orderId"]))


def measure(orders: int, seconds: float) -> dict[str, dict[str, float]]:
    """First call and 99th percentile in milliseconds, calls a second."""
    with SimulatorProcess("binance", rate_scale=0) as venue:
        caller = Caller(venue)
        fill_history(caller, orders)
        bars = "/api/v3/klines?symbol=BTCUSDT"
        kinds: dict[str, Callable[[], bytes]] = {
            "depth-100": lambda: caller.request("/api/v3/depth?symbol=BTCUSDT&limit=100"),
            "klines-500": lambda: caller.request(f"{bars}&interval=1m&limit=500"),
            "klines-1000": lambda: caller.request(f"{bars}&interval=1m&limit=1000"),
            "klines-1000 of 12 h": lambda: caller.request(f"{bars}&interval=12h&limit=1000"),
            f"orders-500 of {orders}": lambda: caller.signed("/api/v3/allOrders", symbol="BTCUSDT", limit=500),
            "orders-10 by id": lambda: caller.signed("/api/v3/allOrders", symbol="BTCUSDT", orderId=1, limit=10),
            "ticker-24h": lambda: caller.request("/api/v3/ticker/24hr?symbol=BTCUSDT"),
        }
        first: dict[str, float] = {}
        times: dict[str, list[float]] = {name: [] for name in kinds}
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            for name, make in kinds.items():
                for _ in range(20):
                    request = make()
                    started = time.perf_counter()
                    caller.call(request)
                    spent = time.perf_counter() - started
                    if name in first:
                        times[name].append(spent)
                    else:
                        first[name] = spent
        caller.close()
    return {
        name: {
            "first_ms": round(first[name] * 1000, 2),
            "p99_ms": round(statistics.quantiles(spent, n=100)[98] * 1000, 2),
            "per_second": round(1 / statistics.median(spent), 1),
        }
        for name, spent in times.items()
    }


def main() -> int:
    """Prints the figures; 1 when pages of 500 bars are too slow."""
    parser = argparse.ArgumentParser(description="How many calls a second a simulated Binance answers.")
    parser.add_argument("--orders", type=int, default=10_000, help="orders in the account's history (default 10000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (default 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    figures = measure(options.orders, options.seconds)
    if options.json:
        print(json.dumps(figures))
    else:
        depth = figures["depth-100"]["per_second"]
        print(f"{'':>22} {'calls/s':>9} {'to depth':>9} {'p99 ms':>8} {'first ms':>9}")
        for name, row in figures.items():
            ratio = row["per_second"] / depth
            print(f"{name:>22} {row['per_second']:>9} {ratio:>9.2f} {row['p99_ms']:>8} {row['first_ms']:>9}")
    return 1 if figures["klines-500"]["per_second"] < KLINES_GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
