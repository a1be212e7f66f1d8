"""Byte streams: TCP, TLS, UDP and Unix sockets, straight or through a proxy, with one deadline for all steps of opening.

The socket is left in blocking mode: one thread waits in ``recv_into`` at one system call a batch, and ``abort`` from any thread ends that
wait. Writers never block inside ``send`` (``MSG_DONTWAIT``); they wait for room by ``poll`` with their own time-out.

TLS runs over memory buffers (``ssl.MemoryBIO``) rather than on an ``SSLSocket``: an ``SSLSocket`` must not be read and written by two
threads at once, reads at most one record of 16 KiB at two system calls each, and loses its encryption when it is shut down under a
reader.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

from ..clock import Clock
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, InputError, TimedOut, excerpt, require
from .address import Address
from .options import DialOptions

__all__ = ["Opening", "PlainStream", "Stream", "TlsStream", "open_stream", "tls_context"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none: there a write waits in send instead of in select
_RECEIVE = 1 << 17
_LONGEST_POLL_S = 2_000_000.0


class Stream(Protocol):
    """What the rest of the room needs of a stream of bytes."""

    @property
    def receive_into(self) -> Callable[[memoryview], int]:
        """Waits for bytes and returns how many came; 0 at the end. Only one thread calls it."""

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all of it; one thread at a time (the caller holds a lock)."""

    def try_send(self, data: bytes) -> int:
        """Writes what can be written without waiting; how many bytes that was."""

    def set_timeout(self, timeout_s: float | None) -> None:
        """The longest that ``receive_into`` waits, for the handshake and the farewell."""

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""

    def close(self) -> None:
        """Gives the socket back; nobody may be using it."""


