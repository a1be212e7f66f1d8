"""The mark price at which positions of a contract would be liquidated."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ....exchange.contracts.converter import Contract
from ..money.brackets import MarginBracket, MarginBrackets
from ..money.contract_money import worth_of
from ..money.positions import PaperPosition

__all__ = ["liquidation_price"]


def liquidation_price(
    contract: Contract, positions: Sequence[PaperPosition], wallet: Decimal, mark: Decimal, brackets: MarginBrackets
) -> Decimal | None:
    """The price at which wallet and profits equal the maintenance margin.

    Args:
        contract: The contract.
        positions: The positions that its price moves and the wallet backs: one isolated position, or the cross ones of the contract.
        wallet: What backs them without their own profits, less the maintenance margin of others.
        mark: The mark price now, by which the bracket is chosen first.
        brackets: The contract's brackets.

    Returns:
        The price; None if no price liquidates them.
    """
    price = mark
    for _ in range(len(brackets.rows) + 1):  # at the price that is found another bracket may hold
        chosen = [brackets.at(brackets.size(one.amount, worth_of(contract, one.amount, price))) for one in positions]
        found = _solved(contract, positions, chosen, wallet)
        if found is None or found <= 0:
            return None
        if found == price:
            break
        price = found
    return price


def _solved(
    contract: Contract, positions: Sequence[PaperPosition], rows: Sequence[MarginBracket], wallet: Decimal
) -> Decimal | None:
    """Solves wallet + profits = maintenance for the price, with given brackets."""
    value, linear = contract.value.amount, contract.value.in_coins
    slope, rest = Decimal(0), wallet + sum((row.deduction for row in rows), Decimal(0))
    for one, row in zip(positions, rows, strict=True):
        size, sign = one.amount * value, 1 if one.long else -1
        if linear:  # wallet + sign size (p - entry) = rate size p - deduction
            slope += size * (sign - row.rate)
            rest -= sign * size * one.price
        else:  # wallet + sign size (1/entry - 1/p) = rate size / p - deduction
            slope += size * (sign + row.rate)
            rest += sign * size / one.price
    if linear:
        return -rest / slope if slope else None
    return slope / rest if rest else None
