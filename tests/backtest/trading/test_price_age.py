"""How old the price of a fill was, over bars: in the order's Info, and told where it is older than the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmzthreads.backtest.config.settings import MaintenanceTier, PartialFills
from fmzthreads.backtest.nano import ONE, nano
from fmzthreads.backtest.trading.price_age import price_age_ms
from tests.helpers.backtest_runs import START_MS, command, generated, write_bars
from tests.helpers.price_market import Bench, futures_bench, spot_bench

PAIR, SWAP = "BTC_USDT", "BTC_USDT.swap"


def bench_of(limit_ms: int | None = 60_000, **options: Any) -> Bench:
    """At 200, one second after the start."""
    bench = spot_bench(balance=10_000, stocks=10, maker=0, taker=0, max_price_age_ms=limit_ms, **options)
    bench.price(200)
    return bench


def age(bench: Bench, number: int) -> int:
    order = bench.desk.order(number)
    assert order is not None
    return int(order["Info"]["PriceAge"])


def told(number: int, seconds: float, symbol: str = PAIR) -> str:
    return f"order {number} of {symbol} was filled at a price {seconds:g} s old: there is no tick in between"


def test_a_fill_at_the_placement_is_as_old_as_the_tick() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", -1, 200)
    assert age(bench, 1) == 0
    bench.now_ms += 60_000
    bench.desk.place(PAIR, "buy", 205, 1)
    assert age(bench, 2) == 60_000
    assert bench.rows.errors == []
    bench.now_ms += 1
    bench.desk.place(PAIR, "sell", 195, 1)
    assert age(bench, 3) == 60_001
    assert bench.rows.errors == [told(3, 60.001)]


def test_a_resting_order_that_a_gap_jumps_to_is_told() -> None:
    bench = bench_of()
    bench.desk.place(PAIR, "buy", 190, 1)
    bench.desk.place(PAIR, "buy", 180, 1)
    order = bench.desk.order(1)
    assert order is not None
    assert "Info" not in order
    bench.price(189)
    assert age(bench, 1) == 1000
    bench.now_ms += 3_600_000
    bench.price(179)
    bench.price(170)
    bench.price(200)
    assert age(bench, 2) == 3_601_000
    assert bench.rows.errors == [told(2, 3601)]


def test_a_late_settlement_tells_the_same_as_one_at_each_tick() -> None:
    found = []
    for settled in (True, False):
        bench = bench_of(500)
        for price in (190, 185, 180):
            bench.desk.place(PAIR, "buy", price, 1)
        for price, gap_ms in ((195, 0), (184, 50_000), (200, 70_000), (170, 90_000)):
            bench.now_ms += gap_ms
            bench.price(price)
            if settled:
                bench.desk.settle()
        found.append(([age(bench, number) for number in (1, 2, 3)], bench.rows.errors))
    assert found[0] == found[1]
    assert found[0][0] == [51_000, 51_000, 91_000]


def test_without_a_limit_nothing_is_looked_at() -> None:
    bench = bench_of(None)
    bench.now_ms += 3_600_000
    bench.desk.place(PAIR, "buy", -1, 200)
    order = bench.desk.order(1)
    assert order is not None
    assert "Info" not in order
    assert bench.rows.errors == []


def test_parts_show_the_age_of_the_last_one_and_each_old_one_is_told() -> None:
    bench = bench_of(partial=PartialFills(participation=ONE // 2))  # a bar of four ticks has a volume of 8
    bench.desk.place(PAIR, "buy", 205, 9)
    assert age(bench, 1) == 0
    for price in (200, 200, 200):
        bench.price(price)
    bench.now_ms += 100_000
    bench.price(200)
    assert age(bench, 1) == 101_000
    for price in (200, 200, 200):
        bench.price(price)
    bench.now_ms += 200_000
    bench.price(200)
    assert age(bench, 1) == 201_000
    assert bench.rows.errors == [told(1, 101), told(1, 201)]


def test_the_order_of_a_condition_order_is_told_as_any_other() -> None:
    bench = bench_of(10_000)
    terms = {"ConditionType": 2, "SlTriggerPrice": 190, "SlOrderPrice": -1}
    bench.desk.place_condition(PAIR, "sell", 1, terms)
    bench.price(180)
    bench.now_ms += 20_000  # settled late: the price is that of the last tick
    bench.desk.settle()
    assert age(bench, 2) == 20_200
    assert bench.rows.errors == [told(2, 20.2)]


@pytest.mark.parametrize("limit_ms", [None, 30_000, 60_000])
def test_a_liquidation_after_a_gap(limit_ms: int | None) -> None:
    tiers = (MaintenanceTier(up_to=None, rate=nano(0.01)),)
    bench = futures_bench(
        balance=100, margin_currency="USDT", maker=0, taker=0, spread=0, tiers=tiers, max_price_age_ms=limit_ms
    )
    bench.price(1000)
    bench.desk.place(SWAP, "buy", -1, 1)
    bench.desk.settle()
    bench.now_ms += 59_000
    bench.price(900)
    order = bench.desk.history()[-1]
    assert order.Id == 2
    assert order.get("Info") == (None if limit_ms is None else {"PriceAge": 60_000})
    assert bench.rows.errors == ([told(2, 60, SWAP)] if limit_ms == 30_000 else [])


STRATEGY = """
def main():
    exchange.SetPrecision(2, 3)
    low = exchange.Buy(90, 1)
    Sleep(1800000)
    market = exchange.Buy(-1, 50)
    Sleep(3600000 * 2)
    exchange.GetAccount()
    for number in (low, market):
        Log(exchange.GetOrder(number).get("Info"))
