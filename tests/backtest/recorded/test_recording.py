"""Recordings on disk, and the files that they are read from."""

import gzip
import json
import threading
from pathlib import Path

import pytest

from fmzthreads.backtest.recorded.reading import is_recording, read_recordings, recording_of_answer
from fmzthreads.backtest.recorded.recording import BLOCK, PublicTrade, Recording
from fmzthreads.errors import InputError
from tests.helpers.backtests import START
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.threads import run_in_thread


def long_recording(count: int) -> Recording:
    found = Recording()
    for number in range(count):
        price = 100 + number % 50
        trades = [PublicTrade(START + number * 100, number % 2, price, 0.5)] if number % 3 == 0 else []
        found.add(START + number * 100, [(price + 0.5, 2), (price + 1, 3)], [(price - 0.5, number + 1)], trades)
    found.close()
    return found


def test_what_was_added_is_read_again_over_all_blocks() -> None:
    count = 2 * BLOCK + 10
    recording = long_recording(count)
    assert (recording.count, recording.first_ms, recording.end_ms) == (count, START, START + (count - 1) * 100)
    for number in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, count - 1):
        block = recording.block(number)
        price = 100 + number % 50
        assert block.times[number - block.begin] == START + number * 100
        assert block.levels(number, 0) == [(price + 0.5, 2), (price + 1, 3)]
        assert block.levels(number, 1) == [(price - 0.5, number + 1)]
        assert block.best(number, 1) == (price - 0.5, number + 1)
        expected = [(START + number * 100, number % 2, price, 0.5)] if number % 3 == 0 else []
        assert block.trades(number) == expected
        assert block.volume[number - block.begin] == 0.5 * len(expected)


@needs_fork
def test_parent_and_child_of_a_fork_read_one_file_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.backtest.recorded.recording._IN_MEMORY", 1000)
    recording = long_recording(4 * BLOCK)
    assert recording._file is not None
    stop = threading.Event()

    def read(rounds: int) -> list[int]:
        seen = []
        for number in range(rounds):
            if stop.is_set():
                break
            seen.append(recording.block(number % 4 * BLOCK).times[0] - START)
        return seen

    background: list[int] = []
    reading = run_in_thread(lambda: background.extend(read(1_000_000)))
    try:
        seen = in_fork(lambda: read(400))
    finally:
        stop.set()
        reading.join()
    assert seen == [number % 4 * BLOCK * 100 for number in range(400)]
    assert background == [number % 4 * BLOCK * 100 for number in range(len(background))]


def test_ticks_are_found_by_time() -> None:
    recording = long_recording(BLOCK + 5)
    for number in (0, 7, BLOCK - 1, BLOCK, BLOCK + 4):
        moment = START + number * 100
        assert [recording.number_at(moment + more) for more in (-1, 0, 99)] == [number - 1, number, number]
        assert [recording.number_from(moment + more) for more in (-99, 0, 1)] == [number, number, number + 1]


def test_the_last_price_is_that_of_the_last_trade_else_the_middle() -> None:
    found = Recording()
    found.add(1, [(102, 1)], [(100, 1)])
    found.add(2, None, None, [PublicTrade(2, 0, 102, 1)])
    found.add(3, [(110, 1)], [(108, 1)])
    found.close()
    assert found.block(0).last == [101, 102, 102]
    assert found.block(0).levels(1, 0) == [(102, 1)]


