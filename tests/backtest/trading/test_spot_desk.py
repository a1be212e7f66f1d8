"""Spot orders on a desk; the numbers are those of FMZ's published engine (fmzquant/backtest_javascript)."""

from __future__ import annotations

import pytest

from fmzthreads.backtest.nano import nano
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


def test_unknown_sides_are_refused_and_closebuy_sells() -> None:
    bench = spot_bench(stocks=2)
    bench.price(200)
    for side in ("BUY", "closesell", "foo"):
        assert bench.desk.place("BTC_USDT", side, -1, 1) is None
    assert bench.rows.errors[0] == "unknown side 'BUY' of an order of BTC_USDT; valid: buy, sell"
    assert bench.desk.account("BTC_USDT").Stocks == 2
    bench.desk.place("BTC_USDT", "closebuy", -1, 1)
    assert [(o.Type, o.Offset) for o in bench.desk.history()] == [(1, 1)]


def test_with_compat_fmz_other_sides_sell_with_the_offset_of_a_close() -> None:
    bench = spot_bench(stocks=2, compat_fmz=True)
    bench.price(200)
    bench.desk.place("BTC_USDT", "closebuy", -1, 1)
    bench.desk.place("BTC_USDT", "foo", -1, 1)
    assert [(o.Type, o.Offset) for o in bench.desk.history()] == [(1, 1), (1, 1)]
    assert bench.desk.account("BTC_USDT").Stocks == 0


def test_a_negative_maker_fee_is_paid_out() -> None:
    bench = spot_bench(maker=-0.1)
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", 100, 1)
    bench.price(99)
    assert bench.desk.account("BTC_USDT").Balance == 9900.1


def test_cancel_gives_the_frozen_part_back() -> None:
    bench = spot_bench(stocks=1)
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", 100, 1)
    bench.desk.place("BTC_USDT", "sell", 300, 0.4)
    account = bench.desk.account("BTC_USDT")
    assert (account.FrozenBalance, account.FrozenStocks) == (100.2, 0.4)
    assert bench.desk.has_open("BTC_USDT")
    assert bench.desk.cancel(1, "gone")
    assert bench.rows.orders[-1] == (2, 1, 1, 0, 0, "gone", "BTC_USDT", "")
    assert bench.desk.cancel(2)
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance, account.Stocks, account.FrozenStocks) == (10_000, 0, 1, 0)
    assert not bench.desk.has_open("BTC_USDT")
    for order_id in (1, 99, "1", None, [1]):
        assert not bench.desk.cancel(order_id)
    assert bench.rows.errors == ["order already cancelled or not found"] * 5


def test_a_market_order_is_open_until_the_next_settlement() -> None:
    bench = spot_bench(stocks=1)
    bench.price(200)
    assert bench.desk.place("BTC_USDT", "buy", -1, 100) == 1
    assert bench.desk.has_open("BTC_USDT")
    assert bench.desk.dealt_orders() == []
    bench.price(300)
    assert bench.desk.modify(1, "buy", 100, 1) is None
    assert bench.rows.errors == [
        "ERR_INVALID_ORDER(BTC_USDT, 100.000000, 1.000000)"
    ]  # it was open, and was filled by this call
    assert bench.main.consumed == 1
    assert not bench.desk.has_open("BTC_USDT")
    assert [order.average for order in bench.desk.dealt_orders()] == [nano(200.01)]
    assert bench.desk.modify(1, "buy", 100, 1) is None
    assert bench.rows.errors[1:] == ["order not found"]
    assert bench.desk.place("BTC_USDT", "sell", -1, 0.5) == 2
    assert not bench.desk.cancel(2)


def test_an_unknown_order_is_none_and_an_error(bench: Bench) -> None:
    assert bench.desk.order(99) is None
    assert bench.rows.errors == ["order not found"]


def test_history_is_paged_by_time_and_limit() -> None:
    bench = spot_bench()
    for number in range(120):
        bench.price(200)
        bench.desk.place("BTC_USDT", "buy", -1, 10)
        if number == 3:
            bench.desk.place("BTC_USDT", "buy", 1, 1)
    history = [order.Id for order in bench.desk.history()]
    assert history == [1, 2, 3, 4, *range(6, 102)]
    assert [order.Id for order in bench.desk.history("BTC_USDT", 3000, 3)] == [3, 4, 6]
    assert len(bench.desk.history("BTC_USDT", 0, 1000)) == 100
    assert bench.desk.history("ETH_USDT") == []


def test_modify_replaces_an_open_order() -> None:
    bench = spot_bench(balance=200)
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", 190, 1)
    assert bench.desk.modify(1, "buy", 180, 1.1, "closer") == 2
    assert bench.rows.orders[-1] == (0, 1, 2, 180, 1.1, "closer", "BTC_USDT", "")
    assert [order.Id for order in bench.desk.orders()] == [2]
    assert bench.desk.order(1)["Status"] == 2
    account = bench.desk.account("BTC_USDT")
    assert account.FrozenBalance == 198.396
    assert account.Balance == 1.604


def test_a_refused_modify_leaves_the_old_order() -> None:
    bench = spot_bench(balance=200)
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", 190, 1)
    assert bench.desk.modify(1, "buy", 190, 2) is None
    assert bench.desk.modify(1, "sell", 210, 1) is None
    assert bench.desk.modify(1, "buy", 190, 0) is None
    assert bench.rows.errors == [
        "ERR_INSUFFICIENT_ASSET(BTC_USDT, buy, 190.000000, 2.000000)",
        "ERR_INSUFFICIENT_ASSET(BTC_USDT, sell, 210.000000, 1.000000)",
    ]
    assert [(order.Id, order.Amount) for order in bench.desk.orders()] == [(1, 1)]
    assert bench.desk.account("BTC_USDT").FrozenBalance == 190.38


