"""The Binance spot dialect over real sockets: signatures, envelopes, error codes, limits."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.dialects.binance.signatures import check_signature, signed_payload
from fmzthreads.simulator.engine.orders import NewOrder
from fmzthreads.simulator.transport.requests import WireRequest
from tests.helpers.simulators import BinanceCaller, free_session, simulator


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatorServer]:
    with simulator("binance", rate_scale=1000) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as opened:
        yield opened


@pytest.fixture
def call(shared: SimulatorServer, session: requests.Session) -> BinanceCaller:
    return BinanceCaller(shared, session)


def top(call: BinanceCaller) -> tuple[Decimal, Decimal]:
    row = call.public("ticker/bookTicker", symbol="BTCUSDT").json()
    return Decimal(row["bidPrice"]), Decimal(row["askPrice"])


def refused(reply: requests.Response, code: int, text: str = "", status: int = 400) -> None:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), body
    assert text in body["msg"]
    assert "X-MBX-USED-WEIGHT-1M" in reply.headers


# --- signing ---


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            (
                "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
                "&price=0.1&recvWindow=5000&timestamp=1499827319559"
            ),
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
@pytest.mark.parametrize("split", [0, 40, None])
def test_the_official_vectors(payload: str, signature: str, split: int | None) -> None:
    """The vectors of the venue's own documents, with the parameters in the query, the body, or both."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    cut = len(payload) if split is None else split
    query, body = payload[:cut], payload[cut:]
    if body:
        body += f"&signature={signature.upper()}"
    else:
        query += f"&signature={signature}"
    request = WireRequest("POST", "/api/v3/order", "/api/v3/order", query, body.encode(), {}, "127.0.0.1")
    assert signed_payload(request)[1] == payload.encode()
    check_signature(signed_payload(request), secret)


@pytest.mark.parametrize("place", ["query", "body", "mixed"])
def test_parameters_may_travel_anywhere(call: BinanceCaller, place: str) -> None:
    bid, _ = top(call)
    made = call.order(side="BUY", quantity="0.001", price=f"{bid - 500:f}", place=place)
    assert made.status_code == 200, made.text
    gone = call.signed("DELETE", "order", symbol="BTCUSDT", orderId=made.json()["orderId"], place=place)
    assert gone.json()["status"] == "CANCELED"


