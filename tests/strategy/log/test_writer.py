"""The queue before a sink: what waits, what is dropped, what is told, and that no caller waits."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import LOG_TYPE_BUY
from fmzthreads.errors import OperationFailed
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.lines import Entry, Line, StatusText
from fmzthreads.strategy.log.log_database import DatabaseSink
from tests.helpers.strategy import Collector
from tests.helpers.threads import no_new_threads, side_by_side


class Gated(Collector):
    """A sink that hangs until its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def write(self, batch: Sequence[Entry]) -> None:
        self.entered.set()
        assert self.gate.wait(60)
        super().write(batch)


class Refusing(Collector):
    """A sink that can be told to refuse for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse = True
        self.refused = threading.Event()

    def write(self, batch: Sequence[Entry]) -> None:
        if self.refuse:
            self.refused.set()
            raise OperationFailed("locked")
        super().write(batch)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_800_000_000.0)


@pytest.fixture
def gated() -> Iterator[Gated]:
    sink = Gated()
    yield sink
    sink.gate.set()


def _order(journal: Journal, number: int) -> None:
    journal.order(LOG_TYPE_BUY, source="X", symbol="A_B", price=1, amount=1, order_id=str(number))


def _texts(sink: Collector) -> list[str]:
    return [line.text or line.order_id for line in sink.lines()]


def _hang(journal: Journal, sink: Gated) -> None:
    journal.log("in hand")
    assert sink.entered.wait(60)


def test_no_caller_waits_for_a_sink_that_hangs_and_other_sinks_go_on(clock: ManualClock, gated: Gated) -> None:
    other = Collector()
    journal = Journal(clock, [gated, other])
    _hang(journal, gated)
    for n in range(300):
        journal.log(n)
        journal.status(n)
        journal.profit(n, "&")
        _order(journal, n)
    journal.reset(3)
    assert not journal.flush(0.05)
    gated.gate.set()
    assert journal.flush()
    assert gated.lines() == other.lines()
    assert len(gated.lines()) == 601
    assert [name for name, _ in gated.seen if name in {"reset", "status"}] == ["status", "reset"]


def test_lines_of_orders_are_dropped_last(clock: ManualClock, gated: Gated, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(clock, [gated], queue_options={"most_entries": 6})
    _hang(journal, gated)
    for n in range(4):
        journal.log("log", n)
        _order(journal, n)
        journal.error(f"error {n}")
    assert journal.stats()[0].lost == 6
    assert journal.stats()[0].waiting == 7
    for n in range(4, 9):
        _order(journal, n)
    assert journal.stats()[0].lost == 11
    gated.gate.set()
    assert journal.flush()
    kept = [text for text in _texts(gated) if "journal's" not in text]
    assert kept == ["in hand", "3", "4", "5", "6", "7", "8"]
    told = [line.text for line in journal.lines("error") if "journal's" in line.text]
    assert told == [
        "the journal's Gated is too slow: 6 lines wait for it, and older ones are dropped",
        "the journal's Gated works again; 11 lines were lost",
    ]
    err = capsys.readouterr().err
    assert all(err.count(text) == 1 for text in told)


def test_long_lines_are_bounded_by_their_characters(clock: ManualClock, gated: Gated) -> None:
    journal = Journal(clock, [gated], queue_options={"most_characters": 1_000})
    _hang(journal, gated)
    for n in range(10):
        journal.log(str(n) * 300)
    gated.gate.set()
    assert journal.flush()
    assert [text[0] for text in _texts(gated)] == ["i", "7", "8", "9"]


def test_of_status_texts_only_the_newest_waits(clock: ManualClock, gated: Gated) -> None:
    journal = Journal(clock, [gated])
    _hang(journal, gated)
    for n in range(1000):
        journal.status(n)
    journal.log("after")
    gated.gate.set()
    assert journal.flush()
    assert gated.seen[1:] == [("status", "999"), ("line", journal.lines()[-1])]


def test_a_refused_batch_is_written_later_in_its_order(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    sink = Refusing()
    journal = Journal(clock, [sink])
    for n in range(5):
        journal.log(n)
        assert sink.refused.wait(60)
    sink.refuse = False
    assert journal.flush()
    assert _texts(sink) == ["0", "1", "2", "3", "4"]
    (stats,) = journal.stats()
    assert (stats.lost, stats.written, stats.last_error) == (0, 5, "OperationFailed: locked")
    assert journal.close()
    err = capsys.readouterr().err
    assert err.count("failed: OperationFailed: locked") == 1
    assert err.count("works again; 0 lines were lost") == 1


def test_close_ends_in_time_while_a_sink_hangs_and_says_what_is_lost(
    clock: ManualClock, gated: Gated, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(clock, [gated])
    _hang(journal, gated)
    journal.log("late")
    assert not journal.close(0.2)
    assert "Gated did not take 2 lines before the end" in capsys.readouterr().err


def test_a_line_after_close_is_written_by_a_new_thread(clock: ManualClock) -> None:
    sink = Collector()
    journal = Journal(clock, [sink])
    with no_new_threads(named="fmzthreads-journal-Collector"):
        for n in range(50):
            journal.log(n)
            assert journal.close()
            assert _texts(sink)[-1] == str(n)
    assert [name for name, _ in sink.seen] == ["line", "close"] * 50


def test_a_journal_that_nobody_holds_writes_its_lines_and_ends_its_threads(clock: ManualClock) -> None:
    closed = threading.Event()

    class Closing(Collector):
        def close(self) -> None:
            super().close()
            closed.set()

    sink = Closing()
    journal = Journal(clock, [sink])
    journal.log("last words")
    gone = weakref.ref(journal)
    del journal
    gc.collect()
    assert gone() is None
    assert closed.wait(60)
    assert _texts(sink) == ["last words"]


def test_a_sink_that_flushes_its_own_journal_does_not_hang(clock: ManualClock) -> None:
    answers: list[bool] = []

    class Flushing(Collector):
        def write(self, batch: Sequence[Entry]) -> None:
            answers.append(journal.flush(60))

    journal = Journal(clock, [Flushing()])
    journal.log("x")
    assert journal.flush()
    assert answers == [False]


def test_many_threads_write_flush_and_close_at_once(clock: ManualClock) -> None:
    sink = Collector()
    journal = Journal(clock, [sink], keep=10_000, queue_options={"linger_s": 0.0005})

    def work(index: int) -> None:
        for n in range(100):
            journal.log(index, n)
            if n % 10 == index:
                assert journal.flush(60)
            if n % 50 == index:
                journal.close(60)

    side_by_side(8, work)
    assert journal.flush(60)
    assert sink.lines() == journal.lines()
    assert len(sink.lines()) == 800


def test_a_batch_is_split_so_that_each_write_is_short(clock: ManualClock, gated: Gated) -> None:
    sizes: list[int] = []

    class Sizes(Gated):
        def write(self, batch: Sequence[Entry]) -> None:
            super().write(batch)
            sizes.append(len(batch))

    sink = Sizes()
    journal = Journal(clock, [sink])
    _hang(journal, sink)
    for n in range(5_000):
        journal.log(n)
    journal.vacuum()
    journal.log("end")
    sink.gate.set()
    assert journal.flush()
    assert sizes == [1, 2_000, 2_000, 1_000, 1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_its_own_lines_only(clock: ManualClock, tmp_path: Path) -> None:
    code = """
