"""Reads and writes of a served connection, each with a limit of time, ended by the strategy's stop."""

from __future__ import annotations

import socket
import ssl
import time

from ..clock import Stop

__all__ = ["SocketIO"]

_PIECE = 65_536
_LINGER_S = 1.0


class SocketIO:
    """One connection.

    Args:
        connection: The socket.
        stop: The strategy's stop.
        send_s: How long the peer may take to read what is sent, in seconds.
    """

    def __init__(self, connection: socket.socket, stop: Stop, send_s: float) -> None:
        self._connection = connection
        self._stop = stop
        self._send_s = send_s

    @staticmethod
    def deadline(timeout_s: float | None) -> float | None:
        """When a wait of so many seconds ends, for ``receive``; None for never."""
        # Real time here and below: a socket's time-out knows no other.
        return None if timeout_s is None else time.monotonic() + timeout_s

    def receive(self, until: float | None) -> bytes:
        """Waits for bytes; empty at the end of the connection.

        Args:
            until: When the wait ends; see ``deadline``.

        Raises:
            TimeoutError: There were none until then.
            StopRequested: The strategy is being stopped.
        """
        self._stop.check()
        try:
            self._connection.settimeout(None if until is None else max(until - time.monotonic(), 0.0))
            data = self._connection.recv(_PIECE)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        except OSError:
            data = b""
        if not data:
            self._stop.check()  # the server ended the connection because of it
        return data

    def send(self, data: bytes) -> None:
        """Sends all of it.

        Raises:
            OSError: The peer is gone, or did not read it in time.
        """
        self._connection.settimeout(self._send_s)
        self._connection.sendall(data)

    def end(self) -> None:
        """Ends the connection after what was sent, and reads what the peer still sends, so that it is not reset before it has read it."""
        until = time.monotonic() + _LINGER_S
        try:
            self._connection.shutdown(socket.SHUT_WR)
            while (left_s := until - time.monotonic()) > 0:
                self._connection.settimeout(left_s)
                if not self._connection.recv(_PIECE):
                    break
        except OSError:
            pass  # it is gone already

    def abort(self) -> None:
        """Ends the connection at once; from any thread."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    @property
    def addresses(self) -> tuple[str, str]:
        """The addresses of this end and the peer's, as ``host:port``; empty if it is gone."""
        found = []
        for name in (self._connection.getsockname, self._connection.getpeername):
            try:
                host, port = name()[:2]
            except OSError:
                found.append("")
            else:
                found.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return found[0], found[1]
