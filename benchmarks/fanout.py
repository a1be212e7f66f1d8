# ruff: noqa: D101, D102 -- the parts of a benchmark are named by what they do
"""N calls of a 5 KB order book at once: fmzthreads against raw sockets, requests, aiohttp and ccxt.

    python benchmarks/fanout.py [--quick] [--parsing] [--json FILE]

All peers fetch the same body from a server in another process (``fanout_server.py``) on kept connections, and read it whole without
parsing it (ccxt parses it, there is no way around). One table more has ``GetDepth`` of N exchange objects, which ends in structures, beside
a pool of requests and aiohttp that call ``json.loads``. They take turns within each round, in random order, so that whatever else the machine
does falls on all alike. Medians are shown:

    wall/limit   wall time of a burst over the server's latency (at 0 ms: the wall time itself, in ms)
    skew         first to last arrival of a burst's requests, as the server's kernel stamped them, in ms
    CPU          processor time of this process for each call, in microseconds, and as a part of what requests needs
    cold, warm   wall time of the very first burst of a new client, in ms, and after ``warm``; beside it that of later bursts
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import platform
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from fanout_server import LEVELS

from fmzthreads import Exchange
from fmzthreads.clock import WallClock
from fmzthreads.http.client import HttpClient, HttpRequest, Reply
from fmzthreads.tasks.gate import Gate
from fmzthreads.tasks.pool import CallPool

HERE = Path(__file__).resolve().parent


class Server:
    """The server process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fanout_server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        first = self._line()
        self.port, self.body = int(first["port"]), int(first["body"])
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.base}/api/v3/depth?symbol=BTCUSDT&limit=100"

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Pooled:
    """A thread pool whose N calls are started one after the other and then waited for."""

    def __init__(self, server: Server, n: int) -> None:
        self.server, self.n = server, n
        self.pool = ThreadPoolExecutor(n)

    def burst(self) -> None:
        for future in [self.pool.submit(self.call) for _ in range(self.n)]:
            if future.result() != self.server.body:
                raise RuntimeError("a reply is not whole")

    def call(self) -> int:
        raise NotImplementedError

    def warm(self) -> None:
        """Has every worker make one call (what a user without ``warm`` would do)."""
        together = threading.Barrier(self.n)
        done = wait([self.pool.submit(lambda: (together.wait(), self.call())) for _ in range(self.n)])
        for future in done.done:
            future.result()

    def close(self) -> None:
        self.pool.shutdown()


class RawSockets(Pooled):
    name = "raw sockets"

    def __init__(self, server: Server, n: int) -> None:
        super().__init__(server, n)
        self.here = threading.local()
        self.socks: list[socket.socket] = []
        path = server.url.removeprefix(server.base)
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n".encode()

    def call(self) -> int:
        sock = getattr(self.here, "sock", None)
        if sock is None:
            sock = self.here.sock = socket.create_connection(("127.0.0.1", self.server.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.append(sock)
        sock.sendall(self.request)
        data = sock.recv(65536)
        end = data.index(b"\r\n\r\n") + 4
        while len(data) < end + self.server.body:
            data += sock.recv(65536)
        return len(data) - end

    def close(self) -> None:
        super().close()
        for sock in self.socks:
            sock.close()


class Requests(Pooled):
    name = "requests, one session"

    def __init__(self, server: Server, n: int) -> None:
        super().__init__(server, n)
        self.session = requests.Session()
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=n))

    def call(self) -> int:
        return len(self.session.get(self.server.url, timeout=10).content)

    def close(self) -> None:
        super().close()
        self.session.close()


class Fmzthreads:
    name = "fmzthreads"
    gated = False

    def __init__(self, server: Server, n: int) -> None:
        self.server, self.n = server, n
        self.client = HttpClient(server.base)
        self.clock = WallClock()
        self.pool = CallPool("bench", max_workers=n, clock=self.clock)

    def build(self) -> HttpRequest:
        return HttpRequest("GET", self.server.url, {}, None)

    @staticmethod
    def parse(reply: Reply) -> int:
        return len(reply.body)

    def call(self) -> int:
        return self.client.call(self.build, self.parse, idempotent=True)

    def burst(self) -> None:
        gate = Gate(self.n, 10) if self.gated else None
        for handle in [self.pool.start(self.call, gate=gate) for _ in range(self.n)]:
            if handle.wait().value != self.server.body:
                raise RuntimeError("a reply is not whole")

    def warm(self) -> None:
        together = threading.Barrier(self.n)

        def work() -> None:
            together.wait()
            self.client.warm()

        for handle in [self.pool.start(work) for _ in range(self.n)]:
            handle.wait()

    def close(self) -> None:
        self.pool.shutdown(10)
        self.client.close()


