"""OKX's channels of algo orders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.empty_market import EmptyMarket
from tests.helpers.simulators import OkxCaller, free_session, simulator
from tests.helpers.ws_clients import open_socket
from tests.simulator.dialects.okx.test_streams import BUSINESS, PRIVATE, log_in, subscribe


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("okx") as running:
        yield running


@pytest.fixture
def call(server: SimulatorServer) -> Iterator[OkxCaller]:
    with free_session() as session:
        yield OkxCaller(server, session)


def test_a_stop_from_placing_to_triggering(server: SimulatorServer, call: OkxCaller) -> None:
    market = EmptyMarket(server)
    market.trade("60000")
    with open_socket(server, BUSINESS) as client:
        assert subscribe(client, channel="orders-algo", instType="ANY")["code"] == "60011"
        log_in(client, server)
        arg = {"channel": "orders-algo", "instType": "SPOT", "instId": "BTC-USDT"}
        assert subscribe(client, **arg)["arg"] == arg
        body = {"instId": "BTC-USDT", "tdMode": "cash", "side": "sell", "sz": "0.1"}
        trail = {**body, "ordType": "move_order_stop", "callbackSpread": "100"}  # told by the other channel
        call.signed("POST", "trade/order-algo", trail)
        stop = {**body, "ordType": "conditional", "slTriggerPx": "59000", "slOrdPx": "-1"}
        algo_id = call.signed("POST", "trade/order-algo", stop).json()["data"][0]["algoId"]
        told = client.read()
        assert told["arg"] == {**arg, "uid": str(server.account.uid)}
        row = told["data"][0]
        assert (row["algoId"], row["state"], row["notionalUsd"], row["reqId"]) == (algo_id, "live", "6000", "")
        call.signed(
            "POST", "trade/amend-algos", {"instId": "BTC-USDT", "algoId": algo_id, "newSlTriggerPx": "58000", "reqId": "r7"}
        )  # fmt: skip
        row = client.read()["data"][0]
        assert (row["slTriggerPx"], row["reqId"], row["amendResult"]) == ("58000", "r7", "0")
        market.rest("buy", "57000")
        market.trade("58000")
        row = client.read()["data"][0]
        assert (row["algoId"], row["state"], row["actualSide"]) == (algo_id, "effective", "sl")


def test_trailing_orders_have_a_channel_of_their_own(server: SimulatorServer, call: OkxCaller) -> None:
    EmptyMarket(server).trade("60000")
    with open_socket(server, BUSINESS) as client:
        log_in(client, server)
        subscribe(client, channel="algo-advance", instType="SPOT")
        body = {"instId": "BTC-USDT", "tdMode": "cash", "side": "sell", "sz": "0.1"}
        call.signed("POST", "trade/order-algo", {**body, "ordType": "trigger", "triggerPx": "59000", "orderPx": "-1"})
        call.signed("POST", "trade/order-algo", {**body, "ordType": "move_order_stop", "callbackSpread": "100"})
        row = client.read()["data"][0]
        assert (row["ordType"], row["state"], row["moveTriggerPx"]) == ("move_order_stop", "live", "59900")


def test_the_channels_are_at_the_business_address_only(server: SimulatorServer) -> None:
    with open_socket(server, PRIVATE) as client:
        log_in(client, server)
        assert subscribe(client, channel="orders-algo", instType="ANY")["code"] == "60018"
