"""The connection that ``Dial`` returns; ``reader.py`` has the thread behind it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from ..errors import InputError, NotSupported
from .address import Address
from .buffer.buffer import Message, MessageBuffer
from .host import StreamHost
from .options import DialOptions, check_ms
from .reader import StreamReader
from .stats import StreamStats

__all__ = ["Connection", "StreamHost"]


class Connection:
    """A stream of messages; ``Dial`` makes it.

    It is a context manager (leaving it closes the connection) and an iterator: ``for message in client`` ends when the connection is closed
    for good; with reconnect, it yields ``""`` once for each loss. When the object is garbage-collected, its connection is closed shortly
    after. After a fork the child's copy is closed: it still returns what had arrived, and the parent's connection goes on.

    Args:
        address: The parsed address.
        options: The options.
        host: The clock and the journal.

    Attributes:
        clock: Measures its time-outs.
    """

    def __init__(self, address: Address, options: DialOptions, host: StreamHost) -> None:
        self.clock = host.clock
        self._buffer = MessageBuffer(
            host.clock,
            qsize=options.qsize,
            qbytes=options.qbytes,
            overflow=options.overflow,
            on_drop=lambda text: host.warning(f"{address.shown}: {text}", source="Dial"),
        )
        self._reader = reader = StreamReader(address, options, host, weakref.ref(self), self._buffer)
        self._forget = weakref.finalize(self, _close_soon, reader)
        self._forget.atexit = False  # when the process ends, its threads and sockets do too

    # -- for scripts --------------------------------------------------------------------------------------------------------------

    def read(self, timeout_ms: float | None = None) -> Message | None:
        """Returns the next message.

        Args:
            timeout_ms: None or 0 blocks until there is one; above 0 waits at most so many milliseconds; -1 does not wait; -2 and below
                returns the newest and discards the others (but does not skip a loss).

        Returns:
            A str if the frame is text or its bytes are valid UTF-8, else bytes; None when there is no message yet; ``""`` when the connection
            is lost: once for each loss with reconnect, on every call without.

        Raises:
            StopRequested: The strategy is being stopped, and ``timeout_ms`` is not negative.
            InputError: ``timeout_ms`` is not a number.
        """
        if timeout_ms is None:
            try:
                # The same as the start of the buffer's read(): saves one call for each message of a flood.
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
            data: A str is sent as a text frame, bytes as a binary frame; on raw streams both are sent as bytes.
            timeout_ms: The time-out, in milliseconds; None for 30 seconds.

        Returns:
            The number of bytes sent; 0 while the connection is broken, or when other threads were writing until the time-out. A write
            that times out half-way breaks the connection.

        Raises:
            InputError: ``data`` is neither str nor bytes, or not valid Unicode; ``timeout_ms`` is not a number.
        """
        if not isinstance(data, str | bytes | bytearray | memoryview):
            raise InputError(f"write() takes str or bytes, got {type(data).__name__}; convert dicts with json.dumps")
        if timeout_ms is not None:
            check_ms("write", timeout_ms)
        return self._reader.write(data if isinstance(data, str) else bytes(data), timeout_ms)

    def close(self) -> None:
        """Closes the connection and wakes every reader; a second call has no effect.

        Messages that wait can still be read.
        """
        self._forget.detach()
        self._reader.close()

    def exec(self, sql: str, *binds: object) -> dict[str, Any] | None:
        """Only for databases (``sqlite3://``).

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
        """The reason of the last loss or failed attempt; empty if there was none."""
        return self._reader.last_error

    @property
    def close_code(self) -> int:
        """The close code of the last loss, received or sent; 0 if there was none."""
        return self._reader.close_code

    @property
    def stats(self) -> StreamStats:
        """The counters of this moment."""
        return self._reader.stats()

    @property
    def received(self) -> int:
        """``stats.received`` alone, which is cheap."""
        return self._buffer.received

    @property
    def waiting(self) -> int:
        """``stats.waiting`` alone, which is cheap."""
        return self._buffer.waiting

    @property
    def ended(self) -> bool:
        """Whether no further message will arrive; some may still wait to be read."""
        return self._buffer.finished

    @property
    def activity(self) -> int:
        """A number that changes with each arrival and each read, for ``EventLoop``."""
        return self._buffer.activity()

    def is_ready(self) -> bool:
        """Whether ``read()`` would return at once."""
        return self._buffer.is_ready()

    def add_ready_callback(self, callback: Callable[[], None]) -> int:
        """Registers a callback for each arrival, each loss and the end.

        It is called at once when something waits already.

        Args:
            callback: Runs in the reading thread; it must be short and must not raise.

        Returns:
            A token for ``remove_ready_callback``.
        """
        return self._buffer.add_ready_callback(callback)

    def remove_ready_callback(self, token: int) -> None:
        """Removes a callback; an unknown token is ignored."""
        self._buffer.remove_ready_callback(token)

    def __iter__(self) -> Iterator[Message]:
        yield from self._buffer.messages()  # a generator, so that ``for message in Dial(...)`` keeps what it reads from

    def open(self) -> None:
        """Connects, in the caller's thread, and starts the reader; ``Dial`` calls it.

        Raises:
            ConnectFailed: It could not be opened, or the payload could not be sent.
            TimedOut: It took longer than the connect time-out.
            Exception: Whatever ``on_connect`` raised.
        """
        try:
            self._reader.open()
        except BaseException:  # it was never open: nothing to close
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
    """Closes in a thread of its own.

    A finalizer runs wherever the last reference went away, possibly under a lock that closing needs.
    """
    if not reader.thread.is_alive():
        return
    with suppress(RuntimeError):  # the interpreter is shutting down: no thread can start, and none is needed
        threading.Thread(target=reader.close, name="forgotten Dial", daemon=True).start()
