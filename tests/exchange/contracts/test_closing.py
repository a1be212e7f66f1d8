"""Closing orders never exceed the position, and venue-made orders are told of."""

from __future__ import annotations

import pytest

from fmzthreads.constants import PD_LONG, PD_SHORT
from fmzthreads.errors import InputError
from tests.helpers.exchange_room import make_contracts


@pytest.mark.parametrize(("side", "kind", "other"), [("closebuy", PD_LONG, PD_SHORT), ("closesell", PD_SHORT, PD_LONG)])
def test_a_closing_order_is_cut_to_its_position(side: str, kind: int, other: int) -> None:
    exchange, venue, host = make_contracts(errors="raise", contracts=("BTC_USDT.swap", "ETH_USDT.swap"))
    venue.hold_position("BTC_USDT.swap", 7, kind)
    venue.hold_position("BTC_USDT.swap", 50, other)
    venue.hold_position("ETH_USDT.swap", 90, kind)
    exchange.CreateOrder("BTC_USDT.swap", side, -1, 3)
    exchange.CreateOrder("BTC_USDT.swap", side, 100, 20)
    assert [intent.amount for intent in venue.placed] == [3, 7]
    assert host.lines[1].amount == 7


@pytest.mark.parametrize(("side", "words", "other"), [("closebuy", "long", PD_SHORT), ("closesell", "short", PD_LONG)])
def test_without_such_a_position_nothing_is_sent(side: str, words: str, other: int) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    venue.hold_position("BTC_USDT.swap", 50, other)
    with pytest.raises(
        InputError, match=f"there is no {words} position of BTC_USDT.swap that {side} could close; nothing was sent"
    ):
        exchange.CreateOrder("", side, -1, 3)
    assert venue.placed == []


def test_an_opening_order_reads_no_positions() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    exchange.Buy(100, 3)
    assert venue.calls["positions"] == 0


def test_an_order_of_the_venue_has_a_flag_and_one_alarm_line() -> None:
    exchange, venue, host = make_contracts()
    order_id = exchange.Buy(100, 3)
    assert order_id
    venue._orders[order_id]["MadeBy"] = "liquidation"
    for _ in range(2):
        (order,) = exchange.GetOrders()
        assert order.MadeBy == "liquidation"
    assert host.errors == [f"orders: the venue made an order of its own (liquidation): {order_id} of BTC_USDT.swap"]


def test_a_refused_child_of_a_condition_order_is_one_error_line() -> None:
    exchange, venue, host = make_contracts()
    order_id = exchange.CreateConditionOrder(
        "", "sell", 1, {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1}
    )
    assert order_id
    venue._conditional[order_id]["Refused"] = "Margin is insufficient."
    for _ in range(2):
        assert exchange.GetConditionOrder(order_id)
    assert host.errors == [
        f"orders: the order of the triggered condition order {order_id} of BTC_USDT.swap was refused: Margin is insufficient."
    ]


def test_lists_without_a_symbol_are_about_the_kind_of_the_current_contract() -> None:
    exchange, venue, _ = make_contracts(
        errors="raise", contracts=("BTC_USDT.swap", "ETH_USDT.swap", "BTC_USDT.quarter")
    )
    for symbol in venue.market_rules:
        venue.hold_position(symbol, 1, PD_LONG)
        exchange.CreateOrder(symbol, "buy", 100, 1)
        exchange.CreateConditionOrder(symbol, "sell", 1, {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1})
    swaps = ["BTC_USDT.swap", "ETH_USDT.swap"]
    for call in (exchange.GetPositions, exchange.GetPosition, exchange.GetOrders, exchange.GetConditionOrders):
        assert [one.Symbol for one in call()] == swaps
        assert [one.Symbol for one in call("USDT.futures")] == ["BTC_USDT.quarter"]
        assert [one.Symbol for one in call("ETH_USDT.swap")] == ["ETH_USDT.swap"]
        assert call("USD.swap") == []


def test_cancel_all_covers_both_kinds_and_leaves_orders_of_the_venue() -> None:
    exchange, venue, _ = make_contracts(errors="raise", contracts=("BTC_USDT.swap", "ETH_USDT.swap"))
    stop = {"ConditionType": 2, "SlTriggerPrice": 90, "SlOrderPrice": -1}
    kept = exchange.Buy(100, 1)
    venue._orders[kept]["MadeBy"] = "adl"
    for symbol in venue.market_rules:
        exchange.CreateOrder(symbol, "buy", 100, 1)
        exchange.CreateConditionOrder(symbol, "sell", 1, stop)
    assert exchange.CancelAll() is True
    assert [one.Id for one in exchange.GetOrders("BTC_USDT.swap")] == [kept]
    assert exchange.GetConditionOrders("BTC_USDT.swap") == []
    assert len(exchange.GetOrders("ETH_USDT.swap")) == len(exchange.GetConditionOrders("ETH_USDT.swap")) == 1
    assert {record.fate for record in exchange._core.intents.all()} == {"placed", "cancelled"}
