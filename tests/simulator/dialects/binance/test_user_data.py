"""Binance's WebSocket API, its user data stream and the former listenKey, as a client sees them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.transport.stream_settings import StreamSettings
from tests.helpers.simulators import BinanceCaller, free_session, simulator
from tests.helpers.ws_clients import LoopTime, Socket, buy, open_socket, sign_ws, wait_until


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("binance", rate_scale=1000) as running:
        yield running


@pytest.fixture
def caller(server: SimulatorServer) -> Iterator[BinanceCaller]:
    with free_session() as session:
        yield BinanceCaller(server, session)


# --- the WebSocket API ---

API = "/ws-api/v3"


def test_calls_by_name_answer_what_rest_answers(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        assert client.ask({"id": 1, "method": "ping"})["result"] == {}
        depth = client.ask({"id": "d", "method": "depth", "params": {"symbol": "BTCUSDT", "limit": 5}})
        assert depth["status"] == 200
        assert depth["result"] == caller.public("depth", symbol="BTCUSDT", limit=5).json()
        assert depth["rateLimits"][-1]["rateLimitType"] == "REQUEST_WEIGHT"
        prices = client.ask({"id": None, "method": "v3/ticker.price", "params": {"symbols": ["BTCUSDT", "ETHUSDT"]}})
        assert [row["symbol"] for row in prices["result"]] == ["BTCUSDT", "ETHUSDT"]
        quiet = client.ask({"id": 3, "method": "time", "params": {"returnRateLimits": False}})
        assert set(quiet) == {"id", "status", "result"}
        wrong = client.ask({"id": 4, "method": "depth", "params": {"symbol": "NOTHING"}})
        assert (wrong["status"], wrong["error"]["code"]) == (400, -1121)


@pytest.mark.parametrize("message", ["{", "[]", '{"id":1.5,"method":"ping"}', '{"id":1,"method":"ping","params":[]}1'])
def test_what_is_no_request_is_refused(server: SimulatorServer, message: str) -> None:
    with open_socket(server, API) as client:
        client.send(message)
        answer = client.read()
        assert (answer["status"], answer["error"]["code"], answer["id"]) == (400, -1135, None)


def test_orders_by_the_api_signed_with_numbers_as_they_are_written(server: SimulatorServer) -> None:
    with open_socket(server, API) as client:
        params = sign_ws(
            server, symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price="50000.00",
            newClientOrderId="mine",
        )  # fmt: skip
        placed = client.ask({"id": 1, "method": "order.place", "params": params})
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        assert {limit["rateLimitType"] for limit in placed["rateLimits"]} == {"ORDERS", "REQUEST_WEIGHT"}
        asked = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
        status = client.ask({"id": 2, "method": "order.status", "params": sign_ws(server, **asked)})
        assert status["result"]["orderId"] == placed["result"]["orderId"]
        cancelled = client.ask({"id": 3, "method": "order.cancel", "params": sign_ws(server, **asked)})
        assert cancelled["result"]["status"] == "CANCELED"
        bad = sign_ws(server, **asked)
        bad["signature"] = "0" * 64
        refused = client.ask({"id": 4, "method": "order.status", "params": bad})
        assert (refused["status"], refused["error"]["code"]) == (400, -1022)
        stranger = sign_ws(server, apiKey="x" * 64, **asked)
        assert client.ask({"id": 5, "method": "order.status", "params": stranger})["error"]["code"] == -2015
        late = sign_ws(server, **asked, timestamp=server.exchange.server_time_ms() - 60_000)
        assert client.ask({"id": 6, "method": "order.status", "params": late})["error"]["code"] == -1021
        assert client.ask({"id": 7, "method": "order.status", "params": asked})["error"]["code"] == -1102


def test_sessions_need_a_key_that_the_simulator_does_not_give_out(server: SimulatorServer) -> None:
    with open_socket(server, API) as client:
        assert client.ask({"id": 1, "method": "session.logon", "params": sign_ws(server)})["error"]["code"] == -2028
        assert client.ask({"id": 2, "method": "userDataStream.subscribe"})["error"]["code"] == -1193
        status = client.ask({"id": 3, "method": "session.status"})["result"]
        assert (status["apiKey"], status["userDataStream"]) == (None, False)
        assert client.ask({"id": 4, "method": "nothing.such"})["error"]["code"] == -1130


# --- user data ---


def subscribe_user(client: Socket, server: SimulatorServer) -> int:
    answer = client.ask({"id": 1, "method": "userDataStream.subscribe.signature", "params": sign_ws(server)})
    assert answer["status"] == 200
    number = answer["result"]["subscriptionId"]
    assert isinstance(number, int)
    return number


def test_the_events_of_an_order_from_birth_to_cancel(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        assert subscribe_user(client, server) == 0
        placed = caller.order(side="BUY", quantity="0.01", price="50000", newClientOrderId="mine").json()
        born, locked = client.read(), client.read()
        assert born["subscriptionId"] == locked["subscriptionId"] == 0
        event = born["event"]
        assert (event["e"], event["x"], event["X"], event["c"], event["C"]) == (
            "executionReport",
            "NEW",
            "NEW",
            "mine",
            "",
        )
        assert (event["s"], event["S"], event["o"], event["f"], event["q"], event["p"]) == (
            "BTCUSDT", "BUY", "LIMIT", "GTC", "0.01000000", "50000.00000000",
        )  # fmt: skip
        assert (event["i"], event["t"], event["N"], event["w"]) == (placed["orderId"], -1, None, True)
        balances = {row["a"]: row for row in locked["event"]["B"]}
        assert locked["event"]["e"] == "outboundAccountPosition"
        assert balances["USDT"]["l"] == "500.00000000"
        caller.signed("DELETE", "order", symbol="BTCUSDT", orderId=placed["orderId"])
        gone, freed = client.read()["event"], client.read()["event"]
        assert (gone["x"], gone["X"], gone["C"], gone["w"]) == ("CANCELED", "CANCELED", "mine", False)
        assert gone["c"] != "mine"
        assert {row["a"]: row["l"] for row in freed["B"]}["USDT"] == "0.00000000"


def test_the_events_of_fills_add_up(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        subscribe_user(client, server)
        before = server.exchange.balances(server.account)
        answer = caller.order(side="BUY", type="MARKET", quantity="1.5").json()
        events: list[dict[str, Any]] = []
        while not events or events[-1]["e"] != "outboundAccountPosition":
            events.append(client.read()["event"])
    reports = [event for event in events if event["e"] == "executionReport"]
    assert [report["x"] for report in reports] == ["NEW"] + ["TRADE"] * len(answer["fills"])
    assert len(answer["fills"]) > 1
    fills = reports[1:]
    assert [(fill["L"], fill["l"], fill["n"], fill["N"], fill["t"]) for fill in fills] == [
        (fill["price"], fill["qty"], fill["commission"], fill["commissionAsset"], fill["tradeId"])
        for fill in answer["fills"]
    ]
    assert (fills[-1]["X"], fills[-1]["z"], fills[-1]["Z"]) == ("FILLED", "1.50000000", answer["cummulativeQuoteQty"])
    assert sum(Decimal(fill["Y"]) for fill in fills) == Decimal(fills[-1]["Z"])
    assert all(fill["X"] == "PARTIALLY_FILLED" for fill in fills[:-1])
    after = {row["a"]: Decimal(row["f"]) + Decimal(row["l"]) for row in events[-1]["B"]}
    bought = sum(Decimal(fill["l"]) - Decimal(fill["n"]) for fill in fills)
    assert after["BTC"] == before["BTC"].total + bought
    assert after["USDT"] == before["USDT"].total - Decimal(fills[-1]["Z"])
    assert not any(event["e"] == "balanceUpdate" for event in events)


def test_an_order_that_expires_says_why(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        subscribe_user(client, server)
        caller.order(side="BUY", quantity="0.01", price="50000", timeInForce="FOK")
        assert client.read()["event"]["x"] == "NEW"
        event = client.read()["event"]
        assert (event["x"], event["X"], event["eR"]) == ("EXPIRED", "EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")


def test_a_deposit_is_told_apart_from_trades(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        subscribe_user(client, server)
        caller.order(side="BUY", type="MARKET", quantity="0.01")
        client.until(lambda message: message["event"]["e"] == "outboundAccountPosition")
        server.exchange.deposit(server.account, "USDT", Decimal("12.5"))
        moved, position = client.read()["event"], client.read()["event"]
        assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "USDT", "12.50000000")
        assert position["e"] == "outboundAccountPosition"


def test_user_subscriptions_end_and_begin_again(server: SimulatorServer, caller: BinanceCaller) -> None:
    with open_socket(server, API) as client:
        assert subscribe_user(client, server) == 0
        again = client.ask({"id": 2, "method": "userDataStream.subscribe.signature", "params": sign_ws(server)})
        assert again["error"]["code"] == -2035
        assert client.ask({"id": 3, "method": "session.subscriptions"})["result"] == [{"subscriptionId": 0}]
        wrong = client.ask({"id": 4, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 7}})
        assert wrong["error"]["code"] == -2036
        client.send({"id": 5, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 0}})
        assert client.read()["event"]["e"] == "eventStreamTerminated"
        assert client.read() == {"id": 5, "status": 200, "result": {}, "rateLimits": []}
        caller.order(side="BUY", quantity="0.01", price="50000")
        assert client.silent()
        assert subscribe_user(client, server) == 1
        wait_until(lambda: len(server.site.topics) == 1)
    wait_until(lambda: not len(server.site.topics))


# --- the former listenKey ---


def keyed(server: SimulatorServer, session: requests.Session, method: str, **params: Any) -> requests.Response:
    url = f"{server.base_url}/api/v3/userDataStream"
    return session.request(method, url, params=params, headers={"X-MBX-APIKEY": server.key}, timeout=60)


def test_a_listen_key_from_birth_to_close(server: SimulatorServer, caller: BinanceCaller) -> None:
    session = caller.session
    key = keyed(server, session, "POST").json()["listenKey"]
    assert keyed(server, session, "POST").json()["listenKey"] == key
    assert keyed(server, session, "PUT", listenKey=key).json() == {}
    with open_socket(server, f"/ws/{key}") as client, open_socket(server, f"/stream?streams={key}") as combined:
        wait_until(lambda: list(server.site.topics.view().values()) == [2])
        caller.order(side="BUY", quantity="0.01", price="50000")
        event = client.read()
        assert (event["e"], event["x"]) == ("executionReport", "NEW")
        assert combined.read()["stream"] == key
        assert keyed(server, session, "DELETE", listenKey=key).json() == {}
        wait_until(lambda: not len(server.site.topics))
    assert keyed(server, session, "PUT", listenKey=key).json()["code"] == -1125


def test_a_listen_key_expires() -> None:
    with simulator("binance", streams=StreamSettings(listen_key_s=3600)) as server, free_session() as session:
        loop_time = LoopTime(server)
        key = keyed(server, session, "POST").json()["listenKey"]
        with open_socket(server, f"/ws/{key}") as client:
            loop_time.advance(3601)
            event = client.read()
            assert (event["e"], event["listenKey"]) == ("listenKeyExpired", key)
            buy(server)
            assert client.silent()
        assert keyed(server, session, "PUT", listenKey=key).json()["code"] == -1125


def test_listen_keys_need_a_known_key_and_name(server: SimulatorServer, caller: BinanceCaller) -> None:
    url = f"{server.base_url}/api/v3/userDataStream"
    refused = caller.session.post(url, headers={"X-MBX-APIKEY": "x" * 64}, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (401, -2015)
    assert keyed(server, caller.session, "PUT").json()["code"] == -1102
    assert keyed(server, caller.session, "PUT", listenKey="nope").json()["code"] == -1125
    assert keyed(server, caller.session, "GET").status_code == 405


def test_a_secret_never_travels(server: SimulatorServer) -> None:
    with open_socket(server, API) as client:
        subscribe_user(client, server)
        buy(server)
        texts = [str(client.text()) for _ in range(3)]
        client.send("nonsense " + server.secret)
        texts.append(repr(server))
    assert not any(server.secret in text for text in texts)
