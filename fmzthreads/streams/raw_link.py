"""The link of a raw stream: TCP, TLS, UDP or a Unix socket without a protocol on top."""

from __future__ import annotations

from ..clock import Clock
from ..net.sockets import Stream
from .buffer.buffer import Message
from .link import FrameWriter, encoded, made
from .websocket.compression import text_or_bytes

__all__ = ["RawLink"]


class RawLink:
    """A raw stream: each receive gives one message (for UDP: one datagram).

    Args:
        stream: The stream.
        clock: Measures time-outs of writes.
        datagrams: Whether an empty receive is an empty datagram instead of the end.
    """

    def __init__(self, stream: Stream, clock: Clock, *, datagrams: bool = False) -> None:
        self.bytes_received = 0
        self.plain = False
        self._stream = stream
        self._writer = FrameWriter(stream, clock, None if datagrams else self.abort)
        self._datagrams = datagrams
        self._aborted = False
        self._view = memoryview(bytearray(1 << 17))

    def receive(self, batch: list[Message]) -> bool:
        """Waits for data; False at the end.

        Raises:
            OSError: The connection is broken.
        """
        count = self._stream.receive_into(self._view)
        if not count:
            return self._datagrams and not self._aborted
        self.bytes_received += count
        batch.append(text_or_bytes(self._view[:count]))
        return True

    def write(self, data: str | bytes, timeout_s: float | None) -> int:
        """Sends bytes, or text as UTF-8; returns the number of bytes."""
        payload = encoded(data) if isinstance(data, str) else bytes(data)
        self._writer.send(made(payload), timeout_s)
        return len(payload)

    def write_soon(self, data: str | bytes) -> None:
        """Sends bytes without waiting for the peer."""
        self._writer.send_soon(made(encoded(data) if isinstance(data, str) else bytes(data)))

    def ping(self, payload: bytes) -> None:
        """No effect: raw streams have no pings, and the options refuse them."""

    def begin_close(self, code: int) -> bool:
        """Ends the stream at once: raw streams have no closing handshake."""
        self.abort()
        return False

    def farewell(self, code: int) -> None:
        """Closes the socket."""
        self._stream.close()

    def abort(self) -> None:
        """Wakes every thread that waits on the link."""
        self._aborted = True
        self._stream.abort()

    def close(self) -> None:
        """Closes the socket."""
        self._stream.close()

    @property
    def broken_by(self) -> str:
        """The error of the write that broke the link; empty if there was none."""
        return self._writer.why

    @property
    def ending(self) -> tuple[int, str]:
        """Always (0, ""): raw streams have no close frame."""
        return (0, "")
