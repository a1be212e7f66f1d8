"""Ticks of a bar: the published engine's table, and its examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmzthreads.backtest.engine.bar_block import BarBlock
from fmzthreads.backtest.engine.ticks import (
    DOUBLE,
    EARLY,
    FOURTEEN,
    LATE,
    MIDDLE,
    QUADRUPLE,
    TickPattern,
    offsets_of,
    volume_steps,
)
from fmzthreads.backtest.nano import nano
from tests.helpers.backtests import START, plain_ticks, series_of

BULL = (100.0, 110.0, 95.0, 105.0, 14.0)


def walk(
    rows: list[tuple[float, ...]], period_ms: int, bar: int = 0, start_ms: int = START
) -> list[tuple[float, float]]:
    """The ticks of one bar as (seconds, price)."""
    series = series_of(rows, period_ms=period_ms)
    pattern = TickPattern(series, start_ms, nano(0.01))
    shape = pattern.shape(bar)
    times = [offset / 1000 for offset in offsets_of(period_ms)[shape]]
    return [(s, price / 1e9) for s, price in zip(times, pattern.prices(bar, shape), strict=True)]


def test_a_long_bar_walks_fourteen_prices() -> None:
    # The example of the published engine's bars of five minutes.
    assert walk([BULL], 300_000) == [
        (0, 100), (9.666, 100.01), (19.333, 99.99), (29, 96.25), (38.666, 97.5), (58, 95), (96.666, 100), (116, 99),
        (154.666, 105), (174, 104), (222.333, 110), (241.666, 106.25), (261, 107.5), (280.333, 105),
    ]  # fmt: skip


def test_a_minute_has_four_ticks_and_so_has_a_long_bar_of_history() -> None:
    expected = [(0, 100), (23.2, 95), (52.2, 110), (58, 105)]
    assert walk([BULL], 60_000) == expected
    assert [price for _, price in walk([BULL], 300_000, start_ms=START + 1)] == [100, 95, 110, 105]


@pytest.mark.parametrize(
    ("bar", "shape", "seconds", "prices"),
    [
        ((100, 100, 90, 90), DOUBLE, (0, 58), (100, 90)),
        ((100, 100, 100, 100), DOUBLE, (0, 58), (100, 100)),
        ((90, 100, 90, 100), DOUBLE, (0, 58), (90, 100)),
        ((100, 100, 90, 100), MIDDLE, (0, 23.2, 58), (100, 90, 100)),
        ((100, 110, 100, 100), MIDDLE, (0, 23.2, 58), (100, 110, 100)),
        ((100, 110, 90, 90), EARLY, (0, 19.333, 58), (100, 110, 90)),
        ((100, 110, 90, 110), EARLY, (0, 19.333, 58), (100, 90, 110)),
        ((100, 110, 100, 105), LATE, (0, 52.2, 58), (100, 110, 105)),
        ((110, 110, 100, 105), LATE, (0, 52.2, 58), (110, 100, 105)),
        ((105, 110, 100, 102), QUADRUPLE, (0, 23.2, 52.2, 58), (105, 110, 100, 102)),
    ],
)
def test_each_shape(bar: tuple[float, ...], shape: int, seconds: tuple[float, ...], prices: tuple[float, ...]) -> None:
    assert walk([bar], 60_000) == list(zip(seconds, prices, strict=True))
    assert TickPattern(series_of([bar]), START, nano(0.01)).shape(0) == shape


def test_a_bar_that_ends_where_it_began_goes_up_first_after_a_rising_one() -> None:
    doji = (100, 110, 90, 100)
    assert [p for _, p in walk([(90, 100, 90, 100), doji], 60_000, bar=1)] == [100, 110, 90, 100]
    assert [p for _, p in walk([(110, 110, 100, 100), doji], 60_000, bar=1)] == [100, 90, 110, 100]
    assert [p for _, p in walk([doji], 60_000)] == [100, 90, 110, 100]


def test_prices_are_cut_to_the_step_of_the_market() -> None:
    series = series_of([(100.74, 101.0, 99.9, 100.26)])
    pattern = TickPattern(series, START, nano(0.5))
    assert pattern.prices(0, pattern.shape(0)) == tuple(map(nano, (100.5, 101.0, 99.5, 100.0)))


def test_volume_grows_within_a_bar() -> None:
    assert volume_steps(DOUBLE, 12) == (0, 12)
    assert volume_steps(MIDDLE, 13) == volume_steps(EARLY, 13) == volume_steps(LATE, 13) == (0, 6, 13)
    assert volume_steps(QUADRUPLE, 13) == (0, 4, 6, 13)
    assert volume_steps(FOURTEEN, 29) == (*range(0, 26, 2), 29)


PRICES = st.integers(1, 60).map(lambda n: n * 7 / 100)


@st.composite
def bars(draw: st.DrawFn) -> tuple[float, ...]:
    o, c = draw(PRICES), draw(PRICES)
    return (o, max(o, c, draw(PRICES)), min(o, c, draw(PRICES)), c, draw(st.integers(0, 99)) / 10)


@given(
    st.lists(bars(), min_size=1, max_size=6), st.sampled_from([60_000, 180_000, 300_000, 900_000]), st.integers(0, 3)
)
def test_the_ticks_of_any_bars_are_those_of_the_table(
    rows: list[tuple[float, ...]], period_ms: int, history: int
) -> None:
    series = series_of(rows, period_ms=period_ms)
    start = START + history * period_ms
    pattern = TickPattern(series, start, series.detail.price_tick)
    found = []
    for bar in range(len(series)):
        shape = pattern.shape(bar)
        steps = volume_steps(shape, series.volume[bar] * 10_000)
        times = [series.time[bar] + offset for offset in offsets_of(period_ms)[shape]]
        found += list(zip(times, pattern.prices(bar, shape), steps, strict=True))
    assert found == [(t.time_ms, t.last, t.volume) for t in plain_ticks(series, start, 2**60)]


@pytest.mark.parametrize("way", ["numpy", "plain"])
@pytest.mark.parametrize("period_ms", [60_000, 300_000])
def test_shapes_of_many_bars_are_those_of_each(way: str, period_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = pytest.importorskip("numpy") if way == "numpy" else None
    monkeypatch.setattr("fmzthreads.backtest.engine.ticks.fast_numpy", lambda count: numpy)
    levels = (1.0, 2.0, 3.0, 4.0)
    rows = [
        (first, high, low, last, 1.0)
        for low in levels
        for high in levels
        for first in levels
        for last in levels
        if low <= min(first, last) and max(first, last) <= high
    ]
    rows *= 2
    series = series_of(rows, period_ms=period_ms)
    count = len(rows)
    assert count >= 64  # enough for numpy
    for start_ms in (START, START + 10 * period_ms, START + count * period_ms):
        pattern = TickPattern(series, start_ms, nano(0.01))
        assert list(pattern.shapes(0, count)) == [pattern.shape(bar) for bar in range(count)]
        assert list(pattern.shapes(3, 8)) == [pattern.shape(bar) for bar in range(3, 8)]
    assert set(pattern.shapes(0, count)) == {DOUBLE, MIDDLE, EARLY, LATE, QUADRUPLE}


@pytest.mark.parametrize("way", ["numpy", "plain"])
@pytest.mark.parametrize("unit", [100, 3])
@pytest.mark.parametrize("scale", [1.0, 5e13])
def test_prices_of_many_bars_are_those_of_each(
    way: str, unit: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy = pytest.importorskip("numpy") if way == "numpy" else None
    monkeypatch.setattr("fmzthreads.backtest.engine.ticks.fast_numpy", lambda count: numpy)
    levels = (1.0, 2.0, 3.0, 4.01)
    rows = [
        (first * scale, high * scale, low * scale, last * scale, 1.0)
        for low in levels
        for high in levels
        for first in levels
        for last in levels
        if low <= min(first, last) and max(first, last) <= high
    ]
    series = series_of(rows + rows[::-1])
    assert (max(series.high) > 2**53) is (scale > 1)  # too large for numpy's floats
    block = BarBlock(TickPattern(series, START, nano(0.01)), 1, len(series) - 1)
    assert [list(prices) for prices in block.tick_prices(unit)] == [
        [block.scaled(bar, place) / unit for bar in range(1, len(series) - 1)] for place in range(4)
    ]
