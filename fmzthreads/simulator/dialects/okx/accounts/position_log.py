"""What OKX tells of a position beyond its size: ids, times, fees, funding, and the closed ones.

The engine keeps positions by side and margin mode; the rest is added up here from its events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import attrs

from ....engine.events import AccountEvent, Event, OrderEvent
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ....engine.margin.positions import Side
from ....engine.orders import FillView, Finish, OrderOrigin, OrderView

__all__ = ["PositionLog", "PositionRecord"]

_KEPT_CLOSED = 1000  # per account
_FIRST_ID = 3_000_001
_EXACT = Decimal("1e-16")
PositionKey = tuple[str, str, Side, bool]
"""Account, instrument, side, and whether isolated."""


@attrs.define(kw_only=True, eq=False)
class PositionRecord:
    """One position from its opening to its closing.

    Attributes:
        position_id: OKX's ``posId``, which a position of the same side and mode keeps when it is opened again.
        instrument: The instrument's id.
        side: ``net``, ``long`` or ``short``.
        isolated: Whether its margin is isolated.
        opened_ms: When it was opened.
        updated_ms: When it last changed.
        size: Contracts now: above 0 for long, below 0 for short.
        direction: ``long`` or ``short``.
        largest: The most contracts that it had.
        closed_size: Contracts closed so far.
        opened_base: What the opened contracts were worth in base, for the mean price of an inverse contract; else contracts times price.
        opened_size: Contracts opened so far.
        closed_base: As ``opened_base``, of the closed contracts.
        profit: Realized, before fees.
        fee: Paid, at least 0.
        funding: Received, below 0 if it was paid.
        trade_id: The last trade.
        leverage: The leverage when it last changed.
        last_close: What closed a part of it last; None before.
        mark: The mark price at which it was liquidated or deleveraged; None otherwise.
    """

    position_id: int
    instrument: str
    side: Side
    isolated: bool
    opened_ms: int
    updated_ms: int = 0
    size: Decimal = Decimal(0)
    direction: Literal["long", "short"] = "long"
    largest: Decimal = Decimal(0)
    closed_size: Decimal = Decimal(0)
    opened_base: Decimal = Decimal(0)
    opened_size: Decimal = Decimal(0)
    closed_base: Decimal = Decimal(0)
    profit: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    trade_id: int = 0
    leverage: int = 0
    last_close: OrderOrigin | None = None
    mark: Decimal | None = None

    def open_price(self, instrument: Instrument) -> Decimal:
        """The mean price of what was opened; 0 for none."""
        return _mean(instrument, self.opened_size, self.opened_base)

    def close_price(self, instrument: Instrument) -> Decimal:
        """The mean price of what was closed; 0 for none."""
        return _mean(instrument, self.closed_size, self.closed_base)


def _mean(instrument: Instrument, size: Decimal, base: Decimal) -> Decimal:
    if not size or not base:
        return Decimal(0)
    return size * instrument.contract_value / base if instrument.kind is Kind.INVERSE else base / size


class PositionLog:
    """The positions of all accounts, added up from the exchange's events. The exchange's lock guards it.

    Args:
        exchange: The exchange.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._open: dict[PositionKey, PositionRecord] = {}
        self._ids: dict[PositionKey, int] = {}
        self._closed: dict[str, deque[PositionRecord]] = {}
        exchange.subscribe(self._take, (OrderEvent, AccountEvent))

    # --- asking ---

    def find(self, account: str, instrument: str, side: Side, isolated: bool) -> PositionRecord | None:
        """The open position of a side; None if not found."""
        return self._open.get((account, instrument, side, isolated))

    def position_id(self, account: str, instrument: str, side: Side, isolated: bool) -> int:
        """The id of a position, open or not yet."""
        key = (account, instrument, side, isolated)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = _FIRST_ID + len(self._ids)
        return found

    def last_closed(self, account: str, instrument: str, side: Side, isolated: bool) -> PositionRecord | None:
        """The newest closed position of a side; None if not found."""
        key = (instrument, side, isolated)
        closed = reversed(self._closed.get(account, ()))
        return next((one for one in closed if (one.instrument, one.side, one.isolated) == key), None)

    def changed(self, account: str) -> Iterator[PositionRecord]:
        """The positions of an account that have been reduced or closed, the last changed first."""
        found = [*self._closed.get(account, ())]
        found += [one for key, one in self._open.items() if key[0] == account and one.closed_size]
        return iter(sorted(found, key=lambda one: (one.updated_ms, one.position_id), reverse=True))

    # --- events ---

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            if event.fill is not None and self._exchange.instrument(event.order.instrument).terms is not None:
                self._filled(event.account, event.order, event.fill)
        elif isinstance(event, AccountEvent) and event.reason == "funding":
            for view in event.positions:
                record = self._open.get((event.account, view.instrument, view.side, view.isolated))
                if record is not None and view.instrument == event.instrument:
                    record.funding += event.amount
                    record.updated_ms = event.time_ms

    def _filled(self, account: str, order: OrderView, fill: FillView) -> None:
        key: PositionKey = (account, order.instrument, fill.position_side, order.isolated)
        instrument = self._exchange.instrument(order.instrument)
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        record, fee = self._open.get(key), fill.fee
        base = _base(instrument, fill)
        if record is not None and (record.size > 0) is not (signed > 0):
            closing = min(abs(record.size), fill.quantity)
            part = closing / fill.quantity
            closed_base, closed_fee = (base * part).quantize(_EXACT), (fee * part).quantize(_EXACT)
            self._reduce(key, record, order, fill, closing, closed_base, closed_fee)
            signed += -closing if signed > 0 else closing
            base, fee = base - closed_base, fee - closed_fee
            record = self._open.get(key)
        if signed:
            self._add(key, record, fill, signed, base, fee)

    def _add(
        self,
        key: PositionKey,
        record: PositionRecord | None,
        fill: FillView,
        signed: Decimal,
        base: Decimal,
        fee: Decimal,
    ) -> None:
        account, instrument, side, isolated = key
        if record is None:
            record = self._open[key] = PositionRecord(
                position_id=self.position_id(*key), instrument=instrument, side=side, isolated=isolated, opened_ms=fill.time_ms,
                direction="long" if signed > 0 else "short",
            )  # fmt: skip
        holder = self._exchange.account(account)
        record.leverage = self._exchange.contracts.leverage(holder, instrument, side, isolated)
        record.size += signed
        record.largest = max(record.largest, abs(record.size))
        record.opened_size += abs(signed)
        record.opened_base += base
        record.fee += fee
        record.trade_id, record.updated_ms = fill.trade_id, fill.time_ms

    def _reduce(
        self, key: PositionKey, record: PositionRecord, order: OrderView, fill: FillView, closing: Decimal, base: Decimal, fee: Decimal
    ) -> None:  # fmt: skip
        record.size += -closing if record.size > 0 else closing
        record.closed_size += closing
        record.closed_base += base
        record.profit += fill.profit
        record.fee += fee
        record.last_close = order.origin
        if order.origin is not OrderOrigin.USER:
            record.mark = self._exchange.contracts.prices(order.instrument).mark
        record.trade_id, record.updated_ms = fill.trade_id, fill.time_ms
        if not record.size:
            del self._open[key]
            self._closed.setdefault(key[0], deque(maxlen=_KEPT_CLOSED)).append(record)
            self._end_stops(key[0], record)

    def _end_stops(self, account: str, record: PositionRecord) -> None:
        """Cancels the condition orders that were to close a position that has been closed."""
        self._exchange.conditions.cancel_where(
            self._exchange.account(account),
            lambda request: (
                request.with_position
                and request.order.instrument == record.instrument
                and request.order.position_side == record.side
                and bool(request.order.isolated) is record.isolated
                and request.order.side == ("sell" if record.direction == "long" else "buy")
            ),
            Finish.LINKED,
        )


def _base(instrument: Instrument, fill: FillView) -> Decimal:
    """What a fill counts for the mean price: coins of an inverse contract, else contracts times price."""
    return fill.base_quantity if instrument.kind is Kind.INVERSE else fill.quantity * fill.price
