"""Keeps an order book in step with a stream: connects, subscribes, reads, and restores the book when it is broken.

One thread a book. It reads the messages of a connection (``Dial``'s, with reconnect) or its line of a shared one, applies the updates to
the book, and asks for a new snapshot when the book is broken: over REST where the source has one (Binance), else by subscribing again
(OKX). The pause between attempts doubles, less a random part, so that many books that broke together do not come back together; after a
number of attempts the feed reconnects, or moves to another shared connection. A venue that says when to come back is not asked earlier.

Waiting for changes. A ``BookFeed`` is a ``Selectable`` (``tasks/events.py``): ``select``, ``EventLoop``'s hub or a thread of one's own can
wait for it together with calls and connections.

- ``feed.is_ready()``: whether the book can be read.
- ``feed.activity``: a number that changes when the book changes or breaks, and when something went to ``on_other`` (a ticker).
- ``feed.add_ready_callback(callback)``: has ``callback`` called in the feed's thread after each message that changed ``activity``, after
  the book was updated; at once when the book can be read already. Returns a token for ``feed.remove_ready_callback(token)``.

Without callbacks a message costs one look at an empty tuple more. With them, several updates in one message cause one call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...clock import Signal
from ...errors import BadReply, BrokenBook, FmzError, OperationFailed, RateLimited, StopRequested, short_repr
from ...fork import after_fork_in_child
from ..buffer.buffer import Message
from ..callbacks import ReadyCallbacks
from ..connection import Connection
from ..host import StreamHost
from ..options import read_options
from ..sharing.line import LineOwner, SharedLine
from ..sharing.shared_streams import SHARED_STREAMS
from ..sharing.wire import SharedSource
from .age import Transit, clock_lead, seconds_since
from .book import OrderBook
from .feed_stats import FeedStats
from .resync import ResyncAttempts, ResyncPlan
from .rules import BookUpdate
from .source import BookSource, OtherUnread, SourceReady, SourceRefused

__all__ = ["BookFeed"]

# A venue may ban for days. Trying once a minute costs nothing (the adapter refuses by itself during a ban), and notices a ban that is
# lifted early.
_LONGEST_WAIT_S = 60.0

# A venue that confirms a quiet book does so within the silence of its connection; a little more for the delays of one message.
_SILENCE_FACTOR = 1.2

# The time of day runs ahead of the monotonic clock by this much only if the machine slept, or its clock was set.
_SLEPT_S = 5.0


class BookFeed:
    """Keeps a book up to date in a thread of its own, from ``start`` to ``close``.

    Args:
        source: The source of the updates.
        host: The clock and the journal, which gets one line for each outage, not for each attempt.
        plan: How to restore a broken book.
        on_other: Called with other events of the source (tickers), in the feed's thread; it must not raise.
        on_loss: Called on each loss of the connection, to discard what ``on_other`` has kept; it must not raise.
        share: Whether a source that can share its connection (a ``SharedSource``) does; otherwise the feed has one of its own.

    Attributes:
        book: The book.
        clock: Measures its waits.
        ended: Set when the feed has ended for good.

    Raises:
        InputError: The source's address or an option of it is not valid.
    """

    def __init__(
        self,
        source: BookSource,
        host: StreamHost,
        *,
        plan: ResyncPlan | None = None,
        on_other: Callable[[Any], None] | None = None,
        on_loss: Callable[[], None] | None = None,
        share: bool = False,
    ) -> None:
        self.book = OrderBook(source.rule, host.clock, name=f"the book of {source.name}")
        self.ended = Signal()
        self._source = source
        self._host = host
        self.clock = self._clock = host.clock
        self._attempts = ResyncAttempts(plan if plan is not None else ResyncPlan())
        self._on_other = on_other
        self._on_loss = on_loss
        self._lock = threading.Lock()  # guards _closing and _connection, so that close() misses no connection
        self._closing = False
        self._connection: Connection | SharedLine | None = None
        self._shared = source if share and isinstance(source, SharedSource) else None
        self._closed = Signal()
        self._where = read_options(source.address, None, dict(source.options))
        self._thread = threading.Thread(
            target=self._clock.stop.carry(self._run), name=f"book of {source.name}", daemon=True
        )
        # All below belong to the feed's thread; other threads may read a slightly old counter, which is harmless.
        self._ready = False  # whether the venue has confirmed the subscription on this connection
        self._refused = False  # whether it has refused it
        self._caught_up = 0.0  # when the last message was read that had no other waiting behind it
        self._transit = Transit()
        self._lead = clock_lead(self._clock)
        self._callbacks = ReadyCallbacks()
        self._announced = 0  # what activity was at the last announcement
        self._others = 0  # what went to on_other
        self._told = False  # whether this outage was reported already
        self._avoid: LineOwner | None = None  # the shared connection on which the book could not be restored
        self._data_at = 0.0  # when the book's part of a shared connection last brought data
        self._connections = self._reconnects = self._messages = self._unread = self._asked = self._failed = 0
        after_fork_in_child(self._left_behind)

    def _left_behind(self) -> None:
        """In the child of a fork: the feed has ended; its thread and its connection are the parent's."""
        self._lock = threading.Lock()
        self._closing = True
        self._connection = None
        self._callbacks = ReadyCallbacks()
        self.ended = Signal()
        self.ended.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the feed, its connection and its thread; the book is broken afterwards.

        Args:
            timeout_s: How long to wait for the thread, in seconds; it may be waiting for a REST reply.
        """
        with self._lock:
            self._closing = True
            connection = self._connection
        self._closed.set()
        self.book.lose("the subscription has ended")
        self._announce()
        if connection is not None:
            connection.close()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def stats(self) -> FeedStats:
        """The counters of this moment."""
        connection = self._connection
        return FeedStats(
            book=self.book.stats,
            connected=connection is not None and connection.state == "open",
            connections=self._connections,
            reconnects=self._reconnects + _reconnects_of(connection),
            messages=self._messages,
            unread=self._unread,
            snapshots_asked=self._asked,
            snapshots_failed=self._failed,
        )

    # -- waiting for changes ------------------------------------------------------------------------------------------------------

    @property
    def activity(self) -> int:
        """A number that changes when the book changes or breaks, and when something went to ``on_other``."""
        return self.book.activity + self._others

    def is_ready(self) -> bool:
        """Whether the book can be read."""
        return self.book.is_live

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Has ``callback`` called after each change of ``activity``; at once when the book can be read already.

        Args:
            callback: Short, and must not raise; it runs in the feed's thread.

        Returns:
            A token for ``remove_ready_callback``.
        """
        token = self._callbacks.add(callback)
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        self._callbacks.remove(token)

    def _announce(self) -> None:
        if self._callbacks.active:
            activity = self.activity
            if activity != self._announced:
                self._announced = activity
                self._callbacks.call()

    # -- the thread ---------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                connection: Connection | SharedLine | None = None
                try:
                    connection = self._new_connection()
                    if connection is None:
                        return
                    connection.open()
                    self._connections += 1
                    self._begin()
                    self._serve(connection)
                except OperationFailed as error:
                    self._tell(f"could not be connected: {error}")
                except StopRequested:
                    raise
                except Exception as error:
                    # A bug in a source or here: report it and try again, so that the book does not stay broken.
                    self._tell(f"the feed failed: {short_repr(error)}")
                finally:
                    if connection is not None:
                        self._drop(connection)
                self._attempts.in_a_row += 1
                if self._clock.wait((self._closed,), self._attempts.pause_s()):
                    return
                self._attempts.paused = True
        except StopRequested:
            pass  # the strategy is being stopped
        except Exception as error:  # a bug here or in a source: the thread must not end unreported
            self._host.error(f"the feed failed: {short_repr(error)}", source=self._source.name)
        finally:
            self.book.lose("the feed has ended")
            self.ended.set()

    def _new_connection(self) -> Connection | SharedLine | None:
        connection: Connection | SharedLine
        if self._shared is None:
            connection = Connection(*self._where, self._host)
        else:
            connection = SHARED_STREAMS.join(self._shared, *self._where, self._host, avoid=self._avoid)
            self._avoid = None
        with self._lock:
            if not self._closing:
                self._connection = connection
                return connection
        connection.close()
        return None

    def _drop(self, connection: Connection | SharedLine) -> None:
        connection.close()
        with self._lock:
            self._connection = None
        self._reconnects += _reconnects_of(connection)
        self._lose("the connection was lost")

    def _begin(self) -> None:
        """Starts over after a connect: the subscription was sent, but not confirmed."""
        self._ready = self._refused = False
        self._caught_up = self._clock.monotonic()
        self._data_at = self._caught_up
        self._attempts.connected(self._caught_up)
        self._transit.forget()
        self._lead = clock_lead(self._clock)

    def _lose(self, why: str) -> None:
        self.book.lose(why)
        self._attempts.ended(self._clock.monotonic())
        if self._on_loss is not None:
            self._on_loss()
        self._announce()

    def _serve(self, connection: Connection | SharedLine) -> None:
        """Reads until the connection has ended for good, or a round of attempts failed."""
        while True:
            message = connection.read(self._patience_ms())
            if self._has_slept() or (message is None and self._is_silent()):
                return
            if message is not None and message != "":
                self._take(connection, message)
                if self._is_forgotten():
                    return
            elif message == "":
                if self._closing or connection.ended:
                    return
                calm = self._attempts.is_calm(self._clock.monotonic())
                self._lose("the connection was lost")
                if isinstance(connection, SharedLine):
                    # It reconnects and subscribes by itself; the snapshots of all its books must not be asked for at once.
                    self._attempts.in_a_row += 1
                    connection.open()
                elif not calm:
                    # Dial reconnects a second after each loss; a venue that cuts every connection at once needs longer pauses.
                    return
                self._begin()
            if not self._mend(connection):
                return

    def _patience_ms(self) -> float | None:
        if self.book.is_live and not self.book.is_shallow:
            silence_s = self._silence_s
            return None if not silence_s else max(1.0, (self._data_at + silence_s - self._clock.monotonic()) * 1000)
        return max(1.0, (self._attempts.due - self._clock.monotonic()) * 1000)

    @property
    def _silence_s(self) -> float:
        """After so long without data the book's part of a shared connection counts as lost; 0 for never.

        Longer than for the whole connection, which is watched by itself and is lost for all its books together.
        """
        return self._where[1].silence_s * _SILENCE_FACTOR if self._shared is not None else 0.0

    def _is_silent(self) -> bool:
        """Whether a live book has had no data for too long, though its shared connection is alive."""
        silence_s = self._silence_s
        if not silence_s or not self.book.is_live or self._clock.monotonic() - self._data_at < silence_s:
            return False
        self._doubt(f"no data for this book for {silence_s:g} s")
        return True

    def _take(self, connection: Connection | SharedLine, message: Message) -> None:
        self._messages += 1
        if not connection.is_ready():
            # No other message waits, so with this one the book is as current as can be known here.
            self._caught_up = self._clock.monotonic()
        if self._shared is not None:
            is_data = self._where[1].is_data
            if is_data is None or is_data(message):
                self._data_at = self._clock.monotonic()
        try:
            for event in self._source.read(message):
                self._handle(event)
        except BadReply as error:
            self._unread += 1
            self.book.lose(f"a message could not be read: {error}")
            self._tell(f"a message could not be read: {error}")
        self._announce()

    def _handle(self, event: object) -> None:
        if isinstance(event, BookUpdate):
            was_live = self.book.is_live
            if not event.bids and not event.asks:
                # A confirmation that nothing has changed: its time may be that of the last change, and is ignored.
                live = self.book.apply(event, self._caught_up)
            else:
                self._transit.heard(event.time_ms, self._clock.monotonic())
                live = self.book.apply(event, self.current_at(event.time_ms))
            if was_live and not live:
                self._tell(self.book.stats.why)
            elif not live and not event.snapshot and not self._ready and self._source.rule.buffers:
                self._subscribed()  # the first update confirms the subscription too
        elif isinstance(event, SourceReady):
            self._subscribed()
        elif isinstance(event, SourceRefused) and self.book.is_live:
            self._host.warning(
                f"the venue refused a request, but the book goes on: {event.why}", source=self._source.name
            )
        elif isinstance(event, SourceRefused):
            self._tell(f"the subscription was refused: {event.why}")
            self._ready = False
            self._refused = True
            self._attempts.refused(self._clock.monotonic())
        else:
            self._unread += isinstance(event, OtherUnread)
            if self._on_other is not None:
                self._on_other(event)
                self._others += 1

    def current_at(self, time_ms: int) -> float:
        """When a message was current, in ``clock.monotonic()`` seconds; for use within ``on_other``.

        Args:
            time_ms: The venue's time in the message; 0 if it has none.
        """
        now = self._clock.monotonic()
        return min(self._caught_up, now - self._transit.late_s(time_ms, now))

    def _subscribed(self) -> None:
        if not self._ready:
            self._ready = True
            if self._source.rule.buffers:
                self._attempts.confirmed(self._clock.monotonic())

    # -- restoring the book -----------------------------------------------------------------------------------------------------

    def _mend(self, connection: Connection | SharedLine) -> bool:
        """Requests a snapshot if one is needed and due; False when the feed should reconnect."""
        now = self._clock.monotonic()
        live = self.book.is_live
        if live and not self.book.is_shallow:
            self._live_on(now)
            return True
        attempts = self._attempts
        if attempts.live_since is not None:
            # It has just broken (or become shallow): the first attempt is made at once, unless it broke a moment ago too.
            attempts.ended(now)
            attempts.due = now + attempts.pause_s()
        if now < attempts.due:
            return True
        # A shallow book can still be read while it waits for a refresh, so its connection is kept.
        if not live and (not self._ready or attempts.round >= attempts.plan.attempts):
            self._tell(self.book.stats.why or "no snapshot came")
            if isinstance(connection, SharedLine) and not self._refused:
                self._avoid = connection.owner
            return False
        self._ask(connection)
        return True

    def _has_slept(self) -> bool:
        """Whether the machine has slept since the last check, so that waiting messages may be old."""
        lead = clock_lead(self._clock)
        slept_s, self._lead = lead - self._lead, lead
        if slept_s > _SLEPT_S:
            self._doubt(f"the machine slept for {slept_s:.0f} s, or its clock was set")
            return True
        return False

    def _is_forgotten(self) -> bool:
        """Whether the connection is alive but has not confirmed the book for too long."""
        try:
            if self.book.age_s <= self._attempts.plan.quiet_s:
                return False
        except BrokenBook:
            return False  # it is being restored already
        self._doubt(f"no update confirmed it for {self._attempts.plan.quiet_s:g} s")
        return True

    def _doubt(self, why: str) -> None:
        self.book.lose(why)
        self._announce()
        self._tell(why)

    def _live_on(self, now: float) -> None:
        if self._attempts.lives(now):
            self._told = False

    def _ask(self, connection: Connection | SharedLine) -> None:
        self._asked += 1
        self._attempts.began()
        asked_at, lead = self._clock.monotonic(), clock_lead(self._clock)
        pause_s = self._attempts.pause_s()
        try:
            snapshot = self._source.snapshot()
            if snapshot is None:
                if isinstance(connection, SharedLine):
                    connection.renew()
                else:
                    for message in self._source.renew():
                        connection.write(message)
                pause_s = max(pause_s, self._attempts.plan.answer_s)
            elif self.book.apply(snapshot, self._clock.monotonic() - seconds_since(self._clock, asked_at, lead)):
                self._live_on(self._clock.monotonic())
                self._announce()
        except StopRequested:
            raise
        except RateLimited as error:
            # The rate limit is not the connection's fault: another connection would not help.
            self._failed += 1
            self._attempts.round -= 1
            pause_s = max(pause_s, min(error.retry_after_s or 0.0, _LONGEST_WAIT_S))
            self._tell(f"no snapshot: {error}")
        except FmzError as error:
            self._failed += 1
            self._tell(f"no snapshot: {error}")
        self._attempts.due = self._clock.monotonic() + pause_s

    def _tell(self, why: str) -> None:
        if not self._told and not self._closing:
            self._told = True
            self._host.error(f"the live book is broken and is being rebuilt: {why}", source=self._source.name)


def _reconnects_of(connection: Connection | SharedLine | None) -> int:
    if isinstance(connection, SharedLine):
        return connection.losses
    return connection.stats.reconnects if connection is not None else 0
