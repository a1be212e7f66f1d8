"""Entries on their way to the database survive the kill of their process: each once, in order, and damage is named."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.charts.points import ChartConfig, ChartPoint, ChartReset
from fmzthreads.clock import ManualClock
from fmzthreads.errors import OperationFailed
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.left_lines import left_files, left_lines
from fmzthreads.strategy.log.lines import Entry, Line, Mark, ProfitPoint, Reset, StatusText, UnstoredLine
from fmzthreads.strategy.log.log_database import LOG_TYPES, DatabaseSink, store_left_lines
from fmzthreads.strategy.log.spill import SEGMENT, Spill
from fmzthreads.strategy.log.spill_entries import decoded, encoded

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
_TEXT = st.text(max_size=20)
_LINES = st.builds(
    Line, number=st.just(0), time_ms=st.integers(-(2**63), 2**63 - 1), kind=st.sampled_from(sorted(LOG_TYPES)), text=_TEXT,
    color=_TEXT, push=st.booleans(), private=st.booleans(), source=_TEXT, label=_TEXT, symbol=_TEXT, order_id=_TEXT,
    price=st.none() | st.floats(allow_nan=False), amount=st.none() | st.floats(allow_nan=False),
    profit=st.none() | st.floats(allow_nan=False),
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "run" / "strategy.sqlite3"


def _line(text: str, **fields: Any) -> Line:
    return Line(number=0, time_ms=1_000, kind="log", text=text, **fields)


def _query(path: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return raw.execute(query).fetchall()


def _texts(path: Path) -> list[str]:
    return [row[0] for row in _query(path, "SELECT extra FROM log ORDER BY id")]


def _killed(spill: Spill, entries: Sequence[Entry]) -> None:
    """Entries of a process that is then killed: its file stays, and its lock is gone."""
    for number, entry in enumerate(entries, 1):
        spill.put(number, entry)
    assert not spill.close(0)


class Hanging(DatabaseSink):
    """A database that takes nothing before its gate is opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entered, self.gate = threading.Event(), threading.Event()

    def write(self, batch: Sequence[Entry]) -> None:
        self.entered.set()
        assert self.gate.wait(60)
        super().write(batch)


@given(_LINES)
def test_a_line_is_the_same_after_it_was_bytes(line: Line) -> None:
    again = decoded(encoded(7, line)[12:])
    clean = [name for name in ("color", "source", "label", "symbol", "order_id") if "\x1f" not in getattr(line, name)]
    for name in ("time_ms", "kind", "text", "push", "private", "price", "amount", "profit", *clean):
        assert getattr(again, name) == getattr(line, name), name


@pytest.mark.parametrize(
    "entry",
    [ProfitPoint(5, -0.25), Reset("log", 3), Reset("profit", 0), ChartPoint(7, 2, '[1,"\x1f"]', 9), ChartConfig('{"a":1}'), ChartReset(4)],
)  # fmt: skip
def test_so_are_the_other_entries(entry: Entry) -> None:
    assert decoded(encoded(7, entry)[12:]) == entry


def test_of_lines_that_are_not_stored_only_the_push_is_kept() -> None:
    fields = {"number": 0, "time_ms": 1, "kind": "log", "text": "x"}
    assert encoded(7, UnstoredLine(**fields)) == b""  # type: ignore[arg-type]
    assert type(decoded(encoded(7, UnstoredLine(**fields, push=True))[12:])) is UnstoredLine  # type: ignore[arg-type]
    assert encoded(7, StatusText("x")) == b""


@pytest.mark.parametrize("data", [b"", b"\x05", bytes(34), b"\x63" + bytes(33), b"\x12" + bytes(33)])
def test_bytes_of_no_entry_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not the bytes of an entry|not enough values|invalid literal"):
        decoded(data)