class FmzthreadsGated(Fmzthreads):
    name = "fmzthreads, gate"
    gated = True


class Looped:
    """An event loop that runs a burst's N calls in one thread."""

    def __init__(self, server: Server, n: int) -> None:
        self.server, self.n = server, n
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.open())

    async def open(self) -> None:
        raise NotImplementedError

    async def call(self) -> int:
        raise NotImplementedError

    async def _burst(self) -> None:
        for size in await asyncio.gather(*(self.call() for _ in range(self.n))):
            if size != self.server.body:
                raise RuntimeError("a reply is not whole")

    def burst(self) -> None:
        self.loop.run_until_complete(self._burst())

    def warm(self) -> None:
        self.burst()

    async def shut(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.loop.run_until_complete(self.shut())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class Aiohttp(Looped):
    name = "aiohttp"

    async def open(self) -> None:
        import aiohttp

        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def call(self) -> int:
        async with self.session.get(self.server.url) as reply:
            return len(await reply.read())

    async def shut(self) -> None:
        await self.session.close()


class CcxtThreads(Pooled):
    name = "ccxt in threads"

    def __init__(self, server: Server, n: int) -> None:
        import ccxt

        super().__init__(server, n)
        self.exchange = ccxt.binance({"enableRateLimit": False})
        self.exchange.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=n))

    def call(self) -> int:
        return self.server.body if self.exchange.fetch(self.server.url)["lastUpdateId"] else 0

    def close(self) -> None:
        super().close()
        self.exchange.session.close()


class CcxtAsync(Looped):
    name = "ccxt async"

    async def open(self) -> None:
        import ccxt.async_support as ccxt

        self.exchange = ccxt.binance({"enableRateLimit": False})

    async def call(self) -> int:
        return self.server.body if (await self.exchange.fetch(self.server.url))["lastUpdateId"] else 0

    async def shut(self) -> None:
        await self.exchange.close()


PEERS: list[Any] = [RawSockets, Fmzthreads, FmzthreadsGated, Requests, Aiohttp, CcxtThreads, CcxtAsync]


class RequestsParsing(Requests):
    name = "requests, json.loads"

    def call(self) -> int:
        body = self.session.get(self.server.url, timeout=10).content
        json.loads(body)
        return len(body)


class AiohttpParsing(Aiohttp):
    name = "aiohttp, json.loads"

    async def call(self) -> int:
        async with self.session.get(self.server.url) as reply:
            body = await reply.read()
        json.loads(body)
        return len(body)


class GetDepths:
    name = "fmzthreads GetDepth"

    def __init__(self, server: Server, n: int) -> None:
        self.exchanges = [Exchange("Binance", "BTC_USDT", base=server.base) for _ in range(n)]

    def burst(self) -> None:
        for handle in [exchange.Go("GetDepth") for exchange in self.exchanges]:
            depth, ok = handle.wait()
            if not ok or depth is None or len(depth.Asks) != LEVELS:
                raise RuntimeError("a book is not whole")

    def warm(self) -> None:
        self.burst()

    def close(self) -> None:
        for exchange in self.exchanges:
            exchange.close()


PARSING: list[Any] = [GetDepths, RequestsParsing, AiohttpParsing]
"""Those that turn the book into Python's own objects, one exchange object for each call."""


def available() -> list[Any]:
    """The peers whose packages are installed."""
    needs = {"aiohttp": "aiohttp", "ccxt in threads": "ccxt", "ccxt async": "ccxt"}
    return [peer for peer in PEERS if importlib.util.find_spec(needs.get(peer.name, "requests")) is not None]


