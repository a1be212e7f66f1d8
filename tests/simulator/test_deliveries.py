"""Contracts with a delivery on the server: listed, traded, and settled at the end at the average index, at both venues."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.constants import ORDER_STATE_CANCELED, ORDER_TYPE_SELL, PD_LONG
from fmzthreads.errors import InputError, UnknownSymbol
from fmzthreads.exchange.exchange import Exchange
from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.market.maker import MarketSettings
from fmzthreads.simulator.pairs import contract_pairs, quarter_end_ms, read_pairs, swap_pairs
from tests.helpers.exchange_room import MemoryHost
from tests.helpers.simulators import simulator

pytest.importorskip("starlette", reason="the simulator needs the extra 'server'")
pytest.importorskip("uvicorn", reason="the simulator needs the extra 'server'")

QUARTER = "BTC_USDT.quarter"
START_S = 1_800_000_000
DELIVERY_MS = START_S * 1000 + 86_400_000
VENUES = [
    # FMZ's name, the simulator's, what is traded, where, the venue's name, the amount, how its orders are listed, and the flag
    ("Futures_Binance", "binance", ("um", "cm", "quarter"), "um", "BTCUSDT_270116", 0.1,
     ("/fapi/v1/allOrders", "symbol=BTCUSDT_270116"), "settlement"),
    ("Futures_OKX", "okx", ("swap", "quarter"), "quarter", "BTC-USDT-270116", 10,
     ("/api/v5/trade/orders-history", "instType=FUTURES"), "delivery"),
]  # fmt: skip


def opened(venue: str, products: tuple[str, ...], clock: ManualClock) -> Any:
    settings = MarketSettings(levels=10, makers=1, take_chance=1)
    return simulator(
        venue, products=products, symbols=["BTC_USDT"], settings=settings, clock=clock, delivery_ms=DELIVERY_MS
    )


def trader(name: str, server: SimulatorServer, clock: ManualClock) -> Any:
    host = MemoryHost(clock)
    return Exchange(
        name, "BTC_USDT", base=server.base_url, access_key=server.key, secret_key=server.secret, passphrase=server.passphrase or "",
        host=host, errors="raise",
    )  # fmt: skip


def last_order(exchange: Any, listed: str, call: tuple[str, str]) -> Any:
    """The newest order of a contract that the list does not have any more."""
    answer = exchange.IO("api", "GET", *call)
    found = answer["data"] if isinstance(answer, dict) else answer
    numbers = [int(row.get("ordId") or row.get("orderId")) for row in found]
    return exchange.venue.order(f"{listed},{max(numbers)}")


def read_what_was(exchange: Any, name: str, resting: str, all_ids: list[str]) -> None:
    """Calls about a contract that was delivered, and whose code no other contract has."""
    for symbol in ("", QUARTER):
        history = exchange.GetHistoryOrders(symbol) if symbol else exchange.GetHistoryOrders()
        assert sorted(one.Id for one in history) == sorted(all_ids)
        assert {one.Symbol for one in history} == {QUARTER}
        assert exchange.GetOrders(symbol) == []
        assert exchange.GetConditionOrders(symbol) == []
    by_date = exchange.GetHistoryOrders("BTC_USDT.270116")
    assert sorted(one.Id for one in by_date) == sorted(all_ids)
    assert exchange.GetOrder(resting).Symbol == QUARTER
    assert exchange.GetHistoryConditionOrders(QUARTER) == []
    assert exchange.GetPositions(QUARTER) == []
    assert exchange.GetFundingPayments(QUARTER) == []
    assert exchange.GetAccount().Equity > 0
    asked = exchange.venue.order_by_client_id(QUARTER, exchange.venue.client_id_of(exchange.GetOrder(resting)))
    assert asked.Id == resting  # so that an order whose outcome was unknown is still settled


@pytest.mark.parametrize(("name", "venue", "products", "product", "listed", "amount", "call", "flag"), VENUES)
def test_a_position_is_settled_at_the_average_index_and_the_contract_ends(
    name: str,
    venue: str,
    products: tuple[str, ...],
    product: str,
    listed: str,
    amount: float,
    call: tuple[str, str],
    flag: str,
) -> None:
    clock = ManualClock(START_S)
    with opened(venue, products, clock) as server, trader(name, server, clock) as exchange:
        contracts = server.exchanges[product].contracts
        assert exchange.SetContractType("quarter").InstrumentID == listed
        assert {one.Symbol for one in exchange.GetTickers()} >= {"BTC_USDT.swap", QUARTER}
        bought = exchange.GetOrder(exchange.CreateOrder("", "buy", -1, amount))
        assert (bought.Symbol, bought.DealAmount) == (QUARTER, amount)
        resting = exchange.CreateOrder("", "buy", round(bought.AvgPrice * 0.9, 1), amount)
        exchange.CreateOrder("BTC_USDT.swap", "buy", -1, amount)
        assert sorted((one.Symbol, one.Type) for one in exchange.venue.positions()) == [
            (QUARTER, PD_LONG), ("BTC_USDT.swap", PD_LONG)
        ]  # fmt: skip
        clock.advance(86_400 - 7_200)
        contracts.set_prices(QUARTER, index=Decimal(1))  # long before it counts
        clock.advance(7_200 - 600)
        for price in (60_000, 60_300, 60_600):
            contracts.set_prices(QUARTER, mark=Decimal(60_000), index=Decimal(price))
        contracts.settle_due()
        assert not contracts.closed(QUARTER)
        clock.advance(600)
        contracts.settle_due()
        assert contracts.closed(QUARTER)
        assert [one.Symbol for one in exchange.venue.positions()] == ["BTC_USDT.swap"]
        assert exchange.venue.order(resting).Status == ORDER_STATE_CANCELED
        ended = last_order(exchange, listed, call)
        assert (ended.MadeBy, ended.Type, ended.DealAmount, ended.AvgPrice) == (flag, ORDER_TYPE_SELL, amount, 60_300)
        with pytest.raises(UnknownSymbol):
            exchange.CreateOrder("", "buy", -1, amount)
        read_what_was(exchange, name, resting, [bought.Id, resting, ended.Id])
        server.driver.step(3)  # the market goes on without it
        assert exchange.GetTicker("BTC_USDT.swap").Last > 0


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-28 12:00", "2026-12-25 08:00"),
        ("2026-12-24 07:00", "2026-12-25 08:00"),
        ("2026-12-24 09:00", "2027-03-26 08:00"),
        ("2026-12-31 00:00", "2027-03-26 08:00"),
        ("2027-04-01 00:00", "2027-06-25 08:00"),
        ("2028-06-30 00:00", "2028-09-29 08:00"),
    ],
)
def test_quarterly_contracts_end_on_the_last_friday_of_a_quarter(now: str, end: str) -> None:
    at, until = (int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) for text in (now, end))
    assert quarter_end_ms(at) == until


def test_the_delivery_is_of_a_contract_that_is_traded_and_lies_ahead() -> None:
    for venue, family in (("binance", "um"), ("okx", "swap")):
        with pytest.raises(InputError, match="needs another one of contracts"):
            SimulatorServer(venue, products=("quarter",))
        with pytest.raises(InputError, match="later than now"):
            SimulatorServer(venue, products=(family, "quarter"), delivery_ms=1)
        with pytest.raises(InputError, match="which is not among the products"):
            SimulatorServer(venue, products=(family,), delivery_ms=DELIVERY_MS * 2)
    pairs, expiries = read_pairs("binance", ["BTC_USDT", "ETH_USDT"]), (0, DELIVERY_MS)
    names = [[pair.instrument.id for pair in contract_pairs(product, pairs, expiries)] for product in ("um", "cm")]
    assert names == [
        ["BTC_USDT.swap", "BTC_USDT.quarter", "ETH_USDT.swap", "ETH_USDT.quarter"],
        ["BTC_USD.swap", "BTC_USD.quarter", "ETH_USD.swap", "ETH_USD.quarter"],
    ]
    assert [pair.instrument.id for pair, _ in swap_pairs(pairs[:1], expiries)] == [
        "BTC_USDT.swap", "BTC_USDT.quarter", "BTC_USD.swap", "BTC_USD.quarter"
    ]  # fmt: skip
