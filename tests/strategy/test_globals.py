"""FMZ's globals, through the current runtime, as FMZ's syntax guide describes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fmzthreads import __version__, errors
from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import InputError, OperationFailed, StopRequested
from fmzthreads.strategy import globals as fmz
from fmzthreads.strategy.exports import EventLoop
from fmzthreads.strategy.globals import (
    _C,
    _D,
    _G,
    _T,
    MD5,
    UUID,
    EnableLog,
    GetCommand,
    GetLastError,
    GetOS,
    GetPid,
    IsVirtual,
    JSONParse,
    Log,
    LogProfit,
    LogProfitReset,
    LogReset,
    LogStatus,
    LogVacuum,
    SetErrorFilter,
    Sleep,
    Unix,
    UnixNano,
    Version,
    _CDelay,
)
from fmzthreads.strategy.paths import database_path, script_name
from fmzthreads.strategy.runtime import Runtime, bound, current, use
from fmzthreads.strategy.store import Store
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import run_in_thread, side_by_side

ROOT = Path(__file__).resolve().parents[2]


# Log family


def test_the_log_family_speaks_to_the_current_runtime() -> None:
    with quiet_runtime(ManualClock(5)) as runtime:
        Log("a", 1, "#ff0000@")
        LogProfit(3.5, "p")
        LogProfit(4, "&")
        LogStatus("s", 1)
        assert [(line.kind, line.text) for line in runtime.journal.lines()] == [("log", "a 1"), ("profit", "p")]
        assert [point.value for point in runtime.journal.profits()] == [3.5, 4.0]
        assert runtime.journal.status_text == "s 1"
        LogReset(1)
        LogProfitReset(1)
        LogVacuum()
        assert [line.text for line in runtime.journal.lines()] == ["p"]
        assert [point.value for point in runtime.journal.profits()] == [4.0]
        EnableLog(False)
        runtime.order_line(0, source="X", symbol="A_B", price=1, amount=1, order_id="1")
        Log("b")
        EnableLog()
        runtime.order_line(1, source="X", symbol="A_B", price=1, amount=1, order_id="1")
        assert [line.kind for line in runtime.journal.lines()] == ["profit", "log", "sell"]


def test_the_last_error_is_read_once_and_survives_a_filter() -> None:
    with quiet_runtime() as runtime:
        assert GetLastError() is None
        SetErrorFilter("timeout")
        runtime.error("first", source="OKX")
        runtime.error("a timeout", source="OKX")
        assert [line.text for line in runtime.journal.lines()] == ["first"]
        assert GetLastError() == "OKX: a timeout"
        assert GetLastError() is None
        with pytest.raises(InputError, match="'\\('"):
            SetErrorFilter("(")


def test_an_error_of_another_thread_reaches_the_script_that_waits_and_only_one_reader_gets_it() -> None:
    with quiet_runtime() as runtime:
        for round_ in range(100):
            run_in_thread(runtime.error, f"failed {round_}").result()
            got: list[str | None] = [None] * 4

            def read(index: int, got: list[str | None] = got) -> None:
                got[index] = GetLastError()

            side_by_side(4, read)
            assert sorted(filter(None, got)) == [f"failed {round_}"]


# Time


def test_sleep_goes_by_the_clock_and_takes_fractions() -> None:
    clock = ManualClock(100)
    with quiet_runtime(clock):
        call = run_in_thread(lambda: Sleep(1500.5))
        assert clock.wait_for_sleepers()
        clock.advance(1.5)
        assert clock.wait_for_sleepers()  # half a millisecond is still to go
        clock.advance(0.0005)
        assert call.result() is None


@pytest.mark.parametrize("ms", [0, -1, -0.5, 0.0])
def test_sleep_of_nothing_returns_at_once(ms: float) -> None:
    with quiet_runtime(ManualClock()):
        assert Sleep(ms) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("ms", [None, "100", float("nan"), [1]])
def test_sleep_refuses_what_is_no_number(ms: object) -> None:
    with quiet_runtime(ManualClock()), pytest.raises(InputError, match="Sleep"):
        Sleep(ms)  # type: ignore[arg-type]


@pytest.mark.parametrize("clock", [ManualClock(), WallClock()])
def test_a_stop_ends_a_sleep_and_every_later_one(clock: ManualClock | WallClock) -> None:
    with quiet_runtime(clock) as runtime:
        entered = threading.Event()

        def sleep() -> None:
            entered.set()
            Sleep(3_600_000)

        call = run_in_thread(sleep)
        assert entered.wait(30)
        runtime.stop.request("enough")
        assert isinstance(call.error(), StopRequested)
        for ms in (0, 1, -1):
            with pytest.raises(StopRequested, match="enough"):
                Sleep(ms)
        Log("lines can still be written")
        assert len(runtime.journal.lines()) == 1


def test_the_time_is_the_clocks() -> None:
    with quiet_runtime(ManualClock(1_800_000_000.9)):
        assert Unix() == 1_800_000_000
        assert UnixNano() == 1_800_000_000_900_000_000
        assert type(Unix()) is int
        assert _D() == _D(1_800_000_000) == _D(1_800_000_000.9)
    with quiet_runtime():
        assert abs(Unix() - time.time()) < 5


def test_d_takes_seconds_in_the_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    with quiet_runtime(ManualClock()):
        monkeypatch.setenv("TZ", "CST-8")
        time.tzset()
        try:
            assert _D(1_700_000_000) == "2023-11-15 06:13:20"
            assert _D(1_700_000_000.99, "%d.%m.%y") == "15.11.23"
            assert _D(0) == "1970-01-01 08:00:00"
            assert _D(-1) == "1970-01-01 07:59:59"
            assert _D(1_700_000_000_000).startswith("558")  # milliseconds: a year far ahead, as on FMZ
            assert _D(1, "") == ""
        finally:
            monkeypatch.undo()
            time.tzset()


@pytest.mark.parametrize("stamp", ["1", float("nan"), 1e30, [1]])
def test_d_refuses_what_is_no_time(stamp: object) -> None:
    with quiet_runtime(ManualClock()), pytest.raises(InputError, match="_D"):
        _D(stamp)  # type: ignore[arg-type]


# _C


def test_c_tries_again_for_nothing_false_and_zero_only() -> None:
    clock = ManualClock()
    with quiet_runtime(clock):
        for accepted in ("", [], {}, True, 7):
            assert _C(lambda value=accepted: value) == accepted
        answers = iter([None, False, 0, 0.0, "done"])
        seen: list[tuple[object, ...]] = []

        def ask(*args: object, **kwargs: object) -> object:
            seen.append((args, kwargs))
            return next(answers)

        call = run_in_thread(lambda: _C(ask, 1, key=2))
        for _ in range(4):
            assert clock.wait_for_sleepers()
            clock.advance(2.999)
            assert clock.wait_for_sleepers()
            clock.advance(0.001)
        assert call.result() == "done"
        assert seen == [((1,), {"key": 2})] * 5
        assert clock.now() == 12.0


def test_cdelay_sets_the_pause_and_ignores_what_is_not_above_nothing() -> None:
    clock = ManualClock()
    with quiet_runtime(clock) as runtime:
        _CDelay(0)
        _CDelay(-5)
        assert runtime.retry_pause_ms == 3000
        _CDelay(10.5)
        answers = iter([None, 1])
        call = run_in_thread(lambda: _C(lambda: next(answers)))
        assert clock.wait_for_sleepers()
        clock.advance(0.0105)
        assert call.result() == 1
        with pytest.raises(InputError, match="_CDelay"):
            _CDelay("3")  # type: ignore[arg-type]


def test_c_passes_exceptions_and_the_stop_on() -> None:
    with quiet_runtime(ManualClock()) as runtime:
        with pytest.raises(ZeroDivisionError):
            _C(lambda: 1 / 0)
        runtime.stop.request()
        with pytest.raises(StopRequested):
            _C(lambda: None)


def test_c_refuses_what_is_no_function() -> None:
    with quiet_runtime(ManualClock()), pytest.raises(InputError, match="parentheses"):
        _C(None)  # type: ignore[arg-type]


# Texts and the system


def test_md5_and_uuid() -> None:
    assert MD5("hello world") == "5eb63bbbe01eeed093cb22bb8f5acdc3"
    assert MD5("键") == MD5("键".encode())
    assert len(MD5("\ud800")) == 32
    with pytest.raises(InputError, match="MD5"):
        MD5(5)  # type: ignore[arg-type]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", UUID())
    assert UUID() != UUID()


def test_json_parse() -> None:
    assert JSONParse('{"a": [1, null]}') == {"a": [1, None]}
    assert type(JSONParse("{}")) is dict
    for bad in ("", "{oops}", "<html>", None, "[" * 100_000):
        with pytest.raises(ValueError, match="JSONParse: not JSON"):
            JSONParse(bad)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        JSONParse("x" * 10_000)
    assert len(str(caught.value)) < 400


def test_where_it_runs() -> None:
    assert GetPid() == os.getpid()
    assert re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+", GetOS())
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        assert GetOS() == "linux/amd64"
    assert float(Version()) >= 3.6  # strategies compare it with the docker that they need
    assert __version__ in Version(True)
    assert Version() in Version(True)
    with quiet_runtime():
        assert IsVirtual() is False
    with quiet_runtime(virtual=True):
        assert IsVirtual() is True


def test_two_languages() -> None:
    assert _T("买", "buy") == "[trans]买|buy[/trans]"
    assert _T("买") == "[trans]买[/trans]"


def test_commands_come_one_by_one() -> None:
    with quiet_runtime() as runtime:
        assert GetCommand() is None
        assert runtime.send_command("a:1")
        assert runtime.send_command("b")
        assert (GetCommand(), GetCommand(), GetCommand()) == ("a:1", "b", None)
        assert sum(runtime.send_command(str(n)) for n in range(1_100)) == 1_000
        assert GetCommand() == "0"


# _G


def test_g_in_all_its_forms() -> None:
    with quiet_runtime(run_id=7):
        assert _G() == 7
        assert _G("a") is None
        assert _G("a", {"x": (1, 2)}) is None
        assert _G("A") == {"x": [1, 2]}
        _G("zero", 0)
        assert _G("zero") == 0
        _G("a", None)
        assert _G("a") is None
        _G(None)
        assert _G("zero") is None
        _G("a", 1)
        _G(None, None)
        assert _G("a") is None
        with pytest.raises(InputError, match="_G"):
            _G(None, 5)
        with pytest.raises(InputError, match="'bad'"):
            _G("bad", object())


def test_threads_count_under_their_own_names_in_one_store(tmp_path: Path) -> None:
    with quiet_runtime(database=tmp_path / "bot.sqlite3"):

        def work(index: int) -> None:
            for _ in range(20):
                _G(f"Count{index}", (_G(f"count{index}") or 0) + 1)
                Log(index)

        side_by_side(6, work)
        assert [_G(f"COUNT{index}") for index in range(6)] == [20] * 6


# The current runtime


def test_use_and_bound() -> None:
    one = Runtime(ManualClock(1), console=False, store=Store(), name="one")
    two = Runtime(ManualClock(2), console=False, store=Store(), name="two")
    with use(one):
        with bound(two):
            assert Unix() == 2
            assert run_in_thread(Unix).result() == 1
            with use(two):
                assert current() is two
        assert Unix() == 1
        with pytest.raises(RuntimeError), use(two):
            raise RuntimeError
        assert current() is one


def test_many_simulations_side_by_side_do_not_meet() -> None:
    def work(index: int) -> None:
        runtime = Runtime(ManualClock(index), console=False, store=Store(), name=str(index), run_id=index)
        with bound(runtime):
            for n in range(50):
                _G("n", n)
                Log(index)
                assert (_G(), _G("n"), Unix()) == (index, n, index)
        assert {line.text for line in runtime.journal.lines()} == {str(index)}
        runtime.close()

    side_by_side(8, work)


def test_all_globals_of_the_issue_are_there() -> None:
    named = [
        "Log",
        "LogProfit",
        "LogProfitReset",
        "LogStatus",
        "LogReset",
        "EnableLog",
        "Sleep",
        "Unix",
        "UnixNano",
        "_D",
        "_N",
        "_C",
        "_CDelay",
        "_Cross",
        "_G",
        "GetLastError",
        "SetErrorFilter",
        "Version",
        "IsVirtual",
        "GetOS",
        "GetPid",
        "MD5",
        "UUID",
        "JSONParse",
        "Mail",
    ]
    assert set(named) <= set(fmz.__all__)
    assert all(callable(getattr(fmz, name)) for name in fmz.__all__)


# Plain scripts, each in a process of its own


def _run(code: str, home: Path, *, script: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *([str(script)] if script else ["-c", code])]
    if script is not None:
        script.write_text(code)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FMZTHREADS_HOME": str(home), **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


COUNT = """
from fmzthreads.strategy.globals import *
_G("runs", (_G("runs") or 0) + 1)
Log("run", _G("RUNS"))
"""


def test_a_plain_script_needs_no_set_up_and_remembers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for expected in (1, 2, 3):
        done = _run(COUNT, home, script=tmp_path / "my_bot.py")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d run {expected}\n", done.stdout)
    (folder,) = home.iterdir()
    assert re.fullmatch(r"my_bot-[0-9a-f]{8}", folder.name)
    assert [path.name for path in folder.iterdir()] == ["strategy.sqlite3"]


def test_two_scripts_of_one_name_and_two_bots_of_one_script_do_not_share(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert _run(COUNT, home, script=tmp_path / folder / "main.py").stdout.endswith("run 1\n")
    for name in ("grid", "hedge"):
        done = _run(COUNT, home, script=tmp_path / "a" / "main.py", FMZTHREADS_NAME=name)
        assert done.stdout.endswith("run 1\n")
    assert _run(COUNT, home, script=tmp_path / "a" / "main.py").stdout.endswith("run 2\n")
    assert {"grid", "hedge"} < {path.name for path in home.iterdir()}


def test_threads_that_log_first_share_one_runtime(tmp_path: Path) -> None:
    code = """
