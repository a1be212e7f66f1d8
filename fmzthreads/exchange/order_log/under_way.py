"""The orders that are being sent now, by whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...fork import after_fork_in_child
from ..contracts.intents import ConditionIntent
from ..venue import OrderIntent
from .intents import RawIntent

__all__ = ["OrdersUnderWay", "words_of"]

_Placing = OrderIntent | ConditionIntent | RawIntent


def words_of(intent: _Placing) -> str:
    """What an order is, in short: side and symbol, or the raw call."""
    if isinstance(intent, RawIntent):
        return f"{intent.http_method} {intent.resource}"
    return f"{intent.side} {intent.symbol}"


class OrdersUnderWay:
    """The orders that threads of this process are working on; thread-safe.

    An order is under way from just before it is recorded until its outcome is, or until it is given up: nothing waits for it then.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards _intents
        # By identity: a client order id that the user chose may be in use twice, for a moment.
        self._intents: dict[int, _Placing] = {}
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: the orders are those of the parent's threads."""
        self._changed = threading.Condition()
        self._intents = {}

    @contextmanager
    def sending(self, intent: _Placing) -> Iterator[None]:
        """Counts an order as under way within the ``with`` block."""
        with self._changed:
            self._intents[id(intent)] = intent
        try:
            yield
        finally:
            with self._changed:
                self._intents.pop(id(intent), None)
                if not self._intents:
                    self._changed.notify_all()

    def includes(self, client_order_id: str) -> bool:
        """Whether an order with this id is under way."""
        with self._changed:
            return any(intent.client_order_id == client_order_id for intent in self._intents.values())

    def wait(self, timeout_s: float) -> bool:
        """Waits until no order is under way, even during a stop.

        Args:
            timeout_s: The maximum time, in seconds of real time.

        Returns:
            Whether none is.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._intents, timeout_s)

    def give_up(self) -> list[_Placing]:
        """Returns the orders that are under way, oldest first, and no longer counts them."""
        with self._changed:
            intents, self._intents = list(self._intents.values()), {}
            self._changed.notify_all()
            return intents
