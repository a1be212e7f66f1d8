"""Condition orders; behaviour of FMZ's published engine (fmzquant/backtest_javascript) except where a test says otherwise."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fmzthreads.backtest.trading.desk import Desk
from fmzthreads.errors import InputError
from tests.helpers.price_market import Bench, futures_bench, spot_bench

SWAP = "BTC_USDT.swap"
OCO, TP, SL, GENERIC = 0, 1, 2, 3


def long_bench() -> Bench:
    bench = futures_bench()
    bench.price(1600)
    bench.desk.place(SWAP, "buy", -1, 1)
    return bench


def put(bench: Bench, side: str = "closebuy", amount: float = 1, **condition: Any) -> int | None:
    return bench.desk.place_condition(SWAP, side, amount, condition, "c")


def test_nothing_is_frozen_or_checked_and_the_row_shows_the_condition() -> None:
    bench = long_bench()
    assert put(bench, amount=500.12345, ConditionType=TP, TpTriggerPrice=1700, TpOrderPrice=-1) == 2
    assert bench.rows.orders[-1] == (
        1,
        1,
        2,
        1700,
        500.12345,
        "c",
        SWAP,
        'closebuy,{"ConditionType":1,"TpTriggerPrice":1700,"TpOrderPrice":-1}',
    )
    assert (bench.desk.positions() or [])[0].FrozenAmount == 0
    assert bench.desk.condition_orders() == [
        {
            "Id": 2,
            "Time": 1000,
            "Price": 1700,
            "Amount": 500.12345,
            "DealAmount": 0,
            "AvgPrice": 0,
            "Type": 1,
            "Offset": 1,
            "Status": 0,
            "Symbol": SWAP,
            "ContractType": "swap",
            "Condition": {
                "ConditionType": 1,
                "TpTriggerPrice": 1700,
                "TpOrderPrice": -1,
                "SlTriggerPrice": 0,
                "SlOrderPrice": 0,
            },
        }
    ]
    assert bench.desk.order(2) is None
    assert bench.rows.errors == ["order not found"]
    assert bench.desk.snapshot([bench.main])["Symbols"][SWAP]["TradeStatus"]["SellOrderCount"] == 0


def test_no_condition_type_is_no_order() -> None:
    bench = long_bench()
    assert put(bench, TpTriggerPrice=1700) is None
    assert bench.desk.take_id() == 2


@pytest.mark.parametrize(
    ("side", "kind", "prices", "order_price"),
    [
        ("closebuy", TP, [1649, 1650], 1.0),
        ("closebuy", SL, [1551, 1550], 2.0),
        ("closebuy", OCO, [1600, 1650], 1.0),
        ("closebuy", OCO, [1600, 1550], 2.0),
        ("sell", TP, [1649, 1650], 1.0),
        ("buy", TP, [1651, 1650], 1.0),
        ("closesell", TP, [1700, 1650], 1.0),
        ("buy", SL, [1549, 1550], 2.0),
        ("closesell", OCO, [1651, 1650], 1.0),
    ],
)
def test_what_triggers(side: str, kind: int, prices: list[float], order_price: float) -> None:
    bench = futures_bench()
    bench.price(1640 if side == "closebuy" or side == "sell" else 1660 if kind != SL else 1540)
    if (side, kind) == ("closebuy", OCO):
        bench.main.put(1600, bench.now_ms)
    stop = {"SlTriggerPrice": 1550, "SlOrderPrice": 2.0} if kind != TP else {}
    if (side, kind) == ("closesell", OCO):
        stop["SlTriggerPrice"] = 1700
    take = {"TpTriggerPrice": 1650, "TpOrderPrice": 1.0} if kind != SL else {}
    assert put(bench, side, ConditionType=kind, **take, **stop) == 1
    for number, price in enumerate(prices):
        bench.price(price)
        order = bench.desk.condition_order(1)
        assert order is not None
        assert order.Status == (1 if number == len(prices) - 1 else 0)
    assert order.AvgPrice == order_price
    assert order.DealAmount == 0
    assert bench.desk.condition_orders() == []
    assert [o.Id for o in bench.desk.condition_history()] == [1]


def test_an_unknown_side_is_refused_before_an_id_is_taken() -> None:
    bench = long_bench()
    with pytest.raises(InputError, match="unknown side 'closeBuy'"):
        put(bench, "closeBuy", ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
    number = put(bench, ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
    assert number == 2
    with pytest.raises(InputError, match="unknown side"):
        bench.desk.modify_condition(number, "close", 1, {"ConditionType": SL, "SlTriggerPrice": 1500})
    assert [order.Type for order in bench.desk.condition_orders()] == [1]


def test_generic_never_triggers() -> None:
    bench = long_bench()
    put(bench, ConditionType=GENERIC, TpTriggerPrice=1600, SlTriggerPrice=1600)
    bench.price(1600)
    assert [o.Id for o in bench.desk.condition_orders()] == [2]


def test_an_already_true_condition_triggers_within_the_call() -> None:
    bench = long_bench()
    put(bench, ConditionType=SL, SlTriggerPrice=1600, SlOrderPrice=-1)
    assert bench.now_ms == 1200
    assert [row[2] for row in bench.rows.orders] == [1, 2, 3]
    order = bench.desk.order(3)
    assert order is not None
    assert (order.Time, order.AvgPrice, order.Offset) == (1200, 1599.9, 1)
    assert bench.desk.positions() == []


def test_the_order_is_placed_at_the_settlement_and_costs_a_delay() -> None:
    bench = long_bench()
    put(bench, ConditionType=SL, SlTriggerPrice=1597, SlOrderPrice=-1)
    bench.price(1597)
    bench.price(1598)
    bench.now_ms = 28_000
    bench.desk.account(SWAP)
    order = bench.desk.order(3)
    assert order is not None
    assert (order.Time, order.AvgPrice, order.Status) == (28_200, 1597.9, 1)  # at the tick of the settlement
    assert bench.rows.orders[-1] == (1, 1, 3, 0, 1, "", SWAP, "closebuy")


def test_both_at_one_tick_takes_profit() -> None:
    bench = long_bench()
    put(bench, ConditionType=OCO, TpTriggerPrice=1500, TpOrderPrice=1501, SlTriggerPrice=1700, SlOrderPrice=1502)
    assert bench.desk.condition_order(2)["AvgPrice"] == 1501


def test_a_refused_child_leaves_the_usual_errors() -> None:
    bench = futures_bench()
    bench.price(1600)
    put(bench, ConditionType=TP, TpTriggerPrice=1500, TpOrderPrice=-1)
    assert bench.rows.errors[-1] == "ERR_INVALID_POSITION"
    order = bench.desk.condition_order(1)
    assert order is not None
    assert order.Status == 1


def test_two_that_trigger_in_one_settlement_both_place_their_orders() -> None:
    """FMZ's engine is corrupted by this."""
    bench = long_bench()
    bench.desk.place(SWAP, "sell", -1, 1)
    put(bench, ConditionType=SL, SlTriggerPrice=1590, SlOrderPrice=-1)
    put(bench, "closesell", ConditionType=TP, TpTriggerPrice=1590, TpOrderPrice=-1)
    bench.price(1580)
    assert bench.desk.positions() == []
    assert [(row[0], row[2]) for row in bench.rows.orders] == [(0, 1), (1, 2), (1, 3), (0, 4), (1, 5), (0, 6)]
    assert [bench.desk.order(number)["Time"] for number in (5, 6)] == [2200, 2400]
    assert bench.rows.errors == []


