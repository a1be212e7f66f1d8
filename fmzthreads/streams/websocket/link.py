"""A link: one live connection that carries messages, either a websocket or a raw stream. A ``Dial`` outlives its links."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ...clock import Clock, WallClock
from ...deadline import Deadline
from ...errors import ConnectionLost, InputError, TimedOut
from ..buffer.buffer import Message
from ..transport import Stream
from .compression import Deflate, text_or_bytes
from .frames import BINARY, CLOSE, NO_STATUS, PING, PONG, TEXT, FrameReader, build_frame

__all__ = ["Link", "RawLink", "WebSocketLink", "WriterBusy"]

_FAREWELL_S = 0.5  # how long the peer is given to close its side, so that our close frame is not lost to a reset
_FAREWELL_RECEIVES = 64  # so many receives of what nobody wants any more
_MOST_PENDING = 256
_MOST_GATHERED = 1 << 20  # a batch that has so many bytes is not added to


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


class WriterBusy(TimedOut):
    """Other threads were writing for as long as this one would wait; nothing of its message was sent."""


class _Writer:
    """Puts whole frames onto a stream, one after another, from any thread.

    A thread that must not wait for the peer (the one that reads) leaves its frame in ``_pending``: whoever has the lock, or gets it next,
    makes it and sends it. So a peer that reads nothing while it writes can never stop us from reading.

    Args:
        stream: What is written to.
        clock: For time-outs.
        end: Ends the link, when a frame may have been cut in two and nothing that follows it could be understood; None where frames go
            whole or not at all.
    """

    def __init__(self, stream: Stream, clock: Clock, end: Callable[[], None] | None) -> None:
        self._stream = stream
        self._clock = clock
        self._end = end
        self.why = ""  # what ended the link, so that later writers say that rather than what came of it
        self._lock = threading.Lock()  # guards the order of bytes on the stream
        # What makes the frames that nobody has sent yet; anyone may append, only the holder of the lock takes out.
        self._pending: deque[Callable[[], bytes]] = deque()
        self._rest = b""  # of a frame that was sent in part; whoever holds the lock sends it before anything else

    def send(self, make: Callable[[], bytes], timeout_s: float | None) -> None:
        """Sends a frame that is made under the lock (so that a compressor sees messages in the order of the wire).

        Raises:
            WriterBusy: Other threads were writing all the time.
            TimedOut: The peer did not take it in time. A part may be on the wire, so the stream was ended.
            OSError: The connection is broken.
            ConnectionLost: An earlier write broke it.
        """
        deadline = Deadline(self._clock, timeout_s)
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX)):
            raise WriterBusy("timeout: other threads were writing all the time")
        try:
            if self.why:
                raise ConnectionLost(self.why)
            frames = [self._rest] if self._rest else []
            self._rest = b""
            while self._pending:
                frames.append(self._pending.popleft()())
            frames.append(make())
            # Of two datagrams that are sent in one go there would be one.
            for part in frames if self._end is None else [b"".join(frames)]:
                self._stream.send(part, deadline.remaining(), self._clock)
        except BaseException as error:  # Ctrl-C too may have cut a frame in two
            if self._end is not None:
                self.why = self.why or str(error) or f"interrupted by {type(error).__name__}"
                self._end()
            raise
        finally:
            self._lock.release()
        if self._pending:
            self.flush()

    def send_soon(self, make: Callable[[], bytes]) -> None:
        """Sends a frame now if that needs no waiting, else with the next write; it is made under the lock, as that of ``send`` is."""
        if len(self._pending) < _MOST_PENDING:  # a peer that pings without reading gets no answers to all of its pings
            self._pending.append(make)
        self.flush()

    def flush(self) -> None:
        """Sends what is pending, as far as that needs no waiting."""
        while (self._rest or self._pending) and self._lock.acquire(blocking=False):
            try:
                while self._rest or self._pending:
                    if not self._rest:
                        self._rest = self._pending.popleft()()
                    self._rest = self._rest[self._stream.try_send(self._rest) :]
                    if self._rest:
                        return
            except OSError:
                if self._end is None:
                    self._rest = b""  # a datagram that is refused is lost; the next may be taken
                return  # the connection is broken, and the reading thread is about to find that out by itself
            finally:
                self._lock.release()


def _made(frame: bytes) -> Callable[[], bytes]:
    return lambda: frame


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"a text to be sent is not Unicode: {error.reason} at character {error.start}") from None


class WebSocketLink:
    """A websocket connection after its handshake.

    Args:
        stream: The stream below.
        reader: The parser of its frames.
        clock: For time-outs of writes.
        early: Bytes that came behind the handshake.
        deflate: The negotiated permessage-deflate, or None.
        compress: The application's compression of what is sent, or None.
        gather: The most messages up to which one ``receive`` goes on taking in what has come already, when the peer sends faster than
            we read; 0 for one system call each.
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
        self._writer = _Writer(stream, clock, self.abort)
        self._said_goodbye = False
        self._goodbye = threading.Lock()  # taken for good by whoever says goodbye, so that only one does

    def receive(self, batch: list[Message]) -> bool:
        """Waits for data and appends the messages that are complete with it.

        Returns:
            False when the peer closed the connection, with or without a close frame.

        Raises:
            ProtocolError: The peer broke the protocol.
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
        """In a flood, takes what has come meanwhile into the same batch: each batch that is handed over may wake a reading script."""
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
        """Whether all that the last ``receive`` brought are ASCII texts, also when it raised."""
        return self._plain and self._reader.plain

    def _answer(self) -> None:
        for opcode, payload in self._reader.control:
            if opcode == PING:
                self._writer.send_soon(_made(build_frame(PONG, payload)))
        self._reader.control.clear()

    def _frame(self, data: str | bytes) -> Callable[[], bytes]:
        if isinstance(data, str):
            opcode, payload = TEXT, _encoded(data)
        else:
            opcode, payload = BINARY, bytes(data)
        if self._compress is not None:
            opcode, payload = BINARY, self._compress(payload)
        deflate = self._deflate
        if deflate is not None:
            return lambda: build_frame(opcode, deflate.deflate(payload), compressed=True)
        return _made(build_frame(opcode, payload))

    def write(self, data: str | bytes, timeout_s: float | None) -> int:
        """Sends one message: text for str, binary for bytes.

        Returns:
            The length of the message in bytes, before compression.

        Raises:
            ConnectionLost: We have said goodbye already.
            TimedOut: The peer did not take it in time.
            OSError: The connection is broken.
        """
        if self._said_goodbye:
            raise ConnectionLost("the connection is closing")
        self._writer.send(self._frame(data), timeout_s)
        return len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)

    def write_soon(self, data: str | bytes) -> None:
        """Sends one message without ever waiting for the peer."""
        if not self._said_goodbye:
            self._writer.send_soon(self._frame(data))

    def ping(self, payload: bytes) -> None:
        """Sends a ping frame."""
        if not self._said_goodbye:
            self._writer.send_soon(_made(build_frame(PING, payload[:125])))

    def begin_close(self, code: int) -> bool:
        """Sends a close frame, once; True because the peer's answer is worth waiting for."""
        if self._goodbye.acquire(blocking=False):
            self._said_goodbye = True
            payload = b"" if code == NO_STATUS else code.to_bytes(2, "big")
            self._writer.send_soon(_made(build_frame(CLOSE, payload)))
        return True

    def farewell(self, code: int) -> None:
        """Ends the connection from the reading thread.

        Args:
            code: The close code to send unless one was sent; 0 when the peer is gone and nothing can be sent.
        """
        try:
            if code:
                self.begin_close(code)
                deadline = Deadline(WallClock(), _FAREWELL_S)  # real seconds, also under a clock that stands still
                waste = memoryview(bytearray(65536))
                for _ in range(_FAREWELL_RECEIVES):
                    self._stream.set_timeout(max(deadline.remaining() or 0.0, 0.001))
                    try:
                        if not self._stream.receive_into(waste):
                            break
                    except TimeoutError:
                        pass  # with TLS, also a part of a record
                    if deadline.expired:
                        break
        except OSError:
            pass  # the peer is gone (or slow): that is what we waited for
        finally:
            self._stream.close()

    def abort(self) -> None:
        """Ends every wait on the link."""
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
        """The peer's close code and reason; (0, "") when it sent no close frame."""
        return self._reader.closed or (0, "")


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
        self._writer = _Writer(stream, clock, None if datagrams else self.abort)
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
        payload = _encoded(data) if isinstance(data, str) else bytes(data)
        self._writer.send(_made(payload), timeout_s)
        return len(payload)

    def write_soon(self, data: str | bytes) -> None:
        """Sends the bytes without ever waiting for the peer."""
        self._writer.send_soon(_made(_encoded(data) if isinstance(data, str) else bytes(data)))

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
