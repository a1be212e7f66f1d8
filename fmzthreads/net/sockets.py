"""Byte streams over a connected socket, plain or with TLS.

The socket stays in blocking mode: one thread waits in ``recv_into``, one system call per batch, and ``abort`` from any thread ends that
wait. Writers never block inside ``send`` (``MSG_DONTWAIT``); they wait for room by ``poll`` with their own time-out.

TLS runs over memory buffers (``ssl.MemoryBIO``) rather than on an ``SSLSocket``: an ``SSLSocket`` must not be read and written by two
threads at once, reads at most one record of 16 KiB at two system calls each, and loses its encryption when it is shut down under a
reader.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectionLost, TimedOut

__all__ = [
    "LOOK_UP_S",
    "IncompleteRecord",
    "PlainStream",
    "Stream",
    "TlsStream",
    "receive_by",
    "shut_down",
    "wait_writable",
]

# A signal that arrives just before a thread enters a blocking system call does not interrupt that call. So a thread that may be the main
# one, which handles Ctrl-C, never waits longer than this.
LOOK_UP_S = 1.0

_IS_POSIX = os.name == "posix"  # elsewhere a socket is not a file descriptor that os.write takes
_HAS_POLL = hasattr(select, "poll")  # not on Windows
_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none: there a write waits in send instead of in select
_RECEIVE = 1 << 17


class IncompleteRecord(TimeoutError):
    """Bytes arrived, but not a complete TLS record."""


class Stream(Protocol):
    """A connection to read bytes from and write bytes to."""

    @property
    def receive_into(self) -> Callable[[memoryview], int]:
        """Waits for bytes and returns how many arrived; 0 at the end. Only one thread may call it."""

    def receive_waiting(self, view: memoryview) -> int:
        """Reads without waiting; -1 if no bytes have arrived, 0 at the end. For the thread of ``receive_into``."""

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all bytes; one thread at a time (the caller holds a lock)."""

    def try_send(self, data: bytes) -> int:
        """Writes without waiting; returns how many bytes were written."""

    def is_quiet(self) -> bool:
        """Whether the idle connection is open and has received nothing. For the thread of ``receive_into``."""

    @property
    def timeout_s(self) -> float | None:
        """The current time-out in seconds; see ``set_timeout``."""

    def set_timeout(self, timeout_s: float | None) -> None:
        """Sets the time-out of ``receive_into``, in seconds; None for no limit."""

    @property
    def bytes_sent(self) -> int:
        """Bytes accepted by the system for sending, including those of TLS itself."""

    @property
    def was_cut(self) -> bool:
        """Whether TLS ended without its closing message, so the data may have been truncated on the way."""

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""

    def close(self) -> None:
        """Closes the socket; no other thread may be using it."""


def shut_down(sock: socket.socket) -> None:
    """Ends every wait on a socket, from any thread; the owner still has to close it."""
    with suppress(OSError):  # not connected (any more), so no thread waits on it
        sock.shutdown(socket.SHUT_RDWR)


def wait_writable(sock: socket.socket, timeout_s: float | None) -> bool:
    """Waits until a socket is writable or broken; False if the time-out passes first.

    Raises:
        OSError: The socket was closed meanwhile.
    """
    number = sock.fileno()
    if number < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if _HAS_POLL:
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
    # Windows reports a failed attempt to connect in the third list.
    return any(select.select([], [number], [number], timeout_s))


def receive_by(stream: Stream, view: memoryview, deadline: Deadline, doing: str) -> int:
    """Waits for bytes until a deadline; returns how many arrived, 0 at the end.

    Raises:
        TimedOut: The deadline passed; ``doing`` names the step for the message.
        OSError: The connection broke.
    """
    while True:
        deadline.check(doing)
        # Never 0, which would mean "do not wait": the deadline may pass between its check and here.
        stream.set_timeout(max(deadline.sooner(LOOK_UP_S) or 0.0, 0.001))
        try:
            return stream.receive_into(view)
        except TimeoutError:
            pass  # only a check; the deadline decides


