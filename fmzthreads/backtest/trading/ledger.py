"""What the desk asks of an account, whatever it trades: spot pairs or contracts."""

from __future__ import annotations

from typing import Any, Protocol

from ...structures import Account, Asset, Position
from ..config.settings import MarketDetail
from .funding import FundingEvent
from .market import MarketView
from .orders import DeskOrder, Direction

__all__ = ["Ledger", "Refused"]


class Refused(Exception):
    """An account refuses an order.

    Attributes:
        texts: The error rows, in FMZ's words, in their order.
    """

    def __init__(self, *texts: str) -> None:
        super().__init__(texts[-1])
        self.texts = texts


class Ledger(Protocol):
    """Money, coins and positions of one exchange; amounts in nano."""

    rate: int
    """``SetRate``'s factor: what strategies see of prices and of quote currency is multiplied by it."""

    def direction(self, side: str) -> Direction:
        """What a side given by a strategy means here."""

    def reserve(self, order: DeskOrder, asked: tuple[float, float], replaced: DeskOrder | None) -> None:
        """Freezes what a new order needs, and notes it in the order.

        Args:
            order: The order.
            asked: Price and amount as the caller gave them, for the error text.
            replaced: The order that it is to replace; its frozen part counts as free, and is released when the new order is accepted.

        Raises:
            Refused: The account cannot pay for it; nothing has changed.
        """

    def release(self, order: DeskOrder) -> None:
        """Frees what an order holds frozen."""

    def fill(self, order: DeskOrder, price: int, *, taker: bool, most: int | None = None) -> int:
        """Fills an order at a price: fee, money, coins or position, what is frozen, and the order itself.

        Args:
            order: An open order.
            price: The price.
            taker: Which fee it pays.
            most: The most that may be filled; None for all that remains of the order.

        Returns:
            The quantity; 0 when nothing of the order fits into ``most``.
        """

    def set_level(self, view: MarketView, level: float) -> None:
        """Sets the leverage of a symbol."""

    def fund(self, event: FundingEvent) -> None:
        """Posts a funding payment on the position that there is."""

    def account(self, detail: MarketDetail) -> Account:
        """The account as ``GetAccount`` shows it for a symbol."""

    def assets(self, detail: MarketDetail) -> list[Asset]:
        """The holdings as ``GetAssets`` shows them for a symbol."""

    def positions(self, symbol: str) -> list[Position] | None:
        """The positions of one symbol, or of all when it is empty; None where there are none by nature (spot)."""

    def worth(self, views: list[MarketView]) -> dict[str, Any]:
        """The account's part of an equity snapshot: Assets, PnL, Utilization, and Long and Short of each symbol under ``Symbols``."""
