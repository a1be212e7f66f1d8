"""Accounts with their balances, orders and fills, in exact integers."""

from __future__ import annotations

import decimal
import hmac
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import islice

from ...errors import InputError
from .balances import Holdings
from .book import BookOrder
from .instruments import Instrument, Kind, from_units
from .margin.margin_accounts import MarginHoldings
from .margin.positions import Leg, Side
from .orders import FillView, Finish, NewOrder, OrderOrigin, OrderView, State
from .reasons import Reason, Rejected

__all__ = ["Execution", "OrderRecord", "TradingAccount"]

_NOTHING = Decimal(0)
_SIXTEEN = decimal.Context(prec=16)


class TradingAccount(Holdings):
    """One user's balances, orders and fills. The exchange's lock guards it.

    Only the exchange calls its methods.

    Attributes:
        name: Its name inside the exchange.
        key: The API key.
        secret: The API secret; never part of ``repr``.
        passphrase: The passphrase that OKX requires; empty if not needed; never part of ``repr``.
        public_key: The public key in PEM of an Ed25519 API key, which then signs instead of the secret; empty for none.
        uid: The account number in replies.
        house: Whether it is the exchange's own (fees, market participants): no history is kept and no private events are sent.
        maker_fee: Its own maker fee rate; None for the instrument's.
        taker_fee: Its own taker fee rate; None for the instrument's.
        open: Its open orders by id, oldest first.
        closed: The newest ``history`` closed orders, in the order of closing.
        fills: The newest ``history`` fills, oldest first.
        margin: Its positions in contracts and their settings; None before the first.
    """

    def __init__(
        self,
        name: str,
        *,
        key: str = "",
        secret: str = "",
        passphrase: str = "",
        uid: int = 0,
        house: bool = False,
        maker_fee: Decimal | None = None,
        taker_fee: Decimal | None = None,
        history: int = 10_000,
    ) -> None:
        super().__init__()
        for label, rate in (("maker_fee", maker_fee), ("taker_fee", taker_fee)):
            if rate is not None and not 0 <= rate < 1:
                raise InputError(f"{label} must be at least 0 and below 1, got {rate!s}")
        if history < 1:
            raise InputError(f"history must be 1 or more, got {history!r}")
        self.name = name
        self.key = key
        self.secret = secret
        self.passphrase = passphrase
        self.public_key = ""
        self.uid = uid
        self.house = house
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.history = history
        self.updated_ms = 0
        self.open: dict[int, OrderRecord] = {}
        self.open_count: dict[str, int] = {}
        self.closed: OrderedDict[int, OrderRecord] = OrderedDict()
        self.by_client: dict[str, OrderRecord] = {}
        self.fills: deque[Execution] = deque(maxlen=history)
        self.margin: MarginHoldings | None = None
        self._ids: list[int] = []  # of the kept orders, ascending
        self._ids_of: dict[str, list[int]] = {}  # likewise, by instrument

    def __repr__(self) -> str:
        return f"TradingAccount({self.name!r})"

    def may(self, secret: str, passphrase: str | None = None) -> bool:
        """Whether these are the account's secrets, compared in constant time.

        A passphrase of None is not checked.
        """
        good = hmac.compare_digest(secret.encode(), self.secret.encode())
        if passphrase is not None:
            good &= hmac.compare_digest(passphrase.encode(), self.passphrase.encode())
        return good

    def rate(self, instrument: Instrument, *, maker: bool) -> Decimal:
        """The account's fee rate."""
        own = self.maker_fee if maker else self.taker_fee
        if own is not None:
            return own
        return instrument.maker_fee if maker else instrument.taker_fee

    def freeze(self, asset: str, units: int) -> None:
        """Moves units from free to frozen, but for those that positions need.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """
        if self.margin is not None:
            spare = self.margin.available(asset)
            if units > spare:
                raise Rejected(
                    Reason.INSUFFICIENT_FUNDS,
                    f"{from_units(units):f} {asset} needed, {from_units(spare):f} {asset} available",
                )
        super().freeze(asset, units)

    # --- orders ---

    def add(self, order: OrderRecord) -> None:
        """Records a new order as open; ids are ascending."""
        instrument = order.instrument.id
        self.open[order.order_id] = order
        self.open_count[instrument] = self.open_count.get(instrument, 0) + 1
        if order.client_id:
            self.by_client[order.client_id] = order
        if not self.house:
            self._ids.append(order.order_id)
            self._ids_of.setdefault(instrument, []).append(order.order_id)

    def rename(self, order: OrderRecord, client_id: str) -> None:
        """Changes the client id of an open order."""
        if order.client_id == client_id:
            return
        if self.by_client.get(order.client_id) is order:
            del self.by_client[order.client_id]
        order.client_id = client_id
        self.by_client[client_id] = order

    def close(self, order: OrderRecord) -> None:
        """Moves an order to the closed ones; drops the oldest beyond the limit."""
        if self.open.pop(order.order_id, None) is None:
            return
        self.open_count[order.instrument.id] -= 1
        if self.house:
            self.by_client.pop(order.client_id, None)
            return
        self.closed[order.order_id] = order
        while len(self.closed) > self.history:
            _, old = self.closed.popitem(last=False)
            if self.by_client.get(old.client_id) is old:
                del self.by_client[old.client_id]
            for ids in (self._ids, self._ids_of[old.instrument.id]):
                del ids[bisect_left(ids, old.order_id)]

    def find(self, order_id: int) -> OrderRecord | None:
        """An order by its id, open or closed.

        None if it is unknown or no longer kept.
        """
        return self.open.get(order_id) or self.closed.get(order_id)

    def orders_page(
        self, instrument: str | None, limit: int | None, *, newest: bool, from_id: int | None, below_id: int | None,
        wanted: Callable[[OrderRecord], bool],
    ) -> list[OrderRecord]:  # fmt: skip
        """One page of the orders between two ids, in ascending order.

        Reads only as many orders as the page needs.
        """
        ids = self._ids if instrument is None else self._ids_of.get(instrument, [])
        low = 0 if from_id is None else bisect_left(ids, from_id)
        high = len(ids) if below_id is None else bisect_left(ids, below_id)
        places = range(high - 1, low - 1, -1) if newest else range(low, high)
        known = (self.find(ids[place]) for place in places)
        found = list(islice((record for record in known if record is not None and wanted(record)), limit))
        return found[::-1] if newest else found

    def fills_page(
        self, limit: int | None, *, newest: bool, order_id: int | None, wanted: Callable[[Execution], bool]
    ) -> list[Execution]:
        """The first or last ``limit`` matching fills, oldest first.

        Reads only as many as necessary.
        """
        record = self.find(order_id) if order_id is not None else None
        kept: Sequence[Execution] = self.fills if record is None else record.executions
        found = list(islice(filter(wanted, reversed(kept) if newest else kept), limit))
        return found[::-1] if newest else found


