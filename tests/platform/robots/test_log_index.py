"""The index beside a long log: it saves reading, and hides nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.platform.robots import log_index
from fmzthreads.platform.robots.log_filter import LogFilter
from fmzthreads.platform.robots.tables import RobotTables
from fmzthreads.strategy.log.log_database import SCHEMA

BLOCK, ROWS = 4, 4 * 64
WORDS = ("Buy", "下单", "ORDER 7", "a_b%", "price", "é", "日志", "", "x\0y", "0042", "Timeout")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few lines, so that a small log has several segments."""
    monkeypatch.setattr(log_index, "_BLOCK", BLOCK)
    monkeypatch.setattr(log_index, "_ROWS", ROWS)


@pytest.fixture
def tables() -> Iterator[RobotTables]:
    made = RobotTables()
    yield made
    made.close()


def add(path: Path, count: int, seed: int = 1) -> None:
    rng = random.Random(seed)
    with sqlite3.connect(path) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO log (date, logType, eid, orderId, price, amount, extra, contractType, direction, color, push, private, source) "
            "VALUES (?, ?, ?, '', 0, 0, ?, '', '', '', 0, 0, '')",
            (
                (n, rng.choice((0, 3, 5, 5)), rng.choice(("Binance", "OKX")) if rng.random() < 0.1 else "",
                 f"{rng.choice(WORDS)} {rng.randrange(10**6)} {rng.choice(WORDS)}")
                for n in range(count)
            ),
        )  # fmt: skip
    connection.close()


def grown(tables: RobotTables, path: Path) -> None:
    while tables.grow_index(path):
        pass


def scanned(path: Path, wanted: LogFilter) -> list[int]:
    """The ids of the lines that match, newest first, without an index."""
    condition, params = wanted.condition()
    with sqlite3.connect(path) as connection:
        rows = connection.execute(f"SELECT id FROM log WHERE {condition or 1} ORDER BY id DESC", params).fetchall()
    connection.close()
    return [row[0] for row in rows]


FILTERS = [
    *(LogFilter(word=word) for word in (*WORDS[:-1], "TIMEOUT", "timeou", "ut 1", "单", "0", "42", "%", "zq", "nothing has it")),
    LogFilter(kinds=(3,)), LogFilter(kinds=(0, 3)), LogFilter(kinds=(6,)), LogFilter(kinds=(99,)), LogFilter(label="OKX"), LogFilter(label="Kraken"),
    LogFilter(kinds=(0,), label="Binance", word="price"),
]  # fmt: skip


def test_filters_find_the_same_lines_with_an_index(tables: RobotTables, tmp_path: Path) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, 4 * ROWS + 77)
    grown(tables, path)
    assert (tmp_path / log_index.FILE_NAME).exists()
    for wanted in FILTERS:
        expected = scanned(path, wanted)
        page = tables.log(path, limit=10_000, wanted=wanted)
        assert ([row.id for row in page.rows], page.total) == (expected, len(expected)), wanted
        few = tables.log(path, limit=3, offset=2, min_id=100, max_id=900, wanted=wanted)
        within = [number for number in expected if 100 <= number <= 900]
        assert ([row.id for row in few.rows], few.total) == (within[2:5], len(within)), wanted


def test_an_index_saves_reading(tables: RobotTables, tmp_path: Path) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, 4 * ROWS)
    grown(tables, path)
    wanted = LogFilter(word="nothing has it")
    assert list(tables.index.ranges(path, wanted, 1, 4 * ROWS)) == []
    assert tables.index.counted(path, (3,), 1, 4 * ROWS) == (len(scanned(path, LogFilter(kinds=(3,)))), [])
    kind = LogFilter(kinds=(6,))
    assert list(tables.index.ranges(path, kind, 1, 4 * ROWS)) == []


def test_lines_that_come_after_the_index_are_found_and_then_indexed(tables: RobotTables, tmp_path: Path) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, 2 * ROWS)
    grown(tables, path)
    size = (tmp_path / log_index.FILE_NAME).stat().st_size
    add(path, ROWS + 1, seed=2)
    wanted = LogFilter(word="price")
    assert [row.id for row in tables.log(path, limit=10_000, wanted=wanted).rows] == scanned(path, wanted)
    grown(tables, path)
    assert (tmp_path / log_index.FILE_NAME).stat().st_size == size * 3 // 2, "the first two segments stay"
    assert [row.id for row in tables.log(path, limit=10_000, wanted=wanted).rows] == scanned(path, wanted)


def test_a_short_log_has_no_index(tables: RobotTables, tmp_path: Path) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, ROWS - 1)
    grown(tables, path)
    assert not (tmp_path / log_index.FILE_NAME).exists()


def test_a_log_that_was_put_in_the_place_of_another_is_not_read_by_the_old_index(
    tables: RobotTables, tmp_path: Path
) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, 3 * ROWS)
    grown(tables, path)
    tables.forget(path)
    path.unlink()
    add(path, 3 * ROWS, seed=3)
    for wanted in FILTERS:
        assert [row.id for row in tables.log(path, limit=10_000, wanted=wanted).rows] == scanned(path, wanted), wanted
    grown(tables, path)
    assert list(tables.index.ranges(path, LogFilter(word="nothing has it"), 1, 3 * ROWS)) == []
    for wanted in FILTERS:
        assert [row.id for row in tables.log(path, limit=10_000, wanted=wanted).rows] == scanned(path, wanted), wanted


@pytest.mark.parametrize("keep", [0, 3, ROWS, 2 * ROWS + 5])
def test_a_reset_log_goes_on(tables: RobotTables, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "strategy.sqlite3"
    add(path, 3 * ROWS + 3)
    grown(tables, path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM log WHERE id <= (SELECT MAX(id) FROM log) - ?", (keep,))
    connection.close()
    for _ in range(3):
        for wanted in FILTERS[-9:]:
            page = tables.log(path, limit=10_000, wanted=wanted)
            assert [row.id for row in page.rows] == scanned(path, wanted), wanted
        add(path, ROWS, seed=keep)
        grown(tables, path)


@pytest.mark.parametrize("damage", ["cut", "zeros", "text", "empty"])
def test_a_damaged_index_is_not_believed(tables: RobotTables, tmp_path: Path, damage: str) -> None:
    path, index = tmp_path / "strategy.sqlite3", tmp_path / log_index.FILE_NAME
    add(path, 3 * ROWS)
    grown(tables, path)
    content = index.read_bytes()
    index.write_bytes(
        {"cut": content[:-100], "zeros": bytes(len(content)), "text": b"no index" * 10_000, "empty": b""}[damage]
    )
    for _ in range(2):
        for wanted in FILTERS:
            assert [row.id for row in tables.log(path, limit=10_000, wanted=wanted).rows] == scanned(path, wanted)
        grown(tables, path)
    assert list(tables.index.ranges(path, LogFilter(word="nothing has it"), 1, 3 * ROWS)) == [], "it was made anew"
