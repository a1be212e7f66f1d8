"""Opens connections: name look-up, TCP/UDP/Unix socket, proxy and TLS under one deadline.

Each wait wakes once a second: for a cancellation that came before there was a socket to shut down, and for a Ctrl-C that came just
before the system call blocked. No data of the caller is sent here.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from typing import Any

import attrs

from ..clock import Clock, Signal
from ..deadline import Deadline
from ..errors import ConnectFailed, FmzError, NetworkError, TimedOut
from .hosts import authority, ip_address
from .proxy import Proxy
from .sockets import LOOK_UP_S, PlainStream, TlsStream, shut_down, wait_writable
from .tunnel import ask_proxy

__all__ = ["Destination", "Opening", "open_stream", "reason"]

_CONNECTING = (errno.EINPROGRESS, errno.EWOULDBLOCK)  # the latter is Windows'


@attrs.frozen(kw_only=True)
class Destination:
    """The server to connect to, and the proxy and TLS settings to use.

    Attributes:
        shown: Its name in errors; without secrets.
        host: The server's name or IP address.
        port: The server's port.
        proxy: The proxy, or the local address to connect from; None for a direct connection.
        local_ip: The local address to connect from; empty for any, or for that of ``proxy``.
        forwards: Whether requests are sent to the HTTP proxy to forward, instead of through a tunnel.
        tls: The TLS settings; None for no TLS.
        datagram: Whether it is UDP.
        path: A Unix socket's path, instead of host and port.
    """

    shown: str
    host: str = ""
    port: int = 0
    proxy: Proxy | None = None
    local_ip: str = ""
    forwards: bool = False
    tls: ssl.SSLContext | None = None
    datagram: bool = False
    path: str = ""

    def __str__(self) -> str:
        return self.shown if self.proxy is None else f"{self.shown} through the proxy {self.proxy}"


class Opening:
    """An attempt to connect that another thread, or a signal handler, may cancel.

    It has no lock: ``watch`` writes the socket before it reads ``cancelled`` and ``cancel`` does the reverse, so when both run at
    the same time at least one sees what the other wrote.

    Attributes:
        cancelled: Whether it was cancelled.
        step: The current step, for errors.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._name: tuple[Signal, int] | None = None
        self.cancelled = False
        self.step = "connecting"

    def watch(self, sock: socket.socket) -> None:
        """Sets the socket that the attempt waits on; only a connecting socket can be shut down."""
        self._socket = sock
        if self.cancelled:
            shut_down(sock)

    def watch_name(self, found: Signal) -> None:
        """Sets the signal that this thread waits on during a name look-up."""
        self._name = (found, threading.get_ident())

    def cancel(self) -> None:
        """Ends the attempt."""
        self.cancelled = True
        sock, name = self._socket, self._name
        if sock is not None:
            shut_down(sock)
        # A signal handler that interrupted the waiting thread must not take the signal's lock, which that thread may hold. The stop that
        # the handler requests, or the next wake-up, ends the wait.
        if name is not None and name[1] != threading.get_ident():
            name[0].set()

    def check(self) -> None:
        """Raises if it was cancelled.

        Raises:
            ConnectFailed: It was cancelled.
        """
        if self.cancelled:
            raise ConnectFailed("closed while connecting")


def open_stream(where: Destination, deadline: Deadline, opening: Opening, clock: Clock) -> PlainStream | TlsStream:
    """Opens a connection.

    Args:
        where: The server, proxy and TLS settings.
        deadline: For all steps together.
        opening: Allows another thread to cancel the attempt.
        clock: Measures the deadline; its stop ends a name look-up.

    Raises:
        ConnectFailed: The connection could not be opened; the message names the step that failed.
        TimedOut: The deadline passed.
        StopRequested: The clock's stop was set while the name was looked up.
    """
    sock: socket.socket | None = None
    try:
        if where.path:
            sock = _connected(socket.socket(socket.AF_UNIX), where.path, deadline, opening)
        else:
            sock = _dial(where, deadline, opening, clock)
        plain = PlainStream(sock)
        if where.proxy is not None and where.proxy.kind != "ip" and not (where.forwards and where.proxy.kind == "http"):
            opening.step = "asking the proxy"
            ask_proxy(plain, where.proxy, where.host, where.port, deadline, clock)
        stream: PlainStream | TlsStream = plain
        if where.tls is not None:
            opening.step = "the TLS handshake"
            stream = TlsStream(plain, where.tls, where.host)
            stream.handshake(deadline, clock)
        opening.check()
        return stream
    except BaseException as error:  # the socket is closed on Ctrl-C too
        if sock is not None:
            sock.close()
        converted = _as_network_error(error, where, deadline, opening)
        if converted is None:
            raise
        raise converted from error


