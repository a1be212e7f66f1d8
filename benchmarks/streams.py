"""How fast streams are: throughput, processor time, latency, many connections, memory.

Usage: python benchmarks/streams.py [--quick] [--rounds N] [--only flood,pace,many,idle,memory]

The server runs in a process of its own, each measurement of a client in a fresh one; the clients take turns within each round, so that
whatever else the machine does falls on all alike. Figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from streams_clients import CLIENTS, raw_connect  # noqa: E402

TICKER, DEPTH = 217, 4700
EVERYBODY = list(CLIENTS)
THREADS = ["raw", "dial", "picows", "wc_thread_skip", "ws_sync"]


# -- one measurement, in a process of its own --------------------------------------------------------------------------------------------


def measure_flood(client: str, url: str, count: int) -> dict[str, float]:
    start: list[float] = []

    def first(message: str) -> None:
        start.extend([time.perf_counter(), time.process_time()])

    def rest(message: str) -> None:
        pass

    state = {"call": first}

    def consume(message: str) -> None:
        state["call"](message)
        state["call"] = rest

    # Counted from the first message on: what connecting costs is not the subject.
    CLIENTS[client][1](url, count, consume)
    return {
        "wall_us": (time.perf_counter() - start[0]) / count * 1e6,
        "cpu_us": (time.process_time() - start[1]) / count * 1e6,
    }


def measure_pace(client: str, url: str, count: int) -> dict[str, float]:
    delays: list[int] = []
    now = time.monotonic_ns

    cpu = 0.0

    def consume(message: str) -> None:
        nonlocal cpu
        delays.append(now() - int(message[5:24]))
        cpu = cpu or time.process_time()

    CLIENTS[client][1](url, count, consume)
    cpu = time.process_time() - cpu
    delays = sorted(delays[100:])
    return {
        "median_us": delays[len(delays) // 2] / 1e3,
        "p99_us": delays[len(delays) * 99 // 100] / 1e3,
        "cpu_us": cpu / count * 1e6,
    }


def measure_many(how: str, url: str, count: int) -> dict[str, float]:
    """20 connections of 200 messages a second, read in one of several ways."""
    if how in BARE:
        sockets = [raw_connect(url) for _ in range(20)]
        cpu = time.process_time()
        BARE[how](sockets, count * (TICKER + 4))
        cpu = time.process_time() - cpu
        return {"cpu_us": cpu / (count * 20) * 1e6}
    from fmzthreads.streams import Dial
    from fmzthreads.tasks.events import merge

    clients = [Dial(url, errors="raise") for _ in range(20)]
    total = count * len(clients)
    cpu = time.process_time()
    if how == "threads":
        threads = [threading.Thread(target=lambda c=c: [c.read() for _ in range(count)]) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elif how == "merge":
        for number, _ in enumerate(merge(*clients), 1):
            if number == total:
                break
    else:
        got = 0
        while got < total:
            for client in clients:
                while client.read(-1) is not None:
                    got += 1
            time.sleep(0.01)
    cpu = time.process_time() - cpu
    for client in clients:
        client.close()
    return {"cpu_us": cpu / total * 1e6}


def _bare_threads(sockets: list[socket.socket], size: int) -> None:
    """A thread for each socket that receives and throws away: what waking up costs."""

    def drain(sock: socket.socket) -> None:
        view, left = memoryview(bytearray(1 << 16)), size
        while left > 0:
            left -= sock.recv_into(view)

    threads = [threading.Thread(target=drain, args=(sock,)) for sock in sockets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _bare_selector(sockets: list[socket.socket], size: int) -> None:
    """One thread for all sockets that receives and throws away."""
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            selector.register(sock, selectors.EVENT_READ)
        view, left = memoryview(bytearray(1 << 16)), size * len(sockets)
        while left > 0:
            for key, _ in selector.select():
                left -= key.fileobj.recv_into(view)  # type: ignore[union-attr]


BARE: dict[str, Callable[[list[socket.socket], int], None]] = {
    "bare_threads": _bare_threads,
    "bare_selector": _bare_selector,
}


def measure_idle(_: str, url: str, seconds: int) -> dict[str, float]:
    from fmzthreads.streams import Dial

    clients = [
        Dial(url, {"reconnect": True, "pingInterval": 20_000, "silence_ms": 60_000}, errors="raise") for _ in range(100)
    ]
    cpu, wall = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    part = (time.process_time() - cpu) / (time.perf_counter() - wall)
    closers = [threading.Thread(target=client.close) for client in clients]
    for thread in closers:
        thread.start()
    for thread in closers:
        thread.join()
    return {"percent": part * 100}


def measure_memory(_: str, url: str, qbytes: int) -> dict[str, float]:
    from fmzthreads.streams import Dial

    def resident() -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    # Once with next to nothing, so that what is loaded and allocated once does not count.
    with Dial(url.rsplit("/", 2)[0] + "/1000/plain", errors="raise") as client:
        client.read()
    before = resident()
    most = 0
    with Dial(url, {"qbytes": qbytes, "qsize": 100_000_000}, errors="raise") as client:
        count = int(url.rsplit("/", 2)[1])
        while client.stats.received < count:
            most = max(most, resident())
            time.sleep(0.02)
        waiting = client.stats.waiting_bytes
    return {"ratio": (most - before) / qbytes, "waiting_ratio": waiting / qbytes}


MEASURES: dict[str, Callable[[str, str, int], dict[str, float]]] = {
    "flood": measure_flood,
    "pace": measure_pace,
    "many": measure_many,
    "idle": measure_idle,
    "memory": measure_memory,
}


# -- all of them -----------------------------------------------------------------------------------------------------------------------------


class Bench:
    """The servers, and how a comparison is run."""

    def __init__(self, rounds: int, quick: bool) -> None:
        self.rounds = rounds
        self.quick = quick
        self.folder = tempfile.TemporaryDirectory()
        self.environment = dict(os.environ)
        self.plain, self.port = self._server("")
        certificate = self._certificate()
        self.tls, self.tls_port = self._server(certificate)

    def _server(self, certificate: str) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, str(HERE / "streams_server.py"), *([certificate] if certificate else [])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    def _certificate(self) -> str:
        import trustme

        authority = trustme.CA()
        path, ca_path = Path(self.folder.name) / "server.pem", Path(self.folder.name) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_path))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
        self.environment["BENCH_CA"] = str(ca_path)
        return str(path)

    def close(self) -> None:
        """Ends the servers."""
        for process in (self.plain, self.tls):
            process.kill()
            process.wait()
        self.folder.cleanup()

    def url(self, path: str, tls: bool = False) -> str:
        """The address of a path on one of the servers."""
        return f"wss://127.0.0.1:{self.tls_port}{path}" if tls else f"ws://127.0.0.1:{self.port}{path}"

    def one(self, measure: str, client: str, url: str, number: int) -> dict[str, float]:
        """One measurement, in a fresh process."""
        command = [sys.executable, __file__, "--one", measure, client, url, str(number)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=self.environment, check=False)
        if result.returncode:
            raise RuntimeError(f"{measure} {client}: {result.stderr[-2000:]}")
        return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    def compare(
        self, measure: str, clients: list[str], make: Callable[[str], tuple[str, int]]
    ) -> dict[str, dict[str, float]]:
        """The medians of several rounds, in which the clients take turns."""
        found: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
        for _ in range(self.rounds):
            for client in clients:
                found[client].append(self.one(measure, client, *make(client)))
        return {
            client: {key: statistics.median(result[key] for result in results) for key in results[0]}
            for client, results in found.items()
        }


def flood_table(
    bench: Bench, title: str, size: int, most: int, clients: list[str], *, zipped: bool = False, tls: bool = False
) -> None:
    def make(client: str) -> tuple[str, int]:
        count = max(200, most // CLIENTS[client][2])
        return bench.url(f"/flood/{size}/{count}/{'gzip' if zipped else 'plain'}", tls), count

    results = bench.compare("flood", clients, make)
    floor = results["raw"]
    print(f"\n### {title}\n")
    print("| | messages/s | of the floor's throughput | CPU a message, us | times the floor's CPU |")
    print("|---|---|---|---|---|")
    for client, result in results.items():
        speed = floor["wall_us"] / result["wall_us"]
        print(
            f"| {CLIENTS[client][0]} | {1e6 / result['wall_us']:,.0f} | {speed:.2f} | {result['cpu_us']:.2f} "
            f"| {result['cpu_us'] / floor['cpu_us']:.2f} |",
            flush=True,
        )


def pace_table(bench: Bench, size: int, seconds: int) -> None:
    results = bench.compare(
        "pace", THREADS, lambda _: (bench.url(f"/pace/{size}/{seconds * 1000}/1000"), seconds * 1000)
    )
    floor, picows = results["raw"], results["picows"]
    print(f"\n### {size} bytes at 1,000 messages/s\n")
    print("| | median, us | p99, us | median / raw socket | p99 / picows | CPU a message, us |")
    print("|---|---|---|---|---|---|")
    for client, result in results.items():
        print(
            f"| {CLIENTS[client][0]} | {result['median_us']:.0f} | {result['p99_us']:.0f} | {result['median_us'] / floor['median_us']:.2f} "
            f"| {result['p99_us'] / picows['p99_us']:.2f} | {result['cpu_us']:.1f} |",
            flush=True,
        )


def report(bench: Bench, only: set[str]) -> None:
    tickers, depths = (100_000, 10_000) if bench.quick else (600_000, 60_000)
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {bench.rounds} rounds"
    )
    if "flood" in only:
        flood_table(bench, "Tickers of 217 bytes, as fast as they come", TICKER, tickers, EVERYBODY)
        flood_table(bench, "Depths of 4.7 KB, as fast as they come", DEPTH, depths, EVERYBODY)
        few = ["raw", "dial", "picows", "wc_thread_skip", "ws_sync"]
        flood_table(bench, "Depths of 4.7 KB, gzip'd", DEPTH, depths // 2, few, zipped=True)
        flood_table(bench, "Tickers of 217 bytes over TLS", TICKER, tickers, few, tls=True)
        flood_table(bench, "Depths of 4.7 KB over TLS", DEPTH, depths, few, tls=True)
    if "pace" in only:
        for size in (TICKER, DEPTH):
            pace_table(bench, size, 1 if bench.quick else 4)
    if "many" in only:
        count = 200 if bench.quick else 1000
        results = bench.compare(
            "many", [*BARE, "poll", "merge", "threads"], lambda _: (bench.url(f"/pace/217/{count}/200"), count)
        )
        print("\n### 20 connections of 200 messages/s\n\n| read by | CPU a message, us |\n|---|---|")
        for how, words in {
            "bare_threads": "20 threads that do nothing but `recv_into`",
            "bare_selector": "one thread with `selectors` that does nothing but `recv_into`",
            "poll": "`read(-1)` every 10 ms",
            "merge": "`merge`",
            "threads": "a thread each with `read()`",
        }.items():
            print(f"| {words} | {results[how]['cpu_us']:.1f} |")
    if "idle" in only:
        results = bench.compare("idle", ["dial"], lambda _: (bench.url("/idle"), 2 if bench.quick else 5))
        print(
            f"\n100 idle connections, with heartbeats and a silence watch each: {results['dial']['percent']:.2f} % of a core"
        )
    if "memory" in only:
        for size, count in ((TICKER, tickers), (DEPTH, depths)):
            url = bench.url(f"/flood/{size}/{count}/plain")
            results = bench.compare("memory", ["dial"], lambda _, url=url: (url, 16 << 20))  # type: ignore[misc]
            result = results["dial"]
            print(
                f"A flood of {size}-byte messages with a stopped reader: {result['ratio']:.2f} of qbytes more in memory "
                f"({result['waiting_ratio']:.2f} counted as waiting)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look in about a minute")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--only", default="flood,pace,many,idle,memory")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure, client, url, number = arguments.one
        print(json.dumps(MEASURES[measure](client, url, int(number))))
        return
    bench = Bench(arguments.rounds or (1 if arguments.quick else 5), arguments.quick)
    try:
        report(bench, set(arguments.only.split(",")))
    finally:
        bench.close()


if __name__ == "__main__":
    main()
