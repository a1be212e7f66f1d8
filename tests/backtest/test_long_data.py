"""Backtests over data that are too long for memory: the same bytes, and nothing is left behind."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import random
import re
from array import array
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.backtest_run import BacktestRun
from fmzthreads.backtest.data import column_parts
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.data.column_file import ColumnFile
from fmzthreads.backtest.data.raw_series import RawSeries
from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.period_bars import BaseBars
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.backtest.inputs import BacktestInputs, BarsFile, ReadyBacktest
from fmzthreads.backtest.metrics.price_ranges import PriceRanges
from fmzthreads.backtest.sweep.evaluate import BacktestEvaluation
from fmzthreads.backtest.sweep.job import Job
from fmzthreads.cli import main
from tests.helpers.backtest_runs import generated, write_bars
from tests.helpers.backtests import detail
from tests.helpers.forked import in_fork, needs_fork
from tests.helpers.long_data import TemporaryFiles, full_after, small_limits

STRATEGY = """'''backtest
start: 2024-01-01 00:30:00
end: 2024-01-01 09:00:00
period: 5m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT","balance":100000,"stocks":10}, {"eid":"OKX","currency":"ETH_USDT","balance":1000}]
args: [["size", 1], ["stop", 0]]
'''
def main():
    turn = 0
    while True:
        turn += 1
        one, other = exchanges
        ticker, records, minutes = one.GetTicker(), one.GetRecords(), one.GetRecords(PERIOD_M1)
        Log(ticker.Last, len(records), records[-1].High, minutes[-2].Volume, sum(minutes.Low[-40:]), other.GetTicker().Sell)
        one.Buy(round(ticker.Last - 9, 2), size)
        one.Sell(round(ticker.Last + 8, 2), size)
        if turn % 3 == 0:
            other.Buy(-1, 10)
            LogProfit(one.GetAccount().Stocks)
        if turn == stop:
            return
        if turn == -stop:
            raise ValueError('wanted')
        Sleep((turn * 7 % 11 + 1) * 60000)
"""


def with_gaps(count: int = 600) -> RawSeries:
    """Bars of which some are missing."""
    series, rng = generated(count), random.Random(3)
    for row in sorted(rng.sample(range(5, count - 1), 20), reverse=True):
        for name in ("time", "open", "high", "low", "close", "volume"):
            del getattr(series, name)[row]
    return series


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command line of a backtest over two files."""
    (tmp_path / "s.py").write_text(STRATEGY)
    one = write_bars(tmp_path / "one.csv", generated(600))
    packed = tmp_path / "two.csv.gz"
    packed.write_bytes(gzip.compress(write_bars(tmp_path / "two.csv", with_gaps()).read_bytes()))
    return [str(tmp_path / "s.py"), "--bars", f"Binance/BTC_USDT={one}", "--bars", f"OKX/ETH_USDT={packed}"]


def ready(words: list[str], **args: Any) -> ReadyBacktest:
    bars = tuple(BarsFile.parse(word) for word in words[2::2])
    return ReadyBacktest.of(BacktestInputs(file=Path(words[0]), bars=bars, args=args))


def rows_of(backtest: ReadyBacktest) -> list[list[Any]]:
    """Runs a backtest and returns its log."""
    run = BacktestRun(backtest.settings, backtest.source, output=io.StringIO())
    run.finish(run.run(backtest.strategy, backtest.values))
    return list(run.log.rows)


