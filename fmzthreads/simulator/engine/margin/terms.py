"""The terms of a contract: position tiers, funding interval, liquidation fee and delivery time."""

from __future__ import annotations

import itertools
from decimal import Decimal

import attrs

from ....errors import InputError

__all__ = ["ContractTerms", "Tier"]


@attrs.frozen(kw_only=True)
class Tier:
    """One bracket of position size.

    Attributes:
        floor: The smallest size, exclusive: a value in the settling asset, or contracts if ``ContractTerms.by_contracts``.
        cap: The largest size, inclusive.
        max_leverage: The largest leverage of a position in this bracket.
        maintenance_rate: The maintenance margin as a part of the position's value.
        amount: What is subtracted from the maintenance margin so that it grows without steps (Binance's ``cum``), in the settling asset.
    """

    floor: Decimal
    cap: Decimal
    max_leverage: int
    maintenance_rate: Decimal
    amount: Decimal = Decimal(0)


def _ascending(instance: object, attribute: attrs.Attribute[tuple[Tier, ...]], tiers: tuple[Tier, ...]) -> None:
    if not tiers or tiers[0].floor != 0:
        raise InputError("a contract needs at least one tier, and the first must have the floor 0")
    for lower, upper in itertools.pairwise(tiers):
        if lower.cap != upper.floor or lower.max_leverage < upper.max_leverage:
            raise InputError(f"each tier must begin where the one before ends, with no higher leverage, got {upper!r}")
    for tier in tiers:
        if not 0 < tier.maintenance_rate < 1 or tier.cap <= tier.floor or tier.max_leverage < 1:
            raise InputError(f"a tier needs floor < cap, a leverage of at least 1 and a rate from 0 to 1, got {tier!r}")


@attrs.frozen(kw_only=True)
class ContractTerms:
    """The terms of a contract beyond what spot has.

    Attributes:
        tiers: The brackets, smallest first, without gaps.
        by_contracts: Whether the tiers count contracts (OKX) instead of value (Binance).
        default_leverage: The leverage of a position before it is set.
        liquidation_fee: The part of a liquidated value that goes to the insurance account.
        funding_interval_s: Seconds between two funding payments; 0 for a contract with a delivery date.
        expiry_ms: When it is delivered, in milliseconds since the epoch; 0 for a perpetual contract.
        settlement_s: Seconds before the delivery over which the index is averaged: an hour at OKX, half of one at Binance.
    """

    tiers: tuple[Tier, ...] = attrs.field(validator=_ascending)
    by_contracts: bool = False
    default_leverage: int = 20
    liquidation_fee: Decimal = Decimal("0.0125")
    funding_interval_s: int = 28_800
    expiry_ms: int = 0
    settlement_s: int = 3_600

    @property
    def max_leverage(self) -> int:
        """The leverage of the smallest bracket, which is the largest."""
        return self.tiers[0].max_leverage

    def tier(self, size: Decimal) -> Tier:
        """The bracket of a size; the last one for anything larger.

        Args:
            size: A value in the settling asset, or contracts if ``by_contracts``; at least 0.
        """
        return next((tier for tier in self.tiers if size <= tier.cap), self.tiers[-1])

    def most(self, leverage: int) -> Decimal:
        """The largest position that a leverage allows, in the unit of the tiers; 0 if no bracket allows it."""
        return max((tier.cap for tier in self.tiers if tier.max_leverage >= leverage), default=Decimal(0))
