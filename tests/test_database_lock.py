"""How long a statement waits for another thread's."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fmzthreads.database import Database
from fmzthreads.errors import OperationFailed
from tests.helpers.threads import run_in_thread

SCHEMA = ("CREATE TABLE IF NOT EXISTS t (x INTEGER)",)
INSERT = ("INSERT INTO t VALUES (?)", (1,))
CALLS: list[Callable[[Database], object]] = [
    lambda database: database.execute("SELECT x FROM t"),
    lambda database: database.execute_one(*INSERT),
    lambda database: database.execute_all([INSERT]),
    lambda database: database.execute_all([INSERT, INSERT]),
]


class Bound:
    """A lock that another thread holds; it notes for how long it was waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def acquire(self, timeout: float = -1) -> bool:
        self.waited.append(timeout)
        return False


@pytest.mark.parametrize("call", CALLS)
def test_a_statement_waits_for_another_thread_as_long_as_for_another_program(
    call: Callable[[Database], object], tmp_path: Path
) -> None:
    for options, seconds in (({}, 3.0), ({"busy_s": 0.25}, 0.25)):
        database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False, **options)  # type: ignore[arg-type]
        bound = Bound()
        database._lock = bound  # type: ignore[assignment]
        with pytest.raises(OperationFailed, match=f"a call of another thread has held it for {seconds:g} s"):
            call(database)
        assert bound.waited == [seconds]
        assert not (tmp_path / "a.sqlite3").exists()


@pytest.mark.parametrize("statements", [0, 1, 2])
def test_a_statement_may_be_more_patient_with_other_threads(statements: int, tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False, busy_s=0.25)
    bound = Bound()
    database._lock = bound  # type: ignore[assignment]
    with pytest.raises(OperationFailed, match="a call of another thread has held it for 10 s"):
        if statements:
            database.execute_all([INSERT] * statements, patience_s=10.0)
        else:
            database.execute("SELECT x FROM t", patience_s=10.0)
    assert bound.waited == [10.0]


@pytest.mark.parametrize("call", CALLS)
def test_a_statement_releases_the_lock_also_when_it_fails(call: Callable[[Database], object], tmp_path: Path) -> None:
    good = Database(tmp_path / "good.sqlite3", SCHEMA, durable=False)
    call(good)
    (tmp_path / "bad.sqlite3").write_bytes(b"no database at all " * 100)
    bad = Database(tmp_path / "bad.sqlite3", SCHEMA, durable=False)
    with pytest.raises(OperationFailed, match="not a database"):
        call(bad)
    for database in (good, bad):
        assert run_in_thread(lambda taken=database._lock: taken.acquire(timeout=60.0)).result()
        database._lock = threading.RLock()
    good.close()
