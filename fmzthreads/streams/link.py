"""A link: one live connection that carries messages; and the writer that all links share. A ``Dial`` outlives its links."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectionLost, InputError, TimedOut
from ..net.sockets import Stream
from .buffer.buffer import Message

__all__ = ["FrameWriter", "Link", "WriterBusy", "encoded", "made"]

_MOST_PENDING = 256


class Link(Protocol):
    """What a ``Dial`` needs from its connection."""

    bytes_received: int

    @property
    def plain(self) -> bool:
        """Whether all messages of the last ``receive`` are ASCII texts (their memory follows from their lengths)."""

    def receive(self, batch: list[Message]) -> bool:
        """Waits for data and appends its messages; False when the peer has ended the connection. Only for one thread."""

    def write(self, data: str | bytes, timeout_s: float | None) -> int:
        """Sends one message, from any thread. Raises OSError or NetworkError when the connection is broken."""

    def write_soon(self, data: str | bytes) -> None:
        """Sends one message without waiting for the peer; for the reading thread."""

    def ping(self, payload: bytes) -> None:
        """Sends a ping frame; no effect on raw streams."""

    def begin_close(self, code: int) -> bool:
        """Starts the closing handshake; False if there is no answer to wait for."""

    def farewell(self, code: int) -> None:
        """Ends the connection from the reading thread: closing handshake, then the socket."""

    def abort(self) -> None:
        """Wakes every thread that waits on the link; from any thread."""

    def close(self) -> None:
        """Closes the socket; the last call of the reading thread."""

    @property
    def broken_by(self) -> str:
        """The error of the write that broke the link; empty if there was none."""

    @property
    def ending(self) -> tuple[int, str]:
        """The peer's close code and reason; (0, "") without a close frame."""


class WriterBusy(TimedOut):
    """Other threads were writing until the time-out; nothing was sent."""


class FrameWriter:
    """Writes whole frames to a stream, one after another, from any thread.

    A thread that must not wait for the peer (the reading thread) leaves its frame in ``_pending``: the thread that has the lock, or gets
    it next, builds and sends it. So a peer that writes without reading cannot block our reading.

    Args:
        stream: The stream to write to.
        clock: Measures time-outs.
        end: Ends the link after a partly sent frame, since the peer could not parse what follows; None where frames are sent whole or
            not at all (datagrams).
    """

    def __init__(self, stream: Stream, clock: Clock, end: Callable[[], None] | None) -> None:
        self._stream = stream
        self._clock = clock
        self._end = end
        self.why = ""  # the first error, which later writers report too
        self._lock = threading.Lock()  # guards the order of bytes on the stream
        # Builders of frames not sent yet; any thread may append, only the holder of the lock removes.
        self._pending: deque[Callable[[], bytes]] = deque()
        self._rest = b""  # the unsent part of a frame; the next holder of the lock sends it first

    def send(self, make: Callable[[], bytes], timeout_s: float | None) -> None:
        """Sends a frame.

        It is built under the lock, so that a compressor sees the messages in the order in which they are sent.

        Raises:
            WriterBusy: Other threads were writing until the time-out.
            TimedOut: The peer did not accept it in time. A part may have been sent, so the stream was ended.
            OSError: The connection is broken.
            ConnectionLost: An earlier write broke it.
        """
        deadline = Deadline(self._clock, timeout_s)
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX)):
            raise WriterBusy("timeout: other threads were writing until the time-out")
        try:
            if self.why:
                raise ConnectionLost(self.why)
            frames = [self._rest] if self._rest else []
            self._rest = b""
            while self._pending:
                frames.append(self._pending.popleft()())
            frames.append(make())
            # Two datagrams sent together would become one.
            for part in frames if self._end is None else [b"".join(frames)]:
                self._stream.send(part, deadline.remaining(), self._clock)
        except BaseException as error:  # Ctrl-C too may leave a frame partly sent
            if self._end is not None:
                self.why = self.why or str(error) or f"interrupted by {type(error).__name__}"
                self._end()
            raise
        finally:
            self._lock.release()
        if self._pending:
            self.flush()

    def send_soon(self, make: Callable[[], bytes]) -> None:
        """Sends a frame without waiting: now if possible, else with the next write."""
        if len(self._pending) < _MOST_PENDING:  # a peer that pings without reading does not get an answer to every ping
            self._pending.append(make)
        self.flush()

    def flush(self) -> None:
        """Sends the pending frames as far as possible without waiting."""
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
                    self._rest = b""  # a refused datagram is lost; the next one may be accepted
                return  # the connection is broken; the reading thread finds that out by itself
            finally:
                self._lock.release()


def made(frame: bytes) -> Callable[[], bytes]:
    """Wraps an existing frame for ``FrameWriter.send``."""
    return lambda: frame


def encoded(text: str) -> bytes:
    """Encodes text as UTF-8.

    Raises:
        InputError: The text contains an unpaired surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the text to send is not valid Unicode: {error.reason} at character {error.start}") from None
