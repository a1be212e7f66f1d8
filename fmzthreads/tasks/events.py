"""Waiting for several sources at once: ``EventLoop``'s queue, ``select`` and ``merge``.

A source is a ``Selectable``, such as a ``Handle`` or a stream. Nothing polls: a waiting thread registers one callback with each source for
the duration of the wait, and the first callback wakes it.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from ..clock import Clock, Signal, WallClock
from ..deadline import Deadline
from ..errors import InputError
from ..fork import after_fork_in_child
from ..structures import Structure
from .handle import Handle, seconds_of

__all__ = ["Event", "EventQueue", "MessageSource", "Selectable", "clock_of", "merge", "select"]

# FMZ keeps so many events; when they are not fetched, further ones are lost (API reference, "EventLoop").
_MOST_EVENTS = 500


@runtime_checkable
class Selectable(Protocol):
    """A source that a thread can wait for together with others.

    Two optional attributes are used: ``clock``, and ``activity``, a number (or a function that returns one) that changes with each arrival
    and each read; with it ``EventLoop`` does not return repeatedly for data that a script leaves unread.
    """

    def is_ready(self) -> bool:
        """Whether a read would not block (for a stream also: whether a loss is unread)."""

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a callback for each change that may make the source ready.

        It is called at once when the source is ready already.

        It is called in any thread, until it is removed; it is short and does not raise. (A handle calls once: it ends once.)

        Returns:
            A token for ``remove_ready_callback``.
        """

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""


@runtime_checkable
class MessageSource(Selectable, Protocol):
    """A source of messages in order, for ``merge``."""

    def read(self, timeout_ms: float | None = None) -> Any:
        """Returns the oldest message; ``""`` for a loss; with -1 None when no message waits."""

    @property
    def received(self) -> int:
        """Messages that ever arrived."""

    @property
    def waiting(self) -> int:
        """Messages not read yet."""

    @property
    def ended(self) -> bool:
        """Whether no further message will arrive: closed, or lost without reconnecting."""


S = TypeVar("S", bound=Selectable)
M = TypeVar("M", bound=MessageSource)


class Event(Structure):
    """What ``EventLoop`` returns; fields as in FMZ's API reference, "EventLoop".

    ``Nano`` is the time of the event in nanoseconds since the epoch (UTC), ``Seq`` counts the events from 1.
    """

    Seq: int
    Event: str
    ThreadId: int
    Index: int
    Nano: int


def clock_of(things: Iterable[object]) -> Clock:
    """Returns the clock of the first object that has one; otherwise real time."""
    for thing in things:
        clock = getattr(thing, "clock", None)
        if isinstance(clock, Clock):
            return clock
    return WallClock()


@contextmanager
def _listening(sources: Iterable[Selectable], callback: Callable[[], None]) -> Iterator[None]:
    """Has ``callback`` called when one of the sources becomes ready, for as long as the block lasts."""
    tokens: list[tuple[Selectable, int]] = []
    try:
        tokens.extend((source, source.add_ready_callback(callback)) for source in sources)
        yield
    finally:
        for source, token in tokens:
            source.remove_ready_callback(token)


def select(sources: Iterable[S], timeout_ms: float | None = None, *, clock: Clock | None = None) -> list[S]:
    """Waits until at least one of several sources is ready.

    Args:
        sources: Handles, streams, anything ``Selectable``. A handle is ready when its call has ended, even if its result was taken.
        timeout_ms: None or 0 blocks; above 0 waits at most that many milliseconds; negative polls.
        clock: Used to wait; None uses that of the first source that has one.

    Returns:
        The ready sources, in the order given; empty after a time-out. Nothing is read from them, and another thread may read first.

    Raises:
        StopRequested: The strategy is being stopped.
        InputError: An argument is not a source, or there are neither sources nor a time-out: it would wait for ever.
    """
    given = list(sources)
    timeout_s = seconds_of(timeout_ms)
    for source in given:
        if not isinstance(source, Selectable):
            raise InputError(f"select got a {type(source).__name__}, expected handles or connections")
    if not given and timeout_s is None:
        raise InputError("select got no sources and no time-out: it would wait for ever")
    clock = clock if clock is not None else clock_of(given)
    ready = [source for source in given if source.is_ready()]
    if ready or timeout_s == 0:
        return ready
    deadline = Deadline(clock, timeout_s)
    signal = Signal()
    with _listening(given, signal.set):
        while True:
            signal.clear()  # before looking: what happens after the look sets it again
            ready = [source for source in given if source.is_ready()]
            if ready:
                return ready  # (otherwise another thread has read it meanwhile: wait again)
            if not clock.wait((signal,), deadline.remaining()):
                return [source for source in given if source.is_ready()]


