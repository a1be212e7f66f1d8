"""Condition orders and changes of orders, cut to the market's steps and ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Literal

import attrs

from ...constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_OCO,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
)

__all__ = ["ConditionIntent", "ConditionTerms", "ModifyIntent", "Side"]

Side = Literal["buy", "sell", "closebuy", "closesell"]

_NAMES = {
    ORDER_CONDITION_TYPE_OCO: "OCO",
    ORDER_CONDITION_TYPE_TP: "TP",
    ORDER_CONDITION_TYPE_SL: "SL",
    ORDER_CONDITION_TYPE_GENERIC: "GENERIC",
}


@attrs.frozen(kw_only=True)
class ConditionTerms:
    """What triggers a condition order, and the prices of the orders that it places.

    Attributes:
        kind: ``ORDER_CONDITION_TYPE_OCO``, ``_TP``, ``_SL`` or ``_GENERIC``.
        tp_trigger: The price that triggers taking profit; None without.
        tp_price: The limit price of that order; None at market.
        sl_trigger: The price that triggers stopping a loss; None without.
        sl_price: The limit price of that order; None at market.
    """

    kind: int
    tp_trigger: Decimal | None = None
    tp_price: Decimal | None = None
    sl_trigger: Decimal | None = None
    sl_price: Decimal | None = None

    @property
    def name(self) -> str:
        """``OCO``, ``TP``, ``SL`` or ``GENERIC``."""
        return _NAMES[self.kind]


@attrs.frozen(kw_only=True)
class ConditionIntent:
    """A condition order, ready to be sent.

    Attributes:
        symbol: FMZ's symbol.
        side: As of an order.
        amount: As of an order, of the one that it places.
        terms: What triggers it.
        client_order_id: Made once for each intent; the condition order, and at some venues its child, can be found by it.
        options: The venue's own further parameters.
    """

    kind: ClassVar[str] = "condition"

    symbol: str
    side: Side
    amount: Decimal
    terms: ConditionTerms
    client_order_id: str
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ModifyIntent:
    """A change of an open order or of a condition order that has not triggered, ready to be sent.

    Attributes:
        order_id: The order, by the venue's id.
        symbol: FMZ's symbol.
        side: The order's own side.
        price: The new limit price; None leaves it. (Of a condition order the prices are in ``terms``.)
        amount: The new amount, what was filled included; None leaves it.
        terms: The new condition of a condition order; None for an ordinary one.
        client_order_id: Names this change in the order log; a venue may repeat it.
        options: The venue's own further parameters.
    """

    order_id: str
    symbol: str
    side: Side
    price: Decimal | None
    amount: Decimal | None
    client_order_id: str
    terms: ConditionTerms | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def kind(self) -> str:
        """``modify``, or ``modify_condition``."""
        return "modify" if self.terms is None else "modify_condition"
