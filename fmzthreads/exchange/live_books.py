"""The live order books of an exchange object: ``Subscribe("depth")`` starts one, ``GetDepth`` and ``GetTicker`` read it.

A live book is read only while it is valid and recent. While it is broken, resynchronizing, older than the subscription allows, or has fewer
levels than requested, the call goes to the venue as without a subscription. Each symbol has its own book and thread, so that a failing one
delays no other; the connections are shared with other symbols, also of other exchange objects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BrokenBook, FmzError, InputError, StopRequested, TimedOut, UnknownName, nearest, short_repr
from ..fork import after_fork_in_child
from ..structures import Depth, Info, MarketOrder, Ticker
from ..tasks.gate import HERE, pass_gate

if TYPE_CHECKING:  # the streams room is loaded by the first subscription
    from ..streams.book.book import BookView
    from ..streams.book.resync import ResyncPlan
    from ..streams.book.rules import Level
    from ..streams.book.source import BookSource
    from .host import Host
    from .venue import Venue

T = TypeVar("T")

__all__ = ["DEFAULT_MAX_AGE_MS", "Lines", "LiveBook", "LiveBooks", "check_channel"]

DEFAULT_MAX_AGE_MS = 5000.0
"""The venues send a changing book ten times a second; one without a message for this long is not read."""

EVENT = "Subscribe"
"""The event of ``EventLoop`` for a change of a live book."""

_DEFAULT_LEVELS = 100  # as GetDepth by REST without a limit
_CHANNELS = ("depth", "orders", "positions")


def check_channel(channel: Any) -> None:
    """Raises UnknownName for a channel that does not exist.

    Raises:
        UnknownName: It is not ``depth``, ``orders`` or ``positions``.
    """
    if not isinstance(channel, str) or channel not in _CHANNELS:
        raise UnknownName(f"no channel {short_repr(channel)} can be subscribed to{nearest(channel, _CHANNELS)}")


class Lines:
    """The host of the streams: passes their lines to the exchange's host."""

    def __init__(self, host: Host, label: str) -> None:
        self.clock = host.clock
        self._host = host
        self._label = label

    def error(self, text: str, *, source: str) -> None:
        """Writes an error line."""
        self._host.error(f"{source}: {text}", source=self._label)

    def warning(self, text: str, *, source: str) -> None:
        """Writes a warning."""
        self._host.warning(f"{source}: {text}", source=self._label)


class LiveBook:
    """The live book of one symbol, in FMZ's structures.

    Args:
        source: The venue's stream and snapshot.
        lines: The clock, and the journal.
        max_age_s: The maximum age at which it is read, in seconds.
        plan: How it is resynchronized.
    """

    def __init__(self, source: BookSource, lines: Lines, max_age_s: float, plan: ResyncPlan | None) -> None:
        self.max_age_s = max_age_s
        self.source = source
        self._clock = lines.clock
        self.permission = lines.clock.stop.permission()  # what is made in onexit goes on after the stop
        from ..streams.book.age import clock_lead, seconds_since
        from ..streams.book.feed import BookFeed
        from ..streams.book.source import OtherUnread

        self._lead, self._seconds_since, self._unread_kind = clock_lead, seconds_since, OtherUnread
        self.feed = BookFeed(source, lines, plan=plan, on_other=self._take, on_loss=self._forget, share=True)
        # The latest, when it was current, and the clock's lead then. Only the feed's thread writes it; it is replaced, never changed.
        self._ticker: tuple[Ticker, float, float] | None = None
        # Counted without a lock: two threads at once may count as one, which only a status line shows.
        self.answers = self.fallbacks = 0

    def _take(self, event: Any) -> None:
        if isinstance(event, Ticker):
            self._ticker = (event, self.feed.current_at(event["Time"]), self._lead(self._clock))
        elif isinstance(event, self._unread_kind):
            self._ticker = None

    def _forget(self) -> None:
        self._ticker = None

    def view(self, limit: int | None) -> BookView | None:
        """Returns the book if it is valid and recent; else None.

        Args:
            limit: The levels a side that it must have (unless the side is complete); None for up to 100.
        """
        try:
            view = self.feed.book.depth(_DEFAULT_LEVELS if limit is None else limit)
        except BrokenBook:
            return None
        if view.age_s > self.max_age_s or not (view.whole_bids and view.whole_asks) or not (view.bids or view.asks):
            return None
        return view

    def depth(self, limit: int | None) -> Depth | None:
        """Returns the book for ``GetDepth``; None if the venue must be asked."""
        view = self.view(limit)
        if view is None:
            return None
        return Depth(Info=_facts(view), Asks=_levels(view.asks), Bids=_levels(view.bids), Time=view.time_ms)

    def ticker(self) -> Ticker | None:
        """Returns the last 24 h statistics with the book's best bid and ask; None if the venue must be asked."""
        view, known = self.view(1), self._ticker
        if view is None or known is None or not view.bids or not view.asks:
            return None
        latest, current_at, lead = known
        if self._seconds_since(self._clock, current_at, lead) > self.max_age_s:
            return None  # the stream of the last price may have stopped while the book's goes on
        ticker = latest.copy()
        ticker.update(
            Info=_facts(view), Buy=view.bids[0][0], Sell=view.asks[0][0], Time=max(latest["Time"], view.time_ms)
        )
        return ticker


