"""The exchange's instruments as Binance spot names and describes them ("Filters" in Binance's spot documentation)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...engine.exchange import SimulatedExchange
from ...engine.instruments import Instrument
from ..base import InstrumentNames
from .parameters import BinanceRefusal

__all__ = [
    "AVERAGE_MINUTES",
    "MAX_NOTIONAL",
    "ORDER_TYPES",
    "SELF_TRADE_DEFAULT",
    "SELF_TRADE_MODES",
    "Symbols",
    "fixed",
]

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
SELF_TRADE_DEFAULT = "EXPIRE_MAKER"
SELF_TRADE_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")

# PERCENT_PRICE_BY_SIDE of live symbols: (down, up) for buys and for sells, relative to the average of five minutes.
_BUY_BOUNDS = (Decimal("0.5"), Decimal("1.2"))
_SELL_BOUNDS = (Decimal("0.8"), Decimal(2))
AVERAGE_MINUTES = 5
MAX_NOTIONAL = Decimal(9_000_000)


def fixed(value: Decimal) -> str:
    """A number as Binance spot writes it: eight decimal places."""
    return f"{value:.8f}"


def _unknown() -> BinanceRefusal:
    return BinanceRefusal(-1121, "Invalid symbol.")


class Symbols(InstrumentNames):
    """Converts names in both directions and describes symbols for ``exchangeInfo``."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        super().__init__(exchange, lambda instrument: instrument.base + instrument.quote, _unknown)

    @staticmethod
    def price_bounds(buys: bool) -> tuple[Decimal, Decimal]:
        """The lowest and the highest price of an order, as multiples of the average."""
        return _BUY_BOUNDS if buys else _SELL_BOUNDS

    def describe(self, instrument: Instrument, *, permission_sets: bool = True) -> dict[str, Any]:
        """One entry of ``exchangeInfo.symbols``."""
        return {
            "symbol": self.name(instrument.id),
            "status": "TRADING",
            "baseAsset": instrument.base,
            "baseAssetPrecision": 8,
            "quoteAsset": instrument.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": False,
            "ocoAllowed": True,
            "otoAllowed": False,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": _filters(instrument),
            "permissions": [],
            "permissionSets": [["SPOT"]] if permission_sets else [],
            "defaultSelfTradePreventionMode": SELF_TRADE_DEFAULT,
            "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
        }


def _filters(instrument: Instrument) -> list[dict[str, Any]]:
    """Exactly the filters that orders are checked against."""
    (bid_down, bid_up), (ask_down, ask_up) = _BUY_BOUNDS, _SELL_BOUNDS
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": fixed(instrument.min_price),
            "maxPrice": fixed(instrument.max_price),
            "tickSize": fixed(instrument.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": fixed(instrument.min_quantity),
            "maxQty": fixed(instrument.max_quantity),
            "stepSize": fixed(instrument.step),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": fixed(Decimal(0)),
            "maxQty": fixed(instrument.max_market_quantity),
            "stepSize": fixed(Decimal(0)),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": f"{bid_up:f}",
            "bidMultiplierDown": f"{bid_down:f}",
            "askMultiplierUp": f"{ask_up:f}",
            "askMultiplierDown": f"{ask_down:f}",
            "avgPriceMins": AVERAGE_MINUTES,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": fixed(instrument.min_notional),
            "applyMinToMarket": True,
            "maxNotional": fixed(MAX_NOTIONAL),
            "applyMaxToMarket": False,
            "avgPriceMins": AVERAGE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": instrument.max_open_orders},
    ]
