"""The counters of a feed that keeps a live book."""

from __future__ import annotations

import attrs

from .book import BookStats

__all__ = ["FeedStats"]


@attrs.frozen(kw_only=True)
class FeedStats:
    """The counters of a feed.

    Attributes:
        book: The counters of the book.
        connected: Whether the connection is open.
        connections: Connections opened by the feed (``Dial``'s own reconnects are counted as ``reconnects``).
        reconnects: Reconnects by ``Dial``.
        messages: Messages that were read.
        unread: Messages that could not be parsed.
        snapshots_asked: Requests for a snapshot.
        snapshots_failed: Requests that failed.
    """

    book: BookStats
    connected: bool
    connections: int
    reconnects: int
    messages: int
    unread: int
    snapshots_asked: int
    snapshots_failed: int
