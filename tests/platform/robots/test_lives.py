"""The life of robots on a node that starts nothing: starts, stops, restarts by policy, alarms."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from fmzthreads.errors import InputError, OperationFailed, OutcomeUnknown, UnknownName
from fmzthreads.platform.access import Actor, NotPermitted
from fmzthreads.platform.nodes.node import ProcessLook
from fmzthreads.platform.robots.lives import AlreadyRuns
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.robot_table import RestartPolicy, Robot, RobotExchange, RobotLimits
from fmzthreads.strategy.log.lines import Line
from fmzthreads.strategy.log.spill import Spill
from fmzthreads.strategy.run.folder import RunFolder
from tests.helpers.platforms import FakeNode, fake_platform, owner_of, robot_settings


class World:
    """A platform with a clock that is turned by hand."""

    def __init__(self, platform: Platform, node: FakeNode) -> None:
        self.platform, self.node = platform, node
        self.lives = platform.lives
        self.owner = owner_of(platform)
        self.now_ms = 1_000_000_000
        self.lives.now_ms = lambda: self.now_ms

    def create(self, **changes: object) -> int:
        return self.lives.create(self.owner, robot_settings(self.platform, **changes))

    def robot(self, robot_id: int) -> Robot:
        return self.lives.table.get(robot_id)

    def ends(self, code: int | None, reason: str = "") -> None:
        """Has the newest process end."""
        self.node.looks[list(self.node.looks)[-1]] = ProcessLook(alive=False, code=code, reason=reason)

    def round(self, seconds: float = 0.0) -> None:
        self.now_ms += int(seconds * 1000)
        self.platform.watcher.look_round()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with fake_platform(tmp_path) as (platform, node):
        yield World(platform, node)


@pytest.mark.parametrize(
    ("code", "reason", "phase", "alarm"),
    [
        (0, "ended", "exited", ""),
        (1, "ValueError: no", "failed", "ended abnormally: ValueError: no"),
        (None, "killed by SIGKILL", "failed", "ended abnormally: killed by SIGKILL"),
        (None, "", "failed", "ended abnormally: killed"),
        (130, "interrupted", "stopped", "stopped by a signal that the platform did not send: interrupted"),
    ],
)
def test_the_end_of_a_process_is_kept(world: World, code: int | None, reason: str, phase: str, alarm: str) -> None:
    robot_id = world.create()
    world.ends(code, reason)
    world.round()
    robot = world.robot(robot_id)
    assert (robot.phase, robot.code, robot.reason, robot.alarm) == (phase, code, reason, alarm)
    state = world.platform.reader.state(world.owner, robot_id)
    assert (state.phase, state.reason, state.alarm) == (phase, reason, alarm)


def test_a_stop_goes_through_its_stages_to_the_deadlines(world: World) -> None:
    robot_id = world.create(limits=RobotLimits(stop_s=30, kill_s=5))
    world.lives.stop(world.owner, robot_id, cancel=True)
    handle = world.robot(robot_id).handle
    assert world.node.asked == [(handle, {"stop": True, "cancel": True, "by": "owner"})]
    for reply, stage in (
        ({"stopping": False, "stage": "running"}, "asked"),
        ({"stopping": True, "stage": "running"}, "asked"),
        ({"stopping": True, "stage": "cancelling", "orders": 5, "cancelled": 2}, "cancelling"),
        ({"stopping": True, "stage": "onexit"}, "onexit"),
    ):
        world.node.replies = reply
        state = world.platform.reader.state(world.owner, robot_id)
        assert (state.phase, state.stage) == ("stopping", stage)
        assert (state.orders, state.cancelled) == (reply.get("orders", 0), reply.get("cancelled", 0))
    world.round(29)
    assert world.node.ended == []
    world.round(1)
    assert world.node.ended == [(handle, False)]
    world.round(4)
    assert world.node.ended == [(handle, False)], "SIGTERM is sent once: a second one would end onexit"
    world.round(1)
    assert world.node.ended == [(handle, False), (handle, True)]
    world.ends(None, "killed by SIGKILL")
    world.round()
    robot = world.robot(robot_id)
    assert (robot.phase, robot.alarm) == ("stopped", "ended by force at its stop: killed by SIGKILL")


def test_a_second_stop_neither_takes_back_nor_postpones_the_first(world: World) -> None:
    robot_id = world.create(limits=RobotLimits(stop_s=30, kill_s=5))
    world.lives.stop(world.owner, robot_id, cancel=True)
    world.round(20)
    world.lives.stop(attrs.evolve(world.owner, name="ann"), robot_id)
    assert world.node.asked[-1][1] == {"stop": True, "cancel": True, "by": "owner"}
    world.round(10)
    assert world.node.ended == [(world.robot(robot_id).handle, False)]


def test_a_stop_that_is_not_heard_is_asked_again(world: World) -> None:
    robot_id = world.create()
    world.node.silent = True
    world.lives.stop(world.owner, robot_id)
    asked = len(world.node.asked)
    world.node.silent = False
    world.round()
    assert world.node.asked[asked:] == [(world.robot(robot_id).handle, {"stop": True, "cancel": False, "by": "owner"})]


def test_a_stop_goes_on_after_the_platform_was_killed(tmp_path: Path) -> None:
    with fake_platform(tmp_path) as (platform, node):
        robot_id = platform.lives.create(owner_of(platform), robot_settings(platform))
        node.silent = True
        platform.lives.stop(owner_of(platform), robot_id, cancel=True)
        handle = platform.lives.table.get(robot_id).handle
    with fake_platform(tmp_path) as (later, node):
        node.looks[handle] = ProcessLook(alive=True)
        later.watcher.look_round()
        assert node.asked == [(handle, {"stop": True, "cancel": True, "by": "the platform"})]
        assert later.reader.state(owner_of(later), robot_id).phase == "stopping"


def test_a_robot_is_never_started_twice(world: World) -> None:
    robot_id = world.create()
    world.ends(0)
    world.round()
    errors: list[BaseException] = []
    go = threading.Barrier(8)

    def start() -> None:
        go.wait(60)
        try:
            world.lives.start(world.owner, robot_id)
        except AlreadyRuns as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(world.node.orders) == 2
    assert len(errors) == 7


def test_what_cannot_be_started_is_not_made(world: World) -> None:
    world.node.refuse = OperationFailed("no room")
    with pytest.raises(OperationFailed, match="no room"):
        world.create()
    assert world.lives.table.all() == []
    world.node.refuse = OutcomeUnknown("no answer")
    robot_id = world.create()
    world.node.refuse = None
    world.round(1)
    assert world.robot(robot_id).phase == "starting", "it may be there, and is not started again"
    with pytest.raises(AlreadyRuns):
        world.lives.start(world.owner, robot_id)


def test_a_start_between_two_platforms_is_waited_for(world: World) -> None:
    """A platform that was killed after the start and before it noted the process: the process claims its folder a little later."""
    robot_id = world.create()
    world.lives.table.update(robot_id, handle="", phase="starting")
    world.round(59)
    assert world.robot(robot_id).phase == "starting"
    world.round(2)
    assert world.robot(robot_id).phase == "failed"


@pytest.mark.parametrize(("asked", "phase"), [(False, "running"), (True, "stopping")])
def test_one_that_claims_its_folder_after_it_was_given_up_is_taken_back(world: World, asked: bool, phase: str) -> None:
    world.now_ms = time.time_ns() // 1_000_000
    robot_id = world.create(restart=RestartPolicy(mode="failed", pause_s=3600))
    world.lives.table.update(robot_id, handle="", phase="starting")
    if asked:
        world.lives.stop(world.owner, robot_id)
    world.round(61)
    assert world.robot(robot_id).phase == ("stopped" if asked else "failed")
    folder = world.lives.run_folder(robot_id)
    folder.claim("earlier", "x.py")
    earlier = folder.record()
    assert earlier is not None
    folder.update(since_ms=world.robot(robot_id).started_ms - 1)  # of a run before the start
    world.round(1)
    assert world.robot(robot_id).phase == ("stopped" if asked else "failed")
    folder.update(since_ms=earlier.since_ms)
    world.node.looks[f"{earlier.pid} {earlier.started}"] = ProcessLook(alive=True)
    with pytest.raises(AlreadyRuns):
        world.lives.delete(world.owner, robot_id)
    assert world.robot(robot_id).phase == phase
    world.round(1)
    robot = world.robot(robot_id)
    assert (robot.phase, robot.handle, robot.restart_ms) == (phase, f"{earlier.pid} {earlier.started}", 0)
    assert "found robot" in {row.what for row in world.platform.audit.all()}
    folder.release(0, "ended")


def test_the_watcher_finds_such_a_process_by_itself(world: World) -> None:
    world.now_ms = time.time_ns() // 1_000_000
    robot_id = world.create()
    world.lives.table.update(robot_id, handle="", phase="failed")
    folder = world.lives.run_folder(robot_id)
    record = folder.claim("late", "x.py")
    world.node.looks[f"{record.pid} {record.started}"] = ProcessLook(alive=True)
    world.round(1)
    assert world.robot(robot_id).phase == "running"
    folder.release(0, "ended")


def test_a_node_that_does_not_answer_does_not_hold_up_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.create()
    asked, answer = threading.Event(), threading.Event()

    def hanging(handle: str, folder: RunFolder) -> ProcessLook:
        asked.set()
        assert answer.wait(60)
        return ProcessLook(alive=True)

    monkeypatch.setattr(world.node, "look", hanging)
    world.platform.start()
    try:
        assert asked.wait(60), "it is adopted all the same"
    finally:
        answer.set()


def test_the_last_lines_of_a_robot_that_was_killed_are_stored_and_pushed(world: World) -> None:
    robot_id = world.create()
    database = world.lives.run_folder(robot_id).database
    pushed: list[str] = []
    world.platform.watcher._push = lambda robot, rows: pushed.extend(row.text for row in rows)
    spill = Spill(database)
    spill.put(1, Line(number=1, time_ms=5, kind="log", text="the last words", push=True))
    spill.close(0)
    world.ends(None, "killed by SIGKILL")
    world.round()
    assert [row.text for row in world.platform.reader.log(world.owner, robot_id).rows] == ["the last words"]
    assert pushed == ["the last words"]


def test_a_process_that_is_not_known_yet_is_stopped_after_a_kill(world: World) -> None:
    """A platform that was killed after the start left a process that the kill does not reach; it is stopped when it has claimed its folder."""
    robot_id = world.create()
    world.lives.table.update(robot_id, handle="", phase="starting")
    world.lives.kill(world.owner, robot_id)
    world.round(1)
    assert world.robot(robot_id).phase == "stopping"
    world.node.looks[""] = ProcessLook(alive=True)
    world.node.asked.clear()
    world.round(1)
    assert world.node.asked == [("", {"stop": True, "cancel": False, "by": "owner"})]


def test_a_row_that_cannot_be_written_does_not_hide_a_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    table = world.lives.table
    real = table.update

    def full(robot_id: int, **changes: object) -> None:
        if changes.get("handle"):
            raise OperationFailed("the disk is full")
        real(robot_id, **changes)

    monkeypatch.setattr(table, "update", full)
    robot_id = world.create()
    assert len(world.node.orders) == 1
    query = f"SELECT handle FROM robots WHERE id = {robot_id}"
    assert world.platform.database.execute(query) == [("",)]
    assert world.robot(robot_id).handle == "100 fake", "known all the same"
    monkeypatch.setattr(table, "update", real)
    world.round()
    assert world.platform.database.execute(query) == [("100 fake",)]


@pytest.fixture
def full_disk(world: World) -> Iterator[None]:
    """Nothing can be written to the platform's own file."""
    world.create(limits=RobotLimits(stop_s=30, kill_s=5))
    world.round()
    world.platform.database.execute("PRAGMA query_only = 1")
    with pytest.raises(OperationFailed):
        world.lives.table.update(1, reason="x")
    yield
    world.platform.database.execute("PRAGMA query_only = 0")


