"""Websocket connections of simulated venues: handshake, keep-alive, bounded sending, faults.

uvicorn passes the transport after it has seen an upgrade; from then on every byte is written here, so that faults can act
on frames and on TCP. A message to many connections is framed once and shared.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import unquote

import attrs

from ..faults import Faults
from .below import inner_path
from .frames import CLOSE, PING, PONG, TEXT, ClientFrames, FrameError, build_frame, close_frame
from .message_faults import Breaker
from .push import Push
from .requests import WireRequest, http_date

__all__ = ["ClientSession", "Keepalive", "Refusal", "Site", "WsConnection", "parse_json"]

_log = logging.getLogger(__name__)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_MAX = 65536
# The time that a client has to answer a close frame, and to read it, before the connection is cut.
_CLOSING_S = 1.0


@attrs.frozen(kw_only=True)
class Refusal:
    """A handshake that is answered with an HTTP error."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Keepalive:
    """How a venue detects a dead connection; all times in seconds, 0 for never.

    Attributes:
        ping_s: How often the server sends a ping.
        pong_s: The time-out of the answer to a ping.
        idle_s: The longest time without traffic in either direction.
        idle_code: The close code of an idle connection.
        idle_reason: The close reason of an idle connection.
        life_s: The maximum age of a connection.
    """

    ping_s: float = 0.0
    pong_s: float = 0.0
    idle_s: float = 0.0
    idle_code: int = 1000
    idle_reason: str = ""
    life_s: float = 0.0


class ClientSession(Protocol):
    """A venue's handler of one connection. All calls come from the loop."""

    def opened(self) -> None:
        """Called before the handshake is answered; may not send in the same loop iteration."""

    def arrived(self) -> bool:
        """Called for every frame; False if the session closed the connection for exceeding a limit."""

    def received(self, data: bytes) -> None:
        """A message came."""

    def closed(self) -> None:
        """The connection is gone."""


class Site(Protocol):
    """A venue's websocket service.

    Attributes:
        faults: The faults to inject.
        message_limit: The maximum size of a client's message, in bytes.
        backlog: The maximum backlog of a slow client, in bytes.
        slow_code: The close code for a too slow client; 0 ends without a close frame.
    """

    faults: Faults
    message_limit: int
    backlog: int
    slow_code: int

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Accepts or refuses a handshake."""

    def now_ms(self) -> int:
        """The exchange's time, in milliseconds since the epoch."""

    def keepalive(self, path: str) -> Keepalive:
        """How connections to a path are kept alive."""

    def farewell(self, session: ClientSession) -> None:
        """Called before the server stops; sends the venue's notice to its clients."""


