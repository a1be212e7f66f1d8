"""Robots as processes of this machine: started, adopted by a later platform, stopped, killed, limited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmzthreads.platform.nodes.local import LocalNode, own_environment
from fmzthreads.platform.robots.tables import LogFilter
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.robot_table import RobotLimits
from fmzthreads.process_start import start_of
from fmzthreads.strategy.run.folder import RunFolder
from tests.helpers.platforms import eventually, owner_of, real_platform, robot_settings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="robots are ended by POSIX signals")


def texts(platform: Platform, robot_id: int) -> list[str]:
    return [row.text for row in platform.reader.log(owner_of(platform), robot_id, limit=-1).rows][::-1]


def has_line(platform: Platform, robot_id: int, text: str) -> None:
    eventually(lambda: text in texts(platform, robot_id))


def has_phase(platform: Platform, robot_id: int, phase: str) -> None:
    eventually(lambda: platform.lives.table.get(robot_id).phase == phase)


def test_the_life_of_a_real_robot(tmp_path: Path) -> None:
    """Slow because of two starts of an interpreter."""
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        robot_id = platform.lives.create(owner, robot_settings(platform))
        has_line(platform, robot_id, "began with 3")
        state = eventually(lambda: (found := platform.reader.state(owner, robot_id)).phase == "running" and found)
        assert state.pid > 0
        process = f"/proc/{state.pid}"
        if Path(process).exists():
            shown = Path(process, "cmdline").read_bytes() + Path(process, "environ").read_bytes()
            assert b"secret-of-tests-1" not in shown, "keys stand neither in the arguments nor in the environment"
            assert os.getsid(state.pid) == state.pid
        for path in (tmp_path / "logs").rglob("*"):
            if path.is_file():
                assert b"secret-of-tests-1" not in path.read_bytes(), path
        assert platform.reader.status_text(owner, robot_id) == "alive"
        assert platform.lives.command(owner, robot_id, "go:1")
        has_line(platform, robot_id, "command go:1")
        platform.lives.stop(owner, robot_id)
        has_phase(platform, robot_id, "stopped")
        assert texts(platform, robot_id)[-1] == "onexit ran"
        assert platform.reader.status_text(owner, robot_id) == "alive", "the last status bar is kept"
        assert platform.lives.table.get(robot_id).code == 0
        platform.lives.start(owner, robot_id)
        eventually(lambda: texts(platform, robot_id).count("began with 3") == 2)
        platform.lives.command(owner, robot_id, "fail")
        has_phase(platform, robot_id, "failed")
        assert "ValueError: as told" in platform.lives.table.get(robot_id).reason
        errors = platform.reader.log(owner, robot_id, wanted=LogFilter(kinds=(3,))).rows
        assert "as told" in errors[0].text


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_one_that_ends_during_the_look_at_it_is_no_zombie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = LocalNode()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    handle = f"{process.pid} {start_of(process.pid)}"
    node._children[handle] = process

    def ending(pid: int) -> str:
        process.kill()
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still a zombie
        return start_of(pid)

    monkeypatch.setattr("fmzthreads.platform.nodes.local.start_of", ending)
    look = node.look(handle, RunFolder(tmp_path))
    assert (look.alive, look.reason) == (False, "killed by SIGKILL")
    assert process.returncode == -signal.SIGKILL
    assert process.stdin is not None
    process.stdin.close()


def test_robots_go_on_when_the_platform_is_killed_and_are_adopted(tmp_path: Path) -> None:
    """Slow because of a platform and a robot that are processes of their own."""
    with real_platform(tmp_path) as platform:  # makes the account, the strategy and the exchange
        settings = robot_settings(platform)
    code = (
        "import sys, json, time\n"
        "from fmzthreads.platform.service import Platform\n"
        "from fmzthreads.platform.store.robot_table import RobotSettings, RobotExchange\n"
        f"platform = Platform({str(tmp_path)!r}, quick_passwords=True)\n"
        "platform.start()\n"
        "owner = platform.accounts.all()[0].actor()\n"
        f"settings = RobotSettings(name='tester', strategy_id={settings.strategy_id}, args=(('amount', 3),), "
        "exchanges=(RobotExchange(pair='BTC_USDT', pid=1),))\n"
        "print(json.dumps([platform.lives.create(owner, settings) for _ in range(2)]), flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        robots = json.loads(process.stdout.readline())
        folders = [tmp_path / "logs" / "storage" / str(robot) / "process.json" for robot in robots]
        eventually(lambda: all(path.exists() for path in folders))
        process.send_signal(signal.SIGKILL)
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        rows = platform.reader.all(owner)
        assert [row.state.phase in {"starting", "running"} for row in rows] == [True, True]
        for robot in robots:
            has_line(platform, robot, "began with 3")
            assert platform.lives.command(owner, robot, "end")
            has_phase(platform, robot, "exited")
            assert texts(platform, robot)[-1] == "onexit ran"


def test_a_stop_counts_though_the_platform_ends_before_the_robot_listens(tmp_path: Path) -> None:
    with real_platform(tmp_path) as platform:  # makes the account, the strategy and the exchange
        settings = robot_settings(platform)
    platform = Platform(tmp_path, quick_passwords=True)
    try:
        robot_id = platform.lives.create(owner_of(platform), settings)
        platform.lives.stop(owner_of(platform), robot_id)
        folder, handle = platform.lives.run_folder(robot_id), platform.lives.table.get(robot_id).handle
        node = platform.node(-1)[1]  # kept: it holds the child process
    finally:
        platform.close()
    eventually(lambda: not node.look(handle, folder).alive)
    node.look(handle, folder)  # it may have ended within the look, after the exit code was asked for
    record = eventually(lambda: (found := folder.record()) and found.code is not None and found)
    assert (record.code, record.reason) == (0, "stopped by owner")
    assert not folder.path.joinpath("stop.json").exists()
    with real_platform(tmp_path) as platform:
        has_phase(platform, robot_id, "stopped")


def test_a_robot_whose_settings_never_came_does_not_run(tmp_path: Path) -> None:
    """The platform was killed between the start and the hand-over: a plain script would run with no settings and in another folder."""
    script = tmp_path / "script.py"
    script.write_text("print('ran')\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "fmzthreads", "run", str(script), "--config", "-"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=own_environment({**os.environ, "FMZTHREADS_HOME": str(tmp_path / "home")}),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "no settings came on standard input" in done.stderr
    assert not (tmp_path / "home").exists()


def test_robots_have_two_heaps_unless_the_platform_was_given_another_number() -> None:
    assert own_environment({})["MALLOC_ARENA_MAX"] == "2"
    assert own_environment({"MALLOC_ARENA_MAX": "4"})["MALLOC_ARENA_MAX"] == "4"


def test_a_robot_that_is_killed_keeps_the_reason(tmp_path: Path) -> None:
    with real_platform(tmp_path) as platform:
        robot_id = platform.lives.create(owner_of(platform), robot_settings(platform))
        has_line(platform, robot_id, "began with 3")
        os.kill(platform.reader.state(owner_of(platform), robot_id).pid, signal.SIGKILL)
        has_phase(platform, robot_id, "failed")
        robot = platform.lives.table.get(robot_id)
        assert robot.reason == "killed by SIGKILL"
        assert robot.alarm == "ended abnormally: killed by SIGKILL"


def test_limits_and_a_strategy_that_does_not_stop(tmp_path: Path) -> None:
    """Slow because of two starts of an interpreter."""
    greedy = 'def main():\n    Log("files", __import__("resource").getrlimit(7))\n    x = bytearray(600 * 2**20)\n    Log("had it")\n'
    deaf = "import signal, time\ndef main():\n    Log('deaf')\n    while True:\n        try:\n            time.sleep(1000)\n        except BaseException:\n            pass\n"
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        first = platform.strategies.write(owner, "greedy.py", greedy).id
        second = platform.strategies.write(owner, "deaf.py", deaf).id
        limits = RobotLimits(memory_mb=500, open_files=333, stop_s=0.1, kill_s=0.1)
        hungry = platform.lives.create(owner, robot_settings(platform, strategy_id=first, args=(), limits=limits))
        stubborn = platform.lives.create(owner, robot_settings(platform, strategy_id=second, args=(), limits=limits))
        has_phase(platform, hungry, "failed")
        assert "MemoryError" in platform.lives.table.get(hungry).reason
        assert "files (333, 333)" in texts(platform, hungry)
        has_line(platform, stubborn, "deaf")
        platform.lives.stop(owner, stubborn)
        has_phase(platform, stubborn, "stopped")
        assert platform.lives.table.get(stubborn).alarm.startswith("ended by force at its stop")


def test_a_robot_that_is_refused_says_why(tmp_path: Path) -> None:
    """What only the robot's own process finds: here a file of keys that is not there."""
    with real_platform(tmp_path) as platform:
        owner = owner_of(platform)
        platform.exchanges.change(1, fields={"AccessKey": "access-of-tests-1", "SecretKey": "file:///none.txt"})
        robot_id = platform.lives.create(owner, robot_settings(platform))
        has_phase(platform, robot_id, "failed")
        robot = platform.lives.table.get(robot_id)
        assert robot.code == 2
        assert "none.txt" in robot.reason


def test_one_platform_a_folder(tmp_path: Path) -> None:
    from fmzthreads.errors import InputError

    with real_platform(tmp_path), pytest.raises(InputError, match="another platform runs"):
        Platform(tmp_path)
    Platform(tmp_path, quick_passwords=True).close()
