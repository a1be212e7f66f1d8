"""OKX's calls beside the basic ones: amendments, checks before an order, what an account may trade, and cancel-all-after."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import OkxCaller, free_session, simulator
from tests.helpers.ws_clients import wait_until
from tests.simulator.dialects.okx.test_rest import data, item_refused, refused, top
from tests.simulator.dialects.test_ccxt import okx_client

BTC = "BTC-USDT"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with simulator("okx") as running:
        yield running


@pytest.fixture
def call(server: SimulatorServer) -> Iterator[OkxCaller]:
    with free_session() as session:
        yield OkxCaller(server, session)


def amend(call: OkxCaller, **fields: Any) -> requests.Response:
    return call.signed("POST", "trade/amend-order", {"instId": BTC, **fields})


# --- amendments ---


def test_an_order_is_amended_in_size_and_price(call: OkxCaller) -> None:
    bid, _ = top(call)
    (made,) = data(call.order(sz="0.01", px=f"{bid - 800:f}"))
    (row,) = data(amend(call, ordId=made["ordId"], newSz="0.02", newPx=f"{bid - 900:f}", reqId="r1"))
    assert (row["ordId"], row["reqId"], row["sCode"]) == (made["ordId"], "r1", "0")
    (order,) = data(call.signed("GET", "trade/order", instId=BTC, ordId=made["ordId"]))
    assert (order["sz"], order["px"], order["state"]) == ("0.02", f"{bid - 900:f}", "live")


def test_amendments_that_are_refused(call: OkxCaller) -> None:
    bid, ask = top(call)
    (made,) = data(call.order(sz="0.01", px=f"{bid - 800:f}"))
    item_refused(amend(call, ordId=made["ordId"]), "51500")
    item_refused(amend(call, ordId=made["ordId"], newPx=f"{bid * 2:f}"), "51137")
    item_refused(amend(call, ordId=made["ordId"], newSz="9999"), "51502")
    item_refused(amend(call, ordId="1", newSz="0.02"), "51503")
    (shy,) = data(call.order(sz="0.01", px=f"{bid - 800:f}", ordType="post_only"))
    item_refused(amend(call, ordId=shy["ordId"], newPx=f"{ask + 10:f}"), "51511")
    (order,) = data(call.signed("GET", "trade/order", instId=BTC, ordId=shy["ordId"]))
    assert (order["state"], order["px"]) == ("live", f"{bid - 800:f}")
    item_refused(amend(call, ordId=shy["ordId"], newPx=f"{ask + 10:f}", cxlOnFail=True), "51511")
    (order,) = data(call.signed("GET", "trade/order", instId=BTC, ordId=shy["ordId"]))
    assert order["state"] == "canceled"
    item_refused(amend(call, ordId=shy["ordId"], newSz="0.02"), "51503")


def test_a_real_client_amends(server: SimulatorServer) -> None:
    client = okx_client(server)
    try:
        client.load_markets()
        order = client.create_order("BTC/USDT", "limit", "buy", 0.01, 58000)
        client.edit_order(order["id"], "BTC/USDT", "limit", "buy", 0.02, 58100)
        found = client.fetch_order(order["id"], "BTC/USDT")
        assert (found["amount"], found["price"], found["status"]) == (0.02, 58100.0, "open")
    finally:
        client.session.close()


# --- what an account may trade ---


def test_the_most_that_an_account_can_trade(call: OkxCaller) -> None:
    held = call.server.exchange.balances(call.server.account)
    (size,) = data(call.signed("GET", "account/max-size", instId=BTC, tdMode="cash", px="50000"))
    assert size == {"ccy": "BTC", "instId": BTC, "maxBuy": f"{held['USDT'].free / 50000:f}", "maxSell": "10"}
    rows = data(call.signed("GET", "account/max-avail-size", instId="BTC-USDT,ETH-USDT", tdMode="cash"))
    assert rows == [
        {"instId": "BTC-USDT", "availBuy": "1000000", "availSell": "10"},
        {"instId": "ETH-USDT", "availBuy": "1000000", "availSell": "200"},
    ]
    call.order(sz="1", px="58000")
    (frozen,) = data(call.signed("GET", "account/max-avail-size", instId=BTC, tdMode="cash"))
    assert frozen["availBuy"] == "942000"
    (row,) = data(call.signed("GET", "account/max-withdrawal", ccy="USDT"))
    assert (row["ccy"], row["maxWd"]) == ("USDT", "942000")
    assert len(data(call.signed("GET", "account/max-withdrawal"))) == 3
    refused(call.signed("GET", "account/max-size", instId=BTC, tdMode="cross"), "51010")
    refused(call.signed("GET", "account/max-size", tdMode="cash"), "50014", 400)
    refused(call.signed("GET", "account/max-avail-size", instId="NO-SUCH", tdMode="cash"), "51001")
    (limit,) = data(call.signed("GET", "trade/account-rate-limit"))
    assert set(limit) == {"accRateLimit", "fillRatio", "mainFillRatio", "nextAccRateLimit", "ts"}


def test_an_order_is_checked_and_not_placed(call: OkxCaller) -> None:
    order = {"instId": BTC, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "1", "px": "58000"}
    (row,) = data(call.signed("POST", "trade/order-precheck", order))
    assert (row["availBal"], row["availBalChg"]) == ("1000000", "-58000")
    refused(call.signed("POST", "trade/order-precheck", {**order, "sz": "0.000000001"}), "51020")
    refused(call.signed("POST", "trade/order-precheck", {**order, "px": ""}), "51204")
    assert data(call.signed("GET", "trade/orders-pending")) == []


# --- cancel-all-after ---


def test_orders_are_cancelled_when_the_client_falls_silent() -> None:
    clock = ManualClock(start=1_800_000_000)
    with simulator("okx", clock=clock) as server, free_session() as session:
        call = OkxCaller(server, session)
        (first,) = data(call.order(sz="0.01", px="58000"))
        (row,) = data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "30"}))
        assert (row["triggerTime"], row["tag"]) == (str(server.exchange.server_time_ms() + 30_000), "")
        clock.advance(29)
        data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "30"}))  # asks for more time
        clock.advance(29)
        server.dialect.dead_man.cancel_due()
        assert len(data(call.signed("GET", "trade/orders-pending"))) == 1
        clock.advance(1)
        wait_until(lambda: not server.exchange.open_orders(server.account))
        (order,) = data(call.signed("GET", "trade/order", instId=BTC, ordId=first["ordId"]))
        assert (order["state"], order["cancelSource"]) == ("canceled", "20")


def test_cancel_all_after_can_be_switched_off_and_kept_to_a_tag() -> None:
    clock = ManualClock(start=1_800_000_000)
    with simulator("okx", clock=clock) as server, free_session() as session:
        call = OkxCaller(server, session)
        data(call.order(sz="0.01", px="58000", tag="mine"))
        data(call.order(sz="0.01", px="58000"))
        (off,) = data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "0"}))
        assert off["triggerTime"] == "0"
        data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "10", "tag": "mine"}))
        data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "10"}))
        data(call.signed("POST", "trade/cancel-all-after", {"timeOut": "0"}))
        clock.advance(10)
        wait_until(lambda: len(server.exchange.open_orders(server.account)) == 1)
        assert server.exchange.open_orders(server.account)[0].extra["tag"] == ""


@pytest.mark.parametrize("time_out", ["9", "121", "x", "-1", "", None])
def test_times_that_are_no_times(call: OkxCaller, time_out: str | None) -> None:
    reply = call.signed("POST", "trade/cancel-all-after", {"timeOut": time_out})
    refused(reply, "50014" if not time_out else "51000", 400)


def test_a_real_client_asks_for_it(server: SimulatorServer) -> None:
    client = okx_client(server)
    try:
        client.load_markets()
        assert client.cancel_all_orders_after(20_000)["data"][0]["triggerTime"] != "0"
    finally:
        client.session.close()


# --- pages, dates ---


def test_a_page_of_history_is_the_newest_that_match(call: OkxCaller) -> None:
    for place in range(30):
        call.order(ordType="market", side="buy" if place % 2 else "sell", sz="0.001", tgtCcy="base_ccy")
    rows = data(call.signed("GET", "trade/orders-history", instType="SPOT", limit="10"))
    ids = [int(row["ordId"]) for row in rows]
    assert ids == sorted(ids, reverse=True)
    older = data(call.signed("GET", "trade/orders-history", instType="SPOT", limit="10", after=str(ids[-1])))
    assert [int(row["ordId"]) for row in older] == [number - 10 for number in ids]
    newer = data(call.signed("GET", "trade/orders-history", instType="SPOT", before=str(ids[3])))
    assert [int(row["ordId"]) for row in newer] == ids[:3]
    bills = data(call.signed("GET", "trade/fills", limit="5", subType="1"))
    assert [row["side"] for row in bills] == ["buy"] * 5
    next_bills = data(call.signed("GET", "trade/fills", limit="5", after=bills[-1]["billId"]))
    assert int(next_bills[0]["billId"]) < int(bills[-1]["billId"])
    trades = data(call.public("market/history-trades", instId=BTC, limit="5"))
    before = data(call.public("market/history-trades", instId=BTC, limit="5", after=trades[-1]["tradeId"]))
    assert [int(row["tradeId"]) for row in before] == [int(row["tradeId"]) - 5 for row in trades]
    timed = data(call.public("market/history-trades", instId=BTC, limit="5", type="2", after=trades[-1]["ts"]))
    assert all(int(row["ts"]) < int(trades[-1]["ts"]) for row in timed)


def test_every_reply_says_when(call: OkxCaller) -> None:
    venue_s = call.server.exchange.server_time_ms() / 1000
    reply = call.public("public/time")
    assert abs(parsedate_to_datetime(reply.headers["Date"]).timestamp() - venue_s) < 10
    unknown = call.public("nothing/here")
    assert (unknown.status_code, unknown.json()["code"]) == (410, "50005")
    assert Decimal(parsedate_to_datetime(unknown.headers["Date"]).timestamp()) > 0
