"""Small values that the strategies of one machine show each other: the newest one of each channel, in one SQLite file."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from ..database import Database
from ..errors import InputError
from ..fork import after_fork_in_child

__all__ = ["BotChannels"]

_SCHEMA = ("CREATE TABLE IF NOT EXISTS channel (id TEXT PRIMARY KEY, value TEXT NOT NULL)",)
# FMZ's API reference, "SetChannelData".
_MOST_BYTES = 1024


class BotChannels:
    """What strategies publish and read; safe for threads and processes.

    Args:
        path: The SQLite file; it is made by the first value that is published.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._database = Database(path, _SCHEMA, durable=False)
        self._lock = threading.Lock()  # guards _subscribed
        self._subscribed: set[str] = set()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: a lock of its own; what was subscribed stays so."""
        self._lock = threading.Lock()

    def publish(self, channel: str, data: Any) -> None:
        """Replaces the value of a channel.

        Args:
            channel: The channel's id.
            data: Anything that JSON can hold, at most 1024 bytes as JSON.

        Raises:
            InputError: It is larger, or JSON cannot hold it.
            OperationFailed: The file cannot be written.
        """
        try:
            text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"SetChannelData: the data cannot be encoded as JSON ({error})") from error
        encoded = text.encode(
            "utf-8", "replace"
        )  # a lone surrogate, which SQLite does not take, becomes a question mark
        text, size = encoded.decode(), len(encoded)
        if size > _MOST_BYTES:
            raise InputError(f"SetChannelData: the data has {size} bytes as JSON, expected at most {_MOST_BYTES}")
        self._database.execute(
            "INSERT INTO channel (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value",
            (channel, text),
        )

    def read(self, channel: str) -> Any:
        """Returns the newest value of a channel; None at the first call, which subscribes, and before the first value.

        Raises:
            OperationFailed: The file cannot be read.
        """
        with self._lock:
            if channel not in self._subscribed:
                self._subscribed.add(channel)
                return None
        if not self._path.exists():
            return None
        rows = self._database.execute("SELECT value FROM channel WHERE id = ?", (channel,))
        return json.loads(rows[0][0]) if rows else None

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        self._database.close()
