"""OKX v5's orders: placing, cancelling and changing ("Order Book Trading", "Trade" in OKX's API guide)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.orders import NewOrder
from ....engine.reasons import Reason, Rejected
from ...fields import plain_decimal
from ..parameters import Item, ItemRefusal, OkxParams, OkxRefusal
from ..public.market import OkxMarket
from ..public.products import inst_id
from .order_requests import OkxOrderReader
from .refusals import CANCEL_FAILED, NO_POSITION, NOT_OPEN, refuse_amendment, refuse_order

__all__ = ["OkxOrders"]

_KEPT_REQUEST_IDS = 1000


class Attachments(Protocol):
    """Reads the algo orders attached to an order."""

    def read(self, instrument: Instrument, item: Item, order: NewOrder) -> NewOrder:
        """The order with what is attached to it."""


class OkxOrders:
    """The handlers that place, cancel and change orders.

    POST handlers take an account, one ``Item`` and the time, and return the row of the reply.

    Args:
        exchange: The exchange.
        reader: Reads the fields of orders.
        attached: Reads the algo orders attached to them.
        market: Knows the last prices.
    """

    def __init__(
        self, exchange: SimulatedExchange, reader: OkxOrderReader, attached: Attachments, market: OkxMarket
    ) -> None:
        self._exchange = exchange
        self._reader = reader
        self._attached = attached
        self._market = market
        self.request_ids: dict[int, str] = {}  # of amendments, by order id, for the channel "orders"

    # --- placing ---

    def place(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One order of trade/order or trade/batch-orders.

        Raises:
            ItemRefusal: The order is refused.
        """
        instrument = self._reader.instrument_of(item)
        order = self._attached.read(instrument, item, self._reader.read(account, instrument, item))
        with self._exchange.lock:  # so that the position that it reduces does not change before it is placed
            if instrument.terms is not None:
                self._check_reducing(account, instrument, order)
            try:
                placed = self._exchange.place(account, order)
            except Rejected as error:
                if error.reason is Reason.POSITION_LIMIT:
                    raise self._over_tier(account, instrument, order) from error
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

    def _check_reducing(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> None:
        """Refuses an order that should only reduce a position, and is larger or has none to reduce.

        In long/short mode, other closing orders count too.
        """
        if not order.reduces or order.quantity is None:
            return
        view = self._exchange.contracts.position(account, instrument.id, order.position_side, order.isolated)
        if not view.quantity:
            raise ItemRefusal(*NO_POSITION)
        if (view.quantity > 0) is (order.side == "buy"):
            raise ItemRefusal(
                "51170",
                "Failed to place order. A reduce-only order can't be the same trading direction as your existing positions.",
            )
        room = abs(view.quantity)
        if order.position_side != "net":
            room -= sum(
                (other.quantity or Decimal(0)) - other.filled
                for other in self._exchange.open_orders(account, instrument.id)
                if other.reduce_only and (other.position_side, other.isolated) == (view.side, view.isolated)
            )
        if order.quantity > room:
            raise ItemRefusal("51112", "Close order size exceeds available size for this position.")

    def _over_tier(self, account: TradingAccount, instrument: Instrument, order: NewOrder) -> ItemRefusal:
        """The refusal of a position that is too large for its leverage."""
        desk, terms = self._exchange.contracts, instrument.terms
        assert terms is not None  # only contracts have tiers
        isolated, side = bool(order.isolated), order.position_side
        leverage = desk.leverage(account, instrument.id, side, isolated)
        held = plain_decimal(abs(desk.position(account, instrument.id, side, isolated).quantity))
        pending = sum(
            (other.quantity or Decimal(0)) - other.filled
            for other in self._exchange.open_orders(account, instrument.id)
            if (other.position_side, other.isolated, other.side) == (side, isolated, order.side)
        )
        if side != "net":
            mode, sub_code = ("isolated", "1101") if isolated else ("cross", "1102")
            text = f"{mode} long/short mode of {inst_id(instrument)}"
        else:
            sub_code = "1104" if order.side == "buy" else "1105"
            text = f"buy/sell mode of {inst_id(instrument)}"
        size = plain_decimal(order.quantity or Decimal(0))
        return ItemRefusal(
            "51004",
            f"Order failed. For {text}, the sum of current {order.side} order size, position quantity, and pending {order.side} orders "
            f"can't be more than {plain_decimal(terms.most(leverage))}(contracts) which is the maximum position amount under current "
            "leverage. Please lower the leverage or use a new sub-account to place the order again (current leverage: "
            f"{leverage}\u00d7, current {order.side} order size: {size} contracts, position quantity: {held} contracts, pending "
            f"{order.side} orders: {plain_decimal(pending)} contracts).",
            sub_code,
        )

    # --- cancelling and changing ---

    def cancel(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """One order of trade/cancel-order or trade/cancel-batch-orders.

        Raises:
            ItemRefusal: The order is refused.
        """
        instrument = self._reader.instrument_of(item)
        order_id, own_id = self._reader.ids(item)
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
        instrument = self._reader.instrument_of(item)
        order_id, own_id = self._reader.ids(item)
        own_id = None if order_id is not None else own_id
        size, price = item.decimal("newSz"), item.decimal("newPx")
        if size is None and price is None:
            raise ItemRefusal("51500", "You must enter a price, quantity, or TP/SL")
        cancels, request_id = item.flag("cxlOnFail"), item.optional("reqId") or ""
        try:
            with self._exchange.lock:
                order = self._exchange.order(account, instrument.id, order_id, own_id)
                if price is not None:
                    price = self._reader.price(instrument, item, price, buys=order.side == "buy")
                self.request_ids[order.order_id] = request_id
                order = self._exchange.amend(account, instrument.id, order.order_id, price=price, quantity=size)
        except Rejected as error:
            if cancels and error.reason not in NOT_OPEN:
                self._exchange.cancel(account, instrument.id, order_id, own_id)
            raise refuse_amendment(error, instrument) from error
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
            instrument = self._reader.instrument_of(item)
            order = self._reader.read(account, instrument, item)
            self._exchange.check(account, order)
        except Rejected as error:
            refused = refuse_order(error, instrument, order)
            raise OkxRefusal(refused.code, refused.msg) from error
        except ItemRefusal as error:
            raise OkxRefusal(error.code, error.msg) from error
        row: dict[str, Any] = dict.fromkeys(_EMPTY_PRECHECK_FIELDS, "")
        if instrument.terms is not None:
            return [row]
        asset = instrument.quote if order.side == "buy" else instrument.base
        price = order.price if order.price is not None else self._market.last(instrument)
        cost = order.quantity if order.quantity is not None else order.quote_quantity
        if cost is not None and order.side == "buy" and order.quantity is not None:
            cost *= price
        held = self._exchange.balances(account).get(asset)
        row.update(
            availBal=plain_decimal(held.free if held is not None else 0), availBalChg=plain_decimal(-(cost or 0))
        )
        return [row]


_EMPTY_PRECHECK_FIELDS = (
    "adjEq", "adjEqChg", "availBal", "availBalChg", "imr", "imrChg", "liab", "liabChg", "liabChgCcy", "liqPx", "liqPxDiff",
    "liqPxDiffRatio", "mgnRatio", "mgnRatioChg", "mmr", "mmrChg", "posBal", "posBalChg", "type",
)  # fmt: skip
