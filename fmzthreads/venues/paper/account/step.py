"""What one step changes of a paper account: it is stored first and then takes effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..conditional.condition import PaperCondition
from ..money.balances import Balances
from ..money.positions import PaperPosition
from .orders import PaperFill, PaperOrder, PaperPayment

__all__ = ["PaperStep"]


class AccountState(Protocol):
    """What a step begins with."""

    @property
    def balances(self) -> Balances:
        """The balances."""

    @property
    def position_rows(self) -> Mapping[tuple[str, bool], PaperPosition]:
        """The positions by symbol and whether they are long."""

    def open_orders(self, symbol: str | None = None) -> list[PaperOrder]:
        """The open orders, oldest first."""


class PaperStep:
    """Balances, orders, positions and the rest that a step changes; not thread-safe.

    Args:
        state: What it begins with.
    """

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self.before = state.balances
        self.balances = self.before.copy()
        self.orders: dict[int, PaperOrder] = {}
        self.fills: list[PaperFill] = []
        self.facts: dict[str, str] = {}
        self.positions: dict[tuple[str, bool], PaperPosition] = {}
        self.payments: list[PaperPayment] = []
        self.conditions: dict[int, PaperCondition] = {}

    def position(self, symbol: str, *, long: bool) -> PaperPosition:
        """One side of a contract, as this step has left it."""
        key = (symbol, long)
        found = self.positions.get(key) or self._state.position_rows.get(key)
        return found or PaperPosition(symbol=symbol, long=long)

    def put(self, position: PaperPosition) -> None:
        """Replaces a position."""
        self.positions[position.symbol, position.long] = position
        self.facts[position.key] = position.text

    def resting(self, symbol: str, side: str) -> list[PaperOrder]:
        """The open orders of one side of a contract, as this step has left them; oldest first."""
        orders = [self.orders.get(order.number, order) for order in self._state.open_orders(symbol)]
        return [order for order in orders if order.is_open and order.side == side]
