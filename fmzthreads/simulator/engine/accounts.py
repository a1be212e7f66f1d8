"""Accounts with their balances, orders and fills, in exact integers."""

from __future__ import annotations

import decimal
import hmac
from collections import OrderedDict, deque
from collections.abc import Mapping
from decimal import Decimal

import attrs

from ...errors import InputError
from .book import BookOrder
from .instruments import RATE, UNIT, Instrument, from_units, to_units
from .orders import FillView, Finish, NewOrder, OrderView, State
from .reasons import Reason, Rejected

__all__ = ["Balance", "Execution", "OrderRecord", "TradingAccount", "fee_units"]


_SIXTEEN = decimal.Context(prec=16)


@attrs.frozen
class Balance:
    """What an account holds of one asset.

    Attributes:
        free: What may be spent.
        frozen: What open orders hold back.
    """

    free: Decimal
    frozen: Decimal

    @property
    def total(self) -> Decimal:
        """Free and frozen together."""
        return from_units(to_units(self.free) + to_units(self.frozen))


class TradingAccount:
    """One user's money, orders and fills. The exchange's lock guards it; its methods are for the exchange alone.

    Attributes:
        name: Its name inside the exchange.
        key: The API key.
        secret: The API secret; never part of ``repr``.
        passphrase: What OKX asks for besides; empty for none; never part of ``repr``.
        uid: A number for replies that carry one.
        house: Whether it belongs to the exchange (fees, market participants): no history is kept and no private events are sent.
        maker_fee: Its own rate in place of the instrument's; None for the instrument's.
        taker_fee: Likewise.
        free: Units of each asset that may be spent.
        frozen: Units of each asset that open orders hold back.
        open: Its open orders by id, oldest first.
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
        for label, rate in (("maker_fee", maker_fee), ("taker_fee", taker_fee)):
            if rate is not None and not 0 <= rate < 1:
                raise InputError(f"{label} must be at least 0 and below 1, not {rate!s}")
        if history < 1:
            raise InputError(f"history must be 1 or more, not {history!r}")
        self.name = name
        self.key = key
        self.secret = secret
        self.passphrase = passphrase
        self.uid = uid
        self.house = house
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.history = history
        self.updated_ms = 0
        self.free: dict[str, int] = {}
        self.frozen: dict[str, int] = {}
        self.open: dict[int, OrderRecord] = {}
        self.open_count: dict[str, int] = {}
        self.closed: OrderedDict[int, OrderRecord] = OrderedDict()
        self.by_client: dict[str, OrderRecord] = {}
        self.fills: deque[Execution] = deque(maxlen=history)

    def __repr__(self) -> str:
        return f"TradingAccount({self.name!r})"

    def may(self, secret: str, passphrase: str | None = None) -> bool:
        """Whether these are its secrets, compared in constant time; a passphrase of None is not looked at."""
        good = hmac.compare_digest(secret.encode(), self.secret.encode())
        if passphrase is not None:
            good &= hmac.compare_digest(passphrase.encode(), self.passphrase.encode())
        return good

    # --- money ---

    def deposit(self, asset: str, units: int) -> None:
        """Adds free money from outside.

        Raises:
            InputError: The amount is negative.
        """
        if units < 0:
            raise InputError(f"a deposit of {asset} must be 0 or more")
        self.free[asset] = self.free.get(asset, 0) + units
        self.frozen.setdefault(asset, 0)

    def freeze(self, asset: str, units: int) -> None:
        """Moves money from free to frozen.

        Raises:
            Rejected: INSUFFICIENT_FUNDS; nothing has changed.
        """
        free = self.free.get(asset, 0)
        if units > free:
            raise Rejected(
                Reason.INSUFFICIENT_FUNDS, f"{from_units(units):f} {asset} needed, {from_units(free):f} {asset} free"
            )
        self.free[asset] = free - units
        self.frozen[asset] = self.frozen.get(asset, 0) + units

    def release(self, asset: str, units: int) -> None:
        """Moves money from frozen back to free."""
        self.frozen[asset] -= units
        self.free[asset] += units

    def balance(self, asset: str) -> Balance:
        """What it holds of one asset; zeros when it never held any."""
        return Balance(from_units(self.free.get(asset, 0)), from_units(self.frozen.get(asset, 0)))

    def balances(self) -> Mapping[str, Balance]:
        """What it holds of every asset that it ever held."""
        return {asset: self.balance(asset) for asset in self.free}

    def rate(self, instrument: Instrument, *, maker: bool) -> Decimal:
        """The fee rate that it pays."""
        own = self.maker_fee if maker else self.taker_fee
        if own is not None:
            return own
        return instrument.maker_fee if maker else instrument.taker_fee

    # --- orders ---

    def add(self, order: OrderRecord) -> None:
        """Remembers a new order as open."""
        self.open[order.order_id] = order
        self.open_count[order.instrument.id] = self.open_count.get(order.instrument.id, 0) + 1
        if order.client_id:
            self.by_client[order.client_id] = order

    def close(self, order: OrderRecord) -> None:
        """Moves an order from open to closed and forgets the oldest closed ones beyond the limit."""
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


class Execution:
    """One side of a trade, as kept: integers until somebody looks."""

    __slots__ = ("fee", "fee_rate", "fill_id", "is_maker", "lots", "order", "ticks", "time_ms", "trade_id")

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

    def view(self) -> FillView:
        """It, in decimals."""
        order, instrument = self.order, self.order.instrument
        return FillView(
            fill_id=self.fill_id,
            trade_id=self.trade_id,
            order_id=order.order_id,
            client_id=order.client_id,
            instrument=instrument.id,
            side="buy" if order.is_buy else "sell",
            price=instrument.price(self.ticks),
            quantity=instrument.quantity(self.lots),
            quote_quantity=instrument.notional(self.ticks * self.lots),
            fee=from_units(self.fee),
            fee_asset=instrument.base if order.is_buy else instrument.quote,
            fee_rate=self.fee_rate,
            is_maker=self.is_maker,
            time_ms=self.time_ms,
        )


class OrderRecord(BookOrder):
    """An order as the exchange keeps it: the book's order and everything around it."""

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
        "instrument",
        "request",
        "state",
        "updated_ms",
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
        self.request = request  # None for a quote of the market's own participants, which has no decimals to give back
        self.client_id = request.client_id if request is not None else ""
        self.frozen = 0  # units of the paying asset still held back
        self.done_lots = 0
        self.done_value = 0  # ticks times lots
        self.fee = 0  # units of the asset received
        self.state = State.NEW
        self.finish = Finish.OPEN
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.executions: list[Execution] = []

    @property
    def pays(self) -> str:
        """The asset that it spends."""
        return self.instrument.quote if self.is_buy else self.instrument.base

    def view(self, *, with_fills: bool = True) -> OrderView:
        """It, in decimals; with all its fills, or without."""
        instrument, request = self.instrument, self.request
        filled, value = instrument.quantity(self.done_lots), instrument.notional(self.done_value)
        if request is None:
            quantity: Decimal | None = instrument.quantity(self.done_lots + self.left)
            request = NewOrder(instrument=instrument.id, side="buy" if self.is_buy else "sell", quantity=quantity)
        return OrderView(
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
            average_price=_average(value, filled),
            fee=from_units(self.fee),
            fee_asset=instrument.base if self.is_buy else instrument.quote,
            state=self.state,
            finish=self.finish,
            self_trade=request.self_trade,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            fills=tuple(execution.view() for execution in self.executions) if with_fills else (),
            extra=request.extra,
        )


def _average(value: Decimal, filled: Decimal) -> Decimal | None:
    if not filled:
        return None
    return _SIXTEEN.divide(value, filled)


def fee_units(received: int, rate: Decimal, digits: int) -> int:
    """The fee on an amount received, in units, cut to ``digits`` decimal places in the payer's favour."""
    if not rate:
        return 0
    raw = received * int(rate * RATE) // RATE
    step: int = UNIT // 10**digits
    return raw - raw % step
