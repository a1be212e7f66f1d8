"""The live accounts of an exchange object: ``Subscribe("orders")`` and ``Subscribe("positions")`` start them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...errors import InputError, TimedOut, VenueRejected
from ...fork import after_fork_in_child
from ...structures import Order, Position
from .events import AccountUpdate
from .feed import AccountFeed

if TYPE_CHECKING:
    from ..contracts.choice import ContractDesk
    from ..host import Host
    from ..live_books import Lines
    from ..venue import Venue

__all__ = ["ACCOUNT_CHANNELS", "LiveAccounts"]

ACCOUNT_CHANNELS = ("orders", "positions")

EVENT = "Subscribe"
"""The event of ``EventLoop`` for an update of a live account."""


class LiveAccounts:
    """The user streams of one exchange object; every method may be called from any thread.

    Args:
        venue: The adapter, which has the source of each stream.
        host: The journal, and the clock.
        lines: The journal as streams see it.
        desk: Is told of each order that changed.

    Attributes:
        index: The exchange's index in the events of ``EventLoop``.
    """

    def __init__(self, venue: Venue, host: Host, lines: Lines, desk: ContractDesk) -> None:
        self.index = 0
        self._venue = venue
        self._host = host
        self._lines = lines
        self._desk = desk
        self._feeds: dict[
            str, AccountFeed
        ] = {}  # by the source's key; replaced, never changed, so that reading needs no lock
        self._channels: dict[str, frozenset[str]] = {}
        self._start_anew()
        after_fork_in_child(self._forked)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards changes of _feeds and _channels

    def _forked(self) -> None:
        """In the child of a fork: the feeds' threads are the parent's; subscriptions start again by ``Subscribe``."""
        self._start_anew()
        self._feeds, self._channels = {}, {}

    @property
    def feeds(self) -> list[AccountFeed]:
        """The streams; each can be passed to ``select``."""
        return list(self._feeds.values())

    def subscribe(self, channel: str, symbol: str, wait_s: float) -> None:
        """Starts the stream that tells about a symbol, if it does not run, and lets calls be answered by it.

        Args:
            channel: ``orders`` or ``positions``.
            symbol: FMZ's symbol.
            wait_s: How long to wait until it is live, in seconds; 0 does not wait.

        Raises:
            NotSupported: The venue has no user streams.
            TimedOut: It is not live in time; the subscription stays.
            StopRequested: The strategy is being stopped.
        """
        feed = self._feed(channel, symbol)
        if wait_s > 0 and not feed.live.is_set():
            self._host.clock.wait((feed.live, feed.ended), wait_s)
            self._host.clock.stop.check()
            if not feed.live.is_set():
                raise TimedOut(
                    f"the {channel} of {feed.source.name} are not live after {wait_s:g} s; the subscription stays"
                )

    def _feed(self, channel: str, symbol: str) -> AccountFeed:
        source = self._venue.account_source(symbol)
        with self._lock:
            feed = self._feeds.get(source.key)
            clock = self._host.clock
            if feed is None or feed.ended.is_set() or feed.permission is not clock.stop.permission():
                feed = AccountFeed(source, self._lines, on_order=self._seen, on_alarm=self._alarm)
                feed.start()  # if no thread can be started, there is no subscription
                self._feeds = {**self._feeds, source.key: feed}
                self._channels = {**self._channels, source.key: frozenset()}
                self._host.watch(feed, EVENT, self.index)
            self._channels = {**self._channels, source.key: self._channels[source.key] | {channel}}
        return feed

    def _seen(self, order: Order) -> None:
        self._desk.alarm([order])

    def _alarm(self, text: str) -> None:
        self._desk.tell(VenueRejected(text))

    def unsubscribe(self, channel: str, symbol: str) -> bool:
        """Ends a subscription, and the stream with the last one; False if not subscribed."""
        key = self._venue.account_source(symbol).key
        with self._lock:
            feed, channels = self._feeds.get(key), self._channels.get(key, frozenset())
            if feed is None or channel not in channels:
                return False
            left = channels - {channel}
            self._channels = {**self._channels, key: left}
            if left:
                return True
            self._feeds = {name: one for name, one in self._feeds.items() if name != key}
        feed.close()
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends all streams."""
        with self._lock:
            feeds, self._feeds, self._channels = self._feeds, {}, {}
        for feed in feeds.values():
            feed.close(timeout_s)

    # Answers

    def _answering(self, channel: str, scope: str | None) -> AccountFeed | None:
        for key, feed in self._feeds.items():
            if channel in self._channels.get(key, ()) and feed.source.includes(scope):
                return feed
        return None

    def orders(self, scope: str | None, *, conditional: bool = False) -> list[Order] | None:
        """The open orders of a scope; None if the venue must be asked."""
        feed = self._answering("orders", scope)
        return None if feed is None else feed.view.orders(scope, conditional=conditional)

    def positions(self, scope: str | None, *, amounts_only: bool = False) -> list[Position] | None:
        """The positions of a scope; None if the venue must be asked. ``amounts_only`` is as of ``AccountView.positions``."""
        feed = self._answering("positions", scope)
        return None if feed is None else feed.view.positions(scope, amounts_only=amounts_only)

    def learn(self, scope: str | None, positions: list[Position]) -> None:
        """Takes what the stream does not tell (leverage, margin) from positions that the venue was asked for."""
        feed = self._answering("positions", scope)
        if feed is not None:
            feed.view.learn(positions)

    def expect(self, symbol: str, order_id: str, *, ends_at_once: bool = False) -> None:
        """Notes an order that was placed just now: until the stream tells of it (and of the end of one that never rests), the venue is asked."""
        for feed in self._feeds.values():
            if feed.source.includes(symbol):
                feed.view.expect(order_id, symbol, ends_at_once=ends_at_once)

    def distrust(self, order_id: str) -> None:
        """Notes that an order was cancelled or changed just now: until the stream tells of it, the venue is asked."""
        for feed in self._feeds.values():
            feed.view.await_change(order_id)

    def updates(self) -> list[AccountUpdate]:
        """What has changed since the last call, of all streams.

        Raises:
            InputError: There is no stream.
        """
        feeds = self.feeds
        if not feeds:
            raise InputError("GetUpdates needs Subscribe('orders') or Subscribe('positions') first")
        return [update for feed in feeds for update in feed.view.take()]

    def stats(self) -> list[dict[str, Any]]:
        """One row a stream and channel."""
        return [
            {
                "Channel": channel,
                "Symbol": feed.source.key,
                "State": "live" if feed.live.is_set() else "ended" if feed.ended.is_set() else "catching up",
                "AgeMs": None,
                "Updates": feed.view.changes,
                "Gaps": feed.view.gaps,
                "Resyncs": feed.view.gaps,
                "Answers": 0,
                "Fallbacks": 0,
                "Why": "",
            }
            for key, feed in self._feeds.items()
            for channel in sorted(self._channels.get(key, ()))
        ]
