"""What one thread sends with: its session, its connections, its last reply."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import attrs
import requests
from requests.structures import CaseInsensitiveDict

from ..deadline import Deadline
from ..errors import FmzError
from ..net.dial import Connector, basic
from ..net.inflate import inflate
from ..net.proxy import Origin, Proxy, split_url
from ..net.tls import ClientSettings
from ..tasks.gate import is_gated, pass_gate
from .connection import HttpConnection
from .reply import Headers, Reply, redact
from .reply_reader import RawReply
from .request import HeadWriter, HttpRequest
from .requests_adapter import PooledAdapter, from_requests

__all__ = ["ThreadClient", "ThreadClientOwner"]

_MOST_CONNECTIONS = 8  # a thread; the oldest is closed for the next
_HELD_LONG_S = 0.25  # at the gate: after this the connection is looked at again


@attrs.define
class _Sending:
    """The call of our own that is under way in this thread."""

    request: str
    deadline: Deadline
    patient: bool
    close: bool = False
    elapsed_s: float = 0.0


class _Line:
    """A connection with what is fixed about it."""

    __slots__ = ("connection", "extra", "host", "prefix")

    def __init__(self, connection: HttpConnection, origin: Origin, proxy: Proxy | None) -> None:
        self.connection = connection
        self.host = origin.header
        # An HTTP proxy that is asked in the clear gets the complete URL, and its password with each request.
        forwarded = proxy is not None and proxy.kind == "http" and not origin.tls
        self.prefix = str(origin) if forwarded else ""
        self.extra = ""
        if forwarded and proxy is not None and (proxy.username or proxy.password):
            self.extra = f"Proxy-Authorization: {basic(proxy.username, proxy.password)}\r\n"


class ThreadClient:
    """One thread's part of a client. All but ``abort`` is for that thread alone.

    Args:
        shared: What it has in common with the client's other threads.
    """

    def __init__(self, shared: ClientSettings) -> None:
        self._shared = shared
        self._clock = shared.clock
        self._writer = HeadWriter(shared.user_agent)
        self._lock = threading.Lock()  # guards _lines and _busy against abort(), which runs in another thread
        self._lines: dict[Origin, _Line] = {}
        self._busy: HttpConnection | None = None
        self._epoch = 0
        self._sending: _Sending | None = None
        self._session: requests.Session | None = None
        self._adapter = PooledAdapter(self._exchange)
        self.last: Reply | None = None
        self.was_stale = False
        self._used: HttpConnection | None = None

    @property
    def session(self) -> requests.Session:
        """This thread's requests session."""
        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False
            self._session.mount("http://", self._adapter)
            self._session.mount("https://", self._adapter)
        return self._session

    # ---- calls

    def send(self, request: HttpRequest, deadline: Deadline, *, patient: bool) -> Reply:
        """Sends a request once.

        Args:
            request: What to send.
            deadline: The call's.
            patient: Whether the reply must not be lost lightly (see ``HttpConnection.begin``).
        """
        name = redact(request.method, request.url)
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        prepared.headers = CaseInsensitiveDict(request.headers)
        prepared.body = request.body
        self._sending = sending = _Sending(name, deadline, patient, request.close)
        self._adapter.raw = True
        self.was_stale = False
        started = self._clock.monotonic()
        try:
            answer: Any = self._adapter.send(prepared, stream=True)
        except (requests.RequestException, OSError) as error:
            if isinstance(error, FmzError):
                raise
            raise from_requests(error, name) from None
        finally:
            self._sending = None
            self._adapter.raw = False
        if type(answer) is RawReply:
            reply = Reply(answer.status, answer.headers, answer.body, name, sending.elapsed_s)
        else:  # something stood in for the adapter
            headers = Headers(answer.raw.headers.items())
            reply = Reply(answer.status_code, headers, answer.content, name, self._clock.monotonic() - started)
        self.last = reply
        return reply

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float | None
    ) -> RawReply:
        """What the adapter calls: writes the request and reads the reply."""
        sending = self._sending or _Sending(redact(method, url), Deadline(self._clock, timeout_s), patient=True)
        origin, target, user = split_url(url)
        line = self._line(origin)
        extra = line.extra
        if user and not any(name.lower() == "authorization" for name in headers):
            name, _, password = user.partition(":")
            extra += f"Authorization: {basic(name, password)}\r\n"
        if sending.close:
            extra += "Connection: close\r\n"
        data = self._writer.head(method, line.prefix + target, line.host, headers, body, extra)
        if body:
            data += body
        connection = line.connection
        token = self._begin(connection, sending)
        self._used = connection
        try:
            raw = self._once(connection, method, data, sending)
        finally:
            self._end(connection, token)
        encoding = raw.headers.get("content-encoding")
        if encoding is not None:
            try:
                body = inflate(raw.body, encoding, self._shared.limits.reply_bytes, sending.request)
            except FmzError:
                connection.close()
                raise
            raw = attrs.evolve(raw, body=body)
        if sending.close:
            connection.close()
        return raw

    def discard(self) -> None:
        """Closes the connection of the last request, whose reply made no sense: what comes next on it may make none either."""
        if self._used is not None:
            self._used.close()

    def _once(self, connection: HttpConnection, method: str, data: bytes, sending: _Sending) -> RawReply:
        connection.ready(sending.deadline, sending.request)
        if is_gated():
            arrived = self._clock.monotonic()
            pass_gate()
            if self._clock.monotonic() - arrived > _HELD_LONG_S:
                connection.ready(sending.deadline, sending.request)
        started = self._clock.monotonic()
        try:
            connection.write(data, sending.deadline, sending.request)
            raw = connection.read(method, sending.deadline, sending.request)
        except FmzError:
            self.was_stale = connection.reused
            raise
        except BaseException:
            # Ctrl-C, most likely: the reply is still to come, and must not be taken for that of the next request.
            connection.close()
            raise
        sending.elapsed_s = self._clock.monotonic() - started
        return raw

    def warm(self, origin: Origin, deadline: Deadline) -> None:
        """Opens the connection to an origin."""
        connection = self._line(origin).connection
        token = self._begin(connection, _Sending("", deadline, patient=False))
        try:
            connection.ready(deadline, f"CONNECT {origin}")
        finally:
            self._end(connection, token)

    # ---- connections

    def _line(self, origin: Origin) -> _Line:
        line = self._lines.get(origin)
        if line is not None:
            return line
        shared = self._shared
        proxy = shared.proxy_for(origin)
        connector = Connector(origin, proxy, shared.tls, self._clock, shared.connect_timeout_s)
        connection = HttpConnection(connector, self._clock, shared.limits, shared.max_idle_s, shared.stop_grace_s)
        line = _Line(connection, origin, proxy)
        with self._lock:
            while len(self._lines) >= _MOST_CONNECTIONS:
                self._lines.pop(next(iter(self._lines))).connection.close()
            self._lines[origin] = line
        return line

    def _begin(self, connection: HttpConnection, sending: _Sending) -> int:
        connection.begin(patient=sending.patient)
        with self._lock:
            self._busy = connection
        return self._clock.stop.add(connection.on_stop)

    def _end(self, connection: HttpConnection, token: int) -> None:
        self._clock.stop.remove(token)
        connection.end()
        with self._lock:
            self._busy = None

    def follow(self, epoch: int) -> None:
        """Drops the connections made before the client was closed or given another proxy."""
        if epoch == self._epoch:
            return
        self._epoch = epoch
        self.close()

    def close(self) -> None:
        """Closes all connections; the thread ended, or nobody needs the client any more."""
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            line.connection.close()

    def abort(self, why: str) -> None:
        """Ends the call under way and closes the idle connections; called from any thread."""
        with self._lock:
            busy = self._busy
            for line in self._lines.values():
                if line.connection is busy:
                    busy.abort(why)
                else:
                    line.connection.close()


class ThreadClientOwner:
    """What a thread holds its worker by. It goes with the thread, or with the client, and takes the connections along.

    The worker itself would stay until the cyclic garbage collector comes: its adapter knows it.
    """

    __slots__ = ("worker",)

    def __init__(self, worker: ThreadClient) -> None:
        self.worker = worker

    def __del__(self) -> None:
        self.worker.close()