def test_the_signature_may_stand_anywhere_in_the_query(call: BinanceCaller) -> None:
    stamp = call.server.exchange.server_time_ms()
    payload = f"omitZeroBalances=true&timestamp={stamp}"
    signature = hmac.new(call.server.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    for query in (f"signature={signature}&{payload}", payload.replace("&", f"&signature={signature}&")):
        reply = call.session.get(
            f"{call.base}/api/v3/account?{query}", headers={"x-mbx-apikey": call.server.key}, timeout=60
        )
        assert reply.status_code == 200, reply.text


def test_who_may_not(call: BinanceCaller) -> None:
    refused(call.signed("GET", "account", key=""), -2014, "API-key format invalid.", 401)
    refused(call.signed("GET", "account", key="k" * 64), -2015, "Invalid API-key", 401)
    refused(call.signed("GET", "account", secret="wrong"), -1022, "Signature for this request is not valid.")
    headers = {"X-MBX-APIKEY": call.server.key}
    stamp = call.server.exchange.server_time_ms()
    for query, name in (("", "timestamp"), (f"timestamp={stamp}", "signature")):
        reply = call.session.get(f"{call.base}/api/v3/account?{query}", headers=headers, timeout=60)
        refused(reply, -1102, f"'{name}'")


def test_the_time_stamp_must_fit(call: BinanceCaller) -> None:
    now = call.server.exchange.server_time_ms()
    refused(
        call.signed("GET", "account", timestamp=now - 60_001, recvWindow=60_000), -1021, "outside of the recvWindow"
    )
    refused(call.signed("GET", "account", timestamp=now - 8000), -1021, "outside of the recvWindow")
    refused(call.signed("GET", "account", timestamp=now + 5000), -1021, "1000ms ahead")
    refused(call.signed("GET", "account", recvWindow=60_001), -1130)
    refused(call.signed("GET", "account", recvWindow="soon"), -1100, "recvWindow")
    assert call.signed("GET", "account", timestamp=now * 1000).status_code == 200  # microseconds
    assert call.signed("GET", "account", timestamp=now - 8000, recvWindow="59999.999").status_code == 200


# --- public ---


def test_exchange_info(call: BinanceCaller) -> None:
    info = call.public("exchangeInfo").json()
    assert [entry["symbol"] for entry in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    symbol = info["symbols"][0]
    assert (symbol["status"], symbol["baseAsset"], symbol["quoteAsset"]) == ("TRADING", "BTC", "USDT")
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    limits = {(entry["rateLimitType"], entry["interval"], entry["intervalNum"]) for entry in info["rateLimits"]}
    assert ("REQUEST_WEIGHT", "MINUTE", 1) in limits
    assert ("ORDERS", "SECOND", 10) in limits
    one = call.public("exchangeInfo", symbol="ETHUSDT").json()["symbols"]
    many = call.public("exchangeInfo", symbols='["ETHUSDT","BTCUSDT"]').json()["symbols"]
    assert [entry["symbol"] for entry in one + many] == ["ETHUSDT", "ETHUSDT", "BTCUSDT"]
    assert call.public("exchangeInfo", permissions="MARGIN").json()["symbols"] == []
    refused(call.public("exchangeInfo", symbol="NOPE"), -1121)
    refused(call.public("exchangeInfo", symbol="BTCUSDT", symbols='["ETHUSDT"]'), -1128)
    refused(call.public("exchangeInfo", symbols='["BTCUSDT","BTCUSDT"]'), -1151)
    refused(call.public("exchangeInfo", symbols="BTCUSDT"), -1100)


def test_depth_and_its_weights(session: requests.Session) -> None:
    with simulator("binance", rate_scale=1) as server:
        call = BinanceCaller(server, session)
        used = 0
        for limit, weight in ((None, 5), (5, 5), (100, 5), (101, 25), (501, 50), (1001, 250), (99999, 250)):
            reply = call.public("depth", symbol="BTCUSDT", limit=limit)
            used += weight
            assert reply.headers["X-MBX-USED-WEIGHT-1M"] == str(used)
            assert reply.headers["X-MBX-USED-WEIGHT"] == str(used)
    book = reply.json()
    assert isinstance(book["lastUpdateId"], int)
    assert all(
        len(level) == 2 and isinstance(text, str) for side in ("bids", "asks") for level in book[side] for text in level
    )
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])


@pytest.mark.parametrize(
    ("path", "params", "code", "text"),
    [
        ("depth", {}, -1102, "'symbol'"),
        ("depth", {"symbol": ""}, -1102, "'symbol'"),
        ("depth", {"symbol": "btcusdt"}, -1100, "'symbol'"),
        ("depth", {"symbol": "XXXUSDT"}, -1121, "Invalid symbol."),
        ("depth", {"symbol": "BTCUSDT", "limit": "ten"}, -1100, "'limit'"),
        ("depth", {"symbol": "BTCUSDT", "limit": ""}, -1105, "'limit'"),
        ("depth", {"symbol": "BTCUSDT", "limit": "0"}, -1130, "'limit'"),
        ("depth", {"symbol": "BTCUSDT", "limit": "99999999999999999999"}, -1108, "'limit'"),
        ("depth", {"symbol": "BTCUSDT", "level": "3"}, -1104, "read '1' parameter(s) but was sent '2'"),
        ("depth", {"symbol": "BTCUSDT", "symbolStatus": "HALT"}, -1220, ""),
        ("depth", {"symbol": "BTCUSDT", "symbolStatus": "OPEN"}, -1122, ""),
        ("ping", {"x": "1"}, -1101, "expected '0' and received '1'"),
        ("klines", {"symbol": "BTCUSDT"}, -1102, "'interval'"),
        ("klines", {"symbol": "BTCUSDT", "interval": "1D"}, -1120, "Invalid interval."),
        ("klines", {"symbol": "BTCUSDT", "interval": "1d", "timeZone": "99"}, -1130, "'timeZone'"),
        ("ticker/24hr", {"symbol": "BTCUSDT", "type": "HUGE"}, -1130, "'type'"),
    ],
)  # fmt: skip
def test_what_a_bad_parameter_gets(
    call: BinanceCaller, path: str, params: dict[str, str], code: int, text: str
) -> None:
    refused(call.public(path, **params), code, text)


