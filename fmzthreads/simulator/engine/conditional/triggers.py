"""Trigger orders, and pairs of orders where one cancels the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import attrs

from ..accounts import OrderRecord, TradingAccount
from ..book import Fill
from ..engine import Engine, InstrumentMarket
from ..events import OrderEvent
from ..orders import Finish, NewOrder, State, TimeInForce
from ..reasons import Reason, Rejected

__all__ = ["OrderPair", "TriggerEngine"]

_KEPT_PAIRS = 10_000


@attrs.define(kw_only=True, eq=False)
class OrderPair:
    """Two orders; when one trades or triggers, the other is cancelled.

    Attributes:
        list_id: Its number.
        client_id: The client's own id of the pair.
        account: The account.
        instrument: The instrument's id.
        created_ms: When it was placed.
        orders: The two.
    """

    list_id: int
    client_id: str
    account: TradingAccount
    instrument: str
    created_ms: int
    orders: list[OrderRecord] = attrs.field(factory=list)

    @property
    def done(self) -> bool:
        """Whether both orders have ended."""
        return all(order.state.final for order in self.orders)


class TriggerEngine(Engine):
    """The engine with trigger orders and pairs; triggers are checked after each request's trades.

    A waiting order freezes what it will need; the second of a pair only what it needs beyond the first, because at most one of them
    can trade.

    Attributes:
        pairs: The newest pairs, by number.
        watchers: Called at the end of each request with its market; each returns whether it placed an order, and is then called again.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.watchers: list[Callable[[InstrumentMarket], bool]] = []
        self._waiting: dict[str, dict[int, OrderRecord]] = {instrument: {} for instrument in self.markets}
        self.pairs: dict[int, OrderPair] = {}
        self._next_list = 1
        self._firing = False

    # --- placing ---

    def run(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder) -> None:
        """Stores an order until its trigger price, or runs it at once.

        Raises:
            Rejected: WOULD_TRIGGER, or as ``Engine.run``.
        """
        if order.trigger_price is None:
            super().run(market, record, order)
            return
        self._check_trigger(market, record, order)
        self._wait(market, record, 0, 0)

    def _check_trigger(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder) -> None:
        assert order.trigger_price is not None
        record.trigger_ticks = market.instrument.ticks(order.trigger_price)
        if self._reached(market, record):
            raise Rejected(
                Reason.WOULD_TRIGGER, f"the last price has already reached the trigger price {order.trigger_price:f}"
            )

    @staticmethod
    def _reached(market: InstrumentMarket, record: OrderRecord) -> bool:
        last, request = market.trades.last_ticks, record.request
        if not last or request is None:
            return False
        return last >= record.trigger_ticks if request.trigger_rising else last <= record.trigger_ticks

    @staticmethod
    def _worth(record: OrderRecord) -> int:
        """The maximum cost in ticks times lots; for a market order estimated by its trigger price."""
        return record.left * (record.ticks or record.trigger_ticks)

    def _wait(self, market: InstrumentMarket, record: OrderRecord, spare_lots: int, spare_value: int) -> None:
        """Freezes what an order needs beyond its partner's frozen amount, and stores it."""
        worth = max(0, self._worth(record) - spare_value)
        market.settlement.hold(record, record.left - spare_lots, worth)
        self._open(record)
        record.working_ms = -1
        self._waiting[market.instrument.id][record.order_id] = record
        self.tell_order(record, None)
        self.tell_account(record.account, market.settlement.held_assets(record))

    def place_pair(self, account: TradingAccount, orders: Iterable[NewOrder], client_id: str) -> OrderPair:
        """Places two orders where one cancels the other; neither may trade on arrival.

        Raises:
            Rejected: One of them is refused, the client id is in use, or the account cannot pay; nothing has changed.
        """
        records = [self.accept(account, order) for order in orders]
        # The one that is active at once comes first: its frozen amount counts for the other.
        records.sort(key=lambda record: record.request is not None and record.request.trigger_price is not None)
        first, second = records
        market = self.markets[first.instrument.id]
        if first.client_id == second.client_id or self.open_pair(account, client_id) is not None:
            raise Rejected(Reason.DUPLICATE_CLIENT_ID, "the client id is in use by an open order")
        for record in records:
            if record.request is not None and record.request.trigger_price is not None:
                self._check_trigger(market, record, record.request)
        probe = OrderRecord(0, account, first.instrument, first.request, first.is_buy, 0, 0, self.now_ms())
        market.settlement.hold(probe, max(r.left for r in records), max(self._worth(r) for r in records))
        market.settlement.release(probe)
        pair = OrderPair(
            list_id=self._next_list, client_id=client_id, account=account, instrument=first.instrument.id, created_ms=self.now_ms()
        )  # fmt: skip
        self._next_list += 1
        self.pairs[pair.list_id] = pair
        while len(self.pairs) > _KEPT_PAIRS:
            del self.pairs[next(iter(self.pairs))]
        pair.orders = records
        for record in records:
            record.list_id = pair.list_id
        if first.request is not None and first.request.trigger_price is None:
            super().run(market, first, first.request)
        else:
            self._wait(market, first, 0, 0)
        self._wait(market, second, first.left, self._worth(first))
        return pair

    def open_pair(self, account: TradingAccount, client_id: str) -> OrderPair | None:
        """The open pair of a client id; None if not found."""
        pairs = reversed(self.pairs.values())
        return next((p for p in pairs if p.account is account and p.client_id == client_id and not p.done), None)

    def amend(
        self, record: OrderRecord, price: Decimal | None, quantity: Decimal | None, new_client_id: str = ""
    ) -> None:
        """Changes an open, active limit order that is not part of a pair.

        Raises:
            Rejected: BAD_COMBINATION for another order, or as ``Engine.amend``.
        """
        if not record.state.final and (record.working_ms < 0 or record.list_id >= 0):
            raise Rejected(
                Reason.BAD_COMBINATION,
                f"order {record.order_id} cannot be amended: it waits for its trigger price or is part of a pair",
            )
        super().amend(record, price, quantity, new_client_id)

    # --- cancelling the other one ---

    def finish(self, order: OrderRecord, state: State, finish: Finish, *, tell: bool = True) -> None:
        """Ends an order and its partner, which is cancelled if the client cancelled, else expired."""
        self._waiting[order.instrument.id].pop(order.order_id, None)
        super().finish(order, state, finish, tell=tell)
        if order.list_id >= 0 and finish is not Finish.LINKED:  # otherwise the other one has ended this one
            by_client = finish in {Finish.USER, Finish.TIMER}
            self._end_other(order, *((state, finish) if by_client else (State.EXPIRED, Finish.LINKED)))

    def _end_other(self, order: OrderRecord, state: State, finish: Finish) -> None:
        pair = self.pairs.get(order.list_id)
        for other in pair.orders if pair is not None else ():
            if other is not order and other.order_id and not other.state.final:
                self.finish(other, state, finish)
                settlement = self.markets[other.instrument.id].settlement
                self.tell_account(other.account, settlement.held_assets(other))

    def _settle(self, market: InstrumentMarket, taker: OrderRecord, fill: Fill, ends_taker: bool) -> None:
        super()._settle(market, taker, fill, ends_taker)
        for order in (taker, fill[0]):
            if isinstance(order, OrderRecord) and order.list_id >= 0:
                self._end_other(order, State.EXPIRED, Finish.LINKED)

    # --- triggering ---

    def tell_book(self, market: InstrumentMarket) -> None:
        """Ends a request: emits the book's changes, then activates triggered orders and calls the watchers."""
        super().tell_book(market)
        self.look_for_triggers(market)

    def look_for_triggers(self, market: InstrumentMarket) -> None:
        """Activates the orders of a market whose trigger price is reached, until no more are.

        Called after every request, and by a product with mark prices after each new one.
        """
        if self._firing:
            return
        waiting = self._waiting[market.instrument.id]
        self._firing = True
        try:
            while True:
                due = next((record for record in waiting.values() if self._reached(market, record)), None)
                if due is not None:
                    self._begin(market, due)
                    continue
                for watch in self.watchers:
                    if watch(market):
                        break
                else:
                    return
        finally:
            self._firing = False

    def _begin(self, market: InstrumentMarket, record: OrderRecord) -> None:
        """Activates an order: freezes what it needs now, and matches it."""
        order = record.request
        assert order is not None  # only users' orders have triggers
        del self._waiting[market.instrument.id][record.order_id]
        if record.list_id >= 0:
            self._end_other(record, State.EXPIRED, Finish.LINKED)
        market.settlement.release(record)
        lots, value = record.left, record.left * record.ticks
        if order.type == "market" or order.time_in_force is TimeInForce.FOK:
            lots, value = market.book.preview(record, any_price=order.type == "market", self_trade=order.self_trade)
        record.working_ms = record.updated_ms = self.now_ms()
        try:
            market.settlement.hold(record, record.left, value if order.type == "market" else record.left * record.ticks)
        except Rejected:  # a market order that costs more than was frozen for it
            self.finish(record, State.EXPIRED, Finish.SYSTEM)
        else:
            self._tell_begun(record)
            if order.time_in_force is TimeInForce.FOK and order.type == "limit" and lots < record.left:
                self.finish(record, State.EXPIRED, Finish.FOK)
            else:
                self._match(market, record, order, None)
        self.tell_account(record.account, market.settlement.moved_assets(record))
        super().tell_book(market)

    def _tell_begun(self, record: OrderRecord) -> None:
        if self.events.wants(OrderEvent):
            view = record.view(with_fills=False)
            self.events.emit(OrderEvent(account=record.account.name, order=view, fill=None, triggered=True))
