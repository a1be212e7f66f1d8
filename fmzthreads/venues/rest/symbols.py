"""The symbols of one venue, fetched one by one, or all when needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ...clock import Clock
from ...errors import InputError, OperationFailed, UnknownSymbol, nearest, short_repr
from ...fork import after_fork_in_child
from ...tasks.single_flight import SingleFlight
from .dialect import Listing

__all__ = ["SymbolBook", "split_order_id"]


class SymbolBook:
    """The symbols of one venue, shared by all threads.

    Args:
        venue: The venue's name, for messages.
        fetch_all: Fetches the whole list; raises from the error tree.
        fetch_one: Fetches one symbol by the venue's name of it; raises UnknownSymbol if the venue does not list it.
        clock: Measures the age of entries.
        max_age_s: A whole list older than this many seconds is fetched again; if that fails, the old one is used.
        miss_age_s: A symbol reported unknown less than this many seconds ago is refused without asking again.
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
        # Guards the fields below, which change together; _known is read without it.
        self._lock = threading.Lock()
        self._known: dict[
            str, Listing
        ] = {}  # by the venue's name; grows, and is replaced when the whole list is fetched
        self.by_symbol: dict[str, Listing] = {}
        """The listings known so far, by FMZ's symbol; read-only."""
        self.gone: dict[str, Listing] = {}
        """The last listings of names that a later list did not have any more, by the venue's name; read-only."""
        self._missing: dict[str, float] = {}  # when the venue last reported the symbol as unknown
        self._listed_at: float | None = None
        self._generation = 0
        self._all_flight: SingleFlight[list[Listing]] = SingleFlight(clock)
        self._flights: dict[str, SingleFlight[Listing]] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock; the listings stay."""
        self._lock = threading.Lock()
        self._flights = {}

    def known(self, name: str) -> Listing | None:
        """The listing of a venue's name, if already known; sends nothing."""
        return self._known.get(name)

    def check(self, symbol: str, name: str) -> None:
        """Refuses a symbol that is known not to be listed; sends nothing.

        Args:
            symbol: FMZ's symbol.
            name: The venue's name derived from it.

        Raises:
            UnknownSymbol: The venue does not list it, or the name is that of another symbol.
        """
        found = self._known.get(name)
        if found is None:
            if self._is_missing(name):
                raise self.unknown(symbol)
        elif found.symbol != symbol:
            raise self.unknown(symbol)

    def unknown(self, symbol: str) -> UnknownSymbol:
        """The error for an unlisted symbol; it suggests the nearest known one."""
        near = nearest(symbol, [listing.symbol for listing in self._known.copy().values()])
        return UnknownSymbol(f"{self._venue} does not list {short_repr(symbol)}{near}")

    def one(self, name: str) -> Listing:
        """The listing of a venue's name; fetched if it is not known yet.

        Raises:
            UnknownSymbol: The venue does not list it.
            FmzError: It could not be fetched.
        """
        # Looked up once more before the fetch: another thread's may have ended between the two.
        return self._look_up(name) or self._fly(name, lambda: self._look_up(name) or self._load_one(name))

    def _look_up(self, name: str) -> Listing | None:
        found = self._known.get(name)
        if found is None and self._is_missing(name):
            raise UnknownSymbol(
                f"{self._venue} has no symbol named {short_repr(name)}{nearest(name, self._known.copy())}"
            )
        return found

    def renew(self, name: str) -> Listing:
        """Fetches one symbol, or waits for a running fetch of it.

        Raises:
            UnknownSymbol: The venue does not list it.
            FmzError: It could not be fetched.
        """
        return self._fly(name, lambda: self._load_one(name))

    def _fly(self, name: str, load: Callable[[], Listing]) -> Listing:
        with self._lock:
            flight = self._flights.get(name)
            if flight is None:
                flight = self._flights[name] = SingleFlight(self._clock)
        return flight.run(load)

    def _load_one(self, name: str) -> Listing:
        for _ in range(2):  # the base URL may change before the first reply arrives, which is then dropped
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
        """The whole list by the venue's names; fetched if missing or too old.

        Raises:
            FmzError: It could not be fetched and there is no older list.
        """
        age_s = self._age()
        if age_s is not None and age_s <= self._max_age_s:
            return self._known
        try:
            self.refresh()
            if self._age() is None:
                self.refresh()  # the base URL changed before the first list arrived, so that list was dropped
        except OperationFailed:
            if age_s is None:
                raise
        return self._known

    def refresh(self) -> list[Listing]:
        """Fetches the whole list, or waits for a running fetch.

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
                left = {**self.gone, **self._known}
                self.gone = {name: listing for name, listing in left.items() if name not in known}
                self._known, self._missing = known, {}
                self.by_symbol = {listing.symbol: listing for listing in listings}
                self._listed_at = self._clock.monotonic()
        return listings

    def forget(self) -> None:
        """Drops all symbols (another base URL may list others)."""
        with self._lock:
            self._known, self._missing, self._listed_at = {}, {}, None
            self.by_symbol, self.gone = {}, {}
            self._generation += 1

    def _is_missing(self, name: str) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            # A list this new is complete.
            since = (self._missing.get(name), self._listed_at)
        return any(at is not None and now - at <= self._miss_age_s for at in since)

    def is_new(self) -> bool:
        """Whether the whole list was fetched so short ago that what it lacks is not asked for again."""
        age_s = self._age()
        return age_s is not None and age_s <= self._miss_age_s

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
        raise InputError(f"an order id must have the form '<venue symbol>,<venue id>', got {short_repr(order_id)}")
    return venue_symbol, number