def test_a_parameter_twice(call: BinanceCaller) -> None:
    reply = call.session.get(f"{call.base}/api/v3/depth?symbol=BTCUSDT&symbol=ETHUSDT", timeout=60)
    refused(reply, -1101, "Duplicate values")


def test_unknown_paths_and_methods(call: BinanceCaller) -> None:
    for path in ("api/v3/nothing/here", "nothing", "sapi/v1/loan/vip"):
        reply = call.session.get(f"{call.base}/{path}", timeout=60)
        assert (reply.status_code, reply.json()["code"]) == (404, -1020)
        assert reply.headers["Content-Type"].startswith("application/json")
    reply = call.session.put(f"{call.base}/api/v3/order", timeout=60)
    assert (reply.status_code, reply.json()["code"]) == (405, -1020)


def test_every_reply_says_when(call: BinanceCaller) -> None:
    venue_s = call.server.exchange.server_time_ms() // 1000
    for reply in (call.public("ping"), call.public("nothing/here")):
        assert parsedate_to_datetime(reply.headers["Date"]).timestamp() == pytest.approx(venue_s, abs=10)
    call.server.faults.set(clock_offset_ms=3_600_000)
    try:
        assert parsedate_to_datetime(call.public("ping").headers["Date"]).timestamp() > venue_s + 3_500
    finally:
        call.server.faults.clear()


def test_trades_and_their_numbers(call: BinanceCaller) -> None:
    call.server.driver.step(50)
    rows = call.public("trades", symbol="BTCUSDT", limit=10).json()
    ids = [row["id"] for row in rows]
    assert ids == list(range(ids[0], ids[0] + 10))
    assert call.public("historicalTrades", symbol="BTCUSDT", fromId=ids[3], limit=2).json() == rows[3:5]
    agg = call.public("aggTrades", symbol="BTCUSDT", fromId=ids[0], limit=1).json()[0]
    assert (agg["a"], agg["f"], agg["l"], agg["p"], agg["m"]) == (
        ids[0],
        ids[0],
        ids[0],
        rows[0]["price"],
        rows[0]["isBuyerMaker"],
    )
    start = rows[2]["time"]
    timed = call.public("aggTrades", symbol="BTCUSDT", startTime=start, limit=1000).json()
    assert timed
    assert all(row["T"] >= start for row in timed)
    refused(call.public("aggTrades", symbol="BTCUSDT", fromId=1, startTime=start), -1128)


def test_klines(call: BinanceCaller) -> None:
    rows = call.public("klines", symbol="BTCUSDT", interval="1h", limit=30).json()
    assert len(rows) == 30
    for row, following in itertools.pairwise(rows):
        assert row[6] == following[0] - 1 == row[0] + 3_600_000 - 1
        assert (
            Decimal(row[3])
            <= min(Decimal(row[1]), Decimal(row[4]))
            <= max(Decimal(row[1]), Decimal(row[4]))
            <= Decimal(row[2])
        )
    assert [len(row) for row in rows] == [12] * 30
    assert call.public("klines", symbol="BTCUSDT", interval="1h", startTime=rows[3][0], limit=2).json() == rows[3:5]
    ended = call.public("klines", symbol="BTCUSDT", interval="1h", endTime=rows[9][0], limit=2).json()
    assert ended == rows[8:10]
    day = call.public("klines", symbol="BTCUSDT", interval="1d", timeZone="8", limit=2).json()
    assert day[0][0] % 86_400_000 == 16 * 3_600_000  # midnight in UTC+8
    # What clients ask to find the first bar there is must not be empty.
    assert len(call.public("klines", symbol="BTCUSDT", interval="1d", startTime=0, limit=1).json()) == 1


