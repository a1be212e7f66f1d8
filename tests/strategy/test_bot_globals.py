"""The globals of the bot as a whole: database, channels, metadata, machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.errors import InputError, UnknownName
from fmzthreads.strategy.bot_globals import (
    DBExec,
    GetChannelData,
    GetMeta,
    LogError,
    Panic,
    SetChannelData,
    StrDecode,
    SysInfo,
)
from fmzthreads.strategy.globals import GetLastError
from fmzthreads.strategy.runtime import Runtime, bound


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    runtime = Runtime(name="bot", console=False, run_id=7, database=tmp_path / "bot.sqlite3")
    with bound(runtime):
        yield runtime
    runtime.close()


def test_the_own_database_keeps_rows_and_one_in_memory_does_not_touch_it(runtime: Runtime, tmp_path: Path) -> None:
    assert DBExec("CREATE TABLE t (a, b)") == {"columns": [], "values": []}
    DBExec("INSERT INTO t VALUES (?, ?)", 1, "x")
    assert DBExec("SELECT a, b FROM t WHERE a = ?", 1) == {"columns": ["a", "b"], "values": [[1, "x"]]}
    assert DBExec(":SELECT * FROM t") is None
    assert "no such table" in str(GetLastError())
    DBExec(":CREATE TABLE m (a)")
    assert DBExec(":SELECT count(*) AS n FROM m") == {"columns": ["n"], "values": [[0]]}
    runtime.close()
    assert DBExec("SELECT b FROM t") == {"columns": ["b"], "values": [["x"]]}
    with pytest.raises(InputError, match="expected an SQL statement"):
        DBExec(5)  # type: ignore[arg-type]


def test_a_channel_shows_the_newest_value_from_the_second_look_on(runtime: Runtime) -> None:
    SetChannelData({"price": 1})
    other = Runtime(name="other", console=False, run_id=8)
    with bound(other):
        assert GetChannelData(7) is None  # the first look subscribes
        assert GetChannelData("7") == {"price": 1}
        assert GetChannelData(9) is None
    with bound(runtime):
        SetChannelData([2])
    with bound(other):
        assert GetChannelData(7) == [2]
        assert GetChannelData(9) is None
    other.close()


@pytest.mark.parametrize(("data", "words"), [("x" * 1023, "1025 bytes"), ({1, 2}, "JSON"), (float("nan"), "JSON")])
def test_what_a_channel_cannot_hold_is_an_error_line_and_leaves_the_former_value(
    data: object, words: str, runtime: Runtime
) -> None:
    SetChannelData("x" * 1022)
    SetChannelData(data)
    assert words in str(GetLastError())
    GetChannelData(7)
    assert GetChannelData(7) == "x" * 1022


def test_metadata_is_what_the_run_was_given(runtime: Runtime) -> None:
    assert GetMeta() is None
    runtime.meta = "level 2"
    assert GetMeta() == "level 2"


def test_panic_and_log_error_write_error_lines(runtime: Runtime) -> None:
    LogError("disk", 5)
    with pytest.raises(SystemExit):
        Panic("no", "money")
    assert [line.text for line in runtime.journal.lines("error")] == ["disk 5", "no money"]


def test_str_decode() -> None:
    assert StrDecode("网格".encode("gbk")) == "网格"
    assert StrDecode("网格".encode("gbk").decode("latin-1")) == "网格"
    assert StrDecode("网格") == "网格"
    assert StrDecode("é".encode(), "utf-8") == "é"
    with pytest.raises(UnknownName, match="klingon"):
        StrDecode(b"x", "klingon")


def test_sys_info() -> None:
    assert SysInfo("pid") == os.getpid()
    assert SysInfo("ncpu") == os.cpu_count()
    assert SysInfo("os") in {"linux", "darwin", "windows"}
    assert SysInfo("threads") >= 1
    assert all(SysInfo(name) is not None for name in ("ppid", "arch"))
    with pytest.raises(UnknownName, match="did you mean 'pid'"):
        SysInfo("pidd")
