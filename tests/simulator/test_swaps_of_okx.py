"""``SimulatorServer("okx", products=["swap"])``: swaps beside spot, in one account, in a market that moves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.errors import InputError
from fmzthreads.simulator import SimulatorProcess, SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder
from fmzthreads.simulator.market.maker import MarketSettings
from fmzthreads.simulator.pairs import read_pairs, swap_pairs
from tests.helpers.simulators import OkxCaller, free_session, simulator

LINEAR, INVERSE = "BTC_USDT.swap", "BTC_USD.swap"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    few = MarketSettings(levels=10, makers=1, take_chance=1)
    with simulator("okx", symbols=["BTC_USDT"], products=["swap"], settings=few) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as made:
        yield made


def trade(server: SimulatorServer, instrument: str, quantity: str, side: Any = "buy") -> None:
    order = NewOrder(instrument=instrument, side=side, type="market", quantity=Decimal(quantity))
    server.exchange.place(server.account, order)


def middle(server: SimulatorServer, instrument: str) -> Decimal:
    depth = server.exchange.depth(instrument, 1)
    return (depth.bids[0][0] + depth.asks[0][0]) / 2


def test_swaps_stand_beside_spot_at_its_price(server: SimulatorServer) -> None:
    assert server.symbols == ("BTC_USDT",)
    assert server.products == ("spot", "swap")
    spot = middle(server, "BTC_USDT")
    for instrument in (LINEAR, INVERSE):
        before = server.exchange.contracts.prices(instrument)
        for _ in range(5):
            server.driver.step()
        after = server.exchange.contracts.prices(instrument)
        assert before.index != after.index
        for price in (before.mark, before.index, after.mark, after.index, middle(server, instrument)):
            assert price is not None
            assert abs(price / spot - 1) < Decimal("0.05")


def test_all_that_moves_the_account_reconciles(server: SimulatorServer, session: requests.Session) -> None:
    def change(**data: Any) -> None:
        assert session.post(f"{server.base_url}/_simulator/contracts", json=data, timeout=60).status_code == 200

    trade(server, "BTC_USDT", "0.5")
    for instrument in (LINEAR, INVERSE):
        trade(server, instrument, "3")
        change(instrument=instrument, funding_rate=0.001, pay_funding=True)
        trade(server, instrument, "7", "sell")
    change(instrument=LINEAR, deleverage="net")
    state = session.get(f"{server.base_url}/_simulator/state", timeout=60).json()
    assert state["reconciled"]
    assert "contracts" not in state
    assert [(position["instrument"], position["quantity"]) for position in state["positions"]] == [(INVERSE, "-4")]
    margin = server.account.margin
    assert margin is not None
    assert [line.kind for line in margin.incomes].count("funding") == 2
    server.account.free["USDT"] += 1
    assert not server.state()["reconciled"]


def test_a_client_sees_them(server: SimulatorServer, session: requests.Session) -> None:
    caller = OkxCaller(server, session)
    listed = caller.public("public/instruments", instType="SWAP").json()["data"]
    assert {row["instId"] for row in listed} == {"BTC-USDT-SWAP", "BTC-USD-SWAP"}
    placed = caller.order(instId="BTC-USDT-SWAP", tdMode="isolated", ordType="market", sz="1").json()
    assert placed["code"] == "0"
    (position,) = caller.signed("GET", "account/positions").json()["data"]
    assert (position["pos"], position["mgnMode"]) == ("1", "isolated")
    assert server.state()["reconciled"]


def test_swaps_of_pairs() -> None:
    found = swap_pairs(read_pairs("okx", ["BTC_USDT", "SOL_USDT=150", "ETH_BTC=0.05", "SOL_USDC=151"]))
    assert [(swap.instrument.id, swap.instrument.tick, followed) for swap, followed in found] == [
        ("BTC_USDT.swap", Decimal("0.1"), "BTC_USDT"),
        ("BTC_USD.swap", Decimal("0.1"), "BTC_USDT"),
        ("SOL_USDT.swap", Decimal("0.01"), "SOL_USDT"),
        ("SOL_USD.swap", Decimal("0.01"), "SOL_USDT"),
        ("SOL_USDC.swap", Decimal("0.01"), "SOL_USDC"),
    ]
    with pytest.raises(InputError, match="expected one in USDT or USDC"):
        swap_pairs(read_pairs("okx", ["ETH_BTC=0.05"]))


def test_a_process_serves_them(session: requests.Session) -> None:
    pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")
    with SimulatorProcess("okx", symbols=["BTC_USDT"], products=["swap"]) as process:
        assert process.symbols == ("BTC_USDT",)
        assert process.contract_stream_urls == {}
        row = session.get(
            f"{process.base_url}/api/v5/public/mark-price", params={"instType": "SWAP", "instId": "BTC-USD-SWAP"}, timeout=60
        ).json()["data"][0]  # fmt: skip
        assert 10_000 < float(row["markPx"]) < 200_000
