"""The settlement seam: a second product of the test's own settles in the engine that spot uses."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from fmzthreads.clock import ManualClock
from fmzthreads.simulator.engine.accounts import OrderRecord, TradingAccount
from fmzthreads.simulator.engine.events import AccountEvent, Event
from fmzthreads.simulator.engine.exchange import SimulatedExchange
from fmzthreads.simulator.engine.instruments import UNIT, Instrument, Kind, binance_spot
from fmzthreads.simulator.engine.orders import NewOrder, State
from fmzthreads.simulator.engine.reasons import Reason, Rejected
from fmzthreads.simulator.engine.settlement import SpotSettlement

SPOT, SWAP = binance_spot()[0], "BTC_USDT.swap"
DEPOSIT = 10 * UNIT  # what a lot costs to hold, whatever its price


class DepositSettlement:
    """A contract of which each lot needs a fixed deposit, held or open; fills move positions and no money but a fixed fee a lot."""

    def __init__(self, instrument: Instrument, house: TradingAccount) -> None:
        self.instrument = instrument
        self.house = house
        self.positions: dict[str, int] = {}

    def check(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> None:
        if order.extra.get("reduceOnly") == "true" and not self.positions.get(account.name):
            raise Rejected(Reason.BAD_COMBINATION, "there is no position to reduce")

    def hold(self, record: OrderRecord, lots: int, value: int) -> None:
        record.account.freeze(self.instrument.settle, lots * DEPOSIT)
        record.frozen = lots * DEPOSIT

    def amend(self, record: OrderRecord, ticks: int, lots: int) -> None:
        more = lots * DEPOSIT - record.frozen
        if more > 0:
            record.account.freeze(self.instrument.settle, more)
        else:
            record.account.release(self.instrument.settle, -more)
        record.frozen += more

    def fill(self, record: OrderRecord, ticks: int, lots: int, *, is_maker: bool) -> tuple[int, D]:
        account, fee = record.account, lots * UNIT // 100
        record.frozen -= lots * DEPOSIT
        account.frozen[self.instrument.settle] -= lots * DEPOSIT
        account.free[self.instrument.settle] += lots * DEPOSIT - fee
        self.house.deposit(self.instrument.settle, fee)
        self.positions[account.name] = self.positions.get(account.name, 0) + (lots if record.is_buy else -lots)
        return fee, D(0)

    def release(self, record: OrderRecord) -> None:
        record.account.release(self.instrument.settle, record.frozen)
        record.frozen = 0

    def held_assets(self, record: OrderRecord) -> tuple[str, ...]:
        return (self.instrument.settle,)

    moved_assets = held_assets


def swap(**changes: object) -> Instrument:
    fields = {
        "id": SWAP, "kind": Kind.LINEAR, "base": "BTC", "quote": "USDT", "contract_value": D("0.01"), "tick": D("0.1"), "step": D(1),
        "min_quantity": D(1), **changes,
    }  # fmt: skip
    return Instrument(**fields)  # type: ignore[arg-type]


@pytest.fixture
def made() -> tuple[SimulatedExchange, DepositSettlement]:
    settlements: dict[str, DepositSettlement] = {}

    def _settlement(instrument: Instrument, house: TradingAccount) -> SpotSettlement | DepositSettlement:
        if instrument.kind is Kind.SPOT:
            return SpotSettlement(instrument, house)
        return settlements.setdefault(instrument.id, DepositSettlement(instrument, house))

    exchange = SimulatedExchange([SPOT, swap()], clock=ManualClock(), settlement=_settlement)
    for name in ("ann", "bob"):
        exchange.create_account(name, balances={"USDT": D(1000)})
    return exchange, settlements[SWAP]


def order(side: str, quantity: int, price: str = "60000", **more: object) -> NewOrder:
    return NewOrder(instrument=SWAP, side=side, price=D(price), quantity=D(quantity), **more)  # type: ignore[arg-type]


def test_a_fill_moves_positions_and_only_the_asset_that_the_contract_settles_in(
    made: tuple[SimulatedExchange, DepositSettlement],
) -> None:
    exchange, settlement = made
    exchange.place("ann", order("sell", 3))
    assert exchange.balances("ann") == {"USDT": exchange.account("ann").balance("USDT")}
    assert (exchange.balances("ann")["USDT"].free, exchange.balances("ann")["USDT"].frozen) == (970, 30)
    taken = exchange.place("bob", order("buy", 5))
    assert (taken.state, taken.fills[0].fee, taken.fills[0].fee_asset) == (State.PARTIALLY_FILLED, D("0.03"), "USDT")
    assert settlement.positions == {"ann": -3, "bob": 3}
    assert (exchange.balances("bob")["USDT"].free, exchange.balances("bob")["USDT"].frozen) == (D("979.97"), 20)
    assert exchange.supply() == {"USDT": D(2000)}
    exchange.cancel("bob", SWAP, taken.order_id)
    assert (exchange.balances("bob")["USDT"].free, exchange.balances("bob")["USDT"].frozen) == (D("999.97"), 0)


def test_what_the_product_checks_is_refused_before_anything_is_held(
    made: tuple[SimulatedExchange, DepositSettlement],
) -> None:
    exchange, _ = made
    with pytest.raises(Rejected, match="no position to reduce"):
        exchange.place("ann", order("sell", 3, extra={"reduceOnly": "true"}))
    with pytest.raises(Rejected) as caught:
        exchange.place("ann", order("sell", 101))
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    assert exchange.balances("ann")["USDT"].frozen == 0
    assert exchange.open_orders("ann") == []


def test_an_amended_order_holds_what_the_product_says(made: tuple[SimulatedExchange, DepositSettlement]) -> None:
    exchange, _ = made
    placed = exchange.place("ann", order("sell", 3))
    exchange.amend("ann", SWAP, placed.order_id, quantity=D(7))
    assert exchange.balances("ann")["USDT"].frozen == 70
    with pytest.raises(Rejected) as caught:
        exchange.amend("ann", SWAP, placed.order_id, quantity=D(101))
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS
    assert exchange.balances("ann")["USDT"].frozen == 70
    assert exchange.open_orders("ann")[0].quantity == 7


def test_spot_and_contract_trade_side_by_side_and_tell_of_their_own_assets(
    made: tuple[SimulatedExchange, DepositSettlement],
) -> None:
    exchange, _ = made
    heard: list[tuple[str, ...]] = []

    def _hear(event: Event) -> None:
        if isinstance(event, AccountEvent):
            heard.append(tuple(event.balances))

    exchange.subscribe(_hear, (AccountEvent,))
    exchange.place("ann", order("sell", 1))
    exchange.place("ann", NewOrder(instrument=SPOT.id, side="buy", price=D(50000), quantity=D("0.001")))
    assert heard == [("USDT",), ("BTC", "USDT")]


def test_an_instrument_knows_its_kind_its_contract_and_what_it_settles_in() -> None:
    linear, inverse = swap(), swap(kind=Kind.INVERSE, contract_value=D(100))
    assert (SPOT.kind, SPOT.settle, SPOT.fee_asset(True), SPOT.fee_asset(False)) == (Kind.SPOT, "", "BTC", "USDT")
    assert (linear.settle, linear.fee_asset(True), linear.fee_asset(False)) == ("USDT", "USDT", "USDT")
    assert (inverse.settle, inverse.fee_asset(True)) == ("BTC", "BTC")
    assert linear.worth(linear.ticks(D(60000)), linear.lots(D(2))) == 1200 * UNIT
    assert inverse.worth(inverse.ticks(D(60000)), inverse.lots(D(2))) == 200 * UNIT
