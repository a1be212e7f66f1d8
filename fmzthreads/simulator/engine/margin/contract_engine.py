"""The engine with contracts: orders that only reduce, and orders that the exchange makes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from ..accounts import OrderRecord, TradingAccount
from ..book import Fill
from ..conditional.triggers import TriggerEngine
from ..engine import InstrumentMarket
from ..instruments import from_units
from ..orders import Finish, NewOrder, OrderOrigin, State, TimeInForce
from .positions import Leg
from .settlement import MarginSettlement

__all__ = ["ContractEngine"]


def _autoclose(origin: OrderOrigin, number: int) -> str:
    """Client ids of orders that the exchange makes."""
    return f"{origin.value}-{number}"


class ContractEngine(TriggerEngine):
    """The engine of an exchange that may trade contracts.

    Orders that may only reduce a position never open one: an arriving one is cut to the position, and those in the book end as soon as
    the orders before them in the queue and the position leave no room for them.

    Attributes:
        accounts: All accounts by name.
        insurance: The account that pays what liquidated accounts lack, and gets their liquidation fees.
        forced_id: Makes the client id of an order of the exchange from its origin and a number; dialects replace it.
    """

    def __init__(
        self, *args: Any, accounts: Mapping[str, TradingAccount], insurance: TradingAccount, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.accounts = accounts
        self.insurance = insurance
        self.forced_id: Callable[[OrderOrigin, int], str] = _autoclose
        self._guarded: dict[Leg, TradingAccount] = {}  # legs that reduce-only orders work on
        self._forced = 0

    def contracts(self) -> Iterator[tuple[InstrumentMarket, MarginSettlement]]:
        """The markets of contracts."""
        for market in self.markets.values():
            if isinstance(market.settlement, MarginSettlement):
                yield market, market.settlement

    def users(self) -> list[TradingAccount]:
        """The accounts that have positions or settings in contracts, without the exchange's own."""
        return [account for account in self.accounts.values() if account.margin is not None and not account.house]

    # --- orders that only reduce ---

    def accept(self, account: TradingAccount, order: NewOrder) -> OrderRecord:
        """Checks an order, and cuts one that only reduces to the position.

        Raises:
            Rejected: See ``Engine.accept``.
        """
        record = super().accept(account, order)
        settlement = self.markets[order.instrument].settlement
        if order.reduces and isinstance(settlement, MarginSettlement):
            self._guarded[settlement.leg(record)] = account
            self._fit(record)
        return record

    @staticmethod
    def _fit(record: OrderRecord) -> None:
        """Cuts an order to the position that it reduces."""
        leg = record.leg
        assert leg is not None
        assert record.request is not None
        room = leg.lots if not record.is_buy else -leg.lots
        if record.left > room > 0:
            record.left = room
            whole = record.instrument.quantity(record.done_lots + room)
            record.request = attrs.evolve(record.request, quantity=whole)
            if record.held_lots:
                leg.reducing -= record.held_lots - room
                record.held_lots = room

    def _match(self, market: InstrumentMarket, record: OrderRecord, order: NewOrder, budget: int | None) -> None:
        if record.reduce_only:
            leg = record.leg
            assert leg is not None
            if not (leg.lots < 0 if record.is_buy else leg.lots > 0):
                self.finish(record, State.EXPIRED, Finish.REDUCE_ONLY)
                return
            self._fit(record)
        super()._match(market, record, order, budget)
        if self._guarded:
            self._trim(market)

    def _settle_all(self, market: InstrumentMarket, taker: OrderRecord, fills: Sequence[Fill], complete: bool) -> None:
        super()._settle_all(market, taker, fills, complete)
        if self._guarded:
            self._trim(market)

    def _trim(self, market: InstrumentMarket) -> None:
        """Ends the reduce-only orders of the book that could open a position."""
        for leg, account in list(self._guarded.items()):
            if not leg.reducing:
                del self._guarded[leg]
            elif leg.prices.instrument is market.instrument:
                self._trim_leg(account, leg)

    def _trim_leg(self, account: TradingAccount, leg: Leg) -> None:
        resting = [record for record in account.open.values() if record.leg is leg and record.level is not None]
        resting.sort(key=lambda record: (-record.ticks if record.is_buy else record.ticks, record.order_id))
        room = abs(leg.lots)
        for record in resting:
            closes = leg.lots < 0 if record.is_buy else leg.lots > 0
            if not record.reduce_only:
                room -= min(room, record.left) if closes else 0
            elif closes and record.left <= room:
                room -= record.left
            else:
                self.finish(record, State.EXPIRED, Finish.REDUCE_ONLY)

    # --- orders of the exchange ---

    def forced(self, account: TradingAccount, leg: Leg, lots: int, ticks: int, origin: OrderOrigin) -> OrderRecord:
        """Makes an order that closes a part or all of a position; nothing is matched yet."""
        instrument, is_buy = leg.prices.instrument, leg.lots < 0
        self._forced += 1
        request = NewOrder(
            instrument=instrument.id, side="buy" if is_buy else "sell", price=instrument.price(ticks), quantity=instrument.quantity(lots),
            time_in_force=TimeInForce.IOC, client_id=self.forced_id(origin, self._forced), position_side=leg.side,
            reduce_only=True, isolated=leg.isolated,
        )  # fmt: skip
        record = OrderRecord(0, account, instrument, request, is_buy, ticks, lots, self.now_ms())
        record.leg, record.reduce_only, record.origin = leg, True, origin
        self.markets[instrument.id].settlement.hold(record, lots, ticks * lots)
        self._open(record)
        self.tell_order(record, None)
        return record

    def own(self, account: TradingAccount, leg: Leg, is_buy: bool, lots: int, ticks: int) -> OrderRecord:
        """Makes an order of one of the exchange's own accounts, to trade outside the book."""
        record = OrderRecord(0, account, leg.prices.instrument, None, is_buy, ticks, lots, self.now_ms())
        self._open(record)
        return record

    def take(self, market: InstrumentMarket, record: OrderRecord) -> None:
        """Lets a forced order trade in the book; the rest is left over."""
        fills = market.book.take(record)
        self._settle_all(market, record, fills, not record.left)

    def trade_outside(self, market: InstrumentMarket, taker: OrderRecord, maker: OrderRecord, ticks: int) -> int:
        """Trades two orders with each other outside the book, without a public trade.

        Returns:
            The lots.
        """
        lots = min(taker.left, maker.left)
        taker.left -= lots
        maker.left -= lots
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        trade = market.trades.outside(ticks, lots, self.now_ms(), buyer.order_id, seller.order_id)
        self._move_both(market, taker, maker, trade, not taker.left)
        return lots

    def balance_changed(self, account: TradingAccount, asset: str, reason: str) -> None:
        """Emits the event of a changed balance."""
        account.updated_ms = self.now_ms()
        self.tell_account(account, (asset,), reason)

    def funded(self, account: TradingAccount, leg: Leg, units: int) -> None:
        """Emits the event of a funding payment."""
        account.updated_ms = self.now_ms()
        self.tell_account(
            account, (leg.asset,), "funding", instrument=leg.prices.instrument.id, amount=from_units(units)
        )

    def rounded(self, leg: Leg, price: Decimal | int, *, up: bool) -> int:
        """A price in units as ticks, within the instrument's limits."""
        instrument = leg.prices.instrument
        ticks = int(price // instrument.tick_units)
        if up and ticks * instrument.tick_units < price:
            ticks += 1
        low, high = int(instrument.min_price / instrument.tick), int(instrument.max_price / instrument.tick)
        return max(low, 1, min(ticks, high))