def test_tickers_agree_with_the_book(call: BinanceCaller) -> None:
    book = call.public("depth", symbol="BTCUSDT", limit=1).json()
    row = call.public("ticker/bookTicker", symbol="BTCUSDT").json()
    assert [[row["bidPrice"], row["bidQty"]], [row["askPrice"], row["askQty"]]] == [book["bids"][0], book["asks"][0]]
    day = call.public("ticker/24hr", symbol="BTCUSDT").json()
    assert (day["bidPrice"], day["askPrice"]) == (row["bidPrice"], row["askPrice"])
    assert Decimal(day["priceChange"]) == Decimal(day["lastPrice"]) - Decimal(day["openPrice"])
    mini = call.public("ticker/24hr", symbol="BTCUSDT", type="MINI").json()
    assert set(mini) < set(day)
    assert "bidPrice" not in mini
    price = call.public("ticker/price", symbol="BTCUSDT").json()
    assert price == {"symbol": "BTCUSDT", "price": day["lastPrice"]}
    assert {entry["symbol"] for entry in call.public("ticker/price").json()} == {"BTCUSDT", "ETHUSDT"}
    assert [e["symbol"] for e in call.public("ticker/24hr", symbols='["ETHUSDT"]').json()] == ["ETHUSDT"]
    assert call.public("avgPrice", symbol="BTCUSDT").json()["mins"] == 5


def test_times_in_microseconds(call: BinanceCaller) -> None:
    headers = {"X-MBX-TIME-UNIT": "microsecond"}
    micro = call.session.get(f"{call.base}/api/v3/time", headers=headers, timeout=60).json()["serverTime"]
    assert abs(micro // 1000 - call.server.exchange.server_time_ms()) < 5000
    wrong = call.session.get(f"{call.base}/api/v3/time", headers={"X-MBX-TIME-UNIT": "NANOSECOND"}, timeout=60)
    refused(wrong, -1194)


# --- orders ---


def test_a_limit_order_from_birth_to_cancel(call: BinanceCaller) -> None:
    bid, _ = top(call)
    price = f"{bid - 1000:.2f}"
    made = call.order(side="BUY", quantity="0.01", price=price, newClientOrderId="mine-1").json()
    assert made["clientOrderId"] == "mine-1"
    assert (made["status"], made["type"], made["timeInForce"], made["side"]) == ("NEW", "LIMIT", "GTC", "BUY")
    assert made["price"] == f"{Decimal(price):.8f}"
    assert (made["origQty"], made["executedQty"], made["cummulativeQuoteQty"]) == (
        "0.01000000",
        "0.00000000",
        "0.00000000",
    )
    assert (made["fills"], made["orderListId"], made["selfTradePreventionMode"]) == ([], -1, "EXPIRE_MAKER")
    by_id = call.signed("GET", "order", symbol="BTCUSDT", orderId=made["orderId"]).json()
    by_name = call.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="mine-1").json()
    assert by_id == by_name
    assert by_id["isWorking"] is True
    assert made["orderId"] in [order["orderId"] for order in call.signed("GET", "openOrders", symbol="BTCUSDT").json()]
    assert call.signed("GET", "openOrders", symbol="ETHUSDT").json() == []
    refused(call.signed("GET", "order", symbol="ETHUSDT", orderId=made["orderId"]), -2013)
    refused(call.signed("GET", "order", symbol="BTCUSDT", orderId=made["orderId"], origClientOrderId="other"), -2039)
    refused(call.signed("GET", "order", symbol="BTCUSDT"), -1102, "'origClientOrderId' or 'orderId'")
    refused(
        call.order(side="BUY", quantity="0.01", price=price, newClientOrderId="mine-1"), -2010, "Duplicate order sent."
    )
    gone = call.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine-1", newClientOrderId="bye").json()
    assert (gone["origClientOrderId"], gone["clientOrderId"], gone["status"]) == ("mine-1", "bye", "CANCELED")
    refused(call.signed("DELETE", "order", symbol="BTCUSDT", orderId=made["orderId"]), -2011, "Unknown order sent.")
    # A client id is free again once its order is closed.
    again = call.order(side="BUY", quantity="0.01", price=price, newClientOrderId="mine-1")
    assert again.status_code == 200
    call.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine-1")


