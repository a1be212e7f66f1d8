"""Candles of the simulated exchanges, which answer as Binance and OKX do."""

import os
from pathlib import Path
from typing import Any

import pytest
import responses

from fmzthreads.backtest.data.download.candles import CandlePages
from fmzthreads.backtest.data.download.growing_file import GrowingFile
from fmzthreads.backtest.data.files.csv_file import read_csv
from fmzthreads.cli import main
from fmzthreads.clock import WallClock
from fmzthreads.errors import BadReply, Banned, InputError, OperationFailed, RateLimited, UnknownName, UnknownSymbol

pytest.importorskip("uvicorn", reason="the simulator needs the extra server")

from tests.helpers.simulators import simulator

MINUTE = 60_000


def last_minutes(count: int) -> tuple[int, int]:
    now = WallClock().now_ns() // 1_000_000 // MINUTE * MINUTE
    return now - count * MINUTE, now


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_pages_are_whole_ascending_and_over(venue: str) -> None:
    start, end = last_minutes(250)
    with simulator(venue) as server:
        pages = list(CandlePages(venue, "BTC_USDT", "1m", base=server.base_url).pages(start, end + 10 * MINUTE))
    times = [row[0] for page in pages for row in page]
    assert times[:250] == list(range(start, end, MINUTE))
    assert len(times) <= 251
    assert venue == "binance" or len(pages) >= 3
    assert all(float(row[3]) <= float(row[4]) <= float(row[2]) for page in pages for row in page)


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_a_symbol_that_does_not_exist(venue: str) -> None:
    with simulator(venue) as server, pytest.raises(UnknownSymbol, match="does not know the symbol"):
        next(CandlePages(venue, "NOPE_USDT", "1m", base=server.base_url).pages(*last_minutes(5)))


def test_names_that_are_not_valid() -> None:
    with pytest.raises(UnknownName, match=r"no venue 'binanc'.*did you mean 'binance'"):
        CandlePages("binanc", "BTC_USDT", "1m")
    with pytest.raises(UnknownName, match="okx has no candles of the period '7m'"):
        CandlePages("okx", "BTC_USDT", "7m")
    with pytest.raises(InputError, match="expected FMZ's form"):
        CandlePages("okx", "BTCUSDT", "1m")


def test_the_command_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bars.csv"
    start, end = last_minutes(60)
    with simulator("binance") as server:
        words = ["data", "download", "binance", "BTC_USDT", "1m", "--file", str(path), "--base", server.base_url]
        assert main([*words, "--from", str(start), "--to", str(start + 20 * MINUTE)]) == 0
        assert capsys.readouterr().out == f"20 bars added to {path}\n"
        whole = path.read_bytes()
        path.write_bytes(whole[:-15])  # as a kill leaves it
        assert main([*words, "--from", str(start), "--to", str(end)]) == 0
        assert capsys.readouterr().out == f"41 bars added to {path}\n"
        assert main([*words, "--from", str(start), "--to", str(end)]) == 0
        assert capsys.readouterr().out == f"0 bars added to {path}\n"
        assert path.read_bytes().startswith(whole)
        rows = read_csv(path)[""]
        assert list(rows.time) == list(range(start, end, MINUTE))
        assert main([*words, "--from", str(start - MINUTE), "--to", str(end)]) == 2
        assert "a file grows at its end only" in capsys.readouterr().err
        assert main([*words, "--from", str(end), "--to", str(start)]) == 2


@pytest.mark.parametrize("venue", ["binance", "okx"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[0, "1", "2", "1", "2", "5"]] * 2, "in the order of their times, each once"),
        ([[n * MINUTE, "1", "2", "1", "2", "5"] for n in (0, 2, 1)], "in the order of their times, each once"),
        ([[0, "nan", "2", "1", "2", "5"]], "expected rows of time"),
        ([[0, "1", "inf", "1", "2", "5"]], "expected rows of time"),
        ([[0, "1", "2", "1", "2"]], "expected rows of time"),
        ({"a": 1}, "expected rows of time"),
        ([[0, "1", "2", "1", "2", "5"], [MINUTE, "-1", "2", "-1", "2", "5"]], r"volume, got \[60000, '-1'"),
        ([[0, "1", "2", "3", "2", "5"]], "expected rows of time"),
        ([[0, "1_0", "20", "1", "2", "5"]], "expected rows of time"),
        ([[0.5, "1", "2", "1", "2", "5"]], "expected rows of time"),
        ([[True, "1", "2", "1", "2", "5"]], "expected rows of time"),
        ([[10**40, "1", "2", "1", "2", "5"]], "expected rows of time"),
        ([[0, "1", "2", "1", "2", "1e999"]], "expected rows of time"),
        ([[10**14, "1", "2", "1", "2", "5"]], "in the future of this machine's clock"),
    ],
)
def test_answers_that_are_no_candles_are_refused(venue: str, rows: Any, said: str) -> None:
    host = {
        "binance": "https://api.binance.com/api/v3/klines",
        "okx": "https://www.okx.com/api/v5/market/history-candles",
    }
    body = rows if venue == "binance" else {"code": "0", "data": rows}
    with responses.RequestsMock() as mock:
        mock.get(host[venue], json=body)
        with pytest.raises(BadReply, match=said) as raised:
            next(CandlePages(venue, "BTC_USDT", "1m").pages(0, 10 * MINUTE))
    assert (host[venue] if "future" not in said else host[venue].partition("/api")[0]) in str(raised.value)