class Execution:
    """One side of a trade, stored as integers."""

    __slots__ = ("fee", "fee_rate", "fill_id", "is_maker", "lots", "order", "profit", "ticks", "time_ms", "trade_id")

    def __init__(
        self,
        order: OrderRecord,
        fill_id: int,
        trade_id: int,
        ticks: int,
        lots: int,
        fee: int,
        fee_rate: Decimal,
        is_maker: bool,
        time_ms: int,
        profit: int = 0,
    ) -> None:
        self.order = order
        self.fill_id = fill_id
        self.trade_id = trade_id
        self.ticks = ticks
        self.lots = lots
        self.fee = fee
        self.fee_rate = fee_rate
        self.is_maker = is_maker
        self.time_ms = time_ms
        self.profit = profit  # realized, in units

    def view(self) -> FillView:
        """The same in decimals."""
        order, instrument = self.order, self.order.instrument
        quantity, of_position = instrument.quantity(self.lots), order.leg is not None
        return FillView(
            fill_id=self.fill_id,
            trade_id=self.trade_id,
            order_id=order.order_id,
            client_id=order.client_id,
            instrument=instrument.id,
            side="buy" if order.is_buy else "sell",
            price=instrument.price(self.ticks),
            quantity=quantity,
            quote_quantity=instrument.quote_of(self.ticks * self.lots, self.lots),
            base_quantity=instrument.base_of(self.ticks, self.lots) if of_position else quantity,
            profit=from_units(self.profit) if of_position else _NOTHING,
            position_side=order.position_side,
            fee=from_units(self.fee),
            fee_asset=instrument.fee_asset(order.is_buy),
            fee_rate=self.fee_rate,
            is_maker=self.is_maker,
            time_ms=self.time_ms,
            list_id=order.list_id,
        )


