"""The symbols of one venue: each fetched alone when it is first needed, the whole list only for those who want all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ...clock import Clock
from ...errors import InputError, OperationFailed, UnknownSymbol, nearest
from ...tasks.single_flight import SingleFlight
from .dialect import Listing

__all__ = ["SymbolBook", "split_order_id"]


class SymbolBook:
    """The symbols of one venue, shared by all threads.

    Args:
        venue: The venue's name, for messages.
        fetch_all: Fetches the whole list; raises from the error tree.
        fetch_one: Fetches one symbol by the venue's name of it; raises UnknownSymbol when the venue has none.
        clock: Measures age.
        max_age_s: A whole list older than this many seconds is fetched anew; when that fails, the old one serves on.
        miss_age_s: A symbol that the venue did not know this many seconds ago is unknown without asking again.
    """

    def __init__(
        self,
        venue: str,
        fetch_all: Callable[[], list[Listing]],
        fetch_one: Callable[[str], Listing],
        clock: Clock,
        *,
        max_age_s: float = 3600.0,
        miss_age_s: float = 60.0,
    ) -> None:
        self._venue = venue
        self._fetch_all = fetch_all
        self._fetch_one = fetch_one
        self._clock = clock
        self._max_age_s = max_age_s
        self._miss_age_s = miss_age_s
        # Guards the fields below, which change together; _known is looked up without it.
        self._lock = threading.Lock()
        self._known: dict[str, Listing] = {}  # by the venue's name; grows, and is replaced by a whole list
        self.by_symbol: dict[str, Listing] = {}
        """What is known so far, by FMZ's symbol; to be read only."""
        self._missing: dict[str, float] = {}  # when the venue last said that it has no such symbol
        self._listed_at: float | None = None
        self._generation = 0
        self._all_flight: SingleFlight[list[Listing]] = SingleFlight(clock)
        self._flights: dict[str, SingleFlight[Listing]] = {}

    def known(self, name: str) -> Listing | None:
        """What is known of a venue's name; asks nothing."""
        return self._known.get(name)

    def check(self, symbol: str, name: str) -> None:
        """Refuses a symbol that is known not to be listed; asks nothing.

        Args:
            symbol: FMZ's symbol.
            name: The venue's name that was made of it.

        Raises:
            UnknownSymbol: The venue has none, or the name belongs to another symbol.
        """
        found = self._known.get(name)
        if found is None:
            if self._is_missing(name):
                raise self.unknown(symbol)
        elif found.symbol != symbol:
            raise self.unknown(symbol)

    def unknown(self, symbol: str) -> UnknownSymbol:
        """The error for a symbol that the venue does not list; it names the nearest of those that are known."""
        near = nearest(symbol, [listing.symbol for listing in self._known.copy().values()])
        return UnknownSymbol(f"{self._venue} does not list {symbol!r}{near}")

    def one(self, name: str) -> Listing:
        """The listing of a venue's name, fetched alone if it is not known.

        Raises:
            UnknownSymbol: The venue has none.
            FmzError: It could not be fetched.
        """
        found = self._known.get(name)
        if found is not None:
            return found
        if self._is_missing(name):
            raise UnknownSymbol(
                f"{self._venue} has no symbol of its own called {name!r}{nearest(name, self._known.copy())}"
            )
        return self.renew(name)

    def renew(self, name: str) -> Listing:
        """Fetches one symbol, or waits for its fetch that is under way.

        Raises:
            UnknownSymbol: The venue has none.
            FmzError: It could not be fetched.
        """
        with self._lock:
            flight = self._flights.get(name)
            if flight is None:
                flight = self._flights[name] = SingleFlight(self._clock)
        return flight.run(lambda: self._load_one(name))

    def _load_one(self, name: str) -> Listing:
        for _ in range(2):  # the base may be changed while the first reply is on its way, which is then dropped
            generation = self._generation
            try:
                listing = self._fetch_one(name)
            except UnknownSymbol:
                with self._lock:
                    if generation == self._generation:
                        self._missing[name] = self._clock.monotonic()
                        gone = self._known.pop(name, None)
                        if gone is not None:
                            self.by_symbol.pop(gone.symbol, None)
                raise
            with self._lock:
                if generation == self._generation:
                    self._known[name] = self.by_symbol[listing.symbol] = listing
                    self._missing.pop(name, None)
                    break
        return listing

    def all(self) -> Mapping[str, Listing]:
        """The whole list by the venue's names; fetched if that was never done, or long ago.

        Raises:
            FmzError: It could not be fetched and none is known.
        """
        age_s = self._age()
        if age_s is not None and age_s <= self._max_age_s:
            return self._known
        try:
            self.refresh()
            if self._age() is None:
                self.refresh()  # the base was changed while the first list was on its way, and that one was dropped
        except OperationFailed:
            if age_s is None:
                raise
        return self._known

    def refresh(self) -> list[Listing]:
        """Fetches the whole list, or waits for a fetch that is under way.

        Raises:
            FmzError: It could not be fetched.
        """
        return self._all_flight.run(self._load_all)

    def _load_all(self) -> list[Listing]:
        generation = self._generation
        listings = self._fetch_all()
        known = {listing.venue_symbol: listing for listing in listings}
        with self._lock:
            if generation == self._generation:
                self._known, self._missing = known, {}
                self.by_symbol = {listing.symbol: listing for listing in listings}
                self._listed_at = self._clock.monotonic()
        return listings

    def forget(self) -> None:
        """Drops everything (another base URL may know other symbols)."""
        with self._lock:
            self._known, self._missing, self._listed_at = {}, {}, None
            self.by_symbol = {}
            self._generation += 1

    def _is_missing(self, name: str) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            # A list that is this young has all the symbols that there are.
            since = (self._missing.get(name), self._listed_at)
        return any(at is not None and now - at <= self._miss_age_s for at in since)

    def _age(self) -> float | None:
        with self._lock:
            return None if self._listed_at is None else self._clock.monotonic() - self._listed_at


def split_order_id(order_id: str) -> tuple[str, str]:
    """The venue's symbol and the venue's id in an order's id.

    Raises:
        InputError: It is not of the form ``"<venue symbol>,<venue id>"``.
    """
    venue_symbol, comma, number = str(order_id).rpartition(",")
    if not (comma and venue_symbol and number.isascii() and number.isalnum()):
        raise InputError(f"an order id has the form '<venue symbol>,<venue id>', got {order_id!r}")
    return venue_symbol, number
