"""Robots in real containers. Skipped where no Docker daemon answers, or where it does not have the image that the project's Dockerfile builds."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.platform.nodes.docker import IMAGE, DockerNode
from fmzthreads.platform.nodes.node import ProcessLook, StartOrder
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.robot_table import RobotLimits, RobotSettings
from fmzthreads.strategy.run.folder import RunFolder
from tests.helpers.platforms import eventually, owner_of, real_platform, robot_settings

docker: Any = pytest.importorskip("docker")
# The package leaves sockets to the garbage collector: that of a connection that failed, and that of a process that was attached to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def daemon() -> Iterator[Any]:
    """A client of the daemon, which has the image."""
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        pytest.skip("no Docker daemon: neither DOCKER_HOST nor /var/run/docker.sock")
    try:
        client = docker.APIClient(base_url=os.environ.get("DOCKER_HOST"), version="auto", timeout=60)
    except docker.errors.DockerException as error:
        gc.collect()
        pytest.skip(f"no Docker daemon: {error}")
    try:
        if not client.images(IMAGE):
            pytest.skip(f"the Docker daemon has no image {IMAGE!r}: docker build -t {IMAGE} .")
        yield client
    finally:
        client.close()


@pytest.fixture
def platform(daemon: Any, tmp_path: Path) -> Iterator[Platform]:
    """A platform with a container node; its containers are removed at the end."""
    with real_platform(tmp_path / "platform") as made:
        row = made.node_table.create("containers", "docker", {"memory_mb": "200"})
        yield made
        for robot in made.lives.table.all():
            try:
                daemon.remove_container(robot.handle, force=True)
            except docker.errors.NotFound:
                pass
        assert row.id > 0


def in_a_container(platform: Platform, text: str = "", **changes: Any) -> RobotSettings:
    """Settings of a robot on the container node, with a strategy of this text."""
    node = next(row.id for row in platform.node_table.all() if row.kind == "docker")
    if text:
        number = platform.strategies.write(owner_of(platform), "own.py", text).id
        changes = {"strategy_id": number, "args": (), **changes}
    return robot_settings(platform, node_id=node, **changes)


def lines(platform: Platform, robot: int) -> list[str]:
    return [row.text for row in platform.reader.log(owner_of(platform), robot, limit=-1).rows][::-1]


def phase(platform: Platform, robot: int) -> str:
    return platform.lives.table.get(robot).phase


def test_a_life_in_a_container(platform: Platform, daemon: Any) -> None:
    """Slow because of a container."""
    owner = owner_of(platform)
    robot = platform.lives.create(owner, in_a_container(platform))
    handle = platform.lives.table.get(robot).handle
    eventually(lambda: "began with 3" in lines(platform, robot))
    inside = daemon.inspect_container(handle)
    assert inside["HostConfig"]["ReadonlyRootfs"]
    assert "Health" not in inside["State"]
    assert [mount for mount in inside["Mounts"] if mount["Type"] == "volume"] == []
    assert "secret-of-tests-1" not in str(inside)
    eventually(lambda: phase(platform, robot) == "running")
    assert platform.reader.status_text(owner, robot).endswith("alive")
    assert platform.lives.command(owner, robot, "hello")
    eventually(lambda: "command hello" in lines(platform, robot))
    platform.lives.stop(owner, robot, cancel=True)
    eventually(lambda: phase(platform, robot) == "stopped")
    assert lines(platform, robot)[-1] == "onexit ran"
    assert platform.lives.table.get(robot).alarm == ""
    assert platform.lives.delete(owner, robot)
    with pytest.raises(docker.errors.NotFound):
        daemon.inspect_container(handle)


def test_a_later_platform_finds_the_container(platform: Platform, tmp_path: Path) -> None:
    """Slow because of a container."""
    owner = owner_of(platform)
    robot = platform.lives.create(owner, in_a_container(platform))
    eventually(lambda: phase(platform, robot) == "running")
    platform.close()
    with Platform(tmp_path / "platform", quick_passwords=True) as later:
        assert later.reader.state(owner, robot).phase == "running"
        eventually(lambda: later.lives.command(owner, robot, "end"))
        eventually(lambda: phase(later, robot) == "exited")
        assert lines(later, robot)[-1] == "onexit ran"


def test_a_container_that_somebody_removes(platform: Platform, daemon: Any) -> None:
    """Slow because of two containers."""
    owner = owner_of(platform)
    robot = platform.lives.create(owner, in_a_container(platform))
    eventually(lambda: "began with 3" in lines(platform, robot))
    platform.lives.stop(owner, robot)
    eventually(lambda: phase(platform, robot) == "stopped")
    platform.lives.start(owner, robot)
    eventually(lambda: lines(platform, robot).count("began with 3") == 2)
    daemon.remove_container(platform.lives.table.get(robot).handle, force=True)
    eventually(lambda: phase(platform, robot) == "failed")
    found = platform.lives.table.get(robot)
    assert found.reason in {
        "the container is gone",
        "killed by SIGKILL",
    }  # the latter if it was looked at on its way out
    assert "ended abnormally" in found.alarm


def test_a_killed_robot(platform: Platform) -> None:
    """Slow because of a container."""
    owner = owner_of(platform)
    robot = platform.lives.create(owner, in_a_container(platform))
    eventually(lambda: phase(platform, robot) == "running")
    platform.lives.kill(owner, robot)
    eventually(lambda: phase(platform, robot) == "stopped")
    assert platform.lives.table.get(robot).reason == "killed by SIGKILL"


def test_the_robots_own_limit_of_memory_holds(platform: Platform) -> None:
    """Slow because of two containers."""
    takes = "def main():\n    kept = []\n    Log('begins')\n    while True:\n        kept.append(bytearray(1 << 20))\n"
    owner = owner_of(platform)
    robot = platform.lives.create(owner, in_a_container(platform, takes, limits=RobotLimits(memory_mb=150)))
    eventually(lambda: phase(platform, robot) == "failed")
    assert "MemoryError" in platform.lives.table.get(robot).reason
    robot = platform.lives.create(owner, in_a_container(platform, takes, limits=RobotLimits(memory_mb=0)))
    eventually(lambda: phase(platform, robot) == "failed")
    assert platform.lives.table.get(robot).reason == "killed: out of the container's memory"


def test_a_run_that_is_refused_says_why_also_after_one_that_went_well(daemon: Any, tmp_path: Path) -> None:
    """Slow because of two containers."""
    (tmp_path / "own.py").write_text("print('ran')\n", "utf-8")
    folder = RunFolder(tmp_path / "7")
    order = StartOrder(
        robot_id=7, name="seven", folder=folder.path, file=tmp_path / "own.py", config={"name": "robot-7"}
    )
    node = DockerNode({})

    def ended(handle: str) -> ProcessLook | None:
        look = node.look(handle, folder)
        return None if look.alive else look

    handle = ""
    try:
        handle = node.start(order)
        first: ProcessLook = eventually(lambda: ended(handle))
        assert first.code == 0
        wrong = StartOrder(
            robot_id=7, name="seven", folder=folder.path, file=tmp_path / "own.py", config={"nonsense": 1}
        )
        handle = node.start(wrong)
        second: ProcessLook = eventually(lambda: ended(handle))
        assert second.code not in {0, None}
        assert "nonsense" in second.reason
    finally:
        if handle:
            daemon.remove_container(handle, force=True)
        node.close()


def test_a_folder_with_a_long_path(daemon: Any, tmp_path: Path) -> None:
    """A Unix socket's path has 108 bytes; the robot's is short in its container, and long here. Slow because of a container."""
    (tmp_path / "own.py").write_text("def main():\n    while True:\n        Sleep(50)\n", "utf-8")
    folder = RunFolder(tmp_path / ("long" * 30) / "7")
    order = StartOrder(robot_id=7, name="seven", folder=folder.path, file=tmp_path / "own.py",
                       config={"name": "robot-7", "exchanges": [{"name": "Binance", "currency": "BTC_USDT"}], "simulated": True})  # fmt: skip
    node = DockerNode({})
    handle = node.start(order)
    try:
        eventually(lambda: (folder.path / "control.sock").exists())

        def asked() -> bool:
            record = folder.record()
            return record is not None and bool(record.control) and "status" in node.ask(handle, folder, {"state": True})

        eventually(asked)
    finally:
        daemon.remove_container(handle, force=True)
        node.close()
