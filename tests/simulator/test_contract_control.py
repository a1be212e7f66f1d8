"""Marks, funding and forced events by the simulator's own interface, and the sums of an account with contracts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder
from tests.helpers.simulators import contract_simulator, free_session

SWAP, COIN = "BTC_USDT.swap", "BTC_USD.swap"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with free_session() as made:
        yield made


def change(server: SimulatorServer, session: requests.Session, **data: Any) -> requests.Response:
    return session.post(f"{server.base_url}/_simulator/contracts", json=data, timeout=60)


def trade(server: SimulatorServer, product: str, instrument: str, quantity: str, side: Any = "buy") -> None:
    order = NewOrder(instrument=instrument, side=side, type="market", quantity=Decimal(quantity))
    server.exchanges[product].place(server.accounts[product], order)


def test_everything_that_happens_to_contracts_reconciles(server: SimulatorServer, session: requests.Session) -> None:
    for product, instrument, quantity in (("um", SWAP, "0.05"), ("cm", COIN, "50")):
        trade(server, product, instrument, quantity)
        change(server, session, instrument=instrument, funding_rate=0.001, pay_funding=True)
        trade(server, product, instrument, quantity, "sell")
        trade(server, product, instrument, quantity, "sell")
    change(server, session, instrument=SWAP, deleverage="net")
    state = session.get(f"{server.base_url}/_simulator/state", timeout=60).json()
    um, cm = state["contracts"]["um"], state["contracts"]["cm"]
    assert (um["reconciled"], cm["reconciled"], state["reconciled"]) == (True, True, True)
    assert (um["positions"], cm["positions"][0]["quantity"]) == ([], "-50")
    assert Decimal(um["other_payments"]["USDT"]) < 0 < Decimal(um["fees"]["USDT"])
    server.accounts["um"].free["USDT"] += 1
    assert not server.state()["contracts"]["um"]["reconciled"]


def test_prices_are_shown_and_set(server: SimulatorServer, session: requests.Session) -> None:
    shown = session.get(f"{server.base_url}/_simulator/contracts", timeout=60).json()
    assert set(shown) == {SWAP, COIN}
    answer = change(
        server, session, instrument=COIN, mark="61000.5", index=61000, next_funding_ms=5, insurance="2"
    ).json()
    assert (answer[COIN]["mark"], answer[COIN]["index"], answer[COIN]["next_funding_ms"]) == ("61000.5", "61000", 5)
    assert server.exchanges["cm"].contracts.insurance("BTC") == 2
    assert change(server, session, instrument=COIN, deliver="60000").json()[COIN]["delivered"]


@pytest.mark.parametrize(
    "data",
    [
        {"mark": 1}, {"instrument": "BTC_USDT"}, {"instrument": SWAP, "mrak": 1}, {"instrument": SWAP, "mark": "x"},
        {"instrument": SWAP, "mark": -1}, {"instrument": SWAP, "funding_rate": 2}, {"instrument": SWAP, "deleverage": "up"},
        {"instrument": SWAP, "deleverage": "net"}, {"instrument": SWAP, "next_funding_ms": 1.5},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    data: dict[str, Any], session: requests.Session, standing: SimulatorServer
) -> None:
    refused = change(standing, session, **data)
    assert refused.status_code == 400
    assert refused.json()["error"]


@pytest.fixture(scope="module")
def standing() -> Iterator[SimulatorServer]:
    with contract_simulator("um") as running:
        yield running
