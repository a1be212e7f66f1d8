"""Websocket connections of the simulated venues: the handshake, keep-alive, bounded sending, and what the faults break.

uvicorn hands over the transport once it has seen an upgrade; from there on every byte is written here, so that a fault can strike
at the level of frames and of TCP. A message that goes to many connections is put into its frame once and shared.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

import attrs

from ..faults import Faults
from .frames import CLOSE, PING, PONG, TEXT, ClientFrames, FrameError, build_frame, close_frame
from .message_faults import Breaker
from .push import Push
from .requests import WireRequest, http_date

__all__ = ["ClientSession", "Keepalive", "Refusal", "Site", "WsConnection", "parse_json"]

_log = logging.getLogger(__name__)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_MAX = 65536
# What a client may take to answer a close frame, and to read it, before the connection is cut.
_CLOSING_S = 1.0


@attrs.frozen(kw_only=True)
class Refusal:
    """A handshake that is answered with an HTTP error."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Keepalive:
    """How a venue finds out that a connection is dead; all times in seconds, 0 for never.

    Attributes:
        ping_s: How often the server sends a ping.
        pong_s: How long a ping may stay unanswered.
        idle_s: How long nothing may pass in either direction.
        idle_code: The close code when that is over.
        idle_reason: Its reason.
        life_s: How long a connection may live.
    """

    ping_s: float = 0.0
    pong_s: float = 0.0
    idle_s: float = 0.0
    idle_code: int = 1000
    idle_reason: str = ""
    life_s: float = 0.0


class ClientSession(Protocol):
    """What a venue does with one connection. All calls come from the loop."""

    def opened(self) -> None:
        """The handshake is good and is answered next; nothing may be sent before the loop's next turn."""

    def arrived(self) -> bool:
        """A frame came, of any kind; False when it was one too many and the session has closed the connection."""

    def received(self, data: bytes) -> None:
        """A message came."""

    def closed(self) -> None:
        """The connection is gone."""


class Site(Protocol):
    """What a venue offers over websockets.

    Attributes:
        faults: What is to go wrong.
        message_limit: The most bytes of a client's message.
        backlog: The most bytes that may wait for a slow client.
        slow_code: The close code for one that is too slow; 0 for a cut.
    """

    faults: Faults
    message_limit: int
    backlog: int
    slow_code: int

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Takes a handshake, or refuses it."""

    def now_ms(self) -> int:
        """The exchange's time, in milliseconds since the epoch."""

    def keepalive(self, path: str) -> Keepalive:
        """How connections to a path are kept alive."""

    def farewell(self, session: ClientSession) -> None:
        """The server is being stopped: what the venue tells its clients first."""


class WsConnection(asyncio.Protocol):
    """One websocket connection, as uvicorn makes them: all of its life is in the loop.

    Args:
        site: The venue.
        server_state: uvicorn's, for the list of connections (Any: uvicorn is an extra).
        app_state: Has the ``wire``, the thread that serves.
        config: uvicorn's; not used.
    """

    def __init__(self, *, site: Site, server_state: Any, app_state: dict[str, Any], config: Any = None) -> None:
        self._site = site
        self._connections: set[Any] = server_state.connections
        self._tasks: set[Any] = server_state.tasks
        self._wire = app_state["wire"]
        self._loop = asyncio.get_running_loop()
        self._head: bytearray | None = bytearray()
        self._early = b""  # what came after the handshake before it was answered
        self._frames = ClientFrames(site.message_limit)
        self._session: ClientSession | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._keepalive = Keepalive()
        self._pinged = 0  # pings that are not answered yet
        self._closing = False
        self._last_s = 0.0
        self.transport: Any = None
        self.client: tuple[str, int] | None = None
        self.path = ""
        self.breaker = Breaker(site.faults, self)

    # --- asyncio's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by uvicorn when it hands the transport over."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if peer else None
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """The request first, as uvicorn writes it down again, then frames."""
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
        """The client closed its side: nothing more can come of it."""
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
        self.path = request.path
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
        # The session first, so that who has read the answer misses nothing of what happens from then on.
        entered.opened()
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._session, self._keepalive = entered, self._site.keepalive(self.path)
        self._start_timers()
        early, self._early = self._early, b""
        if early:
            self._read(early)

    async def _hindered(self, request: WireRequest) -> bool:
        """Plays the faults that strike a handshake; whether it ends there."""
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

    # --- what comes ---

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
            self.transport.close()  # there is no telling where the next frame begins: nothing more is read
        except Exception:  # a mistake in the simulator must end this connection only, and be in the log
            _log.exception("the simulator failed on a message to %s", self.path)
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

    # --- what goes ---

    @property
    def waiting(self) -> int:
        """How many bytes wait for the client to read."""
        return int(self.transport.get_write_buffer_size()) + self.breaker.pending

    def overfull(self) -> bool:
        """Whether too much waits for the client; then it has been cut."""
        if self.waiting <= self._site.backlog + self.breaker.allowance:
            return False
        self._drop_slow()
        return True

    def time_s(self) -> float:
        """The loop's time, in seconds; only differences mean anything."""
        return self._loop.time()

    def send(self, push: Push, *, combined: bool = False) -> None:
        """Sends a message of a stream; the faults may take it, change it or add to it."""
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
        """Writes bytes as they are, past all bounds; for the faults."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def _drop_slow(self) -> None:
        """Too much is waiting for a client that does not read: it is cut, so that it costs no more memory."""
        code = self._site.slow_code
        if code:
            self.close(code, "buffer full")
        else:
            self._closing = True
            self.transport.abort()

    def close(self, code: int, reason: str = "") -> None:
        """Closes with a close frame; what waits to be sent still goes, for a moment."""
        if self._closing:
            return
        self._closing = True
        if not self.breaker.silent:
            self.breaker.write(close_frame(code, reason))
            # The client answers with its own close frame; one that does not is not waited for.
            self._after("closing", _CLOSING_S, self.transport.abort)

    def cut(self) -> None:
        """Ends the connection without a close frame, after what was written."""
        self._finish()

    def _finish(self) -> None:
        """Closes the connection behind what was written; a client that does not read it is not waited for."""
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
            self._after("life", self._keepalive.life_s, lambda: self.close(1001, "connection lived its time"))

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
    """A message as JSON (Any: whatever JSON can hold; ``options`` are those of ``json.loads``).

    Raises:
        ValueError: It is not JSON, or has half a surrogate pair in it, which no answer could repeat.
        RecursionError: It is nested too deeply.
    """
    message = json.loads(data, **options)
    if b"\\u" in data:
        json.dumps(message, ensure_ascii=False).encode()
    return message


def _read_head(head: bytes, client: str) -> WireRequest | None:
    """The request of a handshake; None when it is none."""
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
    """What proves that we speak websocket (RFC 6455, 4.2.2); None when the request is not a valid handshake."""
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