def test_of_two_that_trigger_in_one_settlement_the_second_finds_what_the_first_has_done() -> None:
    """The money that a close frees, and the position that an order has opened: each order is placed a delay after the one before."""
    bench = futures_bench(balance=200)
    bench.price(1600)
    bench.desk.place(SWAP, "buy", -1, 1)
    put(bench, ConditionType=SL, SlTriggerPrice=1590, SlOrderPrice=-1)
    put(bench, "sell", ConditionType=SL, SlTriggerPrice=1590, SlOrderPrice=-1)
    put(bench, "closesell", ConditionType=TP, TpTriggerPrice=1590, TpOrderPrice=-1)
    bench.price(1580)
    assert bench.desk.positions() == []
    assert bench.rows.errors == []
    assert [(row[2], row[-1]) for row in bench.rows.orders[-3:]] == [(5, "closebuy"), (6, "sell"), (7, "closesell")]


def entry_and_stop(*, compat: bool) -> Bench:
    bench = futures_bench()
    if compat:
        bench.desk = Desk(
            bench.desk.settings,
            lambda symbol: bench.markets[symbol],
            bench.rows,
            lambda: bench.now_ms,
            compat_fmz=True,
        )
    bench.price(1600)
    bench.desk.place(SWAP, "buy", 1590, 1)
    put(bench, ConditionType=SL, SlTriggerPrice=1580, SlOrderPrice=-1)
    bench.price(1585)
    bench.price(1575)
    return bench


def test_a_stop_finds_the_position_that_the_same_settlement_opened() -> None:
    bench = entry_and_stop(compat=False)
    assert bench.desk.positions() == []
    assert bench.rows.errors == []
    assert [o.Status for o in bench.desk.history()] == [1, 1]


