"""OKX's swaps over real sockets: orders, positions, margin and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts
from tests.helpers.simulators import OkxCaller, free_session
from tests.simulator.dialects.okx.test_rest import data, refused

D = Decimal
USDT_SWAP, USD_SWAP = "BTC-USDT-SWAP", "BTC-USD-SWAP"


@pytest.fixture
def venue() -> Iterator[OkxContracts]:
    with OkxContracts() as running:
        yield running


@pytest.fixture
def hedged() -> Iterator[OkxContracts]:
    with OkxContracts(hedge=True) as running:
        yield running


@pytest.fixture
def session() -> Iterator[Any]:
    with free_session() as opened:
        yield opened


def caller(venue: OkxContracts, session: Any) -> OkxCaller:
    return OkxCaller(venue, session)  # type: ignore[arg-type]  # it has what the caller needs of a server


@pytest.fixture
def call(venue: OkxContracts, session: Any) -> OkxCaller:
    return caller(venue, session)


def order(call: OkxCaller, **fields: Any) -> dict[str, Any]:
    """The row of the reply to an order on the linear swap, at the market unless said otherwise."""
    body = {"instId": USDT_SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "10", **fields}
    row: dict[str, Any] = call.signed("POST", "trade/order", body).json()["data"][0]
    return row


def details(call: OkxCaller, placed: dict[str, Any], name: str = USDT_SWAP) -> dict[str, Any]:
    row: dict[str, Any] = data(call.signed("GET", "trade/order", instId=name, ordId=placed["ordId"]))[0]
    return row


def positions(call: OkxCaller, **query: Any) -> list[dict[str, Any]]:
    return data(call.signed("GET", "account/positions", **query))


def money(call: OkxCaller, ccy: str) -> dict[str, Any]:
    row: dict[str, Any] = data(call.signed("GET", "account/balance", ccy=ccy))[0]["details"][0]
    return row


def same(row: dict[str, Any], **expected: str) -> None:
    assert {name: row[name] for name in expected} == expected


# --- instruments and settings ---


def test_the_instruments_of_each_type(call: OkxCaller) -> None:
    linear, inverse = data(call.public("public/instruments", instType="SWAP"))
    same(
        linear, instId=USDT_SWAP, uly="BTC-USDT", instFamily="BTC-USDT", settleCcy="USDT", ctVal="0.01", ctMult="1", ctValCcy="BTC",
        ctType="linear", lever="100", tickSz="0.1", lotSz="0.01", minSz="0.01", baseCcy="", expTime="", state="live", groupId="4",
    )  # fmt: skip
    same(inverse, instId=USD_SWAP, settleCcy="BTC", ctVal="100", ctValCcy="USD", ctType="inverse", lotSz="0.1")
    assert (linear["instIdCode"], inverse["instIdCode"]) == (10459, 10458)
    assert [row["instId"] for row in data(call.public("public/instruments", instType="SPOT"))] == [
        "BTC-USDT",
        "ETH-USDT",
    ]
    assert data(call.public("public/instruments", instType="SWAP", instFamily="BTC-USD"))[0]["instId"] == USD_SWAP
    assert data(call.public("public/instruments", instType="FUTURES")) == []
    refused(call.public("public/instruments", instType="SWAP", instId="BTC-USDT"), "51015")


def test_the_account_is_in_futures_mode(call: OkxCaller) -> None:
    same(data(call.signed("GET", "account/config"))[0], acctLv="2", posMode="net_mode")
    assert data(call.signed("POST", "account/set-position-mode", {"posMode": "long_short_mode"})) == [
        {"posMode": "long_short_mode"}
    ]
    same(data(call.signed("GET", "account/config"))[0], posMode="long_short_mode")


def test_the_position_mode_is_fixed_while_something_is_open(venue: OkxContracts, call: OkxCaller) -> None:
    order(call, ordType="limit", px="49000")
    refused(call.signed("POST", "account/set-position-mode", {"posMode": "long_short_mode"}), "59000")
    venue.exchange.cancel_all(venue.account)
    venue.rest(LINEAR, "sell", "50000", "10")
    order(call)
    refused(call.signed("POST", "account/set-position-mode", {"posMode": "long_short_mode"}), "59000")
    refused(call.signed("POST", "account/set-position-mode", {"posMode": "both"}), "51000", 400, "posMode")


def test_leverage_is_of_a_contract_and_a_margin_mode(call: OkxCaller) -> None:
    body = {"instId": USDT_SWAP, "lever": 20, "mgnMode": "cross"}  # ccxt sends a number
    assert data(call.signed("POST", "account/set-leverage", body)) == [
        {"lever": "20", "mgnMode": "cross", "instId": USDT_SWAP, "posSide": ""}
    ]
    read = data(call.signed("GET", "account/leverage-info", instId=f"{USDT_SWAP},{USD_SWAP}", mgnMode="cross"))
    assert [(row["instId"], row["posSide"], row["lever"]) for row in read] == [
        (USDT_SWAP, "net", "20"),
        (USD_SWAP, "net", "3"),
    ]
    assert data(call.signed("GET", "account/leverage-info", instId=USDT_SWAP, mgnMode="isolated"))[0]["lever"] == "3"
    for lever, code, status in (
        ("101", "59102", 200),
        ("0", "59105", 400),
        ("many", "51000", 400),
        (None, "50014", 400),
    ):
        refused(call.signed("POST", "account/set-leverage", {**body, "lever": lever}), code, status)
    refused(call.signed("POST", "account/set-leverage", {**body, "instId": "BTC-USDT"}), "51010")


def test_leverage_of_each_side_in_long_short_mode(hedged: OkxContracts, session: Any) -> None:
    call = caller(hedged, session)
    body = {"instId": USDT_SWAP, "lever": "5", "mgnMode": "isolated"}
    refused(call.signed("POST", "account/set-leverage", body), "51000", 400, "posSide")
    assert data(call.signed("POST", "account/set-leverage", {**body, "posSide": "long"}))[0]["posSide"] == "long"
    read = data(call.signed("GET", "account/leverage-info", instId=USDT_SWAP, mgnMode="isolated"))
    assert [(row["posSide"], row["lever"]) for row in read] == [("long", "5"), ("short", "3")]


# --- opening, reducing, closing ---


def test_a_position_from_opening_to_closing(venue: OkxContracts, call: OkxCaller) -> None:
    call.signed("POST", "account/set-leverage", {"instId": USDT_SWAP, "lever": "10", "mgnMode": "cross"})
    venue.rest(LINEAR, "sell", "50000", "10")
    placed = order(call, clOrdId="open1", tag="t")
    row = details(call, placed)
    same(
        row, instType="SWAP", state="filled", ordType="market", px="", sz="10", accFillSz="10", avgPx="50000", feeCcy="USDT", fee="-2.5",
        pnl="0", posSide="net", tdMode="cross", lever="10", reduceOnly="false", category="normal", tgtCcy="", ccy="USDT", clOrdId="open1",
    )  # fmt: skip
    (fill,) = data(call.signed("GET", "trade/fills", instType="SWAP"))
    same(
        fill,
        instId=USDT_SWAP,
        fillPx="50000",
        fillSz="10",
        fee="-2.5",
        feeCcy="USDT",
        subType="1",
        execType="T",
        fillPnl="0",
    )

    venue.exchange.contracts.set_prices(LINEAR, mark=D(51_000), index=D(50_900))
    (held,) = positions(call)
    same(
        held, instId=USDT_SWAP, pos="10", posSide="net", mgnMode="cross", avgPx="50000", markPx="51000", upl="100", lever="10", imr="510",
        margin="", mmr="20.4", ccy="USDT", idxPx="50900", notionalUsd="5100", fee="-2.5", realizedPnl="-2.5", uplRatio="0.2",
    )  # fmt: skip
    assert held["liqPx"] == ""  # the balance covers even a price of 0
    # 10 contracts of 0.01 BTC at 51,000 with leverage 10 need 510 USDT; the profit counts.
    same(money(call, "USDT"), eq="10097.5", cashBal="9997.5", availEq="9587.5", upl="100", imr="510", mmr="20.4")

    venue.rest(LINEAR, "buy", "51000", "4")
    closed = details(call, order(call, side="sell", sz="4", reduceOnly=True))
    same(closed, pnl="40", reduceOnly="true", accFillSz="4")
    (held,) = positions(call)
    same(held, pos="6", pnl="40", fee="-3.52")
    venue.rest(LINEAR, "buy", "51000", "6")
    reply = call.signed("POST", "trade/close-position", {"instId": USDT_SWAP, "mgnMode": "cross"})
    assert data(reply) == [{"instId": USDT_SWAP, "posSide": "net", "clOrdId": "", "tag": ""}]
    assert positions(call) == []
    (gone,) = positions(call, instId=USDT_SWAP)
    assert (gone["pos"], gone["posId"]) == ("0", held["posId"])
    (past,) = data(call.signed("GET", "account/positions-history", instType="SWAP"))
    same(
        past, type="2", direction="long", openAvgPx="50000", closeAvgPx="51000", openMaxPos="10", closeTotalPos="10", pnl="100",
        fee="-5.05", realizedPnl="94.95", fundingFee="0", liqPenalty="0", posSide="net", uly="BTC-USDT", triggerPx="",
    )  # fmt: skip
    same(money(call, "USDT"), cashBal="10094.95", availEq="10094.95", upl="0")
    refused_row = call.signed("POST", "trade/close-position", {"instId": USDT_SWAP, "mgnMode": "cross"}).json()["data"][
        0
    ]
    assert refused_row["sCode"] == "51023"


def test_an_inverse_position_is_kept_in_coins(venue: OkxContracts, call: OkxCaller) -> None:
    call.signed("POST", "account/set-leverage", {"instId": USD_SWAP, "lever": "10", "mgnMode": "cross"})
    venue.rest(INVERSE, "buy", "50000", "100")
    placed = order(call, instId=USD_SWAP, side="sell", sz="100")
    same(details(call, placed, USD_SWAP), feeCcy="BTC", fee="-0.0001", avgPx="50000", accFillSz="100")
    venue.exchange.contracts.set_prices(INVERSE, mark=D(40_000))
    (held,) = positions(call)
    # 100 contracts of 100 USD: 0.2 BTC at 50,000 and 0.25 BTC at 40,000.
    same(held, pos="-100", avgPx="50000", upl="0.05", imr="0.025", ccy="BTC", notionalUsd="12500")
    same(money(call, "BTC"), cashBal="0.9999", eq="1.0499", upl="0.05")
    venue.rest(INVERSE, "sell", "40000", "100")
    same(details(call, order(call, instId=USD_SWAP, sz="100"), USD_SWAP), pnl="0.05", fee="-0.000125")
    same(money(call, "BTC"), cashBal="1.049775", eq="1.049775")
    (past,) = data(call.signed("GET", "account/positions-history"))
    same(past, direction="short", openAvgPx="50000", closeAvgPx="40000", pnl="0.05", ccy="BTC")


def test_long_and_short_apart(hedged: OkxContracts, session: Any) -> None:
    call = caller(hedged, session)
    hedged.rest(LINEAR, "sell", "50000", "10")
    hedged.rest(LINEAR, "buy", "49990", "3")
    assert order(call)["sCode"] == "51000"  # the position side is required
    assert order(call, posSide="net")["sCode"] == "51000"
    assert order(call, posSide="long")["sCode"] == "0"
    assert order(call, posSide="short", side="sell", sz="3")["sCode"] == "0"
    assert {(row["posSide"], row["pos"]) for row in positions(call)} == {("long", "10"), ("short", "3")}
    fills = data(call.signed("GET", "trade/fills", instType="SWAP"))
    assert [(fill["posSide"], fill["subType"]) for fill in fills] == [("short", "4"), ("long", "3")]
    assert order(call, posSide="long", side="sell", sz="11")["sCode"] == "51112"
    assert order(call, posSide="short", side="buy", sz="4")["sCode"] == "51112"
    resting = order(call, posSide="long", side="sell", ordType="limit", px="50500", sz="6")
    assert details(call, resting)["reduceOnly"] == "true"
    assert order(call, posSide="long", side="sell", ordType="limit", px="50600", sz="5")["sCode"] == "51112"
    answer = call.signed("POST", "trade/close-position", {"instId": USDT_SWAP, "mgnMode": "cross", "posSide": "long"})
    assert answer.json()["data"][0]["sCode"] == "51115"
    hedged.rest(LINEAR, "buy", "50000", "10")
    body = {"instId": USDT_SWAP, "mgnMode": "cross", "posSide": "long", "autoCxl": True}
    assert data(call.signed("POST", "trade/close-position", body))[0]["posSide"] == "long"
    assert [row["posSide"] for row in positions(call)] == ["short"]
    assert details(call, resting)["state"] == "canceled"


def test_cross_and_isolated_side_by_side(venue: OkxContracts, call: OkxCaller) -> None:
    call.signed("POST", "account/set-leverage", {"instId": USDT_SWAP, "lever": "5", "mgnMode": "isolated"})
    venue.rest(LINEAR, "sell", "50000", "10")
    venue.rest(LINEAR, "buy", "49990", "2")
    order(call, tdMode="isolated")
    order(call, side="sell", sz="2")
    rows = {row["mgnMode"]: row for row in positions(call)}
    same(rows["isolated"], pos="10", margin="1000", imr="", lever="5")
    same(rows["cross"], pos="-2", lever="3", margin="")
    assert rows["isolated"]["posId"] != rows["cross"]["posId"]
    before = money(call, "USDT")
    assert D(before["isoEq"]) == 1000
    body = {"instId": USDT_SWAP, "posSide": "net", "type": "add", "amt": "100"}
    same(data(call.signed("POST", "account/position/margin-balance", body))[0], amt="100", ccy="USDT", type="add")
    assert {row["mgnMode"]: row["margin"] for row in positions(call)}["isolated"] == "1100"
    assert D(money(call, "USDT")["cashBal"]) == D(before["cashBal"]) - 100
    refused(call.signed("POST", "account/position/margin-balance", {**body, "type": "reduce", "amt": "500"}), "59301")
    refused(call.signed("POST", "account/position/margin-balance", {**body, "instId": USD_SWAP}), "59300")
    (bill,) = data(call.signed("GET", "account/bills", type="6"))
    same(bill, subType="160", balChg="-100", posBalChg="100", posBal="1100", mgnMode="isolated", sz="100")


def test_spot_cannot_spend_what_positions_need(venue: OkxContracts, call: OkxCaller) -> None:
    call.signed("POST", "account/set-leverage", {"instId": USDT_SWAP, "lever": "1", "mgnMode": "cross"})
    venue.rest(LINEAR, "sell", "50000", "18")
    assert order(call, sz="18")["sCode"] == "0"
    spot = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "50000"}
    row = call.signed("POST", "trade/order", {**spot, "sz": "0.03"}).json()["data"][0]
    assert (row["sCode"], row["subCode"]) == ("51008", "1000")
    assert call.signed("POST", "trade/order", {**spot, "sz": "0.01"}).json()["data"][0]["sCode"] == "0"


@pytest.mark.parametrize(
    ("fields", "code", "sub_code", "text"),
    [
        ({"tdMode": "cash"}, "51010", "", "account mode"),
        ({"posSide": "long"}, "51000", "", "posSide"),
        ({"sz": "0"}, "51000", "", "sz"),
        ({"sz": "0.005"}, "51020", "", ""),
        ({"sz": "0.015"}, "51121", "", "lot size"),
        ({"sz": "40000"}, "51202", "", ""),
        ({"ordType": "limit", "px": "50000.05"}, "51150", "", ""),
        ({"ordType": "limit", "px": "53000"}, "51137", "", "52500"),
        ({"ordType": "limit", "px": "49000", "sz": "1000"}, "51008", "1001", "Insufficient USDT margin in account"),
        ({"instId": USD_SWAP, "ordType": "limit", "px": "49000", "sz": "2000"}, "51008", "1001", "BTC margin"),
        ({"reduceOnly": True}, "51169", "", "any positions"),
        ({"ordType": "limit", "px": "40000", "sz": "1100000"}, "51004", "1104", "1000000(contracts)"),
    ],
)
def test_what_is_refused(call: OkxCaller, fields: dict[str, Any], code: str, sub_code: str, text: str) -> None:
    row = order(call, **fields)
    assert (row["sCode"], row["ordId"], row["subCode"]) == (code, "", sub_code), row
    assert text in row["sMsg"]
    assert data(call.signed("GET", "trade/orders-pending")) == []


def test_reduce_only_orders_never_open(venue: OkxContracts, call: OkxCaller) -> None:
    venue.rest(LINEAR, "sell", "50000", "5")
    order(call, sz="5")
    assert order(call, reduceOnly=True, sz="1")["sCode"] == "51170"
    assert order(call, side="sell", reduceOnly=True, sz="6")["sCode"] == "51112"
    resting = order(call, side="sell", reduceOnly=True, ordType="limit", px="51000", sz="5")
    venue.rest(LINEAR, "buy", "50000", "5")
    order(call, side="sell", sz="5")  # the position is gone, so the resting order has nothing to reduce
    same(details(call, resting), state="canceled", cancelSource="23")
    assert positions(call) == []


def test_a_market_order_goes_to_the_price_limit_and_its_rest_stays(venue: OkxContracts, call: OkxCaller) -> None:
    venue.rest(LINEAR, "sell", "50000", "4")
    placed = order(call, sz="10")
    same(details(call, placed), state="partially_filled", ordType="market", px="", accFillSz="4")
    book = data(call.public("market/books", instId=USDT_SWAP))[0]
    assert book["bids"] == [["52500", "6", "0", "1"]]
    rest = order(call, side="sell", ordType="optimal_limit_ioc", sz="8")
    same(details(call, rest), state="canceled", ordType="optimal_limit_ioc", accFillSz="0")
    assert order(call, instId="BTC-USDT", tdMode="cash", ordType="optimal_limit_ioc", sz="1")["sCode"] == "51000"


def test_changing_and_cancelling(venue: OkxContracts, call: OkxCaller) -> None:
    placed = order(call, ordType="limit", px="49000", sz="10")
    body = {"instId": USDT_SWAP, "ordId": placed["ordId"]}
    assert call.signed("POST", "trade/amend-order", {**body, "newSz": "20", "newPx": "49500"}).json()["code"] == "0"
    same(details(call, placed), sz="20", px="49500", state="live")
    row = call.signed("POST", "trade/amend-order", {**body, "newSz": "2000"}).json()["data"][0]
    assert (row["sCode"], row["subCode"]) == ("51502", "1031")
    assert call.signed("POST", "trade/cancel-order", body).json()["code"] == "0"
    same(details(call, placed), state="canceled", cancelSource="1")
    same(money(call, "USDT"), availEq="10000", ordFrozen="0")


def test_the_largest_orders(call: OkxCaller) -> None:
    (row,) = data(call.signed("GET", "account/max-size", instId=USDT_SWAP, tdMode="cross", px="50000"))
    same(row, instId=USDT_SWAP, ccy="USDT", maxBuy="59.91", maxSell="59.91")
    assert order(call, ordType="limit", px="50000", sz="59.91")["sCode"] == "0"
    (row,) = data(call.signed("GET", "account/max-avail-size", instId=USD_SWAP, tdMode="isolated"))
    same(row, availBuy="1", availSell="1")
    refused(call.signed("GET", "account/max-size", instId=USDT_SWAP, tdMode="cash"), "51010")


def test_fees_of_contracts(call: OkxCaller) -> None:
    for query in ({"instFamily": "BTC-USDT"}, {"uly": "BTC-USDT"}):
        (row,) = data(call.signed("GET", "account/trade-fee", instType="SWAP", **query))
        same(row, maker="-0.0002", taker="-0.0005", takerU="-0.0005", instType="SWAP")
        assert row["feeGroup"][0]["groupId"] == "4"
