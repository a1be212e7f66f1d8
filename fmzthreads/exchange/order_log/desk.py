"""The order desk of one exchange object: every order and cancel passes here, and is recorded before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from ...clock import Clock
from ...errors import InputError, OperationFailed, OrderNotFound, no_such_name, short_repr
from ...structures import Order
from ..contracts.intents import ConditionIntent, ModifyIntent
from ..venue import OrderIntent, Venue
from .cancelling import cancel_once
from .client_ids import ClientIds
from .fills import read_fills
from .intents import CancelIntent, IntentLog, IntentRecord, RawIntent
from .kinds.modifying import modify_once
from .lookup import LookupPlan
from .order_file import OrderFile
from .outcome import place_once
from .raw_orders import raw_intent, send_raw_once
from .reconcile import EarlierRuns, ask_again
from .under_way import OrdersUnderWay

__all__ = ["Durability", "OrderDesk", "OrderGate", "OrderSwitch"]

T = TypeVar("T")

Durability = Literal["memory", "process", "disk"]
"""What an order's record survives: nothing, the end of the process however it ends, or a power failure too."""

_YOUNG_MS = 60_000
_MOST_FOREIGN = 10_000

_DURABILITIES = ("memory", "process", "disk")


class OrderSwitch(Protocol):
    """Holds back all new orders while it is set; see ``KillSwitch``."""

    def check(self) -> None:
        """Raises GuardRefused while it is set."""


class OrderGate(Protocol):
    """Judges each new order before it is recorded; see ``OrderGuards``."""

    def place(self, intent: OrderIntent | ConditionIntent, send: Callable[[], str]) -> str:
        """Calls ``send`` for an order that passes, and returns its result; raises GuardRefused for any other."""

    def modify(self, intent: ModifyIntent, send: Callable[[], str]) -> str:
        """The same for a change of an order."""

    def raw(self, intent: RawIntent, send: Callable[[], T]) -> T:
        """The same for an order by a raw call."""


