"""The backtester's engine alone: turns a second of processor time, and memory, without files and command line.

Run: python benchmarks/backtest_engine.py [--bars 500000] [--only sma,ticker,...]

Figures are of one process, one case after the other; compare them only with those of the same run. The bars are minutes of a random walk that repeats.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from array import array
from collections.abc import Callable

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.face.exchange import BacktestExchange, exchanges_of
from fmzthreads.backtest.nano import nano
from fmzthreads.backtest.result.log import RunLog
from fmzthreads.indicators.ta import Indicators

MINUTE = 60_000
START = 1_700_000_000_000 // 86_400_000 * 86_400_000
HISTORY = 100
_PATTERN = 10_000


class Minutes:
    """A source of one series."""

    def __init__(self, count: int) -> None:
        rng = random.Random(7)
        detail = MarketDetail(
            symbol="BTC_USDT", base_currency="BTC", quote_currency="USDT", base_precision=5, quote_precision=2, price_tick=nano(0.01),
            volume_tick=nano(0.00001),
        )  # fmt: skip
        series = self.series = BarSeries(detail=detail, period_ms=MINUTE)
        price, rows = 3_000_000, []
        for place in range(_PATTERN):
            close = price + round(rng.gauss(0, 900)) if place < _PATTERN - 1 else 3_000_000
            up, down = round(abs(rng.gauss(0, 300))), round(abs(rng.gauss(0, 300)))
            rows.append((price, max(price, close) + up, min(price, close) - down, close, round(1e6 * rng.random())))
            price = close
        times = -(-count // _PATTERN)
        series.time = array("q", range(START, START + count * MINUTE, MINUTE))
        columns = [(array("q", column) * times)[:count] for column in zip(*rows, strict=True)]
        series.open, series.high, series.low, series.close, series.volume = columns

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The series."""
        return self.series

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> None:
        """Nothing."""


Case = Callable[[BacktestEngine, BacktestExchange], None]


def sma(engine: BacktestEngine, exchange: BacktestExchange) -> None:
    """GetRecords, two averages, market orders at their crossings, Sleep."""
    exchange.SetMaxBarLen(10_000_000)
    ta, long = Indicators(), False
    while True:
        records = exchange.GetRecords()
        if records is not None and len(records) > 21:
            fast, slow = ta.MA(records, 5), ta.MA(records, 20)
            above = fast[-2] > slow[-2]  # type: ignore[operator]
            if above and not long:
                exchange.Buy(-1, 1000.0)
            elif long and not above:
                account = exchange.GetAccount()
                exchange.Sell(-1, account.Stocks if account else 0)
            long = above
        engine.sleep(MINUTE)


def records(engine: BacktestEngine, exchange: BacktestExchange) -> None:
    """GetRecords and Sleep."""
    while True:
        exchange.GetRecords()
        engine.sleep(MINUTE)


def ticker(engine: BacktestEngine, exchange: BacktestExchange) -> None:
    """GetTicker and Sleep."""
    while True:
        exchange.GetTicker()
        engine.sleep(MINUTE)


def account(engine: BacktestEngine, exchange: BacktestExchange) -> None:
    """GetAccount and Sleep."""
    while True:
        exchange.GetAccount()
        engine.sleep(MINUTE)


def resting(engine: BacktestEngine, exchange: BacktestExchange) -> None:
    """One order that is never filled, and one Sleep to the end."""
    exchange.Buy(1.0, 1.0)
    engine.sleep(engine.time.end_ms - engine.now_ms - 1000)
    exchange.GetAccount()


CASES: dict[str, Case] = {case.__name__: case for case in (sma, records, ticker, account, resting)}


def run(case: Case, source: Minutes) -> float:
    """Runs a case; returns its processor time in seconds."""
    count = len(source.series)
    settings = BacktestSettings(
        start_ms=START + HISTORY * MINUTE, end_ms=START + count * MINUTE, period_ms=MINUTE, base_period_ms=MINUTE,
        snapshot_ms=3_600_000, exchanges=(ExchangeSettings(eid="Binance", balance=nano(100_000), pre_bar_len=HISTORY),),
    )  # fmt: skip
    log = RunLog(lambda: engine.now_ms)
    engine = BacktestEngine(settings, source, log)
    begin = time.process_time()
    try:
        case(engine, exchanges_of(engine)[0])
    except EOFError:
        pass
    engine.finish()
    return time.process_time() - begin


def main() -> None:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=500_000)
    parser.add_argument("--only", default=",".join(CASES))
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {options.bars:,} minutes; processor time")
    source = Minutes(options.bars)
    for name in options.only.split(","):
        seconds = run(CASES[name], source)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{name:10} {seconds:7.2f} s {options.bars / seconds:12,.0f} bars/s   peak {peak} MB", flush=True)


if __name__ == "__main__":
    main()