def test_modify_of_an_order_that_was_filled() -> None:
    bench = spot_bench()
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", 190, 1)
    bench.price(180)
    assert bench.desk.modify(1, "buy", 189, 1) is None  # filled by this call's settlement
    assert bench.desk.modify(1, "buy", 189, 1) is None
    assert bench.desk.modify(7, "buy", 189, 1) is None
    assert bench.rows.errors == [
        "ERR_INVALID_ORDER(BTC_USDT, 189.000000, 1.000000)",
        "order not found",
        "order not found",
    ]


def test_a_currency_is_listed_once_touched(bench: Bench) -> None:
    assert [row.Currency for row in bench.desk.assets("BTC_USDT")] == ["USDT"]
    bench.desk.place("BTC_USDT", "buy", 205, 1)
    assert bench.desk.assets("BTC_USDT") == [
        {"Currency": "BTC", "Amount": 1, "FrozenAmount": 0},
        {"Currency": "USDT", "Amount": 9799.58998, "FrozenAmount": 0},
    ]
    assert bench.desk.positions() is None


def test_rounding_of_price_and_amount() -> None:
    bench = spot_bench()
    bench.price(500)
    for price, amount in ((100.125, 0.1), (100.12500001, 0.1), (199.995, 0.000005), (100, 1.123455)):
        bench.desk.place("BTC_USDT", "buy", price, amount)
    assert [(o.Price, o.Amount) for o in bench.desk.orders()] == [
        (100.12, 0.1),
        (100.13, 0.1),
        (200, 0.00001),
        (100, 1.12346),
    ]


def test_the_rate_multiplies_prices_and_money() -> None:
    bench = spot_bench(stocks=1)
    bench.price(200)
    assert bench.desk.set_rate(7.0) == 1.0
    bench.desk.place("BTC_USDT", "buy", 700, 1)
    account = bench.desk.account("BTC_USDT")
    assert (account.Balance, account.FrozenBalance) == (69298.6, 701.4)
    assert bench.desk.orders()[0].Price == 700
    bench.desk.place("BTC_USDT", "buy", -1, 1400)
    order = bench.desk.order(2)
    assert order is not None
    assert (order.Amount, order.AvgPrice) == (1400, 1400.07)
    assert bench.desk.assets("BTC_USDT")[1].FrozenAmount == 701.4
    assert bench.desk.set_rate(1) == 7.0


def test_snapshots_count_orders_and_value_coins() -> None:
    bench = spot_bench(stocks=1)
    bench.price(200)
    bench.desk.place("BTC_USDT", "buy", -1, 1000)
    bench.desk.place("BTC_USDT", "sell", 300, 0.5)
    bench.price(210)
    shown = bench.desk.snapshot([bench.main])
    assert shown["Assets"] == [
        {"Currency": "BTC", "Amount": 5.489750511, "FrozenAmount": 0.5, "Initial": 1, "Commission": 0},
        {"Currency": "USDT", "Amount": 9000.004000296, "FrozenAmount": 0, "Initial": 10_000, "Commission": 1.995999999},
    ]
    assert shown["PnL"] == pytest.approx(9000.004000296 - 10_000 + 4.989750511 * 210, abs=1e-9)
    assert shown["Utilization"] == pytest.approx(4.989750511 * 210 / 10_000, abs=1e-9)
    assert shown["MarginCurrency"] == "USDT"
    assert shown["Symbols"]["BTC_USDT"] == {
        "Last": 210,
        "TradeStatus": {"BuyDealAmount": 4.989750511, "BuyOrderCount": 1, "SellDealAmount": 0, "SellOrderCount": 1},
    }
    assert bench.desk.snapshot([])["Symbols"] == {}


def test_only_calls_with_an_open_order_consume_ticks(bench: Bench) -> None:
    bench.desk.account("BTC_USDT")
    assert bench.main.consumed == -1
    bench.desk.place("BTC_USDT", "buy", 100, 1)
    assert bench.main.consumed == 0
    bench.price(201)
    bench.desk.account("BTC_USDT")
    assert bench.main.consumed == 1
    bench.desk.cancel(1)
    bench.price(202)
    bench.desk.account("BTC_USDT")
    assert bench.main.consumed == 1


def test_the_end_of_the_data_is_raised_before_anything_changes() -> None:
    bench = spot_bench()
    with pytest.raises(EOFError):
        bench.desk.place("BTC_USDT", "buy", 100, 1)
    assert bench.desk.take_id() == 1
    assert bench.rows.orders == []


def test_many_resting_orders_fill_each_at_its_price() -> None:
    bench = spot_bench(stocks=10)
    bench.price(200)
    for step in range(1, 6):
        bench.desk.place("BTC_USDT", "buy", 200 - step, 1)
        bench.desk.place("BTC_USDT", "sell", 200 + step, 1)
    bench.price(197.5)
    assert [o.AvgPrice for o in bench.desk.history()] == [199, 198]
    bench.price(203.5)
    assert [o.AvgPrice for o in bench.desk.history()] == [199, 201, 198, 202, 203]
    bench.price(190)
    assert len(bench.desk.orders()) == 2
