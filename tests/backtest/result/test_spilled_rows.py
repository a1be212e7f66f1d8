"""Log rows on disk: they read as a list does, and the result's bytes are the same."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.backtest_run import RunEnd
from fmzthreads.backtest.engine import engine
from fmzthreads.backtest.manifest import result_digest
from fmzthreads.backtest.outputs import result_object, summary_text, write_folder, write_report
from fmzthreads.backtest.result.join import to_json
from fmzthreads.backtest.result.spilled_rows import SpilledRows
from fmzthreads.errors import OperationFailed
from tests.helpers.backtest_runs import run_text

MOVES = st.lists(
    st.one_of(st.tuples(st.just("add"), st.integers(1, 30)), st.tuples(st.just("keep"), st.integers(0, 80)))
)


@given(MOVES, st.integers(-100, 100), st.integers(-100, 100), st.sampled_from([1, -1, 3]))
def test_they_read_as_a_list_does(moves: list[tuple[str, int]], first: int, last: int, step: int) -> None:
    rows, plain = SpilledRows(in_memory=7, chunk=5), []
    for move, count in moves:
        if move == "add":
            for _ in range(count):
                row = [len(plain), "text", 1.5]
                rows.append(row)
                plain.append(row)
        else:
            rows.keep_last(count)
            del plain[: max(0, len(plain) - count)]
        assert len(rows) == len(plain)
    assert list(rows) == plain
    assert rows == plain
    assert rows != [*plain, []]
    assert rows[first:last:step] == plain[first:last:step]
    assert [part for each in rows.parts() for part in each] == plain
    assert list(reversed(rows)) == plain[::-1]
    if -len(plain) <= first < len(plain):
        assert rows[first] == plain[first]
    else:
        with pytest.raises(IndexError):
            rows[first]


def test_only_the_newest_are_in_memory() -> None:
    rows = SpilledRows(in_memory=10, chunk=5)
    for number in range(1000):
        rows.append([number])
    assert rows.spilled
    assert "10" <= repr(rows).split(", ")[1].split()[0] <= "15"
    rows.keep_last(3)
    assert (rows.spilled, list(rows)) == (False, [[997], [998], [999]])


STRATEGY = """
def main():
    exchange.Buy(-1, 50, 'first')
    for number in range(60):
        Log('row', number, 'wüst "quoted"')
        LogProfit(number * 0.5)
        Sleep(60000)
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpilledRows.__init__, "__defaults__", (10, 5))


def results(tmp_path: Path) -> dict[str, Any]:
    run, end = run_text(tmp_path, STRATEGY)
    run.finish(end)
    whole = result_object(run)
    folder = tmp_path / f"out{run.log.rows.spilled}"
    write_folder(folder, whole, {})
    write_report(whole, run, folder / "report.html")
    return {
        "spilled": run.log.rows.spilled and run.log.profits.spilled and run.engine.snapshots.spilled,
        "joined": to_json(run.result()),
        "file": (folder / "result.json").read_text("utf-8"),
        "page": (folder / "report.html").read_text("utf-8"),
        "digest": result_digest(whole),
        "summary": summary_text(whole, RunEnd("returned", "main returned")),
        "metrics": whole["metrics"],
    }


def test_results_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = results(tmp_path)
    monkeypatch.setattr(SpilledRows.__init__, "__defaults__", (10, 5))
    monkeypatch.setattr(engine, "_SNAPSHOTS_IN_MEMORY", 5)
    spilled = results(tmp_path)
    assert (plain.pop("spilled"), spilled.pop("spilled")) == (False, True)
    assert plain == spilled
    rows = json.loads(spilled["file"])["result"]["RuntimeLogs"]
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == 121


def test_a_reset_deletes_profits_on_disk(tmp_path: Path, small: None) -> None:
    run, _ = run_text(
        tmp_path, "def main():\n    for n in range(100):\n        LogProfit(n, '&')\n    LogProfitReset(12)\n"
    )
    assert [value for _, value in run.log.profits] == list(range(88, 100))
    assert [value for _, value in run.result()["ProfitLogs"]] == list(range(88, 100))


def test_a_reset_deletes_what_is_on_disk(tmp_path: Path, small: None) -> None:
    run, _ = run_text(
        tmp_path, "def main():\n    for n in range(100):\n        Log(n)\n    LogReset(12)\n    Log('end')\n"
    )
    assert [row[7] for row in run.log.rows] == [*map(str, range(88, 100)), "end"]
    assert run.log.rows[0][0] == 89


class FullDisk:
    """A database whose disk is full after some entries."""

    def __init__(self, database: sqlite3.Connection, entries: int) -> None:
        self._database, self._left = database, entries

    def execute(self, text: str, values: Any = ()) -> Any:
        if text.startswith("INSERT"):
            self._left -= 1
            if self._left < 0:
                raise sqlite3.OperationalError("database or disk is full")
        return self._database.execute(text, values)

    def close(self) -> None:
        self._database.close()


def test_a_full_disk_is_told_once_a_chunk_and_no_row_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: FullDisk(real(*args, **options), 2))
    rows, told = SpilledRows(in_memory=7, chunk=5), []
    for number in range(40):
        try:
            rows.append([number])
        except OperationFailed as error:
            told.append((number, str(error)))
    assert [number for number, _ in told] == [21, 26, 31, 36]
    assert all("cannot be kept in a temporary file: database or disk is full" in text for _, text in told)
    assert all("TMPDIR" in text for _, text in told)
    assert list(rows) == [[number] for number in range(40)]
    assert rows.spilled


def test_a_run_whose_disk_is_full_ends_with_its_own_line_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: FullDisk(real(*args, **options), 1))
    run, end = run_text(tmp_path, "def main():\n    for i in range(100000):\n        Log(i)\n")
    assert end.reason == "error"
    assert "cannot be kept in a temporary file: database or disk is full" in end.text
    assert "line 3" in end.text
    assert run.result()["LogsCount"] == 30_001
    assert result_digest(result_object(run))