def test_a_market_order_and_the_money(call: BinanceCaller) -> None:
    def money() -> dict[str, Decimal]:
        balances = call.signed("GET", "account").json()["balances"]
        return {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in balances}

    before = money()
    made = call.order(type="MARKET", side="BUY", quantity="0.5").json()
    assert (made["status"], made["executedQty"], made["price"], made["timeInForce"]) == (
        "FILLED", "0.50000000", "0.00000000", "GTC",
    )  # fmt: skip
    quantity = sum(Decimal(fill["qty"]) for fill in made["fills"])
    cost = sum(Decimal(fill["qty"]) * Decimal(fill["price"]) for fill in made["fills"])
    fees = sum(Decimal(fill["commission"]) for fill in made["fills"])
    assert len(made["fills"]) > 1
    assert {fill["commissionAsset"] for fill in made["fills"]} == {"BTC"}
    assert quantity == Decimal("0.5")
    assert cost == Decimal(made["cummulativeQuoteQty"])
    after = money()
    assert after["BTC"] - before["BTC"] == quantity - fees
    assert before["USDT"] - after["USDT"] == cost
    trades = call.signed("GET", "myTrades", symbol="BTCUSDT", orderId=made["orderId"]).json()
    assert [(t["id"], t["qty"], t["price"], t["commission"]) for t in trades] == [
        (f["tradeId"], f["qty"], f["price"], f["commission"]) for f in made["fills"]
    ]
    assert not any(trade["isMaker"] for trade in trades)
    assert call.server.state()["reconciled"]


def test_a_market_order_by_quote_amount(call: BinanceCaller) -> None:
    made = call.order(type="MARKET", side="BUY", quoteOrderQty="100").json()
    assert made["status"] == "FILLED"
    assert made["origQuoteOrderQty"] == "100.00000000"
    assert made["origQty"] == made["executedQty"]
    assert 99 < Decimal(made["cummulativeQuoteQty"]) <= 100


