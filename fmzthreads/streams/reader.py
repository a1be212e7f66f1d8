"""The life of a ``Dial`` behind its face: the thread that reads, reconnects and reports.

Threads. One, the reader, owns the link: it waits on the socket, fills the buffer, and makes the link anew. A second, the watch, exists
only where there are heartbeats to send or silence to notice. Neither holds the ``Connection`` that the script has, so that one which the
script has dropped can be noticed and closed.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from ..clock import Signal
from ..deadline import Deadline
from ..errors import ConnectFailed, ConnectionLost, FmzError, OperationFailed, StopRequested
from ..net.dial import Opening, open_stream
from .address import DATAGRAM, Address
from .buffer.buffer import BufferFull, Message, MessageBuffer
from .host import StreamHost
from .keepalive import Pulse, Watch
from .link import Link
from .options import DialOptions, destination, pause_s, read_messages, tls_context
from .raw_link import RawLink
from .stats import StreamStats, find_number
from .websocket.frames import NORMAL, POLICY, ProtocolError
from .websocket.handshake import upgrade
from .writer import WriterBusy

__all__ = ["StreamReader"]

_WRITE_S = 30.0  # the longest that write() waits for the peer unless it is told otherwise
_LINGER_S = 0.5  # the longest that close() waits for the peer's answer, or for an on_connect that does not return
_JOIN_S = 10.0  # the longest that it waits for the threads' last steps, which on a busy machine take their time

_LIVING: weakref.WeakSet[StreamReader] = weakref.WeakSet()


class StreamReader:
    """What a ``Connection`` does.

    Args:
        address: Where it leads.
        options: What it was asked to be.
        host: Where its script runs.
        face: What ``on_connect`` is called with; None once the script has dropped it.

    Attributes:
        state: ``connecting``, ``open``, ``reconnecting`` or ``closed``.
        last_error: Why the connection was last lost, or the last attempt failed; empty before.
        close_code: The close code of the last loss: the peer's, or the one sent to it; 0 when there was none.
    """

    def __init__(
        self, address: Address, options: DialOptions, host: StreamHost, face: Callable[[], object | None]
    ) -> None:
        self.address = address
        self._options = options
        self._host = host
        self._face = face
        self._clock = host.clock
        self._context = tls_context(options) if address.scheme in {"wss", "tls"} else None
        self.buffer = MessageBuffer(
            host.clock,
            qsize=options.qsize,
            qbytes=options.qbytes,
            overflow=options.overflow,
            on_drop=self._warn,
        )
        self._lock = threading.Lock()  # guards _closing, _opening and the first two fields below
        self._closing = False
        self._opening: Opening | None = None
        self._ended = Signal()  # cuts the pauses of the reader and the watch short when the connection is closed
        # Written by the reader only (by the caller's thread before the reader starts); others see an older or a newer value, both true.
        self._link: Link | None = None
        self.state = "connecting"
        self._greeter = 0  # the thread that sends the payload, which alone may write before the state is "open"
        self._bytes = self._reconnects = self._heartbeats = self._errors = 0
        self._fruitless = (
            0  # connections in a row that brought no data, so that a peer that closes at once is not stormed
        )
        self._pulse = Pulse(host.clock)
        self._newest: tuple[Message, float] | None = None
        self.last_error = ""
        self.close_code = 0
        self.thread = threading.Thread(target=self._run, name=f"Dial {address.shown}", daemon=True)
        self._watcher: threading.Thread | None = None
        if options.ping_interval_s or options.silence_s:
            watch = Watch(options, self._pulse, self._ended, self)
            self._watcher = threading.Thread(
                target=watch.run, args=(host.clock,), name=f"Dial watch {address.shown}", daemon=True
            )
        _LIVING.add(self)

    # -- for the face ---------------------------------------------------------------------------------------------------------------

    def write(self, data: str | bytes, timeout_ms: float | None) -> int:
        """See ``Connection.write``."""
        link = self._link
        if link is None or (self.state != "open" and self._greeter != threading.get_ident()):
            return 0
        timeout_s = timeout_ms / 1000 if timeout_ms and timeout_ms > 0 else _WRITE_S
        try:
            return link.write(data if isinstance(data, str) else bytes(data), timeout_s)
        except WriterBusy:
            return 0
        except (OSError, OperationFailed) as error:
            if not self._closing and self._link is link:
                self.last_error = f"write failed: {error}"  # the reader notices, and reports the loss
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
            finally:  # whatever a callback that is told of the end raises
                self._ended.set()
                # Before the next lines, which shut the socket of an opening down.
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
            # on_connect is the script's, and may take its time; so does looking up a name, which nothing cuts short.
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
        """In the child of a fork: ends this copy without a word to the peer, whose connection is the parent's. Its threads are not here."""
        self._closing = True
        self.state = "closed"
        self._lock = threading.Lock()  # a thread that is not here may hold it for ever
        self.buffer.left_behind()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _script_face(self) -> object:
        face = self._face()
        if face is None:
            raise ConnectionLost("nobody holds the connection any more")
        return face

    # -- for the watch ------------------------------------------------------------------------------------------------------------

    def open_link(self) -> Link | None:
        """The link, while the connection is open."""
        return self._link if self.state == "open" else None

    def is_blocked(self) -> bool:
        """Whether it is the script that does not read, so that nothing can be said about the peer."""
        return self.buffer.is_blocked()

    def end_link(self, link: Link, why: str) -> None:
        """Ends a link that is alive in name only; the reader reports the loss."""
        self.last_error = why
        link.abort()

    # -- connecting ---------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See ``Connection.open``."""
        try:
            self._connect()
        except BaseException:  # nothing may be left behind, Ctrl-C included
            self.state = "closed"
            self.buffer.close()
            raise
        try:
            self.thread.start()
            if self._watcher is not None:
                self._watcher.start()
        except BaseException:  # there are no more threads, or a Ctrl-C came: nobody will ever hold it
            self._abandon()
            raise

    def _abandon(self) -> None:
        link = self._link
        self.close()
        if link is not None and not self.thread.is_alive():
            link.close()
        self.state = "closed"

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
        self.state = "open"
        with self._lock:
            closing: bool = self._closing
        if closing:  # close() came too early to see this link
            link.begin_close(NORMAL)

    def _make_link(self, opening: Opening) -> Link:
        address, options, clock = self.address, self._options, self._clock
        deadline = Deadline(clock, options.connect_timeout_s)
        stream = open_stream(destination(address, options, self._context), deadline, opening, clock)
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
                for message in read_messages("the result of on_connect", self._options.on_connect(self._script_face())):
                    link.write(message, self._options.connect_timeout_s)
        except OSError as error:
            raise ConnectFailed(f"{self.address.shown} did not take what is sent after a connect: {error}") from error
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
                self.buffer.lose()
                if not self._reconnect():
                    return
        except StopRequested:
            pass  # the strategy ends: so does its stream, and every reader is told by the stop itself
        except BaseException as error:  # a bug here or in a callback, which may also call sys.exit: no end is unseen
            self._fail(error)
        finally:
            self.state = "closed"
            self._ended.set()
            link, self._link = self._link, None
            if link is not None:
                link.close()
            try:
                self.buffer.close()
            except BaseException as error:  # a callback's, which is told of the end: as above
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.last_error = f"the reader failed: {error!r}"
        self._host.error(f"{self.address.shown}: {self.last_error}", source="Dial")

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
                    self.buffer.finish()  # before the farewell, which may take a moment
                self._host.error(f"{self.address.shown}: {why}", source="Dial")
        finally:  # whatever a callback that is told of the end raises
            link.farewell(code)

    def _pump(self, link: Link) -> int:
        """The loop in which the reader lives. Returns the close code to answer with, 0 when the peer is just gone."""
        batch: list[Message] = []
        receive = link.receive
        simple = self._options.heartbeats is None and self._options.is_data is None and not self._options.time_field
        push = self.buffer.push
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
        self.buffer.push(left)

    def _own_doing(self, link: Link) -> str:
        """Why this side ended the link: the watch did (silence, unanswered pings), or a write broke it; empty when it did not."""
        return self.last_error or (link.broken_by and f"write failed: {link.broken_by}")

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
        self._host.error(f"{self.address.shown}: gave up after {attempt} attempts: {self.last_error}", source="Dial")
        return False

    def _note_failure(self, attempt: int, error: Exception, reported: bool) -> None:
        self.last_error = f"attempt {attempt} to reconnect failed: {error}"
        if (
            not reported and not self._closing
        ):  # once an outage: a venue that is down for an hour would fill the journal
            self._host.error(f"{self.address.shown}: {self.last_error}", source="Dial")

    # -- small things -------------------------------------------------------------------------------------------------------------

    def _warn(self, text: str) -> None:
        self._host.warning(f"{self.address.shown}: {text}", source="Dial")

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
