"""Passes events to the event loop and renders each once for all listeners.

A ``Topic`` is one stream: it exists while it has listeners and costs nothing otherwise. ``Topics`` keeps them by key.
All code here runs in the event loop, except ``Feed._take``, which the exchange calls from any thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from ..engine.events import BookEvent, Event
from ..engine.exchange import SimulatedExchange
from .push import Push

__all__ = ["DeltaTopic", "EventTopic", "Feed", "Listener", "SampledTopic", "Topic", "Topics"]

_log = logging.getLogger(__name__)
EventHandler = Callable[[Any], None]
"""Handles events of one kind (Any: the kind that it was registered for)."""


class Listener(Protocol):
    """A receiver of a topic's messages."""

    def push(self, push: Push) -> None:
        """Takes one message."""


class Feed:
    """Passes the exchange's events to handlers in the event loop, and runs timers.

    Args:
        exchange: The source of the events.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._loop: asyncio.AbstractEventLoop | None = None
        # Filled under the exchange's lock, which makes the appends and _scheduled one step; only the loop empties it.
        self._events: deque[Event] = deque()
        self._scheduled = False
        self._handlers: dict[type, dict[str, list[EventHandler]]] = {}
        self._unsubscribe: dict[type, Callable[[], None]] = {}
        self._timers: dict[float, tuple[list[Callable[[], None]], list[asyncio.TimerHandle]]] = {}

    # --- events ---

    def watch(self, kind: type, name: str, handler: EventHandler) -> None:
        """Calls ``handler`` in the loop with every event of a kind about an instrument or account."""
        self._loop = asyncio.get_running_loop()
        self._handlers.setdefault(kind, {}).setdefault(name, []).append(handler)
        if kind not in self._unsubscribe:
            # A separate function for each kind, so that ending one subscription does not affect the others.
            self._unsubscribe[kind] = self._exchange.subscribe(partial(self._take), (kind,))

    def unwatch(self, kind: type, name: str, handler: EventHandler) -> None:
        """Removes a handler of ``watch``; unsubscribes from the exchange after the last one."""
        by_name = self._handlers.get(kind, {})
        handlers = by_name.get(name, [])
        if handler in handlers:
            handlers.remove(handler)
        if not handlers:
            by_name.pop(name, None)
        if not by_name and kind in self._unsubscribe:
            self._handlers.pop(kind, None)
            self._unsubscribe.pop(kind)()

    def _take(self, event: Event) -> None:
        """Called by the exchange under its lock: queues the event and wakes the loop, once per batch."""
        self._events.append(event)
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            try:
                self._loop.call_soon_threadsafe(self.drain)
            except RuntimeError:
                self._events.clear()  # the loop has ended: there are no listeners left

    def drain(self) -> None:
        """Passes all queued events to their handlers."""
        # Cleared first: an event that arrives meanwhile schedules another call, which at worst finds nothing.
        self._scheduled = False
        while self._events:
            event = self._events.popleft()
            name = event.topic
            for handler in tuple(self._handlers.get(type(event), {}).get(name, ())):
                _guarded(partial(handler, event))

    # --- time ---

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Calls ``callback`` periodically; callbacks with the same period share a timer."""
        callbacks, timer = self._timers.setdefault(period_s, ([], []))
        callbacks.append(callback)
        if not timer:
            loop = asyncio.get_running_loop()
            self._arm(period_s, loop, loop.time() + period_s)

    def never(self, period_s: float, callback: Callable[[], None]) -> None:
        """Removes a callback of ``every``."""
        callbacks, timer = self._timers.get(period_s, ([], []))
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            for handle in timer:
                handle.cancel()
            self._timers.pop(period_s, None)

    def _arm(self, period_s: float, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timers[period_s][1][:] = [loop.call_at(due, self._tick, period_s, loop, due)]

    def _tick(self, period_s: float, loop: asyncio.AbstractEventLoop, due: float) -> None:
        entry = self._timers[period_s]
        for callback in tuple(entry[0]):
            _guarded(callback)
        # Otherwise it was ended meanwhile, and perhaps restarted with its own timer.
        if self._timers.get(period_s) is entry:
            # A late loop skips the missed calls.
            self._arm(period_s, loop, max(due + period_s, loop.time()))

    def stop(self) -> None:
        """Ends all subscriptions and timers."""
        for unsubscribe in self._unsubscribe.values():
            unsubscribe()
        for _, timer in self._timers.values():
            for handle in timer:
                handle.cancel()
        self._unsubscribe.clear()
        self._handlers.clear()
        self._timers.clear()


def _guarded(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:  # a defect of one stream must not stop the others, and must be logged
        _log.exception("a stream of the simulator failed")


class Topic:
    """One stream and its listeners.

    Args:
        feed: The source of its events.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.listeners: dict[Listener, None] = {}

    def start(self) -> None:
        """Called when the first listener is added."""

    def stop(self) -> None:
        """Called when the last listener is removed."""

    def join(self, listener: Listener) -> None:
        """Called after a listener was acknowledged; may send it a first message."""

    def publish(self, push: Push) -> None:
        """Sends a message to every listener."""
        for listener in tuple(self.listeners):
            listener.push(push)


class EventTopic(Topic):
    """A stream with one message per event of a kind.

    Args:
        feed: The source of its events.
        kind: The kind of events.
        name: The instrument or account.
        make: Makes a message from an event; None to send nothing.
    """

    def __init__(self, feed: Feed, kind: type, name: str, make: Callable[[Any], Push | None]) -> None:
        super().__init__(feed)
        self._kind = kind
        self._name = name
        self._make = make

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(self._kind, self._name, self._handle)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(self._kind, self._name, self._handle)

    def _handle(self, event: Any) -> None:
        push = self._make(event)
        if push is not None:
            self.publish(push)


class SampledTopic(Topic):
    """A stream that polls the exchange and sends a message on changes.

    Args:
        feed: Runs the timer.
        period_s: The period, in seconds.
        make: Reads the exchange and returns the message, or nothing.
        first: Makes the first message to a new listener; None for none.
    """

    def __init__(
        self,
        feed: Feed,
        period_s: float,
        make: Callable[[], Iterable[Push]],
        first: Callable[[], Iterable[Push]] | None = None,
    ) -> None:
        super().__init__(feed)
        self._period_s = period_s
        self._make = make
        self._first = first

    def start(self) -> None:
        """Begins to look."""
        self.feed.every(self._period_s, self._handle)

    def stop(self) -> None:
        """Ends it."""
        self.feed.never(self._period_s, self._handle)

    def join(self, listener: Listener) -> None:
        """Sends the current state to a new listener, if the stream does so."""
        for push in self._first() if self._first is not None else ():
            listener.push(push)

    def _handle(self) -> None:
        for push in self._make():
            self.publish(push)


class DeltaTopic(Topic):
    """The changes of a book, combined over a period, with gapless versions.

    Args:
        feed: The source of the changes.
        instrument: The instrument.
        period_s: The period of messages, in seconds.
        make: Makes a message from first and last version, bids and asks: price and quantity of each level that changed, best first.
    """

    def __init__(
        self,
        feed: Feed,
        instrument: str,
        period_s: float,
        make: Callable[[int, int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]], Push],
    ) -> None:
        super().__init__(feed)
        self._instrument = instrument
        self._period_s = period_s
        self._make = make
        self._first = self._last = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(BookEvent, self._instrument, self._gather)
        self.feed.every(self._period_s, self.flush)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(BookEvent, self._instrument, self._gather)
        self.feed.never(self._period_s, self.flush)

    def _gather(self, event: BookEvent) -> None:
        if not self._first:
            self._first = event.first_version
        self._last = event.last_version
        self._bids.update(event.bids)
        self._asks.update(event.asks)

    def flush(self) -> None:
        """Sends a message if anything has changed."""
        if not self._first:
            return
        bids = sorted(self._bids.items(), reverse=True)
        asks = sorted(self._asks.items())
        push = self._make(self._first, self._last, bids, asks)
        self._first = 0
        self._bids.clear()
        self._asks.clear()
        self.publish(push)


class Topics:
    """All streams with listeners, by key."""

    def __init__(self) -> None:
        self._topics: dict[Hashable, Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def join(self, key: Hashable, make: Callable[[], Topic], listener: Listener) -> None:
        """Adds a listener to a stream; creates the stream for the first one."""
        topic = self._topics.get(key)
        if topic is None:
            topic = make()
            topic.start()
            self._topics[key] = topic
        topic.listeners[listener] = None
        topic.join(listener)

    def leave(self, key: Hashable, listener: Listener) -> None:
        """Removes a listener; the stream ends with the last one."""
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.listeners.pop(listener, None)
        if not topic.listeners:
            topic.stop()
            del self._topics[key]

    def view(self) -> Mapping[Hashable, int]:
        """The number of listeners of each stream."""
        return {key: len(topic.listeners) for key, topic in self._topics.items()}
