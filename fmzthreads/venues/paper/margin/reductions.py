"""How much of each position a liquidation closes: a large one goes down bracket by bracket, until what is left is covered."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

import attrs

from ....exchange.contracts.converter import Contract
from ..money.brackets import MarginBrackets
from ..money.contract_money import worth_of

__all__ = ["Exposure", "reductions"]


@attrs.frozen(kw_only=True)
class Exposure:
    """A position to be liquidated.

    Attributes:
        contract: Its contract.
        amount: Its contracts.
        mark: The mark price.
        brackets: The contract's brackets.
    """

    contract: Contract
    amount: Decimal
    mark: Decimal
    brackets: MarginBrackets

    def worth(self, amount: Decimal) -> Decimal:
        """What a number of its contracts is worth."""
        return worth_of(self.contract, amount, self.mark)

    def maintenance(self, amount: Decimal) -> Decimal:
        """The maintenance margin of a number of its contracts."""
        return self.brackets.maintenance(amount, self.worth(amount)) if amount else Decimal(0)

    def lowered(self, amount: Decimal, brackets: int) -> Decimal | None:
        """The most contracts that lie so many brackets lower; None if there are not as many below."""
        place = self.brackets.place(self.brackets.size(amount, self.worth(amount)))
        cap = self.brackets.rows[place - brackets].cap if place >= brackets else None
        if cap is None:
            return None
        most = cap if self.brackets.by_contracts else cap / self.worth(Decimal(1))
        step = self.contract.step
        return most if not step else (most / step).to_integral_value(rounding=ROUND_DOWN) * step


def reductions(held: Sequence[Exposure], cover: Decimal, fee_rate: Decimal, brackets_at_once: int) -> list[Decimal]:
    """How many contracts of each position are closed.

    The position with the highest maintenance margin goes down first, and so on until all is covered. When none can go down any more and it
    still is not, all are closed. Sources: "Futures Liquidation Protocols" of Binance's FAQ (reduced as far as needed where possible, else
    closed), "Tiered maintenance margin ratio rules" of OKX (by two tiers at a time; tiers 1 and 2 are closed).

    Args:
        held: The positions that are covered together.
        cover: What covers them, with their profits at the mark prices.
        fee_rate: The fee of what is closed.
        brackets_at_once: How many brackets one step goes down.
    """
    left = [one.amount for one in held]
    while cover <= sum((one.maintenance(amount) for one, amount in zip(held, left, strict=True)), Decimal(0)):
        found = [
            (one.maintenance(amount), place, lower)
            for place, (one, amount) in enumerate(zip(held, left, strict=True))
            if (lower := one.lowered(amount, brackets_at_once)) is not None and lower > 0
        ]
        if not found:
            return [one.amount for one in held]
        _, place, lower = max(found)
        cover -= held[place].worth(left[place] - lower) * fee_rate
        left[place] = lower
    return [one.amount - amount for one, amount in zip(held, left, strict=True)]
