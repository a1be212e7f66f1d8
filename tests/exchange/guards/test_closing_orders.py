"""Closing orders at both venues, in both position modes: they never count as a larger position, and together never open the other direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

from fmzthreads.clock import WallClock
from fmzthreads.constants import ORDER_CONDITION_TYPE_SL, ORDER_OFFSET_CLOSE, PD_LONG, PD_SHORT
from fmzthreads.errors import GuardRefused, InputError, VenueRejected
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder
from fmzthreads.simulator.market.maker import MarketSettings
from fmzthreads.testing import FakeContractVenue
from tests.helpers.exchange_room import MemoryHost, run_threads
from tests.helpers.simulators import simulator

SWAP = "BTC_USDT.swap"
MODES = [(name, hedge) for name in ("Futures_Binance", "Futures_OKX") for hedge in (False, True)]
AMOUNTS = {"Futures_Binance": 0.1, "Futures_OKX": 10}


@contextmanager
def trading(name: str, *, hedge: bool) -> Iterator[tuple[Any, SimulatorServer, float]]:
    """An exchange object whose position may be no larger than an amount, which is returned."""
    amount = AMOUNTS[name]
    venue, products = ("binance", ("um", "cm")) if name == "Futures_Binance" else ("okx", ("swap",))
    settings = MarketSettings(levels=10, makers=1, take_chance=1)
    with simulator(venue, products=products, symbols=["BTC_USDT"], settings=settings) as server:
        exchange: Any = Exchange(
            name, "BTC_USDT", base=server.base_url, access_key=server.key, secret_key=server.secret, passphrase=server.passphrase or "",
            host=MemoryHost(WallClock()), errors="raise", guards={"max_position": amount, "position_age_s": 0.000001},
        )  # fmt: skip
        try:
            exchange.IO("dual", hedge)
            yield exchange, server, amount
        finally:
            exchange.close()


def held(exchange: Any) -> list[tuple[int, float]]:
    return [(one.Type, one.Amount) for one in exchange.venue.positions(SWAP)]


def buy_at(server: SimulatorServer, price: float, quantity: str) -> None:
    """An order of somebody else, which fills what is offered up to its price."""
    simulated = server.exchanges["um" if server.venue == "binance" else "spot"]
    other = simulated.create_account("other", balances={"USDT": Decimal(10) ** 9})
    order = NewOrder(instrument=SWAP, side="buy", price=Decimal(repr(price)), quantity=Decimal(quantity))
    simulated.place(other, order)


@pytest.mark.parametrize(("name", "hedge"), MODES)
def test_several_closing_orders_never_open_the_other_direction(name: str, hedge: bool) -> None:
    with trading(name, hedge=hedge) as (exchange, server, amount):
        price = exchange.GetTicker().Last
        high, higher = round(price * 1.02, 1), round(price * 1.03, 1)
        exchange.CreateOrder("", "buy", -1, amount)
        resting = exchange.CreateOrder("", "closebuy", high, amount)
        assert exchange.GetOrder(resting).Offset == ORDER_OFFSET_CLOSE
        with pytest.raises(GuardRefused, match="max_position"):  # the closing order may never be filled
            exchange.CreateOrder("", "buy", round(price * 0.9, 1), amount / 2)
        refused = []

        def _close(index: int) -> None:
            try:
                exchange.CreateOrder("", "closebuy", -1 if index else higher, amount)
            except (VenueRejected, InputError) as error:
                refused.append(error)

        run_threads(4, _close)
        # OKX keeps what a resting order closes in hedge mode from other orders; elsewhere those at market came first.
        assert held(exchange) in ([], [(PD_LONG, amount)])
        buy_at(server, higher, "100" if name == "Futures_Binance" else "10000")
        assert held(exchange) == []  # what was left of the closing orders has sold nothing
        exchange.CreateOrder("", "sell", -1, amount)  # a short position of its own
        assert held(exchange) == [(PD_SHORT, amount)]


@pytest.mark.parametrize("name", list(AMOUNTS))
def test_condition_orders_that_close_show_it_and_those_that_open_count(name: str) -> None:
    with trading(name, hedge=False) as (exchange, _, amount):
        price = exchange.GetTicker().Last
        half = amount / 2
        exchange.CreateOrder("", "buy", -1, half)
        stop = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": round(price * 0.9, 1), "SlOrderPrice": -1}
        closing = exchange.CreateConditionOrder("", "closebuy", half, stop)
        entry = {**stop, "SlTriggerPrice": round(price * 1.1, 1)}
        opening = exchange.CreateConditionOrder("", "buy", half, entry)
        offsets = {one.Id: one.Offset for one in exchange.GetConditionOrders()}
        assert offsets == {closing: ORDER_OFFSET_CLOSE, opening: 0}
        with pytest.raises(
            GuardRefused, match="max_position"
        ):  # held, and what may be bought when the price is reached
            exchange.CreateOrder("", "buy", round(price * 0.9, 1), half)
        exchange.CancelConditionOrder(opening)
        exchange.CreateOrder("", "buy", round(price * 0.9, 1), half)


def test_an_opening_condition_order_counts_however_often_the_position_is_read() -> None:
    venue = FakeContractVenue()
    venue.hold_position(SWAP, 4, PD_LONG)
    exchange: Any = Exchange(
        "Futures_Fake",
        "BTC_USDT",
        venue=venue,
        host=MemoryHost(),
        errors="raise",
        guards={"max_position": 10, "position_age_s": 0.000001},
    )
    entry = {"ConditionType": ORDER_CONDITION_TYPE_SL, "SlTriggerPrice": 120, "SlOrderPrice": -1}
    for _ in range(2):
        exchange.CreateConditionOrder("", "buy", 3, entry)
    with pytest.raises(GuardRefused, match="max_position"):
        exchange.CreateConditionOrder("", "buy", 1, entry)
    with pytest.raises(GuardRefused, match="max_position"):
        exchange.CreateOrder("", "buy", 90, 1)
    exchange.CreateOrder("", "closebuy", 110, 4)
    exchange.CreateConditionOrder("", "closebuy", 4, {**entry, "SlTriggerPrice": 80})
    exchange.CreateOrder("", "sell", 110, 10)  # the other direction has a limit of its own
