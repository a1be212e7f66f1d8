"""Binance's calls beside the basic ones: fees, status, filters, amendments, smart order routing; and the WebSocket API's options."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import BinanceCaller, free_session, simulator
from tests.helpers.ws_clients import Socket, open_socket, sign_ws
from tests.simulator.dialects.binance.test_python_binance import connect

API = "/ws-api/v3"

pytestmark = pytest.mark.usefixtures("own_event_loop")


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance", rate_scale=1) as running:
        yield running


@pytest.fixture
def call(server: SimulatorServer) -> Iterator[BinanceCaller]:
    with free_session() as session:
        yield BinanceCaller(server, session)


@pytest.fixture
def client(server: SimulatorServer) -> Iterator[Any]:
    made = connect(server)
    yield made
    made.session.close()


def test_fees_status_and_filters_by_a_real_client(client: Any, call: BinanceCaller) -> None:
    assert client.get_system_status() == {"status": 0, "msg": "normal"}
    everything = client.get_trade_fee()
    assert [row["symbol"] for row in everything] == ["BTCUSDT", "ETHUSDT"]
    assert client.get_trade_fee(symbol="ETHUSDT") == [
        {"symbol": "ETHUSDT", "makerCommission": "0.001", "takerCommission": "0.001"}
    ]
    filters = call.signed("GET", "myFilters", symbol="BTCUSDT").json()
    assert set(filters) == {"exchangeFilters", "symbolFilters", "assetFilters"}
    (symbol,) = call.public("exchangeInfo", symbol="BTCUSDT").json()["symbols"]
    assert filters["symbolFilters"] == symbol["filters"]
    assert call.signed("GET", "myFilters").json()["code"] == -1102


# --- amendments ---


def rest(call: BinanceCaller, quantity: str, price: str = "50000", **more: Any) -> dict[str, Any]:
    placed: dict[str, Any] = call.order(side="BUY", price=price, quantity=quantity, **more).json()
    return placed


def test_an_amended_order_keeps_its_place_and_gets_a_new_client_id(call: BinanceCaller) -> None:
    best = f"{call.server.exchange.depth('BTC_USDT', 1).bids[0][0] + Decimal('0.01'):f}"
    first = rest(call, "0.5", best, newClientOrderId="first")
    second = rest(call, "0.2", best)
    reply = call.signed(
        "PUT", "order/amend/keepPriority", symbol="BTCUSDT", orderId=first["orderId"], newQty="0.3", newClientOrderId="less"
    ).json()  # fmt: skip
    amended = reply["amendedOrder"]
    assert (amended["orderId"], amended["origClientOrderId"], amended["clientOrderId"]) == (
        first["orderId"], "first", "less",
    )  # fmt: skip
    assert (amended["qty"], amended["status"]) == ("0.30000000", "NEW")
    found = call.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="less").json()
    assert (found["orderId"], found["origQty"]) == (first["orderId"], "0.30000000")
    assert call.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="first").json()["code"] == -2013
    (made,) = call.signed("GET", "order/amendments", symbol="BTCUSDT", orderId=first["orderId"]).json()
    assert (made["origQty"], made["newQty"], made["executionId"]) == ("0.50000000", "0.30000000", reply["executionId"])
    # It is filled before the order that came after it.
    sell = call.order(side="SELL", type="MARKET", quantity="0.1", selfTradePreventionMode="NONE")
    assert sell.status_code == 200, sell.text
    states = [
        call.signed("GET", "order", symbol="BTCUSDT", orderId=order["orderId"]).json()["executedQty"]
        for order in (first, second)
    ]
    assert states == ["0.10000000", "0.00000000"]


@pytest.mark.parametrize(
    ("quantity", "code", "text"),
    [
        ("0.5", -2038, "change no state"),
        ("0.6", -2038, "increase"),
        ("0.000001", -1013, "LOT_SIZE"),
        ("0", -1013, "LOT_SIZE"),
        ("x", -1100, "newQty"),
    ],
)
def test_amendments_that_are_refused(call: BinanceCaller, quantity: str, code: int, text: str) -> None:
    order = rest(call, "0.5")
    refusal = call.signed(
        "PUT", "order/amend/keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty=quantity
    ).json()
    assert refusal["code"] == code
    assert text in refusal["msg"]
    found = call.signed("GET", "order", symbol="BTCUSDT", orderId=order["orderId"]).json()
    assert (found["origQty"], found["clientOrderId"]) == ("0.50000000", order["clientOrderId"])


def test_amending_what_is_not_there(call: BinanceCaller) -> None:
    order = rest(call, "0.5", newClientOrderId="taken")
    other = rest(call, "0.5")
    amend = {"symbol": "BTCUSDT", "orderId": other["orderId"], "newQty": "0.4"}
    taken = call.signed("PUT", "order/amend/keepPriority", **amend, newClientOrderId="taken").json()
    assert taken["code"] == -2010
    call.signed("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    gone = {**amend, "orderId": order["orderId"]}
    assert call.signed("PUT", "order/amend/keepPriority", **gone).json()["code"] == -2011
    assert call.signed("PUT", "order/amend/keepPriority", **{**amend, "newQty": None}).json()["code"] == -1102


def test_an_amendment_is_a_report_and_counts_as_no_order(server: SimulatorServer, call: BinanceCaller) -> None:
    order = rest(call, "0.5")
    before = call.signed("GET", "rateLimit/order").json()[0]["count"]
    with open_socket(server, API) as client:
        client.ask({"id": 1, "method": "userDataStream.subscribe.signature", "params": sign_ws(server)})
        asked = {"symbol": "BTCUSDT", "orderId": order["orderId"], "newQty": "0.4"}
        answer = client.ask({"id": 2, "method": "order.amend.keepPriority", "params": sign_ws(server, **asked)})
        assert answer["result"]["amendedOrder"]["qty"] == "0.40000000"
        report = client.until(lambda message: message.get("event", {}).get("e") == "executionReport")["event"]
        assert (report["x"], report["X"], report["q"]) == ("REPLACED", "NEW", "0.40000000")
    assert call.signed("GET", "rateLimit/order").json()[0]["count"] == before


# --- smart order routing ---


def test_smart_order_routing(call: BinanceCaller) -> None:
    assert call.public("exchangeInfo", symbol="BTCUSDT").json()["sors"] == [
        {"baseAsset": "BTC", "symbols": ["BTCUSDT"]}
    ]
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    assert call.signed("POST", "sor/order/test", **market).json() == {}
    placed = call.signed("POST", "sor/order", **market).json()
    assert (placed["status"], placed["workingFloor"], placed["usedSor"]) == ("FILLED", "SOR", True)
    assert all(fill["matchType"] == "ONE_PARTY_TRADE_REPORT" and "allocId" in fill for fill in placed["fills"])
    found = call.signed("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"]).json()
    assert (found["workingFloor"], found["usedSor"]) == ("SOR", True)
    assert (
        call.signed("POST", "sor/order", **{**market, "quantity": None, "quoteOrderQty": "10"}).json()["code"] == -1116
    )
    usual = call.order(side="BUY", type="MARKET", quantity="0.01").json()
    assert "usedSor" not in usual


# --- options of the WebSocket API ---


def test_the_signature_covers_every_parameter(server: SimulatorServer) -> None:
    """``returnRateLimits`` was taken out before the signature was checked, which then was wrong."""
    with open_socket(server, API) as client:
        for value in ("false", "true"):
            params = sign_ws(server, returnRateLimits=value)
            answer = client.ask({"id": value, "method": "account.status", "params": params})
            assert (answer["status"], "rateLimits" in answer) == (200, value == "true")
        params = {**sign_ws(server, returnRateLimits="false"), "returnRateLimits": False}
        answer = client.ask({"id": "b", "method": "account.status", "params": params})
        assert (answer["status"], "rateLimits" in answer) == (200, False)
        forged = {**sign_ws(server, returnRateLimits="false"), "returnRateLimits": True}
        assert client.ask({"id": "f", "method": "account.status", "params": forged})["error"]["code"] == -1022
        wrong = client.ask({"id": "w", "method": "ping", "params": {"returnRateLimits": "maybe"}})
        assert wrong["error"]["code"] == -1130


def time_of(client: Socket, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.ask({"id": 1, "method": "time", "params": params})
    return answer


def test_options_in_the_address(server: SimulatorServer, call: BinanceCaller) -> None:
    now_ms = server.exchange.server_time_ms()
    with open_socket(server, f"{API}?timeUnit=MICROSECOND&returnRateLimits=false") as client:
        answer = time_of(client)
        assert "rateLimits" not in answer
        assert answer["result"]["serverTime"] >= now_ms * 1000
        assert "rateLimits" in time_of(client, returnRateLimits=True)
        assert client.ask({"id": 2, "method": "session.status"})["result"]["returnRateLimits"] is False
        client.ask({"id": 3, "method": "userDataStream.subscribe.signature", "params": sign_ws(server)})
        rest(call, "0.1")
        report = client.until(lambda message: message.get("event", {}).get("e") == "executionReport")["event"]
        assert min(report["E"], report["T"], report["O"], report["W"]) >= now_ms * 1000
    with open_socket(server, API) as client:
        assert time_of(client)["result"]["serverTime"] < now_ms * 10
    with pytest.raises(Exception, match="400"), open_socket(server, f"{API}?timeUnit=HOUR"):
        pass
