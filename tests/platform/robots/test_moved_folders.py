"""Run folders that were copied from elsewhere become stopped robots; what is not whole, alive or taken is refused."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fmzthreads.errors import FmzError, InputError, OperationFailed, UnknownName
from fmzthreads.platform.access import Actor, NotPermitted
from fmzthreads.platform.robots.lives import AlreadyRuns
from fmzthreads.platform.robots.moved_folders import ImportedRobot
from fmzthreads.platform.service import Platform
from fmzthreads.platform.store.robot_table import RestartPolicy, RobotExchange, RobotLimits, RobotSettings
from fmzthreads.strategy.log.lines import Line, ProfitPoint
from fmzthreads.strategy.log.log_database import DatabaseSink
from fmzthreads.strategy.log.spill import Spill
from fmzthreads.strategy.run.folder import RunFolder
from tests.helpers.platforms import FakeNode, eventually, fake_platform, owner_of, real_platform, robot_settings

SECRET = """\
\"\"\"config
[{"name": "amount", "type": "number", "default": 1}, {"name": "token", "type": "encrypted"}]
\"\"\"
def main():
    pass
"""


def ran(path: Path, *, name: str = "robot-17", file: str = "/elsewhere/waits.py", code: int | None = 0) -> Path:
    """A folder in which something ran, with three lines, two of which ask for a push."""
    run = RunFolder(path)
    run.claim(name, file)
    sink = DatabaseSink(run.database)
    sink.write(
        [Line(number=n, time_ms=1_700_000_000_000 + n, kind="log", text=f"line {n}", push=n > 1) for n in (1, 2, 3)]
    )
    sink.write([ProfitPoint(1_700_000_000_000, 2.5)])
    sink.close()
    run.release(code or 0, "ended")
    return path


def adopt(platform: Platform, folder: str | Path) -> ImportedRobot:
    return platform.moved.adopt(owner_of(platform), folder)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Platform]:
    with fake_platform(tmp_path / "here") as (platform, _):
        yield platform


def storage_of(platform: Platform) -> Path:
    storage = platform.folder / "logs" / "storage"
    storage.mkdir(parents=True, exist_ok=True)
    return storage


def made_elsewhere(tmp_path: Path, change: Callable[[Platform], RobotSettings]) -> Path:
    """The folder of a stopped robot of another platform."""
    with fake_platform(tmp_path / "there") as (there, _):
        robot_id = there.lives.create(owner_of(there), change(there))
        folder = there.lives.run_folder(robot_id).path
    return ran(folder)


def test_settings_log_and_numbers_are_kept(tmp_path: Path, here: Platform) -> None:
    def settings(there: Platform) -> RobotSettings:
        (there.strategies.path / "waits.py").write_text(SECRET, "utf-8")
        (there.strategies.path / "tools.py").write_text("ext.twice = lambda x: 2 * x\n", "utf-8")
        group = there.groups.create("grids").id
        return robot_settings(
            there, args=(("amount", 3), ("token", "very secret")), period_s=300, group_id=group, app_id="mine", language="zh", alarm=False,
            restart=RestartPolicy(mode="always", most=3, pause_s=1.5), limits=RobotLimits(memory_mb=77, silent_s=9.5),
            templates=(there.strategies.find("tools.py").id,),
        )  # fmt: skip

    source = made_elsewhere(tmp_path, settings)
    assert "very secret" not in (source / "robot.json").read_text("utf-8")
    assert (source / "robot.json").stat().st_mode & 0o077 == 0
    (here.strategies.path / "a.py").write_text(SECRET, "utf-8")  # other numbers than there
    (here.strategies.path / "waits.py").write_text(SECRET, "utf-8")
    (here.strategies.path / "tools.py").write_text("ext.twice = lambda x: 2 * x\n", "utf-8")
    here.exchanges.create("OKX", "other", simulated=True)
    moved = source.rename(tmp_path / "moved")
    made = adopt(here, moved)
    assert made.notes == [
        "secrets, and arguments that the strategy does not declare, do not move with a folder, give them again: token"
    ]
    robot = here.lives.table.get(made.id, with_args=True)
    kept = robot.settings
    assert (kept.name, kept.args, kept.exchanges) == (
        "tester",
        (("amount", 3),),
        (RobotExchange(pair="BTC_USDT", pid=1),),
    )
    assert (kept.period_s, kept.app_id, kept.language, kept.alarm) == (300, "mine", "zh", False)
    assert kept.restart == RestartPolicy(mode="always", most=3, pause_s=1.5)
    assert kept.limits == RobotLimits(memory_mb=77, silent_s=9.5)
    assert [here.strategies.get(number).file for number in (kept.strategy_id, *kept.templates)] == [
        "waits.py",
        "tools.py",
    ]
    assert here.groups.all()[kept.group_id - 1].name == "grids"
    assert (robot.phase, robot.code, robot.reason, robot.restart_ms) == ("stopped", 0, "ended", 0)
    row = here.reader.summary(owner_of(here), made.id)
    assert (row.last_text, row.profit, row.trouble) == ("line 3", 2.5, "")
    assert here.lives.run_folder(made.id).path.stat().st_mode & 0o077 == 0
    assert (moved / "strategy.sqlite3").exists(), "a folder elsewhere is copied"
    entry = here.audit.all()[0]
    assert (entry.what, entry.target, entry.account) == ("import robot", f"robot {made.id}", "owner")
    pushed: list[object] = []
    here.watcher._push = lambda robot, rows: pushed.extend(rows)  # the test stands in for the queue
    here.lives.start(owner_of(here), made.id, kept)
    here.watcher.look_round()
    assert pushed == [], "what was to be pushed elsewhere is not pushed again"


def test_a_number_in_the_name_is_kept_and_another_name_gets_the_next(tmp_path: Path, here: Platform) -> None:
    storage = storage_of(here)
    ran(storage / "17")
    assert adopt(here, "17").id == 17
    assert adopt(here, ran(tmp_path / "21")).id == 21
    assert adopt(here, ran(storage / "brought")).id == 22
    assert not (storage / "brought").exists(), "it was renamed"
    assert here.reader.log(owner_of(here), 22).total == 3
    assert adopt(here, ran(tmp_path / "007")).id == 23
    assert [path for path in storage.iterdir() if path.name.startswith(".")] == []


def test_a_new_robot_gets_no_folder_that_was_copied_there(here: Platform) -> None:
    ran(storage_of(here) / "1")
    ran(storage_of(here) / "2")
    assert here.lives.create(owner_of(here), robot_settings(here)) == 3
    assert adopt(here, "1").id == 1
    (storage_of(here) / "4").mkdir()
    assert adopt(here, ran(storage_of(here) / "word")).id == 5


def test_a_taken_number_is_refused(tmp_path: Path, here: Platform) -> None:
    owner = owner_of(here)
    first = here.lives.create(owner, robot_settings(here))
    ran(here.lives.run_folder(first).path)
    for folder in (here.lives.run_folder(first).path, ran(tmp_path / str(first))):
        with pytest.raises(InputError, match="that of another robot here: rename"):
            adopt(here, folder)
    here.lives.table.delete(first)
    with pytest.raises(InputError, match="is or was that of another robot"):
        adopt(here, tmp_path / str(first))
    (storage_of(here) / "30").mkdir()
    with pytest.raises(InputError, match="lies among those of the robots already"):
        adopt(here, ran(tmp_path / "30"))


def test_a_living_robot_is_never_imported(tmp_path: Path, here: Platform) -> None:
    run = RunFolder(ran(tmp_path / "lives"))
    run.claim("robot-17", "/elsewhere/waits.py")
    try:
        with pytest.raises(AlreadyRuns, match=f"process {os.getpid()} runs in"):
            adopt(here, run.path)
        copied = shutil.copytree(run.path, tmp_path / "copied")
        with pytest.raises(AlreadyRuns, match="or in the folder that it is a copy of"):
            adopt(here, copied)
        # Its lock alone says so as well: here the record is that of an earlier run.
        record = json.loads((run.path / "process.json").read_text("utf-8"))
        (run.path / "process.json").write_text(json.dumps({**record, "code": 0}), "utf-8")
        with pytest.raises(AlreadyRuns, match="a run lives in"):
            adopt(here, run.path)
    finally:
        run.release(0, "ended")
    assert here.lives.table.all() == []
    assert adopt(here, run.path).id == 1


def test_the_last_lines_of_a_killed_run_are_imported_too(tmp_path: Path, here: Platform) -> None:
    folder = ran(tmp_path / "killed")
    spill = Spill(RunFolder(folder).database)
    spill.put(1, Line(number=4, time_ms=1_700_000_000_004, kind="log", text="line 4"))
    spill.close(0)
    robot_id = adopt(here, folder).id
    assert here.reader.log(owner_of(here), robot_id).rows[0].text == "line 4"


def test_a_killed_run_is_imported_with_the_reason(tmp_path: Path, here: Platform) -> None:
    folder = ran(tmp_path / "killed")
    record = json.loads((folder / "process.json").read_text("utf-8"))
    (folder / "process.json").write_text(
        json.dumps({**record, "code": None, "started": "boot:1", "reason": ""}), "utf-8"
    )
    robot = here.lives.table.get(adopt(here, folder).id)
    assert (robot.phase, robot.code, robot.reason) == ("stopped", None, "its process was killed")


def _no_database(folder: Path) -> None:
    (folder / "strategy.sqlite3").unlink()


def _no_record(folder: Path) -> None:
    (folder / "process.json").unlink()


def _torn_record(folder: Path) -> None:
    (folder / "process.json").write_text("{", "utf-8")


def _torn_database(folder: Path) -> None:
    (folder / "strategy.sqlite3").write_bytes(b"no database" * 500)


def _link(folder: Path) -> None:
    (folder / "stdout.log").symlink_to("/etc/passwd")


def _torn_settings(folder: Path) -> None:
    (folder / "robot.json").write_text("[1", "utf-8")


def _other_settings(folder: Path) -> None:
    (folder / "robot.json").write_text('{"name": "x"}', "utf-8")


def _other_strategy(folder: Path) -> None:
    record = json.loads((folder / "process.json").read_text("utf-8"))
    (folder / "process.json").write_text(json.dumps({**record, "file": "/x/gone.py"}), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (_no_database, InputError, "is not a run folder: expected process.json and strategy.sqlite3"),
        (_no_record, InputError, "is not a run folder"),
        (_torn_record, OperationFailed, "process.json.* is damaged"),
        (_torn_database, OperationFailed, "strategy.sqlite3"),
        (_link, InputError, "is a symbolic link"),
        (_torn_settings, InputError, "robot.json.* is damaged"),
        (_other_settings, InputError, "robot.json.* is damaged: KeyError"),
        (_other_strategy, UnknownName, "strategy 'gone.py' is not on this platform: add it first"),
    ],
)
def test_a_bad_folder_is_refused_and_leaves_nothing(
    spoil: Callable[[Path], None], error: type[FmzError], said: str, tmp_path: Path, here: Platform
) -> None:
    folder = ran(tmp_path / "bad")
    spoil(folder)
    with pytest.raises(error, match=said):
        adopt(here, folder)
    assert here.lives.table.all() == []
    assert list(storage_of(here).iterdir()) == []
    assert all(entry.what != "import robot" for entry in here.audit.all())


@pytest.mark.parametrize(
    "change",
    [
        {"period_s": 0}, {"period_s": None}, {"name": ""}, {"name": 7}, {"args": [["amount"]]}, {"args": {"amount": 1}}, {"language": "fr"},
        {"restart": {"mode": "sometimes"}}, {"restart": {"most": "many"}}, {"limits": {"memory_mb": "all"}}, {"limits": {"unknown": 1}},
        {"limits": {"memory_mb": True}}, {"exchanges": [{"account": True}]}, {"exchanges": [{"account": False, "eid": "OKX", "label": "", "pair": "x"}]},
        {"templates": [["x"]]}, {"group": 3}, {"left_out": 3},
    ],
)  # fmt: skip
def test_settings_that_are_not_valid_are_refused(change: dict[str, object], tmp_path: Path, here: Platform) -> None:
    folder = made_elsewhere(tmp_path, robot_settings)
    values = json.loads((folder / "robot.json").read_text("utf-8"))
    (folder / "robot.json").write_text(json.dumps({**values, **change}), "utf-8")
    with pytest.raises(FmzError):
        adopt(here, folder.rename(tmp_path / "moved"))
    assert here.lives.table.all() == []


def test_a_missing_account_leaves_all_exchanges_to_be_chosen(tmp_path: Path, here: Platform) -> None:
    def settings(there: Platform) -> RobotSettings:
        second = there.exchanges.create(
            "OKX", "second", {"AccessKey": "a" * 12, "SecretKey": "b" * 12, "Passphrase": "c"}
        ).id
        pairs = (RobotExchange(pair="BTC_USDT", pid=1), RobotExchange(pair="ETH_USDT", pid=second))
        return robot_settings(there, args=(), exchanges=pairs)

    made = adopt(here, made_elsewhere(tmp_path, settings).rename(tmp_path / "moved"))
    assert here.lives.table.get(made.id).settings.exchanges == ()
    assert len(made.notes) == 1
    assert "no account 'second' (OKX, ETH_USDT): choose all exchanges" in made.notes[0]
    with pytest.raises(InputError, match="a robot needs an exchange"):
        here.lives.start(owner_of(here), made.id)


def test_a_run_that_was_no_robot_is_imported_by_its_strategy(tmp_path: Path, here: Platform) -> None:
    made = adopt(here, ran(tmp_path / "grid", name="grid"))
    robot = here.lives.table.get(made.id)
    assert (robot.name, here.strategies.get(robot.settings.strategy_id).file) == ("grid", "waits.py")
    assert "choose exchanges and arguments" in made.notes[0]


def test_folders_that_lie_there_are_listed_with_what_is_wrong(here: Platform) -> None:
    storage = storage_of(here)
    owner = owner_of(here)
    assert here.moved.found(owner) == []
    own = here.lives.create(owner, robot_settings(here))
    ran(here.lives.run_folder(own).path)
    ran(storage / "brought", name="grid")
    ran(storage / "9")
    _no_record(ran(storage / "bad"))
    here.lives.table.withdraw(9)
    found = {one.folder: (one.name, one.problem) for one in here.moved.found(owner)}
    assert list(found) == ["9", "bad", "brought"]
    assert found["brought"] == ("grid", "")
    assert found["9"] == ("robot-17", "")
    assert "is not a run folder" in found["bad"][1]


def test_only_owners_import(tmp_path: Path, here: Platform) -> None:
    folder = ran(tmp_path / "moved")
    for role in ("operator", "reader"):
        actor = Actor(account_id=2, name="x", role=role)
        with pytest.raises(NotPermitted):
            here.moved.adopt(actor, folder)
        with pytest.raises(NotPermitted):
            here.moved.found(actor)
    for nothing in ("", " ", "a\0b"):
        with pytest.raises(InputError, match="no folder was named"):
            adopt(here, nothing)


def test_one_folder_that_is_imported_twice_at_once_becomes_one_robot(tmp_path: Path, here: Platform) -> None:
    ran(storage_of(here) / "40")
    go = threading.Barrier(6)
    made: list[int] = []
    refused: list[FmzError] = []

    def work() -> None:
        go.wait(60)
        try:
            made.append(adopt(here, "40").id)
        except FmzError as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made == [40]
    assert len(refused) == 5


def test_a_copy_that_fails_leaves_no_robot(tmp_path: Path, here: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OperationFailed, match="cannot be brought"):
        adopt(here, ran(tmp_path / "moved"))
    assert here.lives.table.all() == []
    assert list(storage_of(here).iterdir()) == []


def test_settings_that_cannot_be_written_hinder_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with fake_platform(tmp_path) as (platform, node):
        assert isinstance(node, FakeNode)
        (platform.folder / "logs").write_text("in the way", "utf-8")
        assert platform.lives.create(owner_of(platform), robot_settings(platform)) == 1
        assert "robot.json was not written" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="robots are ended by POSIX signals")
def test_a_real_robot_goes_on_on_another_platform(tmp_path: Path) -> None:
    """Slow because of two starts of an interpreter."""
    counting = "def main():\n    _G('n', (_G('n') or 0) + 1)\n    Log('count', _G('n'), 'of', _G())\n"

    def counted(platform: Platform, robot_id: int) -> list[str]:
        eventually(lambda: platform.lives.table.get(robot_id).phase == "exited")
        rows = platform.reader.log(owner_of(platform), robot_id, limit=-1).rows
        return [row.text for row in rows[::-1] if row.kind == 5]

    with real_platform(tmp_path / "there") as there:
        strategy = there.strategies.write(owner_of(there), "counts.py", counting).id
        robot_id = there.lives.create(owner_of(there), robot_settings(there, strategy_id=strategy, args=()))
        assert counted(there, robot_id) == ["count 1 of 1"]
        folder = there.lives.run_folder(robot_id).path
    with real_platform(tmp_path / "other") as other:
        other.strategies.write(owner_of(other), "counts.py", counting)
        made = adopt(other, shutil.copytree(folder, tmp_path / "17"))
        assert made == ImportedRobot(id=17, notes=[])
        other.lives.start(owner_of(other), 17)
        assert counted(other, 17) == ["count 1 of 1", "count 2 of 17"]
