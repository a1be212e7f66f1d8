"""A websocket server on raw sockets: full control over every byte, so that it can be as wrong as a test wants it.

``WsServer`` accepts in a thread and hands each connection to the test as a ``Peer``, which then writes whatever it likes.
"""

from __future__ import annotations

import base64
import hashlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

__all__ = ["Peer", "WsServer", "frame"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PATIENCE_S = 60.0


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    length: int | None = None,
    width: int | None = None,
) -> bytes:
    """One frame as a server sends it; every part of it can be wrong.

    ``length`` is what the header claims instead of the payload's; ``width`` (1, 2 or 8 bytes) how that is written.
    """
    size = len(payload) if length is None else length
    if width is None:
        width = 1 if size < 126 else 2 if size < 65536 else 8
    masked = 0x80 if mask is not None else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if width == 1:
        head += bytes([masked | size])
    else:
        head += bytes([masked | (126 if width == 2 else 127)]) + size.to_bytes(width, "big")
    return head + (mask or b"") + payload


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, request: str = "") -> None:
        self.sock = sock
        self.request = request
        self._sending = threading.Lock()  # so that frames of two threads of a test never mix
        sock.settimeout(_PATIENCE_S)

    @property
    def target(self) -> str:
        return self.request.split(" ")[1]

    def header(self, name: str) -> str:
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""

    def send(self, data: bytes) -> None:
        with self._sending:
            self.sock.sendall(data)

    def text(self, *messages: str) -> None:
        self.send(b"".join(frame(1, message.encode()) for message in messages))

    def binary(self, *messages: bytes) -> None:
        self.send(b"".join(frame(2, message) for message in messages))

    def read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError("the client closed the connection")
            data += part
        return data

    def read_frame(self) -> tuple[int, bytes]:
        """The client's next frame as (opcode with its upper bits, payload); EOFError at the end."""
        first, second = self.read_exactly(2)
        size = second & 0x7F
        assert second & 0x80, "a client's frame must be masked"
        if size >= 126:
            size = int.from_bytes(self.read_exactly(2 if size == 126 else 8), "big")
        key = self.read_exactly(4)
        payload = self.read_exactly(size)
        return first, bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))

    def read_message(self) -> bytes:
        """The next text or binary message, pings and pongs skipped."""
        while True:
            first, payload = self.read_frame()
            if first & 0x0F in (1, 2):
                return payload

    def read_close(self) -> int:
        """The code of the close frame that the client sends sooner or later; 1005 for none in it."""
        while True:
            first, payload = self.read_frame()
            if first & 0x0F == 8:
                return int.from_bytes(payload[:2], "big") if payload else 1005

    def at_end(self) -> bool:
        """Whether the client has closed its side, after anything else that it sent."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """Cuts the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class WsServer:
    """Listens on the loopback; a context manager.

    Args:
        context: TLS, if wanted.
        handshake: False hands out connections as they come, without a websocket handshake.
        answer: Called with the client's request; what it returns is sent instead of the usual answer, and the connection is closed
            afterwards unless it begins with "HTTP/1.1 101".
        extensions: The value of Sec-WebSocket-Extensions in the answer.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        handshake: bool = True,
        answer: Callable[[str], bytes] | None = None,
        extensions: str = "",
    ) -> None:
        self._context = context
        self._handshake = handshake
        self._answer = answer
        self.extensions = extensions
        self._peers: queue.Queue[Peer] = queue.Queue()
        self._all: list[Peer] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="WsServer")

    @property
    def url(self) -> str:
        return f"{'wss' if self._context else 'ws'}://127.0.0.1:{self.port}/stream"

    def __enter__(self) -> WsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_listening()
        for peer in self._all:
            peer.close()

    def stop_listening(self) -> None:
        """Refuses new connections from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_PATIENCE_S)

    def peer(self) -> Peer:
        """The next connection, after its handshake."""
        return self._peers.get(timeout=_PATIENCE_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._admit(sock)
            except (OSError, EOFError):
                sock.close()

    def _admit(self, sock: socket.socket) -> None:
        sock.settimeout(_PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True)
        peer = Peer(sock)
        self._all.append(peer)
        if not self._handshake:
            self._peers.put(peer)
            return
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += peer.read_exactly(1)
        peer.request = request.decode()
        answer = self._answer(peer.request) if self._answer is not None else self._usual(peer)
        peer.send(answer)
        if answer.startswith(b"HTTP/1.1 101"):
            self._peers.put(peer)
        else:
            peer.close()

    def _usual(self, peer: Peer) -> bytes:
        accept = base64.b64encode(hashlib.sha1((peer.header("Sec-WebSocket-Key") + _GUID).encode()).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        if self.extensions:
            lines.append(f"Sec-WebSocket-Extensions: {self.extensions}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()
