"""Candles of the simulated exchanges, which answer as Binance and OKX do."""

from pathlib import Path

import pytest

from fmzthreads.backtest.data.download.candles import CandlePages
from fmzthreads.backtest.data.download.growing_file import GrowingFile
from fmzthreads.backtest.data.files.csv_file import read_csv
from fmzthreads.cli import main
from fmzthreads.clock import WallClock
from fmzthreads.errors import InputError, UnknownName, UnknownSymbol

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


def test_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "bars.csv"
    file = GrowingFile(path)
    assert (file.first_ms, file.last_ms) == (None, None)
    assert file.add([(1000, "1", "2", "1", "2", "5"), (2000, "1", "2", "1", "2", "5")]) == 2
    again = GrowingFile(path)
    assert (again.first_ms, again.last_ms) == (1000, 2000)
    assert again.add([(2000, "9", "9", "9", "9", "9"), (3000, "1", "2", "1", "2", "5")]) == 1
    assert path.read_text().splitlines()[1:] == ["1000,1,2,1,2,5", "2000,1,2,1,2,5", "3000,1,2,1,2,5"]
    path.write_text("time,open,high,low,close,volume\n100")
    cut = GrowingFile(path)
    assert (cut.first_ms, cut.last_ms) == (None, None)
    assert path.read_text() == "time,open,high,low,close,volume\n"
    path.write_text("something,else\n1,2\n")
    with pytest.raises(InputError, match="is not a file of downloaded bars"):
        GrowingFile(path)
