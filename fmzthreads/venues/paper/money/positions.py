"""The positions of a paper account."""

from __future__ import annotations

import json
from decimal import Decimal

import attrs

__all__ = ["PaperPosition"]


@attrs.frozen(kw_only=True)
class PaperPosition:
    """One side of a contract.

    Attributes:
        symbol: FMZ's symbol.
        long: Whether it gains when the price rises.
        amount: The number of contracts.
        price: The average price at which it was opened.
        margin: The margin that was set aside for it, in the contract's margin currency.
        isolated: Whether that margin alone covers it.
    """

    symbol: str
    long: bool
    amount: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    isolated: bool = False

    @property
    def key(self) -> str:
        """Its name in the file."""
        return f"position {self.symbol} {'long' if self.long else 'short'}"

    @property
    def text(self) -> str:
        """Its value in the file."""
        numbers = [str(one) for one in (self.amount, self.price, self.margin)]
        return json.dumps([self.symbol, self.long, *numbers, self.isolated])

    @classmethod
    def of_text(cls, text: str) -> PaperPosition:
        """Reads ``text``, also that of an older version, which ends after the margin."""
        symbol, long, amount, price, margin, *more = json.loads(text)
        return cls(
            symbol=symbol,
            long=long,
            amount=Decimal(amount),
            price=Decimal(price),
            margin=Decimal(margin),
            isolated=bool(more and more[0]),
        )
