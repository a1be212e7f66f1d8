"""What condition orders ask of contracts: mark and index prices, and the size of a position."""

from __future__ import annotations

from decimal import Decimal

from ..accounts import TradingAccount
from ..conditional.conditions import TriggerPrice
from ..engine import InstrumentMarket
from ..instruments import from_units
from ..orders import NewOrder
from .settlement import MarginSettlement

__all__ = ["position_size", "reference_price"]


def reference_price(market: InstrumentMarket, source: TriggerPrice) -> Decimal:
    """The mark or index price of a contract; the last price for spot and before the first mark."""
    settlement = market.settlement
    if isinstance(settlement, MarginSettlement) and source is not TriggerPrice.LAST:
        price = settlement.prices.mark if source is TriggerPrice.MARK else settlement.prices.index
        if price:
            return from_units(price)
    return market.instrument.price(market.trades.last_ticks)


def position_size(account: TradingAccount, order: NewOrder) -> Decimal:
    """The quantity that an order of its side would close; 0 for none."""
    legs = account.margin.legs_of(order.instrument) if account.margin is not None else []
    is_buy, isolated = order.side == "buy", order.isolated
    for leg in legs:
        closes = leg.lots < 0 if is_buy else leg.lots > 0
        if closes and leg.side == order.position_side and isolated in {None, leg.isolated}:
            return leg.prices.instrument.quantity(abs(leg.lots))
    return Decimal(0)
