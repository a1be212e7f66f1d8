"""Writes whole frames to a byte stream, one after another, from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectionLost, InputError, TimedOut
from ..net.sockets import Stream

__all__ = ["FrameWriter", "WriterBusy", "encoded", "made"]

_MOST_PENDING = 256


class WriterBusy(TimedOut):
    """Other threads were writing for as long as this one would wait; nothing of its message was sent."""


class FrameWriter:
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


def made(frame: bytes) -> Callable[[], bytes]:
    """Wraps a frame that exists already, for ``FrameWriter.send``."""
    return lambda: frame


def encoded(text: str) -> bytes:
    """Encodes text as UTF-8.

    Raises:
        InputError: The text holds half a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"a text to be sent is not Unicode: {error.reason} at character {error.start}") from None
