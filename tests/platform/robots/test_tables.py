"""Pages of a robot's tables, while it writes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import LOG_TYPE_BUY
from fmzthreads.errors import OperationFailed
from fmzthreads.platform.robots import tables as module
from fmzthreads.platform.robots.tables import LogFilter, RobotTables
from fmzthreads.strategy.log.journal import Journal
from fmzthreads.strategy.log.log_database import DatabaseSink


@pytest.fixture
def tables() -> Iterator[RobotTables]:
    made = RobotTables()
    yield made
    made.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(ManualClock(1_700_000_000.0), [DatabaseSink(tmp_path / "db")])
    yield made
    made.close()


def test_pages_of_a_log(tables: RobotTables, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert tables.log(path).total == 0, "a file that is not there"
    for number in range(1, 21):
        journal.log("line", number)
    assert journal.flush()
    page = tables.log(path, limit=3)
    assert (page.total, page.smallest, page.largest) == (20, 1, 20)
    assert [row.text for row in page.rows] == ["line 20", "line 19", "line 18"]
    assert [row.id for row in tables.log(path, offset=18, limit=5).rows] == [2, 1]
    assert [row.id for row in tables.log(path, min_id=5, max_id=8, limit=10).rows] == [8, 7, 6, 5]
    assert [row.id for row in tables.log(path, min_id=5, max_id=8, offset=3, limit=10).rows] == [5]
    assert tables.log(path, min_id=5, max_id=8).total == 4
    assert tables.log(path, limit=0).rows == []
    assert len(tables.log(path, limit=-1).rows) == 20
    assert tables.log(path, offset=10**12).rows == []
    assert [row.id for row in tables.log_after(path, 17)] == [18, 19, 20]


def test_pushes_are_kept_whatever_becomes_of_the_lines(tables: RobotTables, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert tables.pushes_after(path, 0, limit=9) == []
    journal.log("one", "@")
    journal.log("quiet")
    journal.enable_storing(False)
    journal.log("not stored", "@")
    journal.enable_storing(True)
    journal.reset(0)
    journal.log("three", "@")
    assert journal.flush()
    rows = tables.pushes_after(path, 0, limit=2)
    assert [(row.id, row.text) for row in rows] == [(1, "one"), (2, "not stored")]
    assert [row.text for row in tables.pushes_after(path, 2, limit=9)] == ["three"]
    for number in range(10_050):
        journal.log(number, "@")
    assert journal.flush()
    rows = tables.pushes_after(path, 0, limit=20_000)
    assert (len(rows), rows[-1].text) == (10_000, "10049")


def test_filters_count_what_matches_and_follow_the_log(tables: RobotTables, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "db"
    journal.log("100% of a_b!")
    journal.error("no", source="first")
    journal.order(LOG_TYPE_BUY, source="first", symbol="BTC_USDT", price=1.0, amount=2.0, order_id="7")
    assert journal.flush()
    for wanted, total in (
        (LogFilter(kinds=(3,)), 1), (LogFilter(kinds=(0, 3)), 2), (LogFilter(label="first"), 1), (LogFilter(word="% OF"), 1),
        (LogFilter(word="a_b!"), 1), (LogFilter(word="axb"), 0), (LogFilter(kinds=(5,), word="100"), 1),
    ):  # fmt: skip
        page = tables.log(path, wanted=wanted)
        assert (page.total, len(page.rows)) == (total, total), wanted
    for number in range(30):
        journal.error(f"more {number}")
    assert journal.flush()
    assert tables.log(path, wanted=LogFilter(kinds=(3,)), limit=2).total == 31
    journal.reset(5)
    assert journal.flush()
    page = tables.log(path, wanted=LogFilter(kinds=(3,)), limit=2)
    assert (page.total, page.smallest, page.largest) == (5, 29, 33)
    assert tables.log(path).total == 5


def test_a_profit_line_has_its_newest_point(tables: RobotTables, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert tables.profit_line(path) == []
    for number in range(1, 1001):
        journal.profit(number, "&")
    assert journal.flush()
    line = tables.profit_line(path, 60)
    assert 55 <= len(line) <= 61
    assert (line[0].profit, line[-1].profit) == (1.0, 1000.0)
    assert [row.profit for row in tables.profit_line(path, 1)] == [1000.0]
    page = tables.profit(path, offset=1, limit=2)
    assert (page.total, [row.profit for row in page.rows]) == (1000, [999.0, 998.0])
    assert tables.last(path)[3] == 1000.0


def test_a_file_that_was_replaced_is_read_anew(tables: RobotTables, tmp_path: Path) -> None:
    for text in ("first", "second"):
        path = tmp_path / text / "db"
        journal = Journal(ManualClock(1.0), [DatabaseSink(path)])
        journal.log(text)
        journal.close()
        path.replace(tmp_path / "db")
        assert tables.log(tmp_path / "db").rows[0].text == text


def test_a_file_that_was_written_again_is_read_again(tables: RobotTables, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "db"
    for number in range(1, 30):
        journal.log("line", number)
        journal.profit(number, "&")
        assert journal.flush()
        assert tables.last(path)[2:] == (f"line {number}", float(number))
        assert tables.profit_line(path)[-1].profit == number
    for name in ("db", "db-wal"):  # as if it had not been written for long
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    for _ in range(2):
        assert tables.last(path)[2] == "line 29"
    journal.log("one more")
    assert journal.flush()
    assert tables.last(path)[2] == "one more"


def test_what_was_written_just_now_is_not_remembered(
    tables: RobotTables, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writes may fall into one step of the file system's time."""
    path = tmp_path / "db"
    now = time.time_ns()
    monkeypatch.setattr(module, "file_stamp", lambda _: (1, now, 1, now, 1))
    for text in ("one", "two"):
        journal.log(text)
        assert journal.flush()
        assert tables.last(path)[2] == text


def test_a_damaged_file_is_an_error_each_time(tables: RobotTables, tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"nothing" * 1000)
    for _ in range(2):
        with pytest.raises(OperationFailed, match="not a database"):
            tables.log(path)
