"""Indicators over growing records: the numbers of a whole computation over a plain list, whatever windows are asked for."""

import random
import threading
from typing import Any

import pytest

from fmzthreads.backtest.engine.even_bars import bars_of_period
from fmzthreads.backtest.engine.feed import TickFeed
from fmzthreads.backtest.engine.period_bars import PeriodBars
from fmzthreads.backtest.engine.virtual_time import VirtualTime
from fmzthreads.indicators.growing import GrowingSeries
from fmzthreads.indicators.known_series import Indicator
from fmzthreads.indicators.known_window import GrowingWindows
from fmzthreads.indicators.ta import Indicators
from fmzthreads.structures.growing import GrowingRecords
from tests.helpers.backtests import MINUTE, START, series_of

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("MA", (3,)), ("MA", (7,)), ("EMA", (4,)), ("MACD", (3, 6, 2)), ("BOLL", (5, 2)), ("KDJ", (4, 3, 2)), ("RSI", (5,)), ("OBV", ()),
    ("ATR", (4,)), ("Alligator", (6, 4, 2)), ("CMF", (5,)), ("Highest", (4, "High")), ("Lowest", (0, "Low")),
]  # fmt: skip


class Market:
    """Bars of a period over random minutes."""

    def __init__(
        self, rng: random.Random, count: int = 80, period_ms: int = MINUTE, *, tick_by_tick: bool = False
    ) -> None:
        rows, price = [], 100.0
        for _ in range(count):
            close = round(price + rng.gauss(0, 1), 2)
            up, down = abs(rng.gauss(0, 0.5)), abs(rng.gauss(0, 0.5))
            rows.append(
                (
                    price,
                    round(max(price, close) + up, 2),
                    round(min(price, close) - down, 2),
                    close,
                    round(rng.random() * 5, 3),
                )
            )
            price = close
        self.feed = TickFeed(series_of(rows), VirtualTime(START, START + count * MINUTE))
        kind = PeriodBars if tick_by_tick else bars_of_period
        self.bars = kind(self.feed, period_ms, 0)

    def window(self, seconds: float, cap: int = 1000) -> GrowingRecords:
        """The bars some time later."""
        self.feed.time.now_ms = min(self.feed.time.end_ms, self.feed.time.now_ms + round(seconds * 1000))
        self.feed.consume()
        return self.bars.get(cap)


def plain(name: str, records: Any, args: tuple[Any, ...]) -> Any:
    """The indicator over copies of the bars, by an object that knows nothing."""
    return getattr(Indicators(), name)([dict(records[place]) for place in range(len(records))], *args)


@pytest.mark.parametrize("seed", range(12))
def test_any_windows_give_the_numbers_of_a_plain_list(seed: int) -> None:
    rng = random.Random(seed)
    period_ms = rng.choice([MINUTE, MINUTE, 3 * MINUTE, 7000])
    market = Market(rng, period_ms=period_ms, tick_by_tick=rng.random() < 0.5)
    ta, cap, held = Indicators(), rng.choice([1000, 12]), []
    for _ in range(60):
        window = market.window(rng.choice([0, 7, 61, 200]) * rng.random(), cap)
        held.append(window)
        if rng.random() < 0.1 and len(window):
            window[rng.randrange(len(window))].Close = 50.0
        if rng.random() < 0.2:
            window = rng.choice(held)
            if type(window) is not GrowingRecords:
                continue
        for name, args in rng.sample(CALLS, 4):
            assert getattr(ta, name)(window, *args) == plain(name, window, args), (name, args)
        if rng.random() < 0.1:
            list(held[-1])  # it is filled: from now on an ordinary list
            name, args = rng.choice(CALLS)
            assert getattr(ta, name)(held[-1], *args) == plain(name, held[-1], args)


def test_a_window_is_not_filled_by_an_indicator() -> None:
    market, ta = Market(random.Random(1)), Indicators()
    window = market.window(600)
    ta.MA(window, 3)
    ta.KDJ(window)
    assert type(window) is GrowingRecords


def test_only_new_bars_are_computed() -> None:
    market, series = Market(random.Random(1)), GrowingSeries()
    seen: list[tuple[int, int]] = []
    indicator = _counting(seen)
    for _ in range(3):
        series.lines(indicator, (), market.window(600), numbers=False)
    assert seen == [(0, 10), (10, 11), (10, 20), (20, 21), (20, 30), (30, 31)]
    seen.clear()
    market.window(0)[5].Close = 9  # a change by hand: all over again
    series.lines(indicator, (), market.window(600), numbers=False)
    assert seen == [(0, 40), (40, 41)]


def _counting(seen: list[tuple[int, int]]) -> Any:
    def advance(params: Any, columns: Any, begin: int, end: int, state: Any, outs: Any) -> None:
        seen.append((begin, end))
        outs[0].extend(columns[0][begin:end])

    return Indicator("X", ("Close",), advance)


def test_a_result_that_is_held_does_not_change() -> None:
    market, ta = Market(random.Random(2)), Indicators()
    held = []
    for _ in range(20):
        window = market.window(60)
        line = ta.MA(window, 3)
        held.append((line, list(line)))
    assert all(line == values for line, values in held)


def test_few_series_are_remembered() -> None:
    windows, indicator = GrowingWindows(3), _counting([])
    markets = [Market(random.Random(n), 5) for n in range(6)]
    for market in markets:
        windows.lines(indicator, (), market.window(100))
    assert len(windows._known) <= 3
    assert len(windows._columns) <= 3
    for params in range(9):
        windows.lines(indicator, (params,), markets[0].window(10))
    assert len(windows._known) <= 3


def test_many_threads() -> None:
    market, ta = Market(random.Random(3), 400), Indicators()
    windows = [market.window(60) for _ in range(350)]
    failures: list[object] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(100):
            window = rng.choice(windows)
            if ta.MA(window, 5) != plain("MA", window, (5,)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_empty_window() -> None:
    feed = TickFeed(series_of([(1, 1, 1, 1, 1, 5)]), VirtualTime(START, START + 9 * MINUTE))
    window = bars_of_period(feed, MINUTE, 0).get(9)
    assert Indicators().MA(window, 3) == []
    assert Indicators().KDJ(window) == Indicators().KDJ([])
