"""The connection that ``Dial`` returns: it reads in the background, reconnects when asked, and says so when something is lost.

Threads. One, the reader, owns the link: it waits on the socket, fills the buffer, and makes the link anew. A second, the watch, exists
only where there are heartbeats to send or silence to notice. Scripts read from the buffer and write through the link from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from ..clock import Signal
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, InputError, NotSupported, OperationFailed, StopRequested
from .address import DATAGRAM, Address
from .buffer import BufferFull, Message, MessageBuffer
from .frames import NORMAL, POLICY, ProtocolError
from .handshake import upgrade
from .host import Host
from .links import Link, RawLink, WriterBusy
from .options import DialOptions, pause_s, read_messages
from .stats import StreamStats, find_number
from .transport import Opening, open_stream, tls_context
from .watch import Pulse, Watch

__all__ = ["Connection", "Host"]

_WRITE_S = 30.0  # the longest that write() waits for the peer unless it is told otherwise
_LINGER_S = 0.5  # the longest that close() waits for the peer's answer
_JOIN_S = 10.0


class Connection:
    """A stream of messages; made by ``Dial``.

    It is a context manager (leaving it closes it) and an iterator: ``for message in client`` ends when the connection is closed for good;
    with reconnect, it yields ``""`` once for each loss.

    Args:
        address: Where it leads.
        options: What it was asked to be.
        host: Where its script runs.

    Attributes:
        clock: What its waits are measured with.
        last_error: Why the connection was last lost, or the last attempt failed; empty before.
        close_code: The close code of the last loss: the peer's, or the one sent to it; 0 when there was none.
    """

    def __init__(self, address: Address, options: DialOptions, host: Host) -> None:
        self.clock = host.clock
        self._address = address
        self._options = options
        self._host = host
        self._clock = host.clock
        self._context = tls_context(options) if address.scheme in {"wss", "tls"} else None
        self._buffer = MessageBuffer(
            host.clock,
            qsize=options.qsize,
            qbytes=options.qbytes,
            overflow=options.overflow,
            on_drop=self._warn,
        )
        self.read = self._buffer.read  # type: ignore[method-assign]  # one call less for each message
        self._lock = threading.Lock()  # guards _closing, _opening and the first two fields below
        self._closing = False
        self._opening: Opening | None = None
        self._ended = Signal()  # cuts the pauses of the reader and the watch short when the connection is closed
        # Written by the reader only (by the caller's thread before the reader starts); others see an older or a newer value, both true.
        self._link: Link | None = None
        self._state = "connecting"
        self._greeter = 0  # the thread that sends the payload, which alone may write before the state is "open"
        self._bytes = self._reconnects = self._heartbeats = self._errors = 0
        self._fruitless = (
            0  # connections in a row that brought no data, so that a peer that closes at once is not stormed
        )
        self._pulse = Pulse(host.clock)
        self._newest: tuple[Message, float] | None = None
        self.last_error = ""
        self.close_code = 0
        self._reader = threading.Thread(target=self._run, name=f"Dial {address.shown}", daemon=True)
        self._watcher: threading.Thread | None = None
        if options.ping_interval_s or options.silence_s:
            watch = Watch(options, self._pulse, self._ended, self)
            self._watcher = threading.Thread(
                target=watch.run, args=(host.clock,), name=f"Dial watch {address.shown}", daemon=True
            )

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
        """
        return self._buffer.read(timeout_ms)

    def write(self, data: str | bytes, timeout_ms: float | None = None) -> int:
        """Sends one message, from any thread.

        Args:
            data: A str is sent as a text frame, bytes as a binary one; on raw streams both are just bytes.
            timeout_ms: The longest to wait for the peer to take it, in milliseconds; None for 30 seconds.

        Returns:
            The bytes sent; 0 while the connection is broken, or when other threads were writing all the time. A write that times out
            half-way breaks the connection.

        Raises:
            InputError: ``data`` is neither str nor bytes.
        """
        if not isinstance(data, str | bytes | bytearray | memoryview):
            raise InputError(f"write() takes str or bytes, got {type(data).__name__}; dicts go through json.dumps")
        link = self._link
        if link is None or (self._state != "open" and self._greeter != threading.get_ident()):
            return 0
        timeout_s = timeout_ms / 1000 if timeout_ms and timeout_ms > 0 else _WRITE_S
        try:
            return link.write(data if isinstance(data, str) else bytes(data), timeout_s)
        except WriterBusy:
            return 0
        except (OSError, OperationFailed) as error:
            if not self._closing:
                self.last_error = f"write failed: {error}"  # the reader notices, and reports the loss
            return 0

    def close(self) -> None:
        """Ends the connection and wakes every reader; again has no effect. Messages that wait can still be read."""
        with self._lock:
            first, self._closing = not self._closing, True
            opening = self._opening
        link = self._link
        linger = True
        if first:
            self._buffer.close()
            self._ended.set()
            if opening is not None:
                opening.cancel()
            linger = link is not None and link.begin_close(NORMAL)
        for thread in (self._reader, self._watcher):
            if thread is None or thread is threading.current_thread() or not thread.ident:
                continue
            if linger and thread is self._reader:
                thread.join(_LINGER_S)
            if thread.is_alive() and link is not None:
                link.abort()
            thread.join(_JOIN_S)

    def exec(self, sql: str, *binds: object) -> dict[str, Any] | None:
        """For databases only (``sqlite3://``).

        Raises:
            NotSupported: Always.
        """
        raise NotSupported(f"exec() is for sqlite3:// connections, this one is {self._address.scheme}://")

    @property
    def state(self) -> str:
        """``connecting``, ``open``, ``reconnecting`` or ``closed``."""
        return self._state

    @property
    def stats(self) -> StreamStats:
        """A snapshot of what has happened so far."""
        counts = self._buffer.counts()
        link = self._link
        heard = self._pulse.heard_at
        return StreamStats(
            state=self._state,
            received=counts.received,
            delivered=counts.delivered,
            discarded=counts.discarded,
            dropped=counts.dropped,
            waiting=counts.waiting,
            waiting_bytes=counts.waiting_bytes,
            bytes=self._bytes + (link.bytes_received if link is not None else 0),
            losses=counts.losses,
            reconnects=self._reconnects,
            heartbeats=self._heartbeats,
            errors=self._errors,
            last_data_age_s=None if heard is None else max(0.0, self._clock.monotonic() - heard),
            lag_ms=self._lag_ms(),
        )

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
        return self._buffer.messages()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        stats = self.stats
        parts = [f"<Dial {self._address.shown} {stats.state}: received {stats.received}, delivered {stats.delivered}"]
        parts.append(
            f"discarded {stats.discarded}, dropped {stats.dropped}, waiting {stats.waiting} ({stats.waiting_bytes} bytes)"
        )
        parts.append(f"{stats.bytes} bytes in, losses {stats.losses}, reconnects {stats.reconnects}")
        if stats.last_data_age_s is not None:
            parts.append(f"last data {stats.last_data_age_s:.1f} s ago")
        if stats.lag_ms is not None:
            parts.append(f"lag {stats.lag_ms:.0f} ms")
        return ", ".join(parts) + ">"

    # -- for the watch ------------------------------------------------------------------------------------------------------------

    def open_link(self) -> Link | None:
        """The link, while the connection is open."""
        return self._link if self._state == "open" else None

    def is_blocked(self) -> bool:
        """Whether it is the script that does not read, so that nothing can be said about the peer."""
        return self._buffer.is_blocked()

    def end_link(self, link: Link, why: str) -> None:
        """Ends a link that is alive in name only; the reader reports the loss."""
        self.last_error = why
        link.abort()

    # -- connecting ---------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Makes the first connection, in the caller's thread, and starts the reader.

        Raises:
            ConnectFailed: It could not be made, or the payload could not be sent.
            TimedOut: It took longer than the connect time-out.
            Exception: Whatever ``on_connect`` raised.
        """
        try:
            self._connect()
        except BaseException:  # nothing may be left behind, Ctrl-C included
            self._state = "closed"
            self._buffer.close()
            raise
        self._reader.start()
        if self._watcher is not None:
            self._watcher.start()

    def _connect(self) -> None:
        """Makes a link and sends what is to be sent first."""
        opening = Opening()
        with self._lock:
            if self._closing:
                raise ConnectionLost("closed while connecting")
            self._opening = opening
        token = self._clock.stop.add(opening.cancel)
        link: Link | None = None
        try:
            link = self._make_link(opening)
            self._greet(link)
            self._clock.stop.check()
        except BaseException:  # the socket is given back whatever happened
            self._link = None
            if link is not None:
                link.close()
            self._clock.stop.check()
            raise
        finally:
            self._clock.stop.remove(token)
            with self._lock:
                self._opening = None
        self._pulse.start()
        self._state = "open"
        with self._lock:
            closing: bool = self._closing
        if closing:  # close() came too early to see this link
            link.begin_close(NORMAL)

    def _make_link(self, opening: Opening) -> Link:
        address, options, clock = self._address, self._options, self._clock
        deadline = Deadline(clock, options.connect_timeout_s)
        stream = open_stream(address, options, self._context, deadline, opening, clock)
        if address.scheme not in {"ws", "wss"}:
            return RawLink(stream, clock, datagrams=address.scheme in DATAGRAM)
        try:
            return upgrade(stream, address, options, deadline, clock)
        except BaseException:  # the socket is given back whatever happened
            stream.close()
            raise

    def _greet(self, link: Link) -> None:
        """Sends the payload and what ``on_connect`` returns; nobody else can write before them."""
        self._link = link
        self._greeter = threading.get_ident()
        try:
            for message in self._options.payload:
                link.write(message, self._options.connect_timeout_s)
            if self._options.on_connect is not None:
                for message in read_messages("the result of on_connect", self._options.on_connect(self)):
                    link.write(message, self._options.connect_timeout_s)
        except OSError as error:
            raise ConnectFailed(f"{self._address.shown} did not take what is sent after a connect: {error}") from error
        finally:
            self._greeter = 0

    # -- the reader ---------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                link = self._link
                if link is None:
                    return
                self._serve(link)
                if self._closing:
                    return
                if not self._options.reconnect:
                    return
                self._buffer.lose()
                if not self._reconnect():
                    return
        except StopRequested:
            pass  # the strategy ends: so does its stream, and every reader is told by the stop itself
        except Exception as error:  # a bug in a callback or here: the thread must not die unseen
            self.last_error = f"the reader failed: {error!r}"
            self._host.error(f"{self._address.shown}: {self.last_error}", source="Dial")
        finally:
            self._state = "closed"
            self._buffer.finish()
            self._ended.set()
            link, self._link = self._link, None
            if link is not None:
                link.close()

    def _serve(self, link: Link) -> None:
        """Reads until the link ends, and gives it back."""
        code = 0
        try:
            code = self._pump(link)
            why = self._why_closed(link)
        except ProtocolError as error:
            code, why = error.close_code, str(error)
            self._errors += 1
        except BufferFull as error:
            code, why = POLICY, str(error)
        except OSError as error:
            why = self.last_error or f"the connection broke: {error}"
            self._errors += 1
        self._state = "reconnecting" if self._options.reconnect and not self._closing else "closed"
        self._link = None
        self._bytes += link.bytes_received
        if not self._closing:
            self.close_code = link.ending[0] or code
            self.last_error = why
            if not self._options.reconnect:
                self._buffer.finish()  # before the farewell, which may take a moment
            self._host.error(f"{self._address.shown}: {why}", source="Dial")
        link.farewell(code)

    def _pump(self, link: Link) -> int:
        """The loop in which the reader lives. Returns the close code to answer with, 0 when the peer is just gone."""
        batch: list[Message] = []
        receive = link.receive
        simple = self._options.heartbeats is None and self._options.is_data is None and not self._options.time_field
        push = self._buffer.push
        pulse = self._pulse
        self.last_error = ""
        alive = True
        while alive and not self._closing:
            alive = False
            try:
                alive = receive(batch)
            finally:
                # Also when the peer broke the protocol: what came before that is delivered.
                if alive or batch:
                    pulse.hear()
                if batch:
                    self._fruitless = 0
                    if simple:
                        pulse.data_at = pulse.heard_at
                        push(batch, link.plain)
                    else:
                        self._sift_and_push(link, batch)
                    batch.clear()
        return NORMAL if self._closing else link.ending[0]

    def _sift_and_push(self, link: Link, batch: list[Message]) -> None:
        options = self._options
        left = batch
        if options.heartbeats is not None:
            left, answers = options.heartbeats.sift(batch)
            self._heartbeats += len(batch) - len(left)
            for answer in answers:
                link.write_soon(answer)
        if not left:
            return
        is_data = options.is_data
        if is_data is None or any(is_data(message) for message in left):
            self._pulse.data_at = self._pulse.heard_at
        if options.time_field:
            self._newest = (left[-1], self._clock.now())
        self._buffer.push(left)

    def _why_closed(self, link: Link) -> str:
        code, reason = link.ending
        if self.last_error:
            self._errors += 1  # the watch ended it (silence, unanswered pings), or a write broke it
            return self.last_error
        if not code:
            self._errors += 1
            return "the peer closed the connection" + ("" if isinstance(link, RawLink) else " without a close frame")
        return f"the peer closed the connection with code {code}" + (f" ({reason[:100]})" if reason else "")

    def _reconnect(self) -> bool:
        """Makes the link anew; False when that is given up, or the connection was closed."""
        attempt = 0
        reported = False
        while not self._options.retry or attempt < self._options.retry:
            attempt += 1
            self._fruitless += 1
            if self._clock.wait((self._ended,), pause_s(self._options, self._fruitless)):
                return False
            try:
                self._connect()
            except (FmzError, OSError) as error:
                if isinstance(error, StopRequested):
                    raise
                self._note_failure(attempt, error, reported)
            except Exception as error:
                # on_connect is the script's: whatever it raises is a failed attempt, not the end of the thread.
                self._note_failure(attempt, error, reported)
            else:
                self._reconnects += 1
                return True
            reported = True
            if self._closing:
                return False
        self._host.error(f"{self._address.shown}: gave up after {attempt} attempts: {self.last_error}", source="Dial")
        return False

    def _note_failure(self, attempt: int, error: Exception, reported: bool) -> None:
        self.last_error = f"attempt {attempt} to reconnect failed: {error}"
        if (
            not reported and not self._closing
        ):  # once an outage: a venue that is down for an hour would fill the journal
            self._host.error(f"{self._address.shown}: {self.last_error}", source="Dial")

    # -- small things -------------------------------------------------------------------------------------------------------------

    def _warn(self, text: str) -> None:
        self._host.warning(f"{self._address.shown}: {text}", source="Dial")

    def _lag_ms(self) -> float | None:
        newest = self._newest
        if newest is None:
            return None
        message, arrived = newest
        sent = find_number(message, self._options.time_field)
        return None if sent is None else arrived * 1000 - sent
