"""The message buffer between the thread that reads the socket and the threads that call ``read()``.

What it promises, at any moment and from any thread:

- received = delivered + discarded + dropped + waiting;
- each message goes to one reader, in the order of arrival;
- what arrived before a loss is delivered before the ``""`` that reports the loss, and each loss is reported once.

How it is fast: a reader with something waiting takes it with one ``deque.popleft`` and no lock (the deque's own operations are atomic).
Everything else is under one lock, which the producer takes once for a whole batch. ``delivered`` is not counted at all: it is what is
neither waiting, nor discarded, nor dropped. A reader that finds nothing leaves a waker behind, so that a batch that nobody waits for wakes
nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from ..clock import Clock, Waker, WallClock
from ..deadline import Deadline
from ..errors import OperationFailed
from .ledger import Ledger, Message, message_bytes, plain_bytes
from .stats import BufferCounts
from .wakers import ClockWaker

__all__ = ["BufferFull", "Message", "MessageBuffer"]

_END = str(b"end", "ascii")  # an object of its own, compared by identity
_NOTHING: deque[Message] = deque(
    maxlen=0
)  # stays empty for ever: the fast path finds nothing here and takes the slow one


class BufferFull(OperationFailed):
    """The buffer is full and its overflow policy is ``error``."""


class _Segment:
    """A part of what waits, and how many losses are to be reported behind it.

    A new one begins behind a loss; and under the policy ``block`` also after every quarter of qsize, so that readers pass by the lock often
    enough to wake a producer that waits.
    """

    __slots__ = ("items", "losses")

    def __init__(self) -> None:
        self.items: deque[Message] = deque()
        self.losses = 0


class MessageBuffer:
    """A bounded FIFO of messages with FMZ's read modes.

    Args:
        clock: What time-outs are measured with, and whose stop ends blocking reads.
        qsize: The most messages that wait.
        qbytes: The most bytes of memory that waiting messages take (text and bytes objects with their headers). One message is always
            kept, however large.
        overflow: What happens when a message does not fit: ``drop_oldest``, ``block`` (``push`` waits) or ``error`` (``push`` raises).
        on_drop: Called with a text when a burst of drops begins; a burst ends when the buffer is half empty again.
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
        self._on_drop = on_drop
        # Guards everything below. Only popleft of the head's items also happens without it; it can make a length found under the
        # lock too high, never too low, which is harmless: room is underestimated, and a reader that finds nothing looks again.
        self._lock = threading.Lock()
        self._segments: deque[_Segment] = deque([_Segment()])
        self._fast = self._segments[0].items  # where read() looks first, without the lock
        self._received = self._dropped = self._discarded = self._losses = 0
        self._finished = False
        self._stopped = False
        self._in_burst = False
        self._waiters: list[Waker | ClockWaker] = []
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._token = 0
        self._ledger = Ledger(qbytes)
        # Set while a producer waits for room (overflow "block"). A reader wakes it on the slow path, where it comes at the end of each
        # segment at the latest, when no more than so many wait.
        self._room: Waker | None = None
        self._resume_at = 0
        self._longest = max(qsize // 4, 1) if overflow == "block" else qsize + 1
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
        if timeout_ms is None or timeout_ms > -2:
            try:
                return self._fast.popleft()
            except IndexError:
                pass
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
                if self._stopped and not polls:
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
                    return self._fast.popleft()
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
        found, message = self._take_message()
        if found:
            while newest:
                newest, newer = self._take_message()
                if newest:
                    self._discarded += 1
                    message = newer
        else:
            found, message = self._take_loss(end)
        self._see_room()
        return found, message

    def _take_message(self) -> tuple[bool, Message | None]:
        """The oldest message that no loss lies before; the lock is held."""
        while True:
            head = self._segments[0]
            try:
                return True, head.items.popleft()
            except IndexError:
                if head.losses or len(self._segments) == 1:
                    return False, None
                self._segments.popleft()
                self._aim()

    def _take_loss(self, end: Message) -> tuple[bool, Message | None]:
        head = self._segments[0]
        if head.losses:
            head.losses -= 1
            self._losses += 1
            if not head.losses and len(self._segments) > 1:
                self._segments.popleft()
                self._aim()
            return True, ""
        return (True, end) if self._finished else (False, None)

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
        if self._overflow == "block":
            self._push_patiently(batch, size)
            return
        refused = 0
        begins = False
        with self._lock:
            if self._finished:
                return
            self._received += len(batch)
            if not self._fits(len(batch), size):
                if self._overflow == "error":
                    room = self._room_for(batch)
                    refused = len(batch) - room
                    self._dropped += refused
                    batch = batch[:room]
                else:
                    batch, begins = self._drop_oldest(batch, size)
                size = message_bytes(batch)
            elif self._in_burst and self._count() * 2 <= self._qsize and self._ledger.total * 2 <= self._qbytes:
                self._in_burst = False
            wakers = self._store(batch, size)
        for waker in wakers:
            waker.wake()
        if self._callbacks:
            self._call_back()
        if begins and self._on_drop is not None:
            self._on_drop(
                f"the receive buffer is full ({self._qsize} messages, {self._qbytes} bytes): dropping the oldest"
            )
        if refused:
            raise BufferFull(f"the receive buffer is full ({self._qsize} messages, {self._qbytes} bytes)")

    def _store(self, batch: list[Message], size: int) -> list[Waker | ClockWaker]:
        """Appends; the lock is held. Returns the wakers of the readers that have something to take now."""
        if not batch:
            return []
        tail = self._segments[-1]
        if tail.losses or len(tail.items) >= self._longest:
            tail = _Segment()
            self._segments.append(tail)
        tail.items.extend(batch)
        self._ledger.add(batch, size, self._count())
        if not self._waiters:
            return []
        count = len(batch)
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
                if not self._fits(len(batch), size):
                    fitting = self._room_for(batch)
                    part, rest = batch[:fitting], batch[fitting:]
                    size = message_bytes(part)
                self._received += len(part)
                wakers = self._store(part, size)
                if rest:
                    room = self._room = Waker()
                    self._resume_at = self._count() // 2
            for waker in wakers:
                waker.wake()
            if part and self._callbacks:
                self._call_back()
            if room is None:
                return
            room.sleep()
            batch, size = rest, message_bytes(rest)

    def lose(self) -> None:
        """The connection was lost and another will be tried: ``""`` is delivered behind what has arrived."""
        with self._lock:
            if self._finished:
                return
            self._segments[-1].losses += 1
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
        self.finish()
        self._clock.stop.remove(self._stop_token)

    # -- room --------------------------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        """How many messages wait; the lock is held."""
        return sum(len(segment.items) for segment in self._segments)

    def _fits(self, count: int, size: int) -> bool:
        if self._count() + count <= self._qsize:
            if self._ledger.total + size <= self._qbytes:
                return True
            self._ledger.settle(self._count())
            if self._ledger.total + size <= self._qbytes or (not self._ledger.total and count == 1):
                return True
        return False

    def _room_for(self, batch: list[Message]) -> int:
        """How many of the batch fit, from its start; one always fits into an empty buffer. The lock is held."""
        self._ledger.settle(self._count())
        waiting = self._count()
        most = min(len(batch), self._qsize - waiting)
        left = self._qbytes - self._ledger.total
        if most > 0 and message_bytes(batch[:most]) <= left:
            return most
        for index in range(most):
            left -= message_bytes(batch[index : index + 1])
            if left < 0:
                return index if waiting or index else 1
        return max(most, 0)

    def _drop_oldest(self, batch: list[Message], size: int) -> tuple[list[Message], bool]:
        """Makes room for the batch, or for the newest of it; the lock is held.

        Returns:
            What of the batch is to be stored, and whether a burst of drops begins with it.
        """
        begins = not self._in_burst
        self._in_burst = True
        if len(batch) > self._qsize or size > self._qbytes:
            kept = self._newest_that_fit(batch)
            if len(kept) < len(batch):
                self._drop(self._count())  # all of these are older than the part of the batch that goes
            self._dropped += len(batch) - len(kept)
            batch = kept
            size = message_bytes(batch)
        self._drop(self._count() + len(batch) - self._qsize)
        self._ledger.settle(self._count())
        while self._ledger.total and self._ledger.total + size > self._qbytes:
            self._drop(self._ledger.oldest_part(self._count()))
            self._ledger.settle(self._count())
        return batch, begins

    def _newest_that_fit(self, batch: list[Message]) -> list[Message]:
        left = self._qbytes
        index = len(batch)
        lowest = max(0, len(batch) - self._qsize)
        while index > lowest:
            left -= message_bytes(batch[index - 1 : index])
            if left < 0 and index < len(batch):
                break
            index -= 1
            if left < 0:
                break
        return batch[index:]

    def _drop(self, count: int) -> None:
        """Drops the oldest ``count`` messages; the lock is held. A loss between them is still reported."""
        for segment in self._segments:
            while count > 0:
                try:
                    segment.items.popleft()
                except IndexError:
                    break
                count -= 1
                self._dropped += 1
            if count <= 0:
                break
        while len(self._segments) > 1 and not self._segments[0].items and not self._segments[1].items:
            # Two emptied segments become one, so that a script that never reads does not collect them.
            first = self._segments.popleft()
            self._segments[0].losses += first.losses
        self._aim()

    def _see_room(self) -> None:
        """Wakes the producer if there is room; the lock is held.

        Readers that look before they read (``select``, ``EventLoop``, ``merge``) never find the buffer empty by a read, so whoever looks
        must see to this too, or both sides would wait for each other.
        """
        if self._room is not None and self._count() <= self._resume_at:
            self._let_producer_go()

    def _let_producer_go(self) -> None:
        """Wakes the producer that waits for room; the lock is held."""
        if self._room is not None:
            self._room.wake()
            self._room = None

    def _aim(self) -> None:
        """Points the fast path at the oldest segment, or at nothing when each read must look for the stop; the lock is held."""
        self._fast = _NOTHING if self._stopped else self._segments[0].items

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

    def counts(self) -> BufferCounts:
        """A consistent snapshot."""
        with self._lock:
            self._ledger.settle(self._count())
            self._see_room()
            waiting = self._count()
            delivered = self._received - self._discarded - self._dropped - waiting
            return BufferCounts(
                received=self._received,
                delivered=delivered,
                discarded=self._discarded,
                dropped=self._dropped,
                waiting=waiting,
                waiting_bytes=self._ledger.total,
                losses=self._losses,
            )

    @property
    def finished(self) -> bool:
        """Whether nothing will be put in any more."""
        return self._finished

    def activity(self) -> int:
        """A number that grows with everything that is put in or taken out."""
        with self._lock:
            pending = sum(segment.losses for segment in self._segments)
            gone = self._received - self._count()
            return self._received + gone + 2 * self._losses + pending + self._finished

    def is_blocked(self) -> bool:
        """Whether ``push`` waits for readers to make room."""
        return self._room is not None

    def messages(self) -> Iterator[Message]:
        """Yields messages as ``read()`` returns them, ``""`` for each loss included, until nothing will follow any more."""
        while True:
            try:
                while True:
                    yield self._fast.popleft()
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
            return self._finished or any(segment.items or segment.losses for segment in self._segments)

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Has ``callback`` called, from the reading thread, after each arrival of messages, each loss and the end.

        Args:
            callback: Short, and must not raise. It is called at once when something is waiting already.

        Returns:
            A token for ``remove_ready_callback``.
        """
        with self._lock:
            self._token += 1
            token = self._token
            self._callbacks[token] = callback
        if self.is_ready():
            callback()
        return token

    def remove_ready_callback(self, token: int) -> None:
        """Forgets a callback; one that is not known is ignored."""
        with self._lock:
            self._callbacks.pop(token, None)

    def _announce(self, wakers: list[Waker | ClockWaker]) -> None:
        for waker in wakers:
            waker.wake()
        self._call_back()

    def _call_back(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks.items())
        for token, callback in callbacks:
            try:
                callback()
            except BaseException:  # it ends the stream, whose end must not call it again
                self.remove_ready_callback(token)
                raise
