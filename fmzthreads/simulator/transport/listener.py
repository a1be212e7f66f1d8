"""Serves an ASGI application in its own thread, with control over every connection.

``uvicorn.Server`` is not used on purpose: it can only stop gracefully, while a simulator also has to close its port and open it
again, reset connections and truncate replies. uvicorn's HTTP protocol classes are used.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ...clock import Signal
from ...errors import ConnectFailed, FmzError, require

__all__ = ["App", "Message", "Scope", "ServingThread"]

Message = MutableMapping[str, Any]
"""An ASGI message (Any: ASGI says what is under which key)."""

Scope = MutableMapping[str, Any]
"""An ASGI scope."""

App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_log = logging.getLogger(__name__)
_BACKLOG = 1024
_KEEP_ALIVE_S = 75
_STOP_S = 1.0
_TURNS = 10  # of the loop, within which an accepted connection has been made
# SO_LINGER on with a time of 0: the connection is reset instead of closed. (Windows has two shorts where others have two ints.)
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class ServingThread:
    """Serves one application on one port until it is stopped.

    The application finds this object as ``scope["state"]["wire"]``.

    Args:
        app: The ASGI application.
        host: The address to listen on.
        port: The port; 0 for one that is free.
        name: The thread's name.
        tls: The TLS context; None for plain HTTP.
        sockets: Creates the protocol of a connection that becomes a websocket; None for no websockets.

    Raises:
        MissingExtra: uvicorn is not installed.
        ConnectFailed: The port cannot be had.

    Attributes:
        host: As given.
        port: The actual port.
        closing: Set, in the loop, when everything that waits must end.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "server",
        tls: ssl.SSLContext | None = None,
        sockets: Callable[..., asyncio.Protocol] | None = None,
    ) -> None:
        self._config = require("uvicorn", "server").Config(
            app, interface="asgi3", lifespan="off", log_config=None, ws=sockets if sockets is not None else "none", proxy_headers=False, server_header=False,
            date_header=False, timeout_keep_alive=_KEEP_ALIVE_S,
        )  # fmt: skip
        self._config.load()
        self._state = require("uvicorn.server", "server").ServerState()
        self._tls = tls
        self.host = host
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._socket.listen(_BACKLOG)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self._port_turn = asyncio.Lock()  # held while the port is closed or opened, which takes some turns of the loop
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def base_url(self) -> str:
        """Its base URL, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls is not None else 'http'}://{host}:{self.port}"

    # --- start and stop ---

    def start(self) -> None:
        """Starts the thread and returns once it accepts connections.

        Raises:
            FmzError: It could not start; the cause is chained.
        """
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise FmzError("the server could not start") from self._error

    def stop(self) -> None:
        """Closes the port and all connections and ends the thread; a second call has no effect."""
        if self._loop is None or not self._thread.is_alive():
            self._socket.close()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended between the check and the call
            self._loop.call_soon_threadsafe(self._close)
        self._thread.join()

    def _close(self) -> None:
        if self.closing is not None:
            self.closing.set()

    def _run(self) -> None:
        loop = self._running_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve())
        except Exception as error:  # otherwise the thread would end silently: start() raises it, or it is logged
            self._error = error
            _log.exception("the server ended")
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()
            self._ready.set()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise FmzError("the server has not been started")
        return self._loop

    async def _serve(self) -> None:
        self.closing = asyncio.Event()
        await self._listen()
        self._ready.set()
        await self.closing.wait()
        async with self._port_turn:
            await self._stop_listening()
        self._socket.close()
        for protocol in list(self._state.connections):
            goodbye = getattr(protocol, "goodbye", None)
            if goodbye is not None:
                goodbye()
            protocol.transport.abort()
        tasks = set(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_S)
            for task in late:
                task.cancel()
        # A transport closes its socket in a callback of its own, after the abort.
        for _ in range(100):
            await asyncio.sleep(0 if not self._state.connections else 0.005)
            if not self._state.connections and not self._state.tasks:
                break

    # --- the port ---

    async def _listen(self) -> None:
        self._server = await self._running_loop().create_server(
            self._protocol, sock=self._socket, backlog=_BACKLOG, ssl=self._tls
        )

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        # A connection that was just accepted becomes one of the server's some turns later; were the server closed before, its socket
        # would be left open. So accepting ends first.
        with contextlib.suppress(NotImplementedError):  # Windows' own loop
            self._running_loop().remove_reader(self._socket)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()

    def _protocol(self) -> asyncio.Protocol:
        protocol: Any = self._config.http_protocol_class(
            config=self._config, server_state=self._state, app_state={"wire": self}
        )
        protocol.access_log = False
        protocol.logger = _log
        return protocol  # type: ignore[no-any-return]

    def refuse_connections(self, refuse: bool) -> None:
        """Closes the port and drops all connections, or opens it again. While it is closed, connections are refused.

        Args:
            refuse: Whether to close it; no effect if it is so already.

        Raises:
            ConnectFailed: Another process has taken the port meanwhile.
            FmzError: The server has not been started.
        """
        asyncio.run_coroutine_threadsafe(self.set_refusing(refuse), self._running_loop()).result()

    async def set_refusing(self, refuse: bool, asked_by: Scope | None = None) -> None:
        """Like ``refuse_connections``, in the loop; the requesting connection is closed, not reset."""
        async with self._port_turn:
            if refuse and self._server is not None:
                await self._stop_listening()
                # A bound socket that does not listen reserves the port, and connections to it are refused.
                self._socket = _bind(self.host, self.port)
                for protocol in list(self._state.connections):
                    if asked_by is not None and protocol.client == asked_by["client"]:
                        protocol.transport.close()
                    else:
                        _reset(protocol.transport)
            elif not refuse and self._server is None:
                self._socket.listen(_BACKLOG)
                await self._listen()

    def refuse_for(self, seconds: float, asked_by: Scope) -> None:
        """Closes the port now and opens it again later; called in the loop.

        Args:
            seconds: The time until it is opened again.
            asked_by: The request for this; its connection is closed, all others are reset.
        """
        tasks = self._state.tasks

        async def _closed_for_a_while() -> None:
            await self.set_refusing(True, asked_by)
            await self.pause(seconds)
            if self.closing is not None and not self.closing.is_set():
                await self.set_refusing(False)

        task = self._running_loop().create_task(_closed_for_a_while())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # --- connections, called in the loop ---

    async def pause(self, seconds: float) -> bool:
        """Waits; returns False if the server was stopped meanwhile."""
        if seconds <= 0:
            return True
        assert self.closing is not None
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def released(self, hang: Signal) -> bool:
        """Waits until a hanging request is released; False if the server is stopped first."""
        assert self.closing is not None
        loop = asyncio.get_running_loop()
        released = asyncio.Event()

        def _wake() -> None:
            try:
                loop.call_soon_threadsafe(released.set)
            except RuntimeError:
                pass  # the loop is closed: nothing waits any more

        token = hang.add(_wake)
        waits = [asyncio.ensure_future(released.wait()), asyncio.ensure_future(self.closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hang.remove(token)
            for wait in waits:
                wait.cancel()
        return released.is_set() and not self.closing.is_set()

    @staticmethod
    def reset(transport: Any) -> None:
        """Resets a connection: the peer reads ECONNRESET, not an orderly end (Any: asyncio's transports have no common base class)."""
        _reset(transport)

    def drop(self, scope: Scope, *, reset: bool) -> None:
        """Closes the connection that a request came on: after what was written (a plain close), or with a reset, at once."""
        for protocol in list(self._state.connections):
            if protocol.client == scope["client"]:
                if reset:
                    _reset(protocol.transport)
                else:
                    protocol.transport.close()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._state.connections)


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet.

    Raises:
        ConnectFailed: The port cannot be had.
    """
    # The protocol is given because asyncio sets TCP_NODELAY only then; without it, headers and body, which are sent in two
    # writes, wait for the peer's delayed acknowledgement: 40 ms per reply.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise ConnectFailed(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return bound


def _reset(transport: Any) -> None:
    """Resets a connection: the peer reads ECONNRESET, not an orderly end."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        with contextlib.suppress(OSError):  # it is already closed
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
