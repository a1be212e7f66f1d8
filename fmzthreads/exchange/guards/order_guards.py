"""The guards of one exchange object: each new order passes them all, or is refused before it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...errors import GuardRefused, VenueRejected
from ..contracts.intents import ConditionIntent, ModifyIntent
from ..order_log import RawIntent
from ..state import Core
from ..venue import OrderIntent
from .breaker import StoppedSides
from .daily_loss import DailyLoss, DayFile
from .dead_man import DeadManSwitch
from .order_rate import OrderRate
from .position import PositionLimit
from .prices import GuardPrices
from .settings import Guards, limit_for
from .sizes import OrderSize, SizeJudge

__all__ = ["OrderGuards"]

T = TypeVar("T")

_FILE_NAME = "guards.sqlite3"


class OrderGuards:
    """Judges the new orders of one exchange object; thread-safe.

    What is counted (orders a minute, the position) is counted in the same step in which it is compared, so that no two threads both get the
    last place.

    Args:
        guards: The limits.
        core: The exchange object's state.
        folder: Where the first values of a day are kept; None for memory.

    Raises:
        NotSupported: The venue has no dead-man switch, and ``dead_man_s`` is given.
    """

    def __init__(self, guards: Guards, core: Core, folder: Path | None) -> None:
        self.guards = guards
        clock, venue = core.clock, core.venue
        self._intents = core.intents

        def _tell(text: str) -> None:
            core.host.warning(text, source=core.label)

        prices = GuardPrices(venue, core.live, clock, guards.book_age_s)
        self._judge = SizeJudge(guards, venue, prices)
        self._rate = OrderRate(guards.orders_per_minute, clock) if guards.orders_per_minute is not None else None
        self._sides = StoppedSides(guards.breaker, clock, _tell) if guards.breaker is not None else None
        self._position: PositionLimit | None = None
        if guards.max_position is not None:
            self._position = PositionLimit(
                lambda symbol: limit_for(guards.max_position, symbol), venue, core.intents, clock, guards.position_age_s
            )
        self._loss: DailyLoss | None = None
        if guards.max_daily_loss is not None:
            store = DayFile(folder / _FILE_NAME) if folder is not None else None
            self._loss = DailyLoss(guards.max_daily_loss, venue, prices, clock, guards.loss_age_s, store)
        self._dead_man = (
            DeadManSwitch(venue, float(guards.dead_man_s), _tell) if guards.dead_man_s is not None else None
        )

    # New orders

    def place(self, intent: OrderIntent | ConditionIntent, send: Callable[[], str]) -> str:
        """Sends an order that passes all guards.

        Args:
            intent: The order, or the condition order.
            send: Records and sends it.

        Raises:
            GuardRefused: A guard held it back; it was neither recorded nor sent.
            FmzError: As ``send`` raised it.
        """
        if isinstance(intent, ConditionIntent):
            return self._pass(self._judge.condition(intent), intent.client_order_id, send)
        return self._pass(self._judge.order(intent), intent.client_order_id, send)

    def modify(self, intent: ModifyIntent, send: Callable[[], str]) -> str:
        """Sends a change of an order that passes all guards; only what it adds counts towards the position.

        Raises:
            GuardRefused: A guard held it back; it was neither recorded nor sent.
            FmzError: As ``send`` raised it.
        """
        return self._pass(self._judge.change(intent), intent.client_order_id, send)

    def _pass(self, size: OrderSize, key: str, send: Callable[[], str]) -> str:
        symbol, side = size.symbol, size.side
        if self._sides is not None:
            self._sides.check(symbol, side)
        self._judge.check(size)
        if self._loss is not None and not size.reduces:
            self._loss.check(symbol)
        if self._dead_man is not None:
            self._dead_man.cover(symbol)
        position = self._position
        if position is None or size.reduces or not position.reserve(symbol, key, size.adds, long=side == "buy"):
            position = None
        try:
            if self._rate is not None:
                self._rate.take()
        except GuardRefused:
            if position is not None:
                position.give_back(symbol, key)
            raise
        try:
            order_id = send()
        except BaseException as error:  # whatever ended it: what was reserved is kept if the order may exist
            if position is not None and self._cannot_exist(key):
                position.give_back(symbol, key)
            if self._sides is not None and isinstance(error, VenueRejected):
                self._sides.refused(symbol, side, error)
            raise
        if position is not None:
            position.ended(symbol, key)
        return order_id

    def _cannot_exist(self, key: str) -> bool:
        record = self._intents.get(key)
        return record is None or record.fate in {"refused", "absent"}

    def raw(self, intent: RawIntent, send: Callable[[], T]) -> T:
        """Sends an order by a raw call, if nothing is guarded that depends on its size (or ``raw_orders``); it counts as one order.

        Raises:
            GuardRefused: A guard held it back; it was neither recorded nor sent.
        """
        if not self.guards.raw_orders and (self.guards.judges_sizes or self._loss is not None):
            raise GuardRefused(
                f"the guards cannot judge the order of a raw call ({intent.http_method} {intent.resource}): nothing was sent; place it with "
                "CreateOrder, or set raw_orders",
                guard="raw_orders",
            )
        if self._rate is not None:
            self._rate.take()
        return send()

    # For users

    def release(self) -> None:
        """Lets the sides that the breaker has stopped pass again."""
        if self._sides is not None:
            self._sides.release()

    @property
    def stats(self) -> dict[str, Any]:
        """What the guards know: orders of the last minute, stopped sides, losses of the day at the last look."""
        return {
            "orders_last_minute": self._rate.count if self._rate is not None else None,
            "stopped_sides": self._sides.stopped if self._sides is not None else [],
            "daily_loss": self._loss.losses if self._loss is not None else {},
        }

    def close(self) -> None:
        """Turns the dead-man switch off: what is open stays open."""
        if self._dead_man is not None:
            self._dead_man.close()