import os, sys
from fmzthreads.strategy.runtime import Runtime
runtime = Runtime(database=sys.argv[1], name="t")
runtime.journal.log("before")
runtime.journal.flush()
runtime.journal.log("waiting in the parent")
child = os.fork()
if child == 0:
    runtime.journal.log("in the child")
    os._exit(0 if runtime.journal.flush(60) and runtime.journal.close(60) else 1)
assert os.waitpid(child, 0)[1] == 0
runtime.journal.log("after")
runtime.close()
"""
    path = tmp_path / "x.sqlite3"
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = ["before", "waiting in the parent", "in the child", "after"]
    raw = sqlite3.connect(path)
    stored = [row[0] for row in raw.execute("SELECT extra FROM log ORDER BY id")]
    raw.close()
    assert sorted(stored) == sorted(expected)
    assert sorted(line[20:] for line in done.stdout.splitlines()) == sorted(expected)


# SQLite that another program holds


def test_a_locked_file_delays_no_caller_and_loses_nothing(clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    journal = Journal(clock, [DatabaseSink(path)])
    journal.log("first")
    assert journal.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for n in range(100):
        journal.log(n)
    assert not journal.flush(0.1)
    assert journal.stats()[0].waiting == 100
    other.execute("ROLLBACK")
    assert journal.flush()
    assert [row[0] for row in other.execute("SELECT extra FROM log ORDER BY id")] == ["first", *map(str, range(100))]
    other.close()
    assert journal.stats()[0].lost == 0
    assert journal.close()


def test_a_reset_applies_to_what_was_written_before_it(clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    journal = Journal(clock, [DatabaseSink(path)])
    for n in range(4):
        journal.log(n)
    journal.reset(1)
    journal.log("a")
    journal.reset(10)
    journal.log("b")
    assert journal.close()
    raw = sqlite3.connect(path)
    rows = raw.execute("SELECT id, extra FROM log ORDER BY id").fetchall()
    raw.close()
    assert rows == [(4, "3"), (5, "a"), (6, "b")]


def test_tables_with_the_columns_of_an_earlier_version_are_set_aside(clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL)")
    raw.execute("INSERT INTO log (time_ms, kind) VALUES (1, 'log')")
    raw.commit()
    journal = Journal(clock, [DatabaseSink(path)])
    journal.log("new")
    assert journal.close()
    assert raw.execute("SELECT extra FROM log").fetchall() == [("new",)]
    assert raw.execute("SELECT kind FROM log_old_columns").fetchall() == [("log",)]
    raw.close()


def test_a_full_disk_is_told_and_lines_are_written_when_there_is_room(
    clock: ManualClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.sqlite3"
    sink = DatabaseSink(path)
    journal = Journal(clock, [sink])
    journal.log("first")
    assert journal.flush()
    pages = sink._database.execute("PRAGMA page_count")[0][0]
    sink._database.execute(f"PRAGMA max_page_count = {pages}")
    journal.log("x" * 100_000)
    assert not journal.flush(0.3)
    sink._database.execute("PRAGMA max_page_count = 100000")
    assert journal.flush()
    assert journal.close()
    assert journal.stats()[0].lost == 0
    err = capsys.readouterr().err
    assert err.count("disk is full") == 1
    assert "works again" in err


def test_status_texts_are_not_stored(clock: ManualClock, tmp_path: Path) -> None:
    sink = DatabaseSink(tmp_path / "x.sqlite3")
    sink.write([StatusText("only a status")])
    sink.write([Line(number=1, time_ms=0, kind="log", text="x"), StatusText("y")])
    assert sink._database.execute("SELECT extra FROM log") == [("x",)]
    sink.close()


def test_a_sink_without_lines_is_closed_too(clock: ManualClock) -> None:
    sink = Collector()
    journal = Journal(clock, [sink])
    assert journal.close()
    assert sink.seen == [("close", None)]


def test_a_restart_is_a_line(clock: ManualClock) -> None:
    sink = Collector()
    journal = Journal(clock, [sink])
    journal.restart("again", 1)
    assert journal.close()
    assert [(line.kind, line.text) for line in sink.lines()] == [("restart", "again 1")]


def test_a_sink_that_cannot_be_closed_is_told_of_and_works_again_later(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stuck(Collector):
        def close(self) -> None:
            raise OSError("no way to close")

    sink = Stuck()
    journal = Journal(clock, [sink])
    journal.log("first")
    journal.close()
    assert "no way to close" in capsys.readouterr().err
    journal.log("second")
    journal.close()
    assert _texts(sink) == ["first", "second"]