class Opening:
    """An attempt to connect that another thread may cancel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two fields
        self._socket: socket.socket | None = None
        self.cancelled = False

    def watch(self, sock: socket.socket) -> None:
        """Names the socket that the attempt now waits on."""
        with self._lock:
            self._socket = sock
            cancelled = self.cancelled
        if cancelled:
            _shut_down(sock)

    def done(self) -> None:
        """The attempt is over, one way or the other."""
        with self._lock:
            self._socket = None

    def cancel(self) -> None:
        """Ends the attempt."""
        with self._lock:
            self.cancelled = True
            if self._socket is not None:
                _shut_down(self._socket)


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # not connected (any more): nobody waits on it then
        sock.shutdown(socket.SHUT_RDWR)


def _wait_writable(sock: socket.socket, timeout_s: float | None) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        return bool(poll.poll(None if timeout_s is None else min(timeout_s, _LONGEST_POLL_S) * 1000))
    return bool(select.select([], [sock], [], timeout_s)[1])


class PlainStream:
    """A connected socket without encryption.

    Args:
        sock: The socket; owned from now on.

    Attributes:
        receive_into: Waits for bytes and returns how many came, 0 at the end: the socket's own method, because each call counts.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._socket = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all of it.

        Raises:
            TimedOut: It could not be written in time; a part may have been.
            OSError: The connection is broken.
        """
        sent = self.try_send(data)
        if sent == len(data):
            return
        deadline = Deadline(clock, timeout_s)
        rest = memoryview(data)[sent:]
        while rest:
            if not _wait_writable(self._socket, deadline.remaining()):
                raise TimedOut(f"timeout: the peer did not take {len(rest)} of {len(data)} bytes in time")
            rest = rest[self.try_send(rest) :]

    def try_send(self, data: bytes | memoryview) -> int:
        """Writes what can be written without waiting."""
        try:
            return self._socket.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0

    def set_timeout(self, timeout_s: float | None) -> None:
        """The longest that ``receive_into`` waits, in seconds; None for ever."""
        self._socket.settimeout(timeout_s)

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""
        _shut_down(self._socket)

    def close(self) -> None:
        """Gives the socket back."""
        self._socket.close()


class TlsStream:
    """TLS over a plain stream.

    Args:
        plain: The connected stream below.
        context: With the certificates to trust.
        host: The name that the certificate must be for.
    """

    def __init__(self, plain: PlainStream, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._lock = threading.Lock()  # guards _tls and both BIOs: OpenSSL's objects are not thread-safe
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._buffer = bytearray(_RECEIVE)
        self._view = memoryview(self._buffer)
        self._unsent: bytes = b""  # encrypted already, so it must go out before anything else

    def handshake(self, deadline: Deadline, clock: Clock) -> None:
        """Agrees on keys and verifies the certificate.

        Raises:
            OSError: TLS or the connection failed (``ssl.SSLError`` is one).
            TimedOut: It took too long.
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
            deadline.check("the TLS handshake")
            self._plain.set_timeout(deadline.remaining())
            count = self._plain.receive_into(self._view)
            if not count:
                raise ConnectionLost("the peer closed the connection during the TLS handshake")
            self._incoming.write(self._view[:count])

    def receive_into(self, view: memoryview) -> int:
        """Waits for bytes and decrypts as many as fit; 0 at the end."""
        while True:
            with self._lock:
                count = self._decrypt(view)
            if count >= 0:
                return count
            received = self._plain.receive_into(self._view)
            if not received:
                return 0
            with self._lock:
                self._incoming.write(self._view[:received])

    def _decrypt(self, view: memoryview) -> int:
        """Fills ``view`` from what has come; -1 when that is not a whole record, 0 at the end. The lock is held."""
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
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return filled  # when something was filled, the next call ends here again
        return filled or -1

    def _encrypt(self, data: bytes | memoryview) -> bytes:
        with self._lock:
            self._tls.write(data)
            return self._outgoing.read()

    def send(self, data: bytes, timeout_s: float | None, clock: Clock) -> None:
        """Writes all of it; see ``PlainStream.send``."""
        out = self._unsent + self._encrypt(data)
        self._unsent = b""
        self._plain.send(out, timeout_s, clock)

    def try_send(self, data: bytes | memoryview) -> int:
        """Encrypts all of it and writes what can be written without waiting; the rest goes out before the next write."""
        if self._unsent:
            self._unsent = self._unsent[self._plain.try_send(self._unsent) :]
            if self._unsent:
                return 0
        out = self._encrypt(data)
        self._unsent = out[self._plain.try_send(out) :]
        return len(data)

    def set_timeout(self, timeout_s: float | None) -> None:
        """The longest that ``receive_into`` waits for bytes."""
        self._plain.set_timeout(timeout_s)

    def abort(self) -> None:
        """Ends every wait on the stream, from any thread."""
        self._plain.abort()

    def close(self) -> None:
        """Gives the socket back."""
        self._plain.close()


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
    """Opens the connection: name, proxy, TCP, TLS.

    Args:
        address: Where to.
        options: For proxy and local_ip.
        context: The TLS settings where the scheme has TLS.
        deadline: For all of it; looking up the name cannot be cut short, so it may add to it.
        opening: Where the attempt can be cancelled.
        clock: What the deadline is measured with.

    Raises:
        ConnectFailed: It could not be opened; the error says which step failed.
        TimedOut: The deadline passed.
    """
    sock: socket.socket | None = None
    try:
        sock = _connect(address, options, deadline, opening)
        stream: PlainStream | TlsStream = PlainStream(sock)
        if context is not None:
            tls = TlsStream(cast(PlainStream, stream), context, address.host)
            tls.handshake(deadline, clock)
            stream = tls
        return stream
    except BaseException as error:  # the socket is given back on Ctrl-C too
        if sock is not None:
            sock.close()
        if isinstance(error, TimeoutError):
            raise TimedOut(f"timeout: {address.shown} did not answer within {deadline.timeout_s:g} s") from error
        if isinstance(error, ssl.SSLCertVerificationError):
            raise ConnectFailed(
                f"the certificate of {address.authority} does not verify: {error.verify_message}"
            ) from error
        if isinstance(error, OSError) and not isinstance(error, ConnectFailed):
            raise ConnectFailed(f"cannot connect to {address.shown}: {error}") from error
        if isinstance(error, ConnectionLost):
            raise ConnectFailed(f"cannot connect to {address.shown}: {error}") from error
        raise


