"""OKX v5's algo orders ("Order Book Trading", "Algo Trading" in OKX's API guide)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from ....engine.accounts import TradingAccount
from ....engine.conditional.conditions import ConditionLeg, ConditionState, ConditionView, NewCondition, TriggerPrice
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.reasons import Reason, Rejected
from ..parameters import Item, ItemRefusal, OkxParams, OkxRefusal
from ..public.instruments import Instruments
from ..public.products import INST_TYPES, product_of
from ..trading.order_requests import OkxOrderReader
from ..trading.refusals import CANCEL_FAILED, refuse_order
from .requests import ALGO_TYPES, AlgoReader, wrong_side
from .rows import ALGO_STATES, AlgoRows

__all__ = ["AlgoOrders", "refused_algo"]

_OTHER_TYPES = ("chase", "twap", "iceberg", "smart_iceberg")
_ENDED = ("effective", "canceled", "order_failed", "partially_failed")
_KEPT_REQUEST_IDS = 1000


class AlgoOrders:
    """The handlers of algo orders.

    POST handlers take an account, one ``Item`` and the time, and return the row of the reply; GET handlers take an account, the
    query and the time, and return the rows of ``data``.

    Args:
        exchange: The exchange.
        instruments: Its instruments under OKX's names.
        reader: Finds instruments.
        algo_reader: Reads the fields of algo orders.
        rows: Renders them.

    Attributes:
        request_ids: The client's ids of changes, by algo id, for the channel ``orders-algo``.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        instruments: Instruments,
        reader: OkxOrderReader,
        algo_reader: AlgoReader,
        rows: AlgoRows,
    ) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._reader = reader
        self._algo_reader = algo_reader
        self._rows = rows
        self.request_ids: dict[int, str] = {}

    # --- placing, cancelling and changing ---

    def place(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """POST trade/order-algo.

        Raises:
            ItemRefusal: It is refused.
        """
        instrument = self._reader.instrument_of(item)
        with self._exchange.lock:  # so that the price it is compared with does not move before it is placed
            request = self._algo_reader.read(account, instrument, item)
            try:
                placed = self._exchange.conditions.place(account, request)
            except Rejected as error:
                raise self._refuse(error, instrument, request) from error
        return {
            "algoId": str(placed.condition_id),
            "algoClOrdId": request.client_id,
            "clOrdId": "",
            "sCode": "0",
            "sMsg": "",
            "tag": request.extra["tag"],
        }

    def _refuse(self, error: Rejected, instrument: Instrument, request: NewCondition) -> ItemRefusal:
        if error.reason is Reason.DUPLICATE_CLIENT_ID:
            return ItemRefusal("51065", "algoClOrdId already exists.")
        if error.reason is Reason.WOULD_TRIGGER:
            leg = self._exchange.conditions.reached(request) or request.legs[0]
            return wrong_side(leg, buys=request.order.side == "buy")
        if error.reason is Reason.TOO_MANY_ORDERS:
            return ItemRefusal("51299", f"Order did not go through. {error}")
        return refuse_order(error, instrument, request.order)

    def cancel(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One algo order of trade/cancel-algos.

        Raises:
            ItemRefusal: It is unknown or has triggered or ended.
        """
        self._reader.instrument_of(item)
        algo_id, own_id = _ids(item)
        try:
            algo = self._exchange.conditions.cancel(account, algo_id, own_id)
        except Rejected as error:
            known = self._known(account, algo_id, own_id)
            if known is not None and known.state in {ConditionState.TRIGGERED, ConditionState.FAILED}:
                raise ItemRefusal("51416", "Order has been triggered and can't be canceled") from error
            raise ItemRefusal(*CANCEL_FAILED) from error
        return {
            "algoId": str(algo.condition_id),
            "algoClOrdId": algo.request.client_id,
            "clOrdId": "",
            "sCode": "0",
            "sMsg": "",
            "tag": algo.request.extra["tag"],
        }

    def _known(self, account: TradingAccount, algo_id: int | None, own_id: str | None) -> ConditionView | None:
        try:
            return self._exchange.conditions.find(account, algo_id, own_id)
        except Rejected:
            return None

    def amend(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """POST trade/amend-algos: size, prices, and the kind of the trigger price.

        Raises:
            ItemRefusal: It is refused; with ``cxlOnFail`` the algo order has been cancelled.
        """
        instrument = self._reader.instrument_of(item)
        algo_id, own_id = _ids(item)
        cancels, request_id = item.flag("cxlOnFail"), item.optional("reqId") or ""
        known = self._known(account, algo_id, own_id)
        if known is None:
            raise ItemRefusal("51527", "Order modification unsuccessful. The stop order does not exist.")
        if known.state is not ConditionState.WAITING:
            raise ItemRefusal("51503", "Your order has already been filled or canceled.")
        try:
            with self._exchange.lock:
                self._remember(known.condition_id, request_id)
                changed = self._change(instrument, item, known.request)
                try:
                    self._exchange.conditions.amend(account, known.condition_id, None, lambda _: changed)
                except Rejected as error:
                    raise self._refuse(error, instrument, changed) from error
        except ItemRefusal:
            if cancels:
                self._exchange.conditions.cancel(account, known.condition_id)
            raise
        return {
            "algoId": str(known.condition_id),
            "algoClOrdId": known.request.client_id,
            "reqId": request_id,
            "sCode": "0",
            "sMsg": "",
        }

    def _remember(self, algo_id: int, request_id: str) -> None:
        self.request_ids[algo_id] = request_id
        if len(self.request_ids) > _KEPT_REQUEST_IDS:
            self.request_ids.pop(next(iter(self.request_ids)))

    def _change(self, instrument: Instrument, item: Item, request: NewCondition) -> NewCondition:
        if request.trail is not None:
            raise ItemRefusal("51506", "Order modification unavailable for the order type.")
        size = item.decimal("newSz")
        if size is not None and size <= 0:
            raise item.invalid("newSz")
        if size is not None and request.whole_position:
            raise ItemRefusal(
                "51524",
                "Unable to modify the order quantity of a stop order that closes an entire position. Please modify the trigger price "
                "instead.",
            )
        legs = self._new_legs(instrument, item, request)
        if size is None and legs == request.legs:
            raise ItemRefusal("51500", "You must enter a price, quantity, or TP/SL")
        order = request.order
        if size is not None:
            in_quote = order.quantity is None
            order = attrs.evolve(order, quote_quantity=size) if in_quote else attrs.evolve(order, quantity=size)
        return attrs.evolve(request, order=order, legs=legs)

    def _new_legs(self, instrument: Instrument, item: Item, request: NewCondition) -> tuple[ConditionLeg, ...]:
        if request.kind == "trigger":
            return (self._new_crossing(instrument, item, request.legs[0]),)
        legs = {leg.name: leg for leg in request.legs}
        for name in ("tp", "sl"):
            prefix = f"new{name.capitalize()}"
            sent = [item.decimal(f"{prefix}{field}") for field in ("TriggerPx", "OrdPx")]
            if sent == [None, None]:
                continue
            if name not in legs:
                raise ItemRefusal(
                    "51526",
                    "Order modification unsuccessful. Take profit/Stop loss conditions cannot be added to or removed from stop orders.",
                )
            if Decimal(0) in sent:
                del legs[name]
                continue
            leg = self._algo_reader.leg(
                instrument, _completed(item, prefix, legs[name]), name, buys=request.order.side == "buy", new=True
            )
            assert leg is not None  # one of the two prices was sent, and the other is the old one
            legs[name] = leg
        if not legs:
            raise ItemRefusal(
                "51531",
                "Order modification unsuccessful. The stop order must have either take profit or stop loss attached.",
            )
        return tuple(legs.values())

    def _new_crossing(self, instrument: Instrument, item: Item, leg: ConditionLeg) -> ConditionLeg:
        if item.optional("newTriggerPx") is None:
            return leg
        if item.optional("newOrdPx") is None:
            raise item.absent("newOrdPx")
        source = item.choice("newTriggerPxType", [kind.value for kind in TriggerPrice]) or "last"
        return self._algo_reader.crossing(instrument, item, "newTriggerPx", "newOrdPx", TriggerPrice(source))

    # --- asking ---

    def query(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/order-algo."""
        algo_id, own_id = params.integer("algoId"), params.optional("algoClOrdId")
        if algo_id is None and own_id is None:
            raise OkxRefusal("50015", "Either parameter algoId or algoClOrdId is required", 400)
        found = self._known(account, algo_id, own_id)
        if found is None:
            raise OkxRefusal("51603", "Order does not exist.")
        return [self._rows.describe(found)]

    def pending(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-algo-pending: newest first."""
        return self._page(account, params, lambda algo: algo.state is ConditionState.WAITING)

    def history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-algo-history: ended ones, newest first."""
        state = params.choice("state", _ENDED)
        if state is None and params.optional("algoId") is None:
            raise OkxRefusal("50015", "Either parameter state or algoId is required", 400)
        return self._page(
            account,
            params,
            lambda algo: algo.state is not ConditionState.WAITING and state in {None, ALGO_STATES[algo.state]},
        )

    def _page(
        self, account: TradingAccount, params: OkxParams, listed: Callable[[ConditionView], bool]
    ) -> list[dict[str, Any]]:
        kinds = set(params.required("ordType").split(","))
        if not kinds <= {*ALGO_TYPES, *_OTHER_TYPES} or (len(kinds) > 1 and kinds != {"conditional", "oco"}):
            raise params.invalid("ordType")
        inst_type, name = params.choice("instType", INST_TYPES), params.optional("instId")
        wanted = self._instruments.instrument(name).id if name is not None else None
        algo_id = params.integer("algoId")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)

        def _chosen(algo: ConditionView) -> bool:
            instrument = self._exchange.instrument(algo.request.order.instrument)
            return (
                listed(algo)
                and algo.request.kind in kinds
                and wanted in {None, instrument.id}
                and inst_type in {None, product_of(instrument).inst_type}
                and algo_id in {None, algo.condition_id}
            )

        found = self._exchange.conditions.page(
            account, _chosen, from_id=before + 1 if before is not None else None, below_id=after, limit=limit
        )
        return [self._rows.describe(algo) for algo in reversed(found)]


def refused_algo(error: ItemRefusal, item: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """The reply row of a refused algo order."""
    return {
        "algoId": "",
        "algoClOrdId": str(item.get("algoClOrdId") or ""),
        "clOrdId": "",
        "sCode": error.code,
        "sMsg": error.msg,
        "tag": str(item.get("tag") or ""),
    }


def _ids(item: Item) -> tuple[int | None, str | None]:
    """Algo id and client id of an item; the algo id takes precedence."""
    algo_id, own_id = item.optional("algoId"), item.optional("algoClOrdId")
    if algo_id is None and own_id is None:
        raise ItemRefusal("50015", "Either parameter algoId or algoClOrdId is required")
    if algo_id is not None and not re.fullmatch(r"[0-9]{1,19}", algo_id, re.ASCII):
        raise item.invalid("algoId")
    return (int(algo_id) if algo_id is not None else None), None if algo_id is not None else own_id


def _completed(item: Item, prefix: str, leg: ConditionLeg) -> Item:
    """The fields of a change, with those that were not sent as they are."""
    old = {
        f"{prefix}TriggerPx": f"{leg.price:f}",
        f"{prefix}OrdPx": f"{leg.order_price:f}" if leg.order_price is not None else "-1",
        f"{prefix}TriggerPxType": leg.source.value,
    }
    return Item({name: item.optional(name) or value for name, value in old.items()})
