"""The state of a live account: what the stream told, and what REST told after a gap, merged."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from ...clock import Clock
from ...constants import ORDER_STATE_PENDING
from ...fork import after_fork_in_child
from ...structures import Order, Position
from ..contracts.scopes import scope_includes
from .events import AccountSnapshot, AccountUpdate, OrderChange, PositionChange

__all__ = ["AccountView"]

_MOST_UPDATES = 10_000  # that wait for ``take``
_MOST_ENDED = 2_000  # orders that have ended and are still known


class AccountView:
    """Orders and positions of one account; thread-safe. It is read only while it is live.

    Args:
        clock: Tells the time of marks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orders: dict[str, Order] = {}
        self._conditions: dict[str, Order] = {}
        self._children: dict[str, str] = {}  # condition orders by the ids of the orders that they placed
        self._times: dict[str, int] = {}  # of orders: when they last changed
        self._positions: dict[tuple[str, int], tuple[Position, int]] = {}
        self._expected: set[str] = set()
        self._updates: deque[AccountUpdate] = deque()
        self._seq = 0
        self._live = False
        self.gaps = 0
        self.changes = 0
        """Grows with each entry of ``take``."""
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards all of it

    # What the feed writes

    def lose(self, why: str) -> None:
        """Marks a gap: from here on something may be missing. A second one in a row is none."""
        with self._lock:
            if self._live or not self._seq:
                self.gaps += self._live
                self._live = False
                self._note("gap", text=why)

    def apply(self, change: OrderChange | PositionChange) -> bool:
        """Takes a change of the stream; False if it is older than what is known."""
        with self._lock:
            if isinstance(change, PositionChange):
                return self._apply_position(change)
            return self._apply_order(change)

    def _apply_order(self, change: OrderChange) -> bool:
        order = change.order
        order_id = order["Id"]
        book = self._book_of(order)
        known = book.get(order_id)
        self._expected.discard(order_id)
        if known is not None:
            ended = known["Status"] != ORDER_STATE_PENDING
            older = change.time_ms < self._times.get(order_id, 0)
            # Messages of before the snapshot must not take anything back; a fill that is counted already is not told twice.
            if order["DealAmount"] < known["DealAmount"] or (ended and order["Status"] == ORDER_STATE_PENDING) or older:
                return False
            if order == known and change.fill is None:
                return False
            order["Time"] = known["Time"]
        book[order_id] = order
        self._times[order_id] = max(change.time_ms, self._times.get(order_id, 0))
        if change.fill is not None:
            self._note("fill", change.time_ms, order["Symbol"], order=order, fill=change.fill)
        self._note("order", change.time_ms, order["Symbol"], order=order)
        self._join(order)
        self._forget_old()
        return True

    def _book_of(self, order: Order) -> dict[str, Order]:
        return self._orders if order["Condition"] is None else self._conditions

    def _join(self, order: Order) -> None:
        """A condition order and the order that it has placed are one order in our books."""
        if order["Condition"] is not None:
            child_id = order.get("ChildId", "")
            if not child_id:
                return
            self._children[child_id] = order["Id"]
            child, parent = self._orders.get(child_id), order
        else:
            child, parent = order, self._conditions.get(self._children.get(order["Id"], ""), order)
        if child is not None and parent is not child:
            parent.update({name: child[name] for name in ("Status", "DealAmount", "AvgPrice")})

    def _apply_position(self, change: PositionChange) -> bool:
        position = change.position
        key = (position["Symbol"], position["Type"])
        known = self._positions.get(key)
        if known is None and not position["Amount"]:
            return False
        if known is not None:
            if change.time_ms < known[1] or not (position["Amount"] or known[0]["Amount"]):
                return False
            for name in ("MarginLevel", "Margin"):
                position[name] = position[name] or known[0][name]
        self._positions[key] = (position, change.time_ms)
        self._note("position", change.time_ms, position["Symbol"], position=position)
        return True

    def open_ids(self) -> list[Order]:
        """Copies of the orders and condition orders that are open as far as is known."""
        with self._lock:
            return [
                order.copy()
                for book in (self._orders, self._conditions)
                for order in book.values()
                if order["Status"] == ORDER_STATE_PENDING
            ]

    def catch_up(self, snapshot: AccountSnapshot, ended: Iterable[Order]) -> None:
        """Takes what REST says after a gap; each difference is an entry.

        Args:
            snapshot: What is open.
            ended: Orders that were open before and are not any more, as they are now.
        """
        with self._lock:
            now_ms = self._now_ms()
            for order in (*snapshot.orders, *snapshot.conditions, *ended):
                self._take_order(order, now_ms)
            held = {(one["Symbol"], one["Type"]) for one, _ in snapshot.positions}
            for key, (position, _) in list(self._positions.items()):
                if key not in held and position["Amount"]:
                    flat = position.copy()
                    flat["Amount"] = flat["Profit"] = flat["Margin"] = 0.0
                    # Its own time: a message about a position that was opened since the snapshot is newer than that.
                    self._apply_position(PositionChange(position=flat, time_ms=self._positions[key][1]))
            for position, time_ms in snapshot.positions:
                known = self._positions.get((position["Symbol"], position["Type"]))
                if known is None or known[0]["Amount"] != position["Amount"] or known[0]["Price"] != position["Price"]:
                    self._apply_position(PositionChange(position=position, time_ms=time_ms))

    def _take_order(self, order: Order, now_ms: int) -> None:
        known = self._book_of(order).get(order["Id"])
        fields = ("Status", "DealAmount", "Price", "Amount")
        if known is None or any(known[name] != order[name] for name in fields):
            # Of time 0, so that a message about a later change is never older than it.
            self._apply_order(OrderChange(order=order, time_ms=self._times.get(order["Id"], 0)))

    def set_live(self) -> None:
        """Marks that nothing is missing now."""
        with self._lock:
            if not self._live:
                self._live = True
                self._note("live")

    def _note(self, kind: str, time_ms: int = 0, symbol: str = "", text: str = "", **parts: Any) -> None:
        if len(self._updates) >= _MOST_UPDATES:
            self._updates.clear()
            self._put("gap", 0, "", f"{_MOST_UPDATES} updates were not fetched by GetUpdates, and were dropped", {})
        self._put(kind, time_ms, symbol, text, parts)

    def _put(self, kind: str, time_ms: int, symbol: str, text: str, parts: dict[str, Any]) -> None:
        self._seq += 1
        self.changes += 1
        copies = {name: part.copy() for name, part in parts.items()}
        self._updates.append(
            AccountUpdate(
                Seq=self._seq,
                Kind=kind,
                Time=time_ms or self._now_ms(),
                Symbol=symbol,
                Order=copies.get("order"),
                Fill=copies.get("fill"),
                Position=copies.get("position"),
                Text=text,
            )
        )

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _forget_old(self) -> None:
        for book in (self._orders, self._conditions):
            if len(book) <= _MOST_ENDED * 2:
                continue
            ended = [key for key, order in book.items() if order["Status"] != ORDER_STATE_PENDING]
            for key in ended[:-_MOST_ENDED]:
                del book[key]
                self._times.pop(key, None)
                self._children.pop(key, None)

    # What the exchange object reads

    def expect(self, order_id: str) -> None:
        """Notes an order of ours, of which the stream must have told before the view answers for orders again."""
        with self._lock:
            if self._live and order_id not in self._orders and order_id not in self._conditions:
                self._expected.add(order_id)

    def await_change(self, order_id: str) -> None:
        """Notes that an open order was cancelled or changed by us; its next change must have come before the view answers again."""
        with self._lock:
            known = self._orders.get(order_id) or self._conditions.get(order_id)
            if self._live and known is not None and known["Status"] == ORDER_STATE_PENDING:
                self._expected.add(order_id)

    def renounce(self) -> None:
        """No order is expected any more: the stream has begun anew, and REST has told of all."""
        with self._lock:
            self._expected.clear()

    @property
    def is_live(self) -> bool:
        """Whether nothing is missing."""
        return self._live

    def orders(self, scope: str | None, *, conditional: bool = False) -> list[Order] | None:
        """Copies of the open orders of a scope, oldest first; None if the venue must be asked."""
        with self._lock:
            if not self._live or self._expected:
                return None
            book = self._conditions if conditional else self._orders
            found = [
                order.copy()
                for order in book.values()
                if order["Status"] == ORDER_STATE_PENDING
                and not order.get("ChildId")
                and scope_includes(scope, order["Symbol"])
            ]
        return sorted(found, key=lambda order: (order["Time"], order["Id"]))

    def positions(self, scope: str | None) -> list[Position] | None:
        """Copies of the positions of a scope; None if the venue must be asked."""
        with self._lock:
            if not self._live or self._expected:
                return None
            return [
                position.copy()
                for position, _ in self._positions.values()
                if position["Amount"] and scope_includes(scope, position["Symbol"])
            ]

    def take(self) -> list[AccountUpdate]:
        """Returns the entries since the last call, oldest first."""
        with self._lock:
            found = list(self._updates)
            self._updates.clear()
            return found

    @property
    def waiting(self) -> int:
        """How many entries wait for ``take``."""
        return len(self._updates)
