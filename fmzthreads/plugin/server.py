"""The server of a plugin: a thread for each connection, since the methods of a plugin are plain synchronous calls.

A host keeps one connection for each of its threads, so that 32 threads are 32 connections. A thread that waits for a slow exchange, or for
a slow client, holds up no other. The sockets of the standard library are enough for this: an event loop in front of a thread pool would
add a hop to each call, and packages that a small machine may not have. Each request has one deadline and a size limit as a whole.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from types import TracebackType

import attrs

from ..clock import WallClock
from ..deadline import Deadline
from ..errors import FmzError, InputError, VenueRejected, VenueUnavailable
from ..exchange.keys.credentials import Credentials
from ..net.hosts import authority, is_loopback
from ..serve.request_reader import BadRequest, ReceivedRequest, RequestReader
from .http_request import LIMITS, check_call
from .keys import AllowedKeys
from .protocol import PluginCalls, read_request

__all__ = ["PluginServer"]

_log = logging.getLogger("fmzthreads.plugin")

_MOST_CONNECTIONS = 256
_BACKLOG = 256
_SEND_S = 10.0
_POLL_S = 0.25
_NO_KEYS = Credentials()


@attrs.define(eq=False)
class _Connection:
    socket: socket.socket
    served: bool = False  # before its first request it is not idle: one is on its way
    busy: bool = False


class PluginServer:
    """Serves a plugin's object to hosts; a context manager.

    Args:
        target: The object, or the ``PluginCalls`` of one.
        host: The address to listen on. Any other than the loopback needs ``keys``.
        port: The port; 0 for one that is free.
        keys: The accepted keys (see ``AllowedKeys``); empty for any.

    Raises:
        InputError: Without keys, the address is not the loopback; or the object has none of the methods.
    """

    def __init__(
        self, target: object, *, host: str = "127.0.0.1", port: int = 0, keys: AllowedKeys | None = None
    ) -> None:
        self._keys = keys if keys is not None else AllowedKeys()
        if not self._keys and not is_loopback(host):
            raise InputError(
                f"without keys a plugin listens on the loopback only, not on {host!r}: anybody who reaches it could trade; "
                "give --key or --key-file"
            )
        self._calls = target if isinstance(target, PluginCalls) else PluginCalls(target)
        for text in self._keys.texts:
            self._calls.hide(text)
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Condition()  # guards _open and what is busy
        self._open: dict[_Connection, None] = {}

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def address(self) -> str:
        """The service address, to which a path of one's own may be added."""
        return f"http://{authority(self._host, self._port)}"

    def start(self) -> PluginServer:
        """Begins to listen; returns itself.

        Raises:
            InputError: The address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._listener = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            raise InputError(
                f"cannot listen on {authority(self._host, self._port)}: {error.strerror or name}"
            ) from None
        self._port = self._listener.getsockname()[1]
        self._listener.settimeout(_POLL_S)
        self._accepting = threading.Thread(target=self._accept, name="plugin accept", daemon=True)
        self._accepting.start()
        return self

    def stop(self, grace_s: float = 10.0) -> bool:
        """Ends idle connections, lets running calls send their replies, and stops listening.

        Args:
            grace_s: How long running calls may take, in seconds.

        Returns:
            Whether all have ended.
        """
        self._stopping.set()
        if self._accepting is not None:
            self._accepting.join()
        if self._listener is not None:
            self._listener.close()
        deadline = Deadline(WallClock(), grace_s)
        with self._lock:
            for connection in self._open:
                if not connection.busy:
                    _end(
                        connection.socket, socket.SHUT_RD
                    )  # a request that has just come in is still answered: by a refusal
            while self._open and not deadline.expired:
                self._lock.wait(deadline.remaining())
            left = list(self._open)
        for connection in left:
            _end(connection.socket)
        return not left

    def __enter__(self) -> PluginServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        listener = self._listener
        assert listener is not None
        while not self._stopping.is_set():
            try:
                accepted, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError as error:  # such as too many open files: it may pass
                _log.warning("a connection could not be accepted: %s", error.strerror or type(error).__name__)
                self._stopping.wait(_POLL_S)
                continue
            self._begin(_Connection(accepted))

    def _begin(self, connection: _Connection) -> None:
        if not self._make_room():  # the end came first
            connection.socket.close()
            return
        with self._lock:
            self._open[connection] = None
        try:
            threading.Thread(target=self._serve, args=(connection,), name="plugin call", daemon=True).start()
        except RuntimeError:  # no thread can be had
            self._forget(connection)

    def _make_room(self) -> bool:
        """Waits until one more connection may be open, and ends those that were idle for longest; False when the server stops."""
        with self._lock:
            while len(self._open) >= _MOST_CONNECTIONS and not self._stopping.is_set():
                idle = next((one for one in self._open if one.served and not one.busy), None)
                if idle is not None:
                    _end(idle.socket)
                self._lock.wait(_POLL_S)
        return not self._stopping.is_set()

    def _forget(self, connection: _Connection) -> None:
        connection.socket.close()
        with self._lock:
            self._open.pop(connection, None)
            self._lock.notify_all()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = RequestReader(connection.socket, LIMITS, check_call)
            waiting = reader.wait(LIMITS.request_s)
            while waiting and self._serve_one(connection, reader):
                waiting = reader.wait()
        except OSError:  # the peer is gone, or does not read its reply
            pass
        finally:
            self._forget(connection)

    def _serve_one(self, connection: _Connection, reader: RequestReader) -> bool:
        """Answers one request; returns whether another may follow."""
        with self._lock:
            connection.busy = True
        try:
            request = reader.read()
        except BadRequest as error:
            refused = self._calls.refusal(VenueRejected(str(error)), _NO_KEYS)
            _send(connection.socket, error.status, refused, keep=False)
            return False
        if self._stopping.is_set():
            reply = self._calls.refusal(VenueUnavailable("the plugin is being stopped; nothing was done"), _NO_KEYS)
        else:
            reply = self._answer(request)
        keep = request.head.keep and not self._stopping.is_set()
        _send(connection.socket, "200 OK", reply, keep=keep)
        with self._lock:
            connection.busy, connection.served = False, True
            self._lock.notify_all()
            if connection in self._open:  # the longest idle one stands first
                self._open[connection] = self._open.pop(connection)
            return keep and not self._stopping.is_set()

    def _answer(self, request: ReceivedRequest) -> bytes:
        keys = _NO_KEYS
        try:
            said = read_request(request.body)
            keys = said.keys
            self._keys.check(keys)
        except FmzError as error:
            return self._calls.refusal(error, keys)
        return self._calls.answer(said)


def _send(connection: socket.socket, status: str, body: bytes, *, keep: bool) -> None:
    end = "" if keep else "Connection: close\r\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{end}\r\n"
    connection.settimeout(_SEND_S)
    connection.sendall(head.encode() + body)


def _end(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        pass  # it has ended already
