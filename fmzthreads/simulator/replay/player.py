"""Plays a recorded websocket over a real one, at a chosen speed."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from ...clock import WallClock
from ...errors import FmzError, InputError, require
from ..control import control_routes
from ..faults import Faults
from ..transport.frames import BINARY, TEXT
from ..transport.listener import Message, Scope, ServingThread
from ..transport.push import Push
from ..transport.requests import WireRequest
from ..transport.websocket import ClientSession, Keepalive, Refusal, WsConnection
from .recordings import Answer, Frame, read_answers, read_frames

__all__ = ["StreamPlayer"]

_log = logging.getLogger(__name__)
_SEQUENCED = re.compile(r'"(?:depthUpdate|prevSeqId|checksum)"')
# The backlog of a client at which the player waits for it; no frame may be lost.
_HIGH_WATER = 1 << 20
_CHECK_S = 0.002
# Due frames are sent in batches of this size before the event loop runs other tasks.
_BUNCH = 200


class StreamPlayer:
    """Plays a recording on a websocket on the loopback; a context manager.

    Every connection, at any path, gets the whole recording from its first frame on, and is closed with code 1000 after the last one.
    Messages from clients are read and ignored. Recorded REST calls (snapshots of books) are answered over HTTP on the same
    port. The file is read while it is played and never copied::

        with StreamPlayer("btcusdt.gz", speed=10) as player:
            client = Dial(player.stream_url + "/stream")

    Args:
        path: The recording; see ``recordings`` for the two formats.
        rest: Files of recorded REST calls; None for those in the recording itself.
        speed: The factor of the original speed; 0 for as fast as the client reads.
        select: Which frames to play, by their data; None for all.
        port: The port; 0 for one that is free.
        host: The address to listen on.
        faults: The faults to inject; None for no faults.
        tls: The TLS context; None for plain connections.

    Raises:
        InputError: The recording has no frame, or cannot be read; ``speed`` is negative.
        MissingExtra: starlette or uvicorn is not installed.
        ConnectFailed: The port is not available.

    Attributes:
        path: As given.
        speed: As given.
        faults: The faults to inject.
        sent: The number of sent frames, over all connections.
        received: The number of messages from clients.
        finished: How often the recording was played to its end.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rest: str | Path | None = None,
        speed: float = 1.0,
        select: Callable[[str | bytes], bool] | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        faults: Faults | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not 0 <= speed <= 1e9:
            raise InputError(f"speed must be from 0 to 1e9, got {speed!r}")
        self.path = Path(path)
        if next(read_frames(self.path), None) is None:
            raise InputError(f"{self.path}: the recording contains no frames")
        self.speed = speed
        self.select = select
        self.faults = faults if faults is not None else Faults()
        self.sent = self.received = self.finished = 0
        self._answers = list(read_answers(rest if rest is not None else self.path))
        self._site = _PlayerSite(self)
        self._wire = ServingThread(
            self._app(),
            host=host,
            port=port,
            name="fmzthreads-player",
            tls=tls,
            sockets=partial(WsConnection, site=self._site),
        )

    def __repr__(self) -> str:
        return f"StreamPlayer({self.path.name!r}, {self.stream_url!r}, speed={self.speed:g})"

    # --- addresses ---

    @property
    def port(self) -> int:
        """The port."""
        return self._wire.port

    @property
    def base_url(self) -> str:
        """The base URL of recorded REST calls, without a trailing slash."""
        return self._wire.base_url

    @property
    def stream_url(self) -> str:
        """The base URL of the websocket; any path below it plays the recording."""
        return "ws" + self.base_url.removeprefix("http")

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._wire.connections

    def state(self) -> dict[str, Any]:
        """The progress, as in the answer of ``GET /_simulator/state``."""
        return {"replay": str(self.path), "sent": self.sent, "received": self.received, "finished": self.finished}

    # --- life ---

    def start(self) -> StreamPlayer:
        """Starts serving; returns itself.

        Raises:
            FmzError: It could not start.
        """
        self._wire.start()
        return self

    def stop(self) -> None:
        """Closes the port and every connection and ends the thread.

        A second call has no effect.
        """
        self._wire.stop()

    def __enter__(self) -> StreamPlayer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- recorded REST calls ---

    def _app(self) -> Any:
        """The ASGI application (Any: starlette is an extra)."""
        routes = control_routes(self.faults, self.state)
        return require("starlette.routing", "server").Router(routes, redirect_slashes=False, default=self._http)

    async def _http(self, scope: Scope, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        answer = self._find(scope["path"], scope["query_string"].decode("latin-1")) if scope["type"] == "http" else None
        body = answer.body.encode() if answer is not None else b'{"msg":"no such call was recorded"}'
        status = 200 if answer is not None else 404
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, path: str, query: str) -> Answer | None:
        """The recorded call with this path and symbol.

        A call recorded without an address matches any path that ends in ``depth``.
        """
        symbol = parse_qs(query).get("symbol")
        for answer in self._answers:
            same = answer.path == path and parse_qs(answer.query).get("symbol") == symbol
            if same or (not answer.path and path.endswith("/depth")):
                return answer
        return None