class OrderDesk:
    """Sends the orders and cancels of one exchange object, each recorded before; thread-safe.

    Args:
        venue: Where they are sent.
        clock: Waits and measures.
        plan: How an unknown outcome is looked up.
        file: The strategy's order log; None without one.
        durability: What records survive; None for ``"process"`` if the venue has keys and there is a file, else ``"memory"``.

    Raises:
        InputError: ``durability`` is not one of these, or it needs a file and the strategy has no file.
    """

    def __init__(
        self, venue: Venue, clock: Clock, plan: LookupPlan, file: OrderFile | None, durability: Durability | None
    ) -> None:
        if durability is not None and durability not in _DURABILITIES:
            raise no_such_name("no durability", durability, _DURABILITIES)
        kept = (
            durability if durability is not None else "process" if file is not None and venue.account_id() else "memory"
        )
        if kept == "memory":
            file = None
        elif file is None:
            raise InputError(
                f"durability={kept!r} needs a folder for the order log, and this host has none; use 'memory'"
            )
        elif kept == "disk":
            file.sync()
        self.durability: Durability = kept
        self.under_way = OrdersUnderWay()
        self.intents = IntentLog(clock, store=file, account=self._account)
        self._venue = venue
        self._clock = clock
        self._plan = plan
        self._file = file
        self._ids = file.ids if file is not None else ClientIds("")
        self._earlier = EarlierRuns(file, venue, clock, plan) if file is not None else None
        # Orders that the log does not have, so that it is not searched for them again; two threads that replace it at once do no harm.
        self._foreign: set[str] = set()
        self._foreign_conditions: set[str] = set()
        self.switch: OrderSwitch | None = None
        """Checked for each new order, once it counts as under way."""
        self.gate: OrderGate | None = None
        """The guards that the user asked for; None for none."""
        self.new_id = self._ids.new
        """Makes a client order id."""

    def _account(self) -> str:
        return self._venue.account_id() or self._venue.name

    def place(self, intent: OrderIntent | ConditionIntent, *, own_client_id: bool) -> str:
        """Sends an order or a condition order once, after what earlier runs left of its symbol is settled; see ``place_once``.

        Raises:
            OperationFailed: It could not be recorded, or an order of an earlier run is not settled: nothing was sent.
            GuardRefused: A guard or the kill switch held it back: nothing was sent.
        """

        def _send() -> str:
            return place_once(self._venue, intent, self.intents, self._clock, self._plan, own_client_id=own_client_id)

        with self.under_way.sending(intent):
            self._check_stops()
            if self._earlier is not None:
                self._earlier.ready(self._account(), intent.symbol)
            return _send() if self.gate is None else self.gate.place(intent, _send)

    def _check_stops(self) -> None:
        """Called once an order counts as under way: the end of the strategy, or a kill, waits for it, or it sees them here."""
        self._clock.stop.check()
        if self.switch is not None:
            self.switch.check()

    def modify(self, intent: ModifyIntent) -> str:
        """Sends a change of an order once; see ``modify_once``.

        Raises:
            OperationFailed: It could not be recorded: nothing was sent.
            GuardRefused: A guard or the kill switch held it back: nothing was sent.
        """

        def _send() -> str:
            return modify_once(self._venue, intent, self.intents, self._clock, self._plan)

        self._check_stops()
        return _send() if self.gate is None else self.gate.modify(intent, _send)

    def cancel(self, order_id: str, *, conditional: bool = False) -> None:
        """Sends a cancel once; see ``cancel_once``.

        Args:
            order_id: The order.
            conditional: Whether it is a condition order.

        Raises:
            OperationFailed: It could not be recorded: nothing was sent.
        """
        symbol = self.intents.symbol_of(order_id, conditional=conditional)
        intent = CancelIntent(order_id=order_id, symbol=symbol, client_order_id=self.new_id(), conditional=conditional)
        cancel_once(self._venue, intent, self.intents, self._clock, self._plan)

    def raw(self, http_method: str, resource: str, sent: str, send: Callable[[], T]) -> T:
        """Sends an order by a raw call once; see ``send_raw_once``. What earlier runs left is not waited for: its symbol is not known.

        Args:
            http_method: The HTTP method.
            resource: The path, without a query string.
            sent: The parameters and the body, without keys.
            send: Sends it.

        Raises:
            OperationFailed: It could not be recorded: nothing was sent.
            GuardRefused: A guard or the kill switch held it back: nothing was sent.
        """
        intent = raw_intent(http_method, resource, sent, self.new_id())

        def _send() -> T:
            return send_raw_once(intent, self.intents, send, exact_outcomes=self._venue.exact_outcomes)

        with self.under_way.sending(intent):
            self._check_stops()
            return _send() if self.gate is None else self.gate.raw(intent, _send)

    def dismiss(self, client_order_id: str) -> bool:
        """Takes an order, cancel or raw call whose outcome is unknown off the list, also one of an earlier run, for good. True.

        Raises:
            OrderNotFound: None with this id is unknown.
            InputError: A thread may still send it, or the id is not text.
            OperationFailed: The order log cannot be read or written.
        """
        if not isinstance(client_order_id, str):
            raise InputError(f"a client order id must be text, got {short_repr(client_order_id)}")
        for record in self.intents.unknown():
            if record.intent.client_order_id == client_order_id:
                if record.fate == "sending":
                    raise InputError(
                        f"{client_order_id} may still be sent by a thread; it can be dismissed when that has ended"
                    )
                self.intents.end(client_order_id, "dismissed", order_id=record.order_id, detail="dismissed by the user")
                if self._file is not None:
                    self._file.flush()
                return True
        if self._earlier is None or not self._earlier.dismiss(self._account(), client_order_id):
            raise OrderNotFound(
                f"no order with client order id {short_repr(client_order_id)} is unknown; UnknownOrders(all_runs=True) lists those that are"
            )
        return True

    def mark_foreign(self, orders: Sequence[Order], *, conditional: bool = False) -> None:
        """Sets ``Foreign`` of each order that is not known to be the strategy's: placed by hand, or by another program.

        The strategy's own are recognised by their client order id, by the orders of this process, and by the order log. An order log that
        cannot be read knows none.

        Args:
            orders: Orders as the venue gave them.
            conditional: Whether they are condition orders.
        """
        left = [order for order in orders if not self._is_own(order, conditional=conditional)]
        foreign = self._foreign_conditions if conditional else self._foreign
        unseen = [order["Id"] for order in left if order["Id"] not in foreign]
        own: set[str] = set()
        if unseen and self._file is not None:
            try:
                own = self._file.recorded(unseen, conditional=conditional)
            except OperationFailed:
                unseen = []  # asked again the next time
        now_ms = self._clock.now() * 1000
        for order in left:
            if order["Id"] not in own:
                order["Foreign"] = True
                # Another process of the strategy may have placed a young one, and may still be writing its id.
                if order["Id"] in unseen and now_ms - order["Time"] > _YOUNG_MS:
                    foreign.add(order["Id"])
        if len(foreign) > _MOST_FOREIGN:
            foreign.clear()

    def _is_own(self, order: Order, *, conditional: bool) -> bool:
        key = self._venue.client_id_of(order)
        if key and (key.startswith(self._ids.own_prefix) or self.intents.get(key) is not None):
            return True
        return self.intents.has_placed(order["Id"], conditional=conditional)

    def unknown(self, *, all_runs: bool) -> list[IntentRecord]:
        """Returns the orders and cancels whose outcome is unknown, oldest first; sends nothing.

        Args:
            all_runs: Whether those that ended processes of the strategy left are among them.

        Raises:
            OperationFailed: The order log cannot be read.
        """
        own = self.intents.unknown()
        if not all_runs or self._earlier is None:
            return own
        return sorted([*self._earlier.unknown(self._account()), *own], key=lambda record: record.made_at)

    def reconcile(self, *, fills: bool = False) -> list[IntentRecord]:
        """Asks the venue once about all of ``unknown(all_runs=True)``, and records the answers.

        Args:
            fills: Whether the state and the fills of each placed order whose end is not in the log are read too; see ``read_fills``.

        Raises:
            InputError: ``fills``, and there is no order log (``durability="memory"``).
            OperationFailed: The order log cannot be read or written.
            StopRequested: The strategy is being stopped.
        """
        if fills and self._file is None:
            raise InputError("fills are kept in the order log, and this exchange object has none (durability='memory')")
        earlier = self._earlier.ask_again(self._account()) if self._earlier is not None else []
        found = [*earlier, *ask_again(self._venue, self.intents)]
        if self._file is not None and fills:
            found += read_fills(self._venue, self._file, self._account())
        return found

    def flush(self) -> None:
        """Writes what is queued for the order log; a failure is a warning."""
        if self._file is not None:
            self._file.flush_quietly()
