"""A day of a platform with many robots, compressed: a minute of each robot's day is a fraction of a second here.

Real robot processes trade against one simulated Binance. On the way the platform is killed (``kill -9``) and started again, robots are stopped, killed,
restarted by policy, and the list and pages of logs are read. At the end: each robot's numbered lines are complete and
in order, what the platform and the robots hold has not grown, and no process is left behind. Prints a table, and exits with 1 when something was lost::

    python benchmarks/soak_platform.py [--robots 20] [--seconds 600]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from fmzthreads.simulator import SimulatorProcess

ROUNDS = 1440  # the minutes of a day
MOST_GROWTH_MB, MOST_FILES = 20.0, 8
STRATEGY = """\
def main():
    n = _G("n") or 0
    while True:
        n += 1
        account, ticker = exchange.GetAccount(), exchange.GetTicker()
        if ticker and n % 5 == 0:
            id = exchange.Buy(round(ticker.Last * 0.9, 2), 0.001)
            if id:
                exchange.CancelOrder(id)
        if ticker and n % 60 == 0:
            exchange.Buy(-1, 20)
        Log("minute", n)
        LogStatus("minute", n, account.Balance if account else "")
        if n % 15 == 0:
            LogProfit(n * 0.1, "&")
        _G("n", n)
        command = GetCommand()
        if command == "fail":
            raise ValueError("as told")
        Sleep(pause)


def onexit():
    Log("onexit")
"""
PLATFORM = """\
import json, sys, time
from fmzthreads.platform.service import Platform
with Platform(sys.argv[1], quick_passwords=True) as platform:
    print("ready", flush=True)
    owner = platform.accounts.all()[0].actor()
    for line in sys.stdin:
        what, robot = line.split()
        try:
            if what == "start": platform.lives.start(owner, int(robot))
            elif what == "stop": platform.lives.stop(owner, int(robot), cancel=True)
            elif what == "kill": platform.lives.kill(owner, int(robot))
            elif what == "command": platform.lives.command(owner, int(robot), "fail")
            elif what == "read":
                for one in platform.reader.all(owner):
                    platform.reader.log(owner, one.id, limit=100)
                platform.worth.worth([])
            print("done", flush=True)
        except Exception as error:
            print("failed", type(error).__name__, error, flush=True)
"""


class PlatformProcess:
    """A platform in a process of its own, told what to do by lines."""

    def __init__(self, folder: Path) -> None:
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-c", PLATFORM, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.started_s = time.monotonic() - self.began
        self.pid = self._process.pid

    def tell(self, what: str, robot: int = 0) -> str:
        """Has something done; returns what became of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {robot}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends it; the robots go on."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def facts_of(pid: int) -> tuple[float, int, int]:
    """Resident MiB, open files, and threads of a process; zeros when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0.0, 0, 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files, threads


def zombies_of(parent: int) -> int:
    """How many children of a process have ended without being waited for."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, of = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found += state == "Z" and int(of) == parent
    return found


def pids_of(storage: Path) -> dict[int, int]:
    """The processes that live, by robot."""
    found = {}
    for record in storage.glob("*/process.json"):
        told = json.loads(record.read_text("utf-8"))
        if told.get("code") is None and Path(f"/proc/{told['pid']}").exists():
            found[int(record.parent.name)] = told["pid"]
    return found


def left_of(folder: Path) -> list[int]:
    """The processes whose command names a file in the folder, whether they have claimed a run folder or not."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{folder}/strategies/".encode() in command.read_bytes():
                found.append(int(command.parent.name))
    return found


def lines_of(database: Path) -> list[int]:
    """The numbers of the minutes that a robot logged, in the order of the rows."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT extra FROM log WHERE logType = 5 AND extra LIKE 'minute %' ORDER BY id")
        return [int(row[0].split()[1]) for row in rows]
    finally:
        connection.close()


def prepared(folder: Path, simulator: SimulatorProcess, robots: int, pause_ms: int) -> list[int]:
    """Makes the robots; none runs yet."""
    from fmzthreads.platform.service import Platform
    from fmzthreads.platform.store.robot_table import RestartPolicy, RobotExchange, RobotSettings

    platform = Platform(folder, quick_passwords=True)
    platform.accounts.create("owner", "a password of a soak")
    owner = platform.accounts.all()[0].actor()
    platform.strategies.path.joinpath("day.py").write_text(
        STRATEGY.replace("Sleep(pause)", f"Sleep({pause_ms})"), "utf-8"
    )
    fields = {"AccessKey": simulator.key, "SecretKey": simulator.secret, "Front": simulator.base_url}
    pid = platform.exchanges.create("Binance", "simulated", fields).id
    strategy = platform.strategies.find("day.py").id
    settings = [
        RobotSettings(name=f"robot {n}", strategy_id=strategy, exchanges=(RobotExchange(pair="BTC_USDT", pid=pid),),
                      restart=RestartPolicy(mode="failed", pause_s=1.0))
        for n in range(robots)
    ]  # fmt: skip
    made = [platform.lives.create(owner, one, start=False) for one in settings]
    platform.close()
    return made


