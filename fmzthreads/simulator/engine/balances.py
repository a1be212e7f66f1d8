"""An account's balances, in exact integers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from ...errors import InputError
from .instruments import from_units, to_units
from .reasons import Reason, Rejected

__all__ = ["Balance", "Holdings"]


@attrs.frozen
class Balance:
    """An account's holding of one asset.

    Attributes:
        free: The amount that may be spent.
        frozen: The amount reserved for open orders.
    """

    free: Decimal
    frozen: Decimal

    @property
    def total(self) -> Decimal:
        """Free and frozen together."""
        return from_units(to_units(self.free) + to_units(self.frozen))


class Holdings:
    """Free and frozen units by asset. The exchange's lock guards it.

    Attributes:
        free: Units of each asset that may be spent.
        frozen: Units of each asset reserved for open orders.
    """

    def __init__(self) -> None:
        self.free: dict[str, int] = {}
        self.frozen: dict[str, int] = {}

    def deposit(self, asset: str, units: int) -> None:
        """Adds free units.

        Raises:
            InputError: The amount is negative.
        """
        if units < 0:
            raise InputError(f"a deposit of {asset} must be 0 or more, got {from_units(units):f}")
        self.free[asset] = self.free.get(asset, 0) + units
        self.frozen.setdefault(asset, 0)

    def freeze(self, asset: str, units: int) -> None:
        """Moves units from free to frozen.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """
        free = self.free.get(asset, 0)
        if units > free:
            raise Rejected(
                Reason.INSUFFICIENT_FUNDS, f"{from_units(units):f} {asset} needed, {from_units(free):f} {asset} free"
            )
        self.free[asset] = free - units
        self.frozen[asset] = self.frozen.get(asset, 0) + units

    def release(self, asset: str, units: int) -> None:
        """Moves units from frozen back to free."""
        self.frozen[asset] -= units
        self.free[asset] += units

    def balance(self, asset: str) -> Balance:
        """The holding of one asset; zeros for one that was never held."""
        return Balance(from_units(self.free.get(asset, 0)), from_units(self.frozen.get(asset, 0)))

    def balances(self) -> Mapping[str, Balance]:
        """The holding of every asset that was ever held."""
        return {asset: self.balance(asset) for asset in self.free}
