"""Live order books behind an exchange object: what ``Subscribe("depth")`` starts, and ``GetDepth`` and ``GetTicker`` answer from.

A live book answers only while it is known to be right and young enough. While it is broken, being made anew, older than the subscription
allows, or shows fewer levels than were asked for, the call goes to the venue as if there were no subscription. Each symbol has a book, a
connection and a thread of its own, so that one that is in trouble holds up no other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BrokenBook, FmzError, InputError, StopRequested, TimedOut, UnknownName, nearest
from ..structures import Depth, Info, MarketOrder, Ticker
from ..tasks.gate import is_gated, pass_gate

if TYPE_CHECKING:  # the streams room is loaded by the first subscription
    from ..streams.book.book import BookView
    from ..streams.book.resync import ResyncPlan
    from ..streams.book.rules import Level
    from ..streams.book.source import BookSource
    from .host import Host
    from .venue import Venue

T = TypeVar("T")

__all__ = ["DEFAULT_MAX_AGE_MS", "LiveBook", "LiveBooks", "check_channel"]

_log = logging.getLogger("fmzthreads.exchange")

DEFAULT_MAX_AGE_MS = 5000.0
"""The venues send a book ten times a second while it changes; one that has been quiet for longer than this is asked for instead."""

EVENT = "Subscribe"
"""The name of the event that a change of a live book is for ``EventLoop``."""

_DEFAULT_LEVELS = 100  # what GetDepth gives by REST unless a limit is named
_CHANNELS = ("depth",)


def check_channel(channel: Any) -> None:
    """Refuses a channel that there is not.

    Raises:
        UnknownName: It is not ``depth``.
    """
    if channel not in _CHANNELS:
        raise UnknownName(f"no channel {channel!r} can be subscribed to{nearest(str(channel), _CHANNELS)}")


class _Lines:
    """The host of the streams: passes their lines to the exchange's host."""

    def __init__(self, host: Host, label: str) -> None:
        self.clock = host.clock
        self._host = host
        self._label = label

    def error(self, text: str, *, source: str) -> None:
        """One error line."""
        self._host.error(f"{source}: {text}", source=self._label)

    def warning(self, text: str, *, source: str) -> None:
        """The journal of an exchange takes errors only."""
        _log.warning("%s: %s: %s", self._label, source, text)


class LiveBook:
    """One symbol's live book, in FMZ's structures.

    Args:
        source: Where it comes from.
        lines: The clock, and where its lines go.
        max_age_s: How old it may be and still answer, in seconds.
        plan: How it is made anew when it breaks.
    """

    def __init__(self, source: BookSource, lines: _Lines, max_age_s: float, plan: ResyncPlan | None) -> None:
        self.max_age_s = max_age_s
        self.source = source
        self._clock = lines.clock
        from ..streams.book.age import clock_lead, seconds_since
        from ..streams.book.feed import BookFeed
        from ..streams.book.source import OtherUnread

        self._lead, self._seconds_since, self._unread_kind = clock_lead, seconds_since, OtherUnread
        self.feed = BookFeed(source, lines, plan=plan, on_other=self._take, on_loss=self._forget)
        # The latest, when it was current, and the clock's lead then; written by the feed's thread alone, replaced and never changed.
        self._ticker: tuple[Ticker, float, float] | None = None
        # Counted without a lock: two threads at the same moment may be counted as one, which only a status line shows.
        self.answers = self.fallbacks = 0

    def _take(self, event: Any) -> None:
        if isinstance(event, Ticker):
            self._ticker = (event, self.feed.current_at(event["Time"]), self._lead(self._clock))
        elif isinstance(event, self._unread_kind):
            self._ticker = None

    def _forget(self) -> None:
        self._ticker = None

    def view(self, limit: int | None) -> BookView | None:
        """The book, if it may answer.

        Args:
            limit: Levels a side that there must be (unless the side has no more); None for up to 100.
        """
        try:
            view = self.feed.book.depth(_DEFAULT_LEVELS if limit is None else limit)
        except BrokenBook:
            return None
        if view.age_s > self.max_age_s or not (view.whole_bids and view.whole_asks) or not (view.bids or view.asks):
            return None
        return view

    def depth(self, limit: int | None) -> Depth | None:
        """What ``GetDepth`` answers; None when the venue is to be asked."""
        view = self.view(limit)
        if view is None:
            return None
        return Depth(Info=_facts(view), Asks=_levels(view.asks), Bids=_levels(view.bids), Time=view.time_ms)

    def ticker(self) -> Ticker | None:
        """What ``GetTicker`` answers: the 24 h statistics as last sent, with the book's best bid and ask. None: ask the venue."""
        view, known = self.view(1), self._ticker
        if view is None or known is None or not view.bids or not view.asks:
            return None
        latest, current_at, lead = known
        if self._seconds_since(self._clock, current_at, lead) > self.max_age_s:
            return None  # a book that goes on says nothing about the last price, whose own stream may have stopped
        ticker = latest.copy()
        ticker.update(
            Info=_facts(view), Buy=view.bids[0][0], Sell=view.asks[0][0], Time=max(latest["Time"], view.time_ms)
        )
        return ticker


