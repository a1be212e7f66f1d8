"""Which venue answers to which name; an adapter is imported when it is first asked for."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Protocol, cast

from ..clock import Clock
from ..errors import UnknownName, nearest
from ..exchange.credentials import Credentials
from ..exchange.venue import Venue

__all__ = ["VENUES", "VenueFactory", "create_venue", "venue_factory"]

VENUES = {
    "Binance": "fmzthreads.venues.binance.venue:Binance",
    "OKX": "fmzthreads.venues.okx.venue:OKX",
}
"""FMZ's id of each venue, and where its adapter lives."""


class VenueFactory(Protocol):
    """What an adapter's class answers when it is called."""

    def __call__(self, *, credentials: Credentials | None, base: str, clock: Clock, **options: Any) -> Venue:
        """Makes a venue.

        Args:
            credentials: The keys; None for public calls only.
            base: The base URL; empty for the venue's own.
            clock: The clock that it goes by.
            options: The adapter's further options.
        """


def venue_factory(name: str) -> VenueFactory:
    """The adapter of a venue.

    Raises:
        UnknownName: No venue has that name.
    """
    where = VENUES.get(name)
    if where is None:
        raise UnknownName(f"no exchange {name!r}{nearest(name, VENUES)}")
    module, _, attribute = where.partition(":")
    return cast(VenueFactory, getattr(importlib.import_module(module), attribute))


def create_venue(name: str, *, credentials: Credentials | None, base: str, clock: Clock, **options: Any) -> Venue:
    """Makes the venue of a name.

    Args:
        name: FMZ's id of the venue, such as ``Binance``.
        credentials: The keys; None for public calls only.
        base: The base URL; empty for the venue's own.
        clock: The clock that it goes by.
        options: The adapter's further options.

    Raises:
        UnknownName: No venue has that name, or its adapter knows no such option.
    """
    factory = venue_factory(name)
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        for option in options:
            if option not in parameters:
                raise UnknownName(f"{name} has no option {option!r}{nearest(option, parameters)}")
    return factory(credentials=credentials, base=base, clock=clock, **options)
