"""FMZ's symbols and the venue's names for them, both ways, from the venue's own list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

import attrs

from ...clock import Clock
from ...errors import InputError, OperationFailed, UnknownSymbol, nearest
from ...structures import Market, Order
from ...tasks.single_flight import SingleFlight

__all__ = ["Listing", "SymbolBook", "put_symbols", "split_order_id"]


@attrs.frozen(kw_only=True)
class Listing:
    """One symbol that a venue knows.

    Attributes:
        symbol: FMZ's symbol, such as ``BTC_USDT``.
        venue_symbol: The venue's name for it, such as ``BTCUSDT``.
        base: The base currency.
        quote: The quote currency.
        listed: Whether it is traded there (perhaps halted for the moment), rather than kept for the record.
        market: Its trading rules.
    """

    symbol: str
    venue_symbol: str
    base: str
    quote: str
    listed: bool
    market: Market


class SymbolBook:
    """The symbols of one venue, fetched once and shared by all threads.

    Args:
        venue: The venue's name, for messages.
        fetch: Fetches the list; raises from the error tree.
        clock: Measures age.
        max_age_s: A list older than this many seconds is fetched anew; when that fails, the old one serves on.
        miss_age_s: A symbol that is not in a list younger than this is unknown without asking again.
    """

    def __init__(
        self,
        venue: str,
        fetch: Callable[[], list[Listing]],
        clock: Clock,
        *,
        max_age_s: float = 3600.0,
        miss_age_s: float = 60.0,
    ) -> None:
        self._venue = venue
        self._fetch = fetch
        self._clock = clock
        self._max_age_s = max_age_s
        self._miss_age_s = miss_age_s
        # Guards the fields below, which change together; the maps are replaced, never changed.
        self._lock = threading.Lock()
        self._by_symbol: Mapping[str, Listing] = {}
        self._by_venue: Mapping[str, Listing] = {}
        self._fetched_at: float | None = None
        self._generation = 0
        self._flight: SingleFlight[list[Listing]] = SingleFlight(clock)

    def refresh(self) -> list[Listing]:
        """Fetches the list, or waits for a fetch that is under way.

        Raises:
            FmzError: It could not be fetched.
        """
        return self._flight.run(self._load)

    def forget(self) -> None:
        """Drops the list (another base URL may know other symbols)."""
        with self._lock:
            self._by_symbol = self._by_venue = {}
            self._fetched_at = None
            self._generation += 1

    def of(self, symbol: str) -> Listing:
        """The listing of an FMZ symbol.

        Raises:
            UnknownSymbol: The venue has none; the message names the nearest.
            FmzError: The list could not be fetched and none is known.
        """
        found = self._look(lambda: self._by_symbol.get(symbol))
        if found is None:
            raise UnknownSymbol(f"{self._venue} does not list {symbol!r}{nearest(symbol, self._by_symbol)}")
        return found

    def of_venue(self, venue_symbol: str) -> Listing:
        """The listing of the venue's own name.

        Raises:
            UnknownSymbol: The venue has none; the message names the nearest.
            FmzError: The list could not be fetched and none is known.
        """
        found = self._look(lambda: self._by_venue.get(venue_symbol))
        if found is None:
            near = nearest(venue_symbol, self._by_venue)
            raise UnknownSymbol(f"{self._venue} has no symbol of its own called {venue_symbol!r}{near}")
        return found

    def by_venue(self) -> Mapping[str, Listing]:
        """All listings by the venue's own names.

        Raises:
            FmzError: The list could not be fetched and none is known.
        """
        if self._age() is None:
            self._renew()
        return self._by_venue

    def _renew(self) -> None:
        self.refresh()
        if self._age() is None:
            self.refresh()  # the base was changed while the first list was on its way, and that one was dropped

    def _look(self, find: Callable[[], Listing | None]) -> Listing | None:
        found, age = find(), self._age()
        if age is not None and age <= (self._max_age_s if found is not None else self._miss_age_s):
            return found
        try:
            self._renew()
        except OperationFailed:
            if found is None:
                raise
            return found  # an old name is better than none: venues do not rename symbols
        return find()

    def _age(self) -> float | None:
        with self._lock:
            return None if self._fetched_at is None else self._clock.monotonic() - self._fetched_at

    def _load(self) -> list[Listing]:
        generation = self._generation
        listings = self._fetch()
        by_symbol = {listing.symbol: listing for listing in listings}
        by_venue = {listing.venue_symbol: listing for listing in listings}
        with self._lock:
            if generation == self._generation:
                self._by_symbol, self._by_venue = by_symbol, by_venue
                self._fetched_at = self._clock.monotonic()
        return listings


def put_symbols(orders: Iterable[Order], listings: Mapping[str, Listing]) -> None:
    """Puts FMZ's symbols in the place of the venue's own names.

    Args:
        orders: What a venue answered; changed in place.
        listings: By the venue's own names.
    """
    for order in orders:
        known = listings.get(order["Symbol"])
        # A symbol that was listed a moment ago keeps the venue's own name rather than being left out.
        order["Symbol"] = known.symbol if known is not None else order["Symbol"]


def split_order_id(order_id: str) -> tuple[str, str]:
    """The venue's symbol and the venue's id in an order's id.

    Raises:
        InputError: It is not of the form ``"<venue symbol>,<venue id>"``.
    """
    venue_symbol, comma, number = str(order_id).rpartition(",")
    if not (comma and venue_symbol and number.isascii() and number.isalnum()):
        raise InputError(f"an order id has the form '<venue symbol>,<venue id>', got {order_id!r}")
    return venue_symbol, number
