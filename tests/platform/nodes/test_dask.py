"""Robots on a real Dask cluster: a scheduler and two worker processes on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import InputError, OperationFailed
from fmzthreads.platform.nodes.dask import DaskNode
from fmzthreads.platform.nodes.dask_worker import RobotParcel, robot_news, run_robot
from fmzthreads.platform.service import Platform
from tests.helpers.platforms import eventually, owner_of, real_platform, robot_settings

distributed: Any = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="robots are ended by POSIX signals")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = str(tmp_path_factory.mktemp("workers"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as found:
        # Workers inherit the environment of the test that made them; this one is theirs alone.
        with distributed.Client(found, set_as_default=False) as client:
            client.run(_set_home, home)
        yield found


def _set_home(home: str) -> None:
    os.environ["FMZTHREADS_HOME"] = home


def texts(platform: Platform, robot_id: int) -> list[str]:
    return [row.text for row in platform.reader.log(owner_of(platform), robot_id, limit=-1).rows][::-1]


def test_robots_run_on_the_workers_and_their_logs_come_home(cluster: Any, tmp_path: Path) -> None:
    """Slow because of two platforms, and robots that are processes."""
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        row = platform.node_table.create("cluster", "dask", {"scheduler": cluster.scheduler_address})
        assert b"tcp://127" not in (tmp_path / "platform.sqlite3").read_bytes()
        many = (
            "def main():\n    for n in range(5000):\n        Log('line', n)\n    LogProfit(2)\n    LogStatus('over')\n"
        )
        number = platform.strategies.write(owner, "many.py", many).id
        first = platform.lives.create(owner, robot_settings(platform, node_id=row.id))
        second = platform.lives.create(owner, robot_settings(platform, node_id=row.id, strategy_id=number, args=()))
        handles = [platform.lives.table.get(robot).handle for robot in (first, second)]
        assert len({handle.split(" ")[1] for handle in handles}) == 2, "one on each worker"
        eventually(lambda: platform.lives.table.get(second).phase == "exited")
        lines = texts(platform, second)
        assert [line for line in lines if line.startswith("line")] == [f"line {n}" for n in range(5000)], (
            "no line is lost, none comes twice"
        )
        assert platform.reader.status_text(owner, second) == "over"
        eventually(lambda: "began with 3" in texts(platform, first))
        assert platform.lives.command(owner, first, "go")
        eventually(lambda: "command go" in texts(platform, first))
        assert platform.reader.status_text(owner, first) == "alive"
        facts = next(one for one in platform.nodes() if one.row.id == row.id)
        assert (facts.facts.online, facts.robots) == (True, 1)
        platform.lives.table.update(first, phase="running")  # left running, for the next platform
        platform.watcher.close()
        platform.node(row.id)[1].close()
        kept = platform.lives.table.get(first)
        _forget_all_but_the_row(platform)
    with real_platform(tmp_path) as later:
        owner = owner_of(later)
        assert later.lives.table.get(first).handle == kept.handle
        eventually(lambda: later.node(row.id)[1].facts().online)  # a connection takes its time on a busy machine
        assert later.lives.command(owner, first, "later")
        eventually(lambda: "command later" in texts(later, first))
        later.lives.stop(owner, first)
        eventually(lambda: later.lives.table.get(first).phase == "stopped")
        lines = texts(later, first)
        assert [lines.count(text) for text in ("began with 3", "command go", "command later", "onexit ran")] == [
            1,
            1,
            1,
            1,
        ]
        later.lives.start(owner, first)
        eventually(lambda: texts(later, first).count("began with 3") == 2)
        assert texts(later, first)[: len(lines)] == lines, "the log of the first run stays"
        later.lives.stop(owner, first)
        eventually(lambda: later.lives.table.get(first).phase == "stopped")
        assert later.lives.delete(owner, first)


def _forget_all_but_the_row(platform: Platform) -> None:
    """Keeps ``real_platform`` from killing what the next platform is to find."""
    platform.lives.table.all = list  # type: ignore[method-assign]


def test_a_task_that_is_run_again_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    parcel = RobotParcel(
        key="one", file="a.py", files={"a.py": "print('ran')\n"}, templates=(), config={"name": "one", "quiet": True}
    )
    assert robot_news("one", {})["alive"] is None
    assert run_robot(parcel) == 0
    with pytest.raises(OperationFailed, match="started before"):
        run_robot(parcel)
    news = robot_news("one", {})
    assert (news["alive"], news["code"], news["reason"]) == (False, 0, "ended")
    with pytest.raises(InputError, match="not a robot's key"):
        robot_news("../etc", {})
    assert "print" not in repr(parcel)


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    node = DaskNode({"scheduler": "tcp://127.0.0.1:9"})
    node_facts = None
    try:
        from fmzthreads.platform.nodes import dask as module

        module_timeout, module._TIMEOUT_S = module._TIMEOUT_S, 1.0
        try:
            node_facts = node.facts()
        finally:
            module._TIMEOUT_S = module_timeout
    finally:
        node.close()
    assert not node_facts.online
    assert "does not answer" in node_facts.reason
    for settings in ({}, {"scheduler": "x", "other": 1}):
        with pytest.raises(InputError):
            DaskNode(settings)
