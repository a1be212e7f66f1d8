"""The exchange's events, carried into the loop and made into messages once, however many connections listen.

A ``Topic`` is one stream: it exists while somebody listens to it and costs nothing before and after. ``Topics`` keeps them by key.
Everything here lives in the loop, but for ``Feed._take``, which the exchange calls from any thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from ..engine.events import AccountEvent, BookEvent, Event, OrderEvent
from ..engine.exchange import SimulatedExchange
from .push import Push

__all__ = ["DeltaTopic", "EventTopic", "Feed", "Listener", "SampledTopic", "Topic", "Topics"]

_log = logging.getLogger(__name__)
EventHandler = Callable[[Any], None]
"""Takes events of one kind (Any: the kind that it was registered for)."""


class Listener(Protocol):
    """Whoever takes a topic's messages."""

    def push(self, push: Push) -> None:
        """Takes one message."""


class Feed:
    """Hands the exchange's events to those in the loop who want them, and calls them in time.

    Args:
        exchange: Whose events.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._loop: asyncio.AbstractEventLoop | None = None
        # Filled under the exchange's lock, which makes the appends and _scheduled one step; emptied by the loop alone.
        self._events: deque[Event] = deque()
        self._scheduled = False
        self._handlers: dict[type, dict[str, list[EventHandler]]] = {}
        self._unsubscribe: dict[type, Callable[[], None]] = {}
        self._timers: dict[float, tuple[list[Callable[[], None]], list[asyncio.TimerHandle]]] = {}

    # --- events ---

    def watch(self, kind: type, name: str, handler: EventHandler) -> None:
        """Has ``handler`` called, in the loop, with every event of a kind about an instrument or account."""
        self._loop = asyncio.get_running_loop()
        self._handlers.setdefault(kind, {}).setdefault(name, []).append(handler)
        if kind not in self._unsubscribe:
            # A function of its own for each kind, so that ending one subscription leaves the others alone.
            self._unsubscribe[kind] = self._exchange.subscribe(partial(self._take), (kind,))

    def unwatch(self, kind: type, name: str, handler: EventHandler) -> None:
        """Ends what ``watch`` began; the exchange is told when nobody is left."""
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
        """Called by the exchange, with its lock held: hands the event over and wakes the loop, once for a batch."""
        self._events.append(event)
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            try:
                self._loop.call_soon_threadsafe(self.drain)
            except RuntimeError:
                self._events.clear()  # the loop has ended: nobody listens any more

    def drain(self) -> None:
        """Hands out all events that have happened so far."""
        # Cleared first: an event that comes meanwhile calls for another round, which at worst finds nothing.
        self._scheduled = False
        while self._events:
            event = self._events.popleft()
            name = event.account if isinstance(event, (OrderEvent, AccountEvent)) else event.instrument
            for handler in tuple(self._handlers.get(type(event), {}).get(name, ())):
                _guarded(partial(handler, event))

    # --- time ---

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Has ``callback`` called so often from now on; callers with the same period share a timer."""
        callbacks, timer = self._timers.setdefault(period_s, ([], []))
        callbacks.append(callback)
        if not timer:
            loop = asyncio.get_running_loop()
            self._arm(period_s, loop, loop.time() + period_s)

    def never(self, period_s: float, callback: Callable[[], None]) -> None:
        """Ends what ``every`` began."""
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
        # Else it was ended meanwhile, and perhaps begun anew with a timer of its own.
        if self._timers.get(period_s) is entry:
            # A loop that was late does not run after the beats that it missed.
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
    except Exception:  # one stream's mistake must not stop the others, and must be seen
        _log.exception("a stream of the simulator failed")


class Topic:
    """One stream and those who listen to it.

    Args:
        feed: Where its events come from.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.listeners: dict[Listener, None] = {}

    def start(self) -> None:
        """The first listener has come."""

    def stop(self) -> None:
        """The last listener has gone."""

    def join(self, listener: Listener) -> None:
        """Another listener has come and has been told so; the moment for a first message to it alone."""

    def publish(self, push: Push) -> None:
        """Gives a message to every listener."""
        for listener in tuple(self.listeners):
            listener.push(push)


class EventTopic(Topic):
    """A stream that speaks with every event of a kind.

    Args:
        feed: Where its events come from.
        kind: Which events.
        name: Of which instrument or account.
        make: Makes a message of an event; None for nothing to say.
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
    """A stream that looks at the exchange so often and speaks when there is something new.

    Args:
        feed: What tells the time.
        period_s: How often.
        make: Looks, and gives what there is to say.
        first: What a new listener is told at once; None for nothing.
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
        """Tells a new listener how things stand, where the stream does that."""
        for push in self._first() if self._first is not None else ():
            listener.push(push)

    def _handle(self) -> None:
        for push in self._make():
            self.publish(push)


class DeltaTopic(Topic):
    """The changes of a book, put together over a period: each event's versions begin where the last one's ended.

    Args:
        feed: Where the changes come from.
        instrument: Whose book.
        period_s: How often to speak.
        make: Makes a message of first and last version, bids and asks: price and quantity of each level that changed, best first.
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
        """Speaks, if anything has changed."""
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
    """All streams that somebody listens to, by key."""

    def __init__(self) -> None:
        self._topics: dict[Hashable, Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def join(self, key: Hashable, make: Callable[[], Topic], listener: Listener) -> None:
        """Adds a listener to a stream, which is made when there is none yet."""
        topic = self._topics.get(key)
        if topic is None:
            topic = make()
            topic.start()
            self._topics[key] = topic
        topic.listeners[listener] = None
        topic.join(listener)

    def leave(self, key: Hashable, listener: Listener) -> None:
        """Takes a listener away; the stream ends with the last one."""
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.listeners.pop(listener, None)
        if not topic.listeners:
            topic.stop()
            del self._topics[key]

    def view(self) -> Mapping[Hashable, int]:
        """How many listen to each stream."""
        return {key: len(topic.listeners) for key, topic in self._topics.items()}
