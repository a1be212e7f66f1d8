"""Closes the positions of an account whose equity no longer carries them; FMZ's engine has no liquidation.

The positions are closed at the mark price, those with the best profit first. Each pays the market's liquidation fee, as far as the equity reaches. When it does
not even cover the losses, the last position is closed at its bankruptcy price, at which nothing is left; what is short is the insurance fund's.
"""

from __future__ import annotations

from typing import NamedTuple

from ...nano import div, mul
from ..held_position import HeldPosition, contract_value
from ..margin import MarginAccount, SymbolPositions
from .margin_watch import MarginWatch

__all__ = ["Liquidated", "liquidate"]


class Liquidated(NamedTuple):
    """One position that was closed.

    Attributes:
        positions: Its symbol.
        is_long: Whether it was a long one.
        amount: Its contracts, in nano.
        price: At which it was closed, in nano.
        fee: The liquidation fee, in nano.
    """

    positions: SymbolPositions
    is_long: bool
    amount: int
    price: int
    fee: int


def liquidate(account: MarginAccount, watch: MarginWatch, time_ms: int) -> list[Liquidated]:
    """Closes all positions that share a balance; its open orders have been canceled before.

    Args:
        account: The account.
        watch: The balance and its positions.
        time_ms: When.
    """
    wallet = watch.wallet()
    rows = [
        (side.profit(mark), mark, positions, side)
        for positions in watch.held()
        for mark in (watch.mark(positions, time_ms),)
        for side in (positions.long, positions.short)
        if side.amount
    ]
    rows.sort(key=lambda row: -row[0])
    closed = []
    for place, (profit, mark, positions, side) in enumerate(rows):
        rest = sum(later.margin + gain for gain, _, _, later in rows[place + 1 :])
        equity = wallet.total + side.margin + profit + rest
        price, amount = mark, side.amount
        if equity < 0 and place == len(rows) - 1:
            price = _bankruptcy_price(side, wallet.total, mark)
        fee = min(max(equity, 0), mul(contract_value(side.detail, price, amount), side.detail.liquidation_fee))
        account.close_out(side, price, fee)
        closed.append(Liquidated(positions, side.is_long, amount, price, fee))
    if wallet.free < 0:
        wallet.insured -= wallet.free
        wallet.free = 0
    return closed


def _bankruptcy_price(side: HeldPosition, balance: int, mark: int) -> int:
    """The price at which a position's loss takes all that there is; the mark price without such a price."""
    detail = side.detail
    loss = balance + side.margin
    value = side.entry - loss if side.is_long != detail.is_coin_margined else side.entry + loss
    if value <= 0:
        return mark
    if detail.is_coin_margined:
        return div(mul(detail.volume_multiple, side.amount), value)
    return div(div(value, side.amount), detail.volume_multiple)
