"""What a venue provides so that the account of an exchange object can be kept live."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from ...structures import Order, Position
from .events import AccountSnapshot, StreamFill

__all__ = ["AccountSource", "StreamGreeting", "StreamLine"]


class StreamGreeting(Protocol):
    """A connection that was just opened, for what is said on it before it counts (a login, subscriptions)."""

    def say(self, text: str) -> None:
        """Sends a message; raises from the error tree."""

    def hear(self) -> str | bytes:
        """Waits for the next message; raises from the error tree, TimedOut among it."""

    def keep(self, message: str | bytes) -> None:
        """Puts a message that answers nothing aside: it is read before all later ones."""


@attrs.frozen(kw_only=True)
class StreamLine:
    """One connection of a user stream.

    Attributes:
        address: The address that ``Dial`` connects to.
        options: Its options.
        greet: Called after it was opened; raises from the error tree. None where nothing is said.
    """

    address: str
    options: Mapping[str, object]
    greet: Callable[[StreamGreeting], None] | None = None


class AccountSource(Protocol):
    """One user stream; made by a venue's adapter. The feed's thread calls its methods, and that of its check those that ask REST, at the same time."""

    name: str
    """The name used in the journal, such as ``Futures_Binance orders``."""

    key: str
    """What tells this stream from others of the same venue."""

    keep_alive_s: float
    """How often ``keep_alive`` is called, in seconds; 0 for never."""

    def includes(self, scope: str | None) -> bool:
        """Whether a scope (a symbol, a kind of contracts, or None for all) is about nothing else than this stream's account."""

    def connect(self) -> Sequence[StreamLine]:
        """The connections, which make one stream: it is lost with any of them. Asked before each attempt.

        Raises from the error tree.
        """

    def keep_alive(self) -> None:
        """Keeps the stream alive; raises from the error tree."""

    def read(self, message: str | bytes) -> Iterable[object]:
        """Parses a message into ``OrderChange``, ``PositionChange``, ``LeverageChange``, ``AccountAlarm`` and ``StreamEnded``.

        Raises BadReply when the message cannot be read.
        """

    def position_key(self, position: Position) -> Hashable:
        """What tells a position from others: a venue may hold two of one contract and direction."""

    def snapshot(self) -> AccountSnapshot:
        """Fetches the open orders and the positions by REST; raises from the error tree."""

    def look_up(self, order: Order) -> Order:
        """Fetches an order that is no longer open by REST; raises from the error tree, OrderNotFound among it."""

    def order(self, order_id: str) -> Order:
        """Fetches an order of which the stream did not tell; raises from the error tree, OrderNotFound among it."""

    def past_orders(self, symbol: str, since_ms: int) -> list[Order]:
        """Fetches the ordinary orders of a symbol that were made since a time; raises from the error tree.

        Args:
            symbol: FMZ's symbol.
            since_ms: In ms since the epoch, by the venue's clock.
        """

    def now_ms(self) -> int:
        """The venue's time, in ms since the epoch; raises from the error tree."""

    def fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        """Fetches the fills since a time by REST, oldest first; raises from the error tree.

        Args:
            since_ms: In ms since the epoch, by the venue's clock.
            symbols: The symbols that the stream has told of, for venues that want one asked by one.
        """
