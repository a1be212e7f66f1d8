"""Platforms for tests: in a folder of the test's own, with a node that starts nothing, or served on the loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import FmzError, OperationFailed
from fmzthreads.platform.access import Actor
from fmzthreads.platform.nodes.node import Node, NodeFacts, ProcessLook, StartOrder
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.node_table import NodeRow
from fmzthreads.platform.store.robot_table import RobotExchange, RobotSettings
from fmzthreads.strategy.run.folder import RunFolder

__all__ = [
    "STRATEGY",
    "FakeNode",
    "eventually",
    "fake_platform",
    "owner_of",
    "real_platform",
    "robot_settings",
    "served",
]

STRATEGY = """\
def main():
    Log("began with", amount)
    LogProfit(1.5)
    LogStatus("alive")
    while True:
        command = GetCommand()
        if command == "fail":
            raise ValueError("as told")
        if command == "end":
            return
        if command:
            Log("command", command)
        Sleep(50)


def onexit():
    Log("onexit ran")
"""


class FakeNode:
    """A node that only notes what it is asked; tests say what its processes do."""

    def __init__(self) -> None:
        self.orders: list[StartOrder] = []
        self.looks: dict[str, ProcessLook] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.replies: dict[str, Any] = {"accepted": True, "stopping": True}
        self.ended: list[tuple[str, bool]] = []
        self.discarded: list[str] = []
        self.started_twice: list[int] = []
        self.refuse: FmzError | None = None
        self.silent = False
        self.online = True
        self.lock = threading.Lock()

    def start(self, order: StartOrder) -> str:
        if self.refuse is not None:
            raise self.refuse
        with self.lock:
            if any(
                self.looks[f"{100 + n} fake"].alive
                for n, one in enumerate(self.orders)
                if one.robot_id == order.robot_id
            ):
                self.started_twice.append(order.robot_id)
            handle = f"{100 + len(self.orders)} fake"
            self.orders.append(order)
            self.looks[handle] = ProcessLook(alive=True)
        return handle

    def look(self, handle: str, folder: RunFolder) -> ProcessLook:
        return self.looks.get(handle, ProcessLook(alive=False, reason="killed"))

    def ask(self, handle: str, folder: RunFolder, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((handle, request))
        if self.silent or not self.looks.get(handle, ProcessLook(alive=False)).alive:
            raise OperationFailed("the robot does not run")
        return self.replies

    def end(self, handle: str, folder: RunFolder, *, kill: bool) -> None:
        self.ended.append((handle, kill))

    def discard(self, handle: str) -> None:
        self.discarded.append(handle)

    def facts(self) -> NodeFacts:
        return NodeFacts(online=self.online, host="fake", reason="" if self.online else "unplugged")

    def close(self) -> None:
        pass


@contextmanager
def fake_platform(folder: Path) -> Iterator[tuple[Platform, FakeNode]]:
    """A platform whose node starts nothing, with a strategy and an exchange account; nobody watches its robots but the test."""
    _needs_extra()
    node = FakeNode()
    platform = Platform(folder, quick_passwords=True, make_node=lambda row: node)
    try:
        _furnished(platform)
        yield platform, node
    finally:
        platform.close()


@contextmanager
def real_platform(folder: Path, make_node: Callable[[NodeRow], Node] | None = None) -> Iterator[Platform]:
    """A platform that starts processes; they are killed at the end."""
    _needs_extra()
    platform = Platform(folder, quick_passwords=True, make_node=make_node)
    try:
        _furnished(platform)
        platform.start()
        yield platform
    finally:
        for robot in platform.lives.table.all():
            try:
                platform.lives.end(robot, kill=True)
            except FmzError:
                pass  # its node is gone
        platform.close()


def _needs_extra() -> None:
    for package in ("cryptography", "argon2", "starlette", "uvicorn"):
        pytest.importorskip(package)


def _furnished(platform: Platform) -> None:
    if platform.accounts.all():
        return
    platform.accounts.create("owner", "a password of tests")
    (platform.strategies.path / "waits.py").write_text(STRATEGY, "utf-8")
    platform.strategies.all()  # numbers it
    platform.exchanges.create("Binance", "first", {"AccessKey": "access-of-tests-1", "SecretKey": "secret-of-tests-1"})


def owner_of(platform: Platform) -> Actor:
    """The owner."""
    return platform.accounts.all()[0].actor()


def robot_settings(platform: Platform, **changes: Any) -> RobotSettings:
    """The settings of a robot that runs the strategy."""
    usual: dict[str, Any] = {
        "name": "tester", "strategy_id": platform.strategies.find("waits.py").id, "args": (("amount", 3),),
        "exchanges": (RobotExchange(pair="BTC_USDT", pid=1),),
    }  # fmt: skip
    return RobotSettings(**{**usual, **changes})


def eventually(condition: Callable[[], Any], timeout_s: float = 100.0) -> Any:
    """What the condition gives once it is true; for what other processes do.

    Raises:
        AssertionError: It did not become true.
    """
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s")


@contextmanager
def served(platform: Platform) -> Iterator[str]:
    """Serves a platform's application in a thread; yields its URL."""
    import uvicorn

    from fmzthreads.platform.app import make_app
    from fmzthreads.platform.serving import listening

    socket = listening("127.0.0.1", 0)
    config = uvicorn.Config(
        make_app(platform), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        socket.close()
