"""One book's part of a shared connection."""

from __future__ import annotations

from typing import Protocol

from ...clock import Clock, Signal
from ..buffer.buffer import MessageBuffer
from ..buffer.byte_count import Message
from ..host import StreamHost

__all__ = ["LineOwner", "SharedLine"]


class LineOwner(Protocol):
    """The shared connection, as its lines see it."""

    up: Signal
    """Set while it is connected."""

    clock: Clock
    """Measures waits."""

    def restart(self, line: SharedLine) -> None:
        """Restarts the subscription of a line."""

    def leave(self, line: SharedLine) -> None:
        """Ends the subscription of a line, if no other line has the same."""


class SharedLine:
    """The messages of one book, from a connection that carries several.

    It has a buffer of its own: a reader that is slow, or falls behind so far that messages are dropped, delays no other.

    Args:
        key: The book's key.
        host: The journal and the clock.
        owner: The shared connection.
    """

    def __init__(self, key: str, host: StreamHost, owner: LineOwner) -> None:
        self.key = key
        self.host = host
        self.owner = owner
        self.buffer = MessageBuffer(
            host.clock, on_drop=lambda text: host.warning(f"the book {key}: {text}", source="Dial")
        )
        self.closed = Signal()
        self.losses = 0

    def open(self) -> None:
        """Waits until the connection is open, or this line is closed.

        Raises:
            StopRequested: The strategy is being stopped.
        """
        self.owner.clock.wait((self.owner.up, self.closed))

    def read(self, timeout_ms: float | None = None) -> Message | None:
        """The next message, as ``Connection.read``: ``""`` once for each loss of the connection, and always once it has ended."""
        return self.buffer.read(timeout_ms)

    def is_ready(self) -> bool:
        """Whether ``read()`` would return at once."""
        return self.buffer.is_ready()

    @property
    def ended(self) -> bool:
        """Whether no further message will arrive."""
        return self.buffer.finished

    @property
    def state(self) -> str:
        """``open``, ``reconnecting`` or ``closed``."""
        if self.closed.is_set():
            return "closed"
        return "open" if self.owner.up.is_set() else "reconnecting"

    def renew(self) -> None:
        """Restarts the subscription, so that the venue sends a new snapshot."""
        self.owner.restart(self)

    def lose(self) -> None:
        """Notes that the connection was lost."""
        self.losses += 1
        self.buffer.lose()

    def end(self) -> None:
        """Ends the line without a request to the venue."""
        self.closed.set()
        self.buffer.close()

    def close(self) -> None:
        """Ends the subscription, and wakes the reader."""
        self.owner.leave(self)
        self.end()
