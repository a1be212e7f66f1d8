"""One condition order of a paper account, and what triggers it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Literal, cast

import attrs

from ....constants import (
    ORDER_OFFSET_CLOSE,
    ORDER_OFFSET_OPEN,
    ORDER_STATE_CANCELED,
    ORDER_STATE_PENDING,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from ....exchange.contracts.closing import closes
from ....exchange.contracts.conditions import condition_structure
from ....exchange.contracts.directions import is_buy
from ....exchange.contracts.intents import ConditionTerms, Side
from ....structures import Order
from ....structures.base import Info
from ...rest.contract_venue import CONDITION_MARK
from ..account.orders import PaperOrder

__all__ = ["PaperCondition", "PaperTrail", "TriggerLeg", "TriggerSource"]

TriggerSource = Literal["last", "mark", "index"]
"""The price that a trigger is held against: the last trade's, the mark price, or that of the index."""

_STATES = Literal["waiting", "triggered", "cancelled", "refused"]


@attrs.frozen(kw_only=True)
class TriggerLeg:
    """A price that triggers, and what is then placed.

    Attributes:
        trigger: The price.
        rising: Whether it triggers at this price or above; else at it or below.
        source: The price that it is held against.
        price: The limit price of the order; None at market.
    """

    trigger: Decimal
    rising: bool
    source: TriggerSource = "last"
    price: Decimal | None = None

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers it."""
        return price >= self.trigger if self.rising else price <= self.trigger


@attrs.frozen(kw_only=True)
class PaperTrail:
    """A trigger that follows the best price at a distance; the order is placed at market.

    Attributes:
        rising: Whether it triggers when the price rises from its low (a buy); else when it falls from its high.
        ratio: The distance as a part of the best price; None if ``spread`` says it.
        spread: The distance in quote currency.
        active: The best price from which on it may trigger; None for at once.
        source: The price that it is held against.
        best: The best price seen since it was placed; None before the first.
    """

    rising: bool
    ratio: Decimal | None = None
    spread: Decimal | None = None
    active: Decimal | None = None
    source: TriggerSource = "last"
    best: Decimal | None = None

    def after(self, price: Decimal) -> PaperTrail:
        """The trail after one more price."""
        if self.best is not None and (price >= self.best if self.rising else price <= self.best):
            return self
        return attrs.evolve(self, best=price)

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers it, after the trail has seen it."""
        best = self.best
        if best is None or (self.active is not None and (best > self.active if self.rising else best < self.active)):
            return False
        distance = best * self.ratio if self.ratio is not None else self.spread or Decimal(0)
        return price >= best + distance if self.rising else price <= best - distance