@posix
def test_a_line_whose_log_returned_survives_the_kill_of_its_process(database: Path) -> None:
    script = """
import os, signal, sys
from fmzthreads import Log, LogProfit
from fmzthreads.strategy.runtime import Runtime, use
with use(Runtime(database=sys.argv[1], name="t", console=False)):
    for n in range(int(sys.argv[2])):
        Log("line", n, "@" if n == 3 else "")
        LogProfit(n, "&")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for count in (1, 2000):
        done = subprocess.run([sys.executable, "-c", script, str(database), str(count)], check=False)
        assert done.returncode == -signal.SIGKILL
    store_left_lines(database)  # the lines of the first were stored by the second's first line
    expected = ["line 0 ", "line 0 ", *(f"line {n} " for n in range(1, 2000))]
    assert [text.rstrip() for text in _texts(database)] == [text.rstrip() for text in expected]
    assert [row[0] for row in _query(database, "SELECT profit FROM profit ORDER BY id")] == [0, *range(2000)]
    assert len(_query(database, "SELECT * FROM push")) == 1
    store_left_lines(database)
    assert len(_texts(database)) == 2001
    assert left_files(database) == []


def test_what_is_in_the_database_already_is_not_stored_again(database: Path) -> None:
    spill, sink = Spill(database), DatabaseSink(database)
    entries = [_line(f"line {n}") for n in range(5)]
    for number, entry in enumerate(entries, 1):
        spill.put(number, entry)
    sink.write([*entries[:3], Mark(spill.name, 3)])
    spill.close(3)
    store_left_lines(database)
    assert _texts(database) == [f"line {n}" for n in range(5)]
    sink.close()


def test_a_file_stays_until_its_entries_are_stored(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed(Spill(database), [_line("a")])
    [path] = left_files(database)
    with left_lines(path) as left:
        assert left is not None
    assert left_files(database) == [path]
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.database.Database.execute_all", _locked)
        with pytest.raises(OperationFailed):
            store_left_lines(database)
    assert left_files(database) == [path]
    store_left_lines(database)
    assert _texts(database) == ["a"]
    assert list(database.parent.glob("*-lines-*")) == []


def _locked(*args: object, **options: object) -> None:
    raise OperationFailed("locked")


def test_nor_when_who_stored_it_was_killed_before_it_deleted_the_file(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed(Spill(database), [_line("a"), _line("b")])
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.strategy.log.left_lines.LeftLines.remove", lambda self: None)
        store_left_lines(database)
    assert len(left_files(database)) == 1
    store_left_lines(database)
    assert _texts(database) == ["a", "b"]
    assert left_files(database) == []


def test_the_lines_that_were_left_come_before_those_of_the_next_process(database: Path) -> None:
    _killed(Spill(database), [_line("gone"), Reset("log", 0), _line("left")])
    journal = Journal(ManualClock(1.0))
    journal.add_sink(DatabaseSink(database), Spill(database))
    journal.log("next")
    assert journal.flush(60)
    assert _texts(database) == ["left", "next"]
    assert journal.close(60)
    assert left_files(database) == []
    assert len(_query(database, "SELECT * FROM spilled")) == 1  # of the process that was killed; its own is deleted


def test_a_file_that_its_process_still_has_is_let_alone(database: Path) -> None:
    spill = Spill(database)
    spill.put(1, _line("mine"))
    store_left_lines(database)
    assert _query(database, "SELECT name FROM sqlite_schema WHERE name = 'log'") == []  # nothing was to be stored
    assert len(left_files(database)) == 1
    assert spill.close(1)
    assert left_files(database) == []


@pytest.mark.parametrize(("place", "left", "words"), [(-40, 2, "from byte"), (2, 0, "does not begin")])
def test_damage_is_named_and_what_is_whole_is_stored(database: Path, place: int, left: int, words: str) -> None:
    spill = Spill(database)
    _killed(spill, [_line("first"), _line("second"), _line("third")])
    [path] = left_files(database)
    content = bytearray(path.read_bytes())
    end = content.index(b"third") + len(b"third")
    content[place if place >= 0 else end + place] ^= 0xFF
    path.write_bytes(content)
    store_left_lines(database)
    *texts, last = _texts(database)
    assert texts == ["first", "second"][:left]
    assert words in last
    assert f"{left} entries of it were stored" in last
    assert left_files(database) == []
    assert [found.name for found in database.parent.glob("*.damaged")] == [f"{path.name}.damaged"]
    store_left_lines(database)
    assert len(_texts(database)) == left + 1


def test_a_damaged_entry_does_not_hide_the_others(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(
            "fmzthreads.strategy.log.spill.encoded",
            lambda number, entry: struct.pack("<QHH", number, 0, 1) + entry.text.encode(),
        )
        _killed(Spill(database), [_line("no bytes of an entry")])
    _killed(Spill(database), [_line("good")])
    store_left_lines(database)
    assert sorted("entry 1" in text for text in _texts(database)) == [False, True]


def test_an_empty_file_of_a_process_that_was_killed_at_once_is_deleted(database: Path) -> None:
    _killed(Spill(database), [_line("x")])
    [path] = left_files(database)
    path.write_bytes(b"")
    store_left_lines(database)
    assert left_files(database) == []
    assert _texts(database) == []


def test_more_lines_than_a_segment_holds_wait_for_a_sink_that_hangs(database: Path) -> None:
    sink, spill = Hanging(database), Spill(database)
    journal = Journal(ManualClock(1.0))
    journal.add_sink(sink, spill)
    texts = [f"{n} {'x' * 1000}" for n in range(600)]
    texts[7] = "y" * (SEGMENT * 2 + 17)
    for text in texts:
        journal.log(text)
    assert sink.entered.wait(60)
    # What a process would leave that is killed now.
    [path] = left_files(database)
    assert path.stat().st_size >= 4 * SEGMENT
    copy = database.with_name("copy.sqlite3")
    path.with_name(path.name.replace(database.name, copy.name)).write_bytes(path.read_bytes())
    store_left_lines(copy)
    assert _texts(copy) == texts
    sink.gate.set()
    assert journal.close(60)
    assert _texts(database) == texts
    assert left_files(database) == []


def test_segments_are_used_again_when_the_database_has_their_lines(database: Path) -> None:
    spill = Spill(database)
    for number in range(1, 2001):
        spill.put(number, _line("x" * 1000))
        if number % 100 == 0:
            spill.done(number - 50)  # never everything, so that it cannot start again at the beginning
    [path] = left_files(database)
    assert path.stat().st_size == 2 * SEGMENT
    sink = DatabaseSink(database)
    sink.write([Mark(spill.name, 1950)])
    sink.close()
    spill.close(1950)
    store_left_lines(database)
    assert len(_texts(database)) == 50


def test_a_quiet_strategy_uses_the_beginning_of_its_file_only(database: Path) -> None:
    spill = Spill(database)
    for number in range(1, 1001):
        spill.put(number, _line(f"{number} {'x' * 1000}"))
        spill.done(number)
    [path] = left_files(database)
    assert path.stat().st_size == SEGMENT
    assert len(path.read_bytes().rstrip(b"\0")) < 1_200
    spill.put(1001, _line("newest"))
    spill.close(1000)
    store_left_lines(database)
    assert _texts(database)[-1] == "newest"


def test_a_full_disk_leaves_the_log_as_it_was(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("fmzthreads.strategy.log.spill.time.monotonic", lambda: now)
    spill = Spill(database)
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.strategy.log.spill.os.write", _no_space)
        spill.put(1, _line("a"))
        assert (spill.name, left_files(database)) == ("", [])
        now += 6
        spill.put(2, _line("b"))
    spill.put(3, _line("c"))  # it is not tried again at each line
    assert spill.name == ""
    now += 6
    spill.put(4, _line("d"))
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.strategy.log.spill.os.write", _no_space)
        spill.put(5, _line("e" * SEGMENT))  # no room for another segment
    spill.put(6, _line("f"))
    spill.close(0)
    store_left_lines(database)
    assert _texts(database) == ["d", "f"]


def test_an_entry_of_which_a_part_is_missing_is_left_out(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = Spill(database)
    spill.put(1, _line("stored before"))
    spill.done(1)
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.strategy.log.spill.os.write", _no_space)
        spill.put(2, _line("x" * SEGMENT * 2))
    spill.put(3, _line("next"))
    spill.close(0)
    store_left_lines(database)
    assert _texts(database) == ["next"]


def _no_space(*args: object) -> int:
    raise OSError(28, "No space left on device")


def test_lines_that_the_database_refused_to_the_end_are_stored_by_the_next_start(database: Path) -> None:
    class Locked(DatabaseSink):
        def write(self, batch: Sequence[Entry]) -> None:
            raise OperationFailed("locked")

    journal = Journal(ManualClock(1.0))
    journal.add_sink(Locked(database), Spill(database))
    journal.log("late")
    assert not journal.close(0.2)
    [line] = [line.text for line in journal.lines("error") if "failed" in line.text]
    assert "locked" in line
    store_left_lines(database)
    assert _texts(database) == ["late"]


def test_a_finalizer_that_logs_within_a_line_changes_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = Spill(database)
    nested = iter([(2, "inner"), (3, "inner too")])

    def nesting(data: bytes) -> int:
        for number, text in nested:
            spill.put(number, _line(text))
        return crc32(data)

    monkeypatch.setattr("fmzthreads.strategy.log.spill.crc32", nesting)
    spill.put(1, _line("outer"))
    spill.close(0)
    store_left_lines(database)
    assert _texts(database) == ["outer", "inner", "inner too"]


def test_an_interrupt_within_a_line_leaves_the_others_whole(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = Spill(database)
    spill.put(1, _line("before"))
    with monkeypatch.context() as context:
        context.setattr("fmzthreads.strategy.log.spill.crc32", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            spill.put(2, _line("interrupted"))
    spill.put(3, _line("after"))
    spill.close(0)
    store_left_lines(database)
    assert _texts(database) == ["before", "after"]


def _interrupted(data: bytes) -> int:
    raise KeyboardInterrupt


@posix
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_file_of_its_own(database: Path) -> None:
    journal = Journal(ManualClock(1.0))
    journal.add_sink(DatabaseSink(database), Spill(database))
    journal.log("parent")
    assert journal.flush(60)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            journal.log("child")
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    os.waitpid(child, 0)
    journal.log("parent again")
    assert journal.flush(60)
    store_left_lines(database)
    assert sorted(_texts(database)) == ["child", "parent", "parent again"]
    assert journal.close(60)
    assert left_files(database) == []


@pytest.fixture(autouse=True)
def _no_file_stays_open(database: Path) -> Iterator[None]:
    yield
    if Path("/proc/self/fd").exists():
        names = []
        for file in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(str(file.readlink()))
        assert [name for name in names if "-lines-" in name and str(database.parent) in name] == []
