"""What the thread that reads a stream needs from the place where its messages go."""

from __future__ import annotations

from typing import Protocol

from ..stats import BufferStats
from .byte_count import Message

__all__ = ["MessageSink"]


class MessageSink(Protocol):
    """Takes the messages of a stream: a buffer, or what distributes them over several."""

    def push(self, batch: list[Message], plain: bool = False) -> None:
        """Takes messages that arrived; the caller keeps the list. ``plain``: all are ASCII texts."""

    def lose(self) -> None:
        """Notes a loss that is followed by a reconnect."""

    def finish(self) -> None:
        """Notes that no message will follow."""

    def close(self) -> None:
        """``finish``, and lets go of everything."""

    def is_blocked(self) -> bool:
        """Whether ``push`` is waiting for room."""

    def stats(self) -> BufferStats:
        """The counters of one moment."""

    def left_behind(self) -> None:
        """In the child of a fork: ends it."""