"""


def test_a_gap_in_the_bars_is_not_traded_through_silently(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    series = generated()
    for column in (series.time, series.open, series.high, series.low, series.close, series.volume):
        del column[2:60]
    series.low[0] = series.low[1] = 95.0
    series.open[0] = series.open[1] = series.close[0] = series.close[1] = 96.0
    series.open[2], series.low[2] = 89.0, 85.0
    bars, strategy = write_bars(tmp_path / "gaps.csv", series), tmp_path / "s.py"
    strategy.write_text(STRATEGY)
    config = tmp_path / "c.json"
    results = []
    for text in ("{}", '{"maxPriceAge": 60000}'):
        config.write_text(text)
        code, whole, err = command(capsys, strategy, "--bars", bars, "--config", config)
        assert code == 0, err
        results.append((whole, err))
    (plain, plain_err), (aged, aged_err) = results
    rows = [(row[2], row[7]) for row in aged["result"]["RuntimeLogs"] if row[2] in (3, 5)]
    market_age = 1_800_000 + 2 * 200 - 60_000 - 58_000  # since the close of the bar before the gap
    assert rows[:2] == [(3, told(2, market_age / 1000)), (3, told(1, 3482))]
    assert [text for kind, text in rows if kind == 5] == ["{'PriceAge': 3482000}", f"{{'PriceAge': {market_age}}}"]
    assert [row[7] for row in plain["result"]["RuntimeLogs"] if row[2] in (3, 5)] == ["None", "None"]
    assert "58 of 240 bars are missing (24.17%); prices stand still there\n" in plain_err
    assert f"prices stand still there, longest for 3540 s after the bar of {START_MS + 60_000} ms" in aged_err
    assert "maxPriceAge is" not in aged_err
    for whole in (plain, aged):  # the same trades: only what is told differs
        for order in whole["final"][0]["historyOrders"]:
            order.pop("Info", None)
    assert plain["final"] == aged["final"]


def test_a_limit_that_ordinary_bars_exceed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = tmp_path / "s.py"
    strategy.write_text("def main():\n    pass\n")
    config = tmp_path / "c.json"
    bars = write_bars(tmp_path / "bars.csv")
    for limit_ms, expected in ((57_999, True), (58_000, False)):
        config.write_text(f'{{"maxPriceAge": {limit_ms}}}')
        _, _, err = command(capsys, strategy, "--bars", bars, "--config", config)
        assert ("maxPriceAge is 57.999 s, and the ticks of a bar of 60 s are up to 58 s apart" in err) is expected


def test_a_part_at_the_placement_is_as_old_as_the_tick_too() -> None:
    bench = bench_of(partial=PartialFills(participation=ONE // 2))
    bench.now_ms += 40_000
    bench.price(200)
    bench.now_ms += 3000
    bench.desk.place(PAIR, "buy", 205, 9)
    assert age(bench, 1) == 3000


def test_what_gives_no_quantity_is_no_fill() -> None:
    bench = bench_of(0, partial=PartialFills(participation=1000), digits=(2, 3))  # less than a step of the amount
    bench.now_ms += 5000
    bench.desk.place(PAIR, "buy", 205, 1)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.DealAmount, "Info" in order, bench.rows.errors) == (0, False, [])


def test_the_age_of_a_price_between_ticks_and_at_a_tick() -> None:
    bench = bench_of()
    bench.price(201)
    assert [price_age_ms(bench.main, time_ms) for time_ms in (0, 1000, 1500, 2000, 2700)] == [0, 0, 500, 1000, 700]