@pytest.mark.usefixtures("full_disk")
def test_a_robot_is_stopped_and_killed_on_a_full_disk(world: World) -> None:
    world.lives.stop(world.owner, 1, cancel=True)
    assert world.node.asked[-1][1] == {"stop": True, "cancel": True, "by": "owner"}
    assert world.platform.reader.state(world.owner, 1).phase == "stopping"
    world.round(10)
    assert world.node.asked[-1][1]["cancel"], "asked again in the same way"
    world.round(20)
    assert world.node.ended == [("100 fake", False)]
    world.round(5)
    assert world.node.ended == [("100 fake", False), ("100 fake", True)]
    world.lives.kill(world.owner, 1)
    assert world.node.ended[-1] == ("100 fake", True)
    world.ends(0, "stopped by owner")
    world.round()
    assert world.platform.reader.state(world.owner, 1).phase == "stopped"
    world.platform.database.execute("PRAGMA query_only = 0")
    world.round()
    row = world.platform.database.execute("SELECT phase, cancel, reason, asked_ms > 0 FROM robots")[0]
    assert row == ("stopped", 1, "stopped by owner", 1)
    with pytest.raises(InputError, match="does not run"):
        world.lives.stop(world.owner, 1)


def test_what_was_written_later_counts_more_than_what_was_kept(world: World) -> None:
    robot_id, table = world.create(), world.lives.table
    world.platform.database.execute("PRAGMA query_only = 1")
    table.keep(robot_id, phase="stopping", cancel=True)
    world.platform.database.execute("PRAGMA query_only = 0")
    assert [table.get(robot_id).phase, table.all()[0].phase] == ["stopping"] * 2
    table.update(robot_id, phase="stopped")
    assert (table.get(robot_id).phase, table.get(robot_id).cancel) == ("stopped", True)
    table.keep(robot_id)
    assert world.platform.database.execute("SELECT phase, cancel FROM robots") == [("stopped", 1)]


