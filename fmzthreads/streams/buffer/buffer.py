"""The message buffer between the thread that reads the socket and the threads that call ``read()``.

What it promises, at any moment and from any thread:

- received = delivered + discarded + dropped + waiting;
- each message goes to one reader, in the order of arrival;
- what arrived before a loss is delivered before the ``""`` that reports the loss, and each loss is reported once.

How it is fast: a reader with something waiting takes it with one ``deque.popleft`` and no lock (the deque's own operations are atomic), and
one that only looks and finds nothing needs no lock either.
Everything else is under one lock, which the producer takes once for a whole batch. ``delivered`` is not counted at all: it is what is
neither waiting, nor discarded, nor dropped. A reader that finds nothing leaves a waker behind, so that a batch that nobody waits for wakes
nobody.
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
_NOTHING: deque[Message] = deque(
    maxlen=0
)  # stays empty for ever: the fast path finds nothing here and takes the slow one


class BufferFull(OperationFailed):
    """The buffer is full and its overflow policy is ``error``."""


class MessageBuffer:
    """A bounded FIFO of messages with FMZ's read modes.

    Args:
        clock: What time-outs are measured with, and whose stop ends blocking reads.
        qsize: The most messages that wait.
        qbytes: The most bytes of memory that waiting messages take (text and bytes objects with their headers). One message is always
            kept, however large.
        overflow: What happens when a message does not fit: ``drop_oldest``, ``block`` (``push`` waits) or ``error`` (``push`` raises).
        on_drop: Called with a text when a burst of drops begins; a burst ends when the buffer is half empty again.

    Attributes:
        fast: What may be taken by ``popleft``, without a lock; when it is empty, ``read`` is to be asked. Another object each time.
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
        self.fast = self._backlog.head  # where read() looks first, without the lock
        self._received = self._dropped = self._discarded = self._losses = 0
        self._finished = False
        self._stopped = False
        self._in_burst = False
        self._waiters: list[Waker | ClockWaker] = []
        self._callbacks = ReadyCallbacks()
        # Set while a producer waits for room (overflow "block"). A reader wakes it on the slow path, where it comes at the end of each
        # segment at the latest, when no more than so many wait.
        self._room: Waker | None = None
        self._resume_at = 0
        self._wall = isinstance(clock, WallClock)
        self._stop_token = clock.stop.add(self._on_stop)

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def read(self, timeout_ms: float | None = None) -> Message | None:
        """Takes a message; the modes are FMZ's (spec sheet of the globals, 1.6).

        Args:
            timeout_ms: None or 0 blocks until there is a message; above 0 waits so many milliseconds at the longest; -1 only looks;
                -2 and below takes the newest and discards the rest.

        Returns:
            The message; None when there is none yet; ``""`` for a loss.

        Raises:
            StopRequested: The strategy is to stop, and the call is one that may block.
        """
        fast = self.fast
        if timeout_ms is None or timeout_ms > -2:
            try:
                return fast.popleft()
            except IndexError:
                # A poll that finds nothing, the commonest of all, needs no lock either: nothing but the head was there when it was empty.
                # ``even`` is read before ``head``, because whoever takes the last loss sets them in the other order.
                backlog = self._backlog
                quiet = backlog.even and fast is backlog.head and not self._finished and self._room is None
                if quiet and timeout_ms == -1:
                    return None
        return self._read_slowly(timeout_ms)

    def _read_slowly(self, timeout_ms: float | None, end: Message = "") -> Message | None:
        # ``end`` is what the end is told with, so that messages() can tell it from an empty message.
        polls = timeout_ms is not None and timeout_ms < 0
        newest = timeout_ms is not None and timeout_ms <= -2
        deadline: Deadline | None = None
        while True:
            if self._stopped:
                self._heed_stops_again()
            with self._lock:
                if (self._stopped or self._finished) and not polls:  # a buffer that is finished is told of no stop
                    self._clock.stop.check()
                found, message = self._take(newest, end)
                if found or polls:
                    return message
                waker = Waker() if self._wall else ClockWaker(self._clock)
                self._waiters.append(waker)
            try:
                if timeout_ms and deadline is None:
                    deadline = Deadline(self._clock, timeout_ms / 1000)
                woken = waker.sleep(None if deadline is None else deadline.remaining())
            except BaseException:  # Ctrl-C or a stop: a wake-up that was meant for this reader must not be lost
                self._leave(waker, pass_on=True)
                raise
            if woken:  # whoever wakes a waker has taken it off the list
                try:
                    return self.fast.popleft()
                except IndexError:
                    continue
            self._leave(waker)
            if deadline is not None and deadline.expired:
                polls = True  # one last look, so that a message that came just now is not left behind a None

    def _leave(self, waker: Waker | ClockWaker, *, pass_on: bool = False) -> None:
        with self._lock:
            if waker in self._waiters:
                self._waiters.remove(waker)
            elif pass_on and self._waiters:
                self._waiters.pop(0).wake()

    def _take(self, newest: bool, end: Message) -> tuple[bool, Message | None]:
        """The next thing to return, and whether there is one; the lock is held."""
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
        """Puts in what arrived; only the thread that reads the socket calls it.

        Args:
            batch: The messages; the list stays the caller's.
            plain: Whether all are ASCII texts, whose memory need not be asked for one by one.

        Raises:
            BufferFull: The policy is ``error`` and not all of it fits; what fits was put in.
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
        """Does what the policy says with a batch that does not fit; the lock is held.

        Returns:
            What of it is to be put in, how many were refused, and whether a burst of drops begins with it.
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
        """Takes off the list the readers that find one of so many new messages each; the lock is held."""
        wakers, self._waiters = self._waiters[:count], self._waiters[count:]
        return wakers

    def _push_patiently(self, batch: list[Message], size: int) -> None:
        """``push`` under the policy ``block``: puts in what fits and waits until readers have made room for the rest."""
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
        """The connection was lost and another will be tried: ``""`` is delivered behind what has arrived."""
        with self._lock:
            if self._finished:
                return
            self._backlog.put_loss()
            wakers = self._waiters[:1]
            del self._waiters[:1]
        self._announce(wakers)

    def finish(self) -> None:
        """Nothing will follow any more: ``""`` is delivered behind what has arrived, each time."""
        with self._lock:
            if self._finished:
                return
            self._finished = True
            wakers, self._waiters = self._waiters, []
            self._let_producer_go()
        self._announce(wakers)

    def close(self) -> None:
        """``finish``, and lets go of the clock."""
        try:
            self.finish()
        finally:  # whatever a callback raises
            self._clock.stop.remove(self._stop_token)

    def left_behind(self) -> None:
        """In the child of a fork: what has arrived can still be read, and nothing will follow. Whoever waited is not here."""
        self._lock = threading.Lock()  # a thread that is not here may hold it for ever
        self._waiters = []
        self._callbacks = ReadyCallbacks()
        self._room = None
        self._finished = True
        self._backlog.mend()

    # -- room --------------------------------------------------------------------------------------------------------------------

    def _see_room(self) -> None:
        """Wakes the producer if there is room; the lock is held.

        Readers that look before they read (``select``, ``EventLoop``, ``merge``) never find the buffer empty by a read, so whoever looks
        must see to this too, or both sides would wait for each other.
        """
        if self._room is not None and self._backlog.count() <= self._resume_at:
            self._let_producer_go()

    def _let_producer_go(self) -> None:
        """Wakes the producer that waits for room; the lock is held."""
        if self._room is not None:
            self._room.wake()
            self._room = None

    def _aim(self) -> None:
        """Points the fast path at the oldest messages, or at nothing when each read must look for the stop; the lock is held."""
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
        """Registers anew where a stop was lifted (as it is for ``onexit``): a signal calls back once only."""
        with self._lock:
            if not self._stopped or self._finished or self._clock.stop.is_set():
                return
            self._stopped = False
            self._aim()
        # Without the lock: a stop that was set again by now calls back at once, and the callback takes it.
        self._stop_token = self._clock.stop.add(self._on_stop)
        if self.finished:  # close() may have come before the token was known
            self._clock.stop.remove(self._stop_token)

    def stats(self) -> BufferStats:
        """A consistent snapshot."""
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
    def finished(self) -> bool:
        """Whether nothing will be put in any more."""
        return self._finished

    def activity(self) -> int:
        """A number that grows with everything that is put in or taken out."""
        with self._lock:
            pending = self._backlog.losses()
            gone = self._received - self._backlog.count()
            return self._received + gone + 2 * self._losses + pending + self._finished

    def is_blocked(self) -> bool:
        """Whether ``push`` waits for readers to make room."""
        return self._room is not None

    def messages(self) -> Iterator[Message]:
        """Yields messages as ``read()`` returns them, ``""`` for each loss included, until nothing will follow any more."""
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
        """Has ``callback`` called, from the reading thread, after each arrival of messages, each loss and the end.

        Args:
            callback: Short, and must not raise. It is called at once when something is waiting already.

        Returns:
            A token for ``remove_ready_callback``.
        """
        token = self._callbacks.add(callback)
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Forgets a callback; one that is not known is ignored."""
        self._callbacks.remove(token)

    def _announce(self, wakers: list[Waker | ClockWaker]) -> None:
        for waker in wakers:
            waker.wake()
        self._callbacks.call()
