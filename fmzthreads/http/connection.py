"""One HTTP/1.1 connection: writes a request, reads its reply, and knows whether it may be used again.

This stands where urllib3's connection would. It is our own because a call needs what that one cannot say: whether any byte of the request
may have left, a time-out over the whole reply however slowly it trickles, limits that hold while reading, and an end that another thread
can bring about.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from typing import Final, NoReturn

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, NetworkError, StopRequested, TimedOut
from ..net.dial import Connector, reason, shut_down
from .reply_reader import RawReply, ReplyLimits, ReplyReader

__all__ = ["HttpConnection"]

_BUFFER: Final = 65_536
_HAS_POLL: Final = hasattr(select, "poll")  # not on Windows


class HttpConnection:
    """A connection of one thread to one origin, opened when it is needed.

    Only its owner thread opens, writes, reads and closes; any thread may ``abort``.

    Args:
        connector: Makes the connection.
        clock: Tells how long it has been idle, and whether a stop was requested.
        limits: What a reply may be.
        max_idle_s: A connection that was idle for longer is not used again (servers close such ones without warning).
        stop_grace_s: How long the reply to a request that must not be lost is still waited for after a stop, in seconds.
    """

    def __init__(
        self, connector: Connector, clock: Clock, limits: ReplyLimits, max_idle_s: float, stop_grace_s: float
    ) -> None:
        self._connector = connector
        self._clock = clock
        self._limits = limits
        self._max_idle_s = self._keep_s = max_idle_s
        self._stop_grace_s = stop_grace_s
        self._idle_since = 0.0
        self._sock: socket.socket | None = None
        self._poll: select.poll | None = None
        # Guards _aborted, _shown, _active and _timer: an abort hits the socket that there is, or the next one.
        self._lock = threading.Lock()
        self._aborted = ""
        # What an abort shuts down; also a socket that is still being connected.
        self._shown: socket.socket | None = None
        self._active = False
        self._timer: threading.Timer | None = None  # runs between a stop and the end of the grace
        self.patient = False
        # Set before the look at _aborted that comes before the first byte: a stop either is seen there, or sees this.
        self._writing = False
        self.written = False
        self.reused = False

    def __del__(self) -> None:
        self.close()  # the thread that owned it ended

    @property
    def is_open(self) -> bool:
        """Whether there is a connection (which may have died meanwhile)."""
        return self._sock is not None

    # ---- opening, and ending

    def begin(self, *, patient: bool) -> None:
        """Begins a call: forgets an abort of an earlier one.

        Args:
            patient: Whether a stop leaves the reply the grace period once the request was written.
        """
        with self._lock:
            self._aborted = ""
            self._active = True
        self.patient = patient
        self.written = self._writing = False

    def ready(self, deadline: Deadline, request: str) -> None:
        """Makes sure that there is a live connection: keeps the one there is if nothing speaks against it, else opens one.

        Raises:
            ConnectFailed: It could not be made.
            StopRequested: A stop was requested meanwhile.
        """
        if self._sock is not None:
            if self.is_alive():
                self.reused = True
                return
            self.close()
        self.reused = False
        try:
            sock = self._connector.open(deadline, self._show, request)
        except BaseException:  # whatever it was (a stop, too), no half-made connection stays; it is raised again
            self.close()
            self._check_abort(request)
            raise
        self._sock = sock
        self._poll = None
        self._keep_s = self._max_idle_s
        self._idle_since = self._clock.monotonic()
        self._check_abort(request)

    def _show(self, sock: socket.socket) -> None:
        with self._lock:
            self._shown = sock
            aborted = self._aborted
        if aborted:
            raise ConnectionAbortedError(aborted)

    def is_alive(self) -> bool:
        """Whether the idle connection can carry a request: not closed by the peer, not idle for too long, not talking unasked.

        The peer may still close it in the instant after this. Nothing can exclude that, so a request that is lost this way counts as
        possibly received.
        """
        sock = self._sock
        if sock is None or self._clock.monotonic() - self._idle_since > self._keep_s:
            return False
        if not self._readable(sock):
            return True
        if not isinstance(sock, ssl.SSLSocket):
            return False  # closed, reset, or sending what nobody asked for
        # TLS 1.3 sends session tickets after the handshake: readable, and yet alive. Reading takes them in.
        sock.settimeout(0)
        try:
            sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except (OSError, ValueError):
            return False
        return False  # end of file, or data that nobody asked for

    def _readable(self, sock: socket.socket) -> bool:
        if not _HAS_POLL:
            return bool(select.select([sock], [], [], 0)[0])
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Closes the connection, in its owner's thread; a later request opens a new one."""
        with self._lock:
            pair = (self._sock, self._shown)
            self._sock = self._shown = None
        for sock in pair:
            if sock is not None:
                sock.close()

    def abort(self, why: str) -> None:
        """Ends what is going on, from any thread: the owner's call fails, with ``why`` as its message."""
        with self._lock:
            self._aborted = self._aborted or why
            if self._shown is not None:
                shut_down(self._shown)

    def on_stop(self) -> None:
        """Called when a stop is requested during a call: ends it, at once or after the grace period."""
        why = "stopped before the reply was complete"
        if not (self.patient and self._writing):
            self.abort(why)
            return
        timer = threading.Timer(self._stop_grace_s, self.abort, (why,))
        timer.daemon = True
        with self._lock:
            if self._active:  # else the reply came meanwhile
                self._timer = timer
                timer.start()

    def end(self) -> None:
        """Ends a call: the grace period of a stop, if one runs, no longer matters."""
        with self._lock:
            self._active = False
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()

    def _check_abort(self, request: str) -> None:
        """Turns an abort into its error."""
        why = self._aborted
        if not why:
            return
        self.close()
        if self._clock.stop.is_set() and not (self.patient and self.written):
            raise StopRequested(self._clock.stop.reason or why, request=request)
        raise (ConnectionLost if self.written else ConnectFailed)(why, request=request)

    # ---- a request and its reply

    def write(self, data: bytes, deadline: Deadline, request: str) -> None:
        """Writes a request. After any error the connection is closed.

        Raises:
            ConnectFailed: Not one byte of it was sent.
            ConnectionLost, TimedOut: Some of it may have been sent.
            StopRequested: A stop was requested before anything was sent (or the call can be repeated later).
        """
        sock = self._sock
        assert sock is not None, "write before ready"
        self._writing = True
        self._check_abort(request)
        tls = isinstance(sock, ssl.SSLSocket)
        self.written = tls  # TLS may have sent a part of what it then reports as an error
        try:
            if deadline.expired:
                raise TimeoutError
            sent = 0 if tls else _write_now(sock, data)
            self.written = tls or sent > 0
            while sent < len(data):
                self._limit(sock, deadline)
                sent += sock.send(memoryview(data)[sent:])
                self.written = True
        except (OSError, ValueError) as error:
            self._fail(error, "writing the request", deadline, request)

    def read(self, method: str, deadline: Deadline, request: str) -> RawReply:
        """Reads the reply to what was written. After any error the connection is closed.

        Raises:
            ConnectionLost, TimedOut: The reply did not come, or not completely.
            BadReply: It is not HTTP.
            ReplyTooLarge: It is over the limits.
            StopRequested: A stop was requested meanwhile.
        """
        sock = self._sock
        assert sock is not None, "read before write"

        def _receive() -> bytes:
            self._limit(sock, deadline)
            return sock.recv(_BUFFER)

        try:
            raw = ReplyReader(_receive, self._limits, request).read(method)
        except FmzError:
            self.close()
            self._check_abort(request)
            raise
        except (OSError, ValueError) as error:
            self._fail(error, "reading the reply", deadline, request)
        if raw.reusable and not self._aborted:
            self._stay(raw)
        else:
            self.close()
        return raw

    def _stay(self, raw: RawReply) -> None:
        """Keeps the connection for the next request, no longer than the server says that it does."""
        self._idle_since = self._clock.monotonic()
        words = raw.headers.get("keep-alive")
        if words is not None:
            for word in words.split(","):
                name, _, value = word.partition("=")
                if name.strip().lower() == "timeout" and value.strip().isdigit():
                    self._keep_s = min(self._max_idle_s, int(value[:9]) - 1.0)

    def _limit(self, sock: socket.socket, deadline: Deadline) -> None:
        """Sets the socket's next time-out: what is left of the deadline, or the longest silence if that is less."""
        left = deadline.sooner(self._limits.read_timeout_s)
        if left is None:
            sock.settimeout(None)
            return
        if left <= 0:
            raise TimeoutError
        # Setting it is a system call. One that is at most a fiftieth too long, from the step before, will do: it is looked at again
        # before each further step.
        there = sock.gettimeout()
        if there is None or not left <= there <= left * 1.02:
            sock.settimeout(left)

    def _fail(self, error: Exception, doing: str, deadline: Deadline, request: str) -> NoReturn:
        """Closes, and raises what an error of the socket means for the call."""
        written = self.written
        self.close()
        self._check_abort(request)
        if isinstance(error, FmzError):
            raise error
        kind: type[NetworkError]
        if isinstance(error, TimeoutError):
            kind = TimedOut if written else ConnectFailed
            limit = deadline.timeout_s if deadline.expired else self._limits.read_timeout_s
            raise kind(f"timeout after {limit or 0:g} s while {doing}", request=request)
        kind = ConnectionLost if written else ConnectFailed
        raise kind(f"the connection broke while {doing}: {reason(error)}", request=request)


def _write_now(sock: socket.socket, data: bytes) -> int:
    """Writes what the socket takes at once, and says how much that was.

    ``send`` would first ask the system whether the socket is ready. That is a second system call, and in it the interpreter passes from
    thread to thread once more: with many calls at one gate, half of the skew between the first and the last.
    """
    if os.name != "posix" or sock.gettimeout() is None:
        return 0  # not a file descriptor, or one that would block
    try:
        return os.write(sock.fileno(), data)
    except BlockingIOError:
        return 0