class _PlayerSite:
    """Accepts connections to any path."""

    message_limit = 1 << 20
    slow_code = 0
    backlog = 1 << 40  # the player waits for a slow client; it never disconnects one

    def __init__(self, player: StreamPlayer) -> None:
        self.player = player
        self.faults = player.faults

    def now_ms(self) -> int:
        """The time of day, for the header Date."""
        return WallClock().now_ns() // 1_000_000

    def keepalive(self, path: str) -> Keepalive:
        """None: the recording has the venue's own heartbeats."""
        return Keepalive()

    def enter(self, request: WireRequest, connection: WsConnection) -> ClientSession | Refusal:
        """Accepts every connection."""
        return _PlayerSession(self.player, connection)

    def farewell(self, session: ClientSession) -> None:
        """Does nothing: a recording has no such notice."""


class _PlayerSession:
    """Plays the recording on one connection."""

    def __init__(self, player: StreamPlayer, connection: WsConnection) -> None:
        self._player = player
        self._connection = connection
        self._over = False

    def opened(self) -> None:
        """Begins to play."""
        self._connection.run(self._play())

    def arrived(self) -> bool:
        """Accepts every frame; frames are not counted."""
        return True

    def received(self, data: bytes) -> None:
        """Ignores a client's message; its answer is in the recording."""
        self._player.received += 1

    def closed(self) -> None:
        """Ends the play."""
        self._over = True

    async def _play(self) -> None:
        try:
            await self._play_frames()
        except (FmzError, OSError) as error:  # the file became unreadable after the checked frames
            _log.error("%s", error)
            self._connection.close(1011, "the recording cannot be read")

    async def _play_frames(self) -> None:
        player, connection, loop = self._player, self._connection, asyncio.get_running_loop()
        await asyncio.sleep(0)  # the answer to the handshake is sent first
        begin_s, first_ns = loop.time(), -1
        for number, frame in enumerate(read_frames(player.path)):
            if first_ns < 0:
                first_ns = frame.time_ns
            if player.select is not None and not player.select(frame.data):
                continue
            if player.speed:
                await self._until(begin_s + (frame.time_ns - first_ns) / 1e9 / player.speed, loop)
            if number % _BUNCH == 0:
                await asyncio.sleep(0)
            while connection.waiting > _HIGH_WATER and not self._over:
                await asyncio.sleep(_CHECK_S)
            if self._over:
                return
            connection.send(_push(frame))
            player.sent += 1
        while connection.waiting and not self._over:
            await asyncio.sleep(_CHECK_S)  # a close does not wait long for a slow client
        player.finished += 1
        connection.close(1000, "end of the recording")

    async def _until(self, due_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Waits for a frame's time, in short steps for a quick stop."""
        while not self._over and (left := due_s - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.2))


def _push(frame: Frame) -> Push:
    if isinstance(frame.data, bytes):
        return Push(frame.data, opcode=BINARY)
    return Push(frame.data.encode(), sequenced=_SEQUENCED.search(frame.data[:4096]) is not None, opcode=TEXT)
