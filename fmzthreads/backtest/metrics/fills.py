"""Fills: what was traded when, at which price, and for which fee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...structures.value_objects import ValueObject
from ..config.settings import BacktestSettings, MarketDetail
from ..nano import to_float

__all__ = ["BacktestFill", "ProfitRule", "fills_of_orders", "market_of", "quote_currency", "share_fees"]


class BacktestFill(NamedTuple):
    """One fill of an order.

    Attributes:
        time_ms: When.
        exchange: The place of its exchange, from 0.
        symbol: FMZ's symbol.
        side: ``buy`` or ``sell``.
        price: The price.
        amount: Coins or contracts.
        order_id: The order's number.
        position: ``long`` or ``short``, the position that it opens or closes; ``net`` for a spot pair or one-way positions.
        fee: What was paid, in quote currency (coin-margined: in the coin); None when not known. Negative for a rebate.
        mid: The middle of the order book when the order was sent; None when not known.
    """

    time_ms: int
    exchange: int
    symbol: str
    side: str
    price: float
    amount: float
    order_id: str = ""
    position: str = "net"
    fee: float | None = None
    mid: float | None = None

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1


def quote_currency(symbol: str) -> str:
    """The currency in which a symbol's prices are; empty when the symbol does not tell."""
    return symbol.partition(".")[0].partition("_")[2]


class ProfitRule(ValueObject):
    """How profit is counted in a market.

    Attributes:
        multiple: The value of one contract; 1 for a spot pair.
        coin: Whether margin and profit are in the base currency.
    """

    multiple: float = 1.0
    coin: bool = False

    def value(self, price: float, amount: float) -> float:
        """What an amount is worth, in quote currency."""
        return amount * self.multiple if self.coin else amount * self.multiple * price

    def profit(self, entry: float, exit_price: float, amount: float) -> float:
        """The profit of a long amount between two prices, in quote currency; that of a short one is its negative."""
        if self.coin:
            return self.multiple * amount * (1 / entry - 1 / exit_price) * exit_price
        return (exit_price - entry) * amount * self.multiple

    def in_quote(self, fee: float, price: float) -> float:
        """A fee in quote currency."""
        return fee * price if self.coin else fee


def market_of(settings: BacktestSettings, exchange: int, symbol: str) -> ProfitRule:
    """What the settings know of a market; a multiple of 1 where they know nothing."""
    detail: MarketDetail | None = settings.exchanges[exchange].details.get(symbol)
    if detail is not None and detail.is_contract:
        return ProfitRule(to_float(detail.volume_multiple), detail.is_coin_margined)
    return ProfitRule()


def fills_of_orders(final: Sequence[Mapping[str, Any]]) -> list[BacktestFill]:
    """One fill for each order of the accounts' histories that was filled at all, at its average price.

    An order's history does not say when it was filled: the time is that of its placement. Fees and the book are not known either.

    Args:
        final: The state of each exchange at the end, with ``historyOrders`` and ``openOrders``.
    """
    found = []
    for exchange, state in enumerate(final):
        for order in [*(state.get("historyOrders") or ()), *(state.get("openOrders") or ())]:
            if order["DealAmount"] > 0 and order["AvgPrice"] > 0:
                contract = bool(order.get("ContractType")) or "." in order["Symbol"]
                found.append(
                    BacktestFill(
                        time_ms=order["Time"],
                        exchange=exchange,
                        symbol=order["Symbol"],
                        order_id=str(order["Id"]),
                        side="sell" if order["Type"] else "buy",
                        position=_position(order) if contract else "net",
                        price=order["AvgPrice"],
                        amount=order["DealAmount"],
                    )
                )
    return sorted(found, key=lambda fill: fill.time_ms)


def _position(order: Mapping[str, Any]) -> str:
    """An opening buy and a closing sell are of the long position, the others of the short one."""
    return "long" if bool(order["Type"]) == bool(order["Offset"]) else "short"


def share_fees(
    fills: Sequence[BacktestFill], settings: BacktestSettings, commissions: Mapping[int, float]
) -> list[BacktestFill]:
    """Gives fills without a fee their share of what their exchange took, by traded value.

    Args:
        fills: The fills.
        settings: The backtest's settings.
        commissions: What each exchange took in all, by its place, in the currency of its fees.
    """
    weights = [_weight(fill, market_of(settings, fill.exchange, fill.symbol)) for fill in fills]
    totals: dict[int, float] = {}
    left = dict(commissions)
    for fill, weight in zip(fills, weights, strict=True):
        if fill.fee is None:
            totals[fill.exchange] = totals.get(fill.exchange, 0.0) + weight
        elif fill.exchange in left:
            left[fill.exchange] -= fill.fee
    return [
        fill._replace(fee=left[fill.exchange] * weight / totals[fill.exchange])
        if fill.fee is None and fill.exchange in left and totals[fill.exchange]
        else fill
        for fill, weight in zip(fills, weights, strict=True)
    ]


def _weight(fill: BacktestFill, market: ProfitRule) -> float:
    value = market.value(fill.price, fill.amount)
    return value / fill.price if market.coin else value
