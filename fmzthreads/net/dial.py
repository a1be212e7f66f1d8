"""Making a connection: name, TCP, proxy and TLS, all within one deadline and cut short by an abort.

Nothing of a request is sent here, so every failure is a ``ConnectFailed``.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..clock import Clock, Signal
from ..deadline import Deadline
from ..errors import ConnectFailed, FmzError, require
from .proxy import Origin, Proxy

__all__ = ["Connector"]

_MOST_TUNNEL_HEAD = 16_384

# What the caller does with a socket as soon as there is one: it keeps it so that another thread can shut it down.
OnSocket = Callable[[socket.socket], None]


@attrs.frozen
class Connector:
    """Opens connections to one origin.

    Attributes:
        origin: Where to.
        proxy: By what way; None for directly.
        tls: Gives the context for TLS; called only when it is needed.
        clock: Measures the time-outs; its stop ends the wait for a name.
        connect_timeout_s: The longest that one connection may take to be made, TLS included.
    """

    origin: Origin
    proxy: Proxy | None
    tls: Callable[[], ssl.SSLContext]
    clock: Clock
    connect_timeout_s: float

    def open(self, deadline: Deadline, on_socket: OnSocket, request: str) -> socket.socket:
        """Makes a connection that is ready for a request.

        Args:
            deadline: The call's deadline; the connection time-out applies too.
            on_socket: Told of each socket as soon as it exists (and of the TLS socket that replaces it).
            request: The request, for errors.

        Raises:
            ConnectFailed: Refused, unresolved, timed out, or failed in the proxy or TLS; nothing of the request was sent.
            MissingExtra: A SOCKS proxy needs the extra ``socks``.
        """
        return _Steps(self, deadline.sooner(self.connect_timeout_s), on_socket, request).run()


class _Steps:
    """The steps of one attempt."""

    def __init__(self, plan: Connector, limit_s: float | None, on_socket: OnSocket, request: str) -> None:
        self._plan = plan
        self._limit = Deadline(plan.clock, limit_s)
        self._on_socket = on_socket
        self._request = request
        self._doing = "connecting"
        self._sock: socket.socket | None = None

    def run(self) -> socket.socket:
        """Takes them; a step that fails closes the socket.

        Raises:
            ConnectFailed: One failed; the message says which.
        """
        plan = self._plan
        try:
            if plan.proxy is not None and plan.proxy.kind == "socks5":
                sock = self._socks(plan.proxy)
            else:
                sock = self._tcp()
                if plan.proxy is not None and plan.proxy.kind == "http" and plan.origin.tls:
                    self._doing = f"asking the proxy {plan.proxy} for a tunnel"
                    self._tunnel(sock, plan.proxy)
            if plan.origin.tls:
                self._doing = "shaking hands for TLS"
                sock = self._wrap(sock)
            self._sock = None
            return sock
        except (OSError, ValueError) as error:
            if isinstance(error, FmzError):
                raise
            raise self._failed(reason(error)) from None
        finally:
            if self._sock is not None:
                self._sock.close()

    def _failed(self, why: str) -> ConnectFailed:
        way = f" by {self._plan.proxy}" if self._plan.proxy is not None else ""
        return ConnectFailed(f"{self._doing} to {self._plan.origin}{way} failed: {why}", request=self._request)

    def _left(self) -> float | None:
        """Seconds left for the next step; the error for none is a time-out."""
        left = self._limit.remaining()
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def _keep(self, sock: socket.socket) -> socket.socket:
        self._sock = sock
        self._on_socket(sock)
        return sock

    def _tcp(self) -> socket.socket:
        """Connects to the first address that answers, of the origin or of its HTTP proxy."""
        proxy = self._plan.proxy
        through = proxy is not None and proxy.kind == "http"
        host, port = (proxy.host, proxy.port) if proxy and through else (self._plan.origin.host, self._plan.origin.port)
        source = proxy.host if proxy is not None and proxy.kind == "ip" else None
        self._doing = "resolving the name"
        addresses = _resolve(host, port, self._plan.clock, self._left())
        if source is not None:
            wanted = socket.AF_INET6 if ":" in source else socket.AF_INET
            addresses = [entry for entry in addresses if entry[0] == wanted]
        self._doing = "connecting"
        failure: Exception = OSError("the name has no address of the right kind")
        for at, (family, place) in enumerate(addresses):
            left = self._left()
            # An address that does not answer (IPv6 on a broken network, often) leaves time for those after it.
            share = None if left is None else left / (len(addresses) - at)
            try:
                return self._connect(family, place, source, share)
            except OSError as error:
                failure = error
        raise failure

    def _connect(self, family: int, place: Any, source: str | None, timeout_s: float | None) -> socket.socket:
        sock = self._keep(socket.socket(family, socket.SOCK_STREAM))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if source is not None:
                sock.bind((source, 0))
            sock.settimeout(timeout_s)
            sock.connect(place)
        except BaseException:  # whatever it was, the socket must not stay open; it is raised again
            sock.close()
            raise
        return sock

    def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        """Asks an HTTP proxy for a way through (RFC 9110, CONNECT)."""
        origin = self._plan.origin
        place = f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if proxy.username or proxy.password:
            lines.append(f"Proxy-Authorization: {basic(proxy.username, proxy.password)}")
        sock.settimeout(self._left())
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head:
            sock.settimeout(self._left())
            # By single bytes: what follows the head belongs to TLS and must stay in the socket.
            piece = sock.recv(1)
            if not piece:
                raise ConnectionError("the proxy hung up")
            head += piece
            if len(head) > _MOST_TUNNEL_HEAD:
                raise ConnectionError("the proxy's answer is too long")
        status = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if len(status) < 2 or not status[0].startswith(b"HTTP/") or not status[1].startswith(b"2"):
            code = status[1][:3].decode("latin-1") if len(status) > 1 else "no HTTP"
            raise ConnectionError(f"the proxy answered {code}")

    def _socks(self, proxy: Proxy) -> socket.socket:
        """Connects through a SOCKS5 proxy, which resolves the name (as FMZ's own runtime has it done)."""
        socks = require("socks", "socks")
        self._doing = f"connecting by the SOCKS proxy {proxy}"
        family = socket.AF_INET6 if ":" in proxy.host else socket.AF_INET
        sock: socket.socket = self._keep(socks.socksocket(family, socket.SOCK_STREAM))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.set_proxy(socks.SOCKS5, proxy.host, proxy.port, True, proxy.username or None, proxy.password or None)  # type: ignore[attr-defined]
        left = self._left()
        sock.settimeout(left)
        with _watchdog(sock, left):
            try:
                sock.connect((self._plan.origin.host, self._plan.origin.port))
            except socks.ProxyError as error:
                self._left()
                raise ConnectionError(reason(error)) from None
        return sock

    def _wrap(self, sock: socket.socket) -> socket.socket:
        """Shakes hands for TLS. The socket's time-out bounds the whole handshake, not each of its reads."""
        context = self._plan.tls()
        sock.settimeout(self._left())
        wrapped = context.wrap_socket(
            sock,
            server_hostname=self._plan.origin.host,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
        self._keep(wrapped)
        wrapped.do_handshake()
        return wrapped


def basic(username: str, password: str) -> str:
    """The value of an Authorization header with user and password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def reason(error: BaseException) -> str:
    """What went wrong, in words that hold no secrets."""
    if isinstance(error, TimeoutError):
        return "timeout"  # the word that published scripts give to SetErrorFilter
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__


@contextlib.contextmanager
def _watchdog(sock: socket.socket, seconds: float | None) -> Iterator[None]:
    """Shuts a socket down when the time is up, for a library whose time-out holds for each read only."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, shut_down, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def shut_down(sock: socket.socket) -> None:
    """Ends a connection from any thread, so that whoever reads or writes there wakes; the owner still has to close it."""
    with contextlib.suppress(OSError):  # not connected (any more): nobody waits on it
        # The plain method: that of a TLS socket would drop its TLS layer while another thread reads through it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _resolve(host: str, port: int, clock: Clock, timeout_s: float | None) -> list[tuple[int, Any]]:
    """The addresses of a host, in the order to try.

    The system's resolver cannot be given a time-out. A name is therefore looked up in a thread of its own, which is left behind when
    it takes too long (a daemon, ended by the resolver's own time-out).

    Raises:
        TimeoutError: It takes longer than ``timeout_s``.
        OSError: There is no such name.
        StopRequested: The clock's stop was set meanwhile.
    """
    if ":" in host or host.replace(".", "").isdigit():
        return _look_up(host, port)  # an address: nothing to ask for
    answer: list[list[tuple[int, Any]] | Exception] = []
    done = Signal()

    def _work() -> None:
        try:
            answer.append(_look_up(host, port))
        except Exception as error:  # carried to the thread that waits for it
            answer.append(error)
        done.set()

    threading.Thread(target=_work, name=f"resolve {host}", daemon=True).start()
    clock.wait((done,), timeout_s)
    if not answer:
        raise TimeoutError
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def _look_up(host: str, port: int) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    return [(int(family), place) for family, _, _, _, place in found]