def test_a_full_audit_trail_does_not_hide_what_was_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OperationFailed("the disk is full")

    monkeypatch.setattr(world.platform.audit, "add", full)
    assert world.create() == 1
    world.lives.stop(world.owner, 1)
    assert world.robot(1).phase == "stopping"


def test_restarts_by_policy_back_off_and_end(world: World) -> None:
    robot_id = world.create(restart=RestartPolicy(mode="failed", most=3, pause_s=10, longest_pause_s=25))
    for number, pause_s in enumerate((10, 20, 25), 1):
        world.ends(1, "no")
        world.round()
        assert world.robot(robot_id).restart_ms == world.now_ms + pause_s * 1000
        world.round(pause_s - 1)
        assert len(world.node.orders) == number
        world.round(1)
        assert len(world.node.orders) == number + 1
        assert world.robot(robot_id).restarts == number
    world.ends(1, "no")
    world.round()
    assert world.robot(robot_id).restart_ms == 0
    world.round(1000)
    assert len(world.node.orders) == 4
    world.lives.start(world.owner, robot_id)
    assert world.robot(robot_id).restarts == 0, "a start by a person begins a new row"


def test_a_robot_keeps_its_strategy(world: World) -> None:
    robot_id = world.create()
    world.ends(0)
    world.round()
    other = world.platform.strategies.write(world.owner, "other.py", "def main():\n    pass\n").id
    world.lives.start(world.owner, robot_id, robot_settings(world.platform, strategy_id=other))
    assert world.node.orders[1].file.name == "waits.py"


