"""A local order book, kept from a snapshot and the deltas that follow it, that would rather say nothing than something wrong.

Every delta is checked against the one before it (``book_rules.py``), by its checksum where it has one, and by the one thing that holds
for every book: the best bid is below the best ask. Whatever does not fit breaks the book at once: it refuses to be read until the next
snapshot. Deltas that come while a snapshot is on its way are kept and applied on top of it.

A snapshot of limited depth is not the whole book: what lies beyond its last level is known only where it has changed since. So each side
remembers how far it was seen, shows nothing beyond that, and says (``is_shallow``) when so much of it is used up that a new snapshot
should be fetched; until then it goes on serving.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

import attrs

from ...clock import Clock, Signal
from ...errors import BrokenBook
from .age import clock_lead, seconds_since
from .rules import BookGap, BookRule, BookUpdate, Level, checksum

__all__ = ["BookStats", "BookView", "OrderBook"]

_INFINITE = float("inf")
# Deltas kept for a snapshot: 100 s at ten a second, about 10 MB. If it is late by more, the oldest are missed, and that is noticed.
_KEPT = 1000
# A side is shallow when less than a third of what a snapshot shows is left of it: one update of a falling market took a quarter.
_SHALLOW_PART = 3


@attrs.frozen(kw_only=True)
class BookView:
    """A book at one moment; a copy that nothing changes any more.

    Attributes:
        bids: From the best (highest) down; price and size, as numbers and as texts.
        asks: From the best (lowest) up.
        version: Grows by one with each change of the book.
        sequence: The venue's id of the last update; None where it has none.
        time_ms: The venue's time of the last update, in ms since the epoch; 0 where unknown.
        age_s: Seconds since the book was last known to be current.
        whole_bids: Whether ``bids`` shows as many levels as were asked for, or the side has no more.
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
    """What has happened to a book so far.

    Attributes:
        state: ``waiting`` for its first snapshot, ``live`` or ``broken``.
        updates: Deltas that were applied.
        ignored: Deltas that it knew already.
        snapshots: Snapshots that were taken.
        gaps: How often a delta did not fit: a missing id, a wrong checksum, a crossed book, an unreadable level.
        resyncs: How often it became live again after it was broken.
        kept: Deltas that wait for a snapshot.
        why: Why it broke last; empty when it never did.
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
    """One side of a book. Keys are sorted so that the best is the last, where the most changes happen: a list is cheap at its end."""

    __slots__ = ("asked", "edge", "keys", "rows", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign  # 1 for bids, whose best is the highest; -1 for asks
        self.clear()

    def clear(self) -> None:
        """Takes everything away."""
        self.keys: list[float] = []
        self.rows: dict[float, Level] = {}
        self.edge = -_INFINITE  # the worst key that was seen; what lies below is known only in part
        self.asked = 0

    def load(self, levels: Sequence[Sequence[str]], asked: int) -> None:
        """Replaces the side."""
        self.clear()
        self.change(levels)
        if asked and len(self.keys) >= asked:
            self.edge = self.keys[0]
            self.asked = asked

    def change(self, levels: Sequence[Sequence[str]]) -> None:
        """Sets absolute sizes; 0 takes the level away (taking away one that is not there is normal).

        Raises:
            BookGap: A level is not a pair of numbers that can be a price and a size.
        """
        sign, keys, rows = self.sign, self.keys, self.rows
        try:
            for level in levels:
                if level.__class__ is str:  # two letters of it would do for a price and a size
                    raise BookGap(f"a level that is the text {level!r:.40}")
                price_text, size_text = level[0], level[1]
                price, size = float(price_text), float(size_text)
                key = sign * price
                if 0.0 < size < _INFINITE:
                    if key not in rows:
                        if not 0.0 < price < _INFINITE:
                            raise BookGap(f"a level with the price {price_text!r:.40}")
                        insort(keys, key)
                    rows[key] = (price, size, price_text, size_text)
                elif size == 0.0:
                    if rows.pop(key, None) is not None:
                        del keys[bisect_left(keys, key)]
                else:
                    raise BookGap(f"a level with the size {size_text!r:.40}")
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            raise BookGap(f"a level that cannot be read ({error})") from None

    def top(self, limit: int | None) -> tuple[Level, ...]:
        """The best levels that are known for certain, the best first."""
        keys, rows = self.keys, self.rows
        start = bisect_left(keys, self.edge) if self.asked else 0
        if limit is not None:
            start = max(start, len(keys) - limit)
        return tuple([rows[key] for key in reversed(keys[start:])])

    def check_range(self, word: str) -> None:
        """Refuses a side that has moved beyond all that the snapshot showed: its best level may be one that nobody has seen.

        Raises:
            BookGap: It has.
        """
        if self.asked and not (self.keys and self.keys[-1] >= self.edge):
            raise BookGap(f"the best {word} lies beyond what the snapshot showed")

    def is_shallow(self) -> bool:
        """Whether most of what the snapshot showed is gone."""
        if not self.asked:
            return False
        place = self.asked // _SHALLOW_PART
        keys = self.keys
        return len(keys) < place or keys[-place] < self.edge if place else not keys


class OrderBook:
    """A local order book; every method may be called from any thread.

    Args:
        rule: How its updates follow one another.
        clock: Measures its age.
        name: What it is called in errors, such as the symbol.

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

    # -- writing ------------------------------------------------------------------------------------------------------------------

    def apply(self, update: BookUpdate, fresh_at: float | None = None) -> bool:
        """Takes a snapshot or a delta.

        A delta that comes while the book is not live is kept for the snapshot (or dropped, where snapshots come in order with the
        deltas). A snapshot that is older than the deltas kept leaves the book as it is: a newer one is needed.

        Args:
            update: What came.
            fresh_at: The moment of ``clock.monotonic()`` at which this was the newest there was; None for now.

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
            if live and self._version != before:  # what the book knew already says nothing about now
                now = self._clock.monotonic()
                then = now if fresh_at is None else min(fresh_at, now)
                # Never back: a refresh that was asked for some time ago makes the book no older than it is.
                self._fresh_at = max(self._fresh_at, then) if was_live else then
                self._lead = clock_lead(self._clock)
        return live

    def lose(self, why: str) -> None:
        """Breaks the book for a reason that it cannot see: the stream was lost, or a message could not be read.

        Deltas that were kept are dropped, because nothing says that the next ones follow them.
        """
        with self._lock:
            self._kept.clear()
            if self._after is not None:
                self._break(why)

    def _keep(self, update: BookUpdate) -> None:
        if not self._rule.buffers:
            return
        first, last = update.first, update.last
        # Ids that are nonsense fit onto no snapshot: every one to come would break on them. What is missing without it is noticed.
        if last is not None and (first is None or first <= last):
            self._kept.append(update)

    def _begin(self, snapshot: BookUpdate) -> None:
        """Makes the book anew from a snapshot and the deltas that were kept."""
        last = self._after
        if last is not None and self._rule.buffers and (snapshot.last or 0) < (last.last or 0):
            return  # a refresh that is older than the book: nothing is wrong with the book
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
                # The snapshot is too old (or something is missing among what was kept): what comes from here on waits for the next.
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
                raise BookGap("the levels are not texts, of which a checksum could be made") from None
            if found != update.checksum:
                raise BookGap(f"the checksum is {found}, the venue says {update.checksum}")

    def _break(self, why: str) -> None:
        self._gaps += 1
        self._why = why
        self._after = None
        self.live.clear()

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def depth(self, limit: int | None = None) -> BookView:
        """The best levels, as one consistent copy.

        Args:
            limit: Levels a side; None for all that are known for certain.

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
