"""The message buffer between the thread that reads the socket and the threads that call ``read()``.

Guarantees, at any moment and from any thread:

- received = delivered + discarded + dropped + waiting;
- each message goes to exactly one reader, in the order of arrival;
- messages that arrived before a loss are delivered before the ``""`` that reports it, and each loss is reported once.

Performance: a reader takes a waiting message with one ``deque.popleft`` and no lock (operations of a deque are atomic), and a poll that
finds nothing needs no lock either.
Everything else happens under one lock, which the producer takes once for a whole batch. ``delivered`` is not counted: it is received minus
waiting, discarded and dropped. A blocking reader registers a waker, so that a batch without blocked readers wakes no thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from ...clock import Clock, Waker, WallClock
from ...deadline import Deadline
from ...errors import OperationFailed
from ..callbacks import ReadyCallbacks
from ..stats import BufferStats
from .backlog import Backlog
from .byte_count import Message, message_bytes, plain_bytes
from .waker import ClockWaker

__all__ = ["BufferFull", "Message", "MessageBuffer"]

_END = str(b"end", "ascii")  # an object of its own, compared by identity
_NOTHING: deque[Message] = deque(maxlen=0)  # always empty: the fast path finds nothing here and takes the slow one


class BufferFull(OperationFailed):
    """The buffer is full and its overflow policy is ``error``."""


class MessageBuffer:
    """A bounded FIFO of messages with FMZ's read modes.

    Args:
        clock: Measures time-outs; its stop ends blocking reads.
        qsize: The maximum number of waiting messages.
        qbytes: The maximum memory of waiting messages, in bytes (objects with their headers). One message is always kept, however large.
        overflow: The policy when a message does not fit: ``drop_oldest``, ``block`` (``push`` waits) or ``error`` (``push`` raises).
        on_drop: Called with a text when a burst of drops begins; the burst ends when the buffer is half empty again.

    Attributes:
        fast: The messages that may be taken by ``popleft`` without a lock; call ``read`` when it is empty. The object is replaced at times.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        qsize: int = 4096,
        qbytes: int = 16 << 20,
        overflow: str = "drop_oldest",
        on_drop: Callable[[str], None] | None = None,
    ) -> None:
        self._clock = clock
        self._qsize = qsize
        self._qbytes = qbytes
        self._overflow = overflow
        self._blocks = overflow == "block"
        self._on_drop = on_drop
        self._lock = threading.Lock()  # guards everything below
        self._backlog = Backlog(qsize, qbytes, max(qsize // 4, 1) if self._blocks else qsize + 1)
        self.fast = self._backlog.head  # read() looks here first, without the lock
        self._received = self._dropped = self._discarded = self._losses = 0
        self._finished = False
        self._stopped = False
        self._in_burst = False
        self._waiters: list[Waker | ClockWaker] = []
        self._callbacks = ReadyCallbacks()
        # Set while a producer waits for room (overflow "block"). A reader wakes it on the slow path, at the latest at the end of each segment,
        # when at most _resume_at messages wait.
        self._room: Waker | None = None
        self._resume_at = 0
        self._wall = isinstance(clock, WallClock)
        self._stop_token = clock.stop.add(self._on_stop)

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def read(self, timeout_ms: float | None = None) -> Message | None:
        """Takes a message; the modes are FMZ's (API reference, "Dial").

        Args:
            timeout_ms: None or 0 blocks until there is a message; above 0 waits at most so many milliseconds; -1 does not wait; -2 and
                below takes the newest and discards the others.

        Returns:
            The message; None when no message waits; ``""`` for a loss.

        Raises:
            StopRequested: The strategy is being stopped, and ``timeout_ms`` is not negative.
        """
        fast = self.fast
        if timeout_ms is None or timeout_ms > -2:
            try:
                return fast.popleft()
            except IndexError:
                # A poll that finds nothing, the most frequent call, needs no lock either: there was only the head, and it was empty.
                # ``even`` is read before ``head``, because the reader that takes the last loss sets them in the other order.
                backlog = self._backlog
                quiet = backlog.even and fast is backlog.head and not self._finished and self._room is None
                if quiet and timeout_ms == -1:
                    return None
        return self._read_slowly(timeout_ms)

    def _read_slowly(self, timeout_ms: float | None, end: Message = "") -> Message | None:
        # ``end`` is returned at the end; messages() passes its own object, to distinguish it from an empty message.
        polls = timeout_ms is not None and timeout_ms < 0
        newest = timeout_ms is not None and timeout_ms <= -2
        deadline: Deadline | None = None
        while True:
            if self._stopped:
                self._heed_stops_again()
            with self._lock:
                if (self._stopped or self._finished) and not polls:  # a finished buffer is not notified of a stop
                    self._clock.stop.check()
                found, message = self._take(newest, end)
                if found or polls:
                    return message
                waker = Waker() if self._wall else ClockWaker(self._clock)
                self._waiters.append(waker)
                stopped = self._stopped
            # This reader may go on after the stop; the end of its permission wakes it.
            token = self._clock.stop.add(waker.wake) if stopped else 0
            try:
                if timeout_ms and deadline is None:
                    deadline = Deadline(self._clock, timeout_ms / 1000)
                woken = waker.sleep(None if deadline is None else deadline.remaining())
            except BaseException:  # Ctrl-C or a stop: a wake-up for this reader must not be lost
                self._leave(waker, pass_on=True)
                raise
            finally:
                if token:
                    self._clock.stop.remove(token)
            if (
                woken and stopped and self._clock.stop.is_set()
            ):  # by the end of its permission, which did not remove it from the list
                self._leave(waker, pass_on=True)
                continue
            if woken:  # the thread that woke it has removed it from the list
                try:
                    return self.fast.popleft()
                except IndexError:
                    continue
            self._leave(waker)
            if deadline is not None and deadline.expired:
                polls = True  # one last look for a message that arrived just now

    def _leave(self, waker: Waker | ClockWaker, *, pass_on: bool = False) -> None:
        with self._lock:
            if waker in self._waiters:
                self._waiters.remove(waker)
            elif pass_on and self._waiters:
                self._waiters.pop(0).wake()

    def _take(self, newest: bool, end: Message) -> tuple[bool, Message | None]:
        """The next message or loss, and whether there is one; the lock is held."""
        backlog = self._backlog
        found, message = backlog.take()
        if found:
            while newest:
                newest, newer = backlog.take()
                if newest:
                    self._discarded += 1
                    message = newer
        elif not backlog.even and backlog.take_loss():
            self._losses += 1
            found, message = True, ""
        elif self._finished:
            found, message = True, end
        self._aim()
        if self._room is not None:
            self._see_room()
        return found, message

    # -- writing ---------------------------------------------------------------------------------------------------------------

    def push(self, batch: list[Message], plain: bool = False) -> None:
        """Puts in messages that arrived; called only by the thread that reads the socket.

        Args:
            batch: The messages; the caller keeps the list.
            plain: Whether all are ASCII texts, whose memory follows from their lengths.

        Raises:
            BufferFull: The policy is ``error`` and the batch does not fit; the part that fits was put in.
        """
        size = plain_bytes(batch) if plain else message_bytes(batch)
        if self._blocks:
            self._push_patiently(batch, size)
            return
        backlog = self._backlog
        begins = False
        refused = 0
        with self._lock:
            if self._finished:
                return
            self._received += len(batch)
            if not backlog.fits(len(batch), size):
                batch, refused, begins = self._overflow_with(batch, size)
                size = message_bytes(batch)
            elif self._in_burst and backlog.is_half_empty():
                self._in_burst = False
            if batch:
                backlog.put(batch, size)
            wakers = self._those_to_wake(len(batch)) if self._waiters else ()
        for waker in wakers:
            waker.wake()
        if self._callbacks.active:
            self._callbacks.call()
        if begins and self._on_drop is not None:
            self._on_drop(
                f"the receive buffer is full ({self._qsize} messages, {self._qbytes} bytes): dropping the oldest"
            )
        if refused:
            raise BufferFull(f"the receive buffer is full ({self._qsize} messages, {self._qbytes} bytes)")

    def _overflow_with(self, batch: list[Message], size: int) -> tuple[list[Message], int, bool]:
        """Applies the policy to a batch that does not fit; the lock is held.

        Returns:
            The part to put in, the number of refused messages, and whether a burst of drops begins.
        """
        if self._overflow == "error":
            room = self._backlog.room_for(batch)
            refused = len(batch) - room
            self._dropped += refused
            return batch[:room], refused, False
        begins = not self._in_burst
        self._in_burst = True
        batch, dropped = self._backlog.make_room(batch, size)
        self._dropped += dropped
        self._aim()
        return batch, 0, begins

    def _those_to_wake(self, count: int) -> list[Waker | ClockWaker]:
        """Removes from the list as many waiting readers as there are new messages; the lock is held."""
        wakers, self._waiters = self._waiters[:count], self._waiters[count:]
        return wakers

    def _push_patiently(self, batch: list[Message], size: int) -> None:
        """``push`` under the policy ``block``: waits until readers have made room."""
        while batch:
            room: Waker | None = None
            with self._lock:
                if self._finished:
                    return
                part, rest = batch, []
                if not self._backlog.fits(len(batch), size):
                    fitting = self._backlog.room_for(batch)
                    part, rest = batch[:fitting], batch[fitting:]
                    size = message_bytes(part)
                self._received += len(part)
                if part:
                    self._backlog.put(part, size)
                wakers = self._those_to_wake(len(part)) if self._waiters else ()
                if rest:
                    room = self._room = Waker()
                    self._resume_at = self._backlog.count() // 2
            for waker in wakers:
                waker.wake()
            if part and self._callbacks.active:
                self._callbacks.call()
            if room is None:
                return
            room.sleep()
            batch, size = rest, message_bytes(rest)

    def lose(self) -> None:
        """Notes a loss that is followed by a reconnect: ``""`` is delivered after the waiting messages."""
        with self._lock:
            if self._finished:
                return
            self._backlog.put_loss()
            wakers = self._waiters[:1]
            del self._waiters[:1]
        self._announce(wakers)

    def finish(self) -> None:
        """Ends the buffer: after the waiting messages every read returns ``""``."""
        with self._lock:
            if self._finished:
                return
            self._finished = True
            wakers, self._waiters = self._waiters, []
            self._let_producer_go()
        self._announce(wakers)

    def close(self) -> None:
        """``finish``, and removes the callback from the clock's stop."""
        try:
            self.finish()
        finally:  # also when a callback raises
            self._clock.stop.remove(self._stop_token)

    def left_behind(self) -> None:
        """In the child of a fork: ends the buffer; waiting messages can still be read.

        The threads that waited do not exist in the child.
        """
        self._lock = threading.Lock()  # a thread that does not exist here may hold it for ever
        self._waiters = []
        self._callbacks = ReadyCallbacks()
        self._room = None
        self._finished = True
        self._backlog.mend()

    # -- room --------------------------------------------------------------------------------------------------------------------

    def _see_room(self) -> None:
        """Wakes the producer if there is room; the lock is held.

        ``select``, ``EventLoop`` and ``merge`` look before they read and so never find the buffer empty by a read. Looking must therefore
        wake the producer too, or both sides would wait for each other.
        """
        if self._room is not None and self._backlog.count() <= self._resume_at:
            self._let_producer_go()

    def _let_producer_go(self) -> None:
        """Wakes the waiting producer; the lock is held."""
        if self._room is not None:
            self._room.wake()
            self._room = None

    def _aim(self) -> None:
        """Points the fast path at the oldest messages, or at nothing while stopped; the lock is held."""
        self.fast = _NOTHING if self._stopped else self._backlog.head

    # -- looking -----------------------------------------------------------------------------------------------------------------

    def _on_stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._aim()
            wakers, self._waiters = self._waiters, []
            self._let_producer_go()
        for waker in wakers:
            waker.wake()

    def _heed_stops_again(self) -> None:
        """Registers again after a stop was cleared: a signal calls back only once."""
        with self._lock:
            if not self._stopped or self._finished or self._clock.stop.requested:
                return
            self._stopped = False
            self._aim()
        # Without the lock: a stop that is set again by now calls back at once, and the callback acquires it.
        self._stop_token = self._clock.stop.add(self._on_stop)
        if self.finished:  # close() may have run before the token was known
            self._clock.stop.remove(self._stop_token)

    def stats(self) -> BufferStats:
        """The counters of one moment."""
        with self._lock:
            self._see_room()
            waiting_bytes = self._backlog.bytes()
            waiting = self._backlog.count()
            delivered = self._received - self._discarded - self._dropped - waiting
            return BufferStats(
                received=self._received,
                delivered=delivered,
                discarded=self._discarded,
                dropped=self._dropped,
                waiting=waiting,
                waiting_bytes=waiting_bytes,
                losses=self._losses,
            )

    @property
    def received(self) -> int:
        """Messages that ever arrived."""
        return self._received  # one look at a number needs no lock

    @property
    def waiting(self) -> int:
        """Messages not read yet."""
        with self._lock:
            return self._backlog.count()

    @property
    def finished(self) -> bool:
        """Whether no further message will be put in."""
        return self._finished

    def activity(self) -> int:
        """A number that grows with every arrival, loss and read."""
        with self._lock:
            pending = self._backlog.losses()
            gone = self._received - self._backlog.count()
            return self._received + gone + 2 * self._losses + pending + self._finished

    def is_blocked(self) -> bool:
        """Whether ``push`` is waiting for room."""
        return self._room is not None

    def messages(self) -> Iterator[Message]:
        """Yields messages as ``read()`` returns them, ``""`` for each loss, until the end."""
        while True:
            try:
                while True:
                    yield self.fast.popleft()
            except IndexError:
                pass
            message = self._read_slowly(None, _END)
            if message is _END:
                return
            if message is not None:
                yield message

    def is_ready(self) -> bool:
        """Whether ``read()`` would return at once."""
        with self._lock:
            self._see_room()
            return self._finished or bool(self._backlog.count() or self._backlog.losses())

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a callback for each arrival, each loss and the end.

        Args:
            callback: Runs in the reading thread, at once when something waits already; it must be short and must not raise.

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

    def _announce(self, wakers: list[Waker | ClockWaker]) -> None:
        for waker in wakers:
            waker.wake()
        self._callbacks.call()