def test_a_long_run_ends_the_row_of_restarts(world: World) -> None:
    robot_id = world.create(restart=RestartPolicy(mode="failed", most=1, pause_s=10))
    for _ in range(3):
        world.now_ms += 601_000
        world.ends(1, "no")
        world.round()
        world.round(10)
    assert len(world.node.orders) == 4
    assert world.robot(robot_id).restarts == 1


@pytest.mark.parametrize(
    ("mode", "code", "again"), [("never", 1, 0), ("failed", 0, 0), ("failed", 1, 1), ("always", 0, 1), ("always", 1, 1)]
)
def test_the_policy_decides(world: World, mode: str, code: int, again: int) -> None:
    world.create(restart=RestartPolicy(mode=mode, pause_s=1))  # type: ignore[arg-type]
    world.ends(code, "")
    world.round()
    world.round(5)
    assert len(world.node.orders) == 1 + again


def test_a_robot_that_was_stopped_is_not_restarted(world: World) -> None:
    robot_id = world.create(restart=RestartPolicy(mode="always", pause_s=10))
    world.lives.stop(world.owner, robot_id)
    world.ends(0, "stopped")
    world.round()
    world.round(100)
    assert len(world.node.orders) == 1
    world.lives.start(world.owner, robot_id)
    world.ends(1, "no")
    world.round()
    world.lives.stop(world.owner, robot_id)  # while it waits for its restart
    world.round(100)
    assert len(world.node.orders) == 2
    assert world.robot(robot_id).phase == "stopped"


