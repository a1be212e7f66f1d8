"""Condition orders as requested, and as they stand."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import attrs

from ..accounts import OrderRecord, TradingAccount
from ..orders import Finish, NewOrder
from ..reasons import Rejected

__all__ = [
    "ConditionEvent",
    "ConditionLeg",
    "ConditionRecord",
    "ConditionState",
    "ConditionView",
    "NewCondition",
    "Trail",
    "TriggerPrice",
]


class TriggerPrice(enum.StrEnum):
    """The price that a trigger price is compared with."""

    LAST = "last"
    MARK = "mark"
    INDEX = "index"


class ConditionState(enum.StrEnum):
    """The state of a condition order. All but WAITING are final."""

    WAITING = "waiting"
    TRIGGERED = "triggered"
    CANCELED = "canceled"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class ConditionLeg:
    """One trigger, and the price of the order that it places.

    Attributes:
        name: The dialect's name of it, such as ``tp`` or ``sl``.
        price: The trigger price.
        rising: Whether it triggers when the price rises to ``price``; False: when it falls to it.
        source: The price that is compared.
        order_price: The limit price of the placed order; None for a market order.
    """

    name: str = ""
    price: Decimal
    rising: bool
    source: TriggerPrice = TriggerPrice.LAST
    order_price: Decimal | None = None

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers it."""
        return price >= self.price if self.rising else price <= self.price


@attrs.frozen(kw_only=True)
class Trail:
    """A trigger price that follows the market at a distance.

    Attributes:
        ratio: The distance as a part of the best price; None when ``spread`` is given.
        spread: The distance in quote; None when ``ratio`` is given.
        activation: The price from which it follows; None for at once.
        source: The price that is followed.
    """

    ratio: Decimal | None = None
    spread: Decimal | None = None
    activation: Decimal | None = None
    source: TriggerPrice = TriggerPrice.LAST

    def trigger(self, peak: Decimal, *, sells: bool) -> Decimal:
        """The trigger price for the best price so far: below it for a sell, above it for a buy."""
        away = self.spread if self.spread is not None else peak * (self.ratio or Decimal(0))
        return peak - away if sells else peak + away


@attrs.frozen(kw_only=True)
class NewCondition:
    """The request for a condition order.

    Attributes:
        order: What is placed when it triggers; type and price come from the leg.
        legs: Its triggers; the first that is reached places the order and drops the others. Empty for a trailing one.
        trail: The trailing trigger; None for none.
        kind: The dialect's name of its type, such as ``oco``.
        client_id: The client's own id; may be empty. It must be unique among the account's waiting condition orders.
        whole_position: Whether the order closes whatever the position then is, instead of ``order.quantity``.
        with_position: Whether it is cancelled when the position that it closes has been closed.
        extra: Any data of the dialect, returned with it.
    """

    order: NewOrder
    legs: tuple[ConditionLeg, ...] = ()
    trail: Trail | None = None
    kind: str = ""
    client_id: str = ""
    whole_position: bool = False
    with_position: bool = False
    extra: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ConditionView:
    """The state of a condition order at one time.

    Attributes:
        condition_id: Its number, which no order shares.
        account: The name of the account.
        request: As requested, with later changes.
        state: Its state.
        finish: Why it ended without an order; OPEN otherwise.
        leg: The trigger that was reached; None before, and for a trailing one.
        order_id: The order that it placed; None for none.
        order_price: The limit price of that order; None for a market order or none.
        order_quantity: The quantity of that order; None for none.
        failure: Why the order was refused; None unless FAILED.
        placed_last: The last price when it was placed; 0 before the first trade.
        trail_price: The trigger price of an activated trailing order; None otherwise.
        created_ms: When it was placed.
        updated_ms: When it last changed.
        triggered_ms: When it triggered; -1 if it has not.
    """

    condition_id: int
    account: str
    request: NewCondition
    state: ConditionState
    finish: Finish
    leg: ConditionLeg | None
    order_id: int | None
    order_price: Decimal | None
    order_quantity: Decimal | None
    failure: Rejected | None
    placed_last: Decimal
    trail_price: Decimal | None
    created_ms: int
    updated_ms: int
    triggered_ms: int


@attrs.frozen(kw_only=True)
class ConditionEvent:
    """A condition order was placed, changed, triggered or ended.

    Attributes:
        account: The account's name.
        condition: Its state.
        amended: Whether its owner changed it.
    """

    account: str
    condition: ConditionView
    amended: bool = False

    @property
    def topic(self) -> str:
        """The account's name."""
        return self.account


@attrs.define(kw_only=True, eq=False)
class ConditionRecord:
    """The exchange's record of a condition order; the fields are those of its view."""

    condition_id: int
    account: TradingAccount
    request: NewCondition
    placed_last: Decimal
    created_ms: int
    updated_ms: int
    state: ConditionState = ConditionState.WAITING
    finish: Finish = Finish.OPEN
    leg: ConditionLeg | None = None
    order: OrderRecord | None = None
    failure: Rejected | None = None
    triggered_ms: int = -1
    peak: Decimal | None = None
    """The best price since a trailing order was activated; None before."""

    @property
    def sells(self) -> bool:
        """Whether the order that it places sells."""
        return self.request.order.side == "sell"

    @property
    def trail_price(self) -> Decimal | None:
        """The trigger price of an activated trailing order; None otherwise."""
        if self.request.trail is None or self.peak is None:
            return None
        return self.request.trail.trigger(self.peak, sells=self.sells)

    def view(self) -> ConditionView:
        """Its state now."""
        order, placed = self.order, self.order.request if self.order is not None else None
        return ConditionView(
            condition_id=self.condition_id,
            account=self.account.name,
            request=self.request,
            state=self.state,
            finish=self.finish,
            leg=self.leg,
            order_id=order.order_id if order is not None else None,
            order_price=placed.price if placed is not None else None,
            order_quantity=placed.quantity if placed is not None else None,
            failure=self.failure,
            placed_last=self.placed_last,
            trail_price=self.trail_price,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            triggered_ms=self.triggered_ms,
        )