@pytest.mark.parametrize("more", [(), ("--base-period", "5m"), ("--start", "2024-01-01 04:00:00")])
def test_the_same_bytes(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    assert main(["backtest", *words, *more, "--out", str(tmp_path / "plain")]) == 0
    small_limits(monkeypatch)
    files = TemporaryFiles(monkeypatch)
    assert main(["backtest", *words, *more, "--out", str(tmp_path / "long")]) == 0
    assert files.count >= 4
    assert files.open() == 0
    for name in ("result.json", "report.html"):
        assert (tmp_path / "long" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert main(["backtest", "--repeat", str(tmp_path / "plain")]) == 0


def mapped(count: int) -> BarSeries:
    """Bars on disk."""
    columns = ColumnFile()
    names = ("time", "open", "high", "low", "close", "volume")
    rows, raw = columns.reserve(count, names), generated(count)
    for name in names:
        rows.write(name, 0, array("q", map(int, getattr(raw, name))))
    market = detail(quote_precision=0, price_tick=10**9)
    return BarSeries(detail=market, period_ms=60_000, **{name: rows.column(name, "q") for name in names})


def test_what_was_passed_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    small_limits(monkeypatch)
    given: list[object] = []
    plain = column_parts.give_back
    monkeypatch.setattr(column_parts, "give_back", lambda column: (given.append(column), plain(column)))
    series = mapped(600)
    time = VirtualTime(series.time[0], series.time[-1] + 60_000)
    feed = TickFeed(series, time)
    begun = len(given)
    assert begun >= 600 // 16  # that the bars are regular was seen in parts
    for minute in range(600):
        time.now_ms = series.time[0] + minute * 60_000 + 1
        feed.deliver(1)
    assert feed.number >> 4 == 599
    assert len(given) > begun  # a block is longer than a part here
    begun = len(given)
    assert feed.first_at_or_below(10**9, 0, feed.number) == -1
    assert len(given) == begun + 3  # once for each 256 bars
    begun = len(given)
    assert PriceRanges.of_bars(series).between(time.start_ms, time.end_ms) == (min(series.low), max(series.high))
    assert len(given) >= begun + 2  # the lows and the highs
    begun = len(given)
    assert TickFeed(series, time).pattern.shape(3) in range(6)
    assert BaseBars.fits(feed, 0)
    assert len(given) >= begun + 600 // 16


def test_look_ahead_is_found_all_the_same(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for long in (False, True):
        if long:
            small_limits(monkeypatch)
        assert main(["backtest", *words, "--check-lookahead", "2"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert "look-ahead: none found at 2 instants" in found[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [(("x", 2), "line 402: high is 'x', expected a number"), (("1", 2), "line 402: the bar has open"),
     ((str(generated(1).time[0]), 0), "line 402: the bar of .* is earlier than the bar before it")],
)  # fmt: skip
def test_a_damaged_line_deep_in_the_file(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, int],
    message: str,
) -> None:
    small_limits(monkeypatch)
    monkeypatch.setattr("fmzthreads.backtest.data.files.csv_file._BLOCK", 2000)
    files = TemporaryFiles(monkeypatch)
    path = Path(words[2].partition("=")[2])
    lines = path.read_text().splitlines()
    fields = lines[401].split(",")
    fields[change[1]] = change[0]
    lines[401] = ",".join(fields)
    path.write_text("\n".join(lines))
    assert main(["backtest", *words]) == 2
    err = capsys.readouterr().err
    assert re.search(f"one.csv, {message}", err), err
    assert files.count >= 1
    assert files.open() == 0


@pytest.mark.parametrize("size", [5_000, 30_000, 40_000])
def test_a_full_disk(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    small_limits(monkeypatch)
    files = TemporaryFiles(monkeypatch)
    full_after(monkeypatch, size)
    assert main(["backtest", *words]) == 2
    assert "No space left on device; long data are kept there: set the variable TMPDIR" in capsys.readouterr().err
    assert files.count >= 1
    assert files.open() == 0


@pytest.mark.parametrize(("stop", "code"), [(2, 0), (-2, 1)])
def test_an_early_end_leaves_nothing(words: list[str], monkeypatch: pytest.MonkeyPatch, stop: int, code: int) -> None:
    small_limits(monkeypatch)
    files = TemporaryFiles(monkeypatch)
    assert main(["backtest", *words, "--arg", f"stop={stop}"]) == code
    assert files.count >= 4
    assert files.open() == 0


def test_backtests_in_threads_that_share_their_bars(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rows_of(ready(words))
    small_limits(monkeypatch)
    backtest = ready(words)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(rows_of, [backtest] * 3))
    assert found == [expected] * 3


@needs_fork
def test_a_child_of_a_fork_shares_the_file(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rows_of(ready(words))
    small_limits(monkeypatch)
    backtest = ready(words)
    begun = rows_of(backtest)  # the bars are scaled, and looked at
    assert in_fork(lambda: rows_of(backtest)) == json.loads(json.dumps(expected))
    assert rows_of(backtest) == begun == expected


def _small_limits_for_good() -> None:
    small_limits(pytest.MonkeyPatch())


def test_workers_of_a_sweep(words: list[str]) -> None:
    evaluate = BacktestEvaluation(
        BacktestInputs(file=Path(words[0]), bars=tuple(BarsFile.parse(word) for word in words[2::2]))
    )
    jobs = [Job({"size": size}) for size in (1, 2)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_small_limits_for_good) as pool:
        scores = list(pool.map(evaluate, jobs))
    assert scores == [evaluate(job) for job in jobs]
    assert not any(score.error for score in scores)


def test_the_check_of_long_data(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = words[4].partition("=")[2]
    found = []
    for long in (False, True):
        if long:
            small_limits(monkeypatch)
        assert main(["data", "check", path]) == 1
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    assert "20 bars are missing" in found[0]
