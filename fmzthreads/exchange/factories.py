"""Where an exchange object takes its host and its venue from when it is given none: rooms that stand after this one, which the root names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .host import Host
    from .venue import Venue

__all__ = ["FACTORIES", "Factories", "make_host", "make_venue"]


class Factories:
    """What makes hosts and venues. The root of the package, which is imported before any of its modules, sets both."""

    host: Callable[[], Host]
    """Returns the host of an exchange object that is given none: the current runtime."""

    venue: Callable[..., Venue]
    """Makes a venue from its name, ``credentials``, ``base``, ``clock`` and options."""


FACTORIES = Factories()


def make_host() -> Host:
    """Returns the host of an exchange object that is given none."""
    return FACTORIES.host()


def make_venue(name: str, **options: Any) -> Venue:
    """Makes a venue from its name, ``credentials``, ``base``, ``clock`` and options."""
    return FACTORIES.venue(name, **options)
