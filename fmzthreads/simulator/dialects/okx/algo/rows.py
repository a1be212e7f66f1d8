"""OKX v5's rows of algo orders ("Algo order list", "Algo orders channel" in OKX's API guide)."""

from __future__ import annotations

from typing import Any

from ....engine.conditional.conditions import ConditionLeg, ConditionState, ConditionView
from ....engine.exchange import SimulatedExchange
from ....engine.orders import TimeInForce
from ...fields import plain_decimal
from ..public.instruments import Instruments
from ..public.products import product_of
from ..trading.order_rows import OrderRows
from ..trading.refusals import refuse_order

__all__ = ["ALGO_STATES", "AlgoRows"]

ALGO_STATES = {
    ConditionState.WAITING: "live",
    ConditionState.TRIGGERED: "effective",
    ConditionState.CANCELED: "canceled",
    ConditionState.FAILED: "order_failed",
}
"""OKX's names of the states of algo orders."""

_ADVANCED = (TimeInForce.FOK, TimeInForce.IOC)


class AlgoRows:
    """Renders algo orders.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        orders: Renders what they share with orders.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, orders: OrderRows) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._orders = orders

    def describe(self, algo: ConditionView) -> dict[str, Any]:
        """An algo order in the format of queries and lists."""
        request, order = algo.request, algo.request.order
        instrument = self._exchange.instrument(order.instrument)
        product = product_of(instrument)
        legs = {leg.name: leg for leg in request.legs}
        size = order.quantity if order.quantity is not None else order.quote_quantity
        child = str(algo.order_id) if algo.order_id is not None else ""
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType=product.inst_type,
            instId=self._instruments.name(instrument.id),
            algoId=str(algo.condition_id),
            algoClOrdId=request.client_id,
            ordId=child,
            ordIdList=[child] if child else [],
            subAlgoIdList=[],
            sz=plain_decimal(size) if size is not None else "",
            closeFraction="1" if request.whole_position else "",
            ordType=request.kind,
            side=order.side,
            **self._orders.terms(algo.account, order),
            tgtCcy="quote_ccy" if order.quote_quantity is not None else "",
            state=ALGO_STATES[algo.state],
            advanceOrdType=order.time_in_force.value.lower() if order.time_in_force in _ADVANCED else "",
            actualSz=plain_decimal(algo.order_quantity) if algo.order_quantity is not None else "0",
            actualPx=plain_decimal(algo.order_price) if algo.order_price is not None else "",
            actualSide=algo.leg.name if algo.leg is not None else "",
            tag=request.extra.get("tag", ""),
            triggerTime=str(algo.triggered_ms) if algo.triggered_ms >= 0 else "",
            last=plain_decimal(algo.placed_last),
            failCode=self._fail_code(algo),
            amendPxOnTriggerType="0",
            attachAlgoOrds=[],
            linkedOrd={"ordId": ""},
            cTime=str(algo.created_ms),
            uTime=str(algo.updated_ms),
            **_leg_fields("tp", legs.get("tp")),
            **_leg_fields("sl", legs.get("sl")),
            **_trigger_fields(legs.get("")),
            **_trail_fields(algo),
        )
        return row

    def _fail_code(self, algo: ConditionView) -> str:
        if algo.failure is None:
            return ""
        order = algo.request.order
        return str(refuse_order(algo.failure, self._exchange.instrument(order.instrument), order).code)


def _leg_fields(name: str, leg: ConditionLeg | None) -> dict[str, str]:
    if leg is None:
        return {f"{name}TriggerPx": "", f"{name}TriggerPxType": "", f"{name}OrdPx": ""}
    return {
        f"{name}TriggerPx": plain_decimal(leg.price),
        f"{name}TriggerPxType": leg.source.value,
        f"{name}OrdPx": plain_decimal(leg.order_price) if leg.order_price is not None else "-1",
    }


def _trigger_fields(leg: ConditionLeg | None) -> dict[str, str]:
    if leg is None:
        return {"triggerPx": "", "triggerPxType": "", "ordPx": ""}
    return {
        "triggerPx": plain_decimal(leg.price),
        "triggerPxType": leg.source.value,
        "ordPx": plain_decimal(leg.order_price) if leg.order_price is not None else "-1",
    }


def _trail_fields(algo: ConditionView) -> dict[str, str]:
    trail = algo.request.trail
    values = {
        "callbackRatio": trail.ratio if trail is not None else None,
        "callbackSpread": trail.spread if trail is not None else None,
        "activePx": trail.activation if trail is not None else None,
        "moveTriggerPx": algo.trail_price,
    }
    return {name: plain_decimal(value) if value is not None else "" for name, value in values.items()}


# The fields that are always empty.
_EMPTY_FIELDS = (
    "advChaseParams", "chaseType", "chaseVal", "clOrdId", "isTradeBorrowMode", "maxChaseType", "maxChaseVal", "pxLimit",
    "pxSpread", "pxVar", "quickMgnType", "szLimit", "timeInterval",
)  # fmt: skip
