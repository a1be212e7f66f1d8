"""Streams: websockets and raw sockets for synchronous scripts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .book.book import BookStats, BookView, OrderBook
    from .book.feed import BookFeed
    from .book.resync import ResyncPlan
    from .book.rules import AbsoluteRule, BookRule, BookUpdate, PreviousIdRule, RangeRule, RangeWithPreviousRule
    from .book.source import BookSource, OtherUnread, SourceReady, SourceRefused
    from .connection import Connection
    from .dial import Dial, PlainHost
    from .host import StreamHost
    from .sqlite import SqliteConnection
    from .stats import StreamStats

__all__ = [
    "AbsoluteRule",
    "BookFeed",
    "BookRule",
    "BookSource",
    "BookStats",
    "BookUpdate",
    "BookView",
    "Connection",
    "Dial",
    "OrderBook",
    "OtherUnread",
    "PlainHost",
    "PreviousIdRule",
    "RangeRule",
    "RangeWithPreviousRule",
    "ResyncPlan",
    "SourceReady",
    "SourceRefused",
    "SqliteConnection",
    "StreamHost",
    "StreamStats",
]

# Each is loaded at its first use: most programs need one or two of them, and starting is not to take long.
_MODULES = {
    "AbsoluteRule": ".book.rules",
    "BookFeed": ".book.feed",
    "BookRule": ".book.rules",
    "BookSource": ".book.source",
    "BookStats": ".book.book",
    "BookUpdate": ".book.rules",
    "BookView": ".book.book",
    "Connection": ".connection",
    "Dial": ".dial",
    "OrderBook": ".book.book",
    "OtherUnread": ".book.source",
    "PlainHost": ".dial",
    "PreviousIdRule": ".book.rules",
    "RangeRule": ".book.rules",
    "RangeWithPreviousRule": ".book.rules",
    "ResyncPlan": ".book.resync",
    "SourceReady": ".book.source",
    "SourceRefused": ".book.source",
    "SqliteConnection": ".sqlite",
    "StreamHost": ".host",
    "StreamStats": ".stats",
}


def __getattr__(name: str) -> Any:
    """Loads a name of this package at its first use."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