class PlainStream:
    """A connected socket without encryption.

    It belongs to the process that made it. A forked child shares the connection, and what it sent or shut down there would break the
    parent's, so it can only close its copy of the socket.

    Args:
        sock: The socket; owned from now on.

    Attributes:
        receive_into: Waits for bytes and returns how many arrived, 0 at the end: the socket's own method, to save a call.
        timeout_s: See ``Stream``.
        bytes_sent: See ``Stream``.
        was_cut: Always False: without TLS a truncation cannot be told from a normal end.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._socket = sock
        self._process = os.getpid()
        self._poll: select.poll | None = None
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.timeout_s: float | None = None
        self.bytes_sent = 0
        self.was_cut = False

    def receive_waiting(self, view: memoryview) -> int:
        """Reads what has arrived; -1 if nothing (or the system cannot tell), 0 at the end."""
        if not _DONT_WAIT:
            return -1
        try:
            return self._socket.recv_into(view, 0, _DONT_WAIT)
        except BlockingIOError:
            return -1

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all bytes.

        Raises:
            TimedOut: Not everything was written in time; a part may have been.
            OSError: The connection is broken.
        """
        sent = self.try_send(data)
        if sent == len(data):
            return
        deadline = Deadline(clock, timeout_s)
        rest = memoryview(data)[sent:]
        while rest:
            if wait_writable(self._socket, deadline.sooner(LOOK_UP_S)):
                rest = rest[self.try_send(rest) :]
            elif deadline.expired:
                raise TimedOut(f"timeout: the peer did not accept {len(rest)} of {len(data)} bytes in time")

    def try_send(self, data: bytes | memoryview) -> int:
        """Writes without waiting; returns how many bytes were written."""
        if not self.is_ours:
            raise OSError(errno.EBADF, "the connection can only be used in the process that opened it")
        try:
            if self.timeout_s is not None and _IS_POSIX:
                # ``send`` would first ask the system whether the socket is ready. That is a second system call, and in it the interpreter
                # switches threads once more: with many calls at one gate, that is half of the skew between the first and the last.
                sent = os.write(self._socket.fileno(), data)
            else:
                sent = self._socket.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0
        self.bytes_sent += sent
        return sent

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the connection; a forked child did not."""
        return os.getpid() == self._process

    def is_quiet(self) -> bool:
        """Whether nothing can be read, not even the end; False in a process that did not open the connection."""
        if not self.is_ours:
            return False
        if not _HAS_POLL:
            return not select.select([self._socket], [], [], 0)[0]
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def set_timeout(self, timeout_s: float | None) -> None:
        """Sets the time-out of ``receive_into``, in seconds; None for no limit."""
        self.timeout_s = timeout_s
        if self.is_ours:  # whether a socket blocks is a setting that parent and child share
            self._socket.settimeout(timeout_s)

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""
        if self.is_ours:
            shut_down(self._socket)

    def close(self) -> None:
        """Closes the socket; a writer that still waits on it wakes, which closing alone would not do."""
        self.abort()
        self._socket.close()


class TlsStream:
    """TLS over a plain stream.

    Args:
        plain: The connected stream below.
        context: The TLS context, with the certificates to trust.
        host: The name that the certificate must match.
    """

    def __init__(self, plain: PlainStream, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._lock = threading.Lock()  # guards _tls and both BIOs: OpenSSL's objects are not thread-safe
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._buffer = bytearray(_RECEIVE)
        self._view = memoryview(self._buffer)
        self._unsent: bytes = b""  # already encrypted, so it must be sent before anything else
        self._ended = False  # whether the peer has sent TLS's closing message
        self._timed = False  # whether receive_into has a time-out

    def handshake(self, deadline: Deadline, clock: Clock) -> None:
        """Performs the TLS handshake and verifies the certificate.

        Raises:
            OSError: TLS or the connection failed (``ssl.SSLError`` is one).
            TimedOut: The deadline passed.
        """
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            finally:
                out = self._outgoing.read()
                if out:
                    self._plain.send(out, deadline.remaining(), clock)
            if done:
                self._plain.set_timeout(None)
                return
            count = receive_by(self._plain, self._view, deadline, "the TLS handshake")
            if not count:
                raise ConnectionLost("the peer closed the connection during the TLS handshake")
            self._incoming.write(self._view[:count])

    def receive_into(self, view: memoryview) -> int:
        """Waits for bytes and decrypts what fits into ``view``; 0 at the end.

        Raises:
            TimeoutError: A time-out is set, and nothing arrived.
            IncompleteRecord: A time-out is set, and only a part of a record arrived: even if the peer sends slowly, a caller with a
                deadline
                can check it.
        """
        waited = False
        while True:
            with self._lock:
                count = self._decrypt(view)
            if count >= 0:
                return count
            if waited and self._timed:
                raise IncompleteRecord("only a part of a TLS record arrived")
            received = self._plain.receive_into(self._view)
            waited = True
            if not received:
                return 0
            with self._lock:
                self._incoming.write(self._view[:received])

    def receive_waiting(self, view: memoryview) -> int:
        """Decrypts what has been received; -1 if that is not a complete record, 0 at the end."""
        with self._lock:
            return self._decrypt(view)

    def _decrypt(self, view: memoryview) -> int:
        """Fills ``view`` from received data; -1 if that is not a complete record, 0 at the end. The lock is held."""
        filled = 0
        size = len(view)
        try:
            while filled < size and (self._incoming.pending or self._tls.pending()):
                count = cast(int, self._tls.read(size - filled, view[filled:]))  # an int when a buffer is given
                if not count:
                    return filled
                filled += count
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as end:
            self._ended = isinstance(end, ssl.SSLZeroReturnError)
            return filled  # if something was filled, the next call ends here again
        return filled or -1

    def _encrypt(self, data: bytes | memoryview) -> bytes:
        with self._lock:
            self._tls.write(data)
            return self._outgoing.read()

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all bytes; see ``PlainStream.send``."""
        out = self._unsent + self._encrypt(data)
        self._unsent = b""
        self._plain.send(out, timeout_s, clock)

    def try_send(self, data: bytes | memoryview) -> int:
        """Encrypts all bytes and writes without waiting; the rest is sent before the next write."""
        if self._unsent:
            self._unsent = self._unsent[self._plain.try_send(self._unsent) :]
            if self._unsent:
                return 0
        out = self._encrypt(data)
        self._unsent = out[self._plain.try_send(out) :]
        return len(data)

    def is_quiet(self) -> bool:
        """Whether neither data nor the end has arrived. Reads TLS 1.3 session tickets, which follow the handshake."""
        if not self._plain.is_ours:
            return False  # a look could take bytes that belong to the parent
        with self._lock:
            if self._decrypt(self._view[:1]) >= 0:
                return False
        if self._plain.is_quiet():
            return True
        self.set_timeout(0)
        try:
            received = self._plain.receive_into(self._view)
            with self._lock:
                self._incoming.write(self._view[:received])
                return received > 0 and self._decrypt(self._view[:1]) < 0
        except BlockingIOError:
            return True
        except OSError:
            return False

    @property
    def timeout_s(self) -> float | None:
        """See ``Stream``."""
        return self._plain.timeout_s

    @property
    def bytes_sent(self) -> int:
        """See ``Stream``."""
        return self._plain.bytes_sent

    @property
    def was_cut(self) -> bool:
        """See ``Stream``."""
        return not self._ended

    def set_timeout(self, timeout_s: float | None) -> None:
        """Sets the time-out of ``receive_into``, in seconds; None for no limit."""
        self._timed = timeout_s is not None
        self._plain.set_timeout(timeout_s)

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""
        self._plain.abort()

    def close(self) -> None:
        """Closes the socket."""
        self._plain.close()
