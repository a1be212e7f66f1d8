"""OKX's algo orders over real sockets: what is accepted and refused, what triggers, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.empty_market import EmptyMarket
from tests.helpers.simulators import OkxCaller, free_session, simulator
from tests.simulator.dialects.okx.test_rest import data, refused


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with simulator("okx", balances={"USDT": 1_000_000, "BTC": 10}) as running:
        yield running


@pytest.fixture(scope="module")
def market(server: SimulatorServer) -> EmptyMarket:
    return EmptyMarket(server)


@pytest.fixture
def call(server: SimulatorServer, market: EmptyMarket) -> Iterator[OkxCaller]:
    with free_session() as session:
        market.clear()
        server.exchange.cancel_all(server.account)
        market.trade("60000")
        for algo in server.exchange.conditions.waiting(server.account):
            server.exchange.conditions.cancel(server.account, algo.condition_id)
        yield OkxCaller(server, session)


STOP = {"ordType": "conditional", "slTriggerPx": "59000", "slOrdPx": "-1"}
BOTH = {**STOP, "ordType": "oco", "tpTriggerPx": "61000", "tpOrdPx": "61000"}
TRIGGER = {"ordType": "trigger", "triggerPx": "59000", "orderPx": "-1"}
TRAIL = {"ordType": "move_order_stop", "callbackRatio": "0.01"}


def place(call: OkxCaller, **fields: Any) -> dict[str, Any]:
    """The row of the reply to an algo order: a sale of 0.1 BTC unless said otherwise."""
    body = {"instId": "BTC-USDT", "tdMode": "cash", "side": "sell", "sz": "0.1", **fields}
    reply = call.signed("POST", "trade/order-algo", {name: value for name, value in body.items() if value is not None})
    assert reply.status_code == 200
    assert "inTime" not in reply.json()
    row: dict[str, Any] = reply.json()["data"][0]
    assert reply.json()["code"] == ("0" if row["sCode"] == "0" else "1")
    return row


def algo(call: OkxCaller, **query: Any) -> dict[str, Any]:
    row: dict[str, Any] = data(call.signed("GET", "trade/order-algo", **query))[0]
    return row


def child(call: OkxCaller, row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))[0]
    return found


def test_a_stop_loss_from_placing_to_its_order(call: OkxCaller, market: EmptyMarket) -> None:
    placed = place(call, **STOP, algoClOrdId="mine1", tag="t1")
    assert (placed["algoClOrdId"], placed["clOrdId"], placed["sMsg"], placed["tag"]) == ("mine1", "", "", "t1")
    waiting = algo(call, algoId=placed["algoId"])
    assert waiting == algo(call, algoClOrdId="mine1")
    for name, value in {
        "state": "live", "ordType": "conditional", "slTriggerPx": "59000", "slOrdPx": "-1", "slTriggerPxType": "last", "tpTriggerPx": "",
        "sz": "0.1", "side": "sell", "posSide": "net", "tdMode": "cash", "ordId": "", "ordIdList": [], "actualSide": "", "actualSz": "0",
        "last": "60000", "failCode": "", "triggerTime": "", "instType": "SPOT", "closeFraction": "", "triggerPx": "", "callbackRatio": "",
    }.items():  # fmt: skip
        assert waiting[name] == value, name
    pending = data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional"))
    assert [row["algoId"] for row in pending] == [placed["algoId"]]
    assert data(call.signed("GET", "trade/orders-algo-pending", ordType="trigger")) == []

    market.rest("buy", "58900", "1")
    market.trade("59000")
    done = algo(call, algoId=placed["algoId"])
    assert (done["state"], done["actualSide"], done["actualSz"], done["failCode"]) == ("effective", "sl", "0.1", "")
    assert done["ordIdList"] == [done["ordId"]]
    assert int(done["triggerTime"]) >= int(done["cTime"])
    order = child(call, done)
    for name, value in {
        "algoId": placed["algoId"], "algoClOrdId": "mine1", "source": "7", "ordType": "market", "state": "filled", "avgPx": "58900",
        "sz": "0.1", "tag": "t1",
    }.items():  # fmt: skip
        assert order[name] == value, name
    ended = data(call.signed("GET", "trade/orders-algo-history", ordType="conditional,oco", state="effective"))
    assert ended[0] == done
    assert data(call.signed("GET", "trade/orders-algo-history", ordType="conditional", algoId=placed["algoId"])) == [
        done
    ]


def test_of_a_one_way_order_with_both_only_the_stop_loss_acts(call: OkxCaller) -> None:
    row = algo(call, algoId=place(call, **{**BOTH, "ordType": "conditional"})["algoId"])
    assert (row["slTriggerPx"], row["tpTriggerPx"]) == ("59000", "")


def test_one_cancels_the_other(call: OkxCaller, market: EmptyMarket) -> None:
    placed = place(call, **BOTH)
    market.trade("61000")
    done = algo(call, algoId=placed["algoId"])
    assert (done["state"], done["actualSide"], done["actualPx"]) == ("effective", "tp", "61000")
    order = child(call, done)
    assert (order["ordType"], order["px"], order["state"]) == ("limit", "61000", "live")
    market.trade("59000")
    assert child(call, done)["state"] == "live"


@pytest.mark.parametrize(("price", "rises"), [("60500", True), ("59500", False)])
def test_a_trigger_order_is_crossed_from_where_the_price_is(
    call: OkxCaller, market: EmptyMarket, price: str, rises: bool
) -> None:
    placed = place(call, ordType="trigger", triggerPx=price, orderPx="58000", advanceOrdType="ioc")
    row = algo(call, algoId=placed["algoId"])
    assert (row["triggerPx"], row["ordPx"], row["triggerPxType"], row["advanceOrdType"]) == (
        price,
        "58000",
        "last",
        "ioc",
    )
    market.trade("59600" if rises else "60400")
    assert algo(call, algoId=placed["algoId"])["state"] == "live"
    market.trade(price)
    done = algo(call, algoId=placed["algoId"])
    assert (done["state"], done["actualSide"]) == ("effective", "")
    order = child(call, done)
    assert (order["source"], order["ordType"], order["px"]) == ("6", "ioc", "58000")


def test_a_trailing_stop(call: OkxCaller, market: EmptyMarket) -> None:
    placed = place(call, **TRAIL)
    assert algo(call, algoId=placed["algoId"])["moveTriggerPx"] == "59400"
    market.trade("62000")
    row = algo(call, algoId=placed["algoId"])
    assert (row["moveTriggerPx"], row["callbackRatio"], row["activePx"]) == ("61380", "0.01", "")
    market.rest("buy", "61000", "1")
    market.trade("61380")
    done = algo(call, algoId=placed["algoId"])
    assert done["state"] == "effective"
    assert child(call, done)["source"] == "25"


def test_an_order_that_is_refused_when_it_triggers(call: OkxCaller, market: EmptyMarket) -> None:
    placed = place(call, **STOP, sz="50")
    market.rest("buy", "58900", "60")
    market.trade("59000")
    failed = algo(call, algoId=placed["algoId"])
    assert (failed["state"], failed["failCode"], failed["ordId"]) == ("order_failed", "51008", "")
    row = data(call.signed("GET", "trade/orders-algo-history", ordType="conditional", state="order_failed"))[0]
    assert row["algoId"] == placed["algoId"]


def test_a_purchase_at_the_market_is_sized_in_quote(call: OkxCaller, market: EmptyMarket) -> None:
    placed = place(call, side="buy", ordType="conditional", slTriggerPx="61000", slOrdPx="-1", sz="1000")
    assert algo(call, algoId=placed["algoId"])["tgtCcy"] == "quote_ccy"
    market.rest("sell", "61500", "1")
    market.trade("61000")
    order = child(call, algo(call, algoId=placed["algoId"]))
    assert (order["sz"], order["tgtCcy"], order["state"]) == ("1000", "quote_ccy", "filled")
    assert order["accFillSz"].startswith("0.0162")


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({**STOP, "ordType": "chase"}, "51000", "ordType"),
        ({**STOP, "tdMode": "cross"}, "51010", "account mode"),
        ({**STOP, "posSide": "long"}, "51000", "posSide"),
        ({**STOP, "sz": None}, "50015", "closeFraction"),
        ({**STOP, "sz": "0"}, "51000", "sz"),
        ({**STOP, "sz": "0.000001"}, "51020", ""),
        ({**STOP, "sz": None, "closeFraction": "1"}, "51327", ""),
        ({**STOP, "cxlOnClosePos": True}, "51000", "cxlOnClosePos"),
        ({"ordType": "conditional"}, "50015", "slTriggerPx"),
        ({**STOP, "slOrdPx": None}, "50014", "slOrdPx"),
        ({**STOP, "slOrdPx": "-2"}, "51000", "slOrdPx"),
        ({**STOP, "slTriggerPx": "59000.01"}, "51150", ""),
        ({**STOP, "slTriggerPxType": "mark"}, "51415", "last price"),
        ({**STOP, "ordType": "oco"}, "50014", "tpTriggerPx"),
        ({**STOP, "slTriggerPx": "60500"}, "51280", "SL trigger price cannot be higher than the last price"),
        ({**STOP, "side": "buy"}, "51278", "SL trigger price cannot be lower than the last price"),
        ({**BOTH, "tpTriggerPx": "59500"}, "51279", "TP trigger price cannot be lower than the last price"),
        (
            {"ordType": "conditional", "side": "buy", "tpTriggerPx": "60500", "tpOrdPx": "-1"},
            "51277", "TP trigger price cannot be higher than the last price",
        ),
        ({"ordType": "trigger", "orderPx": "-1"}, "50014", "triggerPx"),
        ({"ordType": "trigger", "triggerPx": "59000"}, "50014", "orderPx"),
        ({**TRIGGER, "triggerPx": "60000"}, "51000", "triggerPx"),
        ({**TRIGGER, "advanceOrdType": "gtc"}, "51000", "advanceOrdType"),
        ({"ordType": "move_order_stop"}, "50015", "callbackRatio"),
        ({**TRAIL, "callbackSpread": "1"}, "50024", ""),
        ({**TRAIL, "callbackRatio": "1.5"}, "51311", "0<x<=1"),
        ({**TRAIL, "activePx": "59000"}, "51258", "sell"),
        ({**TRAIL, "side": "buy", "activePx": "61000"}, "51259", "buy"),
        ({**STOP, "algoClOrdId": "no-hyphens"}, "51000", "algoClOrdId"),
        ({**STOP, "algoClOrdId": "taken"}, "51065", "already exists"),
        ({**STOP, "instId": "BTC-EUR"}, "51001", ""),
    ],
)  # fmt: skip
def test_what_is_refused(call: OkxCaller, fields: dict[str, Any], code: str, text: str) -> None:
    place(call, **STOP, algoClOrdId="taken")
    row = place(call, **fields)
    assert (row["sCode"], row["algoId"]) == (code, ""), row
    assert text in row["sMsg"]
    assert len(data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional,oco"))) == 1


def test_cancelling(call: OkxCaller, market: EmptyMarket) -> None:
    first, second = place(call, **STOP), place(call, **STOP, algoClOrdId="second")
    reply = call.signed(
        "POST", "trade/cancel-algos",
        [
            {"instId": "BTC-USDT", "algoId": first["algoId"]},
            {"instId": "BTC-USDT", "algoClOrdId": "second"},
            {"instId": "BTC-USDT", "algoId": "1"},
        ],
    )  # fmt: skip
    assert [row["sCode"] for row in reply.json()["data"]] == ["0", "0", "51400"]
    assert reply.json()["code"] == "2"
    assert algo(call, algoId=second["algoId"])["state"] == "canceled"
    found = data(call.signed("GET", "trade/orders-algo-history", ordType="conditional", state="canceled", limit="2"))
    assert [row["algoId"] for row in found] == [second["algoId"], first["algoId"]]
    gone = place(call, **STOP)
    market.trade("59000")
    reply = call.signed("POST", "trade/cancel-algos", [{"instId": "BTC-USDT", "algoId": gone["algoId"]}])
    assert reply.json()["data"][0]["sCode"] == "51416"
    refused(call.signed("POST", "trade/cancel-algos", [{"instId": "BTC-USDT", "algoId": "1"}] * 11), "51111", text="10")


def amend(call: OkxCaller, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = call.signed("POST", "trade/amend-algos", {"instId": "BTC-USDT", **fields}).json()["data"][0]
    return row


def test_changing(call: OkxCaller) -> None:
    placed = place(call, **BOTH)
    done = amend(call, algoId=placed["algoId"], newSz="0.2", newSlTriggerPx="58000", reqId="r1")
    assert (done["sCode"], done["reqId"], done["algoId"]) == ("0", "r1", placed["algoId"])
    row = algo(call, algoId=placed["algoId"])
    assert (row["sz"], row["slTriggerPx"], row["slOrdPx"], row["tpTriggerPx"]) == ("0.2", "58000", "-1", "61000")
    assert amend(call, algoId=placed["algoId"], newTpTriggerPx="0", newTpOrdPx="0")["sCode"] == "0"
    assert algo(call, algoId=placed["algoId"])["tpTriggerPx"] == ""
    crossing = place(call, **TRIGGER)
    assert amend(call, algoId=crossing["algoId"], newTriggerPx="60500", newOrdPx="60400")["sCode"] == "0"
    row = algo(call, algoId=crossing["algoId"])
    assert (row["triggerPx"], row["ordPx"]) == ("60500", "60400")


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        (STOP, {}, "51500"),
        (STOP, {"newSz": "0"}, "51000"),
        (STOP, {"newTpTriggerPx": "61000", "newTpOrdPx": "-1"}, "51526"),
        (STOP, {"newSlTriggerPx": "0", "newSlOrdPx": "0"}, "51531"),
        (STOP, {"newSlTriggerPx": "61000"}, "51280"),
        (TRIGGER, {"newTriggerPx": "58000"}, "50014"),
        (TRAIL, {"newSz": "1"}, "51506"),
    ],
)
def test_what_changes_are_refused(call: OkxCaller, kind: dict[str, Any], fields: dict[str, Any], code: str) -> None:
    placed = place(call, **kind)
    before = algo(call, algoId=placed["algoId"])
    assert amend(call, algoId=placed["algoId"], **fields)["sCode"] == code
    assert algo(call, algoId=placed["algoId"]) == before
    assert amend(call, algoId=placed["algoId"], **fields, cxlOnFail=True)["sCode"] == code
    assert algo(call, algoId=placed["algoId"])["state"] == "canceled"
    assert amend(call, algoId=placed["algoId"], newSz="1")["sCode"] == "51503"
    assert amend(call, algoId="1", newSz="1")["sCode"] == "51527"


def test_what_lists_are_refused(call: OkxCaller) -> None:
    refused(call.signed("GET", "trade/orders-algo-pending"), "50014", 400, "ordType")
    refused(call.signed("GET", "trade/orders-algo-pending", ordType="limit"), "51000", 400, "ordType")
    refused(call.signed("GET", "trade/orders-algo-pending", ordType="trigger,oco"), "51000", 400, "ordType")
    refused(call.signed("GET", "trade/orders-algo-history", ordType="oco"), "50015", 400, "state or algoId")
    refused(call.signed("GET", "trade/order-algo"), "50015", 400, "algoClOrdId")
    refused(call.signed("GET", "trade/order-algo", algoId="1"), "51603")


def test_what_is_attached_is_placed_when_the_order_has_been_filled(call: OkxCaller, market: EmptyMarket) -> None:
    attached = {
        "attachAlgoClOrdId": "kept1",
        "slTriggerPx": "59000",
        "slOrdPx": "-1",
        "tpTriggerPx": "61000",
        "tpOrdPx": "60900",
    }
    placed = call.order(px="59900", sz="0.1", attachAlgoOrds=[attached]).json()["data"][0]
    assert placed["sCode"] == "0"
    resting = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=placed["ordId"]))[0]
    assert resting["attachAlgoOrds"][0]["slTriggerPx"] == "59000"
    assert data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional,oco")) == []
    market.rest("sell", "59900", "0.1")
    (row,) = data(call.signed("GET", "trade/orders-algo-pending", ordType="oco"))
    assert (row["algoClOrdId"], row["side"], row["sz"], row["slTriggerPx"], row["tpOrdPx"]) == (
        "kept1", "sell", "0.09992", "59000", "60900",
    )  # fmt: skip


def test_what_is_attached_to_a_cancelled_order_is_dropped(call: OkxCaller) -> None:
    attached = {"slTriggerPx": "59000", "slOrdPx": "-1"}
    placed = call.order(px="59900", sz="0.1", attachAlgoOrds=[attached]).json()["data"][0]
    call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": placed["ordId"]})
    assert data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional")) == []


@pytest.mark.parametrize(
    ("attached", "code"),
    [
        ({"tpTriggerPx": "59000", "tpOrdPx": "-1"}, "51046"),
        ({"slTriggerPx": "60500", "slOrdPx": "-1"}, "51047"),
        ({"slTriggerRatio": "0.1", "slOrdPx": "-1"}, "51000"),
        ({}, "50015"),
    ],
)
def test_what_may_not_be_attached(call: OkxCaller, attached: dict[str, str], code: str) -> None:
    row = call.order(px="59900", sz="0.1", attachAlgoOrds=[attached or {"tag": "x"}]).json()["data"][0]
    assert row["sCode"] == code
    assert data(call.signed("GET", "trade/orders-pending")) == []
