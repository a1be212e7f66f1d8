"""Spot orders on a desk; the numbers are those of FMZ's published engine (fmzquant/backtest_javascript)."""

from __future__ import annotations

import pytest

from tests.helpers.price_market import Bench, spot_bench


@pytest.fixture
def bench() -> Bench:
    made = spot_bench()
    made.price(200)
    return made


def test_a_crossing_buy_fills_at_the_market_and_pays_the_taker_fee(bench: Bench) -> None:
    assert bench.desk.place("BTC_USDT", "buy", 205, 1, "m") == 1
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance, account.Stocks) == (9799.58998, 0, 1)
    order = bench.desk.order(1)
    assert order == {
        "Id": 1,
        "Time": 1000,
        "Price": 205.0,
        "Amount": 1.0,
        "DealAmount": 1.0,
        "AvgPrice": 200.01,
        "Type": 0,
        "Offset": 0,
        "Status": 1,
        "Symbol": "BTC_USDT",
    }
    assert bench.rows.orders == [(0, 1, 1, 205.0, 1.0, "m", "BTC_USDT", "")]


def test_a_resting_buy_freezes_with_the_higher_fee_and_fills_at_its_price_as_a_maker(bench: Bench) -> None:
    bench.desk.place("BTC_USDT", "buy", 198, 1)
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance) == (9801.604, 198.396)
    bench.price(197.995)  # its ask is 198.005
    assert [order.Id for order in bench.desk.orders()] == [1]
    bench.price(190)
    bench.price(300)
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance, account.Stocks) == (9801.802, 0, 1)
    assert bench.desk.order(1)["AvgPrice"] == 198
    assert bench.desk.orders() == []


def test_a_market_buy_spends_money(bench: Bench) -> None:
    bench.desk.place("BTC_USDT", "buy", -1, 1000)
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.Stocks) == (9000.004000296, 4.989750511)
    order = bench.desk.order(1)
    assert order is not None
    assert (order.Price, order.Amount, order.DealAmount) == (0, 1000, 4.989750511)


@pytest.mark.parametrize(
    ("price", "amount", "text"),
    [
        (100, 0, None),
        (100, -1, None),
        (0, 1, None),
        (-2, 1, None),
        (100, 0.000004, "ERR_INVALID_ORDER(BTC_USDT, 100.000000, 0.000004)"),
        (0.001, 1, "ERR_INVALID_ORDER(BTC_USDT, 0.001000, 1.000000)"),
        (-1, 0.000001, "ERR_INVALID_ORDER(BTC_USDT, -1.000000, 0.000001)"),
        (float("nan"), 1, "ERR_INVALID_ORDER(BTC_USDT, nan, 1.000000)"),
        (100, float("inf"), "ERR_INVALID_ORDER(BTC_USDT, 100.000000, inf)"),
        (100, 1000, "ERR_INSUFFICIENT_ASSET(BTC_USDT, buy, 100.000000, 1000.000000)"),
    ],
)
def test_refusals(bench: Bench, price: float, amount: float, text: str | None) -> None:
    assert bench.desk.place("BTC_USDT", "buy", price, amount) is None
    assert bench.rows.errors == ([] if text is None else [text])
    assert bench.desk.account("BTC_USDT").Balance == 10_000
    assert bench.rows.orders == []
