"""OKX v5's rows of orders and fills ("Order details", "Transaction details" in OKX's API guide)."""

from __future__ import annotations

import json
from typing import Any

from ....engine.exchange import SimulatedExchange
from ....engine.orders import FillView, Finish, NewOrder, OrderOrigin, OrderView, State, TimeInForce
from ...fields import plain_decimal
from ..public.instruments import Instruments
from ..public.products import product_of
from .order_requests import SELF_TRADE

__all__ = ["STATES", "OrderRows", "order_type", "sub_type"]

_STP_MODES = {mode: name for name, mode in SELF_TRADE.items()}
STATES = {
    State.NEW: "live",
    State.PARTIALLY_FILLED: "partially_filled",
    State.FILLED: "filled",
    State.CANCELED: "canceled",
    State.EXPIRED: "canceled",
}
"""OKX's names of the states of orders."""

_CANCEL_SOURCE = {
    Finish.USER: "1",
    Finish.FOK: "13",
    Finish.IOC: "14",
    Finish.POST_ONLY: "31",
    Finish.SELF_TRADE: "32",
    Finish.SYSTEM: "0",
    Finish.TIMER: "20",
    Finish.NO_LIQUIDITY: "0",
    Finish.REDUCE_ONLY: "23",
    Finish.LIQUIDATION: "3",
    Finish.DELIVERY: "7",
}
_CATEGORIES = {
    OrderOrigin.USER: "normal",
    OrderOrigin.LIQUIDATION: "full_liquidation",
    OrderOrigin.ADL: "adl",
    OrderOrigin.DELIVERY: "delivery",
}


class OrderRows:
    """Renders orders and fills.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments) -> None:
        self._exchange = exchange
        self._instruments = instruments

    def describe(self, order: OrderView) -> dict[str, Any]:
        """An order in the format of queries and lists."""
        last = order.fills[-1] if order.fills else None
        in_quote = order.quantity is None
        kind, product = order_type(order), product_of(self._exchange.instrument(order.instrument))
        market = kind in {"market", "optimal_limit_ioc"}
        spot_market = market and not product.contracts
        size = order.quote_quantity if order.quantity is None else order.quantity
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType=product.inst_type,
            instId=self._instruments.name(order.instrument),
            tgtCcy=("quote_ccy" if in_quote else "base_ccy") if spot_market else "",
            ordId=str(order.order_id),
            clOrdId=order.client_id,
            tag=order.extra.get("tag", ""),
            px=plain_decimal(order.price) if order.price is not None and not market else "",
            sz=plain_decimal(size),
            pnl=plain_decimal(order.profit),
            ordType=kind,
            algoId=order.extra.get("condition", ""),
            algoClOrdId=order.extra.get("algoClOrdId", ""),
            source=order.extra.get("source", ""),
            side=order.side,
            **self.terms(order.account, order),
            accFillSz=plain_decimal(order.filled),
            fillPx=plain_decimal(last.price) if last else "",
            tradeId=str(last.trade_id) if last else "",
            fillSz=plain_decimal(last.quantity) if last else "0",
            fillTime=str(last.time_ms) if last else "",
            avgPx=plain_decimal(order.average_price) if order.average_price is not None else "",
            state=STATES[order.state],
            stpMode=_STP_MODES.get(order.self_trade, "cancel_maker"),
            feeCcy=order.fee_asset,
            fee=plain_decimal(-order.fee),
            rebateCcy=self._other_asset(order),
            rebate="0",
            category=_CATEGORIES[order.origin],
            isTpLimit="false",
            cancelSource=_CANCEL_SOURCE.get(order.finish, ""),
            attachAlgoOrds=json.loads(order.extra.get("attach", "[]")),
            linkedAlgoOrd={"algoId": ""},
            uTime=str(order.updated_ms),
            cTime=str(order.created_ms),
        )
        return row

    def terms(self, account: str, order: OrderView | NewOrder) -> dict[str, str]:
        """What the rows of orders and algo orders share."""
        instrument = self._exchange.instrument(order.instrument)
        if not product_of(instrument).contracts:
            return {
                "posSide": "net",
                "tdMode": "cash",
                "lever": "",
                "reduceOnly": order.extra.get("reduceOnly", "false"),
                "tradeQuoteCcy": instrument.quote,
            }
        isolated, reduces = bool(order.isolated), order.reduces if isinstance(order, NewOrder) else order.reduce_only
        leverage = self._exchange.contracts.leverage(
            self._exchange.account(account), instrument.id, order.position_side, isolated
        )
        return {
            "posSide": order.position_side,
            "tdMode": "isolated" if isolated else "cross",
            "lever": str(leverage),
            "reduceOnly": "true" if reduces else "false",
            "ccy": instrument.settle,
            "tradeQuoteCcy": "",
        }

    def _other_asset(self, order: OrderView) -> str:
        instrument = self._exchange.instrument(order.instrument)
        if instrument.terms is not None:
            return instrument.settle
        return instrument.quote if order.fee_asset == instrument.base else instrument.base

    def describe_fill(self, fill: FillView) -> dict[str, Any]:
        """A fill."""
        product = product_of(self._exchange.instrument(fill.instrument))
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FILL_FIELDS, "")
        row.update(
            instType=product.inst_type,
            instId=self._instruments.name(fill.instrument),
            tradeId=str(fill.trade_id),
            ordId=str(fill.order_id),
            clOrdId=fill.client_id,
            billId=str(fill.fill_id),
            subType=sub_type(fill),
            fillPx=plain_decimal(fill.price),
            fillSz=plain_decimal(fill.quantity),
            fillPnl=plain_decimal(fill.profit),
            side=fill.side,
            posSide=fill.position_side,
            execType="M" if fill.is_maker else "T",
            feeCcy=fill.fee_asset,
            fee=plain_decimal(-fill.fee),
            feeRate="" if product.contracts else plain_decimal(-fill.fee_rate),
            ts=str(fill.time_ms),
            fillTime=str(fill.time_ms),
            tradeQuoteCcy="" if product.contracts else self._exchange.instrument(fill.instrument).quote,
        )
        return row


# The fields of a spot order or fill that are always empty.
_EMPTY_FIELDS = (
    "attachAlgoClOrdId", "cancelSourceReason", "ccy", "pxType", "pxUsd", "pxVol", "quickMgnType",
    "slOrdPx", "slTriggerPx", "slTriggerPxType", "stpId", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType",
)  # fmt: skip
_EMPTY_FILL_FIELDS = (
    "fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd", "fillPxVol", "tag",
)  # fmt: skip


def order_type(order: OrderView | NewOrder) -> str:
    """An order's ``ordType``."""
    if "ordType" in order.extra:  # a contract's market order is a limit order at the price limit
        return order.extra["ordType"]
    if order.type == "market":
        return "market"
    return "limit" if order.time_in_force is TimeInForce.GTC else order.time_in_force.value.lower()


def sub_type(fill: FillView) -> str:
    """A fill's ``subType``."""
    side = fill.position_side
    if side == "net":
        return "1" if fill.side == "buy" else "2"
    opens = (side == "long") is (fill.side == "buy")
    return {("long", True): "3", ("short", True): "4", ("long", False): "5", ("short", False): "6"}[side, opens]
