"""One connection that carries the streams of many books: it connects, subscribes at the venue's pace, and reconnects.

A thread of its own opens the connection, sends requests and pauses between attempts; the reader of each connection passes messages on
(``distributor.py``) to the lines of the books, which are read in the books' own threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from ...clock import Clock, Signal
from ...errors import FmzError, StopRequested
from ...fork import after_fork_in_child
from ..address import Address
from ..buffer.byte_count import Message
from ..host import StreamHost
from ..options import DialOptions, pause_s
from ..reader import StreamReader
from .distributor import Distributor, Lines
from .line import SharedLine
from .request_pace import RequestPace
from .subscription_plan import SubscriptionPlan
from .wire import StreamWire

__all__ = ["SharedStream"]


class SharedStream:
    """A connection that several books share.

    Args:
        address: Where to.
        options: The options of the connection; what they subscribe to is not sent.
        wire: How subscriptions are requested.
        clock: Measures pauses; its stop ends the connection.
        idle_s: How long the connection is kept without a book, in seconds.
        retire: Called with this object when it has been idle for so long; False if a book has joined meanwhile. True is final.

    Attributes:
        up: Set while it is connected.
        clock: The clock.
        connects: How often it was connected.
    """

    def __init__(
        self,
        address: Address,
        options: DialOptions,
        wire: StreamWire,
        clock: Clock,
        *,
        idle_s: float,
        retire: Callable[[SharedStream], bool],
    ) -> None:
        self.clock = clock
        self.up = Signal()
        self.connects = 0
        self._address = address
        self._options = attrs.evolve(options, payload=(), on_connect=self._greet, reconnect=False, limits=wire.limits)
        self._wire = wire
        self._idle_s = idle_s
        self._retire = retire
        self._lock = (
            threading.Lock()
        )  # guards the fields below; _lines is replaced and never changed, and read without it
        self._lines: Lines = {}
        self._plan = SubscriptionPlan(wire)
        self._pace = self._new_pace()
        self._closing = False
        self._idle_since = clock.monotonic()
        self._work = Signal()  # requests are waiting to be sent, or the connection has ended
        self._closed = Signal()
        # Written by the thread of this object only.
        self._told: list[StreamHost] = []  # hosts whose journals have a line about this outage
        self._thread = threading.Thread(target=clock.stop.carry(self._run), name=f"shared {address.shown}", daemon=True)
        after_fork_in_child(self._left_behind)

    def _left_behind(self) -> None:
        """In the child of a fork: ends this copy; the connection is the parent's."""
        self._lock = threading.Lock()
        self._closing = True
        self.up, self._work, self._closed = Signal(), Signal(), Signal()
        for line in self._each_line():
            line.buffer.left_behind()
        self._lines = {}

    # -- for the table of connections -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread.

        Raises:
            RuntimeError: No thread can be started.
        """
        self._thread.start()

    def add(self, key: str, host: StreamHost) -> SharedLine | None:
        """Adds a book; None if the connection carries as many as it may, or has ended."""
        with self._lock:
            if self._closing or (key not in self._lines and len(self._lines) >= self._wire.most_books):
                return None
            line = SharedLine(key, host, self)
            self._lines = {**self._lines, key: (*self._lines.get(key, ()), line)}
            self._plan.join(key)
        self._work.set()
        return line

    def end_if_idle(self, idle_s: float) -> bool:
        """Ends the connection if it has had no book for so many seconds; whether it has ended."""
        with self._lock:
            if not self._lines and self.clock.monotonic() - self._idle_since >= idle_s:
                self._closing = True
        if self._closing:
            self._closed.set()
        return self._closing

    def join(self, timeout_s: float) -> None:
        """Waits for the thread."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    # -- for the lines ---------------------------------------------------------------------------------------------------------------

    def restart(self, line: SharedLine) -> None:
        """See ``LineOwner``."""
        with self._lock:
            if line in self._lines.get(line.key, ()):
                self._plan.join(line.key)
        self._work.set()

    def leave(self, line: SharedLine) -> None:
        """See ``LineOwner``."""
        with self._lock:
            found = self._lines.get(line.key, ())
            if line not in found:
                return
            lines = dict(self._lines)
            lines[line.key] = tuple(other for other in found if other is not line)
            if not lines[line.key]:
                del lines[line.key]
                self._plan.leave(line.key)
            self._lines = lines
            if not lines:
                self._idle_since = self.clock.monotonic()
        self._work.set()

    # -- the journal -----------------------------------------------------------------------------------------------------------------

    def error(self, text: str, *, source: str) -> None:
        """Writes an error line to each journal once."""
        for host in self._hosts():
            host.error(text, source=source)

    def warning(self, text: str, *, source: str) -> None:
        """Writes a warning to each journal once."""
        for host in self._hosts():
            host.warning(text, source=source)

    def _hosts(self) -> list[StreamHost]:
        return list({id(line.host): line.host for line in self._each_line()}.values())

    def _each_line(self) -> list[SharedLine]:
        return [line for lines in self._lines.values() for line in lines]

    # -- in the thread of the reader -------------------------------------------------------------------------------------------------

    def _greet(self, _: object) -> list[str]:
        """The first requests on a new connection."""
        with self._lock:
            self._plan.begin(self._lines)
            self._pace = self._new_pace()
            requests = []
            while (request := self._next()) is not None:
                requests.append(request)
            return requests

    def _new_pace(self) -> RequestPace:
        return RequestPace(self._wire.limits.requests, self._wire.limits.request_window_s)

    def _next(self) -> str | None:
        """The next request if it may be sent now; the lock is held."""
        now = self.clock.monotonic()
        if self._plan.is_done or self._pace.wait_s(now) > 0:
            return None
        self._pace.sent(now)
        return self._plan.next()

    def _take_answer(self, message: Message) -> None:
        answer = self._wire.answer(message)
        lines = self._lines
        if answer is None or (answer.refused and answer.number is None and answer.key is None):
            keys = tuple(lines)  # it may be about any of them
        else:
            with self._lock:
                if not answer.refused:
                    keys = self._plan.confirmed(answer.number)
                elif answer.key is not None:
                    keys = (answer.key,)
                else:
                    keys = self._plan.refused(answer.number) if answer.number is not None else ()
            self._work.set()
        for key in keys:
            for line in lines.get(key, ()):
                line.buffer.push([message])

    def _lost(self) -> None:
        """The connection has ended; called more than once for each."""
        with self._lock:
            was_up = self.up.is_set()
            self.up.clear()
            lines = self._each_line() if was_up else []
        for line in lines:
            line.lose()
        self._work.set()

    # -- in the thread of this object ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        fruitless = 0
        try:
            while not self._is_over():
                if not self._lines:
                    self._work.clear()
                    self.clock.wait((self._work, self._closed), self._idle_left_s())
                    continue
                fruitless = 0 if self._connect() else fruitless
                fruitless += 1
                self.clock.wait((self._closed,), pause_s(self._options, fruitless))
        except StopRequested:
            pass  # the strategy is being stopped
        except Exception as error:  # a bug here or in a wire: the thread must not end unreported
            self.error(f"{self._address.shown}: the shared connection failed: {error!r}", source="Dial")
        finally:
            with self._lock:
                self._closing = True
                lines, self._lines = self._each_line(), {}
            self.up.clear()
            for line in lines:
                line.end()
            self._retire(self)

    def _is_over(self) -> bool:
        return self._closing or (not self._lines and self._retire(self))

    def _idle_left_s(self) -> float:
        return max(0.0, self._idle_since + self._idle_s - self.clock.monotonic())

    def _connect(self) -> bool:
        """Connects, and serves the connection until it ends; whether any message arrived."""
        distributor = Distributor(self._wire, lambda: self._lines, self._take_answer, self._lost)
        reader = StreamReader(self._address, self._options, self, lambda: self, distributor)
        try:
            reader.open()
        except StopRequested:
            raise
        except (FmzError, OSError) as error:
            for host in self._hosts():  # one line an outage: a venue that is down for an hour would fill the journal
                if host not in self._told:
                    self._told.append(host)
                    host.error(f"{self._address.shown}: could not be connected: {error}", source="Dial")
            return False
        try:
            self.connects += 1
            self._told.clear()
            self._serve(reader)
        finally:
            reader.close()
            self._lost()
        return distributor.received > 0

    def _serve(self, reader: StreamReader) -> None:
        self.up.set()
        while reader.thread.is_alive() and not self._is_over():
            with self._lock:
                self._work.clear()
                request = self._next()
                left_s = self._pace.wait_s(self.clock.monotonic()) if not self._plan.is_done else None
                if not self._lines:
                    left_s = self._idle_left_s() if left_s is None else min(left_s, self._idle_left_s())
            if request is not None:
                reader.write(request, None)
            elif reader.state == "open":
                self.clock.wait((self._work, self._closed), left_s)
            else:
                reader.thread.join(1.0)  # it has lost the connection, and is about to end
