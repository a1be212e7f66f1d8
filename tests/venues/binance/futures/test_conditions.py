"""Condition orders of Binance's futures: one order with its child in our books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fmzthreads import constants, errors
from fmzthreads.exchange.contracts.intents import ConditionTerms
from tests.helpers.futures_replies import (
    ALGO_ROW,
    FUTURES_ORDER,
    NOW_MS,
    condition_intent,
    futures_intent,
    make_futures,
)
from tests.helpers.venue_replies import reply_of

PLACE, CANCEL, QUERY = "POST /fapi/v1/algoOrder", "DELETE /fapi/v1/algoOrder", "GET /fapi/v1/algoOrder"
OPEN, PAST = "GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/allAlgoOrders"
CHILD = "GET /fapi/v1/order"
GONE = reply_of({"code": -2013, "msg": "Order does not exist."}, 400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            {
                "type": "STOP_MARKET",
                "triggerPrice": "58000",
                "price": None,
                "timeInForce": None,
                "side": "SELL",
                "reduceOnly": "true",
            },
        ),
        (
            {"terms": ConditionTerms(kind=2, sl_trigger=Decimal("58000"), sl_price=Decimal("57900.5"))},
            {"type": "STOP", "price": "57900.5", "timeInForce": "GTC"},
        ),
        (
            {"terms": ConditionTerms(kind=1, tp_trigger=Decimal("66000")), "side": "closesell"},
            {"type": "TAKE_PROFIT_MARKET", "triggerPrice": "66000", "side": "BUY"},
        ),
        (
            {"terms": ConditionTerms(kind=1, tp_trigger=Decimal("66000"), tp_price=Decimal("66001"))},
            {"type": "TAKE_PROFIT", "price": "66001", "timeInForce": "GTC"},
        ),
        (
            {
                "options": {"type": "TRAILING_STOP_MARKET", "activationPrice": "61000", "callbackRate": "0.5"},
                "side": "sell",
            },
            {
                "type": "TRAILING_STOP_MARKET",
                "activatePrice": "61000",
                "callbackRate": "0.5",
                "triggerPrice": None,
                "reduceOnly": None,
            },
        ),
        ({"options": {"closePosition": "true"}}, {"closePosition": "true", "quantity": None, "reduceOnly": None}),
        ({"options": {"workingType": "MARK_PRICE"}}, {"workingType": "MARK_PRICE", "quantity": "0.01"}),
    ],
)
def test_what_a_condition_order_sends(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    venue, http, _ = make_futures({PLACE: {"algoId": 2146760, "clientAlgoId": "fzabc"}})
    assert venue.place_condition(condition_intent(**changes)) == "BTCUSDT,algo2146760"
    form = http.last(PLACE).form
    assert {name: form.get(name) for name in expected} == expected
    assert (form["algoType"], form["clientAlgoId"], form["symbol"]) == ("CONDITIONAL", "fzabc", "BTCUSDT")


def test_two_prices_are_not_supported_and_a_generic_one_needs_a_type() -> None:
    venue, http, _ = make_futures({})
    both = ConditionTerms(kind=0, tp_trigger=Decimal(66000), sl_trigger=Decimal(58000))
    with pytest.raises(errors.NotSupported, match="no OCO condition orders; nothing was sent"):
        venue.place_condition(condition_intent(terms=both))
    with pytest.raises(errors.InputError, match="needs the option 'type'"):
        venue.place_condition(condition_intent(terms=ConditionTerms(kind=3)))
    with pytest.raises(errors.UnknownName, match="callBackRate"):
        venue.place_condition(condition_intent(options={"callBackRate": "1"}))
    assert PLACE not in http.paths()


def test_an_order_of_a_conditional_type_goes_to_the_same_door_and_is_found_there() -> None:
    options = {"type": "TRAILING_STOP_MARKET", "activationPrice": "2300", "callbackRate": "0.1"}
    answers = {
        PLACE: {"algoId": 5, "clientAlgoId": "fzabc"},
        CHILD: GONE,
        QUERY: {**ALGO_ROW, "algoId": 5},
        CANCEL: {"algoId": 5, "code": "200"},
    }
    venue, http, _ = make_futures(answers)
    order_id = venue.place(futures_intent(price=None, options=options))
    assert order_id == "BTCUSDT,algo5"
    assert http.last(PLACE).form["activatePrice"] == "2300"
    assert venue.order_by_client_id("BTC_USDT.swap", "fzabc").Id == order_id
    assert venue.order(order_id).Status == constants.ORDER_STATE_PENDING
    venue.cancel(order_id)
    assert http.last(CANCEL).query["algoId"] == "5"


def test_one_that_waits_is_read_with_its_condition() -> None:
    venue, http, _ = make_futures({QUERY: ALGO_ROW})
    order = venue.condition_order("BTCUSDT,algo2146760")
    assert (order.Symbol, order.Amount, order.DealAmount, order.Status) == (
        "BTC_USDT.swap",
        0.01,
        0.0,
        constants.ORDER_STATE_PENDING,
    )
    assert order.Condition == {
        "ConditionType": constants.ORDER_CONDITION_TYPE_SL, "TpTriggerPrice": 0.0, "TpOrderPrice": 0.0,
        "SlTriggerPrice": 58000.0, "SlOrderPrice": -1.0,
    }  # fmt: skip
    assert order.ChildId == ""
    assert venue.client_id_of(order) == "fzabc"
    assert CHILD not in http.paths()


@pytest.mark.parametrize(
    ("algo", "child", "state"),
    [
        ("TRIGGERED", "NEW", constants.ORDER_STATE_PENDING),
        ("TRIGGERED", "PARTIALLY_FILLED", constants.ORDER_STATE_PENDING),
        ("FINISHED", "FILLED", constants.ORDER_STATE_CLOSED),
        ("FINISHED", "CANCELED", constants.ORDER_STATE_CANCELED),
        ("FINISHED", "EXPIRED", constants.ORDER_STATE_CANCELED),
    ],
)
def test_triggered_is_not_filled_the_child_decides(algo: str, child: str, state: int) -> None:
    row = {**ALGO_ROW, "algoStatus": algo, "actualOrderId": "77", "actualQty": "0.010", "actualPrice": "57990"}
    venue, _, _ = make_futures(
        {QUERY: row, CHILD: {**FUTURES_ORDER, "status": child, "executedQty": "0.004", "avgPrice": "57991"}}
    )
    order = venue.condition_order("BTCUSDT,algo2146760")
    assert (order.Id, order.ChildId) == ("BTCUSDT,algo2146760", "BTCUSDT,77")
    assert (order.Status, order.DealAmount, order.AvgPrice) == (state, 0.004, 57991.0)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"algoStatus": "REJECTED", "failReason": "Margin is insufficient."}, "Margin is insufficient."),
        ({"algoStatus": "EXPIRED", "triggerTime": NOW_MS}, "EXPIRED"),
        ({"algoStatus": "EXPIRED"}, None),
        ({"algoStatus": "CANCELED"}, None),
    ],
)
def test_a_child_that_was_refused_is_told(changes: dict[str, Any], refused: str | None) -> None:
    venue, _, _ = make_futures({QUERY: {**ALGO_ROW, **changes}})
    order = venue.condition_order("BTCUSDT,algo2146760")
    assert (order.Status, order.get("Refused")) == (constants.ORDER_STATE_CANCELED, refused)


def test_lists() -> None:
    other = {**ALGO_ROW, "algoId": 8, "symbol": "BTCUSDT_260327"}
    triggered = {**ALGO_ROW, "algoId": 9, "algoStatus": "TRIGGERED", "actualOrderId": "3"}
    ended = {**ALGO_ROW, "algoId": 10, "algoStatus": "CANCELED", "createTime": NOW_MS - 9000}
    venue, _, _ = make_futures({OPEN: [ALGO_ROW, other, triggered], PAST: [ALGO_ROW, triggered, ended]})
    assert [order.Id for order in venue.condition_orders("USDT.swap")] == ["BTCUSDT,algo2146760"]
    assert [order.Symbol for order in venue.condition_orders("USDT.futures")] == ["BTC_USDT.quarter"]
    assert [order.Id for order in venue.history_condition_orders("BTC_USDT.swap")] == [
        "BTCUSDT,algo10",
        "BTCUSDT,algo9",
    ]
    assert [order.Id for order in venue.history_condition_orders("BTC_USDT.swap", limit=1)] == ["BTCUSDT,algo9"]


def test_a_lost_cancel_is_unknown_and_a_refused_one_is_not() -> None:
    venue, _, _ = make_futures({CANCEL: reply_of({"code": -1007, "msg": "Timeout"}, 503)})
    with pytest.raises(errors.OutcomeUnknown):
        venue.cancel_condition("BTCUSDT,algo1")
    venue, _, _ = make_futures({CANCEL: reply_of({"code": -2011, "msg": "Unknown order sent."}, 400)})
    with pytest.raises(errors.OrderNotFound):
        venue.cancel_condition("BTCUSDT,algo1")


def test_coin_margined_ones_have_their_own_door() -> None:
    venue, http, _ = make_futures({"POST /dapi/v1/algoOrder": {"algoId": 3, "clientAlgoId": "fzabc"}})
    order_id = venue.place_condition(condition_intent(symbol="BTC_USD.swap", amount=Decimal(5)))
    assert order_id == "BTCUSD_PERP,algo3"
    assert http.last("POST /dapi/v1/algoOrder").form["quantity"] == "5"
