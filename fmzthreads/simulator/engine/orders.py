"""Order requests, and the views of orders and fills."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import attrs

from .book import SelfTrade

__all__ = ["FillView", "Finish", "NewOrder", "OrderOrigin", "OrderView", "State", "TimeInForce"]


class TimeInForce(enum.StrEnum):
    """The time in force of an order."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "POST_ONLY"


class State(enum.StrEnum):
    """The state of an order. The last three are final."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Whether the state is final."""
        return self not in {State.NEW, State.PARTIALLY_FILLED}


class Finish(enum.StrEnum):
    """The reason why an order ended; OPEN if it has not."""

    OPEN = "open"
    FILLED = "filled"
    USER = "user"
    IOC = "ioc"
    FOK = "fok"
    NO_LIQUIDITY = "no_liquidity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    SYSTEM = "system"
    TIMER = "timer"
    LINKED = "linked"
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"
    DELIVERY = "delivery"


class OrderOrigin(enum.StrEnum):
    """Who made an order: the account, or the exchange itself."""

    USER = "user"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    DELIVERY = "delivery"


@attrs.frozen(kw_only=True)
class NewOrder:
    """The request for a new order.

    Attributes:
        instrument: The instrument's id.
        side: ``buy`` or ``sell``.
        type: ``limit`` or ``market``.
        price: The limit price; None for a market order.
        quantity: In base; None only for a market order by quote amount.
        quote_quantity: For a market order: how much quote to spend (buy) or to receive (sell), before fees.
        time_in_force: For a limit order; a market order takes what is there and ends.
        post_only_cancels: The treatment of a POST_ONLY order that would trade: False refuses it (Rejected, WOULD_TAKE, as Binance
            does), True accepts it and cancels it at once with ``Finish.POST_ONLY`` (as OKX does).
        client_id: The client's own id; may be empty. It must be unique among the account's open orders.
        self_trade: The self-trade prevention mode.
        trigger_price: The last price that activates the order; None for an order that is active at once.
        trigger_rising: Whether it is activated when the price rises to ``trigger_price``; False: when it falls to it.
        extra: Any data of the dialect, returned with the order; the exchange ignores it.
        position_side: For a contract: ``net`` in one-way mode, ``long`` or ``short`` in hedge mode.
        reduce_only: Whether it may only reduce a position; in hedge mode, a sell of ``long`` and a buy of ``short`` always do.
        isolated: Whether it works on an isolated position; None for the account's setting of the instrument.
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
    trigger_price: Decimal | None = None
    trigger_rising: bool = False
    extra: Mapping[str, str] = attrs.field(factory=dict)
    position_side: Literal["net", "long", "short"] = "net"
    reduce_only: bool = False
    isolated: bool | None = None

    @property
    def reduces(self) -> bool:
        """Whether it may only reduce a position."""
        return self.reduce_only or self.position_side == ("short" if self.side == "buy" else "long")


@attrs.frozen(kw_only=True)
class FillView:
    """One fill of one account's order.

    Attributes:
        fill_id: An ascending id over all accounts and instruments (OKX's billId).
        trade_id: The trade's number in its instrument; both sides of a trade share it.
        order_id: The order's id.
        client_id: The order's client id; empty for none.
        instrument: The instrument's id.
        side: ``buy`` or ``sell``.
        price: The price paid.
        quantity: In base.
        quote_quantity: Price times quantity.
        fee: The fee charged, at least 0, in ``fee_asset``.
        fee_asset: The asset received: base for a buy, quote for a sell.
        fee_rate: The rate of the fee.
        is_maker: Whether this side was the maker.
        time_ms: When, on the exchange's clock.
        list_id: The list that the order belongs to; -1 for none.
        base_quantity: The coins of the fill; the same as ``quantity`` for spot.
        profit: Realized by the fill, before its fee, in the asset that the contract settles in; 0 for spot.
        position_side: The side of the position; ``net`` for spot.
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
    list_id: int = -1
    base_quantity: Decimal = Decimal(0)
    profit: Decimal = Decimal(0)
    position_side: Literal["net", "long", "short"] = "net"


@attrs.frozen(kw_only=True)
class OrderView:
    """The state of an order at one time.

    Attributes:
        order_id: The exchange's id.
        client_id: The client's own id; empty for none.
        instrument: The instrument's id.
        account: The name of the account.
        side: ``buy`` or ``sell``.
        type: ``limit`` or ``market``.
        time_in_force: As requested; GTC for a market order.
        price: The limit price; None for a market order.
        quantity: As requested, in base; None for a market order by quote amount.
        quote_quantity: As requested, in quote; None unless it is a market order by quote amount.
        filled: In base.
        filled_quote: The value of the filled part, in quote, before fees.
        average_price: ``filled_quote / filled_base`` to 16 significant digits; None before the first fill.
        fee: Charged so far, in ``fee_asset``.
        fee_asset: The asset received by fills: base for a buy, quote for a sell.
        state: Its state.
        finish: The reason why it ended.
        self_trade: As requested.
        created_ms: When it was accepted.
        updated_ms: When it last changed.
        fills: All its fills, oldest first; empty in events.
        extra: The dialect's data, as given in the request.
        trigger_price: As requested; None for an order that is active at once.
        trigger_rising: As requested.
        working_ms: When it became active; -1 while it waits for its trigger price.
        list_id: The list that it belongs to; -1 for none.
        filled_base: The coins of the filled part; the same as ``filled`` for spot.
        origin: Who made it.
        position_side: The side of the position that it works on; ``net`` for spot.
        isolated: Whether that position's margin is isolated; False for spot.
        reduce_only: Whether it may only reduce a position.
        profit: Realized by its fills, before fees, in the asset that the contract settles in.
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
    trigger_price: Decimal | None = None
    trigger_rising: bool = False
    working_ms: int = 0
    list_id: int = -1
    filled_base: Decimal = Decimal(0)
    origin: OrderOrigin = OrderOrigin.USER
    position_side: Literal["net", "long", "short"] = "net"
    isolated: bool = False
    reduce_only: bool = False
    profit: Decimal = Decimal(0)
