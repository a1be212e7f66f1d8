"""Orders and fills: what is asked for, what the exchange keeps, and what it shows."""

from __future__ import annotations

import decimal
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import attrs

from .book import Order, SelfTrade
from .instruments import Instrument, from_units

if TYPE_CHECKING:
    from .accounts import Account

__all__ = ["Execution", "FillView", "Finish", "NewOrder", "OrderRecord", "OrderView", "State", "TimeInForce"]


_SIXTEEN = decimal.Context(prec=16)


class TimeInForce(str, enum.Enum):
    """How long an order stands."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "POST_ONLY"


class State(str, enum.Enum):
    """Where an order is in its life. The last three are final."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self not in {State.NEW, State.PARTIALLY_FILLED}


class Finish(str, enum.Enum):
    """Why an order ended; OPEN while it has not."""

    OPEN = "open"
    FILLED = "filled"
    USER = "user"
    IOC = "ioc"
    FOK = "fok"
    NO_LIQUIDITY = "no_liquidity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    SYSTEM = "system"


@attrs.frozen(kw_only=True)
class NewOrder:
    """What somebody asks for.

    Attributes:
        instrument: The instrument's id.
        side: ``buy`` or ``sell``.
        type: ``limit`` or ``market``.
        price: The limit price; None for a market order.
        quantity: In base; None only for a market order by quote amount.
        quote_quantity: For a market order: how much quote to spend (buy) or to receive (sell), before fees.
        time_in_force: For a limit order; a market order takes what is there and ends.
        post_only_cancels: What happens to a POST_ONLY order that would trade: False refuses it (Rejected, WOULD_TAKE, as Binance
            does), True accepts it and cancels it at once with ``Finish.POST_ONLY`` (as OKX does).
        client_id: The client's own id; empty for none. It must be unique among the account's open orders.
        self_trade: What happens when it meets an order of the same account.
        extra: Anything the dialect wants back with the order; the exchange does not look at it.
    """

    instrument: str
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"] = "limit"
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only_cancels: bool = False
    client_id: str = ""
    self_trade: SelfTrade = SelfTrade.NONE
    extra: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class FillView:
    """One fill of one account's order.

    Attributes:
        fill_id: Rises by the exchange, over all accounts and instruments (OKX's billId).
        trade_id: The trade's number in its instrument; both sides of a trade share it.
        order_id: The order's id.
        client_id: The order's client id; empty for none.
        instrument: The instrument's id.
        side: ``buy`` or ``sell``.
        price: What was paid.
        quantity: In base.
        quote_quantity: Price times quantity.
        fee: What was charged, at least 0, in ``fee_asset``.
        fee_asset: The asset received: base for a buy, quote for a sell.
        fee_rate: The rate that it was charged at.
        is_maker: Whether this side was resting.
        time_ms: When, on the exchange's clock.
    """

    fill_id: int
    trade_id: int
    order_id: int
    client_id: str
    instrument: str
    side: Literal["buy", "sell"]
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    fee_rate: Decimal
    is_maker: bool
    time_ms: int


@attrs.frozen(kw_only=True)
class OrderView:
    """An order as it stands at one moment.

    Attributes:
        order_id: The exchange's id.
        client_id: The client's own id; empty for none.
        instrument: The instrument's id.
        account: The name of the account.
        side: ``buy`` or ``sell``.
        type: ``limit`` or ``market``.
        time_in_force: As asked for; GTC for a market order.
        price: The limit price; None for a market order.
        quantity: As asked for, in base; None for a market order by quote amount.
        quote_quantity: As asked for, in quote; None unless it is a market order by quote amount.
        filled: In base.
        filled_quote: What the filled part cost or brought, in quote, before fees.
        average_price: ``filled_quote / filled`` to 16 significant digits; None while nothing is filled.
        fee: Charged so far, in ``fee_asset``.
        fee_asset: The asset that a fill brings: base for a buy, quote for a sell.
        state: Where it is in its life.
        finish: Why it ended.
        self_trade: As asked for.
        created_ms: When it was accepted.
        updated_ms: When it last changed.
        fills: All its fills, oldest first; empty in events.
        extra: What the dialect gave with it.
    """

    order_id: int
    client_id: str
    instrument: str
    account: str
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    time_in_force: TimeInForce
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    filled: Decimal
    filled_quote: Decimal
    average_price: Decimal | None
    fee: Decimal
    fee_asset: str
    state: State
    finish: Finish
    self_trade: SelfTrade
    created_ms: int
    updated_ms: int
    fills: tuple[FillView, ...]
    extra: Mapping[str, str]


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


class OrderRecord(Order):
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
        account: Account,
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