@attrs.frozen(kw_only=True)
class PaperCondition:
    """A condition order.

    Attributes:
        number: Its number among the account's condition orders.
        client_id: Its client order id; the order that it places has it too.
        symbol: FMZ's symbol.
        side: What its order will do.
        amount: The amount of its order.
        terms: The condition as FMZ shows it.
        legs: What triggers it; one that triggers ends the others.
        trail: What triggers it in place of the legs.
        state: ``waiting``; ``triggered``, with its order or just before; ``cancelled``; ``refused``: triggered, and its order was refused.
        order_price: The limit price of the order to be placed, once it has triggered; None at market.
        child: The number of the order that it has placed; 0 before.
        refused: Why its order was refused.
        made_ms: When it was placed, in ms since the epoch.
        triggered_ms: When it triggered; 0 before.
    """

    number: int
    client_id: str
    symbol: str
    side: Side
    amount: Decimal
    terms: ConditionTerms
    legs: tuple[TriggerLeg, ...] = ()
    trail: PaperTrail | None = None
    state: _STATES = "waiting"
    order_price: Decimal | None = None
    child: int = 0
    refused: str = ""
    made_ms: int = 0
    triggered_ms: int = 0

    @property
    def id(self) -> str:
        """Its id, as FMZ shows it."""
        return f"{self.symbol},{CONDITION_MARK}{self.number}"

    @property
    def is_pending(self) -> bool:
        """Whether it still has something to do: to trigger, or to place its order."""
        return self.state == "waiting" or (self.state == "triggered" and not self.child)

    @property
    def sources(self) -> set[TriggerSource]:
        """The prices that it looks at."""
        return {leg.source for leg in self.legs} | ({self.trail.source} if self.trail is not None else set())

    def after(self, source: TriggerSource, price: Decimal, now_ms: int) -> PaperCondition:
        """The condition order after one more price: as it was, with a trail that has moved, or triggered."""
        if self.state != "waiting":
            return self
        for leg in self.legs:
            if leg.source == source and leg.reached(price):
                return attrs.evolve(self, state="triggered", order_price=leg.price, triggered_ms=now_ms)
        if self.trail is None or self.trail.source != source:
            return self
        trail = self.trail.after(price)
        if trail.reached(price):
            return attrs.evolve(self, trail=trail, state="triggered", triggered_ms=now_ms)
        return self if trail is self.trail else attrs.evolve(self, trail=trail)

    def shown(self, child: PaperOrder | None) -> Order:
        """The condition order as a structure.

        Args:
            child: The order that it has placed, whose state and fills it has; None before.
        """
        closing = closes(self.side)
        price = self.terms.tp_price or self.terms.sl_price
        order = Order(
            Info=Info(clientOrderId=self.client_id, paper=True, triggerTime=self.triggered_ms),
            Symbol=self.symbol,
            Id=self.id,
            Time=self.made_ms,
            Price=-1.0 if price is None else float(price),
            Amount=float(self.amount),
            DealAmount=0.0,
            AvgPrice=0.0,
            Status=ORDER_STATE_CANCELED if self.state in {"cancelled", "refused"} else ORDER_STATE_PENDING,
            Type=ORDER_TYPE_BUY if is_buy(self.side) else ORDER_TYPE_SELL,
            Offset=ORDER_OFFSET_CLOSE if closing else ORDER_OFFSET_OPEN,
            ContractType=self.symbol.partition(".")[2],
            Condition=condition_structure(self.terms),
        )
        if child is not None:
            seen = child.shown()
            order.update({name: seen[name] for name in ("Status", "DealAmount", "AvgPrice")}, ChildId=child.id)
        if self.refused:
            order["Refused"] = self.refused
        return order

    # In the account's file

    @property
    def text(self) -> str:
        """What the file keeps of it beside number, client order id, symbol, state and time."""
        return json.dumps(
            {
                "side": self.side,
                "amount": str(self.amount),
                "terms": _plain(self.terms),
                "legs": [_plain(leg) for leg in self.legs],
                "trail": None if self.trail is None else _plain(self.trail),
                "order_price": _text_or_none(self.order_price),
                "child": self.child,
                "refused": self.refused,
                "triggered_ms": self.triggered_ms,
            }
        )

    @classmethod
    def of_row(cls, row: tuple[Any, ...]) -> PaperCondition:
        """Reads a row of the file: number, client order id, symbol, state, time, ``text``."""
        number, client_id, symbol, state, made_ms, text = row
        found = json.loads(text)
        return cls(
            number=number,
            client_id=client_id,
            symbol=symbol,
            side=cast(Side, found["side"]),
            amount=Decimal(found["amount"]),
            terms=ConditionTerms(**_exact(found["terms"])),
            legs=tuple(TriggerLeg(**_exact(leg)) for leg in found["legs"]),
            trail=None if found["trail"] is None else PaperTrail(**_exact(found["trail"])),
            state=cast(_STATES, state),
            order_price=_exact({"price": found["order_price"]})["price"],
            child=found["child"],
            refused=found["refused"],
            made_ms=made_ms,
            triggered_ms=found["triggered_ms"],
        )


def _text_or_none(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _plain(value: ConditionTerms | TriggerLeg | PaperTrail) -> dict[str, Any]:
    """The fields of a frozen object for JSON; exact numbers as text."""
    return {name: str(one) if isinstance(one, Decimal) else one for name, one in attrs.asdict(value).items()}


def _exact(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields read back: every text but that of a source is an exact number."""
    return {name: Decimal(one) if isinstance(one, str) and name != "source" else one for name, one in fields.items()}
