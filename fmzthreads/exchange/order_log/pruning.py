"""Deletes old rows of the order log: those of which nothing can come any more.

A row is deleted when it is settled and ``KEEP_DAYS`` old, and nothing of it can be open at the venue: an order that was refused or never
arrived, one that was cancelled or whose end ``Reconcile`` has read, a market order, and one for immediate execution (of these two none with options of
the venue's own); its fills go with it. A cancel goes after
twice the time, since an order is known by it to have ended. What is being sent, unknown or may be open stays, however old.
"""

from __future__ import annotations

import random

from ...clock import Clock
from ...database import Database

__all__ = ["KEEP_DAYS", "Pruning"]

KEEP_DAYS = 90
"""How old a row is at least when it is deleted, in days."""

_PAUSE_S = 3600.0
"""The time between two walks through the file, in seconds."""

_STEP_ROWS = 2000
"""How many rows one step looks at. Deleting them all takes milliseconds, and an order that comes in between waits for that long."""

_STEP_PAUSE_S = 1.0
"""The time between two steps of a walk, in seconds."""

_INDEXES = (
    "CREATE INDEX IF NOT EXISTS cancelled ON intents (order_id) WHERE kind = 'cancel' AND fate = 'cancelled'",
    "CREATE INDEX IF NOT EXISTS cancelled_conditions ON intents (order_id) WHERE kind = 'cancel_condition' AND fate = 'cancelled'",
)
_LAST_OF_STEP = "SELECT max(id), count(*) FROM (SELECT id FROM intents WHERE id > ? ORDER BY id LIMIT ?)"
# The states are ORDER_STATE_CLOSED and ORDER_STATE_CANCELED.
_OVER = """id > ? AND id <= ? AND settled_at > 0 AND max(made_at, settled_at) < ? AND (
    (kind IN ('order', 'raw', 'condition') AND fate IN ('refused', 'absent'))
    OR (kind = 'order' AND fate = 'placed' AND (
        status IN (1, 2)
        OR (options IS NULL AND (price IS NULL OR lower(coalesce(time_in_force, '')) IN ('ioc', 'fok')))
        OR EXISTS (SELECT 1 FROM intents AS other WHERE other.kind = 'cancel' AND other.fate = 'cancelled'
            AND other.order_id = intents.order_id AND other.account = intents.account AND other.symbol IN ('', intents.symbol))))
    OR (kind = 'condition' AND fate = 'placed' AND (
        status IN (1, 2)
        OR EXISTS (SELECT 1 FROM intents AS other WHERE other.kind = 'cancel_condition' AND other.fate = 'cancelled'
            AND other.order_id = intents.order_id AND other.account = intents.account AND other.symbol IN ('', intents.symbol))))
    OR (kind IN ('cancel', 'cancel_condition', 'modify', 'modify_condition')
        AND fate IN ('cancelled', 'modified', 'refused', 'absent') AND max(made_at, settled_at) < ?))"""
_DELETE_FILLS = """DELETE FROM fills WHERE (account, symbol, order_id) IN
    (SELECT account, symbol, order_id FROM intents WHERE kind IN ('order', 'condition') AND :over)""".replace(
    ":over", _OVER
)
_DELETE = "DELETE FROM intents WHERE :over".replace(":over", _OVER)


class Pruning:
    """Walks through an order log step by step, once in an hour; not thread-safe.

    Args:
        database: The order log, on a connection that no order uses.
        clock: Measures ages and pauses.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._due_s = clock.monotonic()
        self._after: int | None = None  # the last row that was looked at; None before the first step

    def step(self) -> None:
        """Looks at the next rows if it is time for that, and deletes those that are over.

        Raises:
            OperationFailed: The file cannot be read or written; the step is made again later.
        """
        if self._clock.monotonic() < self._due_s:
            return
        self._due_s = self._clock.monotonic() + _PAUSE_S  # after a failure too
        if self._after is None:
            for index in _INDEXES:
                self._database.execute(index)
            self._after = self._somewhere()
        ((last, count),) = self._database.execute(_LAST_OF_STEP, (self._after, _STEP_ROWS))
        if count:
            old = self._clock.now() - KEEP_DAYS * 86_400
            over = (self._after, last, old, old - KEEP_DAYS * 86_400)
            self._database.execute_all([(_DELETE_FILLS, over), (_DELETE, over)])
        if count == _STEP_ROWS or self._after:
            self._due_s = (
                self._clock.monotonic() + _STEP_PAUSE_S
            )  # the walk goes on: to the next rows, or from the first one
        self._after = int(last) if count == _STEP_ROWS else 0

    def _somewhere(self) -> int:
        """Where the first walk begins, so that processes that each live for a moment get through the file together."""
        runs = self._database.execute("SELECT run FROM runs")
        return (random.choice(runs)[0] << 32) - 1 if runs else 0
