"""The connections of a user stream, opened, greeted and read as one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from ...clock import Clock, Signal
from ...errors import ConnectionLost, TimedOut
from ...streams.connection import Connection
from ...streams.host import StreamHost
from ...streams.options import read_options
from .source import StreamLine

__all__ = ["AccountLines"]

_GREETING_S = 30.0

# A message that is dropped would be a gap without a mark: beyond this the connection ends, and REST catches up.
_LOSSLESS = {"qsize": 100_000, "overflow": "error"}


class _Greeting:
    """A connection while it is greeted."""

    def __init__(self, connection: Connection, early: deque[str | bytes], clock: Clock) -> None:
        self._connection = connection
        self._early = early
        self._clock = clock
        self._until = clock.monotonic() + _GREETING_S

    def say(self, text: str) -> None:
        """Sends a message.

        Raises:
            ConnectionLost: The connection is broken.
        """
        if not self._connection.write(text):
            raise ConnectionLost("the connection was lost before the stream was subscribed to")

    def hear(self) -> str | bytes:
        """Waits for the next message.

        Raises:
            ConnectionLost: The connection is broken.
            TimedOut: The venue has not answered in time.
        """
        left_s = self._until - self._clock.monotonic()
        message = self._connection.read(left_s * 1000) if left_s > 0 else None
        if message is None:
            raise TimedOut(f"the venue did not confirm the subscription within {_GREETING_S:g} s")
        if message == "":
            raise ConnectionLost("the connection was lost before the stream was subscribed to")
        return message

    def keep(self, message: str | bytes) -> None:
        """Puts a message aside; it is read before all later ones."""
        self._early.append(message)


class AccountLines:
    """One or more connections that make one stream: it is lost with the first of them.

    Args:
        lines: The connections.
        host: The clock and the journal.
    """

    def __init__(self, lines: Sequence[StreamLine], host: StreamHost) -> None:
        self._lines = lines
        self._clock: Clock = host.clock
        self._connections = [
            Connection(*read_options(one.address, None, {**_LOSSLESS, **one.options}), host) for one in lines
        ]
        self._early: deque[str | bytes] = deque()
        self._arrived = Signal()
        self._lock = threading.Lock()  # guards _closed and _opened
        self._closed = False
        self._opened: list[Connection] = []

    def open(self) -> bool:
        """Opens and greets the connections, one after the other; False if ``close`` was called meanwhile.

        Raises:
            FmzError: One could not be opened, or the venue refused what was said.
        """
        for line, connection in zip(self._lines, self._connections, strict=True):
            with self._lock:
                if self._closed:
                    return False
                self._opened.append(connection)  # before it is open, so that close() ends the attempt
            connection.open()
            if line.greet is not None:
                line.greet(_Greeting(connection, self._early, self._clock))
        if len(self._connections) > 1:
            for connection in self._connections:
                connection.add_ready_callback(self._arrived.set)
        return True

    def close(self) -> None:
        """Closes all connections; a second call has no effect."""
        with self._lock:
            self._closed = True
            opened = list(self._opened)
        for connection in opened:
            connection.close()

    @property
    def waiting(self) -> int:
        """How many messages wait to be read."""
        return len(self._early) + sum(connection.waiting for connection in self._connections)

    def read(self, timeout_ms: float | None) -> str | bytes | None:
        """The next message of any connection, in the order of each; see ``Connection.read``."""
        if self._early:
            return self._early.popleft()
        if len(self._connections) == 1:
            return self._connections[0].read(timeout_ms)
        until = None if timeout_ms is None else self._clock.monotonic() + timeout_ms / 1000
        while True:
            self._arrived.clear()  # before looking, so that what arrives meanwhile is not missed
            for connection in self._connections:
                message = connection.read(-1)
                if message is not None:
                    return message
            if timeout_ms == -1:
                return None
            left_s = None if until is None else until - self._clock.monotonic()
            if left_s is not None and left_s <= 0:
                return None
            self._clock.wait((self._arrived,), left_s)
