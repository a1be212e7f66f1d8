"""Orders and fills of contracts as Binance writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ....engine.instruments import Instrument
from ....engine.orders import FillView, Finish, OrderOrigin, OrderView, State, TimeInForce
from ..symbols import fixed
from .families import ContractSymbols
from .market import plain

__all__ = ["ContractRows", "contract_force", "contract_status", "contract_type", "venue_id"]

_STATUS = {
    State.NEW: "NEW", State.PARTIALLY_FILLED: "PARTIALLY_FILLED", State.FILLED: "FILLED", State.CANCELED: "CANCELED",
    State.EXPIRED: "EXPIRED",
}  # fmt: skip
_SIDES = {"net": "BOTH", "long": "LONG", "short": "SHORT"}
_ZERO = Decimal(0)


def contract_status(order: OrderView) -> str:
    """Binance's word for an order's status."""
    return "EXPIRED_IN_MATCH" if order.finish is Finish.SELF_TRADE else _STATUS[order.state]


def contract_force(order: OrderView) -> str:
    """Binance's time in force of an order."""
    return "GTX" if order.time_in_force is TimeInForce.POST_ONLY else order.time_in_force.value


def contract_type(order: OrderView) -> str:
    """Binance's word for an order's type."""
    return order.type.upper()


def venue_id(origin: OrderOrigin, number: int, *, coin: bool) -> str:
    """The client id of an order that the venue makes: its prefix is how clients recognise it."""
    delivery = "delivery_autoclose-" if coin else "settlement_autoclose-"
    prefix = {OrderOrigin.LIQUIDATION: "autoclose-", OrderOrigin.ADL: "adl_autoclose-", OrderOrigin.DELIVERY: delivery}[
        origin
    ]
    return f"{prefix}{1_600_000_000_000_000 + number}"


class ContractRows:
    """Makes the rows of answers.

    Args:
        symbols: The instruments under Binance's names.
        instruments: Finds an instrument by its id.
    """

    def __init__(self, symbols: ContractSymbols) -> None:
        self._symbols = symbols
        self._coin = symbols.family.coin
        self._instruments = {instrument.id: instrument for instrument in symbols.all()}

    def instrument(self, order: OrderView | FillView) -> Instrument:
        """The instrument of an order or fill."""
        return self._instruments[order.instrument]

    def placed(self, order: OrderView, *, fresh: bool = False) -> dict[str, Any]:
        """The answer to placing, changing or cancelling; ``fresh`` shows it as it was accepted (ACK)."""
        filled = _ZERO if fresh else order.filled
        row = {
            "orderId": order.order_id, "symbol": self._symbols.name(order.instrument),
            "status": "NEW" if fresh else contract_status(order), "clientOrderId": order.client_id,
            "price": plain(order.price or _ZERO), "origQty": plain(order.quantity or _ZERO), "executedQty": plain(filled),
            "cumQty": plain(filled), "timeInForce": contract_force(order), "type": contract_type(order), "reduceOnly": self._reduces(order),
            "closePosition": "closePosition" in order.extra, "side": order.side.upper(), "positionSide": _SIDES[order.position_side],
            "stopPrice": order.extra.get("stopPrice", "0"), "workingType": order.extra.get("workingType", "CONTRACT_PRICE"),
            "priceProtect": False, "origType": order.extra.get("origType", contract_type(order)),
            "priceMatch": order.extra.get("priceMatch", "NONE"), "selfTradePreventionMode": order.self_trade.name, "goodTillDate": 0,
            "updateTime": order.updated_ms,
        }  # fmt: skip
        if self._coin:
            row["pair"] = self._symbols.pair(self.instrument(order))
        return row

    @staticmethod
    def _reduces(order: OrderView) -> bool:
        """Whether the order was sent as reduce-only; a closing side of hedge mode is not called so."""
        return order.reduce_only and order.position_side == "net"

    def queried(self, order: OrderView) -> dict[str, Any]:
        """An order in the format of queries: with average price and value."""
        row = self.placed(order)
        if not self._coin:
            row["cumQuote"] = plain(order.filled_quote)
        else:
            row["cumBase"] = fixed(order.filled_base)
        row.update(avgPrice=f"{order.average_price or _ZERO:.5f}", time=order.created_ms)
        return row

    def listed(self, order: OrderView) -> dict[str, Any]:
        """An order in allOrders: with both values, the unused one 0."""
        row = self.queried(order)
        row.setdefault("cumQuote", "0")
        row.setdefault("cumBase", "0")
        row["pair"] = self._symbols.pair(self.instrument(order))
        return row

    def trade(self, fill: FillView) -> dict[str, Any]:
        """A fill in userTrades."""
        instrument = self.instrument(fill)
        return {
            "symbol": self._symbols.name(fill.instrument), "pair": self._symbols.pair(instrument), "id": fill.trade_id,
            "orderId": fill.order_id, "side": fill.side.upper(), "price": plain(fill.price), "qty": plain(fill.quantity),
            "realizedPnl": fixed(fill.profit), "marginAsset": instrument.settle, "quoteQty": plain(fill.quote_quantity),
            "baseQty": fixed(fill.base_quantity), "commission": fixed(fill.fee), "commissionAsset": fill.fee_asset, "time": fill.time_ms,
            "positionSide": _SIDES[fill.position_side], "buyer": fill.side == "buy", "maker": fill.is_maker,
        }  # fmt: skip
