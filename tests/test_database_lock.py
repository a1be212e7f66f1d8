"""How long a statement waits for another thread's."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

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
    """A lock that another thread holds; it notes for how long it was waited for, and may be had after that.

    Args:
        meanwhile: Called during the wait; returns whether the other thread has released it.
    """

    def __init__(self, meanwhile: Callable[[], bool] = lambda: False) -> None:
        self.waited: list[float] = []
        self.held = 0
        self._meanwhile = meanwhile

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            return False
        self.waited.append(timeout)
        found = self._meanwhile()
        self.held += found
        return found

    def release(self) -> None:
        self.held -= 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("options", [{}, {"busy_s": 0.25}])
def test_a_statement_waits_for_those_of_other_threads_longer_than_for_another_program(
    options: dict[str, float], call: Callable[[Database], object], tmp_path: Path
) -> None:
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False, **options)  # type: ignore[arg-type]
    bound = Bound()
    database._lock = bound  # type: ignore[assignment]
    with pytest.raises(OperationFailed, match="calls of other threads have held it for 10 s"):
        call(database)
    assert (bound.waited, bound.held) == ([10.0], 0)
    assert not (tmp_path / "a.sqlite3").exists()


@pytest.mark.parametrize("call", CALLS)
def test_a_slow_statement_of_another_thread_refuses_none(
    call: Callable[[Database], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the first one, which makes the file, on a busy disk: the orders of other threads must not fail for it."""
    times = iter([100.0, 109.0])
    monkeypatch.setattr("fmzthreads.database.WallClock", lambda: SimpleNamespace(monotonic=lambda: next(times)))
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False, busy_s=0.25)
    bound = Bound(lambda: True)
    database._lock = bound  # type: ignore[assignment]
    call(database)
    assert (bound.waited, bound.held) == ([10.0], 0)
    database._lock = threading.RLock()
    database.close()


@pytest.mark.parametrize(("waited_s", "refused"), [(0.2, False), (0.25, True)])
@pytest.mark.parametrize("call", CALLS)
def test_what_waits_while_another_program_holds_the_file_fails_with_the_statement_that_waited_for_it(
    call: Callable[[Database], object],
    waited_s: float,
    refused: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([100.0, 100.0 + waited_s])
    monkeypatch.setattr("fmzthreads.database.WallClock", lambda: SimpleNamespace(monotonic=lambda: next(times)))
    database = Database(tmp_path / "a.sqlite3", SCHEMA, durable=False, busy_s=0.25)

    def _fails() -> bool:
        database._failure(sqlite3.OperationalError("database is locked"))
        return True

    bound = Bound(_fails)
    database._lock = bound  # type: ignore[assignment]
    if refused:
        with pytest.raises(OperationFailed, match=r"cannot be used: another program has held it for 0\.25 s"):
            call(database)
        assert not (tmp_path / "a.sqlite3").exists()
    else:
        call(database)
    assert bound.held == 0
    database._lock = threading.RLock()
    database.close()


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
