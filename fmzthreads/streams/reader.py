"""The thread behind a ``Dial`` connection: it reads, reconnects and reports.

One thread, the reader, owns the link: it waits on the socket, fills the buffer, and reconnects. A second, the watch, exists
only where there are heartbeats to send or silence to notice. Neither holds the ``Connection`` that the script has, so that one which the
script has dropped can be noticed and closed.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from ..clock import Signal
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, OperationFailed, StopRequested, short_repr
from ..net.dial import Opening, open_stream
from .address import DATAGRAM, Address
from .buffer.buffer import BufferFull, Message
from .buffer.sink import MessageSink
from .host import StreamHost
from .keepalive import Pulse, Watch
from .link import Link, WriterBusy
from .options import DialOptions, destination, pause_s, read_messages, tls_context
from .raw_link import RawLink
from .sharing.connect_turns import CONNECT_TURNS
from .sharing.request_pace import MessagePace
from .stats import StreamStats, find_number
from .websocket.frames import NORMAL, POLICY, ProtocolError
from .websocket.handshake import upgrade

__all__ = ["StreamReader"]

_WRITE_S = 30.0  # the default time-out of write()
_LINGER_S = 0.5  # how long close() waits for the peer's close frame, or for an on_connect that does not return
_JOIN_S = 10.0  # how long close() waits for the threads to end, which takes longer on a busy machine

_LIVING: weakref.WeakSet[StreamReader] = weakref.WeakSet()


class StreamReader:
    """Runs one ``Connection``: opening, reading, reconnecting, closing.

    Args:
        address: The parsed address.
        options: The options.
        host: The clock and the journal.
        face: Returns the connection object that ``on_connect`` is called with; None after its garbage collection.
        buffer: Takes the messages.

    Attributes:
        state: ``connecting``, ``open``, ``reconnecting`` or ``closed``.
        last_error: The reason of the last loss or failed attempt; empty if there was none.
        close_code: The close code of the last loss, received or sent; 0 if there was none.
    """

    def __init__(
        self,
        address: Address,
        options: DialOptions,
        host: StreamHost,
        face: Callable[[], object | None],
        buffer: MessageSink,
    ) -> None:
        self.address = address
        self._options = options
        self._host = host
        self._face = face
        self._clock = host.clock
        self._context = tls_context(options) if address.scheme in {"wss", "tls"} else None
        self.buffer = buffer
        way = options.proxy.proxy_for(address.scheme, address.host, address.port)
        self._turns = CONNECT_TURNS.of(address, (way, options.local_ip), host.clock, options.limits)
        self._lock = threading.Lock()  # guards _closing, _opening and the first two fields below
        self._closing = False
        self._opening: Opening | None = None
        self._ended = Signal()  # ends the pauses of the reader and the watch when the connection is closed
        # Written only by the reader (before it starts, by the caller's thread); other threads may see a slightly old value, which is harmless.
        self._link: Link | None = None
        self._pace: MessagePace | None = None
        self.state = "connecting"
        self._greeter = 0  # the thread that sends the payload; only it may write before the state is "open"
        self._bytes = self._reconnects = self._heartbeats = self._errors = 0
        self._fruitless = 0  # connections in a row without data; the pause grows with them, also when a peer accepts and closes at once
        self._pulse = Pulse(host.clock)
        self._newest: tuple[Message, float] | None = None
        self._why = ""  # why this side ends the current link
        self.last_error = ""
        self.close_code = 0
        self.thread = threading.Thread(
            target=host.clock.stop.carry(self._run), name=f"Dial {address.shown}", daemon=True
        )
        self._watcher: threading.Thread | None = None
        if options.ping_interval_s or options.silence_s:
            watch = Watch(options, self._pulse, self._ended, self)
            self._watcher = threading.Thread(
                target=host.clock.stop.carry(watch.run),
                args=(host.clock,),
                name=f"Dial watch {address.shown}",
                daemon=True,
            )
        _LIVING.add(self)

    # -- for Connection ---------------------------------------------------------------------------------------------------------------

    def write(self, data: str | bytes, timeout_ms: float | None) -> int:
        """See ``Connection.write``."""
        link = self._link
        if link is None or (self.state != "open" and self._greeter != threading.get_ident()):
            return 0
        timeout_s = timeout_ms / 1000 if timeout_ms and timeout_ms > 0 else _WRITE_S
        if self._pace is not None and not self._pace.take(timeout_s, self._ended):
            return 0
        try:
            return link.write(data if isinstance(data, str) else bytes(data), timeout_s)
        except WriterBusy:
            return 0
        except (OSError, OperationFailed) as error:
            if not self._closing and self._link is link:
                self._why = self.last_error = f"write failed: {error}"  # the reader notices, and reports the loss
            return 0

    def close(self) -> None:
        """See ``Connection.close``."""
        with self._lock:
            first, self._closing = not self._closing, True
            opening = self._opening
        link = self._link
        linger = True
        if first:
            try:
                self.buffer.close()
            finally:  # also when a callback raises
                self._ended.set()
                # Before the next lines, which shut down the socket of an attempt.
                linger = link is not None and link.begin_close(NORMAL)
                if opening is not None:
                    opening.cancel()
        for thread in (self.thread, self._watcher):
            if thread is None or thread is threading.current_thread() or not thread.ident:
                continue
            if linger and thread is self.thread:
                thread.join(_LINGER_S)
            if thread.is_alive() and link is not None:
                link.abort()
            # on_connect is user code and may be slow; looking up a name cannot be interrupted.
            thread.join(_LINGER_S if self._greeter or self._opening is not None else _JOIN_S)

    def stats(self) -> StreamStats:
        """A snapshot of what has happened so far."""
        counts = self.buffer.stats()
        link = self._link
        heard = self._pulse.heard_at
        return StreamStats(
            state=self.state,
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

    def _left_behind(self) -> None:
        """In the child of a fork: ends this copy and sends nothing, because the connection is the parent's.

        The threads do not exist in the child.
        """
        self._closing = True
        self.state = "closed"
        self._lock = threading.Lock()  # a thread that does not exist here may hold it for ever
        self.buffer.left_behind()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _script_face(self) -> object:
        face = self._face()
        if face is None:
            raise ConnectionLost("the connection object was garbage-collected")
        return face

    # -- for the watch ------------------------------------------------------------------------------------------------------------

    def open_link(self) -> Link | None:
        """The link, while the connection is open."""
        return self._link if self.state == "open" else None

    def is_blocked(self) -> bool:
        """Whether reading is paused because the script does not read."""
        return self.buffer.is_blocked()

    def end_link(self, link: Link, why: str) -> None:
        """Ends a link whose peer no longer responds; the reader reports the loss."""
        self._why = why
        link.abort()

    # -- connecting ---------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See ``Connection.open``."""
        try:
            self._connect()
        except BaseException:  # release the socket, also on Ctrl-C
            self.state = "closed"
            self.buffer.close()
            raise
        try:
            self.thread.start()
            if self._watcher is not None:
                self._watcher.start()
        except BaseException:  # no thread can be started, or Ctrl-C: the caller gets no connection
            self._abandon()
            raise

    def _abandon(self) -> None:
        link = self._link
        self.close()
        if link is not None and not self.thread.is_alive():
            link.close()
        self.state = "closed"

    def _connect(self) -> None:
        """Opens a link and sends the first messages."""
        opening = Opening()
        with self._lock:
            if self._closing:
                raise ConnectionLost("closed while connecting")
            self._opening = opening
        token = self._clock.stop.add(opening.cancel)
        link: Link | None = None
        try:
            with self._turn():
                link = self._make_link(opening)
            self._greet(link)
            self._clock.stop.check()
        except BaseException:  # whatever happened, the socket is closed
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
        self.state = "open"
        with self._lock:
            closing: bool = self._closing
        if closing:  # close() was called before this link existed
            link.begin_close(NORMAL)

    def _turn(self) -> AbstractContextManager[None]:
        """An attempt within the limits of the host."""
        if self._turns is None:
            return nullcontext()
        return self._turns.turn(Deadline(self._clock, self._options.connect_timeout_s), self._ended, self._clock)

    def _make_link(self, opening: Opening) -> Link:
        address, options, clock = self.address, self._options, self._clock
        deadline = Deadline(clock, options.connect_timeout_s)
        stream = open_stream(destination(address, options, self._context), deadline, opening, clock)
        if address.scheme not in {"ws", "wss"}:
            return RawLink(stream, clock, datagrams=address.scheme in DATAGRAM)
        try:
            return upgrade(stream, address, options, deadline, clock)
        except BaseException:  # whatever happened, the socket is closed
            stream.close()
            raise

    def _greet(self, link: Link) -> None:
        """Sends the payload and the result of ``on_connect``, before any other write."""
        self._pace = self._new_pace()
        self._link = link
        self._greeter = threading.get_ident()
        try:
            for message in self._options.payload:
                self._send_first(link, message)
            if self._options.on_connect is not None:
                for message in read_messages("the result of on_connect", self._options.on_connect(self._script_face())):
                    self._send_first(link, message)
        except OSError as error:
            raise ConnectFailed(
                f"{self.address.shown} did not accept the messages sent after the connect: {error}"
            ) from error
        finally:
            self._greeter = 0

    def _new_pace(self) -> MessagePace | None:
        limits = self._turns.limits if self._turns is not None else None
        if limits is None or not limits.messages:
            return None
        return MessagePace(limits.messages, limits.message_window_s, self._clock)

    def _send_first(self, link: Link, message: str | bytes) -> None:
        if self._pace is not None:
            self._pace.take(self._options.connect_timeout_s, self._ended)
        link.write(message, self._options.connect_timeout_s)

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
                self.buffer.lose()
                if not self._reconnect():
                    return
        except StopRequested:
            pass  # the strategy is being stopped; the stop itself wakes every reader
        except BaseException as error:  # a bug here or in a callback, which may also call sys.exit: report every end
            self._fail(error)
        finally:
            self.state = "closed"
            self._ended.set()
            link, self._link = self._link, None
            if link is not None:
                link.close()
            try:
                self.buffer.close()
            except BaseException as error:  # raised by a callback: as above
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.last_error = f"the reader failed: {short_repr(error)}"
        self._host.error(f"{self.address.shown}: {self.last_error}", source="Dial")

    def _serve(self, link: Link) -> None:
        """Reads until the link ends, and closes it."""
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
            why = self._own_doing(link) or f"the connection broke: {error}"
            self._errors += 1
        self.state = "reconnecting" if self._options.reconnect and not self._closing else "closed"
        self._link = None
        self._bytes += link.bytes_received
        try:
            if not self._closing:
                self.close_code = link.ending[0] or code
                self.last_error = why
                if not self._options.reconnect:
                    self.buffer.finish()  # before farewell(), which may take a moment
                self._host.error(f"{self.address.shown}: {why}", source="Dial")
        finally:  # also when a callback raises
            link.farewell(code)

    def _pump(self, link: Link) -> int:
        """The reading loop.

        Returns:
            The close code to answer with; 0 when the peer ended the connection without one.
        """
        batch: list[Message] = []
        receive = link.receive
        simple = self._options.heartbeats is None and self._options.is_data is None and not self._options.time_field
        push = self.buffer.push
        pulse = self._pulse
        self._why = ""
        alive = True
        while alive and not self._closing:
            alive = False
            try:
                alive = receive(batch)
            finally:
                # Also after a protocol error: deliver the messages before it.
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
        self.buffer.push(left)

    def _own_doing(self, link: Link) -> str:
        """Why this side ended the link (silence, unanswered pings, a failed write); empty if it did not."""
        return self._why or (link.broken_by and f"write failed: {link.broken_by}")

    def _why_closed(self, link: Link) -> str:
        code, reason = link.ending
        own = self._own_doing(link)
        if own:
            self._errors += 1
            return own
        if not code:
            self._errors += 1
            return "the peer closed the connection" + ("" if isinstance(link, RawLink) else " without a close frame")
        return f"the peer closed the connection with code {code}" + (f" ({reason[:100]})" if reason else "")

    def _reconnect(self) -> bool:
        """Reconnects; False when it gave up, or the connection was closed."""
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
                # Raised by on_connect, which is user code: a failed attempt, not the end of the thread.
                self._note_failure(attempt, error, reported)
            else:
                self._reconnects += 1
                return True
            reported = True
            if self._closing:
                return False
        self._host.error(f"{self.address.shown}: gave up after {attempt} attempts: {self.last_error}", source="Dial")
        return False

    def _note_failure(self, attempt: int, error: Exception, reported: bool) -> None:
        self.last_error = f"attempt {attempt} to reconnect failed: {error}"
        if (
            not reported and not self._closing
        ):  # one line an outage: a venue that is down for an hour would fill the journal
            self._host.error(f"{self.address.shown}: {self.last_error}", source="Dial")

    # -- helpers -------------------------------------------------------------------------------------------------------------

    def _lag_ms(self) -> float | None:
        newest = self._newest
        if newest is None:
            return None
        message, arrived = newest
        sent = find_number(message, self._options.time_field)
        return None if sent is None else arrived * 1000 - sent


def _after_fork() -> None:
    for reader in list(_LIVING):
        reader._left_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
