"""The OKX v5 dialect over real sockets: signatures, envelopes, error codes, limits."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.clock import ManualClock
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.dialects.okx.parameters import OkxRefusal
from fmzthreads.simulator.dialects.okx.signatures import check_signature, parse_timestamp_ms
from fmzthreads.simulator.transport.requests import WireRequest
from tests.helpers.simulators import OkxCaller, free_session, simulator


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatorServer]:
    with simulator("okx") as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as opened:
        yield opened


@pytest.fixture
def call(shared: SimulatorServer, session: requests.Session) -> OkxCaller:
    return OkxCaller(shared, session)


def data(reply: requests.Response) -> list[Any]:
    body = reply.json()
    assert (reply.status_code, body["code"], body["msg"]) == (200, "0", ""), body
    rows: list[Any] = body["data"]
    return rows


def top(call: OkxCaller) -> tuple[Decimal, Decimal]:
    row = data(call.public("market/ticker", instId="BTC-USDT"))[0]
    return Decimal(row["bidPx"]), Decimal(row["askPx"])


def item_refused(reply: requests.Response, code: str, text: str = "", sub_code: str = "") -> None:
    body = reply.json()
    assert (reply.status_code, body["code"], body["msg"]) == (200, "1", "All operations failed"), body
    (row,) = body["data"]
    assert (row["sCode"], row["ordId"], row["subCode"]) == (code, "", sub_code), row
    assert text in row["sMsg"]
    assert int(body["outTime"]) >= int(body["inTime"]) > 10**15


def refused(reply: requests.Response, code: str, status: int = 200, text: str = "") -> None:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), body
    assert text in body["msg"]


# --- signing ---

_SECRET = "22582BD0CFF14C41EDBF1AB98506286D"  # the key of OKX's own example
_STAMP = "2020-12-08T09:08:57.715Z"


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "signature"),
    [
        ("GET", "/api/v5/account/balance", "ccy=BTC", b"", "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="),
        (
            "POST", "/api/v5/account/set-leverage", "", b'{"instId":"BTC-USDT","lever":"5","mgnMode":"isolated"}',
            "eCnnCgWLjlQ9XnpUkrcny3qNq3WW/81KNrDr/XR6Xv8=",
        ),
    ],
)  # fmt: skip
def test_the_check_values_of_signatures(method: str, path: str, query: str, body: bytes, signature: str) -> None:
    headers = {"ok-access-timestamp": _STAMP, "ok-access-sign": signature}
    check_signature(WireRequest(method, path, path, query, body, headers, ""), _SECRET)
    with pytest.raises(OkxRefusal, match="50113"):
        check_signature(WireRequest(method, path, path, query, body + b" ", headers, ""), _SECRET)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_STAMP, 1_607_418_537_715),
        ("2020-12-08T09:08:57Z", 1_607_418_537_000),
        ("2020-12-08T09:08:57.7Z", 1_607_418_537_700),
        ("2020-12-08 09:08:57Z", None),
        ("2020-13-08T09:08:57Z", None),
        ("1607418537715", None),
    ],
)
def test_time_stamps(text: str, expected: int | None) -> None:
    assert parse_timestamp_ms(text) == expected


@pytest.mark.parametrize(
    ("header", "value", "code", "text"),
    [
        ("OK-ACCESS-KEY", None, "50103", "OK-ACCESS-KEY"),
        ("OK-ACCESS-PASSPHRASE", None, "50104", "OK-ACCESS-PASSPHRASE"),
        ("OK-ACCESS-SIGN", None, "50106", "OK-ACCESS-SIGN"),
        ("OK-ACCESS-TIMESTAMP", None, "50107", "OK-ACCESS-TIMESTAMP"),
        ("OK-ACCESS-TIMESTAMP", "yesterday", "50112", "Invalid OK-ACCESS-TIMESTAMP."),
        ("OK-ACCESS-TIMESTAMP", _STAMP, "50102", "Timestamp request expired."),
        ("OK-ACCESS-KEY", "nobody", "50111", "Invalid OK-ACCESS-KEY"),
        ("OK-ACCESS-PASSPHRASE", "wrong", "50105", "incorrect"),
        ("OK-ACCESS-SIGN", "wrong", "50113", "Invalid Sign"),
    ],
)
def test_who_may_not(call: OkxCaller, header: str, value: str | None, code: str, text: str) -> None:
    reply = call.signed("GET", "account/balance", headers={header: value})
    refused(reply, code, 401, text)
    assert "data" not in reply.json()


def test_encoded_and_plain_commas_verify(call: OkxCaller) -> None:
    rows = data(call.signed("GET", "account/balance", ccy="BTC,ETH"))  # urlencode sends %2C
    assert {row["ccy"] for row in rows[0]["details"]} == {"BTC", "ETH"}


# --- public ---


def test_instruments(call: OkxCaller) -> None:
    rows = data(call.public("public/instruments", instType="SPOT"))
    assert [(row["instId"], row["instIdCode"], row["tickSz"], row["lotSz"], row["minSz"]) for row in rows] == [
        ("BTC-USDT", 3, "0.1", "0.00000001", "0.00001"),
        ("ETH-USDT", 4, "0.01", "0.000001", "0.0001"),
    ]
    assert {row["state"] for row in rows} == {"live"}
    assert rows[0]["ctVal"] == rows[0]["settleCcy"] == ""
    assert data(call.public("public/instruments", instType="SPOT", instId="ETH-USDT")) == rows[1:]
    assert data(call.public("public/instruments", instType="OPTION", uly="BTC-USD")) == []
    assert data(call.signed("GET", "account/instruments", instType="SPOT")) == rows
    refused(call.public("public/instruments"), "50014", 400, "Parameter instType can not be empty.")
    refused(call.public("public/instruments", instType="STOCK"), "51000", 400)


def test_books(call: OkxCaller) -> None:
    (book,) = data(call.public("market/books", instId="BTC-USDT", sz=10))
    assert len(book["asks"]) == len(book["bids"]) == 10
    assert isinstance(book["seqId"], int)
    assert all(len(level) == 4 and level[2] == "0" for level in book["asks"])
    assert [Decimal(level[0]) for level in book["asks"]] == sorted(Decimal(level[0]) for level in book["asks"])
    assert len(data(call.public("market/books", instId="BTC-USDT"))[0]["asks"]) == 1
    (full,) = data(call.public("market/books-full", instId="BTC-USDT", sz=3))
    assert "seqId" not in full
    assert [level[:2] for level in full["bids"]] == [level[:2] for level in book["bids"][:3]]
    ticker = data(call.public("market/ticker", instId="BTC-USDT"))[0]
    assert [ticker["askPx"], ticker["askSz"]] == book["asks"][0][:2]
    assert len(data(call.public("market/tickers", instType="SPOT"))) == 2


@pytest.mark.parametrize(
    ("path", "params", "code", "status"),
    [
        ("market/ticker", {}, "50014", 400),
        ("market/ticker", {"instId": "NO-NE"}, "51001", 200),
        ("market/books", {"instId": "BTC-USDT", "sz": "many"}, "51000", 400),
        ("market/books", {"instId": "BTC-USDT", "sz": "0"}, "51000", 400),
        ("market/candles", {"instId": "BTC-USDT", "bar": "7m"}, "51000", 400),
        ("market/candles", {"instId": "BTC-USDT", "bar": "1s"}, "51000", 400),
        ("market/history-trades", {"instId": "BTC-USDT", "type": "3"}, "51000", 400),
        ("nothing/here", {}, "50005", 410),
        ("trade/cancel-order", {}, "50115", 405),
    ],
)
def test_what_a_bad_request_gets(call: OkxCaller, path: str, params: dict[str, str], code: str, status: int) -> None:
    refused(call.public(path, **params), code, status)


def test_candles(call: OkxCaller) -> None:
    rows = data(call.public("market/candles", instId="BTC-USDT", bar="1H", limit=30))
    stamps = [int(row[0]) for row in rows]
    assert stamps == [stamps[0] - 3_600_000 * i for i in range(30)]
    assert [row[8] for row in rows] == ["0"] + ["1"] * 29
    assert all(len(row) == 9 for row in rows)
    older = data(call.public("market/candles", instId="BTC-USDT", bar="1H", after=stamps[4], limit=2))
    assert older == rows[5:7]
    newer = data(call.public("market/candles", instId="BTC-USDT", bar="1H", before=stamps[2], limit=5))
    assert newer == rows[:2]
    both = data(
        call.public("market/candles", instId="BTC-USDT", bar="1H", before=stamps[9], after=stamps[4], limit=300)
    )
    assert both == rows[5:9]
    assert len(data(call.public("market/candles", instId="BTC-USDT", bar="1m", limit=1000))) == 300
    assert int(data(call.public("market/candles", instId="BTC-USDT", bar="1D"))[0][0]) % 86_400_000 == 16 * 3_600_000
    assert int(data(call.public("market/candles", instId="BTC-USDT", bar="1Dutc"))[0][0]) % 86_400_000 == 0
    assert len(data(call.public("market/history-candles", instId="BTC-USDT", bar="1s", limit=5))) == 5
    old = stamps[0] - 2000 * 60_000
    assert data(call.public("market/candles", instId="BTC-USDT", bar="1m", after=old)) == []
    assert len(data(call.public("market/history-candles", instId="BTC-USDT", bar="1m", after=old))) == 100


def test_trades(call: OkxCaller) -> None:
    call.server.driver.step(50)
    rows = data(call.public("market/trades", instId="BTC-USDT", limit=10))
    ids = [int(row["tradeId"]) for row in rows]
    assert ids == [ids[0] - i for i in range(10)]
    assert {row["side"] for row in rows} <= {"buy", "sell"}
    older = data(call.public("market/history-trades", instId="BTC-USDT", after=ids[3], limit=2))
    assert older == rows[4:6]
    between = data(call.public("market/history-trades", instId="BTC-USDT", after=ids[1], before=ids[5]))
    assert between == rows[2:5]


def test_the_other_public_calls(call: OkxCaller) -> None:
    assert abs(int(data(call.public("public/time"))[0]["ts"]) - call.server.exchange.server_time_ms()) < 5000
    limit = data(call.public("public/price-limit", instId="BTC-USDT"))[0]
    bid, ask = top(call)
    assert Decimal(limit["sellLmt"]) < bid < ask < Decimal(limit["buyLmt"])
    assert data(call.public("system/status")) == []


# --- orders ---


def test_a_limit_order_from_birth_to_cancel(call: OkxCaller) -> None:
    bid, _ = top(call)
    price = f"{bid - 1000:f}"
    made = call.order(sz="0.01", px=price, clOrdId="mine1", tag="t1")
    (row,) = data(made)
    assert (row["sCode"], row["clOrdId"], row["tag"], row["subCode"]) == ("0", "mine1", "t1", "")
    assert set(made.json()) == {"code", "msg", "data", "inTime", "outTime"}
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert data(call.signed("GET", "trade/order", instId="BTC-USDT", clOrdId="mine1")) == [order]
    expected = {
        "state": "live", "px": price, "sz": "0.01", "accFillSz": "0", "fillSz": "0", "avgPx": "", "fillPx": "", "fee": "0",
        "feeCcy": "BTC", "ordType": "limit", "side": "buy", "posSide": "net", "tdMode": "cash", "cancelSource": "", "tgtCcy": "",
        "reduceOnly": "false", "tag": "t1",
    }  # fmt: skip
    assert {name: order[name] for name in expected} == expected
    assert row["ordId"] in [o["ordId"] for o in data(call.signed("GET", "trade/orders-pending"))]
    assert data(call.signed("GET", "trade/orders-pending", instId="ETH-USDT")) == []
    frozen = {d["ccy"]: d for d in data(call.signed("GET", "account/balance"))[0]["details"]}["USDT"]
    assert Decimal(frozen["frozenBal"]) == Decimal("0.01") * Decimal(price)
    item_refused(call.order(sz="0.01", px=price, clOrdId="mine1"), "51016")
    gone = data(call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "mine1"}))
    assert gone[0]["ordId"] == row["ordId"]
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert (order["state"], order["cancelSource"]) == ("canceled", "1")
    again = call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": row["ordId"]}).json()
    assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")
    refused(call.signed("GET", "trade/order", instId="BTC-USDT", ordId="1"), "51603")
    refused(call.signed("GET", "trade/order", instId="BTC-USDT"), "50015", 400)


def test_a_market_order_and_the_money(call: OkxCaller) -> None:
    def money() -> dict[str, Decimal]:
        return {d["ccy"]: Decimal(d["cashBal"]) for d in data(call.signed("GET", "account/balance"))[0]["details"]}

    before = money()
    (row,) = data(call.order(ordType="market", sz="20000"))  # in quote, as a market buy is by default
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert (order["state"], order["sz"], order["tgtCcy"], order["px"]) == ("filled", "20000", "quote_ccy", "")
    fills = data(call.signed("GET", "trade/fills", ordId=row["ordId"]))
    quantity = sum(Decimal(fill["fillSz"]) for fill in fills)
    cost = sum(Decimal(fill["fillSz"]) * Decimal(fill["fillPx"]) for fill in fills)
    fee = sum(Decimal(fill["fee"]) for fill in fills)
    assert len(fills) > 1
    assert quantity == Decimal(order["accFillSz"])
    assert 19_990 < cost <= 20_000
    assert fee == Decimal(order["fee"]) < 0
    assert {fill["execType"] for fill in fills} == {"T"}
    after = money()
    assert after["BTC"] - before["BTC"] == quantity + fee
    assert before["USDT"] - after["USDT"] == cost
    assert call.server.state()["reconciled"]


def test_market_orders_in_base_and_sells(call: OkxCaller) -> None:
    for fields in ({"tgtCcy": "base_ccy"}, {"side": "sell"}):
        (row,) = data(call.order(ordType="market", sz="0.01", **fields))
        (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
        assert (order["state"], order["accFillSz"], order["tgtCcy"]) == ("filled", "0.01", "base_ccy")
    assert order["feeCcy"] == "USDT"


@pytest.mark.parametrize(("kind", "source"), [("ioc", "14"), ("fok", "13")])
def test_orders_that_do_not_wait(call: OkxCaller, kind: str, source: str) -> None:
    bid, _ = top(call)
    (row,) = data(call.order(ordType=kind, sz="0.01", px=f"{bid - 100:f}"))
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert (order["state"], order["cancelSource"], order["ordType"]) == ("canceled", source, kind)


def test_a_post_only_order_that_would_take_is_accepted_and_cancelled(call: OkxCaller) -> None:
    _, ask = top(call)
    (row,) = data(call.order(ordType="post_only", sz="0.01", px=f"{ask + 10:f}"))
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert (order["state"], order["cancelSource"], order["accFillSz"]) == ("canceled", "31", "0")


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"instId": None}, "50014", "instId"),
        ({"instId": "NO-NE"}, "51001", ""),
        ({"tdMode": None}, "50014", "tdMode"),
        ({"tdMode": "cross"}, "51010", ""),
        ({"side": "long"}, "51000", "side"),
        ({"ordType": "rpi"}, "51000", "ordType"),
        ({"sz": None}, "50014", "sz"),
        ({"sz": "0"}, "51000", "sz"),
        ({"sz": "-1"}, "51000", "sz"),
        ({"sz": "NaN"}, "51000", "sz"),
        ({"sz": "1e-3"}, "51000", "sz"),
        ({"sz": {"a": 1}}, "51000", "sz"),
        ({"sz": "0.000001"}, "51020", ""),
        ({"sz": "0.010000001"}, "51121", ""),
        ({"sz": "99999999999"}, "51005", ""),
        ({"px": None}, "51204", ""),
        ({"px": "0"}, "51000", "px"),
        ({"px": "59000.01"}, "51150", ""),
        ({"px": "90000"}, "51137", "The highest price limit for buy orders is"),
        ({"px": "30000", "side": "sell"}, "51138", "The lowest price limit for sell orders is"),
        ({"clOrdId": "with-dash"}, "51000", "clOrdId"),
        ({"clOrdId": "x" * 33}, "51000", "clOrdId"),
        ({"tag": "much too long for a tag"}, "51000", "tag"),
        ({"posSide": "long"}, "51000", "posSide"),
        ({"stpMode": "cancel_both", "ordType": "fok"}, "50016", ""),
        ({"attachAlgoOrds": [{"tpTriggerPx": "1"}]}, "50014", "tpOrdPx"),
        ({"attachAlgoOrds": [{}, {}]}, "51000", "attachAlgoOrds"),
    ],
)  # fmt: skip
def test_what_a_bad_order_gets(call: OkxCaller, change: dict[str, Any], code: str, text: str) -> None:
    before = call.server.state()
    item_refused(call.order(**{"sz": "0.01", "px": "59000", **change}), code, text)
    after = call.server.state()
    assert (after["balances"], after["open_orders"]) == (before["balances"], before["open_orders"])


def test_no_money(call: OkxCaller) -> None:
    item_refused(call.order(sz="100", px="59000"), "51008", "Insufficient USDT balance in account", "1000")
    item_refused(call.order(side="sell", sz="100", px="61000"), "51008", "Insufficient BTC balance", "1000")


def test_clipped_prices(call: OkxCaller) -> None:
    highest = data(call.public("public/price-limit", instId="BTC-USDT"))[0]["buyLmt"]
    (row,) = data(call.order(sz="0.001", px="90000", pxAmendType="1"))
    (order,) = data(call.signed("GET", "trade/order", instId="BTC-USDT", ordId=row["ordId"]))
    assert (order["px"], order["state"]) == (highest, "filled")


def test_empty_and_null_fields_count_as_absent(call: OkxCaller) -> None:
    """One client posts every field it knows, most of them empty."""
    bid, _ = top(call)
    empty = dict.fromkeys(
        ("ccy", "clOrdId", "tag", "posSide", "reduceOnly", "tgtCcy", "stpMode", "pxUsd", "pxVol", "banAmend"), ""
    )
    body = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": 0.01,
        "px": f"{bid - 900:f}",
    }
    made = call.signed("POST", "trade/order", {**body, **empty, "attachAlgoOrds": None})
    (row,) = data(made)
    data(call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": row["ordId"], "clOrdId": ""}))


def test_batches(call: OkxCaller) -> None:
    bid, _ = top(call)
    good = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.01",
        "px": f"{bid - 800:f}",
    }
    mixed = call.signed("POST", "trade/batch-orders", [good, {**good, "sz": "0"}, good]).json()
    assert (mixed["code"], [row["sCode"] for row in mixed["data"]]) == ("2", ["0", "51000", "0"])
    assert len(data(call.signed("POST", "trade/batch-orders", [good]))) == 1
    ids = [order["ordId"] for order in data(call.signed("GET", "trade/orders-pending"))]
    gone = data(call.signed("POST", "trade/cancel-batch-orders", [{"instId": "BTC-USDT", "ordId": one} for one in ids]))
    assert [row["ordId"] for row in gone] == ids
    item_refused(call.signed("POST", "trade/batch-orders", [{**good, "sz": "0"}]), "51000")
    refused(call.signed("POST", "trade/batch-orders", [good] * 21), "51111")
    refused(call.signed("POST", "trade/batch-orders", []), "50000", 400)
    refused(call.signed("POST", "trade/batch-orders", good), "50002", 400)
    refused(call.signed("POST", "trade/order", [good]), "50002", 400)
    refused(call.signed("POST", "trade/order", ""), "50000", 400)
    refused(call.signed("POST", "trade/order", "{not json"), "50002", 400)
    refused(call.signed("POST", "trade/order", '{"sz": NaN}'), "50002", 400)


def test_an_order_that_expired_on_its_way(call: OkxCaller) -> None:
    bid, _ = top(call)
    body = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.01",
        "px": f"{bid - 800:f}",
    }
    now = call.server.exchange.server_time_ms()
    refused(call.signed("POST", "trade/order", body, headers={"expTime": str(now - 5000)}), "50036")
    (row,) = data(call.signed("POST", "trade/order", body, headers={"expTime": str(now + 60_000)}))
    data(call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": row["ordId"]}))


def test_history_pages(session: requests.Session) -> None:
    clock = ManualClock(1_800_000_000.0)
    with simulator("okx", clock=clock) as server:
        call = OkxCaller(server, session)
        bid, _ = top(call)
        ids = [data(call.order(ordType="market", sz="0.01", tgtCcy="base_ccy"))[0]["ordId"] for _ in range(3)]
        (resting,) = data(call.order(sz="0.01", px=f"{bid - 800:f}"))
        data(call.signed("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": resting["ordId"]}))

        def history(path: str = "trade/orders-history", **params: Any) -> list[str]:
            return [row["ordId"] for row in data(call.signed("GET", path, instType="SPOT", **params))]

        newest_first = [resting["ordId"], *reversed(ids)]
        assert history() == newest_first
        assert history(state="filled") == newest_first[1:]
        assert history(state="canceled") == newest_first[:1]
        assert history(after=ids[2]) == newest_first[2:]
        assert history(before=ids[1]) == newest_first[:2]
        assert history(limit=1) == newest_first[:1]
        assert history(ordType="market,ioc") == newest_first[1:]
        assert history(begin=1_800_000_000_001) == []
        refused(call.signed("GET", "trade/orders-history"), "50014", 400)
        fills = data(call.signed("GET", "trade/fills-history", instType="SPOT"))
        bills = [int(fill["billId"]) for fill in fills]
        assert bills == sorted(bills, reverse=True)
        assert data(call.signed("GET", "trade/fills", after=bills[0], limit=1)) == fills[1:2]
        assert data(call.signed("GET", "trade/fills", subType="2")) == []
        # Orders that were cancelled without any fill are kept for two hours only.
        clock.advance(7201)
        assert history() == newest_first[1:]
        assert history("trade/orders-history-archive") == newest_first


def test_the_account(call: OkxCaller) -> None:
    (balance,) = data(call.signed("GET", "account/balance"))
    details = {row["ccy"]: row for row in balance["details"]}
    assert set(details) == {"USDT", "BTC", "ETH"}
    assert details["BTC"]["availEq"] == ""
    assert Decimal(balance["totalEq"]) > 1_500_000
    assert [row["ccy"] for row in data(call.signed("GET", "account/balance", ccy="ETH"))[0]["details"]] == ["ETH"]
    (config,) = data(call.signed("GET", "account/config"))
    assert (config["acctLv"], config["posMode"], config["perm"]) == ("1", "net_mode", "read_only,trade")
    (fee,) = data(call.signed("GET", "account/trade-fee", instType="SPOT", instId="BTC-USDT"))
    assert (fee["maker"], fee["taker"]) == ("-0.0008", "-0.001")
    assert data(call.signed("GET", "account/positions")) == []
    assert data(call.signed("GET", "asset/currencies")) == []


# --- limits ---


def test_limits_per_address_and_per_instrument(session: requests.Session) -> None:
    clock = ManualClock(1_800_000_000.0)
    with simulator("okx", rate_scale=0.1, clock=clock) as server:
        call = OkxCaller(server, session)
        bid, _ = top(call)
        top(call)
        over = call.public("market/ticker", instId="BTC-USDT")
        refused(over, "50011", 429, "Too Many Requests")
        assert "data" not in over.json()
        assert call.public("market/tickers", instType="SPOT").status_code == 200  # another bucket
        clock.advance(2)
        assert call.public("market/ticker", instId="BTC-USDT").status_code == 200
        # Six orders an instrument in two seconds; a batch of one counts among them, ETH has its own.
        order = {
            "instId": "BTC-USDT",
            "tdMode": "cash",
            "side": "buy",
            "ordType": "limit",
            "sz": "0.01",
            "px": f"{bid - 800:f}",
        }
        for _ in range(5):
            data(call.signed("POST", "trade/order", order))
        data(call.signed("POST", "trade/batch-orders", [order]))
        refused(call.signed("POST", "trade/order", order), "50011", 429)
        assert call.order(instId="ETH-USDT", sz="0.01", px="2900").status_code == 200
        assert len(data(call.signed("POST", "trade/batch-orders", [order] * 2))) == 2
        assert len(data(call.signed("GET", "trade/orders-pending"))) == 9