import threading
from fmzthreads.strategy.globals import *
from fmzthreads.strategy.runtime import current
barrier, seen = threading.Barrier(16), []
def work(n):
    barrier.wait()
    Log(n)
    seen.append(current())
threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
assert len({id(each) for each in seen}) == 1 and len(seen) == 16
assert [line.number for line in current().journal.lines()] == list(range(1, 17))
"""
    for _ in range(3):
        done = _run(code, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(int(line.split()[-1]) for line in done.stdout.splitlines()) == list(range(16))


def test_a_script_that_keeps_nothing_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
from fmzthreads.strategy.globals import *
Log("x"); LogProfit(1); LogStatus("s"); LogReset(); Sleep(1); _G("absent"); _G("absent", None); _G(None); GetLastError()
"""
    done = _run(code, tmp_path / "home", script=tmp_path / "bot.py", HOME=str(tmp_path / "user"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["bot.py"]


def test_the_default_folder_is_in_the_users_home(tmp_path: Path) -> None:
    done = _run(COUNT, Path(), script=tmp_path / "bot.py", HOME=str(tmp_path / "user"), FMZTHREADS_HOME="")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "user" / ".fmzthreads").is_dir()


def test_a_status_that_was_held_back_is_shown_at_the_end(tmp_path: Path) -> None:
    code = """
from fmzthreads.strategy.globals import *
from fmzthreads.strategy.runtime import current
LogStatus("first")
current().flush()
LogStatus("second"); LogStatus("third")
"""
    assert _run(code, tmp_path).stdout == "  | first\n  | third\n"


def test_importing_the_globals_loads_no_mail_and_no_extra(tmp_path: Path) -> None:
    code = """
import sys
import fmzthreads.strategy.globals
print([name for name in ("smtplib", "rich") if name in sys.modules])
"""
    assert _run(code, tmp_path).stdout == "[]\n"


def test_a_name_that_no_folder_can_have_stays_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    assert database_path("grid") == tmp_path / "grid" / "strategy.sqlite3"
    names = ["a/b", "a:b", "..", "../x", "", "a_b", ".hidden", "\ud800", "键"]
    paths = [database_path(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(path.parent.parent == tmp_path for path in paths)
    monkeypatch.setenv("FMZTHREADS_NAME", " mine ")
    assert script_name() == "mine"


def test_without_a_home_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FMZTHREADS_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    runtime = Runtime(ManualClock(), console=False, name="x")
    with use(runtime):
        Log("works without")
        with pytest.raises(OperationFailed, match="FMZTHREADS_HOME"):
            _G("a", 1)
    assert issubclass(OperationFailed, errors.FmzError)


def test_a_command_wakes_event_loop() -> None:
    with quiet_runtime() as runtime:
        assert EventLoop(-1) is None
        waiting = run_in_thread(EventLoop)
        runtime.send_command("one")
        event = waiting.result()
        assert event.Event == "Command"
        assert EventLoop(-1) is None, "a command that is left lying gives no second event"
        runtime.send_command("two")
        assert EventLoop(-1).Event == "Command"
        assert (GetCommand(), GetCommand(), GetCommand()) == ("one", "two", None)
        assert EventLoop(-1) is None


def test_a_command_sent_before_the_first_event_loop_is_an_event() -> None:
    with quiet_runtime() as runtime:
        runtime.send_command("early")
        assert EventLoop(-1).Event == "Command"