def _connect(address: Address, options: DialOptions, deadline: Deadline, opening: Opening) -> socket.socket:
    if address.scheme == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return _connected(sock, address.target, deadline, opening)
    if options.proxy:
        return _through_proxy(address, options, deadline, opening)
    return _dial(address.host, address.port, options.local_ip, address.scheme == "udp", deadline, opening)


def _connected(sock: socket.socket, where: object, deadline: Deadline, opening: Opening) -> socket.socket:
    try:
        opening.watch(sock)
        sock.settimeout(deadline.remaining())
        deadline.check("connecting")
        sock.connect(where)  # type: ignore[arg-type]
        if opening.cancelled:
            raise ConnectFailed("closed while connecting")
        return sock
    except BaseException:  # whatever ends the attempt: the socket is given back
        sock.close()
        raise


def _dial(host: str, port: int, local_ip: str, datagram: bool, deadline: Deadline, opening: Opening) -> socket.socket:
    """Tries the addresses of a host in turn."""
    kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
    failure: OSError | None = None
    for family, type_, protocol, _, where in socket.getaddrinfo(host, port, 0, kind):
        try:
            sock = socket.socket(family, type_, protocol)
            if not datagram:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if local_ip:
                try:
                    sock.bind((local_ip, 0))
                except OSError:
                    sock.close()
                    raise
            return _connected(sock, where, deadline, opening)
        except OSError as error:
            failure = error
            if isinstance(error, TimeoutError) or opening.cancelled:
                raise
    raise failure if failure is not None else ConnectFailed(f"{host} has no address")


def _through_proxy(address: Address, options: DialOptions, deadline: Deadline, opening: Opening) -> socket.socket:
    parts = urlsplit(options.proxy)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in {"http", "socks5", "socks5h"} or not host or not port:
        raise InputError("the Dial option proxy must be http://[user:password@]host:port or socks5://..., and is not")
    if parts.scheme == "http":
        sock = _dial(host, port, options.local_ip, False, deadline, opening)
        return _tunnel(sock, parts, address, deadline)
    return _socks(parts, address, options, deadline, opening)


def _socks(
    parts: SplitResult, address: Address, options: DialOptions, deadline: Deadline, opening: Opening
) -> socket.socket:
    socks = require("socks", "socks")
    sock = cast(socket.socket, socks.socksocket())
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    # The proxy looks up the name: what the script asks for is not shown to the local network.
    sock.set_proxy(socks.SOCKS5, parts.hostname, parts.port, True, user, password)  # type: ignore[attr-defined]
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.local_ip:
        sock.bind((options.local_ip, 0))
    return _connected(sock, (address.host, address.port), deadline, opening)


def _tunnel(sock: socket.socket, parts: SplitResult, address: Address, deadline: Deadline) -> socket.socket:
    """Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6)."""
    from base64 import b64encode

    lines = [f"CONNECT {address.authority} HTTP/1.1", f"Host: {address.authority}"]
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append("Proxy-Authorization: Basic " + b64encode(account).decode())
    try:
        sock.settimeout(deadline.remaining())
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            deadline.check("waiting for the proxy")
            sock.settimeout(deadline.remaining())
            # One byte at a time: what follows the empty line belongs to the peer behind the tunnel.
            byte = sock.recv(1)
            if not byte or len(reply) > 16384:
                raise ConnectFailed(f"the proxy {parts.hostname}:{parts.port} gave no valid answer")
            reply += byte
        status = reply.split(b"\r\n", 1)[0]
        if status.split(b" ")[1:2] != [b"200"]:
            told = re.sub(r"(?i)(authorization:|basic\b).*", "***", excerpt(status))  # some repeat the request
            raise ConnectFailed(f"the proxy {parts.hostname}:{parts.port} refused: {told}")
        return sock
    except BaseException:  # whatever ends the attempt: the socket is given back
        sock.close()
        raise
