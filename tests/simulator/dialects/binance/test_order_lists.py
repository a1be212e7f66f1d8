"""Binance's stop orders and OCO, over REST, the WebSocket API and a real client."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import BinanceCaller, free_session, simulator
from tests.helpers.ws_clients import open_socket, sign_ws
from tests.simulator.dialects.binance.test_python_binance import connect

pytestmark = pytest.mark.usefixtures("own_event_loop")


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance") as running:
        yield running


@pytest.fixture
def call(server: SimulatorServer) -> Iterator[BinanceCaller]:
    with free_session() as session:
        yield BinanceCaller(server, session)


def last(call: BinanceCaller) -> Decimal:
    return Decimal(call.public("ticker/price", symbol="BTCUSDT").json()["price"])


def sell_pair(call: BinanceCaller, **changes: Any) -> dict[str, Any]:
    price = last(call)
    return {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": f"{price + 2000:f}",
        "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": f"{price - 100:f}", "belowPrice": f"{price - 200:f}",
        "belowTimeInForce": "GTC", "listClientOrderId": "pair", **changes,
    }  # fmt: skip


def drop_price(server: SimulatorServer, by: int) -> None:
    """Sells until the last price is so much lower."""
    exchange = server.exchange
    whale = exchange.create_account(f"whale{by}", balances={"BTC": Decimal(100_000), "USDT": Decimal(10**9)})
    price = exchange.stats_24h("BTC_USDT").last
    lots = sum(
        int(quantity * 100_000) for level, quantity, _ in exchange.depth("BTC_USDT", 5000).bids if level > price - by
    )
    exchange.sweep("BTC_USDT", whale, False, lots + 1)


def test_a_stop_order_waits_and_then_works(call: BinanceCaller) -> None:
    stop = last(call) - 100
    placed = call.order(
        side="SELL", type="STOP_LOSS_LIMIT", quantity="1", price=f"{stop + 5000:f}", stopPrice=f"{stop:f}", timeInForce="GTC",
        newOrderRespType="FULL",
    ).json()  # fmt: skip
    assert (placed["status"], placed["type"], placed["workingTime"]) == ("NEW", "STOP_LOSS_LIMIT", -1)
    asked = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert call.signed("GET", "order", **asked).json()["isWorking"] is False
    drop_price(call.server, 150)
    found = call.signed("GET", "order", **asked).json()
    assert (found["isWorking"], Decimal(found["stopPrice"])) == (True, stop)
    assert found["workingTime"] > 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "STOP_LOSS", "stopPrice": None}, -1102),
        ({"type": "STOP_LOSS", "price": "1"}, -1106),
        ({"type": "STOP_LOSS_LIMIT"}, -1102),
        ({"type": "STOP_LOSS", "stopPrice": "99999"}, -2010),
        ({"type": "TAKE_PROFIT", "stopPrice": "1"}, -2010),
        ({"type": "MARKET"}, -1106),
        ({"type": "STOP_LOSS", "trailingDelta": "100"}, -1106),
    ],
)
def test_stop_orders_that_are_refused(call: BinanceCaller, changes: dict[str, Any], code: int) -> None:
    order = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "stopPrice": "50000", **changes}
    assert call.signed("POST", "order", **order).json()["code"] == code


def test_an_oco_from_birth_to_cancel(call: BinanceCaller) -> None:
    placed = call.signed("POST", "orderList/oco", **sell_pair(call)).json()
    assert (placed["contingencyType"], placed["listStatusType"], placed["listOrderStatus"]) == (
        "OCO", "EXEC_STARTED", "EXECUTING",
    )  # fmt: skip
    kinds = {row["type"]: row for row in placed["orderReports"]}
    assert set(kinds) == {"LIMIT_MAKER", "STOP_LOSS_LIMIT"}
    assert kinds["STOP_LOSS_LIMIT"]["workingTime"] == -1
    assert all(row["orderListId"] == placed["orderListId"] for row in placed["orderReports"])
    held = call.server.exchange.balances(call.server.account)["BTC"].frozen
    assert held == 1
    assert len(call.signed("GET", "openOrders", symbol="BTCUSDT").json()) == 2
    assert call.signed("GET", "orderList", origClientOrderId="pair").json()["orderListId"] == placed["orderListId"]
    assert len(call.signed("GET", "openOrderList").json()) == 1
    gone = call.signed("DELETE", "orderList", symbol="BTCUSDT", listClientOrderId="pair").json()
    assert (gone["listStatusType"], [row["status"] for row in gone["orderReports"]]) == ("ALL_DONE", ["CANCELED"] * 2)
    assert call.signed("GET", "openOrderList").json() == []
    (known,) = call.signed("GET", "allOrderList").json()
    assert known["listOrderStatus"] == "ALL_DONE"
    assert call.signed("DELETE", "orderList", symbol="BTCUSDT", listClientOrderId="pair").json()["code"] == -2011
    assert call.signed("GET", "orderList", orderListId=99).json()["code"] == -2018
    assert call.signed("GET", "orderList").json()["code"] == -1102


def test_the_stop_of_an_oco_ends_the_limit(server: SimulatorServer, call: BinanceCaller) -> None:
    with open_socket(server, "/ws-api/v3") as client:
        client.ask({"id": 1, "method": "userDataStream.subscribe.signature", "params": sign_ws(server)})
        price = last(call)
        pair = sell_pair(call, belowPrice=f"{price - 3000:f}")
        placed = client.ask({"id": 2, "method": "orderList.place.oco", "params": sign_ws(server, **pair)})["result"]
        started = client.until(lambda message: message.get("event", {}).get("e") == "listStatus")["event"]
        assert (started["l"], started["L"], started["g"], started["C"]) == (
            "EXEC_STARTED", "EXECUTING", placed["orderListId"], "pair",
        )  # fmt: skip
        drop_price(server, 150)
        ended = client.until(lambda message: message.get("event", {}).get("l") == "ALL_DONE")["event"]
        assert {row["i"] for row in ended["O"]} == {row["orderId"] for row in placed["orders"]}
    states = {row["type"]: row["status"] for row in call.signed("GET", "allOrders", symbol="BTCUSDT").json()}
    assert states == {"LIMIT_MAKER": "EXPIRED", "STOP_LOSS_LIMIT": "FILLED"}
    trades = call.signed("GET", "myTrades", symbol="BTCUSDT").json()
    assert {row["orderListId"] for row in trades} == {placed["orderListId"]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aboveType": "STOP_LOSS_LIMIT", "aboveStopPrice": "70000", "aboveTimeInForce": "GTC"}, -2010),
        ({"abovePrice": "55000"}, -2010),
        ({"aboveType": "LIMIT"}, -1116),
        ({"belowStopPrice": None}, -1102),
        ({"belowTimeInForce": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "99"}, -2010),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowTimeInForce": None}, -1014),
        ({"nothing": "1"}, -1104),
    ],
)
def test_lists_that_are_refused(call: BinanceCaller, changes: dict[str, Any], code: int) -> None:
    reply = call.signed("POST", "orderList/oco", **sell_pair(call, **changes)).json()
    assert reply.get("code") == code, reply
    assert call.signed("GET", "openOrders").json() == []


def test_all_open_orders_with_a_list_among_them(call: BinanceCaller) -> None:
    call.signed("POST", "orderList/oco", **sell_pair(call))
    call.order(side="BUY", price="50000", quantity="0.1")
    rows = call.signed("DELETE", "openOrders", symbol="BTCUSDT").json()
    assert sorted("contingencyType" in row for row in rows) == [False, True]
    assert call.signed("GET", "openOrders").json() == []


def test_a_real_client_places_an_oco(server: SimulatorServer, call: BinanceCaller) -> None:
    client = connect(server)
    try:
        placed = client.create_oco_order(**sell_pair(call))
        assert placed["listOrderStatus"] == "EXECUTING"
        assert client.get_open_oco_orders()[0]["orderListId"] == placed["orderListId"]
    finally:
        client.session.close()
