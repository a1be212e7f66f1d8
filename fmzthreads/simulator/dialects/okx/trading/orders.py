"""OKX v5's orders for spot ("Order Book Trading", "Trade" in OKX's API guide)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from ....engine.accounts import OrderRecord, TradingAccount
from ....engine.book import SelfTrade
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.orders import FillView, Finish, NewOrder, OrderView, State, TimeInForce
from ....engine.reasons import Rejected
from ...fields import plain_decimal
from ..parameters import Item, ItemRefusal, OkxParams, OkxRefusal, client_id
from ..public.market import Instruments, OkxMarket
from .refusals import CANCEL_FAILED, NO_INSTRUMENT, NOT_OPEN, refuse_amendment, refuse_order

__all__ = ["OkxOrders"]

_CLOSED = ("filled", "canceled", "mmp_canceled")
_KEPT_REQUEST_IDS = 1000
_TYPES: dict[str, tuple[Literal["limit", "market"], TimeInForce]] = {
    "market": ("market", TimeInForce.GTC),
    "limit": ("limit", TimeInForce.GTC),
    "post_only": ("limit", TimeInForce.POST_ONLY),
    "fok": ("limit", TimeInForce.FOK),
    "ioc": ("limit", TimeInForce.IOC),
}
_SELF_TRADE = {
    "cancel_maker": SelfTrade.EXPIRE_MAKER,
    "cancel_taker": SelfTrade.EXPIRE_TAKER,
    "cancel_both": SelfTrade.EXPIRE_BOTH,
}
_STP_MODES = {mode: name for name, mode in _SELF_TRADE.items()}
_STATES = {
    State.NEW: "live",
    State.PARTIALLY_FILLED: "partially_filled",
    State.FILLED: "filled",
    State.CANCELED: "canceled",
    State.EXPIRED: "canceled",
}
_CANCEL_SOURCE = {
    Finish.USER: "1",
    Finish.FOK: "13",
    Finish.IOC: "14",
    Finish.POST_ONLY: "31",
    Finish.SELF_TRADE: "32",
    Finish.SYSTEM: "0",
    Finish.TIMER: "20",
    Finish.NO_LIQUIDITY: "0",
}
_TAG = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")
_FORGET_UNFILLED_MS = 2 * 3_600_000


class OkxOrders:
    """The handlers of the trade endpoints.

    POST handlers take an account, one ``Item`` and the time, and return the row of the reply; GET handlers take an account, the
    query and the time, and return the rows of ``data``.
    """

    def __init__(self, exchange: SimulatedExchange, instruments: Instruments, market: OkxMarket) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._market = market
        self.request_ids: dict[int, str] = {}  # of amendments, by order id, for the channel "orders"

    def instrument_of(self, item: Item) -> Instrument:
        """The instrument of an item, by ``instId`` or else by ``instIdCode``.

        Raises:
            ItemRefusal: 50014 if both are absent, 51001 if the instrument is unknown.
        """
        name = item.optional("instId")
        if name is None:
            code = item.optional("instIdCode")
            if code is None:
                raise ItemRefusal("50014", "Parameter instId can not be empty.")
            found = self._instruments.by_code(int(code)) if code.isascii() and code.isdigit() else None
        else:
            found = self._instruments.find(name)
        if found is None:
            raise ItemRefusal(*NO_INSTRUMENT)
        return found

    # --- placing ---

    def place(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One order of trade/order or trade/batch-orders.

        Raises:
            ItemRefusal: The order is refused.
        """
        instrument = self.instrument_of(item)
        order = self._read_order(instrument, item)
        try:
            placed = self._exchange.place(account, order)
        except Rejected as error:
            raise refuse_order(error, instrument, order) from error
        return {
            "ordId": str(placed.order_id),
            "clOrdId": placed.client_id,
            "tag": placed.extra["tag"],
            "ts": str(placed.created_ms),
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        }

    def _read_order(self, instrument: Instrument, item: Item) -> NewOrder:
        mode = item.choice("tdMode", ("cash", "cross", "isolated", "spot_isolated"), required=True)
        side = item.choice("side", ("buy", "sell"), required=True)
        kind, force = _TYPES[item.choice("ordType", _TYPES, required=True) or ""]
        item.required("sz")
        size = item.decimal("sz")
        price = item.decimal("px") if kind == "limit" else None
        if mode != "cash":
            raise ItemRefusal("51010", "Request unsupported under current account mode")
        if item.optional("posSide") not in {None, "net"}:
            raise ItemRefusal("51000", "Parameter posSide error")
        if item.present("attachAlgoOrds"):
            raise ItemRefusal("51000", "Parameter attachAlgoOrds error")  # stop orders are not simulated
        if size is None or size <= 0:
            raise ItemRefusal("51000", "Parameter sz error")
        target = item.choice("tgtCcy", ("base_ccy", "quote_ccy"))
        in_quote = kind == "market" and (target or ("quote_ccy" if side == "buy" else "base_ccy")) == "quote_ccy"
        return NewOrder(
            instrument=instrument.id,
            side="buy" if side == "buy" else "sell",
            type=kind,
            price=self._price(instrument, item, price, buys=side == "buy") if kind == "limit" else None,
            quantity=None if in_quote else size,
            quote_quantity=size if in_quote else None,
            time_in_force=force,
            post_only_cancels=True,
            client_id=client_id(item) or "",
            self_trade=_stp_mode(item, force),
            extra={"tag": _tag(item), "reduceOnly": "true" if item.flag("reduceOnly") else "false"},
        )

    def _price(self, instrument: Instrument, item: Item, price: Decimal | None, *, buys: bool) -> Decimal:
        """The limit price within the price limits; adjusted to them if ``pxAmendType`` says so.

        Raises:
            ItemRefusal: 51204 if it is missing, 51000 if it is not above 0, 51137 or 51138 if it is outside the price limits.
        """
        if price is None:
            raise ItemRefusal("51204", "The price for the limit order cannot be empty.")
        if price <= 0:
            raise ItemRefusal("51000", "Parameter px error")
        clip = item.choice("pxAmendType", ("0", "1")) == "1"
        band = self._market.price_band(instrument)
        if band is None:
            return price
        low, high = band
        if buys and price > high:
            if clip:
                return high
            raise ItemRefusal("51137", f"The highest price limit for buy orders is {plain_decimal(high)}.")
        if not buys and price < low:
            if clip:
                return low
            raise ItemRefusal("51138", f"The lowest price limit for sell orders is {plain_decimal(low)}.")
        return price

    # --- cancelling and changing ---

    def cancel(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One order of trade/cancel-order or trade/cancel-batch-orders.

        Raises:
            ItemRefusal: The order is refused.
        """
        instrument = self.instrument_of(item)
        order_id, own_id = self._ids(item)
        try:
            order = self._exchange.cancel(account, instrument.id, order_id, None if order_id is not None else own_id)
        except Rejected as error:
            raise ItemRefusal(*CANCEL_FAILED) from error
        return {
            "ordId": str(order.order_id),
            "clOrdId": order.client_id,
            "ts": str(now_ms),
            "sCode": "0",
            "sMsg": "",
        }

    def amend(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One order of trade/amend-order or trade/amend-batch-orders; ``newSz`` is the total size, including fills.

        Raises:
            ItemRefusal: It is refused; with ``cxlOnFail`` the order has been cancelled.
        """
        instrument = self.instrument_of(item)
        order_id, own_id = self._ids(item)
        own_id = None if order_id is not None else own_id
        size, price = item.decimal("newSz"), item.decimal("newPx")
        if size is None and price is None:
            raise ItemRefusal("51500", "You must enter a price, quantity, or TP/SL")
        cancels, request_id = item.flag("cxlOnFail"), item.optional("reqId") or ""
        try:
            with self._exchange.lock:
                order = self._exchange.order(account, instrument.id, order_id, own_id)
                if price is not None:
                    price = self._price(instrument, item, price, buys=order.side == "buy")
                self.request_ids[order.order_id] = request_id
                order = self._exchange.amend(account, instrument.id, order.order_id, price=price, quantity=size)
        except Rejected as error:
            if cancels and error.reason not in NOT_OPEN:
                self._exchange.cancel(account, instrument.id, order_id, own_id)
            raise refuse_amendment(error) from error
        finally:
            if len(self.request_ids) > _KEPT_REQUEST_IDS:
                self.request_ids.pop(next(iter(self.request_ids)))
        return {
            "ordId": str(order.order_id),
            "clOrdId": order.client_id,
            "ts": str(now_ms),
            "reqId": request_id,
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        }

    def precheck(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """POST trade/order-precheck: the effect of an order on the balance; places nothing.

        Raises:
            OkxRefusal: The order would be refused.
        """
        item = Item(params.items[0])
        try:
            instrument = self.instrument_of(item)
            order = self._read_order(instrument, item)
            self._exchange.check(account, order)
        except Rejected as error:
            refused = refuse_order(error, instrument, order)
            raise OkxRefusal(refused.code, refused.msg) from error
        except ItemRefusal as error:
            raise OkxRefusal(error.code, error.msg) from error
        asset = instrument.quote if order.side == "buy" else instrument.base
        price = order.price if order.price is not None else self._market.last(instrument)
        cost = order.quantity if order.quantity is not None else order.quote_quantity
        if cost is not None and order.side == "buy" and order.quantity is not None:
            cost *= price
        held = self._exchange.balances(account).get(asset)
        row: dict[str, Any] = dict.fromkeys(_EMPTY_PRECHECK_FIELDS, "")
        row.update(
            availBal=plain_decimal(held.free if held is not None else 0), availBalChg=plain_decimal(-(cost or 0))
        )
        return [row]

    @staticmethod
    def _ids(item: Item) -> tuple[int | None, str | None]:
        """Order id and client id of an item; the order id takes precedence.

        Raises:
            ItemRefusal: 51407 if both are absent, 51000 if the order id is not a number.
        """
        order_id, own_id = item.optional("ordId"), item.optional("clOrdId")
        if order_id is None and own_id is None:
            raise ItemRefusal("51407", "Either order ID or client order ID is required.")
        if order_id is not None and not re.fullmatch(r"[0-9]{1,19}", order_id, re.ASCII):
            raise ItemRefusal("51000", "Parameter ordId error")
        return (int(order_id) if order_id is not None else None), own_id

    # --- asking ---

    def query(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/order."""
        instrument = self._instruments.instrument(params.required("instId"))
        order_id, own_id = params.integer("ordId"), params.optional("clOrdId")
        if order_id is None and own_id is None:
            raise OkxRefusal("50015", "Either parameter ordId or clOrdId is required", 400)
        try:
            order = self._exchange.order(account, instrument.id, order_id, None if order_id is not None else own_id)
        except Rejected as error:
            raise OkxRefusal("51603", "Order does not exist.") from error
        return [self.describe(order)]

    def pending(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-pending: newest first."""
        return self._page(
            account, params, ("live", "partially_filled"), lambda record: not record.state.final, required=False
        )

    def history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-history: closed orders, newest first; those without a fill for two hours only."""
        oldest_ms = params.now_ms - _FORGET_UNFILLED_MS
        return self._page(
            account, params, _CLOSED, lambda o: o.state.final and (o.done_lots > 0 or o.updated_ms >= oldest_ms)
        )

    def archive(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/orders-history-archive: closed orders, newest first."""
        return self._page(account, params, _CLOSED, lambda record: record.state.final)

    def _page(
        self,
        account: TradingAccount,
        params: OkxParams,
        states: tuple[str, ...],
        listed: Callable[[OrderRecord], bool],
        *,
        required: bool = True,
    ) -> list[dict[str, Any]]:
        """One page by order id, newest first; renders only the orders of the page."""
        kind = params.choice("instType", _INST_TYPES, required=required)
        name = params.optional("instId")
        instrument = self._instruments.instrument(name).id if name is not None else None
        state = params.choice("state", states)
        types = set((params.optional("ordType") or "").split(",")) - {""}
        begin, end = params.integer("begin"), params.integer("end")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)
        if kind not in {None, "SPOT"}:
            return []

        def _wanted(record: OrderRecord) -> bool:
            return (
                listed(record)
                and (state is None or _STATES[record.state] == state)
                and (not types or (record.request is not None and _order_type(record.request) in types))
            )

        found = self._exchange.order_history(
            account, instrument, from_id=before + 1 if before is not None else None, below_id=after, start_ms=begin, end_ms=end,
            limit=limit, newest=True, where=_wanted,
        )  # fmt: skip
        return [self.describe(order) for order in reversed(found)]

    def describe(self, order: OrderView) -> dict[str, Any]:
        """An order in the format of queries and lists."""
        last = order.fills[-1] if order.fills else None
        in_quote = order.quantity is None
        market = order.type == "market"
        size = order.quote_quantity if order.quantity is None else order.quantity
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FIELDS, "")
        row.update(
            instType="SPOT",
            instId=self._instruments.name(order.instrument),
            tgtCcy=("quote_ccy" if in_quote else "base_ccy") if market else "",
            ordId=str(order.order_id),
            clOrdId=order.client_id,
            tag=order.extra.get("tag", ""),
            px=plain_decimal(order.price) if order.price is not None else "",
            sz=plain_decimal(size),
            pnl="0",
            ordType=_order_type(order),
            side=order.side,
            posSide="net",
            tdMode="cash",
            accFillSz=plain_decimal(order.filled),
            fillPx=plain_decimal(last.price) if last else "",
            tradeId=str(last.trade_id) if last else "",
            fillSz=plain_decimal(last.quantity) if last else "0",
            fillTime=str(last.time_ms) if last else "",
            avgPx=plain_decimal(order.average_price) if order.average_price is not None else "",
            state=_STATES[order.state],
            stpMode=_STP_MODES.get(order.self_trade, "cancel_maker"),
            feeCcy=order.fee_asset,
            fee=plain_decimal(-order.fee),
            rebateCcy=self._other_asset(order),
            rebate="0",
            category="normal",
            reduceOnly=order.extra.get("reduceOnly", "false"),
            isTpLimit="false",
            cancelSource=_CANCEL_SOURCE.get(order.finish, ""),
            attachAlgoOrds=[],
            linkedAlgoOrd={"algoId": ""},
            uTime=str(order.updated_ms),
            cTime=str(order.created_ms),
            tradeQuoteCcy=self._exchange.instrument(order.instrument).quote,
        )
        return row

    def _other_asset(self, order: OrderView) -> str:
        instrument = self._exchange.instrument(order.instrument)
        return instrument.quote if order.fee_asset == instrument.base else instrument.base

    def fills(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/fills and trade/fills-history: newest first, pages by billId."""
        return self._fills(account, params, required=False)

    def fills_history(self, account: TradingAccount, params: OkxParams) -> list[Any]:
        """GET trade/fills-history."""
        return self._fills(account, params, required=True)

    def _fills(self, account: TradingAccount, params: OkxParams, *, required: bool) -> list[Any]:
        kind = params.choice("instType", _INST_TYPES, required=required)
        name = params.optional("instId")
        instrument = self._instruments.instrument(name).id if name is not None else None
        order_id = params.integer("ordId")
        sub_type = params.optional("subType")
        begin, end = params.integer("begin"), params.integer("end")
        after, before, limit = params.integer("after"), params.integer("before"), params.limit(100, 100)
        if kind not in {None, "SPOT"}:
            return []
        found = self._exchange.fills(
            account, instrument, order_id=order_id, fill_ids=(before + 1 if before is not None else None, after), start_ms=begin,
            end_ms=end, limit=None if sub_type is not None else limit, newest=True,
        )  # fmt: skip
        if sub_type is not None:
            found = [fill for fill in found if sub_type == _sub_type(fill)][-limit:]
        return [self._describe_fill(fill) for fill in reversed(found)]

    def _describe_fill(self, fill: FillView) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(_EMPTY_FILL_FIELDS, "")
        row.update(
            instType="SPOT",
            instId=self._instruments.name(fill.instrument),
            tradeId=str(fill.trade_id),
            ordId=str(fill.order_id),
            clOrdId=fill.client_id,
            billId=str(fill.fill_id),
            subType=_sub_type(fill),
            fillPx=plain_decimal(fill.price),
            fillSz=plain_decimal(fill.quantity),
            fillPnl="0",
            side=fill.side,
            posSide="net",
            execType="M" if fill.is_maker else "T",
            feeCcy=fill.fee_asset,
            fee=plain_decimal(-fill.fee),
            feeRate=plain_decimal(-fill.fee_rate),
            ts=str(fill.time_ms),
            fillTime=str(fill.time_ms),
            tradeQuoteCcy=self._exchange.instrument(fill.instrument).quote,
        )
        return row


# The fields of a spot order or fill that are always empty.
_EMPTY_FIELDS = (
    "algoClOrdId", "algoId", "attachAlgoClOrdId", "cancelSourceReason", "ccy", "lever", "pxType", "pxUsd", "pxVol", "quickMgnType",
    "slOrdPx", "slTriggerPx", "slTriggerPxType", "source", "stpId", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType",
)  # fmt: skip
_EMPTY_FILL_FIELDS = (
    "fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd", "fillPxVol", "tag",
)  # fmt: skip


_EMPTY_PRECHECK_FIELDS = (
    "adjEq", "adjEqChg", "availBal", "availBalChg", "imr", "imrChg", "liab", "liabChg", "liabChgCcy", "liqPx", "liqPxDiff",
    "liqPxDiffRatio", "mgnRatio", "mgnRatioChg", "mmr", "mmrChg", "posBal", "posBalChg", "type",
)  # fmt: skip


def _stp_mode(item: Item, force: TimeInForce) -> SelfTrade:
    mode = item.choice("stpMode", _SELF_TRADE) or "cancel_maker"
    if mode == "cancel_both" and force is TimeInForce.FOK:
        raise ItemRefusal("50016", "Parameter stpMode does not match parameter ordType")
    return _SELF_TRADE[mode]


def _tag(item: Item) -> str:
    tag = item.optional("tag") or ""
    if tag and not _TAG.fullmatch(tag):
        raise ItemRefusal("51000", "Parameter tag error")
    return tag


def _order_type(order: OrderView | NewOrder) -> str:
    if order.type == "market":
        return "market"
    return "limit" if order.time_in_force is TimeInForce.GTC else order.time_in_force.value.lower()


def _sub_type(fill: FillView) -> str:
    return "1" if fill.side == "buy" else "2"
