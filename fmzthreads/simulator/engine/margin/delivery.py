"""Delivery of a contract: every position is closed at the settlement price."""

from __future__ import annotations

from ..accounts import TradingAccount
from ..engine import InstrumentMarket
from ..orders import Finish, OrderOrigin, State
from .contract_engine import ContractEngine
from .positions import Leg
from .settlement import MarginSettlement

__all__ = ["deliver"]


def deliver(engine: ContractEngine, market: InstrumentMarket, settlement: MarginSettlement, ticks: int) -> None:
    """Cancels all orders, closes all positions at a price and ends trading.

    Users get an order of the exchange, with the taker's fee; the other side is the house, which is left without a position.

    Args:
        engine: The engine.
        market: The contract's market.
        settlement: Its settlement.
        ticks: The settlement price in ticks.
    """
    name, house = market.instrument.id, engine.house
    settlement.prices.mark = settlement.prices.index = ticks * market.instrument.tick_units
    for account in list(engine.accounts.values()):
        for record in [record for record in account.open.values() if record.instrument.id == name]:
            if not record.state.final:
                engine.finish(record, State.CANCELED, Finish.DELIVERY)
    for account in list(engine.accounts.values()):
        legs = account.margin.legs_of(name) if account.margin is not None and account is not house else []
        for leg in legs:
            if leg.lots:
                _close(engine, market, account, leg, ticks)
        if legs and not account.house:
            engine.balance_changed(account, market.instrument.settle, "delivery")
    settlement.prices.closed = True
    settlement.prices.next_funding_ms = 0
    engine.tell_book(market)


def _close(engine: ContractEngine, market: InstrumentMarket, account: TradingAccount, leg: Leg, ticks: int) -> None:
    """Closes one position against the house."""
    lots, is_buy = abs(leg.lots), leg.lots < 0
    if account.house:
        taker = engine.own(account, leg, is_buy, lots, ticks)
    else:
        taker = engine.forced(account, leg, lots, ticks, OrderOrigin.DELIVERY)
    other = engine.own(engine.house, leg, not is_buy, lots, ticks)
    engine.trade_outside(market, taker, other, ticks)
