"""Intents: orders that were to be sent, and what became of each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar, Literal, Protocol

import attrs

from ...clock import Clock
from ...errors import DuplicateOrder, short_repr
from ...fork import after_fork_in_child
from ..contracts.intents import ConditionIntent, ModifyIntent
from ..venue import OrderIntent

__all__ = ["CancelIntent", "Fate", "Intent", "IntentLog", "IntentRecord", "IntentStore", "RawIntent"]

Fate = Literal["sending", "placed", "modified", "cancelled", "refused", "absent", "unknown", "dismissed"]
"""``sending``: in flight. ``placed``: the venue has the order. ``modified``: the order was changed. ``cancelled``: the venue accepted the
cancel. ``refused``: it was refused, or never sent. ``absent``: no reply arrived, and the venue then had no such order (a cancel or a
change: it did not arrive, and the order is still open as it was); or the venue no longer knows an order that was placed.
``unknown``: the outcome could not be determined. ``dismissed``: the user has settled it by hand (``DismissOrder``).
Of a raw call ``placed`` only says that the venue answered it."""


@attrs.frozen(kw_only=True)
class CancelIntent:
    """The cancel of an order, ready to be sent.

    Attributes:
        order_id: The order, by the venue's id.
        symbol: FMZ's symbol; empty if the order was not placed through this exchange object.
        client_order_id: Names this cancel in the order log; it is not sent.
        conditional: Whether it is a condition order.
    """

    order_id: str
    symbol: str
    client_order_id: str
    conditional: bool = False

    @property
    def kind(self) -> str:
        """``cancel``, or ``cancel_condition``."""
        return "cancel_condition" if self.conditional else "cancel"


@attrs.frozen(kw_only=True)
class RawIntent:
    """An order that is placed by a raw call, ``IO("api", ...)``, ready to be sent.

    Attributes:
        http_method: The HTTP method.
        resource: The path, or the URL, without a query string.
        sent: The parameters and the body as given, without keys; cut to 2000 characters.
        client_order_id: Names this call in the order log; it is not sent.
        symbol: Empty: which symbol it is about is only in ``sent``.
    """

    kind: ClassVar[str] = "raw"

    http_method: str
    resource: str
    sent: str
    client_order_id: str
    symbol: str = ""


Intent = OrderIntent | ConditionIntent | ModifyIntent | CancelIntent | RawIntent
"""Whatever is recorded before it is sent. ``kind`` names what it is, and so at which door of the venue it is looked up."""


@attrs.frozen(kw_only=True)
class IntentRecord:
    """One intent and its fate.

    Attributes:
        intent: The order, condition order, change, cancel, or raw call, as it was to be sent.
        fate: Its state or outcome.
        order_id: The venue's id; empty while it is unknown.
        detail: The text of the error, if there was one.
        made_at: When the intent was made, in seconds since the epoch.
        left_at: When the attempt to send it ended, in seconds since the epoch (it was sent earlier, if at all); 0 before.
        settled_at: When its fate was last recorded, in seconds since the epoch; 0 before.
        run: The random part of the client order ids of the process that made it; empty for an intent of this process.
        status: ``ORDER_STATE_...`` of an order, as far as ``Reconcile`` has read it; None before.
        deal_amount: What was filled of it, exactly, as far as ``Reconcile`` has read it; None before.
    """

    intent: Intent
    fate: Fate = "sending"
    order_id: str = ""
    detail: str = ""
    made_at: float = 0.0
    left_at: float = 0.0
    settled_at: float = 0.0
    run: str = ""
    status: int | None = None
    deal_amount: Decimal | None = None

    @property
    def is_cancel(self) -> bool:
        """Whether it is a cancel, not an order."""
        return isinstance(self.intent, CancelIntent)

    @property
    def is_modify(self) -> bool:
        """Whether it is a change of an order, not an order."""
        return isinstance(self.intent, ModifyIntent)

    @property
    def is_condition(self) -> bool:
        """Whether it is about a condition order: one itself, its change or its cancel."""
        return "condition" in self.intent.kind

    @property
    def is_raw(self) -> bool:
        """Whether it is an order by a raw call, which can only be settled by hand."""
        return isinstance(self.intent, RawIntent)


class IntentStore(Protocol):
    """Where intents outlive the process; see ``OrderFile``."""

    def begin(self, record: IntentRecord, account: str) -> int:
        """Stores an intent before it is sent; returns the number of its row.

        Raises:
            OperationFailed: It could not be stored, so nothing may be sent.
        """

    def change(self, row: int, record: IntentRecord) -> None:
        """Stores what became of an intent, soon."""


class IntentLog:
    """Records intents and their fate; thread-safe.

    Args:
        clock: Tells the time.
        keep: How many settled intents are kept in memory; those in flight or unknown are always kept.
        store: Where each intent is stored before it is sent; None for memory alone.
        account: Returns the account that orders are sent to, as the store names it.
    """

    def __init__(
        self,
        clock: Clock,
        keep: int = 1000,
        store: IntentStore | None = None,
        account: Callable[[], str] = str,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._store = store
        self._account = account
        self._lock = threading.Lock()  # guards both maps
        self._open: dict[str, IntentRecord] = {}
        self._settled: OrderedDict[str, IntentRecord] = OrderedDict()
        # Of the settled orders, by the venue's id and whether it is that of a condition order: the two count apart.
        self._symbols: dict[tuple[str, bool], str] = {}
        # When each open intent left (was begun, before that), on the monotonic clock: the time of day may be set meanwhile.
        self._moments: dict[str, float] = {}
        self._opened = clock.monotonic()
        self._rows: dict[str, int] = {}  # of the open intents, in the store
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        """In the child of a fork: orders that are under way or unknown are the parent's, which settles them."""
        self._lock = threading.Lock()
        self._open = {}
        self._moments = {}
        self._rows = {}

    def begin(self, intent: Intent) -> IntentRecord:
        """Records an intent that is about to be sent.

        Raises:
            DuplicateOrder: An intent with this client order id is in flight or unknown.
            OperationFailed: It could not be stored, so nothing may be sent.
        """
        record = IntentRecord(intent=intent, made_at=self._clock.now())
        key = intent.client_order_id
        with self._lock:
            if key in self._open:
                raise DuplicateOrder(
                    f"an order with client order id {short_repr(key)} is in flight or its outcome is unknown"
                )
            self._settled.pop(key, None)
            self._open[key] = record
            self._moments[key] = self._clock.monotonic()
        if self._store is not None:
            try:
                self._rows[key] = self._store.begin(record, self._account())
            except BaseException:  # for any reason, an interrupt too: it is not sent
                with self._lock:
                    self._open.pop(key, None)
                    self._moments.pop(key, None)
                raise
        return record

    def symbol_of(self, order_id: str, *, conditional: bool = False) -> str:
        """Returns the symbol of an order (or a condition order) that is kept; empty for others."""
        with self._lock:
            return self._symbols.get((order_id, conditional), "")

    def symbols(self) -> set[str]:
        """Returns the symbols of the orders that are kept."""
        with self._lock:
            return {*self._symbols.values(), *(record.intent.symbol for record in self._open.values())} - {""}

    def has_placed(self, order_id: str, *, conditional: bool = False) -> bool:
        """Whether an order (or a condition order) with this id of the venue was placed and is kept."""
        with self._lock:
            return (order_id, conditional) in self._symbols

    def left(self, client_order_id: str) -> None:
        """Records that the attempt to send an intent has ended."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is not None:
                self._open[client_order_id] = attrs.evolve(record, left_at=self._clock.now())
                self._moments[client_order_id] = self._clock.monotonic()

    def gone_s(self, client_order_id: str) -> float:
        """Seconds since the attempt to send an open intent ended, or since this log was made for one that it did not see leave.

        Measured by the monotonic clock, so that setting the time of day changes nothing; a sleep of the machine does not count.
        """
        with self._lock:
            return self._clock.monotonic() - self._moments.get(client_order_id, self._opened)

    def end(self, client_order_id: str, fate: Fate, *, order_id: str = "", detail: str = "") -> IntentRecord | None:
        """Records the fate of an intent; None if no such intent is in flight or unknown."""
        with self._lock:
            record = self._open.get(client_order_id)
            if record is None:
                return None
            now = self._clock.now()
            record = attrs.evolve(
                record, fate=fate, order_id=order_id, detail=detail, left_at=record.left_at or now, settled_at=now
            )
            if fate in {"sending", "unknown"}:
                self._open[client_order_id] = record
                row = self._rows.get(client_order_id)
            else:
                self._settle(client_order_id, record)
                row = self._rows.pop(client_order_id, None)
        if row is not None and self._store is not None:
            self._store.change(row, record)
        return record

    def _settle(self, key: str, record: IntentRecord) -> None:
        del self._open[key]
        self._moments.pop(key, None)
        self._settled[key] = record
        if record.order_id:
            self._symbols[record.order_id, record.is_condition] = record.intent.symbol
        while len(self._settled) > self._keep:
            _, gone = self._settled.popitem(last=False)
            self._symbols.pop((gone.order_id, gone.is_condition), None)

    def get(self, client_order_id: str) -> IntentRecord | None:
        """Returns one intent; None if it is not, or no longer, kept."""
        with self._lock:
            return self._open.get(client_order_id) or self._settled.get(client_order_id)

    def unknown(self) -> list[IntentRecord]:
        """Returns the intents whose outcome is unknown, oldest first; with those that were given up while they were being sent.

        The latter have the fate ``sending``, recorded a second time (by ``end``): their ``settled_at`` is above 0.
        """
        with self._lock:
            return [record for record in self._open.values() if record.fate == "unknown" or record.settled_at]

    def all(self) -> list[IntentRecord]:
        """Returns all kept intents: the settled ones, oldest first, then those in flight or unknown."""
        with self._lock:
            return [*self._settled.values(), *self._open.values()]
