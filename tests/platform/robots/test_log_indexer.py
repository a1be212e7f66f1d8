"""The thread that grows the indexes of all robots: trouble with one robot, or with the list of them, does not end it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from fmzthreads.errors import OperationFailed
from fmzthreads.platform.robots.log_indexer import LogIndexer
from fmzthreads.platform.robots.tables import RobotTables

LONG_S = 60.0


class GrowingTables:
    """Stands in for the tables: some logs are damaged, and each other one has so many steps left."""

    def __init__(self, steps: int, damaged: dict[str, Exception] | None = None) -> None:
        self.steps = steps
        self.damaged = damaged or {}
        self.grown: list[str] = []
        self.done = threading.Event()

    def grow_index(self, path: Path) -> bool:
        if path.name in self.damaged:
            raise self.damaged[path.name]
        self.grown.append(path.name)
        more = len(self.grown) < self.steps
        if not more:
            self.done.set()
        return more


def indexer(tables: GrowingTables, paths: Any) -> LogIndexer:
    return LogIndexer(cast(RobotTables, tables), paths, pause_s=0.0)


def test_a_damaged_log_and_a_full_disk_do_not_hinder_the_others() -> None:
    tables = GrowingTables(3, {"bad": OperationFailed("damaged"), "full": OSError(28, "full")})
    made = indexer(tables, lambda: [Path("bad"), Path("full"), Path("good")])
    made.start()
    assert tables.done.wait(LONG_S)
    made.close()
    assert set(tables.grown) == {"good"}


def test_trouble_with_a_log_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    rounds, trouble = 0, "damaged"
    targets = {30: threading.Event()}

    class Tables(GrowingTables):
        def grow_index(self, path: Path) -> bool:
            nonlocal rounds
            if path.name == "bad":
                raise OperationFailed(trouble)
            rounds += 1
            for target, reached in list(targets.items()):
                if rounds >= target:
                    reached.set()
            return False

    made = indexer(Tables(0), lambda: [Path("bad"), Path("good")])
    made.start()
    assert targets[30].wait(LONG_S)
    trouble = "damaged otherwise"
    later = targets[rounds + 10] = threading.Event()
    assert later.wait(LONG_S)
    made.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the log bad is not indexed: damaged", "the log bad is not indexed: damaged otherwise",
    ]  # fmt: skip


def test_a_list_that_cannot_be_read_is_read_again() -> None:
    tables = GrowingTables(1)
    troubles: list[Exception] = [OperationFailed("locked"), RuntimeError("a defect")]

    def paths() -> list[Path]:
        if troubles:
            raise troubles.pop(0)
        return [Path("good")]

    made = indexer(tables, paths)
    made.start()
    assert tables.done.wait(LONG_S)
    made.close()


def test_a_close_ends_it_within_a_log_that_grows_for_long() -> None:
    tables = GrowingTables(10**12)
    began = threading.Event()

    def paths() -> list[Path]:
        began.set()
        return [Path("good")]

    made = indexer(tables, paths)
    made.start()
    assert began.wait(LONG_S)
    made.close()
    made._thread.join(LONG_S)
    assert not made._thread.is_alive()


def test_one_that_was_never_started_can_be_closed() -> None:
    indexer(GrowingTables(1), list).close()
