"""A user stream served by hand: the server's end, and a source whose REST answers a test can hold."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from fmzthreads.constants import ORDER_STATE_PENDING
from fmzthreads.errors import BadReply, FmzError, OrderNotFound
from fmzthreads.exchange.live_account.events import (
    AccountAlarm,
    AccountSnapshot,
    LeverageChange,
    OrderChange,
    PositionChange,
    StreamEnded,
    StreamFill,
)
from fmzthreads.exchange.live_account.source import StreamGreeting, StreamLine
from fmzthreads.structures import Info, Order, Position
from tests.helpers.ws_server import Peer, WsServer

__all__ = ["PATIENCE_S", "ScriptedAccount", "order", "position", "tell"]

PATIENCE_S = 60.0


def order(number: int = 1, dealt: float = 0.0, status: int = ORDER_STATE_PENDING, **more: Any) -> Order:
    """An order of 10 contracts, changed as given."""
    given: dict[str, Any] = {
        "Info": Info(), "Symbol": "BTC_USDT.swap", "Id": f"BTCUSDT,{number}", "Time": number, "Price": 100.0, "Amount": 10.0,
        "DealAmount": dealt, "AvgPrice": 100.0 if dealt else 0.0, "Status": status, "Type": 0, "Offset": 0, "ContractType": "swap",
        "Condition": None,
    }  # fmt: skip
    return Order(**{**given, **more})


def position(amount: float, kind: int = 0, **more: Any) -> Position:
    """A position, changed as given."""
    given: dict[str, Any] = {
        "Info": Info(), "Symbol": "BTC_USDT.swap", "MarginLevel": 0.0, "Amount": amount, "FrozenAmount": 0.0, "Price": 100.0,
        "Profit": 0.0, "Type": kind, "ContractType": "swap", "Margin": 0.0,
    }  # fmt: skip
    return Position(**{**given, **more})


def tell(peer: Peer, time_ms: int, **what: Any) -> None:
    """Sends a message: ``order``, ``position``, ``alarm``, ``ended`` or ``garbage``."""
    peer.text(json.dumps({"time": time_ms, **what}))


class ScriptedAccount:
    """An ``AccountSource`` over a server of the test; what REST answers are its attributes."""

    name = "scripted account"
    key = "USDT"

    def __init__(self, server: WsServer) -> None:
        self.server = server
        self.keep_alive_s = 0.0
        self.open: list[Order] = []
        self.ended: dict[str, Order] = {}
        self.held: list[tuple[Position, int]] = []
        self.failures: list[FmzError] = []
        """What the next calls of ``snapshot`` raise."""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Semaphore(0)
        self.kept_alive = threading.Semaphore(0)
        self.connects = 0
        self.lines = 1
        self.greet: Callable[[StreamGreeting], None] | None = None
        self.options: dict[str, object] = {}
        self.moment_ms = 1000
        """The venue's time."""
        self.fills: list[StreamFill] = []
        """What REST tells of the fills of a gap."""
        self.asked_since: list[tuple[int, list[str]]] = []
        self.lists: list[tuple[str, int]] = []
        """Calls of ``past_orders``."""
        self.refused: FmzError | None = None
        """What ``past_orders`` raises."""
        self.single: list[str] = []
        """Calls of ``order``."""

    def includes(self, scope: str | None) -> bool:
        return scope is not None and "USDT" in scope

    def connect(self) -> Sequence[StreamLine]:
        self.connects += 1
        options = {"reconnect": False, **self.options}
        return [StreamLine(address=self.server.url, options=options, greet=self.greet) for _ in range(self.lines)]

    def keep_alive(self) -> None:
        self.kept_alive.release()

    def read(self, message: str | bytes) -> Iterable[object]:
        row = json.loads(message)
        if "garbage" in row:
            raise BadReply("not a message")
        if "order" in row:
            yield OrderChange(
                order=Order(row["order"]), time_ms=row["time"], fill=row.get("fill") and Info(row["fill"])
            )
        if "position" in row:
            yield PositionChange(position=Position(row["position"]), time_ms=row["time"])
        if "leverage" in row:
            yield LeverageChange(symbol="BTC_USDT.swap", level=row["leverage"])
        if "alarm" in row:
            yield AccountAlarm(row["alarm"])
        if "ended" in row:
            yield StreamEnded(row["ended"])

    def snapshot(self) -> AccountSnapshot:
        found = AccountSnapshot(
            orders=[one.copy() for one in self.open if one["Condition"] is None],
            conditions=[one.copy() for one in self.open if one["Condition"] is not None],
            positions=[(one.copy(), time_ms) for one, time_ms in self.held],
        )
        self.asked.release()
        assert self.may_answer.wait(PATIENCE_S)
        if self.failures:
            raise self.failures.pop(0)
        return found

    def look_up(self, order: Order) -> Order:
        return self.order(order["Id"])

    def order(self, order_id: str) -> Order:
        self.single.append(order_id)
        if order_id not in self.ended:
            raise OrderNotFound(f"no order {order_id}")
        return self.ended[order_id].copy()

    def past_orders(self, symbol: str, since_ms: int) -> list[Order]:
        self.lists.append((symbol, since_ms))
        if self.refused is not None:
            raise self.refused
        return [one.copy() for one in self.ended.values() if one["Symbol"] == symbol and one["Time"] >= since_ms]

    def position_key(self, position: Position) -> Hashable:
        return position["Info"].get("posId") or (position["Symbol"], position["Type"])

    def now_ms(self) -> int:
        return self.moment_ms

    def fills_since(self, since_ms: int, symbols: Sequence[str]) -> list[StreamFill]:
        self.asked_since.append((since_ms, list(symbols)))
        return list(self.fills)
