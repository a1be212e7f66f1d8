"""Conditional orders of contracts: the algo service, in use since 2025-12-09 ("New Algo Order" in Binance's documentation)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....engine.conditional.conditions import (
    ConditionLeg,
    ConditionState,
    ConditionView,
    NewCondition,
    Trail,
    TriggerPrice,
)
from ....engine.exchange import SimulatedExchange
from ....engine.orders import Finish, TimeInForce
from ....engine.reasons import Rejected
from ..parameters import BinanceParams, BinanceRefusal, malformed
from .families import ALGO_TYPES, ContractSymbols, refuse_contract_order
from .market import plain
from .order_reader import CLIENT_ID, ContractOrderReader, read_side
from .orders import read_span

__all__ = ["ConditionalOrders", "algo_status"]

_UNKNOWN_ORDER = (-2011, "Unknown order sent.")
_SOURCES = {"CONTRACT_PRICE": TriggerPrice.LAST, "MARK_PRICE": TriggerPrice.MARK}
_SIDES = {"net": "BOTH", "long": "LONG", "short": "SHORT"}
_LOWEST_RATE, _HIGHEST_RATE = Decimal("0.1"), Decimal(20)


def algo_status(exchange: SimulatedExchange, account: TradingAccount, view: ConditionView) -> str:
    """Binance's word for the state of a conditional order; FINISHED once the order that it placed has ended."""
    if view.state is ConditionState.TRIGGERED and view.order_id is not None:
        order = exchange.order(account, view.request.order.instrument, view.order_id)
        return "FINISHED" if order.state.final else "TRIGGERED"
    return {
        ConditionState.WAITING: "NEW", ConditionState.TRIGGERED: "TRIGGERED", ConditionState.FAILED: "REJECTED",
        ConditionState.CANCELED: "CANCELED" if view.finish is not Finish.SYSTEM else "EXPIRED",
    }[view.state]  # fmt: skip


