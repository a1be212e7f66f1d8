"""Rows on disk read as those in memory do."""

import re
import tempfile
from array import array
from typing import Any

import pytest

from fmzthreads.backtest.config.settings import ExchangeSettings, MarketDetail
from fmzthreads.backtest.data.column_parts import on_disk
from fmzthreads.backtest.data.local_bars import LocalBars
from fmzthreads.backtest.data.raw_series import RawSeries
from fmzthreads.backtest.data.row_spill import RowSpill, rows_left
from fmzthreads.backtest.data.scaling import guessed_detail, scaled
from fmzthreads.errors import InputError, OperationFailed
from tests.helpers.backtest_runs import generated
from tests.helpers.long_data import TemporaryFiles, full_after, small_limits

NAMES = ("time", "open", "high", "low", "close", "volume")


@pytest.fixture(params=["numpy", "plain"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits, with numpy and without it."""
    numpy: Any = pytest.importorskip("numpy") if request.param == "numpy" else None
    for module in ("column_checks", "scaling"):
        monkeypatch.setattr(f"fmzthreads.backtest.data.{module}.fast_numpy", lambda count: numpy)
    small_limits(monkeypatch)


def moved(*given: RawSeries, piece: int = 7, in_memory: int | None = None) -> dict[str, RawSeries]:
    """The series as they are read: piece by piece, one after the other."""
    series = {one.name: RawSeries(name=one.name, decimals=one.decimals) for one in given}
    with RowSpill(in_memory) as spill:
        for begin in range(0, max(map(len, given)), piece):
            for one in given:
                for name in (*NAMES, "position"):
                    getattr(series[one.name], name).extend(getattr(one, name)[begin : begin + piece])
            spill.take(series)
        for name, stored in spill.finish(series).items():
            series[name].stored = stored
    return series


def columns(series: Any) -> list[list[float]]:
    return [list(getattr(series, name)) for name in (*NAMES, "position")]


def test_few_rows_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    files = TemporaryFiles(monkeypatch)
    [series] = moved(generated(50)).values()
    assert isinstance(series.time, array)
    assert series.stored is None
    assert columns(series) == columns(generated(50))
    assert files.count == 0


@pytest.mark.parametrize("piece", [1, 7, 400])
def test_many_rows_go_to_disk_and_read_the_same(piece: int) -> None:
    [series] = moved(generated(300), piece=piece).values()
    assert all(on_disk(getattr(series, name)) for name in NAMES)
    assert columns(series) == columns(generated(300))
    assert (series.time[-1], len(series), series.period_ms()) == (generated(300).time[-1], 300, 60_000)
    series.check()
    assert series.missing(series.time[0], series.time[-1] + 600_000) == 9


def test_several_series_of_one_file() -> None:
    long, short = generated(300), generated(3, price=7)
    long.name, short.name = "A", "B"
    long.position = array("d", range(300))
    series = moved(long, short)
    assert columns(series["A"]) == columns(long)
    assert columns(series["B"]) == columns(short)
    assert len(series["B"].position) == 0


def test_they_are_scaled_as_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    files = TemporaryFiles(monkeypatch)
    plain = generated(300)
    [series] = moved(plain).values()
    detail = guessed_detail(series, "BTC_USDT")
    assert detail == guessed_detail(plain, "BTC_USDT")
    found, expected = scaled(series, detail), scaled(plain, detail)
    assert on_disk(found.close)
    assert columns(found) == columns(expected)
    assert (found.detail, found.period_ms) == (expected.detail, expected.period_ms)
    assert files.open() == 1
    del series, found
    assert files.open() == 0


def test_a_number_that_is_too_large_is_named_each_time() -> None:
    raw = generated(300)
    raw.volume[290] = 1e14
    [series] = moved(raw).values()
    detail = MarketDetail(symbol="A_B", base_currency="A", quote_currency="B", base_precision=5, quote_precision=2)
    source = LocalBars({"": series}, [ExchangeSettings(eid="X", currency="A_B", details={"A_B": detail})])
    for _ in range(2):
        with pytest.raises(InputError, match=r"volume: 1e\+14 with 5 decimals is not a finite number of 18 digits"):
            source.bars("X", "A_B", 60_000, 0, 2**60)


def test_windows_and_longer_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    exchanges = [ExchangeSettings(eid="X", currency="A_B")]
    plain = LocalBars({"": generated(3000)}, exchanges)
    source = LocalBars(moved(generated(3000)), exchanges)
    begin, end = generated(1).time[0] + 600_000, generated(1).time[0] + 170_000_000
    for period in (60_000, 300_000):
        found, expected = (one.bars("X", "A_B", period, begin, end) for one in (source, plain))
        assert on_disk(found.high)
        assert columns(found) == columns(expected)


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = re.escape(tempfile.gettempdir())
    for size in (0, 1000, 14_500):  # at the first rows, among them, and while columns are put together
        with monkeypatch.context() as patch:
            full_after(patch, size)
            with pytest.raises(
                OperationFailed,
                match=rf"cannot write a temporary file in {folder}: No space left on device;.* TMPDIR",
            ):
                moved(generated(300))


def test_no_room_for_a_file_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def _none(*args: object, **options: object) -> object:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("tempfile.TemporaryFile", _none)
    with pytest.raises(OperationFailed, match=r"cannot write a temporary file in .*: Too many open files"):
        moved(generated(300))


def test_rows_of_a_further_file() -> None:
    assert [rows_left(there) for there in (0, 20, 49, 5000)] == [50, 30, 2, 2]
