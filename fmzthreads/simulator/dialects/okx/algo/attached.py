"""Take profits and stop losses attached to OKX v5's orders ("Place order", "attachAlgoOrds" in OKX's API guide)."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import attrs

from ....engine.conditional.conditions import ConditionLeg, NewCondition, TriggerPrice
from ....engine.events import Event, OrderEvent
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.orders import NewOrder, OrderView, TimeInForce
from ....engine.reasons import Rejected
from ...fields import plain_decimal
from ..parameters import Item, ItemRefusal
from ..public.products import product_of
from .requests import AlgoReader

__all__ = ["AttachedAlgos"]

_log = logging.getLogger(__name__)
_UNSUPPORTED = ("tpTriggerRatio", "slTriggerRatio", "callbackRatio", "callbackSpread", "activePx", "sz")
_AGAINST_PRICE = {
    ("tp", True): ("51046", "The take profit trigger price must be higher than the order price"),
    ("sl", True): ("51047", "The stop loss trigger price must be lower than the order price"),
    ("tp", False): ("51048", "The take profit trigger price must be lower than the order price"),
    ("sl", False): ("51049", "The stop loss trigger price must be higher than the order price"),
}
_AGAINST_BOOK = {
    ("tp", True): ("51050", "The take profit trigger price must be higher than the best ask price"),
    ("sl", True): ("51051", "The stop loss trigger price must be lower than the best ask price"),
    ("tp", False): ("51052", "The take profit trigger price must be lower than the best bid price"),
    ("sl", False): ("51053", "The stop loss trigger price must be higher than the best bid price"),
}


class AttachedAlgos:
    """Places the algo orders attached to an order once it has ended with fills.

    They travel in the order's own data, so that nothing needs to be kept beside it.

    Args:
        exchange: The exchange.
        reader: Reads the fields of algo orders.
    """

    def __init__(self, exchange: SimulatedExchange, reader: AlgoReader) -> None:
        self._exchange = exchange
        self._reader = reader
        self._listens = False

    def read(self, instrument: Instrument, item: Item, order: NewOrder) -> NewOrder:
        """The order with what is attached to it.

        Raises:
            ItemRefusal: A field is wrong, or a trigger price lies on the wrong side of the order's price.
        """
        rows = item.objects("attachAlgoOrds")
        if not rows:
            return order
        if len(rows) > 1:
            raise item.invalid("attachAlgoOrds")  # several take profits for parts of an order are not simulated
        row, buys = rows[0], order.side == "buy"
        for name in _UNSUPPORTED:
            if row.optional(name) is not None:
                raise row.invalid(name)
        own_id = row.matching("attachAlgoClOrdId", r"[A-Za-z0-9]{1,32}") or ""
        legs = [self._reader.leg(instrument, row, name, buys=not buys) for name in ("tp", "sl")]
        found = [leg for leg in legs if leg is not None]
        if not found:
            raise ItemRefusal("50015", "Either parameter tpTriggerPx or slTriggerPx is required")
        for leg in found:
            self._check_side(instrument, order, leg, buys=buys)
        attached = {"attachAlgoId": "", "attachAlgoClOrdId": own_id, "tpOrdKind": "condition", "sz": ""}
        for name, chosen in zip(("tp", "sl"), legs, strict=True):
            attached.update(_leg_row(name, chosen))
        if not self._listens:
            self._listens = True
            self._exchange.subscribe(self._ended, (OrderEvent,))
        return attrs.evolve(order, extra={**order.extra, "attach": json.dumps([attached])})

    def _check_side(self, instrument: Instrument, order: NewOrder, leg: ConditionLeg, *, buys: bool) -> None:
        price, refusals = order.price, _AGAINST_PRICE
        if price is None:
            depth, refusals = self._exchange.depth(instrument.id, 1), _AGAINST_BOOK
            side = depth.asks if buys else depth.bids
            price = side[0][0] if side else None
        if price is not None and (leg.price <= price if leg.rising else leg.price >= price):
            raise ItemRefusal(*refusals[leg.name, buys])

    def _ended(self, event: Event) -> None:
        """Places what is attached to an order that has ended; called under the exchange's lock."""
        if not isinstance(event, OrderEvent):
            return
        order = event.order
        if not order.state.final or not order.filled or "attach" not in order.extra:
            return
        for row in json.loads(order.extra["attach"]):
            try:
                self._exchange.conditions.place(
                    self._exchange.account(order.account), self._request(order, row), refuse_reached=False
                )
            except Rejected as error:
                _log.warning("the algo order attached to order %d was refused: %s", order.order_id, error)

    def _request(self, order: OrderView, row: dict[str, Any]) -> NewCondition:
        instrument = self._exchange.instrument(order.instrument)
        legs = tuple(
            leg for leg in (_read_leg(row, name, order.side == "buy") for name in ("tp", "sl")) if leg is not None
        )
        contracts = product_of(instrument).contracts
        size = order.filled
        if not contracts and order.fee_asset == instrument.base:
            size -= order.fee  # the fee was taken from what was bought
            size -= size % instrument.step
        kind, own_id = "oco" if len(legs) > 1 else "conditional", row["attachAlgoClOrdId"]
        extra = {
            **{name: value for name, value in order.extra.items() if name not in {"attach", "ordType"}},
            "reduceOnly": "true" if contracts else "false",
            "source": "7",
            "algoClOrdId": own_id,
        }
        child = self._child(order, size, extra, contracts=contracts)
        return NewCondition(
            order=child,
            legs=legs,
            kind=kind,
            client_id=own_id,
            with_position=contracts,
            extra={"tag": extra.get("tag", "")},
        )

    @staticmethod
    def _child(order: OrderView, size: Decimal, extra: dict[str, str], *, contracts: bool) -> NewOrder:
        """The order that closes what the first one opened."""
        return NewOrder(
            instrument=order.instrument,
            side="sell" if order.side == "buy" else "buy",
            type="market",
            quantity=size,
            time_in_force=TimeInForce.GTC,
            position_side=order.position_side,
            reduce_only=contracts and order.position_side == "net",
            isolated=order.isolated if contracts else None,
            self_trade=order.self_trade,
            extra=extra,
        )


def _leg_row(name: str, leg: ConditionLeg | None) -> dict[str, str]:
    if leg is None:
        return {f"{name}TriggerPx": "", f"{name}TriggerPxType": "", f"{name}OrdPx": ""}
    return {
        f"{name}TriggerPx": plain_decimal(leg.price),
        f"{name}TriggerPxType": leg.source.value,
        f"{name}OrdPx": plain_decimal(leg.order_price) if leg.order_price is not None else "-1",
    }


def _read_leg(row: dict[str, Any], name: str, bought: bool) -> ConditionLeg | None:
    """The leg of a rendered row; the order that it places sells what was bought."""
    if not row[f"{name}TriggerPx"]:
        return None
    price = row[f"{name}OrdPx"]
    return ConditionLeg(
        name=name,
        price=Decimal(row[f"{name}TriggerPx"]),
        rising=bought is (name == "tp"),
        source=TriggerPrice(row[f"{name}TriggerPxType"]),
        order_price=Decimal(price) if price != "-1" else None,
    )
