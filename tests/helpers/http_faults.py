"""A raw-socket server whose connections follow a script, for faults that no HTTP library would commit; and small proxies."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import pytest


@dataclass
class Seen:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


class Peer:
    """The server's side of one connection."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._rest = b""

    def request(self) -> Seen | None:
        """The next request; None when the client has closed."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            rest += piece
        self._rest = rest[length:]
        seen = Seen(lines[0], headers, rest[:length], self.number)
        self.server.note(seen)
        return seen

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.send(head.encode("latin-1") + body)

    def hang(self) -> None:
        """Waits until the server is closed (or the client goes)."""
        with contextlib.suppress(OSError, ValueError):
            while not self.server.closing.is_set():
                ready, _, _ = select.select([self.sock], [], [], 0.05)
                if ready and not self.sock.recv(65536):
                    return

    def trickle(self, data: bytes, pause_s: float = 0.02) -> None:
        """Sends one byte at a time, for ever again from the last byte, until the client goes or the server is closed."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            if self.server.closing.wait(pause_s):
                return
        while not self.server.closing.wait(pause_s):
            self.send(data[-1:])

    def reset(self) -> None:
        """Closes with a reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer], None]


@dataclass
class FaultServer:
    """A server on the loopback; each connection runs ``script`` in a thread of its own and is then closed.

    With ``tls`` it shakes hands first.
    """

    script: Script
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released each time that the script of a connection has ended."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])

    @property
    def base(self) -> str:
        return f"{'https' if self.tls else 'http'}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}"

    def note(self, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)
        self.arrived.set()

    def __enter__(self) -> FaultServer:
        thread = threading.Thread(target=self._accept, name="fault server", daemon=True)
        self._threads.append(thread)
        thread.start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.closing.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                number = self.connections
                self._socks.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, number), name="fault peer", daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.tls is not None:
                raw = sock
                sock = self.tls.wrap_socket(raw, server_side=True, suppress_ragged_eofs=True)
                with self._lock:
                    self._socks.append(sock)
            self.script(Peer(self, sock, number))
        except OSError:
            pass  # the client went, which many of the tests are about
        except BaseException as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
            self.ended.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._threads[0].join(60)
        self._listener.close()
        with self._lock:
            socks = list(self._socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} hangs"
        for sock in socks:
            sock.close()
        if error is None:
            assert not self.errors, self.errors


def answering(*bodies: bytes, headers: str = "") -> Script:
    """A well-behaved peer: answers the requests of a connection in turn, the last body again and again."""

    def script(peer: Peer) -> None:
        turn = 0
        while peer.request() is not None:
            peer.reply(bodies[min(turn, len(bodies) - 1)] if bodies else b"{}", headers=headers)
            turn += 1

    return script


# ---- proxies


def connect_proxy(answer: bytes = b"HTTP/1.1 200 ok\r\n\r\n") -> Script:
    """An HTTP proxy: CONNECT tunnels, and plain requests are answered by it itself with ``{"by": "proxy"}``."""

    def script(peer: Peer) -> None:
        seen = peer.request()
        if seen is None:
            return
        if seen.method != "CONNECT":
            while seen is not None:
                peer.reply(b'{"by": "proxy"}')
                seen = peer.request()
            return
        peer.send(answer)
        if b" 200" in answer[:16]:
            host, _, port = seen.target.rpartition(":")
            pump(peer, host.strip("[]"), int(port))

    return script


def socks_proxy(*, user: str = "", password: str = "", places: list[str] | None = None) -> Script:
    """A SOCKS5 proxy (RFC 1928, 1929) that notes in ``places`` what it was asked for."""

    def script(peer: Peer) -> None:
        sock = peer.sock
        _, count = exactly(sock, 2)
        methods = exactly(sock, count)
        if user:
            assert 2 in methods
            sock.sendall(b"\x05\x02")
            name = exactly(sock, exactly(sock, 2)[1])
            given = exactly(sock, exactly(sock, 1)[0])
            good = name == user.encode() and given == password.encode()
            sock.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        else:
            sock.sendall(b"\x05\x00")
        kind = exactly(sock, 4)[3]
        if kind == 3:
            host = exactly(sock, exactly(sock, 1)[0]).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET, exactly(sock, 4))
        (port,) = struct.unpack(">H", exactly(sock, 2))
        if places is not None:
            places.append(f"{host}:{port}")
        sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        pump(peer, host, port)

    return script


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def pump(peer: Peer, host: str, port: int) -> None:
    """Carries bytes both ways until one side closes."""
    with socket.create_connection(("127.0.0.1" if host == "nowhere.test" else host, port), 5) as other:
        pair = {peer.sock: other, other: peer.sock}
        while not peer.server.closing.is_set():
            ready, _, _ = select.select(list(pair), [], [], 0.05)
            for sock in ready:
                data = sock.recv(65536)
                if not data:
                    return
                pair[sock].sendall(data)


def no_name_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every name look-up but the loopback's fail here, so that nothing leaves this machine."""
    usual = socket.getaddrinfo

    def look_up(host: str, *more: Any) -> Any:
        if host in {"127.0.0.1", "localhost", "::1"}:
            return usual(host, *more)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
