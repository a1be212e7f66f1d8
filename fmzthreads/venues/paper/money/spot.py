"""What orders and fills of a spot market do to the balances."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ..account.orders import PaperOrder
from ..market.liquidity import Match
from .balances import booked
from .purse import Charge, Purse

__all__ = ["SpotMoney"]


class SpotMoney:
    """Moves two balances, and charges the fee in the currency that comes in, as Binance and OKX do."""

    def held_for(self, order: PaperOrder, spends: Decimal | None, worst: Decimal | None, purse: Purse) -> PaperOrder:
        """The order with what is to be frozen for it.

        Args:
            order: A new order.
            spends: The quote currency that a market buy spends at most.
            worst: Of no use here.
            purse: Of no use here.
        """
        base, _, quote = order.symbol.partition("_")
        if not order.buys:
            return attrs.evolve(order, held=order.amount, currency=base)
        return attrs.evolve(
            order, held=spends if spends is not None else (order.price or 0) * order.amount, currency=quote
        )

    def fill(self, order: PaperOrder, match: Match, fee_rate: Decimal, purse: Purse) -> tuple[PaperOrder, Charge]:
        """Moves the balances for a fill; returns the order after it, and the fee."""
        base, _, quote = order.symbol.partition("_")
        balances = purse.balances
        paid = match.price * match.amount
        if order.buys:
            used = paid if order.price is None else order.price * match.amount
            comes, what = match.amount, base
        else:
            used = match.amount
            comes, what = paid, quote
        fee = booked(comes * fee_rate)
        balances.release(order.currency, used)
        balances.add(order.currency, -(paid if order.buys else match.amount))
        balances.add(what, comes - fee)
        return attrs.evolve(order.filled(match.price, match.amount), held=order.held - used), Charge(fee, what)
