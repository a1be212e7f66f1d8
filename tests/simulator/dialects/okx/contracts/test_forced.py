"""What the venue does to positions: funding, liquidation, deleveraging, and what tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.dialects.okx.accounts import bills
from tests.helpers.okx_contracts import INVERSE, LINEAR, OkxContracts
from tests.helpers.simulators import OkxCaller, free_session
from tests.simulator.dialects.okx.contracts.test_trading import (
    USD_SWAP,
    USDT_SWAP,
    caller,
    details,
    money,
    order,
    positions,
    same,
)
from tests.simulator.dialects.okx.test_rest import data, refused

D = Decimal
NOW = 1_800_000_000


@pytest.fixture
def venue() -> Iterator[OkxContracts]:
    with OkxContracts(clock=ManualClock(NOW)) as running:
        yield running


@pytest.fixture
def call(venue: OkxContracts) -> Iterator[OkxCaller]:
    with free_session() as session:
        yield caller(venue, session)


def buy(venue: OkxContracts, call: OkxCaller, size: str, *, lever: str = "10", mode: str = "cross") -> dict[str, Any]:
    call.signed("POST", "account/set-leverage", {"instId": USDT_SWAP, "lever": lever, "mgnMode": mode})
    venue.rest(LINEAR, "sell", "50000", size)
    placed = order(call, sz=size, tdMode=mode)
    assert placed["sCode"] == "0", placed
    return placed


def test_funding_is_paid_and_listed(venue: OkxContracts, call: OkxCaller) -> None:
    buy(venue, call, "10")
    contracts = venue.exchange.contracts
    contracts.set_funding(LINEAR, D("0.001"))
    (row,) = data(call.public("public/funding-rate", instId=USDT_SWAP))
    same(row, fundingRate="0.001", method="current_period", nextFundingRate="", settFundingRate="0", instType="SWAP")
    assert int(row["nextFundingTime"]) - int(row["fundingTime"]) == 8 * 3_600_000
    venue.exchange.clock.advance(8 * 3600)  # type: ignore[attr-defined]  # a manual clock
    contracts.settle_due()
    (bill,) = data(call.signed("GET", "account/bills", type="8"))
    same(
        bill, subType="173", pnl="-5", balChg="-5", bal="9992.5", ccy="USDT", instId=USDT_SWAP, mgnMode="cross", sz="10", px="50000", type="8",
    )  # fmt: skip
    (held,) = positions(call)
    same(held, fundingFee="-5", realizedPnl="-7.5")
    (past,) = data(call.public("public/funding-rate-history", instId=USDT_SWAP))
    same(past, realizedRate="0.001", fundingTime=row["fundingTime"])
    assert data(call.public("public/funding-rate-history", instId=USDT_SWAP, after=past["fundingTime"])) == []
    assert {row["instId"] for row in data(call.public("public/funding-rate", instId="ANY"))} == {USDT_SWAP, USD_SWAP}
    refused(call.public("public/funding-rate", instId="BTC-USDT"), "51000", 400)


def test_funding_of_an_isolated_position_is_paid_from_its_margin(venue: OkxContracts, call: OkxCaller) -> None:
    buy(venue, call, "10", mode="isolated")
    venue.exchange.contracts.set_funding(LINEAR, D("-0.001"))
    venue.exchange.contracts.pay_funding(LINEAR)
    (bill,) = data(call.signed("GET", "account/bills", type="8"))
    same(bill, subType="174", pnl="5", balChg="0", posBalChg="5", posBal="505", mgnMode="isolated")
    assert positions(call)[0]["margin"] == "505"


def test_a_liquidation_of_an_isolated_position(venue: OkxContracts, call: OkxCaller) -> None:
    venue.exchange.contracts.fund_insurance("USDT", D(100_000))
    buy(venue, call, "10", mode="isolated")
    stop = {
        "instId": USDT_SWAP,
        "tdMode": "isolated",
        "side": "sell",
        "ordType": "conditional",
        "slTriggerPx": "40000",
        "slOrdPx": "-1",
    }
    algo = call.signed(
        "POST", "trade/order-algo", {**stop, "sz": "10", "reduceOnly": True, "cxlOnClosePos": True}
    ).json()["data"][0]  # fmt: skip
    assert algo["sCode"] == "0", algo
    liquidation = D(positions(call)[0]["liqPx"])
    assert 45_000 < liquidation < 45_400
    venue.rest(LINEAR, "buy", "45150", "20")
    venue.exchange.contracts.set_prices(LINEAR, mark=D(45_100), index=D(45_100))
    assert positions(call) == []
    (row,) = data(call.signed("GET", "trade/orders-history", instType="SWAP", limit="1"))
    same(
        row,
        category="full_liquidation",
        state="filled",
        side="sell",
        tdMode="isolated",
        accFillSz="10",
        reduceOnly="true",
    )
    (past,) = data(call.signed("GET", "account/positions-history", instId=USDT_SWAP))
    same(past, type="3", direction="long", triggerPx="45100", mgnMode="isolated")
    assert D(past["liqPenalty"]) < 0
    assert D(past["realizedPnl"]) == D(past["pnl"]) + D(past["fee"]) + D(past["liqPenalty"])
    lines = data(call.signed("GET", "account/bills", type="5"))
    assert {line["subType"] for line in lines} == {"107", ""}
    assert D(money(call, "USDT")["cashBal"]) == D(lines[0]["bal"]) >= 9_450
    same(data(call.signed("GET", "trade/order-algo", algoId=algo["algoId"]))[0], state="canceled")


def test_open_orders_are_cancelled_when_a_cross_account_is_liquidated(venue: OkxContracts, call: OkxCaller) -> None:
    venue.exchange.contracts.fund_insurance("USDT", D(1_000_000))
    buy(venue, call, "150", lever="10")
    resting = order(call, ordType="limit", px="48000", sz="1")
    venue.clear()
    venue.rest(LINEAR, "buy", "42000", "500")
    venue.exchange.contracts.set_prices(LINEAR, mark=D(43_300), index=D(43_300))
    assert positions(call) == []
    same(details(call, resting), state="canceled", cancelSource="3", category="normal")
    assert venue.exchange.balances(venue.account)["USDT"].total >= 0


def test_a_deleveraged_position_is_flagged(venue: OkxContracts, call: OkxCaller) -> None:
    buy(venue, call, "10")
    assert positions(call)[0]["adl"] in {"1", "2", "3", "4", "5"}
    venue.exchange.contracts.set_prices(LINEAR, mark=D(52_000))
    venue.exchange.contracts.deleverage(venue.account, LINEAR)
    (row,) = data(call.signed("GET", "trade/orders-history", instType="SWAP", limit="1"))
    same(row, category="adl", avgPx="52000", pnl="200")
    (bill,) = data(call.signed("GET", "account/bills", type="9"))
    same(bill, subType="128", sz="10", pnl="200")
    same(data(call.signed("GET", "account/positions-history"))[0], type="6", triggerPx="52000")


def test_bills_add_up_to_the_balance(venue: OkxContracts, call: OkxCaller) -> None:
    venue.exchange.contracts.fund_insurance("USDT", D(1_000_000))
    buy(venue, call, "20", mode="isolated")
    venue.rest(LINEAR, "buy", "49990", "7")
    order(call, side="sell", sz="7", tdMode="isolated")
    call.signed(
        "POST", "account/position/margin-balance", {"instId": USDT_SWAP, "posSide": "net", "type": "add", "amt": "50"}
    )
    venue.exchange.contracts.set_funding(LINEAR, D("0.0005"))
    venue.exchange.contracts.pay_funding(LINEAR)
    venue.rest("BTC_USDT", "sell", "50000", "0.1")
    order(call, instId="BTC-USDT", tdMode="cash", ordType="limit", px="50000", sz="0.05")
    venue.exchange.deposit(venue.account, "USDT", D(123))
    venue.exchange.contracts.set_prices(LINEAR, mark=D(30_000), index=D(30_000))
    for asset, start in (("USDT", 10_000), ("BTC", 1)):
        lines = data(call.signed("GET", "account/bills", ccy=asset))
        assert sum(D(line["balChg"]) for line in lines) + start == venue.exchange.balances(venue.account)[asset].total
        assert D(lines[0]["bal"]) == venue.exchange.balances(venue.account)[asset].total
    every = data(call.signed("GET", "account/bills-archive"))
    numbers = [int(bill["billId"]) for bill in every]
    assert numbers == sorted(set(numbers), reverse=True)
    assert {bill["type"] for bill in every} == {"1", "2", "5", "6", "8"}
    assert data(call.signed("GET", "account/bills", after=str(numbers[2]), limit="1")) == [every[3]]
    assert data(call.signed("GET", "account/bills", before=str(numbers[1]))) == [every[0]]
    assert {bill["instType"] for bill in data(call.signed("GET", "account/bills", ctType="linear"))} == {"SWAP"}
    fills = {row["billId"] for row in data(call.signed("GET", "trade/fills"))}
    assert fills <= {bill["billId"] for bill in every}


def test_many_trades_do_not_push_a_funding_payment_out_of_the_statement(
    venue: OkxContracts, call: OkxCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bills, "_KEPT", 3)
    buy(venue, call, "10")
    venue.exchange.contracts.set_funding(LINEAR, D("0.001"))
    venue.exchange.contracts.pay_funding(LINEAR)
    for _ in range(4):
        venue.rest(LINEAR, "buy", "49990", "1")
        order(call, side="sell", sz="1")
    every = data(call.signed("GET", "account/bills"))
    assert [bill["type"] for bill in every] == ["2", "2", "2", "8"]
    assert data(call.signed("GET", "account/bills", type="8")) == every[-1:]


# --- public data ---


def test_marks_indexes_tiers_and_open_interest(venue: OkxContracts, call: OkxCaller) -> None:
    venue.exchange.contracts.set_prices(LINEAR, mark=D("50001.5"), index=D(49_999))
    (row,) = data(call.public("public/mark-price", instType="SWAP", instId=USDT_SWAP))
    same(row, instId=USDT_SWAP, instType="SWAP", markPx="50001.5")
    assert data(call.public("public/mark-price", instType="MARGIN")) == []
    same(data(call.public("public/mark-price", instId=USDT_SWAP))[0], instId=USDT_SWAP, markPx="50001.5")
    refused(call.public("public/mark-price", instId="BTC-USDT"), "51000", 400)
    same(data(call.public("market/index-tickers", instId="BTC-USDT"))[0], instId="BTC-USDT", idxPx="49999")
    assert {row["instId"] for row in data(call.public("market/index-tickers", quoteCcy="USD"))} == {"BTC-USD"}
    refused(call.public("market/index-tickers", instId="DOGE-USDT"), "51014")
    refused(call.public("market/index-tickers"), "50015", 400)
    tiers = data(call.public("public/position-tiers", instType="SWAP", tdMode="cross", instFamily="BTC-USDT"))
    same(
        tiers[0], tier="1", minSz="0", maxSz="2500", mmr="0.004", imr="0.01", maxLever="100", uly="BTC-USDT", instId=""
    )
    same(tiers[1], tier="2", minSz="2500.01", maxLever="75")
    assert (
        data(call.public("public/position-tiers", instType="SWAP", tdMode="cross", uly="BTC-USDT", tier="2"))
        == tiers[1:2]
    )
    refused(call.public("public/position-tiers", instType="SWAP", tdMode="cross"), "50014", 400, "instFamily")
    buy(venue, call, "10")
    same(
        data(call.public("public/open-interest", instType="SWAP", instId=USDT_SWAP))[0],
        oi="10",
        oiCcy="0.1",
        oiUsd="5000.15",
    )
    (limit,) = data(call.public("public/price-limit", instId=USD_SWAP))
    same(limit, instType="SWAP", buyLmt="52500", sellLmt="47500")


def test_volumes_are_contracts_base_and_quote(venue: OkxContracts, call: OkxCaller) -> None:
    (linear,) = data(call.public("market/ticker", instId=USDT_SWAP))
    same(linear, instType="SWAP", vol24h="1", volCcy24h="0.01", last="50000")
    (inverse,) = data(call.public("market/ticker", instId=USD_SWAP))
    same(inverse, vol24h="1", volCcy24h="0.002")
    assert data(call.public("market/candles", instId=USDT_SWAP, limit="1"))[0][5:8] == ["1", "0.01", "500"]
    assert data(call.public("market/candles", instId=USD_SWAP, limit="1"))[0][5:8] == ["1", "0.002", "100"]
    assert {row["instId"] for row in data(call.public("market/tickers", instType="SWAP"))} == {USDT_SWAP, USD_SWAP}
    assert [row["instId"] for row in data(call.public("market/tickers", instType="SWAP", instFamily="BTC-USD"))] == [
        USD_SWAP
    ]


# --- algo orders on positions ---


def test_a_stop_on_the_mark_price_closes_the_whole_position(venue: OkxContracts, call: OkxCaller) -> None:
    buy(venue, call, "10")
    body = {
        "instId": USDT_SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional", "slTriggerPx": "49000", "slOrdPx": "-1",
        "slTriggerPxType": "mark", "closeFraction": "1",
    }  # fmt: skip
    assert call.signed("POST", "trade/order-algo", body).json()["data"][0]["sCode"] == "51328"
    placed = call.signed("POST", "trade/order-algo", {**body, "reduceOnly": True}).json()["data"][0]
    assert placed["sCode"] == "0", placed
    same(
        positions(call)[0]["closeOrderAlgo"][0],
        algoId=placed["algoId"],
        slTriggerPx="49000",
        slTriggerPxType="mark",
        tpTriggerPx="",
    )
    venue.trade(LINEAR, "48900")  # the last price does not matter
    assert positions(call)[0]["pos"] == "10"
    venue.clear()
    venue.rest(LINEAR, "buy", "48950", "10")
    venue.exchange.contracts.set_prices(LINEAR, mark=D(49_000))
    assert positions(call) == []
    done = data(call.signed("GET", "trade/order-algo", algoId=placed["algoId"]))[0]
    same(
        done,
        state="effective",
        actualSide="sl",
        actualSz="10",
        closeFraction="1",
        sz="",
        reduceOnly="true",
        posSide="net",
    )
    same(details(call, done), avgPx="48950", source="7", algoId=placed["algoId"], reduceOnly="true")


def test_a_reduce_only_stop_without_a_position_fails(venue: OkxContracts, call: OkxCaller) -> None:
    body = {
        "instId": USDT_SWAP,
        "tdMode": "cross",
        "side": "sell",
        "ordType": "trigger",
        "triggerPx": "49000",
        "orderPx": "-1",
    }
    placed = call.signed("POST", "trade/order-algo", {**body, "sz": "5", "reduceOnly": True}).json()["data"][0]
    venue.trade(LINEAR, "49000")
    done = data(call.signed("GET", "trade/order-algo", algoId=placed["algoId"]))[0]
    same(done, state="order_failed", failCode="51169", ordId="")


def test_what_is_attached_to_an_opening_order_closes_its_position(venue: OkxContracts, call: OkxCaller) -> None:
    venue.rest(LINEAR, "sell", "50000", "10")
    attached = {"slTriggerPx": "49000", "slOrdPx": "-1", "slTriggerPxType": "mark"}
    placed = order(call, attachAlgoOrds=[attached])
    assert placed["sCode"] == "0", placed
    (algo,) = data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional"))
    same(algo, side="sell", sz="10", slTriggerPxType="mark", reduceOnly="true", tdMode="cross", posSide="net")
    venue.rest(LINEAR, "buy", "49900", "10")
    call.signed("POST", "trade/close-position", {"instId": USDT_SWAP, "mgnMode": "cross"})
    assert data(call.signed("GET", "trade/orders-algo-pending", ordType="conditional")) == []  # its position is gone


def test_a_delivered_contract_is_closed(venue: OkxContracts, call: OkxCaller) -> None:
    venue.rest(INVERSE, "sell", "50000", "10")
    order(call, instId=USD_SWAP, sz="10")
    venue.exchange.contracts.deliver(INVERSE, D(51_000))
    (row,) = data(call.signed("GET", "trade/orders-history", instType="SWAP", limit="1"))
    same(row, category="delivery", state="filled", side="sell")
    assert positions(call) == []
    assert order(call, instId=USD_SWAP)["sCode"] == "51027"
    assert [row["instId"] for row in data(call.public("public/instruments", instType="SWAP"))] == [USDT_SWAP]
