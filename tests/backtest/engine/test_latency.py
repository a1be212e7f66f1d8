"""Latencies drawn for each call of a venue."""

from itertools import pairwise

from fmzthreads.backtest.config.settings import BacktestSettings, ExchangeSettings, Latency
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.engine.latency import LatencyDice
from fmzthreads.backtest.face.exchange import BacktestExchange
from fmzthreads.backtest.failures import NoData
from tests.helpers.backtests import MINUTE, START, flat, series_of
from tests.helpers.price_market import Rows


class Source:
    """The same bars for every symbol of a pair."""

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        if fill:
            raise NoData("no older bars")
        return series_of([flat()] * 60)

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> None:
        return None


def exchange_of(latency: Latency | None, *, seed: int = 1, concurrent: bool = False) -> BacktestExchange:
    settings = BacktestSettings(
        start_ms=START,
        end_ms=START + 60 * MINUTE,
        period_ms=MINUTE,
        base_period_ms=MINUTE,
        snapshot_ms=60 * MINUTE,
        exchanges=(ExchangeSettings(eid="Binance", latency=latency),),
        seed=seed,
        concurrent_go=concurrent,
    )
    engine = BacktestEngine(settings, Source(), Rows())
    return BacktestExchange(engine, engine.parts[0])


def calls(exchange: BacktestExchange) -> list[int]:
    """What some calls of different kinds took."""
    taken = []
    for name, args in (("GetAccount", ()), ("GetDepth", ()), ("GetRecords", (60,)), ("Buy", (50, 1))) * 5:
        before = exchange._time.now_ms
        getattr(exchange, name)(*args)
        taken.append(exchange._time.now_ms - before)
        exchange._feed_of("").flags = 0  # so that no call jumps to the next tick
        exchange._feed_of("").consumed = -1
    return taken


def test_a_fixed_latency_stands_in_for_the_delay() -> None:
    assert set(calls(exchange_of(None))) == {200}
    assert set(calls(exchange_of(Latency(median_ms=35)))) == {35}


def test_measured_values_are_drawn() -> None:
    taken = calls(exchange_of(Latency(samples_ms=(10, 20, 30))))
    assert set(taken) == {10, 20, 30}
    assert taken == calls(exchange_of(Latency(samples_ms=(10, 20, 30))))
    assert taken != calls(exchange_of(Latency(samples_ms=(10, 20, 30)), seed=2))


def test_each_call_of_go_draws_its_own() -> None:
    exchange = exchange_of(Latency(samples_ms=tuple(range(1, 1000))))
    times = []
    for _ in range(5):
        exchange.Go("GetAccount")
        times.append(exchange._time.now_ms)
    steps = [b - a for a, b in pairwise(times)]
    assert len(set(steps)) == len(steps)


def test_calls_started_together_take_one_latency() -> None:
    exchange = exchange_of(Latency(samples_ms=(10, 20, 30)), concurrent=True)
    exchange.Go("GetAccount")
    first = exchange._time.now_ms
    exchange.Go("GetAccount")
    assert exchange._time.now_ms == first


def test_a_log_normal_distribution_has_its_median_and_its_99th_percentile() -> None:
    dice = LatencyDice(Latency(median_ms=100, p99_ms=400), 7, 0)
    drawn = sorted(dice.draw() for _ in range(20_000))
    assert 98 <= drawn[10_000] <= 102
    assert 380 <= drawn[19_800] <= 420
    assert drawn[0] > 0
