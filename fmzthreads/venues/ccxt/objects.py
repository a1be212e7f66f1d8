"""ccxt's exchange objects: each serves one call at a time, all share the markets that were loaded once."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs

from ...clock import Clock
from ...errors import UnknownName, nearest, require, short_repr
from ...exchange.keys.credentials import Credentials
from ...tasks.single_flight import SingleFlight
from .symbols import SymbolTable
from .wire import CallState, Wire, wired

__all__ = ["CcxtObjects", "LoadedMarkets"]

# ccxt refuses to list all open orders unless told to; and with keys it asks Binance for margin pairs, a signed call that is not needed.
_OPTIONS = {"warnOnFetchOpenOrdersWithoutSymbol": False, "fetchMargins": False}
_CONTRACTS = ("swap", "linear", "inverse", "future")


@attrs.frozen
class LoadedMarkets:
    """The markets of one base URL.

    Attributes:
        owner: The object that loaded them; it makes no other calls.
        table: The markets under FMZ's symbols.
        contracts: Whether contracts were loaded too.
        loaded_at: When, in ``clock.monotonic()`` seconds.
    """

    owner: Any
    table: SymbolTable
    contracts: bool
    loaded_at: float


class CcxtObjects:
    """Makes, lends and takes back ccxt's objects; thread-safe.

    Args:
        exchange_id: ccxt's id of the exchange.
        wire: What the objects share.
        clock: Our clock.
        credentials: The keys.
        options: ccxt's own ``options`` of the exchange.
        paced: Whether calls keep to the pace that ccxt knows of the venue.
        spot: Whether spot markets are loaded too, where ccxt loads each kind by itself.

    Raises:
        MissingExtra: ccxt is not installed.
        UnknownName: ccxt has no such exchange.
    """

    def __init__(
        self,
        exchange_id: str,
        wire: Wire,
        clock: Clock,
        *,
        credentials: Credentials,
        options: Mapping[str, Any],
        paced: bool,
        spot: bool = True,
    ) -> None:
        library = require("ccxt", "ccxt")
        if exchange_id not in library.exchanges:
            raise UnknownName(
                f"ccxt has no exchange {short_repr(exchange_id)}{nearest(exchange_id, library.exchanges)}"
            )
        self._id = exchange_id
        self._wire = wire
        self._clock = clock
        self._keys = credentials
        self._options = options
        self._paced = paced
        self._spot = spot
        self._class = wired(getattr(library, exchange_id), wire)
        self._base = ""
        self._idle: deque[tuple[Any, int]] = deque()  # with the generation they belong to; its methods are single steps
        self._generation = 0  # grows when the base URL changes
        self.loaded: LoadedMarkets | None = None
        """The markets; None until they are loaded."""
        self._flight: SingleFlight[LoadedMarkets] = SingleFlight(clock)
        self.sample = self._make()
        """An object to look features up in; it makes no calls."""

    def _make(self) -> Any:
        api = self._class(
            {
                "enableRateLimit": self._paced,
                "options": {**_OPTIONS, **self._options},
            }
        )
        needed = api.requiredCredentials
        keys = self._keys
        for field, value in (
            ("apiKey", keys.access_key),
            ("secret", keys.secret_key),
            ("password", keys.passphrase),
            ("walletAddress", keys.access_key if needed.get("walletAddress") else ""),
            ("privateKey", keys.secret_key if needed.get("privateKey") else ""),
            ("uid", keys.passphrase if needed.get("uid") else ""),
        ):
            if value:
                setattr(api, field, value)
        # The currencies (networks, deposits) are not needed, and asking for them is a signed call at many venues.
        api.has["fetchCurrencies"] = False
        if self._base:
            api.urls["api"] = _moved(api.urls["api"], self._base)
        return api

    @property
    def base(self) -> str:
        """The base URL that was set, else the first of ccxt's for this exchange; without a path."""
        return self._base or _origin(self.sample.urls["api"], str(getattr(self.sample, "hostname", "") or ""))

    def set_base(self, url: str) -> None:
        """Sets another base URL (empty for ccxt's own) for further calls, and drops the markets."""
        self._base = url
        self._generation += 1
        self.loaded = None
        self._idle.clear()
        self.sample = self._make()

    @contextmanager
    def lend(self, state: CallState, markets: LoadedMarkets | None) -> Iterator[Any]:
        """An object for one call, with the given markets; taken back at the end."""
        generation = self._generation
        try:
            api, made_in = self._idle.pop()  # the one used last: its data are in the processor's caches
        except IndexError:
            api, made_in = self._make(), generation
        if made_in != generation:
            api, made_in = self._make(), generation
        api.fmz_state = state
        if markets is not None and api.markets is not markets.owner.markets:
            api.set_markets_from_exchange(markets.owner)
        try:
            yield api
        finally:
            if made_in == self._generation:
                self._idle.append((api, made_in))

    def load(self, call: Callable[[Callable[[Any], Any]], Any], *, contracts: bool, max_age_s: float) -> LoadedMarkets:
        """The markets; loaded if there are none, or too old ones, or if the contracts are missing.

        Args:
            call: Makes one call with an object.
            contracts: Whether contracts are needed.
            max_age_s: Older ones are loaded again.
        """
        while True:
            found = self.loaded
            everything = contracts or (found is not None and found.contracts)
            if (
                found is not None
                and (found.contracts or not contracts)
                and self._clock.monotonic() - found.loaded_at <= max_age_s
            ):
                return found
            loaded = self._flight.run(functools.partial(self._load, call, everything))
            if loaded.contracts or not contracts:
                return loaded

    def _load(self, call: Callable[[Callable[[Any], Any]], Any], contracts: bool) -> LoadedMarkets:
        generation = self._generation
        owner = self._make()

        def _fetch(api: Any) -> Any:
            owner.fmz_state = api.fmz_state
            kinds = owner.options.get("fetchMarkets")
            if isinstance(kinds, dict) and isinstance(kinds.get("types"), list):
                asked = {*(("spot",) if self._spot else ()), *(_CONTRACTS if contracts else ())}
                wanted = [kind for kind in kinds["types"] if kind in asked]
                owner.options["fetchMarkets"] = {**kinds, "types": wanted or kinds["types"]}
            return owner.load_markets()

        call(_fetch)
        table = SymbolTable(self._wire.venue, owner.markets)
        everything = contracts or any(market.get("contract") for market in owner.markets.values())
        loaded = LoadedMarkets(owner, table, everything, self._clock.monotonic())
        if generation == self._generation:
            self.loaded = loaded
        return loaded


def _moved(urls: Any, base: str) -> Any:
    """The URLs of ccxt at another scheme and host."""
    if isinstance(urls, dict):
        return {name: _moved(below, base) for name, below in urls.items()}
    if not isinstance(urls, str):
        return urls
    to = urlsplit(base)
    there = urlsplit(urls)
    return urlunsplit((to.scheme, to.netloc, there.path, there.query, ""))


def _origin(urls: Any, hostname: str) -> str:
    if isinstance(urls, dict):
        return next((found for below in urls.values() if (found := _origin(below, hostname))), "")
    if not isinstance(urls, str) or not urls.startswith("http"):
        return ""
    there = urlsplit(urls.replace("{hostname}", hostname))
    return f"{there.scheme}://{there.netloc}"