def test_a_venue_that_fails_for_a_moment_is_asked_again() -> None:
    with responses.RequestsMock() as mock:
        for status, body in ((502, "<html>"), (429, "{}"), (200, '[[0, "1", "2", "1", "2", "5"]]')):
            mock.get("https://api.binance.com/api/v3/klines", body=body, status=status)
        [page] = CandlePages("binance", "BTC_USDT", "1m").pages(0, MINUTE)
    assert page == [(0, "1", "2", "1", "2", "5")]


def test_candles_of_another_time_than_asked_for_are_refused() -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://api.binance.com/api/v3/klines", json=[[0, "1", "2", "1", "2", "5"]])
        with pytest.raises(BadReply, match="candles from 0 ms, asked from 60000 ms"):
            next(CandlePages("binance", "BTC_USDT", "1m").pages(MINUTE, 10 * MINUTE))


def test_a_pause_that_the_venue_asks_for_is_made_or_named() -> None:
    """A pause longer than the whole call's time-out ends it at once; a ban is not asked again."""
    for status, kind in ((429, RateLimited), (418, Banned)):
        with responses.RequestsMock() as mock:
            asked = mock.get(
                "https://api.binance.com/api/v3/klines", body="{}", status=status, headers={"Retry-After": "86400"}
            )
            with pytest.raises(kind, match=f"the venue answered {status}.*api.binance.com") as raised:
                next(CandlePages("binance", "BTC_USDT", "1m").pages(0, MINUTE))
            assert raised.value.retry_after_s == 86400
            assert asked.call_count == 1


HEAD = "time,open,high,low,close,volume\n"


def test_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "bars.csv"
    with GrowingFile(path) as file:
        assert (file.first_ms, file.last_ms) == (None, None)
        assert file.add([(1000, "1", "2", "1", "2", "5"), (2000, "1", "2", "1", "2", "5")]) == 2
    with GrowingFile(path) as again:
        assert (again.first_ms, again.last_ms) == (1000, 2000)
        assert again.add([(1000, "9", "9", "9", "9", "9"), (3000, "1", "2", "1", "2", "5")]) == 1
    assert path.read_text().splitlines()[1:] == ["1000,1,2,1,2,5", "2000,1,2,1,2,5", "3000,1,2,1,2,5"]
    path.write_text(HEAD + "100")
    with GrowingFile(path) as cut:
        assert (cut.first_ms, cut.last_ms) == (None, None)
        assert path.read_text() == HEAD
    path.write_text("something,else\n1,2\n")
    with pytest.raises(InputError, match="is not a file of downloaded bars"):
        GrowingFile(path)


@pytest.mark.parametrize("size", range(len(HEAD)))
def test_a_kill_within_the_first_line_leaves_a_file_that_goes_on(tmp_path: Path, size: int) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(HEAD[:size])
    with GrowingFile(path) as file:
        assert file.add([(1000, "1", "2", "1", "2", "5")]) == 1
    assert path.read_text() == HEAD + "1000,1,2,1,2,5\n"


def test_a_file_of_another_symbol_or_period_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    text = HEAD + "".join(f"{n * MINUTE},1,2,1,2,5\n" for n in range(200))
    path.write_text(text)
    for period_ms in (5 * MINUTE, MINUTE // 3):
        with pytest.raises(InputError, match=r"bars of another period: they are 60 s apart, not"):
            GrowingFile(path, period_ms)
    with (
        GrowingFile(path, MINUTE) as file,
        pytest.raises(InputError, match="holds other bars: its last row is '11940000,1"),
    ):
        file.add([(199 * MINUTE, "3", "4", "3", "4", "5"), (200 * MINUTE, "1", "2", "1", "2", "5")])
    assert path.read_text() == text
    path.write_text(HEAD + "60000,1,2,1,2,5\n240000,1,2,1,2,5\n")  # one gap says nothing of the period
    GrowingFile(path, MINUTE).close()


def test_a_last_bar_that_was_not_over_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    with GrowingFile(path) as file:
        file.add([(1000, "1", "2", "1", "2", "5"), (2000, "1.0", "2", "1", "2", "5")])
    with GrowingFile(path) as file:
        assert file.add([(2000, "1", "3", "1", "3", "9"), (3000, "3", "3", "3", "3", "1")]) == 1
    with GrowingFile(path) as file:
        assert file.add([(3000, "3", "3", "3", "3", "1")]) == 0
    assert path.read_text() == HEAD + "1000,1,2,1,2,5\n2000,1,3,1,3,9\n3000,3,3,3,3,1\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_a_file_has_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    with GrowingFile(path) as file:
        file.add([(1000, "1", "2", "1", "2", "5")])
        with pytest.raises(OperationFailed, match="another process writes to"):
            GrowingFile(path)
    GrowingFile(path).close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="cannot be opened: Is a directory"):
        GrowingFile(tmp_path)
    (tmp_path / "file").touch()
    with GrowingFile(tmp_path / "file" / "bars.csv") as file, pytest.raises(OperationFailed, match="cannot be opened"):
        file.add([(1000, "1", "2", "1", "2", "5")])
    with pytest.raises(InputError, match="is not a file of downloaded bars"):
        GrowingFile(Path("/dev/full"))
    file = GrowingFile(tmp_path / "bars.csv")
    with Path("/dev/full").open("r+b", buffering=0) as full:
        file._file = full
        with pytest.raises(OperationFailed, match="cannot be written: No space left"):
            file.add([(1000, "1", "2", "1", "2", "5")])
