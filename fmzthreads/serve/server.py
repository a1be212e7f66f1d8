"""A server of a strategy: a thread for each connection, so that a slow client holds up no other.

Source: FMZ's syntax guide, "threading.Serve": at most 64 handlers run at a time, further requests get status 503 and further TCP connections are dropped; the
server ends with the strategy. A connection whose request has not come yet takes no handler's place.
"""

from __future__ import annotations

import contextvars
import os
import socket
import ssl
import threading
from collections.abc import Callable

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import InputError, StopRequested
from ..net.hosts import authority
from .address import ServeAddress
from .caller import MOST_MESSAGE, Caller, HttpCaller, TcpCaller, reply_bytes
from .request_reader import BadRequest, RequestLimits, RequestReader
from .socket_io import SocketIO

__all__ = ["LocalServer", "ServeLimits"]

_BACKLOG = 128
_POLL_S = 0.25
_ROOM_S = 5.0  # a connection that was aborted ends at once; a busy machine may take a moment


@attrs.frozen(kw_only=True)
class ServeLimits:
    """What clients may take.

    Attributes:
        handlers: How many handlers run at a time.
        connections: How many connections are open at a time, those without a complete request included.
        request: The limits of one request.
        send_s: How long a client may take to read what is sent, in seconds.
    """

    handlers: int = 64
    connections: int = 256
    request: RequestLimits = attrs.field(
        factory=lambda: RequestLimits(idle_s=10.0, request_s=30.0, most_head=65_536, most_body=MOST_MESSAGE)
    )
    send_s: float = 10.0


@attrs.define(eq=False)
class _Open:
    """One open connection."""

    io: SocketIO
    handler: Caller | None = None