def merge(*streams: M, clock: Clock | None = None) -> Iterator[tuple[M, Any]]:
    """Yields the messages of several streams in the order of arrival.

    The order is that in which the streams' reading threads announce what they have read, batch by batch. What waited before the first
    ``next`` comes stream by stream. Where a stream drops messages because the loop is too slow, its later ones may come a little early.

    Args:
        streams: The streams to read; no other thread should read them meanwhile.
        clock: Used to wait; None uses that of the first stream that has one.

    Yields:
        ``(stream, message)``; for each loss ``(stream, "")`` after the messages that preceded it. It ends when all streams have ended
        and all messages are read.

    Raises:
        StopRequested: The strategy is being stopped.
        InputError: An argument is not a stream, or there are no arguments.
    """
    if not streams:
        raise InputError("merge got no stream, expected at least one")
    for stream in streams:
        if not isinstance(stream, MessageSource):
            raise InputError(f"merge got a {type(stream).__name__}, expected connections made by Dial")
    if len({id(stream) for stream in streams}) < len(streams):
        raise InputError("merge got the same stream twice")
    return _Merger(streams, clock if clock is not None else clock_of(streams)).messages()


class _Merger(Generic[M]):
    """The state of ``merge``: how many messages each stream announced, in order."""

    def __init__(self, streams: Sequence[M], clock: Clock) -> None:
        self._streams = streams
        self._clock = clock
        self._signal = Signal()
        # Appended to by the streams' threads, taken from by the loop; a deque needs no lock for that.
        self._announced: deque[tuple[M, int]] = deque()
        self._read_up_to: dict[int, int] = {}

    def messages(self) -> Iterator[tuple[M, Any]]:
        """Yields what ``merge`` yields."""
        tokens: list[tuple[M, int]] = []
        open_streams = {id(stream) for stream in self._streams}
        try:
            for stream in self._streams:
                tokens.append((stream, stream.add_ready_callback(self._announcer(stream))))
                self._announce(stream)  # an end or an arrival from before the callback was there
            while open_streams:
                self._signal.clear()
                while self._announced:
                    stream, up_to = self._announced.popleft()
                    yield from self._batch(stream, up_to, open_streams)
                if open_streams and not self._announced:
                    self._clock.wait((self._signal,), None)
        finally:
            for stream, token in tokens:
                stream.remove_ready_callback(token)

    def _announcer(self, stream: M) -> Callable[[], None]:
        return lambda: self._announce(stream)

    def _announce(self, stream: M) -> None:
        self._announced.append((stream, stream.received))
        self._signal.set()

    def _batch(self, stream: M, up_to: int, open_streams: set[int]) -> Iterator[tuple[M, Any]]:
        """Reads what a stream had received when it announced itself; then its loss, if one is next in line."""
        # In this order: what arrives between the two looks then counts as read, so this batch never takes a message of a later one, and
        # its own announcement counts again.
        waiting = stream.waiting
        left = up_to - (stream.received - waiting)
        while left > 0:
            message = stream.read(-1)
            if message is None:
                break  # another reader was quicker, or they were dropped
            # An empty text and a loss look the same, but a loss does not count as received. (An arrival just between the two looks
            # makes an empty text pass for a loss: then one message of this stream may come a batch early.)
            if message != "" or stream.waiting < waiting:
                left -= 1
                waiting -= 1
            yield stream, message
        # Each loss announces itself without new messages, so it is delivered in order with the announcements of the others.
        told, self._read_up_to[id(stream)] = self._read_up_to.get(id(stream), 0), up_to
        # Called in any case: it lets a stream that waits for room (overflow "block") continue.
        ready = stream.is_ready()
        if ready and up_to == told and id(stream) in open_streams and not stream.waiting:
            ended = stream.ended  # before the read: a message that arrives in between announces itself
            message = stream.read(-1)
            if message is not None:
                yield stream, message
            if ended and message == "":
                open_streams.discard(id(stream))


class _Source:
    """A watched source, held by a weak reference: an unreferenced connection has no events."""

    __slots__ = ("event", "index", "ref", "seen", "thread_id")

    def __init__(self, source: Selectable, event: str, index: int, thread_id: int) -> None:
        self.ref = weakref.ref(source)
        self.event = event
        self.index = index
        self.thread_id = thread_id
        self.seen: object = None

    def has_news(self) -> bool:
        """Whether it is ready and its ``activity`` has changed since its last event."""
        source = self.ref()
        if source is None or not source.is_ready():
            return False
        activity = getattr(source, "activity", None)
        if activity is None:
            return True
        now = activity() if callable(activity) else activity
        return bool(now != self.seen)

    def told(self) -> None:
        """Records that its event is being delivered."""
        activity = getattr(self.ref(), "activity", None)
        self.seen = activity() if callable(activity) else activity


