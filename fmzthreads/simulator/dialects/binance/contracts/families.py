"""USDⓈ-M and COIN-M: names, codes and fields in which they differ (Binance's documentation, "Derivatives Trading")."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ....engine.exchange import SimulatedExchange
from ....engine.instruments import Instrument, Kind
from ....engine.orders import NewOrder
from ....engine.reasons import Reason, Rejected
from ...base import InstrumentNames
from ...fields import plain_decimal
from ..parameters import BinanceRefusal
from ..symbols import SELF_TRADE_DEFAULT, SELF_TRADE_MODES

__all__ = ["ALGO_TYPES", "COIN_M", "ORDER_FORCES", "USD_M", "ContractSymbols", "Family", "refuse_contract_order"]

ALGO_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
ORDER_FORCES = ("GTC", "IOC", "FOK", "GTX")
_NEVER_MS = 4_133_404_800_000  # the deliveryDate of perpetual contracts

_POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history"
)
_CODES: Mapping[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_INSTRUMENT: (-1121, "Invalid symbol."),
    Reason.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Reason.ORDER_CLOSED: (-2011, "Unknown order sent."),
    Reason.BAD_PRICE: (-4001, "Price less than 0."),
    Reason.PRICE_TICK: (-4014, "Price not increased by tick size."),
    Reason.PRICE_RANGE: (-4002, "Price greater than max price."),
    Reason.BAD_QUANTITY: (-4003, "Quantity less than zero."),
    Reason.QUANTITY_STEP: (-4023, "Qty not increased by step size."),
    Reason.QUANTITY_TOO_SMALL: (-4004, "Quantity less than min quantity."),
    Reason.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Reason.NOTIONAL_TOO_SMALL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    Reason.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    Reason.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Reason.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.WOULD_TAKE: (-5022, _POST_ONLY),
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.BAD_COMBINATION: (-1128, "Combination of optional parameters invalid."),
    Reason.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.POSITION_LIMIT: (-2027, "Exceeded the maximum allowable position at current leverage."),
    Reason.CLOSED_INSTRUMENT: (-4141, "Symbol is closed."),
    Reason.BAD_LEVERAGE: (-4028, "Leverage {} is not valid"),
    Reason.OPEN_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    Reason.OPEN_POSITIONS: (-4068, "Position side cannot be changed if there exists position."),
}


@attrs.frozen(kw_only=True)
class Family:
    """One of Binance's two families of contracts.

    Attributes:
        name: ``um`` or ``cm``.
        prefix: The first part of its paths.
        kind: Whether its contracts are linear or inverse.
        stream_type: The value of ``st`` in stream events.
        value_name: The field with the value of fills: quote, or coins.
        modify_codes: The codes of a change that is no limit order, and of one that changes nothing.
        notional_code: The code of an order below the minimum value.
        limits_account: Whether ``/v1/`` has a balance with ``withdrawAvailable`` (COIN-M).
    """

    name: str
    prefix: str
    kind: Kind
    stream_type: int
    value_name: str
    modify_codes: tuple[int, int]
    notional_code: int

    @property
    def coin(self) -> bool:
        """Whether it is COIN-M."""
        return self.kind is Kind.INVERSE


USD_M = Family(
    name="um", prefix="/fapi", kind=Kind.LINEAR, stream_type=1, value_name="cumQuote", modify_codes=(-5025, -5027), notional_code=-4164,
)  # fmt: skip
COIN_M = Family(
    name="cm", prefix="/dapi", kind=Kind.INVERSE, stream_type=2, value_name="cumBase", modify_codes=(-4196, -4197), notional_code=-4178,
)  # fmt: skip


def refuse_contract_order(
    family: Family, error: Rejected, instrument: Instrument, order: NewOrder | None = None
) -> BinanceRefusal:
    """The refusal of an order that the engine rejected."""
    code, text = _CODES[error.reason]
    if error.reason is Reason.NOTIONAL_TOO_SMALL:
        return BinanceRefusal(family.notional_code, text.format(plain_decimal(instrument.min_notional)))
    if (
        error.reason is Reason.PRICE_RANGE
        and order is not None
        and order.price is not None
        and order.price < instrument.min_price
    ):
        return BinanceRefusal(-4013, "Price less than min price.")
    return BinanceRefusal(code, text)


class ContractSymbols(InstrumentNames):
    """Converts names in both directions and describes symbols for ``exchangeInfo``."""

    def __init__(self, exchange: SimulatedExchange, family: Family) -> None:
        self.family = family
        self.exchange = exchange
        super().__init__(exchange, self._spell, lambda: BinanceRefusal(-1121, "Invalid symbol."))

    def _spell(self, instrument: Instrument) -> str:
        terms = instrument.terms
        expiry = terms.expiry_ms if terms is not None else 0
        if expiry:
            day = datetime.datetime.fromtimestamp(expiry / 1000, datetime.UTC)
            return f"{self.pair(instrument)}_{day:%y%m%d}"
        return self.pair(instrument) + ("_PERP" if self.family.coin else "")

    @staticmethod
    def pair(instrument: Instrument) -> str:
        """The pair of a contract, such as ``BTCUSDT``."""
        return instrument.base + instrument.quote

    def of_pair(self, pair: str) -> list[Instrument]:
        """The contracts of a pair.

        Raises:
            BinanceRefusal: -1121 if there are none.
        """
        found = [instrument for instrument in self.all() if self.pair(instrument) == pair]
        if not found:
            raise BinanceRefusal(-1121, "Invalid symbol.")
        return found

    @staticmethod
    def contract_type(instrument: Instrument) -> str:
        """Binance's word for the kind of a contract."""
        if instrument.terms is None or not instrument.terms.expiry_ms:
            return "PERPETUAL"
        return "NEXT_QUARTER" if instrument.id.endswith("next_quarter") else "CURRENT_QUARTER"

    def describe(self, instrument: Instrument) -> dict[str, Any]:
        """One entry of ``exchangeInfo.symbols``."""
        terms, coin = instrument.terms, self.family.coin
        assert terms is not None  # only contracts are listed
        status = "CLOSE" if self.exchange.contracts.closed(instrument.id) else "TRADING"
        row: dict[str, Any] = {
            "symbol": self.name(instrument.id), "pair": self.pair(instrument), "contractType": self.contract_type(instrument),
            "deliveryDate": terms.expiry_ms or _NEVER_MS, "onboardDate": 1_569_398_400_000,
            "contractStatus" if coin else "status": status, "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000",
            "baseAsset": instrument.base, "quoteAsset": instrument.quote, "marginAsset": instrument.settle,
            "pricePrecision": _places(instrument.tick), "quantityPrecision": _places(instrument.step), "baseAssetPrecision": 8,
            "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": ["PoW"], "triggerProtect": "0.0500",
            "liquidationFee": f"{terms.liquidation_fee:.6f}", "marketTakeBound": "0.05", "maxMoveOrderLimit": 10_000,
            "filters": self._filters(instrument), "orderTypes": ["LIMIT", "MARKET", *ALGO_TYPES], "timeInForce": list(ORDER_FORCES),
        }  # fmt: skip
        if coin:
            row.update(contractSize=int(instrument.contract_value), equalQtyPrecision=4)
        else:
            row.update(settlePlan=0, permissionSets=[])
        return row

    def _filters(self, instrument: Instrument) -> list[dict[str, Any]]:
        """The filters that orders are checked against."""
        up, down = price_bounds()
        rows: list[dict[str, Any]] = [
            {
                "filterType": "PRICE_FILTER", "minPrice": plain_decimal(instrument.min_price), "maxPrice": plain_decimal(instrument.max_price),
                "tickSize": plain_decimal(instrument.tick),
            },
            *(
                {
                    "filterType": name, "minQty": plain_decimal(instrument.min_quantity), "maxQty": plain_decimal(most),
                    "stepSize": plain_decimal(instrument.step),
                }
                for name, most in (("LOT_SIZE", instrument.max_quantity), ("MARKET_LOT_SIZE", instrument.max_market_quantity))
            ),
            {"filterType": "MAX_NUM_ORDERS", "limit": instrument.max_open_orders},
            {"filterType": "PERCENT_PRICE", "multiplierUp": f"{up:.4f}", "multiplierDown": f"{down:.4f}", "multiplierDecimal": "4"},
        ]  # fmt: skip
        if not self.family.coin:
            rows.append({"filterType": "MIN_NOTIONAL", "notional": plain_decimal(instrument.min_notional)})
        return rows


def price_bounds() -> tuple[Decimal, Decimal]:
    """The filter PERCENT_PRICE: a buy may be so far above the mark price, a sell so far below it."""
    return Decimal("1.05"), Decimal("0.95")


def self_trade_modes() -> tuple[str, tuple[str, ...]]:
    """The self-trade prevention modes: the default, and all."""
    return SELF_TRADE_DEFAULT, SELF_TRADE_MODES


def _places(step: Decimal) -> int:
    """The decimal places of a step."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
