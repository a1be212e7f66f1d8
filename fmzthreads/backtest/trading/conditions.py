"""Condition orders: what triggers them, and where each symbol's live ones stand.

Source: the published engine, github.com/fmzquant/backtest_javascript. There, two condition orders that trigger in one settlement corrupt the engine; here
each places its order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from ...arguments import real_number, whole_number
from ...constants import (
    ORDER_CONDITION_TYPE_GENERIC,
    ORDER_CONDITION_TYPE_OCO,
    ORDER_CONDITION_TYPE_SL,
    ORDER_CONDITION_TYPE_TP,
    ORDER_STATE_CLOSED,
    ORDER_STATE_PENDING,
)
from ...errors import InputError
from ...structures import Condition, Order
from ..config.settings import MarketDetail
from ..nano import nano, to_float
from .market import MarketView
from .orders import Direction

__all__ = ["ConditionOrder", "LiveConditions", "finite", "read_condition", "side_text"]

_FIELDS = ("TpTriggerPrice", "TpOrderPrice", "SlTriggerPrice", "SlOrderPrice")
_WITH_TP = (ORDER_CONDITION_TYPE_OCO, ORDER_CONDITION_TYPE_TP)
_WITH_SL = (ORDER_CONDITION_TYPE_OCO, ORDER_CONDITION_TYPE_SL)


def read_condition(given: Mapping[str, Any]) -> Condition | None:
    """A condition as strategies give it, with 0 for what they leave out; None without a ``ConditionType``.

    Raises:
        InputError: The type is not one of the four, or a price is not a finite number.
    """
    kind = given.get("ConditionType")
    if kind is None:
        return None
    kind = whole_number("ConditionType", kind, most=ORDER_CONDITION_TYPE_GENERIC)
    return Condition(ConditionType=kind, **{name: finite(name, given.get(name) or 0) for name in _FIELDS})


def finite(name: str, value: Any) -> float:
    """A finite number.

    Raises:
        InputError: It is anything else.
    """
    found = real_number(name, value, expected="a finite number")
    if not isfinite(found):
        raise InputError(f"{name} must be a finite number, got {found}")
    return found


class ConditionOrder:
    """An order that is placed when a price is reached; nothing is frozen before.

    Attributes:
        id: Its number; condition orders and orders share the counter.
        time_ms: When it was placed or last modified.
        view: Its symbol.
        side: What its order will do.
        is_buy: Whether it will buy.
        is_close: Whether its ``Offset`` shows a close.
        amount: The amount as the caller gave it.
        condition: What triggers it.
        state: An ``ORDER_STATE_`` constant; closed once it has triggered.
        order_price: The price of the order that it has placed (-1: at market); 0 before.
        seen: The number of the last tick that was checked.
    """

    __slots__ = (
        "amount",
        "condition",
        "id",
        "is_buy",
        "is_close",
        "order_price",
        "seen",
        "side",
        "state",
        "time_ms",
        "view",
    )

    def __init__(self, order_id: int, view: MarketView) -> None:
        self.id = order_id
        self.view = view
        self.time_ms = 0
        self.state = ORDER_STATE_PENDING
        self.order_price = 0.0
        self.side = ""
        self.is_buy = self.is_close = False
        self.amount = 0.0
        self.condition = Condition()
        self.seen = -1

    def set(self, side: str, direction: Direction, amount: float, condition: Condition, now_ms: int) -> None:
        """Gives the order its terms, valid from the current tick on."""
        self.side = side
        self.is_buy = direction in ("buy", "closesell")
        self.is_close = direction in ("closebuy", "closesell")
        self.amount = amount
        self.condition = condition
        self.time_ms = now_ms
        self.seen = self.view.current() - 1

    @property
    def detail(self) -> MarketDetail:
        """The market of its symbol."""
        return self.view.detail

    @property
    def is_open(self) -> bool:
        """Whether it has neither triggered nor been canceled."""
        return self.state == ORDER_STATE_PENDING

    @property
    def price(self) -> float:
        """The trigger that ``Price`` shows: the take-profit's where there is one."""
        condition = self.condition
        return float(condition.TpTriggerPrice if condition.ConditionType in _WITH_TP else condition.SlTriggerPrice)

    def check(self) -> float | None:
        """Checks the ticks since the last check.

        Returns:
            The price of the order to be placed (-1 at market), or None when nothing has triggered.
        """
        until = self.view.current()
        after, self.seen = self.seen, until
        if after >= until:
            return None
        condition = self.condition
        take = stop = -1
        if condition.ConditionType in _WITH_TP:
            take = self._reached(condition.TpTriggerPrice, after, until, rising=not self.is_buy)
        if condition.ConditionType in _WITH_SL:
            stop = self._reached(condition.SlTriggerPrice, after, until, rising=self.is_buy)
        if take < 0 and stop < 0:
            return None
        first_is_take = take >= 0 and (stop < 0 or take <= stop)  # both at one tick: take profit
        self.state = ORDER_STATE_CLOSED
        self.order_price = float(condition.TpOrderPrice if first_is_take else condition.SlOrderPrice)
        return self.order_price

    def _reached(self, trigger: float, after: int, until: int, *, rising: bool) -> int:
        find = self.view.first_at_or_above if rising else self.view.first_at_or_below
        return find(nano(trigger), after, until)

    def structure(self) -> Order:
        """The order as strategies see it."""
        detail = self.detail
        order = Order(
            Id=self.id,
            Time=self.time_ms,
            Price=self.price,
            Amount=to_float(nano(self.amount)),
            DealAmount=0.0,
            AvgPrice=self.order_price,
            Type=0 if self.is_buy else 1,
            Offset=1 if self.is_close else 0,
            Status=self.state,
            Symbol=detail.symbol,
        )
        if detail.is_contract:
            order["ContractType"] = detail.contract_type
        order["Condition"] = Condition(self.condition)
        return order


class LiveConditions:
    """The live condition orders by id."""

    def __init__(self) -> None:
        self.orders: dict[int, ConditionOrder] = {}

    def has(self, symbol: str) -> bool:
        """Whether a symbol has a live one."""
        return any(order.detail.symbol == symbol for order in self.orders.values())

    def triggered(self) -> list[tuple[ConditionOrder, float]]:
        """Takes out those that the prices since the last check triggered, with the prices of their orders, by id."""
        found = []
        for order in list(self.orders.values()):
            price = order.check()
            order.view.consume()
            if price is not None:
                del self.orders[order.id]
                found.append((order, price))
        return found


def side_text(side: str, condition: Mapping[str, Any]) -> str:
    """What a log row shows as the direction of a condition order."""
    return f"{side},{json.dumps(dict(condition), separators=(',', ':'), default=str)}"
