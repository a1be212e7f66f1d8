"""The orders and fills of a paper account."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import attrs

from ....constants import (
    ORDER_OFFSET_CLOSE,
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ....exchange.venue import OrderFill
from ....structures import Order
from ....structures.base import Info

__all__ = ["How", "PaperFill", "PaperOrder", "PaperPayment", "VenueOrder"]

VenueOrder = Literal["liquidation", "delivery"]
"""Why the venue made an order itself."""

How = Literal["walk", "through", "queue", "book", "liquidation", "delivery"]
"""Why a part was filled. ``walk``: at once, against the book. ``through``: a trade went through its price. ``queue``: as much was traded
at its price as was ahead of it. ``book``: the book moved through its price. ``liquidation``: the position was liquidated. ``delivery``: the contract was delivered."""

_VENUE_ORDERS: tuple[VenueOrder, ...] = ("liquidation", "delivery")


@attrs.frozen(kw_only=True)
class PaperOrder:
    """One order of a paper account.

    Attributes:
        number: Its number in the account.
        client_id: Its client order id.
        symbol: FMZ's symbol.
        side: ``buy`` or ``sell``; for contracts also ``closebuy`` and ``closesell``.
        price: The limit price; None for a market order.
        amount: In base currency, for contracts their number; of a market buy on a spot market what was bought.
        dealt: How much of it is filled.
        cost: The sum of price times amount of its fills.
        held: What is frozen for it, in ``currency``.
        currency: The currency that is frozen.
        ahead: What stands before it in the queue at its price, by estimate.
        status: ``ORDER_STATE_...``.
        made_ms: When it was placed, in ms since the epoch.
        post_only: Whether it must never trade at once, also when it is changed.
    """

    number: int
    client_id: str
    symbol: str
    side: str
    price: Decimal | None
    amount: Decimal
    dealt: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    currency: str = ""
    ahead: Decimal = Decimal(0)
    status: int = ORDER_STATE_PENDING
    made_ms: int = 0
    post_only: bool = False

    @property
    def id(self) -> str:
        """Its id, as FMZ shows it."""
        return f"{self.symbol},{self.number}"

    @property
    def left(self) -> Decimal:
        """What is not filled."""
        return self.amount - self.dealt

    @property
    def buys(self) -> bool:
        """Whether it trades at the asks."""
        return self.side in {"buy", "closesell"}

    @property
    def is_open(self) -> bool:
        """Whether it rests."""
        return self.status == ORDER_STATE_PENDING

    def filled(self, price: Decimal, amount: Decimal) -> PaperOrder:
        """The order with one more fill."""
        dealt = self.dealt + amount
        status = ORDER_STATE_CLOSED if dealt >= self.amount else self.status
        return attrs.evolve(self, dealt=dealt, cost=self.cost + price * amount, status=status)

    def ended(self) -> PaperOrder:
        """The order without its rest, and nothing frozen."""
        status = ORDER_STATE_CLOSED if self.dealt and self.dealt >= self.amount else ORDER_STATE_CANCELED
        return attrs.evolve(self, status=status, held=Decimal(0))

    @property
    def made_by(self) -> str:
        """Why the venue made it itself; empty for an order of the strategy."""
        return next((one for one in _VENUE_ORDERS if self.client_id == f"{one}{self.number}"), "")

    def shown(self) -> Order:
        """The order as a structure."""
        contract = self.symbol.partition(".")[2]
        order = Order(
            Info=Info(clientOrderId=self.client_id, paper=True),
            Symbol=self.symbol,
            Id=self.id,
            Time=self.made_ms,
            Price=-1.0 if self.price is None else float(self.price),
            Amount=float(self.amount),
            DealAmount=float(self.dealt),
            AvgPrice=float(self.cost / self.dealt) if self.dealt else 0.0,
            Status=self.status,
            Type=ORDER_TYPE_BUY if self.buys else ORDER_TYPE_SELL,
            Offset=ORDER_OFFSET_CLOSE if self.side in {"closebuy", "closesell"} else ORDER_OFFSET_OPEN,
            ContractType=contract,
            Condition=None,
        )
        if self.made_by:
            order["MadeBy"] = self.made_by
        return order


@attrs.frozen(kw_only=True)
class PaperFill:
    """One fill of a paper order.

    Attributes:
        number: The order's number.
        price: The price.
        amount: The amount.
        fee: What was charged, in ``fee_currency``.
        fee_currency: The currency of the fee.
        time_ms: When, in ms since the epoch.
        maker: Whether the order rested.
        how: Why it was filled.
    """

    number: int
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    time_ms: int
    maker: bool
    how: How

    def shown(self, place: int) -> OrderFill:
        """The fill as a structure; ``place`` counts the fills of its order."""
        return OrderFill(
            Info=Info(how=self.how),
            Id=f"{self.number}-{place}",
            Price=self.price,
            Amount=self.amount,
            Fee=self.fee,
            FeeCurrency=self.fee_currency,
            Time=self.time_ms,
            Maker=self.maker,
        )


@attrs.frozen(kw_only=True)
class PaperPayment:
    """A funding payment: ``amount`` is negative when it was paid."""

    symbol: str
    amount: Decimal
    currency: str
    time_ms: int
