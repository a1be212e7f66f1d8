"""What the platform costs: the overview, a page of logs, readers of a live log, an idle robot, and the adoption after a kill.

    python benchmarks/quant_platform.py                              # 100 robots with a million lines each: 15 GB of disk, some minutes
    python benchmarks/quant_platform.py --robots 20 --rows 100000    # smaller
    python benchmarks/quant_platform.py --no-runs                    # without the part that starts robots

The robots' databases are made by the platform's own schema: one is written, the others are copies of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fmzthreads.errors import FmzError
from fmzthreads.platform.access import Actor
from fmzthreads.platform.client import Client
from fmzthreads.platform.robots.tables import LogFilter
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.robot_table import RobotExchange, RobotSettings
from fmzthreads.strategy.log.log_database import SCHEMA

RUNNING = 1  # a robot's status in the extended API
IDLE = "def main():\n    Log('idle')\n    while True:\n        Sleep(60000)\n"
WRITER = "def main():\n    n = 0\n    while True:\n        n += 1\n        Log('line', n)\n        Sleep(50)\n"


def write_database(path: Path, rows: int) -> None:
    """A robot's database with so many lines, a profit point for each hundredth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    began = 1_700_000_000_000
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        for statement in SCHEMA:
            connection.execute(statement)
        columns = (
            "date, logType, eid, orderId, price, amount, extra, contractType, direction, color, push, private, source"
        )
        connection.executemany(
            f"INSERT INTO log ({columns}) VALUES (?,?,?,?,?,?,?,?,'','',0,0,'')",
            (
                (began + n * 1000, rng.choice((0, 1, 2, 3, 5, 5, 5)), "Binance", str(n), 100 + rng.random(), 0.01, f"line {n}: price and amount",
                 "BTC_USDT")
                for n in range(rows)
            ),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO profit (profit, date) VALUES (?, ?)",
            ((n * 0.1, began + n * 100_000) for n in range(rows // 100)),
        )
    connection.close()


def milliseconds(call: Callable[[], object], times: int = 20) -> tuple[float, float, float]:
    """The median and the longest time of a call, and its processor time, after a first one that does not count."""
    call()
    found = []
    spent = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found), max(found), (time.process_time() - spent) * 1000 / times


def measure_reading(platform: Platform, owner: Actor, rows: int) -> None:
    """The overview and pages of logs."""
    robot = platform.lives.table.all()[len(platform.lives.table.all()) // 2].id
    path = platform.lives.run_folder(robot).database

    def overview() -> None:
        for one in platform.reader.all(owner):
            platform.tables.profit_line(platform.lives.run_folder(one.id).database, 60)

    parts: list[tuple[str, Callable[[], object], int]] = [
        ("list of robots", lambda: platform.reader.all(owner), 20),
        ("overview: the list with 60 points of each profit curve", overview, 20),
        ("page of 100 lines, newest", lambda: platform.tables.log(path, limit=100), 50),
        ("page of 100 lines, in the middle", lambda: platform.tables.log(path, offset=rows // 2, limit=100), 50),
        (
            "page of 100 errors, counted again",
            lambda: platform.tables.log(path, limit=100, wanted=LogFilter(kinds=(3,))),
            20,
        ),
        (
            "page of 100 lines with a word, counted again",
            lambda: platform.tables.log(path, limit=100, wanted=LogFilter(word="price")),
            20,
        ),
    ]
    for name, call, times in parts:
        began = time.perf_counter()
        call()
        first = (time.perf_counter() - began) * 1000
        median, longest, processor = milliseconds(call, times)
        shown = f"median {median:7.2f} ms   longest {longest:7.2f} ms   processor {processor:7.2f} ms"
        print(f"{name:56} first {first:8.1f} ms   {shown}", flush=True)


def waited(condition: Callable[[], object], timeout_s: float = 300.0) -> float:
    """How long it took until a condition was true, in seconds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise SystemExit("it took too long")
        time.sleep(0.01)
    return time.monotonic() - began


def measure_readers(platform: Platform, owner: Actor, robot: int, readers: int) -> None:
    """Readers that follow a live log: what the platform spends, and how late they are."""
    end = threading.Event()
    late: list[float] = []

    def follow() -> None:
        after = platform.reader.log(owner, robot, limit=1).largest
        while not end.wait(0.5):
            rows = platform.reader.log_after(owner, robot, after)
            if rows:
                after = rows[-1].id
                late.append(time.time() * 1000 - rows[-1].time_ms)

    threads = [threading.Thread(target=follow) for _ in range(readers)]
    spent, began = time.process_time(), time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(10)
    end.set()
    for thread in threads:
        thread.join()
    share = (time.process_time() - spent) / (time.monotonic() - began)
    print(
        f"{readers} readers of a live log, each twice a second: {share:.1%} of a core; newest line {statistics.median(late):.0f} ms old",
        flush=True,
    )


def robot_costs(pids: list[int], seconds: float) -> tuple[float, float]:
    """Resident memory in MiB, and the share of a core, of processes; the medians."""
    tick = os.sysconf("SC_CLK_TCK")

    def spent(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / tick

    before = [spent(pid) for pid in pids]
    time.sleep(seconds)
    shares = [(spent(pid) - was) / seconds for pid, was in zip(pids, before, strict=True)]
    pages = [int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in pids]
    return statistics.median(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20, statistics.median(shares)


def measure_start(folder: Path, keys: list[str], robots: list[int]) -> None:
    """The time from the start of a platform's process, after the last one was killed, until its API shows all robots as running."""
    # With compiled modules, as every installation has them: those of a start in another folder.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    command = [sys.executable, "-m", "fmzthreads", "platform", "--port", "0", "--folder"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "env": environment}
    with subprocess.Popen([*command, str(folder / "other")], **pipes) as other:
        assert other.stdout is not None
        while not other.stdout.readline().startswith("{"):
            pass
        other.terminate()
    began = time.monotonic()
    process = subprocess.Popen([*command, str(folder)], **pipes)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        listens = time.monotonic() - began
        with Client(url, *keys) as client:

            def running() -> bool:
                rows = client.GetRobotList()["robots"]
                return sum(row["status"] == RUNNING and row["id"] in robots for row in rows) == len(robots)

            waited(running, 60.0)
        took = time.monotonic() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        print(
            f"after kill -9 of the platform: {len(robots)} robots shown running {took:.2f} s after the start of its process, which listened after "
            f"{listens:.2f} s and had used {spent:.2f} s of processor time",
            flush=True,
        )
    finally:
        process.terminate()
        process.wait(60)


def measure_runs(folder: Path, count: int, readers: int) -> None:
    """Robots that run: their costs, and the platform that is killed and started again."""
    code = (
        "import json, sys, time\n"
        "from fmzthreads.platform.service import Platform\n"
        "from fmzthreads.platform.store.robot_table import RobotExchange, RobotSettings\n"
        f"platform = Platform({str(folder)!r})\n"
        "platform.start()\n"
        "owner = platform.accounts.all()[0].actor()\n"
        "made = []\n"
        f"for n in range({count}):\n"
        "    settings = RobotSettings(name=f'run {n}', strategy_id=platform.strategies.find(('idle.py', 'writer.py')[n % 2]).id,\n"
        "                             exchanges=(RobotExchange(pair='BTC_USDT', pid=1),))\n"
        "    made.append(platform.lives.create(owner, settings))\n"
        "key, secret = platform.api_keys.create(platform.accounts.all()[0].id, 'benchmark')\n"
        "print(json.dumps([made, [key.access_key, secret]]), flush=True)\n"
        "time.sleep(10000)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    robots, keys = json.loads(first.stdout.readline())
    storage = folder / "logs" / "storage"
    waited(lambda: all((storage / str(robot) / "strategy.sqlite3").exists() for robot in robots))
    time.sleep(3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    measure_start(folder, keys, robots)
    platform = Platform(folder)
    platform.start()
    owner = platform.accounts.all()[0].actor()
    try:
        pids = {robot: platform.reader.state(owner, robot).pid for robot in robots}
        memory, share = robot_costs([pids[robot] for robot in robots[::2]], 10.0)
        print(f"one idle robot: {memory:.1f} MiB, {share:.2%} of a core", flush=True)
        measure_readers(platform, owner, robots[1], readers)
        gaps = 0
        for robot in robots[1::2]:
            rows = platform.reader.log(owner, robot, limit=-1).rows[::-1]
            gaps += [row.text for row in rows] != [f"line {n}" for n in range(1, len(rows) + 1)]
        print(f"logs with a gap: {gaps} of {len(robots[1::2])}", flush=True)
    finally:
        for robot in robots:
            try:
                platform.lives.kill(owner, robot)
            except FmzError as error:
                print(f"robot {robot}: {error}", file=sys.stderr)
        waited(lambda: not any(one.state.alive for one in platform.reader.all(owner)))
        platform.close()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", type=int, default=100, help="robots whose logs are read (default %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="lines of each (default %(default)s)")
    parser.add_argument("--runs", type=int, default=20, help="robots that are started (default %(default)s)")
    parser.add_argument("--readers", type=int, default=50, help="readers of one live log (default %(default)s)")
    parser.add_argument("--no-runs", action="store_true", help="start no robots")
    parser.add_argument(
        "--folder", type=Path, help="where the platform is made, on a disk with room (default: a temporary folder)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fmzthreads-platform-", dir=args.folder) as name:
        folder = Path(name)
        with Platform(folder) as platform:
            platform.accounts.create("owner", "a password of a benchmark")
            owner = platform.accounts.all()[0].actor()
            platform.exchanges.create(
                "Binance", "Binance", {"AccessKey": "access-of-nobody", "SecretKey": "secret-of-nobody"}
            )
            for file, text in (("idle.py", IDLE), ("writer.py", WRITER)):
                (platform.strategies.path / file).write_text(text, "utf-8")
            number = platform.strategies.find("idle.py").id
            settings = RobotSettings(
                name="reads", strategy_id=number, exchanges=(RobotExchange(pair="BTC_USDT", pid=1),)
            )
            began = time.monotonic()
            write_database(folder / "one.sqlite3", args.rows)
            for _ in range(args.robots):
                robot = platform.lives.create(owner, settings, start=False)
                path = platform.lives.run_folder(robot).database
                path.parent.mkdir(parents=True)
                shutil.copyfile(folder / "one.sqlite3", path)
            size = (folder / "one.sqlite3").stat().st_size / 2**20
            print(
                f"{args.robots} robots with {args.rows} lines ({size:.0f} MiB) each, made in {time.monotonic() - began:.0f} s",
                flush=True,
            )
            measure_reading(platform, owner, args.rows)
        if not args.no_runs:
            measure_runs(folder, args.runs, args.readers)


if __name__ == "__main__":
    main()
