"""What was passed of a column on disk is given back; the numbers stay the same."""

import mmap
from array import array
from typing import Any

import pytest

from fmzthreads.backtest.data import column_parts
from fmzthreads.backtest.data.column_file import ColumnFile
from fmzthreads.backtest.data.column_parts import PassedRows, give_back, on_disk, parts_of, passed


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The columns whose memory is given back; parts have four rows."""
    found: list[object] = []
    plain = column_parts.give_back

    def _give_back(column: object) -> None:
        found.append(column)
        plain(column)

    monkeypatch.setattr(column_parts, "give_back", _give_back)
    monkeypatch.setattr(column_parts, "PART", 4)
    return found


def column(count: int) -> Any:
    rows = ColumnFile().reserve(count, ["other", "this"])
    rows.write("this", 0, array("q", range(count)))
    rows.write("other", 0, array("d", [1.5] * count))
    assert list(rows.column("other", "d")) == [1.5] * count
    return rows.column("this", "q")


def test_memory_that_was_given_back_is_read_again() -> None:
    numbers = column(10_000)
    for _ in range(2):
        assert numbers.tolist() == list(range(10_000))
        give_back(numbers)
        give_back(numbers[5:7])
    give_back(array("q", [1]))
    assert (on_disk(numbers), on_disk(numbers[2:3]), on_disk(array("q"))) == (True, True, False)


def test_a_system_without_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_parts, "_DONT_NEED", None)
    numbers = column(100)
    give_back(numbers)
    assert numbers[99] == 99


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system does not give memory back")
def test_the_pages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    class _Pages(mmap.mmap):
        def madvise(self, *advice: int) -> None:
            told.append(advice)
            super().madvise(*advice)

    monkeypatch.setattr(mmap, "mmap", _Pages)
    give_back(column(10))
    assert told == [(mmap.MADV_DONTNEED,)]


def test_what_was_written_late_is_seen() -> None:
    rows = ColumnFile().reserve(3, ["a"])
    rows.write("a", 0, array("q", [1, 2, 3]))
    view = rows.column("a", "q")
    rows.write("a", 1, array("q", [7]))
    assert list(view) == [1, 7, 3]


def test_parts(given: list[object]) -> None:
    first, second = column(10), array("q", range(10, 20))
    found = [(begin, list(one), list(two)) for begin, (one, two) in parts_of(first, second)]
    assert found == [
        (0, [0, 1, 2, 3], [10, 11, 12, 13]), (4, [4, 5, 6, 7], [14, 15, 16, 17]), (8, [8, 9], [18, 19])
    ]  # fmt: skip
    assert len(given) == 6
    assert list(parts_of(array("q"))) == []


def test_a_walk(given: list[object]) -> None:
    rows = PassedRows(column(30))
    assert [row for row in range(14) if rows.at(row)] == [0, 4, 8, 12]
    assert [rows.at(row) for row in (9, 11, 29, 26, 2)] == [False, False, True, False, True]
    assert len(given) == 6


def test_a_column_that_is_read_as_a_whole(given: list[object]) -> None:
    plain = array("q", [1])
    assert passed(plain) is plain
    numbers = passed(column(12))
    assert (len(numbers), numbers[3], numbers[-1]) == (12, 3, 11)
    assert [numbers[begin : begin + 2] for begin in range(0, 12, 2)] == [[n, n + 1] for n in range(0, 12, 2)]
    assert len(given) == 3
