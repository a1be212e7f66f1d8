"""Contracts that are delivered: OKX's FUTURES."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator.engine.margin.listings import okx_contract
from tests.helpers.okx_contracts import OkxContracts
from tests.helpers.simulators import OkxCaller, free_session
from tests.simulator.dialects.okx.contracts.test_trading import caller, details, money, order, positions, same
from tests.simulator.dialects.okx.test_rest import data, refused

D = Decimal
DELIVERY = datetime(2096, 12, 28, 8, tzinfo=UTC)
DELIVERY_MS = int(DELIVERY.timestamp() * 1000)
QUARTER, NAME = "BTC_USDT.quarter", "BTC-USDT-961228"


@pytest.fixture
def venue() -> Iterator[OkxContracts]:
    with OkxContracts(more=[okx_contract("BTC", "USDT", expiry_ms=DELIVERY_MS, suffix="quarter")]) as running:
        running.exchange.contracts.set_leverage(running.other, QUARTER, 1)
        running.trade(QUARTER, "50000")
        running.exchange.contracts.set_prices(QUARTER, mark=D(50_000), index=D(50_000))
        yield running


@pytest.fixture
def call(venue: OkxContracts) -> Iterator[OkxCaller]:
    with free_session() as opened:
        yield caller(venue, opened)


def test_they_are_an_instrument_type_of_their_own(call: OkxCaller) -> None:
    (row,) = data(call.public("public/instruments", instType="FUTURES"))
    same(
        row,
        instId=NAME,
        instFamily="BTC-USDT",
        expTime=str(DELIVERY_MS),
        ctType="linear",
        settleCcy="USDT",
        ctVal="0.01",
    )
    assert NAME not in {found["instId"] for found in data(call.public("public/instruments", instType="SWAP"))}
    same(data(call.public("public/mark-price", instType="FUTURES", instId=NAME))[0], markPx="50000", instType="FUTURES")
    refused(call.public("public/funding-rate", instId=NAME), "51000", 400)


def test_a_position_is_delivered(venue: OkxContracts, call: OkxCaller) -> None:
    venue.rest(QUARTER, "sell", "50000", "10")
    placed = order(call, instId=NAME, sz="10")
    same(details(call, placed, NAME), state="filled", instType="FUTURES", instId=NAME)
    (held,) = positions(call, instType="FUTURES")
    same(held, instId=NAME, pos="10", mgnMode="cross")
    assert positions(call, instType="SWAP") == []
    before = D(money(call, "USDT")["cashBal"])
    venue.exchange.contracts.deliver(QUARTER, D(51_000))
    assert positions(call) == []
    last: dict[str, Any] = data(call.signed("GET", "trade/orders-history", instType="FUTURES"))[0]
    same(last, category="delivery", side="sell", avgPx="51000")
    (bill,) = data(call.signed("GET", "account/bills", type="3"))
    same(bill, instId=NAME, instType="FUTURES", subType="112", pnl="100")
    assert D(money(call, "USDT")["cashBal"]) == before + D(bill["balChg"])
