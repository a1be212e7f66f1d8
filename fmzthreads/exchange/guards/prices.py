"""The book that orders are judged by: the live one, or one fetched a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal

import attrs

from ...clock import Clock
from ...errors import FmzError, GuardRefused, StopRequested
from ...fork import after_fork_in_child
from ...structures import Depth
from ..live_books import LiveBooks
from ..venue import Venue

__all__ = ["GuardBook", "GuardPrices"]

_LEVELS = 100

Levels = Sequence[tuple[Decimal, Decimal]]


@attrs.frozen(kw_only=True)
class GuardBook:
    """The levels of a book, exact, the best first: price and amount.

    Attributes:
        symbol: FMZ's symbol.
        bids: Bids.
        asks: Asks.
    """

    symbol: str
    bids: Levels
    asks: Levels

    def best(self, *, buy: bool) -> Decimal:
        """The best price that an order trades at.

        Raises:
            GuardRefused: That side of the book is empty.
        """
        levels = self.asks if buy else self.bids
        if not levels:
            raise GuardRefused(
                f"the guards cannot judge an order of {self.symbol}: the book has no {'asks' if buy else 'bids'}; nothing was sent",
                guard="book",
            )
        return levels[0][0]

    def within(self, worst: Decimal, *, buy: bool) -> tuple[Decimal, Decimal]:
        """What can be traded at prices up to the worst: the amount, and its value."""
        amount = value = Decimal(0)
        for price, size in self.asks if buy else self.bids:
            if (price > worst) if buy else (price < worst):
                break
            amount += size
            value += size * price
        return amount, value


class GuardPrices:
    """Fetches books, at most one at a time of a symbol; thread-safe.

    Args:
        venue: Where they are fetched.
        live: The live books of the exchange object, which are preferred.
        clock: Measures ages.
        max_age_s: How long a fetched book is used, in seconds.
    """

    def __init__(self, venue: Venue, live: LiveBooks, clock: Clock, max_age_s: float) -> None:
        self._venue = venue
        self._live = live
        self._clock = clock
        self._max_age_s = max_age_s
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards _turns
        self._turns: dict[str, threading.Lock] = {}  # held by the thread that fetches a symbol's book
        self._known: dict[str, tuple[float, GuardBook]] = {}  # replaced, never changed

    def book(self, symbol: str) -> GuardBook:
        """The book of a symbol.

        Raises:
            GuardRefused: It cannot be had.
        """
        live = self._live.depth(symbol, None)
        if live is not None:
            return _exact(symbol, live)
        with self._lock:
            turn = self._turns.setdefault(symbol, threading.Lock())
        with turn:
            known = self._known.get(symbol)
            if known is not None and self._clock.monotonic() - known[0] <= self._max_age_s:
                return known[1]
            asked_at = self._clock.monotonic()
            try:
                book = _exact(symbol, self._venue.depth(symbol, _LEVELS))
            except StopRequested:
                raise
            except FmzError as error:
                raise GuardRefused(
                    f"the guards cannot judge an order of {symbol} without its book: {error}; nothing was sent",
                    guard="book",
                ) from error
            self._known[symbol] = (asked_at, book)
            return book


def _exact(symbol: str, depth: Depth) -> GuardBook:
    def _levels(side: str) -> Levels:
        return [(Decimal(repr(level["Price"])), Decimal(repr(level["Amount"]))) for level in depth[side]]

    return GuardBook(symbol=symbol, bids=_levels("Bids"), asks=_levels("Asks"))