def _end(books: Sequence[LiveBook], timeout_s: float = 5.0) -> None:
    """Ends books side by side, because each may have a reply to wait for."""
    helpers = []
    for live in books[1:]:
        helper = threading.Thread(target=live.feed.close, args=(timeout_s,), name=f"end of {live.source.name}")
        try:
            helper.start()
        except RuntimeError:  # no thread can be had, such as at the interpreter's end: one after the other, then
            live.feed.close(timeout_s)
        else:
            helpers.append(helper)
    for live in books[:1]:
        live.feed.close(timeout_s)
    for helper in helpers:
        helper.join()


def _levels(levels: tuple[Level, ...]) -> list[MarketOrder]:
    return [MarketOrder(Price=price, Amount=size) for price, size, _, _ in levels]


def _facts(view: BookView) -> Info:
    return Info(Live=True, AgeMs=view.age_s * 1000, Version=view.version, Sequence=view.sequence)


class LiveBooks:
    """The live books of one exchange object; every method may be called from any thread.

    Args:
        venue: The adapter, which says where a symbol's book comes from.
        host: The journal, and the clock that measures ages.
        label: The exchange's label.

    Attributes:
        plan: How books are resynchronized from now on; None for the default pauses.
        index: The exchange's index in the events of ``EventLoop``.
    """

    def __init__(self, venue: Venue, host: Host, label: str) -> None:
        self.plan: ResyncPlan | None = None
        self._venue = venue
        self._host = host
        self._clock = host.clock
        self.index = 0
        self._lines = _Lines(host, label)
        self._lock = threading.Lock()  # guards _books against two changes at once, and the two numbers below
        self._books: dict[str, LiveBook] = {}  # looked up without the lock
        self._generation = 0  # grows with close(), so that a subscription that is being made does not outlive it
        self._moves = 0  # grows with renew(), so that one that is being made is not of the place before

    # -- subscribing --------------------------------------------------------------------------------------------------------------

    def subscribe(self, symbol: str, max_age_s: float, wait_s: float = 0.0) -> None:
        """Starts a symbol's live book; one that there is already only takes the new age.

        Args:
            symbol: FMZ's symbol.
            max_age_s: How old the book may be and still answer, in seconds.
            wait_s: How long to wait for the book to be live, in seconds; 0 not to wait.

        Raises:
            NotSupported: The venue has no live books.
            UnknownSymbol: The venue does not list the symbol.
            TimedOut: It is not live in time; the subscription stays.
            InputError: The exchange was closed meanwhile, or the subscription ended while it was waited for.
            FmzError: The symbols could not be fetched.
            StopRequested: The strategy is to stop.
        """
        generation = self._generation
        while True:
            moves, live = self._moves, self._books.get(symbol)
            if live is not None and not live.feed.ended.is_set():
                break
            fresh = LiveBook(self._source(symbol), self._lines, max_age_s, self.plan)
            if self._put(symbol, live, fresh, generation, moves):  # what was there has ended already
                live = fresh
                break
            if generation != self._generation:
                raise InputError("the exchange was closed while the subscription was made")
        live.max_age_s = max_age_s
        if wait_s > 0 and self._wait(symbol, live, wait_s) is None:
            raise InputError(f"the subscription to {symbol} was ended while its book was waited for")

    def _wait(self, symbol: str, live: LiveBook, wait_s: float) -> LiveBook | None:
        """Waits until a symbol's book is live, wherever it moves meanwhile; None when the subscription has ended."""
        end = self._clock.monotonic() + wait_s
        current: LiveBook | None = live
        while current is not None and not current.feed.book.is_live:
            left_s = end - self._clock.monotonic()
            if left_s <= 0 or (current.feed.ended.is_set() and self._books.get(symbol) is current):
                why = current.feed.book.stats.why or "no snapshot has come"
                raise TimedOut(f"the book of {symbol} is not live after {wait_s:g} s: {why}; the subscription stays")
            self._clock.wait((current.feed.book.live, current.feed.ended), left_s)
            current = self._books.get(symbol)
        return current

    def _source(self, symbol: str) -> BookSource:
        return self._venue.book_source(symbol)

    def _put(self, symbol: str, old: LiveBook | None, new: LiveBook, generation: int, moves: int) -> bool:
        """Starts a book in the place of another, in one step, so that nobody who ends the subscription meanwhile is passed by.

        Args:
            symbol: FMZ's symbol.
            old: What is there, as far as the caller knows. It answers no more; the caller is to end it, whatever becomes of ``new``.
            new: What is to be there.
            generation: What ``_generation`` was when the caller began.
            moves: What ``_moves`` was before the source of ``new`` was made.

        Returns:
            False when something else is there by now, the exchange was closed, or the venue may have been moved since the source was
            made; ``new`` was not started then.
        """
        with self._lock:
            if generation != self._generation or moves != self._moves or self._books.get(symbol) is not old:
                return False
            self._books.pop(symbol, None)
            new.feed.start()  # a thread more cannot always be had: then there is neither
            self._books[symbol] = new
        self._host.watch(new.feed, EVENT, self.index)
        return True

    def _follow(self, symbol: str, retired: list[LiveBook]) -> None:
        """Moves a book to where the venue is, if it is elsewhere and there is one.

        Args:
            symbol: FMZ's symbol.
            retired: Takes the books that are to be ended.

        Raises:
            FmzError: Its source cannot be made; the subscription has ended.
        """
        while True:
            generation, moves, live = self._generation, self._moves, self._books.get(symbol)
            if live is None:
                return
            try:
                source = self._source(symbol)
                if (source.address, source.options) == (live.source.address, live.source.options):
                    return
                moved = LiveBook(source, self._lines, live.max_age_s, self.plan)
                if self._put(symbol, live, moved, generation, moves):
                    retired.append(live)
                    return
            except BaseException:  # whatever it is: a book of where the venue is no longer must not go on answering
                with self._lock:
                    if self._books.get(symbol) is live:
                        del self._books[symbol]
                retired.append(live)
                raise

    def unsubscribe(self, symbol: str) -> bool:
        """Ends a symbol's live book, its connection and its thread; False when there was none."""
        with self._lock:
            live = self._books.pop(symbol, None)
        if live is None:
            return False
        _end([live])
        return True

    def renew(self) -> None:
        """Moves the books whose source is another now (another base URL, another proxy); one that has none any more ends with a line.

        Raises:
            StopRequested: The strategy is to stop. No book of another place is left.
        """
        with self._lock:
            self._moves += 1  # what is made from sources of before is not put in any more, and what is in is seen below
        failed: BaseException | None = None
        retired: list[LiveBook] = []
        for symbol, live in list(self._books.items()):
            try:
                self._follow(symbol, retired)
            except StopRequested as error:
                failed = error
            except FmzError as error:
                self._lines.error(f"the subscription has ended: {error}", source=live.source.name)
            except BaseException as error:  # a bug of an adapter, or Ctrl-C: raised when no other book stays behind
                failed = error
        _end(retired)
        if failed is not None:
            raise failed

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends all of them.

        Args:
            timeout_s: The longest to wait for their threads, in seconds.
        """
        with self._lock:
            books, self._books = self._books, {}
            self._generation += 1
        _end(list(books.values()), timeout_s)

    # -- answering ----------------------------------------------------------------------------------------------------------------

    def depth(self, symbol: str, limit: int | None) -> Depth | None:
        """The live book of a symbol, at most 100 levels a side unless a limit is named; None when the venue is to be asked."""
        return self._answer(symbol, lambda live: live.depth(limit))

    def ticker(self, symbol: str) -> Ticker | None:
        """The live ticker of a symbol; None when the venue is to be asked."""
        return self._answer(symbol, lambda live: live.ticker())

    def _answer(self, symbol: str, read: Callable[[LiveBook], T | None]) -> T | None:
        live = self._books.get(symbol)
        if live is None:
            return None
        found = read(live)
        if found is not None and is_gated():
            # Answered when the gate opens, with the book as it is then; if it broke meanwhile, by the venue (the gate is passed once).
            pass_gate()
            found = read(live)
        live.answers += found is not None
        live.fallbacks += found is None
        return found

    def stats(self) -> list[dict[str, Any]]:
        """One row for each live book: its symbol, state, age and what has happened to it."""
        rows = []
        for symbol, live in list(self._books.items()):
            book = live.feed.stats.book
            try:
                age_ms: float | None = live.feed.book.age_s * 1000
            except BrokenBook:
                age_ms = None
            rows.append(
                {
                    "Channel": _CHANNELS[0],
                    "Symbol": symbol,
                    "State": book.state,
                    "AgeMs": age_ms,
                    "Updates": book.updates,
                    "Gaps": book.gaps,
                    "Resyncs": book.resyncs,
                    "Answers": live.answers,
                    "Fallbacks": live.fallbacks,
                    "Why": book.why,
                }
            )
        return rows
