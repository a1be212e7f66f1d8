from __future__ import annotations

import itertools
import statistics
import threading
from decimal import Decimal as D
from typing import Any

import pytest

from fmzthreads.clock import ManualClock, WallClock
from fmzthreads.errors import ConcurrentUse, InputError
from fmzthreads.simulator.engine.events import BookEvent
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import binance_spot, okx_spot
from fmzthreads.simulator.engine.orders import NewOrder
from fmzthreads.simulator.market.bars import PriceBar, load_bars
from fmzthreads.simulator.market.history import MadeUpHistory
from fmzthreads.simulator.market.maker import MarketDriver, MarketMaker, MarketSettings
from fmzthreads.simulator.market.prices import BarReplay, PriceWalk
from fmzthreads.simulator.market.shape import MarketShape, PriceShape, Reverting
from fmzthreads.simulator.pairs import contract_pairs, read_pairs
from tests.helpers.shared_data import shared_data

PAIR = "BTC_USDT"
SHAPE = MarketShape(
    price=PriceShape(walk=0.00003, parts=(Reverting(0.004, 0.0005),)), step_s=0.1, trades=3.0, trade_lots=10_000.0
)
T0 = 1_700_000_040_000


def venue(
    name: str, seed: int = 7, clock: Any = None, **settings: Any
) -> tuple[SimulatedExchange, MarketMaker, MarketDriver]:
    exchange = SimulatedExchange(
        binance_spot() if name == "one" else okx_spot(), clock=clock or ManualClock(1_700_000_000)
    )
    market = MarketMaker(
        exchange, PAIR, PriceWalk(str(seed), 20_000.0), venue=name, seed=seed, settings=MarketSettings(**settings)
    )
    return exchange, market, MarketDriver(exchange, [market])


def middle(exchange: SimulatedExchange) -> D:
    depth = exchange.depth(PAIR, 1)
    return (depth.bids[0][0] + depth.asks[0][0]) / 2


def bar(minute: int, open_: str, high: str, low: str, close: str) -> PriceBar:
    return PriceBar(time_ms=T0 + 60_000 * minute, open=D(open_), high=D(high), low=D(low), close=D(close), volume=D(1))


def test_the_walk_repeats_with_its_seed_and_comes_back() -> None:
    def walk(seed: str) -> list[float]:
        source = PriceWalk(seed, 100.0, reversion=0.01)
        return [source.step()[0] for _ in range(3000)]

    assert walk("1") == walk("1")
    assert walk("1") != walk("2")
    assert 95 < statistics.fmean(walk("1")) < 105
    assert len(set(walk("1"))) > 2900


@pytest.mark.parametrize(
    "wrong",
    [{"start": 0.0}, {"start": 1.0, "volatility": -1}, {"start": 1.0, "jump_chance": 2}, {"start": float("nan")}],
)
def test_a_walk_refuses_bad_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        PriceWalk("1", **wrong)


def test_two_venues_with_one_seed_follow_one_price_with_their_own_noise() -> None:
    one, first, drive_one = venue("one")
    two, second, drive_two = venue("two")
    fair, apart = [], []
    for _ in range(1500):
        drive_one.step()
        drive_two.step()
        fair.append((first.fair, second.fair))
        apart.append(float(middle(one) / middle(two) - 1))
    assert all(a == b for a, b in fair)
    assert len(set(apart)) > 1000
    assert abs(statistics.fmean(apart)) < 0.001, "they do not drift apart"
    assert any(abs(gap) > 0.002 for gap in apart), "sometimes they are further apart than two taker fees of 0.1 %"


def test_a_venue_may_lag() -> None:
    one, market, drive = venue("one", lag_steps=3, deviation=0.0, spacing=0.00005)
    fairs = [20_000.0] * 3
    for _ in range(50):
        drive.step()
        fairs.append(market.fair)
        assert abs(float(middle(one)) / fairs[-4] - 1) < 0.0001


def test_the_same_seed_gives_the_same_market_to_the_last_digit() -> None:
    def run() -> tuple[Any, ...]:
        clock = ManualClock(1_700_000_000)
        exchange, _, drive = venue("one", clock=clock)
        for _ in range(100):
            drive.step()
            clock.advance(0.1)
        return (
            exchange.depth(PAIR, 200),
            exchange.trades(PAIR, 1000),
            exchange.bars(PAIR, 3600, 50),
            exchange.stats_24h(PAIR),
        )

    assert run() == run()


