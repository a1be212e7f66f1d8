"""A local order book from a snapshot and the deltas after it; refuses to be read when in doubt.

Each delta is checked against the one before it (``rules.py``), by its checksum if it has one, and by the invariant of every book: the best
bid is below the best ask. A delta that fails a check breaks the book: it cannot be read until the next snapshot. Deltas that arrive while a
snapshot is being fetched are kept and applied to it.

A snapshot of limited depth is not the whole book: beyond its last level only later changes are known. Each side therefore records its
last known level, shows nothing beyond it, and reports (``is_shallow``) when most of the known levels are gone and a new snapshot should be
fetched; until then it can still be read.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

import attrs

from ...clock import Clock, Signal
from ...errors import BrokenBook, short_repr
from ...fork import after_fork_in_child
from .age import clock_lead, seconds_since
from .rules import BookGap, BookRule, BookUpdate, Level, checksum

__all__ = ["BookStats", "BookView", "OrderBook"]

_INFINITE = float("inf")
# Deltas kept for a snapshot: 100 s at ten a second, about 10 MB. If the snapshot is later, the gap is detected.
_KEPT = 1000
# A side is shallow when less than a third of the snapshot's levels is left: one update of a falling market took a quarter.
_SHALLOW_PART = 3


@attrs.frozen(kw_only=True)
class BookView:
    """An immutable copy of a book at one moment.

    Attributes:
        bids: The best (highest) first; price and size, as numbers and as texts.
        asks: The best (lowest) first.
        version: Grows by one with each change of the book.
        sequence: The venue's id of the last update; None if it has none.
        time_ms: The venue's time of the last update, in ms since the epoch; 0 if unknown.
        age_s: Seconds since the book was last known to be current.
        whole_bids: Whether ``bids`` has as many levels as requested, or the side has no more.
        whole_asks: The same of ``asks``.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    version: int
    sequence: int | None
    time_ms: int
    age_s: float
    whole_bids: bool = True
    whole_asks: bool = True


@attrs.frozen(kw_only=True)
class BookStats:
    """The counters of a book.

    Attributes:
        state: ``waiting`` for its first snapshot, ``live`` or ``broken``.
        updates: Deltas that were applied.
        ignored: Deltas that were applied already.
        snapshots: Snapshots that were applied.
        gaps: How often the book broke: a missing id, a wrong checksum, a crossed book, an unreadable level, a lost stream.
        resyncs: How often it became live again afterwards.
        kept: Deltas that wait for a snapshot.
        why: The reason of the last break; empty if it never broke.
    """

    state: str
    updates: int
    ignored: int
    snapshots: int
    gaps: int
    resyncs: int
    kept: int
    why: str


