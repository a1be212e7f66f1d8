"""The quick ways of orders and accounts against the methods and the plain settlement: random strategies see the same bytes, whatever they pass and set."""

import json
import random

import pytest

from fmzthreads.backtest.config.settings import (
    BacktestSettings,
    ExchangeSettings,
    Latency,
    MaintenanceTier,
    MarketDetail,
    PartialFills,
)
from fmzthreads.backtest.data.bars import BarSeries
from fmzthreads.backtest.engine.engine import BacktestEngine
from fmzthreads.backtest.face.exchange import BacktestExchange, exchanges_of
from fmzthreads.backtest.nano import nano
from fmzthreads.backtest.result.log import RunLog
from fmzthreads.backtest.result.run_fills import engine_fills
from fmzthreads.errors import InputError
from tests.helpers.backtests import MINUTE, START, FixedSource, detail, series_of

BARS = 60
SPOT, OTHER, SWAP = "BTC_USDT", "ETH_USDT", "BTC_USDT.swap"
ODD = (0, -3, float("nan"), float("inf"), 10**20, True, "7", "no number", None, 1e-9, 2**60)
SIDES = ("buy", "sell", "closebuy", "closesell", "closebuy_today", "closesell_today", "buy;x=1", "hold")


def walk(rng: random.Random, market: MarketDetail) -> BarSeries:
    """Bars of a random walk from 100 on, of a few pairs around 0.03, some without any movement, some of them missing."""
    price, place, rows = 100.0, -3, []
    if not market.is_contract and rng.random() < 0.1:  # the spread is wider than the price
        return series_of(
            [(0.03, 0.06, 0.01, rng.choice([0.02, 0.03, 0.04]), 2.0, place) for place in range(-3, BARS)], market=market
        )
    while place < BARS:
        close = price if rng.random() < 0.2 else max(1.0, round(price + rng.gauss(0, 0.5), 2))
        up, down = (0 if rng.random() < 0.3 else abs(rng.gauss(0, 0.4)) for _ in range(2))
        high, low = round(max(price, close) + up, 2), round(max(0.5, min(price, close) - down), 2)
        rows.append((price, high, low, close, round(rng.random() * 3, 3), place))
        price, place = close, place + (1 if rng.random() < 0.95 else rng.randint(2, 6))
    return series_of(rows, market=market)