def test_books_are_deep_uncrossed_and_refilled_after_a_taker() -> None:
    exchange, _, drive = venue("one")
    drive.step()
    depth = exchange.depth(PAIR, 200)
    assert len(depth.bids) >= 50
    assert len(depth.asks) >= 50
    assert depth.bids[0][0] < depth.asks[0][0]
    user = exchange.create_account("user", balances={"USDT": D(10**9)})
    eaten = exchange.place(user, NewOrder(instrument=PAIR, side="buy", type="market", quantity=D(20)))
    assert len(eaten.fills) > 5
    after = exchange.depth(PAIR, 200)
    assert after.asks[0][0] > depth.asks[0][0]
    drive.step(2)
    refilled = exchange.depth(PAIR, 200)
    assert len(refilled.asks) >= 50
    assert refilled.asks[0][0] < after.asks[0][0]


def test_a_step_changes_few_levels_and_money_is_conserved() -> None:
    exchange, _, drive = venue("one", resize=0.02, take_chance=0.5)
    drive.step()
    supply, changed = exchange.supply(), []
    stop = exchange.subscribe(lambda event: changed.append(len(event.bids) + len(event.asks)), [BookEvent])  # type: ignore[union-attr]
    for _ in range(200):
        drive.step()
        depth = exchange.depth(PAIR, 1)
        assert depth.bids[0][0] < depth.asks[0][0]
    stop()
    assert statistics.median(changed) < 40, "of 160 levels"
    assert exchange.supply() == supply
    assert len(exchange.trades(PAIR, 1000)) > 50


def test_quotes_that_cross_a_users_order_fill_it() -> None:
    exchange, _, drive = venue("one", deviation=0.0)
    drive.step()
    user = exchange.create_account("user", balances={"USDT": D(10**6)})
    price = exchange.depth(PAIR, 1).bids[0][0]
    order = exchange.place(user, NewOrder(instrument=PAIR, side="buy", price=price, quantity=D("0.01")))
    for _ in range(3000):
        drive.step()
        if exchange.order(user, PAIR, order.order_id).state.final:
            break
    assert exchange.fills(user)[0].is_maker
    assert exchange.fills(user)[0].price == price


def test_a_delivered_contract_is_quoted_no_more() -> None:
    pair = contract_pairs("um", read_pairs("binance", ["BTC_USDT"]), (2_000_000_000_000,))[0]
    quarter = pair.instrument.id
    exchange = SimulatedExchange([pair.instrument], clock=ManualClock(1_700_000_000))
    settings = MarketSettings(levels=10, makers=1)
    market = MarketMaker(exchange, quarter, PriceWalk("1", float(pair.price)), settings=settings)
    market.step()
    assert exchange.depth(quarter, 1).bids
    exchange.contracts.deliver(quarter, D(60_000))
    told: list[Any] = []
    exchange.subscribe(told.append, (BookEvent,))
    fair = market.fair
    for _ in range(3):
        market.step()  # neither quotes nor prices: both would be refused
    assert (market.steps, market.fair, told) == (4, fair, [])
    assert not exchange.depth(quarter, 1).bids


@pytest.mark.parametrize(
    "wrong", [{"levels": 0}, {"makers": 11}, {"spacing": -1}, {"take_chance": 2}, {"deviation": 0.2}, {"lag_steps": -1}]
)
def test_settings_refuse_bad_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises((InputError, ValueError)):
        MarketSettings(**wrong)


def test_bars_are_passed_from_open_to_low_and_high_to_close() -> None:
    up, down = bar(0, "10", "13", "9", "12"), bar(1, "12", "12.5", "8", "9")
    replay = BarReplay([up, down], speed=1, step_s=1)
    assert replay.start == 10
    assert replay.step() == [10, 9, 13, 12, 12]  # an up bar goes to its low first; the next bar opens as it ends
    assert not replay.finished
    assert replay.step() == [12.5, 8, 9]  # a down bar goes to its high first
    assert replay.finished
    assert replay.step() == [9], "the last close stays"