class Measured:
    """What was measured of one peer at one latency and N."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.skews: list[float] = []
        self.cpus: list[float] = []


def parsing_peers() -> list[Any]:
    """Those of ``PARSING`` whose packages are installed."""
    return [peer for peer in PARSING if peer is not AiohttpParsing or importlib.util.find_spec("aiohttp") is not None]


def timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measure(
    server: Server, peers: list[Any], n: int, latency_ms: float, rounds: int, bursts: int
) -> dict[str, Measured]:
    """Rounds in which each peer makes some bursts."""
    server.ask(f"latency {latency_ms}")
    running = [peer(server, n) for peer in peers]
    result = {peer.name: Measured() for peer in peers}
    try:
        for peer in running:
            peer.warm()
            peer.burst()
        for _ in range(rounds):
            random.shuffle(running)
            for peer in running:
                server.ask("take")
                gc.collect()
                found = result[peer.name]
                peer.burst()  # into its stride again; not counted
                server.ask("take")
                before = time.process_time()
                for _ in range(bursts):
                    found.walls.append(timed(peer.burst))
                found.cpus.append((time.process_time() - before) / bursts / n * 1e6)
                stamps = server.ask("take")["arrivals"]
                for at in range(0, len(stamps), n):
                    group = stamps[at : at + n]
                    found.skews.append((max(group) - min(group)) / 1e6)
    finally:
        for peer in running:
            peer.close()
    return result


def first_bursts(
    server: Server, peers: list[Any], n: int, latency_ms: float, times: int
) -> dict[str, tuple[float, float, float]]:
    """The first burst of new clients: cold, after ``warm``, and the later ones, in ms."""
    server.ask(f"latency {latency_ms}")
    found: dict[str, tuple[list[float], list[float], list[float]]] = {peer.name: ([], [], []) for peer in peers}
    for _ in range(times):
        for peer in random.sample(peers, len(peers)):
            cold, warm, later = found[peer.name]
            client = peer(server, n)
            cold.append(timed(client.burst))
            client.close()
            client = peer(server, n)
            client.warm()
            warm.append(timed(client.burst))
            later.extend(timed(client.burst) for _ in range(5))
            client.close()
    return {name: tuple(statistics.median(part) for part in parts) for name, parts in found.items()}  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds (about 20 s instead of two minutes)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--parsing", action="store_true", help="only the table of GetDepth with parsing, at 50 ms")
    parser.add_argument("--only", metavar="NAME", action="append", help="only these peers")
    options = parser.parse_args()
    rounds, bursts = (4, 5) if options.quick else (10, 8)
    peers = [peer for peer in available() if not options.only or peer.name in options.only]
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, requests {requests.__version__}"
    )
    figures: dict[str, Any] = {}
    server = Server()
    try:
        for n in (2, 8, 32):
            result = measure(server, parsing_peers(), n, 50, rounds, bursts)
            figures[f"GetDepth with parsing, 50 ms, N={n}"] = show(result, n, 50)
        for latency_ms in () if options.parsing else (0, 50):
            for n in (2, 8, 32):
                result = measure(server, peers, n, latency_ms, rounds, bursts)
                figures[f"{latency_ms} ms, N={n}"] = show(result, n, latency_ms)
        for n in () if options.parsing else (8, 32):
            firsts = first_bursts(server, peers, n, 50, 3 if options.quick else 9)
            print(f"\nfirst burst, 50 ms, N={n}:      cold   after warm   later (ms)")
            for name, (cold, warm, later) in firsts.items():
                print(f"  {name:24}{cold:10.2f}{warm:13.2f}{later:8.2f}")
            figures[f"first burst, N={n}"] = firsts
    finally:
        server.close()
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")


def show(result: dict[str, Measured], n: int, latency_ms: float) -> dict[str, dict[str, float]]:
    """Prints one table, and gives its figures."""
    head = "wall/limit" if latency_ms else "wall ms"
    print(f"\n{latency_ms} ms, N={n}:{head:>26}   skew ms    CPU us   of requests")
    base = statistics.median(result[Requests.name].cpus) if Requests.name in result else float("nan")
    table = {}
    for name, found in result.items():
        wall = statistics.median(found.walls) / (latency_ms or 1)
        skew, cpu = statistics.median(found.skews), statistics.median(found.cpus)
        print(f"  {name:24}{wall:12.3f}{skew:10.3f}{cpu:10.0f}{cpu / base:12.2f}")
        table[name] = {"wall": wall, "skew_ms": skew, "cpu_us": cpu, "cpu_of_requests": cpu / base}
    return table


if __name__ == "__main__":
    main()