def _end(books: Sequence[LiveBook], timeout_s: float = 5.0) -> None:
    """Ends books concurrently, because each may wait for a reply."""
    helpers = []
    for live in books[1:]:
        helper = threading.Thread(target=live.feed.close, args=(timeout_s,), name=f"end of {live.source.name}")
        try:
            helper.start()
        except RuntimeError:  # no thread can be started, such as at the interpreter's end: one after the other
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
        venue: The adapter, which has the source of each book.
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
        self._lines = Lines(host, label)
        self._lock = threading.Lock()  # guards _books against two changes at once, and the two numbers below
        self._books: dict[str, LiveBook] = {}  # read without the lock
        self._began = False  # whether there ever was a book
        self._generation = 0  # grows with close(): a subscription being made then is discarded
        self._moves = 0  # grows with renew(): a subscription being made then is made again
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the feeds' threads are the parent's; subscriptions made there start again by ``Subscribe``."""
        self._lock = threading.Lock()
        self._books = {}
        self._generation += 1

    # -- subscribing --------------------------------------------------------------------------------------------------------------

    def subscribe(self, symbol: str, max_age_s: float, wait_s: float = 0.0) -> None:
        """Starts a symbol's live book; of an existing one it changes the maximum age.

        Args:
            symbol: FMZ's symbol.
            max_age_s: The maximum age at which the book is read, in seconds.
            wait_s: How long to wait until the book is live, in seconds; 0 does not wait.

        Raises:
            NotSupported: The venue has no live books.
            UnknownSymbol: The venue does not list the symbol.
            TimedOut: It is not live in time; the subscription stays.
            InputError: The exchange was closed or the subscription ended meanwhile.
            FmzError: The symbols could not be fetched.
            StopRequested: The strategy is being stopped.
        """
        generation = self._generation
        while True:
            moves, live = self._moves, self._books.get(symbol)
            if live is not None and not live.feed.ended.is_set() and live.permission is self._clock.stop.permission():
                break
            fresh = LiveBook(self._source(symbol), self._lines, max_age_s, self.plan)
            if self._put(symbol, live, fresh, generation, moves):  # the old one has ended already, or a stop ends it
                live = fresh
                break
            if generation != self._generation:
                raise InputError(f"the exchange was closed while {symbol} was being subscribed to")
        live.max_age_s = max_age_s
        if wait_s > 0 and self._wait(symbol, live, wait_s) is None:
            raise InputError(f"the subscription to {symbol} was ended before its book was live")

    def _wait(self, symbol: str, live: LiveBook, wait_s: float) -> LiveBook | None:
        """Waits until a symbol's book is live, also one that replaces it; None if the subscription ended."""
        end = self._clock.monotonic() + wait_s
        current: LiveBook | None = live
        while current is not None and not current.feed.book.is_live:
            self._clock.stop.check()  # a stop ends the feed too, perhaps before this thread waits for it
            left_s = end - self._clock.monotonic()
            if left_s <= 0 or (current.feed.ended.is_set() and self._books.get(symbol) is current):
                why = current.feed.book.stats.why or "no snapshot has arrived"
                raise TimedOut(f"the book of {symbol} is not live after {wait_s:g} s: {why}; the subscription stays")
            self._clock.wait((current.feed.book.live, current.feed.ended), left_s)
            self._clock.stop.check()  # the feed's end may have woken this thread first
            current = self._books.get(symbol)
        return current

    def _source(self, symbol: str) -> BookSource:
        return self._venue.book_source(symbol)

    def _put(self, symbol: str, old: LiveBook | None, new: LiveBook, generation: int, moves: int) -> bool:
        """Replaces a book in one step, so that an ``Unsubscribe`` meanwhile is not missed, and starts the new one.

        Args:
            symbol: FMZ's symbol.
            old: The book that the caller found. It is no longer read; the caller ends it in any case.
            new: The book to start.
            generation: The value of ``_generation`` when the caller began.
            moves: The value of ``_moves`` before the source of ``new`` was made.

        Returns:
            False if ``old`` is no longer there, the exchange was closed, or the venue may have been moved since the source was made; then
            ``new`` was not started.
        """
        with self._lock:
            if generation != self._generation or moves != self._moves or self._books.get(symbol) is not old:
                return False
            self._books.pop(symbol, None)
            new.feed.start()  # if no thread can be started, there is neither
            self._books[symbol] = new
            self._began = True
        self._host.watch(new.feed, EVENT, self.index)
        return True

    def _follow(self, symbol: str, retired: list[LiveBook]) -> None:
        """Replaces a symbol's book if the venue's source of it has changed.

        Args:
            symbol: FMZ's symbol.
            retired: Receives the books to be ended.

        Raises:
            FmzError: The new source cannot be made; the subscription has ended.
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
            except BaseException:  # of any kind: a book of the former source must not be read any more
                with self._lock:
                    if self._books.get(symbol) is live:
                        del self._books[symbol]
                retired.append(live)
                raise

    def unsubscribe(self, symbol: str) -> bool:
        """Ends a symbol's live book, its connection and its thread; False if it does not exist."""
        with self._lock:
            live = self._books.pop(symbol, None)
        if live is None:
            return False
        _end([live])
        return True

    def renew(self) -> None:
        """Replaces the books whose source has changed (base URL, proxy); one without a source ends, with an error line.

        Raises:
            StopRequested: The strategy is being stopped. No book of a former source is left.
        """
        with self._lock:
            self._moves += 1  # books being made from former sources are discarded, existing ones are replaced below
        failed: BaseException | None = None
        retired: list[LiveBook] = []
        for symbol, live in list(self._books.items()):
            try:
                self._follow(symbol, retired)
            except StopRequested as error:
                failed = error
            except FmzError as error:
                self._lines.error(f"the subscription has ended: {error}", source=live.source.name)
            except BaseException as error:  # a defect of an adapter, or Ctrl-C: raised after all books were replaced
                failed = error
        _end(retired)
        if retired:
            self._end_idle()
        if failed is not None:
            raise failed

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends all books.

        Args:
            timeout_s: The longest to wait for their threads, in seconds.
        """
        with self._lock:
            books, self._books = self._books, {}
            self._generation += 1
        end = self._clock.monotonic() + timeout_s
        _end(list(books.values()), timeout_s)
        self._end_idle(max(0.0, end - self._clock.monotonic()))

    def _end_idle(self, timeout_s: float = 5.0) -> None:
        """Closes shared connections without a book now, which otherwise are kept for a while."""
        if self._began:
            from ..streams.sharing.shared_streams import SHARED_STREAMS

            SHARED_STREAMS.end_idle(self._clock, timeout_s)

    # -- answering ----------------------------------------------------------------------------------------------------------------

    def depth(self, symbol: str, limit: int | None) -> Depth | None:
        """Returns a symbol's live book, up to 100 levels a side without a limit; None if the venue must be asked."""
        return self._answer(symbol, lambda live: live.depth(limit))

    def ticker(self, symbol: str) -> Ticker | None:
        """Returns a symbol's live ticker; None if the venue must be asked."""
        return self._answer(symbol, lambda live: live.ticker())

    def _answer(self, symbol: str, read: Callable[[LiveBook], T | None]) -> T | None:
        live = self._books.get(symbol)
        if live is None:
            return None
        found = read(live)
        if found is not None and HERE.gate is not None:
            # Read when the gate opens; if the book broke meanwhile, the venue is asked, without passing the gate again.
            pass_gate()
            found = read(live)
        live.answers += found is not None
        live.fallbacks += found is None
        return found

    def stats(self) -> list[dict[str, Any]]:
        """Returns one row for each live book: symbol, state, age and counts."""
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
