"""One side of an account's position in one contract, in exact integers."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import attrs

from ..instruments import from_units
from .prices import ContractPrices

__all__ = ["Leg", "PositionView", "Side"]

Side = Literal["net", "long", "short"]
"""``net`` in one-way mode, ``long`` and ``short`` in hedge mode."""


@attrs.frozen(kw_only=True)
class PositionView:
    """A position at one time. Amounts are in the settling asset.

    Attributes:
        instrument: The instrument's id.
        side: ``net`` in one-way mode, else ``long`` or ``short``.
        isolated: Whether its margin is isolated.
        quantity: Contracts (or base, where one contract is one coin): above 0 for long, below 0 for short.
        entry_price: The mean entry price: harmonic for an inverse contract; 0 without a position.
        mark_price: The mark price.
        liquidation_price: The mark price that liquidates it while all others stand still; 0 if no such price exists.
        leverage: The leverage.
        unrealized: The profit at the mark price.
        realized: The profit of what was closed since the position was opened, before fees.
        value: Its worth at the mark price, at least 0.
        initial_margin: What it needs at its leverage.
        order_margin: What its open orders need beyond that.
        maintenance_margin: The margin balance at which it is liquidated.
        isolated_wallet: The margin assigned to it; 0 if not isolated.
        orders: How many lots of open orders may change it.
        updated_ms: When it last changed.
    """

    instrument: str
    side: Side
    isolated: bool
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal
    leverage: int
    unrealized: Decimal
    realized: Decimal
    value: Decimal
    initial_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal
    isolated_wallet: Decimal
    orders: int
    updated_ms: int


class Leg:
    """One side of a position. The exchange's lock guards it.

    Attributes:
        prices: The contract's reference prices.
        side: See ``Side``.
        isolated: Whether its margin is isolated.
        asset: The settling asset.
        leverage: The leverage.
        lots: Above 0 for long, below 0 for short.
        cost: What was paid for the lots, in units: worth of buys less worth of sells, times the contract's ``sign``.
        margin: The units assigned to an isolated position.
        realized: The profit since the position was opened.
        bid_lots, bid_worth: Open orders to buy that may open; likewise ``ask_lots`` and ``ask_worth``.
        reducing: How many resting orders may only reduce it.
        warned: Whether a margin call has been made since it was last safe.
    """

    __slots__ = (
        "ask_lots", "ask_worth", "asset", "bid_lots", "bid_worth", "cost", "isolated", "leverage", "lots", "margin", "prices", "realized",
        "reducing", "side", "updated_ms", "warned",
    )  # fmt: skip

    def __init__(self, prices: ContractPrices, side: Side, isolated: bool, leverage: int) -> None:
        self.prices = prices
        self.side: Side = side
        self.isolated = isolated
        self.asset = prices.instrument.settle
        self.leverage = leverage
        self.lots = self.cost = self.margin = self.realized = self.updated_ms = 0
        self.bid_lots = self.bid_worth = self.ask_lots = self.ask_worth = self.reducing = 0
        self.warned = False

    @property
    def worth(self) -> int:
        """The position's worth at the mark price; at the entry price before the first mark."""
        lots = self.lots
        if not lots:
            return 0
        mark = self.prices.mark
        return self.prices.worth(mark, abs(lots)) if mark else abs(self.cost)

    @property
    def unrealized(self) -> int:
        """The profit at the mark price."""
        lots = self.lots
        if not lots or not self.prices.mark:
            return 0
        worth = self.prices.sign * self.prices.worth(self.prices.mark, abs(lots))
        return (worth if lots > 0 else -worth) - self.cost

    @property
    def maintenance(self) -> int:
        """The maintenance margin."""
        return self.prices.maintenance(self.worth, abs(self.lots)) if self.lots else 0

    @property
    def initial(self) -> int:
        """The initial margin of the position, without its orders."""
        return -(-self.worth // self.leverage)

    @property
    def needed(self) -> int:
        """The initial margin of the position or of what its orders can make of it, whichever is more."""
        worth = self.worth if self.lots >= 0 else -self.worth
        return -(-max(abs(worth), worth + self.bid_worth, self.ask_worth - worth) // self.leverage)

    @property
    def largest(self) -> tuple[int, int]:
        """Worth and lots of the largest position that its open orders can make."""
        worth = self.worth if self.lots >= 0 else -self.worth
        return max(
            (abs(worth), abs(self.lots)),
            (worth + self.bid_worth, self.lots + self.bid_lots),
            (self.ask_worth - worth, self.ask_lots - self.lots),
        )

    def add_order(self, is_buy: bool, lots: int, worth: int) -> None:
        """Counts an open order, or takes one back with negative numbers."""
        if is_buy:
            self.bid_lots += lots
            self.bid_worth += worth
        else:
            self.ask_lots += lots
            self.ask_worth += worth

    @property
    def idle(self) -> bool:
        """Whether there is neither a position nor an order."""
        return not (self.lots or self.bid_lots or self.ask_lots or self.reducing or self.margin)

    def view(self, liquidation_price: Decimal) -> PositionView:
        """The same in decimals."""
        prices, lots = self.prices, self.lots
        return PositionView(
            instrument=prices.instrument.id, side=self.side, isolated=self.isolated, quantity=prices.instrument.quantity(lots),
            entry_price=prices.price_of(abs(self.cost), abs(lots)), mark_price=from_units(prices.mark),
            liquidation_price=liquidation_price, leverage=self.leverage, unrealized=from_units(self.unrealized),
            realized=from_units(self.realized), value=from_units(self.worth), initial_margin=from_units(self.initial),
            order_margin=from_units(self.needed - self.initial), maintenance_margin=from_units(self.maintenance),
            isolated_wallet=from_units(self.margin), orders=self.bid_lots + self.ask_lots + self.reducing, updated_ms=self.updated_ms,
        )  # fmt: skip
