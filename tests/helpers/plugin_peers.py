"""A peer that speaks the general protocol as a test says: right, wrong, cut off, or not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Peer", "http", "peer"]


def http(body: bytes | str | dict[str, Any], status: str = "200 OK", length: int | None = None) -> bytes:
    """A reply; ``length`` if it is to lie about it."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    size = len(data) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode() + data


class Peer:
    """A listening peer.

    Attributes:
        url: Its service address.
        seen: The requests so far, with their request lines.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], bytes | None]) -> None:
        self.reply = reply
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.arrived = threading.Event()
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/exchange"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The requests of one method."""
        return [body for _, body in self.seen if body["method"] == method]

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.over.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            connection.settimeout(30)
            try:
                while line := file.readline():
                    length = 0
                    while (header := file.readline().strip()) != b"":
                        name, _, value = header.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    body = json.loads(file.read(length))
                    self.seen.append((line.decode().strip(), body))
                    answer = self.reply(body)
                    self.arrived.set()
                    if answer is None:
                        self.over.wait(30)
                        return
                    connection.sendall(answer)
                    found = answer.partition(b"\r\n\r\n")
                    if f"Content-Length: {len(found[2])}\r\n".encode() not in answer:
                        return
            except OSError:
                return

    def close(self) -> None:
        """Ends it."""
        self.over.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._accepting.join()
        self._listener.close()


@contextmanager
def peer(reply: Callable[[dict[str, Any]], bytes | None]) -> Iterator[Peer]:
    """A peer that gives the reply of a function of the request; None hangs."""
    found = Peer(reply)
    try:
        yield found
    finally:
        found.close()