class WsConnection(asyncio.Protocol):
    """One websocket connection, created by uvicorn and run in the event loop.

    Args:
        site: The venue.
        server_state: uvicorn's, for the list of connections (Any: uvicorn is an extra).
        app_state: Contains ``wire``, the serving thread.
        below: The path on the server below which the venue lies; empty for its root.
        config: uvicorn's; not used.
    """

    def __init__(
        self, *, site: Site, server_state: Any, app_state: dict[str, Any], below: str = "", config: Any = None
    ) -> None:
        self._site = site
        self._below = below
        self._connections: set[Any] = server_state.connections
        self._tasks: set[Any] = server_state.tasks
        self._wire = app_state["wire"]
        self._loop = asyncio.get_running_loop()
        self._head: bytearray | None = bytearray()
        self._early = b""  # bytes received after the handshake request, before its answer
        self._frames = ClientFrames(site.message_limit)
        self._session: ClientSession | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._keepalive = Keepalive()
        self._pinged = 0  # unanswered pings
        self._closing = False
        self._last_s = 0.0
        self.transport: Any = None
        self.client: tuple[str, int] | None = None
        self.path = ""
        self.breaker = Breaker(site.faults, self)

    # --- asyncio's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by uvicorn when it passes the transport."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if peer else None
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Receives the request first, as rebuilt by uvicorn, then frames."""
        if self._head is not None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end >= 0:
                head, self._early, self._head = bytes(self._head[:end]), bytes(self._head[end + 4 :]), None
                self.run(self._shake_hands(head))
            elif len(self._head) > _HEAD_MAX:
                self.transport.abort()
        elif self._session is None:
            self._early += data
            if len(self._early) > self._site.message_limit:
                self.transport.abort()
        elif not self.breaker.silent:
            self._read(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._connections.discard(self)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.breaker.stop()
        session, self._session, self._closing = self._session, None, True
        if session is not None:
            session.closed()

    def eof_received(self) -> bool:
        """The client closed its side: no more data can arrive."""
        return False

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine as a task that the serving thread waits for when it stops."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the handshake ---

    async def _shake_hands(self, head: bytes) -> None:
        request = _read_head(head, self.client[0] if self.client else "")
        accept = _accept_key(request)
        if request is None or accept is None:
            self._refuse(Refusal(status=400, body=b"not a websocket handshake"))
            return
        path = inner_path(request.path, self._below)
        if path is None:
            self._refuse(Refusal(status=404, body=b"no such path"))
            return
        request = replace(request, path=path)
        self.path = path
        if await self._hindered(request) or self._closing:
            return
        entered = self._site.enter(request, self)
        if isinstance(entered, Refusal):
            self._refuse(entered)
            return
        lines = (
            "HTTP/1.1 101 Switching Protocols",
            f"Date: {http_date(self._site.now_ms())}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        )
        # The session first, so that a client that has read the answer misses no later event.
        entered.opened()
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._session, self._keepalive = entered, self._site.keepalive(self.path)
        self._start_timers()
        early, self._early = self._early, b""
        if early:
            self._read(early)

    async def _hindered(self, request: WireRequest) -> bool:
        """Injects the faults of a handshake; returns whether it ends there."""
        faults = self._site.faults
        plan = faults.plan(request.path)
        alive: bool = await self._wire.pause(plan.delay_s)
        if plan.hang is not None and alive:
            alive = await self._wire.released(plan.hang)
        if plan.refuse or not alive:
            self._wire.reset(self.transport)
        elif plan.status:
            self._refuse(Refusal(status=plan.status, headers=(("Retry-After", str(plan.retry_after_s)),)))
        elif faults.refuses_streams(request.path):
            self._refuse(Refusal(status=503, body=b"Service Unavailable"))
        else:
            return False
        return True

    def _refuse(self, refusal: Refusal) -> None:
        if self._closing:
            return
        headers = "".join(f"{name}: {value}\r\n" for name, value in refusal.headers)
        reason = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}.get(
            refusal.status, "Refused"
        )
        date = http_date(self._site.now_ms())
        head = f"HTTP/1.1 {refusal.status} {reason}\r\nDate: {date}\r\nContent-Length: {len(refusal.body)}\r\nConnection: close\r\n{headers}\r\n"
        self.transport.write(head.encode() + refusal.body)
        self._finish()

    # --- receiving ---

    def _read(self, data: bytes) -> None:
        self._last_s = self._loop.time()
        try:
            for opcode, payload in self._frames.feed(data):
                if self._closing:
                    if opcode == CLOSE:
                        self.transport.close()  # the answer to our close frame
                elif self._session is not None and self._session.arrived():
                    self._handle(opcode, payload)
        except FrameError as error:
            self.close(error.code, error.reason)
            self.transport.close()  # the start of the next frame is unknown: nothing more is read
        except Exception:  # a defect of the simulator must end only this connection, and be logged
            _log.exception("the simulator failed to process a message to %s", self.path)
            self.close(1011, "internal error")

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.write_frame(build_frame(CLOSE, payload[:2]))
            self._finish()
        elif opcode == PING:
            self.write_frame(build_frame(PONG, payload))
        elif opcode == PONG:
            self._pinged = 0
        elif self._session is not None:
            self._session.received(payload)

    # --- sending ---

    @property
    def waiting(self) -> int:
        """The number of bytes that the client has not read yet."""
        return int(self.transport.get_write_buffer_size()) + self.breaker.pending

    def overfull(self) -> bool:
        """Whether the client's backlog was full; it has then been disconnected."""
        if self.waiting <= self._site.backlog + self.breaker.allowance:
            return False
        self._drop_slow()
        return True

    def time_s(self) -> float:
        """The loop's time in seconds; only differences are meaningful."""
        return self._loop.time()

    def send(self, push: Push, *, combined: bool = False) -> None:
        """Sends a message of a stream; faults may drop, change or repeat it."""
        if self._closing:
            return
        frame = push.combined if combined else push.plain
        if self.breaker.idle:
            self.write_frame(frame)
        else:
            self.breaker.send(push, frame)

    def send_text(self, text: str) -> None:
        """Sends an answer or a heartbeat."""
        self.write_frame(build_frame(TEXT, text.encode()))

    def write_frame(self, data: bytes) -> None:
        """Writes a frame unless the connection is closing, silent or too slow."""
        if self._closing or self.breaker.silent:
            return
        if not self.overfull():
            self._last_s = self._loop.time()
            self.breaker.write(data)

    def write_now(self, data: bytes) -> None:
        """Writes bytes unchanged and without limits; for the faults."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def _drop_slow(self) -> None:
        """Disconnects a client whose backlog is full, to limit memory use."""
        code = self._site.slow_code
        if code:
            self.close(code, "buffer full")
        else:
            self._closing = True
            self.transport.abort()

    def close(self, code: int, reason: str = "") -> None:
        """Closes with a close frame; the backlog is still sent for a short time."""
        if self._closing:
            return
        self._closing = True
        if not self.breaker.silent:
            self.breaker.write(close_frame(code, reason))
            # The client should answer with its own close frame; the wait for it is limited.
            self._after("closing", _CLOSING_S, self.transport.abort)

    def cut(self) -> None:
        """Ends the connection without a close frame, after what was written."""
        self._finish()

    def _finish(self) -> None:
        """Closes the connection after the written data; the wait for a slow reader is limited."""
        self._closing = True
        self.transport.close()
        self._after("closing", _CLOSING_S, self.transport.abort)

    def goodbye(self) -> None:
        """The server is being stopped."""
        if self._session is not None and not self._closing:
            self._site.farewell(self._session)
            self.close(1001, "going away")

    # --- keeping alive ---

    def _after(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        before = self._timers.pop(name, None)
        if before is not None:
            before.cancel()
        self._timers[name] = self._loop.call_later(seconds, callback)

    def _start_timers(self) -> None:
        self._last_s = self._loop.time()
        if self._keepalive.ping_s:
            self._after("ping", self._keepalive.ping_s, self._ping)
        if self._keepalive.idle_s:
            self._after("idle", self._keepalive.idle_s, self._watch_idle)
        if self._keepalive.life_s:
            self._after("life", self._keepalive.life_s, lambda: self.close(1001, "maximum connection age reached"))

    def _ping(self) -> None:
        if self._closing:
            return
        if not self._pinged:
            self._after("pong", self._keepalive.pong_s, self._miss_pong)
        self._pinged += 1
        self.write_frame(build_frame(PING, str(int(self._loop.time() * 1000)).encode()))
        self._after("ping", self._keepalive.ping_s, self._ping)

    def _miss_pong(self) -> None:
        if self._pinged and not self.breaker.silent:
            self.close(1008, "Pong timeout")

    def _watch_idle(self) -> None:
        if self._closing or self.breaker.silent:
            return
        left = self._last_s + self._keepalive.idle_s - self._loop.time()
        if left <= 0:
            self.close(self._keepalive.idle_code, self._keepalive.idle_reason)
        else:
            self._after("idle", left, self._watch_idle)


def parse_json(data: bytes, **options: Any) -> Any:
    """Decodes a JSON message (Any: any JSON value; ``options`` are those of ``json.loads``).

    Raises:
        ValueError: It is not JSON, or contains a lone surrogate, which cannot be encoded in an answer.
        RecursionError: It is nested too deeply.
    """
    message = json.loads(data, **options)
    if b"\\u" in data:
        json.dumps(message, ensure_ascii=False).encode()
    return message


def _read_head(head: bytes, client: str) -> WireRequest | None:
    """The request of a handshake; None if malformed."""
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        return None
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raw_path, _, query = words[1].partition("?")
    return WireRequest(
        method=words[0],
        path=unquote(raw_path),
        raw_path=raw_path,
        query=query,
        body=b"",
        headers=headers,
        client=client,
    )


def _accept_key(request: WireRequest | None) -> str | None:
    """The Sec-WebSocket-Accept value (RFC 6455, 4.2.2); None if the handshake is not valid."""
    if request is None:
        return None
    headers: Mapping[str, str] = request.headers
    key = headers.get("sec-websocket-key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if request.method != "GET" or not valid or headers.get("sec-websocket-version") != "13":
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
