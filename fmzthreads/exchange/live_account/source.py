"""What a venue provides so that the account of an exchange object can be kept live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ...structures import Order
from .events import AccountSnapshot

__all__ = ["AccountSource"]


class AccountSource(Protocol):
    """One user stream; made by a venue's adapter. Only the feed's thread calls its methods."""

    name: str
    """The name used in the journal, such as ``Futures_Binance orders``."""

    key: str
    """What tells this stream from others of the same venue."""

    keep_alive_s: float
    """How often ``keep_alive`` is called, in seconds; 0 for never."""

    def includes(self, scope: str | None) -> bool:
        """Whether a scope (a symbol, a kind of contracts, or None for all) is about nothing else than this stream's account."""

    def connect(self) -> tuple[str, Mapping[str, object]]:
        """The address that ``Dial`` connects to, with its options; asked before each connection.

        Raises from the error tree.
        """

    def keep_alive(self) -> None:
        """Keeps the stream alive; raises from the error tree."""

    def read(self, message: str | bytes) -> Iterable[object]:
        """Parses a message into ``OrderChange``, ``PositionChange``, ``AccountAlarm`` and ``StreamEnded``.

        Raises BadReply when the message cannot be read.
        """

    def snapshot(self) -> AccountSnapshot:
        """Fetches the open orders and the positions by REST; raises from the error tree."""

    def look_up(self, order: Order) -> Order:
        """Fetches an order that is no longer open by REST; raises from the error tree, OrderNotFound among it."""
