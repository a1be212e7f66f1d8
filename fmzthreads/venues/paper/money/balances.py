"""The money of a paper account: free and frozen, exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

from ....errors import InsufficientFunds

__all__ = ["Balances", "booked"]

_UNIT = Decimal("1e-12")
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def booked(amount: Decimal) -> Decimal:
    """An amount of money as it is booked, with at most 12 decimals, so that sums of such amounts are exact."""
    return _WIDE.quantize(amount, _UNIT) if amount.as_tuple().exponent < -12 else amount  # type: ignore[operator]


class Balances:
    """Free and frozen amounts by currency; not thread-safe.

    Args:
        rows: Free and frozen amount of each currency.
    """

    def __init__(self, rows: Mapping[str, tuple[Decimal, Decimal]]) -> None:
        self.rows = dict(rows)

    def copy(self) -> Balances:
        """A copy, which is changed first and then put in the place of this one."""
        return Balances(self.rows)

    def free(self, currency: str) -> Decimal:
        """What can be spent."""
        return self.rows.get(currency, (Decimal(0), Decimal(0)))[0]

    def frozen(self, currency: str) -> Decimal:
        """What open orders hold."""
        return self.rows.get(currency, (Decimal(0), Decimal(0)))[1]

    def add(self, currency: str, amount: Decimal) -> None:
        """Adds to what is free; a negative amount may leave less than 0 only where a fee exceeds what came in."""
        free, frozen = self.rows.get(currency, (Decimal(0), Decimal(0)))
        self.rows[currency] = (free + amount, frozen)

    def hold(self, currency: str, amount: Decimal) -> None:
        """Freezes an amount; none is always there, also where fees and losses have left less than 0.

        Raises:
            InsufficientFunds: There is not as much.
        """
        free, frozen = self.rows.get(currency, (Decimal(0), Decimal(0)))
        if amount > max(free, Decimal(0)):
            raise InsufficientFunds(
                f"insufficient balance: the order needs {amount.normalize():f} {currency}, and {free.normalize():f} are free"
            )
        self.rows[currency] = (free - amount, frozen + amount)

    def freeze(self, currency: str, amount: Decimal) -> None:
        """Freezes an amount that was promised before; what is free may fall below 0."""
        free, frozen = self.rows.get(currency, (Decimal(0), Decimal(0)))
        self.rows[currency] = (free - amount, frozen + amount)

    def release(self, currency: str, amount: Decimal) -> None:
        """Frees what was frozen."""
        free, frozen = self.rows.get(currency, (Decimal(0), Decimal(0)))
        self.rows[currency] = (free + amount, frozen - amount)