def _as_network_error(
    error: BaseException, where: Destination, deadline: Deadline, opening: Opening
) -> NetworkError | None:
    """Converts a failure to the error to raise; None to raise it unchanged."""
    if isinstance(error, TimeoutError):
        limit = "" if deadline.timeout_s is None else f" within {round(deadline.timeout_s, 3):g} s"
        return TimedOut(f"timeout: {where} did not answer{limit} ({opening.step})")
    if isinstance(error, ssl.SSLCertVerificationError):
        place = authority(where.host, where.port)
        return ConnectFailed(
            f"cannot connect to {where}: the certificate of {place} is not trusted ({error.verify_message})"
        )
    if isinstance(error, OSError | NetworkError):
        step = f"{opening.step}: " if opening.step and isinstance(error, OSError) else ""
        return ConnectFailed(f"cannot connect to {where}: {step}{reason(error)}")
    return None


def reason(error: BaseException) -> str:
    """The cause of an error as text, without secrets."""
    if isinstance(error, FmzError):
        return str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, TimeoutError):
        return "timeout"  # the word that published scripts pass to SetErrorFilter
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__


def _dial(where: Destination, deadline: Deadline, opening: Opening, clock: Clock) -> socket.socket:
    """Connects to the first address that answers, of the server or of its proxy.

    Raises:
        ConnectFailed: It was cancelled, or there is no address.
        OSError: No address answered; the error of the last attempt.
    """
    proxy = where.proxy
    host, port, source = where.host, where.port, where.local_ip
    if proxy is not None and proxy.kind == "ip":
        source = source or proxy.host
    elif proxy is not None:
        host, port = proxy.host, proxy.port
    kind = socket.SOCK_DGRAM if where.datagram else socket.SOCK_STREAM
    opening.step = f"looking up the name {host}"
    found = _look_up(host, port, kind, deadline, opening, clock)
    if source:
        wanted = socket.AF_INET6 if ":" in source else socket.AF_INET
        found = [entry for entry in found if entry[0] == wanted]
    opening.step = "connecting"
    failure: OSError | None = None
    for at, (family, type_, protocol, _, place) in enumerate(found):
        left = deadline.remaining()
        # An address that does not answer (often IPv6 on a broken network) leaves time for the next ones.
        share = Deadline(clock, None if left is None else left / (len(found) - at))
        try:
            return _connected(_socket(family, type_, protocol, source), place, share, opening)
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure
    raise ConnectFailed(f"no address found for {host}" + (f" that {source} can connect to" if source else ""))


def _socket(family: int, kind: int, protocol: int, source: str) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if source:
            sock.bind((source, 0))
    except BaseException:  # any error: the socket is closed
        sock.close()
        raise
    return sock


def _connected(sock: socket.socket, place: object, deadline: Deadline, opening: Opening) -> socket.socket:
    try:
        opening.check()
        sock.setblocking(False)
        code = sock.connect_ex(place)  # type: ignore[arg-type]
        opening.watch(sock)
        if code in _CONNECTING:
            while not wait_writable(sock, deadline.sooner(LOOK_UP_S)):
                opening.check()
                deadline.check("connecting")
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        opening.check()
        if code:
            raise OSError(code, os.strerror(code))
        return sock
    except BaseException:  # however the attempt ends: the socket is closed
        sock.close()
        raise


def _look_up(
    host: str, port: int, kind: int, deadline: Deadline, opening: Opening, clock: Clock
) -> list[tuple[int, int, int, str, Any]]:
    """Looks up the addresses of a host, in the order to try.

    The system's resolver has no time-out option. So a name is looked up in a daemon thread; if the deadline passes first, that
    thread keeps running until the resolver's own time-out.

    Raises:
        TimedOut: The deadline passed.
        ConnectFailed: The attempt was cancelled.
        OSError: The name does not exist.
        StopRequested: The clock's stop was set meanwhile.
    """
    if ip_address(host) is not None:
        return [*socket.getaddrinfo(host, port, 0, kind)]
    answer: list[Any] = []
    done = Signal()

    def _work() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, 0, kind))
        except Exception as error:  # raised again in the waiting thread
            answer.append(error)
        done.set()

    opening.watch_name(done)
    opening.check()
    threading.Thread(target=_work, name=f"resolve {host}", daemon=True).start()
    while not clock.wait((done,), deadline.sooner(LOOK_UP_S)):
        opening.check()
        deadline.check("looking up the name")
    opening.check()
    if isinstance(answer[0], Exception):
        raise answer[0]
    found: list[tuple[int, int, int, str, Any]] = answer[0]
    return found
