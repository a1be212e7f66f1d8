"""How updates of an order book follow one another, for each dialect; and OKX's checksum.

A rule knows no exchange and keeps no state: given the last applied update and the next one, it decides whether to apply the next one,
ignore it as known, or report a gap. Sources: the venues' documents (Binance: "How to manage a local
order book correctly", spot text of 2025-11-12 and the futures variant; OKX: "Order book channel", sequence ids and checksum).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = [
    "AbsoluteRule",
    "BookGap",
    "BookRule",
    "BookUpdate",
    "Level",
    "PreviousIdRule",
    "RangeRule",
    "RangeWithPreviousRule",
    "checksum",
]

Level = tuple[float, float, str, str]
"""Price and size as numbers, then both as the venue wrote them (the checksum is computed from the texts)."""

_CHECKSUM_LEVELS = 25


class BookUpdate(NamedTuple):
    """A snapshot that replaces a book, or a delta of absolute sizes (0 removes a level).

    Attributes:
        snapshot: Whether it replaces the book.
        bids: Levels as ``(price text, size text, ...)``; further items are ignored.
        asks: The same.
        first: The first sequence id that it covers; None if the dialect has none.
        last: The last sequence id; a snapshot is the book at this id. None if the dialect has none.
        previous: The last id of the update before it; None if the dialect has none.
        checksum: The expected result of ``checksum`` after the update, as a signed 32-bit number; None or 0 is not checked.
        time_ms: The venue's time, in ms since the epoch; 0 if unknown.
        asked: The requested levels a side of a snapshot: a side of this length may have more levels, which are unknown. 0 when the
            snapshot is the whole book (or all that the stream keeps).
    """

    snapshot: bool
    bids: Sequence[Sequence[str]]
    asks: Sequence[Sequence[str]]
    first: int | None = None
    last: int | None = None
    previous: int | None = None
    checksum: int | None = None
    time_ms: int = 0
    asked: int = 0


class BookGap(Exception):
    """An update does not follow the book; not raised outside ``streams``."""


class BookRule(Protocol):
    """The order of updates in one dialect."""

    buffers: bool
    """Whether deltas are kept while a snapshot is fetched, because it does not come through the stream."""

    window: int
    """The levels a side that the stream keeps; 0 for all."""

    def follows(self, after: BookUpdate, update: BookUpdate) -> bool:
        """Whether a delta is to be applied.

        Args:
            after: The last applied update; a snapshot if no delta followed it.
            update: The next delta.

        Returns:
            True to apply it, False if it was applied already.

        Raises:
            BookGap: An update between the two is missing, or the ids are invalid.
        """


def _ids(update: BookUpdate) -> tuple[int, int]:
    first, last = update.first, update.last
    if first is None or last is None or first > last:
        raise BookGap(f"an update has the invalid ids {first} to {last}")
    return first, last


def _known(update: BookUpdate) -> int:
    if update.last is None:
        raise BookGap("the snapshot has no id")
    return update.last


def _is_repeat(after: BookUpdate, update: BookUpdate) -> bool:
    return (update.first, update.last, update.previous) == (after.first, after.last, after.previous)


class RangeRule:
    """Binance spot: each update covers the ids ``first`` (U) to ``last`` (u), and the next begins with the following id.

    After a snapshot at id L, updates that end at or before L are known, and the first other one must begin at L + 1 or before. Later ones
    must not skip an id; an overlapping one is applied, because sizes are absolute; an exact repeat of the last one is ignored. Ids that go
    back otherwise mean that the venue restarted its count, and the book must be rebuilt.
    """

    buffers = True
    window = 0

    def follows(self, after: BookUpdate, update: BookUpdate) -> bool:
        """See ``BookRule``."""
        first, last = _ids(update)
        known = _known(after)
        if first == known + 1:
            return True
        if first > known + 1:
            raise BookGap(f"the updates {known + 1} to {first - 1} are missing")
        if last > known:
            return True
        if after.snapshot or _is_repeat(after, update):
            return False
        raise BookGap(f"the ids went back from {known} to {last}")


class RangeWithPreviousRule:
    """Binance USDⓈ-M futures: ids have gaps, and each update names the last id of the one before it (``pu``).

    After a snapshot at id L, updates that end before L are known, and the first other one must reach from L or before to L or after (or
    name L as its predecessor). Later ones must name the last id.
    """

    buffers = True
    window = 0

    def follows(self, after: BookUpdate, update: BookUpdate) -> bool:
        """See ``BookRule``."""
        first, last = _ids(update)
        known = _known(after)
        if update.previous == known:
            return True
        if after.snapshot:
            if last < known:
                return False
            if first <= known:
                return True
            raise BookGap(f"the snapshot is at {known}, and the first update after it begins at {first}")
        if _is_repeat(after, update):
            return False
        raise BookGap(f"the update follows {update.previous}, but the book is at {known}")


class PreviousIdRule:
    """OKX ``books``: each update names the id of the one before it (``prevSeqId``).

    The stream keeps the best 400 levels a side: a level that leaves them is removed, a level that enters them is sent.

    A keep-alive repeats the id; a reset has an id below the one it follows, and the next update follows that. Captures from before OKX
    introduced ids have none: then only the checksum protects the book.
    """

    buffers = False
    window = 400

    def follows(self, after: BookUpdate, update: BookUpdate) -> bool:
        """See ``BookRule``."""
        if update.last is None and after.last is None:
            return True
        if update.previous is not None and update.previous == after.last and update.last is not None:
            return True
        if not after.snapshot and _is_repeat(after, update):
            return False
        raise BookGap(f"the update follows {update.previous}, but the book is at {after.last}")


class AbsoluteRule:
    """Plain absolute levels: every delta is applied. Ids, if any, must grow; a repeat is ignored."""

    buffers = False
    window = 0

    def follows(self, after: BookUpdate, update: BookUpdate) -> bool:
        """See ``BookRule``."""
        if update.last is None or after.last is None or update.last > after.last:
            return True
        if update.last == after.last:
            return False
        raise BookGap(f"the ids went back from {after.last} to {update.last}")


def checksum(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """OKX's checksum: CRC32 over the texts of the best 25 levels, bid and ask alternating.

    Args:
        bids: The best first.
        asks: The best first.
    """
    parts: list[str] = []
    for place in range(min(_CHECKSUM_LEVELS, max(len(bids), len(asks)))):
        if place < len(bids):
            parts += bids[place][2:]
        if place < len(asks):
            parts += asks[place][2:]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value & 0x80000000 else value
