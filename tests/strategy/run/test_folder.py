"""The run folder: one living run at a time, who runs there, and a process number that was reused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from fmzthreads.errors import InputError, OperationFailed
from fmzthreads.process_start import start_of
from fmzthreads.strategy.run.folder import ProcessRecord, RunFolder, default_folder, run_names


def test_a_folder_is_its_owners_and_holds_one_living_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "grid")
    assert folder.record() is None
    record = folder.claim("grid", "/x/grid.py")
    assert record.state == "running"
    assert folder.path.stat().st_mode & 0o077 == 0
    assert (folder.path / "process.json").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match=rf"is alive \(process {os.getpid()}, since .*another --name"):
        RunFolder(folder.path).claim("grid", "/x/grid.py")
    folder.update(control="control.sock")
    assert attrs.evolve(record, control="control.sock") == folder.record()
    folder.release(1, "failed")
    folder.release(0, "a second time")
    ended = folder.record()
    assert ended is not None
    assert (ended.state, ended.code, ended.reason, ended.control) == ("ended", 1, "failed", "")
    again = RunFolder(folder.path)
    assert again.claim("grid", "/x/grid.py").code is None
    again.release(0, "ended")


def test_another_process_is_refused_while_it_lives_and_not_after_it_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from fmzthreads.strategy.run.folder import ProcessRecord, RunFolder\n"
        "RunFolder(sys.argv[1]).claim('grid', 'grid.py'); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        folder = RunFolder(tmp_path)
        record = folder.record()
        assert record is not None
        assert (record.pid, record.state) == (other.pid, "running")
        with pytest.raises(InputError, match=f"process {other.pid}"):
            folder.claim("grid", "grid.py")
        other.kill()
        other.wait(30)
        assert record.state == "killed"
        folder.claim("grid", "grid.py")
    folder.release(0, "ended")


def test_a_process_that_was_given_the_same_number_later_is_not_taken_for_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.claim("grid", "grid.py")
    path = tmp_path / "process.json"
    values = json.loads(path.read_text())
    assert values["started"] == start_of(os.getpid())
    path.write_text(json.dumps({**values, "started": values["started"] + "1"}))
    stale = folder.record()
    assert stale is not None
    assert stale.state == "killed"
    folder.release(0, "ended")


def test_when_a_process_was_started() -> None:
    mine = start_of(os.getpid())
    assert mine
    assert mine == start_of(os.getpid())
    assert start_of(0) == ""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert start_of(other.pid) not in {"", mine}
        assert other.stdin is not None
        other.stdin.close()
        other.wait(30)
    assert start_of(other.pid) == ""


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "x" * 101, "a b", "dot."])
def test_a_name_that_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        default_folder(name)


def test_runs_are_found_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    assert run_names() == []
    for name in ("网格", "a-1"):
        folder = RunFolder(default_folder(name))
        folder.claim(name, "x.py")
        folder.release(0, "ended")
    assert run_names() == ["a-1", "网格"]


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 1}', "null"])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "process.json").write_text(text)
    with pytest.raises(OperationFailed, match=r"process.json.*damaged"):
        RunFolder(tmp_path).record()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationFailed, match=r"run folder .* cannot be used"):
        RunFolder(tmp_path / "file" / "x").claim("a", "a.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_end_the_run_of_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys; from fmzthreads.strategy.run.folder import ProcessRecord, RunFolder\n"
        "folder = RunFolder(sys.argv[1]); folder.claim('grid', 'grid.py')\n"
        "child = os.fork()\n"
        "if not child:\n    folder.release(1, 'in the child'); os._exit(0)\n"
        "os.waitpid(child, 0); print(folder.record().state); folder.release(0, 'ended'); print(folder.record().reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["running", "ended"]


def test_a_run_whose_process_start_was_not_known_is_never_taken_for_a_living_one(tmp_path: Path) -> None:
    # Where the start of a process cannot be told, neither can that it is the same; what is not there has no start either.
    assert ProcessRecord(name="x", file="x.py", pid=2**22 + 1, started="", since_ms=1).state == "killed"


def test_an_ended_run_tells_no_way_to_reach_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.claim("grid", "grid.py")
    folder.update(control="127.0.0.1:5", token="secret")
    folder.release(0, "ended")
    record = folder.record()
    assert record is not None
    assert (record.control, record.token, record.state) == ("", "", "ended")
    assert "secret" not in (tmp_path / "process.json").read_text()


def test_a_stop_is_taken_once_and_only_by_the_process_that_it_was_left_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    own = start_of(os.getpid())
    assert folder.taken_stop() is None
    folder.leave_stop(os.getpid(), own, "ann", cancel=True)
    assert folder.taken_stop() == (True, "ann")
    assert folder.taken_stop() is None
    folder.leave_stop(os.getpid(), own, cancel=False)
    assert folder.taken_stop() == (False, "")
    for pid, started in ((os.getpid(), "earlier"), (os.getpid() + 1, own)):
        folder.leave_stop(pid, started, cancel=True)
        assert folder.taken_stop() is None
        assert not (tmp_path / "stop.json").exists()
    (tmp_path / "stop.json").write_text("{", "utf-8")
    assert folder.taken_stop() is None
