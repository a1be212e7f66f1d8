"""Opening a stream of bytes: TCP, TLS, UDP and Unix sockets, straight or through a proxy, with one deadline for all steps.

Whoever waits here looks up once a second: for a cancellation that came before there was anything to shut down, and for a Ctrl-C that
came just before the system fell asleep.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl

import attrs

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed, InputError, NetworkError, TimedOut
from ..net.sockets import LOOK_UP_S, PlainStream, Stream, TlsStream, shut_down, wait_writable
from ..net.tunnel import Proxy, ask, read_proxy
from .address import DATAGRAM, Address
from .options import DialOptions

__all__ = ["Opening", "PlainStream", "Stream", "TlsStream", "open_stream", "tls_context"]

_CONNECTING = (errno.EINPROGRESS, errno.EWOULDBLOCK)  # the latter is what Windows says


class Opening:
    """An attempt to connect that another thread, or a signal handler, may cancel.

    It has no lock: ``watch`` writes the socket before it reads ``cancelled`` and ``cancel`` the other way round, so that at least one of two
    that meet sees what the other wrote.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.cancelled = False

    def watch(self, sock: socket.socket) -> None:
        """Names the socket that the attempt now waits on; it is connecting already, else it could not be shut down."""
        self._socket = sock
        if self.cancelled:
            shut_down(sock)

    def cancel(self) -> None:
        """Ends the attempt."""
        self.cancelled = True
        sock = self._socket
        if sock is not None:
            shut_down(sock)

    def check(self) -> None:
        """Raises if it was cancelled.

        Raises:
            ConnectFailed: It was.
        """
        if self.cancelled:
            raise ConnectFailed("closed while connecting")


def tls_context(options: DialOptions) -> ssl.SSLContext:
    """The TLS settings of a stream: certificates and names are verified unless the user wrote that they are not to be.

    Raises:
        InputError: The file of the option ca_file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except OSError as error:
        raise InputError(f"the Dial option ca_file cannot be read: {options.ca_file!r}: {error}") from None
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def open_stream(
    address: Address,
    options: DialOptions,
    context: ssl.SSLContext | None,
    deadline: Deadline,
    opening: Opening,
    clock: Clock,
) -> PlainStream | TlsStream:
    """Opens the connection: name, TCP, proxy, TLS.

    Args:
        address: Where to.
        options: For proxy and local_ip.
        context: The TLS settings where the scheme has TLS.
        deadline: For all of it; looking up the name cannot be cut short, so it may add to it.
        opening: Where the attempt can be cancelled.
        clock: What the deadline is measured with.

    Raises:
        ConnectFailed: It could not be opened; the error says which step failed.
        InputError: The proxy is none.
        TimedOut: The deadline passed.
    """
    proxy = read_proxy(options.proxy) if options.proxy else None
    sock: socket.socket | None = None
    try:
        if address.scheme == "unix":
            sock = _connected(socket.socket(socket.AF_UNIX), address.target, deadline, opening)
        else:
            host, port = (address.host, address.port) if proxy is None else (proxy.host, proxy.port)
            sock = _Dialler(options.local_ip, deadline, opening, clock).dial(host, port, address.scheme in DATAGRAM)
        plain = PlainStream(sock)
        if proxy is not None:
            ask(plain, proxy, address, deadline, clock)
        stream: PlainStream | TlsStream = plain
        if context is not None:
            stream = TlsStream(plain, context, address.host)
            stream.handshake(deadline, clock)
        opening.check()
        return stream
    except BaseException as error:  # the socket is given back on Ctrl-C too
        if sock is not None:
            sock.close()
        told = _told(error, address, proxy, deadline)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException, address: Address, proxy: Proxy | None, deadline: Deadline) -> NetworkError | None:
    """What is told of a failure; None for what is to go through as it is."""
    where = address.shown if proxy is None else f"{address.shown} by the proxy {proxy}"
    if isinstance(error, TimeoutError):
        return TimedOut(f"timeout: {where} did not answer within {deadline.timeout_s:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailed(f"the certificate of {address.authority} does not verify: {error.verify_message}")
    if isinstance(error, OSError | NetworkError):
        return ConnectFailed(f"cannot connect to {where}: {error}")
    return None


@attrs.frozen
class _Dialler:
    """Connects to a host."""

    local_ip: str
    deadline: Deadline
    opening: Opening
    clock: Clock

    def dial(self, host: str, port: int, datagram: bool) -> socket.socket:
        """Tries the host's addresses in turn.

        Raises:
            ConnectFailed: It was cancelled, or there is no address.
            OSError: None of them answered; the error is the last one's.
        """
        kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
        found = socket.getaddrinfo(host, port, 0, kind)
        failure: OSError | None = None
        for at, (family, type_, protocol, _, where) in enumerate(found):
            left = self.deadline.remaining()
            # An address that does not answer (IPv6 on a broken network, often) leaves time for those after it.
            share = Deadline(self.clock, None if left is None else left / (len(found) - at))
            try:
                return _connected(self._socket(family, type_, protocol, datagram), where, share, self.opening)
            except OSError as error:
                failure = error
        raise failure if failure is not None else ConnectFailed(f"{host} has no address")

    def _socket(self, family: int, type_: int, protocol: int, datagram: bool) -> socket.socket:
        sock = socket.socket(family, type_, protocol)
        try:
            if not datagram:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self.local_ip:
                sock.bind((self.local_ip, 0))
        except BaseException:  # whatever it was: the socket is given back
            sock.close()
            raise
        return sock


def _connected(sock: socket.socket, where: object, deadline: Deadline, opening: Opening) -> socket.socket:
    try:
        opening.check()
        sock.setblocking(False)
        code = sock.connect_ex(where)  # type: ignore[arg-type]
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
    except BaseException:  # whatever ends the attempt: the socket is given back
        sock.close()
        raise
