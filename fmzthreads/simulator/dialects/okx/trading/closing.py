"""OKX v5's closing of a whole position ("Close positions" in OKX's API guide)."""

from __future__ import annotations

from typing import Any

from ....engine.accounts import TradingAccount
from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument
from ....engine.margin.positions import Side
from ....engine.orders import Finish, NewOrder
from ....engine.reasons import Rejected
from ..parameters import Item, ItemRefusal, client_id
from ..public.products import product_of
from .order_requests import OkxOrderReader, tag
from .refusals import refuse_order

__all__ = ["PositionCloser", "refused_closing"]


class PositionCloser:
    """Closes a position by an order at the market.

    Args:
        exchange: The exchange.
        reader: Reads instruments and position sides.
    """

    def __init__(self, exchange: SimulatedExchange, reader: OkxOrderReader) -> None:
        self._exchange = exchange
        self._reader = reader

    def close(self, account: TradingAccount, item: Item, now_ms: int) -> dict[str, Any]:
        """POST trade/close-position.

        Raises:
            ItemRefusal: 51023 without a position, 51115 while orders that close it are open and ``autoCxl`` is not set.
        """
        instrument = self._reader.instrument_of(item)
        if not product_of(instrument).contracts:
            raise ItemRefusal("51000", "Parameter instId error")
        isolated = item.choice("mgnMode", ("cross", "isolated"), required=True) == "isolated"
        side = self._reader.position_side(account, instrument, item)
        own_id, cancels, label = client_id(item) or "", item.flag("autoCxl"), tag(item)
        with self._exchange.lock:
            view = self._exchange.contracts.position(account, instrument.id, side, isolated)
            if not view.quantity:
                raise ItemRefusal("51023", "Position doesn't exist.")
            sells = view.quantity > 0
            self._clear(account, instrument, side, isolated=isolated, sells=sells, cancels=cancels)
            order = NewOrder(
                instrument=instrument.id, side="sell" if sells else "buy", type="market", quantity=abs(view.quantity), client_id=own_id,
                position_side=side, isolated=isolated, reduce_only=True, extra={"tag": label, "reduceOnly": "true"},
            )  # fmt: skip
            order = self._reader.at_price_limit(instrument, order, "market")
            try:
                self._exchange.place(account, order)
            except Rejected as error:
                raise refuse_order(error, instrument, order) from error
        return {"instId": item.optional("instId") or "", "posSide": side, "clOrdId": own_id, "tag": label}

    def _clear(
        self, account: TradingAccount, instrument: Instrument, side: Side, *, isolated: bool, sells: bool, cancels: bool
    ) -> None:
        """Cancels the open orders that would close the position too."""
        for order in self._exchange.open_orders(account, instrument.id):
            if (order.position_side, order.isolated, order.side) != (side, isolated, "sell" if sells else "buy"):
                continue
            if not cancels:
                raise ItemRefusal("51115", "Cancel all pending close-orders before liquidation.")
            self._exchange.cancel(account, instrument.id, order.order_id, finish=Finish.SYSTEM)


def refused_closing(error: ItemRefusal, item: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """The reply row of a refused closing."""
    return {
        "clOrdId": str(item.get("clOrdId") or ""),
        "ordId": "",
        "sCode": error.code,
        "sMsg": error.msg,
        "tag": str(item.get("tag") or ""),
    }
