"""Orders that wait outside the book until a price is reached.

A condition order has an id of its own and freezes nothing. When its trigger price is reached it places an ordinary order, which the engine may
then refuse: triggered is not filled. OKX's algo orders and the conditional orders of Binance's futures are of this kind; stop orders of spot,
which freeze what they need, are in ``triggers``.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal

import attrs

from ..accounts import TradingAccount
from ..engine import InstrumentMarket
from ..orders import Finish, NewOrder
from ..reasons import Reason, Rejected
from .conditions import (
    ConditionEvent,
    ConditionLeg,
    ConditionRecord,
    ConditionState,
    ConditionView,
    NewCondition,
    Trail,
    TriggerPrice,
)
from .triggers import TriggerEngine

__all__ = ["ConditionOrders"]

_MOST_WAITING = 500
_KEPT = 10_000
PriceOf = Callable[[InstrumentMarket, TriggerPrice], Decimal]
SizeOf = Callable[[TradingAccount, NewOrder], Decimal]


def _no_position(account: TradingAccount, order: NewOrder) -> Decimal:
    """The size of a position where there are none."""
    return Decimal(0)


class ConditionOrders:
    """The condition orders of all accounts; thread-safe.

    Args:
        engine: Places the orders, and calls back after each request.
        lock: The exchange's lock.

    Attributes:
        price_of: The mark or index price of a market; the last price until a product with marks sets it.
        size_of: The size of the position that an order would close; 0 until a product with positions sets it.
    """

    def __init__(self, engine: TriggerEngine, lock: threading.RLock) -> None:
        self._engine = engine
        self._lock = lock
        self._waiting: dict[str, dict[int, ConditionRecord]] = {}  # by instrument; the oldest first
        self._all: dict[str, OrderedDict[int, ConditionRecord]] = {}  # by account; ids are ascending
        self.price_of: PriceOf = self._last
        self.size_of: SizeOf = _no_position
        engine.watchers.append(self.check)

    @staticmethod
    def _last(market: InstrumentMarket, source: TriggerPrice = TriggerPrice.LAST) -> Decimal:
        return market.instrument.price(market.trades.last_ticks)

    def _price(self, market: InstrumentMarket, source: TriggerPrice) -> Decimal:
        return self._last(market) if source is TriggerPrice.LAST else self.price_of(market, source)

    # --- placing and changing ---

    def place(self, account: TradingAccount, request: NewCondition, *, refuse_reached: bool = True) -> ConditionView:
        """Places a condition order; nothing is frozen.

        Args:
            account: The account.
            request: The request.
            refuse_reached: Whether a trigger price that has been reached already is refused; False: it triggers at the end of the
                next request.

        Raises:
            Rejected: UNKNOWN_INSTRUMENT, DUPLICATE_CLIENT_ID, TOO_MANY_ORDERS, BAD_COMBINATION (neither legs nor a trail), a price
                or quantity that does not pass the filters, or WOULD_TRIGGER if a leg's price has been reached.
        """
        market = self._engine.market(request.order.instrument)
        with self._lock:
            waiting = [c for c in self._waiting_of(account) if c.request.order.instrument == market.instrument.id]
            if len(waiting) >= _MOST_WAITING:
                raise Rejected(Reason.TOO_MANY_ORDERS, f"the limit of {_MOST_WAITING} condition orders is reached")
            self._check(market, account, request, None, refuse_reached=refuse_reached)
            now = self._engine.now_ms()
            condition = ConditionRecord(
                condition_id=self._engine.take_order_id(), account=account, request=request,
                placed_last=self._last(market), created_ms=now, updated_ms=now,
            )  # fmt: skip
            self._keep(condition)
            self._follow(market, condition)
            self._tell(condition)
            return condition.view()

    def amend(
        self,
        account: TradingAccount,
        condition_id: int | None,
        client_id: str | None,
        change: Callable[[NewCondition], NewCondition],
    ) -> ConditionView:
        """Changes a waiting condition order; ``change`` makes the new request of the old one.

        Raises:
            Rejected: UNKNOWN_ORDER, ORDER_CLOSED, or as ``place``; nothing has changed.
        """
        with self._lock:
            condition = self._open(account, condition_id, client_id)
            request = change(condition.request)
            self._check(self._engine.market(request.order.instrument), account, request, condition)
            condition.request, condition.updated_ms = request, self._engine.now_ms()
            self._tell(condition, amended=True)
            return condition.view()

    def cancel(
        self,
        account: TradingAccount,
        condition_id: int | None,
        client_id: str | None = None,
        *,
        finish: Finish = Finish.USER,
    ) -> ConditionView:
        """Cancels a waiting condition order.

        Raises:
            Rejected: UNKNOWN_ORDER, or ORDER_CLOSED if it has triggered or ended.
        """
        with self._lock:
            condition = self._open(account, condition_id, client_id)
            self._end(condition, ConditionState.CANCELED, finish)
            return condition.view()

    def cancel_where(self, account: TradingAccount, wanted: Callable[[NewCondition], bool], finish: Finish) -> int:
        """Cancels the waiting condition orders that a function chooses; returns how many."""
        with self._lock:
            chosen = [condition for condition in self._waiting_of(account) if wanted(condition.request)]
            for condition in chosen:
                self._end(condition, ConditionState.CANCELED, finish)
            return len(chosen)

    # --- asking ---

    def find(self, account: TradingAccount, condition_id: int | None, client_id: str | None = None) -> ConditionView:
        """A condition order by its number, or else the newest with a client id.

        Raises:
            Rejected: UNKNOWN_ORDER.
        """
        with self._lock:
            return self._find(account, condition_id, client_id).view()

    def page(
        self,
        account: TradingAccount,
        wanted: Callable[[ConditionView], bool],
        *,
        from_id: int | None = None,
        below_id: int | None = None,
        limit: int | None = None,
    ) -> list[ConditionView]:
        """The newest condition orders of an account that a function chooses, in ascending order of their numbers.

        Args:
            account: The account.
            wanted: Chooses them.
            from_id: The first number; None for any.
            below_id: Only smaller numbers; None for any.
            limit: The maximum number; None for all.
        """
        with self._lock:
            kept = self._all.get(account.name, OrderedDict())
            ids = list(kept)
            low = 0 if from_id is None else bisect_left(ids, from_id)
            high = len(ids) if below_id is None else bisect_left(ids, below_id)
            found: list[ConditionView] = []
            for condition_id in reversed(ids[low:high]):
                view = kept[condition_id].view()
                if wanted(view):
                    found.append(view)
                    if limit is not None and len(found) >= limit:
                        break
        return found[::-1]

    def waiting(self, account: TradingAccount) -> list[ConditionView]:
        """The waiting condition orders of an account, oldest first."""
        with self._lock:
            return [condition.view() for condition in self._waiting_of(account)]

    # --- triggering ---

    def check(self, market: InstrumentMarket) -> bool:
        """Triggers at most one condition order of a market; called after each request and each new mark price.

        Returns:
            Whether one has triggered, so that others may be due now.
        """
        waiting = self._waiting.get(market.instrument.id)
        if not waiting or not market.trades.last_ticks:
            return False
        for condition in list(waiting.values()):
            if condition.request.trail is not None:
                if self._follow(market, condition):
                    self._fire(market, condition, None)
                    return True
                continue
            leg = self._reached(market, condition.request.legs)
            if leg is not None:
                self._fire(market, condition, leg)
                return True
        return False

    def reached(self, request: NewCondition) -> ConditionLeg | None:
        """The first leg whose price has been reached; None if no price was reached, or before the first trade."""
        market = self._engine.market(request.order.instrument)
        with self._lock:
            return self._reached(market, request.legs) if market.trades.last_ticks else None

    def price(self, instrument: str, source: TriggerPrice) -> Decimal:
        """The price that trigger prices of a source are compared with; 0 before the first."""
        with self._lock:
            return self._price(self._engine.market(instrument), source)

    def _reached(self, market: InstrumentMarket, legs: Iterable[ConditionLeg]) -> ConditionLeg | None:
        return next((leg for leg in legs if leg.reached(self._price(market, leg.source))), None)

    def _follow(self, market: InstrumentMarket, condition: ConditionRecord) -> bool:
        """Moves a trailing trigger with the market; returns whether it is reached."""
        trail, sells = condition.request.trail, condition.sells
        price = self._price(market, trail.source) if trail is not None else Decimal(0)
        if trail is None or not price:
            return False
        if condition.peak is None:
            if not _active(trail, price, sells=sells):
                return False
            condition.peak = price
        condition.peak = max(condition.peak, price) if sells else min(condition.peak, price)
        trigger = trail.trigger(condition.peak, sells=sells)
        return price <= trigger if sells else price >= trigger

    def _fire(self, market: InstrumentMarket, condition: ConditionRecord, leg: ConditionLeg | None) -> None:
        """Places the order of a condition; a refusal is kept with it."""
        engine, account = self._engine, condition.account
        del self._waiting[market.instrument.id][condition.condition_id]
        condition.leg, condition.triggered_ms = leg, engine.now_ms()
        try:
            order = self._child(condition, leg)
            record = engine.accept(account, order)
            engine.run(market, record, order)
        except Rejected as error:
            condition.state, condition.failure = ConditionState.FAILED, error
        else:
            condition.state, condition.order = ConditionState.TRIGGERED, record
        condition.updated_ms = engine.now_ms()
        self._tell(condition)

    def _child(self, condition: ConditionRecord, leg: ConditionLeg | None) -> NewOrder:
        """The order to place.

        Raises:
            Rejected: BAD_QUANTITY if it would close a position that does not exist.
        """
        request = condition.request
        price = leg.order_price if leg is not None else None
        quantity = request.order.quantity
        if request.whole_position:
            quantity = self.size_of(condition.account, request.order)
            if not quantity:
                raise Rejected(Reason.BAD_QUANTITY, "there is no position to close")
        extra = {**request.order.extra, "condition": str(condition.condition_id)}
        if leg is not None and leg.name:
            extra["leg"] = leg.name
        return attrs.evolve(
            request.order, type="limit" if price is not None else "market", price=price, quantity=quantity, extra=extra
        )

    # --- keeping ---

    def _check(
        self,
        market: InstrumentMarket,
        account: TradingAccount,
        request: NewCondition,
        but: ConditionRecord | None,
        *,
        refuse_reached: bool = True,
    ) -> None:
        """Checks form, filters and client id of a request; ``but`` is the one that it changes."""
        instrument, order = market.instrument, request.order
        if bool(request.legs) == (request.trail is not None):
            raise Rejected(Reason.BAD_COMBINATION, "a condition order needs either trigger prices or a trail")
        if request.client_id and any(
            other is not but and other.request.client_id == request.client_id for other in self._waiting_of(account)
        ):
            raise Rejected(Reason.DUPLICATE_CLIENT_ID, f"client id {request.client_id!r} is in use")
        if order.quantity is not None and not request.whole_position:
            instrument.lots(order.quantity, market=all(leg.order_price is None for leg in request.legs))
        for leg in request.legs:
            instrument.ticks(leg.price)
            if leg.order_price is not None:
                instrument.ticks(leg.order_price)
        reached = self.reached(request)
        if reached is not None and refuse_reached:
            raise Rejected(Reason.WOULD_TRIGGER, f"the {reached.source} price has already reached {reached.price:f}")

    def _keep(self, condition: ConditionRecord) -> None:
        kept = self._all.setdefault(condition.account.name, OrderedDict())
        kept[condition.condition_id] = condition
        self._waiting.setdefault(condition.request.order.instrument, {})[condition.condition_id] = condition
        if len(kept) > _KEPT:
            old = next((c for c in kept.values() if c.state is not ConditionState.WAITING), None)
            if old is not None:
                del kept[old.condition_id]

    def _waiting_of(self, account: TradingAccount) -> list[ConditionRecord]:
        found = [c for waiting in self._waiting.values() for c in waiting.values() if c.account is account]
        return sorted(found, key=lambda condition: condition.condition_id)

    def _find(self, account: TradingAccount, condition_id: int | None, client_id: str | None) -> ConditionRecord:
        kept = self._all.get(account.name, OrderedDict())
        if condition_id is not None:
            found = kept.get(condition_id)
        else:
            found = next((c for c in reversed(kept.values()) if client_id and c.request.client_id == client_id), None)
        if found is None:
            name = condition_id if condition_id is not None else client_id
            raise Rejected(Reason.UNKNOWN_ORDER, f"no condition order {name!r}")
        return found

    def _open(self, account: TradingAccount, condition_id: int | None, client_id: str | None) -> ConditionRecord:
        condition = self._find(account, condition_id, client_id)
        if condition.state is not ConditionState.WAITING:
            raise Rejected(
                Reason.ORDER_CLOSED, f"condition order {condition.condition_id} is already {condition.state.value}"
            )
        return condition

    def _end(self, condition: ConditionRecord, state: ConditionState, finish: Finish) -> None:
        del self._waiting[condition.request.order.instrument][condition.condition_id]
        condition.state, condition.finish = state, finish
        condition.updated_ms = self._engine.now_ms()
        self._tell(condition)

    def _tell(self, condition: ConditionRecord, *, amended: bool = False) -> None:
        events = self._engine.events
        if events.wants(ConditionEvent):
            events.emit(ConditionEvent(account=condition.account.name, condition=condition.view(), amended=amended))


def _active(trail: Trail, price: Decimal, *, sells: bool) -> bool:
    """Whether a trailing order begins to follow at a price."""
    if trail.activation is None:
        return True
    return price >= trail.activation if sells else price <= trail.activation