class ConditionalOrders:
    """The handlers of conditional orders.

    Args:
        exchange: The exchange that keeps them.
        symbols: Its instruments under Binance's names.
        reader: Reads what conditional and ordinary orders have in common.
    """

    def __init__(self, exchange: SimulatedExchange, symbols: ContractSymbols, reader: ContractOrderReader) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._reader = reader

    # --- placing ---

    def place(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """POST algoOrder.

        Raises:
            BinanceRefusal: A parameter is missing or does not fit, or -2021 if it would trigger at once.
        """
        params.choice("algoType", ("CONDITIONAL",), required=True)
        instrument, side = self._symbols.instrument(params.symbol()), read_side(params)
        kind = params.choice("type", ALGO_TYPES, BinanceRefusal(-1116, "Invalid orderType."), required=True) or ""
        limit = kind in {"STOP", "TAKE_PROFIT"}
        whole = params.flag("closePosition", False)
        quantity = params.decimal("quantity")
        self._check_close(params, kind, whole, quantity)
        source = params.choice(
            "workingType", _SOURCES, BinanceRefusal(-4031, "Invalid parameter working type"),
        ) or "CONTRACT_PRICE"  # fmt: skip
        price = self._reader.price(params, instrument, limit, side)
        force = (
            params.choice("timeInForce", ("GTC", "IOC", "FOK", "GTX"), BinanceRefusal(-1115, "Invalid timeInForce."))
            or "GTC"
        )
        client_id = params.matching("clientAlgoId", CLIENT_ID) or uuid.uuid4().hex[:22]
        leg, trail = self._trigger(params, kind, side, _SOURCES[source], price)
        extra = {"origType": kind, "workingType": source, "timeInForce": force}
        if whole:
            extra["closePosition"] = "true"
        if leg is not None:
            extra["stopPrice"] = plain(leg.price)
        order = self._reader.order(
            account, params, instrument, side, price, quantity, TimeInForce.POST_ONLY if force == "GTX" else TimeInForce(force),
            id_name="clientAlgoId", extra=extra,
        )  # fmt: skip
        placed = NewCondition(
            order=attrs.evolve(order, client_id=client_id, reduce_only=order.reduce_only or whole), legs=(leg,) if leg is not None else (), trail=trail,
            kind=kind, client_id=client_id, whole_position=whole, extra=extra,
        )  # fmt: skip
        try:
            view = self._exchange.conditions.place(account, placed)
        except Rejected as error:
            raise refuse_contract_order(self._symbols.family, error, instrument) from error
        params.accepted, params.weight = True, 0
        return self.row(account, view)

    @staticmethod
    def _check_close(params: BinanceParams, kind: str, whole: bool, quantity: Decimal | None) -> None:
        if whole and quantity is not None:
            raise BinanceRefusal(-4137, "Quantity must be zero with closePosition equals true")
        if whole and ("reduceOnly" in params or not kind.endswith("_MARKET") or kind.startswith("TRAILING")):
            raise BinanceRefusal(-1106, "Parameter 'closeposition' sent when not required.")
        if not whole and quantity is None:
            raise malformed("quantity")

    @staticmethod
    def _trigger(
        params: BinanceParams, kind: str, side: str, source: TriggerPrice, price: Decimal | None
    ) -> tuple[ConditionLeg | None, Trail | None]:
        """The trigger price, or the trail of a trailing stop."""
        if kind == "TRAILING_STOP_MARKET":
            rate = params.decimal("callbackRate")
            if rate is None:
                raise malformed("callbackRate")
            if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
                raise BinanceRefusal(-2007, "Invalid callBack rate")
            return None, Trail(ratio=rate / 100, activation=params.decimal("activatePrice"), source=source)
        trigger = params.decimal("triggerPrice")
        if not trigger:
            raise malformed("triggerPrice")
        rising = (side == "buy") == kind.startswith("STOP")  # a take-profit triggers the other way
        return ConditionLeg(price=trigger, rising=rising, source=source, order_price=price), None

    # --- cancelling and asking ---

    def _find(self, account: TradingAccount, params: BinanceParams, missing: tuple[int, str]) -> ConditionView:
        algo_id, client_id = params.integer("algoId"), params.optional("clientAlgoId")
        if algo_id is None and client_id is None:
            raise BinanceRefusal(-1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!")
        try:
            return self._exchange.conditions.find(account, algo_id, client_id)
        except Rejected:
            raise BinanceRefusal(*missing) from None

    def cancel(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE algoOrder."""
        view = self._find(account, params, _UNKNOWN_ORDER)
        try:
            self._exchange.conditions.cancel(account, view.condition_id)
        except Rejected:  # it has triggered or ended
            raise BinanceRefusal(*_UNKNOWN_ORDER) from None
        answer = {"algoId": view.condition_id, "clientAlgoId": view.request.client_id}
        return {**answer, "code": "200", "msg": "success"}

    def cancel_open(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """DELETE algoOpenOrders: all of one symbol."""
        name = self._symbols.instrument(params.symbol()).id
        self._exchange.conditions.cancel_where(account, lambda request: request.order.instrument == name, Finish.USER)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: TradingAccount, params: BinanceParams) -> dict[str, Any]:
        """GET algoOrder."""
        return self.row(account, self._find(account, params, (-2013, "Order does not exist.")), queried=True)

    def open(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET openAlgoOrders."""
        params.weight = 1 if "symbol" in params else 40
        name = self._symbols.instrument(params.symbol()).id if "symbol" in params else None
        algo_id = params.integer("algoId")
        return [
            self.row(account, view, queried=True)
            for view in self._exchange.conditions.waiting(account)
            if name in {None, view.request.order.instrument} and algo_id in {None, view.condition_id}
        ]

    def all(self, account: TradingAccount, params: BinanceParams) -> list[dict[str, Any]]:
        """GET allAlgoOrders, of one symbol, oldest first."""
        name, (start, end) = self._symbols.instrument(params.symbol()).id, read_span(params)

        def _wanted(view: ConditionView) -> bool:
            timed = (start is None or view.created_ms >= start) and (end is None or view.created_ms <= end)
            return timed and view.request.order.instrument == name

        found = self._exchange.conditions.page(
            account, _wanted, from_id=params.integer("algoId"), limit=params.limit(500, 1000)
        )
        return [self.row(account, view, queried=True) for view in found]

    # --- writing ---

    def row(self, account: TradingAccount, view: ConditionView, *, queried: bool = False) -> dict[str, Any]:
        """A conditional order in the format of answers; queries also name the order that it placed."""
        request = view.request
        order, trail = request.order, request.trail
        leg = request.legs[0] if request.legs else None
        row = {
            "algoId": view.condition_id, "clientAlgoId": request.client_id, "algoType": "CONDITIONAL", "orderType": request.kind,
            "symbol": self._symbols.name(order.instrument), "side": order.side.upper(), "positionSide": _SIDES[order.position_side],
            "timeInForce": request.extra["timeInForce"], "quantity": plain(order.quantity or Decimal(0)),
            "algoStatus": algo_status(self._exchange, account, view), "triggerPrice": plain(leg.price) if leg is not None else "0",
            "price": plain(order.price or Decimal(0)), "icebergQuantity": None, "selfTradePreventionMode": order.self_trade.name,
            "workingType": request.extra["workingType"], "priceMatch": order.extra.get("priceMatch", "NONE"),
            "closePosition": request.whole_position, "priceProtect": False,
            "reduceOnly": order.reduce_only and not request.whole_position and order.position_side == "net",
            "activatePrice": plain(trail.activation) if trail is not None and trail.activation is not None else "",
            "callbackRate": plain((trail.ratio or Decimal(0)) * 100) if trail is not None else "", "createTime": view.created_ms,
            "updateTime": view.updated_ms, "triggerTime": max(0, view.triggered_ms), "goodTillDate": 0,
        }  # fmt: skip
        if queried:
            actual = self._actual(account, view)
            row.update(actual)
        return row

    def _actual(self, account: TradingAccount, view: ConditionView) -> dict[str, Any]:
        """The order that a conditional one placed."""
        if view.order_id is None:
            return {"actualOrderId": "", "actualPrice": "0", "actualType": "", "actualQty": "0"}
        order = self._exchange.order(account, view.request.order.instrument, view.order_id)
        return {
            "actualOrderId": str(view.order_id), "actualPrice": plain(order.average_price or Decimal(0)), "actualType": order.type.upper(),
            "actualQty": plain(order.filled),
        }  # fmt: skip
