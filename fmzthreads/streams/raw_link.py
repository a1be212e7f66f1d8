"""The link of a raw stream: TCP, TLS, UDP or a Unix socket without a protocol on top."""

from __future__ import annotations

from ..clock import Clock
from ..net.sockets import Stream
from .buffer.buffer import Message
from .websocket.compression import text_or_bytes
from .writer import FrameWriter, encoded, made

__all__ = ["RawLink"]


class RawLink:
    """A raw stream: a message is what one receive brings (for UDP: one datagram).

    Args:
        stream: The stream.
        clock: For time-outs of writes.
        datagrams: Whether an empty receive is an empty datagram rather than the end.
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
        """Sends the bytes; text as UTF-8. Returns how many they are."""
        payload = encoded(data) if isinstance(data, str) else bytes(data)
        self._writer.send(made(payload), timeout_s)
        return len(payload)

    def write_soon(self, data: str | bytes) -> None:
        """Sends the bytes without ever waiting for the peer."""
        self._writer.send_soon(made(encoded(data) if isinstance(data, str) else bytes(data)))

    def ping(self, payload: bytes) -> None:
        """A raw stream has no pings; the options refuse them."""

    def begin_close(self, code: int) -> bool:
        """Ends the stream at once: there is nothing to say."""
        self.abort()
        return False

    def farewell(self, code: int) -> None:
        """Gives the socket back."""
        self._stream.close()

    def abort(self) -> None:
        """Ends every wait on the link."""
        self._aborted = True
        self._stream.abort()

    def close(self) -> None:
        """Gives the socket back."""
        self._stream.close()

    @property
    def broken_by(self) -> str:
        """Why a write broke it; empty when none did."""
        return self._writer.why

    @property
    def ending(self) -> tuple[int, str]:
        """A raw stream gives no reason."""
        return (0, "")
