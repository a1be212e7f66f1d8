"""The link of a websocket, after its handshake."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...clock import Clock, WallClock
from ...deadline import Deadline
from ...errors import ConnectionLost
from ...net.sockets import Stream
from ..buffer.buffer import Message
from ..link import FrameWriter, encoded, made
from .compression import Deflate
from .frames import BINARY, CLOSE, NO_STATUS, PING, PONG, TEXT, FrameReader, build_frame

__all__ = ["WebSocketLink"]

_FAREWELL_S = 0.5  # the time the peer has to close its side, so that our close frame is not lost by a reset
_FAREWELL_RECEIVES = 64  # the maximum number of receives while waiting for that; the data is dropped
_MOST_GATHERED = 1 << 20  # a batch of this many bytes is not extended further


class WebSocketLink:
    """A websocket connection after its handshake.

    Args:
        stream: The stream below.
        reader: The parser of its frames.
        clock: Measures time-outs of writes.
        early: Bytes that followed the handshake in the same receive.
        deflate: The negotiated permessage-deflate, or None.
        compress: The application's compression of what is sent, or None.
        gather: In a flood, one ``receive`` goes on reading what has already arrived until the batch has this many messages; 0 for one
            system call each.
    """

    def __init__(
        self,
        stream: Stream,
        reader: FrameReader,
        clock: Clock,
        *,
        early: bytes = b"",
        deflate: Deflate | None = None,
        compress: Callable[[bytes], bytes] | None = None,
        gather: int = 0,
    ) -> None:
        self.bytes_received = 0
        self._plain = True
        self._gather = gather
        self._stream = stream
        self._receive_into = stream.receive_into
        self._reader = reader
        self._early = early
        self._deflate = deflate
        self._compress = compress
        self._writer = FrameWriter(stream, clock, self.abort)
        self._said_goodbye = False
        self._goodbye = threading.Lock()  # acquired for good by the first thread that sends a close frame

    def receive(self, batch: list[Message]) -> bool:
        """Waits for data and appends the messages that it completes.

        Returns:
            False when the peer closed the connection, with or without a close frame.

        Raises:
            ProtocolError: The peer violated the protocol.
            OSError: The connection is broken.
        """
        reader = self._reader
        space = reader.space()
        if self._early:
            count = min(len(self._early), len(space))
            space[:count] = self._early[:count]
            self._early = self._early[count:]
        else:
            count = self._receive_into(space)
            if not count:
                return False
        self._plain = True
        self._take_in(count, batch)
        if count == len(space) and not self._early:
            return self._gather_more(batch)
        return reader.closed is None

    def _gather_more(self, batch: list[Message]) -> bool:
        """In a flood, adds what has arrived meanwhile to the same batch, since each batch may wake a script."""
        reader = self._reader
        most = self.bytes_received + _MOST_GATHERED
        while reader.closed is None and len(batch) < self._gather and self.bytes_received < most:
            self._plain = self._plain and reader.plain
            space = reader.space()
            count = self._stream.receive_waiting(space)
            if not count:
                return False
            if count > 0:
                self._take_in(count, batch)
            if count < len(space):
                break
        return reader.closed is None

    def _take_in(self, count: int, batch: list[Message]) -> None:
        self.bytes_received += count
        self._reader.parse(count, batch)
        if self._reader.control:
            self._answer()

    @property
    def plain(self) -> bool:
        """Whether all messages of the last ``receive`` are ASCII texts, also when it raised."""
        return self._plain and self._reader.plain

    def _answer(self) -> None:
        for opcode, payload in self._reader.control:
            if opcode == PING:
                self._writer.send_soon(made(build_frame(PONG, payload)))
        self._reader.control.clear()

    def _frame(self, data: str | bytes) -> Callable[[], bytes]:
        if isinstance(data, str):
            opcode, payload = TEXT, encoded(data)
        else:
            opcode, payload = BINARY, bytes(data)
        if self._compress is not None:
            opcode, payload = BINARY, self._compress(payload)
        deflate = self._deflate
        if deflate is not None:
            return lambda: build_frame(opcode, deflate.deflate(payload), compressed=True)
        return made(build_frame(opcode, payload))

    def write(self, data: str | bytes, timeout_s: float | None) -> int:
        """Sends one message: text for str, binary for bytes.

        Returns:
            The length of the message in bytes, before compression.

        Raises:
            ConnectionLost: A close frame was sent already.
            TimedOut: The peer did not accept it in time.
            OSError: The connection is broken.
        """
        if self._said_goodbye:
            raise ConnectionLost("the connection is closing")
        self._writer.send(self._frame(data), timeout_s)
        return len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)

    def write_soon(self, data: str | bytes) -> None:
        """Sends one message without waiting for the peer."""
        if not self._said_goodbye:
            self._writer.send_soon(self._frame(data))

    def ping(self, payload: bytes) -> None:
        """Sends a ping frame."""
        if not self._said_goodbye:
            self._writer.send_soon(made(build_frame(PING, payload[:125])))

    def begin_close(self, code: int) -> bool:
        """Sends a close frame, once; True: the peer's close frame follows."""
        if self._goodbye.acquire(blocking=False):
            self._said_goodbye = True
            payload = b"" if code == NO_STATUS else code.to_bytes(2, "big")
            self._writer.send_soon(made(build_frame(CLOSE, payload)))
        return True

    def farewell(self, code: int) -> None:
        """Ends the connection from the reading thread.

        Args:
            code: The close code to send if none was sent yet; 0 when the peer is gone.
        """
        try:
            if code:
                self.begin_close(code)
                deadline = Deadline(WallClock(), _FAREWELL_S)  # real time, also under a manual clock
                waste = memoryview(bytearray(65536))
                for _ in range(_FAREWELL_RECEIVES):
                    self._stream.set_timeout(max(deadline.remaining() or 0.0, 0.001))
                    try:
                        if not self._stream.receive_into(waste):
                            break
                    except TimeoutError:
                        pass  # with TLS also after part of a record
                    if deadline.expired:
                        break
        except OSError:
            pass  # the peer is gone or too slow; the socket is closed below
        finally:
            self._stream.close()

    def abort(self) -> None:
        """Wakes every thread that waits on the link."""
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
        """The peer's close code and reason; (0, "") without a close frame."""
        return self._reader.closed or (0, "")