class OrderRecord(BookOrder):
    """The exchange's record of an order.

    The book's order with its account, fills and state.
    """

    __slots__ = (
        "account",
        "client_id",
        "created_ms",
        "done_lots",
        "done_value",
        "executions",
        "fee",
        "finish",
        "frozen",
        "held_lots",
        "instrument",
        "last_view",
        "leg",
        "list_id",
        "origin",
        "profit",
        "reduce_only",
        "request",
        "state",
        "trigger_ticks",
        "updated_ms",
        "working_ms",
        "worth",
    )

    def __init__(
        self,
        order_id: int,
        account: TradingAccount,
        instrument: Instrument,
        request: NewOrder | None,
        is_buy: bool,
        ticks: int,
        lots: int,
        now_ms: int,
    ) -> None:
        super().__init__(order_id, account, is_buy, ticks, lots)
        self.account = account
        self.instrument = instrument
        self.request = request  # None for a quote of the market's own participants, which is never shown in decimals
        self.client_id = request.client_id if request is not None else ""
        self.frozen = 0  # units still frozen for it
        self.done_lots = 0
        self.done_value = 0  # ticks times lots
        self.fee = 0  # units of the fee asset
        self.state = State.NEW
        self.finish = Finish.OPEN
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.executions: list[Execution] = []
        self.last_view: OrderView | None = None  # of a closed order, which no longer changes
        self.working_ms = now_ms  # -1 while it waits for its trigger price
        self.trigger_ticks = 0
        self.list_id = -1
        self.origin = OrderOrigin.USER
        self.leg: Leg | None = None  # the position that it works on; None for spot
        self.held_lots = 0  # lots that are counted in the leg
        self.reduce_only = False
        self.profit = 0  # realized by its fills, in units
        self.worth = 0  # of its fills, in units of the settling asset

    @property
    def position_side(self) -> Side:
        """The side of the position that it works on; ``net`` for spot."""
        return self.leg.side if self.leg is not None else "net"

    def view(self, *, with_fills: bool = True) -> OrderView:
        """The same in decimals, with all its fills or without."""
        if self.last_view is not None and with_fills:
            return self.last_view
        instrument, request = self.instrument, self.request
        filled = base = instrument.quantity(self.done_lots)
        value = instrument.quote_of(self.done_value, self.done_lots)
        side: Side = "net"
        profit = _NOTHING
        if self.leg is not None:
            inverse = instrument.kind is Kind.INVERSE
            base = from_units(self.worth) if inverse else instrument.base_of(1, self.done_lots)
            profit, side = from_units(self.profit), self.leg.side
        if request is None:
            quantity: Decimal | None = instrument.quantity(self.done_lots + self.left)
            request = NewOrder(instrument=instrument.id, side="buy" if self.is_buy else "sell", quantity=quantity)
        view = OrderView(
            order_id=self.order_id,
            client_id=self.client_id,
            instrument=instrument.id,
            account=self.account.name,
            side=request.side,
            type=request.type,
            time_in_force=request.time_in_force,
            price=instrument.price(self.ticks) if request.type == "limit" else None,
            quantity=request.quantity,
            quote_quantity=request.quote_quantity,
            filled=filled,
            filled_quote=value,
            filled_base=base,
            average_price=_average(value, base),
            fee=from_units(self.fee),
            fee_asset=instrument.fee_asset(self.is_buy),
            state=self.state,
            finish=self.finish,
            self_trade=request.self_trade,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            fills=tuple(execution.view() for execution in self.executions) if with_fills else (),
            extra=request.extra,
            trigger_price=request.trigger_price,
            trigger_rising=request.trigger_rising,
            working_ms=self.working_ms,
            list_id=self.list_id,
            origin=self.origin,
            position_side=side,
            isolated=self.leg is not None and self.leg.isolated,
            reduce_only=self.reduce_only,
            profit=profit,
        )
        if with_fills and self.state.final:
            self.last_view = view
        return view


def _average(value: Decimal, filled: Decimal) -> Decimal | None:
    if not filled:
        return None
    return _SIXTEEN.divide(value, filled)
