"""The host of an exchange object: the strategy's journal, clock and event loop, as a protocol."""

from __future__ import annotations

from typing import Any, Protocol

from ..clock import Clock, WallClock
from ..tasks.events import Selectable
from ..tasks.handle import Handle
from .guards.kill_switch import KillSwitch
from .holdings import SeenHoldings
from .order_log import OrderFile

__all__ = ["Host", "QuietHost"]


class Host(Protocol):
    """The journal, clock and event loop of a strategy. Every method may be called from several threads at once."""

    @property
    def clock(self) -> Clock:
        """The strategy's clock."""

    @property
    def order_log(self) -> OrderFile | None:
        """The file of the strategy's orders, one object for all its exchange objects; None to keep orders in memory only."""

    @property
    def kill_switch(self) -> KillSwitch:
        """What holds back the strategy's new orders, one object for all its exchange objects."""

    @property
    def holdings(self) -> SeenHoldings | None:
        """Keeps what account calls return, for those who watch the strategy; None if it is not watched."""

    def error(self, text: str, *, source: str) -> None:
        """Writes one error line to the journal, and keeps its text for ``GetLastError()``.

        Args:
            text: What happened, without secrets.
            source: The exchange's label.
        """

    def warning(self, text: str, *, source: str) -> None:
        """Takes one warning: a line in the journal that is not an error.

        Args:
            text: What happened, without secrets.
            source: The exchange's label.
        """

    def order_line(
        self,
        kind: int,
        *,
        source: str,
        symbol: str,
        price: float,
        amount: float,
        order_id: str,
        tail: tuple[object, ...] = (),
    ) -> None:
        """Writes one order line, unless ``EnableLog(False)`` hides them.

        Args:
            kind: ``LOG_TYPE_BUY``, ``LOG_TYPE_SELL`` or ``LOG_TYPE_CANCEL``.
            source: The exchange's label.
            symbol: FMZ's symbol; empty where it is unknown (a cancel).
            price: The price; -1 for a market order, 0 for a cancel.
            amount: The amount; 0 for a cancel.
            order_id: The order's id; empty for a line of ``exchange.Log``.
            tail: Further arguments of the call, rendered as by ``Log``.
        """

    def register_secret(self, secret: str) -> object:
        """Masks a key in every line from now on."""

    def add_exchange(self, exchange: Any) -> int:
        """Registers a new exchange object; returns its index, from 0."""

    def announce(self, handle: Handle[Any], event: str, index: int = 0) -> None:
        """Makes the end of a background call an event for ``EventLoop``.

        Args:
            handle: The call.
            event: The event's name, such as ``Exchange_GetDepth``.
            index: The index of its exchange.
        """

    def watch(self, source: Selectable, event: str, index: int = 0) -> None:
        """Makes each change of a live book an event for ``EventLoop``, for as long as the book exists.

        Args:
            source: The book's feed.
            event: The event's name.
            index: The index of its exchange.
        """


class QuietHost:
    """A host with a clock and no journal.

    Args:
        clock: The clock; None for a wall clock.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock if clock is not None else WallClock()
        self._kill_switch = KillSwitch(self._clock)

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self._clock

    @property
    def order_log(self) -> None:
        """None: there is no folder."""
        return None

    @property
    def kill_switch(self) -> KillSwitch:
        """One in memory: there is no folder."""
        return self._kill_switch

    @property
    def holdings(self) -> None:
        """None: it is not watched."""
        return None

    def error(self, text: str, *, source: str) -> None:
        """Drops the line; the exchange object keeps its last error itself."""

    def warning(self, text: str, *, source: str) -> None:
        """Drops the line."""

    def order_line(
        self,
        kind: int,
        *,
        source: str,
        symbol: str,
        price: float,
        amount: float,
        order_id: str,
        tail: tuple[object, ...] = (),
    ) -> None:
        """Drops the line."""

    def register_secret(self, secret: str) -> None:
        """Does nothing: no line is written."""

    def add_exchange(self, exchange: Any) -> int:
        """Registers nothing; 0."""
        return 0

    def announce(self, handle: Handle[Any], event: str, index: int = 0) -> None:
        """Does nothing: there is no ``EventLoop``."""

    def watch(self, source: Selectable, event: str, index: int = 0) -> None:
        """Does nothing: there is no ``EventLoop``."""
