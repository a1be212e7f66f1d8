"""The engine's fast paths against a market that walks every tick: the same calls give equal bytes."""

import json
import random

import pytest

from fmzthreads.backtest.data import stored_bars
from fmzthreads.backtest.engine import engine as engine_module
from fmzthreads.backtest.nano import nano
from tests.helpers.backtests import MINUTE, START, Simulation, detail, series_of, simulation
from tests.helpers.plain_market import PlainTable

PERIODS = (7, 60, 90, 300, 420, 900, 1800, 3600, 86_400)


def random_series(rng: random.Random, symbol: str, base_ms: int, history: int, bars: int) -> dict[str, object]:
    """Bars with flat, one-sided and doji ones, holes, and older bars of 15 minutes and a day."""
    tick = rng.choice([0.01, 0.01, 0.05])
    market = detail(symbol, price_tick=nano(tick), volume_tick=nano(rng.choice([0.00001, 0.001])))
    price, place, rows = 100.0, -history, []
    while place < bars:
        o = price
        c = o if rng.random() < 0.2 else max(1.0, round(o + rng.gauss(0, 0.4), 2))
        up, down = (0 if rng.random() < 0.3 else abs(rng.gauss(0, 0.3)) for _ in range(2))
        rows.append(
            (o, round(max(o, c) + up, 2), round(max(0.5, min(o, c) - down), 2), c, round(rng.random() * 9, 3), place)
        )
        price, place = c, place + (1 if rng.random() < 0.95 else rng.randint(2, 12))
    found: dict[str, object] = {symbol: series_of(rows, period_ms=base_ms, market=market)}
    for unit in (900_000, 86_400_000):
        begin = (START // unit - 60) * unit + (0 if unit == 900_000 else -28_800_000)
        older = [(1 + n % 5, 9, 0.5, 2, 1.5) for n in range(61)]
        found[f"{symbol}/{unit}"] = series_of(older, start_ms=begin, period_ms=unit, market=market)
    return found


def simulations(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Simulation, Simulation]:
    """The same backtest twice: with the fast market and with the plain one."""
    rng = random.Random(seed)
    base_ms = rng.choice([MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE])
    bars = rng.randint(5, 60)
    pre = rng.choice([0, 3, 20])
    exchanges = [{"eid": "Binance"}, {"eid": "Futures_Binance"}][: rng.choice([1, 2, 2])]
    if rng.random() < 0.3:
        exchanges.reverse()
    series = {}
    for given in exchanges:
        given.update(
            slip_point=rng.choice([0, 0, 2]), pre_bar_len=pre, max_bar_len=rng.choice([3, 10, 1000]), stocks=nano(3)
        )
        symbol = "BTC_USDT.swap" if given["eid"] == "Futures_Binance" else "BTC_USDT"
        history = pre if rng.random() < 0.8 else rng.randint(0, pre)
        for name, found in random_series(rng, symbol, base_ms, history, bars).items():
            series[f"{given['eid']}/{name}"] = found
    minutes = bars * base_ms // MINUTE + rng.choice([0, 0, 30])
    options = {
        "base_ms": base_ms,
        "period_ms": base_ms * rng.choice([1, 1, 3]),
        "snapshot_ms": rng.choice([MINUTE, 7 * MINUTE, 60 * MINUTE]),
        "net_delay_ms": rng.choice([200, 200, 0, 1500]),
        "compat_fmz": rng.random() < 0.5,
    }
    monkeypatch.setattr(stored_bars, "CHUNK", 2 if seed % 2 else 16_384)  # half of them with old bars on disk
    fast = simulation(series, minutes=minutes, exchanges=exchanges, **options)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "MarketTable", PlainTable)
        plain = simulation(series, minutes=minutes, exchanges=exchanges, **options)  # type: ignore[arg-type]
    return fast, plain


def step(rng: random.Random, run: Simulation, held: list[object]) -> object:
    """One random call; the same for the same generator."""
    exchange = rng.choice(run.exchanges)
    kind = rng.randrange(14)
    price = round(100 + rng.gauss(0, 1.5), 2)
    amount = round(rng.random() * 2 + 0.01, 3)
    order = rng.randint(1, 30)
    side = rng.choice(["buy", "sell", "closebuy", "closesell"])
    period, limit = rng.choice(PERIODS), rng.choice([0, 0, 3])
    length = rng.choice([500, 20_000, 60_000, 600_000, 3_600_000]) * rng.random()
    market = rng.random() < 0.3
    if kind <= 1:
        run.engine.sleep(length)
        return None
    if kind == 2:
        return exchange.GetTicker()
    if kind == 3:
        return exchange.GetDepth("", 2)
    if kind <= 6:
        records = exchange.GetRecords() if limit else exchange.GetRecords(period)
        held.append(records)
        return (
            [records[-1], len(records), records.Close[-3:]] if records and rng.random() < 0.5 else list(records or ())
        )
    if kind <= 9:
        return exchange.CreateOrder("", side, -1 if market else price, amount)
    if kind == 10:
        return exchange.CancelOrder(order)
    if kind == 11:
        return [exchange.GetAccount(), exchange.GetPositions(), exchange.GetOrders()]
    if kind == 12:
        return exchange.ModifyOrder(order, side, price, amount)
    trigger = {
        "ConditionType": rng.choice([0, 1, 2]),
        "TpTriggerPrice": price,
        "TpOrderPrice": -1,
        "SlTriggerPrice": price - 1,
        "SlOrderPrice": -1,
    }
    return exchange.CreateConditionOrder("", side, amount, trigger) if rng.random() < 0.4 else exchange.GetOrder(order)


def play(run: Simulation, seed: int, steps: int) -> list[str]:
    """Everything that a strategy sees, as text."""
    rng = random.Random(seed + 1)
    seen, held = [], []
    try:
        for _ in range(steps):
            result = step(rng, run, held)
            seen.append(json.dumps([run.engine.now_ms, result], default=list))
    except EOFError:
        seen.append(f"end {run.engine.now_ms}")
    run.engine.finish()
    seen += [json.dumps(list(records or ())) for records in held]
    return [
        *seen,
        json.dumps(list(run.engine.snapshots)),
        json.dumps(run.engine.final_state()),
        repr(run.rows.orders),
        repr(run.rows.errors),
    ]


def compare(seed: int, monkeypatch: pytest.MonkeyPatch, steps: int = 60) -> None:
    fast, plain = simulations(seed, monkeypatch)
    for found, expected in zip(play(fast, seed, steps), play(plain, seed, steps), strict=True):
        assert found == expected, f"seed {seed}"


@pytest.mark.parametrize("block", range(10))
def test_random_strategies_see_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(block * 4, block * 4 + 4):
        compare(seed, monkeypatch)


@pytest.mark.stress
@pytest.mark.parametrize("block", range(50))
def test_many_random_strategies_see_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1000 + block * 20, 1020 + block * 20):
        compare(seed, monkeypatch, 100)