def test_between_the_points_the_price_goes_straight() -> None:
    replay = BarReplay([bar(0, "10", "40", "10", "40")], speed=1, step_s=1 / 12)
    prices = [price for _ in range(12) for price in replay.step()]
    assert prices == sorted(prices)
    assert len(set(prices)) >= 5
    assert {10, 40} <= set(prices)


def test_missing_bars_keep_the_last_close_and_replays_stay_side_by_side() -> None:
    bars = [bar(0, "10", "10", "10", "10"), bar(1, "11", "11", "11", "11"), bar(4, "20", "20", "20", "20")]
    replay = BarReplay(bars, speed=1, step_s=1)
    assert [replay.step()[-1] for _ in range(5)] == [11, 11, 11, 20, 20]
    late = BarReplay(bars[1:], speed=1, step_s=1, origin_ms=T0, period_ms=60_000)
    assert [late.step()[-1] for _ in range(5)] == [11, 11, 11, 20, 20]
    later = BarReplay(bars, speed=1, step_s=1, origin_ms=T0 + 60_000)
    assert (later.start, later.bars) == (11, 2)


@pytest.mark.parametrize(
    "wrong", [{"bars": []}, {"speed": 0}, {"step_s": -1}, {"origin_ms": T0 + 10**9}, {"period_ms": 0}]
)
def test_a_replay_refuses_what_it_cannot_play(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        BarReplay(**{"bars": [bar(0, "10", "10", "10", "10"), bar(1, "10", "10", "10", "10")], **wrong})


def test_a_real_day_is_covered() -> None:
    held = load_bars(shared_data("lean/crypto/binance/minute/btcbusd/20221213_trade.zip"))
    replay = BarReplay(held.bars, speed=72, step_s=0.1)
    exchange = SimulatedExchange(binance_spot(), clock=ManualClock(1_700_000_000))
    drive = MarketDriver(
        exchange, [MarketMaker(exchange, PAIR, replay, settings=MarketSettings(levels=10, makers=1, deviation=0.0))]
    )
    lowest, highest, steps = 1e9, 0.0, 0
    while not replay.finished:
        drive.step()
        steps += 1
        lowest, highest = min(lowest, float(middle(exchange))), max(highest, float(middle(exchange)))
    assert steps == 200  # 1440 minutes at 72 a second, ten steps a second
    assert abs(float(middle(exchange)) / float(held.bars[-1].close) - 1) < 0.0005
    # A step passes seven minutes and shows the last of them, so its extremes lie within the day's.
    assert highest < float(max(b.high for b in held.bars)) * 1.0005
    assert lowest > float(min(b.low for b in held.bars)) * 0.9995
    # What was traded in passing is in the bars nevertheless: the crowd meets the quotes at every point of the path.
    day = exchange.stats_24h(PAIR)
    assert day.trades > 500


def test_history_joins_the_present_and_periods_agree() -> None:
    exchange, _, drive = venue("one")
    drive.step(20)
    minutes = exchange.bars(PAIR, 60, 1440)
    assert len(minutes) == 1440
    past = [b for b in minutes if b.close_ms < 1_700_000_000_000 - 60_000]
    for earlier, later in itertools.pairwise(past):
        assert earlier.close == later.open
        assert later.low <= min(later.open, later.close) <= max(later.open, later.close) <= later.high
        assert later.taker_buy_volume <= later.volume
    now = 1_700_000_000
    for period in (180, 300, 900, 1800, 3600, 4 * 3600):
        begin = (now - 6 * 3600) // period * period
        (wide,) = exchange.bars(PAIR, period, 1, begin * 1000, begin * 1000)
        parts = exchange.bars(PAIR, 60, period // 60, begin * 1000)
        assert (wide.open, wide.close) == (parts[0].open, parts[-1].close)
        assert (wide.high, wide.low) == (max(p.high for p in parts), min(p.low for p in parts))
        assert (wide.volume, wide.trades) == (sum(p.volume for p in parts), sum(p.trades for p in parts))
        assert wide.taker_buy_volume == sum(p.taker_buy_volume for p in parts)
    assert len(exchange.bars(PAIR, 86_400, 1000)) == 1000
    oldest = exchange.bars(PAIR, 86_400, 2000)[0]
    assert oldest.open > 0
    assert exchange.bars(PAIR, 86_400, 1, start_ms=0) == [oldest], "who asks for too old a bar gets the oldest"
    seconds = exchange.bars(PAIR, 1, 120)
    assert len(seconds) == 120
    assert abs(exchange.stats_24h(PAIR).open / exchange.stats_24h(PAIR).last - 1) < D("0.2")


def test_history_is_the_same_whatever_is_asked_first() -> None:
    def history() -> MadeUpHistory:
        return MadeUpHistory("1:BTC_USDT", T0 + 12_345, 2_000_000, SHAPE)

    second, day = T0 // 1000 - 100_000, T0 // 86_400_000
    forwards, backwards = history(), history()
    rows = [forwards.row(86_400, day - 3), forwards.row(1, second), forwards.row(60, second // 60)]
    again = [backwards.row(60, second // 60), backwards.row(1, second), backwards.row(86_400, day - 3)][::-1]
    for one, two in zip(rows, again, strict=True):
        assert one is not None
        assert two is not None
        assert (one.open, one.high, one.low, one.close, one.lots) == (two.open, two.high, two.low, two.close, two.lots)
    newest = forwards.row(1, (T0 + 12_345) // 1000 - 1)
    assert newest is not None
    assert newest.close == 2_000_000
    assert forwards.row(1, (T0 + 12_345) // 1000) is None
    assert forwards.row(86_400, day - 5000) is None


def test_the_driver_runs_with_the_clock_and_stops() -> None:
    clock = ManualClock(1_700_000_000)
    _, market, drive = venue("one", clock=clock)
    with drive:
        assert market.steps == 1
        for step in range(2, 12):
            assert clock.wait_for_sleepers(1)
            clock.advance(0.1)
            assert clock.wait_for_sleepers(1)
            assert market.steps == step
        with pytest.raises(ConcurrentUse, match="running already"):
            drive.start()
    assert drive.stop()
    assert drive.error is None
    with drive:
        assert market.steps == 12, "it can be started again"


def test_late_steps_are_made_up_for_within_reason() -> None:
    clock = ManualClock(1_700_000_000)
    _, market, drive = venue("one", clock=clock)
    with drive:
        assert clock.wait_for_sleepers(1)
        clock.advance(1.0)
        assert clock.wait_for_sleepers(1)
        assert market.steps in {10, 11}  # one at the start and ten that were due; the last of them to within rounding
        clock.advance(3600)
        assert clock.wait_for_sleepers(1)
        assert market.steps < 100, "an hour's pause is not made up for"


def test_stopping_the_clock_stops_the_market() -> None:
    clock = WallClock()
    _, _, drive = venue("one", clock=clock)
    drive.start()
    clock.stop.request("enough")
    assert drive.stop()
    assert drive.error is None


def test_a_market_that_breaks_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        start, shape, per_step = 100.0, PriceShape(walk=0.0001), 1.0
        steps = 0

        def step(self) -> list[float]:
            self.steps += 1
            if self.steps > 1:
                raise RuntimeError("no price")
            return [100.0]

    clock = ManualClock(1_700_000_000)
    exchange = SimulatedExchange(binance_spot(), clock=clock)
    drive = MarketDriver(exchange, [MarketMaker(exchange, PAIR, Broken())]).start()
    assert clock.wait_for_sleepers(1)
    thread = drive._thread
    assert thread is not None
    clock.advance(0.1)
    thread.join(60)
    assert not drive.running
    assert drive.stop()
    assert isinstance(drive.error, RuntimeError)
    assert "no price" in caplog.text


def test_two_threads_cannot_step_at_once() -> None:
    inside, leave = threading.Event(), threading.Event()

    class Slow:
        start, shape, per_step = 100.0, PriceShape(walk=0.0001), 1.0

        def step(self) -> list[float]:
            inside.set()
            leave.wait(60)
            return [100.0]

    exchange = SimulatedExchange(binance_spot(), clock=ManualClock(1_700_000_000))
    drive = MarketDriver(exchange, [MarketMaker(exchange, PAIR, Slow())])
    thread = threading.Thread(target=drive.step)
    thread.start()
    assert inside.wait(60)
    try:
        with pytest.raises(ConcurrentUse, match="stepping"):
            drive.step()
    finally:
        leave.set()
        thread.join(60)
    assert not thread.is_alive()
