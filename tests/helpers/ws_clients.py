"""A plain websocket client for tests of the simulated venues: JSON in and out, and books built the way the venues say."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from fmzthreads.simulator.engine.orders import NewOrder

pytest.importorskip("websockets", reason="the tests' client is not installed: pip install 'fmzthreads[test]'")

# Behind the look, so that the tests of a checkout without it are skipped and say so.
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

__all__ = [
    "ConnectionClosed",
    "ConnectionClosedOK",
    "DeltaBook",
    "InvalidMessage",
    "InvalidStatus",
    "LoopTime",
    "Socket",
    "buy",
    "connect",
    "open_socket",
    "shake_hands",
    "sign_ws",
    "top_levels",
    "wait_until",
]

PATIENCE_S = 60.0


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, message: Any) -> None:
        """Sends text as it is, anything else as JSON."""
        self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def text(self, timeout_s: float = PATIENCE_S) -> str | bytes:
        """The next message as it came."""
        return self.connection.recv(timeout=timeout_s)

    def read(self, timeout_s: float = PATIENCE_S) -> Any:
        """The next message."""
        return json.loads(self.text(timeout_s))

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The next message that is wanted; those before it are thrown away."""
        while True:
            message = self.read()
            if wanted(message):
                return message

    def ask(self, message: dict[str, Any]) -> Any:
        """Sends a request and gives the answer with its id."""
        self.send(message)
        return self.until(
            lambda answer: isinstance(answer, dict) and "id" in answer and answer["id"] == message.get("id")
        )

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        try:
            self.connection.recv(timeout=seconds)
        except TimeoutError:
            return True
        return False


class LoopTime:
    """Moves the time of a venue's event loop ahead, so that the test of a time-out neither waits for it nor is overtaken by it."""

    def __init__(self, server: SimulatorServer) -> None:
        thread = server._wire
        self._loop = thread._running_loop()
        self._state = thread._state
        self._ahead_s = 0.0
        real = self._loop.time
        self._loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        """Moves it ahead; what is due then has happened at the return."""
        asyncio.run_coroutine_threadsafe(self._advance(seconds), self._loop).result(PATIENCE_S)

    async def _advance(self, seconds: float) -> None:
        self._ahead_s += seconds
        for _ in range(3):  # the timers that are due, and what they call
            await asyncio.sleep(0)

    def pings_answered(self) -> bool:
        """Whether no connection owes the answer to a ping."""
        return not any(getattr(one, "_pinged", 0) for one in list(self._state.connections))


@contextlib.contextmanager
def open_socket(server: SimulatorServer, path: str, **options: Any) -> Iterator[Socket]:
    """Connects to a path of a simulated venue."""
    options = {
        "proxy": None,
        "compression": None,
        "max_size": None,
        "close_timeout": 2,
        "ping_interval": None,
        **options,
    }
    with connect(server.stream_url + path, **options) as connection:
        yield Socket(connection)


def sign_ws(server: SimulatorServer, **params: Any) -> dict[str, Any]:
    """Parameters of a signed call of Binance's WebSocket API."""
    params = {"apiKey": server.key, "timestamp": server.exchange.server_time_ms(), **params}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": hmac.new(server.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()}


class DeltaBook:
    """A book kept from a snapshot and changes: price and quantity of each level."""

    def __init__(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.apply(bids, asks)

    def apply(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, quantity, *_ in levels:
                side[Decimal(price)] = Decimal(quantity)
                if not Decimal(quantity):
                    del side[Decimal(price)]

    def levels(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Both sides, best first."""
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())


def top_levels(server: SimulatorServer, instrument: str, limit: int = 5000) -> tuple[int, Any]:
    """The version of the exchange's own book, and both sides, best first."""
    depth = server.exchange.depth(instrument, limit)
    return depth.version, tuple([(price, size) for price, size, _ in side] for side in (depth.bids, depth.asks))


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread brings about in a moment."""
    never = threading.Event()
    for _ in range(3000):
        if condition():
            return
        never.wait(0.01)
    raise AssertionError("it did not come about")


def buy(server: SimulatorServer, quantity: str = "0.001") -> None:
    """A small market order of the simulated account."""
    order = NewOrder(instrument="BTC_USDT", side="buy", type="market", quantity=Decimal(quantity))
    server.exchange.place(server.account, order)


def shake_hands(raw: socket.socket, path: str) -> None:
    """A handshake by hand; reads exactly the answer's head."""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    )
    raw.sendall(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        part = raw.recv(1)
        assert part, answer
        answer += part
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer  # the example of RFC 6455, section 1.3
