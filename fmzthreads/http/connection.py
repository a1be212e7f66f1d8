"""One HTTP/1.1 connection: writes a request, reads its reply, and is reused if possible.

It replaces urllib3's connection, which cannot tell whether any byte of the request may have been sent. It has one time-out for the
whole reply, even if the peer sends slowly, enforces limits while reading, and can be aborted by another thread.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Final, NoReturn

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, NetworkError, StopRequested, TimedOut
from ..fork import after_fork_in_child
from ..net.dial import Destination, Opening, open_stream, reason
from ..net.sockets import IncompleteRecord, Stream
from ..tasks.gate import HERE, pass_gate, uncounted
from .reply import Reply
from .reply_reader import ReplyLimits, ReplyReader

__all__ = ["ConnectionLimits", "HttpConnection"]

_BUFFER: Final = 65_536
_HELD_LONG_S: Final = 0.25  # at the gate: after this the connection is checked again


@attrs.frozen
class ConnectionLimits:
    """Time limits of connections, and the limits of replies.

    Attributes:
        reply: The limits of a reply.
        connect_timeout_s: The time-out of opening a connection, TLS included.
        max_idle_s: A connection that was idle for longer is not reused (servers close idle connections without warning).
        stop_grace_s: How long to wait, after a stop, for the reply to a request that must not be lost, in seconds.
    """

    reply: ReplyLimits
    connect_timeout_s: float
    max_idle_s: float
    stop_grace_s: float


def _nothing() -> None:
    """What closes a stream that is not there."""


class HttpConnection:
    """A connection of one thread to one origin, opened when it is needed.

    Only its owner thread opens, writes, reads and closes; any thread may ``abort``.

    Args:
        destination: The server, proxy and TLS settings.
        clock: Measures the time-outs and the idle time; its stop ends a call.
        limits: Its time limits, and the limits of replies.

    Attributes:
        was_reused: Whether the last request was written to a connection that an earlier call had opened.
    """

    def __init__(self, destination: Destination, clock: Clock, limits: ConnectionLimits) -> None:
        self._destination = destination
        self._clock = clock
        self._limits = limits
        self._keep_s = limits.max_idle_s
        self._idle_since = 0.0
        self._view: memoryview | None = None
        # Guards _aborted, _active, _opening, _timer, _end_stream and the closing of _stream by abort(), which runs in another thread.
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._end_stream: Callable[[], object] = _nothing
        self._opening: Opening | None = None
        self._aborted = ""
        self._active = False
        self._timer: threading.Timer | None = None  # runs between a stop and the end of the grace
        self._patient = False
        # Set before _aborted is checked and the first byte is sent: either that check sees a stop, or the stop sees this.
        self._writing = False
        self._written = False
        self.was_reused = False
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: closes this copy of the parent's connection and sends nothing."""
        self._lock = threading.Lock()
        self._opening = self._timer = None
        self._aborted = ""
        self._active = False
        self.close()

    # ---- calls

    def request(self, method: str, data: bytes, deadline: Deadline, name: str, *, patient: bool) -> Reply:
        """Sends a request and reads its reply; any error closes the connection.

        Args:
            method: The request's method, which says whether the reply has a body.
            data: The complete request.
            deadline: For the whole call.
            name: The request, for errors.
            patient: Whether the reply is awaited for the grace period if a stop comes after the request was written.

        Raises:
            ConnectFailed: Nothing was sent.
            ConnectionLost, TimedOut: A part of the request may have been sent.
            BadReply: The reply is not HTTP.
            ReplyTooLarge: The reply exceeds a limit.
            StopRequested: A stop was requested before anything was sent (or the call can be repeated later).
        """
        token = self._begin(patient)
        try:
            self._make_ready(deadline, name)
            if HERE.gate is not None:
                self._pass_gate(deadline, name)
            started = self._clock.monotonic()
            self._write(data, deadline, name)
            reply = self._read(method, deadline, name)
            reply.elapsed_s = self._clock.monotonic() - started
            return reply
        except FmzError:
            raise
        except BaseException:
            # Most likely Ctrl-C: the reply may still arrive and must not be read as the reply to the next request.
            self.close()
            raise
        finally:
            self._end(token)

    def open(self, deadline: Deadline, name: str) -> None:
        """Opens the connection without sending a request, unless it is open already.

        Raises:
            ConnectFailed: It could not be opened.
            StopRequested: A stop was requested meanwhile.
        """
        token = self._begin(False)
        try:
            self._make_ready(deadline, name)
        finally:
            self._end(token)

    def _begin(self, patient: bool) -> int:
        """Begins a call: clears an abort of an earlier one."""
        with self._lock:
            self._aborted = ""
            self._active = True
        self._patient = patient
        self._written = self._writing = False
        return self._clock.stop.add(self._on_stop)

    def _end(self, token: int) -> None:
        """Ends a call and cancels the timer of a stop's grace period."""
        self._clock.stop.remove(token)
        with self._lock:
            self._active = False
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()

    def _pass_gate(self, deadline: Deadline, name: str) -> None:
        arrived = self._clock.monotonic()
        pass_gate()
        if self._clock.monotonic() - arrived > _HELD_LONG_S:
            self._make_ready(deadline, name)

    # ---- opening, and ending

    def _make_ready(self, deadline: Deadline, name: str) -> None:
        """Reuses the connection if possible, else opens a new one."""
        if self._stream is not None:
            if self.is_alive():
                self.was_reused = True
                return
            self.close()
        self.was_reused = False
        opening = Opening()
        with self._lock:
            self._opening = opening
            if self._aborted:
                opening.cancel()
        limit = Deadline(self._clock, deadline.sooner(self._limits.connect_timeout_s))
        try:
            if limit.expired:
                raise TimedOut(f"timeout before connecting to {self._destination}")
            with uncounted():
                stream = open_stream(self._destination, limit, opening, self._clock)
        except NetworkError as error:
            self._check_abort(name)
            raise ConnectFailed(reason(error), request=name) from None
        except BaseException:  # a stop or Ctrl-C; it is raised again
            self._check_abort(name)
            raise
        finally:
            with self._lock:
                self._opening = None
        # For when this object is gone, since its thread ended: __del__ would not do, as a garbage collector may end the socket before this object.
        end = weakref.finalize(self, stream.close)
        end.atexit = False
        with self._lock:
            self._stream, self._end_stream = stream, end
        self._keep_s = self._limits.max_idle_s
        self._idle_since = self._clock.monotonic()
        self._check_abort(name)

    def is_alive(self) -> bool:
        """Whether the idle connection can be reused: open, recently used, no unexpected data.

        The peer may still close it right after this check, so a request that is lost this way is treated as possibly received.
        """
        stream = self._stream
        return stream is not None and self._clock.monotonic() - self._idle_since <= self._keep_s and stream.is_quiet()

    def close(self) -> None:
        """Closes the connection, in its owner's thread; a later request opens a new one."""
        with self._lock:
            end = self._take_stream()
        end()

    def _take_stream(self) -> Callable[[], object]:
        """Lets go of the stream, under the lock; returns what closes it, if there is one."""
        self._stream = None
        end, self._end_stream = self._end_stream, _nothing
        return end

    def abort(self, why: str) -> None:
        """Ends the running call, which fails with the message ``why``; from any thread."""
        with self._lock:
            self._aborted = self._aborted or why
            if self._opening is not None:
                self._opening.cancel()
            if self._stream is not None:
                self._stream.abort()

    def abort_or_close(self, why: str) -> None:
        """Ends the running call, or closes the idle connection; from any thread."""
        with self._lock:
            active = self._active
            end = _nothing if active else self._take_stream()
        if active:
            self.abort(why)
        end()

    def _on_stop(self) -> None:
        """Ends the running call, at once or after the grace period."""
        why = "stopped before the reply was complete"
        if not (self._patient and self._writing):
            self.abort(why)
            return
        timer = threading.Timer(self._limits.stop_grace_s, self.abort, (why,))
        timer.daemon = True
        with self._lock:
            if self._active:  # else the reply arrived meanwhile
                self._timer = timer
                timer.start()

    def _check_abort(self, name: str) -> None:
        """Raises the error of an abort, if there was one."""
        why = self._aborted
        if not why:
            return
        self.close()
        if self._clock.stop.is_set() and not (self._patient and self._written):
            raise StopRequested(self._clock.stop.reason or why, request=name)
        raise (ConnectionLost if self._written else ConnectFailed)(why, request=name)

    # ---- a request and its reply

    def _write(self, data: bytes, deadline: Deadline, name: str) -> None:
        stream = self._stream
        assert stream is not None, "write before ready"
        self._writing = True
        if self._clock.stop.is_set():  # its callback may be on its way, behind those of other connections
            self.abort("stopped before the request was sent")
        if self._aborted:
            self._check_abort(name)
        before = stream.bytes_sent
        try:
            stream.send(data, self._limit(deadline), self._clock)
            self._written = True
        except (OSError, ValueError) as error:
            self._written = stream.bytes_sent > before
            self._fail(error, "writing the request", deadline, name)

    def _read(self, method: str, deadline: Deadline, name: str) -> Reply:
        stream = self._stream
        assert stream is not None, "read before write"
        view = self._view
        if view is None:
            view = self._view = memoryview(bytearray(_BUFFER))

        def _receive() -> bytes:
            while True:
                left = self._limit(deadline)
                # Setting the time-out is a system call. The previous step's value, if at most 2 % too long, is kept: the deadline is
                # checked
                # again before each further step.
                there = stream.timeout_s
                if left is None or there is None or not left <= there <= left * 1.02:
                    stream.set_timeout(left)
                try:
                    count = stream.receive_into(view)
                    break
                except IncompleteRecord:
                    pass  # the peer is not silent; the deadline decides
            if not count and stream.was_cut:
                raise ConnectionLost("the TLS connection ended without its closing message", request=name)
            return view[:count].tobytes()

        try:
            reply = ReplyReader(_receive, self._limits.reply, name).read(method)
        except FmzError:
            self.close()
            self._check_abort(name)
            raise
        except (OSError, ValueError) as error:
            self._fail(error, "reading the reply", deadline, name)
        if reply.reusable and not self._aborted:
            self._stay(reply)
        else:
            self.close()
        return reply

    def _stay(self, reply: Reply) -> None:
        """Keeps the connection for the next request, at most as long as the server announces."""
        self._idle_since = self._clock.monotonic()
        if "keep-alive" in reply.headers:
            for word in reply.headers["keep-alive"].split(","):
                name, _, value = word.partition("=")
                if name.strip().lower() == "timeout" and value.isascii() and value.strip().isdigit():
                    self._keep_s = min(self._limits.max_idle_s, int(value.strip()[:9]) - 1.0)

    def _limit(self, deadline: Deadline) -> float | None:
        """The time-out of the next step: the rest of the deadline, or the read time-out if shorter."""
        left = deadline.sooner(self._limits.reply.read_timeout_s)
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def _fail(self, error: Exception, doing: str, deadline: Deadline, name: str) -> NoReturn:
        """Closes the connection and raises the call's error for an error of the socket."""
        written = self._written
        self.close()
        self._check_abort(name)
        kind: type[NetworkError]
        if isinstance(error, TimeoutError):
            kind = TimedOut if written else ConnectFailed
            limit = deadline.timeout_s if deadline.expired else self._limits.reply.read_timeout_s
            raise kind(f"timeout after {limit or 0:g} s while {doing}", request=name)
        if isinstance(error, FmzError):
            raise error
        kind = ConnectionLost if written else ConnectFailed
        raise kind(f"the connection broke while {doing}: {reason(error)}", request=name)
