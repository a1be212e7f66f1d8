"""The state of a live account: what the stream told, and what REST told after a gap, merged."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from ...clock import Clock
from ...constants import ORDER_STATE_PENDING
from ...fork import after_fork_in_child
from ...structures import Order, Position
from ..contracts.scopes import scope_includes
from .behind import PositionsBehind
from .events import AccountSnapshot, AccountUpdate, OrderChange, PositionChange, StreamFill

__all__ = ["AccountView"]

_MOST_UPDATES = 10_000  # that wait for ``take``
_MOST_ENDED = 200  # orders that have ended and are still known, with all that the venue told of them: 2 to 4 KB each
_SLACK = 50  # how many more there may be before the oldest are dropped
_MOST_FILLS = 20_000  # whose ids are remembered

_NO_NEWS = frozenset({"Info", "Time"})  # fields of an order that change without saying anything


def _by_direction(position: Position) -> Hashable:
    return position["Symbol"], position["Type"]


def _key_of_fill(fill: StreamFill) -> tuple[str, str]:
    return fill.order_id, str(fill.fill["Id"])


class AccountView:
    """Orders and positions of one account; thread-safe. It is read only while it is live.

    Args:
        clock: Tells the time of marks.
        position_key: Tells positions apart; by contract and direction when None.
    """

    def __init__(self, clock: Clock, position_key: Callable[[Position], Hashable] | None = None) -> None:
        self._clock = clock
        self._key_of = position_key or _by_direction
        self._orders: dict[str, Order] = {}
        self._conditions: dict[str, Order] = {}
        self._children: dict[str, str] = {}  # condition orders by the ids of the orders that they placed
        self._times: dict[str, int] = {}  # of orders: when they last changed
        self._told_at: dict[
            Hashable, float
        ] = {}  # of orders and positions: when something was last told of them, by the monotonic clock
        self._counted: dict[str, float] = {}  # of orders that the first snapshot knew: how much of them it had counted
        self._fills: dict[tuple[str, str], None] = {}  # the fills that were reported, oldest first
        self._unknown_fills: set[tuple[str, str]] = set()  # of orders that the venue does not know any more
        self._positions: dict[
            Hashable, tuple[Position, int, int]
        ] = {}  # with the times of the change and of the message
        self._unread: set[Hashable] = (
            set()
        )  # positions whose leverage and margin the stream did not tell, and no reading either
        self._symbols: set[str] = set()  # seen in the stream or in orders of ours
        self._expected: dict[str, int] = {}  # orders of which the stream must tell, and when each was noted
        self._noted = 0
        self._behind = PositionsBehind()
        self._updates: deque[AccountUpdate] = deque()
        self._seq = 0
        self._live = False
        self._caught_up = False
        self.gaps = 0
        self.changes = 0
        """Grows with each entry of ``take``."""
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # guards all of it

    # What the feed writes

    def lose(self, why: str) -> None:
        """Marks a gap: from here on something may be missing. A second one in a row changes nothing."""
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
        self._told_at[order_id] = self._clock.monotonic()
        self._expected.pop(order_id, None)
        self._symbols.add(order["Symbol"])
        fill = change.fill if change.fill is not None and self._is_new(order, change.fill) else None
        news = known is None or not self._is_old(known, change)
        if known is not None and news:
            order["Time"] = known["Time"]
            news = any(order[name] != known.get(name) for name in order if name not in _NO_NEWS)
        if news:
            book[order_id] = order
            self._times[order_id] = max(change.time_ms, self._times.get(order_id, 0))
        elif known is not None:
            order = known
        if change.fill is not None:
            self._behind.fill(order["Symbol"], change.time_ms, self._clock.monotonic())
        if order["Status"] != ORDER_STATE_PENDING:
            self._behind.ended(order_id)
        if fill is not None:
            self._note("fill", change.time_ms, order["Symbol"], order=order, fill=fill)
        if news:
            self._note("order", change.time_ms, order["Symbol"], order=order)
            self._join(order, change.time_ms)
            if order["Status"] != ORDER_STATE_PENDING:
                self._forget_old()
        return news

    def _is_old(self, known: Order, change: OrderChange) -> bool:
        """Whether a message is of before what is known: it must not take anything back."""
        order = change.order
        ended = known["Status"] != ORDER_STATE_PENDING
        older = change.time_ms < self._times.get(order["Id"], 0)
        return bool(
            order["DealAmount"] < known["DealAmount"] or (ended and order["Status"] == ORDER_STATE_PENDING) or older
        )

    def _is_new(self, order: Order, fill: Any) -> bool:
        """Whether a fill was not reported before, and remembers it; one that the first snapshot had counted is not new."""
        key = (order["Id"], str(fill["Id"]))
        if key in self._fills:
            return False
        self._remember(key)
        counted = self._counted.get(order["Id"])
        return counted is None or order["DealAmount"] > counted

    def _remember(self, key: tuple[str, str]) -> None:
        self._fills[key] = None
        if len(self._fills) > _MOST_FILLS:
            del self._fills[next(iter(self._fills))]

    def _book_of(self, order: Order) -> dict[str, Order]:
        return self._orders if order["Condition"] is None else self._conditions

    def _join(self, order: Order, time_ms: int) -> None:
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
            found = {name: child[name] for name in ("Status", "DealAmount", "AvgPrice")}
            if any(parent[name] != value for name, value in found.items()):
                parent.update(found)
                self._note("order", time_ms, parent["Symbol"], order=parent)

    def _apply_position(self, change: PositionChange, *, complete: bool = False) -> bool:
        position = change.position
        key = self._key_of(position)
        found = self._positions.get(key)
        self._behind.position(position["Symbol"], max(change.time_ms, change.told_ms))
        if found is None and not position["Amount"]:
            return False
        known, known_ms, told_ms = found or (None, 0, 0)
        margin_told = bool(position["Margin"])
        self._told_at[key] = self._clock.monotonic()
        self._symbols.add(position["Symbol"])
        if known is not None:
            older = change.time_ms < known_ms or (change.time_ms == known_ms and 0 < change.told_ms < told_ms)
            if older or not (position["Amount"] or known["Amount"]):
                return False
            if not position["Amount"]:
                position["Type"] = known["Type"]  # a flat one has no direction of its own
            position["MarginLevel"] = position["MarginLevel"] or known["MarginLevel"]
            position["Margin"] = position["Margin"] or known["Margin"]
        if not position["Amount"]:
            position["Margin"] = 0.0
        if complete or not position["Amount"] or (position["MarginLevel"] and margin_told):
            self._unread.discard(key)
        elif known is None or position["Amount"] != known["Amount"]:  # another amount has another margin
            self._unread.add(key)
        self._positions[key] = (position, change.time_ms, change.told_ms or told_ms)
        if known is not None and all(
            position[name] == known[name] for name in ("Amount", "Price", "Type", "MarginLevel")
        ):
            return False  # profit and margin alone change with the market
        self._note("position", change.time_ms, position["Symbol"], position=position)
        return True

    def set_leverage(self, symbol: str, level: float) -> None:
        """Takes a new leverage of a contract; the margin of its positions must be read again."""
        with self._lock:
            for key, (position, _, _) in self._positions.items():
                if position["Symbol"] == symbol and position["MarginLevel"] != level:
                    position["MarginLevel"], position["Margin"] = level, 0.0
                    if position["Amount"]:
                        self._unread.add(key)
                        self._note("position", 0, symbol, position=position)

    def learn(self, positions: Iterable[Position]) -> None:
        """Takes leverage and margin, of which the stream does not tell, from positions that REST gave."""
        with self._lock:
            for position in positions:
                key = self._key_of(position)
                found = self._positions.get(key)
                if found is not None and found[0]["Amount"] == position["Amount"] and key in self._unread:
                    found[0].update({name: position[name] for name in ("MarginLevel", "Margin")})
                    self._unread.discard(key)

    def knows(self, order_id: str) -> bool:
        """Whether the stream or REST has reported an order or condition order."""
        with self._lock:
            return order_id in self._orders or order_id in self._conditions

    def knows_fill(self, fill: StreamFill) -> bool:
        """Whether a fill was reported before, or its order is unknown to the venue."""
        key = _key_of_fill(fill)
        with self._lock:
            return key in self._fills or key in self._unknown_fills

    def symbols(self) -> list[str]:
        """The symbols seen in the stream or in orders of ours, sorted."""
        with self._lock:
            return sorted(self._symbols)

    def take_fill(self, missed: StreamFill, order: Order | None) -> None:
        """Takes a fill that REST reports after a gap; one that was reported before is left out.

        Args:
            missed: The fill.
            order: Its order as it is now, where it was not known.
        """
        with self._lock:
            if order is not None:
                self._take_order(order)
            key = _key_of_fill(missed)
            known = self._orders.get(missed.order_id)
            if known is None:  # its order is forgotten by the venue
                self._unknown_fills.add(key)
            if known is None or key in self._fills:
                return
            self._remember(key)
            self._note("fill", missed.fill["Time"], missed.symbol, order=known, fill=missed.fill)

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
            for order in (*snapshot.orders, *snapshot.conditions, *ended):
                if not self._caught_up and order["DealAmount"]:
                    self._counted[order["Id"]] = order["DealAmount"]
                self._take_order(order)
            self._caught_up = True
            held = {self._key_of(one) for one, _ in snapshot.positions}
            for key, (position, time_ms, _) in list(self._positions.items()):
                if key not in held and position["Amount"]:
                    flat = position.copy()
                    flat["Amount"] = flat["Profit"] = flat["Margin"] = 0.0
                    # Its own time: a message about a position that was opened since the snapshot is newer than that.
                    self._apply_position(PositionChange(position=flat, time_ms=time_ms))
            for position, time_ms in snapshot.positions:
                self._apply_position(PositionChange(position=position, time_ms=time_ms), complete=True)
            self._behind.clear()

    def _take_order(self, order: Order) -> None:
        known = self._book_of(order).get(order["Id"])
        if known is None or self._differs(known, order):
            # Of the time that is known, so that a message about a later change is never older than it.
            self._apply_order(OrderChange(order=order, time_ms=self._times.get(order["Id"], 0)))

    @staticmethod
    def _differs(known: Order, order: Order) -> bool:
        fields = ("Status", "DealAmount", "Price", "Amount")
        changed = any(known[name] != order[name] for name in fields)
        return changed or bool(known.get("ChildId", "") != order.get("ChildId", ""))

    def missing(
        self,
        orders: Iterable[Order],
        positions: Iterable[tuple[Position, int]],
        fills: Iterable[StreamFill],
        quiet_since: float,
    ) -> str:
        """What the stream has not told although REST has for a while; empty if nothing.

        Args:
            orders: Orders and condition orders of REST.
            positions: All positions of REST with their times.
            fills: Fills of REST.
            quiet_since: A time of the monotonic clock. Orders and positions that the stream told of later are left out, since REST may be older.
        """
        with self._lock:
            for order in orders:
                if self._is_missing(order, quiet_since):
                    return f"a change of the order {order['Id']}"
            for missed in fills:
                key = _key_of_fill(missed)
                if key not in self._fills and key not in self._unknown_fills:
                    return f"the fill {missed.fill['Id']} of the order {missed.order_id}"
            held = {self._key_of(position): (position["Amount"], time_ms) for position, time_ms in positions}
            for place in held.keys() | self._positions.keys():
                if self._is_other_position(place, held.get(place), quiet_since):
                    return f"a change of the position {place}"
        return ""

    def _is_missing(self, order: Order, quiet_since: float) -> bool:
        known = self._book_of(order).get(order["Id"])
        if known is None:
            return bool(order["Status"] == ORDER_STATE_PENDING)
        if self._told_at.get(order["Id"], 0.0) > quiet_since or known["Status"] != ORDER_STATE_PENDING:
            return False
        return bool(order["DealAmount"] >= known["DealAmount"]) and self._differs(known, order)

    def _is_other_position(self, key: Hashable, theirs: tuple[float, int] | None, quiet_since: float) -> bool:
        ours, known_ms = (0.0, 0) if key not in self._positions else (
            self._positions[key][0]["Amount"], self._positions[key][1]
        )  # fmt: skip
        amount, time_ms = theirs or (0.0, known_ms)
        return ours != amount and time_ms >= known_ms and self._told_at.get(key, 0.0) <= quiet_since

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
            if len(book) <= _MOST_ENDED + _SLACK:
                continue
            ended = [key for key, order in book.items() if order["Status"] != ORDER_STATE_PENDING]
            if len(ended) <= _MOST_ENDED + _SLACK:
                continue
            for key in ended[:-_MOST_ENDED]:
                del book[key]
                self._times.pop(key, None)
                self._told_at.pop(key, None)
                self._children.pop(key, None)
                self._counted.pop(key, None)

    # What the exchange object reads

    def expect(self, order_id: str, symbol: str = "", *, ends_at_once: bool = False) -> None:
        """Notes an order of ours, of which the stream must have told before the view answers again.

        Args:
            order_id: The order.
            symbol: Its symbol.
            ends_at_once: Whether it never rests, so that its end, too, must have been told before the view answers for positions.
        """
        with self._lock:
            if symbol:
                self._symbols.add(symbol)
            known = self._orders.get(order_id)
            if ends_at_once and (known is None or known["Status"] == ORDER_STATE_PENDING):
                self._behind.placed(order_id, symbol, self._clock.monotonic())
            if order_id not in self._orders and order_id not in self._conditions:
                self._expect(order_id)

    def _expect(self, order_id: str) -> None:
        self._noted += 1
        self._expected[order_id] = self._noted

    def await_change(self, order_id: str) -> None:
        """Notes that an open order was cancelled or changed by us; its next change must have come before the view answers again."""
        with self._lock:
            known = self._orders.get(order_id) or self._conditions.get(order_id)
            if known is not None and known["Status"] == ORDER_STATE_PENDING:
                self._expect(order_id)

    def expected(self) -> int:
        """A mark for ``renounce``: what is expected by now, which REST will tell of when it is asked from now on."""
        with self._lock:
            return self._noted

    def renounce(self, mark: int) -> None:
        """Expects no order any more that was noted before the mark: REST was asked since, and has told of all.

        An order that was placed while REST was asked may be missing there; it stays expected.
        """
        with self._lock:
            self._expected = {key: noted for key, noted in self._expected.items() if noted > mark}

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

    def positions(self, scope: str | None, *, amounts_only: bool = False) -> list[Position] | None:
        """Copies of the positions of a scope; None if the venue must be asked.

        Args:
            scope: The scope.
            amounts_only: Whether leverage and margin, of which not every stream tells, may be missing.
        """
        with self._lock:
            if not self._live or self._expected or self._behind.includes(scope, self._clock.monotonic()):
                return None
            if not amounts_only and any(
                scope_includes(scope, self._positions[key][0]["Symbol"]) for key in self._unread
            ):
                return None
            return [
                position.copy()
                for position, _, _ in self._positions.values()
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
