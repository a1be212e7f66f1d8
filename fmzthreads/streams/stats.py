"""The counters of a stream."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import attrs

from .buffer.byte_count import Message

__all__ = ["BufferStats", "StreamStats", "find_number"]


class BufferStats(NamedTuple):
    """Counters of one moment: received = delivered + discarded + dropped + waiting."""

    received: int
    delivered: int
    discarded: int
    dropped: int
    waiting: int
    waiting_bytes: int
    losses: int


@attrs.frozen
class StreamStats:
    """The counters of a connection; received = delivered + discarded + dropped + waiting.

    Attributes:
        state: ``connecting``, ``open``, ``reconnecting`` or ``closed``.
        received: Messages that arrived, heartbeats excluded.
        delivered: Messages that ``read`` returned.
        discarded: Messages that ``read(-2)`` skipped.
        dropped: Messages that did not fit into the buffer.
        waiting: Messages not read yet.
        waiting_bytes: Their memory, in bytes.
        bytes: Bytes received (inside TLS).
        losses: How often ``""`` was delivered for a loss that was followed by a reconnect.
        reconnects: Successful reconnects.
        heartbeats: Application heartbeats that were answered or hidden.
        errors: Losses that were the peer's or the network's fault: protocol errors, damage, silence, resets.
        last_data_age_s: Seconds since anything arrived; None before.
        lag_ms: Arrival minus the time field of the newest message, in milliseconds; None without such a field.
    """

    state: str
    received: int
    delivered: int
    discarded: int
    dropped: int
    waiting: int
    waiting_bytes: int
    bytes: int
    losses: int
    reconnects: int
    heartbeats: int
    errors: int
    last_data_age_s: float | None
    lag_ms: float | None


def find_number(message: Message, path: str) -> float | None:
    """The number at ``path`` (``E``, ``data.E``, ``data.0.ts``) of a JSON message, or None."""
    try:
        value: Any = json.loads(message)
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) and re.fullmatch(r"\d+", key) else value[key]
        return float(value)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
