"""What is to be subscribed to on a shared connection, and in which requests."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, islice

from .wire import StreamWire

__all__ = ["SubscriptionPlan"]

_MOST_REMEMBERED = 64  # requests whose answer is still expected; some venues never answer


class SubscriptionPlan:
    """The requests to send on one connection, for many books at once where possible. Not thread-safe.

    Args:
        wire: How the venue's requests look.
    """

    def __init__(self, wire: StreamWire) -> None:
        self._wire = wire
        self._numbers = count(1)
        # Ordered sets of keys: what is to be subscribed to, one by one because a request for several was refused, and to be ended.
        self._joining: dict[str, None] = {}
        self._alone: dict[str, None] = {}
        self._leaving: dict[str, None] = {}
        self._sent: set[str] = set()  # subscribed to on this connection, as far as was requested
        self._asked: dict[int, tuple[str, ...]] = {}  # requests to subscribe that were not answered

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send."""
        return not (self._joining or self._alone or self._leaving)

    def begin(self, keys: Iterable[str]) -> None:
        """Starts over on a new connection, which has to be asked for all of these."""
        self._joining = dict.fromkeys(keys)
        self._alone.clear()
        self._leaving.clear()
        self._sent.clear()
        self._asked.clear()

    def join(self, key: str) -> None:
        """Subscribes to a book, or has its subscription start over."""
        self._leaving.pop(key, None)
        if key in self._sent and self._wire.restarts:
            self._leaving[key] = None
        self._joining[key] = None

    def leave(self, key: str) -> None:
        """Ends a subscription."""
        self._joining.pop(key, None)
        self._alone.pop(key, None)
        if key in self._sent:
            self._leaving[key] = None

    def next(self) -> str | None:
        """The next request, which counts as sent; None if nothing is left. Ends come before starts."""
        if self._leaving:
            ends = self._take(self._leaving, self._wire.most_at_once)
            self._sent.difference_update(ends)
            return self._wire.unsubscribe(next(self._numbers), ends)
        keys = self._take(self._alone, 1) or self._take(self._joining, self._wire.most_at_once)
        if not keys:
            return None
        number = next(self._numbers)
        self._sent.update(keys)
        self._asked[number] = keys
        if len(self._asked) > _MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return self._wire.subscribe(number, keys)

    @staticmethod
    def _take(keys: dict[str, None], most: int) -> tuple[str, ...]:
        taken = tuple(islice(keys, most))
        for key in taken:
            del keys[key]
        return taken

    def confirmed(self, number: int | None) -> tuple[str, ...]:
        """The books of a request to subscribe that the venue confirmed; none for other requests."""
        return self._asked.pop(number, ()) if number is not None else ()

    def refused(self, number: int) -> tuple[str, ...]:
        """Notes that the venue refused a request.

        Returns:
            The book that it refused; none if the request was for several, which are then requested one by one, or for none.
        """
        keys = self._asked.pop(number, ())
        if len(keys) <= 1:
            self._sent.difference_update(keys)
            return keys
        self._alone.update(dict.fromkeys(key for key in keys if key in self._sent))
        return ()