class LocalServer:
    """Listens and calls a handler for each HTTP request or TCP connection.

    Args:
        address: Where it listens.
        handle: Called in a thread of its own with each caller, in the context (``contextvars``) in which the server was made.
        clock: Its stop ends the server.
        failed: Called with an error of a handler.
        limits: What clients may take.

    Raises:
        InputError: The address cannot be had, such as when its port is taken.
    """

    def __init__(
        self,
        address: ServeAddress,
        handle: Callable[[Caller], None],
        clock: Clock,
        *,
        failed: Callable[[BaseException], None],
        limits: ServeLimits | None = None,
    ) -> None:
        self._address = address
        self._handle = handle
        self._clock = clock
        self._failed = failed
        self._limits = limits if limits is not None else ServeLimits()
        self._context = contextvars.copy_context()
        self._lock = threading.Condition()  # guards the two fields below
        self._open: dict[_Open, None] = {}
        self._closing = False
        self._listener = _listen(address)
        self._addr = authority(*self._listener.getsockname()[:2])
        self._accepting = threading.Thread(target=self._accept, name="fmzthreads serve", daemon=True)
        self._accepting.start()
        self._token = clock.stop.add(self._end_all)

    # FMZ's methods

    def addr(self) -> str:
        """The address that it listens on, as ``host:port``."""
        return self._addr

    def close(self) -> None:
        """Accepts no more connections; running handlers go on. Repeating it has no effect."""
        with self._lock:
            self._closing = True
            waiting = [one for one in self._open if one.handler is None]
        for one in waiting:
            one.io.abort()
        if threading.current_thread() is not self._accepting:
            self._accepting.join()
        self._clock.stop.remove(self._token)

    def stop(self) -> None:
        """Closes and ends running handlers; their output is lost."""
        self.close()
        self._end_all()

    def join(self, timeout_ms: float | None = None) -> bool:
        """Waits until the server is closed and idle; False after the time-out.

        Args:
            timeout_ms: The longest wait, in milliseconds; None or 0 waits for ever, negative does not wait.

        Raises:
            StopRequested: The strategy is being stopped.
        """
        self._clock.stop.check()
        deadline = Deadline(self._clock, None if not timeout_ms else max(timeout_ms, 0) / 1000)
        token = self._clock.stop.add(self._wake)
        try:
            with self._lock:
                while not (self._closing and not self._open):
                    self._clock.stop.check()
                    if deadline.expired:
                        return False
                    self._lock.wait(deadline.remaining())
            self._clock.stop.check()  # it may be the stop that closed it
            return True
        finally:
            self._clock.stop.remove(token)

    def pending(self) -> int:
        """How many handlers are running."""
        with self._lock:
            return sum(one.handler is not None for one in self._open)

    # Connections

    def _wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _end_all(self) -> None:
        """Ends all connections and handlers at once."""
        with self._lock:
            self._closing = True
            every = list(self._open)
            self._lock.notify_all()
        for one in every:
            one.io.abort()
            if one.handler is not None:
                one.handler.kill()

    def _accept(self) -> None:
        with self._listener:
            while not self._closing:
                try:
                    accepted, _ = self._listener.accept()
                except TimeoutError:
                    continue
                except OSError:  # such as too many open files: it may pass
                    self._lock_wait(_POLL_S)
                    continue
                self._welcome(accepted)

    def _lock_wait(self, seconds: float) -> None:
        with self._lock:
            if not self._closing:
                self._lock.wait(seconds)

    def _welcome(self, accepted: socket.socket) -> None:
        if self._address.tls is not None:
            try:
                accepted = self._address.tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):  # the client is gone
                accepted.close()
                return
        one = _Open(SocketIO(accepted, self._clock.stop, self._limits.send_s))
        if not self._has_room(one):
            accepted.close()
            return
        context = self._context.copy()
        thread = threading.Thread(
            target=context.run, args=(self._serve, one, accepted), name="fmzthreads serve call", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be had
            self._forget(one, accepted)

    def _has_room(self, one: _Open) -> bool:
        """Takes a connection's place; the connection that has kept its request back for longest makes room for it."""
        with self._lock:
            if len(self._open) >= self._limits.connections:
                oldest = next((other for other in self._open if other.handler is None), None)
                if oldest is not None:
                    oldest.io.abort()
                    self._lock.wait_for(lambda: self._closing or len(self._open) < self._limits.connections, _ROOM_S)
            if self._closing or len(self._open) >= self._limits.connections:
                return False
            self._open[one] = None
            return True

    def _forget(self, one: _Open, accepted: socket.socket) -> None:
        accepted.close()
        with self._lock:
            self._open.pop(one, None)
            self._lock.notify_all()

    def _serve(self, one: _Open, accepted: socket.socket) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if isinstance(accepted, ssl.SSLSocket):
                accepted.settimeout(self._limits.request.idle_s)
                accepted.do_handshake()
            caller = self._http(one, accepted) if self._address.http else TcpCaller(one.io)
            if caller is not None and self._begin(one, caller):
                self._run(caller)
                with self._lock:
                    one.handler = None  # its place is free again
                one.io.end()
        except OSError:  # the client is gone, does not read its reply, or does not speak TLS
            pass
        finally:
            self._forget(one, accepted)

    def _http(self, one: _Open, accepted: socket.socket) -> HttpCaller | None:
        """Reads the request; None if it cannot be handled."""
        reader = RequestReader(accepted, self._limits.request)
        if not reader.wait():
            return None
        try:
            request = reader.read()
        except BadRequest as error:
            self._refuse(one, int(error.status[:3]), str(error))
            return None
        return HttpCaller(one.io, request, reader.rest(), compress=self._address.gzip)

    def _begin(self, one: _Open, caller: Caller) -> bool:
        """Takes a handler's place; refuses the caller if all are taken."""
        with self._lock:
            closing = self._closing
            free = sum(other.handler is not None for other in self._open) < self._limits.handlers
            if free and not closing:
                one.handler = caller
                return True
        if self._address.http:
            self._refuse(one, 503, "the server is being closed" if closing else "too many requests at a time")
        return False

    def _refuse(self, one: _Open, status: int, text: str) -> None:
        one.io.send(reply_bytes(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode()))
        one.io.end()

    def _run(self, caller: HttpCaller | TcpCaller) -> None:
        failed = True
        try:
            self._handle(caller)
            failed = False
        except StopRequested:
            pass
        except Exception as error:  # a handler's error is its strategy's, and ends the thread in any case
            if not caller.killed:
                self._failed(error)
        if not caller.killed:
            caller.finish(failed=failed)


def _listen(address: ServeAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number else str(error)
        raise InputError(f"cannot listen on {authority(address.host or '0.0.0.0', address.port)}: {why}") from None  # noqa: S104
    listener.settimeout(_POLL_S)
    return listener
