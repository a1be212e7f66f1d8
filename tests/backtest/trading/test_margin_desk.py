"""Futures orders on a desk; the numbers are those of FMZ's published engine (fmzquant/backtest_javascript)."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads.backtest.config.settings import PartialFills
from fmzthreads.backtest.nano import ONE
from fmzthreads.errors import InputError, NotSupported
from tests.helpers.price_market import Bench, futures_bench, spot_bench

SWAP = "BTC_USDT.swap"
COIN = "BTC_USD.swap"


def opened(bench: Bench, amount: float = 1, side: str = "buy") -> dict[str, Any]:
    bench.desk.place(bench.main.detail.symbol, side, -1, amount)
    return dict((bench.desk.positions() or [])[-1])


def test_a_market_order_ties_up_margin_and_pays_the_taker_fee() -> None:
    bench = futures_bench()
    bench.price(1600)
    assert bench.desk.place(SWAP, "buy", -1, 1, "go") == 1
    assert bench.rows.orders == [(0, 1, 1, 0, 1, "go", SWAP, "buy")]
    account = bench.desk.account(SWAP)
    assert account == {
        "Balance": 9839.18995,
        "FrozenBalance": 0,
        "Stocks": 0,
        "FrozenStocks": 0,
        "Equity": 9999.09995,
        "UPnL": -0.1,
    }
    assert bench.desk.positions() == [
        {
            "Price": 1600.1,
            "Amount": 1,
            "FrozenAmount": 0,
            "Profit": -0.1,
            "Margin": 160.01,
            "MarginLevel": 10,
            "Type": 0,
            "Symbol": SWAP,
            "ContractType": "swap",
        }
    ]
    order = bench.desk.order(1)
    assert order is not None
    assert (order.Price, order.AvgPrice, order.Type, order.Offset, order.ContractType) == (0, 1600.1, 0, 0, "swap")


@pytest.mark.parametrize(("level", "margin"), [(7, 228.585714514), (3, 533.366666133), (10, 160.01)])
def test_margin_is_value_times_the_rounded_inverse_of_the_level(level: float, margin: float) -> None:
    bench = futures_bench()
    bench.price(1600)
    assert bench.desk.set_level(SWAP, level) is True
    assert opened(bench)["Margin"] == margin


def test_resting_opens_freeze_margin_and_the_larger_of_fee_and_least_fee() -> None:
    bench = futures_bench(fee_min=5)
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1500, 1)
    account = bench.desk.account(SWAP)
    assert (account.Balance, account.FrozenBalance) == (9845, 155)
    bench.price(1400)
    account = bench.desk.account(SWAP)
    assert (account.Balance, account.FrozenBalance) == (
        10_000 - 150 - 0.3,
        0,
    )  # the least fee only freezes; a maker pays 0.02 %


def test_an_open_that_the_balance_cannot_carry_is_refused() -> None:
    bench = futures_bench(balance=100)
    bench.price(1600)
    assert bench.desk.place(SWAP, "sell", -1, 1) is None
    assert bench.rows.errors == [f"ERR_INSUFFICIENT_ASSET({SWAP}, sell, -1.000000, 1.000000)"]
    assert bench.desk.positions() == []


def test_coin_margined_positions() -> None:
    bench = futures_bench(coin=True, stocks=3, balance=0)
    bench.price(1600)
    opened(bench, 10)
    bench.price(1595)
    position = opened(bench, 20)
    assert position["Price"] == 1596.766666666
    assert position["Profit"] == -0.002081012
    account = bench.desk.account(COIN)
    assert account.Stocks == 3 - 0.062496093 - 0.125383988 - 0.000312480 - 0.000626919
    assert (account.Equity, account.UPnL, account.Balance) == (0, 0, 0)
    assert "PnL" not in bench.desk.snapshot([bench.main])


def test_the_margin_currency_of_the_exchange_gives_coin_equity() -> None:
    bench = futures_bench(coin=True, stocks=3, balance=10_000, margin_currency="BTC")
    bench.price(1600)
    opened(bench, 10)
    account = bench.desk.account(COIN)
    assert account.Equity == pytest.approx(3 - 0.000312480 + account.UPnL, abs=1e-9)
    assert [row.Currency for row in bench.desk.assets(COIN)] == ["BTC"]
    assert bench.desk.snapshot([bench.main])["PnL"] == pytest.approx(account.Equity - 3, abs=1e-9)


def test_closing_more_than_is_free_is_refused_with_fractions() -> None:
    bench = futures_bench()
    bench.price(1600)
    opened(bench, 2.5)
    assert bench.desk.place(SWAP, "closebuy", 1700, 0.4) == 2
    assert (bench.desk.positions() or [])[0].FrozenAmount == 0.4
    assert bench.desk.place(SWAP, "closebuy", -1, 5) is None
    assert bench.rows.errors == [
        (
            "Sell(0/1000000000,5000000000/1000000000) closebuy position: "
            "{side: long, amount: 2500000000/1000000000, frozenAmount: 400000000/1000000000}"
        ),
        "ERR_INVALID_POSITION",
    ]
    assert bench.desk.cancel(2)
    assert (bench.desk.positions() or [])[0].FrozenAmount == 0
    assert bench.desk.place(SWAP, "closesell", 1500, 1) is None
    assert bench.rows.errors[-2] == (
        "Buy(1500000000000/1000000000,1000000000/1000000000) closesell position: "
        "{side: short, amount: 0/1000000000, frozenAmount: 0/1000000000}"
    )


def test_closing_pays_margin_and_profit_back() -> None:
    bench = futures_bench()
    bench.price(1600)
    opened(bench, 2)
    opened(bench, 1, "sell")
    assert [p.Type for p in bench.desk.positions() or []] == [0, 1]
    bench.price(1700)
    bench.desk.place(SWAP, "closebuy", -1, 2)
    bench.desk.place(SWAP, "closesell", -1, 1)
    assert bench.desk.positions() == []
    fees = 3200.2 * 0.0005 + 1599.9 * 0.0005 + 3399.8 * 0.0005 + 1700.1 * 0.0005
    account = bench.desk.account(SWAP)
    assert account.Balance == pytest.approx(10_000 + 2 * 99.8 - 100.2 - fees, abs=1e-8)
    assert account.Equity == account.Balance
    order = bench.desk.order(3)
    assert order is not None
    assert (order.Type, order.Offset, order.DealAmount) == (1, 1, 2)


def test_what_the_cuts_leave_of_the_margin_comes_back_with_the_last_close() -> None:
    bench = futures_bench(taker=0, maker=0, level=7)
    bench.price(1600)
    opened(bench, 1)
    for _ in range(3):
        bench.desk.place(SWAP, "closebuy", -1, 0.333)
    bench.desk.place(SWAP, "closebuy", -1, 0.001)
    assert bench.desk.positions() == []
    assert bench.desk.account(SWAP).Balance == pytest.approx(10_000 - 0.2, abs=3e-9)
    position = bench.desk.snapshot([bench.main])["Symbols"][SWAP]["Long"]
    assert (position["Margin"], position["Price"], position["Amount"]) == (0, 0, 0)
    assert position["CloseProfit"] == pytest.approx(-0.2, abs=3e-9)


def test_the_level_is_kept_while_there_is_a_position_and_by_open_orders() -> None:
    bench = futures_bench()
    bench.price(1600)
    bench.desk.set_level(SWAP, 4)
    bench.desk.place(SWAP, "buy", 1500, 1)  # at level 4
    bench.desk.set_level(SWAP, 5)
    bench.price(1500)
    bench.price(1400)
    position = (bench.desk.positions() or [])[0]
    assert (position.Margin, position.MarginLevel) == (375, 4)
    assert bench.desk.set_level(SWAP, 20) is True
    assert opened(bench, 1)["Margin"] == 375 + 1400.1 / 5
    bench.desk.place(SWAP, "closebuy", -1, 2)
    bench.desk.positions()
    bench.desk.set_level(SWAP, 0)  # not a level
    bench.desk.set_level(SWAP, 20)
    assert opened(bench, 1)["Margin"] == pytest.approx(1400.1 / 20)


def test_an_unknown_direction_is_refused() -> None:
    bench = futures_bench()
    bench.price(1600)
    opened(bench, 3)
    for side in ("BUY", "long", "", "buy "):
        assert bench.desk.place(SWAP, side, -1, 1) is None
    assert bench.rows.errors[0] == (
        "unknown side 'BUY' of an order of BTC_USDT.swap; valid: buy, sell, closebuy, closesell"
    )
    assert len(bench.rows.errors) == 4
    assert [(p.Type, p.Amount) for p in bench.desk.positions() or []] == [(0, 3)]


def test_with_compat_fmz_an_unknown_direction_closes_long_and_today_is_as_without() -> None:
    bench = futures_bench(compat_fmz=True)
    bench.price(1600)
    opened(bench, 3)
    opened(bench, 1, "sell")
    bench.desk.place(SWAP, "closebuy_today", -1, 1)
    bench.desk.place(SWAP, "whatever", -1, 1)
    bench.desk.place(SWAP, "closesell_today", -1, 1)
    assert [(p.Type, p.Amount) for p in bench.desk.positions() or []] == [(0, 1)]


def test_losses_may_exceed_the_balance() -> None:
    bench = futures_bench(balance=200)
    bench.price(1600)
    opened(bench, 1)
    bench.price(1000)
    assert bench.desk.account(SWAP).Equity == pytest.approx(200 - 600.1 - 0.80005)
    bench.desk.place(SWAP, "closebuy", -1, 1)
    assert bench.desk.account(SWAP).Balance < -400
    assert bench.desk.place(SWAP, "buy", -1, 0.001) is None


# one net position


def net_bench() -> Bench:
    bench = futures_bench()
    bench.price(1600)
    assert bench.desk.set_dual(False) is True
    return bench


def test_one_net_position_is_reduced_first_and_turned_with_the_rest() -> None:
    bench = net_bench()
    opened(bench, 1)
    bench.price(1650)
    bench.desk.place(SWAP, "sell", -1, 3)
    position = (bench.desk.positions() or [])[0]
    assert len(bench.desk.positions() or []) == 1
    assert (position.Type, position.Amount, position.Price) == (1, 2, 1649.9)
    value = 1649.9 * 3
    shares = (int(value * 0.333333333 * 1e9) / 1e9, int(value * 0.666666666 * 1e9) / 1e9)
    assert position.Margin == pytest.approx(shares[1] / 10, abs=2e-9)
    profit = shares[0] - 1600.1
    fees = 1600.1 * 0.0005 + sum(shares) * 0.0005
    assert bench.desk.account(SWAP).Balance == pytest.approx(10_000 + profit - fees - position.Margin, abs=1e-8)


def test_with_one_net_position_only_the_part_beyond_it_is_frozen() -> None:
    bench = net_bench()
    opened(bench, 2)
    bench.desk.place(SWAP, "sell", 1700, 2)
    assert bench.desk.account(SWAP).FrozenBalance == 0
    assert (bench.desk.positions() or [])[0].FrozenAmount == 0
    bench.desk.place(SWAP, "sell", 1700, 4)
    assert bench.desk.account(SWAP).FrozenBalance == pytest.approx(3400 / 10 + 3400 * 0.0005)
    bench.desk.cancel(3)
    assert bench.desk.account(SWAP).FrozenBalance == 0


def test_one_net_position_can_be_reduced_without_money() -> None:
    bench = futures_bench(balance=200)
    bench.desk.set_dual(False)
    bench.price(1600)
    opened(bench, 1)
    bench.price(1000)
    bench.desk.place(SWAP, "sell", -1, 0.9)
    assert bench.desk.account(SWAP).Balance < 0
    assert bench.desk.place(SWAP, "sell", -1, 0.1) == 3
    assert bench.desk.positions() == []


def test_with_one_net_position_closes_act_like_plain_orders_that_show_offset_1() -> None:
    bench = net_bench()
    bench.desk.place(SWAP, "closebuy", -1, 1)
    assert [(p.Type, p.Amount) for p in bench.desk.positions() or []] == [(1, 1)]
    order = bench.desk.order(1)
    assert order is not None
    assert (order.Type, order.Offset) == (1, 1)


def test_the_mode_cannot_change_with_a_position_or_an_order() -> None:
    bench = futures_bench()
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1500, 1)
    with pytest.raises(InputError, match="can't switch mode when has position or pending order"):
        bench.desk.set_dual(False)
    bench.desk.cancel(1)
    opened(bench)
    with pytest.raises(InputError, match="can't switch mode when has position or pending order"):
        bench.desk.set_dual(False)
    with pytest.raises(NotSupported):
        spot_bench().desk.set_dual(False)


def test_a_modified_order_counts_its_own_frozen_part_as_free() -> None:
    bench = futures_bench(balance=170)
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1590, 1)
    assert bench.desk.modify(1, "sell", 1610, 1) == 2
    assert [o.Id for o in bench.desk.orders()] == [2]
    assert bench.desk.modify(2, "sell", 1610, 3) is None
    assert [o.Id for o in bench.desk.orders()] == [2]
    account = bench.desk.account(SWAP)
    assert account.FrozenBalance == 161 + 0.805
    bench.price(1700)
    assert (bench.desk.positions() or [])[0].Type == 1
    bench.desk.place(SWAP, "closesell", 1500, 1)
    assert bench.desk.modify(3, "closesell", 1400, 1) == 4
    assert bench.desk.modify(4, "closesell", 1400, 1.001) is None
    assert (bench.desk.positions() or [])[0].FrozenAmount == 1


def test_snapshots_show_both_sides_once_touched() -> None:
    bench = futures_bench()
    bench.price(1600)
    assert bench.desk.snapshot([bench.main]) == {
        "Id": "Futures_Binance",
        "BaseCurrency": "BTC",
        "QuoteCurrency": "USDT",
        "MarginCurrency": "USDT",
        "Assets": [
            {"Currency": "USDT", "Amount": 10_000, "FrozenAmount": 0, "Initial": 10_000, "Commission": 0, "Funding": 0}
        ],
        "PnL": 0,
        "Utilization": 0,
        "Symbols": {
            SWAP: {
                "Last": 1600,
                "TradeStatus": {"BuyDealAmount": 0, "BuyOrderCount": 0, "SellDealAmount": 0, "SellOrderCount": 0},
            }
        },
    }
    bench.desk.place(SWAP, "sell", -1, 2)
    bench.price(1500)
    shown = bench.desk.snapshot([bench.main])
    assert shown["Assets"][0]["Commission"] == 1.5999
    assert shown["PnL"] == pytest.approx(199.8 - 1.5999)
    assert shown["Utilization"] == 0.031998
    assert shown["Symbols"][SWAP] == {
        "Last": 1500,
        "Short": {
            "Symbol": SWAP,
            "Type": "Short",
            "Amount": 2,
            "Price": 1599.9,
            "Margin": 319.98,
            "Profit": 199.8,
            "CloseProfit": 0,
        },
        "TradeStatus": {"BuyDealAmount": 0, "BuyOrderCount": 0, "SellDealAmount": 2, "SellOrderCount": 1},
    }


def test_a_close_of_the_other_side_does_not_count_as_free() -> None:
    bench = futures_bench()
    bench.price(1600)
    opened(bench, 1)
    opened(bench, 1, "sell")
    assert bench.desk.place(SWAP, "closebuy", 1700, 1) == 3
    assert bench.desk.place(SWAP, "closesell", 1500, 1) == 4
    assert bench.desk.modify(3, "closesell", 1500, 1) is None
    assert bench.rows.errors[-1] == "ERR_INVALID_POSITION"
    assert [p.FrozenAmount for p in bench.desk.positions() or []] == [1, 1]


@pytest.mark.parametrize(("maker", "taker"), [(0.3, 0.1), (0.1, 0.3)])
def test_a_resting_order_freezes_the_higher_of_the_two_fees(maker: float, taker: float) -> None:
    bench = futures_bench(maker=maker, taker=taker)
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1500, 1)
    assert bench.desk.account(SWAP).FrozenBalance == 150 + 4.5
    spot = spot_bench(maker=maker, taker=taker)
    spot.price(1600)
    spot.desk.place("BTC_USDT", "buy", 1500, 1)
    assert spot.desk.account("BTC_USDT").FrozenBalance == 1500 + 4.5


def test_one_net_position_an_order_that_only_reduces_freezes_nothing() -> None:
    bench = futures_bench()
    bench.desk.set_dual(False)
    bench.price(1600)
    opened(bench, 3)
    free = bench.desk.account(SWAP).Balance
    for amount, frozen in ((2, 0), (3, 0), (4, 170 + 0.85)):
        number = bench.desk.place(SWAP, "sell", 1700, amount)
        account = bench.desk.account(SWAP)
        assert account.FrozenBalance == pytest.approx(frozen)
        assert account.Balance == pytest.approx(free - frozen)
        assert bench.desk.cancel(number)
    assert bench.desk.account(SWAP).Balance == free


@pytest.mark.parametrize(("balance", "side", "accepted"), [
    (160.805, "buy", False), (160.8101, "buy", True), (160.785, "sell", False), (160.79, "sell", True),
])  # fmt: skip
def test_a_market_order_needs_what_it_costs_at_the_price_that_it_gets(
    balance: float, side: str, accepted: bool
) -> None:
    bench = futures_bench(balance=balance)
    bench.price(1600)  # the ask is 1600.1, the bid 1599.9
    assert (bench.desk.place(SWAP, side, -1, 1) is not None) is accepted


def test_what_remains_of_an_order_keeps_its_share_frozen() -> None:
    bench = futures_bench(partial=PartialFills(participation=ONE // 2))  # a bar of four ticks has a volume of 8
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1700, 10)
    account = bench.desk.account(SWAP)
    assert account.FrozenBalance == pytest.approx(6 * (170 + 0.85))
    assert account.Balance == pytest.approx(10_000 - 4 * (160.01 + 0.80005) - 6 * 170.85)


def test_contracts_that_a_close_holds_are_no_money_for_the_order_that_replaces_it() -> None:
    bench = futures_bench(balance=170)
    bench.price(1600)
    opened(bench, 1)  # 9.19 are left
    bench.desk.place(SWAP, "closebuy", 1700, 1)
    assert bench.desk.modify(2, "buy", 100, 0.95) is None  # needs 9.5 + 0.0475
    assert bench.rows.errors == [f"ERR_INSUFFICIENT_ASSET({SWAP}, buy, 100.000000, 0.950000)"]
    assert [(o.Id, o.Amount) for o in bench.desk.orders()] == [(2, 1)]
    assert bench.desk.modify(2, "buy", 100, 0.9) == 3
    assert [p.FrozenAmount for p in bench.desk.positions() or []] == [0]


def test_money_that_an_open_holds_is_no_contract_for_the_close_that_replaces_it() -> None:
    bench = futures_bench()
    bench.price(1600)
    opened(bench, 1)
    bench.desk.place(SWAP, "sell", 1700, 1)  # holds 170.85
    assert bench.desk.modify(2, "closebuy", 1700, 1.5) is None
    assert bench.rows.errors[-1] == "ERR_INVALID_POSITION"
    assert bench.desk.modify(2, "closebuy", 1700, 1) == 3
    assert bench.desk.account(SWAP).FrozenBalance == 0