def markets(rng: random.Random) -> dict[str, BarSeries]:
    """A contract with perhaps funding and liquidation, and two spot pairs."""
    tick = rng.choice([0.01, 0.01, 0.05])
    coin = rng.random() < 0.2
    tiers = (MaintenanceTier(up_to=nano(500), rate=nano(0.01)), MaintenanceTier(up_to=None, rate=nano(0.05)))
    swap = detail(
        SWAP,
        price_tick=nano(tick),
        margin_currency="BTC" if coin else "USDT",
        volume_multiple=nano(rng.choice([1, 0.1])),
        tiers=tiers if rng.random() < 0.3 else (),
        symbol_funding="BTC_USDT.funding" if rng.random() < 0.4 else "",
    )
    funding = detail("BTC_USDT.funding", quote_precision=6)
    rates = [[rng.gauss(0, 0.0005)] * 4 for _ in range(BARS // 8)]
    spots = {
        f"Binance/{name}": walk(rng, detail(name, price_tick=nano(tick), base_precision=rng.choice([2, 5])))
        for name in (SPOT, OTHER)
    }
    return {
        **spots,
        f"Futures_Binance/{SWAP}": walk(rng, swap),
        "Futures_Binance/BTC_USDT.funding": series_of(rates, period_ms=8 * MINUTE, market=funding),
    }


def settings_of(rng: random.Random) -> BacktestSettings:
    """A spot and a futures exchange; half of all settings with options that FMZ does not know."""
    beyond = rng.random() < 0.5
    exchanges = []
    for index, eid in enumerate(rng.sample(["Binance", "Futures_Binance"], 2)):
        fees = [nano(rng.choice([0, 0.001, 0.001, -0.0002, 0.07, 1.5])) for _ in range(2)]
        queue = rng.choice([None, nano(0.5)])
        exchanges.append(
            ExchangeSettings(
                eid=eid,
                index=index,
                currency=SPOT,
                balance=nano(rng.choice([0, 1000, 100_000])),
                stocks=nano(rng.choice([0, 3, 1000])),
                fee_maker=fees[0],
                fee_taker=fees[1],
                fee_min=nano(rng.choice([0, 0.5])),
                slip_point=rng.choice([0, 0, 2]),
                pre_bar_len=3,
                partial_fills=PartialFills(participation=nano(0.5), queue=queue)
                if beyond and rng.random() < 0.4
                else None,
                latency=Latency(median_ms=300, p99_ms=2000) if beyond and rng.random() < 0.2 else None,
                max_price_age_ms=10_000 if beyond and rng.random() < 0.4 else None,
                fault_tolerant=0.3 if beyond and rng.random() < 0.2 else 0.0,
            )
        )
    return BacktestSettings(
        start_ms=START,
        end_ms=START + BARS * MINUTE,
        period_ms=MINUTE,
        base_period_ms=MINUTE,
        snapshot_ms=rng.choice([MINUTE, 7 * MINUTE, 60 * MINUTE]),
        net_delay_ms=rng.choice([200, 200, 0, 1500, 40_000]),
        compat_fmz=rng.random() < 0.3,
        exchanges=tuple(exchanges),
    )


def run_of(seed: int) -> tuple[BacktestEngine, list[BacktestExchange], RunLog]:
    """The backtest of a seed."""
    rng = random.Random(seed)
    log = RunLog(lambda: engine.now_ms)
    engine = BacktestEngine(settings_of(rng), FixedSource(markets(rng)), log)
    return engine, exchanges_of(engine), log


def number(rng: random.Random, usual: float) -> object:
    """A number as strategies give it; now and then something else."""
    kind = rng.random()
    return rng.choice(ODD) if kind < 0.04 else int(usual) + 1 if kind < 0.3 else usual


def order(rng: random.Random, exchange: BacktestExchange) -> object:
    """A random placement."""
    price = -1 if rng.random() < 0.5 else number(rng, round(100 + rng.gauss(0, 1.2), rng.choice([1, 2, 4])))
    amount = number(rng, round(rng.random() * rng.choice([2, 2, 150]) + 0.01, rng.choice([1, 3, 6])))
    args = ("because", rng.random() < 0.5, 3) if rng.random() < 0.15 else ()
    kind = rng.randrange(10)
    if kind < 4:
        return exchange.Buy(price, amount, *args)  # type: ignore[arg-type]
    if kind < 8:
        return exchange.Sell(price, amount, *args)  # type: ignore[arg-type]
    if kind == 8:
        return exchange.Buy(amount=amount, price=price)  # type: ignore[arg-type]
    symbol = rng.choice(["", "", SWAP if exchange.GetName() != "Binance" else OTHER])
    return exchange.CreateOrder(symbol, rng.choice(SIDES), price, amount, *args)  # type: ignore[arg-type]


def settle_something(rng: random.Random, exchange: BacktestExchange) -> object:
    """A random setting."""
    kind = rng.randrange(7)
    if kind == 0:
        return exchange.SetRate(rng.choice([1, 1, 1, 7.1]))
    if kind == 1:
        return exchange.SetCurrency(rng.choice([SPOT, SPOT, OTHER])) if exchange.GetName() == "Binance" else None
    if kind == 2:
        return exchange.SetMarginLevel(rng.choice([1, 3, 50]))
    if kind == 3:
        return exchange.IO("dual", rng.random() < 0.5) if exchange.GetName() != "Binance" else None
    if kind == 4:
        return exchange.GetLastError()
    return exchange.SetDirection(rng.choice(SIDES))


def look(rng: random.Random, exchange: BacktestExchange) -> object:
    """A random look at orders and account."""
    known = rng.choice([rng.randint(1, 30), rng.randint(1, 30), "x", None, []])
    scope = rng.choice(["", "", SWAP, SPOT, "USDT.swap", None])
    kind = rng.randrange(9)
    if kind == 0:
        return exchange.GetAccount()
    if kind == 1:
        return exchange.GetPositions(scope)  # type: ignore[arg-type]
    if kind == 2:
        return exchange.GetPosition()
    if kind == 3:
        return exchange.GetOrders(scope)  # type: ignore[arg-type]
    if kind == 4:
        return exchange.GetOrders()
    if kind == 5:
        return exchange.GetOrder(known)
    if kind == 6:
        return exchange.CancelOrder(known, *(["late"] if rng.random() < 0.2 else []))
    if kind == 7:
        return exchange.GetAssets()
    return exchange.ModifyOrder(known, rng.choice(SIDES), round(100 + rng.gauss(0, 1), 2), 1.5)


def step(rng: random.Random, engine: BacktestEngine, exchange: BacktestExchange, log: RunLog) -> object:
    """One random call."""
    kind = rng.randrange(20)
    if kind < 5:
        return engine.sleep(rng.choice([0, 500, 20_000, 60_000, 400_000]) * rng.random())
    if kind < 12:
        return order(rng, exchange)
    if kind < 16:
        return look(rng, exchange)
    if kind == 16:
        return settle_something(rng, exchange)
    if kind == 17:
        return exchange.GetTicker()
    if kind == 18:
        records = exchange.GetRecords()
        return records and list(records[-1:])
    if rng.random() < 0.2:
        return log.enable_orders(rng.random() < 0.7)
    trigger = {"ConditionType": 1, "TpTriggerPrice": 100.5, "TpOrderPrice": -1, "SlTriggerPrice": 99.0}
    return exchange.CreateConditionOrder("", rng.choice(SIDES), 0.5, {**trigger, "SlOrderPrice": 99})


def play(seed: int, steps: int, *, by_methods: bool) -> list[str]:
    """Everything that a random strategy sees and leaves, as text.

    Args:
        seed: Decides everything.
        steps: How many calls it makes.
        by_methods: Whether the quick ways leave each call to the method, and no order is filled before a settlement.
    """
    engine, exchanges, log = run_of(seed)
    rng = random.Random(seed + 1)
    engine.lock.shared |= by_methods
    desks = [part.desk for part in engine.parts]
    for desk in desks if by_methods else ():
        desk._spot = lambda: None  # type: ignore[method-assign]
    told: list[list[object]] = []
    if rng.random() < 0.3:
        log.listeners.append(told.append)
    seen = []
    try:
        for _ in range(steps):
            try:
                result = step(rng, engine, rng.choice(exchanges), log)
            except InputError as error:
                result = repr(error)
            known = [[desk.has_open(name) for name in (SPOT, OTHER, SWAP)] for desk in desks]
            dealt = [len(desk.dealt_orders()) for desk in desks]
            seen.append(json.dumps([engine.now_ms, result, known, dealt]))
    except EOFError:
        seen.append(f"end {engine.now_ms}")
    engine.finish()
    left = [json.dumps(list(engine.snapshots)), json.dumps(engine.final_state()), repr(engine_fills(engine))]
    return [*seen, *map(json.dumps, log.rows), repr(told), *left]


def compare(seed: int, steps: int = 150) -> None:
    for found, expected in zip(play(seed, steps, by_methods=False), play(seed, steps, by_methods=True), strict=True):
        assert found == expected, f"seed {seed}"


@pytest.mark.parametrize("block", range(10))
def test_random_strategies_see_the_same_by_quick_calls(block: int) -> None:
    for seed in range(block * 6, block * 6 + 6):
        compare(seed)


@pytest.mark.stress
@pytest.mark.parametrize("block", range(20))
def test_many_random_strategies_see_the_same_by_quick_calls(block: int) -> None:
    for seed in range(1000 + block * 20, 1020 + block * 20):
        compare(seed, 250)
