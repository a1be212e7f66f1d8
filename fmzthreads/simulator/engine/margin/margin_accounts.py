"""An account's positions, its settings for contracts and what they leave available."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import attrs

from ..balances import Holdings
from ..instruments import RATE, from_units
from .positions import Leg, PositionView, Side
from .prices import ContractPrices

__all__ = ["Income", "MarginHoldings", "MarginWallet"]


@attrs.frozen(kw_only=True)
class Income:
    """One line of an account's statement for contracts.

    Attributes:
        number: Unique within the account.
        kind: ``profit``, ``fee``, ``funding``, ``insurance``, ``delivery`` or ``transfer``.
        instrument: The instrument's id; empty for a transfer.
        side: The side of the position.
        asset: The asset of the amount.
        units: The amount in units, below 0 for what was paid.
        time_ms: When.
        trade_id: The trade behind it; 0 for none.
        rate: The funding rate times ``RATE``; 0 for another kind.
        mark: The mark price of a funding payment, in units.
        lots: The lots of a funding payment.
    """

    number: int
    kind: str
    instrument: str
    side: Side
    asset: str
    units: int
    time_ms: int
    trade_id: int = 0
    rate: int = 0
    mark: int = 0
    lots: int = 0

    @property
    def amount(self) -> Decimal:
        """The amount in decimals."""
        return from_units(self.units)


@attrs.frozen(kw_only=True)
class MarginWallet:
    """What an account has of one asset, and what its positions need of it.

    Attributes:
        asset: The asset.
        wallet: The balance without unrealized profit, isolated margins included.
        cross_wallet: The part that is not assigned to isolated positions.
        unrealized: The profit of all positions at the mark prices.
        cross_unrealized: The profit of cross positions.
        initial_margin: What positions need.
        order_margin: What open orders need beyond that.
        maintenance_margin: What positions must not fall to.
        cross_maintenance: The part of cross positions.
        available: What new orders may use; never below 0.
    """

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    unrealized: Decimal
    cross_unrealized: Decimal
    initial_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal
    cross_maintenance: Decimal
    available: Decimal


class MarginHoldings:
    """One account's positions and settings. The exchange's lock guards it.

    Args:
        holdings: The account's balances.
        history: How many lines of the statement are kept.

    Attributes:
        legs: Positions by instrument, side and whether isolated.
        hedge: Whether it holds long and short apart.
        isolated: The instruments whose orders use isolated margin unless they say otherwise.
        incomes: The statement, oldest first.
        touched: The legs that changed since the last event of the account.
    """

    def __init__(self, holdings: Holdings, history: int) -> None:
        self.holdings = holdings
        self.legs: dict[tuple[str, Side, bool], Leg] = {}
        self.hedge = False
        self.isolated: set[str] = set()
        self.incomes: deque[Income] = deque(maxlen=history)
        self.touched: dict[Leg, None] = {}
        self._number = 0

    def leg(self, prices: ContractPrices, side: Side, isolated: bool | None = None) -> Leg:
        """The position of one side, created when first asked for.

        Args:
            prices: The contract.
            side: See ``Side``.
            isolated: None for the instrument's setting.
        """
        name = prices.instrument.id
        key = (name, side, name in self.isolated if isolated is None else isolated)
        leg = self.legs.get(key)
        if leg is None:
            leg = self.legs[key] = Leg(prices, side, key[2], prices.terms.default_leverage)
        return leg

    def legs_of(self, instrument: str) -> list[Leg]:
        """Every side of one instrument that was asked for."""
        return [leg for (name, _, _), leg in self.legs.items() if name == instrument]

    def cross(self, asset: str) -> Iterator[Leg]:
        """The cross positions that settle in an asset."""
        return (leg for leg in self.legs.values() if leg.asset == asset and not leg.isolated)

    def changed(self) -> tuple[PositionView, ...]:
        """The positions that changed since this was last called."""
        found = tuple(self.view(leg) for leg in self.touched)
        self.touched.clear()
        return found

    def view(self, leg: Leg) -> PositionView:
        """A position in decimals."""
        return leg.view(self.liquidation_price(leg))

    # --- margin, in units ---

    def available(self, asset: str) -> int:
        """What new orders may use: may be below 0."""
        units = self.holdings.free.get(asset, 0)
        for leg in self.legs.values():
            if leg.asset != asset:
                continue
            if leg.isolated:
                units -= leg.needed - leg.initial
            else:
                units += leg.unrealized - leg.needed
        return units

    def equity(self, asset: str) -> int:
        """The cross margin balance: what is free or frozen, with the profit of cross positions."""
        holdings = self.holdings
        units = holdings.free.get(asset, 0) + holdings.frozen.get(asset, 0)
        return units + sum(leg.unrealized for leg in self.cross(asset))

    def maintenance(self, asset: str) -> int:
        """The maintenance margin of cross positions."""
        return sum(leg.maintenance for leg in self.cross(asset))

    def assets(self) -> list[str]:
        """The assets that its positions settle in."""
        return list(dict.fromkeys(leg.asset for leg in self.legs.values()))

    def wallet(self, asset: str) -> MarginWallet:
        """Balances and margins of one asset."""
        holdings, legs = self.holdings, [leg for leg in self.legs.values() if leg.asset == asset]
        cross = holdings.free.get(asset, 0) + holdings.frozen.get(asset, 0)
        return MarginWallet(
            asset=asset, wallet=from_units(cross + sum(leg.margin for leg in legs)), cross_wallet=from_units(cross),
            unrealized=from_units(sum(leg.unrealized for leg in legs)),
            cross_unrealized=from_units(sum(leg.unrealized for leg in legs if not leg.isolated)),
            initial_margin=from_units(sum(leg.initial for leg in legs)),
            order_margin=from_units(sum(leg.needed - leg.initial for leg in legs)),
            maintenance_margin=from_units(sum(leg.maintenance for leg in legs)),
            cross_maintenance=from_units(sum(leg.maintenance for leg in legs if not leg.isolated)),
            available=from_units(max(0, self.available(asset))),
        )  # fmt: skip

    def liquidation_price(self, leg: Leg) -> Decimal:
        """The mark price at which the position is liquidated while all other prices stand still.

        Cross sides of one contract move together. 0 when there is no such price above 0.
        """
        together = [leg] if leg.isolated else [other for other in self.cross(leg.asset) if other.prices is leg.prices]
        lots = sum(other.lots for other in together)
        if not leg.lots:
            return Decimal(0)
        backing = leg.margin if leg.isolated else self.equity(leg.asset) - self.maintenance(leg.asset)
        if not leg.isolated:
            backing += sum(other.maintenance - other.unrealized for other in together)
        prices = leg.prices
        # backing + sign * lots * w - cost = sum(|lots| * w * rate - amount), where w is the worth of one lot
        worth = prices.sign * lots - sum(
            Fraction(abs(other.lots) * prices.step(other.worth, abs(other.lots)).rate, RATE) for other in together
        )
        amounts = sum(prices.step(other.worth, abs(other.lots)).amount for other in together if other.lots)
        if not worth:
            return Decimal(0)
        each = Fraction(sum(other.cost for other in together) - backing - amounts) / worth
        price = prices.price_for(each, 1)
        return from_units(int(price) // 10**8 * 10**8)

    def transferred(self, asset: str, units: int, now_ms: int) -> None:
        """Adds a transfer to the statement."""
        self._number += 1
        self.incomes.append(
            Income(
                number=4 * self._number + 2, kind="transfer", instrument="", side="net", asset=asset, units=units, time_ms=now_ms
            )
        )  # fmt: skip

    def book(
        self, kind: str, leg: Leg, units: int, now_ms: int, *, trade_id: int = 0, rate: int = 0, mark: int = 0, lots: int = 0
    ) -> Income:  # fmt: skip
        """Adds a line to the statement."""
        self._number += 1
        line = Income(
            number=4 * self._number + 2, kind=kind, instrument=leg.prices.instrument.id, side=leg.side, asset=leg.asset, units=units,
            time_ms=now_ms, trade_id=trade_id, rate=rate, mark=mark, lots=lots,
        )  # fmt: skip
        self.incomes.append(line)
        return line