@pytest.mark.parametrize(
    ("kind", "reason"), [("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "UNFILLED_FOK_ORDER_EXPIRED")]
)
def test_orders_that_do_not_wait(call: BinanceCaller, kind: str, reason: str) -> None:
    bid, _ = top(call)
    made = call.order(side="BUY", quantity="0.01", price=f"{bid - 100:f}", timeInForce=kind)
    body = made.json()
    assert (made.status_code, body["status"], body["executedQty"]) == (200, "EXPIRED", "0.00000000")
    assert body["expiryReason"] == reason


def test_limit_maker_and_response_shapes(call: BinanceCaller) -> None:
    bid, ask = top(call)
    refused(
        call.order(type="LIMIT_MAKER", side="BUY", quantity="0.01", price=f"{ask + 10:f}"),
        -2010,
        "immediately match and take",
    )
    ack = call.order(type="LIMIT_MAKER", side="BUY", quantity="0.01", price=f"{bid - 100:f}").json()
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = call.order(side="BUY", quantity="0.01", price=f"{bid - 100:f}", newOrderRespType="RESULT").json()
    assert "status" in result
    assert "fills" not in result
    row = call.signed("GET", "order", symbol="BTCUSDT", orderId=ack["orderId"]).json()
    assert (row["type"], row["timeInForce"]) == ("LIMIT_MAKER", "GTC")
    gone = call.signed("DELETE", "openOrders", symbol="BTCUSDT").json()
    assert {order["orderId"] for order in gone} == {ack["orderId"], result["orderId"]}
    refused(call.signed("DELETE", "openOrders", symbol="BTCUSDT"), -2011)


GOOD = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "59000"}


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"symbol": None}, -1102, "'symbol'"),
        ({"symbol": "NOPE"}, -1121, ""),
        ({"side": None}, -1102, "'side'"),
        ({"side": "LONG"}, -1117, "Invalid side."),
        ({"type": "STOP"}, -1116, "Invalid orderType."),
        ({"type": "STOP_LOSS", "stopPrice": "1"}, -1106, "timeInForce"),
        ({"timeInForce": None}, -1102, "'timeInForce'"),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"quantity": None}, -1102, "'quantity'"),
        ({"price": None}, -1102, "'price'"),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "1e-2"}, -1100, "'quantity'"),
        ({"quantity": "NaN"}, -1100, "'quantity'"),
        ({"price": ""}, -1105, "'price'"),
        ({"quantity": "0.0100000001"}, -1111, "'quantity' has too much precision"),
        ({"price": "59000.123456789"}, -1111, "'price' has too much precision"),
        ({"quantity": "0.010001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "9001"}, -1013, "Filter failure: "),
        ({"price": "59000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "20000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"price": "80000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"side": "SELL", "price": "40000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.00005"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "200"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
        ({"side": "SELL", "quantity": "100", "price": "61000"}, -2010, "insufficient balance"),
        ({"newClientOrderId": "with space"}, -1100, "'newClientOrderId'"),
        ({"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'"),
        ({"quoteOrderQty": "10"}, -1106, "'quoteOrderQty'"),
        ({"icebergQty": "0.001"}, -1106, "'icebergQty'"),
        ({"newOrderRespType": "LONG"}, -1130, "'newOrderRespType'"),
        ({"selfTradePreventionMode": "DECREMENT"}, -1130, "'selfTradePreventionMode'"),
        ({"strategyType": "5"}, -1134, ""),
        ({"surprise": "1"}, -1104, "Not all sent parameters were read"),
        ({"type": "MARKET"}, -1106, "'timeInForce'"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "'price'"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": None}, -1102, "'quoteOrderQty'"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": "101"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
    ],
)  # fmt: skip
def test_what_a_bad_order_gets(call: BinanceCaller, change: dict[str, Any], code: int, text: str) -> None:
    before = call.server.state()
    params = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    refused(call.signed("POST", "order", **params), code, text)
    if "balance" not in text:  # a test order looks at everything but the money
        refused(call.signed("POST", "order/test", **params), code, text)
    after = call.server.state()
    assert (after["balances"], after["open_orders"]) == (before["balances"], before["open_orders"])


def test_a_test_order_places_nothing(call: BinanceCaller) -> None:
    before = call.server.state()
    assert call.signed("POST", "order/test", **GOOD).json() == {}
    rates = call.signed("POST", "order/test", computeCommissionRates="true", **GOOD).json()
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    after = call.server.state()
    assert (after["balances"], after["open_orders"]) == (before["balances"], before["open_orders"])


def test_cancel_replace(call: BinanceCaller) -> None:
    bid, _ = top(call)
    price, other = f"{bid - 900:.2f}", f"{bid - 800:.2f}"
    first = call.order(side="BUY", quantity="0.01", price=price).json()["orderId"]
    new = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": other,
    }
    both = call.signed("POST", "order/cancelReplace", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first, **new)
    assert both.status_code == 200, both.text
    answer = both.json()
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    second = answer["newOrderResponse"]["orderId"]
    assert answer["cancelResponse"]["orderId"] == first

    stopped = call.signed(
        "POST", "order/cancelReplace", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first, **new
    )
    refused(stopped, -2022)
    data = stopped.json()["data"]
    assert (data["cancelResult"], data["newOrderResult"], data["newOrderResponse"]) == (
        "FAILURE",
        "NOT_ATTEMPTED",
        None,
    )
    assert data["cancelResponse"]["code"] == -2011

    half = call.signed("POST", "order/cancelReplace", cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=first, **new)
    refused(half, -2021, status=409)
    assert half.json()["data"]["newOrderResult"] == "SUCCESS"
    assert "X-MBX-ORDER-COUNT-10S" in half.headers
    too_much = {**new, "quantity": "100"}
    failed = call.signed(
        "POST", "order/cancelReplace", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=second, **too_much
    )
    refused(failed, -2021, status=409)
    assert failed.json()["data"]["cancelResult"] == "SUCCESS"
    neither = call.signed(
        "POST", "order/cancelReplace", cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=second, **too_much
    )
    refused(neither, -2022)
    refused(
        call.signed("POST", "order/cancelReplace", cancelReplaceMode="ALLOW_FAILURE", **new), -1102, "'cancelOrderId'"
    )
    call.signed("DELETE", "openOrders", symbol="BTCUSDT")


def test_cancel_restrictions(call: BinanceCaller) -> None:
    bid, _ = top(call)
    made = call.order(side="BUY", quantity="0.01", price=f"{bid - 700:.2f}").json()["orderId"]
    wrong = call.signed("DELETE", "order", symbol="BTCUSDT", orderId=made, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    refused(wrong, -2011, "Order was not canceled due to cancel restrictions.")
    refused(call.signed("DELETE", "order", symbol="BTCUSDT", orderId=made, cancelRestrictions="NEVER"), -1145)
    right = call.signed("DELETE", "order", symbol="BTCUSDT", orderId=made, cancelRestrictions="ONLY_NEW")
    assert right.json()["status"] == "CANCELED"


def test_history_pages(session: requests.Session) -> None:
    with simulator("binance", rate_scale=1000) as server:
        call = BinanceCaller(server, session)
        ids = [
            call.order(type="MARKET", side=side, quantity="0.01").json()["orderId"] for side in ("BUY", "SELL", "BUY")
        ]
        rows = call.signed("GET", "allOrders", symbol="BTCUSDT").json()
        assert [row["orderId"] for row in rows] == ids
        assert call.signed("GET", "allOrders", symbol="BTCUSDT", orderId=ids[1], limit=1).json() == rows[1:2]
        assert call.signed("GET", "allOrders", symbol="BTCUSDT", limit=1).json() == rows[2:]
        now = server.exchange.server_time_ms()
        timed = call.signed("GET", "allOrders", symbol="BTCUSDT", startTime=now - 60_000, endTime=now + 60_000).json()
        assert timed == rows
        refused(call.signed("GET", "allOrders", symbol="BTCUSDT", startTime=1, endTime=86_400_002), -1127)
        trades = call.signed("GET", "myTrades", symbol="BTCUSDT").json()
        assert call.signed("GET", "myTrades", symbol="BTCUSDT", fromId=trades[1]["id"], limit=1).json() == trades[1:2]
        refused(call.signed("GET", "myTrades", symbol="BTCUSDT", fromId=1, startTime=1), -1128)
        assert call.signed("GET", "myTrades", symbol="ETHUSDT").json() == []


def test_the_account(call: BinanceCaller) -> None:
    account = call.signed("GET", "account").json()
    assert account["accountType"] == "SPOT"
    assert account["commissionRates"]["taker"] == "0.00100000"
    assert account["makerCommission"] == 10
    assert {row["asset"] for row in account["balances"]} == {"USDT", "BTC", "ETH"}
    commission = call.signed("GET", "account/commission", symbol="BTCUSDT").json()
    assert commission["standardCommission"]["maker"] == "0.00100000"
    assert call.signed("GET", "myPreventedMatches", symbol="BTCUSDT", orderId=1).json() == []


# --- limits ---


def test_order_counts_and_successful_orders_weigh_nothing(session: requests.Session) -> None:
    clock = ManualClock(1_800_000_000.0)
    with simulator("binance", rate_scale=0.02, clock=clock) as server:  # two orders in ten seconds, a weight of 120
        call = BinanceCaller(server, session)
        bid, _ = top(call)
        used = call.public("ping").headers["X-MBX-USED-WEIGHT-1M"]
        for count in ("1", "2"):
            made = call.order(side="BUY", quantity="0.01", price=f"{bid - 500:f}")
            assert made.headers["X-MBX-ORDER-COUNT-10S"] == made.headers["X-MBX-ORDER-COUNT-1D"] == count
            assert made.headers["X-MBX-USED-WEIGHT-1M"] == used
        late = call.order(side="BUY", quantity="0.01", price=f"{bid - 500:f}")
        refused(late, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.", 429)
        assert late.headers["Retry-After"] == "10"
        counts = call.signed("GET", "rateLimit/order").json()
        assert [(row["intervalNum"], row["limit"], row["count"]) for row in counts] == [(10, 2, 2), (1, 4000, 2)]
        clock.advance(10)
        assert call.order(side="BUY", quantity="0.01", price=f"{bid - 500:f}").headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_the_first_fill_gives_back_to_the_count(call: BinanceCaller) -> None:
    """An order that takes gives back one; one that is taken from gives back five, never below 0."""
    if not call.server.exchange.depth("BTC_USDT", 1).asks:
        call.server.driver.step()

    def count() -> int:
        return call.signed("GET", "rateLimit/order").json()[1]["count"]

    before = count()
    made = call.order(type="MARKET", side="BUY", quantity="0.01")
    assert made.headers["X-MBX-ORDER-COUNT-1D"] == str(before)
    bid, ask = top(call)
    price = f"{(bid + ask) / 2:.2f}"
    for number in range(6):
        call.order(side="SELL", quantity="0.01", price=price, newClientOrderId=f"ask{number}")
    assert count() == before + 6
    taker = call.server.exchange.create_account("somebody", balances={"USDT": Decimal(10_000)})
    wanted = NewOrder(instrument="BTC_USDT", side="buy", price=Decimal(price), quantity=Decimal("0.01"))
    call.server.exchange.place(taker, wanted)
    assert count() == before + 1
    call.signed("DELETE", "openOrders", symbol="BTCUSDT")
    assert count() == before + 1


def test_weights_run_out_and_who_goes_on_is_banned(session: requests.Session) -> None:
    clock = ManualClock(1_800_000_030.0)  # half a minute into its window
    with simulator("binance", rate_scale=0.01, clock=clock) as server:  # a weight of 60
        call = BinanceCaller(server, session)
        for _ in range(12):
            assert call.public("depth", symbol="BTCUSDT").status_code == 200
        over = call.public("depth", symbol="BTCUSDT")
        refused(over, -1003, "current limit is 60 request weight per 1 MINUTE", 429)
        assert over.headers["Retry-After"] == "30"
        statuses = [call.public("depth", symbol="BTCUSDT").status_code for _ in range(20)]
        assert statuses == [429] * 19 + [418]
        banned = call.public("ping")
        refused(banned, -1003, f"IP banned until {server.exchange.server_time_ms() + 120_000}", 418)
        assert banned.headers["Retry-After"] == "120"
        clock.advance(119)
        assert call.public("ping").status_code == 418
        clock.advance(2)
        assert call.public("ping").status_code == 200


def test_the_window_of_weight_can_be_shortened(session: requests.Session) -> None:
    clock = ManualClock(1_800_000_030.0)
    with simulator("binance", rate_scale=0.01, weight_window_s=5, clock=clock) as server:
        call = BinanceCaller(server, session)
        row = call.public("exchangeInfo").json()["rateLimits"][0]
        assert (row["interval"], row["intervalNum"], row["limit"]) == ("SECOND", 5, 60)
        for _ in range(8):
            reply = call.public("depth", symbol="BTCUSDT")
        assert reply.headers["X-MBX-USED-WEIGHT-5S"] == "60"
        over = call.public("depth", symbol="BTCUSDT")
        assert over.status_code == 429
        assert "current limit is 60 request weight per 5 SECOND" in over.json()["msg"]
        clock.advance(5)
        assert call.public("depth", symbol="BTCUSDT").headers["X-MBX-USED-WEIGHT-5S"] == "5"


def test_without_limits_none_are_advertised(session: requests.Session) -> None:
    with simulator("binance", rate_scale=0) as server:
        call = BinanceCaller(server, session)
        info = call.public("exchangeInfo")
        assert info.json()["rateLimits"] == []
        placed = call.order(side="BUY", quantity="0.01", price="1000")
        assert call.signed("GET", "rateLimit/order").json() == []
        for reply in (info, placed):
            assert not [name for name in reply.headers if name.upper().startswith("X-MBX-")]


def test_what_clients_ask_elsewhere_when_they_start(call: BinanceCaller) -> None:
    for path in ("fapi", "dapi"):
        assert call.session.get(f"{call.base}/{path}/v1/exchangeInfo", timeout=60).json()["symbols"] == []


def test_bodies_that_are_no_form(call: BinanceCaller) -> None:
    """A JSON content type and an empty body are what one client sends with everything in the query."""
    bid, _ = top(call)
    stamp = call.server.exchange.server_time_ms()
    query = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={bid - 600:f}&timestamp={stamp}"
    signature = hmac.new(call.server.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": call.server.key, "Content-Type": "application/json;charset=utf-8"}
    made = call.session.post(f"{call.base}/api/v3/order?{query}&signature={signature}", headers=headers, timeout=60)
    assert made.status_code == 200, made.text
    call.signed("DELETE", "openOrders", symbol="BTCUSDT")


def test_the_state_is_json(call: BinanceCaller) -> None:
    state = call.session.get(f"{call.base}/_simulator/state", timeout=60).json()
    assert state["venue"] == "binance"
    assert json.dumps(call.server.secret) not in json.dumps(state)
    assert "secret" not in repr(call.server)
