import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.data.quality import _median, findings_of
from fmzthreads.backtest.data.raw_series import RawSeries
from fmzthreads.cli import main
from tests.helpers.backtest_runs import START_MS, generated, write_bars

COLUMNS = ("time", "open", "high", "low", "close", "volume")


def kinds(series: RawSeries) -> dict[str, int]:
    return {finding.kind: finding.count for finding in findings_of(series)}


def cut(series: RawSeries, first: int, last: int) -> RawSeries:
    for name in COLUMNS:
        del getattr(series, name)[first:last]
    return series


def test_good_bars() -> None:
    assert kinds(generated()) == {}


def test_gaps_with_their_share() -> None:
    series = cut(cut(generated(100), 80, 90), 20, 25)
    findings = findings_of(series)
    assert [finding.kind for finding in findings] == ["gaps"]
    assert findings[0].text == "15 bars are missing in 2 gaps (15.00% of the time)"
    assert findings[0].places == (f"row 21: {START_MS + 25 * 60_000} ms", f"row 76: {START_MS + 90 * 60_000} ms")
    assert not findings[0].serious


def test_duplicates_and_disorder_are_serious() -> None:
    series = generated(10)
    series.time[5] = series.time[4]
    assert {finding.kind: finding.serious for finding in findings_of(series)} == {"gaps": False, "duplicates": True}
    series = generated(10)
    series.time[5], series.time[6] = series.time[6], series.time[5]
    assert kinds(series)["disorder"] == 1


def test_impossible_prices_and_zero_volumes() -> None:
    series = generated(10)
    series.high[3] = series.low[3] - 1
    series.volume[7] = 0
    assert kinds(series) == {"prices": 1, "zero volumes": 1}
    series = generated(10)
    series.close[2] = float("nan")
    assert kinds(series)["prices"] == 1


def test_volumes_that_a_backtest_refuses_are_serious() -> None:
    series = generated(6)
    series.volume[1], series.volume[3], series.volume[4] = -5.0, float("nan"), float("inf")
    [found] = findings_of(series)
    assert (found.kind, found.count, found.serious) == ("volumes", 3, True)
    assert found.places[0].startswith("row 2: ")


def test_a_close_that_jumps_away_and_back_is_an_outlier() -> None:
    series = generated(200)
    for row in range(200):
        series.close[row] = 100 + (row % 2) * 0.1
    assert kinds(series).get("outliers") is None
    series.close[50] = 130
    assert next(finding for finding in findings_of(series) if finding.kind == "outliers").places[0].startswith("row 51")
    for row in range(120, 200):
        series.close[row] += 40  # a move that stays is none
    assert kinds(series)["outliers"] == 1


def test_a_jump_by_whole_hours_may_be_the_time_zone() -> None:
    series = generated(100)
    for row in range(50, 100):
        series.time[row] += 3_600_000
    assert kinds(series) == {"gaps": 1, "time zone": 1}
    series = generated(100)
    for row in range(50, 100):
        series.time[row] -= 3_600_000
    assert kinds(series) == {"disorder": 1, "time zone": 1}


def test_bars_that_begin_at_odd_times() -> None:
    series = generated(20)
    series.time[10] += 500
    assert kinds(series)["unaligned"] == 1
    for row in range(20):
        series.time[row] = START_MS + 7 + row * 60_000
    assert kinds(series) == {}


@given(
    st.lists(
        st.floats(min_value=0, max_value=1e300, exclude_min=True) | st.sampled_from([0.5, 0.50001, 0.7]), max_size=30
    )
)
def test_the_usual_move_is_the_median(moves: list[float]) -> None:
    assert _median(lambda: moves) == pytest.approx(statistics.median(moves or [0.0]), rel=1e-15)


def test_a_close_that_is_infinite() -> None:
    series = generated(10)
    series.close[4] = float("inf")
    assert kinds(series) == {"prices": 1, "outliers": 1}
    for name in ("open", "high", "low", "close"):
        getattr(series, name)[9] = float("inf")
    assert kinds(series)["prices"] == 2


def test_no_bars() -> None:
    assert [finding.serious for finding in findings_of(RawSeries())] == [True]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_bars(tmp_path / "good.csv")
    assert main(["data", "check", str(path)]) == 0
    assert (
        capsys.readouterr().out
        == f"{path}: 240 bars of 60 s, 2024-01-01 00:00:00 to 2024-01-01 03:59:00 UTC\n  nothing found\n"
    )
    lines = path.read_text().splitlines()
    lines[10] = lines[9]
    path.write_text("\n".join(lines))
    assert main(["data", "check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "duplicates: 1 bars have the time of the bar before; a backtest refuses them\n    line 11: " in out
    assert main(["data", "check", str(tmp_path / "no.csv")]) == 2
    path.write_text(lines[0])
    capsys.readouterr()
    assert main(["data", "check", str(path)]) == 1
    assert capsys.readouterr().out == f"{path}: no bars\n"
