"""A link: one live connection that carries messages. A ``Dial`` outlives its links."""

from __future__ import annotations

from typing import Protocol

from .buffer.buffer import Message

__all__ = ["Link"]


class Link(Protocol):
    """What a ``Dial`` needs of its connection."""

    bytes_received: int

    @property
    def plain(self) -> bool:
        """Whether all that the last ``receive`` brought are ASCII texts, whose memory follows from their lengths."""

    def receive(self, batch: list[Message]) -> bool:
        """Waits for data and appends the messages; False when the peer has ended the connection. One thread only."""

    def write(self, data: str | bytes, timeout_s: float | None) -> int:
        """Sends one message; any thread. Raises OSError or NetworkError when the connection is broken."""

    def write_soon(self, data: str | bytes) -> None:
        """Sends one message without ever waiting for the peer; for the reading thread."""

    def ping(self, payload: bytes) -> None:
        """Sends a ping frame, where there are any."""

    def begin_close(self, code: int) -> bool:
        """Says goodbye. False when there is nothing to wait for."""

    def farewell(self, code: int) -> None:
        """Says goodbye from the reading thread, waits a moment for the peer's, and gives the socket back."""

    def abort(self) -> None:
        """Ends every wait on the link, from any thread."""

    def close(self) -> None:
        """Gives the socket back; the reading thread's last call."""

    @property
    def broken_by(self) -> str:
        """Why a write broke it; empty when none did."""

    @property
    def ending(self) -> tuple[int, str]:
        """The peer's close code and reason; (0, "") when it gave none."""