def test_a_restart_that_fails_raises_an_alarm(world: World) -> None:
    robot_id = world.create(restart=RestartPolicy(mode="failed", pause_s=1), alarm=False)
    world.ends(1, "no")
    world.round()
    assert world.robot(robot_id).alarm == ""
    world.node.refuse = OperationFailed("no room")
    world.round(2)
    assert world.robot(robot_id).alarm == "it could not be restarted: no room"
    world.lives.clear_alarm(world.owner, robot_id)
    assert world.robot(robot_id).alarm == ""


def test_a_node_that_is_away_raises_an_alarm_and_ends_nothing(world: World) -> None:
    robot_id = world.create()
    world.node.looks["100 fake"] = ProcessLook(alive=None, reason="no route to host")
    world.round()
    world.round(59)
    assert world.robot(robot_id).alarm == ""
    world.round(2)
    robot = world.robot(robot_id)
    assert (robot.phase, robot.alarm) == ("starting", "its state cannot be read: no route to host")
    assert not world.platform.reader.state(world.owner, robot_id).reachable
    with pytest.raises(AlreadyRuns):
        world.lives.start(world.owner, robot_id)


def test_a_silent_robot_raises_an_alarm(world: World) -> None:
    robot_id = world.create(limits=RobotLimits(silent_s=100))
    world.round(100)
    assert world.robot(robot_id).alarm == ""
    world.round(1)
    assert world.robot(robot_id).alarm == "silent: no log line for 100 s"


def test_a_robot_in_trouble_does_not_stop_the_others(world: World) -> None:
    first, second = world.create(), world.create()
    for number in (first, second):
        world.lives.run_folder(number).path.mkdir(parents=True, exist_ok=True)
    world.lives.run_folder(first).database.write_bytes(b"this is no database" * 100)
    world.node.looks["101 fake"] = ProcessLook(alive=False, code=0)
    world.round()
    assert world.robot(second).phase == "exited"
    rows = {row.id: row for row in world.platform.reader.all(world.owner)}
    assert "not a database" in rows[first].trouble
    assert rows[second].trouble == ""
    assert "not a database" in world.robot(first).alarm
    with pytest.raises(OperationFailed, match="not a database"):
        world.platform.reader.log(world.owner, first)
    world.node.looks["100 fake"] = ProcessLook(alive=False, code=1, reason="no")
    world.round()
    assert world.robot(first).phase == "failed", "a damaged database does not hide the end"


def test_a_clock_that_jumps_back_ends_nothing(world: World) -> None:
    robot_id = world.create(limits=RobotLimits(silent_s=10, stop_s=30, kill_s=5))
    world.round(-100_000)
    assert world.robot(robot_id).phase == "starting"
    world.lives.stop(world.owner, robot_id)
    world.round(-100_000)
    assert world.node.ended == []
    world.round(200_000)
    assert world.node.ended == [("100 fake", False)]
    world.round(-200_000)
    assert world.node.ended == [("100 fake", False)]


