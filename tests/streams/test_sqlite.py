"""``sqlite3://`` given what is hard to take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.errors import InputError
from fmzthreads.streams import Dial, SqliteConnection
from tests.helpers.journal import StrictJournal

HANG_S = 60.0
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x), started() FROM c"


@pytest.fixture
def journal() -> StrictJournal:
    return StrictJournal()


@pytest.fixture
def database(journal: StrictJournal) -> Iterator[SqliteConnection]:
    opened = Dial("sqlite3://:memory:", host=journal)
    assert isinstance(opened, SqliteConnection)
    with opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "binds"),
    [
        ("SELECT 1; SELECT 2", ()),
        ("SELECT \0 1", ()),
        ("SELECT '\ud800'", ()),
        ("SELECT ?", ("\ud800",)),
        ("SELECT ?", (1 << 63,)),
        ("SELECT ?", ()),
        ("SELECT ?", (1, 2)),
        ("SELECT ?", ([1],)),
        ("SELECT CAST(x'ff' AS TEXT)", ()),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, ()),
        ("nonsense", ()),
    ],
)
def test_what_cannot_be_run_is_one_error_line(
    database: SqliteConnection, journal: StrictJournal, sql: str, binds: tuple[Any, ...]
) -> None:
    assert database.exec(sql, *binds) is None
    assert len(journal.errors) == 1
    assert database.exec("SELECT 1") == {"columns": ["1"], "values": [[1]]}


@pytest.mark.parametrize("sql", [None, 1, b"SELECT 1", ["SELECT 1"]])
def test_sql_is_text(database: SqliteConnection, sql: Any) -> None:
    with pytest.raises(InputError, match=type(sql).__name__):
        database.exec(sql)


def test_an_empty_statement_gives_nothing(database: SqliteConnection) -> None:
    assert database.exec("") == {"columns": [], "values": []}


def test_close_breaks_off_a_statement_that_would_not_end(database: SqliteConnection, journal: StrictJournal) -> None:
    running = threading.Event()
    database._database.create_function("started", 0, lambda: running.set())
    results: list[object] = []
    worker = threading.Thread(
        target=lambda: results.append(database.exec(ENDLESS.replace("SELECT 1 ", "SELECT 1 + (started() IS NULL) ")))
    )
    worker.start()
    assert running.wait(HANG_S)
    database.close()
    worker.join(HANG_S)
    assert results == [None]
    assert "interrupted" in journal.errors[0]
    assert database.state == "closed"


def test_many_may_close_at_once(database: SqliteConnection) -> None:
    closers = [threading.Thread(target=database.close) for _ in range(8)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(HANG_S)
    assert database.exec("SELECT 1") is None
