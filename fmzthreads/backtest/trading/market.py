"""What orders see of one symbol: its current tick, and where its price went since.

Ticks of a symbol are numbered from 0 over the whole backtest, history before its start included; the numbers ascend, with gaps. A tick has one
price; FMZ's engine sells at the price minus, and buys at the price plus a spread that is fixed for the symbol.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..config.settings import MarketDetail

__all__ = ["MarketView", "RowWriter", "Tick"]


class Tick(NamedTuple):
    """One tick; prices in nano.

    Attributes:
        number: Its number among the symbol's ticks.
        time_ms: When it came.
        last: Its price.
        buy: The best bid.
        sell: The best ask.
    """

    number: int
    time_ms: int
    last: int
    buy: int
    sell: int


class MarketView(Protocol):
    """One symbol of one exchange."""

    @property
    def detail(self) -> MarketDetail:
        """The market."""

    @property
    def spread(self) -> int:
        """Half of the distance between bid and ask, in nano: ``sell = last + spread``, ``buy = last - spread``."""

    def order_tick(self) -> Tick:
        """The current tick, the latest at or before the clock's time, for an order that is placed at it: it is marked as seen, as by ``consume``.

        Raises:
            EOFError: There is no tick at or before the clock's time, and none comes.
        """

    def consume_current(self) -> int:
        """The number of the current tick, as ``current``; it is marked as seen, as by ``consume``."""

    def current(self) -> int:
        """The number of the current tick.

        Raises:
            EOFError: There is no tick at or before the clock's time, and none comes.
        """

    def last_price(self) -> int:
        """The price of the current tick, in nano; 0 before the first one."""

    def consume(self) -> None:
        """Marks the current tick as seen, so that the next market call asks for a newer one (FMZ: orders consume ticks, too)."""

    def tick_at(self, number: int) -> Tick:
        """The tick of that number, which was a tick's number before."""

    def next_number(self, number: int) -> int:
        """The number of the tick after a tick; -1 if none exists."""

    def bar_of(self, number: int) -> int:
        """The bar that a tick belongs to; bars ascend with ticks."""

    def bar_volume(self, bar: int) -> int:
        """The whole volume of a bar, in nano."""

    def volume_of(self, number: int) -> int:
        """The volume of a tick's bar up to and including the tick, in nano."""

    def number_before(self, time_ms: int) -> int:
        """The number of the latest tick that came before a time; -1 if none exists."""

    def first_at_or_below(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose price is ``last`` or less; -1 if none exists."""

    def first_at_or_above(self, last: int, after: int, until: int) -> int:
        """The number of the first tick with ``after < number <= until`` whose price is ``last`` or more; -1 if none exists."""


class RowWriter(Protocol):
    """Takes the rows that orders leave in the log."""

    def order(
        self,
        kind: int,
        exchange: int,
        order_id: int,
        price: int,
        amount: int,
        message: str,
        symbol: str,
        direction: str,
    ) -> None:
        """Writes a row of a placement (kind 0 buy, 1 sell) or a cancel (2); price and amount in nano, ``exchange`` counted from 1."""

    def error(self, exchange: int, text: str) -> None:
        """Writes an error row."""

    def take_last_error(self, exchange: int | None = None) -> str | None:
        """Returns the text of the last error row (of one exchange) and forgets it; None when there was none since."""
