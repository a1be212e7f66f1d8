"""How a running strategy is reached from outside: one request and one reply, a line of JSON each.

It listens on a Unix socket in the run folder (mode 0600, in a folder with mode 0700). Where there are none, or the folder's path is too long
for one, it listens on a port of the loopback, and a client must know the token in ``process.json`` (mode 0600). An idle listener costs
nothing: its thread sleeps in ``accept``.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import OperationFailed
from .folder import ProcessRecord

__all__ = ["ControlListener", "ask"]

_SOCKET = "control.sock"
# A Unix socket's path has at most 104 bytes on macOS and the BSDs, 108 on Linux.
_LONGEST_PATH = 100
_LONGEST_LINE = 4 * 1024 * 1024
_PATIENCE_S = 10.0
_DESCRIPTORS = Path("/proc/self/fd")


class ControlListener:
    """Answers requests to one run, in a thread of its own.

    Args:
        folder: The run folder.
        answer: Called with each request (a dict) in the listener's thread; returns the reply's fields.
    """

    def __init__(self, folder: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._answer = answer
        self._path: Path | None = None
        self.token = ""
        """What a client must say; empty on a Unix socket."""
        path = folder / _SOCKET
        if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _LONGEST_PATH:
            path.unlink(missing_ok=True)  # left behind by a run that was killed
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._path, self.address = path, _SOCKET
        else:
            self._socket = socket.socket()
            self._socket.bind(("127.0.0.1", 0))
            self.token = secrets.token_hex(16)
            self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._socket.listen(16)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fmzthreads-control", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed, or out of file descriptors for a moment
                self._closed.wait(0.1)
                continue
            with connection:
                if self._closed.is_set():
                    return
                # A client that is slow, gone or wrong ends its own connection only.
                with contextlib.suppress(OSError, ValueError):
                    self._reply(connection)

    def _reply(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE_S)
        request = _read(connection)
        if self.token and not hmac.compare_digest(str(request.get("token", "")).encode(), self.token.encode()):
            reply: dict[str, Any] = {"error": "the token is not that of this run"}
        else:
            try:
                reply = self._answer(request)
            except Exception as error:  # the thread must serve later requests; the reply says what failed
                reply = {"error": f"{type(error).__name__}: {error}"}
        connection.sendall(json.dumps(reply, default=str).encode() + b"\n")

    def close(self) -> None:
        """Ends the listener and removes its socket."""
        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(OSError), socket.socket(self._socket.family) as wake:
            wake.settimeout(1.0)
            wake.connect(self._socket.getsockname())  # closing alone does not end accept on every system
        self._thread.join(_PATIENCE_S)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _read(connection: socket.socket, patience_s: float = _PATIENCE_S) -> dict[str, Any]:
    """One line of JSON, within so many seconds.

    Raises:
        ValueError: It is not a JSON object.
        OSError: It did not come.
    """
    received = bytearray()
    end = time.monotonic() + patience_s  # real time: the peer is another process
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part or len(received) > _LONGEST_LINE or time.monotonic() > end:
            raise ValueError("not one line")
        received += part
    value = json.loads(received)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def ask(
    folder: Path, record: ProcessRecord, request: dict[str, Any], *, patience_s: float = _PATIENCE_S
) -> dict[str, Any]:
    """Sends a request to a run and returns its reply.

    Args:
        folder: The run folder.
        record: Who runs there.
        request: The request's fields.
        patience_s: How long to wait for the reply, in seconds.

    Raises:
        OperationFailed: The run does not listen, does not answer, or refused.
    """
    if not record.control:
        raise OperationFailed(f"the run {record.name!r} does not listen (yet)")
    host, colon, port = record.control.partition(":")
    try:
        with socket.socket(socket.AF_INET if colon else socket.AF_UNIX) as connection:
            connection.settimeout(patience_s)
            if colon:
                connection.connect((host, int(port)))
            else:
                _connect(connection, folder, record.control)
            connection.sendall(json.dumps({**request, "token": record.token}).encode() + b"\n")
            reply = _read(connection, patience_s)
    except (OSError, ValueError) as error:
        raise OperationFailed(f"the run {record.name!r} does not answer: {type(error).__name__}: {error}") from error
    if "error" in reply:
        raise OperationFailed(f"the run {record.name!r} refused: {reply['error']}")
    return reply


def _connect(connection: socket.socket, folder: Path, name: str) -> None:
    """Connects to a socket in a folder, whose path may be short in a container where the run lives, and too long for a socket here."""
    path = folder / name
    if len(os.fsencode(path)) <= _LONGEST_PATH or not _DESCRIPTORS.is_dir():
        connection.connect(str(path))
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection.connect(str(_DESCRIPTORS / str(descriptor) / name))
    finally:
        os.close(descriptor)
