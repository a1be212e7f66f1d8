"""Condition orders of an exchange object: what is refused, how they are changed, and how a lost reply is settled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_OCO,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_STATE_CLOSED,
)
from fmzthreads.errors import InputError, InvalidOrder, OrderNotFound, OutcomeUnknown, TimedOut, UnknownName
from fmzthreads.exchange.order_log import LookupPlan
from tests.helpers.exchange_room import make, make_contracts

TP = {"ConditionType": ORDER_CONDITION_TYPE_TP, "TpTriggerPrice": 110, "TpOrderPrice": -1}
SL = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 90, "SlOrderPrice": 89.5}
OCO = {"ConditionType": ORDER_CONDITION_TYPE_OCO, **{k: v for k, v in {**TP, **SL}.items() if k != "ConditionType"}}


def test_a_condition_order_is_cut_and_recorded_and_listed() -> None:
    exchange, venue, host = make_contracts(errors="raise")
    order_id = exchange.CreateConditionOrder(
        "", 'closebuy;{"workingTyp":"x"}', 2, {**OCO, "TpTriggerPrice": 110.019}, "why"
    )
    (intent,) = venue.conditions
    assert (intent.side, intent.amount, intent.options) == ("closebuy", 2, {"workingTyp": "x"})
    terms = intent.terms
    assert (terms.name, terms.tp_trigger, terms.tp_price) == ("OCO", Decimal("110.01"), None)
    assert (terms.sl_trigger, terms.sl_price) == (90, Decimal("89.5"))
    (record,) = exchange._core.intents.all()
    assert (record.fate, record.order_id, record.intent.kind, record.is_condition) == (
        "placed",
        order_id,
        "condition",
        True,
    )
    (order,) = exchange.GetConditionOrders()
    assert order == exchange.GetConditionOrder(order_id)
    assert not order.Foreign
    assert order.Condition == {
        "ConditionType": 0, "TpTriggerPrice": 110.01, "TpOrderPrice": -1.0, "SlTriggerPrice": 90.0, "SlOrderPrice": 89.5,
    }  # fmt: skip
    assert exchange.GetOrders() == []
    assert host.lines[0].tail == ("condition OCO", "why")


@pytest.mark.parametrize(
    ("side", "condition", "words"),
    [
        ("sell", {**SL, "SlTriggerPrice": 100}, "SlTriggerPrice 100 of a sell .* must be below"),
        ("closebuy", {**SL, "SlTriggerPrice": 120}, "SlTriggerPrice 120 of a closebuy .* must be below"),
        ("buy", {**SL, "SlTriggerPrice": 90}, "SlTriggerPrice 90 of a buy .* must be above"),
        ("closesell", {**SL, "SlTriggerPrice": 100}, "SlTriggerPrice 100 of a closesell .* must be above"),
        ("sell", {**TP, "TpTriggerPrice": 99}, "TpTriggerPrice 99 of a sell .* must be above"),
        ("closesell", {**TP, "TpTriggerPrice": 101}, "TpTriggerPrice 101 of a closesell .* must be below"),
        ("closebuy", {**OCO, "TpTriggerPrice": 95}, "TpTriggerPrice 95 of a closebuy .* must be above"),
        ("closebuy", {**OCO, "SlTriggerPrice": 105}, "SlTriggerPrice 105 of a closebuy .* must be below"),
    ],
)
def test_a_trigger_on_the_wrong_side_of_the_price_is_refused(side: str, condition: dict[str, Any], words: str) -> None:
    exchange, venue, _ = make_contracts(errors="raise")  # the last price is 100
    with pytest.raises(InputError, match=f"{words} it, or it would trigger at once; nothing was sent"):
        exchange.CreateConditionOrder("", side, 1, condition)
    assert venue.calls["place_condition"] == 0


@pytest.mark.parametrize(
    ("side", "condition"),
    [
        ("sell", {**SL, "SlTriggerPrice": 99.99}),
        ("closesell", {**SL, "SlTriggerPrice": 100.01}),
        ("closebuy", {**TP, "TpTriggerPrice": 100.01}),
        ("buy", {**TP, "TpTriggerPrice": 99.99}),
        # What looks at another price than the last one is left to the venue, and so is what the venue defines.
        ("closebuy;workingType=MARK_PRICE", {**SL, "SlTriggerPrice": 120}),
        ("closebuy", {"ConditionType": ORDER_CONDITION_TYPE_GENERIC, "SlTriggerPrice": 120, "SlOrderPrice": -1}),
    ],
)
def test_a_trigger_on_the_right_side_is_sent(side: str, condition: dict[str, Any]) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    exchange.CreateConditionOrder("", side, 1, condition)
    assert len(venue.conditions) == 1


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (None, "a condition must be a dict with ConditionType, got None"),
        ({}, "a condition needs ConditionType"),
        ({"ConditionType": 9}, "ConditionType must be"),
        ({"ConditionType": "SL"}, "ConditionType must be"),
        ({**SL, "ConditionType": ORDER_CONDITION_TYPE_TP}, "this condition needs TpTriggerPrice"),
        ({**SL, "SlTriggerPrice": 0}, "SlTriggerPrice must be more than 0"),
        ({**SL, "SlTriggerPrice": -1}, "SlTriggerPrice must be more than 0"),
        ({**SL, "SlTriggerPrice": float("nan")}, "SlTriggerPrice must be"),
        ({**SL, "SlOrderPrice": None}, "this condition needs SlOrderPrice"),
        ({**SL, "SlOrderPrice": 0}, "SlOrderPrice must be more than 0, or -1 for at market"),
        ({**OCO, "TpOrderPrice": 0.001}, "TpOrderPrice must be more than 0, or -1 for at market"),
    ],
)
def test_a_condition_that_is_none_is_refused(condition: Any, words: str) -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    with pytest.raises(InputError, match=words):
        exchange.CreateConditionOrder("", "closebuy", 1, condition)
    with pytest.raises(UnknownName, match="no side 'closebye'"):
        exchange.CreateConditionOrder("", "closebye", 1, SL)
    assert venue.calls["place_condition"] == 0


def test_a_lost_reply_is_settled_at_the_door_of_condition_orders() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    venue.lose_reply("place_condition")
    order_id = exchange.CreateConditionOrder("", "closebuy", 1, SL)
    assert venue.calls["condition_by_client_id"] == 1
    assert venue.calls["order_by_client_id"] == 0
    venue.lose_reply("cancel_condition")
    assert exchange.CancelConditionOrder(order_id) is True
    assert venue.calls["condition_order"] >= 1
    assert venue.calls["order"] == 0
    assert [record.fate for record in exchange._core.intents.all()] == ["placed", "cancelled"]
    assert [record.intent.kind for record in exchange._core.intents.all()] == ["condition", "cancel_condition"]


def test_an_id_of_a_condition_order_is_none_of_an_order() -> None:
    exchange, _venue, _ = make_contracts(errors="raise")
    condition_id = exchange.CreateConditionOrder("", "closebuy", 1, SL)
    log = exchange._core.intents
    assert log.has_placed(condition_id, conditional=True)
    assert not log.has_placed(condition_id)
    assert log.symbol_of(condition_id) == ""
    assert log.symbol_of(condition_id, conditional=True) == "BTC_USDT.swap"
    with pytest.raises(OrderNotFound):
        exchange.CancelOrder(condition_id)


def test_a_change_in_place_keeps_the_amount_and_is_recorded() -> None:
    exchange, _venue, _ = make_contracts(errors="raise")
    order_id = exchange.CreateConditionOrder("", "closebuy", 2, SL)
    assert exchange.ModifyConditionOrder(order_id, "closebuy", -1, {**SL, "SlTriggerPrice": 95}) == order_id
    order = exchange.GetConditionOrder(order_id)
    assert (order.Amount, order.Condition.SlTriggerPrice) == (2, 95)
    with pytest.raises(InputError, match="SlTriggerPrice 101 of a closebuy"):
        exchange.ModifyConditionOrder(order_id, "closebuy", -1, {**SL, "SlTriggerPrice": 101})
    assert [(r.intent.kind, r.fate) for r in exchange._core.intents.all()] == [
        ("condition", "placed"),
        ("modify_condition", "modified"),
    ]


def test_where_the_venue_cannot_the_new_one_is_placed_before_the_old_one_is_cancelled() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    venue.replaces_conditions = True
    old = exchange.CreateConditionOrder("", "closebuy", 2, SL)
    open_at_cancel = []
    cancel = venue.cancel_condition
    venue.cancel_condition = lambda order_id: (
        open_at_cancel.append(len(venue._conditions(None, ended=False))),
        cancel(order_id),
    )[1]  # type: ignore[method-assign,func-returns-value]
    new = exchange.ModifyConditionOrder(old, "closebuy", -1, {**SL, "SlTriggerPrice": 95})
    assert new != old
    assert open_at_cancel == [2]
    (order,) = exchange.GetConditionOrders()
    assert (order.Id, order.Amount, order.Condition.SlTriggerPrice) == (new, 2, 95)
    assert exchange.GetConditionOrder(old).Status == 2


def test_an_old_one_that_triggers_meanwhile_leaves_no_second_stop() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    venue.replaces_conditions = True
    old = exchange.CreateConditionOrder("", "closebuy", 2, SL)
    place = venue.place_condition

    def place_late(intent: Any) -> str:
        venue.trigger(old)
        return place(intent)

    venue.place_condition = place_late  # type: ignore[method-assign]
    with pytest.raises(OrderNotFound, match=r"its replacement .* was cancelled again"):
        exchange.ModifyConditionOrder(old, "closebuy", -1, {**SL, "SlTriggerPrice": 95})
    assert exchange.GetConditionOrders() == []
    assert exchange.GetConditionOrder(old).Status == ORDER_STATE_CLOSED
    with pytest.raises(OrderNotFound, match="has triggered or ended; nothing was sent"):
        exchange.ModifyConditionOrder(old, "closebuy", -1, SL)


def test_a_cancel_of_the_old_one_that_fails_takes_the_new_one_back() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    venue.replaces_conditions = True
    old = exchange.CreateConditionOrder("", "closebuy", 2, SL)
    venue.exact_outcomes = True
    venue.fail("cancel_condition", TimedOut("nothing was sent"))
    with pytest.raises(TimedOut, match=r"its replacement .* was cancelled again"):
        exchange.ModifyConditionOrder(old, "closebuy", 3, SL)
    assert [order.Id for order in exchange.GetConditionOrders()] == [old]


def test_the_history_has_what_triggered_and_was_cancelled() -> None:
    exchange, venue, _ = make_contracts(errors="raise")
    first, second, third = (exchange.CreateConditionOrder("", "closebuy", 1, SL) for _ in range(3))
    venue.trigger(first)
    exchange.CancelConditionOrder(second)
    assert [order.Id for order in exchange.GetHistoryConditionOrders()] == [first, second]
    assert [order.Id for order in exchange.GetHistoryConditionOrders("BTC_USDT.swap", 0, 1)] == [first]
    assert [order.Id for order in exchange.GetConditionOrders()] == [third]


def test_a_venue_without_condition_orders_says_so() -> None:
    exchange, _, host = make()
    assert exchange.CreateConditionOrder("", "sell", 1, SL) is None
    assert exchange.CancelConditionOrder("x,1") is False
    assert exchange.GetConditionOrders() is None
    assert exchange.ModifyOrder(exchange.Buy(99, 1), "buy", 98, 1) is None
    assert host.errors == [
        f"{call}: Fake does not support {call}"
        for call in ("CreateConditionOrder", "CancelConditionOrder", "GetConditionOrders", "ModifyOrder")
    ]
    assert exchange.CancelAll() is True
    assert exchange.GetOrders() == []


def test_a_placement_whose_outcome_stays_unknown_is_listed_with_its_kind_and_reconciled_at_its_door() -> None:
    exchange, venue, _ = make_contracts(errors="raise", lookup=LookupPlan(attempts=1))
    venue.lose_reply("place_condition")
    venue.fail("condition_by_client_id", TimedOut("slow"))
    with pytest.raises(OutcomeUnknown):
        exchange.CreateConditionOrder("", "closebuy", 1, SL)
    (record,) = exchange.UnknownOrders()
    assert (record.is_condition, record.intent.kind) == (True, "condition")
    (settled,) = exchange.Reconcile()
    assert settled.fate == "placed"
    assert [order.Id for order in exchange.GetConditionOrders()] == [settled.order_id]
    assert venue.calls["order_by_client_id"] == 0


@pytest.mark.parametrize("conditional", [False, True])
def test_an_order_that_the_venue_refuses_makes_the_next_one_fetch_the_rules(conditional: bool) -> None:
    exchange, venue, _ = make_contracts(errors="raise")

    def send() -> str | None:
        if conditional:
            return exchange.CreateConditionOrder("BTC_USDT.swap", "buy", 1, TP | {"TpTriggerPrice": 90})
        return exchange.CreateOrder("BTC_USDT.swap", "buy", 90, 1)

    send()
    assert venue.calls["rules"] == 1
    venue.fail("place_condition" if conditional else "place", InvalidOrder("a filter"))
    with pytest.raises(InvalidOrder):
        send()
    send()
    assert venue.calls["rules"] == 2