@pytest.mark.parametrize(
    ("asks", "bids", "problem"),
    [
        ([(101, 1), (100.5, 1)], [(100, 1)], "asks: 100.5 follows 101; expected ascending"),
        ([(101, 1)], [(100, 1), (100, 2)], "bids: 100 follows 100; expected descending"),
        ([(101, 1)], [(101, 1)], "the best bid 101 is not below the best ask 101"),
        ([(101, -1)], [(100, 1)], "asks: price 101, amount -1"),
        ([(float("nan"), 1)], [(100, 1)], "expected positive numbers"),
    ],
)
def test_what_is_no_book_is_refused(
    asks: list[tuple[float, float]], bids: list[tuple[float, float]], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        Recording().add(1, asks, bids)


def test_a_tick_before_the_last_one_is_refused() -> None:
    recording = Recording()
    recording.add(2, [(101, 1)], [(100, 1)])
    with pytest.raises(InputError, match="the time 1 ms follows 2 ms"):
        recording.add(1, [(101, 1)], [(100, 1)])


def lines(path: Path, *rows: object) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


ROW = {"time": 1000, "asks": [["101.5", "2"]], "bids": [[101, 0.25]]}


@pytest.mark.parametrize("name", ["books.jsonl", "books.ndjson.gz"])
def test_lines_of_books_and_trades(tmp_path: Path, name: str) -> None:
    path = lines(
        tmp_path / name, ROW, {"time": 1100, "trades": [[1050, 0, 101.5, 0.125], [0, "sell", 101, 1]], "close": 101.25}
    )
    assert is_recording(path)
    recording = read_recordings(path)[""]
    assert recording.count == 2
    assert recording.decimals == (2, 3)
    block = recording.block(1)
    assert block.levels(1, 0) == [(101.5, 2)]
    assert block.trades(1) == [(1050, 0, 101.5, 0.125), (1100, 1, 101, 1)]
    assert block.last == [101.25, 101.25]


def test_several_series_in_one_file(tmp_path: Path) -> None:
    path = lines(tmp_path / "books.jsonl", {**ROW, "series": "A/X_Y"}, {**ROW, "series": "B/X_Y"})
    assert list(read_recordings(path)) == ["A/X_Y", "B/X_Y"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"asks": []}, "expected an object with time"),
        ({**ROW, "bid": []}, "expected an object with time"),
        ({**ROW, "time": 999}, "the time 999 ms follows 1000 ms"),
        ({**ROW, "trades": [[1, 2, 3, 4]]}, "the side of a trade is 2"),
        ({**ROW, "asks": 5}, "asks is 5"),
        ({**ROW, "asks": [[1]]}, "not enough values"),
    ],
)
def test_a_line_that_is_no_tick_is_named(tmp_path: Path, row: object, problem: str) -> None:
    path = lines(tmp_path / "books.jsonl", ROW, row)
    with pytest.raises(InputError, match=f"books.jsonl, line 2: .*{problem}"):
        read_recordings(path)


def test_files_that_hold_no_recording(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_recordings(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="is empty"):
        read_recordings(lines(tmp_path / "empty.jsonl"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"time": 1}')[:-5])
    with pytest.raises(InputError, match="cannot read"):
        read_recordings(tmp_path / "cut.jsonl.gz")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_recordings(tmp_path / "bad.json")


ANSWER = {
    "detail": {"quotePrecision": 2, "basePrecision": 3, "priceTick": 0.01},
    "schema": ["time", "asks", "bids", "trades", "close", "vol"],
    "data": [
        [1000, [[10150, 2000]], [[10100, 250]], [[990, 0, 10150, 10]], 10150, 10],
        [1100, [], [[10100, 250]], [], 10100, 5],
    ],
}


def test_an_answer_of_the_data_protocol(tmp_path: Path) -> None:
    path = lines(tmp_path / "answer.json", ANSWER)
    recording = read_recordings(path)[""]
    block = recording.block(0)
    assert block.levels(0, 0) == [(101.5, 2.0)]
    assert block.trades(0) == [(990, 0, 101.5, 0.01)]
    assert (block.last, block.volume) == ([101.5, 101.0], [0.01, 0.005])
    assert block.best(1, 0) is None
    assert recording.detail["priceTick"] == 0.01


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": ["time", "open"]}, "the schema is"),
        ({"detail": None}, "detail is None"),
        ({"data": [[1]]}, "row 0"),
        ({"data": [5]}, "row 0: got 5"),
    ],
)
def test_an_answer_in_another_form_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        recording_of_answer({**ANSWER, **change}, "the server")
