"""Streams: websockets and raw sockets for synchronous scripts."""

from __future__ import annotations

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
