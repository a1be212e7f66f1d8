"""Orders and fills as a caller asks for them and sees them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import attrs

from .book import SelfTrade

__all__ = ["FillView", "Finish", "NewOrder", "OrderView", "State", "TimeInForce"]


class TimeInForce(enum.StrEnum):
    """How long an order stands."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "POST_ONLY"


class State(enum.StrEnum):
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


class Finish(enum.StrEnum):
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
    TIMER = "timer"
    LINKED = "linked"


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
        trigger_price: The last price at which the order begins to work; None for an order that works at once.
        trigger_rising: Whether it does so when the price has risen to ``trigger_price``, or fallen.
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
    trigger_price: Decimal | None = None
    trigger_rising: bool = False
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
        list_id: The list that the order belongs to; -1 for none.
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
        trigger_price: As asked for; None for an order that works at once.
        trigger_rising: As asked for.
        working_ms: When it began to work; -1 while it waits for its trigger price.
        list_id: The list that it belongs to; -1 for none.
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
