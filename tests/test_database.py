"""The SQLite file across a fork."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fmzthreads import fork
from fmzthreads.database import Database
from tests.helpers.forked import in_fork, needs_fork

pytestmark = needs_fork

SCHEMA = ("CREATE TABLE IF NOT EXISTS t (x INTEGER)",)


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.execute("SELECT x FROM t ORDER BY x")]


@pytest.mark.parametrize("parent_closes", [False, True])
def test_what_a_child_writes_outlives_the_parent_s_connection(tmp_path: Path, parent_closes: bool) -> None:
    """A copy that stayed open in the child made SQLite there believe in locks that only the parent had, and rows were lost."""
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False)
    database.execute("INSERT INTO t VALUES (1)")
    told, tell = os.pipe()
    go, start = os.pipe()

    def child() -> list[int]:
        database.execute("INSERT INTO t VALUES (2)")
        os.write(tell, b"x")
        os.read(go, 1)
        for number in (3, 4):
            database.execute("INSERT INTO t VALUES (?)", (number,))
        return numbers(database)

    def parent() -> None:
        os.read(told, 1)
        if parent_closes:
            database.close()
        os.write(start, b"x")

    thread = threading.Thread(target=parent)
    thread.start()
    assert in_fork(child) == [1, 2, 3, 4]
    thread.join(60)
    assert numbers(Database(tmp_path / "a.sqlite3", SCHEMA, durable=False)) == [1, 2, 3, 4]
    database.execute("INSERT INTO t VALUES (5)")  # the parent's goes on
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    for pipe in (told, tell, go, start):
        os.close(pipe)


def test_forks_while_other_threads_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False)
    stop, begun = threading.Event(), threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set():
            database.execute("INSERT INTO t VALUES (1)")
            written.append(1)
            begun.set()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    for _ in range(10):
        assert in_fork(lambda: database.execute("INSERT INTO t VALUES (2)")) == []
    stop.set()
    for thread in threads:
        thread.join(60)
    assert numbers(database) == [1] * len(written) + [2] * 10
    database.close()


def test_a_fork_during_a_statement_that_takes_too_long_leaves_the_file_to_the_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork, "_HOLD_S", 0.05)
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False)
    database.execute("INSERT INTO t VALUES (1)")
    held, go = threading.Event(), threading.Event()

    def slow() -> None:
        with database._lock:
            held.set()
            go.wait(60)

    thread = threading.Thread(target=slow)
    thread.start()
    assert held.wait(60)

    def child() -> str:
        try:
            database.execute("SELECT x FROM t")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    told = in_fork(child)
    assert told.startswith("OperationFailed: the database ")
    assert "was in use by another thread when this process was forked" in told
    assert "spawn" in told
    go.set()
    thread.join(60)
    assert numbers(database) == [1]
    database.close()
