"""Venues by name; an adapter is imported at its first use."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, Protocol, cast

from ..clock import Clock
from ..errors import FmzError, NotBuiltYet, UnknownName, nearest, no_such_name, short_repr
from ..exchange.keys.credentials import Credentials
from ..exchange.venue import Venue
from .ccxt.futures.names import FUTURES, PREFIX

__all__ = ["CCXT", "FUTURES", "PREFIX", "VENUES", "VenueFactory", "create_venue", "venue_factory"]

VENUES = {
    "Binance": "fmzthreads.venues.binance.venue:Binance",
    "OKX": "fmzthreads.venues.okx.venue:OKX",
    "Bitfinex": "fmzthreads.venues.raw.bitfinex:Bitfinex",
    "BitMEX": "fmzthreads.venues.raw.bitmex:BitMEX",
    "Coinbase": "fmzthreads.venues.raw.coinbase:Coinbase",
    "Futures_Binance": "fmzthreads.venues.binance.futures.venue:FuturesBinance",
    "Futures_BitMEX": "fmzthreads.venues.raw.bitmex:FuturesBitMEX",
    "Futures_OKX": "fmzthreads.venues.okx.futures.venue:FuturesOKX",
    "Futures_HuobiDM": "fmzthreads.venues.raw.htx:FuturesHuobiDM",
    "HTX": "fmzthreads.venues.raw.htx:HTX",
    "Huobi": "fmzthreads.venues.raw.htx:Huobi",
    "Exchange": "fmzthreads.venues.plugin.venue:PluginVenue",
}
"""FMZ's id of each venue, and the import path of its adapter."""

CCXT = "ccxt:"
"""What stands before ccxt's id of an exchange, such as in ``ccxt:kraken``."""

PLANNED = frozenset({
    "AscendEx", "Backpack", "Bibox", "BigONE", "BitFlyer", "Bitget", "Bithumb", "BitMart", "Bitstamp", "Bybit", "CoinEx",
    "CoinW", "Coincheck", "Coinone", "Crypto", "Deepcoin", "DigiFinex", "GateIO", "Gemini", "HitBTC",
    "Hyperliquid", "Korbit", "Kraken", "KuCoin", "MEXC", "Phemex", "Pionex", "Poloniex", "Uniswap", "Upbit", "WOO", "Web3", "ZB", "Zaif",
})  # fmt: skip
"""FMZ's ids of spot exchanges that fmzthreads does not have yet."""

_FUTURES = "Futures_"  # prefix of FMZ's ids of exchanges for contracts


class VenueFactory(Protocol):
    """The signature of an adapter's class."""

    def __call__(self, *, credentials: Credentials | None, base: str, clock: Clock, **options: Any) -> Venue:
        """Makes a venue.

        Args:
            credentials: The keys; None for public calls only.
            base: The base URL; empty for the venue's own.
            clock: The clock to use.
            options: The adapter's further options.
        """


def venue_factory(name: str) -> VenueFactory:
    """The adapter of a venue.

    Raises:
        UnknownName: The name is unknown.
        NotBuiltYet: FMZ has the exchange, fmzthreads does not yet.
        MissingExtra: It is one of ccxt, which is not installed (raised when it is made).
    """
    text = name if isinstance(name, str) else ""
    if text.startswith(CCXT):
        ccxt_venue = importlib.import_module("fmzthreads.venues.ccxt.venue").CcxtVenue
        return cast(VenueFactory, functools.partial(ccxt_venue, text.removeprefix(CCXT)))
    if text in FUTURES or text.startswith(PREFIX):
        ccxt_futures = importlib.import_module("fmzthreads.venues.ccxt.futures.venue").CcxtFutures
        return cast(VenueFactory, functools.partial(ccxt_futures, FUTURES.get(text, text.removeprefix(PREFIX))))
    where = VENUES.get(name)
    if where is None:
        raise _no_venue(name)
    module, _, attribute = where.partition(":")
    return cast(VenueFactory, getattr(importlib.import_module(module), attribute))


def _no_venue(name: object) -> FmzError:
    text = str(name)
    # A name for contracts must never select a spot exchange, in any spelling.
    if text.startswith(_FUTURES) and len(text) > len(_FUTURES):
        return NotBuiltYet(f"FMZ has {text}; fmzthreads does not yet")
    if re.search("futur|swap|perp|contract", text, re.IGNORECASE):
        return NotBuiltYet(
            f"no exchange {short_repr(text)}; FMZ's exchanges for contracts are called {_FUTURES}..., such as Futures_Binance"
        )
    return no_such_name("no exchange", text, {**VENUES, **FUTURES}, PLANNED)


def create_venue(
    name: str,
    *,
    credentials: Credentials | None,
    base: str,
    clock: Clock,
    paper: object = None,
    folder: Path | None = None,
    **options: Any,
) -> Venue:
    """Creates the venue of a name.

    Args:
        name: FMZ's id of the venue, such as ``Binance``.
        credentials: The keys; None for public calls only.
        base: The base URL; empty for the venue's own.
        clock: The clock to use.
        paper: ``Paper``, a table of its fields, or True, for a paper account over the venue's market data; the keys are then not used.
        folder: Where the paper account is kept; None for memory.
        options: The adapter's further options.

    Raises:
        UnknownName: The name is unknown, or its adapter does not have such an option.
        NotBuiltYet: FMZ has the exchange, fmzthreads does not yet.
        InputError: ``paper`` is not valid.
        OperationFailed: The file of the paper account cannot be used.
    """
    account = None
    if paper:
        from .paper.settings import paper_of  # loaded only by those who trade on paper

        account, credentials = paper_of(paper), None
    factory = venue_factory(name)
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        for option in options:
            if option not in parameters:
                raise UnknownName(f"{name} has no option {short_repr(option)}{nearest(option, parameters)}")
    venue = factory(credentials=credentials, base=base, clock=clock, **options)
    if account is None:
        return venue
    from .paper.venue import PaperVenue

    return PaperVenue(venue, account, folder, clock)
