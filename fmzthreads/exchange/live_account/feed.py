"""Keeps an account live in a thread: connects, catches up by REST, reads, and starts over after each loss.

The stream is connected before REST is asked, and what it tells meanwhile waits in its buffer: nothing can fall between the two. The view
counts as live only once REST has told what is open, what has ended since, and which positions there are, and the buffer was read. While it is live,
it is compared with REST once a minute: a message that was lost without a sign is a gap, too.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ...clock import Clock, Signal
from ...errors import FmzError, OrderNotFound, StopRequested, short_repr
from ...fork import after_fork_in_child
from ...structures import Order
from .check import AccountCheck, CheckTimes
from .events import AccountAlarm, LeverageChange, OrderChange, PositionChange, StreamEnded, StreamFill
from .rest_state import RestReader
from .source import AccountSource
from .view import AccountView

if TYPE_CHECKING:  # the streams room is loaded by the first subscription
    from ...streams.host import StreamHost
    from .lines import AccountLines

__all__ = ["AccountFeed"]

# Pauses of 11 s on average: at most 330 connections an hour, of the 480 that OKX allows ("Connection count limit").
_LONGEST_PAUSE_S = 15.0
# A connection that lasted so long is followed by a short pause again.
_CALM_S = 20.0

# The venue's clock is known to a few seconds only, and its lists may be behind: so much before the last comparison is asked about again.
_OVERLAP_MS = 10_000


class AccountFeed:
    """One user stream, from ``start`` to ``close``; a ``Selectable``.

    Args:
        source: The venue's stream.
        host: The clock and the journal, which gets one line for each outage.
        on_order: Called with each order that changed, in the feed's thread; it must not raise.
        on_alarm: Called with the text of each alarm, in the feed's thread; it must not raise.
        pause_s: The longest pause before the first attempt to connect again; it doubles with each further one.
        check: When the view is compared with REST while it is live; None for every minute.

    Attributes:
        view: The state.
        clock: Measures its waits.
        live: Set while the view is live.
        ended: Set when the feed has ended for good.
    """

    def __init__(
        self,
        source: AccountSource,
        host: StreamHost,
        *,
        on_order: Callable[[Order], None],
        on_alarm: Callable[[str], None],
        pause_s: float = 1.0,
        check: CheckTimes | None = None,
    ) -> None:
        from ...streams.callbacks import ReadyCallbacks

        self.source = source
        self.clock: Clock = host.clock
        self.view = AccountView(host.clock, source.position_key)
        self.live = Signal()
        self.ended = Signal()
        self.permission = host.clock.stop.permission()  # what is made in onexit goes on after the stop
        self._host = host
        self._on_order = on_order
        self._on_alarm = on_alarm
        self._pause_s = pause_s
        self._callbacks = ReadyCallbacks()
        self._closed = Signal()
        self._rest = RestReader(source, host.clock, self._closed)
        self._told = False  # whether this outage was reported already
        self._failures = 0
        self._announced = 0
        self._check_times = check or CheckTimes()
        self._check: AccountCheck | None = None
        self._began_ms = 0  # the venue's time of the first subscription; what was before is no concern of it
        self._earliest_ms = 0  # a fill of before is not taken for one of this subscription
        self._complete_ms = 0  # the venue's time up to which REST was seen to have no more than the view
        self._lock = threading.Lock()  # guards _connection and _closing, so that close() misses no connection
        self._connection: AccountLines | None = None
        self._closing = False
        self._thread = threading.Thread(target=self.clock.stop.carry(self._run), name=source.name, daemon=True)
        after_fork_in_child(self._left_behind)

    def _left_behind(self) -> None:
        """In the child of a fork: the feed has ended; its thread and its connection are the parent's."""
        self._lock = threading.Lock()
        self._closing = True
        self._connection = None
        self._check = None
        self.view.lose("the process was forked")
        self.live.clear()
        self.ended.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the feed, its connection and its thread.

        Args:
            timeout_s: How long to wait for the thread, in seconds; it may be waiting for a REST reply.
        """
        with self._lock:
            self._closing = True
            connection = self._connection
        self._closed.set()
        if connection is not None:
            connection.close()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        check = self._check
        if check is not None:
            check.end()
            check.join(timeout_s)

    # Selectable

    def is_ready(self) -> bool:
        """Whether updates wait for ``GetUpdates``."""
        return self.view.waiting > 0

    @property
    def activity(self) -> int:
        """A number that changes with each update."""
        return self.view.changes

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Has a function called in the feed's thread after each message that changed something; at once if updates wait."""
        token = self._callbacks.add(callback)
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        self._callbacks.remove(token)

    # The thread

    def _run(self) -> None:
        try:
            self.view.lose("the stream is not connected yet")
            while not self._closing:
                began = self.clock.monotonic()
                why = self._serve()
                self._lose(why)
                self._failures = 1 if self.clock.monotonic() - began > _CALM_S else self._failures + 1
                pause_s = min(self._pause_s * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
                if self.clock.wait((self._closed,), pause_s * random.uniform(0.5, 1.0)):
                    return
        except StopRequested:
            pass  # the strategy is being stopped
        finally:
            self.view.lose("the subscription has ended")
            self.live.clear()
            self.ended.set()
            self._announce()

    def _serve(self) -> str:
        """Connects, catches up and reads until the connection is lost; returns why."""
        connection: AccountLines | None = None
        try:
            connection = self._connect()
            if connection is None:
                return "the subscription has ended"
            self._catch_up()
            return self._read(connection)
        except StopRequested:
            raise
        except FmzError as error:
            return str(error)
        except Exception as error:  # a bug in a source or here: reported and tried again, so that the account goes on
            return f"the feed failed: {short_repr(error)}"
        finally:
            with self._lock:
                connection, self._connection = self._connection, None
            if self._check is not None:
                self._check.end()
            if connection is not None:
                connection.close()

    def _connect(self) -> AccountLines | None:
        from .lines import AccountLines

        connection = AccountLines(self.source.connect(), self._host)
        with self._lock:
            if self._closing:
                return None
            self._connection = connection
        return connection if connection.open() else None

    def _catch_up(self) -> None:
        """Asks REST what is open, what has become of what no longer is, and for the fills since the last message."""
        view, rest = self.view, self._rest
        now_ms = rest.now_ms()
        expected = view.expected()
        state = rest.state(view.open_ids(), self._since_ms() if self._began_ms else now_ms)
        view.catch_up(state.snapshot, state.ended)
        for order in state.ended:
            self._on_order(order)
        if self._began_ms:
            self._take_all(rest.fills_since(self._since_ms(), view.symbols()))
        else:
            self._began_ms, self._earliest_ms = now_ms, now_ms - _OVERLAP_MS
        self._complete_ms = now_ms
        view.renounce(expected)

    def _since_ms(self) -> int:
        """From when on fills may be missing; not from the last message on, since earlier ones may be lost without a sign."""
        return max(self._began_ms, self._complete_ms - _OVERLAP_MS)

    def _take_all(self, fills: Iterable[StreamFill]) -> None:
        """Takes the fills of the gap that were not told, with their orders where these are unknown: those that were placed and filled within the gap."""
        view = self.view
        fills = [fill for fill in fills if not view.knows_fill(fill)]
        unknown = {fill.order_id: fill.symbol for fill in fills if not view.knows(fill.order_id)}
        orders = self._rest.listed(unknown, self._since_ms())
        for fill in fills:
            order = None
            if not view.knows(fill.order_id):
                order = orders.get(fill.order_id) or self._asked(fill.order_id)
                if order is not None:
                    self._on_order(order)
            view.take_fill(fill, order)

    def _asked(self, order_id: str) -> Order | None:
        try:
            return self._rest.order(order_id)
        except OrderNotFound:  # forgotten by the venue since
            return None

    def _read(self, connection: AccountLines) -> str:
        """Reads until the connection is lost; the view is live once the buffer is empty."""
        alive_at = self.clock.monotonic()
        check: AccountCheck | None = None
        while True:
            message = connection.read(-1 if not self.view.is_live else self._patience_ms(alive_at))
            if message == "":
                return (check is not None and check.missing) or "the connection was lost"
            if message is None:
                if not self.view.is_live:
                    self._set_live()
                    self._check = check = self._started_check(connection)
                elif self._is_due(alive_at):
                    self.source.keep_alive()
                    alive_at = self.clock.monotonic()
                continue
            ended = self._take(message)
            if ended:
                return ended

    def _started_check(self, connection: AccountLines) -> AccountCheck:
        def _agreed(moment_ms: int) -> None:
            self._complete_ms = moment_ms

        check = AccountCheck(
            self.source,
            self.view,
            self.clock,
            self._check_times,
            since_ms=self._since_ms,
            on_agreed=_agreed,
            on_lost=connection.close,  # the thread of the feed wakes, and starts over with a new subscription
        )
        check.start()
        return check

    def _patience_ms(self, alive_at: float) -> float | None:
        every_s = self.source.keep_alive_s
        return None if not every_s else max(1.0, (alive_at + every_s - self.clock.monotonic()) * 1000)

    def _is_due(self, alive_at: float) -> bool:
        every_s = self.source.keep_alive_s
        return bool(every_s) and self.clock.monotonic() - alive_at >= every_s

    def _take(self, message: str | bytes) -> str:
        """Applies a message; returns why the stream has ended, or an empty text."""
        ended = ""
        for event in self.source.read(message):
            if isinstance(event, (OrderChange, PositionChange)):
                if isinstance(event, OrderChange) and event.fill is not None:
                    self._cover(event.fill.get("Time") or event.time_ms)
                if self.view.apply(event) and isinstance(event, OrderChange):
                    self._on_order(event.order)
            elif isinstance(event, LeverageChange):
                self.view.set_leverage(event.symbol, event.level)
            elif isinstance(event, AccountAlarm):
                self._on_alarm(event.text)
            elif isinstance(event, StreamEnded):
                ended = event.why
        self._announce()
        return ended

    def _cover(self, fill_ms: int) -> None:
        """Moves the beginning to a fill of the stream that is earlier: the venue's clock was ahead when the subscription began, or known inexactly."""
        if self._earliest_ms <= fill_ms < self._began_ms:
            self._began_ms = fill_ms

    def _set_live(self) -> None:
        self.view.set_live()
        self.live.set()
        if self._told:
            self._told = False
            self._host.warning("the account is live again", source=self.source.name)
        self._announce()

    def _lose(self, why: str) -> None:
        self.view.lose(why)
        self.live.clear()
        if not self._told and not self._closing:
            self._told = True
            self._host.error(f"the account is not live, REST is used meanwhile: {why}", source=self.source.name)
        self._announce()

    def _announce(self) -> None:
        if self.view.changes != self._announced:
            self._announced = self.view.changes
            if self._callbacks.active:
                self._callbacks.call()
