"""What one step may change of a paper account: balances and positions, as a copy that is stored before it takes effect."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import attrs

from ..account.orders import PaperOrder
from ..market.liquidity import Match
from .balances import Balances
from .positions import PaperPosition

__all__ = ["Charge", "Money", "Purse"]


@attrs.frozen
class Charge:
    """What a fill costs: an amount, and its currency."""

    fee: Decimal
    currency: str


class Purse(Protocol):
    """The balances and positions of a step."""

    balances: Balances

    def position(self, symbol: str, *, long: bool) -> PaperPosition:
        """One side of a contract; of amount 0 if there is no position."""

    def put(self, position: PaperPosition) -> None:
        """Replaces a position."""

    def resting(self, symbol: str, side: str) -> Sequence[PaperOrder]:
        """The open orders of one side of a contract, as ``closebuy`` for those that close a long position."""


class Money(Protocol):
    """What orders and fills do to a purse; for spot markets and for contracts."""

    def held_for(self, order: PaperOrder, spends: Decimal | None, worst: Decimal | None, purse: Purse) -> PaperOrder:
        """The order with what is to be frozen for it."""

    def fill(self, order: PaperOrder, match: Match, fee_rate: Decimal, purse: Purse) -> tuple[PaperOrder, Charge]:
        """Applies a fill; returns the order after it, and the fee."""
