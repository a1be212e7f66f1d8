"""Intents: orders that were to be sent, and what became of each."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Literal

import attrs

from ...clock import Clock
from ...errors import (
    DuplicateOrder,
    short_repr,
)
from ...fork import after_fork_in_child
from ..venue import OrderIntent

__all__ = ["Fate", "IntentLog", "IntentRecord", "new_client_order_id"]

Fate = Literal["sending", "placed", "refused", "absent", "unknown"]
"""``sending``: in flight. ``placed``: the venue has the order. ``refused``: it was refused, or never sent. ``absent``: no reply arrived, and
the venue then had no such order. ``unknown``: the outcome could not be determined."""


def new_client_order_id() -> str:
    """Returns an id for one intent: 32 letters and digits, which all venues accept (OKX is the strictest)."""
    return "fz" + os.urandom(15).hex()


@attrs.frozen(kw_only=True)
class IntentRecord:
    """One intent and its fate.

    Attributes:
        intent: The order as it was to be sent.
        fate: Its state or outcome.
        order_id: The venue's id; empty while it is unknown.
        detail: The text of the error, if there was one.
        made_at: When the intent was made, in seconds since the epoch.
        left_at: When the attempt to send it ended, in seconds since the epoch (it was sent earlier, if at all); 0 before.
        settled_at: When its fate was last recorded, in seconds since the epoch; 0 before.
    """

    intent: OrderIntent
    fate: Fate = "sending"
    order_id: str = ""
    detail: str = ""
    made_at: float = 0.0
    left_at: float = 0.0
    settled_at: float = 0.0


class IntentLog:
    """Records intents and their fate; thread-safe.

    Args:
        clock: Tells the time.
        keep: How many settled intents are kept; those in flight or unknown are always kept.
    """

    def __init__(self, clock: Clock, keep: int = 1000) -> None:
        self._clock = clock
        self._keep = keep
        self._lock = threading.Lock()  # guards both maps
        self._open: dict[str, IntentRecord] = {}
        self._settled: OrderedDict[str, IntentRecord] = OrderedDict()
        # When each open intent left (was begun, before that), on the monotonic clock: the time of day may be set meanwhile.
        self._moments: dict[str, float] = {}
        self._opened = clock.monotonic()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: orders that are under way or unknown are the parent's, which settles them."""
        self._lock = threading.Lock()
        self._open = {}
        self._moments = {}

    def begin(self, intent: OrderIntent) -> IntentRecord:
        """Records an intent that is about to be sent.

        Raises:
            DuplicateOrder: An intent with this client order id is in flight or unknown.
        """
        record = IntentRecord(intent=intent, made_at=self._clock.now())
        key = intent.client_order_id
        with self._lock:
            if key in self._open:
                raise DuplicateOrder(
                    f"an order with client order id {short_repr(key)} is in flight or its outcome is unknown"
                )
            self._settled.pop(key, None)
            self._open[key] = record
            self._moments[key] = self._clock.monotonic()
        return record

    def left(self, client_order_id: str) -> None:
        """Records that the attempt to send an intent has ended."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is not None:
                self._open[client_order_id] = attrs.evolve(record, left_at=self._clock.now())
                self._moments[client_order_id] = self._clock.monotonic()

    def gone_s(self, client_order_id: str) -> float:
        """Seconds since the attempt to send an open intent ended, or since this log was made for one that it did not see leave.

        Measured by the monotonic clock, so that setting the time of day changes nothing; a sleep of the machine does not count.
        """
        with self._lock:
            return self._clock.monotonic() - self._moments.get(client_order_id, self._opened)

    def end(self, client_order_id: str, fate: Fate, *, order_id: str = "", detail: str = "") -> IntentRecord | None:
        """Records the fate of an intent; None if no such intent is in flight or unknown."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is None:
                return None
            now = self._clock.now()
            record = attrs.evolve(
                record, fate=fate, order_id=order_id, detail=detail, left_at=record.left_at or now, settled_at=now
            )
            if fate in {"sending", "unknown"}:
                self._open[client_order_id] = record
                return record
            del self._open[client_order_id]
            self._moments.pop(client_order_id, None)
            self._settled[client_order_id] = record
            while len(self._settled) > self._keep:
                self._settled.popitem(last=False)
            return record

    def get(self, client_order_id: str) -> IntentRecord | None:
        """Returns one intent; None if it is not, or no longer, kept."""
        with self._lock:
            return self._open.get(client_order_id) or self._settled.get(client_order_id)

    def unknown(self) -> list[IntentRecord]:
        """Returns the intents whose outcome is unknown, oldest first; with those that were given up while they were being sent.

        The latter have the fate ``sending``, recorded a second time (by ``end``): their ``settled_at`` is above 0.
        """
        with self._lock:
            return [record for record in self._open.values() if record.fate == "unknown" or record.settled_at]

    def all(self) -> list[IntentRecord]:
        """Returns all kept intents: the settled ones, oldest first, then those in flight or unknown."""
        with self._lock:
            return [*self._settled.values(), *self._open.values()]