class _Side:
    """One side of a book. The best key is the last, since most changes happen there and a list is cheap at its end."""

    __slots__ = ("asked", "edge", "keys", "rows", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign  # 1 for bids, whose best is the highest; -1 for asks
        self.clear()

    def clear(self) -> None:
        """Removes all levels."""
        self.keys: list[float] = []
        self.rows: dict[float, Level] = {}
        self.edge = -_INFINITE  # the worst key of the snapshot; levels below are known only in part
        self.asked = 0

    def load(self, levels: Sequence[Sequence[str]], asked: int) -> None:
        """Replaces the side."""
        self.clear()
        self.change(levels)
        if asked and len(self.keys) >= asked:
            self.edge = self.keys[0]
            self.asked = asked

    def change(self, levels: Sequence[Sequence[str]]) -> None:
        """Sets absolute sizes; 0 removes the level (removing an unknown level is normal).

        Raises:
            BookGap: A level is not a valid price and size.
        """
        sign, keys, rows = self.sign, self.keys, self.rows
        try:
            for level in levels:
                if level.__class__ is str:  # its first two characters would pass for a price and a size
                    raise BookGap(f"malformed level {short_repr(level)}, expected [price, size]")
                price_text, size_text = level[0], level[1]
                price, size = float(price_text), float(size_text)
                if price_text.__class__ is str and size_text.__class__ is str:
                    # float() takes "1_000" and the digits of other scripts too.
                    odd = "_" in price_text or "_" in size_text or not price_text.isascii() or not size_text.isascii()
                else:
                    odd = not (_is_plain(price_text) and _is_plain(size_text))
                if odd:
                    raise BookGap(f"malformed level {short_repr(level)}, expected numbers")
                key = sign * price
                if 0.0 < size < _INFINITE:
                    if key not in rows:
                        if not 0.0 < price < _INFINITE:
                            raise BookGap(f"invalid price {short_repr(price_text)} in a level")
                        insort(keys, key)
                    rows[key] = (price, size, price_text, size_text)
                elif size == 0.0:
                    if rows.pop(key, None) is not None:
                        del keys[bisect_left(keys, key)]
                else:
                    raise BookGap(f"invalid size {short_repr(size_text)} in a level")
        except (ValueError, TypeError, IndexError, KeyError, OverflowError):
            raise BookGap(f"malformed level {short_repr(level)}, expected [price, size]") from None

    def top(self, limit: int | None) -> tuple[Level, ...]:
        """The known levels, the best first."""
        keys, rows = self.keys, self.rows
        start = bisect_left(keys, self.edge) if self.asked else 0
        if limit is not None:
            start = max(start, len(keys) - limit)
        return tuple([rows[key] for key in reversed(keys[start:])])

    def check_range(self, word: str) -> None:
        """Checks that the best level is within the known range.

        Raises:
            BookGap: The side has moved beyond all levels of the snapshot, so that its best level may be unknown.
        """
        if self.asked and not (self.keys and self.keys[-1] >= self.edge):
            raise BookGap(f"the best {word} is beyond the levels of the snapshot")

    def is_shallow(self) -> bool:
        """Whether most levels of the snapshot are gone."""
        if not self.asked:
            return False
        place = self.asked // _SHALLOW_PART
        keys = self.keys
        return len(keys) < place or keys[-place] < self.edge if place else not keys


def _is_plain(value: object) -> bool:
    """Whether a price or size is a number, or a text without other characters than those of numbers."""
    if isinstance(value, str):
        return value.isascii() and "_" not in value
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class OrderBook:
    """A local order book; every method may be called from any thread.

    Args:
        rule: The order in which updates follow one another.
        clock: Measures its age.
        name: The name used in errors.

    Attributes:
        live: Set while the book can be read; for ``Clock.wait``.
    """

    def __init__(
        self,
        rule: BookRule,
        clock: Clock,
        *,
        name: str = "the order book",
    ) -> None:
        self.live = Signal()
        self.name = name
        self._rule = rule
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._bids, self._asks = _Side(1), _Side(-1)
        self._after: BookUpdate | None = None  # the last update that was applied; None while the book is not live
        self._kept: deque[BookUpdate] = deque(maxlen=_KEPT)
        self._fresh_at, self._lead = clock.monotonic(), clock_lead(clock)
        self._version = 0
        self._updates = self._ignored = self._snapshots = self._gaps = self._resyncs = 0
        self._why = ""
        after_fork_in_child(self._left_behind)

    def _left_behind(self) -> None:
        """In the child of a fork: the book is broken, since nothing updates it here (and it may be half changed)."""
        self._lock = threading.Lock()
        self.live = Signal()
        self._kept.clear()
        self._after = None
        self._why = "the process was forked; its updates go to the parent"

    # -- writing ------------------------------------------------------------------------------------------------------------------

    def apply(self, update: BookUpdate, fresh_at: float | None = None) -> bool:
        """Applies a snapshot or a delta.

        A delta that arrives while the book is not live is kept for the snapshot (or dropped, if snapshots arrive in order with the deltas).
        A snapshot that is older than the kept deltas changes nothing: a newer one is needed.

        Args:
            update: The snapshot or delta.
            fresh_at: When this was the newest update, in ``clock.monotonic()`` seconds; None for now.

        Returns:
            Whether the book can be read now.
        """
        with self._lock:
            before, was_live = self._version, self._after is not None
            try:
                if update.snapshot:
                    self._begin(update)
                elif self._after is not None:
                    self._follow(self._after, update)
                else:
                    self._keep(update)
            except BookGap as gap:
                self._break(str(gap))
                if not update.snapshot:
                    self._keep(update)
            live = self._after is not None
            if live and self._version != before:  # a repeated update does not confirm the book
                now = self._clock.monotonic()
                then = now if fresh_at is None else min(fresh_at, now)
                # Never back: a refresh that was requested some time ago does not make the book older.
                self._fresh_at = max(self._fresh_at, then) if was_live else then
                self._lead = clock_lead(self._clock)
        return live

    def lose(self, why: str) -> None:
        """Breaks the book for an outside reason: a lost stream, an unreadable message.

        Kept deltas are dropped, because the next ones need not follow them.
        """
        with self._lock:
            self._kept.clear()
            if self._after is not None:
                self._break(why)

    def _keep(self, update: BookUpdate) -> None:
        if not self._rule.buffers:
            return
        first, last = update.first, update.last
        # Invalid ids would break every later snapshot; the gap that dropping the delta leaves is detected.
        if last is not None and (first is None or first <= last):
            self._kept.append(update)

    def _begin(self, snapshot: BookUpdate) -> None:
        """Rebuilds the book from a snapshot and the kept deltas."""
        last = self._after
        if last is not None and self._rule.buffers and (snapshot.last or 0) < (last.last or 0):
            return  # a refresh that is older than the book: the book stays as it is
        kept = list(self._kept)
        self._after = snapshot
        self._snapshots += 1
        self._bids.load(snapshot.bids, snapshot.asked)
        self._asks.load(snapshot.asks, snapshot.asked)
        self._check(snapshot)
        self._version += 1
        for place, update in enumerate(kept):
            try:
                self._follow(self._after, update)
            except BookGap:
                # The snapshot is too old, or kept deltas have a gap: later deltas wait for the next snapshot.
                for _ in range(place):
                    self._kept.popleft()
                raise
        self._kept.clear()
        if not self.live.is_set():
            self._resyncs += bool(self._why)
            self.live.set()

    def _follow(self, after: BookUpdate, update: BookUpdate) -> None:
        if not self._rule.follows(after, update):
            self._ignored += 1
            return
        if update.bids:
            self._bids.change(update.bids)
        if update.asks:
            self._asks.change(update.asks)
        self._check(update)
        self._after = update
        self._updates += 1
        self._version += 1

    def _check(self, update: BookUpdate) -> None:
        self._bids.check_range("bid")
        self._asks.check_range("ask")
        bids, asks = self._bids.keys, self._asks.keys
        if bids and asks and bids[-1] >= -asks[-1]:
            raise BookGap(f"the best bid {bids[-1]:g} is not below the best ask {-asks[-1]:g}")
        if update.checksum:
            try:
                found = checksum(self._bids.top(25), self._asks.top(25))
            except TypeError:
                raise BookGap("no checksum can be computed: the levels are not texts") from None
            if found != update.checksum:
                raise BookGap(f"wrong checksum {found}, the venue sent {update.checksum}")

    def _break(self, why: str) -> None:
        self._gaps += 1
        self._why = why
        self._after = None
        self.live.clear()

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def depth(self, limit: int | None = None) -> BookView:
        """The best levels, as one consistent copy.

        Args:
            limit: Levels a side; None for all known levels.

        Raises:
            BrokenBook: The book is broken, or has no snapshot yet.
        """
        with self._lock:
            after = self._after
            if after is None:
                raise self._refusal()
            bids, asks = self._bids.top(limit), self._asks.top(limit)
            return BookView(
                bids=bids,
                asks=asks,
                version=self._version,
                sequence=after.last,
                time_ms=after.time_ms,
                age_s=seconds_since(self._clock, self._fresh_at, self._lead),
                whole_bids=self._is_whole(self._bids, bids, limit),
                whole_asks=self._is_whole(self._asks, asks, limit),
            )

    def _is_whole(self, side: _Side, shown: tuple[Level, ...], limit: int | None) -> bool:
        if len(shown) == limit:
            return True
        window = self._rule.window
        return not side.asked and (not window or len(shown) < window)

    def _refusal(self) -> BrokenBook:
        if self._why:
            return BrokenBook(f"{self.name} is broken and waits for a new snapshot: {self._why}")
        return BrokenBook(f"{self.name} has no snapshot yet")

    @property
    def age_s(self) -> float:
        """Seconds since the book was last known to be current.

        Raises:
            BrokenBook: The book is broken, or has no snapshot yet.
        """
        with self._lock:
            if self._after is None:
                raise self._refusal()
            return seconds_since(self._clock, self._fresh_at, self._lead)

    @property
    def version(self) -> int:
        """A number that grows with each change of the book."""
        return self._version

    @property
    def activity(self) -> int:
        """A number that changes when the book changes and when it breaks."""
        return self._version + self._gaps

    @property
    def is_live(self) -> bool:
        """Whether it can be read now."""
        return self.live.is_set()

    @property
    def is_shallow(self) -> bool:
        """Whether so little is left of what the last snapshot showed that a new one should be fetched."""
        with self._lock:
            return self._after is not None and (self._bids.is_shallow() or self._asks.is_shallow())

    @property
    def stats(self) -> BookStats:
        """What has happened so far."""
        with self._lock:
            return BookStats(
                state="live" if self._after is not None else "broken" if self._why else "waiting",
                updates=self._updates,
                ignored=self._ignored,
                snapshots=self._snapshots,
                gaps=self._gaps,
                resyncs=self._resyncs,
                kept=len(self._kept),
                why=self._why,
            )