def test_with_compat_the_stop_comes_before_the_entry_as_on_fmz() -> None:
    bench = entry_and_stop(compat=True)
    assert [p.Amount for p in bench.desk.positions() or []] == [1]
    assert bench.rows.errors[-1] == "ERR_INVALID_POSITION"


def test_modify_keeps_the_id_and_starts_from_the_current_tick() -> None:
    bench = long_bench()
    put(bench, ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
    bench.price(1590)
    bench.price(1610)
    condition = {"ConditionType": SL, "SlTriggerPrice": 1595.0, "SlOrderPrice": -1}
    assert bench.desk.modify_condition(2, "closebuy", -1, condition) == 2
    order = bench.desk.condition_order(2)
    assert order is not None
    assert (order.Time, order.Price, order.Status, order.Amount) == (3000, 1595, 0, 1)
    assert bench.desk.modify_condition(2, "closebuy", 1, {"ConditionType": TP, "TpTriggerPrice": 1605}) == 2
    order = bench.desk.condition_order(2)
    assert order is not None
    assert order.Status == 1
    assert bench.desk.modify_condition(2, "closebuy", 1, condition) is None
    assert bench.desk.modify_condition(77, "closebuy", 1, condition) is None
    assert bench.rows.errors == ["order not found", "order not found"]


def test_cancel() -> None:
    bench = long_bench()
    put(bench, ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
    assert bench.desk.has_open(SWAP)
    assert bench.desk.cancel_condition(2, "bye")
    assert bench.rows.orders[-1] == (2, 1, 2, 0, 0, "bye", SWAP, "")
    assert not bench.desk.has_open(SWAP)
    assert bench.desk.condition_order(2)["Status"] == 2
    assert not bench.desk.cancel_condition(2)
    assert bench.desk.condition_order(1) is None
    assert bench.rows.errors == ["order already cancelled or not found", "order not found"]


def test_a_live_condition_order_consumes_ticks() -> None:
    bench = long_bench()
    bench.desk.positions()
    bench.price(1601)
    bench.desk.account(SWAP)
    assert bench.main.consumed == 0
    put(bench, ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
    bench.price(1602)
    bench.desk.account(SWAP)
    assert bench.main.consumed == 2


def test_history_of_condition_orders_goes_by_their_latest_time() -> None:
    bench = long_bench()
    for _ in range(3):
        put(bench, ConditionType=SL, SlTriggerPrice=1500, SlOrderPrice=-1)
        bench.price(1600)
    bench.desk.modify_condition(2, "closebuy", 1, {"ConditionType": SL, "SlTriggerPrice": 1400})
    for number in (2, 3, 4):
        bench.desk.cancel_condition(number)
    assert [o.Id for o in bench.desk.condition_history("", 3000)] == [2, 4]
    assert [o.Id for o in bench.desk.condition_history(SWAP, 0, 2)] == [2, 3]
    assert bench.desk.condition_history("ETH_USDT.swap") == []


def test_on_spot() -> None:
    bench = spot_bench(stocks=1)
    bench.price(200)
    condition = {"ConditionType": SL, "SlTriggerPrice": 190, "SlOrderPrice": 100}
    assert bench.desk.place_condition("BTC_USDT", "sell", 1, condition) == 1
    bench.price(189)
    assert bench.desk.account("BTC_USDT").Stocks == 0
    order = bench.desk.condition_order(1)
    assert order is not None
    assert "ContractType" not in order
    assert bench.desk.account("BTC_USDT").Balance == 10_000 + 188.99 - 0.37798


@pytest.mark.parametrize("wrong", [
    {"TpTriggerPrice": math.nan}, {"TpTriggerPrice": math.inf}, {"TpTriggerPrice": "x"}, {"SlOrderPrice": math.inf},
    {"ConditionType": 4}, {"ConditionType": "TP"}, {"ConditionType": -1}, {"amount": math.nan}, {"amount": math.inf},
])  # fmt: skip
def test_a_condition_of_what_is_no_number_leaves_nothing_behind(wrong: dict[str, Any]) -> None:
    """FMZ's engine: not defined. An order that took an id and then failed would stay live for ever."""
    bench = long_bench()
    condition = {"ConditionType": TP, "TpTriggerPrice": 1700, "TpOrderPrice": -1, "amount": 1, **wrong}
    with pytest.raises(InputError):
        put(bench, **condition)
    assert not bench.desk.has_open(SWAP)
    good = {"ConditionType": TP, "TpTriggerPrice": 1700, "TpOrderPrice": -1}
    assert put(bench, **good) == 2
    with pytest.raises(InputError):
        bench.desk.modify_condition(2, "closebuy", condition.pop("amount"), condition)
    assert bench.desk.condition_orders()[0].Condition.TpTriggerPrice == 1700
