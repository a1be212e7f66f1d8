"""One model for the past and the present: volume, trades and range of a minute are alike, and trade numbers go on."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from decimal import Decimal as D

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.errors import InputError
from fmzthreads.simulator.engine.candles import BarRow, Candle
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import binance_spot
from fmzthreads.simulator.market.history import split
from fmzthreads.simulator.market.maker import MarketDriver, MarketMaker, MarketSettings
from fmzthreads.simulator.market.prices import BarReplay, PriceWalk
from fmzthreads.simulator.market.shape import MarketShape, PriceShape, Reverting

PAIR = "BTC_USDT"
MINUTES = 30


@pytest.fixture(scope="module")
def lived() -> SimulatedExchange:
    """An exchange whose market has run for half an hour of its clock."""
    clock = ManualClock(1_700_000_040)
    exchange = SimulatedExchange(binance_spot(), clock=clock)
    settings = MarketSettings(levels=20, makers=1)
    market = MarketMaker(exchange, PAIR, PriceWalk("3", 60_000.0), seed=3, settings=settings, step_s=0.1)
    drive = MarketDriver(exchange, [market])
    for _ in range(MINUTES * 600):
        drive.step()
        clock.advance(0.1)
    return exchange


def mean(bars: Sequence[Candle]) -> tuple[float, float, float]:
    """Volume, trades and relative range of the mean bar."""
    spans = [float((bar.high - bar.low) / bar.close) for bar in bars]
    return (
        statistics.fmean(float(bar.volume) for bar in bars),
        statistics.fmean(bar.trades for bar in bars),
        statistics.fmean(spans),
    )


def test_minutes_before_and_after_the_opening_are_alike(lived: SimulatedExchange) -> None:
    live = mean(lived.bars(PAIR, 60, MINUTES - 1, start_ms=1_700_000_100_000))
    past = mean(lived.bars(PAIR, 60, 1000, end_ms=1_699_999_980_000))
    assert live[0] == pytest.approx(past[0], rel=0.15)
    assert live[1] == pytest.approx(past[1], rel=0.1)
    assert live[2] == pytest.approx(past[2], rel=0.3)


def test_the_trades_of_the_last_day_are_numbered_without_a_gap(lived: SimulatedExchange) -> None:
    day = lived.stats_24h(PAIR)
    newest = lived.trades(PAIR, 1)[0]
    assert day.last_id == newest.trade_id
    assert day.last_id - day.first_id + 1 == day.trades
    assert day.first_id > 1
    minutes = lived.bars(PAIR, 60, 1440)
    assert sum(bar.trades for bar in minutes) == day.trades
    assert sum(bar.volume for bar in minutes) == day.volume


def test_a_replay_is_preceded_by_a_past_that_moves_as_its_bars_do(lived: SimulatedExchange) -> None:
    walk = PriceWalk("1", 100.0)
    assert walk.shape.change(1) == pytest.approx(math.sqrt(1e-8 + 0.002 * 0.0015**2 + 0.000032**2), rel=0.01)
    assert walk.shape.span(864_000) > 5 * walk.shape.span(600)
    calm = [_bar(minute, 100 + minute % 2 * 0.01) for minute in range(50)]
    wild = [_bar(minute, 100 + minute % 2) for minute in range(50)]
    assert BarReplay(wild).shape.change(10) == pytest.approx(100 * BarReplay(calm).shape.change(10), rel=0.1)


def _bar(minute: int, price: float) -> object:
    from fmzthreads.simulator.market.bars import PriceBar

    value = D(str(price))
    return PriceBar(time_ms=60_000 * minute, open=value, high=value, low=value, close=value, volume=D(1))


def test_a_part_that_comes_back_spreads_no_further_than_its_deviation() -> None:
    part = Reverting.of_steps(0.001, 0.01)
    assert math.sqrt(part.change(1)) == pytest.approx(0.001, rel=0.01)
    assert math.sqrt(part.change(10**9)) == pytest.approx(math.sqrt(2) * part.deviation)
    assert PriceShape(walk=0.001).span(100) == pytest.approx(math.sqrt(8 / math.pi) * 0.01)


@pytest.mark.parametrize("wrong", [{"step_s": 0.0}, {"trades": -1.0}, {"trade_lots": 0.0}])
def test_a_shape_refuses_bad_numbers(wrong: dict[str, float]) -> None:
    numbers = {"step_s": 0.1, "trades": 1.0, "trade_lots": 1.0, **wrong}
    with pytest.raises(InputError):
        MarketShape(price=PriceShape(walk=0.001), **numbers)


@pytest.mark.parametrize("seed", range(60))
def test_the_children_of_a_bar_make_it_again(seed: int) -> None:
    rng = random.Random(seed)
    low, high = sorted(rng.sample(range(1, 2000), 2))
    count = rng.choice([0, 1, 2, 7, 500])
    lots = count and count + rng.randrange(10_000)
    ends = (rng.randint(low, high), rng.randint(low, high)) if count else (low, low)
    row = BarRow(ends[0], high if count else low, low, ends[1], lots, 0, count, lots // 3)
    change, span = rng.choice([(0.0, 0.0), (50.0, 100.0), (5000.0, 9000.0)])
    children = split(row, rng.choice([1, 2, 12, 60]), rng, change=change, span=span, last=rng.choice([1.0, 0.25]))
    total = children[0].copy()
    for child in children[1:]:
        assert child.open == total.close
        total.add(child)
    for child in children:
        assert (
            row.low
            <= child.low
            <= min(child.open, child.close)
            <= max(child.open, child.close)
            <= child.high
            <= row.high
        )
        assert child.taker_lots <= child.lots
        assert child.lots >= child.count
        assert child.count or not child.lots
    assert (total.open, total.high, total.low, total.close) == (row.open, row.high, row.low, row.close)
    assert (total.lots, total.count, total.taker_lots) == (row.lots, row.count, row.taker_lots)