class EventQueue:
    """The events of ``EventLoop``: ends of background calls, readable connections, commands.

    It collects events from the first ``wait`` on; earlier ones are not kept. Events carry no data: results and messages stay where they
    are, and what was read before ``wait`` returns gives no event.

    Args:
        clock: Used to wait and for the times of events; real time when None.
        most: The maximum number of events kept; further ones are lost and counted in ``lost``.
    """

    def __init__(self, clock: Clock | None = None, *, most: int = _MOST_EVENTS) -> None:
        self._clock: Clock = clock if clock is not None else WallClock()
        self._most = most
        self._lock = threading.Lock()  # guards everything below
        self._events: deque[tuple[Event, Handle[Any] | None]] = deque()
        self._sources: list[_Source] = []
        self._edition = 0  # counts changes of _sources
        self._waiting: list[Signal] = []  # one for each thread in wait(); it alone clears its own
        self._seq = 0
        self._listens = False
        self.lost = 0
        """Events lost because the earlier ones were not fetched."""
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the events were the parent's, and so were the threads that waited for them."""
        self._lock = threading.Lock()
        self._events = deque()
        self._waiting = []

    @property
    def listens(self) -> bool:
        """Whether ``wait`` was called."""
        return self._listens

    def __len__(self) -> int:
        """The number of events not fetched yet."""
        with self._lock:
            self._drop_taken()
            return len(self._events)

    def post(self, event: str, *, index: int = 0, thread_id: int = 0, handle: Handle[Any] | None = None) -> bool:
        """Adds an event. Before the first ``wait`` it is ignored.

        Args:
            event: Its name, such as ``"Exchange_GetTicker"``.
            index: Its ``Index``.
            thread_id: Its ``ThreadId``; FMZ's main thread is 0.
            handle: The call that ended; the event is dropped once its result was taken.

        Returns:
            Whether it was kept.
        """
        with self._lock:
            if not self._listens or (handle is not None and handle.taken):
                return False
            if len(self._events) >= self._most:
                self._drop_taken()
            if len(self._events) >= self._most:
                self.lost += 1
                return False
            self._events.append((self._event(event, thread_id, index), handle))
            waiting = list(self._waiting)
        for signal in waiting:
            signal.set()
        return True

    def add_source(self, source: Selectable, event: str, *, index: int = 0, thread_id: int = 0) -> None:
        """Lets a connection wake ``wait`` until it is removed or garbage-collected."""
        with self._lock:
            self._sources = [known for known in self._sources if known.ref() not in (None, source)]
            self._sources.append(_Source(source, event, index, thread_id))
            self._edition += 1
            waiting = list(self._waiting)
        for signal in waiting:
            signal.set()  # the waiting threads do not watch it yet

    def remove_source(self, source: Selectable) -> None:
        """Stops watching a connection; an unknown one is ignored."""
        with self._lock:
            self._sources = [known for known in self._sources if known.ref() not in (None, source)]
            self._edition += 1

    def wait(self, timeout_ms: float | None = None) -> Event | None:
        """Waits for the next event, as FMZ's ``EventLoop``; the first call starts collecting.

        Args:
            timeout_ms: None or 0 waits for ever; above 0 waits at most that many milliseconds; negative polls.

        Returns:
            The event, or None after a time-out. Each event goes to one of the waiting threads.

        Raises:
            StopRequested: The strategy is being stopped.
            InputError: ``timeout_ms`` is not a number.
        """
        timeout_s = seconds_of(timeout_ms)
        with self._lock:
            self._listens = True
            event = self._next()
        if event is not None:
            return event
        if timeout_s == 0:
            self._clock.stop.check()
            return None
        deadline = Deadline(self._clock, timeout_s)
        signal = Signal()
        with self._lock:
            self._waiting.append(signal)
        try:
            while True:
                event, in_time = self._sleep(signal, deadline)
                if event is not None or not in_time:
                    return event
        finally:
            with self._lock:
                self._waiting.remove(signal)

    def _sleep(self, signal: Signal, deadline: Deadline) -> tuple[Event | None, bool]:
        """Waits for an event of the current sources; returns early when the sources change."""
        with self._lock:
            edition = self._edition
            sources = [alive for known in self._sources if (alive := known.ref()) is not None]
        with _listening(sources, signal.set):
            del sources
            in_time = True
            while True:
                signal.clear()  # before looking: what happens after the look sets it again
                with self._lock:
                    event = self._next()
                    if event is not None or not in_time or edition != self._edition:
                        return event, in_time
                in_time = self._clock.wait((signal,), deadline.remaining())

    def _event(self, event: str, thread_id: int, index: int) -> Event:
        self._seq += 1
        return Event(Seq=self._seq, Event=event, ThreadId=thread_id, Index=index, Nano=self._clock.now_ns())

    def _drop_taken(self) -> None:
        if any(handle is not None and handle.taken for _, handle in self._events):
            self._events = deque((e, handle) for e, handle in self._events if handle is None or not handle.taken)

    def _next(self) -> Event | None:
        """The next event that is still valid. The caller holds the lock."""
        while self._events:
            event, handle = self._events.popleft()
            if handle is None or not handle.taken:
                return event
        for position, source in enumerate(self._sources):
            if source.has_news():
                source.told()
                # Its turn comes again after all the others.
                self._sources.append(self._sources.pop(position))
                return self._event(source.event, source.thread_id, source.index)
        return None
