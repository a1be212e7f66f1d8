"""The connection that ``Dial`` returns: the script's side of it; ``reader.py`` has the other."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from ..errors import InputError, NotSupported
from .address import Address
from .buffer.buffer import Message
from .host import StreamHost
from .options import DialOptions, check_ms
from .reader import StreamReader
from .stats import BufferStats, StreamStats

__all__ = ["Connection", "StreamHost"]


class Connection:
    """A stream of messages; made by ``Dial``.

    It is a context manager (leaving it closes it) and an iterator: ``for message in client`` ends when the connection is closed for good;
    with reconnect, it yields ``""`` once for each loss. One that nobody holds any more is closed as well, a moment later. After a fork
    the child's copy is closed: it gives what had arrived, and the parent's goes on.

    Args:
        address: Where it leads.
        options: What it was asked to be.
        host: Where its script runs.

    Attributes:
        clock: What its waits are measured with.
    """

    def __init__(self, address: Address, options: DialOptions, host: StreamHost) -> None:
        self.clock = host.clock
        self._reader = reader = StreamReader(address, options, host, weakref.ref(self))
        self._buffer = reader.buffer
        self._forget = weakref.finalize(self, _close_soon, reader)
        self._forget.atexit = False  # when the process ends, its threads and sockets do too

    # -- for scripts --------------------------------------------------------------------------------------------------------------

    def read(self, timeout_ms: float | None = None) -> Message | None:
        """Takes a message.

        Args:
            timeout_ms: None or 0 blocks until there is one; above 0 waits so many milliseconds at the longest; -1 only looks; -2 and
                below takes the newest and discards the rest (but does not pass over a loss).

        Returns:
            A str where the frame is text or its bytes are valid UTF-8, else bytes; None when there is nothing yet; ``""`` when the peer is
            gone: once for each loss with reconnect, each time without.

        Raises:
            StopRequested: The strategy is to stop, and the call is not one of those that only look.
            InputError: ``timeout_ms`` is not a number.
        """
        if timeout_ms is None:
            try:
                # As the buffer's read() begins as well: one call less for each message of a flood.
                return self._buffer.fast.popleft()
            except IndexError:
                pass
        try:
            return self._buffer.read(timeout_ms)
        except TypeError:
            if timeout_ms is not None:
                check_ms("read", timeout_ms)
            raise

    def write(self, data: str | bytes, timeout_ms: float | None = None) -> int:
        """Sends one message, from any thread.

        Args:
            data: A str is sent as a text frame, bytes as a binary one; on raw streams both are just bytes.
            timeout_ms: The longest to wait for the peer to take it, in milliseconds; None for 30 seconds.

        Returns:
            The bytes sent; 0 while the connection is broken, or when other threads were writing all the time. A write that times out
            half-way breaks the connection.

        Raises:
            InputError: ``data`` is neither str nor bytes, or not Unicode; ``timeout_ms`` is not a number.
        """
        if not isinstance(data, str | bytes | bytearray | memoryview):
            raise InputError(f"write() takes str or bytes, got {type(data).__name__}; dicts go through json.dumps")
        if timeout_ms is not None:
            check_ms("write", timeout_ms)
        return self._reader.write(data if isinstance(data, str) else bytes(data), timeout_ms)

    def close(self) -> None:
        """Ends the connection and wakes every reader; again has no effect. Messages that wait can still be read."""
        self._forget.detach()
        self._reader.close()

    def exec(self, sql: str, *binds: object) -> dict[str, Any] | None:
        """For databases only (``sqlite3://``).

        Raises:
            NotSupported: Always.
        """
        raise NotSupported(f"exec() is for sqlite3:// connections, this one is {self._reader.address.scheme}://")

    @property
    def state(self) -> str:
        """``connecting``, ``open``, ``reconnecting`` or ``closed``."""
        return self._reader.state

    @property
    def last_error(self) -> str:
        """Why the connection was last lost, or the last attempt failed; empty before."""
        return self._reader.last_error

    @property
    def close_code(self) -> int:
        """The close code of the last loss: the peer's, or the one sent to it; 0 when there was none."""
        return self._reader.close_code

    @property
    def stats(self) -> StreamStats:
        """A snapshot of what has happened so far."""
        return self._reader.stats()

    def buffer_stats(self) -> BufferStats:
        """What happened to the messages so far: the numbers of ``stats`` that ``read`` moves, at a fraction of its cost."""
        return self._buffer.stats()

    @property
    def ended(self) -> bool:
        """Whether nothing will ever arrive any more; what has arrived may still wait to be read."""
        return self._buffer.finished

    @property
    def activity(self) -> int:
        """A number that changes whenever something came in or was taken out, for ``EventLoop``."""
        return self._buffer.activity()

    def is_ready(self) -> bool:
        """Whether ``read()`` would return at once: a message, a loss or the end is waiting."""
        return self._buffer.is_ready()

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Has ``callback`` called after each arrival, each loss and the end; at once when something is waiting.

        Args:
            callback: Short, and must not raise; it runs in the reading thread.

        Returns:
            A token for ``remove_ready_callback``.
        """
        return self._buffer.add_ready_callback(callback)

    def remove_ready_callback(self, token: int) -> None:
        """Forgets a callback; one that is not known is ignored."""
        self._buffer.remove_ready_callback(token)

    def __iter__(self) -> Iterator[Message]:
        yield from self._buffer.messages()  # a generator, so that ``for message in Dial(...)`` keeps what it reads from

    def open(self) -> None:
        """Makes the first connection, in the caller's thread, and starts the reader; ``Dial`` calls it.

        Raises:
            ConnectFailed: It could not be made, or the payload could not be sent.
            TimedOut: It took longer than the connect time-out.
            Exception: Whatever ``on_connect`` raised.
        """
        try:
            self._reader.open()
        except BaseException:  # it was never open, so there is nothing to close
            self._forget.detach()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        stats = self.stats
        parts = [
            f"<Dial {self._reader.address.shown} {stats.state}: received {stats.received}, delivered {stats.delivered}"
        ]
        parts.append(
            f"discarded {stats.discarded}, dropped {stats.dropped}, waiting {stats.waiting} ({stats.waiting_bytes} bytes)"
        )
        parts.append(f"{stats.bytes} bytes in, losses {stats.losses}, reconnects {stats.reconnects}")
        if stats.last_data_age_s is not None:
            parts.append(f"last data {stats.last_data_age_s:.1f} s ago")
        if stats.lag_ms is not None:
            parts.append(f"lag {stats.lag_ms:.0f} ms")
        return ", ".join(parts) + ">"


def _close_soon(reader: StreamReader) -> None:
    """Closes in a thread of its own: this runs wherever the last reference went away, perhaps under a lock that closing needs."""
    if not reader.thread.is_alive():
        return
    with suppress(RuntimeError):  # the interpreter is ending: no thread can start, and none is needed
        threading.Thread(target=reader.close, name="forgotten Dial", daemon=True).start()
