"""What OKX v5's private channels have in common ("Trading Account" in OKX's API guide)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable
from typing import Any, Generic, TypeVar

from ....engine.accounts import TradingAccount
from ....engine.events import AccountEvent
from ....transport.push import Push
from ....transport.requests import encode_json
from ....transport.topics import Feed, Listener, Topic

__all__ = ["GatheredTopic", "PrivateTopic"]

_GATHER_S = 0.05
_REGULAR_S = 5.0
Key = TypeVar("Key", bound=Hashable)


class PrivateTopic(Topic):
    """A channel of one account; each subscription adds its own ``arg``.

    Args:
        feed: The source of events.
        account: The account.
    """

    def __init__(self, feed: Feed, account: TradingAccount) -> None:
        super().__init__(feed)
        self.account = account

    def say(self, rows: list[Any], to: Listener | None = None, **more: Any) -> None:
        """Sends rows to one listener, or to all."""
        body = encode_json({**more, "data": rows})
        push = Push(b"," + body[1:])
        if to is not None:
            to.push(push)
        else:
            self.publish(push)


class GatheredTopic(PrivateTopic, ABC, Generic[Key]):
    """A channel of an account's state: a snapshot at first and at regular times, and changes that are sent together.

    Args:
        feed: The source of events.
        account: The account.
        regular: Whether to send periodic snapshots too.
    """

    def __init__(self, feed: Feed, account: TradingAccount, *, regular: bool) -> None:
        super().__init__(feed, account)
        self._regular = regular
        self._changed: dict[Key, None] = {}
        self._due: asyncio.TimerHandle | None = None

    @abstractmethod
    def snapshot(self, to: Listener | None = None) -> None:
        """Sends the whole state to one listener, or to all."""

    @abstractmethod
    def changes(self, event: AccountEvent) -> Iterable[Key]:
        """What an event has changed of this channel's state."""

    @abstractmethod
    def send(self, changed: Collection[Key]) -> None:
        """Sends what has changed, in the order of the changes."""

    def start(self) -> None:
        """Begins to listen."""
        self.feed.watch(AccountEvent, self.account.name, self._gather)
        if self._regular:
            self.feed.every(_REGULAR_S, self.snapshot)

    def stop(self) -> None:
        """Ends it."""
        self.feed.unwatch(AccountEvent, self.account.name, self._gather)
        self.feed.never(_REGULAR_S, self.snapshot)
        if self._due is not None:
            self._due.cancel()

    def join(self, listener: Listener) -> None:
        """Sends a snapshot to a new listener."""
        self.snapshot(listener)

    def _gather(self, event: AccountEvent) -> None:
        self._changed.update(dict.fromkeys(self.changes(event)))
        if self._changed and self._due is None:
            self._due = asyncio.get_running_loop().call_later(_GATHER_S, self._flush)

    def _flush(self) -> None:
        self._due = None
        changed, self._changed = list(self._changed), {}
        self.send(changed)