def waited(condition: Any, timeout_s: float) -> bool:
    """Whether a condition became true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


class Soak:
    """One run.

    Args:
        folder: The platform's folder.
        robots: How many robots run.
        seconds: How long it goes on.
    """

    def __init__(self, folder: Path, robots: int, seconds: float) -> None:
        self.folder, self.count, self.seconds = folder, robots, seconds
        self.storage = folder / "logs" / "storage"
        self.wrong: list[str] = []
        self.adopted: list[float] = []
        self.lag: list[float] = []
        self.robots: list[int] = []
        self.kills: Counter[int] = Counter()
        self.first: dict[int, tuple[float, int, int]] = {}
        self.last: dict[int, tuple[float, int, int]] = {}

    @property
    def steady(self) -> list[int]:
        """The robots that are left alone; the others are stopped, killed and told to fail."""
        return [robot for robot in self.robots if robot % 4]

    def run(self) -> int:
        """Runs it; returns the number of things that went wrong."""
        balances = {"USDT": Decimal(10**9), "BTC": Decimal(1000)}
        with SimulatorProcess(
            "binance", seed=1, symbols=["BTC_USDT"], rate_scale=1000.0, balances=balances
        ) as simulator:
            self.robots = prepared(self.folder, simulator, self.count, int(self.seconds / ROUNDS * 1000))
            platform = PlatformProcess(self.folder)
            for robot in self.robots:
                told = platform.tell("start", robot)
                if told != "done":
                    self.wrong.append(f"robot {robot} was not started: {told}")
            if not waited(self._all_began, 300):
                self.wrong.append(f"only {len(pids_of(self.storage))} of {self.count} robots began")
            time.sleep(min(30.0, self.seconds / 10))
            self.first = {robot: facts_of(pid) for robot, pid in pids_of(self.storage).items()}
            before = facts_of(platform.pid)
            platform = self._disturb(platform)
            self.last = {robot: facts_of(pid) for robot, pid in pids_of(self.storage).items()}
            after = facts_of(platform.pid)
            for robot in self.robots:
                platform.tell("stop", robot)
            if not waited(lambda: not pids_of(self.storage), 120):
                self.wrong.append(f"{len(pids_of(self.storage))} robots did not stop")
            time.sleep(3)
            zombies = zombies_of(platform.pid)
            platform.close()
            self._end_left()
        self._check()
        self._tell(before, after, zombies)
        return len(self.wrong)

    def _end_left(self) -> None:
        """Counts the robots that live on though all were stopped, and ends them."""
        if not waited(lambda: not left_of(self.folder), 60):
            left = left_of(self.folder)
            self.wrong.append(f"{len(left)} robot processes were left over")
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _all_began(self) -> bool:
        files = [self.storage / str(robot) / "strategy.sqlite3" for robot in self.robots]
        return len(pids_of(self.storage)) == self.count and all(file.exists() for file in files)

    def _disturb(self, platform: PlatformProcess) -> PlatformProcess:
        """Stops, kills and fails robots, and kills the platform twice; returns the last platform."""
        began, steps = time.monotonic(), 0
        victims = [robot for robot in self.robots if robot not in self.steady]
        while time.monotonic() - began < self.seconds:
            steps += 1
            victim = victims[steps % len(victims)]
            what = ("command", "stop", "kill")[steps % 3]
            platform.tell(what, victim)
            self.kills[victim] += what == "kill"
            asked = time.monotonic()
            platform.tell("read")
            self.lag.append(time.monotonic() - asked)
            time.sleep(self.seconds / 30)
            if steps % 3:  # one that failed is restarted by policy
                platform.tell("start", victim)
            if steps in {5, 15}:
                platform.kill()
                platform = PlatformProcess(self.folder)
                self.adopted.append(platform.started_s)
        return platform

    def _check(self) -> None:
        """Looks for lines that are missing, and for growth."""
        self.lines = {robot: lines_of(self.storage / str(robot) / "strategy.sqlite3") for robot in self.robots}
        for robot, numbers in self.lines.items():
            steps = Counter(later - earlier for earlier, later in itertools.pairwise(numbers))
            # One that was killed may repeat the minute whose number it had not kept yet; none may be missing.
            if not numbers or numbers[0] != 1 or not set(steps) <= {0, 1} or (steps[0] and robot in self.steady):
                self.wrong.append(f"robot {robot} lost or repeated lines: steps {dict(steps)}")
        self.both = [robot for robot in self.steady if robot in self.first and robot in self.last]
        if len(self.both) < len(self.steady):
            self.wrong.append(f"{len(self.steady) - len(self.both)} robots that were left alone have ended")
        self.grown = [self.last[robot][0] - self.first[robot][0] for robot in self.both]
        self.files = [self.last[robot][1] - self.first[robot][1] for robot in self.both]
        if max(self.grown) > MOST_GROWTH_MB or max(self.files) > MOST_FILES:
            self.wrong.append("a robot has grown")

    def _tell(self, before: tuple[float, int, int], after: tuple[float, int, int], zombies: int) -> None:
        counts = [len(numbers) for numbers in self.lines.values()]
        print(f"{self.count} robots, {sum(counts)} lines, {min(counts)} to {max(counts)} minutes of the day each")
        kills = sum(self.kills.values())
        print(f"SIGKILL of robots: {kills}")
        again = ", ".join(f"{one:.2f} s" for one in self.adopted)
        print(f"platform started again after kill -9: {again}, the start of its process included")
        print(f"the list and 100 lines of each robot: median {statistics.median(self.lag):.2f} s")
        memory = statistics.median(self.last[robot][0] for robot in self.both)
        print(
            f"a robot: {memory:.1f} MiB, grown by {max(self.grown):.1f} at most; open files grown by {max(self.files)}"
        )
        words = [f"{one:g} -> {two:g}" for one, two in zip(before, after, strict=True)]
        print(f"the platform: MiB {words[0]}, open files {words[1]}, threads {words[2]}, zombies {zombies}")
        if zombies:
            self.wrong.append("the platform left zombies")
        for one in self.wrong:
            print("WRONG:", one)


def main() -> None:
    """Runs the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", type=int, default=20, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=600, help="how long a day takes (default %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(1 if Soak(Path(folder), args.robots, args.seconds).run() else 0)


if __name__ == "__main__":
    main()
