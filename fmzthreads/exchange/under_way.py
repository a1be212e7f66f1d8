"""The orders that are being sent now, by whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .venue import OrderIntent

__all__ = ["OrdersUnderWay"]


class OrdersUnderWay:
    """The orders that threads of this process are working on; thread-safe.

    An order is under way from just before it is recorded until its outcome is.
    """

    def __init__(self) -> None:
        self._none_left = threading.Condition()  # guards _intents
        # By identity: a client order id that the user chose may be in use twice, for a moment.
        self._intents: dict[int, OrderIntent] = {}

    @contextmanager
    def sending(self, intent: OrderIntent) -> Iterator[None]:
        """Counts an order as under way within the ``with`` block."""
        with self._none_left:
            self._intents[id(intent)] = intent
        try:
            yield
        finally:
            with self._none_left:
                self._intents.pop(id(intent), None)
                if not self._intents:
                    self._none_left.notify_all()

    def intents(self) -> list[OrderIntent]:
        """The orders that are under way, oldest first."""
        with self._none_left:
            return list(self._intents.values())

    def wait(self, timeout_s: float) -> bool:
        """Waits until no order is under way, even during a stop.

        Args:
            timeout_s: The maximum time, in seconds of real time.

        Returns:
            Whether none is.
        """
        with self._none_left:
            return self._none_left.wait_for(lambda: not self._intents, timeout_s)