def test_roles(world: World) -> None:
    mine, other = world.create(), world.create()
    operator = Actor(account_id=5, name="op", role="operator", robots=frozenset({mine}))
    reader = attrs.evolve(operator, name="re", role="reader")
    assert [row.id for row in world.platform.reader.all(operator)] == [mine]
    world.lives.command(operator, mine, "x")
    world.lives.stop(operator, mine)
    for actor, robot in ((operator, other), (reader, mine)):
        with pytest.raises(NotPermitted):
            world.lives.stop(actor, robot)
        with pytest.raises(NotPermitted):
            world.lives.command(actor, robot, "x")
    with pytest.raises(NotPermitted):
        world.platform.reader.log(reader, other)
    with pytest.raises(NotPermitted):
        world.lives.create(operator, robot_settings(world.platform))
    with pytest.raises(NotPermitted):
        world.lives.delete(operator, mine)


def test_an_operator_changes_arguments_but_not_exchanges(world: World) -> None:
    robot_id = world.create()
    world.ends(0)
    world.round()
    operator = Actor(account_id=5, name="op", role="operator")
    world.lives.start(operator, robot_id, robot_settings(world.platform, args=(("amount", 8),)))
    assert world.node.orders[1].config["args"] == {"amount": 8}
    with pytest.raises(NotPermitted):
        world.lives.change(
            operator, robot_id, robot_settings(world.platform, exchanges=(RobotExchange(pair="ETH_USDT", pid=1),))
        )
    with pytest.raises(NotPermitted):
        world.lives.change(operator, robot_id, robot_settings(world.platform, name="mine"))


def test_a_deleted_robot_is_gone_and_its_number_too(world: World) -> None:
    robot_id = world.create()
    with pytest.raises(AlreadyRuns):
        world.lives.delete(world.owner, robot_id)
    world.ends(0)
    folder = world.lives.run_folder(robot_id).path
    folder.mkdir(parents=True, exist_ok=True)
    assert world.lives.delete(world.owner, robot_id)
    assert not folder.exists()
    with pytest.raises(UnknownName):
        world.robot(robot_id)
    assert world.create() == robot_id + 1
    world.ends(0)
    folder = world.lives.run_folder(robot_id + 1).path
    folder.mkdir(parents=True, exist_ok=True)
    world.lives.delete(world.owner, robot_id + 1, remove_logs=False)
    assert not folder.exists()
    assert folder.with_name(f"{robot_id + 1}.deleted").exists()


def test_secret_arguments_are_encrypted_and_masked(world: World) -> None:
    text = """'''config
[{"name": "token", "type": "encrypted"}, {"name": "amount", "type": "number", "default": 1}]
'''
def main():
    pass
"""
    world.platform.strategies.write(world.owner, "secret.py", text)
    number = world.platform.strategies.find("secret.py").id
    robot_id = world.create(strategy_id=number, args=(("token", "token-of-tests-99"), ("amount", 2)))
    assert world.node.orders[0].config["args"] == {"token": "token-of-tests-99", "amount": 2}
    detail = world.platform.reader.detail(world.owner, robot_id)
    assert detail.settings.args == (("token", "***"), ("amount", 2))
    for path in world.platform.folder.glob("platform.sqlite3*"):
        assert b"token-of-tests-99" not in path.read_bytes()
    world.ends(0)
    world.round()
    world.lives.start(world.owner, robot_id, attrs.evolve(detail.settings, args=(("token", "***"), ("amount", 3))))
    assert world.node.orders[1].config["args"] == {"token": "token-of-tests-99", "amount": 3}


@pytest.mark.parametrize("text", ["\ud800", "a\nb", "x" * 201])
def test_texts_that_no_file_takes_are_refused(world: World, text: str) -> None:
    for change in (
        {"name": text},
        {"app_id": text},
        {"exchanges": (RobotExchange(pair="BTC_USDT", eid="OKX", label=text),)},
    ):
        with pytest.raises(InputError):
            world.create(**change)
    assert world.node.orders == []


def test_simulated_and_real_exchanges_are_not_mixed(world: World) -> None:
    simulated = world.platform.exchanges.create("OKX", "play", simulated=True)
    pairs = (RobotExchange(pair="BTC_USDT", pid=1), RobotExchange(pair="BTC_USDT", pid=simulated.id))
    with pytest.raises(InputError, match="simulated and real"):
        world.create(exchanges=pairs)
    world.create(exchanges=pairs[1:])
    assert world.node.orders[0].config["simulated"] is True
